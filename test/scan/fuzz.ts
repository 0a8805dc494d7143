/** Seeded sources: mutations of given ones, and made-up trees of directives. */

import type { Tree } from "./corpus.js";

/** A number below `n`, the same sequence for the same seed. */
export type Random = (n: number) => number;

export function random(seed: number): Random {
	let state = (seed * 2654435761 + 12345) >>> 0;
	return (n) => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) % n;
	};
}

const pick = <T>(r: Random, from: readonly T[]): T => from[r(from.length)]!;

const DICTIONARY: readonly string[] = [
	"#",
	"##",
	"%:",
	"%:%:",
	"??=",
	"??/\n",
	"\\\n",
	"\\ \n",
	"\\",
	"\n",
	"\r\n",
	"\r",
	"\0",
	"\t",
	" ",
	"\x0c",
	"/*",
	"*/",
	"//",
	"/",
	'"',
	"'",
	'\\"',
	"\\'",
	'R"(',
	')"',
	'R"x(',
	')x"',
	'u8"',
	"L'",
	"1'0",
	"0x",
	"1e+",
	".5",
	"1.",
	"(",
	")",
	"<",
	">",
	",",
	"?",
	":",
	"!",
	"&&",
	"||",
	"==",
	"<<",
	">>",
	"-",
	"+",
	"*",
	"%",
	"~",
	"^",
	"|",
	"...",
	"defined",
	"defined(",
	"defined X",
	"__VA_ARGS__",
	"__VA_OPT__(",
	"__LINE__",
	"__FILE__",
	"__COUNTER__",
	"__INCLUDE_LEVEL__",
	"__has_include(",
	"__has_include_next(",
	'__has_include("a.h")',
	"__has_include(<a.h>)",
	"__has_attribute(noreturn)",
	"__has_builtin(x)",
	'\n#include "a.h"\n',
	"\n#include <a.h>\n",
	"\n#include_next <a.h>\n",
	'\n#import "b.h"\n',
	'\n#include "b.h"\n',
	"\n#include A\n",
	"\n#if 0\n",
	"\n#if 1\n",
	"\n#else\n",
	"\n#elif 1\n",
	"\n#elif 0\n",
	"\n#endif\n",
	"\n#ifdef A\n",
	"\n#ifndef A\n",
	"\n#if defined A\n",
	"\n#elifdef A\n",
	"\n#elifndef A\n",
	"\n#define A\n",
	"\n#define A 1\n",
	'\n#define A "a.h"\n',
	"\n#define A <b.h>\n",
	"\n#undef A\n",
	"\n#define F(x) x\n",
	"\n#define F(x, ...) x##__VA_ARGS__\n",
	"\n#define G(x) #x\n",
	"\n#if F(1)\n",
	"\n#if A\n",
	"\n#pragma once\n",
	'\n#pragma push_macro("A")\n',
	'\n#pragma pop_macro("A")\n',
	"\n#pragma GCC system_header\n",
	"\n#pragma GCC poison A\n",
	'_Pragma("once")',
	"_Pragma(",
	"\n#line 5\n",
	'\n# 5 "x.h"\n',
	"\n#error\n",
	"\n#warning\n",
	"\n#ident\n",
	"\n#\n",
	"\n#x\n",
	"\xef\xbb\xbf",
	"\xc3\xa9",
	"\xff",
	"$",
	"@",
	"`",
	"\\u00e9",
	"and",
	"not",
	"true",
	"export",
	"import",
	"module",
	"9223372036854775807",
	"18446744073709551615u",
	"-1",
	"0",
	"1",
	"07",
	"0b1",
	"'a'",
	"'\\n'",
	"'ab'",
];

/** Up to four changes, as AFL makes them. */
export function mutated(r: Random, text: string): string {
	let s = text;
	for (let n = 1 + r(4); n > 0; n--) s = once(r, s);
	return s;
}

function once(r: Random, s: string): string {
	const at = r(s.length + 1);
	const lines = s.split("\n");
	const line = r(lines.length);
	switch (r(9)) {
		case 0:
			return s.slice(0, at) + s.slice(at + 1 + r(8));
		case 1:
			return s.slice(0, at) + String.fromCharCode(r(256)) + s.slice(at + 1);
		case 2:
			return lines.toSpliced(line, 1 + r(2)).join("\n");
		case 3:
			return lines.toSpliced(r(lines.length), 0, lines[line]!).join("\n");
		case 4: {
			const directives = lines.flatMap((l, i) => (/^\s*#/.test(l) ? [i] : []));
			if (directives.length === 0) return s;
			const i = pick(r, directives);
			const l = lines[i]!;
			const k = r(l.length + 1);
			return lines.toSpliced(i, 1, l.slice(0, k) + pick(r, DICTIONARY) + l.slice(k + r(3))).join("\n");
		}
		default:
			return s.slice(0, at) + pick(r, DICTIONARY) + s.slice(at);
	}
}

/** Numbers, names of headers, and macros with two parameters: apart from each other, as most mixtures are errors. */
const NAMES = ["A", "B", "N"];
const FUNCTIONS = ["F", "G", "H"];
const HEADERS = ["a.h", "b.h", "c.h", "d.h", "s/a.h", "s/e.h"];
const PRELUDE = `#define A 1
#define B A
#define C "a.h"
#define D <d.h>
#define E s
#define F(x, y) ((x) + (y))
#define G(x, y) F(y, x)
#define H(x, y) x ## y
#define X(x, y) H(x, y)
#define S(x) #x
#define T(x) S(x)
#define V(x, ...) (x) __VA_OPT__(+ 1) + W(__VA_ARGS__)
#define W(...) (__VA_ARGS__)
`;

/** A source and a few headers of nothing but directives that hang together. */
export function madeUp(r: Random, name: string, source: string, flags: readonly string[]): Tree {
	const files: Record<string, string> = {};
	for (const h of HEADERS) files[h] = header(r);
	files["i/a.h"] = `${header(r)}${r(2) === 0 ? "#include_next <a.h>\n" : ""}`;
	files["i/d.h"] = header(r);
	files[source] = PRELUDE + Array.from({ length: 3 + r(12) }, () => item(r, 0, true)).join("");
	return { name, source, flags, files };
}

function header(r: Random): string {
	const body = Array.from({ length: r(6) }, () => item(r, 1, false)).join("");
	const guard = `G${r(1000)}`;
	switch (r(5)) {
		case 0:
			return `#pragma once\n${body}`;
		case 1:
			return `#ifndef ${guard}\n#define ${guard}\n${body}#endif\n`;
		case 2:
			return `/* c */\n#if !defined ${guard}\n# define ${guard}\n${body}#endif // x\n`;
		case 3:
			return `#ifndef ${guard}\n#define ${guard}\n${body}#else\n#define B ${r(3)}\n#endif\n`;
		default:
			return `#if __INCLUDE_LEVEL__ < 5\n${body}#endif\n`;
	}
}

function item(r: Random, depth: number, isSource: boolean): string {
	const n = depth > 3 ? r(10) : r(16);
	switch (n) {
		case 0:
		case 1:
			return `#include "${pick(r, HEADERS)}"\n`;
		case 2:
			return `#include <${pick(r, ["a.h", "d.h", "s/e.h"])}>\n`;
		case 3:
			return r(4) === 0 ? "#define N\n" : `#define ${pick(r, ["A", "B"])} ${expression(r, 1)}\n`;
		case 4:
			return `#define ${pick(r, FUNCTIONS)}(x, y) ${body(r)}\n`;
		case 5:
			return `#undef ${pick(r, NAMES)}\n`;
		case 6:
		case 7:
			return odd(r, isSource);
		case 8:
			return `#define ${pick(r, ["C", "D"])} ${pick(r, ['"a.h"', "<b.h>", "T(c.h)", "T(E/e.h)", "<E/a.h>", "< b.h>", "C"])}\n`;
		case 9:
			return `#${pick(r, ["include", "include", "import", "include_next"])} ${pick(r, ["C", "D", '"c.h"', "<d.h>", "<s/e.h>", "T(a.h)"])}\n`;
		default:
			return conditional(r, depth, isSource);
	}
}

function conditional(r: Random, depth: number, isSource: boolean): string {
	const inner = (): string => Array.from({ length: r(4) }, () => item(r, depth + 1, isSource)).join("");
	const open = pick(r, ["if", "if", "ifdef", "ifndef"]);
	const test = open === "if" ? expression(r, 0) : pick(r, [...NAMES, ...FUNCTIONS]);
	let text = `#${open} ${test}\n${inner()}`;
	for (let k = r(3); k > 0; k--) text += `# elif ${expression(r, 0)}\n${inner()}`;
	if (r(2) === 0) text += `#else\n${inner()}`;
	return `${text}#endif\n`;
}

function body(r: Random): string {
	if (r(50) === 0) return pick(r, ["x ## 1", "x y", "F", "F (", "V(x)", "G(x) y", "x ? y : A", "defined x"]);
	return pick(r, [
		"(x) + (y)",
		"(x)",
		"G(x, y)",
		"F(y, x)",
		"(x + H(1,1))",
		"(x, y)",
		"A",
		"-y",
		"(x ? y : A)",
		"defined A + x",
	]);
}

function expression(r: Random, depth: number): string {
	if (depth > 3) return pick(r, ["0", "1", "2", "A", "B", "-1", "3u"]);
	const e = (): string => expression(r, depth + 1);
	switch (r(14)) {
		case 0:
			return `defined ${pick(r, [...NAMES, ...FUNCTIONS])}`;
		case 1:
			return `!defined(${pick(r, NAMES)})`;
		case 2:
			return pick(r, [
				"0",
				"1",
				"'a'",
				"0x7fffffffffffffff",
				"-1",
				"2u",
				"0xffffffffffffffffu",
				"010",
				"1L",
				"__LINE__",
			]);
		case 3:
		case 4:
			return pick(r, r(40) === 0 ? ["N", "C", "F"] : ["A", "B"]);
		case 5:
			return `${pick(r, ["F", "G", "V", "W", "F", "G"])}(${e()}, ${e()})`;
		case 6:
			return `(${e()} ${pick(r, ["+", "-", "*", "<<", ">>", "&", "|", "^"])} ${e()})`;
		case 7:
			return `(${e()} ${pick(r, ["/", "%"])} ${pick(r, r(30) === 0 ? ["A", "(B + 5)"] : ["2", "3u", "(-1)", "7"])})`;
		case 8:
			return `(${e()}) ${pick(r, ["==", "!=", "<", ">", "<=", ">="])} (${e()})`;
		case 9:
			return `${e()} ${pick(r, ["&&", "||"])} ${e()}`;
		case 10:
			return `(${e()} ? ${e()} : ${e()})`;
		case 11:
			return `${pick(r, ["!", "- ", "~", "+ "])}(${e()})`;
		case 12:
			return `X(${pick(r, ["1", "2", "1"])},${pick(r, ["0", "1u", "2", "", "3"])})`;
		default:
			return `__has_include(${pick(r, ['"a.h"', "<d.h>", '"zz.h"', "<zz.h>", "<s/e.h>", "C", "D"])})`;
	}
}

function odd(r: Random, isSource: boolean): string {
	return pick(r, [
		'/* #include "c.h"\n*/ #include "a.h"\n',
		"// #endif \\\n#endif\n",
		'char *s = "/*"; /* " */\n',
		"can't\n",
		"#define N \\\n  1\n",
		'#pragma push_macro("A")\n',
		'#pragma pop_macro("A")\n',
		"#pragma GCC system_header\n",
		isSource ? "int x;\n" : "#pragma once\n",
		"#line 3\n",
		"#\n",
		"# /* */ define /* */ N /* */ 2 // x\n",
		"%:define N 3\n",
		'int i = 1; #include "d.h"\n',
	]);
}
