import { loadResult } from "../executor/results.js";
import { readPlaceholder } from "../store/placeholders.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { errorCode, modeOf as fileMode, writeFileAtomic } from "../util/files.js";
import { isThere } from "../util/paths.js";
import type { Ahead } from "./ahead.js";
import type { Case } from "./case.js";
import { absolute } from "./describe.js";
import { commandEvent } from "./events.js";
import type { Found } from "./lookup.js";
import type { Observers } from "./observers.js";
import { outputMode } from "./output-mode.js";
import { type PlacedFile, SILENT_SUCCESS } from "./protocol.js";
import type { Realiser } from "./realiser.js";
import type { Recorder } from "./recorder.js";
import type { WrittenDepfile } from "./scan.js";
import type { ShimConnection } from "./server.js";
import type { SessionOptions, Shown } from "./session-options.js";
import type { Starter } from "./starter.js";

export interface DeferralOptions extends SessionOptions {
	readonly ahead: Ahead;
	readonly recorder: Recorder;
	readonly realiser: Realiser;
	readonly starter: Starter;
	readonly observers: Observers;
	/** What of a thunk's output gg itself is to print. */
	readonly show: (hash: ObjectHash, shown: Shown) => void;
}

interface NotDeferred {
	readonly reason: string;
	readonly detail: string;
}

/** Answers commands before they have run, with placeholders. */
export class Deferral {
	readonly #o: DeferralOptions;

	constructor(options: DeferralOptions) {
		this.#o = options;
	}

	/** True when the answer may be given before the command has run. */
	defers(c: Case): boolean {
		if (!this.#o.realiser.mayDefer || !c.plan.deferrable) return false;
		const { mode, remote, slots } = this.#o;
		if (this.#o.starter.isNamedThroughLink(c)) return false;
		if (mode === "build" && !remote && slots <= 1) return false;
		if (this.#o.observers.sees(c.request, c.plan)) return false;
		// A placeholder would take the place of a real file, whose mode strip and ranlib keep.
		const replaced = c.plan.inout.map((path) => absolute(c.request.cwd, path));
		if (replaced.some((path) => isThere(path) && readPlaceholder(path) === undefined)) return false;
		if (c.plan.outputs.some((output) => outputMode(c, output) === undefined)) return false;
		// make would take a placeholder's text for rules, and ninja reads it when the command ends, and does nothing else then.
		const isRead = c.plan.outputs.some(({ role }) => role === "late-depfile");
		if (isRead && (!this.#o.holdsReaders() || this.#o.observers.isNinja(c.request))) return false;
		if (mode === "infer") return true;
		// A build is to be what it is without gg, whoever reads its files.
		if (!this.#o.holdsReaders()) return false;
		if (remote) return true;
		// A build's own programs read what was linked (to sign, pack or measure it), hardly ever the objects.
		if (c.plan.stage === "link" || c.plan.stage === "generate") return false;
		return this.#o.observers.parallelism(c.request) < slots;
	}

	/**
	 * Answers the shim with placeholders. `found`: its thunk, as an earlier build knew it. Returns why the command must run
	 * here instead; nothing of it stands in the tree then.
	 */
	async defer(connection: ShimConnection, c: Case, found: Found | undefined): Promise<NotDeferred | undefined> {
		// The dependency file is part of what make sees at once.
		let depfiles: readonly WrittenDepfile[] | undefined =
			found === undefined || this.#o.verifyDeps || !this.#keeps(found)
				? undefined
				: this.#o.recorder.depfilesOf(c, found);
		let what: { readonly hash: ObjectHash; readonly thunk: Thunk } | undefined = found;
		const files: PlacedFile[] = [];
		if (depfiles === undefined || what === undefined) {
			const described = await this.#o.ahead.describe(c);
			if ("reason" in described) return described;
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
			this.#o.realiser.meet(hash);
		}
		const streams = this.#o.observers.streams(c.request);
		const shown: Shown = { stdout: streams.stdout === "shown", stderr: streams.stderr === "shown" };
		this.#o.show(hash, shown);
		// For the forcer of another day.
		if (this.#o.mode === "infer") this.#o.placeholders.hide(hash, { stdout: !shown.stdout, stderr: !shown.stderr });
		this.#o.sink(commandEvent(c, "deferred", { thunk: hash }));
		// Where nothing is forced meanwhile the shim can write them: making files is most of what an answer takes.
		if (this.#o.mode === "infer" && (await connection.place(files))) return undefined;
		const unwritable = this.#writeAll(files);
		if (unwritable !== undefined) return { reason: "unsupported-output", detail: unwritable };
		if (this.#o.mode === "build") this.#o.realiser.inBackground(hash, thunk);
		connection.finish(SILENT_SUCCESS);
		this.#o.realiser.pace.answered();
		return undefined;
	}

	/** Who has its result does not need what it reads. */
	#keeps(found: Found): boolean {
		return loadResult(this.#o.store, found.hash) !== undefined || this.#o.recorder.keepInputs(found);
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
}
