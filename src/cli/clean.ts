import { othersAtWork } from "../store/at-work.js";
import { cleanStore } from "../store/clean.js";
import { standingThunks } from "../store/placeholders.js";
import { UserError } from "../util/result.js";
import { parse } from "./parse.js";
import { openProjectStore, usageError } from "./project.js";
import { toSize } from "./sizes.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "clean",
	usage:
		"gg clean [options]\n\nRemoves results and objects from the .gg folder, those that were not used for longest first. What a\nplaceholder needs stays.",
	options: {
		"older-than": { type: "string", describe: "what was not used for so long, such as 30d, 12h, 45m" },
		"max-size": { type: "string", describe: "until what stays is no larger than that, such as 5G, 300M" },
		all: { type: "boolean", describe: "everything" },
		"dry-run": { alias: "n", type: "boolean", describe: "only say how much it would be" },
	},
} as const;

const UNITS = { s: 1000, m: 60_000, h: 3600_000, d: 86400_000, w: 7 * 86400_000 } as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const { flags, rest } = parsed;
	if (rest.length > 0) throw usageError("clean", `${JSON.stringify(rest[0])} is no option`);
	const age = flags["older-than"];
	const size = flags["max-size"];
	if (age === undefined && size === undefined && flags.all !== true) {
		throw usageError("clean", "say what to remove: --older-than 30d, --max-size 5G or --all");
	}
	const now = Date.now();
	const usedBefore = flags.all === true ? Number.POSITIVE_INFINITY : age === undefined ? undefined : now - toAge(age);
	const maxSize = size === undefined ? undefined : toSize("clean", "--max-size", size);
	const { ggDir, store } = openProjectStore(io);
	const dryRun = flags["dry-run"] === true;
	const [other] = othersAtWork(ggDir);
	if (other !== undefined && !dryRun) {
		// It counts on what it has seen there, used long ago or not.
		throw new UserError({
			reason: "at-work",
			message: `gg is at work in ${ggDir} (process ${other})`,
			hint: "clean when it has ended",
		});
	}
	const placeholders = standingThunks(ggDir);
	const c = cleanStore({ ggDir, store, placeholders, usedBefore, maxSize, now, dryRun });
	const verb = dryRun ? "would remove" : "removed";
	io.out(
		`${verb} ${count(c.results, "result")} and ${count(c.objects, "object")} (${megabytes(c.bytes)}); ` +
			`${count(c.keptObjects, "object")} (${megabytes(c.keptBytes)}) ${dryRun ? "would stay" : "stay"}\n`,
	);
	return 0;
};

function toAge(text: string): number {
	const match = /^(\d+)([smhdw])$/.exec(text);
	if (match === null)
		throw usageError("clean", `--older-than takes a time such as 30d or 12h, not ${JSON.stringify(text)}`);
	return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}

function count(n: number, what: string): string {
	return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function megabytes(bytes: number): string {
	return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
