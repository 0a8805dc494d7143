import { type FeatureTest, KNOWABLE_WORDS, type ScanLanguage, type ScanSetup } from "./types.js";

/** What the compiler says of one set of flags. */
export interface CompilerAnswer {
	readonly flavour: "gcc" | "clang";
	/** `#define` and `#undef` lines of its own. */
	readonly predefines: string;
	/** Its own folders, as they are searched. */
	readonly own: readonly string[];
	/** Folders of its own that are not there. */
	readonly missing: readonly string[];
	/** The files that it opens before the source by itself. */
	readonly opened: readonly string[];
	/** Headers that it reads before the source by itself, as in `#include <…>`. */
	readonly implicit: readonly string[];
	readonly dialect: ScanSetup["dialect"];
	readonly knows: readonly string[];
}

/**
 * A source that tells, preprocessed with -dD, what words and marks the compiler knows: each line `gg_NAME RESULT`. What
 * follows the last line is not looked at.
 */
export const QUESTIONS = `#define gg_e 5
#define gg_n(a,b,c,...) c
#define gg_count(...) gg_n(__VA_ARGS__,2,1,0)
gg_trigraphs ??=
gg_comments 7 //x
gg_dollar gg_e$
%:define gg_dig 1
gg_digraphs gg_dig
gg_separators gg_count(1'2,3'4)
gg_raw gg_count(R"x(",")x")
#if 0
#elifdef gg_e
gg_elifdef 1
#endif
#define gg_v(x,...) __VA_OPT__(1)
gg_vaopt gg_v(1,2)
#if true
gg_true 1
#endif
${KNOWABLE_WORDS.map((word) => `#ifdef ${word}\ngg_knows ${word.slice(2)}\n#endif\n`).join("")}gg_complete 1
`;

/** Headers that a source with QUESTIONS also includes: their names try what a depfile escapes and where it breaks lines. */
export const ODD_HEADERS = [
	"gg $odd.h",
	"gg#odd.h",
	"gg\\ odd\\.h",
	...[1, 7, 13, 14, 20, 21, 22, 33].map((length) => `gg-${"h".repeat(length)}.h`),
] as const;
export const ODD_TARGETS = [
	{ name: "./gg $(quoted) #1", quoted: true },
	{ name: "gg $(taken) #2", quoted: false },
	{ name: "gg", quoted: true },
] as const;

/** Reads what the compiler printed for QUESTIONS (-E -dD -v); or what is missing or not understood. `last`: a folder at the
 * end of the include path that is none of its own. */
export function parseAnswer(
	stdout: string,
	stderr: string,
	language: ScanLanguage,
	last?: string,
): CompilerAnswer | { readonly unclear: string } {
	const { predefines, opened, answers, knows } = parseOutput(stdout);
	if (answers.get("complete") !== "1") return { unclear: "the compiler does not preprocess a plain source" };
	const search = parseSearch(stderr, last);
	if (search === undefined) return { unclear: "the compiler does not tell its include path" };
	const implicit: string[] = [];
	for (const path of opened) {
		const folder = search.own.find((own) => path.startsWith(`${own}/`));
		if (folder === undefined) return { unclear: `it reads ${path} by itself` };
		implicit.push(path.slice(folder.length + 1));
	}
	const macro = (name: string): string | undefined => new RegExp(`^#define ${name} (.*)$`, "m").exec(predefines)?.[1];
	const flavour = macro("__clang__") !== undefined ? "clang" : "gcc";
	if (macro("__GNUC__") === undefined && language !== "assembler") return { unclear: "it is neither gcc nor clang" };
	const other = ["__INTEL_COMPILER", "__EDG__", "__NVCOMPILER", "__TINYC__"].find((name) => macro(name) !== undefined);
	if (other !== undefined) return { unclear: `it defines ${other}` };
	const cplusplus = language === "c++";
	// There true and false are values in #if, which `defined` does not tell.
	if (answers.get("true") === "1" && !cplusplus) return { unclear: "`true` counts in #if" };
	return {
		flavour,
		predefines,
		opened,
		implicit,
		...search,
		dialect: {
			trigraphs: answers.get("trigraphs") === "#",
			digraphs: answers.get("digraphs") === "1",
			cplusplus,
			lineComments: answers.get("comments") === "7",
			dollarInNames: answers.get("dollar") === "gg_e$",
			digitSeparators: answers.get("separators") === "2",
			rawStrings: answers.get("raw") === "1",
			elifdef: answers.get("elifdef") === "1",
			vaOpt: answers.get("vaopt") === "1",
		},
		knows,
	};
}

function parseOutput(stdout: string) {
	const opened: string[] = [];
	const answers = new Map<string, string>();
	const knows: string[] = [];
	let predefines = "";
	let section = "";
	for (const line of stdout.split("\n")) {
		const marker = /^# \d+ "((?:[^"\\]|\\.)*)"(.*)$/.exec(line);
		if (marker !== null) {
			section = marker[1]!;
			if (marker[2]!.startsWith(" 1") && !section.startsWith("<")) opened.push(section.replace(/\\(.)/g, "$1"));
		} else if (section === "<built-in>" || section === "<command-line>" || section === "<command line>") {
			if (/^#(?:define|undef) /.test(line)) predefines += `${line}\n`;
		} else {
			const answer = /^gg_([a-z]+)\s+(.*?)\s*$/.exec(line);
			if (answer?.[1] === "complete") return { predefines, opened, answers: answers.set("complete", "1"), knows };
			if (answer?.[1] === "knows") knows.push(`__${answer[2]!}`);
			else if (answer !== null) answers.set(answer[1]!, answer[2]!);
		}
	}
	return { predefines, opened, answers, knows };
}

function parseSearch(stderr: string, last: string | undefined): { own: string[]; missing: string[] } | undefined {
	const lines = stderr.split("\n");
	const quote = lines.indexOf('#include "..." search starts here:');
	const start = lines.indexOf("#include <...> search starts here:");
	const end = lines.indexOf("End of search list.");
	// A list of folders for quotes alone would come from flags that should not have been passed on.
	if (quote < 0 || start !== quote + 1 || end < start) return undefined;
	const missing = lines.flatMap((line) => /^ignoring nonexistent directory "(.*)"$/.exec(line)?.[1] ?? []);
	const own = lines.slice(start + 1, end).map((line) => line.slice(1));
	if (last !== undefined && own.pop() !== last) return undefined;
	return own.every((folder) => folder.startsWith("/")) && missing.every((folder) => folder.startsWith("/"))
		? { own, missing }
		: undefined;
}

export interface FeatureQuestion {
	readonly test: FeatureTest;
	readonly argument: string;
}

/** A source whose preprocessed text answers the questions, one in a line. */
export function featureSource(questions: readonly FeatureQuestion[]): string {
	return questions.map(({ test, argument }, i) => `gg_answer ${i} ${test}(${argument})\n`).join("");
}

/** The answers by number; a question that the compiler did not answer with a number is left out. */
export function parseFeatures(stdout: string): ReadonlyMap<number, number> {
	const found = new Map<number, number>();
	for (const match of stdout.matchAll(/^gg_answer (\d+) (\d+)[uUlL]*\s*$/gm))
		found.set(Number(match[1]), Number(match[2]));
	return found;
}
