import { join } from "node:path";
import { TRACE_LISTS, takeTrace, viewEnvironment } from "../executor/observe.js";
import type { ObjectHash } from "../thunk/hash.js";
import { makeCanonical } from "../util/paths.js";
import type { Ahead } from "./ahead.js";
import type { Case } from "./case.js";
import { absolute } from "./describe.js";
import { commandEvent } from "./events.js";
import { FileClock } from "./file-clock.js";
import { completeTrace } from "./generic-trace.js";
import type { ExecChange, ShimReply } from "./protocol.js";
import type { Realiser } from "./realiser.js";
import type { Recorder } from "./recorder.js";
import type { ShimConnection } from "./server.js";
import type { SessionOptions } from "./session-options.js";
import type { Starter } from "./starter.js";

export interface WatchedRunOptions extends SessionOptions {
	readonly ahead: Ahead;
	readonly recorder: Recorder;
	readonly realiser: Realiser;
	readonly starter: Starter;
	/** A free name. */
	readonly traceFile: () => string;
}

const EMPTY = Buffer.alloc(0);

/** Runs commands in their shims' places and finds out what they read and write. */
export class WatchedRun {
	readonly #o: WatchedRunOptions;
	readonly #clock: FileClock;

	constructor(options: WatchedRunOptions) {
		this.#o = options;
		this.#clock = new FileClock(join(options.ggDir, "tmp"));
	}

	close(): void {
		this.#clock.close();
	}

	/** Runs the command in the shim's place, watched, and keeps what it came to. */
	async run(connection: ShimConnection, c: Case, reason = "", detail = ""): Promise<void> {
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
		const trace = this.#o.traceFile();
		const change: ExecChange = {
			path: this.#o.starter.startedBy(request, c.real),
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
				: this.#o.recorder.keep(c, report, whole.seen, {
						before,
						early,
						startedAt,
						listed: { ...Object.fromEntries(detours), ...("listed" in whole ? whole.listed : {}) },
					});
		const { status } = report;
		this.#o.sink(
			"hash" in kept
				? commandEvent(c, "ran", { reason, detail, thunk: kept.hash, status })
				: commandEvent(c, "unrecorded", { reason: reason || kept.reason, detail: detail || kept.detail, status }),
		);
		connection.finish({ kind: "exit", status: report.status, signal: report.signal, stdout: EMPTY, stderr: EMPTY });
	}

	/** Forces what a command that is to run here may read, the files that it finds by itself too. `reason`: why it runs here. */
	async #forceReads(c: Case, reason: string): Promise<ShimReply | undefined> {
		const { plan, request } = c;
		const named = [...plan.inputs, ...plan.inout, ...plan.sources.map((s) => s.path)];
		const failure = await this.#o.realiser.forceInputs(named, request.cwd);
		if (failure !== undefined || this.#o.placeholders.size === 0 || plan.discovery.kind === "none") return failure;
		if (this.#o.mode === "infer") {
			let unknown = reason;
			if (unknown === "") {
				const described = await this.#o.ahead.describe(c);
				if ("reason" in described) unknown = described.reason;
			}
			// Found without reading a placeholder, or not to be found by the command either.
			if (["", "scan-failed", "no-input-file", "time-macro"].includes(unknown)) return undefined;
		}
		// Its own outputs are what an earlier run of it has left.
		const own = new Set(plan.outputs.map((output) => absolute(request.cwd, output.path)));
		await this.#o.realiser.forceUnnamed(this.#o.placeholders.all().filter((path) => !own.has(path)));
		return undefined;
	}
}
