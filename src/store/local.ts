import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { hashBytes, hashFile, isObjectHash, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import { copyFileAtomic, isAbsence, readIfThere, statIfThere, writeFileAtomic } from "../util/files.js";
import type { ObjectStore, ReductionStore, Store } from "./types.js";

const MODE = 0o400;

/**
 * `blobs/<hash>` of a `.gg` folder. Files are written under another name and renamed, never changed afterwards, and are
 * never linked into a tree, so nothing that is done there can alter them.
 */
export class LocalObjects implements ObjectStore {
	readonly folder: string;
	#seen = new Set<ObjectHash>();

	constructor(ggDir: string) {
		this.folder = join(ggDir, "blobs");
	}

	path(hash: ObjectHash): string {
		return join(this.folder, hash);
	}

	has(hash: ObjectHash): boolean {
		// The size is part of the name: a file cut short by a full disk or a crash is not there.
		return statIfThere(this.path(hash))?.size === sizeOfHash(hash);
	}

	get(hash: ObjectHash): Buffer | undefined {
		const bytes = readIfThere(this.path(hash));
		return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
	}

	put(bytes: Uint8Array): ObjectHash {
		const hash = hashBytes(bytes);
		if (!this.#present(hash)) {
			writeFileAtomic(this.path(hash), bytes, MODE);
			this.#seen.add(hash);
		}
		return hash;
	}

	putFile(path: string, known?: ObjectHash): ObjectHash {
		const hash = known ?? hashFile(path);
		if (!this.#present(hash)) {
			copyFileAtomic(path, this.path(hash), MODE);
			this.#seen.add(hash);
		}
		return hash;
	}

	copyOut(hash: ObjectHash, path: string, mode: number): boolean {
		if (!this.has(hash)) return false;
		try {
			copyFileAtomic(this.path(hash), path, mode);
			return true;
		} catch (error) {
			// Lost to a cleaner between the two calls: a miss. A missing target folder stays an error.
			if (isAbsence(error) && !this.has(hash)) return false;
			throw error;
		}
	}

	#present(hash: ObjectHash): boolean {
		if (this.#seen.has(hash)) return true;
		const there = this.has(hash);
		if (there) this.#seen.add(hash);
		return there;
	}
}

/** `reductions/<thunk>` and `reductions/<thunk>#<tag>`, each holding exactly the 52 characters of a name. */
export class LocalReductions implements ReductionStore {
	readonly folder: string;

	constructor(ggDir: string) {
		this.folder = join(ggDir, "reductions");
	}

	#path(thunk: ObjectHash, tag: string): string {
		return join(this.folder, tag === "" ? thunk : `${thunk}#${tag}`);
	}

	get(thunk: ObjectHash, tag: string): ObjectHash | undefined {
		if (tag.includes("/") || tag.includes("\0")) return undefined;
		let text: string;
		try {
			text = readFileSync(this.#path(thunk, tag), "latin1");
		} catch (error) {
			if (isAbsence(error)) return undefined;
			throw error;
		}
		return isObjectHash(text) ? text : undefined;
	}

	put(thunk: ObjectHash, tag: string, to: ObjectHash): void {
		if (tag.includes("/") || tag.includes("\0")) throw new Error(`Internal error: tag ${tag}`);
		writeFileAtomic(this.#path(thunk, tag), to, 0o600);
	}
}

export function openLocalStore(ggDir: string): Store & { readonly objects: LocalObjects } {
	mkdirSync(join(ggDir, "blobs"), { recursive: true });
	mkdirSync(join(ggDir, "reductions"), { recursive: true });
	// An unreadable folder is found here, by name, and not at the first miss.
	statSync(join(ggDir, "blobs"));
	return { objects: new LocalObjects(ggDir), reductions: new LocalReductions(ggDir) };
}
