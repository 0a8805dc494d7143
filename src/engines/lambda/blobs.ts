import { MOST_BLOBS, packBlobsAside, packBlobsInTurn } from "../../storage/block.js";
import type { Storage } from "../../storage/types.js";
import { hashBytes, type ObjectHash } from "../../thunk/hash.js";
import { type Blob, bytesOf } from "../action/blob.js";

/** What a request carries, and names, of an action's inputs. */
export interface Carried {
	/** A block, as the function unpacks it; empty: none. */
	readonly inline: Buffer;
	/** Names of blocks in the storage backend. */
	readonly blocks: readonly ObjectHash[];
	/** Those that the storage backend has by themselves. */
	readonly objects: readonly Blob[];
}

/** Bytes of an action's own new blobs from which they go to the storage backend as one block, where all instances find them. */
const BLOCK_FROM = 256 << 10;
/** Bytes of one block before it is packed: a toolchain, which every new instance fetches by one request. */
const BLOCK_TO = 144 << 20;

/** Bytes up to which blocks of actions' own inputs are joined. */
const JOINED_TO = 32 << 20;

/**
 * How the inputs of actions get to instances of which nobody knows what they have kept: many as a block in the storage
 * backend, which is asked for by one request; a few small ones within the call. What a function once had is not sent again until
 * one says that it lacks it.
 */
export class Carrier {
	readonly #storage: Storage;
	readonly #blockOf = new Map<string, Promise<ObjectHash>>();
	/** What the blocks hold that are no toolchain's. */
	readonly #own = new Map<Promise<ObjectHash>, readonly Blob[]>();
	/** Outputs that the function has put there. */
	readonly #stored = new Set<string>();
	/** What was there and is not any more: the backend is not asked again. */
	readonly #lost = new Set<string>();

	constructor(storage: Storage) {
		this.#storage = storage;
	}

	/** The function has put it into the storage backend. */
	stored(hash: string): void {
		this.#stored.add(hash);
	}

	/** True for what is in the storage backend, or on its way there. */
	has(hash: string): boolean {
		return this.#stored.has(hash) || this.#blockOf.has(hash);
	}

	/** Resolves when all that the request only names is in the storage backend. */
	async carry(blobs: readonly Blob[]): Promise<Carried> {
		const blocks = new Set<Promise<ObjectHash>>();
		const objects: Blob[] = [];
		const shared: Blob[] = [];
		const fresh: Blob[] = [];
		let size = 0;
		for (const blob of blobs) {
			const { hash, sizeBytes } = blob.digest;
			const block = this.#blockOf.get(hash);
			if (this.#stored.has(hash)) objects.push(blob);
			else if (block !== undefined) blocks.add(block);
			else if (blob.isShared === true) shared.push(blob);
			else {
				fresh.push(blob);
				size += sizeBytes;
			}
		}
		// Apart from what is the action's own: so other clients come to the same block, and find it there.
		if (shared.length > 0) for (const group of grouped(shared)) blocks.add(this.#keepBlock(group));
		const isInline = size < BLOCK_FROM && fresh.length > 0;
		const inline = isInline ? packBlobsAside(fresh.map(bytesOf)) : Promise.resolve(Buffer.alloc(0));
		this.#join(blocks, size < BLOCK_FROM ? [] : fresh);
		// All of them are waited for: none may fail later, unheard.
		const ends = await Promise.allSettled([inline, ...blocks]);
		const failed = ends.find((end) => end.status === "rejected");
		if (failed !== undefined) throw failed.reason;
		return { inline: await inline, blocks: await Promise.all(blocks), objects };
	}

	/** The function has not found these, though they were stored. */
	forget(names: ReadonlySet<string>): void {
		for (const hash of names) {
			if (this.#blockOf.delete(hash)) this.#lost.add(hash);
			this.#stored.delete(hash);
		}
	}

	/**
	 * Adds a block of the action's new inputs. What came with several actions comes together: a new instance asks for one
	 * block, and not for each.
	 */
	#join(blocks: Set<Promise<ObjectHash>>, fresh: readonly Blob[]): void {
		const olds = [...blocks].filter((block) => this.#own.has(block));
		if (olds.length < 2 && fresh.length === 0) return;
		const held = olds.flatMap((block) =>
			// Another action's file may have changed since it was stored: what still needs it finds it in the old block.
			this.#own.get(block)!.filter((blob) => this.#blockOf.get(blob.digest.hash) === block && isThere(blob)),
		);
		const size = [...held, ...fresh].reduce((sum, blob) => sum + blob.digest.sizeBytes, 0);
		const isJoined = olds.length > 0 && size <= JOINED_TO;
		if (isJoined) for (const block of olds) blocks.delete(block);
		else if (fresh.length === 0) return;
		for (const group of grouped(isJoined ? [...held, ...fresh] : fresh)) {
			const block = this.#keepBlock(group);
			this.#own.set(block, group);
			blocks.add(block);
		}
		if (isJoined) for (const block of olds) this.#own.delete(block);
	}

	#keepBlock(blobs: readonly Blob[]): Promise<ObjectHash> {
		const kept = this.#put(blobs).catch((error: unknown) => {
			for (const { digest } of blobs) if (this.#blockOf.get(digest.hash) === kept) this.#blockOf.delete(digest.hash);
			throw error;
		});
		for (const { digest } of blobs) this.#blockOf.set(digest.hash, kept);
		return kept;
	}

	/** A block is named by what it holds, so that nothing is read and packed only to find that it is there. */
	async #put(blobs: readonly Blob[]): Promise<ObjectHash> {
		const name = hashBytes(Buffer.from(`gg block 1\n${blobs.map((blob) => blob.digest.hash).join("\n")}`));
		const isLost = blobs.some((blob) => this.#lost.has(blob.digest.hash));
		if (isLost || !(await this.#storage.hasRecord(`blocks/${name}`)))
			await this.#storage.putRecord(`blocks/${name}`, await packBlobsInTurn(blobs.map((blob) => () => bytesOf(blob))));
		for (const blob of blobs) this.#lost.delete(blob.digest.hash);
		return name;
	}
}

const isThere = (blob: Blob): boolean => blob.read() !== undefined;

/** Each in an order of its own, so that two clients come to the same blocks. */
function grouped(blobs: readonly Blob[]): Blob[][] {
	const groups: Blob[][] = [[]];
	let size = 0;
	for (const blob of [...blobs].sort((a, b) => (a.digest.hash < b.digest.hash ? -1 : 1))) {
		const isFull = size > 0 && size + blob.digest.sizeBytes > BLOCK_TO;
		if (isFull || groups.at(-1)!.length === MOST_BLOBS) {
			groups.push([]);
			size = 0;
		}
		groups.at(-1)!.push(blob);
		size += blob.digest.sizeBytes;
	}
	return groups;
}
