import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { openStorage } from "../storage/open.js";
import { hashNamed } from "./hash.js";
import { parse } from "./parse.js";
import { give } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "put",
	usage:
		"gg put [FILE…]\n\nSends files to the storage backend that GG_STORAGE_URI names, under the names of their content.\nWithout files, reads their names from standard input, one a line.",
	options: {},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const storage = give(openStorage(io.env));
	const files =
		parsed.rest.length > 0
			? parsed.rest
			: readFileSync(0, "utf8")
					.split("\n")
					.filter((line) => line !== "");
	for (const file of files) {
		const hash = hashNamed(file, io);
		// What is there already is not sent again; it is asked for each time, since a backend may have been emptied.
		if (!(await storage.has(hash))) await storage.put(hash, resolve(io.cwd, file));
		io.err(`PUT ${file} -> ${hash}\n`);
	}
	return 0;
};
