import { BINUTILS_ENV, expandedArgs, firstMissing, isThinArchive, localPlan, mainOutput } from "./binutils.js";
import { getopt } from "./getopt.js";
import { absolute, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Model, Verdict } from "./types.js";

const OPTIONS = {
	short: "DhHUvVtq",
	long: { help: "none", plugin: "required", version: "none" },
} as const;

export const ranlibModel: Model = {
	matches: (tool) => parseToolName(tool, ["ranlib"]) !== undefined,
	plan: planRanlib,
};

function planRanlib(command: Command, probe: FileProbe): Verdict {
	const { args, files: responseFiles } = expandedArgs(command, probe);
	const { options, operands: archives, unknown, incomplete } = getopt(args, OPTIONS);
	const names = options.map(({ name }) => name);
	const plugins = options.filter(({ name }) => name === "plugin").map(({ value }) => value);
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...archives, ...plugins, ...responseFiles]);

	const query = names.find((name) => ["h", "H", "help", "v", "V", "version"].includes(name)) ?? incomplete;
	if (query !== undefined) return local("query", query);
	if (archives.length === 0) return local("query", "no archive");
	const timed = names.find((name) => name === "U" || name === "t");
	if (timed !== undefined) return local("unsupported-flag", `-${timed} keeps modification times`);
	const missing = firstMissing(command, probe, archives);
	if (missing !== undefined) return local("no-input-file", missing);
	for (const archive of archives) {
		if (isThinArchive(command, probe, archive)) return local("unsupported-flag", "a thin archive");
		const trouble = outputTrouble(command, probe, archive);
		if (trouble !== undefined) return local("unsupported-output", trouble);
	}
	const inout = [...new Set(archives)];
	return {
		kind: "thunk",
		family: "ranlib",
		stage: "edit",
		sources: [],
		inputs: [...plugins, ...responseFiles].filter((file) => probe.exists(absolute(command, file))),
		inout,
		outputs: inout.map((archive, index) => mainOutput(archive, index, false)),
		discovery: { kind: "none" },
		envNames: BINUTILS_ENV,
		native: false,
		deferrable: true,
		helpers: [],
		unknownFlags: unknown,
	};
}
