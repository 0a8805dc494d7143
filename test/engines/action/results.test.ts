import { strict as assert } from "node:assert";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Outputs } from "../../../src/engines/action/blob.js";
import { digestOf } from "../../../src/engines/action/merkle.js";
import { takeResult } from "../../../src/engines/action/results.js";
import type { ActionResult } from "../../../src/reapi/messages.js";
import { openLocalStore } from "../../../src/store/local.js";
import { memoryStore } from "../../../src/store/memory.js";
import type { ObjectStore } from "../../../src/store/types.js";
import { hashBytes, type ObjectHash } from "../../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../../src/thunk/types.js";
import { testFolder } from "../../rig/folder.js";

const THUNK: Thunk = {
	...EMPTY_THUNK,
	functionHash: hashBytes(Buffer.from("cc")),
	cwd: "/src",
	args: ["cc"],
	outputs: ["o"],
	outputPaths: [{ tag: "o", path: "/src/x.o", optional: false }],
};

function resultWith(bytes: Buffer): ActionResult {
	const none = Buffer.alloc(0);
	return { outputFiles: [{ path: "out/0", digest: digestOf(bytes) }], exitCode: 0, stdoutRaw: none, stderrRaw: none };
}

const unasked: Outputs = { fetch: () => Promise.reject(new Error("nobody should ask for it")) };

function take(
	bytes: Buffer,
	objects: ObjectStore,
	cas: Outputs,
	more: { readonly early?: boolean; readonly coming?: Map<string, Promise<ObjectHash>> } = {},
) {
	return takeResult(THUNK, resultWith(bytes), { cas, objects, ...more, modeOf: () => 0o644 });
}

describe("what an action came to", () => {
	const folder = testFolder();

	it("is not fetched where the store has it", async () => {
		const bytes = Buffer.from("object code");
		const { objects } = memoryStore();
		objects.put(bytes);
		const taken = await take(bytes, objects, unasked);
		assert.equal(taken.kind === "finished" && taken.result.outputs[0]?.hash, hashBytes(bytes));
	});

	it("is known by name before it is here", async () => {
		const bytes = Buffer.from("object code");
		const { objects } = memoryStore();
		let arrive = (_: Buffer): void => undefined;
		const fetch = (): Promise<Buffer> => new Promise((resolve) => (arrive = resolve));
		const taken = await take(bytes, objects, { fetch }, { early: true });
		assert.ok(taken.kind === "finished");
		assert.equal(taken.result.outputs[0]?.hash, hashBytes(bytes));
		assert.equal(objects.has(hashBytes(bytes)), false);
		arrive(bytes);
		await taken.fetching;
		assert.deepEqual(objects.get(hashBytes(bytes)), bytes);
	});

	it("is not a thunk where it was known by name before", async () => {
		const bytes = Buffer.from("##GGTHUNK## and so on");
		const taken = await take(bytes, memoryStore().objects, { fetch: async () => bytes }, { early: true });
		assert.ok(taken.kind === "finished");
		await assert.rejects(taken.fetching!, /the output out\/0 is a thunk, which this command does not make/);
	});

	it("is refused as a whole where one output is missing, and nothing that still comes or breaks off is heard of", async () => {
		const outputPaths = [...THUNK.outputPaths, { tag: "d", path: "/src/x.d", optional: false }];
		let breakOff = (_: Error): void => undefined;
		const fetch = (): Promise<Buffer> => new Promise((_, reject) => (breakOff = reject));
		const unheard: unknown[] = [];
		const hear = (error: unknown): void => void unheard.push(error);
		process.on("unhandledRejection", hear);
		try {
			const taken = await takeResult(
				{ ...THUNK, outputs: ["o", "d"], outputPaths },
				resultWith(Buffer.from("object code")),
				{
					cas: { fetch },
					objects: memoryStore().objects,
					early: true,
					modeOf: () => 0o644,
				},
			);
			assert.ok(taken.kind === "impossible");
			breakOff(new Error("broken off"));
			await new Promise(setImmediate);
			assert.deepEqual(unheard, []);
		} finally {
			process.off("unhandledRejection", hear);
		}
	});

	it("comes once where two commands came to the same, and again where it did not come", async () => {
		const bytes = Buffer.from("an archive");
		const { objects } = memoryStore();
		const coming = new Map<string, Promise<ObjectHash>>();
		const arrivals: ((bytes: Buffer | Error) => void)[] = [];
		const fetch = (): Promise<Buffer> =>
			new Promise((resolve, reject) => arrivals.push((came) => (came instanceof Error ? reject(came) : resolve(came))));
		const both = (): Promise<unknown>[] => [1, 2].map(() => take(bytes, objects, { fetch }, { coming }));
		const lost = Promise.allSettled(both());
		await new Promise(setImmediate);
		assert.equal(arrivals.length, 1);
		arrivals[0]!(new Error("broken off"));
		assert.deepEqual(
			(await lost).map((end) => end.status),
			["rejected", "rejected"],
		);
		const good = Promise.all(both());
		await new Promise(setImmediate);
		assert.equal(arrivals.length, 2);
		arrivals[1]!(bytes);
		await good;
		assert.deepEqual(objects.get(hashBytes(bytes)), bytes);
		assert.equal(coming.size, 0);
	});

	it("has no file of its own in the store where it is a depfile, and is none that says other bytes than its digest's", async () => {
		const store = openLocalStore(join(folder.path, ".gg-packed"));
		const bytes = Buffer.from("x.o: x.c\n");
		const thunk = {
			...THUNK,
			outputs: ["depfile"],
			outputPaths: [{ tag: "depfile", path: "/src/x.d", optional: false }],
		};
		const { outputFiles, ...rest } = resultWith(bytes);
		const taken = (contents: Buffer) =>
			takeResult(
				thunk,
				{ ...rest, outputFiles: [{ ...outputFiles[0]!, contents }] },
				{ cas: unasked, objects: store.objects, early: true, modeOf: () => 0o644 },
			);
		await assert.rejects(taken(Buffer.from("x.o: y.c\n")), /other bytes than those of sha256/);
		const outcome = await taken(bytes);
		assert.equal(outcome.kind === "finished" && outcome.result.outputs[0]?.hash, hashBytes(bytes));
		assert.deepEqual(store.objects.get(hashBytes(bytes)), bytes);
		assert.deepEqual(readdirSync(store.objects.folder), []);
		store.close();
	});

	it("is written piece by piece where it is large, and leaves nothing where it breaks off", async () => {
		const store = openLocalStore(join(folder.path, ".gg"));
		const bytes = Buffer.alloc(3 << 20, "object code ");
		const stream: Outputs["stream"] = async (_, write) => {
			for (let at = 0; at < bytes.length; at += 1000_000) await write(bytes.subarray(at, at + 1000_000));
		};
		const broken: Outputs["stream"] = async (_, write) => {
			await write(bytes.subarray(0, 5));
			throw new Error("broken off");
		};
		await assert.rejects(take(bytes, store.objects, { ...unasked, stream: broken }), /broken off/);
		assert.deepEqual(readdirSync(store.objects.folder), []);
		const taken = await take(bytes, store.objects, { ...unasked, stream });
		assert.equal(taken.kind === "finished" && taken.result.outputs[0]?.hash, hashBytes(bytes));
		assert.deepEqual(store.objects.get(hashBytes(bytes)), bytes);
		assert.deepEqual(readdirSync(store.objects.folder), [hashBytes(bytes)]);
		store.close();
	});
});
