import { openStorage } from "../storage/open.js";
import { isObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";
import { parse } from "./parse.js";
import { give, openProjectStore, usageError } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "get",
	usage: "gg get HASH…\n\nFetches objects from the storage backend that GG_STORAGE_URI names into the store.",
	options: {},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	if (parsed.rest.length === 0) throw usageError("get", "no hash was given");
	const storage = give(await openStorage(io.env));
	try {
		const { store } = openProjectStore(io);
		for (const name of parsed.rest) {
			if (!isObjectHash(name)) {
				throw new UserError({
					reason: "not-a-hash",
					message: `${name} is not a hash`,
					hint: "a hash has 52 letters and begins with V or T",
				});
			}
			const bytes = await storage.get(name);
			if (bytes === undefined) {
				throw new UserError({
					reason: "not-in-storage",
					message: `${name} is not in the storage backend`,
					hint: "send it there with `gg put FILE`, and check GG_STORAGE_URI",
				});
			}
			store.objects.put(bytes);
			io.err(`GET ${name} -> ${store.objects.path(name)}\n`);
		}
	} finally {
		await storage.close();
	}
	return 0;
};
