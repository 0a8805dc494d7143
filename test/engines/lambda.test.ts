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
import { UserError } from "../../src/util/result.js";

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
	it("goes by weight, then in the order in which they came, and lets others have their turn after some milliseconds of it", async () => {
		const said: string[] = [];
		let ms = 0;
		const turns = new Turns({
			now: () => ms,
			others: async () => void said.push("others"),
		});
		const prepare = async (name: string, takes: number, weight = 0): Promise<void> => {
			await turns.next(weight);
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
		await Promise.all([prepare("g", 1), prepare("h", 1, 2), prepare("i", 3, 7), prepare("j", 1, 2)]);
		assert.deepEqual(said.slice(8), ["i", "h", "others", "j", "g"]);
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

	/** Carries the same until what is done beside that, by other threads, has put one record more. */
	async function untilStored(carrier: Carrier, blobs: readonly Blob[], { requests }: ReturnType<typeof noting>) {
		const { puts } = requests;
		while (requests.puts === puts) {
			await carrier.carry(blobs);
			await new Promise((resolve) => setImmediate(resolve));
		}
	}
	const held = (records: ReadonlyMap<string, Buffer>, name = ""): number => {
		const unpacked = unpackBlobs(records.get(`blocks/${name}`) ?? NO_BLOCK);
		return unpacked.ok ? unpacked.value.length : -1;
	};
	const NO_BLOCK = Buffer.from("none");

	it("is one block again where it came with several actions before, once calls have named many", async () => {
		const noted = noting();
		const { records, requests, storage } = noted;
		const carrier = new Carrier(storage);
		const [one, two] = [some(30, 10_000, "one"), some(30, 10_000, "two")];
		await carrier.carry(one);
		await carrier.carry(two);
		const parts = [...one.slice(0, 3), ...two.slice(0, 3)];
		assert.equal((await carrier.carry(parts)).blocks.length, 2);
		await untilStored(carrier, parts, noted);
		const both = await carrier.carry(parts);
		assert.deepEqual([both.blocks.length, both.inline.length, held(records, both.blocks[0])], [1, 0, 60]);
		assert.deepEqual((await carrier.carry(one)).blocks, both.blocks);
		assert.equal(requests.puts, 3);
	});

	it("is joined with what another client has put there, but for a block whose file has changed since", async () => {
		for (const isChanged of [false, true]) {
			const noted = noting();
			const [one, two] = [some(30, 10_000, "one"), some(30, 10_000, "two")];
			await new Carrier(noted.storage).carry(one);
			let isGone = false;
			const passing: Blob = { digest: one[0]!.digest, read: () => (isGone ? undefined : one[0]!.read()) };
			const carrier = new Carrier(noted.storage);
			const old = await carrier.carry([passing, ...one.slice(1)]);
			await carrier.carry(two);
			isGone = isChanged;
			const parts = [passing, two[5]!, ...some(10, 10_000, "small")];
			await untilStored(carrier, parts, noted);
			const { blocks, inline } = await carrier.carry(parts);
			assert.deepEqual([inline.length, blocks.includes(old.blocks[0]!)], [0, isChanged]);
			assert.deepEqual(
				blocks.map((name) => held(noted.records, name)).sort((a, b) => a - b),
				isChanged ? [30, 40] : [70],
			);
		}
	});

	it("is what calls have held again and again no more, once that is a block", async () => {
		const noted = noting();
		const carrier = new Carrier(noted.storage);
		const small = some(20, 5_000, "small");
		// Not before it has cost more than storing it is worth: ten times 100 KB.
		for (let calls = 1; calls <= 11; calls++) await carrier.carry(small);
		assert.equal(noted.requests.puts, 0);
		await untilStored(carrier, small, noted);
		const { blocks, inline } = await carrier.carry(small);
		assert.deepEqual([inline.length, blocks.length, held(noted.records, blocks[0])], [0, 1, 20]);
		// Two of them are named, and nothing of what is new is stored with them.
		const other = await carrier.carry([...some(2, 5_000, "other"), ...small.slice(0, 2)]);
		assert.deepEqual([other.blocks, unpackBlobs(other.inline).ok], [blocks, true]);
		assert.deepEqual(noted.requests, { gets: 0, puts: 1 });
	});

	it("goes on within calls while the storage backend takes no block of it", async () => {
		const { storage } = noting();
		let asked = 0;
		const broken: Storage = {
			...storage,
			putRecord: async () => {
				asked += 1;
				throw new UserError({ reason: "storage", message: "no", hint: "none" });
			},
		};
		const carrier = new Carrier(broken);
		for (let i = 0; i < 60; i++) {
			const { inline, blocks } = await carrier.carry(some(20, 5_000, "small"));
			assert.deepEqual([unpackBlobs(inline).ok, blocks], [true, []]);
			await new Promise((resolve) => setImmediate(resolve));
		}
		assert.ok(asked > 1 && asked < 10, `${asked} times`);
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
		const { from: _, ...carried } = await carrier.carry([large!]);
		assert.deepEqual(carried, { inline: Buffer.alloc(0), blocks: [], objects: [large] });
		assert.deepEqual(requests, { gets: 0, puts: 0 });
	});

	it("is stored again after it was lost, though its name may still be there", async () => {
		const { records, requests, storage } = noting();
		const carrier = new Carrier(storage);
		const [large] = some(1, 300_000);
		const first = await carrier.carry([large!]);
		records.set(`blocks/${first.blocks[0]!}`, NO_BLOCK);
		carrier.forget(new Set([large!.digest.hash]), first);
		await carrier.carry([large!]);
		assert.equal(requests.puts, 2);
		assert.equal(held(records, first.blocks[0]), 1);
	});

	it("is stored again but once, however many instances have missed it", async () => {
		const { requests, storage } = noting();
		const carrier = new Carrier(storage);
		const toolchain = some(60, 10_000).map((blob) => ({ ...blob, isShared: true }));
		const calls = await Promise.all(Array.from({ length: 20 }, () => carrier.carry(toolchain)));
		assert.equal(requests.puts, 1);
		const all = new Set(toolchain.map((blob) => blob.digest.hash));
		for (const call of calls) {
			carrier.forget(all, call);
			await carrier.carry(toolchain);
		}
		assert.equal(requests.puts, 2);
	});

	it("is carried anew as a whole where one blob of an action's own block is missing", async () => {
		const { storage } = noting();
		const carrier = new Carrier(storage);
		const own = some(60, 10_000);
		const first = await carrier.carry(own);
		carrier.forget(new Set([own[7]!.digest.hash]), first);
		const { blocks, inline } = await carrier.carry(own.slice(20, 30));
		assert.deepEqual([blocks, unpackBlobs(inline).ok], [[], true]);
	});
});

describe("what a run costs", () => {
	it("is seconds times memory, calls and requests", () => {
		const usage = { invocations: 1_000_000, billedMs: 1_000_000, puts: 1_000, gets: 1_000 };
		assert.equal(costOf(usage, { memoryMb: 2048, arch: "x64" }).toFixed(4), (0.0333334 + 0.2 + 0.0054).toFixed(4));
		assert.ok(costOf(usage, { memoryMb: 2048, arch: "arm64" }) < costOf(usage, { memoryMb: 2048, arch: "x64" }));
	});
});
