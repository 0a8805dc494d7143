import { strict as assert } from "node:assert";
import {
	linkSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	unlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { localExecutor } from "../../src/executor/inplace.js";
import { ScratchFolders } from "../../src/executor/scratch.js";
import type { Execution } from "../../src/executor/types.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { type LocalStore, openLocalStore } from "../../src/store/local.js";
import { encodeThunk } from "../../src/thunk/codec.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";
import type { Exit, Spawner, SpawnRequest } from "../../src/util/spawner.js";
import { testFolder } from "../rig/folder.js";

/** What a run that gg-view.so watches is shown under a name. */
function shownTo({ env }: SpawnRequest): (path: string) => string {
	const table = env.find((line) => line.startsWith("GG_VIEW="))!.slice("GG_VIEW=".length);
	const words = readFileSync(table, "latin1").replace("ggview1\n", "").split("\0");
	return (path) => {
		const at = words.findIndex((word, i) => i % 2 === 0 && word === path);
		return at < 0 ? path : words[at + 1]!;
	};
}

describe("a thunk that runs while the build changes its input and changes it back", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	let store: LocalStore;
	beforeEach(() => {
		mkdirSync(at("a"));
		mkdirSync(at("b"));
		for (const [name, text] of [
			["a/v", "one"],
			["b/v", "two"],
		] as const) {
			writeFileSync(at(name), text);
			// So that no rule of racy times is what has it read again.
			utimesSync(at(name), 1_500_000_000, 1_500_000_000);
		}
		store = openLocalStore(at(".gg"));
		mkdirSync(at(".gg/tmp"), { recursive: true });
	});

	/** Runs a thunk that copies `input`, which is "one", while `change` is done before it reads and `back` after it. */
	async function copies(input: string, change: () => void, back: () => void): Promise<[Execution, number]> {
		const facts = new FileFacts({ projectIndex: at("i/p"), userIndex: at("i/u"), isSystem: () => false });
		const tool = facts.get(process.execPath)!.hash;
		const thunk: Thunk = {
			...EMPTY_THUNK,
			functionHash: tool,
			args: ["copy"],
			executables: [{ hash: tool, name: process.execPath }],
			values: [{ hash: facts.get(at(input))!.hash, name: at(input) }],
			outputs: ["o"],
			outputPaths: [{ tag: "o", path: at("o"), optional: false }],
			cwd: folder.path,
		};
		let runs = 0;
		const child = (request: SpawnRequest): Exit => {
			runs += 1;
			const shown = shownTo(request);
			change();
			writeFileSync(shown(at("o")), readFileSync(shown(at(input))));
			back();
			const nothing = Buffer.alloc(0);
			const end = { kind: "exited", status: 0, signal: 0, timedOut: false, wall: 1, user: 0, sys: 0 } as const;
			return { ...end, truncated: false, stdout: nothing, stderr: nothing };
		};
		const spawner: Spawner = {
			run: (request) => ({ done: Promise.resolve(child(request)), kill: () => {} }),
			journal: () => {},
			folder: () => {},
			close: async () => {},
		};
		const scratch = new ScratchFolders(at(".gg/tmp"));
		const executor = localExecutor({
			...{ store, facts, spawner, viewLibrary: "none", modes: new Map(), scratch },
			...{ timeoutMs: 0, sandbox: false, keep: false },
		});
		const hash = store.objects.put(encodeThunk(thunk));
		return [await executor.execute(hash, thunk).finally(() => scratch.close()), runs];
	}

	const outputOf = (execution: Execution): string => {
		if (execution.kind !== "finished") return execution.failure.message;
		return store.objects.get(execution.result.outputs[0]!.hash)!.toString();
	};
	const link = (to: string, name: string): void => {
		symlinkSync(to, at(`${name}.new`));
		renameSync(at(`${name}.new`), at(name));
	};

	const rows: readonly (readonly [string, string, () => void, () => void, () => void])[] = [
		[
			"another file in its place",
			"v",
			() => renameSync(at("a/v"), at("v")),
			() => {
				renameSync(at("v"), at("kept"));
				renameSync(at("b/v"), at("v"));
			},
			() => {
				renameSync(at("v"), at("b/v"));
				renameSync(at("kept"), at("v"));
			},
		],
		["a link that leads elsewhere", "v", () => link("a/v", "v"), () => link("b/v", "v"), () => link("a/v", "v")],
		[
			"a folder",
			"in/v",
			() => renameSync(at("a"), at("in")),
			() => {
				renameSync(at("in"), at("a"));
				renameSync(at("b"), at("in"));
			},
			() => {
				renameSync(at("in"), at("b"));
				renameSync(at("a"), at("in"));
			},
		],
		["a folder that is a link", "in/v", () => link("a", "in"), () => link("b", "in"), () => link("a", "in")],
	];
	for (const [what, input, first, change, back] of rows) {
		it(`has what it was described with: ${what}`, async () => {
			first();
			store.objects.put(Buffer.from("one"));
			const [execution, runs] = await copies(input, change, back);
			assert.equal(outputOf(execution), "one");
			assert.equal(runs, 2);
		});
	}

	it("has it also where its content is kept nowhere before, and where only the file's times and links change", async () => {
		link("a/v", "v");
		const [first, runs] = await copies(
			"v",
			() => link("b/v", "v"),
			() => link("a/v", "v"),
		);
		assert.deepEqual([outputOf(first), runs], ["one", 2]);
		const [second, more] = await copies(
			"b/v",
			() => linkSync(at("b/v"), at("l")),
			() => unlinkSync(at("l")),
		);
		assert.deepEqual([outputOf(second), more], ["two", 2]);
	});

	it("runs once where nothing was changed", async () => {
		link("a/v", "v");
		const nothing = (): void => undefined;
		const [execution, runs] = await copies("v", nothing, nothing);
		assert.deepEqual([outputOf(execution), runs], ["one", 1]);
		rmSync(at("v"));
	});
});
