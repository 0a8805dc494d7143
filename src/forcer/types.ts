import type { ExecutionFailure, Place } from "../executor/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import type { Failure } from "../util/result.js";

/** A thunk that came to something: all its outputs are values in the store. */
export interface Forced {
	readonly kind: "forced";
	/** The thunk as it was run: its own inputs replaced by values. */
	readonly final: ObjectHash;
	readonly result: ThunkResult;
	/** Tag → value; the empty tag is the first output. What an output folder holds may be thunks that nobody forced. */
	readonly outputs: ReadonlyMap<string, ObjectHash>;
}

export type ForceFailure =
	| ExecutionFailure
	| Failure<"thunk-missing" | "malformed-thunk" | "no-engine" | "cycle" | "no-such-output" | "cancelled">;

export interface NotForced {
	readonly kind: "failed";
	/** The thunk at which it failed: this one or one it needs. */
	readonly at: ObjectHash;
	readonly thunk: Thunk | undefined;
	/** Set when the command itself ended with a status other than 0. */
	readonly result: ThunkResult | undefined;
	readonly failure: ForceFailure | undefined;
}

export type ForceOutcome = Forced | NotForced;

export interface ForcerEvents {
	/** True: nothing else is to stop for this failure. */
	goesOn?(failed: NotForced): boolean;
	/**
	 * A thunk has its result; `hash` is the one that was asked for. It is forced when what this begins has ended, and has failed
	 * if that has; what runs by names does not wait for that.
	 */
	forced(
		hash: ObjectHash,
		thunk: Thunk,
		forced: Forced,
		/** From the store, by running it, or from a server that knew it. */
		how: "cached" | "ran" | "found",
		engine: string,
		undeclared: readonly string[],
		place?: Place,
	): void | Promise<void>;
	/** What a thunk came to is known by name, and still on its way into the store. */
	named?(result: ThunkResult): void;
	failed(hash: ObjectHash, failed: NotForced): void;
	/** An engine could not run a thunk; another one is asked. */
	declined?(hash: ObjectHash, thunk: Thunk, engine: string, failure: ExecutionFailure): void;
}
