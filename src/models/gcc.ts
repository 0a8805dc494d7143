import path from "node:path";
import { readAsArgs } from "./as-args.js";
import { asmIncludes } from "./asm-includes.js";
import { depfilePath, replaceSuffix } from "./depfile.js";
import { isPreprocessed } from "./gcc-args.js";
import { GCC_DRIVERS, type GccFacts, gccFacts } from "./gcc-facts.js";
import { absolute, isDevice, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type {
	Command,
	Discovery,
	FileProbe,
	LocalPlan,
	LocalReason,
	Model,
	OutputFile,
	SourceInput,
	ThunkPlan,
	Verdict,
} from "./types.js";

/** Variables that change what the compiler reads or writes, or its messages (a thunk keeps them too); from the manuals of
 * gcc ("Environment Variables"), ld and clang. TMPDIR and COLLECT_* do not reach the bytes. */
const ENV_NAMES = [
	"CCC_OVERRIDE_OPTIONS",
	"COMPILER_PATH",
	"CPATH",
	"CPLUS_INCLUDE_PATH",
	"C_INCLUDE_PATH",
	"GCC_COMPARE_DEBUG",
	"GCC_EXEC_PREFIX",
	"GNUTARGET",
	"LANG",
	"LC_ALL",
	"LC_CTYPE",
	"LC_MESSAGES",
	"LDEMULATION",
	"LD_LIBRARY_PATH",
	"LD_RUN_PATH",
	"LIBRARY_PATH",
	"OBJCPLUS_INCLUDE_PATH",
	"OBJC_INCLUDE_PATH",
	"SOURCE_DATE_EPOCH",
] as const;

/** These make the compiler append to a file that others append to as well. */
const DEPENDENCY_VARIABLES = ["DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"] as const;

export const gccModel: Model = {
	matches: (tool) => parseToolName(tool, GCC_DRIVERS) !== undefined,
	plan(command, probe) {
		const facts = gccFacts(command, probe);
		const trouble =
			asksOnly(command, facts) ?? filesUnknown(command, facts, probe) ?? filesMissing(command, facts, probe);
		return trouble === undefined ? thunk(command, facts, probe) : local(facts, trouble);
	},
};

interface Trouble {
	readonly reason: LocalReason;
	readonly detail: string;
}

function local(facts: GccFacts, { reason, detail }: Trouble): LocalPlan {
	const inputs = [
		...facts.sources.map((source) => source.path),
		...facts.objects,
		...facts.inputFiles,
		...facts.includeFiles,
		...facts.ld.inputs,
		...readAsArgs(facts.asArgs).operands,
	];
	return { kind: "local", reason, detail, inputs: [...new Set(inputs)] };
}

/** The command prints an answer, or compiles nothing. */
function asksOnly(command: Command, facts: GccFacts): Trouble | undefined {
	const operands = [...facts.sources.map((source) => source.path), ...facts.objects];
	if (facts.query !== undefined) return { reason: "query", detail: facts.query };
	if (operands.length === 0) return { reason: "query", detail: "no input files" };
	const stream = operands.find((operand) => operand === "-" || operand === "/dev/stdin" || operand === "/dev/fd/0");
	if (stream !== undefined) return { reason: "stdin", detail: stream };
	const device = operands.find(isDevice);
	if (device !== undefined) return { reason: "query", detail: `${device} is no source` };
	if (facts.syntaxOnly) return { reason: "query", detail: "-fsyntax-only" };
	if (facts.sources.length === 0 && facts.stage !== "link") return { reason: "query", detail: "no source files" };
	if (facts.output === "-") return { reason: "stdout", detail: "-o -" };
	const variable = DEPENDENCY_VARIABLES.find((name) => command.env.has(name));
	if (variable !== undefined) return { reason: "environment", detail: variable };
	return undefined;
}

/** Something reads or writes files that the command line does not tell. */
function filesUnknown(command: Command, facts: GccFacts, probe: FileProbe): Trouble | undefined {
	const flag = (detail: string): Trouble => ({ reason: "unsupported-flag", detail });
	const { stage, sources, sides, deps, output } = facts;
	const links = stage === "link";
	if (facts.local !== undefined) return flag(facts.local);
	if (links && facts.ld.local !== undefined) return flag(`-Wl,${facts.ld.local}`);
	const other = sources.find((source) => source.language === "other");
	if (other !== undefined) return { reason: "no-model", detail: `the language of ${other.path}` };
	if (stage !== "preprocess" && sources.some((source) => source.language.endsWith("-header")))
		return flag("a precompiled header is written");
	const precompiled = facts.includeFiles
		.flatMap((file) => [`${file}.gch`, `${file}.pch`])
		.find((file) => probe.exists(absolute(command, file)));
	if (precompiled !== undefined) return flag(`a precompiled header is read: ${precompiled}`);
	// There the linker's output gets a suffix of its own.
	const target = targetOf(command);
	if (links && /mingw|cygwin|msvc|windows/.test(target)) return { reason: "no-model", detail: `links for ${target}` };
	if (links && sides.length > 0 && sources.length > 0) return flag(`${sides[0]} files beside a link`);
	if (links && sources.length > 0 && facts.ld.outputFiles.length > 0)
		return flag(`${facts.ld.outputFiles[0]} names temporary files`);
	const assembler = readAsArgs(facts.asArgs);
	if (assembler.listing !== undefined || assembler.depfile !== undefined || assembler.output !== undefined)
		return flag(`-Wa,${facts.asArgs.join(",")}`);
	if (assembler.operands.length > 0) return flag(`-Wa,${assembler.operands[0]}`);
	if (deps === undefined) return undefined;
	if (deps.conflict) return flag("two of -M, -MM, -MD, -MMD");
	if (deps.file === "-" && !deps.only) return { reason: "stdout", detail: "-MF -" };
	if (deps.only && deps.file !== undefined && output !== undefined) return flag("-M with both -MF and -o");
	// Each compilation would write the same file, or the name depends on gcc's version.
	if (sources.length > 1 && (deps.file !== undefined || (links && output !== undefined)))
		return flag("one depfile for several sources");
	if (links && output === undefined && deps.file === undefined && facts.flavor === "gcc" && sources.length > 0)
		return flag("a depfile beside a.out");
	return undefined;
}

/** As far as the command line says it: by the driver's name, or in clang's way. */
function targetOf({ tool, argv }: Command): string {
	const flag = argv.findLastIndex((arg) => arg === "-target" || arg === "--target" || arg.startsWith("--target="));
	if (flag >= 0) return argv[flag]!.split("=")[1] ?? argv[flag + 1] ?? "";
	return parseToolName(tool, GCC_DRIVERS)?.prefix.replace(/-$/, "") ?? "";
}

function filesMissing(command: Command, facts: GccFacts, probe: FileProbe): Trouble | undefined {
	const operands = [...facts.sources.map((source) => source.path), ...facts.objects];
	const missing = operands.find((file) => !facts.doubtful.has(file) && !probe.exists(absolute(command, file)));
	if (missing !== undefined) return { reason: "no-input-file", detail: missing };
	if (facts.stage !== "link" && facts.sources.length > 1 && facts.output !== undefined)
		return { reason: "unsupported-output", detail: "-o with several sources" };
	const outputs = outputsOf(facts);
	const full = outputs.map((output) => absolute(command, output.path));
	if (new Set(full).size < full.length) return { reason: "unsupported-output", detail: "two outputs of one name" };
	const read = new Set(operands.map((file) => absolute(command, file)));
	const overwritten = outputs.find((output) => read.has(absolute(command, output.path)));
	if (overwritten !== undefined)
		return { reason: "unsupported-output", detail: `${overwritten.path} is also an input` };
	for (const { path: file } of outputs) {
		const detail = outputTrouble(command, probe, file);
		if (detail !== undefined) return { reason: "unsupported-output", detail };
	}
	return undefined;
}

function thunk(command: Command, facts: GccFacts, probe: FileProbe): Verdict {
	const { stage } = facts;
	const sources = facts.sources.filter(
		(source) => !facts.doubtful.has(source.path) || probe.exists(absolute(command, source.path)),
	);
	const included: string[] = [];
	if (stage === "assemble" || stage === "link")
		for (const source of sources.filter((source) => source.language === "assembler")) {
			const dirs = [...facts.includeDirs, ...readAsArgs(facts.asArgs).includeDirs];
			const found = asmIncludes({ source: source.path, dirs, cwd: command.cwd, probe });
			if (found.kind === "unclear") return local(facts, { reason: "unsupported-flag", detail: found.detail });
			included.push(...found.files);
		}
	const objects = stage === "link" ? [...facts.objects, ...facts.ld.inputs] : facts.objects;
	const inputs = [...objects, ...facts.inputFiles, ...included].filter((file) => probe.exists(absolute(command, file)));
	const outputs = outputsOf(facts);
	const pwd = command.env.get("PWD");
	const toolFolders = facts.tokens.flatMap((t) => (t.kind === "flag" && t.does === "tool-dir" ? [t.value] : []));
	return {
		kind: "thunk",
		family: "cc",
		stage,
		sources,
		inputs: [...new Set(inputs)],
		inout: [],
		outputs,
		discovery: discovery(facts, sources),
		// The directory in debug information is $PWD where that names the same directory as getcwd does.
		envNames: pwd === undefined || pwd === command.cwd ? ENV_NAMES : [...ENV_NAMES, "PWD"].sort(),
		native: facts.native,
		deferrable: outputs.length > 0 && !writesStdout(facts),
		helpers: helpersOf(facts),
		...(toolFolders.length > 0 ? { toolFolders } : {}),
		unknownFlags: facts.unknown,
	} satisfies ThunkPlan;
}

/** Programs that only some commands start; `ld`, cc1 and their kind belong to the driver itself. */
function helpersOf({ stage, sides, tokens, sources }: GccFacts): string[] {
	const helpers: string[] = [];
	if (sides.includes(".dwo") && stage !== "compile" && stage !== "preprocess") helpers.push("objcopy");
	if (sources.some(({ language }) => language === "objective-c")) helpers.push("cc1obj");
	if (sources.some(({ language }) => language === "objective-c++")) helpers.push("cc1objplus");
	if (stage !== "link") return helpers;
	for (const token of tokens) {
		if (token.kind === "flag" && token.words[0]!.startsWith("-fuse-ld="))
			helpers.push(`ld.${token.words[0]!.slice("-fuse-ld=".length)}`);
	}
	return [...new Set(helpers)];
}

function discovery({ stage, flavor }: GccFacts, sources: readonly SourceInput[]): Discovery {
	// clang runs its preprocessor over preprocessed source, too: what is included there, it includes.
	if (flavor === "clang" && sources.some((source) => source.language.endsWith("cpp-output"))) return { kind: "traced" };
	const preprocessed = sources.some((source) => isPreprocessed(source.language));
	if (stage === "link") return { kind: preprocessed ? "include+link" : "link" };
	return { kind: preprocessed ? "include" : "none" };
}

function writesStdout(facts: GccFacts): boolean {
	if (facts.stage === "link") return facts.ld.prints;
	return facts.stage === "preprocess" && mainOutputs(facts).length === 0 && (facts.deps?.file ?? "-") === "-";
}

/** Every file the command writes. */
function outputsOf(facts: GccFacts): OutputFile[] {
	const files: (Omit<OutputFile, "tag"> & { readonly tag: string })[] = [...mainOutputs(facts)];
	const add = (tag: string, file: string, role: OutputFile["role"], optional: boolean) =>
		files.push({ tag, path: file, role, executable: false, optional });
	for (const file of depfiles(facts)) add("depfile", file, "depfile", false);
	if (facts.stage === "compile" || facts.stage === "assemble")
		for (const source of facts.sources.filter((source) => source.language !== "assembler"))
			for (const suffix of facts.sides) {
				// gcc -S leaves debug sections in the assembler text: nothing splits them off.
				if (facts.stage === "compile" && suffix === ".dwo") continue;
				add(suffix.slice(1), replaceSuffix(facts.output ?? path.posix.basename(source.path), suffix), "side", true);
			}
	for (const file of facts.outputFiles) add("side", file, "side", true);
	if (facts.stage === "link") for (const file of facts.ld.outputFiles) add("side", file, "side", true);
	return numberTags(files);
}

function mainOutputs(facts: GccFacts): OutputFile[] {
	const { stage, output, sources, emitLlvm } = facts;
	const file = (name: string, executable = false): OutputFile => ({
		tag: "output",
		path: name,
		role: "main",
		executable,
		optional: false,
	});
	if (stage === "link") return [file(output ?? "a.out", !facts.ld.relocatable)];
	if (stage === "preprocess") return output === undefined || facts.deps?.only === true ? [] : [file(output)];
	if (output !== undefined) return [file(output)];
	const suffix = stage === "compile" ? (emitLlvm ? ".ll" : ".s") : emitLlvm ? ".bc" : ".o";
	return sources.map((source) => file(replaceSuffix(path.posix.basename(source.path), suffix)));
}

function depfiles(facts: GccFacts): string[] {
	const { deps, output } = facts;
	if (deps === undefined) return [];
	if (deps.only) {
		const file = deps.file ?? output ?? "-";
		return file === "-" ? [] : [file];
	}
	return facts.sources
		.filter((source) => isPreprocessed(source.language))
		.map((source) => depfilePath(deps, output, source.path));
}

/** `output`, `output-2`, …: a thunk's tags are unique. */
function numberTags(files: readonly OutputFile[]): OutputFile[] {
	const seen = new Map<string, number>();
	return files.map((file) => {
		const count = (seen.get(file.tag) ?? 0) + 1;
		seen.set(file.tag, count);
		return count === 1 ? file : { ...file, tag: `${file.tag}-${count}` };
	});
}
