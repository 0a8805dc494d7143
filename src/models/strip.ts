import { BINUTILS_ENV, expandedArgs, firstMissing, isThinArchive, localPlan, mainOutput } from "./binutils.js";
import { getopt } from "./getopt.js";
import { absolute, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Model, Verdict } from "./types.js";

/** GNU strip 2.20 to 2.44 and llvm-strip; source: their manuals. */
const OPTIONS = {
	short: "I:O:F:K:N:R:o:MsSpdgxXHhVvwDUT",
	long: {
		"allow-broken-links": "none",
		"disable-deterministic-archives": "none",
		"discard-all": "none",
		"discard-locals": "none",
		"enable-deterministic-archives": "none",
		help: "none",
		info: "none",
		"input-format": "required",
		"input-target": "required",
		"keep-file-symbols": "none",
		"keep-section": "required",
		"keep-section-symbols": "none",
		"keep-symbol": "required",
		"keep-undefined": "none",
		"merge-notes": "none",
		"no-merge-notes": "none",
		"no-strip-all": "none",
		"only-keep-debug": "none",
		"output-file": "required",
		"output-format": "required",
		"output-target": "required",
		plugin: "required",
		"preserve-dates": "none",
		regex: "none",
		"remove-relocations": "required",
		"remove-section": "required",
		"strip-all": "none",
		"strip-all-gnu": "none",
		"strip-debug": "none",
		"strip-dwo": "none",
		"strip-section-headers": "none",
		"strip-symbol": "required",
		"strip-unneeded": "none",
		target: "required",
		verbose: "none",
		version: "none",
		wildcard: "none",
	},
} as const;

const QUERIES = ["h", "H", "V", "help", "info", "version"];

export const stripModel: Model = {
	matches: (tool) => parseToolName(tool, ["strip"]) !== undefined,
	plan: planStrip,
};

function planStrip(command: Command, probe: FileProbe): Verdict {
	const { args, files: responseFiles } = expandedArgs(command, probe);
	const { options, operands: files, unknown, incomplete } = getopt(args, OPTIONS);
	const names = options.map(({ name }) => name);
	const plugins = options.filter(({ name }) => name === "plugin").map(({ value }) => value);
	const output = options.findLast(({ name }) => name === "o" || name === "output-file")?.value;
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...files, ...plugins, ...responseFiles]);

	const query = names.find((name) => QUERIES.includes(name)) ?? incomplete;
	if (query !== undefined) return local("query", query);
	if (files.length === 0) return local("query", "no input files");
	if (files.includes("-")) return local("stdin", "-");
	if (output === "-") return local("stdout", "-o -");
	const times = names.find((name) => name === "p" || name === "preserve-dates");
	if (times !== undefined) return local("unsupported-flag", `-${times} keeps modification times`);
	if (names.includes("U") || names.includes("disable-deterministic-archives"))
		return local("unsupported-flag", "-U keeps modification times");
	const missing = firstMissing(command, probe, files);
	if (missing !== undefined) return local("no-input-file", missing);
	if (output !== undefined && files.length > 1) return local("unsupported-output", "-o with several files");
	if (files.some((file) => isThinArchive(command, probe, file))) return local("unsupported-flag", "a thin archive");

	const inPlace = output === undefined || absolute(command, output) === absolute(command, files[0]!);
	const written = inPlace ? [...new Set(files)] : [output];
	for (const file of written) {
		const trouble = outputTrouble(command, probe, file);
		if (trouble !== undefined) return local("unsupported-output", trouble);
	}
	const others = [...plugins, ...responseFiles].filter((file) => probe.exists(absolute(command, file)));
	return {
		kind: "thunk",
		family: "strip",
		stage: "edit",
		sources: [],
		inputs: inPlace ? others : [...files, ...others],
		inout: inPlace ? written : [],
		// It can be executed if what was read can; a model cannot see that, so the name must tell.
		outputs: written.map((file, index) => mainOutput(file, index, !/\.(a|o|ko|obj)$/.test(file))),
		discovery: { kind: "none" },
		envNames: BINUTILS_ENV,
		native: false,
		deferrable: true,
		helpers: [],
		unknownFlags: unknown,
	};
}
