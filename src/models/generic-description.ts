import path from "node:path";
import { err, ok, type Result } from "../util/result.js";

/**
 * A user's description of a tool, in the original's words and some more:
 *
 *     TOOL [WORD…] -o,--output=@outfile -I=@ -v -* @infile... @outfile @
 *
 * The first word is the tool's name; words without `-` or `@` must stand in the command as they are (`python3 gen.py`).
 * An option has one or more names and, after `=`, what its value is: a file that is read, one that is written, or neither
 * (`@`); without `=` it has no value. `-*` allows any other option, without a value. Operands are told in order, and the last
 * repeats where it ends in `...`.
 */
export interface Description {
	/** As the user wrote it. */
	readonly text: string;
	readonly tool: string;
	readonly words: readonly string[];
	readonly options: ReadonlyMap<string, ValueKind>;
	readonly anyOption: boolean;
	readonly operands: readonly OperandKind[];
	readonly repeats: boolean;
}

export type OperandKind = "infile" | "outfile" | "other";
export type ValueKind = OperandKind | "none";

export interface Usage {
	readonly infiles: readonly string[];
	readonly outfiles: readonly string[];
	/** Name → last value, under each name that the description has for the option. */
	readonly values: ReadonlyMap<string, string>;
}

const KINDS: ReadonlyMap<string, OperandKind> = new Map([
	["@infile", "infile"],
	["@outfile", "outfile"],
	["@", "other"],
]);

export function parseDescription(text: string): Result<Description, string> {
	const [tool, ...rest] = text.trim().split(/\s+/);
	if (tool === undefined || tool === "" || /[/@=]|^-/.test(tool)) return err("it begins with the name of a tool");
	const words: string[] = [];
	const options = new Map<string, ValueKind>();
	const operands: OperandKind[] = [];
	let anyOption = false;
	let repeats = false;
	for (const part of rest) {
		if (part === "-*") anyOption = true;
		else if (part.startsWith("-")) {
			const [, names, value] = /^([^=@]*)(?:=(.*))?$/.exec(part) ?? [];
			const kind = value === undefined ? "none" : KINDS.get(value);
			if (names === undefined || kind === undefined) return err(`${part}: an option's value is @infile, @outfile or @`);
			for (const name of names.split(",")) {
				if (!/^-[^-]|^--./.test(name)) return err(`${part}: ${name || "an empty name"} is no option`);
				if (options.has(name)) return err(`${part}: ${name} is there twice`);
				options.set(name, kind);
			}
		} else if (part.startsWith("@")) {
			const kind = KINDS.get(part.replace(/\.\.\.$/, ""));
			if (kind === undefined) return err(`${part}: an operand is @infile, @outfile or @`);
			if (repeats) return err(`${part}: nothing follows an operand that repeats`);
			repeats = part.endsWith("...");
			operands.push(kind);
		} else if (operands.length > 0 || options.size > 0) return err(`${part}: words stand right after the tool`);
		else words.push(part);
	}
	return ok({ text, tool, words, options, anyOption, operands, repeats });
}

/** What a command's arguments are by the description; a text says why they do not fit it. */
export function fit(description: Description, args: readonly string[]): Usage | string {
	const found: Record<OperandKind, string[]> = { infile: [], outfile: [], other: [] };
	const values = new Map<string, string>();
	const operands: string[] = [];
	let ended = false;
	for (let i = 0; i < args.length; i++) {
		const word = args[i]!;
		if (!ended && word === "--") {
			ended = true;
			continue;
		}
		if (ended || word === "-" || !word.startsWith("-")) {
			operands.push(word);
			continue;
		}
		const option = findOption(description, word);
		if (option === undefined) {
			if (description.anyOption) continue;
			return `it has no option ${word}`;
		}
		if (option.kind === "none") continue;
		const value = option.attached ?? args[++i];
		if (value === undefined) return `${word} has no value`;
		found[option.kind].push(value);
		values.set(option.name, value);
	}
	for (const word of description.words) {
		const operand = operands.shift();
		if (operand !== word) return `${operand ?? "nothing"} stands where it has ${word}`;
	}
	for (const [i, operand] of operands.entries()) {
		const kind = description.operands[i] ?? (description.repeats ? description.operands.at(-1) : undefined);
		if (kind === undefined) return `it has no place for ${operand}`;
		found[kind].push(operand);
	}
	if (operands.length < description.operands.length)
		return `${description.operands.length - operands.length} operands are missing`;
	return { infiles: found.infile, outfiles: found.outfile, values };
}

function findOption({ options }: Description, word: string) {
	const exact = options.get(word);
	if (exact !== undefined) return { name: word, kind: exact, attached: undefined };
	const equals = word.indexOf("=");
	const long = equals < 0 ? undefined : word.slice(0, equals);
	const kind = long === undefined ? undefined : options.get(long);
	if (long !== undefined && kind !== undefined && kind !== "none" && long.length > 2)
		return { name: long, kind, attached: word.slice(equals + 1) };
	const short = word.startsWith("--") ? undefined : word.slice(0, 2);
	const shortKind = short === undefined ? undefined : options.get(short);
	if (short === undefined || shortKind === undefined || shortKind === "none") return undefined;
	return { name: short, kind: shortKind, attached: word.slice(2) };
}

/**
 * Fills in the names of further outputs: `{-o}` is an option's value; `{infile}`, `{dir}`, `{name}` and `{stem}` (the name
 * without its last suffix) are parts of an infile, and make one name for each. A text says what is missing.
 */
export function fillIn(template: string, usage: Usage): string[] | string {
	const perInfile = /\{(?:infile|dir|name|stem)\}/.test(template);
	const names: string[] = [];
	for (const infile of perInfile ? usage.infiles : [""]) {
		const { dir, base, name } = path.posix.parse(infile);
		const parts: Readonly<Record<string, string>> = { infile, dir: dir === "" ? "." : dir, name: base, stem: name };
		let missing: string | undefined;
		const filled = template.replace(/\{([^}]*)\}/g, (_, key: string) => {
			const value = key.startsWith("-") ? usage.values.get(key) : parts[key];
			if (value === undefined) missing = key;
			return value ?? "";
		});
		if (missing !== undefined) return `${template} needs ${missing}`;
		names.push(path.posix.normalize(filled));
	}
	return names;
}
