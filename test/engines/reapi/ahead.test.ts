import { strict as assert } from "node:assert";
import { Ahead } from "../../../src/engines/reapi/ahead.js";
import type { ObjectHash } from "../../../src/thunk/hash.js";
import { EMPTY_THUNK } from "../../../src/thunk/types.js";

describe("thunks that wait", () => {
	const THUNK = { ...EMPTY_THUNK, functionHash: "f" as ObjectHash };

	function made(most: number) {
		const begun: string[] = [];
		const ahead = new Ahead(most, async (hash) => {
			begun.push(hash);
			return hash;
		});
		return {
			begun,
			plan: (name: string, weight?: number) => ahead.plan(name as ObjectHash, THUNK, weight),
			take: (name: string) => ahead.take(name as ObjectHash, THUNK),
		};
	}

	it("are made ready in their turn, so many of them and each once", async () => {
		const { begun, plan, take } = made(2);
		for (const name of ["a", "b", "c", "d", "a"]) plan(name);
		assert.deepEqual(begun, ["a", "b"]);
		assert.equal(await take("a"), "a");
		assert.deepEqual(begun, ["a", "b", "c"]);
		// Nobody had planned it.
		assert.equal(await take("e"), "e");
		// It was not ready yet, and is not made so again.
		assert.equal(await take("d"), "d");
		for (const name of ["b", "c"]) await take(name);
		assert.deepEqual(begun, ["a", "b", "c", "e", "d"]);
	});

	it("are made ready by weight, also where lighter ones were before, but not without end", async () => {
		const { begun, plan, take } = made(2);
		for (const [i, name] of ["a", "b", "c", "d"].entries()) plan(name, i);
		// Two are ready, and each of the others goes before one of them.
		assert.deepEqual(begun, ["a", "b", "c", "d"]);
		plan("light", 1);
		assert.deepEqual(begun, ["a", "b", "c", "d"]);
		for (let i = 0; i < 20; i++) plan(`heavy${i}`, 100 + i);
		assert.equal(begun.length, 8);
		for (const name of begun.slice(0, 8)) await take(name);
		// The heaviest come first, now that there is room.
		assert.deepEqual(begun.slice(8), ["heavy19", "heavy18"]);
	});
});
