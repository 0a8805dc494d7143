import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import type { ForceFailure, NotForced } from "./types.js";

/** `thunk`: as far as it is known. */
export function failure(
	hash: ObjectHash,
	thunk: Thunk | ForceFailure | undefined,
	why: ForceFailure | undefined,
): NotForced {
	const known = thunk === undefined || "reason" in thunk ? undefined : thunk;
	return { kind: "failed", at: hash, thunk: known, result: undefined, failure: why };
}

export function storeFailure(error: unknown): ForceFailure {
	const message = error instanceof Error ? error.message : String(error);
	return { reason: "store", message, hint: "check that the disk is not full and .gg can be written" };
}

export function cycle(hash: ObjectHash): ForceFailure {
	return {
		reason: "cycle",
		message: `thunk ${hash} came to a thunk that needs it`,
		hint: "correct the program that makes these thunks: each must come to a value in the end",
	};
}

/** Others have gone on with the names of outputs that then did not come. */
export const OTHERWISE: ForceFailure = {
	reason: "remote",
	message: "the server lost what this thunk had come to, which others were made of, and it comes to other bytes now",
	hint: "force again",
};
