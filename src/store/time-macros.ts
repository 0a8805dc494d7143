/** Of the C preprocessor and of nasm (its manual, "Assembly Date and Time Macros"). */
export const TIME_MACRO = /__\??(?:(?:UTC_)?(?:DATE|TIME)(?:_NUM)?|POSIX_TIME|TIMESTAMP)\??__/;

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
