/** What a user is told of a thunk that the function did not run: what to do is of the limit that it met. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { digestOf } from "../../src/engines/action/merkle.js";
import { type LambdaEngine, openLambda } from "../../src/engines/lambda/engine.js";
import type { Invoked } from "../../src/engines/lambda/invoker.js";
import { type LambdaReply, type LambdaRequest, nameOfDigest, PROTOCOL } from "../../src/lambda/payload.js";
import type { Storage } from "../../src/storage/types.js";
import { memoryStore } from "../../src/store/memory.js";
import { hashBytes, nameOf } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";

const HASH = hashBytes(Buffer.from("x"));
const HELLO: LambdaReply = {
	kind: "hello",
	protocol: PROTOCOL,
	version: "1.0.0",
	arch: process.arch,
	storage: "s3://bucket/",
	memoryMb: 2048,
	room: 2 ** 29,
	timeoutMs: 900_000,
};
const TIMINGS = {
	...{ fetch: 0, stage: 0, run: 0, outputs: 0, fetchedBytes: 0, knownBytes: 0, gets: 0, puts: 0, served: 1 },
};

describe("a thunk that the function does not run", () => {
	/** `answer`: of all calls but the greeting. */
	async function open(answer: () => Invoked, others = async (): Promise<void> => {}, near = false) {
		let [calls, looks, clock] = [0, 0, 0];
		const waits: number[] = [];
		const look = async (): Promise<boolean> => {
			looks += 1;
			return true;
		};
		const engine: LambdaEngine = await openLambda({
			name: "AWS Lambda",
			jobs: 1,
			invoker: {
				invoke: async (payload): Promise<Invoked> => {
					if ((JSON.parse(payload.toString()) as LambdaRequest).action === "")
						return { kind: "reply", reply: HELLO, billedMs: 1 };
					calls += 1;
					return answer();
				},
				close() {},
			},
			storage: { requests: { gets: 0, puts: 0 }, hasRecord: look, putRecord: look } as unknown as Storage,
			storageName: "s3://bucket/",
			objects: memoryStore().objects,
			near,
			files: { get: () => undefined, isSystem: (path) => path.startsWith("/usr/") },
			modes: new Map(),
			modeOfFile: () => undefined,
			runner: import.meta.filename,
			view: import.meta.filename,
			timeoutMs: 0,
			version: "1.0.0",
			now: () => (clock += 10),
			after(ms, then) {
				waits.push(ms);
				then();
			},
			random: () => 0,
			others,
		});
		const execute = async (more: Partial<Thunk> = {}, signal?: AbortSignal): Promise<string | undefined> => {
			const thunk = { ...EMPTY_THUNK, functionHash: HASH, cwd: "/p", ...more };
			const ended = await engine.execute(HASH, thunk, signal === undefined ? {} : { signal });
			assert.equal(ended.kind, "declined");
			return ended.kind === "declined" ? (ended.failure.hint ?? ended.failure.message) : undefined;
		};
		return { engine, execute, waits, calls: () => calls, looks: () => looks };
	}
	const failed = (reason: string) => (): Invoked => ({
		kind: "reply",
		reply: { kind: "failed", reason, message: "no", timings: TIMINGS },
		billedMs: 1,
	});

	it("for it is a link whose inputs only this machine has, and many of them, is one where this machine takes it", async () => {
		const objects = [1, 2, 3].map((i) => ({ hash: nameOf(Buffer.alloc(32, i), 6 << 20, false), name: `/p/${i}.o` }));
		const library = { hash: nameOf(Buffer.alloc(32, 9), 90 << 20, false), name: "/usr/lib/libx.a" };
		const link = (values: Thunk["values"], args = ["gcc", "-o", "x", "1.o"]): Thunk => ({
			...EMPTY_THUNK,
			functionHash: HASH,
			cwd: "/p",
			args,
			executables: [{ hash: HASH, name: "/usr/bin/gcc" }],
			values,
		});
		const { engine } = await open(failed("late"), undefined, true);
		assert.equal(
			engine.refuses(link(objects)),
			"it needs 19 MB that are here and not in s3://bucket/: sending them would take longer than it does",
		);
		assert.equal(engine.refuses(link([...objects.slice(1), objects[1]!, library])), "");
		assert.equal(engine.refuses(link(objects, ["gcc", "-c", "x.c"])), "");
		assert.equal((await open(failed("late"))).engine.refuses(link(objects)), "");
	});

	it("for its time is told whose limit that was", async () => {
		const late = await open(failed("late"));
		assert.match((await late.execute({ timeout: 5 }))!, /^give it more time: gg lambda deploy --timeout SECONDS$/);
		const limit = await open(failed("limit"));
		assert.match((await limit.execute())!, /--timeout SECONDS of this command, or GG_FORCE_TIMEOUT$/);
		assert.match((await limit.execute({ timeout: 5 }))!, /^the limit is the thunk's own/);
	});

	it("for its memory is told that", async () => {
		const MORE = "give it more memory: gg lambda deploy --memory MB";
		assert.equal(await (await open(failed("memory"))).execute(), MORE);
		for (const said of ["Runtime.OutOfMemory: no", "Runtime.ExitError: Runtime exited with error: signal: killed"]) {
			const { execute, calls } = await open(() => ({
				kind: "broken",
				message: `the function failed: ${said}`,
				billedMs: 1,
			}));
			assert.deepEqual([await execute(), calls()], [MORE, 3]);
		}
		const other = await open(() => ({ kind: "broken", message: "the function failed: Error: no", billedMs: 1 }));
		assert.match((await other.execute())!, /^look at the function's log/);
	});

	it("for the service fails is asked for again after a while, each time a longer one", async () => {
		const { execute, calls, waits } = await open(() => ({ kind: "broken", message: "no", billedMs: 0 }));
		await execute();
		assert.deepEqual([calls(), waits], [3, [100, 200]]);
	});

	it("for nobody waits for it any more when its turn comes is not prepared, and nothing of it is stored", async () => {
		const unwanted = new AbortController();
		const { execute, calls, looks } = await open(failed("late"), async () => unwanted.abort());
		// Were it looked at, it would be too large.
		const values = [{ hash: nameOf(Buffer.alloc(32, 1), 2 ** 30, false), name: "/p/large" }];
		assert.equal(await execute({ values }, unwanted.signal), "AWS Lambda: nobody waits for it any more");
		assert.deepEqual([calls(), looks()], [0, 0]);
	});

	it("for nobody waits for it any more once blobs are missing has none of them stored", async () => {
		const unwanted = new AbortController();
		const lost = nameOfDigest(digestOf(readFileSync(import.meta.filename)));
		const { execute, calls, looks } = await open(() => {
			// What was stored and is missing is stored again.
			if (calls() === 1) unwanted.abort();
			return { kind: "reply", reply: { kind: "missing", blobs: [lost], timings: TIMINGS }, billedMs: 1 };
		});
		assert.equal(await execute({}, unwanted.signal), "AWS Lambda: nobody waits for it any more");
		assert.deepEqual([calls(), looks()], [1, 1]);
	});
});
