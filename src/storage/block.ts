import { once } from "node:events";
import { promisify } from "node:util";
import { createGunzip, createGzip, gunzip, gunzipSync, gzip, gzipSync, type ZlibOptions } from "node:zlib";
import { err, ok, type Result } from "../util/result.js";

/**
 * Many small blobs as one, because S3 bills by request: length and bytes of each, compressed. They need no names: whoever
 * unpacks them hashes them.
 */
export function packBlobs(blobs: readonly Buffer[]): Buffer {
	const bytes = framed(blobs);
	return gzipSync(bytes, fast(bytes));
}

/** Bytes, before and after they are compressed, for which it takes longer to have it done by others. */
const AT_ONCE = 16 << 10;
const AT_ONCE_PACKED = 64 << 10;

/** The same, beside whatever else is done, where that is worth it. */
export async function packBlobsAside(blobs: readonly Buffer[]): Promise<Buffer> {
	const bytes = framed(blobs);
	return bytes.length <= AT_ONCE ? gzipSync(bytes, fast(bytes)) : gzipAside(bytes, fast(bytes));
}

/** Bytes that are compressed at a time; small blobs are put together to that. */
const AT_A_TIME = 1 << 20;

/** The same for many, or large ones; each is read when it is its turn, so that they are never in memory together. */
export async function packBlobsInTurn(blobs: readonly (() => Buffer)[]): Promise<Buffer> {
	const zip = createGzip({ level: 1, chunkSize: AT_A_TIME });
	const packed: Buffer[] = [];
	zip.on("data", (piece: Buffer) => packed.push(piece));
	const compressed = (bytes: Buffer): Promise<void> =>
		new Promise((resolve, reject) => zip.write(bytes, (error) => (error ? reject(error) : resolve())));
	try {
		let waiting: Buffer[] = [];
		let size = 0;
		for (const read of blobs) {
			const bytes = read();
			waiting.push(lengthOf(bytes), bytes);
			size += bytes.length;
			if (size < AT_A_TIME) continue;
			for (const part of waiting.length > 2 ? [Buffer.concat(waiting)] : waiting) await compressed(part);
			waiting = [];
			size = 0;
		}
		zip.end(Buffer.concat(waiting));
		await once(zip, "end");
		return Buffer.concat(packed);
	} finally {
		zip.destroy();
	}
}

function lengthOf(bytes: Buffer): Buffer {
	const length = Buffer.alloc(4);
	length.writeUInt32BE(bytes.length);
	return length;
}

/** Node's pieces of 16 KiB are too large for a few sources, and far too small for a toolchain. */
const pieces = (bytes: Buffer): number => Math.min(Math.max(bytes.length, 1 << 10), 1 << 20);
const fast = (bytes: Buffer) => ({ level: 1, chunkSize: pieces(bytes) });
const gzipAside = promisify<Buffer, ZlibOptions, Buffer>(gzip);
const gunzipAside = promisify<Buffer, ZlibOptions, Buffer>(gunzip);

function framed(blobs: readonly Buffer[]): Buffer {
	return Buffer.concat(blobs.flatMap((bytes) => [lengthOf(bytes), bytes]));
}

/** Bytes that a small block unpacks to, as a rule. */
const MOST_AT_ONCE = 1 << 20;

/** Bytes that a block may unpack to: more than any client packs, far less than a function's memory. */
const UNPACKED = 256 << 20;

/** Blobs of a block: an empty one takes next to nothing of its bytes. */
export const MOST_BLOBS = 200_000;

/** Blocks one behind the other are a block, too. */
export function unpackBlobs(block: Buffer): Result<Buffer[], string> {
	try {
		return partsOf(gunzipSync(block, { maxOutputLength: UNPACKED, chunkSize: pieces(block) }));
	} catch {
		return err(NO_BLOCK);
	}
}

/** The same, beside whatever else is done, where that is worth it. */
export async function unpackBlobsAside(block: Buffer): Promise<Result<Buffer[], string>> {
	if (block.length <= AT_ONCE_PACKED)
		try {
			return partsOf(gunzipSync(block, { maxOutputLength: MOST_AT_ONCE, chunkSize: 4 * pieces(block) }));
		} catch {
			// It is none, or is larger than that: what follows says which.
		}
	try {
		return partsOf(await gunzipAside(block, { maxOutputLength: UNPACKED, chunkSize: pieces(block) }));
	} catch {
		return err(NO_BLOCK);
	}
}

const NO_BLOCK = "a block of blobs cannot be unpacked";

function partsOf(bytes: Buffer): Result<Buffer[], string> {
	const found: Buffer[] = [];
	for (let at = 0; at < bytes.length; ) {
		if (at + 4 > bytes.length) return err("a block of blobs is cut short");
		const length = bytes.readUInt32BE(at);
		at += 4;
		if (at + length > bytes.length) return err("a block of blobs is cut short");
		if (found.length === MOST_BLOBS) return err("a block holds too many blobs");
		found.push(bytes.subarray(at, at + length));
		at += length;
	}
	return ok(found);
}

/** What a blob of a block is given to, in order. */
export interface Part {
	write(bytes: Buffer): void;
	/** It was all there. */
	finish(): void;
	drop(): void;
}

/** What is taken apart is no block, or not a whole one. */
export class BadBlock extends Error {}

export interface Unpacking {
	/** Resolves when all that follows from these bytes was handed on; rejects with a BadBlock, or with what a part throws. */
	write(piece: Buffer): Promise<void>;
	/** The same for the end of the block. */
	end(): Promise<void>;
	/** Nothing more will come. */
	drop(): void;
}

/** Takes a block apart as it comes; of its blobs nothing is held here. `begin` is told how long the next one is. */
export function unpacking(begin: (size: number) => Part): Unpacking {
	const gunzip = createGunzip({ chunkSize: 256 << 10 });
	const header = Buffer.alloc(4);
	let inHeader = 0;
	let part: Part | undefined;
	let left = 0;
	let total = 0;
	let count = 0;
	let failure: unknown;
	const take = (bytes: Buffer): void => {
		total += bytes.length;
		if (total > UNPACKED) throw new BadBlock();
		for (let at = 0; at < bytes.length; ) {
			if (part === undefined) {
				const some = bytes.copy(header, inHeader, at, at + header.length - inHeader);
				inHeader += some;
				at += some;
				if (inHeader < header.length) return;
				inHeader = 0;
				left = header.readUInt32BE();
				if (left > UNPACKED || ++count > MOST_BLOBS) throw new BadBlock();
				part = begin(left);
			}
			const some = bytes.subarray(at, at + left);
			if (some.length > 0) part.write(some);
			at += some.length;
			left -= some.length;
			if (left > 0) return;
			const whole = part;
			part = undefined;
			whole.finish();
		}
	};
	gunzip.on("data", (bytes: Buffer) => {
		if (failure !== undefined) return;
		try {
			take(bytes);
		} catch (error) {
			failure = error;
		}
	});
	gunzip.on("error", () => {
		failure ??= new BadBlock();
	});
	// A write that fails is not told of otherwise.
	let closed = (): void => {};
	gunzip.on("close", () => closed());
	const settled = (begin: (done: () => void) => void): Promise<void> =>
		new Promise((resolve, reject) => {
			const done = (): void => (failure === undefined ? resolve() : reject(failure));
			closed = done;
			if (gunzip.destroyed) reject(failure ?? new BadBlock());
			else begin(done);
		});
	return {
		write: (piece) => settled((done) => void gunzip.write(piece, done)),
		end: () =>
			settled(() => void gunzip.end()).then(() => {
				if (part !== undefined || inHeader > 0) throw new BadBlock();
			}),
		drop() {
			part?.drop();
			part = undefined;
			gunzip.destroy();
		},
	};
}
