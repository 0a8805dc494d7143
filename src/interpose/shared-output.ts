import { lstatSync } from "node:fs";
import type { LocalPlan, ThunkPlan } from "../models/types.js";
import { absolute } from "./describe.js";

/**
 * An output that is a link now, or has further names: some tools write through them and some begin anew, which only a run
 * shows. Undefined when every output is a file of one name, or is not there.
 */
export function sharedOutput(plan: ThunkPlan, cwd: string): LocalPlan | undefined {
	const shared = plan.outputs.find(({ path }) => {
		let s: ReturnType<typeof lstatSync>;
		try {
			s = lstatSync(absolute(cwd, path), { throwIfNoEntry: false });
		} catch {
			return false; // Something that is no folder stands on its way: the tool says so itself.
		}
		return s !== undefined && (s.isSymbolicLink() || (s.isFile() && s.nlink > 1));
	});
	if (shared === undefined) return undefined;
	return {
		kind: "local",
		reason: "unsupported-output",
		detail: `${shared.path} is a link, or has another name`,
		inputs: [...plan.inputs, ...plan.inout, ...plan.sources.map(({ path }) => path)],
		readsUnknown: plan.discovery.kind !== "none",
	};
}
