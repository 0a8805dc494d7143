import type { ObjectHash } from "./hash.js";

/** `hash` or `hash=name`: what is needed and, where it matters, the path it is found at. */
export interface Item {
	readonly hash: ObjectHash;
	readonly name: string;
}

/** A thunk that this one needs: the tag names one of its outputs; an empty tag is its first. */
export interface ThunkItem extends Item {
	readonly tag: string;
}

export interface Link {
	readonly name: string;
	readonly target: ObjectHash;
}

/** Where an output is written; `tag` is one of the thunk's outputs. Field 18 (ours). */
export interface OutputPath {
	readonly tag: string;
	readonly path: string;
	/** Left out without being an error. */
	readonly optional: boolean;
}

/**
 * One deferred command. Fields 1–8 are the original's; 16 and up are ours, so that an old reader still reads the rest:
 * 16 cwd, 17 trees (`hash=directory`: a Tree object whose files lie below that directory), 18 where outputs are written,
 * 19 umask (only when not 022), 20 capture (the result holds exit status, stdout and stderr),
 * 21 inout (paths that are read and rewritten: they need a private copy).
 */
export interface Thunk {
	readonly functionHash: ObjectHash;
	readonly args: readonly string[];
	readonly envars: readonly string[];
	readonly values: readonly Item[];
	readonly thunks: readonly ThunkItem[];
	readonly executables: readonly Item[];
	readonly outputs: readonly string[];
	/** Milliseconds; 0 is none. */
	readonly timeout: number;
	readonly links: readonly Link[];
	readonly outputDir: string;
	readonly cwd: string;
	readonly trees: readonly Item[];
	readonly outputPaths: readonly OutputPath[];
	readonly umask: number;
	readonly capture: boolean;
	readonly inout: readonly string[];
}

export const EMPTY_THUNK = {
	args: [],
	envars: [],
	values: [],
	thunks: [],
	executables: [],
	outputs: [],
	timeout: 0,
	links: [],
	outputDir: "",
	cwd: "",
	trees: [],
	outputPaths: [],
	umask: 0o22,
	capture: false,
	inout: [],
} as const satisfies Omit<Thunk, "functionHash">;

/** One file of a Tree. `name` is relative to the tree's directory and never leaves it. */
export interface TreeEntry {
	readonly name: string;
	/** Of a link: the object that holds its target; of a directory: the empty object. */
	readonly hash: ObjectHash;
	readonly kind: "file" | "executable" | "link" | "directory";
}

/** What a thunk came to, beside its outputs: kept under the reduction `T#@result`. */
/** An output that was written: its tag in the thunk, and its permission bits. */
export interface Output {
	readonly tag: string;
	readonly hash: ObjectHash;
	readonly mode: number;
	/** Its place, from 1 on, in the order in which the command wrote them; undefined: not known. */
	readonly rank?: number;
}

export interface ThunkResult {
	readonly status: number;
	readonly signal: number;
	readonly stdout: Buffer;
	readonly stderr: Buffer;
	readonly outputs: readonly Output[];
	/** Microseconds of wall time the command took. */
	readonly wall: number;
}
