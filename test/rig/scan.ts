/** The include scanner beside the compiler's own list. */

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { identityOf } from "../../src/scan/scanner.js";
import {
	KNOWABLE_WORDS,
	type ScanFile,
	type ScanFiles,
	type ScanLanguage,
	type ScanSetup,
	type SearchDir,
} from "../../src/scan/types.js";

/** Files of the disk, remembered for ever. */
export class DiskFiles implements ScanFiles {
	readonly #known = new Map<string, ScanFile | "absent" | "folder" | "refused">();
	readonly #real = new Map<string, string>();

	open(path: string): ScanFile | "absent" | "folder" | "refused" {
		let known = this.#known.get(path);
		if (known === undefined) {
			known = readAny(path);
			this.#known.set(path, known);
		}
		return known;
	}

	realPath(path: string): string | undefined {
		let known = this.#real.get(path);
		if (known === undefined) {
			known = realpathSync(path);
			this.#real.set(path, known);
		}
		return known;
	}
}

function readAny(path: string): ScanFile | "absent" | "folder" | "refused" {
	const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
	if (stat === undefined) return "absent";
	if (stat.isDirectory()) return "folder";
	if (!stat.isFile()) return "refused";
	const content = readFileSync(path);
	return { content, identity: identityOf(content), seconds: Number(stat.mtimeNs / 1_000_000_000n) };
}

/** Files of a map: absolute path to text. Folders are what paths go through. */
export class MemoryFiles implements ScanFiles {
	readonly #texts: ReadonlyMap<string, string | Uint8Array>;
	readonly #modified: ReadonlyMap<string, number>;
	readonly opened: string[] = [];

	constructor(texts: Readonly<Record<string, string | Uint8Array>>, modified: Readonly<Record<string, number>> = {}) {
		this.#texts = new Map(Object.entries(texts));
		this.#modified = new Map(Object.entries(modified));
	}

	open(path: string): ScanFile | "absent" | "folder" | "refused" {
		this.opened.push(path);
		const plain = path.replace(/\/(?:\.?\/)+/g, "/");
		const text = this.#texts.get(plain);
		if (text === undefined) return [...this.#texts.keys()].some((p) => p.startsWith(`${plain}/`)) ? "folder" : "absent";
		const content = typeof text === "string" ? Buffer.from(text, "latin1") : text;
		return { content, identity: identityOf(content), seconds: this.#modified.get(plain) ?? 1 };
	}

	realPath(path: string): string {
		return path;
	}
}

const memo = new Map<string, string>();
const allAnswers = new Map<string, Map<string, number>>();
function featureAnswers(key: string): Map<string, number> {
	const answers = allAnswers.get(key) ?? new Map<string, number>();
	allAnswers.set(key, answers);
	return answers;
}

/** gcc's C without a macro of its own. */
export const PLAIN: ScanSetup = {
	flavour: "gcc",
	language: "c",
	quoteDirs: [],
	bracketDirs: [
		{ path: "inc", system: false },
		{ path: "/sys", system: true },
	],
	predefines: "",
	forced: [],
	implicit: [],
	canonicalSystemHeaders: true,
	mapsFileNames: false,
	dialect: {
		trigraphs: false,
		digraphs: true,
		cplusplus: false,
		lineComments: true,
		dollarInNames: true,
		digitSeparators: false,
		rawStrings: true,
		elifdef: true,
		vaOpt: true,
	},
	knows: new Set(["__has_include", "__has_attribute"]),
	feature: () => undefined,
};

export interface SetupRequest {
	readonly compiler: string;
	readonly language: ScanLanguage;
	/** All flags of the preprocessor but -include and -imacros. */
	readonly flags: readonly string[];
	readonly forced?: ScanSetup["forced"];
	readonly cwd: string;
}

const X: Record<ScanLanguage, string> = { c: "c", "c++": "c++", assembler: "assembler-with-cpp" };

/** As the compiler itself answers to -dM and -v. Slow: for tests. */
export function setupOf(r: SetupRequest): ScanSetup {
	const base = [...r.flags, "-x", X[r.language], "-E"];
	const own = [...withoutFolders(r.flags), "-x", X[r.language], "-E"];
	const run = (args: readonly string[], input = ""): string => {
		// What macros are does not depend on the folder; only folders of the include path do.
		const key = JSON.stringify([r.compiler, args, input]);
		let answer = memo.get(key);
		if (answer === undefined) {
			answer = execFileSync(r.compiler, [...args], {
				input,
				cwd: r.cwd,
				encoding: "latin1",
				env: { ...process.env, LC_ALL: "C" },
				stdio: ["pipe", "pipe", "ignore"],
			});
			memo.set(key, answer);
		}
		return answer;
	};
	const predefines = run([...own, "-dM", "-nostdinc", "-"])
		.split("\n")
		.filter((l) => l.startsWith("#define "))
		.join("\n");
	const { quoteDirs, bracketDirs } = searchDirs(r, base);
	const isSet = (text: string): boolean => run([...own, "-nostdinc", "-P", "-"], text).includes("yes");
	const strict = r.flags.some((f) => /^-(?:ansi|std=(?:c|iso))/.test(f));
	const cplusplus = r.language === "c++";
	const has = (word: string): boolean => isSet(`#ifdef ${word}\nyes\n#endif\n`);
	const answers = featureAnswers(JSON.stringify([r.compiler, own]));
	return {
		flavour: r.compiler.includes("clang") ? "clang" : "gcc",
		language: r.language,
		quoteDirs,
		bracketDirs,
		predefines: `${predefines}\n`,
		forced: r.forced ?? [],
		implicit: r.compiler.includes("clang") || r.flags.includes("-ffreestanding") ? [] : ["stdc-predef.h"],
		canonicalSystemHeaders: !r.compiler.includes("clang"),
		mapsFileNames: false,
		dialect: {
			trigraphs: strict || r.flags.includes("-trigraphs"),
			digraphs: !isSet("%:ifdef nothing\nyes\n%:endif\n"),
			cplusplus,
			lineComments: !r.flags.some((f) => /^-(?:ansi|std=(?:c89|c90|iso9899:199))/.test(f)),
			dollarInNames: r.language !== "assembler",
			digitSeparators: cplusplus && !r.flags.some((f) => /=(?:c|gnu)\+\+(?:98|03|11|0x)/.test(f)),
			rawStrings: cplusplus
				? !r.flags.some((f) => /=(?:c|gnu)\+\+(?:98|03)/.test(f))
				: r.language === "c" &&
					!r.compiler.includes("clang") &&
					!r.flags.some((f) => /^-(?:ansi|std=(?:c|iso|gnu89|gnu90))/.test(f)),
			elifdef: isSet("#if 0\n#elifndef nothing\nyes\n#endif\n"),
			vaOpt: true,
		},
		knows: new Set(KNOWABLE_WORDS.filter(has)),
		feature(test, argument) {
			const key = `${test}(${argument})`;
			let answer = answers.get(key);
			if (answer === undefined) {
				answer = Number(run([...own, "-nostdinc", "-P", "-"], `#if 1\n${bisect(key)}\n#endif\n`).trim());
				answers.set(key, answer);
			}
			return answer;
		},
	};
}

/** What macros are does not depend on folders. */
function withoutFolders(flags: readonly string[]): string[] {
	const folder = /^-(?:I|iquote|isystem|idirafter)/;
	const alone = /^-(?:I|iquote|isystem|idirafter)$/;
	return flags.filter((f, i) => !folder.test(f) && !(i > 0 && alone.test(flags[i - 1]!)));
}

/** What an #if value is, asked bit by bit, as most tests are no macros in text. */
function bisect(expression: string): string {
	const known = [
		0, 1, 200809, 201309, 201603, 201803, 201907, 202003, 202106, 200907, 201902, 201904, 201907, 202002, 200410,
		200704, 199711, 2, 3, 201910, 202207,
	];
	return `${known.map((n, i) => `#${i === 0 ? "if" : "elif"} ${expression} == ${n}\n${n}`).join("\n")}\n#else\nNaN\n#endif`;
}

function searchDirs(r: SetupRequest, base: readonly string[]): { quoteDirs: SearchDir[]; bracketDirs: SearchDir[] } {
	const key = JSON.stringify([r.compiler, base, r.flags.length > 0 && r.cwd]);
	let stderr = memo.get(key);
	if (stderr === undefined) {
		const env = { ...process.env, LC_ALL: "C" };
		({ stderr } = spawnSync(r.compiler, [...base, "-v", "-"], { input: "", cwd: r.cwd, encoding: "latin1", env }));
		memo.set(key, stderr);
	}
	const [, quote = "", bracket = ""] =
		/#include "\.\.\." search starts here:\n([\s\S]*?)#include <\.\.\.> search starts here:\n([\s\S]*?)End of search list/.exec(
			stderr,
		) ?? [];
	const lines = (text: string): string[] =>
		text
			.split("\n")
			.filter((l) => l.startsWith(" "))
			.map((l) => l.slice(1));
	const user = new Set(
		r.flags.flatMap((f, i) => (f.startsWith("-I") ? [f === "-I" ? r.flags[i + 1]! : f.slice(2)] : [])),
	);
	return {
		quoteDirs: lines(quote).map((path) => ({ path, system: false })),
		bracketDirs: lines(bracket).map((path) => ({ path, system: !user.has(path) })),
	};
}

/** Prerequisites of a depfile, in order, unquoted. */
export function prerequisites(depfile: string): string[] {
	const rule = depfile.replaceAll("\\\n", " ");
	const colon = rule.search(/:(?:\s|$)/);
	const end = rule.indexOf("\n", colon);
	return (rule.slice(colon + 1, end < 0 ? undefined : end).match(/(?:\\[ #]|\$\$|[^\s])+/g) ?? []).map((w) =>
		w.replace(/\\([ #])/g, "$1").replaceAll("$$", "$"),
	);
}
