import type { Execution } from "../executor/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";

/** A place where thunks run. */
export interface Engine {
	readonly name: string;
	/** How many thunks it runs at once. */
	readonly jobs: number;
	/** Empty when it can run this thunk, else the reason why not. */
	refuses(thunk: Thunk): string;
	execute(hash: ObjectHash, thunk: Thunk): Promise<Execution>;
}
