import assert from "node:assert/strict";
import path from "node:path";
import { nasmIncludes } from "../../src/models/nasm-includes.js";

/** `files`: text by name; null is a folder. */
function includesOf(files: Readonly<Record<string, string | null>>, dirs: readonly string[] = []) {
	const found = nasmIncludes({
		source: "s.asm",
		preincluded: [],
		dirs,
		canonical: (name) => path.posix.resolve("/w", name),
		stat: (name) => {
			const text = files[name.slice(3)];
			return text === undefined ? undefined : text === null ? "directory" : "file";
		},
		readText: (name) => files[name.slice(3)] ?? undefined,
	});
	if (found.kind !== "files") return found.kind;
	const names = (paths: ReadonlySet<string>) => [...paths].map((name) => name.slice(3)).sort();
	return { reads: names(found.reads), absent: names(found.absent) };
}

describe("nasmIncludes", () => {
	it("finds what is included and embedded, in every place where some version of nasm looks", () => {
		const files = {
			"s.asm": `%include "a.inc"\n %IFDEF X\n  %Include 'b.inc' ; the other\n%endif\nl: incbin \`d.bin\`, 4\n`,
			"inc/a.inc": "%include `c.inc`\n",
			"inc/c.inc": "",
			"d.bin": '%include "no directive"',
		};
		assert.deepEqual(includesOf(files, ["inc"]), {
			reads: ["d.bin", "inc/a.inc", "inc/c.inc", "s.asm"],
			absent: ["a.inc", "b.inc", "c.inc", "inc/b.inc", "inc/d.bin", "inca.inc", "incb.inc", "incc.inc", "incd.bin"],
		});
	});

	it("sees directives of arguments, in braces and across lines, and none in comments", () => {
		const source = '; %include NAME\nmov a, b ; incbin NAME\nm {%include "a"}\n%{include} "b"\n%inc\\\nlude "c"\n';
		assert.deepEqual(includesOf({ "s.asm": source }), { reads: ["s.asm"], absent: ["a", "b", "c"] });
	});

	it("sees what is required once, what stands behind a parameter, and lines that end in CR", () => {
		const files = { "s.asm": '%require "a"\n%1incbin "b"\n%inc\\\rlude "c"\n', a: '%include "d"\n' };
		assert.deepEqual(includesOf(files), { reads: ["a", "s.asm"], absent: ["b", "c", "d"] });
	});

	it("reads a file that includes itself once, and one that is embedded before it is included", () => {
		const files = { "s.asm": 'incbin "a"\n%include "a"\n%include "s.asm"\n', a: '%include "b"\n' };
		assert.deepEqual(includesOf(files), { reads: ["a", "s.asm"], absent: ["b"] });
	});

	for (const [what, source] of [
		["a name that a macro makes", "%include FILE\n"],
		["a name of a macro's argument", '%macro m 1\nincbin %1\n%endmacro\nm "a"\n'],
		["a name with an escape", "incbin `a\\x62`\n"],
		["a name that is not UTF-8", '%include "a\ufffd"\n'],
		["a folder in a file's place", '%include "folder"\n'],
		["a variable of the environment", "db %!HOME\n"],
		["one in braces", "dd %{!HOME}\n"],
		["a question about the environment", "%elifnenv HOME\n"],
		["one across lines", "%if\\\nenv HOME\n"],
		["words that are made of text", "%deftok X 'incbin'\n"],
		["words that are made in capitals or not", "%IDefTok X 'incbin'\n"],
	] as const)
		it(`leaves ${what} to nasm`, () => assert.equal(includesOf({ "s.asm": source, folder: null }), "unclear"));

	it("says which file must be known first", () => {
		const found = nasmIncludes({
			source: "s.asm",
			preincluded: ["p"],
			dirs: [],
			canonical: (name) => `/${name}`,
			stat: () => "file",
			readText: (name) => (name === "/p" ? undefined : ""),
		});
		assert.deepEqual(found, { kind: "unread", path: "/p" });
	});
});
