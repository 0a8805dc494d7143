import { closeSync, constants, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { quote } from "shell-quote";
import type { Place } from "../executor/types.js";
import type { Forced, ForceOutcome, Forcer } from "../forcer/forcer.js";
import type { Event } from "../report/events.js";
import { Journal } from "../report/journal.js";
import { Progress } from "../report/progress.js";
import { readPlaceholder } from "../store/placeholders.js";
import { findProject } from "../store/project.js";
import { type ObjectHash, startsAsThunk, THUNK_MAGIC } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { followLinks, isThere } from "../util/paths.js";
import { UserError } from "../util/result.js";
import { readConfig } from "./config.js";
import { parseRunOptions, runOptionsHelp, withEngines } from "./options.js";
import { give, tellDeclined, undeclaredInput } from "./project.js";
import { runRecheck } from "./recheck.js";
import type { Io, Run } from "./types.js";
import { openWorkshop } from "./workshop.js";

const USAGE =
	"gg force [options] [TARGET|@LIST …]\n\nRuns what the placeholders TARGET… stand for, and all that they need, and puts\nthe real files in place; without targets, every placeholder of the last infer.\n@LIST names a file with one target a line.";

export const run: Run = async (args, io) => {
	const given = await parseRunOptions("force", USAGE, args, io.env, true);
	if (given === "help") {
		io.out(await runOptionsHelp("force", USAGE));
		return 0;
	}
	const ggDir = give(findProject(io.cwd, io.env));
	const workshop = openWorkshop(ggDir, io);
	const journal = new Journal(ggDir, "force");
	try {
		const options = withEngines(given, give(readConfig(workshop.root)).engines);
		const all = options.rest.length === 0;
		const names = all ? workshop.placeholders.all() : targets(options.rest, io);
		const { objects } = workshop.store;
		const wanted: { path: string; hash: ObjectHash; tag: string }[] = [];
		let good = true;
		for (const path of names) {
			const placeholder = readPlaceholder(path);
			const thunk = placeholder === undefined && !all ? readThunkFile(path) : undefined;
			if (placeholder !== undefined) wanted.push({ path, ...placeholder });
			else if (all) workshop.placeholders.forget(path);
			else if (thunk !== undefined) wanted.push({ path, hash: objects.put(thunk), tag: "" });
			else if (isThere(path)) io.err(`not a thunk: ${path}\n`);
			else {
				io.err(`gg-force: there is no file ${path}\n`);
				good = false;
			}
		}
		if (wanted.length === 0) {
			io.err("Nothing to force. Bye.\n");
			return good ? 0 : 1;
		}
		const shown = options.status && process.stderr.isTTY === true;
		const progress = new Progress({ shown, write: (text) => io.err(text), more: workshop.spent });
		const failures = new Map<ObjectHash, ForceOutcome & { kind: "failed" }>();
		const recheck = workshop.recheck(options);
		const told = (event: Event): void => {
			journal.add(event);
			if (event.kind === "warning") io.err(`gg: ${event.failure.message}\n    ${event.failure.hint ?? ""}\n`);
		};
		// Without targets, what is wanted is everything.
		const forcer = await workshop.forcer(
			{ ...options, download: all && options.download === "targets" ? "all" : options.download },
			{
				async forced(hash, thunk, forced, how, engine, undeclared, place) {
					if (options.download === "all") await workshop.place(hash, thunk, forced);
					recheck?.consider(forced.final);
					progress.add(how);
					journal.add({
						kind: "thunk",
						thunk: hash,
						how,
						outputs: thunk.outputPaths.map((o) => o.path),
						ms: forced.result.wall / 1000,
						engine,
						...(place === undefined ? {} : { at: place.at, why: place.why }),
					});
					if (options.explain) io.err(`gg: ${label(thunk)}: ${describeForced(how, forced, engine, place)}\n`);
					if (undeclared.length > 0) {
						const failure = undeclaredInput(thunk, undeclared[0]!);
						journal.add({ kind: "warning", failure });
						io.err(`gg: ${failure.message}\n`);
					}
					const { stdout, stderr } = forced.result;
					if (stderr.length > 0 || stdout.length > 0) {
						const hidden = workshop.placeholders.hidden(hash);
						progress.clear();
						if (!hidden.stdout) process.stdout.write(stdout);
						if (!hidden.stderr) process.stderr.write(stderr);
					}
				},
				declined: tellDeclined(journal, io),
				failed(hash, outcome) {
					if (outcome.failure?.reason !== "cancelled" && outcome.at === hash) failures.set(hash, outcome);
					journal.add({ kind: "thunk", thunk: hash, how: "failed", outputs: [], ms: 0 });
				},
			},
		);
		if (options.dryRun) return dryRun(forcer, workshop.store.reductions, wanted, io);
		const stop = (): void => {
			forcer.stop();
			workshop.leaveServers();
		};
		process.once("SIGINT", stop);
		process.once("SIGTERM", stop);
		progress.total(wanted.length);
		const outcomes = await Promise.all(wanted.map((w) => forcer.force(w.hash)));
		process.off("SIGINT", stop);
		process.off("SIGTERM", stop);
		progress.clear();
		for (const [i, outcome] of outcomes.entries()) {
			const { path, tag } = wanted[i]!;
			if (outcome.kind === "failed") good = false;
			else if (options.download !== "none") {
				const placed = readPlaceholder(path) === undefined && readThunkFile(path) === undefined;
				if (placed) continue;
				const to = outcome.outputs.get(tag);
				await workshop.bring([to]);
				if (workshop.placeAt(path, outcome, tag)) continue;
				const mode = outcome.result.outputs[0]?.mode ?? 0o644;
				if (readPlaceholder(path) === undefined && to !== undefined && objects.copyOut(to, path, mode)) continue;
				io.err(`gg: the result of ${path} is not in the store any more; run the command again\n`);
				good = false;
			}
		}
		for (const outcome of failures.values()) io.err(explainFailure(outcome));
		if ((await runRecheck(recheck, told, io)) > 0) good = false;
		return good ? 0 : 1;
	} finally {
		journal.flush();
		await workshop.close();
	}
};

function targets(rest: readonly string[], io: Io): string[] {
	return rest.flatMap((name) => {
		const file = resolve(io.cwd, name);
		// A library's plain name is a link to the one with a version.
		if (!name.startsWith("@") || existsSync(file)) return [followLinks(file)];
		try {
			return readFileSync(resolve(io.cwd, name.slice(1)), "utf8")
				.split("\n")
				.filter((line) => line !== "")
				.map((line) => followLinks(resolve(io.cwd, line)));
		} catch {
			throw new UserError({
				reason: "no-list",
				message: `cannot read the list ${name.slice(1)}`,
				hint: "@LIST names a file with one target a line",
			});
		}
	});
}

/** A file that is itself a thunk, as create-thunk writes with --output-path. */
function readThunkFile(path: string): Buffer | undefined {
	try {
		const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
		try {
			const head = Buffer.alloc(THUNK_MAGIC.length);
			return readSync(fd, head, 0, head.length, 0) > 0 && startsAsThunk(head) ? readFileSync(path) : undefined;
		} finally {
			closeSync(fd);
		}
	} catch {
		return undefined;
	}
}

function describeForced(how: string, { result }: Forced, engine: string, place: Place | undefined): string {
	if (how === "cached") return "taken from the store";
	if (how === "found") return `taken from ${place?.at ?? engine}`;
	const where = place === undefined ? (engine === "local" ? "here" : `on ${engine}`) : place.at;
	const why = place === undefined || place.why === "" ? "" : ` (${place.why})`;
	return `ran ${where}, ${Math.round(result.wall / 1000)} ms${why}`;
}

function label(thunk: Thunk): string {
	return thunk.outputPaths[0]?.path ?? thunk.args.slice(0, 3).join(" ");
}

function explainFailure(outcome: ForceOutcome & { kind: "failed" }): string {
	const { thunk, result, failure } = outcome;
	const what = thunk === undefined ? "" : `${label(thunk)}: `;
	if (failure !== undefined)
		return `gg: ${what}${failure.message}\n${failure.hint === undefined ? "" : `    ${failure.hint}\n`}`;
	const how =
		result === undefined
			? "failed"
			: result.signal !== 0
				? `was killed by signal ${result.signal}`
				: `ended with status ${result.status}`;
	const command = thunk === undefined ? "" : `    cd ${quote([thunk.cwd])} && ${quote([...thunk.args])}\n`;
	return `${result?.stdout.toString() ?? ""}${result?.stderr.toString() ?? ""}gg: ${what}${how}\n${command}`;
}

/** Lists what would run, in an order in which it could. */
function dryRun(
	forcer: Forcer,
	reductions: { get(hash: ObjectHash, tag: string): ObjectHash | undefined },
	wanted: readonly { hash: ObjectHash }[],
	io: Io,
): number {
	const seen = new Set<ObjectHash>();
	const stack = wanted.map((w) => ({ hash: w.hash, ready: false })).reverse();
	for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
		if (seen.has(item.hash) && !item.ready) continue;
		seen.add(item.hash);
		const thunk = forcer.thunk(item.hash);
		if ("reason" in thunk) {
			io.err(`gg: ${thunk.message}\n`);
			return 1;
		}
		if (reductions.get(item.hash, "") !== undefined) continue;
		if (item.ready) io.out(`${thunk.cwd === "" ? "" : `cd ${quote([thunk.cwd])} && `}${quote([...thunk.args])}\n`);
		else {
			stack.push({ hash: item.hash, ready: true });
			for (const need of [...thunk.thunks].reverse())
				if (!seen.has(need.hash)) stack.push({ hash: need.hash, ready: false });
		}
	}
	return 0;
}
