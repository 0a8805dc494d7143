/** From a directive's name and text to what the walk does with it. */

import { Conditionals } from "./conditionals.js";
import { type Dialect, endOfName, isNameStart, NAMED_OPERATORS } from "./lex.js";
import { isInert, literalPragma } from "./pragma.js";
import * as program from "./program.js";
import { type Fail, Op, type PragmaMaker } from "./program.js";
import { Refusal } from "./refusal.js";
import { Macro, type Symbols } from "./symbols.js";
import type { RefusalReason, ScanLanguage } from "./types.js";

/** More directives in one file than any file has: what they would take in memory is not worth an answer. */
const MOST_DIRECTIVES = 1_500_000;

const KINDS: ReadonlyMap<string, number> = new Map([
	["define", program.DEFINE],
	["undef", program.UNDEF],
	["ifdef", program.IFDEF],
	["ifndef", program.IFNDEF],
	["if", program.IF],
	["elif", program.ELIF],
	["elifdef", program.ELIFDEF],
	["elifndef", program.ELIFNDEF],
	["else", program.ELSE],
	["endif", program.ENDIF],
	["include", program.INCLUDE],
	["include_next", program.INCLUDE_NEXT],
	["import", program.IMPORT],
	["pragma", program.PRAGMA],
	["line", program.LINE],
	["error", program.REFUSED],
	["embed", program.REFUSED],
]);
/** In the text of these a quote or `<` begins the name of a file, not a literal. */
export const NAMING_HEADERS: ReadonlySet<string> = new Set(["embed", "import", "include", "include_next"]);
/** Directives that open nothing and change no macro. */
const INERT = new Set(["assert", "ident", "sccs", "unassert", "warning"]);

export interface DirectivesOptions {
	readonly language: ScanLanguage;
	readonly dialect: Dialect;
	readonly symbols: Symbols;
	/** _Pragma stands somewhere in the file. */
	readonly hasPragma: boolean;
	readonly fail: Fail;
}

/** Of one file, in their order. */
export class Directives {
	readonly ops: Op[] = [];
	readonly makers: PragmaMaker[] = [];
	readonly conditionals: Conditionals;
	weight = 0;
	readonly #language: ScanLanguage;
	readonly #dialect: Dialect;
	readonly #symbols: Symbols;
	readonly #hasPragma: boolean;
	readonly #fail: Fail;

	constructor({ language, dialect, symbols, hasPragma, fail }: DirectivesOptions) {
		this.#language = language;
		this.#dialect = dialect;
		this.#symbols = symbols;
		this.#hasPragma = hasPragma;
		this.#fail = fail;
		this.conditionals = new Conditionals(symbols, fail);
	}

	/** `text` is what follows the name; `spread`: it goes over several lines. */
	directive(name: string, line: number, text: string, spread: boolean): void {
		const kind = KINDS.get(name);
		if (kind === undefined) this.#otherDirective(name, line, text, spread);
		else this.#known(kind, name, line, text, spread);
	}

	/** A walk that gets there is refused. */
	refuse(reason: RefusalReason, line: number, text: string): void {
		this.#add(program.REFUSED, line, text, false).reason = reason;
	}

	#add(kind: number, line: number, text: string, spread: boolean): Op {
		const op = new Op(kind, line, text, spread);
		this.ops.push(op);
		this.weight += text.length + 150;
		if (this.ops.length > MOST_DIRECTIVES) this.#fail("macro-limit", line, "too many directives");
		return op;
	}

	#otherDirective(name: string, line: number, text: string, spread: boolean): void {
		if (name === "" && text === "") return;
		// An opened conditional may be a guard still: anything outside of it undoes that.
		this.conditionals.notGuarded();
		if (INERT.has(name)) return;
		if (this.#language === "assembler") return;
		if (/^[0-9]/.test(name)) {
			// A linemarker; its flags 1, 2 and 3 say more than where the line is from.
			if (/"\s+[1-9]/.test(text) || !/^[0-9]+$/.test(name)) this.#refused("bad-directive", line, name, text);
			else this.#add(program.LINE, line, text, spread);
			return;
		}
		this.#refused("bad-directive", line, name, text);
	}

	#refused(reason: RefusalReason, line: number, name: string, text: string): void {
		this.refuse(reason, line, `#${name} ${text}`.trim());
	}

	#known(kind: number, name: string, line: number, text: string, spread: boolean): void {
		if ((kind === program.ELIFDEF || kind === program.ELIFNDEF) && !this.#dialect.elifdef) {
			this.#otherDirective(name, line, text, spread);
			return;
		}
		if (kind === program.REFUSED) {
			this.conditionals.notGuarded();
			if (name === "embed" && this.#language === "assembler") return;
			this.#refused(name === "embed" ? "embed" : "bad-directive", line, name, text);
			return;
		}
		if (kind !== program.IFNDEF && kind !== program.IF) this.conditionals.notGuarded();
		const op = this.#add(kind, line, text, spread);
		if (kind >= program.IFDEF && kind <= program.ENDIF) this.conditionals.add(op, name, this.ops.length - 1);
		else if (kind >= program.INCLUDE && kind <= program.IMPORT) plainHeader(op);
		if (!this.#dialect.lineComments && text.includes("//") && !(kind >= program.INCLUDE && kind <= program.IMPORT)) {
			this.#makeRefused(op, "unsupported-character");
			return;
		}
		if (kind <= program.IFNDEF || kind === program.ELIFDEF || kind === program.ELIFNDEF) this.#named(op);
	}

	/** Conditionals keep their kind, so that groups can be skipped: the reason is looked at when they are evaluated. */
	#makeRefused(op: Op, reason: RefusalReason): void {
		op.reason = reason;
	}

	#named(op: Op): void {
		const { text } = op;
		const dollar = this.#dialect.dollarInNames;
		let end = 0;
		try {
			if (isNameStart(text.charCodeAt(0), dollar)) end = endOfName(text, 0, dollar);
			else if (text.charCodeAt(0) >= 0x80 || text[0] === "\\") throw new Refusal("unsupported-character", text);
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			this.#makeRefused(op, error.reason);
			return;
		}
		const name = text.slice(0, end);
		if (end === 0 || (this.#dialect.cplusplus && NAMED_OPERATORS.has(name))) {
			this.#makeRefused(op, "bad-directive");
			return;
		}
		op.sym = this.#symbols.get(name);
		if (op.kind <= program.UNDEF && (name === "defined" || name === "__VA_ARGS__" || name === "__VA_OPT__")) {
			this.#makeRefused(op, "bad-directive");
			return;
		}
		if (op.kind !== program.DEFINE) return;
		const body = text.slice(end);
		op.macro = new Macro(body);
		if (this.#hasPragma && body.includes("_Pragma")) this.#pragmaInMacro(op, name, body);
	}

	#pragmaInMacro(op: Op, name: string, body: string): void {
		for (const use of body.matchAll(/(?<![\w$])_Pragma(?![\w$])/g)) {
			const said = literalPragma(body.slice(use.index + 7));
			if (said === undefined) this.makers.push({ name, body });
			else if (!isInert(said)) this.#makeRefused(op, "pragma");
		}
	}
}

function plainHeader(op: Op): void {
	const { text } = op;
	const close = text[0] === '"' ? '"' : text[0] === "<" ? ">" : undefined;
	if (close === undefined) return;
	const end = text.indexOf(close, 1);
	if (end < 0) return;
	op.header = text.slice(1, end);
	op.angled = close === ">";
}
