/** Macro expansion within one directive: a stack of contexts from which tokens are pulled one by one, as the compilers do it. */

import { type Dialect, END, isBlank, Lexer, type Token, token } from "./lex.js";
import { parseMacro } from "./macro-body.js";
import { Refusal } from "./refusal.js";
import { type Macro, type MacroBody, POISONED, type Sym, type Symbols } from "./symbols.js";

/** Bounds for one directive: beyond, its author means harm. */
const MOST_TOKENS = 400_000;
const LONGEST_TOKEN = 65_536;
const DEEPEST = 200;

/** What expansion asks of the walk. */
export interface MacroHost {
	readonly dialect: Dialect;
	readonly symbols: Symbols;
	readonly assembler: boolean;
	/** The macro that the name stands for now. */
	lookup(sym: Sym): Macro | undefined;
	/** The one token that a macro of the preprocessor's own comes to; it may pull its operands from the expansion. */
	builtin(sym: Sym, from: Expansion): Token;
}

interface Context {
	readonly tokens: readonly Token[];
	at: number;
	/** Disabled until this and the contexts directly above with the same macro are read. */
	readonly macro: Sym | undefined;
}

interface Argument {
	readonly tokens: readonly Token[];
	expanded: readonly Token[] | undefined;
	/** Left out altogether, which swallows a comma before `##`. */
	missing: boolean;
}

/** Ends an argument that is being expanded by itself. */
const END_OF_ARGUMENT = token("end", "", false);
const PLACEHOLDER_PADDING = token("padding", "", false);

export class Expansion {
	readonly host: MacroHost;
	/** A header's name is expected next. */
	header: boolean;
	/** Above zero: names are taken as they stand. */
	preventExpansion = 0;
	readonly #lexer: Lexer;
	/** Blanks before arguments matter to what `#` makes of them: only for #include. */
	readonly #keepPadding: boolean;
	readonly #contexts: Context[] = [];
	#pending: Token | undefined;
	#pulled = 0;
	#depth = 0;

	constructor(host: MacroHost, text: string, header: boolean) {
		this.host = host;
		this.header = header;
		this.#keepPadding = header;
		this.#lexer = new Lexer(text, host.dialect, host.symbols);
	}

	/** After a refusal: symbols outlive it. */
	abandon(): void {
		for (const { macro } of this.#contexts) if (macro !== undefined) macro.disabled = false;
	}

	/** The next token, expanded; without padding. */
	next(): Token {
		for (;;) {
			const t = this.#pull();
			if (t.type !== "padding") return t;
		}
	}

	/** Puts back what `next` has just given. */
	unread(t: Token): void {
		this.#backUp(t);
	}

	#pull(): Token {
		for (;;) {
			if (++this.#pulled > MOST_TOKENS) throw new Refusal("macro-limit", "too many tokens");
			const context = this.#contexts.at(-1);
			let t: Token;
			if (context === undefined) t = this.#lex();
			else if (context.at < context.tokens.length) {
				t = context.tokens[context.at++]!;
				if (t.paste) {
					this.#pasteAll(t, context);
					continue;
				}
			} else {
				this.#pop();
				continue;
			}
			const { sym } = t;
			if (sym === undefined || t.noExpand) return t;
			const macro = this.host.lookup(sym);
			if (macro === undefined) return t;
			if (macro === POISONED) throw new Refusal("pragma", `${sym.name} is poisoned`);
			if (sym.disabled) return { ...t, noExpand: true };
			if (this.preventExpansion > 0) return t;
			if (!this.#enter(sym, macro)) return t;
		}
	}

	#lex(): Token {
		const t = this.#pending;
		if (t === undefined) return this.#lexer.next(this.header);
		this.#pending = undefined;
		return t;
	}

	#backUp(t: Token): void {
		const context = this.#contexts.at(-1);
		if (context === undefined) this.#pending = t;
		else context.at--;
	}

	#pop(): void {
		const { macro } = this.#contexts.pop()!;
		if (macro !== undefined && this.#contexts.at(-1)?.macro !== macro) macro.disabled = false;
	}

	#push(tokens: readonly Token[], macro: Sym | undefined): void {
		this.#contexts.push({ tokens, at: 0, macro });
	}

	/** Replaces the macro by a context of its expansion; false if it takes arguments and has none. */
	#enter(sym: Sym, macro: Macro): boolean {
		this.header = false;
		if (macro.builtin) {
			const t = this.host.builtin(sym, this);
			this.#push([t], this.#contexts.at(-1)?.macro);
			return true;
		}
		macro.parsed ??= parseMacro(macro.text, this.host.dialect, this.host.symbols);
		const body = macro.parsed;
		let { tokens } = body;
		if (body.functionLike) {
			this.preventExpansion++;
			const args = this.#invocation(sym, body);
			this.preventExpansion--;
			if (args === undefined) return false;
			if (body.parameters > 0) tokens = this.#replace(body, args);
		}
		sym.disabled = true;
		this.#push(tokens, sym);
		return true;
	}

	/** The arguments if `(` follows. */
	#invocation(sym: Sym, body: MacroBody): Argument[] | undefined {
		const skipped: Token[] = [];
		let t = this.#pull();
		while (t.type === "padding") {
			skipped.push(t);
			t = this.#pull();
		}
		if (t.text === "(" && t.type === "punctuator") return this.#arguments(sym, body);
		if (t !== END) {
			this.#backUp(t);
			if (skipped.length > 0) this.#push(skipped.slice(0, 1), this.#contexts.at(-1)?.macro);
		}
		return undefined;
	}

	#arguments(sym: Sym, body: MacroBody): Argument[] {
		const args: Argument[] = [];
		for (;;) {
			const tokens: Token[] = [];
			const isLast = body.variadic && args.length + 1 === body.parameters;
			const stop = this.#oneArgument(tokens, isLast);
			while (tokens.at(-1)?.type === "padding") tokens.pop();
			args.push({ tokens, expanded: undefined, missing: false });
			if (stop.type === "end") throw new Refusal("expression", `unterminated arguments of ${sym.name}`);
			if (stop.text === ")") break;
		}
		let count = args.length;
		if (count === 1 && body.parameters === 0 && args[0]!.tokens.length === 0) count = 0;
		if (count + 1 === body.parameters && body.variadic) args.push({ tokens: [], expanded: undefined, missing: true });
		else if (count !== body.parameters) throw new Refusal("expression", `number of arguments of ${sym.name}`);
		else if (body.variadic && count === 1 && args[0]!.tokens.length === 0) args[0]!.missing = true;
		return args;
	}

	#oneArgument(tokens: Token[], isLast: boolean): Token {
		for (let depth = 0; ; ) {
			const t = this.#pull();
			if (t.type === "padding") {
				if (tokens.length === 0) continue;
			} else if (t.type === "end") return t;
			else if (t.type === "punctuator") {
				if (t.text === "(") depth++;
				else if (t.text === ")") {
					if (depth-- === 0) return t;
				} else if (t.text === "," && depth === 0 && !isLast) return t;
			}
			tokens.push(t);
		}
	}

	#expand(arg: Argument): readonly Token[] {
		if (arg.expanded !== undefined) return arg.expanded;
		if (arg.tokens.length === 0) {
			arg.expanded = [];
			return arg.expanded;
		}
		if (++this.#depth > DEEPEST) throw new Refusal("macro-limit", "arguments within arguments");
		const prevented = this.preventExpansion;
		this.#push([...arg.tokens, END_OF_ARGUMENT], undefined);
		const expanded: Token[] = [];
		for (;;) {
			const t = this.#pull();
			if (t.type === "end") break;
			expanded.push(t);
		}
		this.#pop();
		this.preventExpansion = prevented;
		this.#depth--;
		arg.expanded = expanded;
		return expanded;
	}

	/** The body with arguments in their parameters' places. */
	#replace(body: MacroBody, args: readonly Argument[]): Token[] {
		const out: Token[] = [];
		const tokens = body.hasVaOpt ? this.#vaOpt(body, args) : body.tokens;
		for (let i = 0; i < tokens.length; i++) {
			const t = tokens[i]!;
			if (t.type !== "argument") {
				out.push(t);
				continue;
			}
			const pasted = i > 0 && tokens[i - 1]!.paste;
			const arg = args[t.parameter]!;
			// The flag of the last token so far is to be set to that of `t`.
			let flagged = false;
			let inserted: readonly Token[];
			if (t.stringify) inserted = [this.#stringify(arg.tokens)];
			else if (t.paste) inserted = arg.tokens;
			else if (pasted) {
				inserted = arg.tokens;
				const last = out.at(-1);
				const isRest = body.variadic && t.parameter + 1 === body.parameters;
				if (last !== undefined && last.text === "," && last.type === "punctuator" && isRest) {
					if (arg.missing) this.#swallowComma(out, args);
					else flagged = true;
				} else if (last !== undefined && inserted.length === 0) flagged = true;
				if (flagged) setPaste(out, t.paste);
			} else inserted = this.#expand(arg);
			if (this.#keepPadding && i > 0 && !pasted) out.push({ ...PLACEHOLDER_PADDING, space: t.space });
			for (const a of inserted) out.push(a);
			if (inserted.length > 0 && t.paste) setPaste(out, true);
			else if (flagged && inserted.length === 0) setPaste(out, t.paste);
			if (out.length > MOST_TOKENS) throw new Refusal("macro-limit", "too many tokens");
		}
		return out;
	}

	#swallowComma(out: Token[], args: readonly Argument[]): void {
		// Strictly conforming modes keep the comma if the parameter is the only one.
		if (args.length === 1 && this.host.dialect.trigraphs) throw new Refusal("expression", "a comma before no argument");
		out.pop();
	}

	/** The body with what `__VA_OPT__( )` holds, or without. */
	#vaOpt(body: MacroBody, args: readonly Argument[]): Token[] {
		const kept = this.#expand(args.at(-1)!).some((t) => t.type !== "padding");
		const out: Token[] = [];
		const { tokens } = body;
		for (let i = 0; i < tokens.length; i++) {
			const t = tokens[i]!;
			if (t.text !== "__VA_OPT__" || t.type !== "name") {
				out.push(t);
				continue;
			}
			const close = closing(tokens, i + 1);
			const adjoining = [tokens[i - 1], t, tokens[close], tokens[close - 1], tokens[i + 1]];
			if (close < 0 || adjoining.some((a) => a?.paste === true || a?.text === "#")) {
				throw new Refusal("expression", "__VA_OPT__ beside # or ##");
			}
			if (kept) out.push(...tokens.slice(i + 2, close));
			i = close;
		}
		return out;
	}

	/** `#`: the spelling as a string. */
	#stringify(tokens: readonly Token[]): Token {
		let text = '"';
		let source: Token | undefined;
		for (const t of tokens) {
			if (t.type === "padding") {
				source ??= t;
				continue;
			}
			if (text.length > 1 && (source ?? t).space) text += " ";
			source = undefined;
			const quoted = t.type === "string" || t.type === "character";
			text += quoted ? t.text.replace(/[\\"]/g, "\\$&") : t.text;
			if (t.text.includes("\\") && !quoted) throw new Refusal("expression", "a backslash in #");
			if (text.length > LONGEST_TOKEN) throw new Refusal("macro-limit", "a string too long");
		}
		return token("string", `${text}"`, false);
	}

	/** `left ## … ## right`, from the left. */
	#pasteAll(first: Token, context: Context): void {
		let left = { ...first, paste: false };
		for (;;) {
			const right = context.tokens[context.at++];
			if (right === undefined) break;
			const pasted = this.#paste(left, right);
			if (pasted === undefined) {
				context.at--;
				break;
			}
			left = pasted;
			if (!right.paste) break;
		}
		this.#push([left], context.macro);
	}

	#paste(left: Token, right: Token): Token | undefined {
		const text = left.text + (left.text === "/" && right.text !== "=" ? " " : "") + right.text;
		if (text.length > LONGEST_TOKEN) throw new Refusal("macro-limit", "a token too long");
		const lexer = new Lexer(text, this.host.dialect, this.host.symbols);
		const t = lexer.next(false);
		if (lexer.atEnd && !isBlank(text.charCodeAt(text.length - 1))) return { ...t, space: left.space };
		if (this.host.assembler) return undefined;
		throw new Refusal("expression", `${left.text} ## ${right.text}`);
	}
}

function setPaste(out: Token[], paste: boolean): void {
	const last = out.length - 1;
	if (last >= 0 && out[last]!.paste !== paste) out[last] = { ...out[last]!, paste };
}

/** The index of the parenthesis that closes the one at `open`; -1 if there is none. */
function closing(tokens: readonly Token[], open: number): number {
	if (tokens[open]?.text !== "(") return -1;
	for (let i = open, depth = 0; i < tokens.length; i++) {
		if (tokens[i]!.text === "(") depth++;
		else if (tokens[i]!.text === ")" && --depth === 0) return i;
	}
	return -1;
}
