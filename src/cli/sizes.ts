import { usageError } from "./project.js";

const SIZES = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** Bytes of a size such as 5G or 300M, given to `option` of the subcommand `name`. */
export function toSize(name: string, option: string, text: string): number {
	const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/.exec(text);
	if (match === null) throw usageError(name, `${option} takes a size such as 5G or 300M, not ${JSON.stringify(text)}`);
	return Number(match[1]) * SIZES[match[2] as keyof typeof SIZES];
}
