import { FlagTable } from "./flag-table.js";
import { GCC_FLAGS, type GccDisposition, type GccFlag } from "./gcc-flags.js";
import { expandResponseFiles, type ReadText } from "./response-file.js";
import type { Command, Language } from "./types.js";

/** One flag with its value, or one operand. `words` are the words it was written as, so that joining all `words` gives
 * the command back. */
export type GccToken =
	| {
			readonly kind: "flag";
			readonly does: GccDisposition;
			/** The flag's short name without value. */
			readonly name: string;
			readonly value: string;
			readonly words: readonly string[];
	  }
	| { readonly kind: "operand"; readonly name: string; readonly words: readonly string[] }
	| { readonly kind: "unknown"; readonly words: readonly string[] };

export interface GccArgs {
	readonly tokens: readonly GccToken[];
	readonly responseFiles: readonly string[];
	/** The last flag, if its value is missing. */
	readonly incomplete: string | undefined;
}

const TABLE = new FlagTable<GccFlag>(GCC_FLAGS);

/** The command's arguments as tokens, response files expanded. */
export function parseGccArgs(command: Command, read: ReadText): GccArgs {
	const { args, files } = expandResponseFiles(command.argv.slice(1), command.cwd, read);
	return { ...tokenize(args), responseFiles: files };
}

/** Arguments of the preprocessor proper (from -Wp, and -Xpreprocessor): there -MD and -MMD take the depfile's name. */
export function tokenizeCppArgs(args: readonly string[]): readonly GccToken[] {
	const driver: string[] = [];
	for (let i = 0; i < args.length; i++) {
		const arg = args[i]!;
		driver.push(arg);
		const next = args[i + 1];
		if ((arg === "-MD" || arg === "-MMD") && next !== undefined && !next.startsWith("-")) {
			driver.push("-MF", next);
			i++;
		}
	}
	return tokenize(driver).tokens;
}

function tokenize(args: readonly string[]): { tokens: GccToken[]; incomplete: string | undefined } {
	const tokens: GccToken[] = [];
	let operandsOnly = false;
	for (let i = 0; i < args.length; i++) {
		const word = args[i]!;
		if (operandsOnly || !word.startsWith("-") || word === "-") {
			tokens.push({ kind: "operand", name: word, words: [word] });
			continue;
		}
		if (word === "--") {
			operandsOnly = true;
			tokens.push({ kind: "flag", does: "plain", name: word, value: "", words: [word] });
			continue;
		}
		const match = TABLE.find(word);
		if (match === undefined) {
			tokens.push({ kind: "unknown", words: [word] });
			continue;
		}
		const next = args[i + 1];
		if (match.takesNext && next === undefined) return { tokens, incomplete: word };
		const words = match.takesNext ? [word, next!] : [word];
		if (match.takesNext) i++;
		const { does, flag, as } = match.row;
		tokens.push({ kind: "flag", does, name: as ?? flag, value: match.joined ?? words[1] ?? "", words });
	}
	return { tokens, incomplete: undefined };
}

const LANGUAGES: ReadonlyMap<string, Language> = new Map([
	["c", "c"],
	["c++", "c++"],
	["objective-c", "objective-c"],
	["objective-c++", "objective-c++"],
	["cpp-output", "cpp-output"],
	["c++-cpp-output", "c++-cpp-output"],
	["assembler", "assembler"],
	["assembler-with-cpp", "assembler-with-cpp"],
	["c-header", "c-header"],
	["c++-header", "c++-header"],
] satisfies [string, Language][]);

/** The language that `-x NAME` asks for; undefined for `none`, which means: by suffix. */
export function languageByName(name: string): Language | undefined {
	return name === "none" ? undefined : (LANGUAGES.get(name) ?? "other");
}

// gcc's default_compilers and its manual, "Overall Options"; languages of which we know no more than that they are
// not for the linker are "other".
const SUFFIXES: ReadonlyMap<string, Language> = new Map(
	(
		[
			["c", "c"],
			["c++", "cc cp cxx cpp CPP c++ C"],
			["objective-c", "m"],
			["objective-c++", "mm M"],
			["cpp-output", "i"],
			["c++-cpp-output", "ii"],
			["c-header", "h"],
			["c++-header", "H hh hp hxx hpp HPP h++ tcc"],
			["assembler", "s"],
			["assembler-with-cpp", "S sx"],
			["other", "mi mii f F for FOR ftn FTN fpp FPP f90 F90 f95 F95 f03 F03 f08 F08 go d di dd ads adb java class zip"],
			["other", "jar swift rs cl cu cui hip cppm ccm cxxm c++m ixx ll bc ast pcm"],
		] as const
	).flatMap(([language, suffixes]) =>
		(suffixes === "c" ? ["c"] : suffixes.split(" ")).map((suffix): [string, Language] => [suffix, language]),
	),
);

const AS_CPLUSPLUS: ReadonlyMap<Language, Language> = new Map([
	["c", "c++"],
	["c-header", "c++-header"],
	["cpp-output", "c++-cpp-output"],
]);

/** The language of a file by its suffix, or undefined if it is for the linker. The C++ drivers take C for C++. */
export function languageBySuffix(file: string, cplusplus: boolean): Language | undefined {
	const suffix = /\.([^./]+)$/.exec(file)?.[1];
	const language = suffix === undefined ? undefined : SUFFIXES.get(suffix);
	return cplusplus && language !== undefined ? (AS_CPLUSPLUS.get(language) ?? language) : language;
}

/** True if the preprocessor runs over a source of this language. */
export function isPreprocessed(language: Language): boolean {
	return language !== "assembler" && language !== "cpp-output" && language !== "c++-cpp-output";
}
