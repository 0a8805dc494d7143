import { createHash } from "node:crypto";
import { decodeThunk, encodeItem, encodeThunk, encodeThunkItem } from "../thunk/codec.js";
import type { Thunk } from "../thunk/types.js";
import { findThunk } from "./find-thunk.js";
import { parse } from "./parse.js";
import { give, usageError } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "describe",
	usage:
		"gg describe [options] THUNK\n\nShows a thunk as JSON. THUNK is its hash, the beginning of its hash, its file, or a placeholder.",
	options: {
		"executable-hash": { alias: "e", type: "boolean", describe: "print one hash of all its executables instead" },
		command: { alias: "c", type: "boolean", describe: "print its environment and arguments instead" },
	},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const [name, ...more] = parsed.rest;
	if (name === undefined || more.length > 0) throw usageError("describe", `one thunk, not ${parsed.rest.length}`);
	const { thunk } = findThunk(name, io);
	if (parsed.flags["executable-hash"] === true) io.out(`${executableHash(thunk)}\n`);
	else if (parsed.flags.command === true) io.out(`${[...thunk.envars, ...thunk.args].join(" ")}\n`);
	else io.out(`${JSON.stringify(thunkToJson(thunk), null, 1)}\n`);
	return 0;
};

/** A digest of the names of all executables, in the order in which they are stored; functions are installed by it. */
export function executableHash(thunk: Thunk): string {
	const sorted = give(decodeThunk(encodeThunk(thunk))).executables;
	return createHash("sha256")
		.update(sorted.map((e) => e.hash).join(""))
		.digest("base64url");
}

/** The original's fields as its protobuf JSON has them, defaults included, then ours. */
export function thunkToJson(thunk: Thunk): object {
	return {
		function: { hash: thunk.functionHash, args: thunk.args, envars: thunk.envars },
		values: thunk.values.map(encodeItem),
		thunks: thunk.thunks.map(encodeThunkItem),
		executables: thunk.executables.map(encodeItem),
		outputs: thunk.outputs,
		links: thunk.links,
		outputDir: thunk.outputDir,
		timeout: thunk.timeout,
		cwd: thunk.cwd,
		trees: thunk.trees.map(encodeItem),
		outputPaths: thunk.outputPaths,
		umask: thunk.umask.toString(8).padStart(4, "0"),
		capture: thunk.capture,
		inout: thunk.inout,
	};
}
