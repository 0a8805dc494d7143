import { promisify } from "node:util";
import { gunzipSync, gzip, gzipSync, type ZlibOptions } from "node:zlib";
import { err, ok, type Result } from "../util/result.js";

/**
 * Many small blobs as one, because S3 bills by request: length and bytes of each, compressed. They need no names: whoever
 * unpacks them hashes them.
 */
export function packBlobs(blobs: readonly Buffer[]): Buffer {
	const bytes = framed(blobs);
	return gzipSync(bytes, fast(bytes));
}

/** The same, beside whatever else is done. */
export function packBlobsAside(blobs: readonly Buffer[]): Promise<Buffer> {
	const bytes = framed(blobs);
	return gzipAside(bytes, fast(bytes));
}

/** Node's pieces of 16 KiB are too large for a few sources, and far too small for a toolchain. */
const pieces = (bytes: Buffer): number => Math.min(Math.max(bytes.length, 1 << 10), 1 << 20);
const fast = (bytes: Buffer) => ({ level: 1, chunkSize: pieces(bytes) });
const gzipAside = promisify<Buffer, ZlibOptions, Buffer>(gzip);

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
		bytes = gunzipSync(block, { maxOutputLength: UNPACKED, chunkSize: pieces(block) });
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
