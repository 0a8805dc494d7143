import assert from "node:assert/strict";
import { Scanner } from "../../src/scan/scanner.js";
import type { ScanAnswer, ScanSetup } from "../../src/scan/types.js";
import { MemoryFiles, PLAIN } from "../rig/scan.js";

type Texts = Readonly<Record<string, string | Uint8Array>>;
const scan = (files: Texts, setup: Partial<ScanSetup> = {}): ScanAnswer =>
	new Scanner(new MemoryFiles(files)).scan({ ...PLAIN, ...setup }, { name: "m.c" }, "/w");

function scanned(answer: ScanAnswer): Extract<ScanAnswer, { kind: "scanned" }> {
	assert.equal(answer.kind, "scanned", JSON.stringify(answer));
	return answer as Extract<ScanAnswer, { kind: "scanned" }>;
}

function refusal(answer: ScanAnswer): string {
	return answer.kind === "refused" ? `${answer.reason} ${answer.where} ${answer.what}` : answer.kind;
}

describe("include scanner", () => {
	it("names every candidate that was looked for in vain, and precompiled headers up to the first header", () => {
		const answer = scanned(scan({ "/w/m.c": '#include "x.h"\n#include <y.h>\n', "/sys/x.h": "", "/sys/y.h": "" }));
		assert.deepEqual([...answer.absent].sort(), [
			"/sys/x.h.gch",
			"/w/inc/x.h",
			"/w/inc/x.h.gch",
			"/w/inc/y.h",
			"/w/m.c.gch",
			"/w/x.h",
			"/w/x.h.gch",
		]);
	});

	it("leaves __FILE__ in a directive to the compiler where a flag renames files", () => {
		const files = { "/w/m.c": "#if !defined A\n#define A\n#include __FILE__\n#endif\n" };
		scanned(scan(files));
		assert.equal(refusal(scan(files, { mapsFileNames: true })), "expression m.c:3 __FILE__");
	});

	it("keeps apart what is a system header, also through the headers that it includes", () => {
		const answer = scanned(
			scan({
				"/w/m.c": "#include <x.h>\n#include <u.h>\n",
				"/sys/x.h": '#include "y.h"\n',
				"/sys/y.h": "",
				"/w/inc/u.h": "",
			}),
		);
		assert.deepEqual(
			answer.files.map((f) => [f.name, f.path, f.system]),
			[
				["m.c", "/w/m.c", false],
				["/sys/x.h", "/sys/x.h", true],
				["/sys/y.h", "/sys/y.h", true],
				["inc/u.h", "/w/inc/u.h", false],
			],
		);
	});

	it("names what __has_include found and nothing read", () => {
		const answer = scanned(scan({ "/w/m.c": "#if __has_include(<x.h>)\n#endif\n", "/sys/x.h": "#error\n" }));
		assert.deepEqual([...answer.present], ["/sys/x.h"]);
		assert.equal(answer.files.length, 1);
	});

	it("looks for no file in a part of #if that is not evaluated", () => {
		const answer = scanned(scan({ "/w/m.c": "#if 0 && __has_include(<x.h>)\n#endif\n" }));
		assert.equal(answer.absent.has("/sys/x.h"), false);
	});

	it("says when a file names the time", () => {
		assert.equal(scanned(scan({ "/w/m.c": "char *s = __TIME__;\n" })).namesTime, true);
		assert.equal(scanned(scan({ "/w/m.c": "int TIME__;\n" })).namesTime, false);
	});

	it("asks what the compiler was not asked yet, all that it meets at once", () => {
		const files = {
			"/w/m.c": "#if __has_attribute(a) + __has_attribute(gnu :: b)\n#endif\n#if __has_attribute(a)\n#endif\n",
		};
		assert.deepEqual(scan(files), {
			kind: "ask",
			questions: [
				{ test: "__has_attribute", argument: "a" },
				{ test: "__has_attribute", argument: "gnu::b" },
			],
		});
	});

	it("rests no later verdict on an answer of another setup", () => {
		const files = new MemoryFiles({ "/w/m.c": '#if __has_attribute(a)\n#include "a.h"\n#endif\n', "/w/a.h": "" });
		const scanner = new Scanner(files);
		const count = (n: number): number =>
			scanned(scanner.scan({ ...PLAIN, feature: () => n }, { name: "m.c" }, "/w")).files.length;
		assert.deepEqual([count(1), count(0), count(1)], [2, 1, 2]);
	});

	it("finds an #if anew where a macro that it rests on is another", () => {
		const files = new MemoryFiles({ "/w/m.c": '#define B A\n#if B > 1\n#include "a.h"\n#endif\n', "/w/a.h": "" });
		const scanner = new Scanner(files);
		const count = (a: number): number =>
			scanned(scanner.scan({ ...PLAIN, predefines: `#define A ${a}\n` }, { name: "m.c" }, "/w")).files.length;
		assert.deepEqual([count(1), count(2), count(1), count(3)], [1, 2, 1, 2]);
	});

	it("carries no macro from one source to the next", () => {
		const scanner = new Scanner(
			new MemoryFiles({ "/w/m.c": "#define A\n", "/w/n.c": "#ifdef A\n#include <zz.h>\n#endif\n" }),
		);
		scanned(scanner.scan(PLAIN, { name: "m.c" }, "/w"));
		scanned(scanner.scan(PLAIN, { name: "n.c" }, "/w"));
	});

	it("remembers nothing as absent from one scan to the next", () => {
		const texts: Record<string, string> = { "/w/m.c": '#include "x.h"\n', "/sys/x.h": "" };
		let files = new MemoryFiles(texts);
		const scanner = new Scanner({ open: (p) => files.open(p), realPath: (p) => p });
		assert.equal(scanned(scanner.scan(PLAIN, { name: "m.c" }, "/w")).files[1]!.name, "/sys/x.h");
		files = new MemoryFiles({ ...texts, "/w/x.h": "" });
		assert.equal(scanned(scanner.scan(PLAIN, { name: "m.c" }, "/w")).files[1]!.name, "x.h");
	});

	it("spells a system header by its real path where that is shorter", () => {
		const memory = new MemoryFiles({
			"/w/m.c": "#include <x.h>\n",
			"/sys/x.h": '#include "y.h"\n',
			"/y.h": "",
			"/r/x.h": '#include "y.h"\n',
			"/r/y.h": "",
		});
		const files = { open: (p: string) => memory.open(p), realPath: (p: string) => p.replace("/sys/", "/r/") };
		const names = (setup: ScanSetup): string[] =>
			scanned(new Scanner(files).scan(setup, { name: "m.c" }, "/w")).files.map((f) => f.name);
		assert.deepEqual(names(PLAIN), ["m.c", "/r/x.h", "/r/y.h"]);
	});

	it("takes a file for read by #pragma once if content and second are the same", () => {
		const texts = {
			"/w/m.c": '#include "x.h"\n#include "y.h"\n',
			"/w/x.h": "#pragma once\n",
			"/w/y.h": "#pragma once\n",
		};
		const names = (y: number): string[] =>
			scanned(new Scanner(new MemoryFiles(texts, { "/w/y.h": y })).scan(PLAIN, { name: "m.c" }, "/w")).files.map(
				(f) => f.name,
			);
		assert.deepEqual(names(1), ["m.c", "x.h"]);
		assert.deepEqual(names(2), ["m.c", "x.h", "y.h"]);
	});

	it("does not know whether #pragma once leaves out a file that differs by its mark of UTF-8", () => {
		const texts = {
			"/w/m.c": '#include "x.h"\n#include "y.h"\n',
			"/w/x.h": "#pragma once\n",
			"/w/y.h": "\xef\xbb\xbf#pragma once\n",
		};
		assert.match(refusal(scan(texts)), /^pragma m\.c:2 once, and a second y\.h/);
		const apart = new Scanner(new MemoryFiles(texts, { "/w/y.h": 2 }));
		assert.equal(scanned(apart.scan(PLAIN, { name: "m.c" }, "/w")).files.length, 3);
	});

	it("takes no pragma of clang for one of gcc", () => {
		const files = {
			"/w/m.c": '#include "x.h"\n',
			"/w/x.h": '#pragma clang system_header\n#include "y.h"\n',
			"/w/y.h": "",
		};
		const system = (flavour: "gcc" | "clang"): boolean => scanned(scan(files, { flavour })).files[2]!.system;
		assert.deepEqual([system("gcc"), system("clang")], [false, true]);
	});

	it("names folders that it passed over in the place of a header", () => {
		const answer = scanned(scan({ "/w/m.c": "#include <x.h>\n", "/w/inc/x.h/y": "", "/sys/x.h": "" }));
		assert.deepEqual([...answer.folders], ["/w/inc/x.h"]);
		assert.equal(answer.absent.has("/w/inc/x.h"), false);
	});

	it("leaves macros of the command line that it does not understand to the compiler", () => {
		const files = { "/w/m.c": "int x;\n" };
		for (const line of ["#define A /*\n", '#define A R"(\n', "#define defined 1\n", "#define \xc3\xa9 1\n"]) {
			assert.match(refusal(scan(files, { predefines: line })), /^[a-z-]+ <command-line> /, line);
		}
	});

	describe("refuses, with the place and the reason", () => {
		const cases: readonly [string, Texts, string][] = [
			["an #error", { "/w/m.c": "int x;\n#error no\n" }, "bad-directive m.c:2 #error no"],
			["a missing header", { "/w/m.c": '\n\n#include "x.h"\n' }, "missing-header m.c:3 x.h"],
			["an expression", { "/w/m.c": "#if 1 +\n#endif\n" }, "expression m.c:1 at the end"],
			[
				"a place in a header",
				{ "/w/m.c": '#include "x.h"\n', "/w/x.h": "/*\n*/\\\n\n#if (\n#endif\n" },
				"expression x.h:4 at the end",
			],
			["#embed", { "/w/m.c": "#embed <x>\n" }, "embed m.c:1 #embed <x>"],
			["a pragma", { "/w/m.c": '#pragma GCC dependency "x"\n' }, 'pragma m.c:1 GCC dependency "x"'],
			[
				"a precompiled header",
				{ "/w/m.c": "#include <x.h>\n", "/sys/x.h": "", "/sys/x.h.gch": "" },
				"precompiled m.c:1 /sys/x.h.gch",
			],
			[
				"a folder of precompiled headers",
				{ "/w/m.c": "#include <x.h>\n", "/sys/x.h": "", "/sys/x.h.gch/1": "" },
				"precompiled m.c:1 /sys/x.h.gch",
			],
			["a header in itself", { "/w/m.c": '#include "m.c"\n' }, "include-depth m.c:1 m.c"],
			["an identifier beyond ASCII", { "/w/m.c": "#ifdef \xc3\xa9\n#endif\n" }, "unsupported-character m.c:1 \xc3\xa9"],
		];
		for (const [what, files, expected] of cases) it(what, () => assert.equal(refusal(scan(files)), expected));

		it("what is there and cannot be read", () => {
			const memory = new MemoryFiles({ "/w/m.c": "#include <x.h>\n" });
			const files = {
				open: (p: string) => (p === "/w/inc/x.h" ? "refused" : memory.open(p)) as never,
				realPath: (p: string) => p,
			};
			assert.equal(refusal(new Scanner(files).scan(PLAIN, { name: "m.c" }, "/w")), "unreadable m.c:1 inc/x.h");
		});
	});

	describe("ends in bounded time", () => {
		const doubling = Array.from({ length: 60 }, (_, i) => `#define M${i + 1} M${i} M${i}\n`).join("");
		const pasting = Array.from({ length: 60 }, (_, i) => `#define P${i + 1}(x) P${i}(x##x)\n`).join("");
		const nested = Array.from({ length: 60 }, (_, i) => `#define F${i + 1}(x) F${i}(F${i}(x))\n`).join("");
		const bombs: readonly [string, string][] = [
			["a macro that doubles 60 times", `#define M0 1 +\n${doubling}#if M60 0\n#endif\n`],
			["a token that doubles 60 times", `#define P0(x) x\n${pasting}#if P60(a)\n#endif\n`],
			["functions within functions", `#define F0(x) x\n${nested}#if F60(1)\n#endif\n`],
			["parentheses 100,000 deep", `#if ${"(".repeat(100_000)}1${")".repeat(100_000)}\n#endif\n`],
			["signs 100,000 deep", `#if ${"- ".repeat(100_000)}1\n#endif\n`],
			["invocations 10,000 deep", `#define F(x) x\n#if ${"F(".repeat(10_000)}1${")".repeat(10_000)}\n#endif\n`],
			["conditions 10,000 deep", `#if ${"1 ? 1 : ".repeat(10_000)}1\n#endif\n`],
			["a header that includes itself twice", '#if __INCLUDE_LEVEL__ < 190\n#include "m.c"\n#include "m.c"\n#endif\n'],
		];
		for (const [what, text] of bombs) {
			it(`for ${what}`, () => {
				const start = performance.now();
				assert.match(refusal(scan({ "/w/m.c": text })), /^macro-limit m\.c:\d+ /);
				assert.ok(performance.now() - start < 20_000);
			});
		}

		it("for headers within headers: 150 deep they are found, 250 deep the compiler is to say so", () => {
			const chain = (depth: number): Record<string, string> => {
				const texts: Record<string, string> = { "/w/m.c": '#include "h0.h"\n' };
				for (let i = 0; i < depth; i++) texts[`/w/h${i}.h`] = i + 1 < depth ? `#include "h${i + 1}.h"\n` : "int x;\n";
				return texts;
			};
			assert.equal(scanned(scan(chain(150))).files.length, 151);
			assert.match(refusal(scan(chain(250))), /^include-depth /);
		});

		it("for a million macros, and finds what follows", () => {
			const many = Array.from({ length: 1_000_000 }, (_, i) => `#define A_${i} ${i}\n`).join("");
			const answer = scan({
				"/w/m.c": `#include "x.h"\n#if A_999999 == 999999\n#include <y.h>\n#endif\n`,
				"/w/x.h": many,
				"/sys/y.h": "",
			});
			assert.deepEqual(
				scanned(answer).files.map((f) => f.name),
				["m.c", "x.h", "/sys/y.h"],
			);
		});

		it("for a header of 100 MB, and finds what follows", () => {
			const header = Buffer.alloc(100 << 20, 'int x; char *s = "/*"; // y\n');
			header.write("\n#define LAST 1\n", header.length - 20);
			const answer = scan({
				"/w/m.c": '#include "x.h"\n#if LAST\n#include <y.h>\n#endif\n',
				"/w/x.h": header,
				"/sys/y.h": "",
			});
			assert.equal(scanned(answer).files.length, 3);
		});
	});

	it("evaluates __LINE__ anew where a #line before it is seen only now", () => {
		const header = "#ifdef RENUMBERED\n#line 100\n#endif\n#if __LINE__ < 50\n#include <low.h>\n#endif\n";
		const texts = {
			"/w/one.c": '#include "h.h"\n',
			"/w/two.c": '#define RENUMBERED\n#include "h.h"\n',
			"/w/h.h": header,
			"/sys/low.h": "",
		};
		const scanner = new Scanner(new MemoryFiles(texts));
		const paths = scanned(scanner.scan(PLAIN, { name: "one.c" }, "/w")).files.map((f) => f.path);
		assert.equal(paths.at(-1), "/sys/low.h");
		assert.equal(refusal(scanner.scan(PLAIN, { name: "two.c" }, "/w")), "expression h.h:4 __LINE__");
	});
});
