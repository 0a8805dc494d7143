import { type GccToken, tokenizeCppArgs } from "../models/gcc-args.js";
import type { Language } from "../models/types.js";
import type { ScanLanguage } from "./types.js";

/** What a compiler command says of its preprocessing, apart in what the compiler must be asked and what we know alone. */
export interface ScanFlags {
	readonly language: ScanLanguage;
	/** Words that can change the predefined macros or the compiler's own search path, in the order of the command. */
	readonly asked: readonly string[];
	/** `#define` and `#undef` lines. */
	readonly defines: string;
	/** Folders in the order of the command. */
	readonly quote: readonly string[];
	readonly bracket: readonly string[];
	readonly system: readonly string[];
	readonly after: readonly string[];
	readonly forced: readonly { readonly kind: "include" | "imacros"; readonly name: string }[];
	/** __FILE__ is not the name under which a file was opened. */
	readonly mapsFileNames: boolean;
}

/** Why the compiler itself has to be asked for the whole command. */
export interface FlagsRefused {
	readonly reason: "flag" | "language" | "environment";
	readonly detail: string;
}

const LANGUAGES: Partial<Record<Language, ScanLanguage>> = {
	c: "c",
	"c++": "c++",
	"assembler-with-cpp": "assembler",
};

/** Flags of which no word reaches the preprocessor's macros, folders or files; of families, the longest prefix counts. */
const IRRELEVANT = new Set(["-C", "-CC", "-H", "-N", "-P", "-Q", "-R", "-pipe", "-s", "-t", "-time", "-u", "-w", "-z"]);
const IRRELEVANT_FAMILY =
	/^-W|^-f(?:debug-compilation-dir|debug-prefix-map|diagnostics|file-compilation-dir|file-prefix-map|macro-prefix-map|max-errors|message-length|no-diagnostics|profile-prefix-map|random-seed|tabstop)\b/;
const FILE_MAP = /-f(?:file|macro)-prefix-map\b/;
/** Flags that change how directives are read or files are found in ways that the scanner does not know, or that lead to the
 * newest of several folders: which it is may change from day to day. */
const REFUSED = new Set(["-I-", "-remap", "-traditional", "-traditional-cpp", "--", "-Mmodules", "-Mno-modules"]);
const REFUSED_FAMILY =
	/^--gcc-(?:toolchain|install-dir|triple)=|^-f(?:(?:no-)?(?:pch|preprocessed|directives-only|extended-identifiers|operator-names|canonical-system-headers|modules|ms-|borland|module)|debug-cpp|(?:input|exec|wide-exec)-charset|max-include-depth)/;

/** Variables that name folders between those of the command and the compiler's own. */
const ENVIRONMENT = ["CPATH", "CCC_OVERRIDE_OPTIONS", "COMPILER_PATH", "GCC_EXEC_PREFIX"] as const;
const SYSTEM_VARIABLES = ["C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"] as const;

/** What the flags say, or why the compiler has to be asked. */
export function scanFlags(
	tokens: readonly GccToken[],
	language: Language,
	env: ReadonlyMap<string, string>,
): ScanFlags | FlagsRefused {
	const scanned = LANGUAGES[language];
	if (scanned === undefined) return { reason: "language", detail: language };
	const variable =
		ENVIRONMENT.find((name) => env.has(name)) ??
		SYSTEM_VARIABLES.find((name) =>
			env
				.get(name)
				?.split(":")
				.some((folder) => !folder.startsWith("/")),
		);
	if (variable !== undefined) return { reason: "environment", detail: variable };
	const found = new Collected();
	const inner: string[] = [];
	for (const token of tokens) {
		const trouble = found.add(token, inner);
		if (trouble !== undefined) return { reason: "flag", detail: trouble };
	}
	for (const token of tokenizeCppArgs(inner)) {
		const harmless = token.kind === "flag" && (token.does.startsWith("dep-") || token.does === "define");
		const trouble = harmless ? found.add(token, []) : token.words.join(" ");
		if (trouble !== undefined) return { reason: "flag", detail: `-Wp,${trouble}` };
	}
	const { asked, defines, folders, forced } = found;
	return {
		language: scanned,
		asked,
		defines: defines.join(""),
		quote: folders["-iquote"],
		bracket: folders["-I"],
		system: folders["-isystem"],
		after: folders["-idirafter"],
		// The compiler reads all of -imacros before the first of -include.
		forced: [...forced.filter((f) => f.kind === "imacros"), ...forced.filter((f) => f.kind === "include")],
		mapsFileNames: tokens.some((t) => t.kind !== "operand" && t.words.some((word) => FILE_MAP.test(word))),
	};
}

class Collected {
	readonly asked: string[] = [];
	readonly defines: string[] = [];
	readonly folders: Record<"-iquote" | "-I" | "-isystem" | "-idirafter", string[]> = {
		"-iquote": [],
		"-I": [],
		"-isystem": [],
		"-idirafter": [],
	};
	readonly forced: { kind: "include" | "imacros"; name: string }[] = [];

	/** The words that are not understood, if they are not. */
	add(token: GccToken, inner: string[]): string | undefined {
		if (token.kind === "operand") return undefined;
		if (token.kind === "unknown") return token.words.join(" ");
		const { name, value, words } = token;
		const word = words[0]!;
		switch (token.does) {
			case "assembler":
			case "assembler-list":
			case "dep-file":
			case "dep-mode":
			case "dep-modifier":
			case "dep-target":
			case "dump-macros":
			case "language":
			case "lib-dir":
			case "library":
			case "linker":
			case "linker-list":
			case "output":
			case "stage":
			case "verbose":
				return undefined;
			case "define":
				return this.#define(name, value) ? undefined : words.join(" ");
			case "include-dir":
				return this.#folder(name, value, words);
			case "include-file":
				if ((name !== "-include" && name !== "-imacros") || value === "") return words.join(" ");
				this.forced.push({ kind: name === "-include" ? "include" : "imacros", name: value });
				return undefined;
			case "input-file":
				return name === "-T" ? undefined : words.join(" ");
			// Its folder `include` is searched from the day on that it is there, and nobody says that it is not.
			case "tool-dir":
				return words.join(" ");
			case "preprocessor":
				inner.push(value);
				return undefined;
			case "preprocessor-list":
				inner.push(...value.split(","));
				return undefined;
			case "emit-llvm":
			case "family":
			case "native":
			case "plain":
			case "side-ci":
			case "side-dwo":
			case "side-dwo-off":
			case "side-gcno":
			case "side-su":
				if (REFUSED.has(word) || REFUSED_FAMILY.test(word)) return words.join(" ");
				return IRRELEVANT.has(name) || IRRELEVANT_FAMILY.test(word) ? undefined : this.#ask(words);
			default:
				return words.join(" ");
		}
	}

	#ask(words: readonly string[]): undefined {
		this.asked.push(...words);
	}

	#define(name: string, value: string): boolean {
		// What goes on beyond the end of its line would take the next one with it.
		if (/[\n\r\0]|(?:\\|\?\?\/)\s*$|\/\*|R"/.test(value) || value === "" || value.startsWith("=")) return false;
		if (name === "-U") this.defines.push(`#undef ${value}\n`);
		else if (name === "-D") {
			const equals = value.indexOf("=");
			this.defines.push(
				equals < 0 ? `#define ${value} 1\n` : `#define ${value.slice(0, equals)} ${value.slice(equals + 1)}\n`,
			);
		} else return false;
		return true;
	}

	#folder(name: string, value: string, words: readonly string[]): string | undefined {
		switch (name) {
			case "-iquote":
			case "-I":
			case "-isystem":
			case "-idirafter":
				// There `=` and $SYSROOT stand for the system's root.
				if (value === "" || value.startsWith("=") || value.startsWith("$SYSROOT")) return words.join(" ");
				this.folders[name].push(value);
				return undefined;
			case "--sysroot":
			case "--sysroot=":
			case "-isysroot":
			case "-resource-dir":
			case "-resource-dir=":
				return value.startsWith("/") ? this.#ask(words) : words.join(" ");
			default:
				return words.join(" ");
		}
	}
}
