import { randomUUID } from "node:crypto";
import { CODE, RemoteError } from "../reapi/errors.js";
import {
	type ActionResult,
	type Digest,
	EXECUTE_METADATA,
	EXECUTE_RESPONSE,
	type Operation,
} from "../reapi/messages.js";

/** Of ExecutionStage. */
const STAGE = { queued: 2, executing: 3, completed: 4 } as const;
/** Milliseconds for which a client that lost its stream can still ask what became of an action. */
const REMEMBERED_MS = 300_000;
/** Milliseconds for which an action goes on without anybody waiting for it: a stream that broke off comes again. */
const ALONE_MS = 20_000;

export type Listener = (operation: Operation) => void;

interface Entry {
	readonly name: string;
	readonly digest: Digest;
	readonly listeners: Set<Listener>;
	/** Ends it: nobody has waited for it for a while. */
	readonly given: AbortController;
	/** Stops the wait for somebody to come back. */
	stay: (() => void) | undefined;
	last: Operation;
}

export interface Work {
	readonly digest: Digest;
	/** After the signal its end matters to nobody. */
	readonly run: (signal: AbortSignal) => Promise<{ readonly result: ActionResult; readonly cached: boolean }>;
	/** Equal actions are run once, unless one must not be shared. */
	readonly shared: boolean;
}

/** Actions that wait, run, or have ended a while ago. */
export class Operations {
	readonly #jobs: number;
	readonly #byName = new Map<string, Entry>();
	readonly #byAction = new Map<string, Entry>();
	#queue: { entry: Entry; work: Work }[] = [];
	readonly #after: (ms: number, then: () => void) => () => void;
	#running = 0;
	#closing: (() => void) | undefined;

	/** `after`: calls back after so many milliseconds, unless what it answers is called before. */
	constructor(jobs: number, after: (ms: number, then: () => void) => () => void = timer) {
		this.#jobs = jobs;
		this.#after = after;
	}

	get running(): number {
		return this.#running;
	}

	get queued(): number {
		return this.#queue.length;
	}

	/** Starts it, or joins the same action that is under way; the listener is told at once and at each change. */
	start(work: Work, listener: Listener): () => void {
		if (this.#closing !== undefined) throw new RemoteError(CODE.UNAVAILABLE, "this worker is shutting down");
		const known = work.shared ? this.#byAction.get(work.digest.hash) : undefined;
		if (known !== undefined) return this.#listen(known, listener);
		const name = `operations/${randomUUID()}`;
		const entry: Entry = {
			name,
			digest: work.digest,
			listeners: new Set(),
			given: new AbortController(),
			stay: undefined,
			last: stage(name, work.digest, STAGE.queued),
		};
		this.#byName.set(name, entry);
		if (work.shared) this.#byAction.set(work.digest.hash, entry);
		const stop = this.#listen(entry, listener);
		this.#queue.push({ entry, work });
		this.#next();
		return stop;
	}

	/** Undefined for an operation that is not known. */
	wait(name: string, listener: Listener): (() => void) | undefined {
		const entry = this.#byName.get(name);
		return entry === undefined ? undefined : this.#listen(entry, listener);
	}

	/** Takes nothing more; resolves when all that was taken has ended. */
	drain(): Promise<void> {
		return new Promise((resolve) => {
			this.#closing = resolve;
			if (this.#running === 0 && this.#queue.length === 0) resolve();
		});
	}

	#listen(entry: Entry, listener: Listener): () => void {
		entry.stay?.();
		entry.stay = undefined;
		entry.listeners.add(listener);
		listener(entry.last);
		return () => {
			if (!entry.listeners.delete(listener) || entry.listeners.size > 0 || entry.last.done) return;
			entry.stay = this.#after(ALONE_MS, () => this.#give(entry));
		};
	}

	/** All who waited for it have gone, and not come back: it is ended, and forgotten. */
	#give(entry: Entry): void {
		if (entry.last.done) return;
		this.#queue = this.#queue.filter((waiting) => waiting.entry !== entry);
		this.#byName.delete(entry.name);
		if (this.#byAction.get(entry.digest.hash) === entry) this.#byAction.delete(entry.digest.hash);
		entry.given.abort();
		if (this.#running === 0 && this.#queue.length === 0) this.#closing?.();
	}

	#next(): void {
		while (this.#running < this.#jobs) {
			const next = this.#queue.shift();
			if (next === undefined) return;
			this.#running += 1;
			void this.#run(next.entry, next.work);
		}
	}

	async #run(entry: Entry, work: Work): Promise<void> {
		this.#tell(entry, stage(entry.name, entry.digest, STAGE.executing));
		let response: Buffer;
		try {
			const { result, cached } = await work.run(entry.given.signal);
			response = EXECUTE_RESPONSE.encode({ result, cachedResult: cached, message: "" });
		} catch (error) {
			const failure = error instanceof RemoteError ? error : internal(error);
			response = EXECUTE_RESPONSE.encode({ cachedResult: false, status: failure.status, message: "" });
		}
		if (this.#byAction.get(entry.digest.hash) === entry) this.#byAction.delete(entry.digest.hash);
		this.#running -= 1;
		this.#tell(entry, {
			...stage(entry.name, entry.digest, STAGE.completed),
			done: true,
			response: { typeUrl: "type.googleapis.com/build.bazel.remote.execution.v2.ExecuteResponse", value: response },
		});
		entry.listeners.clear();
		setTimeout(() => this.#byName.delete(entry.name), REMEMBERED_MS).unref();
		this.#next();
		if (this.#running === 0 && this.#queue.length === 0) this.#closing?.();
	}

	#tell(entry: Entry, operation: Operation): void {
		entry.last = operation;
		for (const listener of entry.listeners) listener(operation);
	}
}

function timer(ms: number, then: () => void): () => void {
	const running = setTimeout(then, ms).unref();
	return () => clearTimeout(running);
}

function stage(name: string, actionDigest: Digest, value: number): Operation {
	return {
		name,
		done: false,
		metadata: {
			typeUrl: "type.googleapis.com/build.bazel.remote.execution.v2.ExecuteOperationMetadata",
			value: EXECUTE_METADATA.encode({ stage: value, actionDigest }),
		},
	};
}

/** What went wrong here; the text may hold paths of this machine, and no more. */
export function internal(error: unknown): RemoteError {
	const code =
		error instanceof Error && "code" in error && error.code === "ENOSPC" ? CODE.RESOURCE_EXHAUSTED : CODE.INTERNAL;
	return new RemoteError(code, error instanceof Error ? error.message : String(error));
}
