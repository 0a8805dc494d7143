import { lstatSync, type Stats, statSync } from "node:fs";

/** What stands at a path. */
export const ABSENT = 0;
export const FILE = 1;
export const FOLDER = 2;
export const LINK = 3;
export const OTHER = 4;
/** It cannot be looked at: a file where a folder should be, no permission, too long a name. */
export const UNKNOWN = 5;

/** Where the numbers of the last look stand in `looked`: those of Node's `Stats`. */
export const DEV = 0;
export const INO = 1;
export const SIZE = 2;
export const MTIME_MS = 3;
export const CTIME_MS = 4;
export const MODE = 5;

/** Numbers of what the last look found; they stay until the next. */
export let looked: Float64Array = new Float64Array(6);
let native: ((path: string, follow: boolean) => number) | undefined;

/** From here on `native` looks, and leaves its numbers in `fields`. */
export function useLook(look: typeof lookByNode, fields: Float64Array): void {
	looked = fields;
	native = look;
}

/** What stands at `path`, behind links if `follow`. */
export function lookAt(path: string, follow: boolean): number {
	return native === undefined ? lookByNode(path, follow) : native(path, follow);
}

/** Something stands there, be it a link that leads nowhere. */
export function stands(path: string): boolean {
	const kind = lookAt(path, false);
	return kind !== ABSENT && kind !== UNKNOWN;
}

export function lookByNode(path: string, follow: boolean): number {
	let s: Stats | undefined;
	try {
		s = (follow ? statSync : lstatSync)(path, { throwIfNoEntry: false });
	} catch {
		return UNKNOWN;
	}
	if (s === undefined) return ABSENT;
	looked[DEV] = s.dev;
	looked[INO] = s.ino;
	looked[SIZE] = s.size;
	looked[MTIME_MS] = s.mtimeMs;
	looked[CTIME_MS] = s.ctimeMs;
	looked[MODE] = s.mode;
	return s.isFile() ? FILE : s.isDirectory() ? FOLDER : s.isSymbolicLink() ? LINK : OTHER;
}
