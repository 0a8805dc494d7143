/** Tokens of one directive's text: no newlines, no comments (they are blanks), one character a byte. */

import { Refusal } from "./refusal.js";
import type { Sym, Symbols } from "./symbols.js";
import type { ScanSetup } from "./types.js";

export type TokenType =
	| "argument" // a parameter in a macro's body; `parameter` says which
	| "character"
	| "end"
	| "header" // <…> where a header's name is expected
	| "name"
	| "number"
	| "other"
	| "padding" // blanks before an argument that took a parameter's place
	| "punctuator"
	| "string";

export interface Token {
	readonly type: TokenType;
	readonly text: string;
	/** There are blanks before it. */
	readonly space: boolean;
	readonly sym: Sym | undefined;
	/** A name that is never to be expanded again. */
	readonly noExpand: boolean;
	/** `##` follows. */
	readonly paste: boolean;
	/** `#` stands before this parameter. */
	readonly stringify: boolean;
	readonly parameter: number;
}

export type Dialect = ScanSetup["dialect"];

export function token(type: TokenType, text: string, space: boolean, sym?: Sym): Token {
	return { type, text, space, sym, noExpand: false, paste: false, stringify: false, parameter: -1 };
}

export const END = token("end", "", false);

/** Longest first. */
const PUNCTUATORS: readonly string[] = (
	"%:%: <<= >>= ... ->* <=> ## -> ++ -- << >> <= >= == != && || += -= *= /= %= &= |= ^= :: .* <: :> <% %> %: " +
	"# ( ) [ ] { } , ; : ? ~ ! < > = + - * / % & | ^ ."
).split(" ");
const BY_FIRST = new Map<string, string[]>();
for (const p of PUNCTUATORS) BY_FIRST.set(p[0]!, [...(BY_FIRST.get(p[0]!) ?? []), p]);
const CPLUSPLUS_ONLY = new Set(["::", ".*", "->*", "<=>"]);
const DIGRAPHS: ReadonlyMap<string, string> = new Map([
	["<:", "["],
	[":>", "]"],
	["<%", "{"],
	["%>", "}"],
	["%:", "#"],
	["%:%:", "##"],
]);

/** What C++ spells in letters. */
export const NAMED_OPERATORS: ReadonlyMap<string, string> = new Map([
	["and", "&&"],
	["and_eq", "&="],
	["bitand", "&"],
	["bitor", "|"],
	["compl", "~"],
	["not", "!"],
	["not_eq", "!="],
	["or", "||"],
	["or_eq", "|="],
	["xor", "^"],
	["xor_eq", "^="],
]);

const isDigit = (c: number): boolean => c >= 0x30 && c <= 0x39;
export const isNameStart = (c: number, dollar: boolean): boolean =>
	(c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || c === 0x5f || (dollar && c === 0x24);
const isNamePart = (c: number, dollar: boolean): boolean => isNameStart(c, dollar) || isDigit(c);
export const isBlank = (c: number): boolean => c === 0x20 || c === 0x09 || c === 0x0b || c === 0x0c || c === 0;

/** Where the name that begins at `from` ends. A character beyond ASCII is refused: gcc knows several spellings of one. */
export function endOfName(text: string, from: number, dollar: boolean): number {
	let i = from;
	while (i < text.length && isNamePart(text.charCodeAt(i), dollar)) i++;
	const c = text.charCodeAt(i);
	if (c >= 0x80 || (c === 0x5c && /[uUN]/.test(text[i + 1] ?? ""))) throw new Refusal("unsupported-character", text);
	return i;
}

export class Lexer {
	readonly #text: string;
	readonly #dialect: Dialect;
	readonly #symbols: Symbols;
	#at: number;

	constructor(text: string, dialect: Dialect, symbols: Symbols, at = 0) {
		this.#text = text;
		this.#dialect = dialect;
		this.#symbols = symbols;
		this.#at = at;
	}

	get at(): number {
		return this.#at;
	}

	get atEnd(): boolean {
		return this.#at >= this.#text.length;
	}

	/** `header`: a `<` begins a header's name, if there is a `>`, and backslashes in quotes mean nothing. */
	next(header: boolean): Token {
		const text = this.#text;
		const start = this.#at;
		let i = start;
		while (i < text.length && isBlank(text.charCodeAt(i))) i++;
		const space = i > start;
		if (i >= text.length) {
			this.#at = i;
			return END;
		}
		const c = text.charCodeAt(i);
		const dollar = this.#dialect.dollarInNames;
		if (isNameStart(c, dollar)) return this.#name(i, space, header);
		if (isDigit(c) || (c === 0x2e && isDigit(text.charCodeAt(i + 1)))) return this.#number(i, space);
		if (c === 0x22 || c === 0x27) return this.#quoted(i, i, space, header);
		if (c === 0x3c && header) {
			const end = text.indexOf(">", i + 1);
			if (end >= 0) return this.#take("header", i, end + 1, space);
		}
		if (c >= 0x80 || c === 0x5c) throw new Refusal("unsupported-character", text);
		return this.#punctuator(i, space);
	}

	#take(type: TokenType, from: number, to: number, space: boolean): Token {
		this.#at = to;
		return token(type, this.#text.slice(from, to), space);
	}

	#name(from: number, space: boolean, header: boolean): Token {
		const end = endOfName(this.#text, from, this.#dialect.dollarInNames);
		const text = this.#text.slice(from, end);
		const next = this.#text.charCodeAt(end);
		if ((next === 0x22 || next === 0x27) && /^(?:[LuU]|u8)?R?$/.test(text)) {
			const raw = text.endsWith("R");
			if (raw && next === 0x22 && this.#dialect.rawStrings) throw new Refusal("unsupported-character", this.#text);
			if (!raw) {
				// Before C99 and C++11 some of these are a name and a string: told apart by the language, which we do not hold.
				if (text !== "L") throw new Refusal("unsupported-character", this.#text);
				return this.#quoted(from, end, space, header);
			}
		}
		this.#at = end;
		if (this.#dialect.cplusplus) {
			const operator = NAMED_OPERATORS.get(text);
			if (operator !== undefined) return token("punctuator", operator, space);
		}
		return token("name", text, space, this.#symbols.get(text));
	}

	#number(from: number, space: boolean): Token {
		const text = this.#text;
		const dollar = this.#dialect.dollarInNames;
		let i = from + 1;
		for (;;) {
			const c = text.charCodeAt(i);
			if (isNamePart(c, dollar) || c === 0x2e) i++;
			else if ((c === 0x2b || c === 0x2d) && /[eEpP]/.test(text[i - 1]!)) i++;
			else if (c === 0x27 && this.#dialect.digitSeparators && isNamePart(text.charCodeAt(i + 1), dollar)) i += 2;
			else break;
		}
		if (text.charCodeAt(i) >= 0x80) throw new Refusal("unsupported-character", text);
		return this.#take("number", from, i, space);
	}

	#quoted(from: number, quote: number, space: boolean, header: boolean): Token {
		const text = this.#text;
		const mark = text.charCodeAt(quote);
		let i = quote + 1;
		for (; i < text.length; i++) {
			const c = text.charCodeAt(i);
			if (c === mark) return this.#take(mark === 0x22 ? "string" : "character", from, i + 1, space);
			if (c === 0x5c && !header) i++;
		}
		return this.#take("other", from, text.length, space);
	}

	#punctuator(from: number, space: boolean): Token {
		const text = this.#text;
		for (const p of BY_FIRST.get(text[from]!) ?? []) {
			if (!text.startsWith(p, from)) continue;
			if (CPLUSPLUS_ONLY.has(p) && !this.#dialect.cplusplus) continue;
			// Which of these are tokens depends on the version; none of them is an operator of #if.
			if (p === "<=>" || (p === "::" && text[from - 1] === "<")) throw new Refusal("unsupported-character", text);
			const meant = DIGRAPHS.get(p);
			if (meant === undefined) {
				this.#at = from + p.length;
				return token("punctuator", p, space);
			}
			if (this.#dialect.digraphs) throw new Refusal("unsupported-character", text);
		}
		return this.#take("other", from, from + 1, space);
	}
}
