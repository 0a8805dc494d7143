import { objectOf } from "../../lambda/names.js";
import { packBlobs, STORED_FROM } from "../../lambda/payload.js";
import type { Storage } from "../../storage/types.js";
import { hashBytes, type ObjectHash } from "../../thunk/hash.js";
import { type Blob, bytesOf } from "../action/blob.js";
import type { Usage } from "./cost.js";

/** What a request carries, and names, of an action's inputs. */
export interface Carried {
	/** A block, as the function unpacks it; empty: none. */
	readonly inline: Buffer;
	/** Names of blocks in the storage backend. */
	readonly blocks: readonly ObjectHash[];
}

/** Bytes of new small blobs from which they go to the storage backend as one block, where all instances find them. */
const BLOCK_FROM = 256 << 10;
/** Bytes of one block before it is packed. */
const BLOCK_TO = 16 << 20;

/**
 * How the inputs of actions get to instances of which nobody knows what they have kept: large ones by the storage backend,
 * each once; many small ones as a block there; a few within the request. What a function once had is not sent again until one says that it lacks it.
 */
export class Carrier {
	readonly #storage: Storage;
	readonly #stored = new Map<string, Promise<void>>();
	readonly #blockOf = new Map<string, Promise<ObjectHash>>();
	readonly #usage: Usage;

	constructor(storage: Storage, usage: Usage) {
		this.#storage = storage;
		this.#usage = usage;
	}

	/** Resolves when all that the request only names is in the storage backend. */
	async carry(blobs: readonly Blob[]): Promise<Carried> {
		const waits: Promise<unknown>[] = [];
		const blocks = new Set<Promise<ObjectHash>>();
		const fresh: Blob[] = [];
		let size = 0;
		for (const blob of blobs) {
			const { hash, sizeBytes } = blob.digest;
			if (sizeBytes >= STORED_FROM) {
				waits.push(this.#store(blob));
				continue;
			}
			const block = this.#blockOf.get(hash);
			if (block !== undefined) {
				blocks.add(block);
				continue;
			}
			fresh.push(blob);
			size += sizeBytes;
		}
		let inline: Buffer = Buffer.alloc(0);
		if (size >= BLOCK_FROM) for (const group of grouped(fresh)) blocks.add(this.#keepBlock(group));
		else if (fresh.length > 0) inline = packBlobs(fresh.map(bytesOf));
		// All of them are waited for: none may fail later, unheard.
		const ends = await Promise.allSettled([...waits, ...blocks]);
		const failed = ends.find((end) => end.status === "rejected");
		if (failed !== undefined) throw failed.reason;
		return { inline, blocks: await Promise.all(blocks) };
	}

	/** The function has not found these, though they were stored. */
	forget(names: ReadonlySet<string>): void {
		for (const hash of [...this.#stored.keys()]) if (names.has(hash)) this.#stored.delete(hash);
		for (const hash of [...this.#blockOf.keys()]) if (names.has(hash)) this.#blockOf.delete(hash);
	}

	#store(blob: Blob): Promise<void> {
		const { hash } = blob.digest;
		let storing = this.#stored.get(hash);
		if (storing === undefined) {
			storing = this.#put(objectOf(blob.digest), () => bytesOf(blob)).catch((error: unknown) => {
				this.#stored.delete(hash);
				throw error;
			});
			this.#stored.set(hash, storing);
		}
		return storing;
	}

	#keepBlock(blobs: readonly Blob[]): Promise<ObjectHash> {
		const block = packBlobs(blobs.map(bytesOf));
		const name = hashBytes(block);
		const kept = this.#put(name, () => block).then(
			() => name,
			(error: unknown) => {
				for (const { digest } of blobs) this.#blockOf.delete(digest.hash);
				throw error;
			},
		);
		for (const { digest } of blobs) this.#blockOf.set(digest.hash, kept);
		return kept;
	}

	async #put(name: ObjectHash, bytes: () => Buffer): Promise<void> {
		this.#usage.gets += 1;
		if (await this.#storage.has(name)) return;
		this.#usage.puts += 1;
		await this.#storage.putBytes(name, bytes());
	}
}

function grouped(blobs: readonly Blob[]): Blob[][] {
	const groups: Blob[][] = [[]];
	let size = 0;
	for (const blob of blobs) {
		if (size > 0 && size + blob.digest.sizeBytes > BLOCK_TO) {
			groups.push([]);
			size = 0;
		}
		groups.at(-1)!.push(blob);
		size += blob.digest.sizeBytes;
	}
	return groups;
}
