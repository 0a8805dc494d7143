import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeResult, decodeThunk, decodeTree } from "../thunk/codec.js";
import { isObjectHash, isThunkHash, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import type { DepEntry } from "./depcache.js";
import type { LocalObjects } from "./local.js";
import { RESULT_TAG } from "./types.js";

/** Something that was used at one time and goes as a whole: a thunk's reductions, a depcache entry, a lone object. */
export interface Unit {
	readonly kind: "result" | "depcache" | "object";
	/** Milliseconds since the epoch. */
	readonly used: number;
	/** In the order in which they are removed. */
	readonly files: readonly string[];
	/** Objects that it needs. */
	readonly objects: readonly ObjectHash[];
	/** Set for a result: the thunk. */
	readonly thunk: ObjectHash | undefined;
}

export interface StoredObject {
	readonly size: number;
	readonly used: number;
}

/** Time of the last use: systems that note readings late (relatime) note them once a day at least. */
function statUsed(path: string): { used: number; size: number } | undefined {
	const s = lstatSync(path, { throwIfNoEntry: false });
	return s === undefined ? undefined : { used: Math.max(s.atimeMs, s.mtimeMs), size: s.size };
}

function list(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch {
		return [];
	}
}

export function listObjects(objects: LocalObjects): Map<ObjectHash, StoredObject> {
	const found = new Map<ObjectHash, StoredObject>();
	for (const name of list(objects.folder)) {
		if (!isObjectHash(name)) continue;
		const s = statUsed(join(objects.folder, name));
		if (s !== undefined) found.set(name, s);
	}
	return found;
}

/** Temporary files that a killed process left among the objects or reductions. */
export function listStrays(ggDir: string, before: number): string[] {
	const strays: string[] = [];
	for (const folder of ["blobs", "reductions", "depcache"]) {
		for (const name of list(join(ggDir, folder))) {
			if (!/\.gg-\d+-[0-9a-f]+-\d+$/.test(name)) continue;
			const path = join(ggDir, folder, name);
			if ((statUsed(path)?.used ?? before) < before) strays.push(path);
		}
	}
	return strays;
}

/** One unit for each thunk that has reductions. */
export function listResults(ggDir: string, objects: LocalObjects): Unit[] {
	const byThunk = new Map<ObjectHash, string[]>();
	for (const name of list(join(ggDir, "reductions"))) {
		const hash = name.slice(0, 52);
		if (!isObjectHash(hash) || (name.length > 52 && name[52] !== "#")) continue;
		const names = byThunk.get(hash);
		if (names === undefined) byThunk.set(hash, [name]);
		else names.push(name);
	}
	const units: Unit[] = [];
	for (const [thunk, names] of byThunk) {
		let used = 0;
		const needed = new Set<ObjectHash>();
		for (const name of names) {
			const path = join(ggDir, "reductions", name);
			used = Math.max(used, statUsed(path)?.used ?? 0);
			const to = readText(path);
			if (!isObjectHash(to)) continue;
			needed.add(to);
			if (name.endsWith(`#${RESULT_TAG}`)) for (const hash of outputsOfResult(to, objects)) needed.add(hash);
		}
		for (const hash of objectsOfThunk(thunk, objects)) needed.add(hash);
		// The bare name first: without it the others are not looked at.
		const files = names.sort().map((name) => join(ggDir, "reductions", name));
		units.push({ kind: "result", used, files, objects: [...needed], thunk });
	}
	return units;
}

export function listDepcache(ggDir: string, objects: LocalObjects): Unit[] {
	const units: Unit[] = [];
	for (const name of list(join(ggDir, "depcache"))) {
		const path = join(ggDir, "depcache", name);
		const used = statUsed(path)?.used;
		if (used === undefined || name.includes(".gg-")) continue;
		let entries: readonly DepEntry[] = [];
		try {
			entries = (JSON.parse(readText(path)) as { entries: DepEntry[] }).entries.filter((e) => isObjectHash(e.thunk));
		} catch {
			// Damaged: it needs nothing, and is of no use.
		}
		const needed = new Set(entries.flatMap((e) => [e.thunk, ...objectsOfThunk(e.thunk, objects)]));
		units.push({ kind: "depcache", used, files: [path], objects: [...needed], thunk: undefined });
	}
	return units;
}

/** The thunk itself and all that it names. */
export function objectsOfThunk(hash: ObjectHash, objects: LocalObjects): ObjectHash[] {
	const bytes = objects.get(hash);
	const decoded = bytes === undefined ? undefined : decodeThunk(bytes);
	if (decoded?.ok !== true) return [hash];
	const t = decoded.value;
	const items = [...t.values, ...t.thunks, ...t.executables, ...t.trees].map((item) => item.hash);
	return [hash, t.functionHash, ...items, ...t.links.map((link) => link.target)];
}

/** All that lies below a thunk: what a placeholder needs to become real. */
export function closureOfThunk(hash: ObjectHash, objects: LocalObjects): Set<ObjectHash> {
	const seen = new Set<ObjectHash>();
	const open = [hash];
	for (let at = open.pop(); at !== undefined; at = open.pop()) {
		if (seen.has(at)) continue;
		seen.add(at);
		if (isThunkHash(at)) open.push(...objectsOfThunk(at, objects));
		else for (const entry of entriesOfTree(at, objects)) seen.add(entry);
	}
	return seen;
}

const TREE_LIMIT = 64 << 20;

/** Files of a Tree; empty for any other object. */
export function entriesOfTree(hash: ObjectHash, objects: LocalObjects): ObjectHash[] {
	if (isThunkHash(hash) || sizeOfHash(hash) > TREE_LIMIT || !objects.startsWith(hash, "ggtree1\n")) return [];
	const bytes = objects.get(hash);
	return (bytes === undefined ? undefined : decodeTree(bytes))?.map((e) => e.hash) ?? [];
}

function outputsOfResult(hash: ObjectHash, objects: LocalObjects): ObjectHash[] {
	const bytes = objects.get(hash);
	return (bytes === undefined ? undefined : decodeResult(bytes))?.outputs.map((o) => o.hash) ?? [];
}

function readText(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
