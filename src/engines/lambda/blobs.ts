import { MOST_BLOBS, packBlobsAside, packBlobsInTurn } from "../../storage/block.js";
import type { Storage } from "../../storage/types.js";
import { hashBytes, type ObjectHash } from "../../thunk/hash.js";
import { type Blob, BlobGone, bytesOf } from "../action/blob.js";

/** What a request carries, and names, of an action's inputs. */
export interface Carried {
	/** A block, as the function unpacks it; empty: none. */
	readonly inline: Buffer;
	/** Names of blocks in the storage backend. */
	readonly blocks: readonly ObjectHash[];
	/** Those that the storage backend has by themselves. */
	readonly objects: readonly Blob[];
	/** The blocks as they are known here. */
	readonly from: ReadonlySet<object>;
}

/** Bytes of an action's own new blobs from which they go to the storage backend as one block, where all instances find them. */
const BLOCK_FROM = 256 << 10;
/** Bytes of one block before it is packed: a toolchain, which every new instance fetches by one request. */
const BLOCK_TO = 144 << 20;

/** Bytes up to which blocks of actions' own inputs are joined. */
const JOINED_TO = 32 << 20;
/** Bytes that were carried in vain, beside those that the joined block has itself, before what they were is stored. */
const MOST_CARRIED = 1 << 20;
/** Bytes that an instance's request for one block more is taken to be worth, and a blob beside its content. */
const REQUEST = 32 << 10;
const BLOB = 64;
/** Bytes that a call may hold again and again: less than a request is worth. */
const SPARED = 8 << 10;

/** A block in the storage backend, or on its way there. */
interface Block {
	readonly name: Promise<ObjectHash>;
	readonly blobs: readonly Blob[];
	/** It is there, and no toolchain's, and not too large to be joined with others. */
	isJoinable: boolean;
	/** As it is stored, where it was packed here and is joinable. */
	packed?: Buffer;
}

/** What went within calls more than once. */
interface Repeated {
	readonly blob: Blob;
	readonly bytes: Buffer;
}

/**
 * How the inputs of actions get to instances of which nobody knows what they have kept: every call holds, or names the blocks of,
 * all that its action needs, so that an instance that lacks something has it or fetches it without asking. What many have in common is
 * a block in the storage backend, and a few small blobs travel within the call; those that do so again and again are put into a block
 * of their own meanwhile.
 */
export class Carrier {
	readonly #storage: Storage;
	readonly #blockOf = new Map<string, Block>();
	/** Those with what is no toolchain's. */
	readonly #own = new Set<Block>();
	/** Outputs that the function has put there. */
	readonly #stored = new Set<string>();
	/** What was there and is not any more: the backend is not asked again. */
	readonly #lost = new Set<string>();
	/** What calls have held. */
	readonly #carried = new Set<string>();
	readonly #repeated = new Map<string, Repeated>();
	/** Bytes that calls held although others before had held them, without those that are spared, since the last joining. */
	#again = 0;
	#joined = 0;
	#isJoining = false;

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

	/** Takes all that an action needs. Resolves when all that the request only names is in the storage backend. */
	async carry(blobs: readonly Blob[]): Promise<Carried> {
		const blocks = new Set<Block>();
		const objects: Blob[] = [];
		const shared: Blob[] = [];
		const fresh: Blob[] = [];
		let size = 0;
		for (const blob of blobs) {
			const { hash, sizeBytes } = blob.digest;
			const block = this.#blockOf.get(hash);
			if (block !== undefined) blocks.add(block);
			else if (this.#stored.has(hash)) objects.push(blob);
			else if (blob.isShared === true) shared.push(blob);
			else {
				fresh.push(blob);
				size += sizeBytes;
			}
		}
		// Apart from what is the action's own: so other clients come to the same block, and find it there.
		if (shared.length > 0) for (const group of grouped(shared)) blocks.add(this.#keepBlock(group));
		const isInline = size < BLOCK_FROM && fresh.length > 0;
		if (size >= BLOCK_FROM)
			for (const group of grouped(fresh)) {
				const block = this.#keepBlock(group);
				this.#own.add(block);
				blocks.add(block);
			}
		const inline = isInline ? packBlobsAside(this.#bytesOf(fresh)) : Promise.resolve(NOTHING);
		let joinable = 0;
		for (const block of blocks) if (block.isJoinable) joinable += 1;
		this.#again += Math.max(0, joinable - 1) * REQUEST;
		if (this.#again > MOST_CARRIED + this.#joined) void this.#join();
		const names = [...blocks].map((block) => block.name);
		// All of them are waited for: none may fail later, unheard.
		const ends = await Promise.allSettled([inline, ...names]);
		const failed = ends.find((end) => end.status === "rejected");
		if (failed !== undefined) throw failed.reason;
		return { inline: await inline, blocks: await Promise.all(names), objects, from: blocks };
	}

	/**
	 * The function has not found these, though they were carried or named. What another call's answer has had stored anew meanwhile
	 * is not stored once more.
	 */
	forget(names: ReadonlySet<string>, carried: Carried): void {
		const objects = new Set(carried.objects.map((blob) => blob.digest.hash));
		for (const hash of names) {
			if (objects.has(hash)) this.#stored.delete(hash);
			const block = this.#blockOf.get(hash);
			if (block === undefined || !carried.from.has(block)) continue;
			// The whole of an action's own is gone with it, or cut short; a toolchain is too large to believe that.
			const gone = this.#own.delete(block) ? block.blobs.map((blob) => blob.digest.hash) : [hash];
			for (const one of gone) {
				if (this.#blockOf.get(one) === block) this.#blockOf.delete(one);
				this.#lost.add(one);
			}
			block.isJoinable = false;
		}
	}

	/** The bytes of what goes within a call; kept for a block where that is not the first time. */
	#bytesOf(blobs: readonly Blob[]): Buffer[] {
		let again = 0;
		const all = blobs.map((blob) => {
			const { hash } = blob.digest;
			const known = this.#repeated.get(hash);
			const bytes = known?.bytes ?? bytesOf(blob);
			if (!this.#carried.has(hash)) this.#carried.add(hash);
			else {
				again += bytes.length + BLOB;
				if (known === undefined) this.#repeated.set(hash, { blob, bytes });
			}
			return bytes;
		});
		this.#again += Math.max(0, again - SPARED);
		return all;
	}

	/**
	 * Makes one block of the actions' own blocks, as they are, and of what calls have held more than once. Beside whatever else is done:
	 * until it is there all goes on as it was.
	 */
	async #join(): Promise<void> {
		if (this.#isJoining) return;
		this.#isJoining = true;
		this.#again = 0;
		try {
			const repeated = [...this.#repeated.values()];
			const olds: Block[] = [];
			let size = repeated.reduce((sum, { bytes }) => sum + bytes.length, 0);
			for (const block of this.#own) {
				if (!block.isJoinable || size + sizeOf(block.blobs) > JOINED_TO || (await packedOf(block)) === undefined)
					continue;
				size += sizeOf(block.blobs);
				olds.push(block);
			}
			if (repeated.length === 0 && olds.length < 2) return;
			const blobs = [...olds.flatMap((block) => block.blobs), ...repeated.map(({ blob }) => blob)];
			const fresh = await packBlobsAside(repeated.map(({ bytes }) => bytes));
			// Blocks one behind the other are one.
			const packed = Buffer.concat([...olds.map((block) => block.packed!), fresh]);
			const name = nameOfBlock(blobs);
			await this.#storage.putRecord(`blocks/${name}`, packed);
			const block: Block = { name: Promise.resolve(name), blobs, isJoinable: true, packed };
			for (const { digest } of blobs) {
				const now = this.#blockOf.get(digest.hash);
				// What was lost meanwhile was lost in an old one.
				if (now === undefined || olds.includes(now)) this.#blockOf.set(digest.hash, block);
				this.#repeated.delete(digest.hash);
			}
			for (const old of olds) this.#own.delete(old);
			this.#own.add(block);
			this.#joined = packed.length;
		} catch {
			// Nothing waits for it: where the storage backend has trouble, those that do will say so.
		} finally {
			this.#isJoining = false;
		}
	}

	#keepBlock(blobs: readonly Blob[]): Block {
		const block: Block = { name: this.#put(blobs, () => block), blobs, isJoinable: false };
		block.name.catch(() => {
			this.#own.delete(block);
			for (const { digest } of blobs) if (this.#blockOf.get(digest.hash) === block) this.#blockOf.delete(digest.hash);
		});
		for (const { digest } of blobs) {
			this.#blockOf.set(digest.hash, block);
			this.#repeated.delete(digest.hash);
		}
		return block;
	}

	/** A block is named by what it holds, so that nothing is read and packed only to find that it is there. */
	async #put(blobs: readonly Blob[], block: () => Block): Promise<ObjectHash> {
		const name = nameOfBlock(blobs);
		const isJoinable = blobs[0]?.isShared !== true && sizeOf(blobs) <= JOINED_TO / 2;
		const isLost = blobs.some((blob) => this.#lost.has(blob.digest.hash));
		if (isLost || !(await this.#storage.hasRecord(`blocks/${name}`))) {
			const packed = await packBlobsInTurn(blobs.map((blob) => () => bytesOf(blob)));
			await this.#storage.putRecord(`blocks/${name}`, packed);
			if (isJoinable) block().packed = packed;
		}
		for (const blob of blobs) this.#lost.delete(blob.digest.hash);
		block().isJoinable = isJoinable;
		return name;
	}
}

/** A block's bytes as they are stored; undefined when a file that it holds has changed since. */
async function packedOf(block: Block): Promise<Buffer | undefined> {
	try {
		block.packed ??= await packBlobsInTurn(block.blobs.map((blob) => () => bytesOf(blob)));
		return block.packed;
	} catch (error) {
		if (!(error instanceof BlobGone)) throw error;
		block.isJoinable = false;
		return undefined;
	}
}

const sizeOf = (blobs: readonly Blob[]): number => blobs.reduce((sum, { digest }) => sum + digest.sizeBytes, 0);

const NOTHING = Buffer.alloc(0);

const nameOfBlock = (blobs: readonly Blob[]): ObjectHash =>
	hashBytes(Buffer.from(`gg block 1\n${blobs.map((blob) => blob.digest.hash).join("\n")}`));

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
