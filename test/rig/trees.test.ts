import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { differingParts } from "./parts.js";
import { compareTimeOrder, compareTrees, describeDifference, findPlaceholders } from "./trees.js";

describe("comparing trees", () => {
	let base = "";
	beforeEach(() => {
		base = mkdtempSync(join(tmpdir(), "gg-trees-"));
	});
	afterEach(() => rmSync(base, { recursive: true, force: true }));

	/** Files by path; a number is the modification time in seconds after an arbitrary start. */
	function tree(name: string, files: Readonly<Record<string, string | Buffer | number>>): string {
		const root = join(base, name);
		mkdirSync(root);
		for (const [path, content] of Object.entries(files)) {
			const file = join(root, path);
			mkdirSync(dirname(file), { recursive: true });
			writeFileSync(file, typeof content === "number" ? "" : content, { mode: 0o644 });
			chmodSync(file, 0o644);
			if (typeof content === "number") utimesSync(file, 1.7e9 + content, 1.7e9 + content);
		}
		return root;
	}

	const lines = (a: string, b: string, ignore?: readonly string[]): string[] =>
		compareTrees(a, b, ignore).map(describeDifference);

	it("finds nothing between equal trees, whatever their times", () => {
		const files = { "a.c": "int a;", "sub/b.c": "int b;" };
		const a = tree("a", files);
		const b = tree("b", files);
		utimesSync(join(b, "a.c"), 1, 1);
		assert.deepEqual(lines(a, b), []);
	});

	it("names what is missing and what is too much, in byte order", () => {
		assert.deepEqual(lines(tree("a", { b: "", Z: "" }), tree("b", { a: "", b: "" })), [
			"Z: missing",
			"a: should not be there",
		]);
	});

	it("tells the first byte that differs, and both sizes", () => {
		assert.deepEqual(lines(tree("a", { x: "same", y: "abc" }), tree("b", { x: "sane", y: "abcd" })), [
			"x: differs from byte 2",
			"y: differs from byte 3, 4 bytes instead of 3",
		]);
	});

	it("sees modes, types and what symlinks say", () => {
		const a = tree("a", { tool: "", kind: "" });
		const b = tree("b", { tool: "", "kind/file": "" });
		chmodSync(join(a, "tool"), 0o755);
		symlinkSync("tool", join(a, "link"));
		symlinkSync("kind", join(b, "link"));
		assert.deepEqual(lines(a, b), [
			"kind: directory instead of file",
			"kind/file: should not be there",
			"link: links to kind instead of tool",
			"tool: mode 0644 instead of 0755",
		]);
	});

	it("leaves out .gg and, where told, names and paths", () => {
		const a = tree("a", { ".gg/blobs/x": "", kept: "" });
		const b = tree("b", { kept: "", "sub/.gg/y": "", "sub/log": "" });
		assert.deepEqual(lines(a, b), ["sub: should not be there", "sub/log: should not be there"]);
		assert.deepEqual(lines(a, b, [".gg", "sub"]), []);
	});

	it("names the members of an archive that differ, and their order", () => {
		const member = (name: string, content: string): string =>
			`${`${name}/`.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"644".padEnd(8)}` +
			`${String(content.length).padEnd(10)}\`\n${content}${content.length % 2 === 1 ? "\n" : ""}`;
		const archive = (...members: string[]): Buffer => Buffer.from(`!<arch>\n${members.join("")}`);
		const one = archive(member("a.o", "odd"), member("b.o", "even"));
		assert.deepEqual(differingParts(one, archive(member("a.o", "odd"), member("b.o", "EVEN"))), ["b.o"]);
		assert.deepEqual(differingParts(one, archive(member("b.o", "even"), member("a.o", "odd"))), ["order of parts"]);
		assert.deepEqual(differingParts(one, archive(member("a.o", "odd"))), ["b.o gone", "header of b.o gone"]);
	});

	it("names the sections of an ELF file that differ", () => {
		assert.deepEqual(differingParts(elf({ ".text": "code", ".data": "x" }), elf({ ".text": "cOde", ".data": "x" })), [
			".text",
		]);
	});

	it("counts a pair of times only where all control builds agree on it", () => {
		const first = tree("first", { "a.c": 0, "a.o": 10, "b.o": 11, lib: 20 });
		const second = tree("second", { "a.c": 0, "a.o": 13, "b.o": 12, lib: 22 });
		const actual = tree("actual", { "a.c": 0, "a.o": 33, "b.o": 31, lib: 32 });
		assert.deepEqual(compareTimeOrder({ controls: [first, second], actual }), {
			pairs: 2,
			inverted: 1,
			worst: [{ earlier: "a.o", later: "lib", byMs: 1000 }],
			touched: [],
		});
	});

	it("lists a source whose time changed though no control build wrote it", () => {
		const controls = [tree("first", { "a.c": 0, "a.o": 10 }), tree("second", { "a.c": 0, "a.o": 13 })];
		assert.deepEqual(compareTimeOrder({ controls, actual: tree("actual", { "a.c": 1, "a.o": 14 }) }).touched, ["a.c"]);
	});

	it("finds placeholders of both forms", () => {
		const hash = `T${"A".repeat(43)}00000084`;
		const root = tree("a", {
			"tool.sh": `#!/bin/sh\n# ${hash}\nexit 0 # long enough\n`,
			program: `#!/usr/bin/env gg-force-and-run\n${hash}\n`,
			"x.o": `OUTPUT_FORMAT("elf64-x86-64")/*\n${hash}\n*/`,
		});
		assert.deepEqual(findPlaceholders(root), ["program", "x.o"]);
	});
});

/** The smallest 64-bit ELF file with these sections. */
function elf(sections: Readonly<Record<string, string>>): Buffer {
	const all = Object.entries({ ...sections, ".shstrtab": `\0${Object.keys(sections).join("\0")}\0.shstrtab\0` });
	const names = all.at(-1)?.[1] ?? "";
	const head = Buffer.alloc(64);
	head.writeUInt32BE(0x7f454c46, 0);
	head.set([2, 1, 1], 4);
	let offset = 64;
	const table = [Buffer.alloc(64)];
	for (const [name, content] of all) {
		const header = Buffer.alloc(64);
		header.writeUInt32LE(names.indexOf(`\0${name}\0`) + 1, 0);
		header.writeUInt32LE(1, 4);
		header.writeBigUInt64LE(BigInt(offset), 24);
		header.writeBigUInt64LE(BigInt(content.length), 32);
		table.push(header);
		offset += content.length;
	}
	head.writeBigUInt64LE(BigInt(offset), 40);
	head.writeUInt16LE(64, 58);
	head.writeUInt16LE(table.length, 60);
	head.writeUInt16LE(table.length - 1, 62);
	return Buffer.concat([head, Buffer.from(all.map(([, content]) => content).join("")), ...table]);
}
