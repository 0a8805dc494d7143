import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { invocation } from "../../src/lambda/invocation.js";
import { nameOfDigest, PROTOCOL } from "../../src/lambda/payload.js";
import { ACTION, ACTION_RESULT, COMMAND, DIRECTORY } from "../../src/reapi/messages.js";
import { packBlobs } from "../../src/storage/block.js";
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

describe("a command in the function", () => {
	const folder = testFolder();

	/** Answers with what comes of an action that ends so, each time that it is run; the disk holds another's megabyte. */
	async function ask(ends: readonly ((request: SpawnRequest) => Exit)[]) {
		const disk = new Disk(join(folder.path, "disk"), 0, false);
		const old = [disk.add(randomBytes(1 << 20))];
		const source = Buffer.from("int x;\n");
		const digestOf = (bytes: Buffer) => new Disk(join(folder.path, "digests"), 0, false).add(bytes);
		const root = Buffer.from(
			DIRECTORY.encode({ files: [{ name: "x.c", digest: digestOf(source) }], directories: [], symlinks: [] }),
		);
		const command = Buffer.from(COMMAND.encode({ arguments: ["runner"], outputFiles: ["out"], outputPaths: ["out"] }));
		const action = Buffer.from(ACTION.encode({ commandDigest: digestOf(command), inputRootDigest: digestOf(root) }));
		let runs = 0;
		const reply = await invocation(
			{
				protocol: PROTOCOL,
				version: "",
				action: nameOfDigest(digestOf(action)),
				blobs: packBlobs([source, root, command, action]).toString("base64"),
				blocks: [],
				objects: [],
			},
			{
				disk,
				spawner: {
					run: (request) => ({ done: Promise.resolve(ends[runs++]!(request)), kill: () => {} }),
					journal: () => {},
					folder: () => {},
					close: async () => {},
				},
				storage: async () => assert.fail("nothing is asked of the storage backend"),
				timeLeft: () => 60_000,
				served: 0,
				blocks: new Map(),
			},
		);
		const { timings: _, ...rest } = reply as typeof reply & { timings?: unknown };
		return { reply: rest, runs, left: old.filter((digest) => disk.has(digest)).length };
	}

	const noRoom = ({ cwd }: SpawnRequest): Exit => {
		writeFileSync(join(cwd, "gg-stderr"), "as: x.o: No space left on device\n");
		return { ...ENDED, status: 240 };
	};
	const done = ({ cwd }: SpawnRequest): Exit => {
		writeFileSync(join(cwd, "out"), "made");
		return ENDED;
	};

	it("that finds no room runs again when what other actions needed has gone", async () => {
		const { reply, runs, left } = await ask([noRoom, done]);
		assert.ok(reply.kind === "result");
		const [output] = ACTION_RESULT.decode(Buffer.from(reply.result, "base64")).outputFiles;
		assert.equal(output?.contents?.toString(), "made");
		assert.deepEqual([runs, left], [2, 0]);
	});

	it("that finds no room then either is no answer", async () => {
		const full = { kind: "failed", reason: "full", message: "the function's /tmp is full" };
		assert.deepEqual(await ask([noRoom, noRoom]), { reply: full, runs: 2, left: 0 });
	});

	it("that is killed, as where there is no more memory, is no answer", async () => {
		const message = "the command was ended by signal 9";
		assert.deepEqual(await ask([() => ({ ...ENDED, status: 137, signal: 9 })]), {
			reply: { kind: "failed", reason: "internal", message },
			runs: 1,
			left: 1,
		});
	});
});
