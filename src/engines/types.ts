import type { Execution, ExecutionFailure } from "../executor/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";

/** An engine that cannot run a thunk now, for a reason that says nothing about another engine. */
export interface Declined {
	readonly kind: "declined";
	readonly failure: ExecutionFailure;
}

/** What an engine and those that wait tell each other during an execution. */
export interface Turn {
	/** Nobody wants the result any more; an engine may end the run then. */
	readonly signal?: AbortSignal;
	/** To be called as soon as another thunk may take this one's place, where that is before the end. */
	readonly free?: () => void;
}

/** A place where thunks run. */
export interface Engine {
	readonly name: string;
	/** How many thunks it runs at once. */
	readonly jobs: number;
	/** Empty when it can run this thunk, else the reason why not. */
	refuses(thunk: Thunk): string;
	execute(hash: ObjectHash, thunk: Thunk, turn?: Turn): Promise<Execution | Declined>;
	/** It has, or can get, what it made itself: the inputs of a thunk need not be in the store where all of them are known by name. */
	readonly takesNames?: boolean;
	/** Where many run at once, what takes longest is to begin first: the greater, the longer a thunk will take, as far as can be told from what it is. */
	weigh?(thunk: Thunk): number;
	/** A thunk waits for its turn, behind those of greater weight: what can be done before is begun. It may never be executed. */
	prepare?(hash: ObjectHash, thunk: Thunk, weight?: number): void;
}
