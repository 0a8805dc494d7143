import path from "node:path";
import { type DepRequest, depRequest, type Flavor } from "./depfile.js";
import { type GccToken, languageByName, languageBySuffix, parseGccArgs, tokenizeCppArgs } from "./gcc-args.js";
import type { GccDisposition } from "./gcc-flags.js";
import { type LdFacts, readLdArgs } from "./ld-args.js";
import { isFile } from "./probe.js";
import { expandResponseFiles } from "./response-file.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Language, SourceInput, Stage } from "./types.js";

export const GCC_DRIVERS = ["clang++", "clang", "g++", "gcc", "c++", "cc"] as const;

/** All that a driver's command line says, before it is judged. */
export interface GccFacts {
	readonly flavor: Flavor;
	readonly tokens: readonly GccToken[];
	readonly stage: Stage;
	readonly syntaxOnly: boolean;
	readonly output: string | undefined;
	readonly sources: readonly SourceInput[];
	/** Operands for the linker. */
	readonly objects: readonly string[];
	/** Operands right after a flag that is not in the table: they may be its value. */
	readonly doubtful: ReadonlySet<string>;
	readonly deps: DepRequest | undefined;
	/** Files that flags name and that are read, response files among them. */
	readonly inputFiles: readonly string[];
	readonly includeFiles: readonly string[];
	readonly includeDirs: readonly string[];
	readonly outputFiles: readonly string[];
	/** Suffixes of the files that each compilation also writes. */
	readonly sides: readonly string[];
	readonly ld: LdFacts;
	readonly asArgs: readonly string[];
	readonly emitLlvm: boolean;
	readonly native: boolean;
	readonly unknown: readonly string[];
	/** A flag that only asks the driver something, or one whose value is missing. */
	readonly query: string | undefined;
	/** A flag whose files cannot be known. */
	readonly local: string | undefined;
}

/** The compiler that a driver's name stands for; `cc` and `c++` are taken for gcc. */
export function gccFlavor(tool: string): Flavor {
	return parseToolName(tool, GCC_DRIVERS)?.base.startsWith("clang") === true ? "clang" : "gcc";
}

export function gccFacts(command: Command, probe: FileProbe): GccFacts {
	const exists = (file: string) => isFile(probe, path.posix.resolve(command.cwd, file));
	const { tokens, responseFiles, incomplete } = parseGccArgs(command, (file) => probe.readText(file));
	const outer = new Flags(tokens);
	const innerTokens = tokenizeCppArgs(outer.list("preprocessor", "preprocessor-list"));
	const inner = new Flags(innerTokens);

	const stages = new Set(outer.names("stage"));
	const deps = depRequest(tokens, innerTokens);
	const linker = expandResponseFiles(outer.list("linker", "linker-list"), command.cwd, (file) => probe.readText(file));
	const ld = readLdArgs(linker.args);
	const flavor = gccFlavor(command.tool);
	const newFiles = newFileFlags(outer, exists);
	const clang = clangArgs(outer.values("clang"), exists);
	const stage = stageOf(stages, deps);
	return {
		flavor,
		tokens,
		stage,
		syntaxOnly: stages.has("-fsyntax-only"),
		output: outer.values("output").at(-1) ?? (stage === "link" ? ld.output : undefined),
		...operands(tokens, parseToolName(command.tool, GCC_DRIVERS)?.base.endsWith("++") === true),
		deps,
		inputFiles: [
			...responseFiles,
			...linker.files,
			...outer.values("input-file"),
			...newFiles.map((flag) => flag.file),
			...clang.files,
		],
		includeFiles: [...outer.values("include-file"), ...inner.values("include-file")],
		includeDirs: outer.values("include-dir"),
		outputFiles: outer.values("output-file"),
		sides: sideSuffixes(outer),
		ld: { ...ld, relocatable: ld.relocatable || outer.names("plain").includes("-r") },
		asArgs: outer.list("assembler", "assembler-list"),
		emitLlvm: flavor === "clang" && outer.first("emit-llvm") !== undefined,
		native: outer.values("native").includes("native"),
		unknown: [...unknownWords(tokens), ...unknownWords(innerTokens), ...newFiles.map((flag) => flag.word)],
		query: outer.first("query") ?? incomplete,
		local:
			outer.first("local") ??
			profileDirectory(outer, exists) ??
			innerLocal(innerTokens) ??
			clang.local ??
			(flavor === "clang" ? clangDeps(outer) : undefined),
	};
}

/** Questions to a list of tokens. */
class Flags {
	readonly #flags: readonly Extract<GccToken, { kind: "flag" }>[];
	constructor(tokens: readonly GccToken[]) {
		this.#flags = tokens.filter((token) => token.kind === "flag");
	}
	all(does: GccDisposition) {
		return this.#flags.filter((flag) => flag.does === does);
	}
	values(does: GccDisposition): string[] {
		return this.all(does).map((flag) => flag.value);
	}
	names(does: GccDisposition): string[] {
		return this.all(does).map((flag) => flag.name);
	}
	/** The first such flag, as written. */
	first(does: GccDisposition): string | undefined {
		return this.#flags.find((flag) => flag.does === does)?.words.join(" ");
	}
	/** The values of `one`, and the parts of those of `commas`, in the order of the command. */
	list(one: GccDisposition, commas: GccDisposition): string[] {
		return this.#flags.flatMap(({ does, value }) => (does === one ? [value] : does === commas ? value.split(",") : []));
	}
	/** Flags whose row matches by prefix and whose word is not one flag but a family. */
	families(): { word: string; value: string }[] {
		return this.all("family")
			.filter((flag) => flag.name === "-f")
			.map((flag) => ({ word: flag.words[0]!, value: flag.value }));
	}
	sideOff(): boolean {
		const last = this.#flags.findLast((flag) => flag.does === "side-dwo" || flag.does === "side-dwo-off");
		return last?.does === "side-dwo-off";
	}
}

function stageOf(stages: ReadonlySet<string>, deps: DepRequest | undefined): Stage {
	if (stages.has("-E") || deps?.only === true) return "preprocess";
	if (stages.has("-S")) return "compile";
	return stages.has("-c") ? "assemble" : "link";
}

function operands(tokens: readonly GccToken[], cplusplus: boolean) {
	const sources: SourceInput[] = [];
	const objects: string[] = [];
	const doubtful = new Set<string>();
	let language: Language | undefined;
	for (const [i, token] of tokens.entries()) {
		if (token.kind === "flag" && token.does === "language") language = languageByName(token.value);
		if (token.kind !== "operand") continue;
		const own = language ?? languageBySuffix(token.name, cplusplus);
		if (own === undefined) objects.push(token.name);
		else sources.push({ path: token.name, language: own });
		if (tokens[i - 1]?.kind === "unknown") doubtful.add(token.name);
	}
	return { sources, objects, doubtful };
}

function sideSuffixes(flags: Flags): string[] {
	const suffixes: string[] = [];
	if (flags.first("side-ci") !== undefined) suffixes.push(".ci");
	if (flags.first("side-dwo") !== undefined && !flags.sideOff()) suffixes.push(".dwo");
	if (flags.first("side-gcno") !== undefined) suffixes.push(".gcno");
	if (flags.first("side-su") !== undefined) suffixes.push(".su");
	return suffixes;
}

/** -f flags whose value happens to be a file's name: newer than our table, they may well read it. */
function newFileFlags(flags: Flags, exists: (file: string) => boolean): { word: string; file: string }[] {
	return flags.families().flatMap(({ word, value }) => {
		const file = /=(.+)$/.exec(value)?.[1];
		return file !== undefined && exists(file) ? [{ word, file }] : [];
	});
}

/** -fprofile-use=DIR: the driver completes the name itself. */
function profileDirectory(flags: Flags, exists: (file: string) => boolean): string | undefined {
	return flags.all("input-file").find((flag) => flag.name.startsWith("-fprofile") && !exists(flag.value))?.words[0];
}

function unknownWords(tokens: readonly GccToken[]): string[] {
	return tokens.flatMap((token) => (token.kind === "unknown" ? [token.words[0]!] : []));
}

function innerLocal(tokens: readonly GccToken[]): string | undefined {
	const token = tokens.find(
		(token) =>
			token.kind === "operand" || (token.kind === "flag" && (token.does === "output" || token.does === "local")),
	);
	return token === undefined ? undefined : `-Wp,${token.words.join(",")}`;
}

/** clang's driver understands `-Wp,-MD,FILE` and `-Wp,-MMD,FILE`; any other depfile flag goes to -cc1, which differs. */
function clangDeps(flags: Flags): string | undefined {
	const lists = [...flags.all("preprocessor"), ...flags.all("preprocessor-list")];
	return lists.find(({ value }) => /(^|,)-M/.test(value) && !/^-MM?D,[^,]+$/.test(value))?.words.join(" ");
}

// Flags of clang -cc1 that name files; it has hundreds more, hardly any of which users pass through.
const CC1_FILE_FLAG =
	/^-(add-plugin|dependency|emit-|fmodule|header-include-file|include-pch|load$|o$|plugin|stats-file|main-file-name)/;

function clangArgs(args: readonly string[], exists: (file: string) => boolean) {
	const flag = args.find((arg) => CC1_FILE_FLAG.test(arg));
	return {
		files: args.filter((arg) => !arg.startsWith("-") && exists(arg)),
		local: flag === undefined ? undefined : `-Xclang ${flag}`,
	};
}
