import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import type { Failure } from "../util/result.js";

/** What became of one execution. A result with a status other than 0 is the command's own failure. */
export type Execution =
	| { readonly kind: "finished"; readonly result: ThunkResult; readonly undeclared: readonly string[] }
	| { readonly kind: "impossible"; readonly failure: ExecutionFailure };

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
