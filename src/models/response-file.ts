import path from "node:path";

/** Reads a text file by absolute path; undefined if it is absent. */
export type ReadText = (file: string) => string | undefined;

export interface ExpandedArgs {
	readonly args: readonly string[];
	/** The response files that were read, as given. */
	readonly files: readonly string[];
}

// libiberty gives up there too: a file that names itself would never end.
const MAX_FILES = 2000;

/** Replaces each `@file` by the words in it, recursively, as libiberty's expandargv does: relative names are relative to
 * the working directory, and the word stays as it is if the file cannot be read. */
export function expandResponseFiles(args: readonly string[], cwd: string, read: ReadText): ExpandedArgs {
	const expanded: string[] = [];
	const files: string[] = [];
	const queue = [...args].reverse();
	for (let word = queue.pop(); word !== undefined; word = queue.pop()) {
		const name = word.startsWith("@") && files.length < MAX_FILES ? word.slice(1) : "";
		const text = name === "" ? undefined : read(path.posix.resolve(cwd, name));
		if (text === undefined) expanded.push(word);
		else {
			files.push(name);
			queue.push(...splitResponseText(text).reverse());
		}
	}
	return { args: expanded, files };
}

/** Splits the text of a response file: white space separates, quotes of both kinds group, and a backslash takes the next
 * character literally everywhere, inside both kinds of quotes too (libiberty's buildargv and clang's GNU rule). */
export function splitResponseText(text: string): string[] {
	const words: string[] = [];
	let word: string | undefined;
	let quote: string | undefined;
	for (let i = 0; i < text.length; i++) {
		const char = text[i]!;
		if (char === "\\") {
			i++;
			word = (word ?? "") + (text[i] ?? "");
		} else if (quote !== undefined) {
			if (char === quote) quote = undefined;
			else word += char;
		} else if (char === '"' || char === "'") {
			quote = char;
			word ??= "";
		} else if (/\s/.test(char)) {
			if (word !== undefined) words.push(word);
			word = undefined;
		} else word = (word ?? "") + char;
	}
	if (word !== undefined) words.push(word);
	return words;
}
