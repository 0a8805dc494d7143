import type { ObjectHash } from "../thunk/hash.js";

/** Where objects are kept for other machines. Every call rejects with a UserError that says what the service said. */
export interface Storage {
	has(hash: ObjectHash): Promise<boolean>;
	/** Undefined when it is not there, or when what is there is not what its name says. */
	get(hash: ObjectHash): Promise<Buffer | undefined>;
	/** Sends the file at `path`, whose content has the name `hash`. */
	put(hash: ObjectHash, path: string): Promise<void>;
	/** Sends bytes whose name is `hash`. */
	putBytes(hash: ObjectHash, bytes: Buffer): Promise<void>;
	/** What a thunk came to, as `putRecord` was given it: whoever may write there may have written anything. */
	getRecord(thunk: ObjectHash): Promise<Buffer | undefined>;
	putRecord(thunk: ObjectHash, record: Buffer): Promise<void>;
	/** Ends its connections. Nothing may be asked afterwards. */
	close(): Promise<void>;
}
