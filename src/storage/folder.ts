import { join } from "node:path";
import { hashBytes, sizeOfHash } from "../thunk/hash.js";
import { copyFileAtomic, readIfThere, statIfThere } from "../util/files.js";
import type { Storage } from "./types.js";

/** `file:///dir`: a folder that several machines mount, one file an object, named by its hash. */
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
		async close() {},
	};
}
