import type { Digest } from "../reapi/messages.js";
import { BadBlock, type Part, unpacking } from "../storage/block.js";
import type { Storage } from "../storage/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Disk, Pins } from "../worker/disk.js";
import { objectOf } from "./names.js";

/** Blobs up to this size are held while they come: what is there already is then not written again. */
const HELD = 1 << 20;

/**
 * Fetches a block and puts what it holds on the disk while it comes: in memory are some pieces, and a small blob. Undefined when it is
 * not there, or cut short. Each blob is pinned as soon as it is whole.
 */
export async function fetchBlock(
	storage: Storage,
	name: ObjectHash,
	disk: Disk,
	pins: Pins,
	came: (bytes: number) => void,
): Promise<readonly Digest[] | undefined> {
	const blobs: Digest[] = [];
	const keep = (digest: Digest): void => void blobs.push(digest);
	const block = unpacking((size) => (size <= HELD ? held(size, disk, pins, keep) : written(disk, pins, keep)));
	try {
		const isThere = await storage.stream(`blocks/${name}`, (piece) => {
			came(piece.length);
			return block.write(piece);
		});
		if (!isThere) return undefined;
		await block.end();
		return blobs;
	} catch (error) {
		if (error instanceof BadBlock) return undefined;
		throw error;
	} finally {
		block.drop();
	}
}

/** Fetches a blob that is an object by itself, in the same way; false when it is not there, or is another. */
export async function fetchObject(
	storage: Storage,
	digest: Digest,
	disk: Disk,
	pins: Pins,
	came: (bytes: number) => void,
): Promise<boolean> {
	const incoming = disk.receive(digest, pins);
	let isWhole = false;
	try {
		isWhole = await storage.stream(objectOf(digest), async (piece) => {
			came(piece.length);
			// Nothing says how much more would come.
			if (incoming.size + piece.length > digest.sizeBytes) throw new BadBlock();
			incoming.write(piece);
		});
		return isWhole && incoming.finish();
	} catch (error) {
		if (error instanceof BadBlock) return false;
		throw error;
	} finally {
		if (!isWhole) incoming.drop();
	}
}

function held(size: number, disk: Disk, pins: Pins, keep: (digest: Digest) => void): Part {
	const bytes = Buffer.allocUnsafe(size);
	let at = 0;
	return {
		write(some) {
			at += some.copy(bytes, at);
		},
		finish: () => keep(disk.add(bytes, pins)),
		drop() {},
	};
}

function written(disk: Disk, pins: Pins, keep: (digest: Digest) => void): Part {
	const incoming = disk.receiveNameless(pins);
	return { write: incoming.write, finish: () => keep(incoming.finish()), drop: incoming.drop };
}
