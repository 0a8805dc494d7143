import assert from "node:assert/strict";
import { Scanner } from "../../src/scan/scanner.js";
import type { ScanAnswer, ScanFile, ScanSetup } from "../../src/scan/types.js";
import { MemoryFiles, PLAIN } from "../rig/scan.js";
import { madeUp, mutated, type Random, random } from "./fuzz.js";

const SETUP: ScanSetup = {
	...PLAIN,
	bracketDirs: [
		{ path: "i", system: false },
		{ path: ".", system: false },
	],
	knows: new Set(["__has_include", "__has_include_next"]),
	feature: () => 0,
};

type Texts = Readonly<Record<string, string>>;

interface Scanned {
	readonly answer: ScanAnswer;
	named(path: string): string;
	isHeedful(path: string): boolean;
}

function scan(texts: Texts): Scanned {
	const files = new MemoryFiles(Object.fromEntries(Object.entries(texts).map(([n, t]) => [`/w/${n}`, bytes(t)])));
	const scanner = new Scanner(files);
	const answer = scanner.scan(SETUP, { name: "m.c" }, "/w");
	const open = (name: string): ScanFile => files.open(`/w/${name}`) as ScanFile;
	return {
		answer,
		named: (name) => scanner.directivesOf(open(name), SETUP),
		isHeedful: (name) => scanner.isHeedful(open(name), SETUP),
	};
}

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** What a depcache entry keeps of an answer. */
const kept = (answer: ScanAnswer): unknown => (answer.kind === "scanned" ? { ...answer, restsOn: "" } : answer.kind);

/** Whether an answer may be taken for one about the edited file. */
function isSame(before: Scanned, after: Scanned, name: string): boolean {
	if (before.answer.kind !== "scanned" || before.answer.restsOn === "text") return false;
	if (before.named(name) !== after.named(name)) return false;
	return before.answer.restsOn === "directives" || !after.isHeedful(name);
}

const NEUTRAL = [
	"int x;\n",
	"/* A */\n",
	"\n",
	"// B\n",
	"f(A);\n",
	"once\n",
	"x = __LINE__;\n",
	'"#include"\n',
	"S(once)\n",
];

function edited(r: Random, text: string): string {
	if (r(4) === 0) return mutated(r, text);
	const lines = text.split("\n").map((line) => `${line}\n`);
	for (let n = 1 + r(3); n > 0; n--) lines.splice(r(lines.length), 0, NEUTRAL[r(NEUTRAL.length)]!);
	return lines.join("");
}

describe("the name of a file's directives", () => {
	const named = (text: string): string => scan({ "m.c": text }).named("m.c");

	it("stays as it is when something else changes", () => {
		const text = '#ifndef A /* x */\n#define A 1\nint a;\n#include "b.h"\n#endif\n';
		for (const other of [
			text.replace("int a;", "int b;\n\n/* more\n#include */ int c;"),
			text.replace("/* x */", "// y"),
			`\n\n${text}// end\n`,
		])
			assert.equal(named(other), named(text), other);
	});

	it("is another when a directive does, or what makes one", () => {
		const text = '#ifndef A\n#define A 1\n#define F(x) x\nint a;\n#include "b.h"\n#endif\n';
		const others = [
			text.replace("A 1", "A 2"),
			text.replace("b.h", "c.h"),
			text.replace('"b.h"', "<b.h>"),
			text.replace("include", "import"),
			text.replace("ifndef", "ifdef"),
			text.replace("F(x)", "F(y)"),
			text.replace("#endif", "#else\n#endif"),
			text.replace("int a;", '_Pragma("once")'),
			text.replace("int a;", "#pragma once"),
			text.replace("int a;", "__TIME__"),
			text.replace("int a;", "/*"),
			`${text}int b;`,
			`\xef\xbb\xbf${text}`,
		];
		const names = new Set([text, ...others].map(named));
		assert.equal(names.size, others.length + 1);
	});

	it("says nothing where an answer rests on the number of a line, a mark, or text", () => {
		const rests = (texts: Texts): string => {
			const { answer } = scan(texts);
			return answer.kind === "scanned" ? answer.restsOn : answer.kind;
		};
		assert.equal(rests({ "m.c": '#include "a.h"\n', "a.h": "int a;\n" }), "directives");
		assert.equal(rests({ "m.c": "#if __LINE__ == 1\n#endif\n" }), "text");
		assert.equal(rests({ "m.c": '#include "a.h"\n', "a.h": "\xef\xbb\xbfint a;\n" }), "text");
		assert.equal(rests({ "m.c": "#define P(x) _Pragma(#x)\n" }), "unheeded");
		assert.equal(rests({ "m.c": "#define P(x) _Pragma(#x)\nint a = f(once);\n" }), "text");
	});

	it("is one only for files that a scan takes for each other", () => {
		let same = 0;
		for (let seed = 1; seed <= Number(process.env["GG_TEST_CASES"] ?? 300); seed++) {
			const r = random(seed);
			const { files } = madeUp(r, "", "m.c", []);
			const names = Object.keys(files).sort();
			const name = names[r(names.length)]!;
			const change = { ...files, [name]: edited(r, files[name]!) };
			// Of equal files `#pragma once` leaves one out: such are not kept.
			if (new Set(Object.values(change)).size < names.length || new Set(Object.values(files)).size < names.length)
				continue;
			const before = scan(files);
			const after = scan(change);
			if (!isSame(before, after, name)) continue;
			same++;
			assert.deepEqual(kept(after.answer), kept(before.answer), `seed ${seed}`);
		}
		assert.ok(same > 50, `${same}`);
	});
});
