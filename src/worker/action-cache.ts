import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolders, removeQuietly } from "../util/files.js";
import { filesByUse, noteUse } from "./used-files.js";

/** Results are many, and small: each takes whole blocks. */
const BLOCK = 4096;

/** What actions came to: a file for each under the action's hash. The least recently used ones go when the limit is passed. */
export class ActionCache {
	readonly #folder: string;
	readonly #limit: number;
	readonly #temporary: () => string;
	/** The room that each takes, in the order of use. */
	readonly #sizes = new Map<string, number>();
	#size = 0;

	/** `limit` in bytes; 0: none. `temporary`: a new name in a folder of the same file system. */
	constructor(folder: string, limit: number, temporary: () => string) {
		this.#folder = folder;
		this.#limit = limit;
		this.#temporary = temporary;
		makeFolders(folder, 0o700);
		for (const { hash, size } of filesByUse(folder)) {
			this.#use(hash, size);
			// Where the machine lost its power there may be a name and no bytes, which would be a result without outputs.
			if (size === 0) this.drop(hash);
		}
	}

	get(hash: string): Buffer | undefined {
		if (!this.#sizes.has(hash)) return undefined;
		const path = join(this.#folder, hash);
		try {
			const bytes = readFileSync(path);
			this.#use(hash, bytes.length);
			noteUse(path);
			return bytes;
		} catch {
			this.drop(hash);
			return undefined;
		}
	}

	put(hash: string, bytes: Buffer): void {
		const temporary = this.#temporary();
		writeFileSync(temporary, bytes, { flag: "wx", mode: 0o600 });
		renameSync(temporary, join(this.#folder, hash));
		this.#use(hash, bytes.length);
		if (this.#limit === 0) return;
		for (const oldest of this.#sizes.keys()) {
			if (this.#size <= this.#limit) break;
			if (oldest !== hash) this.drop(oldest);
		}
	}

	drop(hash: string): void {
		this.#size -= this.#sizes.get(hash) ?? 0;
		this.#sizes.delete(hash);
		removeQuietly(join(this.#folder, hash));
	}

	#use(hash: string, bytes: number): void {
		const size = Math.ceil(bytes / BLOCK) * BLOCK;
		this.#size += size - (this.#sizes.get(hash) ?? 0);
		this.#sizes.delete(hash);
		this.#sizes.set(hash, size);
	}
}
