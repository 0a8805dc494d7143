import assert from "node:assert/strict";
import { makeTimeMacro, timePieces, timesOf } from "../../src/store/time-macros.js";

describe("words that ## may make a time macro of", () => {
	for (const [text, makes] of [
		["P(__TI, ME__)", true],
		["P(__TIMES,TAMP__)", true],
		["__##x##__ IN(DATE)", true],
		["P(_, P(_, P(DATE, P(__, x))))", true],
		["P(__TIM, P(E, __))", true],
		["__TI OTHER", false],
		["enum { TIME, DATE, TIMESTAMP };", false],
		['_("text"), DATE', false],
		["x##y CAT(TI, ME)", false],
		["__x ## y__ DATE", false],
	] as const)
		it(`${text}: ${makes ? "they do" : "they do not"}`, () => assert.equal(makeTimeMacro(timePieces(text)), makes));

	for (const [path, text, makes] of [
		["a.c", "X(_, __)\n/* the TIME slots,\n and TIME */ // of time", false],
		["a.asm", "X(_, __) /* TIME */", true],
		["a.c", "X(_, __) // TIME", true],
		["a.c", "X(_, __) // /*\nTIME */", true],
		["a.c", 'X(_, __) s = "/*"; TIME /* */', true],
		["a.c", "X(_, __) '\"' TIME '\"'", true],
		["a.c", "X(_, __) don't /* in\n TIME */", true],
		["a.cc", 'X(_, __) R"(/*)" TIME /* */', true],
		["a.c", 'X(_, __) "\\"/*" TIME /* */', true],
	] as const)
		it(`${path}: ${JSON.stringify(text)}: ${makes ? "they do" : "they do not"}`, () =>
			assert.equal(makeTimeMacro(timesOf(path, text, true).pieces), makes));

	it("are those of the text as it is, where it is only a part", () =>
		assert.equal(makeTimeMacro(timesOf("a.c", "X(_, __) // TIME", false).pieces), true));
});

describe("a time macro's name", () => {
	for (const [path, text, names] of [
		["a.c", "s = __DATE__;", true],
		["a.c", "s = __TIMESTAMP__;", true],
		["a.c", 's = "__DATE__"; /* __TIME__ */', false],
		["a.h", "s = 'built on '//__DATE__", true],
		["a.c", "TOK___DATE__ = __TIME__X", false],
		["a.c", '"\\"" __DATE__ "\\""', true],
		["a.c", "'\"' __DATE__ '\"'", true],
		["a.c", "n = 1'000; s = __DATE__; m = 2'000;", true],
		["a.cc", 'R"(")" __DATE__ R"(")"', true],
		["a.c", '"unfinished\n__DATE__ "', true],
		["a.asm", 'db "__DATE__"', true],
		["a.asm", "db __?UTC_DATE?__", true],
	] as const)
		it(`stands in ${path}: ${JSON.stringify(text)}: ${names}`, () =>
			assert.equal(timesOf(path, text, true).named, names));
});
