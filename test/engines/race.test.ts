import { strict as assert } from "node:assert";
import { raceEngine } from "../../src/engines/race.js";
import type { Declined, Engine } from "../../src/engines/types.js";
import type { Execution } from "../../src/executor/types.js";
import { hashBytes } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";

const PROGRAM = hashBytes(Buffer.from("cc"));
const THUNK: Thunk = {
	...EMPTY_THUNK,
	functionHash: PROGRAM,
	args: ["cc", "-c", "a.c"],
	executables: [{ hash: PROGRAM, name: "/usr/bin/cc" }],
	cwd: "/",
};

function result(stdout: string): Execution {
	const empty = Buffer.alloc(0);
	return {
		kind: "finished",
		undeclared: [],
		result: { status: 0, signal: 0, stdout: Buffer.from(stdout), stderr: empty, outputs: [], wall: 0 },
	};
}

/** An engine that ends when it is told to. */
function heldEngine(name: string) {
	const running: ((execution: Execution | Declined) => void)[] = [];
	let last: AbortSignal | undefined;
	const engine: Engine = {
		name,
		jobs: 2,
		refuses: () => "",
		execute(_hash, _thunk, turn) {
			last = turn?.signal;
			return new Promise((resolve) => void running.push(resolve));
		},
	};
	return { engine, running, signal: () => last };
}

function race() {
	const far = heldEngine("far");
	const near = heldEngine("near");
	let time = 0;
	const timers: { at: number; then: () => void }[] = [];
	const engine = raceEngine({
		far: far.engine,
		near: near.engine,
		now: () => time,
		after: (ms, then) => {
			const timer = { at: time + ms, then };
			timers.push(timer);
			return () => void timers.splice(timers.indexOf(timer) >>> 0, 1);
		},
	});
	const pass = async (ms: number): Promise<void> => {
		time += ms;
		for (const timer of timers.filter((t) => t.at <= time)) {
			timers.splice(timers.indexOf(timer), 1);
			timer.then();
		}
		await new Promise((resolve) => setImmediate(resolve));
	};
	/** Five that take a second each. */
	const learn = async (): Promise<void> => {
		for (let i = 0; i < 5; i++) {
			const one = engine.execute(PROGRAM, THUNK);
			await pass(1000);
			far.running.pop()!(result("far"));
			await one;
		}
	};
	return { engine, far, near, pass, learn, timers };
}

function said(execution: Execution | Declined): string {
	assert.equal(execution.kind, "finished");
	return (execution as Execution & { kind: "finished" }).result.stdout.toString();
}

describe("a race", () => {
	it("starts a second run of what takes twice as long as its like, and takes the first end", async () => {
		const r = race();
		await r.learn();
		const late = r.engine.execute(PROGRAM, THUNK);
		await r.pass(1999);
		assert.equal(r.near.running.length, 0);
		await r.pass(1);
		assert.equal(r.near.running.length, 1);
		r.near.running.pop()!(result("near"));
		assert.equal(said(await late), "near");
	});

	it("keeps to the far engine while nothing is known of a tool", async () => {
		const r = race();
		const first = r.engine.execute(PROGRAM, THUNK);
		await r.pass(3_600_000);
		assert.equal(r.near.running.length, 0);
		r.far.running.pop()!(result("far"));
		assert.equal(said(await first), "far");
	});

	it("takes the far result when that ends first after all, and leaves no timer", async () => {
		const r = race();
		await r.learn();
		const late = r.engine.execute(PROGRAM, THUNK);
		await r.pass(5000);
		r.far.running.pop()!(result("far"));
		assert.equal(said(await late), "far");
		assert.deepEqual(r.timers, []);
	});

	it("learns nothing from what the far engine knew already", async () => {
		const r = race();
		for (let i = 0; i < 5; i++) {
			const one = r.engine.execute(PROGRAM, THUNK);
			r.far.running.pop()!({ ...result("far"), place: { remembered: true, at: "there", why: "" } } as Execution);
			await one;
		}
		const first = r.engine.execute(PROGRAM, THUNK);
		await r.pass(3_600_000);
		assert.equal(r.near.running.length, 0);
		r.far.running.pop()!(result("far"));
		await first;
	});

	it("tells the far engine when its result is not wanted any more", async () => {
		const r = race();
		await r.learn();
		const late = r.engine.execute(PROGRAM, THUNK);
		const { signal } = r.far;
		await r.pass(5000);
		assert.equal(signal()!.aborted, false);
		r.near.running.pop()!(result("near"));
		assert.equal(said(await late), "near");
		assert.equal(signal()!.aborted, true);
	});

	it("waits for the second run when the far engine declines after it has begun", async () => {
		const r = race();
		await r.learn();
		const late = r.engine.execute(PROGRAM, THUNK);
		await r.pass(5000);
		r.far.running.pop()!({ kind: "declined", failure: { reason: "remote", message: "gone" } });
		await r.pass(0);
		r.near.running.pop()!(result("near"));
		assert.equal(said(await late), "near");
	});

	it("is not lost by a failure of the second run", async () => {
		const r = race();
		await r.learn();
		const late = r.engine.execute(PROGRAM, THUNK);
		await r.pass(5000);
		r.near.running.pop()!({ kind: "impossible", failure: { reason: "store", message: "the disk is full" } });
		await r.pass(0);
		r.far.running.pop()!(result("far"));
		assert.equal(said(await late), "far");
	});

	it("declines at once what the far engine declines", async () => {
		const r = race();
		await r.learn();
		const late = r.engine.execute(PROGRAM, THUNK);
		r.far.running.pop()!({ kind: "declined", failure: { reason: "remote", message: "no" } });
		assert.equal((await late).kind, "declined");
	});
});
