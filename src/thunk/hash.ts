import { createHash, hash as hashOf } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

/**
 * Content names, as the original gg makes them: a type letter (`V` value, `T` thunk), 43 characters of unpadded
 * base64url(SHA-256) with `-` written as `.`, and 8 lower-case hex digits of the length in bytes.
 */
declare const objectHash: unique symbol;
export type ObjectHash = string & { readonly [objectHash]: true };

export const HASH_LENGTH = 52;
export const THUNK_MAGIC = Buffer.from("##GGTHUNK##");
const HASH_PATTERN = /^[VT][A-Za-z0-9_.]{43}[0-9a-f]{8}$/;
/** The length field of a name has 8 hex digits. */
export const MAX_OBJECT_SIZE = 0xffffffff;

export function isObjectHash(text: string): text is ObjectHash {
	return text.length === HASH_LENGTH && HASH_PATTERN.test(text);
}

export function isThunkHash(hash: ObjectHash): boolean {
	return hash.charCodeAt(0) === 0x54;
}

/** Length in bytes that the name states. */
export function sizeOfHash(hash: ObjectHash): number {
	return Number.parseInt(hash.slice(44), 16);
}

/** The SHA-256 as 64 hex digits. */
export function hashToHex(hash: ObjectHash): string {
	return Buffer.from(hash.slice(1, 44).replaceAll(".", "-"), "base64url").toString("hex");
}

export function nameOf(digest: Buffer, size: number, isThunk: boolean): ObjectHash {
	if (size > MAX_OBJECT_SIZE) throw new Error(`Internal error: an object of ${size} bytes has no name`);
	const digits = digest.toString("base64url").replaceAll("-", ".");
	return ((isThunk ? "T" : "V") + digits + size.toString(16).padStart(8, "0")) as ObjectHash;
}

export function startsAsThunk(bytes: Uint8Array): boolean {
	return bytes.length >= THUNK_MAGIC.length && THUNK_MAGIC.equals(bytes.subarray(0, THUNK_MAGIC.length));
}

export function hashBytes(bytes: Uint8Array): ObjectHash {
	return nameOf(hashOf("sha256", bytes, "buffer"), bytes.length, startsAsThunk(bytes));
}

const CHUNK = 1 << 20;
/** One for all files: a new one for each would keep the garbage collector busy. */
let shared: Buffer | undefined;

/** Name of a file's content, read in chunks. Throws what the file system throws. `visit` sees each chunk, and must not keep it. */
export function hashFile(path: string, visit?: (chunk: Buffer, at: number) => void): ObjectHash {
	const fd = openSync(path, "r");
	try {
		const digest = createHash("sha256");
		shared ??= Buffer.allocUnsafeSlow(CHUNK);
		const buffer = shared;
		let total = 0;
		let isThunk = false;
		for (;;) {
			const count = readSync(fd, buffer, 0, buffer.length, null);
			if (count === 0) break;
			const chunk = buffer.subarray(0, count);
			if (total === 0) isThunk = startsAsThunk(chunk);
			digest.update(chunk);
			visit?.(chunk, total);
			total += count;
		}
		return nameOf(digest.digest(), total, isThunk);
	} finally {
		closeSync(fd);
	}
}
