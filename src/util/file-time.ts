import { utimesSync } from "node:fs";

let exactly: ((path: string, ns: bigint) => boolean) | undefined;

/** Loads the addon that sets times to the nanosecond (wrappers/gg-time.c). Without it they are cut to the microsecond. */
export function loadFileTimes(addon: string): void {
	const module: { exports: unknown } = { exports: {} };
	try {
		process.dlopen(module, addon);
	} catch {
		return; // A Node.js that takes no addons.
	}
	if (typeof module.exports === "function") exactly = module.exports as typeof exactly;
}

/** Sets a file's time of modification. */
export function setFileTime(path: string, ns: bigint): void {
	if (exactly?.(path, ns) === true) return;
	// The half is for the division: a number of microseconds that comes out a little too small would lose one.
	const seconds = (Number(ns / 1000n) + 0.5) / 1e6;
	utimesSync(path, seconds, seconds);
}
