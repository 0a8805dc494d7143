import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isThunkHash, type ObjectHash } from "../thunk/hash.js";
import { removeQuietly } from "../util/files.js";
import type { LocalObjects } from "./local.js";
import {
	closureOfThunk,
	entriesOfTree,
	listDepcache,
	listObjects,
	listResults,
	listStrays,
	objectsOfThunk,
	type StoredObject,
} from "./usage.js";

export interface CleanOptions {
	readonly ggDir: string;
	readonly objects: LocalObjects;
	/** Thunks that placeholders stand for: they and all they need stay. */
	readonly placeholders: readonly ObjectHash[];
	/** What was last used before this time (milliseconds since the epoch) goes. */
	readonly usedBefore: number | undefined;
	/** Then the least recently used goes until objects take at most so many bytes. */
	readonly maxSize: number | undefined;
	readonly now: number;
	/** Only count. */
	readonly dryRun: boolean;
}

export interface Cleaned {
	readonly results: number;
	readonly objects: number;
	readonly bytes: number;
	readonly keptObjects: number;
	readonly keptBytes: number;
}

const HOUR = 3600_000;

/**
 * Removes what was not used for longest. Nothing that is removed is missed: a lookup that meets an absent object is a
 * miss. An object goes when nothing that stays needs it.
 */
export function cleanStore(o: CleanOptions): Cleaned {
	const stored = listObjects(o.objects);
	const units = [...listResults(o.ggDir, o.objects), ...listDepcache(o.ggDir, o.objects)];
	const pinned = new Set<ObjectHash>();
	for (const hash of o.placeholders) for (const object of closureOfThunk(hash, o.objects)) pinned.add(object);
	const uses = new Uses(stored, o.objects);
	for (const hash of pinned) uses.add(hash);
	for (const unit of units) for (const hash of unit.objects) uses.add(hash);
	// Thunks before values: what a thunk that was not forced yet needs is not alone.
	for (const wanted of [true, false]) {
		for (const [hash, { used }] of stored) {
			if (isThunkHash(hash) !== wanted || uses.has(hash)) continue;
			const objects = wanted ? objectsOfThunk(hash, o.objects) : [hash];
			units.push({ kind: "object", used, files: [], objects, thunk: undefined });
			for (const object of objects) uses.add(object);
		}
	}
	// By name among the equally old, so that equal stores give equal answers.
	units.sort((a, b) => a.used - b.used || byName(a.files[0] ?? "", b.files[0] ?? ""));
	let results = 0;
	const files: string[] = [];
	for (const unit of units) {
		if (unit.thunk !== undefined && pinned.has(unit.thunk)) continue;
		const old = o.usedBefore !== undefined && unit.used < o.usedBefore;
		const tooMuch = o.maxSize !== undefined && uses.bytes > o.maxSize;
		if (!old && !tooMuch) continue;
		if (unit.kind === "result") results += 1;
		files.push(...unit.files);
		for (const hash of unit.objects) uses.remove(hash);
	}
	const gone = uses.gone();
	if (!o.dryRun) {
		for (const file of files) removeQuietly(file);
		for (const hash of gone) removeQuietly(o.objects.path(hash));
		for (const file of listStrays(o.ggDir, o.now - HOUR)) removeQuietly(file);
		removeDeadFolders(join(o.ggDir, "tmp"));
	}
	let bytes = 0;
	for (const hash of gone) bytes += stored.get(hash)!.size;
	return { results, objects: gone.length, bytes, keptObjects: stored.size - gone.length, keptBytes: uses.bytes };
}

function byName(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

/** Counts who needs each object; a Tree needs its files. */
class Uses {
	readonly #stored: ReadonlyMap<ObjectHash, StoredObject>;
	readonly #objects: LocalObjects;
	readonly #counts = new Map<ObjectHash, number>();
	readonly #entries = new Map<ObjectHash, readonly ObjectHash[]>();
	/** Size of what is stored and needed. */
	bytes = 0;

	constructor(stored: ReadonlyMap<ObjectHash, StoredObject>, objects: LocalObjects) {
		this.#stored = stored;
		this.#objects = objects;
	}

	has(hash: ObjectHash): boolean {
		return this.#counts.has(hash);
	}

	add(hash: ObjectHash): void {
		const count = this.#counts.get(hash) ?? 0;
		this.#counts.set(hash, count + 1);
		if (count > 0) return;
		this.bytes += this.#stored.get(hash)?.size ?? 0;
		const entries = this.#stored.has(hash) ? entriesOfTree(hash, this.#objects) : [];
		if (entries.length === 0) return;
		this.#entries.set(hash, entries);
		for (const entry of entries) this.add(entry);
	}

	remove(hash: ObjectHash): void {
		const count = this.#counts.get(hash) ?? 0;
		if (count > 1) {
			this.#counts.set(hash, count - 1);
			return;
		}
		this.#counts.delete(hash);
		this.bytes -= this.#stored.get(hash)?.size ?? 0;
		for (const entry of this.#entries.get(hash) ?? []) this.remove(entry);
	}

	/** Stored objects that nobody needs. */
	gone(): ObjectHash[] {
		return [...this.#stored.keys()].filter((hash) => !this.#counts.has(hash));
	}
}

/** Folders of thunks in `.gg/tmp` whose process has ended. */
function removeDeadFolders(tmp: string): void {
	let names: string[];
	try {
		names = readdirSync(tmp);
	} catch {
		return;
	}
	for (const name of names) {
		const pid = /^(?:run|thunk)-(\d+)-\d+$/.exec(name)?.[1];
		if (pid === undefined || isAlive(Number(pid))) continue;
		rmSync(join(tmp, name), { recursive: true, force: true });
	}
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		// EPERM: alive, and somebody else's.
		return error instanceof Error && "code" in error && error.code === "EPERM";
	}
}
