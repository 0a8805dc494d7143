import { strict as assert } from "node:assert";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { formatPlaceholder, isLinkerName, PLACEHOLDER_MAX, parsePlaceholder } from "../../src/thunk/placeholder.js";

const T = `T${hashBytes(Buffer.from("hello\n")).slice(1)}` as ObjectHash;
const plain = { hash: T, tag: "" };

describe("placeholders", () => {
	it("for most files are a script that forces and runs, as in the original gg", () => {
		const expected = { content: `#!/usr/bin/env gg-force-and-run\n${T}\n`, mode: 0o755 };
		assert.deepEqual(formatPlaceholder("prog", plain), expected);
		assert.deepEqual(formatPlaceholder("x.lo", plain), expected);
		assert.deepEqual(formatPlaceholder("x.c", plain), expected);
	});

	it("for files that linkers read are a linker script that fails where nobody forced it", () => {
		const head = `OUTPUT_FORMAT("elf64-x86-64")/*\n${T}\n*/`;
		const { content, mode } = formatPlaceholder("x.o", plain);
		assert.equal(content.startsWith(head), true);
		assert.equal(content.slice(head.length), '\nINPUT("gg-placeholder-that-was-not-forced")\n');
		assert.equal(mode, 0o600);
	});

	it("for lists of dependencies are comments to make, whatever their names", () => {
		for (const name of ["x.d", "x.s"]) {
			const { content, mode } = formatPlaceholder(name, { hash: T, tag: "depfile" });
			assert.equal(content, `#!/usr/bin/env gg-force-and-run\n#${T}#depfile\n`);
			assert.equal(mode, 0o755);
		}
	});

	it("take their form from what follows the last dot, as in the original gg", () => {
		for (const name of [
			"x.so",
			"x.a",
			"x.o",
			"x.s",
			"x.S",
			"x.sho",
			"o",
			"a",
			"so",
			"d.d/x.o",
			"libx.so.1",
			"libx.so.1.2.3",
		]) {
			assert.equal(isLinkerName(name), true, name);
		}
		for (const name of ["x.lo", "x.c", "prog", "x.o.d", "x.sox", "d.o/prog", "x.so.1.a.b", ".sox", "foo"]) {
			assert.equal(isLinkerName(name), false, name);
		}
	});

	it("are read in all forms, with and without the name of an output", () => {
		for (const path of ["prog", "x.o"]) {
			for (const tag of ["", "two", "a/b", "a#b", "depfile"]) {
				const { content } = formatPlaceholder(path, { hash: T, tag });
				assert.deepEqual(parsePlaceholder(Buffer.from(content)), { hash: T, tag });
			}
		}
	});

	it("of the original gg are read", () => {
		assert.deepEqual(parsePlaceholder(Buffer.from(`OUTPUT_FORMAT("elf64-x86-64")/*\n${T}\n*/`)), plain);
	});

	it("fit into what is read of a file to find them", () => {
		const { content } = formatPlaceholder("x.o", { hash: T, tag: "side12" });
		assert.ok(content.length <= PLACEHOLDER_MAX);
	});

	it("are nothing else", () => {
		const { content } = formatPlaceholder("x.o", plain);
		const hashEnds = content.indexOf("\n", 32);
		for (let length = 0; length < hashEnds; length++) {
			assert.equal(parsePlaceholder(Buffer.from(content.slice(0, length))), undefined, `cut at ${length}`);
		}
		for (const text of [
			"",
			"#!/bin/sh\necho a longer script than thirty-two bytes\n",
			`#!/usr/bin/env gg-force-and-run\nnot a hash\n`,
			`#!/usr/bin/env gg-force-and-run\n../../${T.slice(6)}\n`,
			`#!/usr/bin/env gg-force-and-run\n##${T}\n`,
			`#!/usr/bin/env gg-force-and-rum\n${T}\n`,
			`OUTPUT_FORMAT("elf64-x86-64")/*\n\n*/`,
			`\n#!/usr/bin/env gg-force-and-run\n${T}\n`,
		]) {
			assert.equal(parsePlaceholder(Buffer.from(text)), undefined, JSON.stringify(text));
		}
		assert.equal(parsePlaceholder(Buffer.alloc(4096)), undefined);
	});
});
