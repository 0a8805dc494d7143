import {
	closeSync,
	existsSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	readSync,
	type Stats,
	statSync,
} from "node:fs";
import type { SystemProbe } from "../models/ld-so.js";
import type { FileProbe } from "../models/types.js";

/** The machine's own files, for models and resolvers. A text file beyond this is no response file. */
const TEXT_LIMIT = 16 << 20;

function readAt(path: string, offset: number, length: number): Uint8Array | undefined {
	let fd: number;
	try {
		// A FIFO would block at open.
		if (statQuietly(path)?.isFile() !== true) return undefined;
		fd = openSync(path, "r");
	} catch {
		return undefined;
	}
	try {
		const size = Math.max(0, Math.min(length, statSync(path).size - offset));
		const buffer = Buffer.alloc(size);
		return buffer.subarray(0, readSync(fd, buffer, 0, size, offset));
	} catch {
		return undefined;
	} finally {
		closeSync(fd);
	}
}

/** Absence is the common answer, and an exception costs ten times as much as a look. */
function statQuietly(path: string): Stats | undefined {
	return quietly(() => statSync(path, { throwIfNoEntry: false }));
}

function quietly<T>(get: () => T): T | undefined {
	try {
		return get();
	} catch {
		return undefined;
	}
}

export const systemProbe: SystemProbe & FileProbe = {
	exists: (path) => existsSync(path),
	isDirectory: (path) => statQuietly(path)?.isDirectory() ?? false,
	readText: (path) =>
		quietly(() => {
			const s = statSync(path, { throwIfNoEntry: false });
			return s?.isFile() === true && s.size <= TEXT_LIMIT ? readFileSync(path, "utf8") : undefined;
		}),
	readHead: (path, length) => readAt(path, 0, length),
	stat: (path) => {
		const s = statQuietly(path);
		if (s === undefined) return undefined;
		return s.isFile() ? "file" : s.isDirectory() ? "directory" : "other";
	},
	readlink: (path) => quietly(() => readlinkSync(path)),
	readdir: (path) => quietly(() => readdirSync(path)),
	read: readAt,
};
