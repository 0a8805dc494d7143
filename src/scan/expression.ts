/** The value of an #if, in intmax_t and uintmax_t. */

import type { Token } from "./lex.js";
import type { Expansion } from "./macros.js";
import { Refusal } from "./refusal.js";
import type { Sym } from "./symbols.js";

interface Value {
	readonly n: bigint;
	readonly unsigned: boolean;
}

export interface ExpressionHost {
	isDefined(sym: Sym): boolean;
	/** -funsigned-char. */
	readonly unsignedChar: boolean;
	readonly unsignedWideChar: boolean;
	readonly flavour: "gcc" | "clang";
	/** What follows is not evaluated: no file is looked for, and division by zero is no error. */
	skipping: number;
}

const DEEPEST = 300;
const ZERO: Value = { n: 0n, unsigned: false };
const ONE: Value = { n: 1n, unsigned: false };
const truth = (b: boolean): Value => (b ? ONE : ZERO);
const wrap = (n: bigint, unsigned: boolean): Value => ({
	n: unsigned ? BigInt.asUintN(64, n) : BigInt.asIntN(64, n),
	unsigned,
});

const PRECEDENCE: ReadonlyMap<string, number> = new Map([
	["||", 1],
	["&&", 2],
	["|", 3],
	["^", 4],
	["&", 5],
	["==", 6],
	["!=", 6],
	["<", 7],
	[">", 7],
	["<=", 7],
	[">=", 7],
	["<<", 8],
	[">>", 8],
	["+", 9],
	["-", 9],
	["*", 10],
	["/", 10],
	["%", 10],
]);

/** Reads all of the directive. */
export function evaluate(tokens: Expansion, host: ExpressionHost): boolean {
	const parser = new Parser(tokens, host);
	const value = parser.comma();
	parser.expectEnd();
	return value.n !== 0n;
}

class Parser {
	readonly #tokens: Expansion;
	readonly #host: ExpressionHost;
	#t: Token;
	#depth = 0;

	constructor(tokens: Expansion, host: ExpressionHost) {
		this.#tokens = tokens;
		this.#host = host;
		host.skipping = 0;
		this.#t = tokens.next();
	}

	expectEnd(): void {
		if (this.#t.type !== "end") this.#bad();
	}

	#bad(): never {
		throw new Refusal("expression", `at ${this.#t.text === "" ? "the end" : this.#t.text}`);
	}

	#advance(): void {
		this.#t = this.#tokens.next();
	}

	#is(text: string): boolean {
		return this.#t.type === "punctuator" && this.#t.text === text;
	}

	comma(): Value {
		let value = this.#conditional();
		while (this.#is(",")) {
			this.#advance();
			value = this.#conditional();
		}
		return value;
	}

	#conditional(): Value {
		const condition = this.#binary(1);
		if (!this.#is("?")) return condition;
		if (++this.#depth > DEEPEST) throw new Refusal("macro-limit", "a deep expression");
		const taken = condition.n !== 0n;
		if (!taken) this.#host.skipping++;
		this.#advance();
		const first = this.comma();
		if (!this.#is(":")) this.#bad();
		if (taken) this.#host.skipping++;
		else this.#host.skipping--;
		this.#advance();
		const second = this.#conditional();
		if (taken) this.#host.skipping--;
		this.#depth--;
		return wrap((taken ? first : second).n, first.unsigned || second.unsigned);
	}

	#binary(least: number): Value {
		let left = this.#unary();
		for (;;) {
			const operator = this.#t.text;
			const precedence = this.#t.type === "punctuator" ? PRECEDENCE.get(operator) : undefined;
			if (precedence === undefined || precedence < least) return left;
			const settled = (operator === "&&" && left.n === 0n) || (operator === "||" && left.n !== 0n);
			if (settled) this.#host.skipping++;
			this.#advance();
			const right = this.#binary(precedence + 1);
			if (settled) this.#host.skipping--;
			left = this.#apply(operator, left, right);
		}
	}

	#apply(operator: string, a: Value, b: Value): Value {
		const unsigned = a.unsigned || b.unsigned;
		const x = unsigned ? BigInt.asUintN(64, a.n) : a.n;
		const y = unsigned ? BigInt.asUintN(64, b.n) : b.n;
		switch (operator) {
			case "||":
				return truth(a.n !== 0n || b.n !== 0n);
			case "&&":
				return truth(a.n !== 0n && b.n !== 0n);
			case "|":
				return wrap(x | y, unsigned);
			case "^":
				return wrap(x ^ y, unsigned);
			case "&":
				return wrap(x & y, unsigned);
			case "==":
				return truth(x === y);
			case "!=":
				return truth(x !== y);
			case "<":
				return truth(x < y);
			case ">":
				return truth(x > y);
			case "<=":
				return truth(x <= y);
			case ">=":
				return truth(x >= y);
			case "<<":
			case ">>":
				// gcc shifts the other way then.
				if (b.n < 0n && this.#host.flavour === "clang") throw new Refusal("expression", "a negative shift");
				return shift(a, operator === "<<" ? b.n : -b.n);
			case "+":
				return wrap(x + y, unsigned);
			case "-":
				return wrap(x - y, unsigned);
			case "*":
				return wrap(x * y, unsigned);
		}
		if (y === 0n) {
			if (this.#host.skipping === 0) throw new Refusal("expression", "division by zero");
			return a;
		}
		return wrap(operator === "/" ? x / y : x % y, unsigned);
	}

	#unary(): Value {
		if (++this.#depth > DEEPEST) throw new Refusal("macro-limit", "a deep expression");
		const value = this.#operand();
		this.#depth--;
		return value;
	}

	#operand(): Value {
		const t = this.#t;
		switch (t.type) {
			case "punctuator":
				return this.#prefixed(t.text);
			case "number": {
				const value = integer(t.text, this.#tokens.host.dialect.digitSeparators);
				this.#advance();
				return value;
			}
			case "character": {
				const value =
					t.text[0] === "L" ? wideCharacter(t.text, this.#host) : character(t.text, this.#host.unsignedChar);
				this.#advance();
				return value;
			}
			case "name":
				return this.#name(t);
			default:
				return this.#bad();
		}
	}

	#prefixed(operator: string): Value {
		if (operator === "(") {
			this.#advance();
			const value = this.comma();
			if (!this.#is(")")) this.#bad();
			this.#advance();
			return value;
		}
		if (operator !== "!" && operator !== "~" && operator !== "-" && operator !== "+") return this.#bad();
		this.#advance();
		const value = this.#unary();
		if (operator === "!") return truth(value.n === 0n);
		if (operator === "~") return wrap(~value.n, value.unsigned);
		return operator === "-" ? wrap(-value.n, value.unsigned) : value;
	}

	#name(t: Token): Value {
		if (t.text === "defined") return this.#defined();
		this.#advance();
		if (this.#tokens.host.dialect.cplusplus && (t.text === "true" || t.text === "false"))
			return truth(t.text === "true");
		return ZERO;
	}

	/** `defined X` or `defined(X)`, also where a macro's expansion made it. */
	#defined(): Value {
		const tokens = this.#tokens;
		tokens.preventExpansion++;
		let t = tokens.next();
		const parenthesis = t.text === "(" && t.type === "punctuator";
		if (parenthesis) t = tokens.next();
		if (t.sym === undefined) this.#bad();
		if (parenthesis && tokens.next().text !== ")") this.#bad();
		tokens.preventExpansion--;
		const value = truth(this.#host.isDefined(t.sym));
		this.#advance();
		return value;
	}
}

/** Negative: to the right. */
function shift(a: Value, by: bigint): Value {
	if (by >= 0n) return by >= 64n ? { n: 0n, unsigned: a.unsigned } : wrap(a.n << by, a.unsigned);
	const right = -by;
	return wrap(a.n >> (right >= 64n ? 64n : right), a.unsigned);
}

const INTEGER =
	/^(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|(0[0-7]*)|([1-9][0-9]*))(?:([uU])(?:l|L|ll|LL)?|(?:l|L|ll|LL)([uU])?)?$/;

function integer(text: string, separators: boolean): Value {
	let digits = text;
	if (digits.includes("'")) {
		if (!separators || /''|'$|^0?'|[^0-9a-fA-F]'|'[^0-9a-fA-F]/.test(digits)) throw new Refusal("expression", text);
		digits = digits.replaceAll("'", "");
	}
	const match = INTEGER.exec(digits);
	if (match === null) throw new Refusal("expression", text);
	const [, hex, binary, octal, decimal, u1, u2] = match;
	const n = BigInt(hex ?? binary ?? decimal ?? (octal === "0" ? "0" : `0o${octal!.slice(1)}`));
	if (n >= 1n << 64n) throw new Refusal("expression", text);
	return { n, unsigned: u1 !== undefined || u2 !== undefined || n >= 1n << 63n };
}

const ESCAPES: ReadonlyMap<string, number> = new Map([
	["a", 7],
	["b", 8],
	["f", 12],
	["n", 10],
	["r", 13],
	["t", 9],
	["v", 11],
	["e", 27],
	["E", 27],
	["\\", 92],
	["'", 39],
	['"', 34],
	["?", 63],
]);

/** One of ASCII: the others depend on character sets. */
function wideCharacter(text: string, host: ExpressionHost): Value {
	const { n } = character(text.slice(1), true);
	if (n > 127n) throw new Refusal("expression", text);
	return { n, unsigned: host.unsignedWideChar };
}

/** Characters of the basic set and short escapes; the others depend on character sets. */
function character(text: string, unsignedChar: boolean): Value {
	if (text[0] !== "'") throw new Refusal("expression", text);
	const inner = text.slice(1, -1);
	const codes: number[] = [];
	for (let i = 0; i < inner.length; i++) {
		let code = inner.charCodeAt(i);
		if (code === 0x5c) {
			const sequence = /^\\(?:x([0-9a-fA-F]{1,2})(?![0-9a-fA-F])|([0-7]{1,3})|([abfnrtveE\\'"?]))/.exec(inner.slice(i));
			if (sequence === null) throw new Refusal("expression", text);
			const [all, hex, octal, letter] = sequence;
			code = hex !== undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal ?? "", 8);
			if (letter !== undefined) code = ESCAPES.get(letter)!;
			i += all.length - 1;
			if (code > 255) throw new Refusal("expression", text);
		} else if (code >= 0x80 || code === 0) throw new Refusal("unsupported-character", text);
		codes.push(code);
	}
	if (codes.length === 0 || codes.length > 4) throw new Refusal("expression", text);
	const bits = codes.length === 1 ? 8 : 32;
	let n = 0n;
	for (const code of codes) n = (n << 8n) | BigInt(code);
	if (codes.length > 1 || !unsignedChar) n = BigInt.asIntN(bits, n);
	return { n, unsigned: codes.length === 1 && unsignedChar };
}
