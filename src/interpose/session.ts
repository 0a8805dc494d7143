import { fstatSync, lstatSync, statSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { takeTrace, viewEnvironment } from "../executor/observe.js";
import { loadResult, saveResult } from "../executor/results.js";
import type { Trace } from "../executor/trace.js";
import type { ForceOutcome, Forcer } from "../forcer/forcer.js";
import { planCommand } from "../models/index.js";
import type { SystemProbe } from "../models/ld-so.js";
import { isObserved } from "../models/recipe.js";
import type { Command, FileProbe, LocalPlan, ThunkPlan } from "../models/types.js";
import type { CommandEvent, Sink } from "../report/events.js";
import { DepCache } from "../store/depcache.js";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import { type Placeholders, readPlaceholder } from "../store/placeholders.js";
import { describeErrno } from "../store/project.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import { errorCode } from "../util/files.js";
import { followLinks, isThere, makeCanonical } from "../util/paths.js";
import type { Spawner } from "../util/spawner.js";
import { absolute, type Described, describe, relevantEnv } from "./describe.js";
import { FileClock } from "./file-clock.js";
import { groupAbsent, Lookup } from "./lookup.js";
import { type ExecChange, type RanReport, type ShimReply, type ShimRequest, SILENT_SUCCESS } from "./protocol.js";
import { discoverInputs } from "./scan.js";
import type { ShimConnection } from "./server.js";
import { type Toolchain, Toolchains } from "./toolchains.js";
import { FORCE_AND_RUN, isScript, type ToolPaths } from "./tools.js";

export interface SessionOptions {
	/** `infer` leaves placeholders; `build` runs what it can here at once and defers what could run beside it. */
	readonly mode: "infer" | "build";
	readonly ggDir: string;
	/** The user's, for what projects share. */
	readonly cacheDir: string;
	readonly store: Store & { readonly objects: LocalObjects };
	readonly facts: FileFacts;
	readonly placeholders: Placeholders;
	readonly spawner: Spawner;
	readonly tools: ToolPaths;
	readonly probe: FileProbe & SystemProbe;
	readonly forcer: Forcer;
	/** Puts one output of a forced thunk at `path`, where a placeholder for it stands. */
	readonly placeAt: (path: string, outcome: ForceOutcome & { kind: "forced" }, tag: string) => void;
	readonly viewLibrary: string;
	/** Slots of all engines: a build with less parallelism of its own is worth deferring. */
	readonly slots: number;
	/** True when thunks can run elsewhere. */
	readonly remote: boolean;
	/** Never runs a command in the shim's place if the forcer can: its executor shows it only what was declared. */
	readonly throughForcer: boolean;
	readonly sink: Sink;
	readonly traceFolder: string;
}

/** A command on its way through the session. */
interface Case {
	readonly request: ShimRequest;
	readonly plan: ThunkPlan;
	readonly real: string;
	readonly path: string;
	readonly argv: readonly string[];
	readonly toolchain: Toolchain;
	readonly key: string;
	readonly started: number;
}

interface Shown {
	readonly stdout: boolean;
	readonly stderr: boolean;
}

const MODEL_VERSION = "1";
const DEPFILE_PACKED = 256 << 10;
const EMPTY = Buffer.alloc(0);
let traces = 0;

/** Answers the shims of one build. */
export class Session {
	readonly #o: SessionOptions;
	readonly #toolchains: Toolchains;
	readonly #lookup: Lookup;
	readonly #depcache: DepCache;
	readonly #clock: FileClock;
	readonly #scripts = new Map<string, boolean>();
	readonly #nullDevice: string;
	readonly #ownOutput: string;
	readonly #ownError: string;
	readonly #pending = new Set<Promise<ForceOutcome>>();
	/** Thunks in #pending. */
	readonly #deferred = new Set<ObjectHash>();
	/** Which of its streams gg hands on for a thunk; both when it is not in here. */
	readonly #shown = new Map<ObjectHash, Shown>();
	/** A placeholder may be met: the build can move and copy those that stood once. */
	#met: boolean;
	/** After a deferred command has failed, nothing more is deferred: make is to see its own failures. */
	#deferring = true;
	#warnedStore = false;

	constructor(options: SessionOptions) {
		this.#o = options;
		this.#toolchains = new Toolchains({ ...options, objects: options.store.objects });
		this.#lookup = new Lookup(options.facts, options.store);
		this.#depcache = new DepCache(options.ggDir);
		this.#clock = new FileClock(join(options.ggDir, "tmp"));
		this.#nullDevice = identityOf(() => statSync("/dev/null", { bigint: true }));
		this.#ownOutput = identityOfFd(1);
		this.#ownError = identityOfFd(2);
		this.#met = options.placeholders.size > 0;
	}

	/** Makes real what an earlier infer left: a build leaves no placeholder. */
	adopt(): void {
		for (const path of this.#o.placeholders.all()) {
			const placeholder = readPlaceholder(path);
			if (placeholder !== undefined) this.#inBackground(placeholder.hash);
			else this.#o.placeholders.forget(path);
		}
	}

	/** What of a thunk's output gg itself is to print: not what its shim does, or what the build throws away. */
	shown(hash: ObjectHash): Shown {
		return this.#shown.get(hash) ?? { stdout: true, stderr: true };
	}

	handle(connection: ShimConnection): void {
		this.#handle(connection).catch((error: unknown) => {
			// The command must not suffer from a fault of ours: it runs as it would without gg.
			if (errorCode(error) !== "") this.#warnStore(error);
			else {
				const message = `Internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
				this.#o.sink({ kind: "warning", failure: { reason: "internal", message } });
			}
			connection.finish({ kind: "exec", change: this.#plain(connection.request) });
		});
	}

	/** Resolves when all that was deferred has been forced; the outcomes that failed. */
	async settle(): Promise<ForceOutcome[]> {
		const failed: ForceOutcome[] = [];
		while (this.#pending.size > 0) {
			const known = [...this.#pending];
			for (const outcome of await Promise.all(known)) if (outcome.kind === "failed") failed.push(outcome);
			for (const promise of known) this.#pending.delete(promise);
		}
		return failed;
	}

	/** Writes what is remembered of the commands. */
	close(): void {
		this.#depcache.close();
		this.#clock.close();
	}

	async #handle(connection: ShimConnection): Promise<void> {
		const { request } = connection;
		const started = performance.now();
		if (request.env.has("GG_BYPASS"))
			return this.#local(connection, started, local("environment", "GG_BYPASS is set", this.#o.placeholders.all()));
		if (!request.utf8)
			return this.#local(
				connection,
				started,
				local("encoding", "an argument is not UTF-8", this.#o.placeholders.all()),
			);
		if (request.tool === FORCE_AND_RUN) return this.#forceAndRun(connection, started);
		const path = this.#o.tools.withoutWrappers(request.env.get("PATH") ?? "");
		const real = this.#o.tools.find(request.tool, path);
		if (real === undefined) return this.#local(connection, started, local("no-model", "not found on PATH", []));
		const command: Command = { tool: request.tool, argv: request.argv, cwd: request.cwd, env: request.env };
		const plan = planCommand(command, this.#o.probe);
		if (plan.kind === "local") return this.#local(connection, started, plan);
		const argv = [request.argv[0]!.includes("/") ? real : request.argv[0]!, ...request.argv.slice(1)];
		if (this.#isScript(real)) return this.#script(connection, started, real);
		const tool = Toolchains.key(real, path, request.env);
		const toolchain = this.#toolchains.known(tool) ?? (await this.#toolchains.discover(tool, real, path, request.env));
		if (toolchain === undefined)
			return this.#local(connection, started, local("no-model", `${real} cannot be read`, plan.inputs));
		if (!toolchain.traceable)
			return this.#local(
				connection,
				started,
				local("trace-incomplete", `${real} is static or of another architecture`, plan.inputs),
			);
		if (toolchain.stampsTime && plan.family !== "cc") {
			return this.#local(
				connection,
				started,
				local("unsupported-flag", "it stores times of modification by default", plan.inputs),
			);
		}
		const key = DepCache.key([
			MODEL_VERSION,
			request.cwd,
			String(request.umask),
			// `ar r` onto an archive that is there is another command than `ar r` that makes one.
			plan.inout.join("\0"),
			toolchain.driver,
			toolchain.tree,
			...argv,
			"",
			...relevantEnv(plan, request.env),
		]);
		const c: Case = { request, plan, real, path, argv, toolchain, key, started };
		const found = this.#lookup.find(this.#depcache.get(key), toolchain.tree);
		const defers = this.#defers(c);
		// A build that has the result needs no placeholder, which a program that gg does not catch might read.
		if (found !== undefined && !(defers && this.#o.mode === "infer")) {
			const result = loadResult(this.#o.store, found.hash);
			if (result !== undefined && this.#deliver(c, found.thunk, result)) {
				this.#tell(c, "cached", "", "", found.hash, 0);
				return connection.finish(replyOf(result, request));
			}
		}
		if (defers) return this.#defer(connection, c, found);
		if (this.#o.throughForcer) return this.#await(connection, c);
		await this.#runHere(connection, c);
	}

	/** Describes the command, has it forced, and answers with what it came to. */
	async #await(connection: ShimConnection, c: Case): Promise<void> {
		const described = await this.#describeAhead(c);
		if ("reason" in described) return this.#runHere(connection, c, described.reason, described.detail);
		this.#shown.set(described.hash, { stdout: false, stderr: false });
		const outcome = await this.#o.forcer.force(described.hash);
		const result = outcome.result;
		if (outcome.kind === "failed") {
			this.#tell(
				c,
				"unrecorded",
				"failed",
				outcome.failure?.message ?? `status ${result?.status}`,
				described.hash,
				result?.status ?? 1,
			);
			if (result !== undefined) return connection.finish(replyOf(result, c.request));
			const { message, hint } = outcome.failure ?? { message: "it failed" };
			return connection.finish(fail(`gg: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`));
		}
		if (!this.#deliver(c, described.thunk, outcome.result)) return this.#runHere(connection, c, "store");
		this.#tell(c, "ran", "", "", described.hash, 0);
		connection.finish(replyOf(outcome.result, c.request));
	}

	/** True when the answer may be given before the command has run. */
	#defers(c: Case): boolean {
		if (!this.#deferring || !c.plan.deferrable) return false;
		const [, out, error] = c.request.fds;
		// Somebody reads what it says.
		if (out.open && out.id !== this.#ownOutput && out.id !== this.#nullDevice) return false;
		if (error.open && error.id !== this.#ownError && error.id !== this.#nullDevice) return false;
		const seen = isObserved({ exe: c.request.parentExe, argv: c.request.parentArgv }, c.request.tool);
		// `(ranlib x || true)` is an old custom; on an archive that was just made there is nothing for it to fail at.
		const harmless =
			c.plan.family === "ranlib" && seen.observed && (seen.reason === "alternative" || seen.reason === "unclear");
		if (seen.observed && !harmless) return false;
		if (this.#o.mode === "infer" || this.#o.remote) return true;
		// A build's own programs read what was linked (to sign, pack or measure it), hardly ever the objects.
		if (c.plan.stage === "link") return false;
		return buildParallelism(c.request.env.get("MAKEFLAGS")) < this.#o.slots;
	}

	async #defer(
		connection: ShimConnection,
		c: Case,
		found: { hash: ObjectHash; thunk: Thunk } | undefined,
	): Promise<void> {
		let hash: ObjectHash;
		let thunk: Thunk;
		if (found !== undefined) {
			({ hash, thunk } = found);
			// The dependency file is part of what make sees at once.
			if (!this.#restoreDepfile(c, hash, thunk)) found = undefined;
		}
		if (found === undefined) {
			const described = await this.#describeAhead(c);
			if ("reason" in described) {
				await this.#runHere(connection, c, described.reason, described.detail);
				return;
			}
			({ hash, thunk } = described);
		}
		for (const output of thunk!.outputPaths) {
			const planned = c.plan.outputs.find((p) => p.tag === output.tag);
			if (planned === undefined || planned.role === "depfile" || output.optional) continue;
			const tag = output.tag === thunk!.outputs[0] ? "" : output.tag;
			this.#o.placeholders.write(output.path, { hash: hash!, tag });
			this.#met = true;
		}
		const [, out, error] = c.request.fds;
		this.#shown.set(hash!, { stdout: out.id === this.#ownOutput, stderr: error.id === this.#ownError });
		this.#tell(c, "deferred", "", "", hash!, 0);
		if (this.#o.mode === "build") this.#inBackground(hash!);
		connection.finish(SILENT_SUCCESS);
	}

	#inBackground(hash: ObjectHash): void {
		const promise = this.#o.forcer.force(hash);
		this.#deferred.add(hash);
		this.#pending.add(promise);
		void promise.then((outcome) => {
			if (outcome.kind === "failed") this.#deferring = false;
		});
	}

	/** Finds out what a command will read, without running it. */
	async #describeAhead(c: Case): Promise<Described | { reason: string; detail: string }> {
		const discover = (): ReturnType<typeof discoverInputs> =>
			discoverInputs({
				command: { tool: c.request.tool, argv: c.argv, cwd: c.request.cwd, env: c.request.env },
				plan: c.plan,
				real: c.real,
				path: c.path,
				searchDirs: c.toolchain.searchDirs,
				spawner: this.#o.spawner,
				probe: this.#o.probe,
				viewLibrary: this.#o.viewLibrary,
				isPlaceholder: (path) => this.#o.placeholders.has(path),
				umask: c.request.umask,
				traceFile: this.#traceFile(),
			});
		let inputs = await discover();
		const asked = new Set<string>();
		while ("reason" in inputs && inputs.needs !== undefined) {
			// One that stays a placeholder must not be asked for again and again.
			if (inputs.needs.every((path) => asked.has(path))) return inputs;
			for (const path of inputs.needs) asked.add(path);
			if ((await this.#forceInputs(inputs.needs, c.request.cwd)) !== undefined) return inputs;
			inputs = await discover();
		}
		if ("reason" in inputs) return inputs;
		const before = new Map<string, ObjectHash>();
		const described = describe(
			{
				plan: c.plan,
				argv: c.argv,
				cwd: c.request.cwd,
				env: c.request.env,
				umask: c.request.umask,
				toolchain: c.toolchain,
				reads: inputs.reads,
				before,
				sideOutputs: [],
			},
			this.#o.facts,
			this.#o.store.objects,
			true,
		);
		if ("reason" in described) return described;
		this.#o.store.objects.put(described.bytes);
		this.#keepBuilt(described.thunk);
		this.#depcache.put(c.key, { thunk: described.hash, absent: groupAbsent(inputs.absent, isTemporary) });
		return described;
	}

	/** Copies files that may be gone or changed when the thunk runs: whatever lies in the tree and is not older than the build. */
	#keepBuilt(thunk: Thunk): void {
		for (const item of [...thunk.values]) {
			const fact = this.#o.facts.get(item.name);
			if (fact === undefined || fact.hash !== item.hash) continue;
			if (thunk.inout.includes(item.name) || fact.mtimeMs >= this.#startedAt)
				this.#o.store.objects.putFile(item.name, item.hash);
		}
		for (const tree of thunk.trees) {
			if (tree.name === "/" || this.#o.facts.isSystem(`${tree.name}/`)) continue;
			for (const e of this.#lookup.tree(tree.hash) ?? []) {
				const path = `${tree.name}/${e.name}`;
				const fact = this.#o.facts.get(path);
				if (fact?.hash === e.hash && fact.mtimeMs >= this.#startedAt) this.#o.store.objects.putFile(path, e.hash);
			}
		}
	}

	readonly #startedAt = Date.now();

	#restoreDepfile(c: Case, hash: ObjectHash, thunk: Thunk): boolean {
		const depfiles = c.plan.outputs.filter((p) => p.role === "depfile");
		if (depfiles.length === 0) return true;
		const result = loadResult(this.#o.store, hash);
		for (const depfile of depfiles) {
			const object = result?.outputs.find((r) => r.tag === depfile.tag);
			const output = thunk.outputPaths.find((p) => p.tag === depfile.tag);
			if (object === undefined || output === undefined) return false;
			if (!this.#o.store.objects.copyOut(object.hash, output.path, object.mode)) return false;
		}
		return true;
	}

	/** Runs the command in the shim's place, watched, and keeps what it came to. */
	async #runHere(connection: ShimConnection, c: Case, reason = "", detail = ""): Promise<void> {
		const { request, plan } = c;
		const failure = await this.#forceReads(c, reason);
		if (failure !== undefined) return connection.finish(failure);
		const before = new Map<string, ObjectHash>();
		for (const path of plan.inout) {
			const name = absolute(request.cwd, path);
			const fact = this.#o.facts.get(name);
			if (fact === undefined) continue;
			before.set(name, fact.hash);
		}
		// Known before it runs, so that a change during the run shows even within one tick of the clock.
		const early = new Map<string, ObjectHash>();
		for (const path of [...plan.inputs, ...plan.sources.map((s) => s.path)]) {
			const name = absolute(request.cwd, path);
			const fact = this.#o.facts.get(name);
			if (fact !== undefined) early.set(name, fact.hash);
		}
		const trace = this.#traceFile();
		const change: ExecChange = {
			path: c.real,
			argv: c.argv,
			setenv: [
				`PATH=${c.path}`,
				...viewEnvironment(this.#o.viewLibrary, trace, undefined, request.env.get("LD_PRELOAD")),
			],
			unsetenv: ["GG_SESSION"],
		};
		const startedAt = this.#clock.now();
		const report = await connection.run({ kind: "run", change, capture: true });
		const seen = takeTrace(trace, makeCanonical(request.cwd));
		if (report === undefined) return;
		const kept = this.#keep(c, report, seen, { before, early, startedAt });
		if ("hash" in kept) this.#tell(c, "ran", reason, detail, kept.hash, report.status);
		else
			this.#tell(
				c,
				"unrecorded",
				reason === "" ? kept.reason : reason,
				detail === "" ? kept.detail : detail,
				"",
				report.status,
			);
		connection.finish({ kind: "exit", status: report.status, signal: report.signal, stdout: EMPTY, stderr: EMPTY });
	}

	#keep(
		c: Case,
		report: RanReport,
		seen: Trace,
		known: { before: ReadonlyMap<string, ObjectHash>; early: ReadonlyMap<string, ObjectHash>; startedAt: number },
	): { hash: ObjectHash } | { reason: string; detail: string } {
		const { before, early, startedAt } = known;
		if (report.status !== 0) return { reason: "failed", detail: `status ${report.status}` };
		if (report.truncated) return { reason: "long-output", detail: "it printed more than 16 MiB" };
		if (!seen.complete) return { reason: "trace-incomplete", detail: [...seen.programs].join(" ") };
		const cwd = c.request.cwd;
		const planned = new Set(c.plan.outputs.map((p) => absolute(cwd, p.path)));
		const writes = [...seen.writes].filter(
			(p) => !planned.has(p) && !isTemporary(p) && this.#o.facts.get(p) !== undefined,
		);
		const reads: string[] = [];
		for (const path of seen.reads) {
			if (c.toolchain.files.has(path) || isVolatile(path) || seen.writes.has(path)) continue;
			const fact = this.#o.facts.get(path);
			if (fact === undefined) continue;
			const recent = Math.max(fact.mtimeMs, fact.ctimeMs) >= startedAt;
			if (recent && early.get(path) !== fact.hash) return { reason: "changed-meanwhile", detail: path };
			reads.push(path);
		}
		for (const path of seen.rewritten) {
			if (!before.has(path) && !planned.has(path)) return { reason: "rewritten", detail: path };
		}
		for (const path of seen.listings) {
			if (!this.#o.facts.isSystem(`${path}/`)) return { reason: "listing", detail: path };
		}
		try {
			const described = describe(
				{
					plan: c.plan,
					argv: c.argv,
					cwd,
					env: c.request.env,
					umask: c.request.umask,
					toolchain: c.toolchain,
					reads,
					before,
					sideOutputs: writes,
				},
				this.#o.facts,
				this.#o.store.objects,
				false,
			);
			if ("reason" in described) return described;
			if (described.thunk.thunks.length > 0) return { reason: "placeholder", detail: described.thunk.thunks[0]!.name };
			const outputs: { tag: string; hash: ObjectHash; mode: number }[] = [];
			for (const output of described.thunk.outputPaths) {
				this.#forget(output.path);
				const state = this.#o.probe.exists(output.path) ? statMode(output.path) : undefined;
				if (state === undefined) {
					if (output.optional) continue;
					return { reason: "no-output", detail: output.path };
				}
				if (!state.regular) return { reason: "unsupported-output", detail: output.path };
				const fact = this.#o.facts.get(output.path);
				if (fact === undefined) return { reason: "no-output", detail: output.path };
				const small = output.tag === "depfile" && fact.size < DEPFILE_PACKED;
				const hash = small
					? this.#o.store.objects.putPacked(output.path)
					: this.#o.store.objects.putFile(output.path, fact.hash);
				outputs.push({ tag: output.tag, hash, mode: state.mode });
			}
			const result: ThunkResult = {
				status: 0,
				signal: 0,
				stdout: report.stdout,
				stderr: report.stderr,
				outputs,
				wall: report.wall,
			};
			this.#o.store.objects.put(described.bytes);
			saveResult(this.#o.store, described.hash, described.thunk, result);
			this.#depcache.put(c.key, { thunk: described.hash, absent: groupAbsent(seen.absent, isTemporary) });
			return { hash: described.hash };
		} catch (error) {
			this.#warnStore(error);
			return { reason: "store", detail: describeErrno(error) };
		}
	}

	/** Says once that the store cannot be written. */
	#warnStore(error: unknown): void {
		if (this.#warnedStore) return;
		this.#warnedStore = true;
		const message = `results cannot be kept in ${this.#o.ggDir}: ${describeErrno(error)}`;
		this.#o.sink({ kind: "warning", failure: { reason: "store", message, hint: "the build goes on without" } });
	}

	/** Puts an earlier result into the tree. False when the store lost it meanwhile. */
	#deliver(c: Case, thunk: Thunk, result: ThunkResult): boolean {
		// The main output last, as the tools do: make compares it with what was written beside it.
		for (const output of [...result.outputs].reverse()) {
			const where = thunk.outputPaths.find((p) => p.tag === output.tag);
			if (where === undefined) return false;
			// Files that a tool opens and truncates keep their mode; compilers and linkers make objects anew.
			const keeps = output.tag === "depfile" || c.plan.stage === "preprocess" || c.plan.inout.length > 0;
			const mode = (keeps ? statMode(where.path)?.mode : undefined) ?? output.mode;
			if (!this.#o.store.objects.copyOut(output.hash, where.path, mode)) return false;
			this.#forget(where.path);
			if (c.plan.stage !== "preprocess") this.#o.facts.learn(where.path, output.hash);
		}
		return true;
	}

	#forget(path: string): void {
		if (this.#o.placeholders.size > 0) this.#o.placeholders.forget(path);
	}

	/** Runs it for real, without a thunk, once the placeholders among its inputs are real. */
	async #local(connection: ShimConnection, started: number, plan: LocalPlan): Promise<void> {
		const { request } = connection;
		const failure = await this.#forceInputs([...plan.inputs, ...this.#below(plan, request.cwd)], request.cwd);
		this.#tellLocal(request, started, plan.reason, plan.detail);
		connection.finish(failure ?? { kind: "exec", change: this.#plain(request) });
	}

	/** The placeholders in folders that a program without a model is given: tar and its like take all that lies there. */
	#below(plan: LocalPlan, cwd: string): string[] {
		if (!this.#met || plan.reason !== "no-model") return [];
		const folders = plan.inputs.map((input) => `${followLinks(absolute(cwd, input)).replace(/\/$/, "")}/`);
		return this.#o.placeholders.all().filter((path) => folders.some((folder) => path.startsWith(folder)));
	}

	/** A compiler that is a script starts others: those are caught, so it keeps the wrappers. */
	#script(connection: ShimConnection, started: number, real: string): void {
		const { request } = connection;
		this.#tellLocal(request, started, "no-model", `${real} is a script`);
		const change = { path: real, argv: [real, ...request.argv.slice(1)], setenv: [], unsetenv: [] };
		connection.finish({ kind: "exec", change });
	}

	/** A program that is itself a placeholder was started: `gg-force-and-run FILE ARGS…`. */
	async #forceAndRun(connection: ShimConnection, started: number): Promise<void> {
		const { request } = connection;
		const file = request.argv[1];
		if (file === undefined) return connection.finish(fail(`${FORCE_AND_RUN}: no file was named\n`));
		const failure = await this.#forceInputs([file], request.cwd);
		if (failure !== undefined) return connection.finish(failure);
		this.#tellLocal(request, started, "program", "a program that was inferred is started");
		const change = { path: absolute(request.cwd, file), argv: request.argv.slice(1), setenv: [], unsetenv: [] };
		connection.finish({ kind: "exec", change });
	}

	/** Forces what a command that is to run here may read, the files that it finds by itself too. `reason`: why it runs here. */
	async #forceReads(c: Case, reason: string): Promise<ShimReply | undefined> {
		const { plan, request } = c;
		const named = [...plan.inputs, ...plan.inout, ...plan.sources.map((s) => s.path)];
		const failure = await this.#forceInputs(named, request.cwd);
		if (failure !== undefined || this.#o.placeholders.size === 0 || plan.discovery.kind === "none") return failure;
		if (this.#o.mode === "infer") {
			let unknown = reason;
			if (unknown === "") {
				const described = await this.#describeAhead(c);
				if ("reason" in described) unknown = described.reason;
			}
			// Found without reading a placeholder, or not to be found by the command either.
			if (["", "scan-failed", "no-input-file", "time-macro"].includes(unknown)) return undefined;
		}
		// In a build they are all on their way to be real.
		return this.#forceInputs(this.#o.placeholders.all(), request.cwd);
	}

	/** Forces the placeholders among files that a command will read; a reply when one of them fails. */
	async #forceInputs(inputs: readonly string[], cwd: string): Promise<ShimReply | undefined> {
		if (!this.#met) return undefined;
		const paths = new Set<string>();
		for (const input of inputs) {
			// A library's plain name is a link to the one with a version.
			const path = followLinks(absolute(cwd, input));
			if (this.#o.placeholders.has(path) || readPlaceholder(path) !== undefined) paths.add(path);
		}
		const outcomes = await Promise.all(
			[...paths].map(async (path) => {
				const placeholder = readPlaceholder(path);
				if (placeholder === undefined) return undefined;
				// A moved placeholder is known from here on.
				this.#o.placeholders.note(path);
				const outcome = await this.#o.forcer.force(placeholder.hash);
				// It may stand elsewhere than where the thunk writes.
				if (outcome.kind === "forced") this.#o.placeAt(path, outcome, placeholder.tag);
				else if (this.#deferred.has(placeholder.hash)) return SILENT_FAILURE;
				return outcome;
			}),
		);
		for (const outcome of outcomes) {
			// Make is given the failed command itself again, and that shows why.
			if (outcome?.kind === "exit") return outcome;
			if (outcome?.kind !== "failed") continue;
			this.#deferring = false;
			const { result, failure } = outcome;
			if (result !== undefined)
				return { kind: "exit", status: result.status, signal: 0, stdout: result.stdout, stderr: result.stderr };
			return fail(`gg: ${failure?.message ?? "an input could not be made"}\n`);
		}
		return undefined;
	}

	/** What the shim would do without a session. */
	#plain(request: ShimRequest): ExecChange {
		const path = this.#o.tools.withoutWrappers(request.env.get("PATH") ?? "");
		const real = this.#o.tools.find(request.tool, path) ?? request.tool;
		const called = request.argv[0] ?? request.tool;
		return {
			path: real,
			argv: [called.includes("/") ? real : called, ...request.rawArgv.slice(1)],
			setenv: [`PATH=${path}`],
			unsetenv: ["GG_SESSION"],
		};
	}

	#isScript(path: string): boolean {
		let known = this.#scripts.get(path);
		if (known === undefined) {
			known = isScript(path);
			this.#scripts.set(path, known);
		}
		return known;
	}

	#traceFile(): string {
		traces += 1;
		return join(this.#o.traceFolder, `t${traces}`);
	}

	#tellLocal(request: ShimRequest, started: number, reason: string, detail: string): void {
		const { tool, argv, cwd } = request;
		const ms = performance.now() - started;
		this.#o.sink({
			kind: "command",
			tool,
			argv,
			cwd,
			outputs: namedOutput(request),
			how: "local",
			reason,
			detail,
			thunk: "",
			status: 0,
			ms,
		});
	}

	#tell(c: Case, how: CommandEvent["how"], reason: string, detail: string, thunk: string, status: number): void {
		this.#o.sink({
			kind: "command",
			tool: c.request.tool,
			argv: c.argv,
			cwd: c.request.cwd,
			outputs: c.plan.outputs.map((o) => absolute(c.request.cwd, o.path)),
			how,
			reason,
			detail,
			thunk,
			status,
			ms: performance.now() - c.started,
		});
	}
}

function local(reason: LocalPlan["reason"], detail: string, inputs: readonly string[]): LocalPlan {
	return { kind: "local", reason, detail, inputs };
}

const SILENT_FAILURE = {
	kind: "exit",
	status: 1,
	signal: 0,
	stdout: EMPTY,
	stderr: EMPTY,
} as const satisfies ShimReply;

function fail(message: string): ShimReply {
	return { kind: "exit", status: 1, signal: 0, stdout: EMPTY, stderr: Buffer.from(message) };
}

function identityOfFd(fd: number): string {
	return identityOf(() => fstatSync(fd, { bigint: true }));
}

function identityOf(stat: () => { dev: bigint; ino: bigint }): string {
	try {
		const s = stat();
		return `${s.dev.toString(16)}:${s.ino.toString(16)}`;
	} catch {
		return "closed";
	}
}

function statMode(path: string): { regular: boolean; mode: number } | undefined {
	const s = isThere(path) ? lstatSync(path) : undefined;
	return s === undefined ? undefined : { regular: s.isFile(), mode: s.mode & 0o7777 };
}

/** What a command without a model says that it writes: enough for `gg explain` to find it. */
function namedOutput(request: ShimRequest): string[] {
	const flag = request.argv.lastIndexOf("-o");
	const path = flag < 0 ? undefined : request.argv[flag + 1];
	return path === undefined ? [] : [absolute(request.cwd, path)];
}

/** N of `-jN` in MAKEFLAGS; a bare -j is no bound; 1 without, and for builders that say nothing it is not known. */
export function buildParallelism(makeflags: string | undefined): number {
	if (makeflags === undefined) return Number.POSITIVE_INFINITY;
	const match = /(?:^|\s)-j\s*([0-9]*)/.exec(makeflags);
	if (match === null) return /jobserver/.test(makeflags) ? Number.POSITIVE_INFINITY : 1;
	return match[1] === "" ? Number.POSITIVE_INFINITY : Number(match[1]);
}

/** What was printed to a terminal is told without its colours to a file. */
function replyOf(result: ThunkResult, request: ShimRequest): ShimReply {
	const plain = (bytes: Buffer, isatty: boolean): Buffer =>
		isatty || !bytes.includes(0x1b) ? bytes : Buffer.from(stripVTControlCharacters(bytes.toString("latin1")), "latin1");
	return {
		kind: "exit",
		status: result.status,
		signal: result.signal,
		stdout: plain(result.stdout, request.fds[1].isatty),
		stderr: plain(result.stderr, request.fds[2].isatty),
	};
}

function isTemporary(path: string): boolean {
	return /^\/(?:tmp|var\/tmp|dev\/shm)\/(?:cc|lto|tmp)[A-Za-z0-9_.-]*$/.test(path);
}

/** Read by the C library or the locale system of any program; no part of what a tool makes. */
function isVolatile(path: string): boolean {
	return /^\/etc\/|^\/usr\/share\/(?:locale|zoneinfo)|\/locale\/|\/gconv\//.test(path);
}
