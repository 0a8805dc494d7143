/** GNU getopt_long: bundled short options, long ones that may be abbreviated, operands anywhere. */

export interface OptSpec {
	/** getopt's string: a colon after a letter that takes a value. */
	readonly short: string;
	/** Long name → whether it takes a value. */
	readonly long: Readonly<Record<string, "none" | "required" | "optional">>;
}

export interface Opts {
	/** Letters and long names in order, with their values. */
	readonly options: readonly { readonly name: string; readonly value: string }[];
	readonly operands: readonly string[];
	/** Words with options that the table does not have. */
	readonly unknown: readonly string[];
	/** The option at the end whose value is missing. */
	readonly incomplete: string | undefined;
}

export function getopt(args: readonly string[], spec: OptSpec): Opts {
	const options: { name: string; value: string }[] = [];
	const operands: string[] = [];
	const unknown: string[] = [];
	let incomplete: string | undefined;
	const next = (word: string, i: number): string => {
		if (i >= args.length) incomplete = word;
		return args[i] ?? "";
	};
	for (let i = 0; i < args.length; i++) {
		const word = args[i]!;
		if (word === "--") {
			operands.push(...args.slice(i + 1));
			break;
		}
		if (word === "-" || !word.startsWith("-")) {
			operands.push(word);
			continue;
		}
		if (word.startsWith("--")) {
			const [, given, attached] = /^--([^=]*)(?:=(.*))?$/s.exec(word)!;
			const name = longName(given!, spec);
			if (name === undefined) unknown.push(word);
			else if (spec.long[name] === "required" && attached === undefined) options.push({ name, value: next(word, ++i) });
			else options.push({ name, value: attached ?? "" });
			continue;
		}
		for (let j = 1; j < word.length; j++) {
			const letter = word[j]!;
			const at = letter === ":" ? -1 : spec.short.indexOf(letter);
			if (at === -1) {
				unknown.push(word);
				break;
			}
			if (spec.short[at + 1] !== ":") {
				options.push({ name: letter, value: "" });
				continue;
			}
			const rest = word.slice(j + 1);
			options.push({ name: letter, value: rest === "" ? next(word, ++i) : rest });
			break;
		}
	}
	return { options, operands, unknown, incomplete };
}

function longName(given: string, spec: OptSpec): string | undefined {
	if (Object.hasOwn(spec.long, given)) return given;
	const names = Object.keys(spec.long).filter((name) => name.startsWith(given));
	return names.length === 1 ? names[0] : undefined;
}
