/** Of the C preprocessor and of nasm (its manual, "Assembly Date and Time Macros"). */
export const TIME_MACRO = /__\??(?:(?:UTC_)?(?:DATE|TIME)(?:_NUM)?|POSIX_TIME|TIMESTAMP)\??__/;

/** A macro of the preprocessor itself, by itself: part of a longer word it is nothing. */
const TIME_NAME = /(?<![A-Za-z0-9_$])__(?:DATE|TIME|TIMESTAMP)__(?![A-Za-z0-9_$])/;

const NAMES = ["__DATE__", "__TIME__", "__TIMESTAMP__"];
/** Pieces of them, of two characters or more. */
const PIECES = new Set(
	NAMES.flatMap((name) =>
		Array.from(name, (_, from) => Array.from(name, (_, to) => name.slice(from, to + 1))).flat(),
	).filter((piece) => piece.length > 1 && !NAMES.includes(piece)),
);
/** Words of no other letters. */
const WORDS = /\b[ADEIMPST_]{2,12}\b/g;
/** Underscores as an operand of ##, or as a whole argument: by themselves they stand everywhere. */
const UNDERSCORES = /##\s*(__?)\b|\b(__?)\s*##|[(,]\s*(__?)\s*(?=[,)])/g;

/** Files in which C's comments are comments, and its literals literals. */
const C_FILE = /\.(?:[chimS]|cc|cpp|cxx|c\+\+|hh|hpp|hxx|h\+\+|inl|tcc|def)$/;
const LITERAL_OR_COMMENT =
	/"[^"\\\n]*(?:\\.[^"\\\n]*)*"?|'[^'\\\n]*(?:\\.[^'\\\n]*)*'?|\/\*[\s\S]*?(?:\*\/|$)|\/\/[^\n]*/g;
/** Where a quote may be something else: raw strings, digits in groups. */
const OTHER_QUOTES = /R"|u8'|[0-9A-Fa-f]'[0-9A-Fa-f]/;
/** Files that hold more are generated ones. */
const MOST = 1 << 20;

/**
 * Whole C text without comments and strings, in which nothing is expanded. What may be something else stays: two slashes are
 * an operator in Fortran, whose headers look like C's.
 */
function codeOf(text: string): string {
	if (text.length > MOST || OTHER_QUOTES.test(text)) return text;
	return text.replace(LITERAL_OR_COMMENT, (found) => (found.startsWith('"') || found.startsWith("/*") ? " " : found));
}

export interface Times {
	/** It names a time macro. */
	readonly named: boolean;
	readonly pieces: ReadonlySet<string>;
}

/** What a file's text, `isWhole` or a part of it, has to do with time macros. */
export function timesOf(path: string, text: string, isWhole: boolean): Times {
	const found = { named: TIME_MACRO.test(text), pieces: timePieces(text) };
	if (!isWhole || !C_FILE.test(path)) return found;
	// Comments speak of TIME, and strings of __DATE__.
	const isWord = [...found.pieces].some((piece) => !piece.startsWith("_") || piece.length > 2);
	if (!found.named && !isWord) return found;
	const code = codeOf(text);
	return { named: TIME_NAME.test(code), pieces: timePieces(code) };
}

/** The words of a text of which `##` could put the name of a time macro together. */
export function timePieces(text: string): Set<string> {
	const pieces = new Set<string>();
	for (const [word] of text.matchAll(WORDS)) if (word !== "__" && PIECES.has(word)) pieces.add(word);
	for (const [, left, right, argument] of text.matchAll(UNDERSCORES)) pieces.add(left ?? right ?? argument ?? "");
	return pieces;
}

/** True if these pieces, and one letter beside, come to the name of a time macro. */
export function makeTimeMacro(pieces: ReadonlySet<string>): boolean {
	return NAMES.some((name) => comesTo(name, pieces, true));
}

function comesTo(rest: string, pieces: ReadonlySet<string>, mayTakeLetter: boolean): boolean {
	if (rest === "") return true;
	if (mayTakeLetter && !rest.startsWith("_") && comesTo(rest.slice(1), pieces, false)) return true;
	return [...pieces].some(
		(piece) => piece !== "" && rest.startsWith(piece) && comesTo(rest.slice(piece.length), pieces, mayTakeLetter),
	);
}
