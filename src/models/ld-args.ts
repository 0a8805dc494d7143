import { FlagTable } from "./flag-table.js";
import { LD_FLAGS, type LdFlag } from "./ld-flags.js";

/** What a list of linker arguments (the driver's -Wl, and -Xlinker, in order) has to do with files. */
export interface LdFacts {
	readonly inputs: readonly string[];
	readonly outputFiles: readonly string[];
	readonly output: string | undefined;
	readonly relocatable: boolean;
	/** Prints on stdout. */
	readonly prints: boolean;
	/** A flag whose files cannot be known. */
	readonly local: string | undefined;
}

const TABLE = new FlagTable<LdFlag>(LD_FLAGS);

export function readLdArgs(args: readonly string[]): LdFacts {
	const inputs: string[] = [];
	const outputFiles: string[] = [];
	let output: string | undefined;
	let relocatable = false;
	let prints = false;
	let local: string | undefined;
	for (let i = 0; i < args.length; i++) {
		const arg = args[i]!;
		if (!arg.startsWith("-")) {
			inputs.push(arg);
			continue;
		}
		const match = findLdFlag(arg);
		if (match === undefined) continue;
		const value = match.takesNext ? (args[++i] ?? "") : (match.joined ?? "");
		switch (match.row.does) {
			case "input-file":
				inputs.push(value);
				break;
			case "output-file":
				if (value === "-") prints = true;
				else outputFiles.push(value);
				break;
			case "output":
				output = value;
				break;
			case "relocatable":
				relocatable = true;
				break;
			case "prints":
				prints = true;
				break;
			case "local":
				local ??= arg;
				break;
			case "plain":
			case "lib-dir":
			case "library":
				break;
		}
	}
	return { inputs, outputFiles, output, relocatable, prints, local };
}

/** `-soname` and `--soname` are one flag, but a word that begins with a single dash and `o` is `-o` (ld's manual). */
function findLdFlag(arg: string) {
	if (!arg.startsWith("--") && arg.length > 2 && !arg.startsWith("-o")) {
		const long = TABLE.find(`-${arg}`);
		if (long !== undefined) return long;
	}
	return TABLE.find(arg);
}
