import { resolve } from "node:path";
import { encodeThunk, isInside, parseItem } from "../thunk/codec.js";
import { hashBytes, isObjectHash, isThunkHash, type ObjectHash } from "../thunk/hash.js";
import { formatPlaceholder } from "../thunk/placeholder.js";
import { EMPTY_THUNK, type Item, type Link, type Thunk, type ThunkItem } from "../thunk/types.js";
import { writeFileAtomic } from "../util/files.js";
import { UserError } from "../util/result.js";
import { parse } from "./parse.js";
import { openProjectStore, usageError } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "create-thunk",
	usage:
		"gg create-thunk [options] FUNCTION-HASH ARG…\n\nMakes a thunk: a program, its arguments (the first is its own name) and all that it reads, by hash.\nThe thunk's hash is printed on standard error. Arguments that begin with a dash go after `--`.",
	options: {
		envar: { alias: "E", type: "string", array: true, describe: "NAME=VALUE in its environment" },
		value: { alias: "v", type: "string", array: true, describe: "HASH[=NAME] of a file it reads" },
		thunk: { alias: "t", type: "string", array: true, describe: "HASH[#OUTPUT][=NAME] of a thunk it needs" },
		executable: { alias: "e", type: "string", array: true, describe: "HASH[=NAME] of a program it runs" },
		output: { alias: "o", type: "string", array: true, describe: "file it writes, in the folder it runs in" },
		placeholder: { alias: "C", type: "string", describe: "file to write as a placeholder for its first output" },
		timeout: { alias: "T", type: "string", describe: "milliseconds that it may take" },
		link: {
			alias: "L",
			type: "string",
			array: true,
			describe: "NAME=HASH: a link to a file, in the folder it runs in",
		},
		"output-dir": { type: "string", describe: "folder whose files are outputs, too" },
		"output-path": { type: "string", describe: "write the thunk to this file only; needs no .gg folder" },
	},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const { flags, rest } = parsed;
	const [functionHash, ...functionArgs] = rest;
	if (functionHash === undefined) throw usageError("create-thunk", "no function hash was given");
	const thunk: Thunk = {
		...EMPTY_THUNK,
		functionHash: toHash(functionHash, "the function"),
		args: functionArgs,
		envars: flags.envar ?? [],
		values: (flags.value ?? []).map((text) => toItem(text, "--value")),
		thunks: (flags.thunk ?? []).map(toThunkItem),
		executables: (flags.executable ?? []).map((text) => toItem(text, "--executable")),
		outputs: flags.output ?? [],
		timeout: toTimeout(flags.timeout),
		links: toLinks(flags.link ?? []),
		outputDir: flags["output-dir"] ?? "",
	};
	checkComplete(thunk);
	const bytes = encodeThunk(thunk);
	const hash = hashBytes(bytes);
	const outputPath = flags["output-path"];
	if (outputPath === undefined) openProjectStore(io).store.objects.put(bytes);
	else writeFileAtomic(resolve(io.cwd, outputPath), bytes);
	if (flags.placeholder !== undefined) {
		const { content, mode } = formatPlaceholder(flags.placeholder, { hash, tag: "" });
		writeFileAtomic(resolve(io.cwd, flags.placeholder), content, mode);
	}
	io.err(`${hash}\n`);
	return 0;
};

function bad(message: string, hint = "a hash is printed by `gg hash FILE` and `gg collect FILE`"): UserError {
	return new UserError({ reason: "bad-thunk", message, hint });
}

function toHash(text: string, what: string): ObjectHash {
	if (!isObjectHash(text)) throw bad(`${what} is not a hash: ${JSON.stringify(text)}`);
	return text;
}

function toItem(text: string, option: string): Item {
	const equals = text.indexOf("=");
	const hash = toHash(equals < 0 ? text : text.slice(0, equals), option);
	return { hash, name: equals < 0 ? "" : text.slice(equals + 1) };
}

function toThunkItem(text: string): ThunkItem {
	const [hash] = text.split(/[#=]/, 1);
	if (!isThunkHash(toHash(hash ?? "", "--thunk"))) {
		throw bad(`--thunk names a value: ${hash}`, "what is no thunk is given with --value");
	}
	return parseItem(text);
}

/** Later links of the same name replace earlier ones, and they are stored in the order of their names. */
function toLinks(texts: readonly string[]): Link[] {
	const links = new Map<string, ObjectHash>();
	for (const text of texts) {
		const equals = text.indexOf("=");
		if (equals < 0) throw bad(`--link has no target: ${JSON.stringify(text)}`, "it is written NAME=HASH");
		const name = text.slice(0, equals);
		checkInside(name, "--link");
		links.set(name, toHash(text.slice(equals + 1), "the target of --link"));
	}
	return [...links]
		.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
		.map(([name, target]) => ({ name, target }));
}

function toTimeout(text: string | undefined): number {
	if (text === undefined) return 0;
	const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
	if (!(value <= 0xffffffff))
		throw bad(`--timeout is not a number of milliseconds: ${JSON.stringify(text)}`, "for example: --timeout 5000");
	return value;
}

function checkInside(name: string, option: string): void {
	if (!isInside(name)) {
		throw bad(
			`${option} leaves the folder the thunk runs in: ${JSON.stringify(name)}`,
			"give a relative name without `..`",
		);
	}
}

function checkComplete(thunk: Thunk): void {
	if (thunk.args.length === 0)
		throw bad("the thunk has no argument", "the first argument is the name that the program is run by");
	if (thunk.outputs.length === 0) throw bad("the thunk has no output", "name what it writes with --output");
	if (thunk.executables.length === 0)
		throw bad("the thunk has no executable", "name the function's hash with --executable");
	for (const output of thunk.outputs) checkInside(output, "--output");
	if (thunk.outputDir !== "") checkInside(thunk.outputDir, "--output-dir");
}
