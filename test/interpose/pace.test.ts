import assert from "node:assert/strict";
import { Pace } from "../../src/interpose/pace.js";

/** A pace whose looks happen when the test says so, with the load that it says. */
function paced(): { pace: Pace; look: (utilisation: number) => void; looks: () => number } {
	const waiting: (() => void)[] = [];
	let load = 0;
	const pace = new Pace({ utilisation: () => load, after: (_, then) => void waiting.push(then) });
	return {
		pace,
		look(utilisation) {
			load = utilisation;
			for (const then of waiting.splice(0)) then();
		},
		looks: () => waiting.length,
	};
}

describe("the pace of thunks for servers", () => {
	it("lets one begin for so many answers while gg is busy, the heaviest first, and among equals the first", () => {
		const { pace, look } = paced();
		const begun: string[] = [];
		for (const [name, weight] of [
			["a", 1],
			["b", 5],
			["c", 5],
			["d", 3],
		] as const)
			pace.hold(weight, () => begun.push(name));
		for (let n = 0; n < 17; n += 1) {
			pace.asked();
			pace.answered();
			look(1);
		}
		assert.deepEqual(begun, ["b", "c"]);
		pace.answered();
		assert.deepEqual(begun, ["b", "c", "d"]);
	});

	it("lets some begin at each look where gg has time for them", () => {
		const { pace, look } = paced();
		let begun = 0;
		for (let n = 0; n < 5; n += 1) pace.hold(0, () => (begun += 1));
		pace.asked();
		look(0.2);
		assert.equal(begun, 2);
		pace.asked();
		look(0.9);
		assert.equal(begun, 2);
	});

	it("lets all begin once make has asked for nothing during some looks, however busy gg is with them", () => {
		const { pace, look, looks } = paced();
		let begun = 0;
		for (let n = 0; n < 50; n += 1) pace.hold(0, () => (begun += 1));
		pace.asked();
		for (let n = 0; n < 3; n += 1) look(1);
		assert.equal(begun, 0);
		look(1);
		assert.equal(begun, 50);
		assert.equal(looks(), 0, "it still looks though nothing is held");
	});

	it("begins all that is held when it is told to, what is held by that included", () => {
		const { pace, look } = paced();
		const begun: number[] = [];
		pace.hold(1, () => {
			begun.push(1);
			pace.hold(0, () => begun.push(2));
		});
		assert.equal(pace.release(), true);
		assert.deepEqual(begun, [1, 2]);
		assert.equal(pace.release(), false);
		look(0);
		assert.deepEqual(begun, [1, 2]);
	});
});
