import { Worker } from "node:worker_threads";
import type { FileFact } from "../store/filefacts.js";
import { IncludesReader, type WireIncludes } from "./scan-wire.js";
import type { KnownCompiler, ScanJob, Scanned } from "./source-scan.js";

/** What a thread needs to know: plain data. */
export interface ThreadSetup {
	readonly ggDir: string;
	/** Of the tree that the system's folders are told from. */
	readonly root: string;
	/** Of file facts, which a thread reads and does not write. */
	readonly indexes: { readonly projectIndex: string; readonly userIndex: string };
	/** The compiled addon of src/util/addon.ts. */
	readonly addon: string | undefined;
}

export type ToThread =
	| { readonly kind: "compiler"; readonly compiler: KnownCompiler }
	| { readonly kind: "scan"; readonly id: number; readonly compiler: number; readonly job: ScanJob }
	| { readonly kind: "close" };

export type FromThread = { readonly id: number } & (
	| Exclude<Scanned, { readonly kind: "scanned" }>
	| { readonly kind: "scanned"; readonly found: WireIncludes }
);

export interface ScanThreadsOptions extends ThreadSetup {
	/** At most so many; 0: none. */
	readonly most: number;
	/** Told what a thread has found out of a file, once for each of its states. */
	readonly onFact: (path: string, fact: FileFact) => void;
}

/** The thread's program in the bundle, beside this file's; put here when that is made. */
declare const SCAN_THREAD: string;
const PROGRAM = typeof SCAN_THREAD === "string" ? SCAN_THREAD : "./scan-thread.js";

/** So many scans are made where they are asked for before a thread is worth its start, and so many before a second one is. */
const ALONE = 3;
const SECOND = 30;

/**
 * Threads that scan sources, each with what it knows of headers: while they do, gg answers other commands. What goes wrong in
 * one is left to whoever asked: he scans himself.
 */
export class ScanThreads {
	readonly #o: ScanThreadsOptions;
	readonly #threads: Thread[] = [];
	#asked = 0;
	#answered = 0;
	#isClosed = false;

	constructor(options: ScanThreadsOptions) {
		this.#o = options;
	}

	/** Many sources will probably have to be scanned. */
	expect(): void {
		if (this.#threads.length === 0) this.#start();
	}

	/** Scans that were made by threads. */
	get answered(): number {
		return this.#answered;
	}

	/** Undefined: it is to be scanned where it is asked for. Of what waits when the threads are closed nothing is heard. */
	async scan(compiler: KnownCompiler, job: ScanJob): Promise<Scanned | undefined> {
		const scanned = await this.#give(compiler, job);
		if (scanned?.kind === "scanned") this.#answered += 1;
		return scanned;
	}

	#give(compiler: KnownCompiler, job: ScanJob): Promise<Scanned | undefined> | undefined {
		if (this.#isClosed) return undefined;
		this.#asked += 1;
		if (this.#threads.length === 0 && this.#asked > ALONE) this.#start();
		let best = this.#threads.find((thread) => !thread.isBusy);
		const { length } = this.#threads;
		if (best === undefined && length > 0 && this.#asked > SECOND * length) best = this.#start();
		best ??= this.#threads.reduce<Thread | undefined>(
			(a, b) => (a === undefined || b.waiting < a.waiting ? b : a),
			undefined,
		);
		return best?.scan(compiler, job);
	}

	/** Ends when the threads have written what is remembered of scans. */
	async close(): Promise<void> {
		this.#isClosed = true;
		await Promise.all(this.#threads.map((thread) => thread.close()));
	}

	#start(): Thread | undefined {
		if (this.#threads.length >= this.#o.most || this.#isClosed) return undefined;
		const { most: _, onFact, ...setup } = this.#o;
		const thread = new Thread(setup, onFact);
		this.#threads.push(thread);
		return thread;
	}
}

class Thread {
	readonly #worker: Worker | undefined;
	readonly #ended: Promise<void>;
	readonly #reader: IncludesReader;
	readonly #waiting = new Map<number, (scanned: Scanned | undefined) => void>();
	/** How many feature tests of a compiler it knows, by the compiler's id. */
	readonly #told = new Map<number, number>();
	#isAlive = true;
	#last = 0;

	constructor(setup: ThreadSetup, onFact: (path: string, fact: FileFact) => void) {
		this.#reader = new IncludesReader(onFact);
		let ended = (): void => {};
		this.#ended = new Promise((resolve) => {
			ended = resolve;
		});
		const end = (): void => {
			this.#isAlive = false;
			for (const answer of this.#waiting.values()) answer(undefined);
			this.#waiting.clear();
			ended();
		};
		try {
			const options = { workerData: setup, env: {}, execArgv: ["--no-warnings"] };
			this.#worker = new Worker(new URL(PROGRAM, import.meta.url), options);
		} catch {
			end();
			return;
		}
		this.#worker.unref();
		this.#worker.on("message", (message: FromThread) => this.#hear(message));
		// Its fault shows again where the source is scanned then.
		this.#worker.on("error", end);
		this.#worker.on("exit", end);
	}

	get isBusy(): boolean {
		return this.#waiting.size > 0 || !this.#isAlive;
	}

	/** Of one that has ended: more than any has. */
	get waiting(): number {
		return this.#isAlive ? this.#waiting.size : Number.POSITIVE_INFINITY;
	}

	scan(compiler: KnownCompiler, job: ScanJob): Promise<Scanned | undefined> | undefined {
		if (!this.#isAlive) return undefined;
		const { id: asked, answer, canonical, reads, features } = compiler;
		if (this.#told.get(asked) !== features.size) {
			this.#worker!.postMessage({
				kind: "compiler",
				compiler: { id: asked, answer, canonical, reads, features },
			} satisfies ToThread);
			this.#told.set(asked, features.size);
		}
		this.#last += 1;
		const id = this.#last;
		this.#worker!.postMessage({ kind: "scan", id, compiler: asked, job } satisfies ToThread);
		return new Promise((resolve) => void this.#waiting.set(id, resolve));
	}

	/** What is being scanned is not answered any more. */
	async close(): Promise<void> {
		if (!this.#isAlive) return;
		if (this.#waiting.size > 0) {
			// Asked for by a build that was broken off: nobody waits for it.
			this.#waiting.clear();
			await this.#worker!.terminate();
			return;
		}
		this.#worker!.ref();
		this.#worker!.postMessage({ kind: "close" } satisfies ToThread);
		await this.#ended;
	}

	#hear(message: FromThread): void {
		const answer = this.#waiting.get(message.id);
		this.#waiting.delete(message.id);
		const { id: _, ...scanned } = message;
		answer?.(scanned.kind === "scanned" ? { kind: "scanned", found: this.#reader.read(scanned.found) } : scanned);
	}
}
