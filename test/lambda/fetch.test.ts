import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fetchBlock, fetchObject } from "../../src/lambda/fetch.js";
import type { Digest } from "../../src/reapi/messages.js";
import { MOST_BLOBS, packBlobs } from "../../src/storage/block.js";
import { folderStorage } from "../../src/storage/folder.js";
import type { Storage, Take } from "../../src/storage/types.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { Disk } from "../../src/worker/disk.js";
import { testFolder } from "../rig/folder.js";
import type { Ended } from "../rig/small-disk.js";

const NAME = hashBytes(Buffer.from("a block"));
const MB = 1 << 20;

const digestOf = (bytes: Buffer): Digest => ({
	hash: createHash("sha256").update(bytes).digest("hex"),
	sizeBytes: bytes.length,
});

/** Hands on those pieces, whatever is asked for. */
function giving(pieces: Iterable<Buffer> | undefined): Storage {
	const none = (): never => assert.fail("it is not asked that");
	return {
		requests: { gets: 0, puts: 0 },
		has: none,
		get: none,
		put: none,
		putBytes: none,
		hasRecord: none,
		getRecord: none,
		putRecord: none,
		async stream(_name, take: Take) {
			if (pieces === undefined) return false;
			for (const piece of pieces) await take(piece);
			return true;
		},
		close: async () => {},
	};
}

function* cut(bytes: Buffer, size: number): Generator<Buffer> {
	for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Bytes of all files below a folder, whole or not. */
function onDisk(folder: string): number {
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

describe("a block of inputs that comes to the function", () => {
	const folder = testFolder();
	const none = (): void => {};

	it("is on the disk as far as it has come, and never in memory as a whole", async () => {
		const disk = new Disk(join(folder.path, "disk"), 0, false);
		const blobs = [
			...[9, 3, 0, 5].map((mb) => randomBytes(mb * MB)),
			...Array(40)
				.fill(0)
				.map(() => randomBytes(9000)),
		];
		const block = packBlobs(blobs);
		let [handed, most] = [0, 0];
		function* watched(): Generator<Buffer> {
			for (const piece of cut(block, 64 << 10)) {
				// Random bytes are no shorter when they are packed, so what is not there is held somewhere.
				most = Math.max(most, handed - onDisk(disk.folder));
				handed += piece.length;
				yield piece;
			}
		}
		let came = 0;
		const fetched = await fetchBlock(giving(watched()), NAME, disk, disk.pins(), (n) => {
			came += n;
		});
		assert.deepEqual([fetched, came], [blobs.map(digestOf), block.length]);
		for (const bytes of blobs) assert.ok(disk.get(digestOf(bytes))?.equals(bytes));
		assert.ok(most < 2 * MB, `${most} of ${block.length} bytes were held`);
		assert.deepEqual(readdirSync(join(disk.folder, "tmp")), []);
	});

	it("is there as a whole where it is more than is kept, until it is no longer needed", async () => {
		const disk = new Disk(join(folder.path, "disk"), 2 * MB, false);
		const blobs = [1, 2, 1, 1].map((mb) => randomBytes(mb * MB));
		const pins = disk.pins();
		const fetched = await fetchBlock(giving(cut(packBlobs(blobs), MB)), NAME, disk, pins, none);
		assert.deepEqual(
			fetched?.map((digest) => disk.has(digest)),
			[true, true, true, true],
		);
		const object = randomBytes(MB);
		assert.equal(await fetchObject(giving(cut(object, MB)), digestOf(object), disk, pins, none), true);
		assert.ok(disk.has(digestOf(object)));
		pins.end();
		assert.ok(disk.size <= 2 * MB);
	});

	it("is none when it is gone, cut short, no block, more than a block holds, or followed by something else", async () => {
		const disk = new Disk(join(folder.path, "disk"), 0, false);
		const block = packBlobs([randomBytes(3 * MB), randomBytes(100), randomBytes(2 * MB)]);
		const bomb = packBlobs(Array(257).fill(Buffer.alloc(MB)));
		const wrong = Buffer.from(block);
		wrong[wrong.length >> 1]! ^= 1;
		for (const [what, bytes] of Object.entries({
			gone: undefined,
			empty: Buffer.alloc(0),
			"no block": Buffer.from("not packed at all"),
			wrong,
			bomb,
			"more blobs than a client packs": packBlobs(Array(MOST_BLOBS + 1).fill(Buffer.alloc(0))),
			"a blob of 2 GB": gzipSync(Buffer.from([0x7f, 255, 255, 255, 1])),
		})) {
			const pieces = bytes === undefined ? undefined : cut(bytes, 100_000);
			assert.equal(await fetchBlock(giving(pieces), NAME, disk, disk.pins(), none), undefined, what);
		}
		for (const length of [1, 20, 2 * MB, block.length - 9, block.length - 1])
			assert.equal(
				await fetchBlock(giving(cut(block.subarray(0, length), 70_000)), NAME, disk, disk.pins(), none),
				undefined,
			);
		const followed = Buffer.concat([block, Buffer.from("and more")]);
		for (const size of [70_000, block.length, block.length + 3, followed.length])
			assert.equal(await fetchBlock(giving(cut(followed, size)), NAME, disk, disk.pins(), none), undefined, `${size}`);
		assert.deepEqual(readdirSync(join(disk.folder, "tmp")), []);
	});

	it("is what its name says, where it is an object by itself", async () => {
		const disk = new Disk(join(folder.path, "disk"), 0, false);
		const bytes = randomBytes(3 * MB);
		const digest = digestOf(bytes);
		const fetch = (pieces: Iterable<Buffer> | undefined) =>
			fetchObject(giving(pieces), digest, disk, disk.pins(), none);
		assert.equal(await fetch(undefined), false);
		assert.equal(await fetch(cut(bytes.subarray(1), MB)), false);
		assert.equal(await fetch(cut(randomBytes(3 * MB), MB)), false);
		assert.deepEqual([disk.count, readdirSync(join(disk.folder, "tmp"))], [0, []]);
		assert.equal(await fetch(cut(bytes, MB)), true);
		assert.ok(disk.get(digest)?.equals(bytes));
	});

	it("is left where it is longer than its name says, however long it is", async () => {
		const disk = new Disk(join(folder.path, "disk"), 0, false);
		const bytes = Buffer.alloc(MB);
		let handed = 0;
		function* endless(): Generator<Buffer> {
			for (; handed < 300; handed++) yield bytes;
		}
		const one = { ...digestOf(bytes), sizeBytes: 1 };
		assert.equal(await fetchObject(giving(endless()), one, disk, disk.pins(), none), false);
		assert.deepEqual([handed, readdirSync(join(disk.folder, "tmp"))], [0, []]);
	});

	it("takes the place of what was not used for longest where the disk is full, and leaves nothing half", async function () {
		const [store, small] = [join(folder.path, "store"), join(folder.path, "small")];
		for (const path of [store, small]) mkdirSync(path);
		const storage = folderStorage(store);
		const block = async (...sizes: number[]): Promise<ObjectHash> => {
			const blobs = sizes.map((mb) => randomBytes(mb * MB));
			const name = hashBytes(Buffer.from(sizes.join()));
			await storage.putRecord(`blocks/${name}`, packBlobs(blobs));
			return name;
		};
		const names = [await block(1, 6), await block(1, 8), await block(1, 18)];
		const jail = ["--bind", "/", "/", "--dev", "/dev", "--size", String(16 * MB), "--tmpfs", small];
		const script = join(import.meta.dirname, "../rig/small-disk.js");
		const words = [...jail, process.execPath, script, join(small, "disk"), store, ...names];
		const { stdout, stderr, error } = spawnSync("bwrap", words, { encoding: "utf8" });
		if (error !== undefined || /namespace|Permission/.test(stderr)) return this.skip();
		const ends = stdout
			.trimEnd()
			.split("\n")
			.map((line) => JSON.parse(line) as Ended);
		assert.equal(ends.length, 3, stderr);
		assert.deepEqual([ends[0]!.came, ends[0]!.halves], [[MB, 6 * MB], 0]);
		assert.ok(ends[0]!.old > 0 && ends[0]!.old < 12, `${ends[0]!.old} are left`);
		assert.deepEqual([ends[1]!.came, ends[1]!.halves], [[MB, 8 * MB], 0]);
		assert.deepEqual([ends[2]!.came, ends[2]!.halves], ["ENOSPC", 0]);
	});
});
