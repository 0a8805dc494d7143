import assert from "node:assert/strict";
import { expandResponseFiles, splitResponseText } from "../../src/models/response-file.js";

describe("response files", () => {
	it("split at white space and keep quoted text together", () => {
		const words = splitResponseText(`-c  "a b.c"\n'c d.c'\t-DX=\\"y\\" e\\ f "" "x\\"y" 'q\\'r' tail`);
		assert.deepEqual(words, ["-c", "a b.c", "c d.c", '-DX="y"', "e f", "", 'x"y', "q'r", "tail"]);
	});
	const read = (files: Record<string, string>) => (path: string) => files[path];
	it("are expanded in place, and within each other", () => {
		const files = { "/src/one": "-c @/abs/two -O2", "/abs/two": "a.c b.c" };
		const { args, files: names } = expandResponseFiles(["@one", "-g"], "/src", read(files));
		assert.deepEqual(args, ["-c", "a.c", "b.c", "-O2", "-g"]);
		assert.deepEqual(names, ["one", "/abs/two"]);
	});
	it("that are absent stay as a word", () => {
		assert.deepEqual(expandResponseFiles(["@none", "@"], "/src", read({})), { args: ["@none", "@"], files: [] });
	});
	it("that name themselves come to an end", () => {
		assert.ok(expandResponseFiles(["@loop"], "/src", read({ "/src/loop": "@loop" })).files.length > 0);
	});
});
