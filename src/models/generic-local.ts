import type { Command, LocalPlan } from "./types.js";

/** The verdict on a tool without a model: run it here. Its inputs are every word that may name a file: whole arguments,
 * what follows an `=` or an attached short flag, and the parts of comma-separated lists (-Wl,a,b). */
export function planWithoutModel(command: Command): LocalPlan {
	const words = command.argv.slice(1).flatMap(mayNameFile);
	return { kind: "local", reason: "no-model", detail: command.tool, inputs: [...new Set(words)] };
}

function mayNameFile(argument: string): string[] {
	const parts = argument.startsWith("-") ? [] : [argument];
	if (argument.startsWith("@")) parts.push(argument.slice(1));
	const equals = argument.indexOf("=");
	if (equals !== -1) parts.push(argument.slice(equals + 1));
	if (argument.includes(",")) for (const part of argument.split(",")) parts.push(...mayNameFile(part));
	else if (/^-[A-Za-z]./.test(argument)) parts.push(argument.slice(2));
	return parts.filter((part) => part !== "" && part !== "-");
}
