import type { Execution, ExecutionFailure } from "../executor/types.js";
import type { Requests } from "../storage/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { Limiter } from "../util/limiter.js";
import type { Engine } from "./types.js";

/** Where results are kept for other machines. */
export interface ResultStore {
	/** Why results are not sent although they were meant to be; empty otherwise. */
	readonly readOnlyBecause: string;
	/** What was asked of a storage backend, as it is billed; undefined for a server. */
	readonly requests?: Readonly<Requests>;
	/** Undefined when it is not known, or cannot be had now. */
	lookup(hash: ObjectHash, thunk: Thunk): Promise<Execution | undefined>;
	/** Sends what a thunk came to here, behind the caller's back. */
	keep(hash: ObjectHash, thunk: Thunk, execution: Execution): void;
	/** Waits until all has been sent, and closes. */
	close(): Promise<void>;
}

/** Whether what is made here goes to the store, too. */
export type Access = "read-only" | "read-write";

/** Questions to a store at a time: they wait for its answers more than they work. */
const LOOKUPS = 32;

/** An engine that asks a store before it runs anything, and tells it afterwards. */
export function storedEngine(near: Engine, store: ResultStore): Engine {
	const running = new Limiter(near.jobs);
	return {
		...near,
		jobs: near.jobs + LOOKUPS,
		async execute(hash, thunk) {
			const known = await store.lookup(hash, thunk);
			if (known !== undefined) return known;
			const execution = await running.run(() => near.execute(hash, thunk));
			if (execution.kind === "finished") store.keep(hash, thunk, execution);
			return execution;
		},
	};
}

/** Milliseconds for which a store that failed is not asked. */
const DOWN_MS = 30_000;

export interface Troubled {
	/** Milliseconds since some moment. */
	readonly now: () => number;
	/** What the user is told; undefined for a fault that says nothing about the store. Throws what is none. */
	readonly failureOf: (error: unknown) => ExecutionFailure | undefined;
	/** Called when the store cannot be used; it is then left alone for a while. */
	readonly troubled: (failure: ExecutionFailure) => void;
}

/** Work of a store that fails is work whose answer is not known. */
export function quietly({ now, failureOf, troubled }: Troubled): <T>(work: () => Promise<T>) => Promise<T | undefined> {
	let downUntil = 0;
	return async (work) => {
		if (now() < downUntil) return undefined;
		try {
			return await work();
		} catch (error) {
			const failure = failureOf(error);
			if (failure !== undefined) {
				downUntil = now() + DOWN_MS;
				troubled(failure);
			}
			return undefined;
		}
	};
}
