import { setFlagsFromString } from "node:v8";

/** Only Node.js 20's knows the word; others say to the user that they do not. */
const IS_KNOWN = process.versions.v8.startsWith("11.3.");

/**
 * Most runs of gg are over before optimised code has paid for the time that it takes to make: a function is to be used
 * fifteen times as much as V8 asks for by itself.
 */
export function optimiseLater(): void {
	if (IS_KNOWN) setFlagsFromString("--interrupt-budget=2000000");
}

/** For what goes on for longer: what a cluster is told takes a tenth less so. */
export function optimiseAsUsual(): void {
	if (IS_KNOWN) setFlagsFromString("--interrupt-budget=135168");
}

/** For what computes more than it waits, and is over soon all the same: the main thread of a cold `gg infer` takes a tenth less so. */
export function optimiseSooner(): void {
	if (IS_KNOWN) setFlagsFromString("--interrupt-budget=400000");
}
