import type { InferredOptionTypes, Options } from "yargs";
import yargs from "yargs";
import { UserError } from "../util/result.js";
import type { Io } from "./types.js";

/** Options of a subcommand by long name; `alias` is the short letter. */
export type OptionTable = Readonly<Record<string, Options>>;

export interface CommandSpec<O extends OptionTable> {
	readonly name: string;
	readonly usage: string;
	readonly options: O;
}

export interface Parsed<O extends OptionTable> {
	readonly flags: InferredOptionTypes<O>;
	/** What is no option, in order and as given. */
	readonly rest: readonly string[];
}

/** Reads a command line as getopt does, options and operands in any order. Undefined when help was asked for, and given. */
export async function parse<O extends OptionTable>(
	spec: CommandSpec<O>,
	args: readonly string[],
	io: Io,
): Promise<Parsed<O> | undefined> {
	const hint = `\`gg ${spec.name} --help\` lists the options`;
	const { options, rest } = split(spec, args, hint);
	const parser = yargs(options)
		.scriptName(`gg ${spec.name}`)
		.usage(spec.usage)
		.locale("en")
		.options(spec.options)
		.help(false)
		.version(false)
		.option("help", { alias: "h", type: "boolean", describe: "show this" })
		.wrap(100)
		.strictOptions()
		.exitProcess(false)
		.parserConfiguration({ "boolean-negation": false, "camel-case-expansion": false, "dot-notation": false })
		.fail((message, error) => {
			throw error ?? new UserError({ reason: "usage", message: firstLine(message), hint });
		});
	const flags = await parser.parse();
	if ((flags as { help?: boolean }).help === true) {
		io.out(`${await parser.getHelp()}\n`);
		return undefined;
	}
	return { flags: flags as unknown as InferredOptionTypes<O>, rest };
}

function firstLine(message: string): string {
	const line = message.split("\n")[0] ?? message;
	const unknown = /^Unknown arguments?: (.*)$/.exec(line);
	return unknown === null ? line : `there is no option ${unknown[1]}`;
}

/**
 * Makes `-oX`, `-o X` and `--output X` into `--output=X`, so that a value may begin with a dash, and keeps operands away
 * from yargs, which would read numbers in them.
 */
function split(
	spec: CommandSpec<OptionTable>,
	args: readonly string[],
	hint: string,
): { options: string[]; rest: string[] } {
	const options: string[] = [];
	const rest: string[] = [];
	const byLetter = new Map(Object.entries(spec.options).map(([name, o]) => [o.alias as string | undefined, name]));
	const takesValue = (name: string | undefined): boolean => {
		const type = name === undefined ? undefined : spec.options[name]?.type;
		return type === "string" || type === "number";
	};
	for (let i = 0; i < args.length; i++) {
		const arg = args[i]!;
		if (arg === "--") {
			rest.push(...args.slice(i + 1));
			break;
		}
		if (!arg.startsWith("-") || arg === "-") {
			rest.push(arg);
			continue;
		}
		const long = arg.startsWith("--") ? arg.slice(2) : byLetter.get(arg[1]);
		if (long === undefined || !takesValue(long)) {
			options.push(arg);
			continue;
		}
		const attached = arg.startsWith("--") ? undefined : arg.slice(2);
		if (attached !== undefined && attached !== "") options.push(`--${long}=${attached}`);
		else if (i + 1 < args.length) options.push(`--${long}=${args[++i]}`);
		else throw new UserError({ reason: "usage", message: `${arg} needs a value`, hint });
	}
	return { options, rest };
}
