import { chmodSync, lstatSync, renameSync } from "node:fs";
import { constants } from "node:os";
import { addon, type FilesAddon } from "./addon.js";
import { setFileTime } from "./file-time.js";

/** A file of one name that another is to take the place of. Whose it is may change it, move it and remove it at any moment. */
export interface Standing {
	/** As it was when its successor was made, which has the same. */
	readonly mtimeNs: bigint;
	readonly mode: bigint;
	/** What is at `path` is that file. */
	is(path: string): boolean;
}

/**
 * Puts `temporary` where `standing` is, if it still stands at `path`, and says whether it did; what is left at `temporary` is
 * of no use. What has been removed does not come back, nor is anything lost that has taken its place: the two files are
 * exchanged in one step. Only where the file system cannot do that is it a look and a rename.
 */
export function takePlace(
	temporary: string,
	path: string,
	standing: Standing,
	by: Pick<FilesAddon, "exchange"> | undefined = addon,
): boolean {
	const { ENOENT, ENOSYS } = constants.errno;
	const exchange = (): number => by?.exchange(temporary, path) ?? ENOSYS;
	// In nearly all cases this is the answer, and nobody sees two files change places for nothing.
	const error = standing.is(path) ? exchange() : ENOENT;
	if (error === 0) {
		const was = lstatSync(temporary, { bigint: true });
		// A further name that it was given in the last moment would stay one of the old file.
		const mine = was.nlink === 1n && standing.is(temporary);
		if (mine) takeAfter(path, was, standing);
		else exchange();
		return mine;
	}
	if (error === ENOENT) return false;
	renameSync(temporary, path);
	return true;
}

/** What was done to the file after its successor was made holds for that one, too. */
function takeAfter(path: string, now: { mtimeNs: bigint; mode: bigint }, { mtimeNs, mode }: Standing): void {
	try {
		if (now.mode !== mode) chmodSync(path, Number(now.mode) & 0o7777);
		if (now.mtimeNs !== mtimeNs) setFileTime(path, now.mtimeNs);
	} catch {
		// Removed by now.
	}
}
