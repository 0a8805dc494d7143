import { BINUTILS_ENV, expandedArgs, firstMissing, isThinArchive, localPlan, mainOutput } from "./binutils.js";
import { getopt, type Opts } from "./getopt.js";
import { absolute, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Model, Verdict } from "./types.js";

/** GNU ar 2.20 to 2.44 and llvm-ar; source: their manuals and binutils' ar.c. */
const OPTIONS = {
	short: "hdmpqrstxlcoOVsSuvabiMNfPTDUL",
	long: {
		format: "required",
		help: "none",
		output: "required",
		plugin: "required",
		"record-libdeps": "required",
		"rsp-quoting": "required",
		target: "required",
		thin: "none",
		version: "none",
	},
} as const;

const OPERATIONS = "dmpqrtx";

export const arModel: Model = {
	matches: (tool) => parseToolName(tool, ["ar"]) !== undefined,
	plan: planAr,
};

interface ArCommand {
	/** One of dmpqrtx, or `s` alone. */
	readonly operation: string | undefined;
	readonly modifiers: ReadonlySet<string>;
	readonly archive: string | undefined;
	readonly members: readonly string[];
	readonly plugins: readonly string[];
	readonly unknown: readonly string[];
	readonly query: string | undefined;
}

function planAr(command: Command, probe: FileProbe): Verdict {
	const { args, files: responseFiles } = expandedArgs(command, probe);
	const ar = readArArgs(args);
	const { operation, modifiers, archive } = ar;
	const adds = operation === "r" || operation === "q";
	const named = [...(archive === undefined ? [] : [archive]), ...(adds ? ar.members : []), ...ar.plugins];
	const inputs = [...named, ...responseFiles];
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) => localPlan(reason, detail, inputs);

	if (ar.query !== undefined) return local("query", ar.query);
	if (modifiers.has("M")) return { ...local("stdin", "-M reads a script"), readsUnknown: true };
	if (operation === undefined || archive === undefined) return local("query", "no operation or no archive");
	if (operation === "p" || operation === "t") return local("stdout", operation);
	if (operation === "x") return local("unsupported-output", "x writes files that the archive names");
	if (modifiers.has("U")) return local("unsupported-flag", "U keeps modification times");
	if (modifiers.has("l")) return local("unsupported-flag", "l means different things in different versions");
	// A thin archive names its members: whoever reads it, reads them, and a placeholder could not tell.
	if (modifiers.has("T")) return local("unsupported-flag", "a thin archive");

	const exists = probe.exists(absolute(command, archive));
	if (operation === "s" && !exists) return local("no-input-file", archive);
	if (exists && isThinArchive(command, probe, archive)) return local("unsupported-flag", "a thin archive");
	if (exists && modifiers.has("u") && !modifiers.has("D"))
		return local("unsupported-flag", "u compares modification times");
	const missing = firstMissing(command, probe, adds ? ar.members : []);
	if (missing !== undefined) return local("no-input-file", missing);
	const trouble = outputTrouble(command, probe, archive);
	if (trouble !== undefined) return local("unsupported-output", trouble);

	return {
		kind: "thunk",
		family: "ar",
		stage: "archive",
		sources: [],
		inputs: [...new Set(inputs.filter((file) => file !== archive && probe.exists(absolute(command, file))))],
		inout: exists ? [archive] : [],
		outputs: [mainOutput(archive, 0, false)],
		discovery: { kind: "none" },
		envNames: BINUTILS_ENV,
		native: false,
		deferrable: true,
		helpers: [],
		unknownFlags: ar.unknown,
	};
}

export function readArArgs(args: readonly string[]): ArCommand {
	// Old style: the first word is a bundle without its dash. After options such as --plugin it may still follow.
	const oldStyle = args[0] !== undefined && !args[0].startsWith("-");
	let opts = getopt(oldStyle ? [`-${args[0]}`, ...args.slice(1)] : args, OPTIONS);
	if (!oldStyle && operationOf(opts) === undefined && opts.operands.length > 0) {
		const at = args.indexOf(opts.operands[0]!);
		opts = getopt([...args.slice(0, at), `-${args[at]}`, ...args.slice(at + 1)], OPTIONS);
	}
	const modifiers = new Set(opts.options.map(({ name }) => (name === "thin" ? "T" : name)));
	const operands = [...opts.operands];
	if (modifiers.has("a") || modifiers.has("b") || modifiers.has("i")) operands.shift();
	if (modifiers.has("N")) operands.shift();
	const query = ["h", "help", "V", "version"].find((name) => modifiers.has(name));
	return {
		operation: operationOf(opts),
		modifiers,
		archive: operands[0],
		members: operands.slice(1),
		plugins: opts.options.filter(({ name }) => name === "plugin").map(({ value }) => value),
		unknown: opts.unknown,
		query: query ?? opts.incomplete,
	};
}

function operationOf({ options }: Opts): string | undefined {
	const names = options.map(({ name }) => name);
	return names.find((name) => OPERATIONS.includes(name)) ?? (names.includes("s") ? "s" : undefined);
}
