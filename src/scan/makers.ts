/** `_Pragma(#x)` in a macro makes a pragma of whatever its user writes. It matters where text uses such a macro, and the
 * text of a pragma that the preprocessor heeds stands somewhere: then we do not know. Words put together by ## from two
 * halves are not looked for. */

import type { PragmaMaker, Program } from "./program.js";
import * as program from "./program.js";
import { Refusal } from "./refusal.js";
import type { RestsOn, ScanFile } from "./types.js";

/** A pragma that is more than a note to the compiler proper, as an argument or in a macro's body. */
const HEEDED =
	/[(,]\s*once\s*[),]|\b(?:push_macro|pop_macro|include_alias)\s*\(|\b(?:GCC|clang)\s+(?:poison|system_header|dependency|pch_preprocess|module)\b/;
const HEEDED_WORDS = [
	"once",
	"_macro",
	"include_alias",
	"poison",
	"system_header",
	"dependency",
	"pch_preprocess",
	"module",
];

interface Mentions {
	/** Outside of directives that define or test macros; comments count. */
	readonly text: boolean;
	/** Macros with it in their bodies. */
	readonly macros: readonly string[];
}

const mentionsOf = new WeakMap<Program, Map<string, Mentions>>();
const heedfulness = new WeakMap<Program, boolean>();

/** What the answer rests on so far as makers go: `text` if that between the directives was searched. */
export function checkMakers(makers: readonly PragmaMaker[], read: ReadonlyMap<Program, ScanFile>): RestsOn {
	if (makers.length === 0) return "directives";
	const heedful = [...read].find(([code, file]) => isHeedful(code, file));
	if (heedful === undefined) return "unheeded";
	const names = new Set(makers.map((m) => m.name));
	for (const name of names) {
		for (const [code, file] of read) {
			const { text, macros } = mentions(code, file, name);
			if (text) throw new Refusal("pragma", `${name} makes a pragma of its argument`);
			// A set takes what is added to it while it is gone through.
			for (const m of macros) names.add(m);
		}
	}
	return "text";
}

/** Looked into once for each program. */
export function isHeedful(code: Program, file: ScanFile): boolean {
	if (!code.mayHeed) return false;
	let known = heedfulness.get(code);
	if (known === undefined) {
		known = HEEDED.test(textWithoutPragmas(code, bytesOf(file)));
		heedfulness.set(code, known);
	}
	return known;
}

/** One of the words of such a pragma stands in the file, whatever it is there. */
export function mayHeed(content: Uint8Array): boolean {
	const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
	return HEEDED_WORDS.some((word) => bytes.indexOf(word, 0, "latin1") >= 0);
}

function bytesOf({ content }: ScanFile): Buffer {
	return Buffer.from(content.buffer, content.byteOffset, content.byteLength);
}

/** Literals first, so that what looks like a comment in one stays. */
const LITERAL_OR_COMMENT = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\/\*[\s\S]*?\*\/|\/\/.*/g;

/** What a string holds is taken for code. */
function withoutComments(bytes: Buffer): string {
	return bytes.toString("latin1").replace(LITERAL_OR_COMMENT, (found) => (found[0] === "/" ? " " : found));
}

/** Comments and lines of pragmas left out, roughly: what stays may be too much. */
function textWithoutPragmas(code: Program, bytes: Buffer): string {
	const text = withoutComments(bytes).replace(/^[ \t]*#[ \t]*pragma\b.*$/gm, "");
	const bodies = code.ops.filter((op) => op.macro !== undefined).map((op) => op.macro!.text.trim());
	return bodies.includes("once") ? "push_macro(" : text;
}

function mentions(code: Program, file: ScanFile, name: string): Mentions {
	let known = mentionsOf.get(code);
	if (known === undefined) {
		known = new Map();
		mentionsOf.set(code, known);
	}
	let found = known.get(name);
	if (found === undefined) {
		found = search(code, file, name);
		known.set(name, found);
	}
	return found;
}

function search(code: Program, file: ScanFile, name: string): Mentions {
	const bytes = bytesOf(file);
	if (bytes.indexOf(name) < 0) return { text: false, macros: [] };
	const word = new RegExp(`(?<![\\w$])${name}(?![\\w$])`, "g");
	const count = (text: string): number => text.match(word)?.length ?? 0;
	let inText = count(withoutComments(bytes));
	const macros: string[] = [];
	for (const op of code.ops) {
		const n = count(op.text);
		if (n === 0) continue;
		inText -= n;
		if (op.kind === program.DEFINE && op.macro !== undefined && op.sym !== undefined && count(op.macro.text) > 0) {
			macros.push(op.sym.name);
		}
	}
	return { text: inText > 0, macros };
}
