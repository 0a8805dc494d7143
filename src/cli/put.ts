import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { openStorage } from "../storage/open.js";
import { Limiter } from "../util/limiter.js";
import { hashNamed } from "./hash.js";
import { parse } from "./parse.js";
import { give } from "./project.js";
import type { Run } from "./types.js";

/** Files at a time: what a service takes to answer is hidden, and no more than these are in memory. */
const AT_ONCE = 32;

const SPEC = {
	name: "put",
	usage:
		"gg put [FILE…]\n\nSends files to the storage backend that GG_STORAGE_URI names, under the names of their content.\nWithout files, reads their names from standard input, one a line.",
	options: {},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const files =
		parsed.rest.length > 0
			? parsed.rest
			: readFileSync(0, "utf8")
					.split("\n")
					.filter((line) => line !== "");
	const storage = give(await openStorage(io.env));
	const limiter = new Limiter(AT_ONCE);
	try {
		const sent = files.map((file) =>
			limiter.run(async () => {
				const hash = hashNamed(file, io);
				// What is there already is not sent again; it is asked for each time, since a backend may have been emptied.
				if (!(await storage.has(hash))) await storage.put(hash, resolve(io.cwd, file));
				return hash;
			}),
		);
		// The first failure is reported once nothing is under way any more.
		for (const [i, outcome] of (await Promise.allSettled(sent)).entries()) {
			if (outcome.status === "rejected") throw outcome.reason;
			io.err(`PUT ${files[i]} -> ${outcome.value}\n`);
		}
	} finally {
		await storage.close();
	}
	return 0;
};
