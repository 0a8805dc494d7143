/** Blobs by ByteStream, as they are or compressed by zstd; source: remote_execution.proto, "uploading and downloading". */
import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Metadata, type ServerReadableStream, type ServerWritableStream, type sendUnaryData } from "@grpc/grpc-js";
import { CODE, RemoteError } from "../reapi/errors.js";
import { type Digest, type METHODS, STATUS } from "../reapi/messages.js";
import { zstd } from "../util/zstd.js";
import { isDigest } from "./digest.js";
import type { Disk, Incoming } from "./disk.js";
import { internal } from "./operations.js";

/** Bytes of one blob: what a client names must be no reason to fill the disk. */
const LARGEST_BLOB = 8 * 2 ** 30;
const CHUNK = 256 << 10;

export type WriteRequest = ReturnType<typeof METHODS.write.request.decode>;
export type WriteResponse = ReturnType<typeof METHODS.write.response.decode>;

/** A blob on its way to the disk. */
interface Target {
	readonly incoming: Incoming;
	readonly keep: (data: Buffer) => void;
	readonly unpack: Transform | undefined;
}

export function sound(digest: Digest | null | undefined): Digest {
	if (isDigest(digest)) return digest;
	throw new RemoteError(CODE.INVALID_ARGUMENT, "a digest is not 64 hexadecimal digits of SHA-256 and a size");
}

export function mismatch(): RemoteError {
	return new RemoteError(CODE.INVALID_ARGUMENT, "the bytes are not those of the digest");
}

interface Resource {
	readonly digest: Digest;
	readonly isPacked: boolean;
}

/** `[INSTANCE/]blobs/HASH/SIZE`, or with zstd `[INSTANCE/]compressed-blobs/zstd/HASH/SIZE`, where the size is that of the blob. */
function blobName(name: string): Resource {
	const match = /(?:^|\/)(blobs|compressed-blobs\/zstd)\/([0-9a-f]{64})\/(\d{1,15})$/.exec(name);
	if (match === null) throw new RemoteError(CODE.INVALID_ARGUMENT, "the resource is not named blobs/HASH/SIZE");
	return resourceOf(match);
}

/** `[INSTANCE/]uploads/UUID/blobs/HASH/SIZE[/…]`, or with `compressed-blobs/zstd`. */
function uploadName(name: string): Resource {
	const match = /(?:^|\/)uploads\/[^/]+\/(blobs|compressed-blobs\/zstd)\/([0-9a-f]{64})\/(\d{1,15})(?:\/|$)/.exec(name);
	if (match === null)
		throw new RemoteError(CODE.INVALID_ARGUMENT, "the resource is not named uploads/UUID/blobs/HASH/SIZE");
	const resource = resourceOf(match);
	if (resource.digest.sizeBytes > LARGEST_BLOB) throw new RemoteError(CODE.INVALID_ARGUMENT, "the blob is too large");
	return resource;
}

function resourceOf([, form, hash, size]: RegExpExecArray): Resource {
	const isPacked = form !== "blobs";
	if (isPacked && zstd === undefined)
		throw new RemoteError(CODE.INVALID_ARGUMENT, "this worker's Node.js has no zstd, and it offers none");
	return { digest: { hash: hash!, sizeBytes: Number(size) }, isPacked };
}

export function queryWrite(disk: Disk, name: string): { committedSize: number; complete: boolean } {
	const { digest } = uploadName(name);
	return disk.has(digest) ? { committedSize: digest.sizeBytes, complete: true } : { committedSize: 0, complete: false };
}

export function readBlob(
	disk: Disk,
	name: string,
	offset: number,
	limit: number,
	call: ServerWritableStream<unknown, { readonly data: Buffer }>,
): void {
	const { digest, isPacked } = blobName(name);
	if (offset < 0 || offset > digest.sizeBytes || limit < 0)
		throw new RemoteError(CODE.OUT_OF_RANGE, "there is no such part");
	if (digest.sizeBytes === 0) {
		call.end();
		return;
	}
	const path = disk.file(digest);
	if (path === undefined) throw new RemoteError(CODE.NOT_FOUND, "no such blob");
	const end = limit > 0 ? Math.min(digest.sizeBytes, offset + limit) : digest.sizeBytes;
	const fd = openSync(path, "r");
	if (isPacked && offset < end) {
		const source = createReadStream("", { fd, start: offset, end: end - 1 });
		call.on("cancelled", () => source.destroy());
		const asMessages = new Transform({
			writableObjectMode: false,
			readableObjectMode: true,
			transform: (data: Buffer, _, done) => done(null, { data }),
		});
		pipeline(source, zstd!.compressor(), asMessages, call as unknown as Writable).catch((error: unknown) =>
			call.destroy(serviceError(error)),
		);
		return;
	}
	let at = offset;
	let open = true;
	const close = (): void => {
		if (open) closeSync(fd);
		open = false;
	};
	const pump = (): void => {
		while (open && at < end) {
			const data = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
			const count = readSync(fd, data, 0, data.length, at);
			if (count === 0) break;
			at += count;
			if (!call.write({ data: data.subarray(0, count) })) {
				call.once("drain", pump);
				return;
			}
		}
		close();
		call.end();
	};
	call.on("cancelled", close);
	pump();
}

export function writeBlob(
	disk: Disk,
	call: ServerReadableStream<WriteRequest, WriteResponse>,
	answer: sendUnaryData<WriteResponse>,
): void {
	let target: Target | undefined;
	/** As they came. */
	let written = 0;
	/** The client has said that this is all. */
	let ended = false;
	let over = false;
	const finish = (error: unknown, committedSize = 0): void => {
		if (over) return;
		over = true;
		if (error !== undefined) {
			target?.unpack?.destroy();
			target?.incoming.drop();
			answer(serviceError(error));
		} else answer(null, { committedSize });
	};
	/** Runs what may fail as part of the call. */
	const within = (step: () => void): void => {
		try {
			if (!over) step();
		} catch (error) {
			finish(error);
		}
	};
	const begin = (name: string): boolean => {
		const { digest, isPacked } = uploadName(name);
		// Somebody else was quicker.
		if (disk.has(digest)) {
			finish(undefined, isPacked ? -1 : digest.sizeBytes);
			return false;
		}
		const incoming = disk.receive(digest);
		const keep = (data: Buffer): void => {
			if (incoming.size + data.length > digest.sizeBytes) throw mismatch();
			incoming.write(data);
		};
		if (!isPacked) {
			target = { incoming, keep, unpack: undefined };
			return true;
		}
		const unpack = zstd!.decompressor();
		unpack.on("data", (data: Buffer) => within(() => keep(data)));
		unpack.on("error", () => finish(mismatch()));
		unpack.on("end", () => within(() => (incoming.finish() ? finish(undefined, written) : finish(mismatch()))));
		unpack.on("drain", () => call.resume());
		target = { incoming, keep, unpack };
		return true;
	};
	call.on("data", (request: WriteRequest) =>
		within(() => {
			if (target === undefined && !begin(request.resourceName)) return;
			const { incoming, keep, unpack } = target!;
			if (request.writeOffset !== written)
				throw new RemoteError(
					CODE.INVALID_ARGUMENT,
					`offset ${request.writeOffset} where ${written} bytes were written`,
				);
			written += request.data.length;
			if (unpack === undefined) keep(request.data);
			else if (!unpack.write(request.data)) call.pause();
			if (!request.finishWrite) return;
			if (unpack !== undefined) unpack.end();
			else if (incoming.finish()) finish(undefined, written);
			else throw mismatch();
			ended = true;
		}),
	);
	call.on("end", () => {
		if (!ended) finish(new RemoteError(CODE.INVALID_ARGUMENT, "the blob was cut short"));
	});
	call.on("cancelled", () => finish(new RemoteError(CODE.CANCELLED, "cancelled")));
	call.on("error", () => finish(new RemoteError(CODE.CANCELLED, "broken off")));
}

/** An error as grpc-js sends it, with the details where a client looks for them. */
export function serviceError(error: unknown): Error & { code: number; details: string; metadata: Metadata } {
	const failure = error instanceof RemoteError ? error : internal(error);
	const metadata = new Metadata();
	if (failure.status.details.length > 0) metadata.set("grpc-status-details-bin", STATUS.encode(failure.status));
	return Object.assign(new Error(failure.message), { code: failure.code, details: failure.message, metadata });
}
