import { failure, storeFailure } from "../forcer/failures.js";
import type { ForceOutcome, Forcer, NotForced } from "../forcer/forcer.js";
import type { LocalPlan } from "../models/types.js";
import type { Sink } from "../report/events.js";
import type { LocalObjects } from "../store/local.js";
import { type Placeholders, readPlaceholder } from "../store/placeholders.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { followLinks, isThere } from "../util/paths.js";
import { absolute } from "./describe.js";
import { ownPace } from "./pace.js";
import type { ShimReply } from "./protocol.js";
import { fail, SILENT_FAILURE } from "./replies.js";

export interface RealiserOptions {
	/** `infer` forces only what is read. */
	readonly mode: "infer" | "build";
	readonly store: Store & { readonly objects: LocalObjects };
	readonly placeholders: Placeholders;
	readonly forcer: Forcer;
	/** Puts one output of a forced thunk at `path`, where a placeholder for it stands. */
	readonly placeAt: (path: string, outcome: ForceOutcome & { kind: "forced" }, tag: string) => void;
	readonly sink: Sink;
}

const DEPFILE = "depfile";

/** The thunk does not hold any more: what it reads is not what it was. That says nothing of other thunks. */
export const isStale = ({ failure }: NotForced): boolean =>
	/^(?:input-changed|input-missing|tool-changed)$/.test(failure?.reason ?? "");

/** Makes placeholders real while a build runs: all of them beside it, or those that something is about to read. */
export class Realiser {
	readonly #o: RealiserOptions;
	readonly #pending = new Map<Promise<ForceOutcome>, ObjectHash>();
	/** How fast what was deferred is sent to servers. */
	readonly pace = ownPace();
	/** Programs that wait for what they read. */
	readonly #readers = new Set<Promise<boolean>>();
	/** Thunks that the build has had forced beside it. */
	readonly #deferred = new Set<ObjectHash>();
	/** Thunks of an earlier gg, forced beside this one. */
	readonly #adopted = new Set<ObjectHash>();
	/** Thunks for which this gg has put placeholders. */
	readonly #promised = new Set<ObjectHash>();
	/** Where a placeholder stood of what could not be made. */
	readonly #unmade = new Set<string>();
	/** A placeholder may be met: the build can move and copy those that stood once. */
	#met: boolean;
	#depfilesAdopted = false;
	/** After a deferred command has failed, nothing more is deferred: make is to see its own failures. */
	#deferring = true;

	constructor(options: RealiserOptions) {
		this.#o = options;
		this.#met = options.placeholders.size > 0;
	}

	/** None of the deferred commands has failed so far. */
	get mayDefer(): boolean {
		return this.#deferring;
	}

	/** A placeholder is about to stand. */
	meet(hash: ObjectHash): void {
		this.#met = true;
		this.#promised.add(hash);
	}

	/** Makes real what an earlier infer left: a build leaves no placeholder. */
	adopt(): void {
		for (const path of this.#o.placeholders.all()) {
			const placeholder = readPlaceholder(path);
			if (placeholder !== undefined) this.#adopt(placeholder.hash);
			else this.#o.placeholders.forget(path);
		}
	}

	/** What of it holds no more is no failure of this build, if that makes it anew. */
	#adopt(hash: ObjectHash): void {
		if (this.#adopted.has(hash)) return;
		this.#adopted.add(hash);
		this.#pending.set(this.#o.forcer.force(hash), hash);
	}

	/** A program of the build asks for a file's content. False: it is a placeholder, and cannot be made real. */
	makeReal(path: string): Promise<boolean> {
		const made = this.#content(path).finally(() => this.#readers.delete(made));
		this.#readers.add(made);
		return made;
	}

	async #content(path: string): Promise<boolean> {
		const standing = readPlaceholder(path);
		// One that another gg has left here is that one's.
		if (standing === undefined || this.#o.store.objects.get(standing.hash) === undefined) return true;
		this.#met = true;
		const warn = (why: string): void => {
			const message = `${path}, which a program reads, could not be made:\n${why.trimEnd()}`;
			this.#o.sink({ kind: "warning", failure: { reason: "failed", message } });
		};
		try {
			const failure = await this.forceInputs([path], "/");
			if (failure === undefined && readPlaceholder(path) === undefined) return true;
			if (failure === undefined) warn("it is still a placeholder");
			else if (failure !== SILENT_FAILURE && failure.kind === "exit") warn(Buffer.from(failure.stderr).toString());
		} catch (error) {
			warn(`gg: ${error instanceof Error ? error.message : String(error)}`);
		}
		return false;
	}

	/**
	 * Resolves when all that was deferred has been forced, and nobody waits for it, as a process that the build command has left
	 * behind may do; the outcomes that failed.
	 */
	async settle(): Promise<NotForced[]> {
		const failed: NotForced[] = [];
		const adopted: [ObjectHash, NotForced][] = [];
		while (this.pace.release() || this.#pending.size + this.#readers.size > 0) {
			await Promise.all(this.#readers);
			for (const [promise, hash] of [...this.#pending]) {
				const outcome = await promise;
				this.#pending.delete(promise);
				if (outcome.kind !== "failed") continue;
				if (this.#adopted.has(hash)) adopted.push([hash, outcome]);
				else failed.push(outcome);
			}
		}
		if (adopted.length === 0) return failed;
		const standing = new Set(this.#o.placeholders.all().map((path) => readPlaceholder(path)?.hash));
		for (const [hash, outcome] of adopted) if (standing.has(hash)) failed.push(outcome);
		return failed;
	}

	/** Has a thunk forced beside the build: at once or, where that is far from here, when there is time for it. */
	inBackground(hash: ObjectHash, thunk: Thunk): void {
		this.#deferred.add(hash);
		const weight = this.#o.forcer.weigh(thunk);
		if (weight === undefined) this.#begin(hash, thunk);
		// What it needs would begin with it.
		else this.pace.hold(thunk.thunks.length > 0 ? -1 : weight, () => this.#begin(hash, thunk));
	}

	#begin(hash: ObjectHash, thunk: Thunk): void {
		this.#o.forcer.know(hash, thunk);
		let promise: Promise<ForceOutcome>;
		try {
			promise = this.#o.forcer.force(hash);
		} catch (error) {
			// Its answer was given before, so that nobody else would hear of it.
			promise = Promise.resolve(failure(hash, thunk, storeFailure(error)));
		}
		this.#pending.set(promise, hash);
		void promise.then((outcome) => {
			if (outcome.kind === "failed") this.#deferring = false;
		});
	}

	/** The placeholders in folders that a program without a model is given: tar and its like take all that lies there. */
	below(plan: LocalPlan, cwd: string): string[] {
		if (!this.#met || plan.reason !== "no-model") return [];
		const folders = plan.inputs.map((input) => `${followLinks(absolute(cwd, input)).replace(/\/$/, "")}/`);
		return this.#o.placeholders.all().filter((path) => folders.some((folder) => path.startsWith(folder)));
	}

	/**
	 * Makes real what a command might read that does not name it, so far as that can be. Another command's failure is none of
	 * this one, or make would take what its recipe left for done.
	 */
	async forceUnnamed(paths: readonly string[]): Promise<void> {
		const made = paths.map(async (path) => ({ path, outcome: await this.#realise(path) }));
		for (const { path, outcome } of await Promise.all(made)) {
			if (outcome !== SILENT_FAILURE && outcome?.kind !== "failed") continue;
			// Under infer that is for `gg force` to show.
			if (this.#o.mode === "infer") continue;
			// In a build it is on its way to be real, and make alone would not have left it.
			this.#deferring = false;
			if (readPlaceholder(path) === undefined) continue;
			this.#o.placeholders.remove(path);
			this.#unmade.add(path);
		}
	}

	/** Puts the real file where a placeholder stands; undefined where none does. */
	async #realise(path: string): Promise<ForceOutcome | typeof SILENT_FAILURE | undefined> {
		const placeholder = readPlaceholder(path);
		if (placeholder === undefined) return undefined;
		// A moved placeholder is known from here on.
		this.#o.placeholders.note(path);
		const isOldDepfile = placeholder.tag === DEPFILE && !this.#promised.has(placeholder.hash);
		if (isOldDepfile) this.#adoptDepfiles();
		const outcome = await this.#o.forcer.force(placeholder.hash);
		// It may stand elsewhere than where the thunk writes.
		if (outcome.kind === "forced") {
			// Another command may have promised the file anew meanwhile (`ar r` after `ar r`): that promise stands.
			if (readPlaceholder(path)?.hash === placeholder.hash) this.#o.placeAt(path, outcome, placeholder.tag);
			// It may be the same file by another name, below a container's root.
			if (readPlaceholder(path) === undefined) this.#o.placeholders.forget(path);
		} else if (isOldDepfile && outcome.failure?.reason !== "cancelled") {
			this.#withdraw(path, placeholder.hash);
			return undefined;
		} else if (this.#deferred.has(placeholder.hash)) return SILENT_FAILURE;
		return outcome;
	}

	/** make reads all of its depfiles, one after the other. */
	#adoptDepfiles(): void {
		if (this.#depfilesAdopted) return;
		this.#depfilesAdopted = true;
		for (const path of this.#o.placeholders.all()) {
			const placeholder = readPlaceholder(path);
			if (placeholder?.tag === DEPFILE && !this.#promised.has(placeholder.hash)) this.#adopt(placeholder.hash);
		}
	}

	/**
	 * make is about to read a list of dependencies that an earlier gg has promised and that cannot be made, as when a source has
	 * been edited since. Without the list it would not know that the command must run again: what the command makes is gone, too.
	 */
	#withdraw(path: string, hash: ObjectHash): void {
		const thunk = this.#o.forcer.thunk(hash);
		const made = "reason" in thunk ? [] : thunk.outputPaths.map((output) => output.path);
		for (const name of [path, ...made]) {
			if (readPlaceholder(name) !== undefined) this.#o.placeholders.remove(name);
		}
	}

	/** Forces the placeholders among files that a command will read; a reply when one of them fails. */
	async forceInputs(inputs: readonly string[], cwd: string): Promise<ShimReply | undefined> {
		if (!this.#met) return undefined;
		const paths = new Set<string>();
		for (const input of inputs) {
			// A library's plain name is a link to the one with a version.
			const path = followLinks(absolute(cwd, input));
			if (this.#o.placeholders.has(path) || readPlaceholder(path) !== undefined) paths.add(path);
			// What would miss it has nothing of its own to say: make is given the failed command itself again, and that shows why.
			else if (this.#unmade.has(path) && !isThere(path)) return SILENT_FAILURE;
		}
		const outcomes = await Promise.all([...paths].map((path) => this.#realise(path)));
		for (const outcome of outcomes) {
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
}
