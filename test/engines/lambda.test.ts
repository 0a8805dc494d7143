import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import type { Blob } from "../../src/engines/action/blob.js";
import { parseLambda } from "../../src/engines/lambda/address.js";
import { Carrier } from "../../src/engines/lambda/blobs.js";
import { costOf } from "../../src/engines/lambda/cost.js";
import { Throttle } from "../../src/engines/lambda/throttle.js";
import { Turns } from "../../src/engines/lambda/turns.js";
import { digestNamed, nameOfDigest } from "../../src/lambda/payload.js";
import { MOST_BLOBS, packBlobs, unpackBlobs, unpackBlobsAside } from "../../src/storage/block.js";
import type { Storage } from "../../src/storage/types.js";

describe("the address of a function", () => {
	it("is a region, a name and an endpoint, each with a default", () => {
		assert.deepEqual(parseLambda(""), { ok: true, value: { region: "", name: "gg-lambda-function", endpoint: "" } });
		assert.deepEqual(parseLambda("eu-west-1?function=big:7&endpoint=http://localhost:3002"), {
			ok: true,
			value: { region: "eu-west-1", name: "big:7", endpoint: "http://localhost:3002" },
		});
	});

	it("is refused with a word on what is wrong", () => {
		for (const [text, message] of [
			["europe", '"europe" is no name of a region'],
			["eu-west-1?name=x", 'the engine lambda has no setting "name"'],
			["?function=a/b", '"a/b" is no name of a function'],
			["?endpoint=ftp://x", "the endpoint is no URL of a server"],
		] as const) {
			const parsed = parseLambda(text);
			assert.equal(parsed.ok ? "" : parsed.error.message, message);
		}
	});
});

describe("a block of blobs", () => {
	it("unpacks to what was packed", () => {
		const blobs = [Buffer.from("one"), Buffer.alloc(0), Buffer.alloc(100_000, 7)];
		const unpacked = unpackBlobs(packBlobs(blobs));
		assert.ok(unpacked.ok);
		assert.deepEqual(unpacked.value, blobs);
	});

	it("is one with another behind it", async () => {
		const both = Buffer.concat([packBlobs([Buffer.from("one")]), packBlobs([Buffer.from("two"), Buffer.alloc(0)])]);
		for (const unpacked of [unpackBlobs(both), await unpackBlobsAside(both)]) {
			assert.ok(unpacked.ok);
			assert.deepEqual(unpacked.value.map(String), ["one", "two", ""]);
		}
	});

	it("is refused when it is cut short, or none", () => {
		const whole = packBlobs([Buffer.from("one")]);
		assert.equal(unpackBlobs(whole.subarray(0, -9)).ok, false);
		assert.equal(unpackBlobs(Buffer.from("text")).ok, false);
	});

	it("has names that are checked", () => {
		const digest = { hash: "ab".repeat(32), sizeBytes: 5 };
		assert.deepEqual(digestNamed(nameOfDigest(digest)), digest);
		for (const bad of ["", "x/5", `${"ab".repeat(32)}/-1`, `../${"ab".repeat(32)}/5`, 7, undefined])
			assert.equal(digestNamed(bad), undefined);
	});
});

/** A clock that stands still until it is moved. */
function clock() {
	let now = 0;
	let timers: { at: number; then: () => void }[] = [];
	return {
		now: () => now,
		after: (ms: number, then: () => void) => void timers.push({ at: now + ms, then }),
		async move(ms: number) {
			now += ms;
			const due = timers.filter((t) => t.at <= now);
			timers = timers.filter((t) => t.at > now);
			for (const t of due) t.then();
			await Promise.resolve();
		},
	};
}

describe("how many invocations are under way", () => {
	const begun = (throttle: Throttle, count: number): { readonly n: number } => {
		const state = { n: 0 };
		for (let i = 0; i < count; i++) void throttle.begin().then(() => (state.n += 1));
		return state;
	};

	it("is what was asked for, as long as nothing is refused", async () => {
		const throttle = new Throttle({ most: 3, random: () => 1, ...clock() });
		const state = begun(throttle, 5);
		await Promise.resolve();
		assert.equal(state.n, 3);
		throttle.end("done");
		for (let i = 0; i < 3; i++) await Promise.resolve();
		assert.equal(state.n, 4);
	});

	it("falls after a refusal, waits, and grows again with success", async () => {
		const time = clock();
		const throttle = new Throttle({ most: 100, random: () => 1, ...time });
		begun(throttle, 100);
		await Promise.resolve();
		for (let i = 0; i < 40; i++) throttle.end("refused");
		assert.equal(throttle.allowed, 75);
		for (let i = 0; i < 60; i++) throttle.end("done");
		const state = begun(throttle, 100);
		await Promise.resolve();
		assert.equal(state.n, 0, "none while it waits");
		await time.move(200);
		await Promise.resolve();
		assert.equal(state.n, 75);
		for (let i = 0; i < 75; i++) throttle.end("done");
		assert.ok(throttle.allowed > 75, `${throttle.allowed}`);
	});

	it("never falls to nothing, and says for how long there was no room", async () => {
		const time = clock();
		const throttle = new Throttle({ most: 1, random: () => 0, ...time });
		for (let i = 0; i < 8; i++) {
			const state = begun(throttle, 1);
			await time.move(10_000);
			await Promise.resolve();
			assert.equal(state.n, 1);
			throttle.end("refused");
		}
		assert.equal(throttle.allowed, 1);
		assert.equal(throttle.refusedFor, 70_000);
	});
});

describe("preparing of thunks that may all run at once", () => {
	it("goes in the order in which they came, and lets others have their turn after some milliseconds of it", async () => {
		const said: string[] = [];
		let ms = 0;
		const turns = new Turns({
			now: () => ms,
			others: async () => void said.push("others"),
		});
		const prepare = async (name: string, takes: number): Promise<void> => {
			await turns.next();
			said.push(name);
			ms += takes;
		};
		await Promise.all([
			prepare("a", 2),
			prepare("b", 2),
			prepare("c", 3),
			prepare("d", 1),
			prepare("e", 9),
			prepare("f", 1),
		]);
		assert.deepEqual(said, ["a", "b", "c", "others", "d", "e", "others", "f"]);
	});
});

/** Storage that notes what is put. */
function noting() {
	const records = new Map<string, Buffer>();
	const requests = { gets: 0, puts: 0 };
	const storage: Storage = {
		requests,
		has: async () => assert.fail("no objects"),
		get: async () => assert.fail("no objects"),
		put: async () => assert.fail("no objects"),
		putBytes: async () => assert.fail("no objects"),
		hasRecord: async (key) => {
			requests.gets += 1;
			return records.has(key);
		},
		getRecord: async (key) => records.get(key),
		putRecord: async (key, record) => {
			requests.puts += 1;
			records.set(key, record);
		},
		stream: async () => assert.fail("nothing is read"),
		close: async () => {},
	};
	return { records, requests, storage };
}

function blobOf(bytes: Buffer): Blob {
	return {
		digest: { hash: createHash("sha256").update(bytes).digest("hex"), sizeBytes: bytes.length },
		read: () => bytes,
	};
}

describe("what a call carries", () => {
	const some = (count: number, size: number, seed = ""): Blob[] =>
		Array.from({ length: count }, (_, i) => blobOf(Buffer.alloc(size, `${seed}${i} `)));

	it("is a few small blobs itself, and many or large ones as a block that is stored once", async () => {
		const { records, requests, storage } = noting();
		const carrier = new Carrier(storage);
		const few = await carrier.carry(some(3, 100));
		assert.ok(few.inline.length > 0);
		assert.deepEqual([few.blocks, records.size], [[], 0]);
		const toolchain = [...some(60, 10_000), ...some(3, 5_000_000, "large")];
		const many = await carrier.carry(toolchain);
		assert.deepEqual([many.inline.length, many.blocks.length, records.size], [0, 1, 1]);
		const unpacked = unpackBlobs(records.get(`blocks/${many.blocks[0]!}`)!);
		assert.ok(unpacked.ok);
		assert.deepEqual(new Set(unpacked.value.map((b) => b.length)), new Set([10_000, 5_000_000]));
		const again = await carrier.carry([...some(1, 10_000, "new"), ...toolchain]);
		assert.deepEqual(again.blocks, many.blocks);
		assert.ok(again.inline.length > 0, "the new one");
		assert.deepEqual(requests, { gets: 1, puts: 1 });
	});

	it("is found in the storage backend by another client, whatever the order and whatever else it has to send", async () => {
		const { requests, storage } = noting();
		const toolchain = some(60, 10_000).map((blob) => ({ ...blob, isShared: true }));
		const one = await new Carrier(storage).carry([...toolchain, ...some(1, 100, "one")]);
		const other = await new Carrier(storage).carry([...some(2, 100, "other"), ...toolchain.toReversed()]);
		assert.deepEqual([one.blocks.length, other.blocks], [1, one.blocks]);
		assert.deepEqual(requests, { gets: 2, puts: 1 });
	});

	it("is one block again where it came with several actions before", async () => {
		const { records, requests, storage } = noting();
		const carrier = new Carrier(storage);
		const [one, two] = [some(30, 10_000, "one"), some(30, 10_000, "two")];
		const first = await carrier.carry(one);
		const second = await carrier.carry(two);
		assert.deepEqual([first.blocks.length, second.blocks.length], [1, 1]);
		const both = await carrier.carry([...one.slice(0, 3), ...two.slice(0, 3)]);
		assert.deepEqual([both.blocks.length, both.inline.length], [1, 0]);
		const unpacked = unpackBlobs(records.get(`blocks/${both.blocks[0]!}`)!);
		assert.ok(unpacked.ok);
		assert.equal(unpacked.value.length, 60);
		assert.deepEqual((await carrier.carry(one)).blocks, both.blocks);
		assert.deepEqual((await carrier.carry([...two, ...some(30, 10_000, "three")])).blocks.length, 1);
		assert.equal(requests.puts, 4);
	});

	it("is not given up for another action's file that has changed since", async () => {
		const { storage } = noting();
		const carrier = new Carrier(storage);
		const [one, two] = [some(30, 10_000, "one"), some(30, 10_000, "two")];
		let isGone = false;
		const passing: Blob = { digest: one[0]!.digest, read: () => (isGone ? undefined : one[0]!.read()) };
		const old = await carrier.carry([passing, ...one.slice(1)]);
		await carrier.carry(two);
		isGone = true;
		const both = await carrier.carry([one[5]!, two[5]!]);
		assert.equal(both.blocks.length, 1);
		assert.deepEqual((await carrier.carry([passing])).blocks, old.blocks);
	});

	it("is read piece by piece, and others have their turn in between", async () => {
		const { records, storage } = noting();
		let turn = 0;
		const count = setInterval(() => {
			turn += 1;
		}, 0);
		const turns = new Set<number>();
		const blobs = Array.from({ length: 8 }, (_, i) => randomBytes(i === 4 ? 10_000 : 4 << 20)).map((bytes) => ({
			...blobOf(bytes),
			read: () => {
				turns.add(turn);
				return bytes;
			},
		}));
		try {
			const { blocks } = await new Carrier(storage).carry(blobs);
			const unpacked = unpackBlobs(records.get(`blocks/${blocks[0]!}`)!);
			assert.ok(unpacked.ok);
			const sorted = (all: readonly Buffer[]): Buffer[] => [...all].sort(Buffer.compare);
			assert.deepEqual(sorted(unpacked.value), sorted(blobs.map((blob) => blob.read())));
		} finally {
			clearInterval(count);
		}
		assert.ok(turns.size > 4, `${turns.size} turns`);
	});

	it("is never more than a block holds", async () => {
		const { records, storage } = noting();
		const { blocks } = await new Carrier(storage).carry(some(3, 60 << 20));
		assert.deepEqual([blocks.length, records.size], [2, 2]);
	});

	it("is never more blobs than the function takes of a block", async () => {
		const { records, storage } = noting();
		const bytes = Buffer.from("x");
		const many = Array.from({ length: MOST_BLOBS + 1 }, (_, i) => ({
			digest: { hash: i.toString(16).padStart(64, "0"), sizeBytes: 1 },
			read: () => bytes,
			isShared: true,
		}));
		const { blocks } = await new Carrier(storage).carry(many);
		assert.deepEqual(
			blocks.map((name) => {
				const unpacked = unpackBlobs(records.get(`blocks/${name}`)!);
				return unpacked.ok ? unpacked.value.length : unpacked.error;
			}),
			[MOST_BLOBS, 1],
		);
		assert.equal(unpackBlobs(packBlobs(Array(MOST_BLOBS + 1).fill(bytes))).ok, false);
	});

	it("names what the function has stored itself, and does not send it", async () => {
		const { requests, storage } = noting();
		const carrier = new Carrier(storage);
		const [large] = some(1, 5_000_000);
		carrier.stored(large!.digest.hash);
		assert.deepEqual(await carrier.carry([large!]), { inline: Buffer.alloc(0), blocks: [], objects: [large] });
		assert.deepEqual(requests, { gets: 0, puts: 0 });
	});

	it("is stored again after it was lost, though its name may still be there", async () => {
		const { records, requests, storage } = noting();
		const carrier = new Carrier(storage);
		const [large] = some(1, 300_000);
		const { blocks } = await carrier.carry([large!]);
		records.set(`blocks/${blocks[0]!}`, Buffer.from("cut short"));
		carrier.forget(new Set([large!.digest.hash]));
		await carrier.carry([large!]);
		assert.equal(requests.puts, 2);
		assert.ok(unpackBlobs(records.get(`blocks/${blocks[0]!}`)!).ok);
	});
});

describe("what a run costs", () => {
	it("is seconds times memory, calls and requests", () => {
		const usage = { invocations: 1_000_000, billedMs: 1_000_000, puts: 1_000, gets: 1_000 };
		assert.equal(costOf(usage, { memoryMb: 2048, arch: "x64" }).toFixed(4), (0.0333334 + 0.2 + 0.0054).toFixed(4));
		assert.ok(costOf(usage, { memoryMb: 2048, arch: "arm64" }) < costOf(usage, { memoryMb: 2048, arch: "x64" }));
	});
});
