import { strict as assert } from "node:assert";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { classicExecutor } from "../../src/executor/classic.js";
import { ScratchFolders } from "../../src/executor/scratch.js";
import type { Execution } from "../../src/executor/types.js";
import { type LocalStore, openLocalStore } from "../../src/store/local.js";
import { encodeThunk, encodeTree } from "../../src/thunk/codec.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";
import type { Exit, NotStarted, Spawner, SpawnRequest } from "../../src/util/spawner.js";
import { testFolder } from "../rig/folder.js";

const DONE: Exit = {
	kind: "exited",
	status: 0,
	signal: 0,
	timedOut: false,
	wall: 1,
	user: 0,
	sys: 0,
	truncated: false,
	stdout: Buffer.alloc(0),
	stderr: Buffer.alloc(0),
};

/** A spawner whose children are functions. */
function fakeSpawner(child: (request: SpawnRequest) => Exit | NotStarted): Spawner {
	return {
		run: (request) => ({ done: Promise.resolve(child(request)), kill: () => {} }),
		journal: () => {},
		folder: () => {},
		close: async () => {},
	};
}

describe("the executor of thunks in the original's form", () => {
	const folder = testFolder();
	let store: LocalStore;
	let program: ObjectHash;
	let thunk: Thunk;
	beforeEach(() => {
		store = openLocalStore(join(folder.path, ".gg"));
		program = store.objects.put(Buffer.from("program"));
		const executables = [{ hash: program, name: "" }];
		thunk = { ...EMPTY_THUNK, functionHash: program, args: ["prog"], executables, outputs: ["out"] };
		mkdirSync(join(folder.path, ".gg/tmp"));
	});
	const execute = (t: Thunk, child: (request: SpawnRequest) => Exit | NotStarted, keep = false): Promise<Execution> => {
		const scratch = new ScratchFolders(join(folder.path, ".gg/tmp"));
		const hash = store.objects.put(encodeThunk(t));
		const executor = classicExecutor({ store, spawner: fakeSpawner(child), scratch, keep });
		return executor.execute(hash, t).finally(() => scratch.close());
	};
	const writes = (name: string) => (request: SpawnRequest) => {
		writeFileSync(join(request.cwd, name), "output");
		return DONE;
	};
	const left = (): string[] => readdirSync(join(folder.path, ".gg/tmp"));

	it("gives execute permission to the programs that a thunk names, and to nothing else", async () => {
		const value = store.objects.put(Buffer.from("value"));
		let modes: number[] = [];
		await execute({ ...thunk, values: [{ hash: value, name: "" }] }, (request) => {
			modes = [request.path, store.objects.path(value)].map((path) => statSync(path).mode & 0o777);
			return writes("out")(request);
		});
		assert.deepEqual(modes, [0o500, 0o400]);
	});

	it("gives files of their own to inputs that the store keeps in its pack", async () => {
		const tree = encodeTree([]);
		const hash = store.objects.put(tree);
		assert.equal(store.objects.packed(hash)?.equals(tree), true);
		let seen = "";
		const execution = await execute(
			{ ...thunk, values: [{ hash, name: "" }], args: ["prog", `@{GGHASH:${hash}}`] },
			(request) => {
				seen = readFileSync(request.argv[1]!, "utf8");
				return writes("out")(request);
			},
		);
		assert.equal(execution.kind, "finished");
		assert.equal(seen, "ggtree1\n");
	});

	it("refuses names that leave the folder, before anything runs", async () => {
		for (const bad of [
			{ outputs: ["../x"] },
			{ outputs: ["out", "/etc/x"] },
			{ outputDir: "a/../.." },
			{ links: [{ name: "../l", target: program }] },
		]) {
			const execution = await execute({ ...thunk, ...bad }, () => assert.fail("it ran"));
			assert.ok(execution.kind === "impossible");
			assert.equal(execution.failure.reason, "unsafe-name");
			assert.match(execution.failure.message, /^thunk T.{51} names ".*", which lies outside the folder it runs in$/);
		}
		assert.deepEqual(left(), []);
	});

	it("takes large outputs and small ones, with their permissions", async () => {
		const large = Buffer.alloc((1 << 20) + 1, 5);
		const execution = await execute({ ...thunk, outputs: ["out", "large"] }, (request) => {
			writeFileSync(join(request.cwd, "large"), large, { mode: 0o600 });
			return writes("out")(request);
		});
		assert.ok(execution.kind === "finished");
		assert.deepEqual(execution.result.outputs, [
			{ tag: "out", hash: hashBytes(Buffer.from("output")), mode: 0o666 & ~process.umask() },
			{ tag: "large", hash: hashBytes(large), mode: 0o600 },
		]);
		assert.deepEqual(store.objects.get(hashBytes(large)), large);
	});

	it("asks for the thunk's own time limit, and says so when it was met", async () => {
		let limit: number | undefined;
		const execution = await execute({ ...thunk, timeout: 250 }, (request) => {
			limit = request.timeoutMs;
			return { ...DONE, status: 137, signal: 9, timedOut: true };
		});
		assert.equal(limit, 250);
		assert.ok(execution.kind === "impossible" && execution.failure.reason === "timeout");
	});

	it("starts in an empty folder even where a killed process of the same number left one", async () => {
		const names: string[][] = [];
		const child = (request: SpawnRequest): Exit => {
			names.push(readdirSync(request.cwd));
			const next = request.cwd.replace(/\d+$/, (n) => String(Number(n) + 1));
			mkdirSync(next, { recursive: true });
			writeFileSync(join(next, "left"), "");
			return writes("out")(request);
		};
		await execute(thunk, child);
		await execute(thunk, child);
		assert.deepEqual(names, [[], []]);
	});

	it("keeps the folder of a failure when told to, and names it", async () => {
		const failed = await execute(thunk, () => ({ ...DONE, status: 2 }), true);
		const [name] = left();
		const path = join(folder.path, ".gg/tmp", name!);
		assert.ok(failed.kind === "finished");
		assert.match(failed.result.stderr.toString(), /^gg: the folder of thunk T.{51} is kept: (.*)\n$/);
		assert.equal(failed.result.stderr.toString().includes(path), true);
		await execute(thunk, writes("out"), true);
		assert.deepEqual(left(), [name]);
	});
});
