import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { planOf, WAYS } from "../rig/random/plan.js";
import { runTrial } from "../rig/random/trial.js";

/** Small projects made up from a seed; `node build/bench/random.js` builds as many as one likes. */
describe("random projects", () => {
	let folder = "";
	let cache = "";
	before(() => {
		cache = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "gg-random-cache-")));
	});
	after(() => fs.rmSync(cache, { recursive: true, force: true }));
	beforeEach(() => {
		folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "gg-random-")));
	});
	afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

	for (let seed = 1; seed <= 16; seed++) {
		const way = WAYS[seed % WAYS.length];
		assert.ok(way !== undefined);
		const plan = planOf(seed, { ways: [way] });
		it(`seed ${seed}: ${plan.features.join(", ")} come out the same by ${way}`, async () => {
			const trial = await runTrial(plan, { folder, cache });
			assert.equal(trial.unexpected, undefined);
			assert.deepEqual(trial.problems, [], `node build/bench/random.js --seed ${seed} --ways ${way}`);
		});
	}

	// Times within one tick of the clock, copies of what was forced, `ar r` after `ar r`, what a message shows, a map that is
	// newer than its library, a link made of what is being replaced, files of a store beside the tree: each differed in some of the runs.
	for (const seed of [30311, 31073, 31109, 31272, 31883, 32084, 60644, 90303, 92112, 98010, 98017]) {
		const plan = planOf(seed, { ways: WAYS });
		it(`seed ${seed}: ${plan.features.join(", ")} come out the same by ${plan.ways.join(" and ")}`, async () => {
			const trial = await runTrial(plan, { folder, cache });
			assert.deepEqual(trial.problems, [], `node build/bench/random.js --seed ${seed}`);
		});
	}

	it("a seed stands for one project", () => {
		const choice = { ways: WAYS };
		assert.deepEqual(planOf(77, choice), planOf(77, choice));
		assert.notDeepEqual(planOf(77, choice).files, planOf(78, choice).files);
	});
});
