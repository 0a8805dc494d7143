import { posix } from "node:path";
import type { FileFact, FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import { type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import type { Thunk, TreeEntry } from "../thunk/types.js";
import { readIfThere } from "../util/files.js";

export interface KeptInputsOptions {
	/** After an infer others force the thunks; a build has done so itself. */
	readonly mode: "infer" | "build";
	readonly store: { readonly objects: LocalObjects };
	readonly facts: FileFacts;
	/** What a Tree of the store lists. */
	readonly entries: (tree: ObjectHash) => readonly TreeEntry[];
}

/** Bytes: larger files are kept only if the build makes them. */
const MOST = 1 << 20;

/**
 * Keeps what a deferred command reads. Before the command runs a recipe may move, replace or edit any file of the tree, and set its
 * times back. What the build makes goes into the store at once. What it has found is kept until the session ends, and for longer
 * only where it is not what it was by then: who edits a source after that is told so by `gg force`.
 */
export class KeptInputs {
	readonly #o: KeptInputsOptions;
	readonly #startedAt = Date.now();
	/** Files by path, as they were when they were last looked at. */
	readonly #found = new Map<string, ObjectHash>();
	/** Contents that the session alone keeps. */
	readonly #meanwhile = new Set<ObjectHash>();
	/** Those that were no longer where they were found when somebody looked again. */
	readonly #replaced = new Set<ObjectHash>();
	readonly #trees = new Set<string>();

	constructor(options: KeptInputsOptions) {
		this.#o = options;
	}

	/** Keeps all that was `looked` at for a thunk, but for the system's files and the `toolchain`. Returns one that is not what it was. */
	keep(
		thunk: Thunk,
		looked: ReadonlyMap<string, FileFact>,
		toolchain: { has(path: string): boolean },
	): string | undefined {
		for (const [path, { hash, placeholder, mtimeMs }] of looked) {
			if (placeholder !== undefined || this.#found.get(path) === hash) continue;
			if (this.#o.facts.isSystem(path) || toolchain.has(path)) continue;
			const isBuilt = mtimeMs >= this.#startedAt || thunk.inout.includes(path);
			if (!(isBuilt ? this.#keepBuilt(path, hash) : this.#keepFound(path, hash))) return path;
		}
		return undefined;
	}

	/** As `keep`, what a thunk names; the files are as the thunk has them. False: one is not any more. */
	keepOf(thunk: Thunk): boolean {
		const { facts, entries } = this.#o;
		const isKept = (path: string, hash: ObjectHash): boolean => {
			if (facts.isSystem(path)) return true;
			if (sizeOfHash(hash) > MOST && (facts.get(path)?.mtimeMs ?? 0) >= this.#startedAt)
				return this.#keepBuilt(path, hash);
			return this.#keepFound(path, hash);
		};
		for (const { name, hash } of thunk.values) if (name.startsWith("/") && !isKept(name, hash)) return false;
		for (const { name: folder, hash } of thunk.trees) {
			// The toolchain's.
			if (folder === "/") continue;
			const key = hash + folder;
			if (this.#trees.has(key)) continue;
			for (const { name, kind, hash: file } of entries(hash)) {
				if (kind !== "link" && kind !== "directory" && !isKept(posix.join(folder, name), file)) return false;
			}
			this.#trees.add(key);
		}
		return true;
	}

	/** The session ends: what is not where it was found is kept for whoever forces the thunks. Throws what the file system throws. */
	close(): void {
		if (this.#o.mode === "build") return;
		for (const [path, hash] of this.#found) if (this.#o.facts.get(path)?.hash !== hash) this.#replaced.add(hash);
		for (const hash of this.#replaced) this.#promote(hash);
	}

	#keepBuilt(path: string, hash: ObjectHash): boolean {
		return this.#o.store.objects.putFile(path, hash) === hash;
	}

	#keepFound(path: string, hash: ObjectHash): boolean {
		const was = this.#found.get(path);
		if (was === hash) return true;
		const { objects } = this.#o.store;
		if (!this.#meanwhile.has(hash) && sizeOfHash(hash) <= MOST && !objects.has(hash)) {
			const bytes = readIfThere(path);
			// What was read before it was looked at once more is what was hashed.
			if (bytes === undefined || this.#o.facts.get(path)?.hash !== hash) return false;
			objects.putMeanwhile(bytes, hash);
			this.#meanwhile.add(hash);
		}
		if (was !== undefined) this.#replaced.add(was);
		this.#found.set(path, hash);
		return true;
	}

	#promote(hash: ObjectHash): void {
		if (!this.#meanwhile.delete(hash)) return;
		const bytes = this.#o.store.objects.packed(hash);
		if (bytes !== undefined) this.#o.store.objects.putPacked(bytes, hash);
	}
}
