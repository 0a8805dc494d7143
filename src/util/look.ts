import { type Dirent, lstatSync, readdirSync, type Stats, statSync } from "node:fs";

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

/**
 * A time stamp this close to a look may hide a later change: file times come from the kernel's clock, which ticks every 4 ms
 * (10 at 100 Hz).
 */
export const RACY_MS = 12;

/** Numbers of what the last look found; they stay until the next. */
export let looked: Float64Array = new Float64Array(6);
let native: typeof lookByNode | undefined;
let nativeBelow: ((root: string, sinceMs: number) => readonly string[] | undefined) | undefined;

/** From here on `look` looks, and leaves its numbers in `fields`; undefined by `below`: it could not, and says nothing. */
export function useLook(look: typeof lookByNode, fields: Float64Array, below: NonNullable<typeof nativeBelow>): void {
	looked = fields;
	native = look;
	nativeBelow = below;
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
	if (s === undefined) return isNoEntry(path, follow) ? ABSENT : UNKNOWN;
	looked[DEV] = s.dev;
	looked[INO] = s.ino;
	looked[SIZE] = s.size;
	looked[MTIME_MS] = s.mtimeMs;
	looked[CTIME_MS] = s.ctimeMs;
	looked[MODE] = s.mode;
	return s.isFile() ? FILE : s.isDirectory() ? FOLDER : s.isSymbolicLink() ? LINK : OTHER;
}

/** From Node.js 22 on, a file where a folder should be is no entry either. */
function isNoEntry(path: string, follow: boolean): boolean {
	try {
		(follow ? statSync : lstatSync)(path);
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "ENOENT";
	}
	return false;
}

/**
 * Regular files below `root` that changed (ctime) since then, by bytes within a folder; but for folders named `.gg` and `.git`.
 * A folder that cannot be read is passed over.
 */
export function changedBelow(root: string, sinceMs: number): readonly string[] {
	return nativeBelow?.(root, sinceMs) ?? changedBelowByNode(root, sinceMs);
}

export function changedBelowByNode(root: string, sinceMs: number): readonly string[] {
	const changed: string[] = [];
	const folders = [root];
	for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
		let entries: Dirent[];
		try {
			entries = readdirSync(folder, { withFileTypes: true });
		} catch {
			continue;
		}
		for (const entry of entries) {
			const path = `${folder}/${entry.name}`;
			if (entry.isFile()) {
				if (lookAt(path, false) === FILE && looked[CTIME_MS]! >= sinceMs) changed.push(path);
			} else if (entry.isDirectory() && entry.name !== ".gg" && entry.name !== ".git") folders.push(path);
		}
	}
	return changed;
}
