import type { ObjectHash } from "../thunk/hash.js";

/** What is kept under a name that is not its content's. */
export type RecordKey = `results/${ObjectHash}` | `blocks/${ObjectHash}`;

/** What was asked of a service, as it is billed: a HEAD costs what a GET costs. */
export interface Requests {
	gets: number;
	puts: number;
}

/** What it rejects with ends the stream, and is what the stream rejects with. */
export type Take = (piece: Buffer) => Promise<void>;

/** Where objects are kept for other machines. Every call rejects with a UserError that says what the service said. */
export interface Storage {
	/** Counted from the beginning; not to be changed. */
	readonly requests: Readonly<Requests>;
	has(hash: ObjectHash): Promise<boolean>;
	/** Undefined when it is not there, or when what is there is not what its name says. */
	get(hash: ObjectHash): Promise<Buffer | undefined>;
	/** Sends the file at `path`, whose content has the name `hash`. */
	put(hash: ObjectHash, path: string): Promise<void>;
	/** Sends bytes whose name is `hash`. */
	putBytes(hash: ObjectHash, bytes: Buffer): Promise<void>;
	hasRecord(key: RecordKey): Promise<boolean>;
	/** As `putRecord` was given it: whoever may write there may have written anything. */
	getRecord(key: RecordKey): Promise<Buffer | undefined>;
	putRecord(key: RecordKey, record: Buffer): Promise<void>;
	/**
	 * Hands an object or a record on in order, in pieces of some megabytes at most; the next one is fetched when `take` is done.
	 * False when it is not there, or not whole. What was handed on is not checked, and `take` may find it wrong.
	 */
	stream(name: ObjectHash | RecordKey, take: Take): Promise<boolean>;
	/** Ends its connections. Nothing may be asked afterwards. */
	close(): Promise<void>;
}
