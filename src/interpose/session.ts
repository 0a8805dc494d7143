import { join } from "node:path";
import { loadResult } from "../executor/results.js";
import { planCommand } from "../models/index.js";
import type { Command, LocalPlan } from "../models/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { errorCode } from "../util/files.js";
import { Ahead } from "./ahead.js";
import type { Case } from "./case.js";
import { Deferral } from "./deferral.js";
import { absolute } from "./describe.js";
import { commandEvent, localEvent } from "./events.js";
import { Observers } from "./observers.js";
import type { ShimRequest } from "./protocol.js";
import { Realiser } from "./realiser.js";
import { Recorder } from "./recorder.js";
import { fail, replyOf } from "./replies.js";
import type { ShimConnection } from "./server.js";
import type { SessionOptions, Shown } from "./session-options.js";
import { sharedOutput } from "./shared-output.js";
import { withoutStalePwd } from "./spelled-directory.js";
import { Starter } from "./starter.js";
import { Toolchains, toolRequest } from "./toolchains.js";
import { FORCE_AND_RUN } from "./tools.js";
import { WatchedRun } from "./watched-run.js";

/** What a compiler driver calls the text that it hands to the assembler. */
const COMPILERS_OWN = /\/cc[A-Za-z0-9]{6}\.s$/;
let traces = 0;

/** Answers the shims of one build. */
export class Session {
	readonly #o: SessionOptions;
	readonly #toolchains: Toolchains;
	readonly #recorder: Recorder;
	readonly #ahead: Ahead;
	readonly #deferral: Deferral;
	readonly #watched: WatchedRun;
	readonly #observers = new Observers();
	/** What the session has deferred. */
	readonly realiser: Realiser;
	readonly #starter: Starter;
	readonly #shown = new Map<ObjectHash, Shown>();
	#warnedUncaught = false;
	#hasBegun = false;
	readonly #asked = new Set<string>();

	constructor(options: SessionOptions) {
		this.#o = options;
		this.#toolchains = new Toolchains({ ...options, objects: options.store.objects });
		this.#recorder = new Recorder(options);
		this.realiser = new Realiser(options);
		this.#starter = new Starter(options.tools);
		const traceFile = (): string => {
			traces += 1;
			return join(options.traceFolder, `t${traces}`);
		};
		const parts = { recorder: this.#recorder, realiser: this.realiser, starter: this.#starter, traceFile };
		this.#ahead = new Ahead({ ...options, ...parts });
		const show = (hash: ObjectHash, shown: Shown): void => void this.#shown.set(hash, shown);
		const ahead = this.#ahead;
		this.#deferral = new Deferral({ ...options, ...parts, ahead, observers: this.#observers, show });
		this.#watched = new WatchedRun({ ...options, ...parts, ahead });
	}

	/** The build command begins, with this environment: what it will probably need is looked at meanwhile. */
	begin(env: ReadonlyMap<string, string>): void {
		this.#expect("gcc", "cc", this.#o.tools.withoutWrappers(env.get("PATH") ?? ""), env);
	}

	#expect(tool: string, family: "cc" | "ar", path: string, env: ReadonlyMap<string, string>): void {
		const real = this.#o.tools.find(tool, path, "/");
		if (real !== undefined && this.#o.facts.isSystem(real) && !this.#starter.isScript(real))
			void this.#toolchains.expect(toolRequest(real, path, { cwd: "/", env }, { family, helpers: [] }));
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
		this.#ahead.close();
		this.#recorder.close();
		this.#watched.close();
	}

	async #handle(connection: ShimConnection): Promise<void> {
		const { request } = connection;
		const started = performance.now();
		this.realiser.pace.asked();
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
		// Most builds end with an archive or a link: all that binutils loads is read while there is something to compile.
		if (!this.#hasBegun && plan.family === "cc") {
			this.#hasBegun = true;
			this.#expect("ar", "ar", path, request.env);
		}
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
		const defers = this.#deferral.defers(c);
		// A build that has the result needs no placeholder, which a program that gg does not catch might read.
		if (found !== undefined && !(defers && this.#o.mode === "infer")) {
			const result = loadResult(this.#o.store, found.hash);
			if (result !== undefined && this.#recorder.deliver(c, found.thunk, result)) {
				this.#o.sink(commandEvent(c, "cached", { thunk: found.hash }));
				this.realiser.pace.answered();
				return connection.finish(replyOf(result, request));
			}
		}
		if (defers) {
			const trouble = await this.#deferral.defer(connection, c, found);
			if (trouble !== undefined) await this.#watched.run(connection, c, trouble.reason, trouble.detail);
			return;
		}
		if (this.#o.throughForcer && !this.#starter.isNamedThroughLink(c)) return this.#await(connection, c);
		await this.#watched.run(connection, c);
	}

	/** Describes the command, has it forced, and answers with what it came to. */
	async #await(connection: ShimConnection, c: Case): Promise<void> {
		const described = await this.#ahead.describe(c);
		if ("reason" in described) return this.#watched.run(connection, c, described.reason, described.detail);
		this.#o.store.objects.put(described.bytes);
		this.#shown.set(described.hash, { stdout: false, stderr: false });
		const outcome = await this.#o.forcer.force(described.hash);
		const result = outcome.result;
		// It may be the description that is at fault: the command itself decides, and is watched.
		if (outcome.kind === "failed" && result !== undefined && result.signal === 0)
			return this.#watched.run(connection, c, "sandbox", `it failed with what it declares: status ${result.status}`);
		if (outcome.kind === "failed") {
			const detail = outcome.failure?.message ?? `status ${result?.status}`;
			const event = { reason: "failed", detail, thunk: described.hash, status: result?.status ?? 1 };
			this.#o.sink(commandEvent(c, "unrecorded", event));
			if (result !== undefined) return connection.finish(replyOf(result, c.request));
			const { message, hint } = outcome.failure ?? { message: "it failed" };
			return connection.finish(fail(`gg: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`));
		}
		if (!this.#recorder.deliver(c, described.thunk, outcome.result)) return this.#watched.run(connection, c, "store");
		this.#o.sink(commandEvent(c, "ran", { thunk: described.hash }));
		connection.finish(replyOf(outcome.result, c.request));
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

	#tellLocal(request: ShimRequest, started: number, reason: string, detail: string): void {
		this.#o.sink(localEvent(request, started, reason, detail));
	}
}

function local(reason: LocalPlan["reason"], detail: string, inputs: readonly string[]): LocalPlan {
	return { kind: "local", reason, detail, inputs };
}
