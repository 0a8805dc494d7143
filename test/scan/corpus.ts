/** Small trees, one a feature: what the scanner must find is what the compiler lists. */

export interface Tree {
	readonly name: string;
	/** `m.c` is the source unless `source` says otherwise. */
	readonly files: Readonly<Record<string, string>>;
	readonly source?: string;
	readonly flags?: readonly string[];
	readonly forced?: readonly { readonly kind: "include" | "imacros"; readonly name: string }[];
	/** What must come of it; default: the compiler's own list. */
	readonly expect?: "refused" | "scanned";
}

/** Headers a.h to f.h, empty, for what a condition chooses. */
const LETTERS = Object.fromEntries([..."abcdef"].map((l) => [`${l}.h`, ""]));
const tree = (name: string, main: string, more: Partial<Tree> & { files?: Record<string, string> } = {}): Tree => ({
	name,
	...more,
	files: { ...LETTERS, ...more.files, [more.source ?? "m.c"]: main },
});
const chosen = (condition: string, before = ""): string =>
	`${before}\n#if ${condition}\n#include "a.h"\n#else\n#include "b.h"\n#endif\n`;

/** Conditions by themselves: a.h or b.h. */
const CONDITIONS: readonly string[] = [
	"1 + 1 == 2",
	"-1 > 0u",
	"-1 < 0",
	"(-1)/2 == 0",
	"-7 % 3 == -1",
	"0xFFFFFFFFFFFFFFFF == -1",
	"9223372036854775807 + 1 < 0",
	"18446744073709551615u + 1 == 0",
	"9223372036854775808 > 0",
	"1 << 63 < 0",
	"1u << 63 > 0",
	"-1 >> 1 == -1",
	"1 << -1 == 0",
	"4 >> -1 == 8",
	"1 << 64 == 0",
	"-1 >> 70 == -1",
	"~0 == -1",
	"~0u == 0xffffffffffffffff",
	"!5 == 0",
	"- -5 == 5",
	"0 && 1/0",
	"1 || 1/0",
	"1 ? 2 : 1/0",
	"0 ? 1/0 : 3",
	"(0 ? 1u : -1) > 0",
	"(1 ? -1 : 0u) > 0",
	"1, 0",
	"(1, 2) == 2",
	"'a' == 97",
	"'\\n' == 10",
	"'\\x41' == 65",
	"'\\101' == 65",
	"'ab' == 24930",
	"'\\377' < 0",
	"'\\0' == 0",
	"'\\'' == 39",
	"L'a' == 97",
	"L'\\0' - 1 > 0",
	"0b101 == 5",
	"0B11 == 3",
	"010 == 8",
	"0x1F == 31",
	"1L == 1 && 1ULL == 1 && 1uL == 1 && 1LLU == 1",
	"3 > 2 > 1",
	"1 == 1 == 1",
	"5 & 3 == 3",
	"1 | 2 ^ 3 & 1",
	"2 + 3 * 4 == 14",
	"(2 + 3) * 4 == 20",
	"10 - 3 - 2 == 5",
	"1 ? 0 : 1 ? 2 : 3",
	"0 ? 0 : 0 ? 2 : 3",
	"unknown",
	"unknown == 0",
	"defined unknown",
	"!defined(unknown)",
	"defined __GNUC__ && __GNUC__ >= 4",
	"__INT_MAX__ == 2147483647",
	"-9223372036854775807 - 1 < 0",
	"(-9223372036854775807 - 1) / -1 < 0",
	"18446744073709551615u / 2 == 9223372036854775807",
	"-1 / 2u > 5",
	"-5 % 3u == 2",
	"(2 || 3) == 1",
	"!!7 == 1",
	"+3 == 3",
	"1 /* c */ == /* d */ 1 // e",
	"__LINE__ == 2",
	"__INCLUDE_LEVEL__ == 0",
	"and or not",
	"true",
	"0x1p3",
	"1.5",
	"1 +",
	"(1",
	"1)",
	"",
	"1 2",
	'"s"',
	"1 = 1",
	"08",
	"0x",
	"1i",
	"''",
	"''''",
	"defined",
	"defined(",
	"defined 1",
	"1/0",
	"1 ? 2",
	"__DATE__",
];

/** The compiler has a value for these; we do not say. */
const REFUSED_CONDITIONS = ["99999999999999999999", "__COUNTER__ == 0", "L'\\xff' == 255", "'abcde'", "'\u00e9'"];

/** Macros before a condition. */
const MACROS: readonly (readonly [before: string, condition: string, expect?: Tree["expect"]])[] = [
	["#define A 1", "A"],
	["#define A B\n#define B 1", "A"],
	["#define A A", "A"],
	["#define A B\n#define B A + 1", "A"],
	["#define F(x) x", "F(1)"],
	["#define F(x) x", "F"],
	["#define F(x) x", "F (1)"],
	["#define F() 1", "F()"],
	["#define F() 1", "F( )"],
	["#define F(x,y) x##y", "F(1,0) == 10"],
	["#define F(x,y) x ## y\n#define AB 7\n#define A 1\n#define B 2", "F(A,B) == 7"],
	["#define F(x,y) G(x,y)\n#define G(x,y) x##y\n#define A 1\n#define B 2", "F(A,B) == 12"],
	["#define F(...) __VA_ARGS__", "F(1,0)"],
	["#define F(a,...) a __VA_ARGS__", "F(1,+0)"],
	["#define F(a...) a", "F(0,1)"],
	["#define F(a,b...) a , ## b", "F(1)"],
	["#define F(a,...) a __VA_OPT__(+ 1) - 1", "F(1)"],
	["#define F(a,...) a __VA_OPT__(+ 1) - 1", "F(1,2)"],
	["#define F(a,...) a __VA_OPT__(+ 1) - 1\n#define EMPTY", "F(1,EMPTY)"],
	["#define D defined(X)\n#define X", "D"],
	["#define D defined(X)", "D"],
	["#define D defined X\n#define X 3", "D && D"],
	["#define D defined\n#define X 3", "D X"],
	["#define D(x) defined(x)\n#define X 3", "D(X)"],
	["#define D(x) defined(x)\n#define X Y", "D(X)"],
	["#define f(a) a*g\n#define g(a) f(a)", "f(2)(9) == 18"],
	["#define x 3\n#define f(a) f(x * (a))\n#undef x\n#define x 2\n#define g f", "g(1) == 0"],
	["#define hash_hash # ## #\n#define mkstr(a) # a", "1"],
	["#define EMPTY\n#define F(x) x", "F EMPTY (1)"],
	["#define LPAREN (\n#define RPAREN )\n#define F(x) x", "F LPAREN 1 RPAREN"],
	["#define F(x) x\n#define G F(", "G 1)"],
	["#define F(x,y) x+y", "F((1,2),3) == 5"],
	["#define F(x) 1", "F()"],
	["#define F(x) 1", "F(1,2)"],
	["#define F(x,y) 1", "F(1)"],
	["#define F(x) 1", "F(1"],
	["#define A 1\n#undef A", "A"],
	["#undef A", "!A"],
	["#define A 1\n#define A 0", "A"],
	["#define A /* c */ 1 /* d */", "A"],
	["#define A 1 // c", "A"],
	["#define A \\\n1", "A"],
	["#def\\\nine A 1", "A"],
	["#define A\\\nB 1", "AB"],
	["#define A 1\\\n2", "A == 12"],
	["/* c */ # /* d */ define /* e */ A /* f */ 1", "A"],
	["%:define A 1", "A"],
	["#define A(x) #x", "1"],
	["#define A # 1", "1"],
	["#define F(x) #y", "1", "scanned"],
	["#define A ## b", "1", "scanned"],
	["#define A(x,x) 1", "1", "scanned"],
	["#define defined 1", "1"],
	["#define 1 2", "1"],
	["#define", "1"],
	["#define __FILE__ 1", "__FILE__"],
	['#pragma push_macro("A")\n#define A 1\n#pragma pop_macro("A")', "defined A"],
	['#define A 1\n#pragma push_macro("A")\n#undef A\n#pragma pop_macro("A")', "A"],
	[
		'#define A 1\n#pragma push_macro("A")\n#pragma push_macro("A")\n#undef A\n#define A 2\n#pragma pop_macro("A")\n#define A 3\n#pragma pop_macro("A")',
		"A == 1",
	],
	['#pragma pop_macro("A")', "defined A"],
	["#pragma GCC poison A", "defined A"],
	["#pragma GCC poison A", "defined B"],
	['#line 77 "x.c"', "__LINE__ == 77", "refused"],
	['# 77 "x.c"', "1"],
	['#ident "x"', "1"],
	["#warning x", "1"],
	["#assert machine(x)", "1"],
	["#unknown", "1"],
	["#error", "1"],
	["#", "1"],
	["#pragma STDC FP_CONTRACT ON", "1"],
	['_Pragma("push_macro(\\"A\\")")\n#define A 1\n_Pragma("pop_macro(\\"A\\")")', "defined A", "refused"],
	['#define P(x) _Pragma(#x)\nP(push_macro("A"))\n#define A 1\nP(pop_macro("A"))', "defined A", "refused"],
	['#define A _Pragma("once") 1', "A"],
];

/** Whole sources. */
const SOURCES: readonly Tree[] = [
	tree("order and repetition", '#include "a.h"\n#include "b.h"\n#include "a.h"\n#include "./a.h"\n#include ".//a.h"\n'),
	tree("folders of the including file", '#include "d/x.h"\n#include "a.h"\n', {
		files: { "d/x.h": '#include "y.h"\n#include "a.h"\n#include "../b.h"\n', "d/y.h": "", "d/a.h": "" },
	}),
	tree("search path", "#include <x.h>\n#include <y.h>\n", {
		flags: ["-Ii", "-Ij", "-Imissing", "-isystem", "k", "-idirafter", "l", "-iquote", "q"],
		files: { "i/x.h": "#include <z.h>\n", "j/y.h": '#include "w.h"\n', "k/z.h": "", "l/z.h": "", "q/w.h": "" },
	}),
	tree("a folder with a trailing slash", '#include <x.h>\n#include "y.h"\n', {
		flags: ["-Ii/", "-I", "j//"],
		files: { "i/x.h": '#include "y.h"\n', "i/y.h": "", "j/y.h": "" },
	}),
	tree("include_next", "#include <x.h>\n", {
		flags: ["-Ii", "-Ij", "-Ik"],
		files: {
			"i/x.h": "#include_next <x.h>\n",
			"j/x.h": '#include "z.h"\n#include_next "x.h"\n',
			"j/z.h": "#include_next <z.h>\n",
			"k/z.h": "",
			"k/x.h": "",
		},
	}),
	tree("include_next in the source", '#include_next "a.h"\n#include_next <x.h>\n', {
		flags: ["-Ii"],
		files: { "i/x.h": "" },
	}),
	tree("include_next from a file beside the source", '#include "x.h"\n', {
		flags: ["-Ii", "-I."],
		files: { "x.h": "#include_next <x.h>\n", "i/x.h": "#include_next <x.h>\n" },
		expect: "refused",
	}),
	tree("a guard", '#include "g.h"\n#include "g.h"\n#undef G\n#include "g.h"\n', {
		files: { "g.h": '#ifndef G\n#define G\n#include "a.h"\n#include "b.h"\n#endif\n' },
	}),
	tree("a guard of if not defined", '#include "g.h"\n#include "g.h"\n', {
		files: { "g.h": '/* c */\n#if !defined(G)\n#define G\n#include "a.h"\n#endif // G\n' },
	}),
	tree("no guard: text behind", '#include "g.h"\n#define H\n#include "g.h"\n', {
		files: { "g.h": '#ifndef G\n#define G\n#endif\n#ifdef H\n#include "a.h"\n#endif\n' },
	}),
	tree("pragma once", '#include "g.h"\n#include "./g.h"\n#include "g.h"\n#include "h.h"\n', {
		files: { "g.h": '#pragma once\n#include "a.h"\n', "h.h": '#pragma once\n#include "a.h"\n' },
	}),
	tree("pragma once in the source", '#pragma once\n#include "m.c"\n#include "./m.c"\n#include "a.h"\n'),
	tree("pragma once in an operator", '#include "g.h"\n#include "g.h"\n', {
		files: { "g.h": '_Pragma("once")\n#include "a.h"\n' },
		expect: "refused",
	}),
	tree("import", '#import "g.h"\n#import "g.h"\n#include "g.h"\n#include "h.h"\n#import "h.h"\n#import "./g.h"\n', {
		files: { "g.h": '#include "a.h"\n', "h.h": '#include "b.h"\n' },
	}),
	tree(
		"computed",
		'#define H "a.h"\n#include H\n#define S(x) #x\n#define X(x) S(x)\n#include X(b.h)\n#define L <x.h>\n#include L\n',
		{
			flags: ["-Ii"],
			files: { "i/x.h": "" },
		},
	),
	tree(
		"computed with a path",
		"#define D d\n#define H <D/x.h>\n#include H\n#define P(a, b) <a/b.h>\n#include P(d,y)\n",
		{
			flags: ["-I."],
			files: { "d/x.h": "", "d/y.h": "" },
		},
	),
	tree("computed and pasted", "#define C(a,b) <a##b.h>\n#include C(x,y)\n", { flags: ["-I."], files: { "xy.h": "" } }),
	tree("computed from itself", '#ifndef N\n#define N 0\n#include __FILE__\n#else\n#include "a.h"\n#endif\n'),
	tree("computed to nothing", "#define H\n#include H\n"),
	tree(
		"has_include",
		'#if __has_include("a.h") && __has_include(<i.h>)\n#include "b.h"\n#endif\n#if __has_include("zz.h")\n#include "zz.h"\n#else\n#include "c.h"\n#endif\n#ifdef __has_include\n#include "d.h"\n#endif\n',
		{
			flags: ["-Ii"],
			files: { "i/i.h": "" },
		},
	),
	tree(
		"has_include of a macro",
		'#define H "a.h"\n#define L <i.h>\n#if __has_include(H) && !__has_include(L)\n#include "b.h"\n#endif\n',
	),
	tree("has_include_next", "#include <x.h>\n", {
		flags: ["-Ii", "-Ij"],
		files: {
			"i/x.h": "#if __has_include_next(<x.h>)\n#include_next <x.h>\n#endif\n",
			"j/x.h": "#if __has_include_next(<x.h>)\n#error\n#endif\n",
		},
	}),
	tree(
		"has_attribute",
		'#if __has_attribute(noreturn) && !__has_attribute(nonsense)\n#include "a.h"\n#endif\n#if __has_builtin(__builtin_expect)\n#include "b.h"\n#endif\n',
	),
	tree("forced", '#ifdef FROM_F\n#include "a.h"\n#endif\n', {
		files: { "f.h": '#define FROM_F\n#include "b.h"\n', "g.h": "#define FROM_G\n" },
		forced: [
			{ kind: "imacros", name: "g.h" },
			{ kind: "include", name: "f.h" },
		],
	}),
	tree(
		"elif after a taken group",
		'#if 1\n#include "a.h"\n#elif 1/0\n#include "b.h"\n#elif nonsense(\n#else\n#include "c.h"\n#endif\n',
	),
	tree(
		"elif chains",
		'#if 0\n#elif 0\n#include "a.h"\n#elif 1\n#include "b.h"\n#elif 1\n#include "c.h"\n#else\n#include "d.h"\n#endif\n',
	),
	tree(
		"nested skipped groups",
		'#if 0\n#if 1\n#include "a.h"\n#else\n#include "b.h"\n#endif\n#unknown\n#if nonsense(\n#elif (\n#endif\n#error\n#include "zz.h"\n#else\n#include "c.h"\n#endif\n',
	),
	tree(
		"junk behind",
		'#ifdef X junk\n#else junk\n#include "a.h" junk\n#endif junk\n#ifndef X junk\n#include "b.h"\n#endif\n#undef X junk\n',
	),
	tree("unterminated", '#if 1\n#include "a.h"\n'),
	tree("else without if", '#else\n#include "a.h"\n'),
	tree("endif without if", '#include "a.h"\n#endif\n'),
	tree("else after else", "#if 0\n#else\n#else\n#endif\n"),
	tree("elif after else", "#if 1\n#else\n#elif 1\n#endif\n"),
	tree("elifdef", '#define X\n#if 0\n#elifdef X\n#include "a.h"\n#else\n#include "b.h"\n#endif\n'),
	tree(
		"comments",
		'/* #include "a.h" */ #include "b.h"\n// #include "c.h"\n// \\\n#include "d.h"\n/*\n#include "e.h"\n*/\n#include /* x */ "f.h" // y\n',
	),
	tree("comments over lines before a directive", '/* x\n*/ #include "a.h"\nint x; /* y\n*/ #include "b.h"\n'),
	tree(
		"strings and characters",
		'char *s = "/*";\n#include "a.h"\nchar c = \'"\';\n#include "b.h"\nchar *t = "\\"/*";\n#include "c.h"\nint q = \'/*\';\n#include "d.h"\n',
	),
	tree(
		"unbalanced quotes",
		'don\'t /* stop\n#include "a.h"\nsay " /*\n#include "b.h"\n#if 0\ncan\'t /*\n#endif\n#include "c.h"\n',
	),
	tree(
		"raw strings",
		'const char *s = R"x(\n#include "a.h"\n)" )x";\n#include "b.h"\nint LR = 1, xR; char *t = u8R"(\n#include "c.h"\n)"; char *v = xR"(";\n#include "d.h"\n',
		{ source: "m.cc" },
	),
	tree(
		"a raw string behind a member's dot",
		'x = y.R"(\n#include "a.h"\n)";\nF(...R"(\n#include "b.h"\n)");\n#include "c.h"\n',
	),
	...['1.R"(', '1e+R"(', '\xe2\x80\x94R"(', '\xc3\xa9R"(', '\xffR"('].map((before) =>
		tree(`what may be a raw string or not: ${before}`, `x = ${before}\n#include "a.h"\n)";\n#include "b.h"\n`, {
			expect: "refused",
		}),
	),
	tree("what may be a raw string or a suffix", 'x = "a"R"(\n#include "a.h"\n)";\n#include "b.h"\n', {
		source: "m.cc",
		expect: "refused",
	}),
	...["1'\xc3\xa9';", "1'\xe2\x80\x94';", "1\xe2\x80\x94'x';"].map((number) =>
		tree(`a separator or a character: ${number}`, `int x = ${number}/*\n#include "a.h"\n*/\n#include "b.h"\n`, {
			source: "m.cc",
			expect: "refused",
		}),
	),
	tree("a NUL behind a backslash", '// x \\\0\n#include "a.h"\n#include "b.h"\n', { expect: "refused" }),
	...["once$", "once\xc3\xa9", 'push_macro(" A")'].map((pragma) =>
		tree(`no pragma that is known: ${pragma}`, `#pragma ${pragma}\n#include "a.h"\n`, { expect: "refused" }),
	),
	...["#pragma once\n", "#ifndef G\n#define G\n#endif\n", "int x;\n"].map((header) =>
		tree(
			`many names of one file: ${header}`,
			'#include "d/x.h"\n#include "e/../d/x.h"\n#include "d//x.h"\n#include "./d/x.h"\n#import "d/./x.h"\n#include "d/x.h"\n',
			{ files: { "d/x.h": header, "e/x": "" } },
		),
	),
	tree("pragmas of clang", '#pragma clang poison A\n#pragma clang module import x\n#if A\n#endif\n#include "a.h"\n'),
	tree(
		"a builtin of a target pragma",
		'#pragma GCC target("avx2")\n#if __has_builtin(__builtin_ia32_pbroadcastd256)\n#endif\n',
		{
			expect: "refused",
		},
	),
	tree("no raw strings", 'const char *s = R"x(\n#include "a.h"\n', { flags: ["-std=c99"] }),
	tree(
		"digit separators",
		"int i = 1'000; int j = 0xA'B'C; char c = 'x'; int k = 1'0'0; /*\n#include \"a.h\"\n*/\n#include \"b.h\"\n#if 1'0 == 10\n#include \"c.h\"\n#endif\n",
		{ source: "m.cc" },
	),
	tree("no digit separators", "int i = 1'000; /* '\n#include \"a.h\"\n", { flags: ["-std=c11"] }),
	tree("a separator after an exponent", "double d = 1e+5'0; /* x */ char c = 'y';\n#include \"a.h\"\n", {
		source: "m.cc",
	}),
	tree(
		"CRLF",
		'#define A 1\r\n#if A == 1\r\n#include "a.h"\r\n#endif\r\n#define B \\\r\n2\r\n#if B == 2\r\n#include "b.h"\r\n#endif\r\n',
	),
	tree("CR", '#include "a.h"\r#include "b.h"\r'),
	tree("BOM", '\xef\xbb\xbf#include "a.h"\n#include "b.h"\n'),
	tree("NUL", '#include "a.h"\n\0#\0include\0"b.h"\nx\0y\n#include "c.h"\n'),
	tree("not UTF-8", '\xff\xfe#include "c.h"\n#include "a.h" \xff\n// \xc3\n#include "b.h"\n'),
	tree("no newline at the end", '#include "a.h"\n#include "b.h"'),
	tree("a backslash at the end", '#include "a.h"\n#include "b.h"\\'),
	tree("a spliced end", '#include "a.h"\n#include "b.h"\\\n'),
	tree(
		"blanks behind a backslash",
		'#define A \\  \t\n1\n#if A\n#include "a.h"\n#endif\n// x \\ \n#include "b.h"\n#include "c.h"\n',
	),
	tree("trigraphs off", '??=include "a.h"\n// ??/\n#include "b.h"\n'),
	tree(
		"trigraphs on",
		'??=include "a.h"\n// ??/\n#include "b.h"\n#define A 1 ??/\n+ 1\n#if A == 2\n#include "c.h"\n#endif\n',
		{ flags: ["-std=c99"] },
	),
	tree("strict C90", '#include "a.h"\nint x; // y\n/* // */\n#include "b.h"\n', {
		flags: ["-std=c90"],
		expect: "scanned",
	}),
	tree("angle brackets with odd contents", "#include <a//b.h>\n#include <a/*b.h>\n#include <a'b.h>\n", {
		flags: ["-Ii"],
		files: { "i/a/b.h": "", "i/a/*b.h": "", "i/a'b.h": "" },
	}),
	tree("quotes with odd contents", '#include "a b.h"\n#include "a\\b.h"\n#include "a\'b.h"\n#include "a//b.h"\n', {
		files: { "a b.h": "", "a\\b.h": "", "a'b.h": "", "a/b.h": "" },
	}),
	tree("names beyond ASCII", '#include "\xc3\xa9.h"\n', { files: { "\u00e9.h": "" } }),
	tree("missing", '#include "a.h"\n#include "zz.h"\n'),
	tree("an empty name", '#include ""\n'),
	tree("no name", "#include\n"),
	tree("an unterminated name", '#include "a.h\n#include <b.h\n'),
	tree("itself, deep", '#include "r.h"\n', { files: { "r.h": '#include "r.h"\n' }, expect: "refused" }),
	tree("itself, counted", '#include "r.h"\n', {
		files: { "r.h": '#if __INCLUDE_LEVEL__ < 150\n#include "r.h"\n#else\n#include "a.h"\n#endif\n' },
	}),
	tree("system headers", '#include <x.h>\n#include "y.h"\n', {
		flags: ["-isystem", "s"],
		files: { "s/x.h": '#include "z.h"\n', "s/z.h": "", "y.h": '#pragma GCC system_header\n#include "a.h"\n' },
	}),
	tree(
		"assembler",
		'# don\'t mind /* this\n#include "a.h"\n# comment\n#if 1\n.ascii "x\n#include "b.h"\n#endif\n#define X(a) .a\n#foo\n',
		{ source: "m.S" },
	),
	tree("a macro's arguments around directives", '#define F(x) x\nF(\n#include "a.h"\n1)\n#include "b.h"\n'),
	tree("an X macro", '#define X(n) n\n#include "x.h"\n#undef X\n#define X(n) 2\n#include "x.h"\n', {
		files: { "x.h": '#if X(1) == 2\n#include "a.h"\n#endif\n' },
	}),
	tree("a header in place of a folder", '#include "d"\n', { flags: ["-Ii"], files: { "d/x.h": "", "i/d": "" } }),
	tree(
		"a target pragma",
		'#pragma GCC push_options\n#pragma GCC target("avx2")\n#ifdef __AVX2__\n#include "a.h"\n#endif\n#pragma GCC pop_options\n',
		{ expect: "refused" },
	),
	tree(
		"a target pragma and popped",
		'#pragma GCC push_options\n#pragma GCC target("avx2")\n#pragma GCC pop_options\n#include "a.h"\n',
	),
	tree("a target pragma for ever", '#pragma GCC target("avx2")\n#define MINE 1\n#if MINE\n#include "a.h"\n#endif\n'),
	tree(
		"standard headers",
		"#include <stdio.h>\n#include <limits.h>\n#include <stdint.h>\n#include <sys/types.h>\n#include <pthread.h>\n",
	),
	tree("intrinsics", "#include <immintrin.h>\n"),
	tree(
		"standard headers of C++",
		"#include <vector>\n#include <map>\n#include <regex>\n#include <thread>\n#include <cstdlib>\n",
		{ source: "m.cc" },
	),
];

export const CORPUS: readonly Tree[] = [
	...CONDITIONS.map((c) => tree(`if ${c}`, chosen(c))),
	...REFUSED_CONDITIONS.map((c) => tree(`if ${c}`, chosen(c), { expect: "refused" })),
	...CONDITIONS.slice(0, 60).map((c) => tree(`if ${c} in C++`, chosen(c), { source: "m.cc" })),
	...MACROS.map(([before, c, expect]) =>
		tree(`if ${c} after ${before.replaceAll("\n", " | ")}`, chosen(c, before), expect === undefined ? {} : { expect }),
	),
	...SOURCES,
];
