import { createHash, randomUUID } from "node:crypto";
import { CODE, RemoteError, withRetries } from "../../reapi/errors.js";
import { type Digest, METHODS } from "../../reapi/messages.js";
import { Limiter } from "../../util/limiter.js";
import type { Zstd } from "../../util/zstd.js";
import { type Blob, bytesOf, check, lied, type Outputs, type Take } from "../action/blob.js";
import type { Channel } from "./channel.js";
import { coalesce } from "./coalesce.js";

export interface Cas extends Outputs {
	/** Resolves when the server has them all. Each is asked about, and sent, once. */
	ensure(blobs: readonly Blob[]): Promise<void>;
	/** The server has said that it lacks these: they are asked about again. */
	forget(hashes: Iterable<string>): void;
	readonly has: (hash: string) => boolean;
}

export interface CasOptions {
	readonly channel: Channel;
	readonly instance: string;
	/** Of the server's capabilities; 0: no limit. */
	readonly maxBatchBytes: number;
	readonly chunkBytes?: number;
	/** Large blobs go and come compressed, where the server offers that. */
	readonly zstd?: Zstd | undefined;
	/** Thunks that are under way: the more there are, the more may be asked about at once. */
	readonly thunks?: () => number;
}

/** What a gRPC server takes in one message unless told otherwise, less room for the frame. */
const MESSAGE_BYTES = (4 << 20) - (64 << 10);
const DIGESTS_A_CALL = 8_000;
/** Milliseconds for which thunks that come one after the other wait to be asked about together, for each that is under way. */
const GATHER_MS = 15;
const LONGEST_GATHER_MS = 1000;
/** So many are asked about at once, however short they have waited: servers with many places are not kept waiting. */
const THUNKS_A_CALL = 24;
const CHUNK = 256 << 10;
const STREAMS = 8;
const STREAM_MS = 600_000;
/** One that says so of an output lies, as far as anybody has seen, or would fill the disk. */
const LARGEST_OUTPUT = 1 << 30;
/** A compressed blob is hardly longer than what is in it. */
const PACKED_MORE = 1 << 20;
/** Hash, size and tags of one blob in a batch. */
const OVERHEAD = 100;

export function openCas(o: CasOptions): Cas {
	const limit = o.maxBatchBytes > 0 ? Math.min(o.maxBatchBytes, MESSAGE_BYTES) : MESSAGE_BYTES;
	const present = new Set<string>();
	const underWay = new Map<string, Promise<void>>();
	const streams = new Limiter(STREAMS);
	let readsOneByOne = false;

	/** The hashes that the server lacks, of those asked for and of others. */
	const missingOf = coalesce<readonly Digest[], ReadonlySet<string>>({
		most: THUNKS_A_CALL,
		limit: DIGESTS_A_CALL,
		weigh: (digests) => digests.length,
		calls: 2,
		// A row of thunks that need each other must not wait for company.
		every: () => Math.min(LONGEST_GATHER_MS, GATHER_MS * ((o.thunks?.() ?? 1) - 1)),
		run: async (lists) => {
			const request = { instanceName: o.instance, blobDigests: lists.flat() };
			const { missingBlobDigests } = await o.channel.unary(METHODS.findMissingBlobs, request);
			const missing = new Set(missingBlobDigests.map((d) => d.hash));
			return lists.map(() => missing);
		},
	});

	const update = coalesce<{ digest: Digest; data: Buffer }, void>({
		most: 4_000,
		limit,
		weigh: ({ data }) => data.length + OVERHEAD,
		calls: 2,
		run: (requests) => withRetries(o.channel.retries, () => updateOnce(requests)),
	});

	/** A server answers for each blob alone: those that it took need not be sent again. */
	const taken = new Set<string>();
	async function updateOnce(all: readonly { digest: Digest; data: Buffer }[]): Promise<undefined[]> {
		const requests = all.filter(({ digest }) => !taken.has(digest.hash));
		const { responses } = await o.channel.unary(METHODS.batchUpdateBlobs, { instanceName: o.instance, requests });
		let failure: RemoteError | undefined;
		const good = new Set<string>();
		for (const { digest, status } of responses) {
			if (status && status.code !== CODE.OK) failure = RemoteError.of(status, METHODS.batchUpdateBlobs.path);
			else if (digest) good.add(digest.hash);
		}
		// Bazel's reference server leaves the digest out.
		if (failure === undefined && responses.length !== requests.length)
			failure = new RemoteError(
				CODE.DATA_LOSS,
				"the server did not answer for each blob",
				METHODS.batchUpdateBlobs.path,
			);
		if (failure !== undefined) {
			for (const hash of good) taken.add(hash);
			throw failure;
		}
		for (const { digest } of all) taken.delete(digest.hash);
		return all.map(() => undefined);
	}

	const prefix = o.instance === "" ? "" : `${o.instance}/`;

	async function upload(digest: Digest, data: Buffer): Promise<void> {
		const packed = (await o.zstd?.compress(data)) ?? data;
		const isPacked = packed.length < data.length;
		const sent = isPacked ? packed : data;
		const form = isPacked ? "compressed-blobs/zstd" : "blobs";
		const name = `${prefix}uploads/${randomUUID()}/${form}/${digest.hash}/${digest.sizeBytes}`;
		await withRetries(o.channel.retries, async (attempt) => {
			let offset = 0;
			if (attempt > 0) offset = Math.min(await committed(name), sent.length);
			const { committedSize } = await o.channel.send(METHODS.write, chunks(name, sent, offset), {
				deadlineMs: STREAM_MS,
			});
			// -1 is how a server says that somebody else has sent a compressed one meanwhile.
			if (committedSize !== sent.length && committedSize !== data.length && committedSize !== -1)
				throw new RemoteError(CODE.UNAVAILABLE, `it took ${committedSize} of ${sent.length} bytes`, METHODS.write.path);
		});
	}

	async function committed(name: string): Promise<number> {
		try {
			const status = await o.channel.unary(METHODS.queryWriteStatus, { resourceName: name });
			return status.committedSize;
		} catch (error) {
			if (error instanceof RemoteError && (error.code === CODE.NOT_FOUND || error.code === CODE.UNIMPLEMENTED))
				return 0;
			throw error;
		}
	}

	function* chunks(name: string, data: Buffer, from: number) {
		const size = o.chunkBytes ?? CHUNK;
		let at = from;
		do {
			const piece = data.subarray(at, at + size);
			const end = at + piece.length;
			// The name is needed in the first message only.
			yield { resourceName: at === from ? name : "", writeOffset: at, finishWrite: end === data.length, data: piece };
			at = end;
		} while (at < data.length);
	}

	async function send(blob: Blob): Promise<void> {
		const { digest } = blob;
		if (digest.sizeBytes + OVERHEAD <= limit) await update({ digest, data: bytesOf(blob) });
		else await streams.run(() => upload(digest, bytesOf(blob)));
	}

	const readBatch = coalesce<Digest, Buffer>({
		most: 1_000,
		limit,
		weigh: (d) => d.sizeBytes + OVERHEAD,
		calls: 4,
		run: (digests) => withRetries(o.channel.retries, () => readTogether(digests)),
	});

	async function readTogether(digests: readonly Digest[]): Promise<Buffer[]> {
		if (!readsOneByOne) {
			try {
				const request = { instanceName: o.instance, digests };
				const { responses } = await o.channel.unary(METHODS.batchReadBlobs, request);
				const got = new Map<string, Buffer>();
				for (const { digest, data, status } of responses) {
					if (status && status.code !== CODE.OK) throw RemoteError.of(status, METHODS.batchReadBlobs.path);
					if (digest) got.set(digest.hash, data);
				}
				return digests.map((d) => {
					const data = got.get(d.hash);
					if (data === undefined) throw notThere(d);
					return data;
				});
			} catch (error) {
				if (!(error instanceof RemoteError) || error.code !== CODE.UNIMPLEMENTED) throw error;
				readsOneByOne = true;
			}
		}
		return Promise.all(digests.map((d) => streams.run(() => readStream(d))));
	}

	async function readStream(digest: Digest): Promise<Buffer> {
		const pieces: Buffer[] = [];
		await streamed(digest, (data) => {
			pieces.push(data);
			return undefined;
		});
		return Buffer.concat(pieces);
	}

	async function streamed(digest: Digest, take: Take): Promise<void> {
		const hash = createHash("sha256");
		let size = 0;
		const accept: Take = (data) => {
			size += data.length;
			if (size > digest.sizeBytes) throw lied(digest);
			hash.update(data);
			return take(data);
		};
		const name = `${digest.hash}/${digest.sizeBytes}`;
		const receive = (form: string, each: Take): Promise<void> =>
			o.channel.receive(
				METHODS.read,
				{ resourceName: `${prefix}${form}/${name}`, readOffset: size },
				({ data }) => each(data),
				{ deadlineMs: STREAM_MS },
			);
		await withRetries(o.channel.retries, () =>
			o.zstd === undefined
				? receive("blobs", accept)
				: unpacked(o.zstd, digest, accept, (each) => receive("compressed-blobs/zstd", each)),
		);
		if (size !== digest.sizeBytes || hash.digest("hex") !== digest.hash) throw lied(digest);
	}

	return {
		has: (hash) => present.has(hash),
		async ensure(blobs) {
			const waits = new Set<Promise<void>>();
			const fresh = new Map<string, Blob>();
			for (const blob of blobs) {
				const { hash } = blob.digest;
				if (present.has(hash) || fresh.has(hash)) continue;
				const bringing = underWay.get(hash);
				if (bringing === undefined) fresh.set(hash, blob);
				else waits.add(bringing);
			}
			const unknown = [...fresh.values()];
			for (let at = 0; at < unknown.length; at += DIGESTS_A_CALL) {
				const some = unknown.slice(at, at + DIGESTS_A_CALL);
				const asked = missingOf(some.map((blob) => blob.digest));
				for (const blob of some) {
					const { hash } = blob.digest;
					const bringing = asked
						.then((missing) => (missing.has(hash) ? send(blob) : undefined))
						.then(() => void present.add(hash))
						.finally(() => underWay.delete(hash));
					underWay.set(hash, bringing);
					waits.add(bringing);
				}
			}
			// All of them are waited for: none may fail later, unheard.
			const ends = await Promise.allSettled(waits);
			const failed = ends.find((end) => end.status === "rejected");
			if (failed !== undefined) throw failed.reason;
		},
		async fetch(digest, given) {
			if (given !== undefined) return check(given, digest);
			refuseHuge(digest);
			if (digest.sizeBytes === 0) return check(Buffer.alloc(0), digest);
			if (digest.sizeBytes + OVERHEAD > limit) return streams.run(() => readStream(digest));
			return check(await readBatch(digest), digest);
		},
		async stream(digest, take) {
			refuseHuge(digest);
			await streams.run(() => streamed(digest, take));
		},
		forget(hashes) {
			for (const hash of hashes) present.delete(hash);
		},
	};
}

/** What `receive` brings, unpacked. Rejects when that is no zstd, or longer than anything of that size can be. */
async function unpacked(
	zstd: Zstd,
	digest: Digest,
	accept: Take,
	receive: (each: Take) => Promise<void>,
): Promise<void> {
	const unpack = zstd.decompressor();
	const ended = new Promise<void>((resolve, reject) => {
		unpack.on("data", (data: Buffer) => {
			try {
				const full = accept(data);
				if (full === undefined) return;
				unpack.pause();
				void full.then(() => unpack.resume());
			} catch (error) {
				unpack.destroy(error as Error);
			}
		});
		unpack.on("end", resolve);
		unpack.on("error", (error) => reject(error instanceof RemoteError ? error : lied(digest)));
	});
	// It is awaited only if all has come.
	ended.catch(() => undefined);
	let came = 0;
	try {
		await receive((data) => {
			came += data.length;
			if (unpack.destroyed || came > digest.sizeBytes + PACKED_MORE) throw lied(digest);
			unpack.write(data);
			return undefined;
		});
	} catch (error) {
		unpack.destroy();
		throw error;
	}
	// Of a blob that had come before the connection broke nothing is left.
	if (came === 0) return void unpack.destroy();
	unpack.end();
	await ended;
}

function refuseHuge(digest: Digest): void {
	if (digest.sizeBytes <= LARGEST_OUTPUT) return;
	const message = `an output has ${digest.sizeBytes} bytes, more than gg takes from a server`;
	throw new RemoteError(CODE.OUT_OF_RANGE, message);
}

function notThere(digest: Digest): RemoteError {
	return new RemoteError(CODE.NOT_FOUND, `the server no longer has sha256 ${digest.hash}`);
}
