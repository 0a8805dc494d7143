import { strict as assert } from "node:assert";
import { Heap } from "../../src/util/heap.js";

describe("a heap", () => {
	it("gives what it was given in order, whatever order it came in, also while more comes", () => {
		const heap = new Heap<number>((a, b) => a < b);
		assert.equal(heap.first, undefined);
		assert.equal(heap.pop(), undefined);
		const given: number[] = [];
		let seed = 1;
		const random = (): number => {
			seed = (seed * 1103515245 + 12345) % 2147483648;
			return seed;
		};
		for (let i = 0; i < 2000; i++) {
			if (i % 3 === 2) {
				const least = Math.min(...given);
				assert.equal(heap.first, least);
				assert.equal(heap.pop(), least);
				given.splice(given.indexOf(least), 1);
				continue;
			}
			const item = random();
			given.push(item);
			heap.push(item);
		}
		assert.deepEqual([...heap.all].sort(), [...given].sort());
		given.sort((a, b) => a - b);
		assert.deepEqual(
			given.map(() => heap.pop()),
			given,
		);
		assert.equal(heap.pop(), undefined);
	});
});
