/** Splits names like `arm-none-eabi-gcc-12` into target, base and version. */
export interface ToolName {
	readonly prefix: string;
	readonly base: string;
}

/** The parts of `tool` if its base is one of `bases`; else undefined. */
export function parseToolName(tool: string, bases: readonly string[]): ToolName | undefined {
	const unversioned = tool.replace(/-[0-9]+(\.[0-9]+)*$/, "");
	for (const base of bases) {
		if (unversioned === base) return { prefix: "", base };
		if (unversioned.endsWith(`-${base}`)) return { prefix: unversioned.slice(0, -base.length), base };
	}
	return undefined;
}
