import { strict as assert } from "node:assert";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Placeholders, readPlaceholder, sweep } from "../../src/store/placeholders.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { formatPlaceholder } from "../../src/thunk/placeholder.js";
import { testFolder } from "../rig/folder.js";

const T = `T${hashBytes(Buffer.from("x")).slice(1)}` as ObjectHash;
const plain = { hash: T, tag: "" };

describe("placeholders in a tree", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const journal = (): string => readFileSync(at(".gg/placeholders"), "utf8");

	it("are noted before they are written, and forgotten when they become real", () => {
		const placeholders = new Placeholders(at(".gg"));
		placeholders.write(at("x.o"), plain);
		placeholders.write(at("prog"), { hash: T, tag: "two" });
		assert.deepEqual(readPlaceholder(at("x.o")), plain);
		assert.deepEqual(readPlaceholder(at("prog")), { hash: T, tag: "two" });
		assert.equal(statSync(at("prog")).mode & 0o777, 0o755);
		assert.equal(journal(), `ggplaceholders1\0P ${at("x.o")}\0P ${at("prog")}\0`);
		placeholders.forget(at("x.o"));
		assert.equal(journal(), `ggplaceholders1\0P ${at("x.o")}\0P ${at("prog")}\0F ${at("x.o")}\0`);
		assert.deepEqual(placeholders.all(), [at("prog")]);
		placeholders.close();
		assert.equal(journal(), `ggplaceholders1\0P ${at("prog")}\0`);
	});

	it("are known to the next process, with any name that a file can have", () => {
		const names = ["a b", "a\nb", "F x", "ä", "P y"].map(at);
		const placeholders = new Placeholders(at(".gg"));
		for (const name of names) placeholders.write(name, plain);
		// As after a crash: nothing was closed.
		const next = new Placeholders(at(".gg"));
		assert.deepEqual(next.all(), names);
		for (const name of names) next.remove(name);
		next.close();
		assert.equal(existsSync(at(".gg/placeholders")), false);
		for (const name of names) assert.equal(existsSync(name), false);
		placeholders.close();
	});

	it("of two processes are all known to the next, whoever ends first", () => {
		const [one, two] = [new Placeholders(at(".gg")), new Placeholders(at(".gg"))];
		one.write(at("1"), plain);
		two.write(at("2"), plain);
		one.close();
		two.write(at("3"), plain);
		// As after a crash of the second.
		assert.deepEqual(new Placeholders(at(".gg")).all().sort(), ["1", "2", "3"].map(at));
		two.forget(at("1"));
		two.forget(at("2"));
		two.close();
		assert.deepEqual(new Placeholders(at(".gg")).all().sort(), ["1", "3"].map(at));
	});

	it("in a journal of another version are not believed, and it is written anew", () => {
		mkdirSync(at(".gg"));
		writeFileSync(at(".gg/placeholders"), `P ${at("old")}\0`);
		const placeholders = new Placeholders(at(".gg"));
		assert.equal(placeholders.stale, true);
		assert.deepEqual(placeholders.all(), []);
		placeholders.write(at("new"), plain);
		assert.equal(journal(), `ggplaceholders1\0P ${at("new")}\0`);
		placeholders.close();
		assert.equal(new Placeholders(at(".gg")).stale, false);
	});

	it("are noted once", () => {
		const placeholders = new Placeholders(at(".gg"));
		placeholders.write(at("x"), plain);
		placeholders.write(at("x"), { hash: T, tag: "two" });
		placeholders.forget(at("none"));
		assert.equal(journal(), `ggplaceholders1\0P ${at("x")}\0`);
		assert.equal(placeholders.size, 1);
		placeholders.close();
	});

	it("that have become something else are not removed", () => {
		const placeholders = new Placeholders(at(".gg"));
		placeholders.write(at("x"), plain);
		writeFileSync(at("x"), "real");
		placeholders.remove(at("x"));
		assert.equal(readFileSync(at("x"), "utf8"), "real");
		assert.equal(placeholders.size, 0);
		placeholders.close();
	});

	it("are regular files of little size: nothing else is one", () => {
		const { content } = formatPlaceholder("x", plain);
		writeFileSync(at("real"), content);
		symlinkSync("real", at("link"));
		mkdirSync(at("folder"));
		writeFileSync(at("long"), content + " ".repeat(300));
		writeFileSync(at("empty"), "");
		assert.deepEqual(readPlaceholder(at("real")), plain);
		for (const name of ["link", "folder", "long", "empty", "none", "real/below"]) {
			assert.equal(readPlaceholder(at(name)), undefined, name);
		}
	});
});

describe("the sweep after a build", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const { content } = formatPlaceholder("x.o", plain);
	const archive = (magic: string): string => `${magic}${"x.o/".padEnd(60)}${content}${"y".repeat(300)}`;

	it("finds placeholders that were moved or copied, but not in .gg, .git and the store", () => {
		for (const name of ["d/e", ".gg/blobs", ".git", "store"]) mkdirSync(at(name), { recursive: true });
		for (const name of ["d/e/x.o", ".gg/blobs/x", ".git/x", "store/x"]) writeFileSync(at(name), content);
		renameSync(at("d/e/x.o"), at("d/e/moved"));
		symlinkSync("e/moved", at("d/link"));
		assert.deepEqual(sweep(folder.path, 0, at("store")), { placeholders: [at("d/e/moved")], swallowed: [] });
	});

	it("finds files that hold one among other bytes, wherever it lies", () => {
		writeFileSync(at("a.a"), archive("!<arch>\n"));
		writeFileSync(at("b.a"), archive("!<thin>\n"));
		writeFileSync(at("c"), content + content);
		writeFileSync(at("c.d"), `${formatPlaceholder("x.d", { hash: T, tag: "depfile" }).content}more: x\n`);
		writeFileSync(at("d.a"), `!<arch>\n${"y".repeat(500)}`);
		writeFileSync(at("e.c"), `puts("#!/usr/bin/env gg-force-and-run\n");${"y".repeat(500)}`);
		for (const [i, before] of [(1 << 20) - content.length, (1 << 20) - 40, 1 << 20, (2 << 20) - 1].entries()) {
			writeFileSync(at(`f${i}`), "y".repeat(before) + content);
		}
		const { placeholders, swallowed } = sweep(folder.path, 0, at("store"));
		const expected = ["a.a", "b.a", "c", "c.d", "f0", "f1", "f2", "f3"].map(at);
		assert.deepEqual([placeholders, [...swallowed].sort()], [[], expected]);
	});

	it("passes over what did not change since", () => {
		writeFileSync(at("x.o"), content);
		assert.deepEqual(sweep(folder.path, statSync(at("x.o")).ctimeMs + 1, at("store")).placeholders, []);
		assert.deepEqual(sweep(folder.path, statSync(at("x.o")).ctimeMs, at("store")).placeholders, [at("x.o")]);
	});

	it("of a folder that is gone finds nothing", () => {
		rmSync(at("x"), { force: true });
		assert.deepEqual(sweep(at("none"), 0, at("store")), { placeholders: [], swallowed: [] });
	});
});
