import { strict as assert } from "node:assert";
import type { Engine } from "../../src/engines/types.js";
import type { ExecutionFailure } from "../../src/executor/types.js";
import { type Forced, type ForceOutcome, Forcer } from "../../src/forcer/forcer.js";
import { memoryStore } from "../../src/store/memory.js";
import { RESULT_TAG, type Store } from "../../src/store/types.js";
import { encodeThunk } from "../../src/thunk/codec.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";
import { makeThunk, PROGRAM, testEngine } from "../rig/engine.js";

interface Seen {
	readonly forced: [hash: ObjectHash, how: string, engine: string][];
	readonly failed: [hash: ObjectHash, reason: string | undefined][];
}

function makeForcer(
	store: Store,
	engines: readonly Engine[],
	more: { fallbacks?: readonly Engine[]; keepGoing?: boolean } = {},
): { forcer: Forcer; seen: Seen } {
	const seen: Seen = { forced: [], failed: [] };
	const forcer = new Forcer({
		store,
		engines,
		...more,
		events: {
			forced: (hash, _thunk, _forced, how, engine) => void seen.forced.push([hash, how, engine]),
			failed: (hash, outcome) => void seen.failed.push([hash, outcome.failure?.reason]),
		},
	});
	return { forcer, seen };
}

function good(outcome: ForceOutcome): Forced {
	assert.equal(outcome.kind, "forced", outcome.kind === "failed" ? outcome.failure?.message : "");
	return outcome as Forced;
}

function text(store: Store, outcome: ForceOutcome, tag = ""): string | undefined {
	const hash = good(outcome).outputs.get(tag);
	return hash === undefined ? undefined : store.objects.get(hash)?.toString();
}

/** The failure's literal and whole text. */
function bad(outcome: ForceOutcome): string {
	assert.ok(outcome.kind === "failed");
	return `${outcome.failure?.reason}: ${outcome.failure?.message} (${outcome.failure?.hint})`;
}

describe("forcing", () => {
	it("runs a thunk that needs nothing", async () => {
		const store = memoryStore();
		const engine = testEngine(store);
		const { forcer, seen } = makeForcer(store, [engine]);
		const hash = makeThunk(store, "a");
		const outcome = good(await forcer.force(hash));
		assert.equal(text(store, outcome), "output of a");
		assert.equal(outcome.final, hash);
		assert.deepEqual(seen, { forced: [[hash, "ran", "test"]], failed: [] });
		assert.equal(store.reductions.get(hash, ""), outcome.outputs.get(""));
	});

	it("gives the place of a thunk to the next as soon as the engine has no more need of it", async () => {
		const store = memoryStore();
		const ends: (() => void)[] = [];
		const engine: Engine = {
			...testEngine(store),
			jobs: 1,
			async execute(hash, thunk, turn) {
				turn?.free?.();
				// Nobody ends before both have begun.
				await new Promise<void>((resolve) => {
					ends.push(resolve);
					if (ends.length === 2) for (const end of ends) end();
				});
				return testEngine(store).execute(hash, thunk);
			},
		};
		const { forcer } = makeForcer(store, [engine]);
		const outcomes = await Promise.all(["a", "b"].map((name) => forcer.force(makeThunk(store, name))));
		assert.deepEqual(
			outcomes.map((o) => text(store, o)),
			["output of a", "output of b"],
		);
	});

	it("has ended when its files are in their places, which no other waits for that runs by names, and has failed if they are not", async () => {
		const store = memoryStore();
		const engine = { ...testEngine(store), takesNames: true };
		const placing = new Map<ObjectHash, (error?: Error) => void>();
		const forcer = new Forcer({
			store,
			engines: [engine],
			events: {
				forced: (hash) =>
					new Promise<void>((resolve, reject) =>
						placing.set(hash, (error) => (error === undefined ? resolve() : reject(error))),
					),
				failed: () => undefined,
			},
		});
		const a = makeThunk(store, "a");
		const b = makeThunk(store, "b", [a]);
		const ended: ObjectHash[] = [];
		const [first, second] = [a, b].map((hash) =>
			forcer.force(hash).then((outcome) => {
				ended.push(hash);
				return outcome;
			}),
		);
		for (let i = 0; i < 10; i++) await new Promise(setImmediate);
		assert.deepEqual([engine.ran, ended], [["a", "b"], []]);
		placing.get(a)!();
		good(await first!);
		placing.get(b)!(Object.assign(new Error("no space"), { code: "ENOSPC" }));
		assert.match(bad(await second!), /the disk is full|no space/);
	});

	describe("where outputs are known by name before they are here", () => {
		/** What `a` comes to is on its way until `arrive` is called; what it needs, and what others do, is as ever. */
		function early(store: Store): { engine: Engine & { ran: string[] }; arrive: (lost?: string) => void } {
			const inner = testEngine(store);
			let arrive = (_?: string): void => undefined;
			const coming = new Promise<ExecutionFailure | undefined>((resolve) => {
				arrive = (lost) => resolve(lost === undefined ? undefined : { reason: "remote", message: lost });
			});
			const engine = {
				...inner,
				takesNames: true,
				async execute(hash: ObjectHash, thunk: Thunk) {
					if (thunk.args[0] !== "a") return inner.execute(hash, thunk);
					inner.ran.push("a");
					const outputs = [{ tag: "out", hash: hashBytes(Buffer.from("output of a")), mode: 0o644 }];
					const empty = Buffer.alloc(0);
					const result = { status: 0, signal: 0, stdout: empty, stderr: empty, outputs, wall: 1 };
					return { kind: "finished" as const, undeclared: [], result, coming };
				},
			};
			return { engine, arrive: (lost) => arrive(lost) };
		}

		it("runs what needs them, and says that they are forced only when they are here", async () => {
			const store = memoryStore();
			const { engine, arrive } = early(store);
			const { forcer, seen } = makeForcer(store, [engine]);
			const a = makeThunk(store, "a");
			const b = makeThunk(store, "b", [a]);
			good(await forcer.force(b));
			assert.deepEqual(engine.ran, ["a", "b"]);
			assert.deepEqual(
				seen.forced.map(([hash]) => hash),
				[b],
			);
			assert.equal(store.reductions.get(a, ""), undefined);
			store.objects.put(Buffer.from("output of a"));
			arrive();
			assert.equal(text(store, await forcer.force(a)), "output of a");
			assert.equal(store.reductions.get(a, ""), hashBytes(Buffer.from("output of a")));
		});

		it("runs nothing here that needs them before they are here", async () => {
			const store = memoryStore();
			const { engine, arrive } = early(store);
			const far: Engine = { ...engine, refuses: (thunk) => (thunk.args[0] === "b" ? "not b" : "") };
			const near = testEngine(store, {
				behave: (thunk) => ({ out: `b of ${store.objects.get(thunk.values[0]!.hash)}` }),
			});
			const { forcer } = makeForcer(store, [far], { fallbacks: [near] });
			const b = forcer.force(makeThunk(store, "b", [makeThunk(store, "a")]));
			await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
			assert.deepEqual(near.ran, []);
			store.objects.put(Buffer.from("output of a"));
			arrive();
			assert.equal(text(store, await b), "b of output of a");
		});

		it("makes again what does not come, and fails where that comes to something else", async () => {
			for (const again of ["output of a", "other bytes"]) {
				const store = memoryStore();
				const { engine, arrive } = early(store);
				const near = testEngine(store, { behave: () => ({ out: again }) });
				const { forcer } = makeForcer(store, [engine], { fallbacks: [near] });
				arrive("it is lost");
				const outcome = await forcer.force(makeThunk(store, "a"));
				assert.deepEqual(near.ran, ["a"]);
				if (again === "output of a") assert.equal(text(store, outcome), again);
				else
					assert.equal(
						bad(outcome),
						"remote: the server lost what this thunk had come to, which others were made of, and it comes to other bytes now (force again)",
					);
			}
		});
	});

	it("tells the engine of thunks that wait for their turn on it", async () => {
		const store = memoryStore();
		const prepared: string[] = [];
		const inner = testEngine(store, { jobs: 1 });
		const engine: Engine = { ...inner, prepare: (_, thunk) => void prepared.push(thunk.args[0]!) };
		const { forcer } = makeForcer(store, [engine]);
		const hashes = ["a", "b", "c"].map((name) => makeThunk(store, name, [], { cwd: "/" }));
		for (const outcome of await Promise.all(hashes.map((hash) => forcer.force(hash)))) good(outcome);
		assert.deepEqual(
			[prepared, inner.ran],
			[
				["b", "c"],
				["a", "b", "c"],
			],
		);
	});

	it("replaces what a thunk needs by values, in its items and in its text", async () => {
		const store = memoryStore();
		const a = makeThunk(store, "a");
		const b = makeThunk(store, "b", [], {
			args: ["b", `-x=@{GGHASH:${a}},@{GGHASH:${a}}`],
			envars: [`IN=@{GGHASH:${a}}`],
			thunks: [{ hash: a, name: "dep", tag: "" }],
		});
		const engine = testEngine(store, {
			behave: (t) => ({ out: JSON.stringify([t.args, t.envars, t.values, t.thunks]) }),
		});
		const { forcer } = makeForcer(store, [engine]);
		const outcome = await forcer.force(b);
		const value = good(await forcer.force(a)).outputs.get("")!;
		const placeholder = `@{GGHASH:${value}}`;
		assert.deepEqual(JSON.parse(text(store, outcome)!), [
			["b", `-x=${placeholder},${placeholder}`],
			[`IN=${placeholder}`],
			[{ hash: value, name: "dep" }],
			[],
		]);
		assert.deepEqual(engine.ran, ["a", "b"]);
	});

	it("runs a thunk that several need once", async () => {
		const store = memoryStore();
		const shared = makeThunk(store, "shared");
		const users = Array.from({ length: 20 }, (_, i) => makeThunk(store, `user${i}`, [shared]));
		const engine = testEngine(store, { jobs: 8 });
		const { forcer } = makeForcer(store, [engine]);
		for (const outcome of await Promise.all([...users, shared, users[0]!].map((h) => forcer.force(h)))) good(outcome);
		assert.equal(engine.ran.length, 21);
		assert.equal(engine.ran.filter((name) => name === "shared").length, 1);
	});

	it("runs two thunks that come to the same thunk once, and both have its result", async () => {
		const store = memoryStore();
		const a = makeThunk(store, "a");
		const b = makeThunk(store, "b");
		const engine = testEngine(store, { behave: (t) => ({ out: t.args[0] === "top" ? "done" : "same" }) });
		const viaA = makeThunk(store, "top", [a]);
		const viaB = makeThunk(store, "top", [b]);
		const above = makeThunk(store, "above", [viaA, viaB]);
		const { forcer, seen } = makeForcer(store, [engine]);
		good(await forcer.force(above));
		assert.deepEqual([...engine.ran].sort(), ["a", "above", "b", "top"]);
		assert.equal(good(await forcer.force(viaA)).final, good(await forcer.force(viaB)).final);
		assert.equal(store.reductions.get(viaA, ""), store.reductions.get(viaB, ""));
		const told = seen.forced.filter(([hash]) => hash === viaA || hash === viaB).map(([, how]) => how);
		assert.deepEqual(told.sort(), ["cached", "ran"]);
	});

	it("knows outputs by their names, the first by none as well", async () => {
		const store = memoryStore();
		const multi = makeThunk(store, "multi", [], { outputs: ["one", "two"] });
		const engine = testEngine(store, {
			behave: (t) => (t.args[0] === "multi" ? { one: "1", two: "2" } : { out: t.args.slice(1).join() }),
		});
		const { forcer } = makeForcer(store, [engine]);
		const user = makeThunk(store, "user", [], {
			args: ["user", `@{GGHASH:${multi}}`, `@{GGHASH:${multi}#one}`, `@{GGHASH:${multi}#two}`],
			thunks: [
				{ hash: multi, name: "", tag: "" },
				{ hash: multi, name: "", tag: "two" },
			],
		});
		const [one, two] = [hashBytes(Buffer.from("1")), hashBytes(Buffer.from("2"))];
		assert.equal(text(store, await forcer.force(user)), `@{GGHASH:${one}},@{GGHASH:${one}},@{GGHASH:${two}}`);
		assert.equal(store.reductions.get(multi, ""), one);
		assert.equal(store.reductions.get(multi, "two"), two);
		const outcome = good(await forcer.force(multi));
		assert.deepEqual([...outcome.outputs.keys()].sort(), ["", "one", "two"]);
	});

	it("goes on to thunks that a thunk came to, with one job", async () => {
		const store = memoryStore();
		const counter = (n: number): Buffer => Buffer.from(store.objects.get(makeThunk(store, `count${n}`))!);
		const engine = testEngine(store, {
			jobs: 1,
			behave: (t) => {
				const n = Number(t.args[0]!.slice(5));
				return { out: n === 0 ? "zero" : counter(n - 1) };
			},
		});
		const { forcer } = makeForcer(store, [engine]);
		const start = hashBytes(counter(200));
		assert.equal(text(store, await forcer.force(start)), "zero");
		assert.equal(engine.ran.length, 201);
		assert.equal(engine.most, 1);
		// The way there is kept: nothing runs again.
		const again = testEngine(store);
		assert.equal(text(store, await makeForcer(store, [again]).forcer.force(start)), "zero");
		assert.deepEqual(again.ran, []);
	});

	it("takes the first output of a thunk that an output came to, and leaves an output folder's thunks alone", async () => {
		const store = memoryStore();
		const inner = store.objects.get(makeThunk(store, "inner", [], { outputs: ["x", "y"] }))!;
		const unasked = store.objects.get(makeThunk(store, "unasked"))!;
		const outer = makeThunk(store, "outer", [], { outputs: ["out"], outputDir: "dir" });
		const engine = testEngine(store, {
			behave: (t) => (t.args[0] === "outer" ? { out: inner, extra: unasked } : { x: "x!", y: "y!" }),
		});
		const { forcer } = makeForcer(store, [engine]);
		const outcome = await forcer.force(outer);
		assert.equal(text(store, outcome), "x!");
		assert.equal(good(outcome).outputs.get("extra"), hashBytes(unasked));
		assert.deepEqual(engine.ran, ["outer", "inner"]);
	});

	it("forces an output folder's thunk when another thunk needs it", async () => {
		const store = memoryStore();
		const inner = store.objects.get(makeThunk(store, "inner"))!;
		const outer = makeThunk(store, "outer", [], { outputDir: "dir" });
		const user = makeThunk(store, "user", [], { thunks: [{ hash: outer, name: "", tag: "extra" }] });
		const engine = testEngine(store, {
			behave: (t) => (t.args[0] === "outer" ? { out: "o", extra: inner } : { out: t.values.map((v) => v.hash).join() }),
		});
		const { forcer } = makeForcer(store, [engine]);
		assert.equal(text(store, await forcer.force(user)), hashBytes(Buffer.from("")));
		assert.deepEqual(engine.ran, ["outer", "inner", "user"]);
	});
});

describe("forcing many", () => {
	it("forces a chain of 10,000, each once", async () => {
		const store = memoryStore();
		let last = makeThunk(store, "0");
		for (let i = 1; i < 10_000; i++) last = makeThunk(store, String(i), [last]);
		const engine = testEngine(store);
		good(await makeForcer(store, [engine]).forcer.force(last));
		assert.equal(engine.ran.length, 10_000);
		assert.equal(engine.most, 1);
	});

	it("forces a diamond upon a diamond a thousand deep, each once", async () => {
		const store = memoryStore();
		let [left, right] = [makeThunk(store, "l0"), makeThunk(store, "r0")];
		for (let i = 1; i < 1000; i++) {
			[left, right] = [makeThunk(store, `l${i}`, [left, right]), makeThunk(store, `r${i}`, [left, right])];
		}
		const engine = testEngine(store);
		good(await makeForcer(store, [engine]).forcer.force(makeThunk(store, "top", [left, right])));
		assert.equal(engine.ran.length, 2001);
		assert.equal(new Set(engine.ran).size, 2001);
	});

	it("forces a row of 10,000 thunks of which each came to the next, from the store too", async () => {
		const store = memoryStore();
		const thunks: Buffer[] = [];
		for (let i = 0; i < 10_000; i++) thunks.push(store.objects.get(makeThunk(store, String(i)))!);
		const engine = testEngine(store, { behave: (t) => ({ out: thunks[Number(t.args[0]) + 1] ?? "end" }) });
		const start = hashBytes(thunks[0]!);
		assert.equal(text(store, await makeForcer(store, [engine]).forcer.force(start)), "end");
		assert.equal(engine.ran.length, 10_000);
		const steps = memoryStore();
		for (const [i, bytes] of thunks.entries()) {
			steps.objects.put(bytes);
			const next = steps.objects.put(thunks[i + 1] ?? Buffer.from("end"));
			steps.reductions.put(hashBytes(bytes), "", next);
		}
		const idle = testEngine(steps);
		assert.equal(text(steps, await makeForcer(steps, [idle]).forcer.force(start)), "end");
		assert.deepEqual(idle.ran, []);
	});

	it("asks the engine and the store in proportion to the number of thunks", async () => {
		const count = async (n: number): Promise<[runs: number, calls: number]> => {
			const inner = memoryStore();
			const hashes = Array.from({ length: n }, (_, i) => makeThunk(inner, String(i)));
			let calls = 0;
			const counted = <T extends object>(o: T): T =>
				new Proxy(o, {
					get(target, key) {
						calls += 1;
						return Reflect.get(target, key) as unknown;
					},
				});
			const store: Store = { objects: counted(inner.objects), reductions: counted(inner.reductions) };
			const engine = testEngine(inner, { jobs: 64 });
			const { forcer } = makeForcer(store, [engine]);
			for (const outcome of await Promise.all(hashes.map((h) => forcer.force(h)))) good(outcome);
			assert.equal(engine.most, 64);
			return [engine.ran.length, calls];
		};
		const [smallRuns, smallCalls] = await count(1000);
		const [runs, calls] = await count(100_000);
		assert.equal(smallRuns, 1000);
		assert.equal(runs, 100_000);
		assert.equal(calls, smallCalls * 100);
	});

	it("hands out slots without looking at all who wait for another engine", async () => {
		const store = memoryStore();
		let asked = 0;
		const only = (prefix: string) => (thunk: { args: readonly string[] }) => {
			asked += 1;
			return thunk.args[0]!.startsWith(prefix) ? "" : "another engine's";
		};
		const engines = ["a", "b"].map((p) => testEngine(store, { name: p, jobs: 1, refuses: only(p) }));
		const hashes: ObjectHash[] = [];
		for (const prefix of ["a", "b"]) {
			for (let i = 0; i < 20_000; i++) hashes.push(makeThunk(store, `${prefix}${i}`));
		}
		const { forcer } = makeForcer(store, engines);
		for (const outcome of await Promise.all(hashes.map((h) => forcer.force(h)))) good(outcome);
		assert.deepEqual(
			engines.map((e) => [e.ran.length, e.most]),
			[
				[20_000, 1],
				[20_000, 1],
			],
		);
		assert.equal(asked, 80_000);
		// First come, first served.
		assert.deepEqual(engines[1]!.ran.slice(0, 3), ["b0", "b1", "b2"]);
	});
});

describe("engines", () => {
	it("get no more than their number of jobs, and that many when there is enough", async () => {
		for (const jobs of [1, 3, 7]) {
			const store = memoryStore();
			const engine = testEngine(store, { jobs });
			const { forcer } = makeForcer(store, [engine]);
			const shared = makeThunk(store, "shared");
			const hashes = Array.from({ length: 50 }, (_, i) => makeThunk(store, String(i), i % 2 === 0 ? [] : [shared]));
			for (const outcome of await Promise.all(hashes.map((h) => forcer.force(h)))) good(outcome);
			assert.equal(engine.most, jobs);
		}
	});

	it("that weigh thunks get the heavy ones first of those that wait, and before them what has waited for others", async () => {
		const store = memoryStore();
		const weight: Readonly<Record<string, number>> = { a: 5, b: 1, c: 3, d: 3, e: 9 };
		const engine = {
			...testEngine(store, { jobs: 1 }),
			weigh: (thunk: Thunk) => weight[thunk.args[0]!] ?? 0,
		};
		const { forcer } = makeForcer(store, [engine]);
		const names = ["a", "b", "c", "d", "e"];
		const hashes = new Map(names.map((name) => [name, makeThunk(store, name)]));
		const link = makeThunk(store, "link", [hashes.get("a")!]);
		const outcomes = await Promise.all([...hashes.values(), link].map((hash) => forcer.force(hash)));
		for (const outcome of outcomes) good(outcome);
		// One begins when nothing waits yet.
		assert.deepEqual(engine.ran, ["a", "e", "link", "c", "d", "b"]);
	});

	it("are filled in the order in which they are named", async () => {
		const store = memoryStore();
		const first = testEngine(store, { name: "first", jobs: 1 });
		const second = testEngine(store, { name: "second", jobs: 1 });
		const { forcer } = makeForcer(store, [first, second]);
		const hashes = ["a", "b", "c"].map((name) => makeThunk(store, name));
		await Promise.all(hashes.map((h) => forcer.force(h)));
		assert.deepEqual([first.ran[0], second.ran[0]], ["a", "b"]);
		assert.equal(first.ran.length + second.ran.length, 3);
	});

	it("keep to their jobs while thunks that a thunk came to run elsewhere", async () => {
		const store = memoryStore();
		const small = testEngine(store, {
			name: "small",
			jobs: 1,
			refuses: (t) => (t.args[0]!.startsWith("s") ? "" : "no"),
		});
		const inner = (i: number): Buffer => store.objects.get(makeThunk(store, `s${i}`))!;
		const large = testEngine(store, {
			name: "large",
			jobs: 3,
			refuses: (t) => (t.args[0]!.startsWith("l") ? "" : "no"),
			behave: (t) => ({ out: inner(Number(t.args[0]!.slice(1))) }),
		});
		const { forcer } = makeForcer(store, [small, large]);
		const hashes = Array.from({ length: 30 }, (_, i) => makeThunk(store, `l${i}`));
		for (const outcome of await Promise.all(hashes.map((h) => forcer.force(h)))) good(outcome);
		assert.deepEqual([small.most, large.most, small.ran.length, large.ran.length], [1, 3, 30, 30]);
	});

	it("that are fallbacks get only what no other takes", async () => {
		const store = memoryStore();
		const picky = testEngine(store, { name: "picky", jobs: 1, refuses: (t) => (t.args[0] === "big" ? "too big" : "") });
		const fallback = testEngine(store, { name: "fallback", jobs: 4 });
		const { forcer, seen } = makeForcer(store, [picky], { fallbacks: [fallback] });
		const names = ["a", "b", "c", "big"];
		await Promise.all(names.map((name) => forcer.force(makeThunk(store, name))));
		assert.deepEqual([picky.ran, fallback.ran], [["a", "b", "c"], ["big"]]);
		assert.equal(seen.forced.filter(([, , engine]) => engine === "fallback").length, 1);
	});

	it("that all refuse are named with their reasons", async () => {
		const store = memoryStore();
		const picky = testEngine(store, { name: "picky", refuses: () => "too big" });
		const other = testEngine(store, { name: "other", refuses: () => "no network" });
		const { forcer } = makeForcer(store, [picky], { fallbacks: [other] });
		assert.equal(
			bad(await forcer.force(makeThunk(store, "a"))),
			"no-engine: no engine takes this thunk (picky: too big; other: no network) (add --fallback-engine local)",
		);
	});

	it("that leave an output out are not believed", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: () => ({ out: "x" }) });
		const { forcer } = makeForcer(store, [engine]);
		assert.equal(
			bad(await forcer.force(makeThunk(store, "a", [], { outputs: ["out", "two"] }))),
			'output-missing: test: the result lacks the output "two" (undefined)',
		);
	});

	it("may leave out an output that is optional", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: () => ({ out: "x" }) });
		const { forcer } = makeForcer(store, [engine]);
		const outputPaths = [{ tag: "two", path: "/two", optional: true }];
		good(await forcer.force(makeThunk(store, "a", [], { outputs: ["out", "two"], outputPaths })));
	});

	it("that throw fail their thunk and free their slot", async () => {
		const store = memoryStore();
		const engine = testEngine(store, {
			jobs: 1,
			behave: (t) => {
				if (t.args[0] === "a") throw new Error("no space left on device");
				return { out: "x" };
			},
		});
		const { forcer } = makeForcer(store, [engine], { keepGoing: true });
		const [a, b] = await Promise.all(["a", "b"].map((name) => forcer.force(makeThunk(store, name))));
		assert.equal(bad(a!), "store: no space left on device (check that the disk is not full and .gg can be written)");
		good(b!);
	});
});

describe("a failure", () => {
	const failing = (store: Store, keepGoing: boolean, jobs = 1) => {
		const engine = testEngine(store, { jobs, behave: (t) => (t.args[0] === "bad" ? 3 : { out: t.args[0]! }) });
		return { engine, ...makeForcer(store, [engine], { keepGoing }) };
	};

	it("holds the command's own status, and is told once a thunk", async () => {
		const store = memoryStore();
		const { forcer, seen } = failing(store, false);
		const hash = makeThunk(store, "bad");
		const top = makeThunk(store, "top", [hash]);
		const outcome = await forcer.force(top);
		assert.ok(outcome.kind === "failed");
		assert.equal(outcome.at, hash);
		assert.equal(outcome.result?.status, 3);
		assert.equal(outcome.failure, undefined);
		assert.deepEqual(outcome.thunk?.args, ["bad"]);
		assert.deepEqual(seen.failed, [
			[hash, undefined],
			[top, undefined],
		]);
		assert.equal(store.reductions.get(hash, ""), undefined);
		assert.equal(store.reductions.get(hash, RESULT_TAG), undefined);
	});

	it("lets nothing new start", async () => {
		const store = memoryStore();
		const { forcer, engine } = failing(store, false);
		const names = ["a", "bad", "b", "c"];
		const outcomes = await Promise.all(names.map((name) => forcer.force(makeThunk(store, name))));
		assert.deepEqual(engine.ran, ["a", "bad"]);
		assert.equal(bad(outcomes[3]!), "cancelled: not started: something else failed before (undefined)");
		assert.equal(bad(await forcer.force(makeThunk(store, "later"))), bad(outcomes[3]!));
	});

	it("stops only what needs it, when told to go on", async () => {
		const store = memoryStore();
		const { forcer, engine } = failing(store, true, 2);
		const broken = makeThunk(store, "bad");
		const user = makeThunk(store, "user", [makeThunk(store, "a"), broken]);
		const others = ["b", "c", "d"].map((name) => makeThunk(store, name));
		const outcomes = await Promise.all([user, ...others].map((h) => forcer.force(h)));
		const [first, ...rest] = outcomes;
		assert.ok(first?.kind === "failed" && first.at === broken);
		for (const outcome of rest) good(outcome);
		assert.deepEqual([...engine.ran].sort(), ["a", "b", "bad", "c", "d"]);
	});

	it("of a missing thunk names it", async () => {
		const store = memoryStore();
		const gone = hashBytes(Buffer.from("##GGTHUNK##gone"));
		const { forcer } = failing(store, false);
		const outcome = await forcer.force(makeThunk(store, "top", [gone]));
		assert.equal(
			bad(outcome),
			`thunk-missing: thunk ${gone} is not in the store (it was cleaned away, or made with another .gg folder: infer the build again)`,
		);
		assert.ok(outcome.kind === "failed" && outcome.at === gone);
	});

	it("of a malformed thunk names it", async () => {
		const store = memoryStore();
		const hash = store.objects.put(Buffer.from("##GGTHUNK##"));
		const { forcer } = failing(store, false);
		assert.equal(
			bad(await forcer.force(hash)),
			`malformed-thunk: ${hash}: not a valid thunk: it has no function (the file was cut short or altered; infer the build again)`,
		);
	});

	it("of an output that does not exist names both", async () => {
		const store = memoryStore();
		const a = makeThunk(store, "a");
		const { forcer } = failing(store, false);
		const outcome = await forcer.force(makeThunk(store, "b", [], { thunks: [{ hash: a, name: "", tag: "no" }] }));
		assert.equal(bad(outcome), `no-such-output: thunk ${a} has no output "no" (correct the thunk that asks for it)`);
	});

	it("of a stopped forcer is no failure of what ran already", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { jobs: 1 });
		const { forcer } = makeForcer(store, [engine]);
		const first = forcer.force(makeThunk(store, "a"));
		const second = forcer.force(makeThunk(store, "b"));
		while (engine.ran.length === 0) await Promise.resolve();
		forcer.stop();
		good(await first);
		assert.equal(bad(await second), "cancelled: not started: something else failed before (undefined)");
	});
});

describe("a thunk that comes to itself", () => {
	const hint = "correct the program that makes these thunks: each must come to a value in the end";

	it("is a failure, not a wait without end", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: (_, hash) => ({ out: store.objects.get(hash)! }) });
		const { forcer } = makeForcer(store, [engine]);
		const hash = makeThunk(store, "a");
		assert.equal(bad(await forcer.force(hash)), `cycle: thunk ${hash} came to a thunk that needs it (${hint})`);
	});

	it("is found through other thunks, while others go on", async () => {
		const store = memoryStore();
		const a = makeThunk(store, "a");
		const needsA = store.objects.get(makeThunk(store, "b", [a]))!;
		const engine = testEngine(store, { behave: (t) => ({ out: t.args[0] === "a" ? needsA : "fine" }) });
		const { forcer } = makeForcer(store, [engine], { keepGoing: true });
		const others = Array.from({ length: 20 }, (_, i) => makeThunk(store, `c${i}`));
		const [circle, ...rest] = await Promise.all([a, ...others].map((h) => forcer.force(h)));
		assert.equal(bad(circle!), `cycle: thunk ${a} came to a thunk that needs it (${hint})`);
		for (const outcome of rest) good(outcome);
	});

	it("is found after what others came to has been told, which takes its time", async () => {
		const store = memoryStore();
		const a = makeThunk(store, "a");
		const needsA = store.objects.get(makeThunk(store, "b", [a]))!;
		const engine = testEngine(store, { behave: (t) => ({ out: t.args[0] === "a" ? needsA : "fine" }) });
		let told = (): void => undefined;
		const telling = new Promise<void>((resolve) => {
			told = resolve;
		});
		const forcer = new Forcer({
			store,
			engines: [engine],
			keepGoing: true,
			events: { forced: () => telling, failed: () => undefined },
		});
		const other = forcer.force(makeThunk(store, "c"));
		const circle = forcer.force(a);
		// All that can move has moved.
		for (let i = 0; i < 5; i++) await new Promise(setImmediate);
		told();
		assert.equal(bad(await circle), `cycle: thunk ${a} came to a thunk that needs it (${hint})`);
		good(await other);
	});

	it("is found in what the store says as well", async () => {
		const store = memoryStore();
		const [a, b] = [makeThunk(store, "a"), makeThunk(store, "b")];
		store.reductions.put(a, "", b);
		store.reductions.put(b, "", a);
		const { forcer } = makeForcer(store, [testEngine(store)]);
		assert.match(bad(await forcer.force(a)), /^cycle: /);
	});
});

describe("what was forced before", () => {
	it("is not run again", async () => {
		const store = memoryStore();
		const top = makeThunk(store, "top", [makeThunk(store, "a"), makeThunk(store, "b")]);
		good(await makeForcer(store, [testEngine(store)]).forcer.force(top));
		const engine = testEngine(store);
		const { forcer, seen } = makeForcer(store, [engine]);
		good(await forcer.force(top));
		assert.deepEqual(engine.ran, []);
		assert.deepEqual(seen.forced, [[top, "cached", ""]]);
	});

	it("is gone on from after a failure", async () => {
		const store = memoryStore();
		const top = makeThunk(store, "top", [makeThunk(store, "a"), makeThunk(store, "bad", [makeThunk(store, "b")])]);
		const broken = testEngine(store, { behave: (t) => (t.args[0] === "bad" ? 1 : { out: t.args[0]! }) });
		assert.equal((await makeForcer(store, [broken], { keepGoing: true }).forcer.force(top)).kind, "failed");
		const mended = testEngine(store);
		good(await makeForcer(store, [mended]).forcer.force(top));
		assert.deepEqual(mended.ran, ["bad", "top"]);
	});

	it("runs again when an output is not in the store any more", async () => {
		const full = memoryStore();
		const a = makeThunk(full, "a");
		good(await makeForcer(full, [testEngine(full)]).forcer.force(a));
		const lost = full.reductions.get(a, "")!;
		const store: Store = {
			reductions: full.reductions,
			objects: { ...full.objects, has: (h) => h !== lost && full.objects.has(h) },
		};
		const engine = testEngine(full);
		good(await makeForcer(store, [engine]).forcer.force(a));
		assert.deepEqual(engine.ran, ["a"]);
	});

	it("is taken from reductions that the original gg wrote, unless the thunk keeps what it prints", async () => {
		const store = memoryStore();
		const a = makeThunk(store, "a", [], { outputs: ["one", "two"] });
		store.reductions.put(a, "", store.objects.put(Buffer.from("1")));
		const engine = testEngine(store, { behave: () => ({ one: "1", two: "2" }) });
		// The second output is missing yet.
		good(await makeForcer(store, [engine]).forcer.force(a));
		assert.deepEqual(engine.ran, ["a"]);
		const b = makeThunk(store, "b");
		store.reductions.put(b, "", store.objects.put(Buffer.from("kept")));
		assert.equal(text(store, await makeForcer(store, [engine]).forcer.force(b)), "kept");
		assert.deepEqual(engine.ran, ["a"]);
		const c = makeThunk(store, "c", [], { capture: true, outputs: ["one", "two"] });
		store.reductions.put(c, "", store.objects.put(Buffer.from("kept")));
		store.reductions.put(c, "two", store.objects.put(Buffer.from("kept")));
		good(await makeForcer(store, [engine]).forcer.force(c));
		assert.deepEqual(engine.ran, ["a", "c"]);
	});

	it("need not be in the store if the forcer was told of it", async () => {
		const store = memoryStore();
		const thunk = { ...EMPTY_THUNK, functionHash: PROGRAM, args: ["a"], outputs: ["out"] };
		const hash = hashBytes(encodeThunk(thunk));
		const { forcer } = makeForcer(store, [testEngine(store)]);
		forcer.know(hash, thunk);
		good(await forcer.force(hash));
	});
});
