import assert from "node:assert/strict";
import { type LinkerScript, parseLinkerScript, type ScriptEntry } from "../../src/models/ldscript.js";

const file = (name: string, asNeeded = false): ScriptEntry => ({ kind: "file", name, asNeeded });
const library = (name: string, asNeeded = false): ScriptEntry => ({ kind: "library", name, asNeeded });

function script(text: string): Extract<LinkerScript, { kind: "script" }> {
	const parsed = parseLinkerScript(text);
	assert.equal(parsed.kind, "script", parsed.kind === "unknown" ? parsed.reason : "");
	return parsed as Extract<LinkerScript, { kind: "script" }>;
}

describe("the linker script reader", () => {
	it("reads glibc's libc.so", () => {
		const parsed = script(`/* GNU ld script
   Use the shared library, but some functions are only in
   the static library, so try that secondarily.  */
OUTPUT_FORMAT(elf64-x86-64)
GROUP ( /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-gnu/libc_nonshared.a  AS_NEEDED ( /lib64/ld-linux-x86-64.so.2 ) )
`);
		assert.deepEqual(parsed.entries, [
			file("/lib/x86_64-linux-gnu/libc.so.6"),
			file("/usr/lib/x86_64-linux-gnu/libc_nonshared.a"),
			file("/lib64/ld-linux-x86-64.so.2", true),
		]);
		assert.deepEqual(parsed.outputFormats, ["elf64-x86-64"]);
		assert.equal(parsed.sections, false);
	});

	for (const [title, text, entries] of [
		["ncurses' libncurses.so", "INPUT(libncurses.so.6 -ltinfo)", [file("libncurses.so.6"), library("tinfo")]],
		["gcc's libgcc_s.so", "GROUP ( libgcc_s.so.1 -lgcc )", [file("libgcc_s.so.1"), library("gcc")]],
		["commas", "INPUT(a.o,b.o , -lx)", [file("a.o"), file("b.o"), library("x")]],
		["-l with an exact name", "INPUT(-l:libx.a)", [library(":libx.a")]],
		["quotes", 'INPUT("a file.o" "-lx")', [file("a file.o"), file("-lx")]],
		[
			"nested AS_NEEDED, then not",
			"GROUP(a AS_NEEDED(b -lc) d)",
			[file("a"), file("b", true), library("c", true), file("d")],
		],
		["comments of both kinds", "# one\nINPUT(a /* two */ b)", [file("a"), file("b")]],
		["sysroot marks", "INPUT(=/lib/a.so $SYSROOT/b.so)", [file("=/lib/a.so"), file("$SYSROOT/b.so")]],
		["STARTUP", "STARTUP(crt0.o) INPUT(x.o);", [file("crt0.o"), file("x.o")]],
		[
			"INCLUDE",
			'INCLUDE one.ld\nINCLUDE "two 2.ld"',
			[
				{ kind: "include", name: "one.ld" },
				{ kind: "include", name: "two 2.ld" },
			],
		],
		["nothing", "", []],
	] as const) {
		it(`reads ${title}`, () => {
			assert.deepEqual(script(text).entries, entries);
		});
	}

	it("reads directories and formats", () => {
		const parsed = script('OUTPUT_FORMAT("a", "b", "c") SEARCH_DIR("=/usr/lib"); SEARCH_DIR(/x)');
		assert.deepEqual(parsed.searchDirs, ["=/usr/lib", "/x"]);
		assert.deepEqual(parsed.outputFormats, ["a", "b", "c"]);
	});

	it("finds the files that a full script names", () => {
		const parsed = script(`
OUTPUT_ARCH(i386:x86-64)
ENTRY(_start)
PROVIDE(stack = 0x1000);
_base = DEFINED(x) ? x : 0x100000;
MEMORY { rom (rx) : ORIGIN = 0, LENGTH = 256K INCLUDE regions.ld }
PHDRS { text PT_LOAD FLAGS(5); }
SECTIONS
{
  . = SIZEOF_HEADERS;
  .text ALIGN(16) : AT(ADDR(.text) - 0x100) {
    KEEP(*(SORT_NONE(.init)))
    boot.o(.text .text.*)
    dir/start.o (.text)
    *libgcc.a:*(.text)
    "quoted file.o"(.text)
    EXCLUDE_FILE(*crtend.o) *(.ctors)
    LONG(0) FILL(0x90)
    INCLUDE more.ld
  } > rom = 0x9090
  .data : { *(.data) }
  /DISCARD/ : { *(.comment) }
  ASSERT(. < 10, "too big")
}
VERSION { V1 { global: f; local: *; }; }
`);
		assert.deepEqual(parsed.entries, [
			{ kind: "include", name: "regions.ld" },
			{ kind: "section-file", name: "boot.o" },
			{ kind: "section-file", name: "dir/start.o" },
			{ kind: "section-file", name: "quoted file.o" },
			{ kind: "include", name: "more.ld" },
		]);
		assert.equal(parsed.sections, true);
		assert.equal(parsed.insert, false);
		assert.equal(script("SECTIONS { .x : { *(.x) } } INSERT AFTER .text;").insert, true);
	});

	for (const [text, reason] of [
		["this is no script", "unexpected this"],
		["\u0001\u0002", "unexpected character at offset 0"],
		["INPUT(a.o", "INPUT without )"],
		["INPUT a.o", "INPUT without ("],
		["SECTIONS { .text : { *(.text) }", "missing }"],
		["INCLUDE", "INCLUDE without a name"],
		["OUTPUT_FORMAT(x", "OUTPUT_FORMAT: missing )"],
		[")", "unexpected )"],
	] as const) {
		it(`says of ${JSON.stringify(text)}: ${reason}`, () => {
			assert.deepEqual(parseLinkerScript(text), { kind: "unknown", reason });
		});
	}

	it("ends on hostile text", () => {
		for (const text of [
			"(".repeat(100_000),
			`INPUT(${"(".repeat(100_000)}`,
			`/*${"*".repeat(100_000)}`,
			'"'.repeat(99_999),
		]) {
			assert.equal(parseLinkerScript(text).kind, "unknown");
		}
	});
});
