/** A file's bytes after phases 1 and 2: where its comments and literals end, and on which line what stands. */

import type { Cleaned } from "./clean.js";
import { type Dialect, isBlank, isNameStart } from "./lex.js";
import type { Fail } from "./program.js";

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;
const STAR = 0x2a;
const BACKSLASH = 0x5c;

/** By byte: part of a name, whatever the dialect. */
export const NAME_PART = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
	const digit = c >= 0x30 && c <= 0x39;
	if (digit || isNameStart(c, true) || c >= 0x80) NAME_PART[c] = 1;
}
export const BLANK = new Uint8Array(256);
for (let c = 0; c < 256; c++) if (isBlank(c)) BLANK[c] = 1;

export class SourceText {
	/** Moved on by whoever reads past a newline; splices do not count. */
	line = 1;
	readonly #b: Buffer;
	readonly #splices: readonly number[];
	readonly #edits: readonly number[];
	readonly #dialect: Dialect;
	readonly #fail: Fail;
	#splice = 0;
	#edit = 0;

	constructor(cleaned: Cleaned, dialect: Dialect, fail: Fail) {
		this.#b = cleaned.bytes;
		this.#splices = cleaned.splices;
		this.#edits = cleaned.edits;
		this.#dialect = dialect;
		this.#fail = fail;
		if (cleaned.unclear !== undefined) fail("unsupported-character", 1, "NUL behind a backslash");
	}

	/** The line on which the byte at `offset` stands, splices included. Offsets must ascend. */
	lineAt(offset: number): number {
		while (this.#splice < this.#splices.length && this.#splices[this.#splice]! <= offset) this.#splice++;
		return this.line + this.#splice;
	}

	/** After blanks and comments. */
	skipBlanks(from: number): number {
		const b = this.#b;
		let i = from;
		for (;;) {
			while (i < b.length && BLANK[b[i]!] === 1) i++;
			if (b[i] !== SLASH) return i;
			const after = this.comment(i);
			if (after === i) return i;
			i = after;
		}
	}

	/** After the comment that begins at `at`, `at` itself if none does. A line comment ends before its newline. */
	comment(at: number): number {
		const b = this.#b;
		const c = b[at + 1];
		if (c === SLASH) {
			if (!this.#dialect.lineComments) {
				// C90 takes it for a comment, or for two slashes, depending on where it stands.
				const end = this.endOfLine(at);
				const rest = b.toString("latin1", at, end);
				if (/["'\\]|\/\*|\?\?/.test(rest)) this.#fail("unsupported-character", this.lineAt(at), rest.slice(0, 80));
				return at;
			}
			return this.endOfLine(at);
		}
		if (c !== STAR) return at;
		const close = b.indexOf("*/", at + 2, "latin1");
		if (close < 0) {
			this.#fail("bad-directive", this.lineAt(at), "unterminated comment");
			return b.length;
		}
		for (let k = at + 2; k < close; k++) if (b[k] === NEWLINE) this.line++;
		return close + 2;
	}

	endOfLine(from: number): number {
		const end = this.#b.indexOf(NEWLINE, from);
		return end < 0 ? this.#b.length : end;
	}

	/** After the string, character or raw string whose quote is at `at`. One that is not closed goes to the line's end. */
	literal(at: number, from: number, inText: boolean): number {
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
		this.#fail("unsupported-character", this.lineAt(at), this.#b.toString("latin1", start, at + 1));
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
		const line = this.lineAt(at);
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
		if (newlines) for (let i = at; i < end; i++) if (b[i] === NEWLINE) this.line++;
		return end;
	}
}

/** Which of these characters are part of a word depends on the compiler. */
function isBeyondAscii(b: Buffer, from: number, to: number): boolean {
	for (let i = from; i < to; i++) if (b[i]! >= 0x80) return true;
	return false;
}
