import path from "node:path";
import type { GccToken } from "./gcc-args.js";

/** Which compiler stands behind the driver's name; their depfiles differ in the default target. */
export type Flavor = "gcc" | "clang";

export interface DepRequest {
	/** Only dependencies are wanted (-M, -MM), or they come beside the output (-MD, -MMD). */
	readonly only: boolean;
	/** System headers are listed too (-M, -MD). */
	readonly system: boolean;
	/** The file that -MF or -Wp,-MD names. */
	readonly file: string | undefined;
	/** -MT and -MQ words as written, in the order in which they count. */
	readonly targets: readonly string[];
	/** -MP and -MG. */
	readonly modifiers: readonly string[];
	/** gcc's driver names the output as target only if it saw -MD or -MMD itself, not within -Wp, */
	readonly driverMode: boolean;
	/** -MT or -MQ was seen by the driver. */
	readonly driverTarget: boolean;
	/** Both kinds of mode at once: what then happens depends on the compiler's version. */
	readonly conflict: boolean;
}

/** The depfile that the flags ask for, or undefined. `inner` are the tokens within -Wp, and -Xpreprocessor: gcc's driver
 * puts them behind its own, so there they win. */
export function depRequest(outer: readonly GccToken[], inner: readonly GccToken[]): DepRequest | undefined {
	const modes = new Set<string>();
	const targets: string[] = [];
	const modifiers: string[] = [];
	let last: string | undefined;
	let file: string | undefined;
	let driverMode = false;
	let driverTarget = false;
	for (const [tokens, isOuter] of [[outer, true] as const, [inner, false] as const])
		for (const token of tokens) {
			if (token.kind !== "flag") continue;
			if (token.does === "dep-mode") {
				modes.add(token.name);
				last = token.name;
				driverMode ||= isOuter;
			} else if (token.does === "dep-file") file = token.value;
			else if (token.does === "dep-target") {
				targets.push(token.name, token.value);
				driverTarget ||= isOuter;
			} else if (token.does === "dep-modifier") modifiers.push(token.name);
		}
	if (last === undefined) return undefined;
	const only = modes.has("-M") || modes.has("-MM");
	return {
		only,
		system: last === "-M" || last === "-MD",
		file,
		targets,
		modifiers,
		driverMode,
		driverTarget,
		conflict: modes.size > 1,
	};
}

/** Where a -MD depfile goes: -MF, else the output with its suffix replaced, else the source's basename so changed. */
export function depfilePath(request: DepRequest, output: string | undefined, source: string): string {
	return request.file ?? replaceSuffix(output ?? path.posix.basename(source), ".d");
}

/** The -M flags that make a preprocessor run write, to `file`, the depfile that the user's own command would write. */
export function depfileFlags(
	request: DepRequest,
	options: {
		readonly flavor: Flavor;
		readonly preprocessOnly: boolean;
		readonly output: string | undefined;
		readonly source: string;
		readonly file: string;
	},
): string[] {
	const { flavor, preprocessOnly, output, source, file } = options;
	// gcc takes -MG only with -M and -MM, which would otherwise hide errors.
	const mode = request.modifiers.includes("-MG") ? (request.system ? "-M" : "-MM") : request.system ? "-MD" : "-MMD";
	const flags = [mode, "-MF", file, ...request.modifiers];
	if (flavor === "gcc") {
		// Without a target cc1 itself takes the source's basename with .o, the same as in the real command.
		const named = output !== undefined && !preprocessOnly && !request.only && request.driverMode;
		return [...flags, ...(named && !request.driverTarget ? ["-MQ", output] : []), ...request.targets];
	}
	if (request.targets.length > 0) return [...flags, ...request.targets];
	const target = output !== undefined && !request.only ? output : replaceSuffix(path.posix.basename(source), ".o");
	return [...flags, "-MQ", target];
}

/** `dir/a.b.c` → `dir/a.b` + suffix; a name without suffix gets one. */
export function replaceSuffix(file: string, suffix: string): string {
	const slash = file.lastIndexOf("/");
	const dot = file.lastIndexOf(".");
	return (dot > slash ? file.slice(0, dot) : file) + suffix;
}
