import { randomBytes } from "node:crypto";
import {
	chmod,
	chmodSync,
	closeSync,
	constants,
	copyFile,
	copyFileSync,
	ftruncateSync,
	mkdirSync,
	openSync,
	readFileSync,
	rename,
	renameSync,
	type Stats,
	statSync,
	unlinkSync,
	writeFile,
	writeFileSync,
	writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { setFileTime } from "./file-time.js";
import { ABSENT, lookAt, looked, MODE, UNKNOWN } from "./look.js";
import { type Standing, takePlace } from "./take-place.js";

let counter = 0;
const unique = randomBytes(4).toString("hex");

/** A name beside `path` that no other process uses: the rename that ends a write stays within one file system. */
export function temporaryName(path: string): string {
	counter += 1;
	return `${path}.gg-${process.pid}-${unique}-${counter}`;
}

export function removeQuietly(path: string): void {
	try {
		unlinkSync(path);
	} catch {
		// Gone already, or not ours to remove: the caller has nothing to add.
	}
}

/**
 * Runs `make(temporary)` and renames the result to `path`; a failure leaves neither. Missing folders are made. With
 * `standing`, only in that file's place: if it stands there no more nothing is done, and that is the answer. `aside`: a name in a
 * folder of the caller's own, to which what was replaced goes: the caller removes it.
 */
export function replaceFile(
	path: string,
	make: (temporary: string) => void,
	standing?: Standing,
	aside?: string,
): boolean {
	const temporary = temporaryName(path);
	try {
		try {
			make(temporary);
		} catch (error) {
			if (errorCode(error) !== "ENOENT") throw error;
			if (standing?.is(path) === false) return false;
			makeFolders(dirname(path));
			make(temporary);
		}
		return putThere(temporary, path, standing, aside);
	} catch (error) {
		removeQuietly(temporary);
		throw error;
	}
}

/** As `replaceFile`, with what makes the file at work elsewhere. */
async function replaceFileAside(
	path: string,
	make: (temporary: string) => Promise<void>,
	standing: Standing,
	aside: string,
): Promise<boolean> {
	const temporary = temporaryName(path);
	try {
		try {
			await make(temporary);
		} catch (error) {
			if (errorCode(error) !== "ENOENT") throw error;
			if (!standing.is(path)) return false;
			makeFolders(dirname(path));
			await make(temporary);
		}
		return putThere(temporary, path, standing, aside);
	} catch (error) {
		removeQuietly(temporary);
		throw error;
	}
}

function putThere(temporary: string, path: string, standing: Standing | undefined, aside: string | undefined): boolean {
	if (standing === undefined) {
		renameSync(temporary, path);
		return true;
	}
	// The order in which make saw files appear is kept, also within one tick of the clock.
	setFileTime(temporary, standing.mtimeNs);
	const taken = takePlace(temporary, path, standing);
	if (aside === undefined) removeQuietly(temporary);
	else putAside(temporary, aside);
	return taken;
}

function putAside(path: string, aside: string): void {
	try {
		renameSync(path, aside);
	} catch {
		removeQuietly(path);
	}
}

/** Like mkdir with `recursive`, which never comes back where a folder refuses new ones as though it were absent (/proc). */
export function makeFolders(path: string, mode = 0o777): void {
	try {
		mkdirSync(path, mode);
	} catch (error) {
		const parent = dirname(path);
		if (errorCode(error) === "ENOENT" && parent !== path && statIfThere(parent) === undefined) {
			makeFolders(parent, mode);
			mkdirSync(path, mode);
		} else if (errorCode(error) !== "EEXIST" || statIfThere(path)?.isDirectory() !== true) throw error;
	}
}

/** Writes into the small file that is there, under all of its names; a failure leaves what it was. */
export function overwriteFile(path: string, bytes: Uint8Array, mode: number): void {
	const before = readFileSync(path);
	chmodSync(path, mode | 0o200);
	const fd = openSync(path, "r+");
	const write = (content: Uint8Array): void => {
		for (let at = 0; at < content.length; ) at += writeSync(fd, content, at, content.length - at, at);
		ftruncateSync(fd, content.length);
	};
	try {
		write(bytes);
	} catch (error) {
		write(before);
		throw error;
	} finally {
		closeSync(fd);
	}
	chmodSync(path, mode);
}

const umask = process.umask();

export function writeFileAtomic(
	path: string,
	data: string | Uint8Array,
	mode = 0o644,
	standing?: Standing,
	aside?: string,
): boolean {
	return replaceFile(
		path,
		(temporary) => {
			writeFileSync(temporary, data, { flag: "wx", mode });
			// Only where the umask takes away what is wanted.
			if ((mode & umask) !== 0) chmodSync(temporary, mode);
		},
		standing,
		aside,
	);
}

export function copyFileAtomic(from: string, to: string, mode: number, standing?: Standing, aside?: string): boolean {
	return replaceFile(
		to,
		(temporary) => {
			copyFileSync(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
			chmodSync(temporary, mode);
		},
		standing,
		aside,
	);
}

const writing = promisify(writeFile);
const copying = promisify(copyFile);
const changingMode = promisify(chmod);
const renaming = promisify(rename);

/** As `writeFileAtomic` in a folder that is there, while this thread does something else. `data` must not be changed meanwhile. */
export function writeFileAside(path: string, data: Uint8Array, mode: number): Promise<void> {
	return madeAside(path, async (temporary) => {
		await writing(temporary, data, { flag: "wx", mode });
		if ((mode & umask) !== 0) await changingMode(temporary, mode);
	});
}

/** The same with another file's content. */
export function writeCopyAside(from: string, path: string, mode: number): Promise<void> {
	return madeAside(path, async (temporary) => {
		await copying(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
		await changingMode(temporary, mode);
	});
}

async function madeAside(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
	const temporary = temporaryName(path);
	try {
		await make(temporary);
		await renaming(temporary, path);
	} catch (error) {
		removeQuietly(temporary);
		throw error;
	}
}

/** As `copyFileAtomic`, while this thread does something else. */
export function copyFileAside(
	from: string,
	to: string,
	mode: number,
	standing: Standing,
	aside: string,
): Promise<boolean> {
	return replaceFileAside(
		to,
		async (temporary) => {
			await copying(from, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
			chmodSync(temporary, mode);
		},
		standing,
		aside,
	);
}

export function readIfThere(path: string): Buffer | undefined {
	try {
		// Absence is the common answer, and an exception costs ten times as much as a look.
		if (lookAt(path, true) === ABSENT) return undefined;
		return readFileSync(path);
	} catch (error) {
		if (isAbsence(error)) return undefined;
		throw error;
	}
}

export function statIfThere(path: string): Stats | undefined {
	try {
		return statSync(path, { throwIfNoEntry: false });
	} catch (error) {
		if (isAbsence(error)) return undefined;
		throw error;
	}
}

/** Permissions of what stands at a path. */
export function modeOf(path: string): number | undefined {
	const kind = lookAt(path, true);
	if (kind === ABSENT) return undefined;
	if (kind !== UNKNOWN) return looked[MODE]! & 0o7777;
	const s = statIfThere(path);
	return s === undefined ? undefined : s.mode & 0o7777;
}

export function errorCode(error: unknown): string {
	return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

export function isAbsence(error: unknown): boolean {
	const code = errorCode(error);
	return code === "ENOENT" || code === "ENOTDIR";
}
