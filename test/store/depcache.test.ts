import { strict as assert } from "node:assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DepCache } from "../../src/store/depcache.js";
import { Pack } from "../../src/store/pack.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { testFolder } from "../rig/folder.js";

const thunk = (n: number): ObjectHash => hashBytes(Buffer.from(`##GGTHUNK##${n}`));
const entry = (n: number) => ({ thunk: thunk(n), absent: { "/usr/include": [`${n}.h`] } });

describe("the cache of dependencies", () => {
	const folder = testFolder();
	const key = DepCache.key(["gcc", "-c"]);
	const file = (): string => join(folder.path, "depcache/pack");

	it("gives back what was put, newest first", () => {
		const cache = new DepCache(folder.path);
		assert.deepEqual(cache.get(key), []);
		cache.put(key, entry(1));
		cache.put(key, entry(2));
		assert.deepEqual(cache.get(key), [entry(2), entry(1)]);
		cache.close();
		assert.deepEqual(new DepCache(folder.path).get(key), [entry(2), entry(1)]);
		assert.deepEqual(cache.get(DepCache.key(["gcc"])), []);
	});

	it("moves what comes again to the front", () => {
		const cache = new DepCache(folder.path);
		for (const n of [1, 2, 3, 1]) cache.put(key, entry(n));
		assert.deepEqual(cache.get(key), [entry(1), entry(3), entry(2)]);
	});

	it("keeps six variants", () => {
		const cache = new DepCache(folder.path);
		for (let n = 0; n < 10; n++) cache.put(key, entry(n));
		assert.deepEqual(
			cache.get(key),
			[9, 8, 7, 6, 5, 4].map((n) => entry(n)),
		);
	});

	it("tells parts apart, not only what they come to together", () => {
		const keys = [["ab", "c"], ["a", "bc"], ["abc"], ["a", "b", "c"], ["", "abc"], ["abc", ""], []];
		assert.equal(new Set(keys.map((k) => DepCache.key(k))).size, keys.length);
		assert.match(key, /^[A-Za-z0-9_-]{43}$/);
	});

	it("has nothing for what is damaged or of another version, and is written anew", () => {
		const put = (text: string): void => {
			const pack = new Pack(file());
			pack.put(key, Buffer.from(text));
			pack.close();
		};
		const good = JSON.stringify({ v: 1, entries: [entry(1)] });
		const bad = ["", "null", "5", "[]", "{}", '{"v":1}', '{"v":1,"entries":5}', '{"v":1,"entries":[null]}'];
		bad.push(good.replace('"v":1', '"v":2'), good.slice(1), good.slice(0, -1));
		for (const text of bad) {
			put(text);
			assert.deepEqual(new DepCache(folder.path).get(key), [], text);
		}
		const cache = new DepCache(folder.path);
		cache.put(key, entry(2));
		cache.close();
		assert.deepEqual(new DepCache(folder.path).get(key), [entry(2)]);
	});

	it("has nothing for what was cut short anywhere, and is written anew", () => {
		const cache = new DepCache(folder.path);
		cache.put(key, entry(1));
		cache.close();
		const whole = readFileSync(file());
		for (let length = 0; length < whole.length; length++) {
			writeFileSync(file(), whole.subarray(0, length));
			const next = new DepCache(folder.path);
			assert.deepEqual(next.get(key), [], `cut at ${length}`);
			next.put(key, entry(2));
			next.close();
			assert.deepEqual(new DepCache(folder.path).get(key), [entry(2)], `cut at ${length} and written again`);
		}
	});

	it("leaves out entries whose thunk or dependency file is no hash", () => {
		const pack = new Pack(file());
		const entries = [
			{ thunk: "../../x", absent: {} },
			entry(1),
			{ absent: {} },
			{ thunk: 5, absent: {} },
			{ ...entry(2), depfile: "../x" },
		];
		pack.put(key, Buffer.from(JSON.stringify({ v: 1, entries })));
		pack.close();
		assert.deepEqual(new DepCache(folder.path).get(key), [entry(1)]);
	});

	it("drops what leads to thunks that are gone", () => {
		const cache = new DepCache(folder.path);
		const other = DepCache.key(["other"]);
		for (const n of [1, 2]) cache.put(key, entry(n));
		cache.put(other, entry(3));
		cache.compact((hash) => hash === thunk(1));
		assert.deepEqual([cache.get(key), cache.get(other)], [[entry(2), entry(1)], []]);
	});
});
