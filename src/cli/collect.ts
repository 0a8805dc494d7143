import { chmodSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { hashNamed, unreadable } from "./hash.js";
import { parse } from "./parse.js";
import { openProjectStore, usageError } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "collect",
	usage: "gg collect FILE…\n\nPuts files into the store and prints the hash of each, one a line.",
	options: {},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	if (parsed.rest.length === 0) throw usageError("collect", "no file was given");
	const { store } = openProjectStore(io);
	for (const file of parsed.rest) {
		const path = resolve(io.cwd, file);
		let hash = hashNamed(file, io);
		try {
			hash = store.objects.putFile(path, hash);
			// As in the original: what could be run stays so, since a thunk may name it as its function.
			if ((statSync(path).mode & 0o100) !== 0) chmodSync(store.objects.path(hash), 0o500);
		} catch (error) {
			throw unreadable(file, error);
		}
		io.out(`${hash}\n`);
	}
	return 0;
};
