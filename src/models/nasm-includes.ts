export type NasmIncludes =
	/** `reads`: every file that may be read; `absent`: every name that may be looked for and is not there. */
	| { readonly kind: "files"; readonly reads: ReadonlySet<string>; readonly absent: ReadonlySet<string> }
	/** The text of this file decides what else is read, and is not known. */
	| { readonly kind: "unread"; readonly path: string }
	/** Only the assembler itself knows. */
	| { readonly kind: "unclear"; readonly detail: string };

/** A directive or instruction that names a file, and the name if that is a plain string. Anywhere in a line: an argument of
 * a macro becomes a line of its own. */
const NAMES_FILE =
	/(?:%\{?\s*(include|require|pathsearch\s+\S+)\b|(?<![A-Za-z_$.@?~])(incbin)\b)(?:\}?\s*("[^"\n%]*"|'[^'\n%]*'|`[^`\n%\\]*`))?/gi;
/** To the end of a line, where no quote stands before it. */
const COMMENT = /^([^"'`;\n]*);.*$/gm;
const SPLICE = /\\(?:\r\n?|\n)/g;
/** The value of a variable of the environment, or whether there is one. */
const ENVIRONMENT = /%\{?!|%\{?\s*(?:el)?ifn?env\b/i;
/** Directives that make words of text, and with it any other. */
const MAKES_WORDS = /%\{?\s*(?:i?deftok\b|tok\()/i;
/** Where an instruction reads a file that -M does not open. */
const EMBEDS = /(?<![A-Za-z_$.@?~])incbin\b/i;

const spliced = (text: string): string => text.replace(SPLICE, "");

/** The place where a source of nasm or yasm may ask the environment: its result is not that of its inputs alone. */
export function asksEnvironment(text: string): string | undefined {
	const lines = spliced(text);
	return (ENVIRONMENT.exec(lines) ?? (lines.includes("!") ? MAKES_WORDS.exec(lines) : null))?.[0];
}

/** The place where such a source may read what the tool does not open when it is asked for dependencies. */
export function readsMore(text: string): string | undefined {
	const lines = spliced(text);
	return asksEnvironment(lines) ?? EMBEDS.exec(lines)?.[0];
}

/**
 * The files that sources of nasm name, whatever is true of the conditions around them; source: its manual, "Including Other
 * Files" and "INCBIN". nasm looks in the working directory, then in each directory of -I; versions before 2.14 put directory
 * and name together without a slash. All of these count. `preincluded` is what -p names, `dirs` what -I does.
 * An instruction of which only macros make `incbin` is not seen.
 */
export function nasmIncludes(options: {
	readonly source: string;
	readonly preincluded: readonly string[];
	readonly dirs: readonly string[];
	/** One name for each file. */
	readonly canonical: (path: string) => string;
	readonly stat: (path: string) => "file" | "directory" | "other" | undefined;
	/** Undefined: not to be read, or not now. */
	readonly readText: (path: string) => string | undefined;
}): NasmIncludes {
	const { preincluded, dirs, canonical, stat, readText } = options;
	const source = canonical(options.source);
	const reads = new Set<string>();
	const absent = new Set<string>();
	const queue: string[] = [];
	/** Returns a name that is there and no file. */
	const look = (name: string, isText: boolean): string | undefined => {
		for (const candidate of new Set(
			[name, ...dirs.flatMap((dir) => [`${dir}/${name}`, `${dir}${name}`])].map(canonical),
		)) {
			const found = stat(candidate);
			if (found === undefined) absent.add(candidate);
			else if (found !== "file") return candidate;
			else {
				if (isText) queue.push(candidate);
				reads.add(candidate);
			}
		}
		return undefined;
	};
	reads.add(source);
	queue.push(source);
	for (const name of preincluded) {
		const odd = look(name, true);
		if (odd !== undefined) return { kind: "unclear", detail: `${odd} is no file` };
	}
	const known = new Set<string>();
	for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
		if (known.has(file)) continue;
		known.add(file);
		const text = readText(file);
		if (text === undefined) return { kind: "unread", path: file };
		const lines = spliced(text).replace(COMMENT, "$1");
		const trouble = asksEnvironment(lines) ?? MAKES_WORDS.exec(lines)?.[0];
		if (trouble !== undefined) return { kind: "unclear", detail: `${file}: ${trouble}` };
		for (const [match, directive, , quoted] of lines.matchAll(NAMES_FILE)) {
			if (quoted === undefined || quoted.includes("\ufffd"))
				return { kind: "unclear", detail: `${file}: ${match.trim()}` };
			const odd = look(quoted.slice(1, -1), /^(?:include|require)$/i.test(directive ?? ""));
			if (odd !== undefined) return { kind: "unclear", detail: `${odd} is no file` };
		}
	}
	return { kind: "files", reads, absent };
}
