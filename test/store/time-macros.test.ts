import assert from "node:assert/strict";
import { makeTimeMacro, timePieces } from "../../src/store/time-macros.js";

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
});
