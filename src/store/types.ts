import type { ObjectHash } from "../thunk/hash.js";
import type { Standing } from "../util/take-place.js";

/** Objects by the name of their content. Equal name means equal bytes, so losing a race to write one is harmless. */
export interface ObjectStore {
	has(hash: ObjectHash): boolean;
	/** Undefined when it is not there, or when what is there is not what its name says. */
	get(hash: ObjectHash): Buffer | undefined;
	/** `known`: the name of these very bytes, where the caller has hashed them already. */
	put(bytes: Uint8Array, known?: ObjectHash): ObjectHash;
	/** As `put`, while this thread does something else; the bytes must not be changed meanwhile. Left out by a store that keeps them in memory. */
	putAside?(bytes: Uint8Array, known: ObjectHash): Promise<void>;
	/** As `put`, for small objects that only gg reads again: without a file of their own where the store has such a place. */
	putPacked?(bytes: Buffer, known: ObjectHash): void;
	/** Takes bytes that come piece by piece; left out by a store that keeps them in memory. */
	receive?(): Incoming;
	/**
	 * Takes a private copy of a file and says its name; `known` saves that where the object is there already. The answer is
	 * another name than `known` if the file changed after the caller had hashed it.
	 */
	putFile(path: string, known?: ObjectHash): ObjectHash;
	/**
	 * Writes a private copy to `path`, replacing what is there, with `mode`. False when the object is not there, or when it is to
	 * take the place of `standing`, and that is no longer at `path`.
	 */
	copyOut(hash: ObjectHash, path: string, mode: number, standing?: Standing): boolean;
}

/** An object that is on its way, written while this thread does something else. Ends with `keep` or `drop`. */
export interface Incoming {
	/** Bytes that must not be changed meanwhile. With a promise whoever sends is to wait: it never rejects. */
	write(bytes: Uint8Array): Promise<void> | undefined;
	/** They are all here, and the name is that of these very bytes. Rejects, and leaves nothing, when they could not be written. */
	keep(hash: ObjectHash): Promise<void>;
	drop(): Promise<void>;
}

/** What a thunk came to: the name of each output by tag; the empty tag is the first output. */
export interface ReductionStore {
	get(thunk: ObjectHash, tag: string): ObjectHash | undefined;
	put(thunk: ObjectHash, tag: string, to: ObjectHash): void;
}

/** The tag under which a thunk's ThunkResult is kept. */
export const RESULT_TAG = "@result";

export interface Store {
	readonly objects: ObjectStore;
	readonly reductions: ReductionStore;
}
