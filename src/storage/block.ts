import { promisify } from "node:util";
import { gunzipSync, gzip, gzipSync } from "node:zlib";
import { err, ok, type Result } from "../util/result.js";

/**
 * Many small blobs as one, because S3 bills by request: length and bytes of each, compressed. They need no names: whoever
 * unpacks them hashes them.
 */
export function packBlobs(blobs: readonly Buffer[]): Buffer {
	return gzipSync(framed(blobs), FAST);
}

/** The same, beside whatever else is done. */
export function packBlobsAside(blobs: readonly Buffer[]): Promise<Buffer> {
	return gzipAside(framed(blobs), FAST);
}

const FAST = { level: 1 };
const gzipAside = promisify<Buffer, { level: number }, Buffer>(gzip);

function framed(blobs: readonly Buffer[]): Buffer {
	const parts: Buffer[] = [];
	for (const bytes of blobs) {
		const length = Buffer.alloc(4);
		length.writeUInt32BE(bytes.length);
		parts.push(length, bytes);
	}
	return Buffer.concat(parts);
}

/** Bytes that a block may unpack to: more than any client packs, far less than a function's memory. */
const UNPACKED = 256 << 20;

export function unpackBlobs(block: Buffer): Result<Buffer[], string> {
	let bytes: Buffer;
	try {
		bytes = gunzipSync(block, { maxOutputLength: UNPACKED });
	} catch {
		return err("a block of blobs cannot be unpacked");
	}
	const found: Buffer[] = [];
	for (let at = 0; at < bytes.length; ) {
		if (at + 4 > bytes.length) return err("a block of blobs is cut short");
		const length = bytes.readUInt32BE(at);
		at += 4;
		if (at + length > bytes.length) return err("a block of blobs is cut short");
		found.push(bytes.subarray(at, at + length));
		at += length;
	}
	return ok(found);
}
