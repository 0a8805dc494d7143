import { strict as assert } from "node:assert";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DepCache } from "../../src/store/depcache.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { testFolder } from "../rig/folder.js";

const thunk = (n: number): ObjectHash => hashBytes(Buffer.from(`##GGTHUNK##${n}`));
const entry = (n: number) => ({ thunk: thunk(n), absent: { "/usr/include": [`${n}.h`] } });

describe("the cache of dependencies", () => {
	const folder = testFolder();
	const key = DepCache.key(["gcc", "-c"]);
	const file = (): string => join(folder.path, "depcache", key);

	it("gives back what was put, newest first", () => {
		const cache = new DepCache(folder.path);
		assert.deepEqual(cache.get(key), []);
		cache.put(key, entry(1));
		cache.put(key, entry(2));
		assert.deepEqual(cache.get(key), [entry(2), entry(1)]);
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

	it("has nothing for what is cut short, damaged or of another version, and is written anew", () => {
		const cache = new DepCache(folder.path);
		cache.put(key, entry(1));
		const good = readFileSync(file(), "utf8");
		const bad = ["", "null", "5", "[]", "{}", '{"v":1}', '{"v":1,"entries":5}', '{"v":1,"entries":[null]}', good.replace('"v":1', '"v":2')];
		for (let length = 0; length < good.length; length++) bad.push(good.slice(0, length));
		for (const text of bad) {
			writeFileSync(file(), text);
			assert.deepEqual(cache.get(key), [], text);
		}
		cache.put(key, entry(2));
		assert.deepEqual(cache.get(key), [entry(2)]);
	});

	it("leaves out entries whose thunk is no hash", () => {
		const cache = new DepCache(folder.path);
		mkdirSync(join(folder.path, "depcache"));
		const entries = [{ thunk: "../../x", absent: {} }, entry(1), { absent: {} }, { thunk: 5, absent: {} }];
		writeFileSync(file(), JSON.stringify({ v: 1, entries }));
		assert.deepEqual(cache.get(key), [entry(1)]);
	});

	it("leaves no other files", () => {
		const cache = new DepCache(folder.path);
		for (let n = 0; n < 5; n++) cache.put(key, entry(n));
		assert.deepEqual(readdirSync(join(folder.path, "depcache")), [key]);
	});
});
