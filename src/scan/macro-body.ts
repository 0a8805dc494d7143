/** The text of a #define as parameters and tokens, `#` and `##` told apart from what they act on. */

import { type Dialect, END, Lexer, type Token } from "./lex.js";
import { Refusal } from "./refusal.js";
import type { MacroBody, Symbols } from "./symbols.js";

/** `text` is what follows the macro's name in its #define. */
export function parseMacro(text: string, dialect: Dialect, symbols: Symbols): MacroBody {
	if (text.charCodeAt(0) !== 0x28) {
		return {
			functionLike: false,
			parameters: 0,
			variadic: false,
			tokens: parseBody(text, 0, undefined, dialect, symbols),
			hasVaOpt: false,
		};
	}
	const lexer = new Lexer(text, dialect, symbols, 1);
	const parameters = new Map<string, number>();
	const bad = new Refusal("bad-directive", `parameters of a macro ${text.slice(0, 80)}`);
	let variadic = false;
	for (let t = lexer.next(false); t.text !== ")" || parameters.size > 0; t = lexer.next(false)) {
		let name = t.text;
		if (t.type === "punctuator" && t.text === "...") {
			variadic = true;
			name = "__VA_ARGS__";
		} else if (t.type !== "name" || parameters.has(name) || name === "__VA_ARGS__") throw bad;
		parameters.set(name, parameters.size);
		let after = lexer.next(false);
		if (!variadic && after.text === "...") {
			variadic = true;
			after = lexer.next(false);
		}
		if (after.text === ")") break;
		if (after.text !== "," || variadic) throw bad;
	}
	const tokens = parseBody(text, lexer.at, parameters, dialect, symbols);
	const hasVaOpt = variadic && tokens.some((t) => t.text === "__VA_OPT__");
	return { functionLike: true, parameters: parameters.size, variadic, tokens, hasVaOpt };
}

function parseBody(
	text: string,
	from: number,
	parameters: ReadonlyMap<string, number> | undefined,
	dialect: Dialect,
	symbols: Symbols,
): Token[] {
	const lexer = new Lexer(text, dialect, symbols, from);
	const out: Token[] = [];
	const bad = new Refusal("bad-directive", `# or ## in a macro ${text.slice(0, 80)}`);
	let hash = false;
	let paste = false;
	for (let t = lexer.next(false); t !== END; t = lexer.next(false)) {
		if (t.type === "punctuator" && t.text === "##") {
			if (out.length === 0 || hash || paste) throw bad;
			out[out.length - 1] = { ...out.at(-1)!, paste: true };
			paste = true;
			continue;
		}
		paste = false;
		const parameter = t.type === "name" ? parameters?.get(t.text) : undefined;
		if (hash) {
			if (parameter === undefined && !(t.text === "__VA_OPT__")) throw bad;
			if (parameter === undefined) throw new Refusal("expression", "__VA_OPT__ beside #");
			out[out.length - 1] = {
				...t,
				type: "argument",
				sym: undefined,
				parameter,
				stringify: true,
				space: out.at(-1)!.space,
			};
			hash = false;
			continue;
		}
		if (parameters !== undefined && t.type === "punctuator" && t.text === "#") hash = true;
		out.push(parameter === undefined ? t : { ...t, type: "argument", sym: undefined, parameter });
	}
	if (paste) throw bad;
	// In assembler a `#` may stand before anything; those macros do not reach our directives.
	if (hash) throw bad;
	if (out.length > 0 && out[0]!.space) out[0] = { ...out[0]!, space: false };
	return out;
}
