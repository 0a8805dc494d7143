import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type InvocationOptions, invocation } from "../../src/lambda/invocation.js";
import { type LambdaReply, nameOfDigest, PROTOCOL, type Timings } from "../../src/lambda/payload.js";
import { ACTION, ACTION_RESULT, COMMAND, DIRECTORY } from "../../src/reapi/messages.js";
import { packBlobs, unpackBlobs } from "../../src/storage/block.js";
import { folderStorage } from "../../src/storage/folder.js";
import { hashBytes } from "../../src/thunk/hash.js";
import type { Exit, SpawnRequest } from "../../src/util/spawner.js";
import { Disk } from "../../src/worker/disk.js";
import { testFolder } from "../rig/folder.js";

const ENDED: Exit = {
	kind: "exited",
	status: 0,
	signal: 0,
	timedOut: false,
	wall: 0,
	user: 0,
	sys: 0,
	truncated: false,
	stdout: Buffer.alloc(0),
	stderr: Buffer.alloc(0),
};

function bytesBelow(folder: string): number {
	return readdirSync(folder, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

describe("a command in the function", () => {
	const folder = testFolder();

	/**
	 * Answers with what comes of an action that ends so, each time that it is run; the disk holds another's megabyte. `requests`: how
	 * often it is asked; only the first time its inputs come with it.
	 */
	async function ask(
		ends: readonly ((request: SpawnRequest) => Exit)[],
		{ requests = 1, limit = 0, seconds = 0, block = [] as Buffer[] } = {},
	) {
		const disk = new Disk(join(folder.path, "disk"), limit, false);
		const old = disk.add(randomBytes(1 << 20));
		const digestOf = (bytes: Buffer) => new Disk(join(folder.path, "digests"), 0, false).add(bytes);
		const root = Buffer.from(
			DIRECTORY.encode({ files: [{ name: "x.c", digest: digestOf(SOURCE) }], directories: [], symlinks: [] }),
		);
		const command = Buffer.from(COMMAND.encode({ arguments: ["runner"], outputPaths: ["out", "more"] }));
		const action = Buffer.from(
			ACTION.encode({
				commandDigest: digestOf(command),
				inputRootDigest: digestOf(root),
				...(seconds > 0 ? { timeout: { seconds, nanos: 0 } } : {}),
			}),
		);
		let runs = 0;
		const request = {
			protocol: PROTOCOL,
			version: "",
			action: nameOfDigest(digestOf(action)),
			blobs: packBlobs([...(block.length > 0 ? [] : [SOURCE]), root, command, action]).toString("base64"),
			blocks: block.length > 0 ? [BLOCK] : [],
			objects: [],
		};
		const store = folderStorage(join(folder.path, "store"));
		if (block.length > 0) await store.putRecord(`blocks/${BLOCK}`, packBlobs(block));
		const options: InvocationOptions = {
			disk,
			spawner: {
				run: (request) => ({ done: (async () => ends[runs++]!(request))(), kill: () => {} }),
				journal: () => {},
				folder: () => {},
				close: async () => {},
			},
			storage: async () => (block.length > 0 ? store : assert.fail("nothing is asked of the storage backend")),
			timeLeft: () => 60_000,
			served: 0,
			blocks: new Map(),
		};
		let last = await invocation(request, options);
		for (let i = 1; i < requests; i++) {
			disk.add(randomBytes(1 << 20));
			last = await invocation({ ...request, blobs: "" }, options);
		}
		const { timings, ...reply } = last as typeof last & { timings: Timings };
		return { reply, timings, runs, left: disk.has(old) ? 1 : 0, size: disk.size };
	}

	const noRoom = ({ cwd }: SpawnRequest): Exit => {
		writeFileSync(join(cwd, "gg-stderr"), "as: x.o: No space left on device\n");
		return { ...ENDED, status: 240 };
	};
	const done = ({ cwd }: SpawnRequest): Exit => {
		writeFileSync(join(cwd, "out"), "made");
		return ENDED;
	};

	const SOURCE = Buffer.from("int x;\n");
	const BLOCK = hashBytes(Buffer.from("a block"));
	const madeBy = (reply: object): string | undefined => {
		const { kind, result, blobs } = reply as LambdaReply & { readonly result?: string; readonly blobs?: string };
		assert.equal(kind, "result", JSON.stringify(reply));
		const unpacked = unpackBlobs(Buffer.from(blobs!, "base64"));
		assert.ok(unpacked.ok);
		const { outputFiles } = ACTION_RESULT.decode(Buffer.from(result!, "base64"));
		assert.deepEqual(
			unpacked.value.map((bytes) => bytes.length),
			outputFiles.map(({ digest }) => digest?.sizeBytes),
		);
		return unpacked.value[0]?.toString();
	};
	const FULL = { kind: "failed", reason: "full", message: "the function's /tmp is full" };

	it("that finds no room runs again when what other actions needed has gone", async () => {
		const { reply, runs, left } = await ask([noRoom, done]);
		assert.deepEqual([madeBy(reply), runs, left], ["made", 2, 0]);
	});

	it("that finds no room runs again, too, where all that it needs was there before", async () => {
		const { reply, runs } = await ask([done, noRoom, done], { requests: 2 });
		assert.deepEqual([madeBy(reply), runs], ["made", 3]);
	});

	it("runs again where it is the runner that found no room", async () => {
		const stderr = Buffer.from("gg-runner: cannot copy /out: No space left on device\n");
		const { reply, runs } = await ask([() => ({ ...ENDED, status: 240, stderr }), done]);
		assert.deepEqual([madeBy(reply), runs], ["made", 2]);
	});

	it("that finds no room is told to have taken what both runs took", async () => {
		const slow = (request: SpawnRequest): Exit => {
			for (const started = performance.now(); performance.now() < started + 30; );
			return noRoom(request);
		};
		const { timings } = await ask([slow, done]);
		assert.ok(timings.run >= 30, `${timings.run} ms`);
	});

	it("that finds no room then either is no answer", async () => {
		const { reply, runs, left } = await ask([noRoom, noRoom]);
		assert.deepEqual([reply, runs, left], [FULL, 2, 0]);
	});

	it("that finds no room, and then no time, found no room", async () => {
		const { reply, runs } = await ask([noRoom, () => ({ ...ENDED, signal: 9, timedOut: true })]);
		assert.deepEqual([reply, runs], [FULL, 2]);
	});

	it("that had no more time is told by whose limit", async () => {
		const late = (): Exit => ({ ...ENDED, signal: 9, timedOut: true });
		const reasonOf = async (seconds: number): Promise<string> => {
			const { reply } = await ask([late], { seconds });
			return reply.kind === "failed" ? reply.reason : reply.kind;
		};
		assert.deepEqual([await reasonOf(0), await reasonOf(20), await reasonOf(59)], ["late", "limit", "late"]);
	});

	it("one of whose programs is killed, as where there is no more memory, is told apart from one that fails", async () => {
		const says =
			(text: string) =>
			({ cwd }: SpawnRequest): Exit => {
				writeFileSync(join(cwd, "gg-stderr"), text);
				return { ...ENDED, status: 240 };
			};
		for (const [text, expected] of [
			["gcc: fatal error: Killed signal terminated program cc1\n", "failed memory"],
			["cc1: out of memory allocating 65536 bytes after a total of 9 bytes\n", "failed memory"],
			["x.c:1:1: error: expected identifier\n", "result"],
		] as const) {
			const { reply } = await ask([says(text)]);
			assert.equal(reply.kind === "failed" ? `failed ${reply.reason}` : reply.kind, expected);
		}
	});

	it("loses none of its outputs where they are more than is kept", async () => {
		const large = (request: SpawnRequest): Exit => {
			writeFileSync(join(request.cwd, "more"), randomBytes(3 << 20));
			return done(request);
		};
		const { reply, size } = await ask([large], { limit: 1 << 20 });
		assert.equal(madeBy(reply), "made");
		assert.ok(size <= 1 << 20);
	});

	it("has all that it needs of a block that is more than is kept, and what it does not need makes room", async () => {
		const others = randomBytes(3 << 20);
		let kept = 0;
		const look = (request: SpawnRequest): Exit => {
			kept = bytesBelow(join(folder.path, "disk/cas"));
			return done(request);
		};
		const { reply, runs } = await ask([look], { limit: 2 << 20, block: [SOURCE, others] });
		assert.deepEqual([madeBy(reply), runs], ["made", 1]);
		assert.ok(kept < 2 << 20, `${kept} bytes are kept`);
	});

	it("that is killed, as where there is no more memory, is no answer", async () => {
		const message = "the command was ended by signal 9";
		const { reply, runs, left } = await ask([() => ({ ...ENDED, status: 137, signal: 9 })]);
		assert.deepEqual([reply, runs, left], [{ kind: "failed", reason: "memory", message }, 1, 1]);
	});
});
