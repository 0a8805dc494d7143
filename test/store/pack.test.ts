import { strict as assert } from "node:assert";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Pack } from "../../src/store/pack.js";
import { testFolder } from "../rig/folder.js";

describe("a pack", () => {
	const folder = testFolder();
	const path = (): string => join(folder.path, "pack");
	const text = (pack: Pack, key: string): string | undefined => pack.get(key)?.toString();

	it("gives back what was put, before and after it is written, later records for earlier", () => {
		const pack = new Pack(path());
		assert.equal(pack.get("a"), undefined);
		assert.equal(existsSync(path()), false);
		pack.put("a", Buffer.from("1"));
		pack.put("b", Buffer.alloc(0));
		assert.equal(text(pack, "a"), "1");
		pack.put("a", Buffer.from("2"));
		assert.equal(text(pack, "a"), "2");
		pack.flush();
		assert.equal(text(pack, "a"), "2");
		assert.equal(text(pack, "b"), "");
		pack.put("a", Buffer.from("3"));
		pack.close();
		const next = new Pack(path());
		assert.deepEqual([text(next, "a"), text(next, "b"), text(next, "c")], ["3", "", undefined]);
		assert.deepEqual([...next.keys()].sort(), ["a", "b"]);
		assert.equal(next.sizeOf("a"), 1);
		next.close();
	});

	it("holds values of any bytes and size, and writes by itself when much waits", () => {
		const pack = new Pack(path());
		const values = [
			Buffer.from([1, 0x47, 0x47, 0x50, 0, 0, 0, 0]),
			Buffer.alloc(300 << 10, 7),
			Buffer.from("ggpack1\n"),
		];
		for (const [i, value] of values.entries()) pack.put(String(i), value);
		assert.ok(statSync(path()).size > 300 << 10);
		pack.close();
		const next = new Pack(path());
		for (const [i, value] of values.entries()) assert.deepEqual(next.get(String(i)), value);
		next.close();
	});

	it("shows each of two writers what the other has written", () => {
		const [one, two] = [new Pack(path()), new Pack(path())];
		for (let i = 0; i < 50; i++) {
			one.put(`one${i}`, Buffer.from("1"));
			two.put(`two${i}`, Buffer.from("2"));
			one.flush();
			two.flush();
			assert.deepEqual([text(two, `one${i}`), text(one, `two${i}`)], ["1", "2"]);
		}
		one.close();
		two.close();
	});

	it("of another kind or version is empty", () => {
		for (const content of ["", "x", "ggpack2\n", "something else"]) {
			writeFileSync(path(), content);
			const pack = new Pack(path());
			assert.equal(pack.get("a"), undefined);
			assert.deepEqual([...pack.keys()], []);
			pack.close();
		}
	});

	it("that was compacted holds what was to be kept, in less room", () => {
		const pack = new Pack(path());
		for (let i = 0; i < 20; i++) for (const key of ["a", "b", "c"]) pack.put(key, Buffer.from(`${key}${i}`));
		pack.flush();
		const { size } = statSync(path());
		pack.compact((key) => key !== "b");
		assert.ok(statSync(path()).size < size / 10);
		assert.deepEqual([text(pack, "a"), text(pack, "b"), text(pack, "c")], ["a19", undefined, "c19"]);
		pack.put("d", Buffer.from("new"));
		pack.close();
		assert.equal(text(new Pack(path()), "d"), "new");
		assert.deepEqual(readdirSync(folder.path), ["pack"]);
	});

	it("that another process compacts goes on to be read, and takes what is written then", () => {
		const [one, two] = [new Pack(path()), new Pack(path())];
		one.put("a", Buffer.from("1"));
		one.put("b", Buffer.from("2"));
		one.flush();
		assert.equal(text(one, "a"), "1");
		two.compact((key) => key === "b");
		assert.equal(text(one, "a"), "1");
		one.put("c", Buffer.from("3"));
		one.flush();
		assert.deepEqual([text(one, "a"), text(one, "b"), text(one, "c")], [undefined, "2", "3"]);
		assert.deepEqual([text(two, "b"), text(two, "c")], ["2", "3"]);
		one.close();
		two.close();
	});

	it("that was removed is made anew", () => {
		const pack = new Pack(path());
		pack.put("a", Buffer.from("1"));
		pack.flush();
		rmSync(path());
		pack.put("b", Buffer.from("2"));
		pack.close();
		assert.equal(readFileSync(path()).subarray(0, 8).toString(), "ggpack1\n");
		assert.equal(text(new Pack(path()), "b"), "2");
	});

	it("that is not there need not be compacted", () => {
		new Pack(path()).compact(() => true);
		assert.deepEqual(readdirSync(folder.path), []);
	});
});
