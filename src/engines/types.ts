import type { Execution, ExecutionFailure } from "../executor/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";

/** An engine that cannot run a thunk now, for a reason that says nothing about another engine. */
export interface Declined {
	readonly kind: "declined";
	readonly failure: ExecutionFailure;
}

/** A place where thunks run. */
export interface Engine {
	readonly name: string;
	/** How many thunks it runs at once. */
	readonly jobs: number;
	/** Empty when it can run this thunk, else the reason why not. */
	refuses(thunk: Thunk): string;
	/** `signal` says that nobody wants the result any more; an engine may end the run then. */
	execute(hash: ObjectHash, thunk: Thunk, signal?: AbortSignal): Promise<Execution | Declined>;
}
