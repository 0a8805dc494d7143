import { expandedArgs, localPlan } from "./binutils.js";
import { parseToolName } from "./tool-name.js";
import type { Model } from "./types.js";

/** nm's result is what it prints, so it always runs here; every word that is no flag may be one of its files. */
export const nmModel: Model = {
	matches: (tool) => parseToolName(tool, ["nm"]) !== undefined,
	plan(command, probe) {
		const { args, files } = expandedArgs(command, probe);
		const named = args.filter((arg) => !arg.startsWith("-"));
		return localPlan("stdout", command.tool, [...(named.length > 0 ? named : ["a.out"]), ...files]);
	},
};
