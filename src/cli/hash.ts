import { resolve } from "node:path";
import { describeErrno } from "../store/project.js";
import { hashFile, type ObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";
import { parse } from "./parse.js";
import { usageError } from "./project.js";
import type { Io, Run } from "./types.js";

const SPEC = {
	name: "hash",
	usage: "gg hash FILE\n\nPrints the name of FILE's content: the hash by which gg knows it. Needs no .gg folder.",
	options: {},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const [file, ...more] = parsed.rest;
	if (file === undefined || more.length > 0) throw usageError("hash", `one file, not ${parsed.rest.length}`);
	io.out(`${hashNamed(file, io)}\n`);
	return 0;
};

/** Name of a file's content, or a UserError that names the file as the user did. */
export function hashNamed(file: string, io: Io): ObjectHash {
	try {
		return hashFile(resolve(io.cwd, file));
	} catch (error) {
		throw unreadable(file, error);
	}
}

export function unreadable(file: string, error: unknown): UserError {
	return new UserError({ reason: "unreadable", message: `cannot read ${file}: ${describeErrno(error)}` });
}
