/** Words and operators of a POSIX shell command text, as far as they tell which command's status goes where. */

export interface ShellWord {
	readonly kind: "word";
	/** The text with quotes removed; expansions stay as they were written. */
	readonly text: string;
	/** Holds an expansion or a glob: the shell will make another text of it. */
	readonly expands: boolean;
	/** Some of it was quoted, so it is no reserved word. */
	readonly quoted: boolean;
	/** The texts of its command substitutions. */
	readonly substitutions: readonly string[];
}

export interface ShellOperator {
	readonly kind: "operator";
	readonly text: string;
}

export type ShellToken = ShellWord | ShellOperator;

// Longest first. Here-documents, process substitution and arithmetic commands are not understood.
const OPERATORS = [
	"&&",
	"||",
	";;",
	"&>>",
	"&>",
	"<<",
	"<(",
	">(",
	">>",
	">&",
	"<&",
	">|",
	"<>",
	"|&",
	"|",
	"&",
	";",
	"(",
	")",
	"<",
	">",
];
const OPERATOR_STARTS = "&|;<>()";
/** Characters of a word that mean nothing but themselves, within double quotes and without. */
const PLAIN = /[\w./:=@%+,^-]+/y;
const NOT_UNDERSTOOD: readonly string[] = ["<<", "<(", ">(", ";;"];

/** The tokens of a text, newlines as operators; undefined if it holds what we do not understand. */
export function lexShell(text: string): ShellToken[] | undefined {
	const tokens: ShellToken[] = [];
	let at = 0;
	while (at < text.length) {
		const char = text[at]!;
		if (char === "\n") {
			tokens.push({ kind: "operator", text: "\n" });
			at++;
		} else if (char === " " || char === "\t" || char === "\r") at++;
		else if (char === "\\" && text[at + 1] === "\n") at += 2;
		else if (char === "#") at = lineEnd(text, at);
		else {
			const operator = OPERATOR_STARTS.includes(char)
				? OPERATORS.find((operator) => text.startsWith(operator, at))
				: undefined;
			if (operator !== undefined) {
				if (NOT_UNDERSTOOD.includes(operator) || text.startsWith("((", at)) return undefined;
				tokens.push({ kind: "operator", text: operator });
				at += operator.length;
				continue;
			}
			const lexed = lexWord(text, at);
			if (lexed === undefined) return undefined;
			tokens.push(lexed.word);
			at = lexed.end;
		}
	}
	return tokens;
}

function lineEnd(text: string, from: number): number {
	const end = text.indexOf("\n", from);
	return end === -1 ? text.length : end;
}

function lexWord(text: string, from: number): { word: ShellWord; end: number } | undefined {
	let out = "";
	let expands = false;
	let quoted = false;
	let doubleQuoted = false;
	const substitutions: string[] = [];
	let at = from;
	while (at < text.length) {
		PLAIN.lastIndex = at;
		if (PLAIN.test(text)) {
			out += text.slice(at, PLAIN.lastIndex);
			at = PLAIN.lastIndex;
			continue;
		}
		const char = text[at]!;
		if (char === "\\") {
			const next = text[at + 1] ?? "";
			if (next !== "\n") {
				out += doubleQuoted && !'$`"\\'.includes(next) ? `\\${next}` : next;
				quoted = true;
			}
			at += 2;
		} else if (char === '"') {
			doubleQuoted = !doubleQuoted;
			quoted = true;
			at++;
		} else if (char === "'" && !doubleQuoted) {
			const end = text.indexOf("'", at + 1);
			if (end === -1) return undefined;
			out += text.slice(at + 1, end);
			quoted = true;
			at = end + 1;
		} else if (char === "`" || char === "$") {
			const expansion = lexExpansion(text, at);
			if (expansion === undefined) return undefined;
			out += text.slice(at, expansion.end);
			substitutions.push(...expansion.substitutions);
			expands ||= expansion.end > at + 1;
			at = expansion.end;
		} else if (!doubleQuoted && /[\s;&|<>()]/.test(char)) break;
		else {
			expands ||= !doubleQuoted && "*?[~{".includes(char);
			out += char;
			at++;
		}
	}
	if (doubleQuoted) return undefined;
	// `[` is a command and `{` a reserved word.
	if (out === "[" || out === "{") expands = false;
	return { word: { kind: "word", text: out, expands, quoted, substitutions }, end: at };
}

/** One `$…` or backquoted expansion that begins at `from`. */
function lexExpansion(text: string, from: number): { end: number; substitutions: string[] } | undefined {
	if (text[from] === "`") {
		let body = "";
		for (let at = from + 1; at < text.length; at++) {
			if (text[at] === "`") return { end: at + 1, substitutions: [body] };
			// Within backquotes a backslash is removed before $, ` and another backslash.
			if (text[at] === "\\" && "$`\\".includes(text[at + 1] ?? " ")) at++;
			body += text[at];
		}
		return undefined;
	}
	if (text.startsWith("$((", from)) {
		const end = text.indexOf("))", from);
		const inner = end === -1 ? "" : text.slice(from + 3, end);
		return end === -1 || /[`$]\(?/.test(inner.replace(/\$\w+/g, "")) ? undefined : { end: end + 2, substitutions: [] };
	}
	if (text[from + 1] === "(") {
		const end = closing(text, from + 2, ")");
		return end === undefined ? undefined : { end: end + 1, substitutions: [text.slice(from + 2, end)] };
	}
	if (text[from + 1] === "{") {
		const end = closing(text, from + 2, "}");
		if (end === undefined) return undefined;
		const inner = text.slice(from + 2, end);
		// A default value may hold substitutions of its own.
		return /[`]|\$\(/.test(inner) ? undefined : { end: end + 1, substitutions: [] };
	}
	// $'…' is bash's; $NAME, $1, $? and a lone $.
	if (text[from + 1] === "'") return undefined;
	const name = /^\$(?:[A-Za-z_]\w*|[0-9*@#?$!-])?/.exec(text.slice(from))![0];
	return { end: from + name.length, substitutions: [] };
}

/** The index of the bracket that closes what was opened before `from`. */
function closing(text: string, from: number, bracket: ")" | "}"): number | undefined {
	const opening = bracket === ")" ? "(" : "{";
	let depth = 1;
	for (let at = from; at < text.length; at++) {
		const char = text[at]!;
		if (char === "\\") at++;
		else if (char === "'") {
			at = text.indexOf("'", at + 1);
			if (at === -1) return undefined;
		} else if (char === '"' || char === "`") {
			const end = closingQuote(text, at + 1, char);
			if (end === undefined) return undefined;
			at = end;
		} else if (char === opening) depth++;
		else if (char === bracket && --depth === 0) return at;
	}
	return undefined;
}

function closingQuote(text: string, from: number, quote: string): number | undefined {
	for (let at = from; at < text.length; at++) {
		if (text[at] === "\\") at++;
		else if (text[at] === quote) return at;
		else if (text.startsWith("$(", at)) {
			const end = closing(text, at + 2, ")");
			if (end === undefined) return undefined;
			at = end;
		}
	}
	return undefined;
}
