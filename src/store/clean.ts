import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isObjectHash, isThunkHash, type ObjectHash } from "../thunk/hash.js";
import { removeQuietly } from "../util/files.js";
import { DepCache } from "./depcache.js";
import type { LocalObjects, LocalStore } from "./local.js";
import {
	closureOfThunk,
	entriesOfTree,
	isOpen,
	listObjects,
	listResults,
	listStrays,
	objectsOfThunk,
	outputsOfThunk,
	RESULT_KEY,
	type StoredObject,
} from "./usage.js";

export interface CleanOptions {
	readonly ggDir: string;
	readonly store: LocalStore;
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
	const { objects } = o.store;
	const stored = listObjects(o.ggDir, o.store);
	const units = listResults(o.ggDir, o.store, stored);
	const pinned = new Set<ObjectHash>();
	for (const hash of o.placeholders) for (const object of closureOfThunk(hash, objects)) pinned.add(object);
	const uses = new Uses(stored, objects);
	for (const hash of pinned) uses.add(hash);
	for (const unit of units) for (const hash of unit.objects) uses.add(hash);
	// Thunks before values: what a thunk that was not forced yet needs is not alone.
	for (const wanted of [true, false]) {
		for (const [hash, { used }] of stored) {
			if (isThunkHash(hash) !== wanted || uses.has(hash)) continue;
			const needed = wanted ? objectsOfThunk(hash, objects) : [hash];
			units.push({ used, files: [], objects: needed, thunk: undefined, name: hash });
			for (const object of needed) uses.add(object);
		}
	}
	// By name among the equally old, so that equal stores give equal answers.
	units.sort((a, b) => a.used - b.used || byName(a.name, b.name));
	const results = new Set<ObjectHash>();
	const files: string[] = [];
	for (const unit of units) {
		if (unit.thunk !== undefined && pinned.has(unit.thunk)) continue;
		const old = o.usedBefore !== undefined && unit.used < o.usedBefore;
		const tooMuch = o.maxSize !== undefined && uses.bytes > o.maxSize;
		if (!old && !tooMuch) continue;
		if (unit.thunk !== undefined) results.add(unit.thunk);
		files.push(...unit.files);
		for (const hash of unit.objects) uses.remove(hash);
	}
	const gone = new Set(uses.gone());
	if (!o.dryRun) {
		for (const file of files) removeQuietly(file);
		for (const hash of gone) removeQuietly(objects.path(hash));
		if (results.size > 0 || gone.size > 0) compactPacks(o, results, gone);
		for (const file of listStrays(o.ggDir, o.now - HOUR)) removeQuietly(file);
		removeDeadFolders(join(o.ggDir, "tmp"));
	}
	let bytes = 0;
	for (const hash of gone) bytes += stored.get(hash)!.size;
	return {
		results: results.size,
		objects: gone.size,
		bytes,
		keptObjects: stored.size - gone.size,
		keptBytes: uses.bytes,
	};
}

/**
 * Removes values, for a worker whose disk is small: all but what `asked` names, and what other thunks still need. Those
 * are the thunks of this store that have no result yet (another process may be running one), and `placeholders`. Thunks
 * themselves stay: they are small.
 */
export function dropValues(store: LocalStore, asked: readonly ObjectHash[], placeholders: readonly ObjectHash[]): void {
	const { objects } = store;
	const names = readdirSync(objects.folder).filter(isObjectHash);
	const needed = new Set<ObjectHash>();
	const open: ObjectHash[] = asked.flatMap((hash) => objectsOfThunk(hash, objects));
	open.push(...placeholders, ...names.filter((name) => isThunkHash(name) && isOpen(name, store)));
	for (let at = open.pop(); at !== undefined; at = open.pop()) {
		if (needed.has(at)) continue;
		needed.add(at);
		if (!isThunkHash(at)) open.push(...entriesOfTree(at, objects));
		else open.push(...(isOpen(at, store) ? objectsOfThunk(at, objects) : outputsOfThunk(at, store)));
	}
	for (const name of names) {
		if (!isThunkHash(name) && !needed.has(name)) removeQuietly(objects.path(name));
	}
}

function compactPacks(o: CleanOptions, results: ReadonlySet<ObjectHash>, gone: ReadonlySet<ObjectHash>): void {
	o.store.pack.compact((key) => {
		const thunk = RESULT_KEY.exec(key)?.[1] ?? "";
		return isObjectHash(thunk) ? !results.has(thunk) : !(isObjectHash(key) && gone.has(key));
	});
	const depcache = new DepCache(o.ggDir);
	// Without the thunk an entry leads nowhere.
	depcache.compact((thunk) => o.store.objects.has(thunk));
	depcache.close();
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
export function removeDeadFolders(tmp: string): void {
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
