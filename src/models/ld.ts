import { BINUTILS_ENV, expandedArgs, localPlan, mainOutput } from "./binutils.js";
import { readLdArgs } from "./ld-args.js";
import { absolute, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Model, OutputFile, Verdict } from "./types.js";

/** GNU ld, gold and lld called directly: `ld -r` of kbuild, programs without an operating system. */
export const ldModel: Model = {
	matches: (tool) => parseToolName(tool, ["ld", "ld.bfd", "ld.gold", "ld.lld"]) !== undefined,
	plan: planLd,
};

const QUERY = /^(?:-v|-V|--?version|--?help|--?target-help|--?verbose(?:=.*)?|--?print-(?:sysroot|output-format))$/;
/** They have the linker start others, which leave more files behind or read some that nobody names. */
const PLUGIN = /^--?(?:plugin|lto|thinlto)/;
const ENV = [...BINUTILS_ENV, "COLLECT_NO_DEMANGLE", "LDEMULATION", "LD_LIBRARY_PATH", "LD_RUN_PATH"].sort();

function planLd(command: Command, probe: FileProbe): Verdict {
	const { args, files: responseFiles } = expandedArgs(command, probe);
	const facts = readLdArgs(args);
	const there = (file: string) => probe.exists(absolute(command, file));
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...facts.inputs, ...args.filter((arg) => !arg.startsWith("-")), ...responseFiles]);

	const query = args.find((arg) => QUERY.test(arg));
	if (query !== undefined) return local("query", query);
	const target = parseToolName(command.tool, ["ld", "ld.bfd", "ld.gold", "ld.lld"])?.prefix ?? "";
	// There the linker's output gets a suffix of its own.
	if (/mingw|cygwin/.test(target)) return local("no-model", `links by ${command.tool}`);
	const unclear = facts.local ?? args.find((arg) => PLUGIN.test(arg));
	if (unclear !== undefined) return local("unsupported-flag", unclear);
	if (facts.inputs.length === 0) return local("query", "no input files");
	const side = (path: string, index: number): OutputFile => ({
		...mainOutput(path, 0, false),
		tag: index === 0 ? "side" : `side-${index + 1}`,
		role: "side",
		optional: true,
	});
	const outputs = [mainOutput(facts.output ?? "a.out", 0, !facts.relocatable), ...facts.outputFiles.map(side)];
	for (const { path } of outputs) {
		const trouble = outputTrouble(command, probe, path);
		if (trouble !== undefined) return local("unsupported-output", trouble);
	}
	const written = new Set(outputs.map((output) => absolute(command, output.path)));
	const both = [...facts.inputs, ...responseFiles].find((file) => written.has(absolute(command, file)));
	if (both !== undefined || written.size < outputs.length)
		return local("unsupported-output", both === undefined ? "two outputs of one name" : `${both} is also an input`);
	return {
		kind: "thunk",
		family: "ld",
		stage: "link",
		sources: [],
		inputs: [...new Set([...facts.inputs, ...responseFiles])].filter(there),
		inout: [],
		outputs,
		discovery: { kind: "link" },
		envNames: ENV,
		native: false,
		deferrable: !facts.prints,
		helpers: [],
		unknownFlags: [],
	};
}
