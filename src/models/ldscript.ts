/**
 * Which files a GNU linker script names. Scripts stand where libraries are expected (libc.so, libncurses.so), are given
 * with -T, or are pulled in by INCLUDE. Grammar: ld's manual, "Linker Scripts"; words are cut as ld's lexer does.
 */
export type ScriptEntry =
	/** INPUT(name) and the like: looked for beside the script, in the working directory, then in the -L directories. */
	| { readonly kind: "file"; readonly name: string; readonly asNeeded: boolean }
	/** -lname, `:` kept for -l:name. */
	| { readonly kind: "library"; readonly name: string; readonly asNeeded: boolean }
	/** `name(.text)` within SECTIONS: opened, if nothing else brought it, from the working directory only. */
	| { readonly kind: "section-file"; readonly name: string }
	| { readonly kind: "include"; readonly name: string };

export type LinkerScript =
	| {
			readonly kind: "script";
			readonly entries: readonly ScriptEntry[];
			/** SEARCH_DIR in order; a leading `=` or `$SYSROOT` stands for the sysroot. */
			readonly searchDirs: readonly string[];
			/** OUTPUT_FORMAT and its big- and little-endian forms: one name or three. */
			readonly outputFormats: readonly string[];
			/** Has SECTIONS: with -T it takes the place of the built-in script, unless it says INSERT. */
			readonly sections: boolean;
			readonly insert: boolean;
	  }
	| { readonly kind: "unknown"; readonly reason: string };

/** More is no linker script but some other file. */
export const MAX_SCRIPT_BYTES = 16 << 20;

// Any run of what may be in a file name or pattern; `dir/*.o` is one, so a comment begins only where a word does.
const TOKEN = /\s+|\/\*[\s\S]*?\*\/|#[^\n]*|"([^"\n]*)"|([A-Za-z0-9_./\\~$:+*?=@%^!<>&|[\]-]+)|([(){},;])|([\s\S])/y;

interface Token {
	readonly text: string;
	readonly kind: "word" | "quoted" | "mark";
}

export function parseLinkerScript(text: string): LinkerScript {
	const tokens = tokenize(text);
	return typeof tokens === "string" ? { kind: "unknown", reason: tokens } : new ScriptReader(tokens).read();
}

function tokenize(text: string): Token[] | string {
	const tokens: Token[] = [];
	TOKEN.lastIndex = 0;
	while (TOKEN.lastIndex < text.length) {
		const at = TOKEN.lastIndex;
		const match = TOKEN.exec(text);
		if (match === null) return `cannot be read at offset ${at}`;
		const [, quoted, word, mark, other] = match;
		if (quoted !== undefined) tokens.push({ text: quoted, kind: "quoted" });
		else if (word !== undefined) tokens.push({ text: word, kind: "word" });
		else if (mark !== undefined) tokens.push({ text: mark, kind: "mark" });
		else if (other !== undefined) return `unexpected character at offset ${at}`;
	}
	return tokens;
}

/** Commands whose argument in brackets, if any, names no file. */
const SILENT = new Set([
	"ASSERT",
	"ENTRY",
	"EXTERN",
	"FORCE_COMMON_ALLOCATION",
	"FORCE_GROUP_ALLOCATION",
	"HIDDEN",
	"HLL",
	"INHIBIT_COMMON_ALLOCATION",
	"LD_FEATURE",
	"NOCROSSREFS",
	"NOCROSSREFS_TO",
	"OUTPUT",
	"OUTPUT_ARCH",
	"PROVIDE",
	"PROVIDE_HIDDEN",
	"REGION_ALIAS",
	"TARGET",
]);

class ScriptReader {
	private at = 0;
	private readonly entries: ScriptEntry[] = [];
	private readonly searchDirs: string[] = [];
	private outputFormats: string[] = [];
	private sections = false;
	private insert = false;
	private readonly tokens: readonly Token[];

	constructor(tokens: readonly Token[]) {
		this.tokens = tokens;
	}

	read(): LinkerScript {
		while (this.at < this.tokens.length) {
			const problem = this.command();
			if (problem !== undefined) return { kind: "unknown", reason: problem };
		}
		const { entries, searchDirs, outputFormats, sections, insert } = this;
		return { kind: "script", entries, searchDirs, outputFormats, sections, insert };
	}

	private command(): string | undefined {
		const token = this.tokens[this.at]!;
		this.at++;
		if (token.text === ";" || token.text === ",") return undefined;
		if (token.kind === "mark") return `unexpected ${token.text}`;
		switch (token.text) {
			case "INPUT":
			case "GROUP":
			case "STARTUP":
				return this.inputs();
			case "SEARCH_DIR":
				return this.strings(token.text, (names) => this.searchDirs.push(...names));
			case "OUTPUT_FORMAT":
				return this.strings(token.text, (names) => {
					this.outputFormats = names;
				});
			case "INCLUDE":
				return this.include();
			case "SECTIONS":
				this.sections = true;
				return this.body();
			case "MEMORY":
			case "PHDRS":
			case "VERSION":
				return this.body();
			case "INSERT":
				this.insert = true;
				this.at += 2; // AFTER|BEFORE section
				return undefined;
			default:
				if (SILENT.has(token.text)) return this.peek() === "(" ? this.skipBrackets() : undefined;
				return this.assignment(token.text);
		}
	}

	private peek(): string | undefined {
		const token = this.tokens[this.at];
		return token?.kind === "quoted" ? undefined : token?.text;
	}

	private include(): string | undefined {
		const name = this.tokens[this.at++];
		if (name === undefined || name.kind === "mark") return "INCLUDE without a name";
		this.entries.push({ kind: "include", name: name.text });
		return undefined;
	}

	private inputs(): string | undefined {
		if (this.peek() !== "(") return "INPUT without (";
		let depth = 0;
		let asNeeded = 0;
		do {
			const token = this.tokens[this.at++];
			if (token === undefined) return "INPUT without )";
			if (token.kind === "mark") {
				if (token.text === "(") depth++;
				else if (token.text === ")") depth--;
				else if (token.text !== ",") return `unexpected ${token.text} in INPUT`;
				if (depth < asNeeded) asNeeded = 0;
			} else if (token.kind === "word" && token.text === "AS_NEEDED" && this.peek() === "(") asNeeded = depth + 1;
			else this.entries.push(entryOf(token, asNeeded > 0));
		} while (depth > 0);
		return undefined;
	}

	private strings(command: string, take: (names: string[]) => void): string | undefined {
		const open = this.at;
		const problem = this.skipBrackets();
		if (problem !== undefined) return `${command}: ${problem}`;
		take(
			this.tokens
				.slice(open + 1, this.at - 1)
				.filter((token) => token.kind !== "mark")
				.map((token) => token.text),
		);
		return undefined;
	}

	private skipBrackets(): string | undefined {
		if (this.peek() !== "(") return "expected (";
		let depth = 0;
		do {
			const token = this.tokens[this.at++];
			if (token === undefined) return "missing )";
			if (token.kind === "quoted") continue;
			if (token.text === "(") depth++;
			else if (token.text === ")") depth--;
		} while (depth > 0);
		return undefined;
	}

	/** `{ … }`: only INCLUDE and the files of input section descriptions matter. */
	private body(): string | undefined {
		if (this.peek() !== "{") return "expected {";
		let depth = 0;
		do {
			const token = this.tokens[this.at++];
			if (token === undefined) return "missing }";
			if (token.kind === "mark") {
				if (token.text === "{") depth++;
				else if (token.text === "}") depth--;
			} else if (token.kind === "word" && token.text === "INCLUDE") {
				const problem = this.include();
				if (problem !== undefined) return problem;
			} else if (this.sections && depth > 1 && this.peek() === "(" && namesSectionFile(token)) {
				this.entries.push({ kind: "section-file", name: token.text });
			}
		} while (depth > 0);
		return undefined;
	}

	/** `symbol = expression ;` – the only command left; text that is not a script at all ends up here. */
	private assignment(symbol: string): string | undefined {
		const from = this.at;
		while (this.at < this.tokens.length && this.peek() !== ";") {
			if (this.peek() === "{" || this.peek() === "}") return `unexpected ${symbol}`;
			this.at++;
		}
		const words = [symbol, ...this.tokens.slice(from, this.at).map((token) => token.text)];
		if (this.at === this.tokens.length || !words.some((word) => word.includes("="))) return `unexpected ${symbol}`;
		this.at++;
		return undefined;
	}
}

function entryOf(token: Token, asNeeded: boolean): ScriptEntry {
	return token.kind === "word" && token.text.startsWith("-l") && token.text.length > 2
		? { kind: "library", name: token.text.slice(2), asNeeded }
		: { kind: "file", name: token.text, asNeeded };
}

/** A plain name before `(`: not a wildcard, not a section, not one of ld's functions (KEEP, ALIGN, LONG …). */
function namesSectionFile(token: Token): boolean {
	if (/[*?[\]:=<>&|^!]/.test(token.text)) return false;
	if (token.text.startsWith(".") && !/^\.{1,2}\//.test(token.text)) return false;
	return token.kind === "quoted" || !/^[A-Z_0-9]+$/.test(token.text);
}
