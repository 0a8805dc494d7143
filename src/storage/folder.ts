import { closeSync, openSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { hashBytes, hashFile, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import {
	errorCode,
	isAbsence,
	makeFolders,
	readIfThere,
	statIfThere,
	writeCopyAside,
	writeFileAside,
} from "../util/files.js";
import { UserError } from "../util/result.js";
import type { Storage } from "./types.js";

/** `file:///dir`: a folder that several machines mount, one file an object, named by its hash; records in folders of their own. */
export function folderStorage(folder: string): Storage {
	const requests = { gets: 0, puts: 0 };
	const look = <T>(what: () => T): T => {
		requests.gets += 1;
		return refusing(folder, what);
	};
	/** Beside whatever else is done: many come at once, and a mounted folder takes its time. */
	const write = async (name: string, what: (path: string) => Promise<void>): Promise<void> => {
		requests.puts += 1;
		const path = join(folder, name);
		try {
			await what(path).catch((error: unknown) => {
				if (errorCode(error) !== "ENOENT") throw error;
				makeFolders(dirname(path));
				return what(path);
			});
		} catch (error) {
			throw refused(folder, error);
		}
	};
	/** One of that length may be another by now. */
	const isRight = async (hash: ObjectHash): Promise<boolean> =>
		(await has(hash)) && look(() => hashFile(join(folder, hash))) === hash;
	const has: Storage["has"] = async (hash) => look(() => statIfThere(join(folder, hash))?.size === sizeOfHash(hash));
	return {
		requests,
		has,
		async get(hash) {
			const bytes = look(() => readIfThere(join(folder, hash)));
			return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
		},
		async put(hash, path) {
			if (!(await isRight(hash))) await write(hash, (to) => writeCopyAside(path, to, 0o444));
		},
		async putBytes(hash, bytes) {
			if (!(await isRight(hash))) await write(hash, (to) => writeFileAside(to, bytes, 0o444));
		},
		hasRecord: async (key) => look(() => statIfThere(join(folder, key)) !== undefined),
		getRecord: async (key) => look(() => readIfThere(join(folder, key))),
		async stream(name, take) {
			const file = look(() => openIfThere(join(folder, name)));
			if (file === undefined) return false;
			try {
				const piece = Buffer.allocUnsafe(PIECE);
				for (;;) {
					const length = refusing(folder, () => readSync(file, piece));
					if (length === 0) return true;
					await take(piece.subarray(0, length));
				}
			} finally {
				closeSync(file);
			}
		},
		putRecord: (key, record) => write(key, (to) => writeFileAside(to, record, 0o644)),
		async close() {},
	};
}

const PIECE = 1 << 20;

function openIfThere(path: string): number | undefined {
	try {
		return openSync(path, "r");
	} catch (error) {
		if (isAbsence(error)) return undefined;
		throw error;
	}
}

/** What says something of the folder, and not of one file. */
const REFUSALS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
	EACCES: ["may not be used by this user", "change its permissions, or name another one"],
	EDQUOT: ["has no room for more (quota)", "remove what is old in it, or raise the quota"],
	EIO: ["cannot be used (EIO)", "check what is mounted there"],
	ENOSPC: ["is full", "remove what is old in it"],
	ENOTDIR: ["is no folder", "name a folder"],
	EPERM: ["may not be used by this user", "change its permissions, or name another one"],
	EROFS: ["may only be read", "add ?access=read-only to the URI"],
	ESTALE: ["cannot be used (ESTALE)", "check what is mounted there"],
};

function refusing<T>(folder: string, what: () => T): T {
	try {
		return what();
	} catch (error) {
		throw refused(folder, error);
	}
}

/** The error itself where it says nothing of the folder. */
function refused(folder: string, error: unknown): unknown {
	const refusal = REFUSALS[errorCode(error)];
	if (refusal === undefined) return error;
	const [said, hint] = refusal;
	return new UserError({ reason: "storage", message: `the shared folder ${folder} ${said}`, hint });
}
