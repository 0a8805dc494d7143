import type { Digest } from "../reapi/messages.js";
import { nameOf, type ObjectHash } from "../thunk/hash.js";

/** The name of a blob in the storage backend. */
export function objectOf({ hash, sizeBytes }: Digest): ObjectHash {
	return nameOf(Buffer.from(hash, "hex"), sizeBytes, false);
}
