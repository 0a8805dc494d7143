import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localEngine } from "../engines/local.js";
import { raceEngine } from "../engines/race.js";
import type { ReapiEngine } from "../engines/reapi/engine.js";
import { storedEngine } from "../engines/stored.js";
import type { Engine } from "../engines/types.js";
import { classicExecutor } from "../executor/classic.js";
import { localExecutor } from "../executor/inplace.js";
import { ScratchFolders } from "../executor/scratch.js";
import { type Forced, Forcer, type ForcerEvents } from "../forcer/forcer.js";
import { Recheck } from "../forcer/recheck.js";
import { type Natives, nativePrograms } from "../interpose/native.js";
import { ScanThreads } from "../interpose/scan-threads.js";
import { beginWork } from "../store/at-work.js";
import { removeDeadFolders } from "../store/clean.js";
import { FileFacts, systemPredicate } from "../store/filefacts.js";
import { type LocalStore, openLocalStore } from "../store/local.js";
import { Placeholders } from "../store/placeholders.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { loadAddon } from "../util/addon.js";
import { optimiseAsUsual } from "../util/optimise.js";
import { UserError } from "../util/result.js";
import { type Spawner, startSpawner } from "../util/spawner.js";
import type { EngineChoice, RunOptions } from "./options.js";
import { placing } from "./place.js";
import { cacheDirectory, give } from "./project.js";
import type { Io } from "./types.js";

/** Everything that build, infer and force work with, wired together. */
export interface Workshop {
	readonly ggDir: string;
	readonly cacheDir: string;
	/** The folder that holds `.gg`, or where the build runs if that is elsewhere. */
	readonly root: string;
	readonly natives: Natives;
	readonly store: LocalStore;
	readonly facts: FileFacts;
	readonly placeholders: Placeholders;
	readonly spawner: Spawner;
	readonly scanThreads: ScanThreads;
	readonly scratch: ScratchFolders;
	/** Private to the user; gone when the workshop closes. */
	readonly folder: string;
	forcer(options: RunOptions, events: ForcerEvents): Promise<Forcer>;
	/** Runs finished thunks again, in place on this machine; undefined where none is to be. */
	recheck(options: RunOptions): Recheck | undefined;
	/** Puts the outputs of a forced thunk where its placeholders stand. */
	place(hash: ObjectHash, thunk: Thunk, forced: Forced): Promise<void>;
	/** Fetches what servers made and kept, as far as it can be had; what is here already costs nothing. */
	bring(hashes: Iterable<ObjectHash | undefined>): Promise<void>;
	/** What servers that are paid by use have come to so far, for the line of progress; empty where there is none. */
	spent(): string;
	/** Ends what runs on servers: nobody waits for it any more. */
	leaveServers(): void;
	/** Replaces one file that is a placeholder; false if it is none. */
	placeAt(path: string, forced: Forced, tag: string): boolean;
	close(): Promise<void>;
}

export function openWorkshop(ggDir: string, io: Io): Workshop {
	const cacheDir = cacheDirectory(io.env);
	const compiled = give(nativePrograms(cacheDir, io.env, (text) => io.err(`gg: ${text}`)));
	loadAddon(compiled.files);
	// A store that GG_DIR names may be anywhere: then the project is where the build runs.
	const around = dirname(ggDir);
	const root = `${realpathSync(io.cwd)}/`.startsWith(around === "/" ? around : `${around}/`)
		? around
		: realpathSync(io.cwd);
	const most = scanThreadsOf(io.env);
	const store = openLocalStore(ggDir);
	const indexes = { projectIndex: join(ggDir, "hash_cache", "files"), userIndex: join(cacheDir, "facts") };
	const facts = new FileFacts({ ...indexes, isSystem: systemPredicate(root) });
	const scanThreads = new ScanThreads({
		...{ ggDir, root, indexes, addon: compiled.files, most },
		onFact: (path, fact) => facts.adopt(path, fact),
	});
	const endWork = beginWork(ggDir);
	const placeholders = new Placeholders(ggDir);
	if (placeholders.stale) {
		io.err(`gg: ${placeholders.path} is of another version of gg and is not read\n`);
		io.err("    placeholders that it names can be named to `gg force`, or inferred again\n");
	}
	const folder = privateFolder(io.env);
	const natives = { ...compiled, view: preloadable(compiled.view, folder) };
	const spawner = startSpawner(natives.spawner);
	spawner.folder(folder);
	const scratch = new ScratchFolders(join(ggDir, "tmp"));
	let inputs: string | undefined;
	store.objects.meanwhileIn(() => {
		// A gg that was killed has left what it kept.
		if (inputs === undefined) removeDeadFolders(join(ggDir, "tmp"));
		inputs ??= scratch.take();
		return join(inputs, "inputs");
	});
	const modes = new Map<ObjectHash, number>();
	const closing: (() => void | Promise<void>)[] = [];
	const servers: ReapiEngine[] = [];
	const leaving: (() => void)[] = [];
	const spending: (() => string)[] = [];
	const bring = async (hashes: Iterable<ObjectHash | undefined>): Promise<void> => {
		const wanted = [...hashes].filter((hash) => hash !== undefined && !store.objects.has(hash)) as ObjectHash[];
		await Promise.all(wanted.map((hash) => Promise.any(servers.map((s) => s.bring(hash))).catch(() => undefined)));
	};
	const place = placing(store, placeholders);
	const local = (jobs: number, options: RunOptions, sandbox: boolean): Engine => {
		const executor = localExecutor({
			store,
			facts,
			spawner,
			viewLibrary: natives.view,
			modes,
			scratch,
			timeoutMs: options.timeout * 1000,
			sandbox,
			keep: options.keep,
		});
		const classic = classicExecutor({ store, spawner, scratch, keep: options.keep });
		const engine = localEngine(jobs, executor, classic);
		if (options.download === "all") return engine;
		return {
			...engine,
			// Its inputs may be on a server only.
			async execute(hash, thunk) {
				await bring(thunk.values.map((v) => v.hash).filter((value) => servers.some((s) => s.keeps(value))));
				return engine.execute(hash, thunk);
			},
		};
	};
	return {
		ggDir,
		cacheDir,
		root,
		natives,
		store,
		facts,
		placeholders,
		spawner,
		scanThreads,
		scratch,
		folder,
		place: place.all,
		placeAt: place.at,
		bring,
		spent: () => spending.map((ask) => ask()).join("; "),
		leaveServers() {
			for (const server of servers) server.close();
			for (const leave of leaving) leave();
		},
		async forcer(options, events) {
			const parts = {
				store,
				facts,
				modes,
				view: natives.view,
				cacheDir,
				timeout: options.timeout,
				env: io.env,
				say: (text: string) => io.err(`gg: ${text}`),
			};
			const remoteStore =
				options.store === ""
					? undefined
					: await (await import("./results.js")).openResults(options.store, { ...parts, keeps: false });
			if (remoteStore !== undefined) closing.push(() => remoteStore.close());
			const isHere = [...options.engines, ...options.fallbacks].some((e) => e.name === "local");
			const engine = async (choice: EngineChoice): Promise<Engine> => {
				if (choice.name === "local") {
					const near = local(choice.jobs, options, options.sandbox);
					if (remoteStore === undefined) return near;
					return storedEngine(near, remoteStore);
				}
				if (choice.name === "lambda") {
					const { openLambdaEngine } = await import("./lambda-engine.js");
					// Not before: V8 takes kept code only under the flags of the start.
					optimiseAsUsual();
					const far = await openLambdaEngine(
						choice,
						options.store,
						{ ...parts, keeps: false, near: isHere || options.onRemoteFailure !== "fail" },
						() => remoteStore?.requests,
					);
					leaving.push(() => far.abandon());
					spending.push(() => far.soFar());
					closing.push(() => far.close());
					// A straggler gets a second invocation, since most are slow instances; or a run here, where that is asked for.
					const second =
						options.onRemoteFailure === "race"
							? { near: local(availableParallelism(), options, options.sandbox) }
							: { near: far, at: "on AWS Lambda" };
					const twice = raceEngine({ far, ...second, now: () => performance.now(), after });
					return remoteStore === undefined ? twice : storedEngine(twice, remoteStore);
				}
				optimiseAsUsual();
				const { openRemote } = await import("./remote.js");
				// What one server has kept another cannot use.
				const alone = [...options.engines, ...options.fallbacks].filter((e) => e.name !== "local").length === 1;
				const remote = await openRemote(choice, {
					...parts,
					keeps: alone && options.download !== "all",
					early: alone && options.download === "all" && options.onRemoteFailure !== "race",
				});
				servers.push(remote);
				closing.push(() => remote.close());
				if (options.onRemoteFailure !== "race") return remote;
				const near = local(availableParallelism(), options, options.sandbox);
				return raceEngine({ far: remote, near, now: () => performance.now(), after });
			};
			const engines = await Promise.all(options.engines.map(engine));
			const fallbacks = await Promise.all(options.fallbacks.map(engine));
			// What a server refuses or cannot do is done here, unless that is to be an error.
			if (!isHere && options.onRemoteFailure !== "fail")
				fallbacks.push(await engine({ name: "local", argument: "", jobs: availableParallelism() }));
			return new Forcer({
				store,
				engines,
				fallbacks,
				events: {
					...events,
					named(result) {
						for (const output of result.outputs) modes.set(output.hash, output.mode);
						events.named?.(result);
					},
					forced(hash, thunk, forced, ...rest) {
						for (const output of forced.result.outputs) modes.set(output.hash, output.mode);
						return events.forced(hash, thunk, forced, ...rest);
					},
				},
				keepGoing: options.keepGoing,
			});
		},
		recheck(options) {
			if (options.recheck === 0) return undefined;
			return new Recheck({ store, engine: local(availableParallelism(), options, false), rate: options.recheck });
		},
		async close() {
			for (const end of closing.splice(0)) await end();
			await scanThreads.close();
			try {
				placeholders.close();
				facts.flush();
				store.objects.endMeanwhile();
				if (inputs !== undefined) scratch.release(inputs);
				store.close();
				scratch.close();
			} finally {
				endWork();
				rmSync(folder, { recursive: true, force: true });
				await spawner.close();
			}
		},
	};
}

/** At most half of what make, the compilers and gg's own thread leave: with two processors a thread wins nothing. */
function scanThreadsOf(env: NodeJS.ProcessEnv): number {
	const asked = env["GG_SCAN_THREADS"] ?? "";
	if (asked !== "" && !/^\d{1,2}$/.test(asked)) {
		throw new UserError({
			reason: "usage",
			message: `GG_SCAN_THREADS is ${JSON.stringify(asked)}, which is not a number from 0 to 99`,
			hint: "set it to how many threads may scan sources, or unset it",
		});
	}
	if (asked !== "") return Number(asked);
	return Math.min(4, Math.floor((availableParallelism() - 1) / 2));
}

function after(ms: number, then: () => void): () => void {
	const timer = setTimeout(then, ms);
	return () => clearTimeout(timer);
}

/** For the socket and what is read once and removed: in memory where the system has a place for that. */
function privateFolder(env: NodeJS.ProcessEnv): string {
	for (const base of [env["XDG_RUNTIME_DIR"], "/dev/shm"]) {
		if (base === undefined || !base.startsWith("/") || SEPARATES.test(base)) continue;
		try {
			return mkdtempSync(join(base, "gg-"));
		} catch {
			// Absent, or not ours to write to.
		}
	}
	return mkdtempSync(join(SEPARATES.test(tmpdir()) ? "/tmp" : tmpdir(), "gg-"));
}

/** What ends a name in LD_PRELOAD. */
const SEPARATES = /[\s:]/;

/** A library in a folder that LD_PRELOAD cannot name gets a name that it can. */
function preloadable(library: string, folder: string): string {
	if (!SEPARATES.test(library)) return library;
	const link = join(folder, "view.so");
	symlinkSync(library, link);
	return link;
}
