import { resolve } from "node:path";
import { openProject } from "../store/project.js";
import { parse } from "./parse.js";
import { give, usageError } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "init",
	usage: "gg init [FOLDER]\n\nMakes a .gg folder here, or FOLDER as one. GG_DIR is not looked at.",
	options: {},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	if (parsed.rest.length > 1) throw usageError("init", `one folder, not ${parsed.rest.length}`);
	const path = give(openProject(resolve(io.cwd, parsed.rest[0] ?? ".gg")));
	io.err(`Initialized gg directory at: ${path}\n`);
	return 0;
};
