import { statSync } from "node:fs";
import type { OutputFile } from "../models/types.js";
import type { Case } from "./case.js";
import { absolute } from "./describe.js";
import { isLinked } from "./probe.js";

/**
 * The mode that an output will have: what copies a placeholder, or changes its mode, is to find what it would find without
 * gg. What rewrites a file keeps its mode. Copies of an object by LLVM's tools have the original's own mode; GNU's can be
 * executed if a linker has finished what they are of. Undefined: only a run shows it.
 */
export function outputMode({ request, plan }: Case, output: OutputFile): number | undefined {
	const made = (executable: boolean): number => (executable ? 0o777 : 0o666) & ~request.umask;
	const kept = plan.inout.includes(output.path) || output.truncated === true;
	const copied = /^(?:strip|objcopy)$/.test(plan.family) ? plan.inputs[0] : undefined;
	const from = kept ? output.path : copied;
	const path = from === undefined ? undefined : absolute(request.cwd, from);
	const original = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
	if (path === undefined || original === undefined) return made(output.executable);
	if (kept || /llvm/.test(request.tool)) return original.mode & 0o777;
	const linked = isLinked(path);
	if (linked !== undefined) return made(linked);
	// A placeholder without a right to be executed: an object, or a program that was given another mode.
	if ((original.mode & 0o111) !== 0) return made(true);
	return output.executable ? undefined : made(false);
}
