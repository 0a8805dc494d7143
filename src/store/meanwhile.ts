import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { ObjectHash } from "../thunk/hash.js";

/** Bytes that one process keeps for itself until it ends: a file, and where in it each object lies. */
export class Meanwhile {
	readonly #fd: number;
	readonly #places = new Map<ObjectHash, { readonly at: number; readonly length: number }>();
	#end = 0;

	/** The file is made, and is the caller's to remove. */
	constructor(file: string) {
		this.#fd = openSync(file, "wx+", 0o600);
	}

	/** Throws what the file system throws; the object is not kept then. */
	put(hash: ObjectHash, bytes: Uint8Array): void {
		if (this.#places.has(hash)) return;
		for (let done = 0; done < bytes.length; )
			done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#end + done);
		this.#places.set(hash, { at: this.#end, length: bytes.length });
		this.#end += bytes.length;
	}

	get(hash: ObjectHash): Buffer | undefined {
		const place = this.#places.get(hash);
		if (place === undefined) return undefined;
		const bytes = Buffer.alloc(place.length);
		return readSync(this.#fd, bytes, 0, place.length, place.at) === place.length ? bytes : undefined;
	}

	close(): void {
		closeSync(this.#fd);
	}
}
