import assert from "node:assert/strict";
import type { ForceOutcome, Forcer } from "../../src/forcer/forcer.js";
import { Realiser, type RealiserOptions } from "../../src/interpose/realiser.js";
import type { ObjectHash } from "../../src/thunk/hash.js";
import type { Thunk } from "../../src/thunk/types.js";

const hash = "Tx" as ObjectHash;
const thunk = { thunks: [] } as unknown as Thunk;

/** A realiser over a forcer that only counts what it is asked for; thunks are for servers if they weigh something. */
function realiser(
	weight: number | undefined,
	meanwhile = (): void => undefined,
): { it: Realiser; forced: () => number } {
	let forced = 0;
	const forcer = {
		weigh: () => weight,
		know: () => undefined,
		force(): Promise<ForceOutcome> {
			meanwhile();
			forced += 1;
			return Promise.resolve({ kind: "forced" } as ForceOutcome);
		},
	} as unknown as Forcer;
	const o = { mode: "build", forcer, placeholders: { size: 0, all: () => [] } } as unknown as RealiserOptions;
	return { it: new Realiser(o), forced: () => forced };
}

describe("what is deferred beside a build", () => {
	it("is forced before the build ends, also where it was held back", async () => {
		for (const weight of [undefined, 1]) {
			const { it: made, forced } = realiser(weight);
			made.inBackground(hash, thunk);
			assert.equal(forced(), weight === undefined ? 1 : 0);
			assert.deepEqual(await made.settle(), []);
			assert.equal(forced(), 1);
		}
	});

	it("fails, and does not end gg, where its store cannot be read", async () => {
		const { it: made } = realiser(1, () => {
			throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
		});
		made.inBackground(hash, thunk);
		const [failed] = await made.settle();
		assert.match(failed?.failure?.message ?? "", /i\/o error/);
		assert.equal(made.mayDefer, false);
	});
});
