import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { constants as system } from "node:os";
import { basename, join, resolve } from "node:path";
import { loadResult } from "../executor/results.js";
import type { NotForced } from "../forcer/forcer.js";
import { systemProbe } from "../interpose/probe.js";
import { listenForShims } from "../interpose/server.js";
import { Session } from "../interpose/session.js";
import { Supervisor } from "../interpose/supervisor.js";
import { ToolPaths, wrappersFor } from "../interpose/tools.js";
import type { DescribedTool } from "../models/generic.js";
import type { Event } from "../report/events.js";
import { describeCommand, Journal } from "../report/journal.js";
import { readPlaceholder as readStanding, sweep } from "../store/placeholders.js";
import { describeErrno, describeErrnoNumber, findProject, openProject } from "../store/project.js";
import { decodeThunk } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";
import { readConfig } from "./config.js";
import { parseRunOptions, type RunOptions, runOptionsHelp, withEngines } from "./options.js";
import { give, tellDeclined, undeclaredInput } from "./project.js";
import { runRecheck } from "./recheck.js";
import type { Io, Run } from "./types.js";
import { openWorkshop, type Workshop } from "./workshop.js";

const USAGE = {
	build:
		"gg build [options] COMMAND…\n\nRuns COMMAND (make, ninja, a script) and catches its compilers, linkers and\narchivers: what was built before comes from the store, the rest runs, and the\ntree is what the command alone would have left.",
	infer:
		"gg infer [options] COMMAND…\n\nRuns COMMAND, but not its compilers, linkers and archivers: thunks go into the\nstore and placeholders into the tree. `gg force` makes them real.",
} as const;

export const run: Run = (args, io) => runBuild("build", args, io);
export const runInfer: Run = (args, io) => runBuild("infer", args, io);

async function runBuild(mode: "build" | "infer", args: readonly string[], io: Io): Promise<number> {
	const options = await parseRunOptions(mode, USAGE[mode], args, io.env, false);
	if (options === "help") {
		io.out(await runOptionsHelp(mode, USAGE[mode]));
		return 0;
	}
	if (options.rest.length === 0) {
		throw new UserError({
			reason: "usage",
			message: "no build command was given",
			hint: `for example: gg ${mode} make -j8`,
		});
	}
	if (options.dryRun) return dryRun(options.rest, io);
	const session = io.env["GG_SESSION"];
	if (session !== undefined && existsSync(session)) return runWithin(options.rest, io);
	const found = findProject(io.cwd, io.env);
	// The main job sets itself up; a folder that is there but unusable is for the user to decide about.
	const ggDir = !found.ok && found.error.reason === "no-project" ? give(openProject(join(io.cwd, ".gg"))) : give(found);
	const workshop = openWorkshop(ggDir, io);
	const journal = new Journal(ggDir);
	try {
		const { tools: described, engines } = give(readConfig(workshop.root));
		return await buildOnce(mode, withEngines(options, engines), {
			workshop,
			journal,
			io,
			described,
			startedAt: Date.now() - 20,
			mayRepeat: true,
		});
	} finally {
		journal.flush();
		await workshop.close();
	}
}

/** A build that starts gg again: the session around it answers for all of it, and has the placeholders that stand. */
function runWithin(command: readonly string[], io: Io): Promise<number> {
	const env = Object.fromEntries(
		[...childEnvironment(io.env, true)].map((line) => [
			line.slice(0, line.indexOf("=")),
			line.slice(line.indexOf("=") + 1),
		]),
	);
	// Make's jobserver is two descriptors that it names.
	const numbers =
		/--jobserver-(?:auth|fds)=(\d+),(\d+)/
			.exec(io.env["MAKEFLAGS"] ?? "")
			?.slice(1)
			.map(Number) ?? [];
	const stdio = Array.from({ length: Math.max(2, ...numbers) + 1 }, (_, fd) =>
		fd <= 2 || numbers.includes(fd) ? fd : ("ignore" as const),
	);
	const child = spawn(command[0]!, command.slice(1), { cwd: io.cwd, env, stdio });
	return new Promise((resolve, reject) => {
		child.once("error", (error) => {
			reject(new UserError({ reason: "no-command", message: `cannot start ${command[0]}: ${describeErrno(error)}` }));
		});
		child.once("exit", (status, signal) => resolve(status ?? 128 + (signal === null ? 0 : system.signals[signal])));
	});
}

/** What is said where a program that opens a placeholder cannot be made to wait. */
const UNHELD = {
	build: {
		message: "nothing is deferred, and nothing runs on servers, for what programs read cannot be watched",
		hint: "`gg explain` says what ran here",
	},
	infer: {
		message:
			"a program that reads what is deferred gets a placeholder if gg does not know it, for it cannot be watched",
		hint: "`gg build COMMAND` builds without that",
	},
} as const;

/** One run of the build command. */
interface Build {
	readonly workshop: Workshop;
	readonly journal: Journal;
	readonly io: Io;
	readonly described: readonly DescribedTool[];
	/** Milliseconds since the epoch: no file that the build writes is older. */
	readonly startedAt: number;
	/** What failed beside the build's first run: the second run should meet it. */
	readonly missed?: readonly NotForced[];
	/** Commands may be deferred, for if one of them fails the build command is run again. */
	readonly mayRepeat: boolean;
}

async function buildOnce(mode: "build" | "infer", options: RunOptions, build: Build): Promise<number> {
	const { workshop, journal, io, startedAt, mayRepeat, missed = [] } = build;
	const path = io.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
	const tools = new ToolPaths(workshop.natives.shim);
	const clean = tools.withoutWrappers(path);
	const { described } = build;
	const names = new Set(described.map((tool) => tool.description.tool));
	const wrappers = io.env["GG_MODELPATH"] ?? wrappersFor(workshop.cacheDir, workshop.natives.shim, clean, names);
	const recheck = workshop.recheck(options);
	const sink = (event: Event): void => {
		journal.add(event);
		if (event.kind === "command" && /^(?:cached|ran)$/.test(event.how)) recheck?.consider(event.thunk as ObjectHash);
		if (event.kind === "warning")
			io.err(`gg: ${event.failure.message}${event.failure.hint === undefined ? "" : ` (${event.failure.hint})`}\n`);
		else if (options.explain && event.kind === "unsupervised") {
			io.err(`gg: tools are caught by their names on PATH only: ${event.why}\n`);
		} else if (options.explain && event.kind === "command") {
			io.err(`gg: ${event.outputs[0] ?? event.argv.slice(0, 4).join(" ")}: ${describeCommand(event)}\n`);
		}
	};
	// What fails in a namespace is make's to judge, as what fails in the shim's place is.
	const keepGoing = options.keepGoing || (mode === "build" && options.sandbox);
	const forcer = await workshop.forcer(
		// A build ends with every file in its place.
		{ ...options, keepGoing, download: "all" },
		{
			forced(hash, thunk, forced, how, engine, undeclared, place) {
				workshop.place(hash, thunk, forced);
				recheck?.consider(forced.final);
				if (undeclared.length > 0) sink({ kind: "warning", failure: undeclaredInput(thunk, undeclared[0]!) });
				const { stdout, stderr } = session.shown(hash);
				if (stdout) process.stdout.write(forced.result.stdout);
				if (stderr) process.stderr.write(forced.result.stderr);
				sink({
					kind: "thunk",
					thunk: hash,
					how,
					outputs: thunk.outputPaths.map((o) => o.path),
					ms: forced.result.wall / 1000,
					engine,
					...(place === undefined ? {} : { at: place.at, why: place.why }),
				});
			},
			failed(hash) {
				sink({ kind: "thunk", thunk: hash, how: "failed", outputs: [], ms: 0 });
			},
			declined: tellDeclined(journal, io),
		},
	);
	// A local build defers only when it is asked to do more at once than make does: it gains nothing else by that.
	const slots = mayRepeat && options.jobsGiven ? options.engines.reduce((sum, e) => sum + e.jobs, 0) : 0;
	// What a store is asked for must be described before it runs, as what runs elsewhere.
	const remote = mayRepeat && (options.store !== "" || options.engines.some((e) => e.name !== "local"));
	const session = new Session({
		mode,
		ggDir: workshop.ggDir,
		cacheDir: workshop.cacheDir,
		store: workshop.store,
		facts: workshop.facts,
		placeholders: workshop.placeholders,
		spawner: workshop.spawner,
		tools,
		probe: systemProbe,
		described,
		forcer,
		placeAt: workshop.placeAt,
		viewLibrary: workshop.natives.view,
		slots,
		remote,
		holdsReaders: () => supervisor.holdsReaders,
		throughForcer: mode === "build" && options.sandbox,
		sink,
		traceFolder: workshop.folder,
		verifyDeps: options.verifyDeps,
		remembers: missed.length > 0,
	});
	const socket = join(workshop.folder, "s");
	const supervisor = new Supervisor({
		program: workshop.natives.supervisor,
		described: [...names],
		shim: workshop.natives.shim,
		folder: workshop.folder,
		wrappers,
		tree: workshop.root,
		reading: mode === "infer" || slots > 1 || remote || workshop.placeholders.size > 0,
		off: io.env["GG_MODELPATH"] !== undefined || io.env["GG_SUPERVISOR"] === "0",
		unheld: UNHELD[mode],
		makeReal: (path) => session.realiser.makeReal(path),
		sink,
	});
	const server = await listenForShims(socket, {
		onCommand: (connection) => session.handle(connection),
		onSupervisor: (message, answer) => supervisor.hear(message, answer),
	});
	workshop.spawner.journal(workshop.placeholders.path);
	const program = findProgram(options.rest[0]!, clean, io.cwd);
	if (program === undefined) {
		await server.close();
		throw new UserError({
			reason: "no-command",
			message: `${options.rest[0]} was not found${options.rest[0]!.includes("/") ? "" : " on PATH"}`,
			hint: "check the build command's name",
		});
	}
	const refused = notExecutable(resolve(io.cwd, program));
	if (refused !== undefined) {
		await server.close();
		throw new UserError({ reason: "no-command", message: `cannot start ${options.rest[0]}: ${refused}` });
	}
	const env = [...childEnvironment(io.env), `GG_SESSION=${socket}`];
	// The terminal sends its interrupts to the build as well; gg waits for what the build makes of them.
	let interrupted = false;
	let makeHasEnded = false;
	// What runs beside make is not make's to end.
	const leave = async (): Promise<void> => {
		workshop.leaveServers();
		await workshop.spawner.close();
	};
	const interrupt = (): void => {
		interrupted = true;
		if (makeHasEnded) void leave();
	};
	for (const signal of ["SIGINT", "SIGQUIT"] as const) process.on(signal, interrupt);
	if (mode === "build") session.realiser.adopt();
	const forward = (signal: NodeJS.Signals): void => {
		interrupt();
		child.kill(signal === "SIGTERM" ? 15 : 1);
	};
	for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
	const child = workshop.spawner.run(supervisor.command(program, options.rest, env, clean, io.cwd));
	session.begin(new Map(Object.entries(io.env).map(([name, value]) => [name, value ?? ""])));
	const end = await child.done;
	if (end.kind === "not-started") {
		await server.close();
		throw new UserError({
			reason: "no-command",
			message: `cannot start ${options.rest[0]}: ${describeErrnoNumber(end.errno)}`,
		});
	}
	makeHasEnded = true;
	// What the build asked before its end may be the next thing to be read.
	await new Promise(setImmediate);
	if (interrupted && end.status !== 0) await leave();
	const failed = await session.realiser.settle();
	const abandoned = interrupted && (end.status !== 0 || failed.length > 0);
	await server.close();
	session.close();
	for (const signal of ["SIGINT", "SIGQUIT"] as const) process.off(signal, interrupt);
	for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, forward);
	if (mode === "build" && failed.length > 0) {
		removeStanding(workshop, startedAt);
		// Make decides what a failure means (`-k`, `-i`, a leading `-`) and how it is shown, so it is given the chance.
		if (mayRepeat && !abandoned) {
			io.err("gg: a command that ran beside the build failed; the build command runs again without that, to show it\n");
			return buildOnce(mode, options, { ...build, mayRepeat: false, missed: failed });
		}
	}
	if (abandoned) return finish(mode, build, end.status === 0 ? INTERRUPTED : end.status);
	const unmet = end.status === 0 ? missed.filter(({ thunk }) => thunk !== undefined && !session.wasAsked(thunk)) : [];
	for (const failure of unmet) tellUnmet(failure, io);
	const code = finish(mode, build, unmet.length > 0 ? 1 : end.status);
	const differing = await runRecheck(recheck, sink, io);
	return code === 0 && differing > 0 ? 1 : code;
}

/** Make had gone on in the recipe before the command failed, so its target is there, and nobody runs the command again. */
function tellUnmet({ thunk, result, failure }: NotForced, io: Io): void {
	if (thunk === undefined) return;
	if (result !== undefined) io.err(result.stderr.toString());
	io.err(`gg: ${thunk.outputPaths[0]?.path ?? ""}: ${failure?.message ?? `ended with status ${result?.status}`}\n`);
	io.err(`    cd ${thunk.cwd} && ${thunk.args.join(" ")}\n`);
	io.err(
		"    the recipe had gone on by then, and make takes its target for done: remove that target and build again\n",
	);
}

/** After the build: no placeholder may stand after `build`, and after `infer` all that stand must be known. */
function finish(mode: "build" | "infer", { workshop, journal, io, startedAt }: Build, status: number): number {
	let code = status;
	if (workshop.placeholders.size > 0 || journal.counts.deferred > 0) {
		const found = sweep(workshop.root, startedAt);
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

/** What would run is for the builder to say: make and ninja have the same option for it. */
function dryRun(command: readonly string[], io: Io): number {
	if (!/^(?:g?make|ninja|samu)$/.test(basename(command[0]!))) {
		throw new UserError({
			reason: "usage",
			message: `--dry-run asks the build command what it would run, and ${command[0]} is neither make nor ninja`,
			hint: "`gg infer` describes a build without compiling; `gg force --dry-run` then lists the commands",
		});
	}
	const { status, error } = spawnSync(command[0]!, [...command.slice(1), "-n"], { stdio: "inherit", cwd: io.cwd });
	if (error !== undefined) throw error;
	return status ?? 1;
}

/** Leaves no placeholder, moved ones neither: make is to see as missing what was not made. */
function removeStanding(workshop: Workshop, startedAt: number): void {
	for (const path of new Set([...workshop.placeholders.all(), ...sweep(workshop.root, startedAt).placeholders])) {
		if (placeFromStore(workshop, path)) workshop.placeholders.forget(path);
		else workshop.placeholders.remove(path);
	}
}

/** The build's environment: the user's, without what gg's own start put there. */
export function childEnvironment(env: NodeJS.ProcessEnv, within = false): string[] {
	const lines: string[] = [];
	for (const [name, value] of Object.entries(env)) {
		if (value === undefined || (!within && (name === "PATH" || name === "GG_SESSION"))) continue;
		if (isSecret(name, value)) continue;
		if (name === "GG_NODE_EXTRA_CA_CERTS") lines.push(`NODE_EXTRA_CA_CERTS=${value}`);
		else lines.push(`${name}=${value}`);
	}
	return lines;
}

/** As a shell has it for SIGINT. */
const INTERRUPTED = 130;

/** What a build could print, and only gg needs. */
const isSecret = (name: string, value: string): boolean =>
	name === "GG_REAPI_TOKEN" || (name === "GG_STORAGE_URI" && value.includes("@"));

function notExecutable(program: string): string | undefined {
	try {
		accessSync(program, constants.X_OK);
		return undefined;
	} catch (error) {
		return describeErrno(error);
	}
}

function findProgram(name: string, path: string, cwd: string): string | undefined {
	// A script finds its folder by the name that it was called by.
	if (name.includes("/")) return existsSync(resolve(cwd, name)) ? name : undefined;
	for (const folder of path.split(":")) {
		const candidate = join(folder === "" ? cwd : folder, name);
		if (existsSync(candidate) && basename(candidate) === name) return candidate;
	}
	return undefined;
}
