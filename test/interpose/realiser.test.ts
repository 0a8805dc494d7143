import assert from "node:assert/strict";
import type { ForceOutcome, Forcer } from "../../src/forcer/forcer.js";
import { Realiser, type RealiserOptions } from "../../src/interpose/realiser.js";
import type { ObjectHash } from "../../src/thunk/hash.js";
import type { Thunk } from "../../src/thunk/types.js";

const hash = "Tx" as ObjectHash;
const thunk = { thunks: [] } as unknown as Thunk;

/** A realiser over a forcer that only counts what it is asked for; thunks are for servers if they weigh something. */
function realiser(mode: "build" | "infer", weight: number | undefined): { it: Realiser; forced: () => number } {
	let forced = 0;
	const forcer = {
		weigh: () => weight,
		know: () => undefined,
		force: async (): Promise<ForceOutcome> => {
			forced += 1;
			return { kind: "forced" } as ForceOutcome;
		},
	} as unknown as Forcer;
	const o = { mode, forcer, placeholders: { size: 0, all: () => [] } } as unknown as RealiserOptions;
	return { it: new Realiser(o), forced: () => forced };
}

describe("what is deferred beside a build", () => {
	for (const [where, weight] of [
		["here", undefined],
		["on servers", 1],
	] as const)
		it(`is forced before the build ends, also where a shim is still putting placeholders, ${where}`, async () => {
			const { it: made, forced } = realiser("build", weight);
			let placed = (_: undefined): void => undefined;
			void made.once(new Promise<undefined>((resolve) => (placed = resolve)), { hash, thunk });
			let ended = false;
			const end = made.settle().then((failed) => {
				ended = true;
				return failed;
			});
			await new Promise(setImmediate);
			assert.deepEqual([ended, forced()], [false, 0]);
			placed(undefined);
			assert.deepEqual(await end, []);
			assert.equal(forced(), 1);
		});

	it("is not forced if its placeholders cannot be put, or under infer", async () => {
		const build = realiser("build", undefined);
		assert.equal(await build.it.once(Promise.resolve("no room"), { hash, thunk }), "no room");
		const infer = realiser("infer", undefined);
		assert.equal(await infer.it.once(Promise.resolve(undefined), { hash, thunk }), undefined);
		await Promise.all([build.it.settle(), infer.it.settle()]);
		assert.deepEqual([build.forced(), infer.forced()], [0, 0]);
	});
});
