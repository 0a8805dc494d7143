import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { NotForced } from "../forcer/forcer.js";
import { systemProbe } from "../interpose/probe.js";
import { isStale } from "../interpose/realiser.js";
import { listenForShims } from "../interpose/server.js";
import { Session } from "../interpose/session.js";
import { withdrawStale } from "../interpose/stale.js";
import { Supervisor } from "../interpose/supervisor.js";
import { ToolPaths, wrappersFor } from "../interpose/tools.js";
import type { DescribedTool } from "../models/generic.js";
import type { Event } from "../report/events.js";
import { describeCommand, Journal } from "../report/journal.js";
import { Progress } from "../report/progress.js";
import { describeErrnoNumber, findProject, openProject } from "../store/project.js";
import type { ObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";
import { childEnvironment, dryRun, findProgram, notExecutable, runWithin } from "./build-command.js";
import { type EndedBuild, finish, removeStanding, tellUnmet } from "./build-end.js";
import { readConfig } from "./config.js";
import { parseRunOptions, type RunOptions, runOptionsHelp, withEngines } from "./options.js";
import { give, tellDeclined, undeclaredInput } from "./project.js";
import { runRecheck } from "./recheck.js";
import type { Io, Run } from "./types.js";
import { openWorkshop } from "./workshop.js";

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
interface Build extends EndedBuild {
	readonly described: readonly DescribedTool[];
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
	// What servers cost that are paid by use, as far as make's own lines leave room for it.
	const isPaid = options.engines.some((engine) => engine.name === "lambda");
	const shown = isPaid && options.status && process.stderr.isTTY === true;
	const progress = new Progress({ shown, write: (text) => io.err(text), more: workshop.spent });
	const sink = (event: Event): void => {
		progress.clear();
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
			async forced(hash, thunk, forced, how, engine, undeclared, place) {
				await workshop.place(hash, thunk, forced);
				recheck?.consider(forced.final);
				progress.add(how);
				if (undeclared.length > 0) sink({ kind: "warning", failure: undeclaredInput(thunk, undeclared[0]!) });
				const { stdout, stderr } = session.shown(hash);
				if (forced.result.stdout.length + forced.result.stderr.length > 0) progress.clear();
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
			goesOn: isStale,
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
		threads: workshop.scanThreads,
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
	withdrawStale(workshop);
	if (mode === "build") session.realiser.adopt();
	const forward = (signal: NodeJS.Signals): void => {
		interrupt();
		child.kill(signal === "SIGTERM" ? 15 : 1);
	};
	for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, forward);
	progress.writes("among");
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
	progress.writes("alone");
	// What the build asked before its end may be the next thing to be read.
	await new Promise(setImmediate);
	if (interrupted && end.status !== 0) await leave();
	const failed = await session.realiser.settle();
	progress.clear();
	const abandoned = interrupted && (end.status !== 0 || failed.length > 0);
	await server.close();
	await workshop.scanThreads.close();
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

/** As a shell has it for SIGINT. */
const INTERRUPTED = 130;
