import { readFileSync } from "node:fs";
import { hashBytes, type ObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";

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
