import { posix } from "node:path";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import { decodeTree } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, TreeEntry } from "../thunk/types.js";
import { changed, missingTree } from "./failures.js";
import type { ExecutionFailure } from "./types.js";

/** A file of a thunk: where it is expected, what it must be, and where its bytes can be had. */
export interface Placed {
	readonly path: string;
	readonly hash: ObjectHash;
	/** The file itself when it is unchanged, else the stored object. */
	readonly source: string;
	readonly executable: boolean;
}

/** A link or folder that a namespace needs for its files to be found: the hash names a link's target. */
type Shape = readonly [kind: "link" | "directory", path: string, hash: ObjectHash];

export interface PlacedInputs {
	readonly placed: readonly Placed[];
	readonly shape: readonly Shape[];
}

const NONE: ReadonlySet<string> = new Set();

export interface InputsOptions {
	readonly objects: LocalObjects;
	readonly facts: FileFacts;
	/** The whole of each tree is asked for, files of the system included. */
	readonly whole: boolean;
}

/** Finds where the bytes of a thunk's inputs can be had: the file itself while it is what it was, else the stored object. */
export class Inputs {
	readonly #o: InputsOptions;
	readonly #trees = new Map<ObjectHash, readonly TreeEntry[]>();
	/** Trees of system folders whose files were found unchanged in this process. */
	readonly #verified = new Set<string>();

	constructor(options: InputsOptions) {
		this.#o = options;
	}

	/** `unsteady`: files that are not to be used where they are, because the build goes on changing them. */
	place(thunk: Thunk, unsteady: ReadonlySet<string> = NONE): PlacedInputs | ExecutionFailure {
		const { objects, facts, whole } = this.#o;
		const placed: Placed[] = [];
		const shape: Shape[] = [];
		for (const item of thunk.values) {
			if (!item.name.startsWith("/")) continue;
			const found = this.#find(item.name, item.hash, false, unsteady);
			if ("reason" in found) return found;
			placed.push(found);
		}
		for (const item of thunk.trees) {
			const key = `${item.hash}${item.name}`;
			if (!whole && this.#verified.has(key)) continue;
			const entries = this.#treeOf(item.hash);
			if (entries === undefined) return missingTree(item);
			const before = placed.length;
			for (const e of entries) {
				const path = posix.join(item.name, e.name);
				if (e.kind === "link" || e.kind === "directory") {
					if (whole && e.kind === "link" && !objects.has(e.hash)) return missingTree(item);
					shape.push([e.kind, path, e.hash]);
					continue;
				}
				const found = this.#find(path, e.hash, e.kind === "executable", unsteady);
				if ("reason" in found) return found;
				placed.push(found);
			}
			const inPlace = placed.slice(before).every((p) => p.source === p.path && facts.isSystem(p.path));
			if (inPlace) this.#verified.add(key);
		}
		return { placed, shape };
	}

	/** The paths of what `place` found, and of those trees that it passed over. */
	declared(thunk: Thunk, placed: readonly Placed[]): Set<string> {
		const paths = new Set(placed.map((p) => p.path));
		for (const item of thunk.trees) {
			if (!this.#verified.has(`${item.hash}${item.name}`)) continue;
			for (const e of this.#treeOf(item.hash) ?? []) paths.add(posix.join(item.name, e.name));
		}
		return paths;
	}

	#find(path: string, hash: ObjectHash, executable: boolean, unsteady: ReadonlySet<string>): Placed | ExecutionFailure {
		const fact = this.#o.facts.get(path);
		const isHere = fact?.hash === hash;
		if (isHere && !unsteady.has(path)) return { path, hash, source: path, executable: fact.executable };
		const source = this.#o.objects.file(hash) ?? (isHere ? path : undefined);
		return source === undefined ? changed(path, fact !== undefined) : { path, hash, source, executable };
	}

	#treeOf(hash: ObjectHash): readonly TreeEntry[] | undefined {
		let entries = this.#trees.get(hash);
		if (entries === undefined) {
			const bytes = this.#o.objects.get(hash);
			entries = bytes === undefined ? undefined : decodeTree(bytes);
			if (entries !== undefined) this.#trees.set(hash, entries);
		}
		return entries;
	}
}
