import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import type { Failure } from "../util/result.js";

/** What became of one execution. A result with a status other than 0 is the command's own failure. */
export type Execution =
	| {
			readonly kind: "finished";
			readonly result: ThunkResult;
			readonly undeclared: readonly string[];
			/** Left out by an executor that has nothing to say but that it ran it. */
			readonly place?: Place;
			/**
			 * Given while outputs that the result names are still on their way into the store: resolves when they are there, or with
			 * the reason why they will not be.
			 */
			readonly coming?: Promise<ExecutionFailure | undefined>;
			readonly packed?: Packed;
	  }
	| { readonly kind: "impossible"; readonly failure: ExecutionFailure };

/** A block (storage/block.ts) of outputs, and nothing else, as another machine has sent them; they are what their names say. */
export interface Packed {
	readonly block: Buffer;
	readonly holds: ReadonlySet<ObjectHash>;
}

/** Where a result was made, for people. */
export interface Place {
	/** A server knew it from earlier: nothing ran. */
	readonly remembered: boolean;
	/** Such as `worker a on cluster.example.org:443`, or `here`. */
	readonly at: string;
	/** Why there, where that is not what was asked for first; else empty. */
	readonly why: string;
}

export type ExecutionFailure = Failure<
	| "input-changed"
	| "input-missing"
	| "tool-changed"
	| "other-processor"
	| "not-started"
	| "no-namespace"
	| "output-missing"
	| "undeclared-input"
	| "timeout"
	| "killed"
	| "unsafe-name"
	| "store"
	| "remote"
>;

/** Runs one thunk whose inputs are all values. */
export interface Executor {
	execute(hash: ObjectHash, thunk: Thunk): Promise<Execution>;
}
