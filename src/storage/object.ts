import { readFileSync } from "node:fs";
import { hashBytes, type ObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";

/** Bytes of a record that is still read: what a command prints is kept up to 16 MiB, a block of inputs has up to 144 MiB. */
export const MAX_RECORD = 192 << 20;

/** Bytes that are on their way from a service at a time, in all. */
export const MOST_UNDER_WAY = 256 << 20;

/** The content of the file at `path`, whole: an object has 100 MB at most. Rejects one that is no longer what it is called. */
export function readObject(hash: ObjectHash, path: string): Buffer {
	const bytes = readFileSync(path);
	if (hashBytes(bytes) === hash) return bytes;
	throw new UserError({
		reason: "changed",
		message: `${path} changed while it was sent`,
		hint: "send it again once nothing writes to it",
	});
}
