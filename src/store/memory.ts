import { readFileSync } from "node:fs";
import { hashBytes, type ObjectHash } from "../thunk/hash.js";
import { writeFileAtomic } from "../util/files.js";
import type { Store } from "./types.js";

/** A store that keeps everything in memory: the twin of the local one for tests. */
export function memoryStore(): Store {
	const objects = new Map<ObjectHash, Buffer>();
	const reductions = new Map<string, ObjectHash>();
	const put = (bytes: Uint8Array): ObjectHash => {
		const hash = hashBytes(bytes);
		objects.set(hash, Buffer.from(bytes));
		return hash;
	};
	return {
		objects: {
			has: (hash) => objects.has(hash),
			get: (hash) => objects.get(hash),
			put,
			putFile: (path) => put(readFileSync(path)),
			copyOut: (hash, path, mode) => {
				const bytes = objects.get(hash);
				if (bytes === undefined) return false;
				writeFileAtomic(path, bytes, mode);
				return true;
			},
		},
		reductions: {
			get: (thunk, tag) => reductions.get(`${thunk}#${tag}`),
			put: (thunk, tag, to) => void reductions.set(`${thunk}#${tag}`, to),
		},
	};
}
