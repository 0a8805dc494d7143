import { strict as assert } from "node:assert";
import { saveResult } from "../../src/executor/results.js";
import { Recheck } from "../../src/forcer/recheck.js";
import { memoryStore } from "../../src/store/memory.js";
import type { Store } from "../../src/store/types.js";
import { decodeThunk } from "../../src/thunk/codec.js";
import type { ObjectHash } from "../../src/thunk/hash.js";
import { makeThunk, testEngine } from "../rig/engine.js";

const PATHS = [
	{ tag: "out", path: "/w/out", optional: false },
	{ tag: "side", path: "/w/side", optional: true },
];

/** A thunk that came to `out` earlier. */
function finished(store: Store, name: string, out: string): ObjectHash {
	const hash = makeThunk(store, name, [], { cwd: "/w", outputPaths: PATHS });
	const thunk = decodeThunk(store.objects.get(hash)!);
	assert.ok(thunk.ok);
	const empty = Buffer.alloc(0);
	const outputs = [{ tag: "out", hash: store.objects.put(Buffer.from(out)), mode: 0o644 }];
	saveResult(store, hash, thunk.value, { status: 0, signal: 0, stdout: empty, stderr: empty, outputs, wall: 0 });
	return hash;
}

describe("computing finished thunks again", () => {
	it("finds nothing where the results are the same", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: () => ({ out: "good" }) });
		const recheck = new Recheck({ store, engine, rate: 1 });
		for (const name of ["a", "b", "c"]) recheck.consider(finished(store, name, "good"));
		assert.deepEqual(await recheck.run(), { checked: 3, skipped: 0, disagreements: [] });
		assert.deepEqual(engine.ran.sort(), ["a", "b", "c"]);
		assert.equal(engine.most, engine.jobs);
	});

	it("names an output that is another one, and leaves the store as it was", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: () => ({ out: "good" }) });
		const recheck = new Recheck({ store, engine, rate: 1 });
		const hash = finished(store, "a", "bad");
		const was = store.reductions.get(hash, "");
		recheck.consider(hash);
		const { disagreements } = await recheck.run();
		assert.deepEqual(disagreements, [{ path: "/w/out", kind: "differs" }]);
		assert.equal(store.reductions.get(hash, ""), was);
	});

	it("names an output that only one of them has", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: () => ({ out: "good", side: "more" }) });
		const recheck = new Recheck({ store, engine, rate: 1 });
		recheck.consider(finished(store, "a", "good"));
		assert.deepEqual((await recheck.run()).disagreements, [{ path: "/w/side", kind: "differs" }]);
	});

	it("tells a command that is not repeatable from a wrong result", async () => {
		const store = memoryStore();
		let run = 0;
		const engine = testEngine(store, {
			behave: () => {
				run += 1;
				return { out: `${run}` };
			},
		});
		const recheck = new Recheck({ store, engine, rate: 1 });
		recheck.consider(finished(store, "a", "0"));
		assert.deepEqual((await recheck.run()).disagreements, [{ path: "/w/out", kind: "unstable" }]);
	});

	it("takes a command that fails now for a difference", async () => {
		const store = memoryStore();
		const recheck = new Recheck({ store, engine: testEngine(store, { behave: () => 1 }), rate: 1 });
		recheck.consider(finished(store, "a", "good"));
		assert.equal((await recheck.run()).disagreements[0]?.kind, "differs");
	});

	it("takes each thunk once, and of all of them the part that was asked for", async () => {
		const store = memoryStore();
		const engine = testEngine(store, { behave: () => ({ out: "good" }) });
		const draws = [0.1, 0.7, 0.49, 0.5];
		const recheck = new Recheck({ store, engine, rate: 0.5, random: () => draws.shift()! });
		for (const name of ["a", "b", "c", "d"]) {
			const hash = finished(store, name, "good");
			recheck.consider(hash);
			recheck.consider(hash);
		}
		assert.equal((await recheck.run()).checked, 2);
		assert.deepEqual(engine.ran.sort(), ["a", "c"]);
	});

	it("counts what cannot run again", async () => {
		const store = memoryStore();
		const recheck = new Recheck({ store, engine: testEngine(store), rate: 1 });
		recheck.consider(makeThunk(store, "without a result"));
		assert.deepEqual(await recheck.run(), { checked: 0, skipped: 1, disagreements: [] });
	});
});
