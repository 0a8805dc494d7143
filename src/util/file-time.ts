import { utimesSync } from "node:fs";
import { addon, type FilesAddon } from "./addon.js";

/** Sets a file's time of modification: to the nanosecond by the addon, without it to the microsecond. */
export function setFileTime(path: string, ns: bigint, by: Pick<FilesAddon, "setTime"> | undefined = addon): void {
	if (by?.setTime(path, ns) === true) return;
	// The half is for the division: a number of microseconds that comes out a little too small would lose one.
	const seconds = (Number(ns / 1000n) + 0.5) / 1e6;
	utimesSync(path, seconds, seconds);
}
