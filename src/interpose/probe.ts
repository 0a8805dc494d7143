import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";
import { posix } from "node:path";
import type { SystemProbe } from "../models/ld-so.js";
import type { FileProbe } from "../models/types.js";
import { readPlaceholder } from "../store/placeholders.js";
import { ABSENT, FILE, FOLDER, lookAt, looked, SIZE, UNKNOWN } from "../util/look.js";

/** The machine's own files, for models and resolvers. A text file beyond this is no response file. */
const TEXT_LIMIT = 16 << 20;

function readAt(path: string, offset: number, length: number): Uint8Array | undefined {
	let fd: number;
	try {
		// A FIFO would block at open.
		if (lookAt(path, true) !== FILE) return undefined;
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

/** Has a linker made a program or a shared object of it? False for other files; undefined for a placeholder. */
export function isLinked(path: string): boolean | undefined {
	if (readPlaceholder(path) !== undefined) return undefined;
	const head = readAt(path, 0, 18);
	if (head === undefined || head.length < 18 || Buffer.from(head).toString("latin1", 0, 4) !== "\x7fELF") return false;
	const type = head[5] === 2 ? head[17] : head[16];
	return type === 2 || type === 3;
}

function isSomething(kind: number): boolean {
	return kind !== ABSENT && kind !== UNKNOWN;
}

function quietly<T>(get: () => T): T | undefined {
	try {
		return get();
	} catch {
		return undefined;
	}
}

/** Larger pieces of files are read anew. */
const REMEMBERED = 64 << 10;

/**
 * Files of the system are asked about once: where the libraries of a link are, what their scripts say and what they need.
 * The answers are for one session.
 */
export function rememberSystem(
	probe: SystemProbe & FileProbe,
	isSystem: (path: string) => boolean,
): SystemProbe & FileProbe {
	const once = <Rest extends unknown[], T>(
		look: (path: string, ...rest: Rest) => T,
		small: (answer: T) => boolean = () => true,
	): ((path: string, ...rest: Rest) => T) => {
		const known = new Map<string, T>();
		return (path, ...rest) => {
			if (!isSystem(path.includes("/..") ? posix.normalize(path) : path)) return look(path, ...rest);
			const key = rest.length === 0 ? path : `${path}\0${rest.join()}`;
			const answer = known.get(key);
			if (answer !== undefined || known.has(key)) return answer as T;
			const found = look(path, ...rest);
			if (small(found)) known.set(key, found);
			return found;
		};
	};
	const isSmall = (text: { readonly length: number } | undefined): boolean => (text?.length ?? 0) <= REMEMBERED;
	return {
		exists: once(probe.exists),
		isDirectory: once(probe.isDirectory),
		readText: once(probe.readText, isSmall),
		readHead: once(probe.readHead, isSmall),
		stat: once(probe.stat),
		readlink: once(probe.readlink),
		readdir: once(probe.readdir),
		read: once(probe.read, isSmall),
	};
}

export const systemProbe: SystemProbe & FileProbe = {
	exists: (path) => isSomething(lookAt(path, true)),
	isDirectory: (path) => lookAt(path, true) === FOLDER,
	readText: (path) =>
		quietly(() => {
			const isText = lookAt(path, true) === FILE && looked[SIZE]! <= TEXT_LIMIT;
			return isText ? readFileSync(path, "utf8") : undefined;
		}),
	readHead: (path, length) => readAt(path, 0, length),
	stat: (path) => {
		const kind = lookAt(path, true);
		if (!isSomething(kind)) return undefined;
		return kind === FILE ? "file" : kind === FOLDER ? "directory" : "other";
	},
	readlink: (path) => quietly(() => readlinkSync(path)),
	readdir: (path) => quietly(() => readdirSync(path)),
	read: readAt,
};
