import { AS_FLAGS, type AsDisposition, type AsFlag } from "./as-flags.js";
import { FlagTable } from "./flag-table.js";

/** What a list of assembler arguments has to do with files. */
export interface AsFacts {
	/** Operands: sources, which as reads one after the other. */
	readonly operands: readonly string[];
	readonly output: string | undefined;
	readonly includeDirs: readonly string[];
	/** The file of a listing; "" for stdout. */
	readonly listing: string | undefined;
	readonly depfile: string | undefined;
	readonly prints: boolean;
	readonly query: string | undefined;
	readonly native: boolean;
	readonly unknown: readonly string[];
	readonly incomplete: string | undefined;
}

const TABLE = new FlagTable<AsFlag>(AS_FLAGS);

export function readAsArgs(args: readonly string[]): AsFacts {
	const operands: string[] = [];
	const unknown: string[] = [];
	const found: { readonly does: AsDisposition; readonly word: string; readonly value: string }[] = [];
	let incomplete: string | undefined;
	for (let i = 0; i < args.length; i++) {
		const word = args[i]!;
		if (!word.startsWith("-") || word === "-") {
			operands.push(word);
			continue;
		}
		const match = TABLE.find(word);
		if (match === undefined) {
			unknown.push(word);
			continue;
		}
		if (match.takesNext && i + 1 >= args.length) incomplete = word;
		found.push({ does: match.row.does, word, value: match.joined ?? (match.takesNext ? (args[++i] ?? "") : "") });
	}
	const values = (does: AsDisposition) => found.filter((flag) => flag.does === does).map((flag) => flag.value);
	const listing = values("listing").at(-1);
	return {
		operands,
		output: values("output").at(-1),
		includeDirs: values("include-dir"),
		listing: listing === undefined ? undefined : (/=(.*)$/.exec(listing)?.[1] ?? ""),
		depfile: values("depfile").at(-1),
		prints: values("prints").length > 0,
		query: found.find((flag) => flag.does === "query")?.word,
		native: values("native").includes("native"),
		unknown,
		incomplete,
	};
}
