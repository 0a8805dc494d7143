import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { Digest } from "../reapi/messages.js";

/** False for what a client sent as a digest and is none, or is larger than any of ours. */
export function isDigest(digest: Digest | null | undefined): digest is Digest {
	return (
		digest !== null &&
		digest !== undefined &&
		/^[0-9a-f]{64}$/.test(digest.hash) &&
		Number.isSafeInteger(digest.sizeBytes) &&
		digest.sizeBytes >= 0
	);
}

export const EMPTY_HASH = createHash("sha256").digest("hex");

export function sha256(bytes: Uint8Array): string {
	return createHash("sha256").update(bytes).digest("hex");
}

/** Empty for a file that cannot be read. */
export function hashOfFile(path: string): string {
	const hash = createHash("sha256");
	const piece = Buffer.allocUnsafe(1 << 20);
	try {
		const fd = openSync(path, "r");
		try {
			for (let n = readSync(fd, piece); n > 0; n = readSync(fd, piece)) hash.update(piece.subarray(0, n));
		} finally {
			closeSync(fd);
		}
	} catch {
		return "";
	}
	return hash.digest("hex");
}
