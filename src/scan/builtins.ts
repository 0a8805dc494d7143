/** Macros that the preprocessor computes: their names, and the tokens that they come to. */

import { type Token, token } from "./lex.js";
import type { Expansion } from "./macros.js";
import { Refusal } from "./refusal.js";

/** Those of every compiler; what else a compiler has is in its setup. */
export const BUILTINS = [
	"__BASE_FILE__",
	"__COUNTER__",
	"__DATE__",
	"__FILE__",
	"__INCLUDE_LEVEL__",
	"__LINE__",
	"__TIME__",
	"__TIMESTAMP__",
	"_Pragma",
] as const;

const FIXED = /^(?:__has_.*|__is_identifier|_Pragma|__COUNTER__|__LINE__|__INCLUDE_LEVEL__)$/;

/** Not to be defined or undefined where the compiler has it. */
export const isFixed = (name: string): boolean => FIXED.test(name);

export const number = (n: number): Token => token("number", String(n), false);

/** A path as a string literal, one character a byte. */
export const fileString = (path: string): Token =>
	token("string", `"${Buffer.from(path).toString("latin1").replace(/[\\"]/g, "\\$&")}"`, false);

/** __building_module, its operand pulled from the expansion. Setups with modules are not ours, so it is none. */
export function buildingModule(from: Expansion): Token {
	const texts = [from.next(), from.next(), from.next()].map((t) => t.text);
	if (texts[0] !== "(" || texts[2] !== ")") throw new Refusal("expression", `__building_module ${texts.join("")}`);
	return number(0);
}
