/** Names of files as directives spell them, and as depfiles do. */

import { unquoted } from "../models/line-markers.js";
import type { Token } from "./lex.js";
import { Expansion, type MacroHost } from "./macros.js";
import { Refusal } from "./refusal.js";

export interface HeaderName {
	/** One character a byte (latin1). */
	readonly name: string;
	/** <…>, not "…". */
	readonly angled: boolean;
}

/** As gcc's depfiles leave out the current folder. */
export function withoutDots(path: string): string {
	if (!path.startsWith("./")) return path;
	return path.replace(/^(?:\.\/+)+/, "");
}

/** A name's bytes as a path. */
export function decoded(bytes: string): string {
	if (!/[\x80-\xff\0]/.test(bytes)) return bytes;
	const text = Buffer.from(bytes, "latin1").toString();
	if (bytes.includes("\0") || Buffer.from(text).toString("latin1") !== bytes) {
		throw new Refusal("unsupported-character", text);
	}
	return text;
}

/** #include of what macros come to; `text` is what follows the directive's name. */
export function computedHeader(host: MacroHost, text: string, flavour: "gcc" | "clang"): HeaderName {
	const tokens = new Expansion(host, text, true);
	try {
		const first = tokens.next();
		const header = headerName(first, tokens, flavour);
		if (header === undefined) throw new Refusal("bad-directive", `#include ${text}`);
		return header;
	} finally {
		tokens.abandon();
	}
}

/** The operand of __has_include and __has_include_next, parentheses and all. */
export function hasIncludeOperand(from: Expansion, flavour: "gcc" | "clang"): HeaderName {
	from.header = true;
	const open = from.next();
	if (open.text !== "(") throw new Refusal("expression", "__has_include without a parenthesis");
	from.header = true;
	const first = from.next();
	from.header = false;
	const header = headerName(first, from, flavour);
	if (header === undefined || header.name === "") throw new Refusal("expression", "__has_include of something else");
	if (from.next().text !== ")") throw new Refusal("expression", "__has_include without its end");
	return header;
}

/** The file that a #line or a linemarker names, if it names one. */
export function nameInLine(host: MacroHost, text: string): string | undefined {
	let quoted = /^[0-9]*\s*(?:"((?:[^"\\]|\\.)*)")?$/.exec(text)?.[1];
	if (quoted === undefined && !/^[0-9]+$/.test(text)) {
		const tokens = new Expansion(host, text, false);
		try {
			for (let t = tokens.next(); t.type !== "end"; t = tokens.next())
				if (t.type === "string") quoted = t.text.slice(1, -1);
		} finally {
			tokens.abandon();
		}
	}
	return quoted === undefined ? undefined : unquoted(quoted);
}

/** "…", <…>, or the spelling of what stands between `<` and `>`. */
function headerName(first: Token, tokens: Expansion, flavour: "gcc" | "clang"): HeaderName | undefined {
	const { text } = first;
	if (first.type === "string" && text[0] === '"') return { name: text.slice(1, -1), angled: false };
	if (first.type === "header") return { name: text.slice(1, -1), angled: true };
	if (text !== "<" || first.type !== "punctuator") return undefined;
	let name = "";
	for (;;) {
		const t = tokens.next();
		if (t.type === "end") return undefined;
		if (t.text === ">" && t.type === "punctuator") return { name, angled: true };
		if (t.space) {
			// clang counts the blanks before a macro's name in, gcc those of its body.
			if (flavour === "clang") throw new Refusal("bad-directive", "blanks in a computed header's name");
			name += " ";
		}
		name += t.text;
	}
}
