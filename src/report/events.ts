import type { Failure } from "../util/result.js";

/** Everything that gg tells about its work. Only `cli/` and the reporters print. */
export type Event =
	| CommandEvent
	| {
			readonly kind: "thunk";
			readonly thunk: string;
			readonly how: ThunkHow;
			readonly outputs: readonly string[];
			readonly ms: number;
			/** The engine that ran it. */
			readonly engine?: string;
			/** Where exactly, and why there; see Place. */
			readonly at?: string;
			readonly why?: string;
	  }
	/** An engine could not run a thunk; the next one was asked. */
	| { readonly kind: "declined"; readonly thunk: string; readonly engine: string; readonly failure: Failure }
	| ScansEvent
	/** Tools are caught by their names on PATH only, and why. */
	| { readonly kind: "unsupervised"; readonly why: string }
	| { readonly kind: "warning"; readonly failure: Failure };

/** How the includes of sources were found, once at the end. */
export interface ScansEvent {
	readonly kind: "scans";
	/** By the scanner. */
	readonly scanned: number;
	/** As an earlier scan found them: what has changed since decides nothing of it. Not in journals of older versions. */
	readonly kept?: number;
	/** Of the scans, those that threads have made. */
	readonly byThreads?: number;
	/** By the compiler, and why. */
	readonly asked: readonly { readonly reason: string; readonly count: number; readonly example: string }[];
}

/** How a thunk got its result. */
export type ThunkHow = "cached" | "found" | "ran" | "ran-sandboxed" | "failed";

export interface CommandEvent {
	readonly kind: "command";
	readonly tool: string;
	readonly argv: readonly string[];
	readonly cwd: string;
	/** Absolute paths of what it writes, as far as the model knows. */
	readonly outputs: readonly string[];
	readonly how: CommandHow;
	/** Why it was not deferred or not cached: a literal, empty when there is nothing to say. */
	readonly reason: string;
	readonly detail: string;
	readonly thunk: string;
	readonly status: number;
	/** The user's description of the tool, where that was used. */
	readonly description?: string;
	readonly ms: number;
}

/**
 * cached: answered from an earlier result · ran: ran here under observation and was recorded · unrecorded: ran here, but
 * could not be kept (see reason) · deferred: a placeholder stands for it · local: ran here without a thunk (see reason).
 */
export type CommandHow = "cached" | "ran" | "unrecorded" | "deferred" | "local";

export type Sink = (event: Event) => void;
