import { DEPENDENCY_LIST } from "../thunk/placeholder.js";
import { localPlan, mainOutput } from "./binutils.js";
import { replaceSuffix } from "./depfile.js";
import { type FlagRow, FlagTable } from "./flag-table.js";
import { asksEnvironment } from "./nasm-includes.js";
import { absolute, isDevice, outputTrouble } from "./probe.js";
import type { Command, FileProbe, Model, OutputFile, Verdict } from "./types.js";

/** What a flag of nasm or yasm does. */
type NasmDisposition =
	| "ask" // dependencies instead of an object
	| "depfile"
	| "format"
	| "include-dir"
	| "input-file"
	| "listing"
	| "local"
	| "output"
	| "plain"
	| "preprocess"
	| "query"
	| "stream" // messages go to a stream that is named
	| "value"; // has a value that names no file

interface NasmFlag extends FlagRow {
	readonly does: NasmDisposition;
}

/** nasm 2.10 to 2.16; source: nasm.c and its manual, "Running NASM". Sorted by bytes; the longest match wins. */
// biome-ignore format: a table
export const NASM_FLAGS = [
	{ flag: "--before", value: "separate", does: "local" },
	{ flag: "--before=", value: "joined", does: "local" },
	{ flag: "--bits", value: "separate", does: "value" },
	{ flag: "--bits=", value: "joined", does: "value" },
	{ flag: "--gpostfix", value: "separate", does: "value" },
	{ flag: "--gpostfix=", value: "joined", does: "value" },
	{ flag: "--gprefix", value: "separate", does: "value" },
	{ flag: "--gprefix=", value: "joined", does: "value" },
	{ flag: "--gsuffix", value: "separate", does: "value" },
	{ flag: "--gsuffix=", value: "joined", does: "value" },
	{ flag: "--help", value: "none", does: "query" },
	{ flag: "--include", value: "separate", does: "local" },
	{ flag: "--include=", value: "joined", does: "local" },
	{ flag: "--keep-all", value: "none", does: "plain" },
	{ flag: "--limit-", value: "joined", does: "local" },
	{ flag: "--lpostfix", value: "separate", does: "value" },
	{ flag: "--lpostfix=", value: "joined", does: "value" },
	{ flag: "--lprefix", value: "separate", does: "value" },
	{ flag: "--lprefix=", value: "joined", does: "value" },
	{ flag: "--no-line", value: "none", does: "plain" },
	{ flag: "--postfix", value: "separate", does: "value" },
	{ flag: "--postfix=", value: "joined", does: "value" },
	{ flag: "--pragma", value: "separate", does: "value" },
	{ flag: "--pragma=", value: "joined", does: "value" },
	{ flag: "--prefix", value: "separate", does: "value" },
	{ flag: "--prefix=", value: "joined", does: "value" },
	{ flag: "--reproducible", value: "none", does: "plain" },
	{ flag: "--suffix", value: "separate", does: "value" },
	{ flag: "--suffix=", value: "joined", does: "value" },
	{ flag: "--v", value: "none", does: "query" },
	{ flag: "--version", value: "none", does: "query" },
	{ flag: "-@", value: "either", does: "local" },
	{ flag: "-D", value: "either", does: "value" },
	{ flag: "-E", value: "none", does: "preprocess" },
	{ flag: "-F", value: "either", does: "value" },
	{ flag: "-I", value: "either", does: "include-dir" },
	{ flag: "-L", value: "joined", does: "plain" },
	{ flag: "-M", value: "none", does: "ask" },
	{ flag: "-MD", value: "either", does: "depfile" },
	{ flag: "-MF", value: "either", does: "depfile" },
	{ flag: "-MG", value: "none", does: "ask" },
	{ flag: "-MP", value: "none", does: "plain" },
	{ flag: "-MQ", value: "either", does: "value" },
	{ flag: "-MT", value: "either", does: "value" },
	{ flag: "-MW", value: "none", does: "plain" },
	{ flag: "-O", value: "joined", does: "plain" },
	{ flag: "-P", value: "either", does: "input-file" },
	{ flag: "-U", value: "either", does: "value" },
	{ flag: "-W", value: "joined", does: "plain" },
	{ flag: "-X", value: "either", does: "value" },
	{ flag: "-Z", value: "either", does: "stream" },
	{ flag: "-a", value: "none", does: "plain" },
	{ flag: "-d", value: "either", does: "value" },
	{ flag: "-e", value: "none", does: "preprocess" },
	{ flag: "-f", value: "either", does: "format" },
	{ flag: "-g", value: "joined", does: "plain" },
	{ flag: "-h", value: "joined", does: "query" },
	{ flag: "-i", value: "either", does: "include-dir" },
	{ flag: "-l", value: "either", does: "listing" },
	{ flag: "-o", value: "either", does: "output" },
	{ flag: "-p", value: "either", does: "input-file" },
	{ flag: "-s", value: "none", does: "stream" },
	{ flag: "-t", value: "none", does: "plain" },
	{ flag: "-u", value: "either", does: "value" },
	{ flag: "-v", value: "joined", does: "query" },
	{ flag: "-w", value: "joined", does: "plain" },
] as const satisfies readonly NasmFlag[];

/** yasm 1.2 and 1.3; source: yasm(1). Sorted by bytes. */
// biome-ignore format: a table
export const YASM_FLAGS = [
	{ flag: "--arch", value: "separate", does: "value" },
	{ flag: "--arch=", value: "joined", does: "value" },
	{ flag: "--dformat", value: "separate", does: "value" },
	{ flag: "--dformat=", value: "joined", does: "value" },
	{ flag: "--force-strict", value: "none", does: "plain" },
	{ flag: "--help", value: "none", does: "query" },
	{ flag: "--lformat", value: "separate", does: "value" },
	{ flag: "--lformat=", value: "joined", does: "value" },
	{ flag: "--license", value: "none", does: "query" },
	{ flag: "--list", value: "separate", does: "listing" },
	{ flag: "--list=", value: "joined", does: "listing" },
	{ flag: "--machine", value: "separate", does: "value" },
	{ flag: "--machine=", value: "joined", does: "value" },
	{ flag: "--mapfile", value: "separate", does: "local" },
	{ flag: "--mapfile=", value: "joined", does: "local" },
	{ flag: "--objfile", value: "separate", does: "output" },
	{ flag: "--objfile=", value: "joined", does: "output" },
	{ flag: "--oformat", value: "separate", does: "format" },
	{ flag: "--oformat=", value: "joined", does: "format" },
	{ flag: "--parser", value: "separate", does: "value" },
	{ flag: "--parser=", value: "joined", does: "value" },
	{ flag: "--postfix", value: "separate", does: "value" },
	{ flag: "--postfix=", value: "joined", does: "value" },
	{ flag: "--prefix", value: "separate", does: "value" },
	{ flag: "--prefix=", value: "joined", does: "value" },
	{ flag: "--preproc", value: "separate", does: "value" },
	{ flag: "--preproc-only", value: "none", does: "preprocess" },
	{ flag: "--preproc=", value: "joined", does: "value" },
	{ flag: "--suffix", value: "separate", does: "value" },
	{ flag: "--suffix=", value: "joined", does: "value" },
	{ flag: "--version", value: "none", does: "query" },
	{ flag: "-D", value: "either", does: "value" },
	{ flag: "-E", value: "either", does: "stream" },
	{ flag: "-I", value: "either", does: "include-dir" },
	{ flag: "-L", value: "either", does: "value" },
	{ flag: "-M", value: "joined", does: "ask" },
	{ flag: "-P", value: "either", does: "input-file" },
	{ flag: "-U", value: "either", does: "value" },
	{ flag: "-W", value: "joined", does: "plain" },
	{ flag: "-X", value: "either", does: "value" },
	{ flag: "-a", value: "either", does: "value" },
	{ flag: "-d", value: "either", does: "value" },
	{ flag: "-e", value: "none", does: "preprocess" },
	{ flag: "-f", value: "either", does: "format" },
	{ flag: "-g", value: "either", does: "value" },
	{ flag: "-h", value: "none", does: "query" },
	{ flag: "-i", value: "either", does: "include-dir" },
	{ flag: "-l", value: "either", does: "listing" },
	{ flag: "-m", value: "either", does: "value" },
	{ flag: "-o", value: "either", does: "output" },
	{ flag: "-p", value: "either", does: "value" },
	{ flag: "-r", value: "either", does: "value" },
	{ flag: "-s", value: "none", does: "stream" },
	{ flag: "-u", value: "either", does: "value" },
	{ flag: "-w", value: "joined", does: "plain" },
] as const satisfies readonly NasmFlag[];

const NASM = new FlagTable<NasmFlag>(NASM_FLAGS);
const YASM = new FlagTable<NasmFlag>(YASM_FLAGS);

export const nasmModel: Model = {
	matches: (tool) => tool === "nasm" || tool === "yasm",
	plan: planNasm,
};

interface Found {
	readonly does: NasmDisposition;
	readonly value: string;
	readonly words: readonly string[];
}

interface Words {
	readonly flags: readonly Found[];
	readonly sources: readonly string[];
	/** A word that is no flag we know, or a flag whose value is missing. */
	readonly strange: string | undefined;
}

function readWords(args: readonly string[], table: FlagTable<NasmFlag>): Words {
	const flags: Found[] = [];
	const sources: string[] = [];
	let strange: string | undefined;
	for (let i = 0; i < args.length; i++) {
		const word = args[i]!;
		if (word === "-" || !word.startsWith("-")) {
			sources.push(word);
			continue;
		}
		const match = table.find(word);
		if (match === undefined || (match.takesNext && i + 1 >= args.length)) {
			strange ??= word;
			continue;
		}
		const words = match.takesNext ? [word, args[++i]!] : [word];
		flags.push({ does: match.row.does, value: match.joined ?? words[1] ?? "", words });
	}
	return { flags, sources, strange };
}

function planNasm(command: Command, probe: FileProbe): Verdict {
	const nasm = command.tool === "nasm";
	const { flags, sources, strange } = readWords(command.argv.slice(1), nasm ? NASM : YASM);
	const values = (does: NasmDisposition) => flags.filter((flag) => flag.does === does).map((flag) => flag.value);
	const first = (does: NasmDisposition) => flags.find((flag) => flag.does === does)?.words.join(" ");
	const preincluded = values("input-file");
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...sources, ...preincluded]);

	const query = first("query");
	if (query !== undefined) return local("query", query);
	const asked = flags.find(({ value }) => asksEnvironment(value) !== undefined);
	if (asked !== undefined) return local("environment", asked.words.join(" "));
	// It holds further flags.
	if (nasm && command.env.has("NASMENV")) return local("environment", "NASMENV");
	// -MD takes the next word only where that is no flag; -MF alone writes nothing; a macro may be a directive.
	const odd = flags.find(
		({ does, value, words: [flag] }) =>
			(does === "depfile" && (/^-./.test(value) || !flags.some(({ words }) => words[0]!.startsWith("-MD")))) ||
			(/^-[Dd]/.test(flag!) && /incbin|%/i.test(value)),
	);
	const unclear = strange ?? first("local") ?? first("stream") ?? odd?.words.join(" ");
	if (unclear !== undefined) return local("unsupported-flag", unclear);
	const prints = first("ask") ?? (values("output").length === 0 ? first("preprocess") : undefined);
	if (prints !== undefined) return local("stdout", prints);
	const [source] = sources;
	if (source === undefined || sources.length > 1) return local("query", `${sources.length} sources`);
	if (source === "-" || isDevice(source)) return local("stdin", source);
	if (!probe.exists(absolute(command, source))) return local("no-input-file", source);

	const format = values("format").at(-1) ?? "";
	const output = values("output").at(-1) ?? (/^elf/.test(format) ? replaceSuffix(source, ".o") : undefined);
	if (output === undefined || output === "-") return local("unsupported-output", `the format ${format || "bin"}`);
	const main: OutputFile = { ...mainOutput(output, 0, false), truncated: true };
	const [listing, depfile] = [values("listing").at(-1), values("depfile").at(-1)];
	const outputs: OutputFile[] = [
		main,
		...(listing === undefined ? [] : [{ ...main, path: listing, tag: "listing", role: "side" as const }]),
		// -M has another list than -MD.
		...(depfile === undefined ? [] : [{ ...main, path: depfile, tag: DEPENDENCY_LIST, role: "late-depfile" as const }]),
	];
	for (const { path } of outputs) {
		const trouble = path === "-" ? "-" : outputTrouble(command, probe, path);
		if (trouble !== undefined) return local("unsupported-output", trouble);
	}
	// What [map] writes, and what Microsoft's debugging information reads, only a run shows.
	const isWatched =
		!/^(?:elf|macho|win|coff|obj|aout)/.test(format) || flags.some(({ words }) => /cv8/.test(words.join("")));
	const kept = flags.filter(({ does }) => !["depfile", "listing", "preprocess"].includes(does));
	return {
		kind: "thunk",
		family: "as",
		stage: "assemble",
		sources: [{ path: source, language: "assembler" }],
		inputs: preincluded.filter((file) => probe.exists(absolute(command, file))),
		inout: [],
		outputs,
		discovery: isWatched
			? { kind: "traced" }
			: {
					kind: "ask",
					args: [...kept.flatMap(({ words }) => words), "-M", source],
					// yasm also looks beside the file that includes, and has another preprocessor.
					...(nasm ? { nasm: { dirs: values("include-dir"), preincluded } } : {}),
				},
		envNames: ["LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "SOURCE_DATE_EPOCH"],
		native: false,
		deferrable: first("preprocess") === undefined,
		helpers: [],
		unknownFlags: [],
	};
}
