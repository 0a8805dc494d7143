import { loadResult } from "../executor/results.js";
import type { NotForced } from "../forcer/forcer.js";
import type { Journal } from "../report/journal.js";
import { readPlaceholder as readStanding, sweep } from "../store/placeholders.js";
import { decodeThunk } from "../thunk/codec.js";
import type { Io } from "./types.js";
import type { Workshop } from "./workshop.js";

export interface EndedBuild {
	readonly workshop: Workshop;
	readonly journal: Journal;
	readonly io: Io;
	/** Milliseconds since the epoch: no file that the build writes is older. */
	readonly startedAt: number;
}

/** Make had gone on in the recipe before the command failed, so its target is there, and nobody runs the command again. */
export function tellUnmet({ thunk, result, failure }: NotForced, io: Io): void {
	if (thunk === undefined) return;
	if (result !== undefined) io.err(result.stderr.toString());
	io.err(`gg: ${thunk.outputPaths[0]?.path ?? ""}: ${failure?.message ?? `ended with status ${result?.status}`}\n`);
	io.err(`    cd ${thunk.cwd} && ${thunk.args.join(" ")}\n`);
	io.err(
		"    the recipe had gone on by then, and make takes its target for done: remove that target and build again\n",
	);
}

/** After the build: no placeholder may stand after `build`, and after `infer` all that stand must be known. */
export function finish(
	mode: "build" | "infer",
	{ workshop, journal, io, startedAt }: EndedBuild,
	status: number,
): number {
	let code = status;
	if (workshop.placeholders.size > 0 || journal.counts.deferred > 0) {
		const found = sweep(workshop.root, startedAt, workshop.ggDir);
		for (const path of found.placeholders) workshop.placeholders.note(path);
		for (const path of found.swallowed) {
			const again = mode === "build" ? "`gg build --jobs 1 COMMAND`, which defers nothing" : "`gg build COMMAND`";
			io.err(`gg: ${path} holds the bytes of a placeholder: a program that gg did not catch put it there\n`);
			io.err(`    remove it, and run the build by ${again}\n`);
			code = code === 0 ? 1 : code;
		}
		if (mode === "build") {
			for (const path of found.placeholders) {
				if (placeFromStore(workshop, path)) continue;
				io.err(`gg: ${path} is still a placeholder and was removed\n`);
				workshop.placeholders.remove(path);
				code = code === 0 ? 1 : code;
			}
		}
	}
	const c = journal.counts;
	if (c.different > 0) {
		io.err(
			`gg: ${c.different} differences between gg's scan of includes and the compiler's; the compiler's was used\n`,
		);
		code = code === 0 ? 1 : code;
	}
	if (c.commands > 0 && mode === "infer")
		io.err(
			`gg: ${c.deferred} deferred, ${c.local + c.ran + c.unrecorded} run here${c.deferred > 0 ? "; `gg force` makes them real" : ""}\n`,
		);
	else if (c.commands > 0) {
		io.err(
			`gg: ${c.cached + c.found} from the store, ${c.ran + c.unrecorded + c.forced} compiled, linked or archived, ${c.local} run as they are\n`,
		);
	}
	return code;
}

/** A placeholder that the build moved: its result is in the store by now. */
function placeFromStore(workshop: Workshop, path: string): boolean {
	const standing = readStanding(path);
	if (standing === undefined) return true;
	const thunkBytes = workshop.store.objects.get(standing.hash);
	const decoded = thunkBytes === undefined ? undefined : decodeThunk(thunkBytes);
	const result = loadResult(workshop.store, standing.hash);
	if (decoded?.ok !== true || result === undefined) return false;
	const outputs = new Map(result.outputs.map((o) => [o.tag, o.hash]));
	const first = decoded.value.outputs[0];
	const main = first === undefined ? undefined : outputs.get(first);
	if (main !== undefined) outputs.set("", main);
	try {
		return workshop.placeAt(path, { kind: "forced", final: standing.hash, result, outputs }, standing.tag);
	} catch {
		// The disk is full, or the folder may not be written: what cannot be placed is as good as not made.
		return false;
	}
}

/** Leaves no placeholder, moved ones neither: make is to see as missing what was not made. */
export function removeStanding(workshop: Workshop, startedAt: number): void {
	for (const path of new Set([
		...workshop.placeholders.all(),
		...sweep(workshop.root, startedAt, workshop.ggDir).placeholders,
	])) {
		if (placeFromStore(workshop, path)) workshop.placeholders.forget(path);
		else workshop.placeholders.remove(path);
	}
}
