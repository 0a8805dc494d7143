/** From a file's bytes to its directives, in one pass. */

import { type Cleaned, clean } from "./clean.js";
import { type Dialect, endOfName, isBlank, isNameStart, NAMED_OPERATORS } from "./lex.js";
import { mayHeed } from "./makers.js";
import { meaning } from "./pragma.js";
import * as program from "./program.js";
import { Op, type PragmaMaker, type Program } from "./program.js";
import { Refusal } from "./refusal.js";
import { Macro, type Symbols } from "./symbols.js";
import type { RefusalReason, ScanLanguage } from "./types.js";

/** More directives in one file than any file has: what they would take in memory is not worth an answer. */
const MOST_DIRECTIVES = 1_500_000;

const NEWLINE = 0x0a;
const HASH = 0x23;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const STAR = 0x2a;
const BACKSLASH = 0x5c;

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
/** Directives that open nothing and change no macro. */
const INERT = new Set(["assert", "ident", "sccs", "unassert", "warning"]);

/** Bytes at which the search through text stops: line ends, quotes, slashes. */
const STOPS = new Uint8Array(256);
for (const c of [NEWLINE, QUOTE, APOSTROPHE, SLASH]) STOPS[c] = 1;
/** The same, for files that name _Pragma. */
const PRAGMA_STOPS = STOPS.slice();
PRAGMA_STOPS[0x5f] = 1;

const NAME_PART = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
	const digit = c >= 0x30 && c <= 0x39;
	if (digit || isNameStart(c, true) || c >= 0x80) NAME_PART[c] = 1;
}
const BLANK = new Uint8Array(256);
for (let c = 0; c < 256; c++) if (isBlank(c)) BLANK[c] = 1;

const TIME_WORDS = ["__DATE__", "__TIME__", "__TIMESTAMP__"] as const;

export function minimise(content: Uint8Array, language: ScanLanguage, dialect: Dialect, symbols: Symbols): Program {
	const cleaned = clean(content, dialect.trigraphs);
	const size = content.length - (cleaned.isMarked ? 3 : 0);
	return { ...new Minimiser(cleaned, size, language, dialect, symbols).run(), mayHeed: mayHeed(content) };
}

interface Conditional {
	/** Its branches so far. */
	readonly branches: Op[];
	last: Op;
	hadElse: boolean;
}

class Minimiser {
	readonly #b: Buffer;
	readonly #splices: readonly number[];
	readonly #edits: readonly number[];
	readonly #language: ScanLanguage;
	readonly #dialect: Dialect;
	readonly #symbols: Symbols;
	readonly #ops: Op[] = [];
	readonly #open: Conditional[] = [];
	readonly #makers: PragmaMaker[] = [];
	readonly #hasPragma: boolean;
	readonly #stops: Uint8Array;
	readonly #isMarked: boolean;
	readonly #size: number;
	#problem: Program["problem"];
	#i = 0;
	#line = 1;
	#splice = 0;
	#edit = 0;
	#weight = 0;
	/** The first conditional, while it may be a guard. */
	#guard: Op | undefined;
	#guardPossible = true;

	constructor(cleaned: Cleaned, size: number, language: ScanLanguage, dialect: Dialect, symbols: Symbols) {
		this.#b = cleaned.bytes;
		this.#splices = cleaned.splices;
		this.#edits = cleaned.edits;
		this.#isMarked = cleaned.isMarked;
		this.#size = size;
		this.#language = language;
		this.#dialect = dialect;
		this.#symbols = symbols;
		this.#hasPragma = this.#b.indexOf("_Pragma") >= 0;
		this.#stops = this.#hasPragma ? PRAGMA_STOPS : STOPS;
		if (cleaned.unclear !== undefined) this.#fail("unsupported-character", 1, "NUL behind a backslash");
	}

	run(): Omit<Program, "mayHeed"> {
		const b = this.#b;
		const n = b.length;
		while (this.#i < n && this.#problem === undefined) this.#oneLine();
		const open = this.#open.at(-1);
		if (open !== undefined) this.#fail("bad-directive", open.branches[0]!.line, "unterminated conditional");
		const guard = this.#guardPossible && this.#open.length === 0 ? this.#guard : undefined;
		return {
			ops: this.#ops,
			guard: guard?.sym,
			problem: this.#problem,
			namesTime: TIME_WORDS.some((w) => b.indexOf(w) >= 0),
			makers: this.#makers,
			isMarked: this.#isMarked,
			size: this.#size,
			weight: this.#weight + 200,
		};
	}

	#fail(reason: RefusalReason, line: number, what: string): void {
		this.#problem ??= { reason, line, what };
	}

	/** From the start of a line to the start of the next. */
	#oneLine(): void {
		const b = this.#b;
		const n = b.length;
		let i = this.#i;
		for (;;) {
			while (i < n && BLANK[b[i]!] === 1) i++;
			if (i >= n) {
				this.#i = i;
				return;
			}
			const c = b[i]!;
			if (c === NEWLINE) {
				this.#i = i + 1;
				this.#newline();
				return;
			}
			if (c === SLASH) {
				const after = this.#comment(i);
				if (after === i) break;
				i = after;
				continue;
			}
			if (c === HASH) {
				this.#directive(i + 1);
				return;
			}
			if (c === 0x25 && b[i + 1] === 0x3a && this.#dialect.digraphs) {
				this.#directive(i + 2);
				return;
			}
			break;
		}
		this.#text(i);
	}

	#newline(): void {
		this.#line++;
	}

	/** The line on which the byte at `offset` stands, splices included. Offsets must ascend. */
	#lineAt(offset: number): number {
		while (this.#splice < this.#splices.length && this.#splices[this.#splice]! <= offset) this.#splice++;
		return this.#line + this.#splice;
	}

	/** Text up to the end of the line. */
	#text(from: number): void {
		const b = this.#b;
		const n = b.length;
		const stops = this.#stops;
		let i = from;
		if (this.#open.length === 0) this.#guardPossible = false;
		for (;;) {
			while (i < n && stops[b[i]!] === 0) i++;
			if (i >= n) break;
			const c = b[i]!;
			if (c === NEWLINE) {
				i++;
				this.#newline();
				break;
			}
			if (c === SLASH) {
				const after = this.#comment(i);
				i = after === i ? i + 1 : after;
			} else if (c === 0x5f) i = this.#maybePragma(i, from);
			else i = this.#literal(i, from, true);
		}
		this.#i = i;
	}

	/** After the comment that begins at `at`, `at` itself if none does. A line comment ends before its newline. */
	#comment(at: number): number {
		const b = this.#b;
		const c = b[at + 1];
		if (c === SLASH) {
			if (!this.#dialect.lineComments) {
				// C90 takes it for a comment, or for two slashes, depending on where it stands.
				const end = this.#endOfLine(at);
				const rest = b.toString("latin1", at, end);
				if (/["'\\]|\/\*|\?\?/.test(rest)) this.#fail("unsupported-character", this.#lineAt(at), rest.slice(0, 80));
				return at;
			}
			return this.#endOfLine(at);
		}
		if (c !== STAR) return at;
		const close = b.indexOf("*/", at + 2, "latin1");
		if (close < 0) {
			this.#fail("bad-directive", this.#lineAt(at), "unterminated comment");
			return b.length;
		}
		for (let k = at + 2; k < close; k++) if (b[k] === NEWLINE) this.#newline();
		return close + 2;
	}

	#endOfLine(from: number): number {
		const end = this.#b.indexOf(NEWLINE, from);
		return end < 0 ? this.#b.length : end;
	}

	/** After the string, character or raw string whose quote is at `at`. One that is not closed goes to the line's end. */
	#literal(at: number, from: number, inText: boolean): number {
		const b = this.#b;
		const mark = b[at]!;
		let start = at;
		while (start > from && NAME_PART[b[start - 1]!] === 1) start--;
		if (mark === APOSTROPHE && start < at && this.#dialect.digitSeparators && this.#inNumber(start, at, from)) {
			if (isBeyondAscii(b, start, at) || b[at + 1]! >= 0x80) this.#unclear(start, at);
			let i = at + 1;
			while (i < b.length && (NAME_PART[b[i]!] === 1 || b[i] === APOSTROPHE)) {
				if (b[i] === APOSTROPHE && NAME_PART[b[i + 1] ?? 0] !== 1) break;
				i++;
			}
			return i > at + 1 ? i : this.#quoted(at);
		}
		if (mark === QUOTE && this.#dialect.rawStrings && b[at - 1] === 0x52 && start < at) {
			if (isBeyondAscii(b, start, at)) this.#unclear(start, at);
			else if (/^(?:[LuU]|u8)?R$/.test(b.toString("latin1", start, at))) {
				this.#notOfNumber(start, at, from);
				const before = start > from ? b[start - 1] : 0;
				// It is the suffix of a literal then, unless a macro has its name.
				if (this.#dialect.cplusplus && (before === QUOTE || before === APOSTROPHE)) this.#unclear(start, at);
				return this.#raw(at, inText);
			}
		}
		return this.#quoted(at);
	}

	/** Whether the word from `start` to `at` belongs to a number, `1'000` or `1e+f'0`. */
	#inNumber(start: number, at: number, from: number): boolean {
		const b = this.#b;
		const first = b[start]!;
		if (first >= 0x30 && first <= 0x39) return true;
		this.#notOfNumber(start, at, from);
		return false;
	}

	/** A number's exponent or fraction, perhaps: rare enough not to be told apart. */
	#notOfNumber(start: number, at: number, from: number): void {
		const before = start > from ? this.#b[start - 1]! : 0;
		if (before !== 0x2b && before !== 0x2d && before !== 0x2e) return;
		const earlier = this.#b.toString("latin1", Math.max(from, start - 64), start);
		if (/[0-9][0-9A-Za-z_.']*(?:[eEpP][+-]|\.)$/.test(earlier)) this.#unclear(start - 1, at);
	}

	#unclear(start: number, at: number): void {
		this.#fail("unsupported-character", this.#lineAt(at), this.#b.toString("latin1", start, at + 1));
	}

	#quoted(at: number): number {
		const b = this.#b;
		const n = b.length;
		const mark = b[at]!;
		let i = at + 1;
		for (; i < n; i++) {
			const c = b[i]!;
			if (c === mark) return i + 1;
			if (c === NEWLINE) return i;
			if (c === BACKSLASH && i + 1 < n && b[i + 1] !== NEWLINE) i++;
		}
		return i;
	}

	#raw(at: number, inText: boolean): number {
		const b = this.#b;
		const line = this.#lineAt(at);
		let open = at + 1;
		while (open < b.length && b[open] !== 0x28 && open - at <= 17) open++;
		const delimiter = b.toString("latin1", at + 1, open);
		const close = b[open] === 0x28 ? b.indexOf(`)${delimiter}"`, open, "latin1") : -1;
		if (close < 0 || /[\s\\)"\0]/.test(delimiter)) {
			this.#fail("unsupported-character", line, "raw string");
			return b.length;
		}
		const end = close + delimiter.length + 2;
		while (this.#edit < this.#edits.length && this.#edits[this.#edit]! <= at) this.#edit++;
		const edit = this.#edits[this.#edit];
		const newlines = b.subarray(at, end).indexOf(NEWLINE) >= 0;
		if ((edit !== undefined && edit <= end) || (newlines && !inText)) {
			this.#fail("unsupported-character", line, "raw string with spliced lines, or in a directive");
		}
		if (newlines) for (let i = at; i < end; i++) if (b[i] === NEWLINE) this.#newline();
		return end;
	}

	/** At an underscore in a file that names _Pragma somewhere. */
	#maybePragma(at: number, from: number): number {
		const b = this.#b;
		let end = at;
		while (end < b.length && NAME_PART[b[end]!] === 1) end++;
		const starts = at === from || NAME_PART[b[at - 1]!] !== 1;
		if (!starts || end - at !== 7 || b.toString("latin1", at, end) !== "_Pragma") return end;
		// As text it does at once what the pragma says, unless it stands in the argument of a macro: only the harmless pass.
		const said = literalPragma(b.toString("latin1", end, Math.min(b.length, end + 400)));
		if (said === undefined || !isInert(said)) {
			const op = this.#add(program.REFUSED, this.#lineAt(at), `_Pragma ${said ?? "of something else"}`, false);
			op.reason = "pragma";
		}
		return end;
	}

	#add(kind: number, line: number, text: string, spread: boolean): Op {
		const op = new Op(kind, line, text, spread);
		this.#ops.push(op);
		this.#weight += text.length + 150;
		if (this.#ops.length > MOST_DIRECTIVES) this.#fail("macro-limit", line, "too many directives");
		return op;
	}

	/** A directive; `from` is behind its `#`. Ends at the start of the next line. */
	#directive(from: number): void {
		const b = this.#b;
		const line = this.#lineAt(from - 1);
		const startLine = this.#line;
		let i = this.#skipBlanks(from);
		const nameStart = i;
		while (i < b.length && NAME_PART[b[i]!] === 1) i++;
		const name = b.toString("latin1", nameStart, i);
		const kind = KINDS.get(name);
		const isInclude = kind === program.INCLUDE || kind === program.INCLUDE_NEXT || kind === program.IMPORT;
		const text = this.#rest(i, isInclude || name === "embed");
		const spread = this.#line !== startLine || this.#lineAt(this.#i) - this.#line !== line - startLine;
		if (this.#i < b.length) {
			this.#i++;
			this.#newline();
		}
		if (kind === undefined) this.#otherDirective(name, line, text, spread);
		else this.#known(kind, name, line, text, spread);
	}

	#skipBlanks(from: number): number {
		const b = this.#b;
		let i = from;
		for (;;) {
			while (i < b.length && BLANK[b[i]!] === 1) i++;
			if (b[i] !== SLASH) return i;
			const after = this.#comment(i);
			if (after === i) return i;
			i = after;
		}
	}

	/** The directive's text up to its end, which `#i` is set to. */
	#rest(from: number, header: boolean): string {
		const b = this.#b;
		const n = b.length;
		const stops = this.#stops;
		let pieces = "";
		let start = this.#skipBlanks(from);
		let i = start;
		if (header && b[i] === 0x3c) {
			const end = this.#endOfLine(i);
			const close = b.indexOf(0x3e, i);
			if (close >= 0 && close < end) i = close + 1;
		} else if (header && b[i] === QUOTE) {
			const end = this.#endOfLine(i);
			const close = b.indexOf(QUOTE, i + 1);
			i = close >= 0 && close < end ? close + 1 : end;
		}
		for (;;) {
			while (i < n && stops[b[i]!] === 0) i++;
			if (i >= n || b[i] === NEWLINE) break;
			const c = b[i]!;
			if (c === SLASH) {
				const after = this.#comment(i);
				if (after !== i) {
					pieces += `${b.toString("latin1", start, i)} `;
					start = after;
					i = after;
				} else i++;
			} else if (c === 0x5f) i++;
			else i = this.#literal(i, from, false);
		}
		this.#i = i;
		let end = i;
		while (end > start && BLANK[b[end - 1]!] === 1) end--;
		const last = b.toString("latin1", start, end);
		return pieces === "" ? last : (pieces + last).trimEnd();
	}

	#otherDirective(name: string, line: number, text: string, spread: boolean): void {
		if (name === "" && text === "") return;
		// An opened conditional may be a guard still: anything outside of it undoes that.
		if (this.#open.length === 0) this.#guardPossible = false;
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
		this.#add(program.REFUSED, line, `#${name} ${text}`.trim(), false).reason = reason;
	}

	#known(kind: number, name: string, line: number, text: string, spread: boolean): void {
		if ((kind === program.ELIFDEF || kind === program.ELIFNDEF) && !this.#dialect.elifdef) {
			this.#otherDirective(name, line, text, spread);
			return;
		}
		const outermost = this.#open.length === 0;
		if (kind === program.REFUSED) {
			if (outermost) this.#guardPossible = false;
			if (name === "embed" && this.#language === "assembler") return;
			this.#refused(name === "embed" ? "embed" : "bad-directive", line, name, text);
			return;
		}
		if (outermost && kind !== program.IFNDEF && kind !== program.IF) this.#guardPossible = false;
		const op = this.#add(kind, line, text, spread);
		if (kind >= program.IFDEF && kind <= program.ENDIF) this.#conditional(op, name, outermost);
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
			if (said === undefined) this.#makers.push({ name, body });
			else if (!isInert(said)) this.#makeRefused(op, "pragma");
		}
	}

	#conditional(op: Op, name: string, outermost: boolean): void {
		const index = this.#ops.length - 1;
		if (op.kind <= program.IF) {
			this.#open.push({ branches: [op], last: op, hadElse: false });
			if (outermost) this.#opensGuard(op);
			return;
		}
		const open = this.#open.at(-1);
		if (open === undefined || (open.hadElse && op.kind !== program.ENDIF)) {
			this.#fail("bad-directive", op.line, `#${name} ${open === undefined ? "without #if" : "after #else"}`);
			return;
		}
		open.last.next = index;
		open.last = op;
		if (op.kind !== program.ENDIF) {
			open.branches.push(op);
			if (op.kind === program.ELSE) open.hadElse = true;
			if (this.#open.length === 1) this.#guardPossible = false;
			return;
		}
		for (const branch of open.branches) branch.end = index;
		op.end = index;
		this.#open.pop();
	}

	#opensGuard(op: Op): void {
		if (this.#ops.length !== 1 || !this.#guardPossible) {
			this.#guardPossible = false;
			return;
		}
		this.#guard = op;
		if (op.kind !== program.IF) return;
		const tested = /^!\s*defined\s*(?:\(\s*([A-Za-z_]\w*)\s*\)|\s([A-Za-z_]\w*))$/.exec(op.text);
		const name = tested?.[1] ?? tested?.[2];
		if (name === undefined) this.#guardPossible = false;
		else op.sym = this.#symbols.get(name);
	}
}

/** Which of these characters are part of a word depends on the compiler. */
function isBeyondAscii(b: Buffer, from: number, to: number): boolean {
	for (let i = from; i < to; i++) if (b[i]! >= 0x80) return true;
	return false;
}

/** The text of `("…")` at the start, as _Pragma understands it; undefined if there is anything else. */
function literalPragma(text: string): string | undefined {
	const literal = /^\s*\(\s*L?"((?:[^"\\\n]|\\.)*)"\s*\)/.exec(text)?.[1];
	return literal?.replace(/\\(["\\])/g, "$1");
}

/** To either compiler. */
function isInert(pragma: string): boolean {
	return meaning(pragma, "gcc").kind === "inert" && meaning(pragma, "clang").kind === "inert";
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
