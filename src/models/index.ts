import { arModel } from "./ar.js";
import { asModel } from "./as.js";
import { gccModel } from "./gcc.js";
import { type DescribedTool, planDescribed } from "./generic.js";
import { planWithoutModel } from "./generic-local.js";
import { ldModel } from "./ld.js";
import { nasmModel } from "./nasm.js";
import { nmModel } from "./nm.js";
import { objcopyModel } from "./objcopy.js";
import { ranlibModel } from "./ranlib.js";
import { stripModel } from "./strip.js";
import type { Command, FileProbe, Model, Verdict } from "./types.js";

const MODELS: readonly Model[] = [
	gccModel,
	arModel,
	asModel,
	ranlibModel,
	stripModel,
	objcopyModel,
	nmModel,
	nasmModel,
	ldModel,
];

/** What to do with a command: the verdict of the user's description or of the model that speaks for its tool, or to run it here. */
export function planCommand(command: Command, probe: FileProbe, described: readonly DescribedTool[] = []): Verdict {
	const byUser = described.length === 0 ? undefined : planDescribed(command, probe, described);
	if (byUser?.kind === "thunk") return byUser;
	const model = MODELS.find((model) => model.matches(command.tool));
	if (model !== undefined) return model.plan(command, probe);
	return byUser ?? planWithoutModel(command);
}
