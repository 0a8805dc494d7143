import { strict as assert } from "node:assert";
import { coalesce } from "../../../src/engines/reapi/coalesce.js";

describe("coalesce", () => {
	it("makes one call of what is asked for at the same time", async () => {
		const batches: number[][] = [];
		const ask = coalesce<number, number>({
			most: 100,
			limit: 100,
			weigh: () => 1,
			calls: 1,
			run: async (items) => {
				batches.push([...items]);
				return items.map((n) => n * 2);
			},
		});
		assert.deepEqual(await Promise.all([ask(1), ask(2), ask(3)]), [2, 4, 6]);
		assert.deepEqual(batches, [[1, 2, 3]]);
	});

	it("keeps each call within count and weight, and sends what is too heavy alone", async () => {
		const batches: number[][] = [];
		const ask = coalesce<number, number>({
			most: 2,
			limit: 10,
			weigh: (n) => n,
			calls: 1,
			run: async (items) => {
				batches.push([...items]);
				return [...items];
			},
		});
		await Promise.all([1, 1, 1, 9, 2, 50, 3].map(ask));
		assert.deepEqual(batches, [[1, 1], [1, 9], [2], [50], [3]]);
	});

	it("gathers while a call is under way", async () => {
		const batches: number[][] = [];
		let release = (): void => undefined;
		const held = new Promise<void>((resolve) => {
			release = resolve;
		});
		const ask = coalesce<number, number>({
			most: 100,
			limit: 100,
			weigh: () => 1,
			calls: 1,
			run: async (items) => {
				batches.push([...items]);
				if (batches.length === 1) await held;
				return [...items];
			},
		});
		const first = ask(1);
		await new Promise((resolve) => setImmediate(resolve));
		const rest = [ask(2), ask(3)];
		await new Promise((resolve) => setImmediate(resolve));
		assert.deepEqual(batches, [[1]]);
		release();
		await Promise.all([first, ...rest]);
		assert.deepEqual(batches, [[1], [2, 3]]);
	});

	it("tells all of a call that failed, and goes on", async () => {
		let calls = 0;
		const ask = coalesce<number, number>({
			most: 100,
			limit: 100,
			weigh: () => 1,
			calls: 1,
			run: async (items) => {
				calls += 1;
				if (calls === 1) throw new Error("broken");
				return [...items];
			},
		});
		const ends = await Promise.allSettled([ask(1), ask(2)]);
		assert.deepEqual(
			ends.map((e) => e.status),
			["rejected", "rejected"],
		);
		assert.equal(await ask(3), 3);
	});

	it("gathers what comes soon after a call, until that fills one", async () => {
		const batches: number[][] = [];
		const ask = coalesce<number, number>({
			most: 3,
			limit: 100,
			weigh: () => 1,
			calls: 2,
			every: () => 1e8,
			run: async (items) => {
				batches.push([...items]);
				return [...items];
			},
		});
		await ask(1);
		const rest = [ask(2), ask(3)];
		for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
		assert.deepEqual(batches, [[1]]);
		await Promise.all([...rest, ask(4)]);
		assert.deepEqual(batches, [[1], [2, 3, 4]]);
	});
});
