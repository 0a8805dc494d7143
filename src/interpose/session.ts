import { join } from "node:path";
import { TRACE_LISTS, takeTrace, viewEnvironment } from "../executor/observe.js";
import { loadResult } from "../executor/results.js";
import type { ForceOutcome, Forcer } from "../forcer/forcer.js";
import type { DescribedTool } from "../models/generic.js";
import { planCommand } from "../models/index.js";
import type { SystemProbe } from "../models/ld-so.js";
import type { Command, FileProbe, LocalPlan } from "../models/types.js";
import type { CommandEvent, Sink } from "../report/events.js";
import { Scanner } from "../scan/scanner.js";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import { type Placeholders, readPlaceholder } from "../store/placeholders.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { errorCode, modeOf as fileMode, writeFileAtomic } from "../util/files.js";
import { isThere, makeCanonical } from "../util/paths.js";
import type { Spawner } from "../util/spawner.js";
import type { Case } from "./case.js";
import { absolute, type Described } from "./describe.js";
import { eventOf, localEvent } from "./events.js";
import { FileClock } from "./file-clock.js";
import { completeTrace } from "./generic-trace.js";
import { IncludeScanner } from "./include-scan.js";
import type { Found } from "./lookup.js";
import { Observers } from "./observers.js";
import { outputMode } from "./output-mode.js";
import { rememberSystem } from "./probe.js";
import { type ExecChange, type PlacedFile, type ShimReply, type ShimRequest, SILENT_SUCCESS } from "./protocol.js";
import { Realiser } from "./realiser.js";
import { Recorder } from "./recorder.js";
import { fail, replyOf } from "./replies.js";
import { discoverInputs, type WrittenDepfile } from "./scan.js";
import { ScanTally } from "./scan-tally.js";
import type { ShimConnection } from "./server.js";
import { sharedOutput } from "./shared-output.js";
import { withoutStalePwd } from "./spelled-directory.js";
import { Starter } from "./starter.js";
import { Toolchains, toolRequest } from "./toolchains.js";
import { FORCE_AND_RUN, type ToolPaths } from "./tools.js";

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
	/** Tools that the project describes itself. */
	readonly described: readonly DescribedTool[];
	readonly forcer: Forcer;
	/** Puts one output of a forced thunk at `path`, where a placeholder for it stands. */
	readonly placeAt: (path: string, outcome: ForceOutcome & { kind: "forced" }, tag: string) => void;
	readonly viewLibrary: string;
	/** Slots of all engines: a build with less parallelism of its own is worth deferring. */
	readonly slots: number;
	/** Whoever reads a placeholder waits until it is real. */
	readonly holdsReaders: () => boolean;
	/** True when thunks can run elsewhere. */
	readonly remote: boolean;
	/** Never runs a command in the shim's place if the forcer can: its executor shows it only what was declared. */
	readonly throughForcer: boolean;
	readonly sink: Sink;
	readonly traceFolder: string;
	/** The compiler's own scan of includes runs beside ours, and both are compared. */
	readonly verifyDeps: boolean;
	/** Keep in mind which commands were asked for. */
	readonly remembers?: boolean;
}

interface Shown {
	readonly stdout: boolean;
	readonly stderr: boolean;
}

const EMPTY = Buffer.alloc(0);
/** What a compiler driver calls the text that it hands to the assembler. */
const COMPILERS_OWN = /\/cc[A-Za-z0-9]{6}\.s$/;
let traces = 0;

/** Answers the shims of one build. */
export class Session {
	readonly #o: SessionOptions;
	readonly #toolchains: Toolchains;
	readonly #recorder: Recorder;
	/** For what is looked up and not named: headers and libraries. */
	readonly #probe: FileProbe & SystemProbe;
	readonly #clock: FileClock;
	readonly #includes: IncludeScanner;
	readonly #tally: ScanTally;
	readonly #observers = new Observers();
	/** What the session has deferred. */
	readonly realiser: Realiser;
	readonly #starter: Starter;
	readonly #shown = new Map<ObjectHash, Shown>();
	#warnedUncaught = false;
	readonly #asked = new Set<string>();

	constructor(options: SessionOptions) {
		this.#o = options;
		this.#toolchains = new Toolchains({ ...options, objects: options.store.objects });
		this.#recorder = new Recorder(options);
		this.#probe = rememberSystem(options.probe, (path) => options.facts.isSystem(path));
		this.#clock = new FileClock(join(options.ggDir, "tmp"));
		this.#includes = new IncludeScanner({ ...options, core: (files) => new Scanner(files) });
		this.#tally = new ScanTally(options.sink);
		this.realiser = new Realiser(options);
		this.#starter = new Starter(options.tools);
	}

	/** The build command begins, with this environment: what it will probably need is looked at meanwhile. */
	begin(env: ReadonlyMap<string, string>): void {
		const path = this.#o.tools.withoutWrappers(env.get("PATH") ?? "");
		const real = this.#o.tools.find("gcc", path, "/");
		if (real !== undefined && this.#o.facts.isSystem(real) && !this.#starter.isScript(real))
			this.#toolchains.expect(toolRequest(real, path, { cwd: "/", env }, { family: "cc", helpers: [] }));
	}

	/** What of a thunk's output gg itself is to print: not what its shim does, or what the build throws away. */
	shown(hash: ObjectHash): Shown {
		return this.#shown.get(hash) ?? { stdout: true, stderr: true };
	}

	handle(connection: ShimConnection): void {
		this.#handle(connection).catch((error: unknown) => {
			// The command must not suffer from a fault of ours: it runs as it would without gg.
			if (errorCode(error) !== "") this.#recorder.warnStore(error);
			else {
				const message = `Internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
				this.#o.sink({ kind: "warning", failure: { reason: "internal", message } });
			}
			connection.finish({ kind: "exec", change: this.#starter.plain(connection.request) });
		});
	}

	/** The build asked for this command; known only if the session `remembers`. */
	wasAsked({ cwd, args }: Thunk): boolean {
		return this.#asked.has([cwd, ...args.slice(1)].join("\0"));
	}

	/** Writes what is remembered of the commands. */
	close(): void {
		this.#tally.close();
		this.#includes.close();
		this.#recorder.close();
		this.#clock.close();
	}

	async #handle(connection: ShimConnection): Promise<void> {
		const { request } = connection;
		const started = performance.now();
		if (this.#o.remembers === true) this.#asked.add([request.cwd, ...request.argv.slice(1)].join("\0"));
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
		const real = this.#starter.real(request, path);
		if (real === undefined) return this.#local(connection, started, local("no-model", "not found on PATH", []));
		const command: Command = { tool: request.tool, argv: request.argv, cwd: request.cwd, env: request.env };
		const planned = planCommand(command, this.#o.probe, this.#o.described);
		if (planned.kind === "local") return this.#local(connection, started, planned);
		const plan = withoutStalePwd(planned, request.cwd, request.env);
		const shared = sharedOutput(plan, request.cwd);
		if (shared !== undefined) return this.#local(connection, started, shared);
		// No two runs call it the same, so nothing of it would be found again.
		if (plan.family === "as" && plan.sources.some((s) => COMPILERS_OWN.test(s.path))) {
			this.#warnUncaught(request.parentExe);
			return this.#local(connection, started, local("no-model", `started by ${request.parentExe}`, plan.inputs));
		}
		const argv = [this.#starter.calledAs(request, real), ...request.argv.slice(1)];
		const generic = plan.family === "generic";
		if (!generic && this.#starter.isScript(real)) return this.#script(connection, started, real);
		if (generic && this.#observers.feeds(request))
			return this.#local(connection, started, local("stdin", "something is fed to it", plan.inputs));
		const unmade = generic ? await this.realiser.forceInputs([real], request.cwd) : undefined;
		if (unmade !== undefined) return connection.finish(unmade);
		const asks = toolRequest(real, path, request, plan);
		const tool = Toolchains.key(asks);
		const toolchain =
			this.#toolchains.known(tool, this.#o.facts.isSystem(real) ? undefined : this.#o.facts.get(real)?.hash) ??
			(await this.#toolchains.discover(tool, asks));
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
		const c: Case = {
			request,
			plan,
			real,
			path,
			argv,
			toolchain: generic ? { ...toolchain, path } : toolchain,
			started,
		};
		const found = this.#recorder.find(c);
		const defers = this.#defers(c);
		// A build that has the result needs no placeholder, which a program that gg does not catch might read.
		if (found !== undefined && !(defers && this.#o.mode === "infer")) {
			const result = loadResult(this.#o.store, found.hash);
			if (result !== undefined && this.#recorder.deliver(c, found.thunk, result)) {
				this.#tell(c, "cached", "", "", found.hash, 0);
				return connection.finish(replyOf(result, request));
			}
		}
		if (defers) return this.#defer(connection, c, found);
		if (this.#o.throughForcer && !this.#starter.isNamedThroughLink(c)) return this.#await(connection, c);
		await this.#runHere(connection, c);
	}

	/** Describes the command, has it forced, and answers with what it came to. */
	async #await(connection: ShimConnection, c: Case): Promise<void> {
		const described = await this.#describeAhead(c);
		if ("reason" in described) return this.#runHere(connection, c, described.reason, described.detail);
		this.#o.store.objects.put(described.bytes);
		this.#shown.set(described.hash, { stdout: false, stderr: false });
		const outcome = await this.#o.forcer.force(described.hash);
		const result = outcome.result;
		// It may be the description that is at fault: the command itself decides, and is watched.
		if (outcome.kind === "failed" && result !== undefined && result.signal === 0)
			return this.#runHere(connection, c, "sandbox", `it failed with what it declares: status ${result.status}`);
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
		if (!this.#recorder.deliver(c, described.thunk, outcome.result)) return this.#runHere(connection, c, "store");
		this.#tell(c, "ran", "", "", described.hash, 0);
		connection.finish(replyOf(outcome.result, c.request));
	}

	/** True when the answer may be given before the command has run. */
	#defers(c: Case): boolean {
		if (!this.realiser.mayDefer || !c.plan.deferrable) return false;
		const { mode, remote, slots } = this.#o;
		if (this.#starter.isNamedThroughLink(c)) return false;
		if (mode === "build" && !remote && slots <= 1) return false;
		if (this.#observers.sees(c.request, c.plan)) return false;
		// A placeholder would take the place of a real file, whose mode strip and ranlib keep.
		const replaced = c.plan.inout.map((path) => absolute(c.request.cwd, path));
		if (replaced.some((path) => isThere(path) && readPlaceholder(path) === undefined)) return false;
		if (c.plan.outputs.some((output) => outputMode(c, output) === undefined)) return false;
		// make would take a placeholder's text for rules, and ninja reads it when the command ends, and does nothing else then.
		const isWaitedFor = !this.#o.holdsReaders() || this.#observers.isNinja(c.request);
		if (isWaitedFor && c.plan.outputs.some(({ role }) => role === "late-depfile")) return false;
		if (mode === "infer") return true;
		// A build is to be what it is without gg, whoever reads its files.
		if (!this.#o.holdsReaders()) return false;
		if (remote) return true;
		// A build's own programs read what was linked (to sign, pack or measure it), hardly ever the objects.
		if (c.plan.stage === "link" || c.plan.stage === "generate") return false;
		return this.#observers.parallelism(c.request) < slots;
	}

	async #defer(connection: ShimConnection, c: Case, found: Found | undefined): Promise<void> {
		// The dependency file is part of what make sees at once.
		let depfiles: readonly WrittenDepfile[] | undefined =
			found === undefined || this.#o.verifyDeps ? undefined : this.#recorder.depfilesOf(c, found);
		let what: { readonly hash: ObjectHash; readonly thunk: Thunk } | undefined = found;
		const files: PlacedFile[] = [];
		if (depfiles === undefined || what === undefined) {
			const described = await this.#describeAhead(c);
			if ("reason" in described) {
				await this.#runHere(connection, c, described.reason, described.detail);
				return;
			}
			what = described;
			depfiles = described.depfiles;
			const file = this.#o.store.objects.prepare(described.hash, described.bytes);
			if (file !== undefined) files.push(file);
		}
		const { hash, thunk } = what;
		for (const { path, bytes, mode } of depfiles)
			files.push({ path, bytes, mode: mode ?? fileMode(path) ?? 0o666 & ~c.request.umask });
		for (const output of thunk.outputPaths) {
			const planned = c.plan.outputs.find((p) => p.tag === output.tag);
			if (planned === undefined || planned.role === "depfile") continue;
			const tag = output.tag === thunk.outputs[0] ? "" : output.tag;
			files.push(this.#o.placeholders.prepare(output.path, { hash, tag }, outputMode(c, planned)));
			this.realiser.meet();
		}
		const streams = this.#observers.streams(c.request);
		const shown = { stdout: streams.stdout === "shown", stderr: streams.stderr === "shown" };
		this.#shown.set(hash, shown);
		// For the forcer of another day.
		if (this.#o.mode === "infer") this.#o.placeholders.hide(hash, { stdout: !shown.stdout, stderr: !shown.stderr });
		this.#tell(c, "deferred", "", "", hash, 0);
		// Where nothing is forced meanwhile the shim can write them: making files is most of what an answer takes.
		if (this.#o.mode === "infer" && (await connection.place(files))) return;
		const unwritable = this.#writeAll(files);
		if (unwritable !== undefined) return this.#runHere(connection, c, "unsupported-output", unwritable);
		if (this.#o.mode === "build") this.realiser.inBackground(hash);
		connection.finish(SILENT_SUCCESS);
	}

	/** Returns the output that cannot be written: then no placeholder is left, and the tool itself is to say so. */
	#writeAll(files: readonly PlacedFile[]): string | undefined {
		for (const { path, bytes, mode } of files) {
			try {
				writeFileAtomic(path, bytes, mode);
			} catch (error) {
				if (errorCode(error) === "" || path.startsWith(`${this.#o.ggDir}/`)) throw error;
				for (const file of files) if (this.#o.placeholders.has(file.path)) this.#o.placeholders.remove(file.path);
				return path;
			}
		}
		return undefined;
	}

	/** Finds out what a command will read, without running it. */
	async #describeAhead(
		c: Case,
	): Promise<(Described & { readonly depfiles: readonly WrittenDepfile[] }) | { reason: string; detail: string }> {
		const discover = (): ReturnType<typeof discoverInputs> =>
			discoverInputs({
				command: { tool: c.request.tool, argv: c.argv, cwd: c.request.cwd, env: c.request.env },
				plan: c.plan,
				real: c.real,
				path: c.path,
				searchDirs: c.toolchain.searchDirs,
				spawner: this.#o.spawner,
				probe: this.#probe,
				viewLibrary: this.#o.viewLibrary,
				isPlaceholder: (path) => this.#o.placeholders.has(path),
				isSystem: (path) => this.#o.facts.isSystem(path),
				traceFile: this.#traceFile(),
				toolchain: c.toolchain,
				includes: this.#includes,
				verify: this.#o.verifyDeps,
				tally: this.#tally,
			});
		const again = this.#recorder.describeAgain(c, (...change) => this.#includes.areSame(...change));
		if (again !== undefined && !this.#o.verifyDeps) {
			this.#tally.kept();
			return again;
		}
		let inputs = await discover();
		const asked = new Set<string>();
		while ("reason" in inputs && inputs.needs !== undefined) {
			// One that stays a placeholder must not be asked for again and again.
			if (inputs.needs.every((path) => asked.has(path))) return inputs;
			for (const path of inputs.needs) asked.add(path);
			if ((await this.realiser.forceInputs(inputs.needs, c.request.cwd)) !== undefined) return inputs;
			inputs = await discover();
		}
		if ("reason" in inputs) return inputs;
		const described = this.#recorder.describe(c, inputs);
		if ("reason" in described) return described;
		if (again !== undefined && again.hash !== described.hash)
			this.#tally.differs(`${c.plan.outputs[0]?.path}: what an earlier scan had found is not what a new one finds`);
		return { ...described, depfiles: inputs.depfiles };
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
			path: this.#starter.startedBy(request, c.real),
			argv: c.argv,
			setenv: [
				...(request.env.has("PATH") ? [`PATH=${c.path}`] : []),
				...viewEnvironment(this.#o.viewLibrary, trace, undefined, request.env.get("LD_PRELOAD")),
				...(plan.family === "generic" ? [TRACE_LISTS] : []),
			],
			unsetenv: ["GG_SESSION"],
		};
		const startedAt = this.#clock.now();
		const report = await connection.run({ kind: "run", change, capture: true });
		const detours = new Map<string, string>();
		const seen = takeTrace(trace, makeCanonical(request.cwd, detours));
		if (report === undefined) return;
		const whole = plan.family === "generic" ? completeTrace(c, seen, this.#o) : { seen };
		const kept =
			"reason" in whole
				? whole
				: this.#recorder.keep(c, report, whole.seen, {
						before,
						early,
						startedAt,
						listed: { ...Object.fromEntries(detours), ...("listed" in whole ? whole.listed : {}) },
					});
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

	/** Says once that a compiler is called in a way that gg does not see. */
	#warnUncaught(compiler: string): void {
		if (this.#warnedUncaught) return;
		this.#warnedUncaught = true;
		const message = `the build calls ${compiler} by its full path: gg sees only its assembler, and keeps nothing of it`;
		const hint =
			"configure the build again with gg in front, as in `gg build cmake …`, or name the compiler without a path";
		this.#o.sink({ kind: "warning", failure: { reason: "uncaught-compiler", message, hint } });
	}

	/** Runs it for real, without a thunk, once the placeholders among its inputs are real. */
	async #local(connection: ShimConnection, started: number, plan: LocalPlan): Promise<void> {
		const { request } = connection;
		const unknown = plan.readsUnknown === true ? this.#o.placeholders.all() : this.realiser.below(plan, request.cwd);
		const failure = await this.realiser.forceInputs(plan.inputs, request.cwd);
		if (failure === undefined) await this.realiser.forceUnnamed(unknown);
		this.#tellLocal(request, started, plan.reason, plan.detail);
		connection.finish(failure ?? { kind: "exec", change: this.#starter.plain(request) });
	}

	/** A compiler that is a script starts others: those are caught, so it keeps the wrappers. */
	#script(connection: ShimConnection, started: number, real: string): void {
		const { request } = connection;
		this.#tellLocal(request, started, "no-model", `${real} is a script`);
		const called = request.asked === real ? request.argv[0]! : real;
		const change = {
			path: this.#starter.startedBy(request, real),
			argv: [called, ...request.argv.slice(1)],
			setenv: [],
			unsetenv: [],
		};
		connection.finish({ kind: "exec", change });
	}

	/** A program that is itself a placeholder was started: `gg-force-and-run FILE ARGS…`. */
	async #forceAndRun(connection: ShimConnection, started: number): Promise<void> {
		const { request } = connection;
		const file = request.argv[1];
		if (file === undefined) return connection.finish(fail(`${FORCE_AND_RUN}: no file was named\n`));
		const failure = await this.realiser.forceInputs([file], request.cwd);
		if (failure !== undefined) return connection.finish(failure);
		this.#tellLocal(request, started, "program", "a program that was inferred is started");
		const change = { path: absolute(request.cwd, file), argv: request.argv.slice(1), setenv: [], unsetenv: [] };
		connection.finish({ kind: "exec", change });
	}

	/** Forces what a command that is to run here may read, the files that it finds by itself too. `reason`: why it runs here. */
	async #forceReads(c: Case, reason: string): Promise<ShimReply | undefined> {
		const { plan, request } = c;
		const named = [...plan.inputs, ...plan.inout, ...plan.sources.map((s) => s.path)];
		const failure = await this.realiser.forceInputs(named, request.cwd);
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
		// Its own outputs are what an earlier run of it has left.
		const own = new Set(plan.outputs.map((output) => absolute(request.cwd, output.path)));
		await this.realiser.forceUnnamed(this.#o.placeholders.all().filter((path) => !own.has(path)));
		return undefined;
	}

	#traceFile(): string {
		traces += 1;
		return join(this.#o.traceFolder, `t${traces}`);
	}

	#tellLocal(request: ShimRequest, started: number, reason: string, detail: string): void {
		this.#o.sink(localEvent(request, started, reason, detail));
	}

	#tell(c: Case, how: CommandEvent["how"], reason: string, detail: string, thunk: string, status: number): void {
		this.#o.sink({ ...eventOf(c), how, reason, detail, thunk, status, ms: performance.now() - c.started });
	}
}

function local(reason: LocalPlan["reason"], detail: string, inputs: readonly string[]): LocalPlan {
	return { kind: "local", reason, detail, inputs };
}
