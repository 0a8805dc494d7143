import { join } from "node:path";
import { hashBytes, sizeOfHash } from "../thunk/hash.js";
import { copyFileAtomic, readIfThere, statIfThere, writeFileAtomic } from "../util/files.js";
import type { Storage } from "./types.js";

/** `file:///dir`: a folder that several machines mount, one file an object, named by its hash; records in `results/`. */
export function folderStorage(folder: string): Storage {
	const has: Storage["has"] = async (hash) => statIfThere(join(folder, hash))?.size === sizeOfHash(hash);
	return {
		has,
		async get(hash) {
			const bytes = readIfThere(join(folder, hash));
			return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
		},
		async put(hash, path) {
			if (!(await has(hash))) copyFileAtomic(path, join(folder, hash), 0o444);
		},
		async putBytes(hash, bytes) {
			if (!(await has(hash))) writeFileAtomic(join(folder, hash), bytes, 0o444);
		},
		async getRecord(thunk) {
			return readIfThere(join(folder, "results", thunk));
		},
		async putRecord(thunk, record) {
			writeFileAtomic(join(folder, "results", thunk), record);
		},
		async close() {},
	};
}
