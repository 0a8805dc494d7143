import { DEPENDENCY_LIST } from "../thunk/placeholder.js";
import { readAsArgs } from "./as-args.js";
import { asmIncludes } from "./asm-includes.js";
import { BINUTILS_ENV, expandedArgs, firstMissing, localPlan, mainOutput } from "./binutils.js";
import { absolute, isDevice, outputTrouble } from "./probe.js";
import { parseToolName } from "./tool-name.js";
import type { Command, FileProbe, Model, OutputFile, Verdict } from "./types.js";

export const asModel: Model = {
	// llvm-as reads LLVM's own language.
	matches(tool) {
		const name = parseToolName(tool, ["as"]);
		return name !== undefined && name.prefix !== "llvm-";
	},
	plan: planAs,
};

function planAs(command: Command, probe: FileProbe): Verdict {
	const { args, files: responseFiles } = expandedArgs(command, probe);
	const facts = readAsArgs(args);
	const { operands, listing, depfile } = facts;
	const local = (reason: Parameters<typeof localPlan>[0], detail: string) =>
		localPlan(reason, detail, [...operands, ...responseFiles]);

	const query = facts.query ?? facts.incomplete;
	if (query !== undefined) return local("query", query);
	const stream = operands.find((operand) => operand === "-" || isDevice(operand));
	if (operands.length === 0 || stream !== undefined || args.includes("--")) return local("stdin", stream ?? "no files");
	const missing = firstMissing(command, probe, operands);
	if (missing !== undefined) return local("no-input-file", missing);

	const side = (tag: string, file: string, role: "side" | "late-depfile"): OutputFile => ({
		...mainOutput(file, 0, false),
		tag,
		role,
	});
	const outputs = [
		mainOutput(facts.output ?? "a.out", 0, false),
		...(listing !== undefined && listing !== "" ? [side("listing", listing, "side")] : []),
		...(depfile !== undefined ? [side(DEPENDENCY_LIST, depfile, "late-depfile")] : []),
	];
	for (const output of outputs) {
		const trouble = outputTrouble(command, probe, output.path);
		if (trouble !== undefined) return local("unsupported-output", trouble);
	}
	const included: string[] = [];
	for (const source of operands) {
		const found = asmIncludes({ source, dirs: facts.includeDirs, cwd: command.cwd, probe });
		if (found.kind === "unclear") return local("unsupported-flag", found.detail);
		included.push(...found.files);
	}
	const pwd = command.env.get("PWD");
	return {
		kind: "thunk",
		family: "as",
		stage: "assemble",
		sources: operands.map((operand) => ({ path: operand, language: "assembler" as const })),
		inputs: [...new Set([...included, ...responseFiles.filter((file) => probe.exists(absolute(command, file)))])],
		inout: [],
		outputs,
		discovery: { kind: "none" },
		envNames: pwd === undefined || pwd === command.cwd ? BINUTILS_ENV : [...BINUTILS_ENV, "PWD"],
		native: facts.native,
		deferrable: listing !== "" && !facts.prints,
		helpers: [],
		unknownFlags: facts.unknown,
	};
}
