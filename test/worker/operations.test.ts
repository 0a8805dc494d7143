import { strict as assert } from "node:assert";
import { digestOf } from "../../src/engines/action/merkle.js";
import type { Operation } from "../../src/reapi/messages.js";
import { DIRECTORY } from "../../src/reapi/messages.js";
import { Operations } from "../../src/worker/operations.js";
import { runAction } from "../../src/worker/run.js";
import { testWorkers } from "../rig/remote.js";

const RESULT = { outputFiles: [], exitCode: 0, stdoutRaw: Buffer.alloc(0), stderrRaw: Buffer.alloc(0) };

describe("an action that nobody waits for any more", () => {
	const worker = testWorkers();

	/** One place; what runs ends when it is told to, or given up. `late` is what happens when a wait for somebody is over. */
	function begin() {
		const late = new Set<() => void>();
		const operations = new Operations(1, (_, then) => {
			late.add(then);
			return () => void late.delete(then);
		});
		const began: string[] = [];
		const given: string[] = [];
		const ends = new Map<string, () => void>();
		const start = (name: string, listener = (_: Operation): void => undefined) =>
			operations.start(
				{
					digest: digestOf(Buffer.from(name)),
					shared: true,
					run: (signal) => {
						began.push(name);
						return new Promise((resolve, reject) => {
							signal.addEventListener("abort", () => {
								given.push(name);
								reject(new Error("given up"));
							});
							ends.set(name, () => resolve({ result: RESULT, cached: false }));
						});
					},
				},
				listener,
			);
		const wait = (): void => {
			for (const then of late) then();
			late.clear();
		};
		return { operations, start, began, given, ends, wait, late };
	}

	it("is ended, and one that has not begun never begins", async () => {
		const { operations, start, began, given, wait } = begin();
		const leave = ["a", "b", "c"].map((name) => start(name));
		leave[0]!();
		leave[1]!();
		assert.deepEqual(given, []);
		wait();
		assert.deepEqual(given, ["a"]);
		// The next begins when the first has ended.
		await new Promise(setImmediate);
		assert.deepEqual([began, operations.queued], [["a", "c"], 0]);
	});

	it("goes on while somebody else waits for it, or comes back in time", () => {
		const { operations, start, given, wait, late } = begin();
		let name = "";
		const leaves = [start("a", (operation) => (name = operation.name)), start("a")];
		leaves[0]!();
		assert.equal(late.size, 0);
		leaves[1]!();
		assert.equal(late.size, 1);
		assert.notEqual(
			operations.wait(name, () => undefined),
			undefined,
		);
		wait();
		assert.deepEqual(given, []);
	});

	it("leaves no process behind", async () => {
		const w = await worker();
		const root = DIRECTORY.encode({ files: [], directories: [], symlinks: [] });
		w.disk.put(digestOf(root), root);
		const controller = new AbortController();
		const command = { arguments: ["sh", "-c", "sleep 1000 & sleep 1000"], outputPaths: [] };
		const action = { inputRootDigest: digestOf(root) };
		const running = runAction(w.options, action as never, command as never, controller.signal);
		controller.abort();
		await assert.rejects(running, /nobody waits for it any more/);
	});
});
