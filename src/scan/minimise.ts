/** From a file's bytes to its directives, in one pass. */

import { type Cleaned, clean } from "./clean.js";
import { Directives, NAMING_HEADERS } from "./directives.js";
import type { Dialect } from "./lex.js";
import { mayHeed } from "./makers.js";
import { isInert, literalPragma } from "./pragma.js";
import type { Fail, Program } from "./program.js";
import { BLANK, NAME_PART, SourceText } from "./source-text.js";
import type { Symbols } from "./symbols.js";
import type { ScanLanguage } from "./types.js";

const NEWLINE = 0x0a;
const HASH = 0x23;
const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const SLASH = 0x2f;

/** Bytes at which the search through text stops: line ends, quotes, slashes. */
const STOPS = new Uint8Array(256);
for (const c of [NEWLINE, QUOTE, APOSTROPHE, SLASH]) STOPS[c] = 1;
/** The same, for files that name _Pragma. */
const PRAGMA_STOPS = STOPS.slice();
PRAGMA_STOPS[0x5f] = 1;

const TIME_WORDS = ["__DATE__", "__TIME__", "__TIMESTAMP__"] as const;

export function minimise(content: Uint8Array, language: ScanLanguage, dialect: Dialect, symbols: Symbols): Program {
	const cleaned = clean(content, dialect.trigraphs);
	const size = content.length - (cleaned.isMarked ? 3 : 0);
	return { ...new Minimiser(cleaned, size, language, dialect, symbols).run(), mayHeed: mayHeed(content) };
}

class Minimiser {
	readonly #b: Buffer;
	readonly #source: SourceText;
	readonly #directives: Directives;
	readonly #digraphs: boolean;
	readonly #stops: Uint8Array;
	readonly #isMarked: boolean;
	readonly #size: number;
	#problem: Program["problem"];
	#i = 0;

	constructor(cleaned: Cleaned, size: number, language: ScanLanguage, dialect: Dialect, symbols: Symbols) {
		const fail: Fail = (reason, line, what) => {
			this.#problem ??= { reason, line, what };
		};
		this.#b = cleaned.bytes;
		this.#isMarked = cleaned.isMarked;
		this.#size = size;
		this.#digraphs = dialect.digraphs;
		const hasPragma = this.#b.indexOf("_Pragma") >= 0;
		this.#stops = hasPragma ? PRAGMA_STOPS : STOPS;
		this.#source = new SourceText(cleaned, dialect, fail);
		this.#directives = new Directives({ language, dialect, symbols, hasPragma, fail });
	}

	run(): Omit<Program, "mayHeed"> {
		const b = this.#b;
		const n = b.length;
		while (this.#i < n && this.#problem === undefined) this.#oneLine();
		const { ops, makers, conditionals, weight } = this.#directives;
		const guard = conditionals.end();
		return {
			ops,
			guard,
			problem: this.#problem,
			namesTime: TIME_WORDS.some((w) => b.indexOf(w) >= 0),
			makers,
			isMarked: this.#isMarked,
			size: this.#size,
			weight: weight + 200,
		};
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
				this.#source.line++;
				return;
			}
			if (c === SLASH) {
				const after = this.#source.comment(i);
				if (after === i) break;
				i = after;
				continue;
			}
			if (c === HASH) {
				this.#directive(i + 1);
				return;
			}
			if (c === 0x25 && b[i + 1] === 0x3a && this.#digraphs) {
				this.#directive(i + 2);
				return;
			}
			break;
		}
		this.#text(i);
	}

	/** Text up to the end of the line. */
	#text(from: number): void {
		const b = this.#b;
		const n = b.length;
		const stops = this.#stops;
		let i = from;
		this.#directives.conditionals.notGuarded();
		for (;;) {
			while (i < n && stops[b[i]!] === 0) i++;
			if (i >= n) break;
			const c = b[i]!;
			if (c === NEWLINE) {
				i++;
				this.#source.line++;
				break;
			}
			if (c === SLASH) {
				const after = this.#source.comment(i);
				i = after === i ? i + 1 : after;
			} else if (c === 0x5f) i = this.#maybePragma(i, from);
			else i = this.#source.literal(i, from, true);
		}
		this.#i = i;
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
			this.#directives.refuse("pragma", this.#source.lineAt(at), `_Pragma ${said ?? "of something else"}`);
		}
		return end;
	}

	/** A directive; `from` is behind its `#`. Ends at the start of the next line. */
	#directive(from: number): void {
		const b = this.#b;
		const line = this.#source.lineAt(from - 1);
		const startLine = this.#source.line;
		let i = this.#source.skipBlanks(from);
		const nameStart = i;
		while (i < b.length && NAME_PART[b[i]!] === 1) i++;
		const name = b.toString("latin1", nameStart, i);
		const text = this.#rest(i, NAMING_HEADERS.has(name));
		const spread =
			this.#source.line !== startLine || this.#source.lineAt(this.#i) - this.#source.line !== line - startLine;
		if (this.#i < b.length) {
			this.#i++;
			this.#source.line++;
		}
		this.#directives.directive(name, line, text, spread);
	}

	/** The directive's text up to its end, which `#i` is set to. */
	#rest(from: number, header: boolean): string {
		const b = this.#b;
		const n = b.length;
		const stops = this.#stops;
		let pieces = "";
		let start = this.#source.skipBlanks(from);
		let i = start;
		if (header && b[i] === 0x3c) {
			const end = this.#source.endOfLine(i);
			const close = b.indexOf(0x3e, i);
			if (close >= 0 && close < end) i = close + 1;
		} else if (header && b[i] === QUOTE) {
			const end = this.#source.endOfLine(i);
			const close = b.indexOf(QUOTE, i + 1);
			i = close >= 0 && close < end ? close + 1 : end;
		}
		for (;;) {
			while (i < n && stops[b[i]!] === 0) i++;
			if (i >= n || b[i] === NEWLINE) break;
			const c = b[i]!;
			if (c === SLASH) {
				const after = this.#source.comment(i);
				if (after !== i) {
					pieces += `${b.toString("latin1", start, i)} `;
					start = after;
					i = after;
				} else i++;
			} else if (c === 0x5f) i++;
			else i = this.#source.literal(i, from, false);
		}
		this.#i = i;
		let end = i;
		while (end > start && BLANK[b[end - 1]!] === 1) end--;
		const last = b.toString("latin1", start, end);
		return pieces === "" ? last : (pieces + last).trimEnd();
	}
}
