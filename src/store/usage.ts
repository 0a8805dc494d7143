import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeResult, decodeThunk, decodeTree } from "../thunk/codec.js";
import { isObjectHash, isThunkHash, type ObjectHash } from "../thunk/hash.js";
import type { LocalObjects, LocalStore } from "./local.js";
import { RESULT_TAG } from "./types.js";

/** Something that was used at one time and goes as a whole: what a thunk came to, or a lone object. */
export interface Unit {
	/** Milliseconds since the epoch. */
	readonly used: number;
	/** Reductions, in the order in which they are removed. */
	readonly files: readonly string[];
	/** Objects that it needs. */
	readonly objects: readonly ObjectHash[];
	/** Set when it is what a thunk came to. */
	readonly thunk: ObjectHash | undefined;
	readonly name: string;
}

export interface StoredObject {
	readonly size: number;
	readonly used: number;
	/** It has no file of its own. */
	readonly packed: boolean;
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

export function listObjects(ggDir: string, store: LocalStore): Map<ObjectHash, StoredObject> {
	const found = new Map<ObjectHash, StoredObject>();
	// Nothing tells when a record of the pack was read: what nobody refers to counts as new as the pack.
	const used = statUsed(join(ggDir, "pack"))?.used ?? 0;
	for (const key of store.pack.keys()) {
		if (isObjectHash(key)) found.set(key, { size: store.pack.sizeOf(key) ?? 0, used, packed: true });
	}
	for (const name of list(store.objects.folder)) {
		if (!isObjectHash(name)) continue;
		const s = statUsed(join(store.objects.folder, name));
		if (s !== undefined) found.set(name, { ...s, packed: false });
	}
	return found;
}

/** Temporary files that a killed process left. */
export function listStrays(ggDir: string, before: number): string[] {
	const strays: string[] = [];
	for (const folder of ["blobs", "reductions", "depcache", "."]) {
		for (const name of list(join(ggDir, folder))) {
			if (!/\.gg-\d+-[0-9a-f]+-\d+$/.test(name)) continue;
			const path = join(ggDir, folder, name);
			if ((statUsed(path)?.used ?? before) < before) strays.push(path);
		}
	}
	return strays;
}

export const RESULT_KEY = new RegExp(`^([VT].{51})#${RESULT_TAG}$`);

/** One unit for each thunk that came to something. */
export function listResults(ggDir: string, store: LocalStore, stored: ReadonlyMap<ObjectHash, StoredObject>): Unit[] {
	const reductions = new Map<ObjectHash, string[]>();
	for (const key of store.pack.keys()) {
		const hash = RESULT_KEY.exec(key)?.[1] ?? "";
		if (isObjectHash(hash)) reductions.set(hash, []);
	}
	for (const name of list(join(ggDir, "reductions"))) {
		const hash = name.slice(0, 52);
		if (!isObjectHash(hash) || (name.length > 52 && name[52] !== "#")) continue;
		const names = reductions.get(hash);
		if (names === undefined) reductions.set(hash, [name]);
		else names.push(name);
	}
	const units: Unit[] = [];
	for (const [thunk, names] of reductions) {
		const outputs = new Set<ObjectHash>();
		let used = 0;
		// The bare name first: without it the others are not looked at.
		const files = names.sort().map((name) => join(ggDir, "reductions", name));
		for (const path of files) {
			used = Math.max(used, statUsed(path)?.used ?? 0);
			const to = readText(path);
			if (isObjectHash(to)) outputs.add(to);
		}
		const result = store.reductions.get(thunk, RESULT_TAG);
		if (result !== undefined) {
			outputs.add(result);
			for (const hash of outputsOfResult(result, store.objects)) outputs.add(hash);
		}
		// A lookup reads the thunk and copies its outputs, whatever else it reads.
		for (const hash of [thunk, ...outputs]) {
			const object = stored.get(hash);
			if (object?.packed === false) used = Math.max(used, object.used);
		}
		const objects = new Set([...outputs, ...objectsOfThunk(thunk, store.objects)]);
		units.push({ used, files, objects: [...objects], thunk, name: thunk });
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

/** Whether a thunk has come to nothing yet, as far as this store knows. */
export function isOpen(thunk: ObjectHash, { reductions }: LocalStore): boolean {
	return reductions.get(thunk, "") === undefined && reductions.get(thunk, RESULT_TAG) === undefined;
}

/** What a thunk came to, whether its outputs were written with a result or only by name, as the original does. */
export function outputsOfThunk(thunk: ObjectHash, { objects, reductions }: LocalStore): ObjectHash[] {
	const result = reductions.get(thunk, RESULT_TAG);
	const bytes = objects.get(thunk);
	const decoded = bytes === undefined ? undefined : decodeThunk(bytes);
	const tags = ["", ...(decoded?.ok === true ? decoded.value.outputs : [])];
	const named = tags.map((tag) => reductions.get(thunk, tag)).filter((to) => to !== undefined);
	return result === undefined ? named : [...named, result, ...outputsOfResult(result, objects)];
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

/** Files of a Tree; empty for any other object. */
export function entriesOfTree(hash: ObjectHash, objects: LocalObjects): ObjectHash[] {
	const bytes = objects.packed(hash);
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
