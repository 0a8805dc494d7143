import { posix } from "node:path";
import type { DepEntry } from "../store/depcache.js";
import type { FileFacts } from "../store/filefacts.js";
import type { ObjectStore, ReductionStore, Store } from "../store/types.js";
import { decodeThunk, decodeTree } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, TreeEntry } from "../thunk/types.js";
import { firstMissing, isThere, linkText } from "../util/paths.js";
import { isAsListed } from "./generic-trace.js";

/** An earlier description that still holds. */
export interface Found {
	readonly hash: ObjectHash;
	readonly thunk: Thunk;
	/** The dependency file that was written then, if the thunk was described and not run. */
	readonly depfile: ObjectHash | undefined;
}

interface KnownTree {
	readonly entries: readonly TreeEntry[];
	/** The folder that it was last looked at below, and where its files are then. */
	below: string | undefined;
	paths: readonly string[];
	/** That is a folder of the system, which is looked at once a session. */
	system: boolean;
	held: boolean | undefined;
}

/** Answers whether an earlier description still holds: every file the same, every absence still an absence. */
export class Lookup {
	readonly #facts: FileFacts;
	readonly #objects: ObjectStore;
	readonly #reductions: ReductionStore;
	readonly #trees = new Map<ObjectHash, KnownTree | undefined>();
	readonly #systemAbsent = new Map<string, boolean>();

	constructor(facts: FileFacts, store: Store) {
		this.#facts = facts;
		this.#objects = store.objects;
		this.#reductions = store.reductions;
	}

	/** The thunk of the first entry that still holds. */
	find(entries: readonly DepEntry[], toolchain: ObjectHash): Found | undefined {
		for (const entry of entries) {
			const bytes = this.#objects.get(entry.thunk);
			if (bytes === undefined) continue;
			const decoded = decodeThunk(bytes);
			if (!decoded.ok) continue;
			if (
				this.#holds(decoded.value, toolchain) &&
				this.#absencesHold(entry.absent) &&
				listingsHold(entry, decoded.value)
			) {
				return { hash: entry.thunk, thunk: decoded.value, depfile: entry.depfile };
			}
		}
		return undefined;
	}

	#holds(thunk: Thunk, toolchain: ObjectHash): boolean {
		for (const item of thunk.values) {
			const fact = this.#facts.get(item.name);
			if (fact?.hash !== item.hash) return false;
		}
		for (const item of thunk.thunks) {
			const fact = this.#facts.get(item.name);
			if (fact === undefined) return false;
			const { placeholder } = fact;
			if (placeholder?.hash === item.hash && placeholder.tag === item.tag) continue;
			// What was a placeholder when the thunk was made has become real since.
			if (this.#reductions.get(item.hash, item.tag) !== fact.hash) return false;
		}
		for (const item of thunk.trees) {
			if (item.name === "/" ? item.hash !== toolchain : !this.#treeHolds(item.hash, item.name)) return false;
		}
		return true;
	}

	#treeHolds(hash: ObjectHash, folder: string): boolean {
		const tree = this.#tree(hash);
		if (tree === undefined) return false;
		if (tree.below !== folder) {
			tree.below = folder;
			tree.paths = tree.entries.map((e) => `${folder}/${e.name}`);
			tree.system = this.#facts.isSystem(`${folder}/`);
			tree.held = undefined;
		}
		if (tree.system && tree.held !== undefined) return tree.held;
		const { entries, paths } = tree;
		tree.held = true;
		for (let i = 0; i < paths.length && tree.held; i++) {
			const { kind, hash } = entries[i]!;
			tree.held = kind === "link" ? this.#leads(paths[i]!, hash) : this.#facts.get(paths[i]!)?.hash === hash;
		}
		return tree.held;
	}

	#leads(path: string, target: ObjectHash): boolean {
		const text = linkText(path);
		return text !== undefined && this.#objects.get(target)?.toString() === text;
	}

	#tree(hash: ObjectHash): KnownTree | undefined {
		let tree = this.#trees.get(hash);
		if (tree === undefined && !this.#trees.has(hash)) {
			const bytes = this.#objects.get(hash);
			const entries = bytes === undefined ? undefined : decodeTree(bytes);
			if (entries !== undefined) tree = { entries, below: undefined, paths: [], system: false, held: undefined };
			this.#trees.set(hash, tree);
		}
		return tree;
	}

	#absencesHold(absent: DepEntry["absent"]): boolean {
		for (const folder in absent) {
			const system = this.#facts.isSystem(`${folder}/`);
			for (const name of absent[folder]!) {
				const path = `${folder}/${name}`;
				if (!system) {
					if (isThere(path)) return false;
					continue;
				}
				let gone = this.#systemAbsent.get(path);
				if (gone === undefined) {
					gone = !isThere(path);
					this.#systemAbsent.set(path, gone);
				}
				if (!gone) return false;
			}
		}
		return true;
	}
}

function listingsHold(entry: DepEntry, thunk: Thunk): boolean {
	if (entry.listed === undefined) return true;
	const written = new Set(thunk.outputPaths.map((output) => output.path));
	return Object.entries(entry.listed).every(([path, was]) => isAsListed(path, was, written));
}

/** Groups absences by folder, each shortened to the topmost folder that is missing; temporary names are left out. */
export function groupAbsent(
	paths: Iterable<string>,
	skip: (path: string) => boolean,
	isFolder: (path: string) => boolean,
): Record<string, string[]> {
	const groups = new Map<string, Set<string>>();
	const namesIn = (folder: string): Set<string> => {
		let names = groups.get(folder);
		if (names === undefined) {
			names = new Set();
			groups.set(folder, names);
		}
		return names;
	};
	/** Where the names of a folder go: undefined for one that is missing itself, which has been noted then. */
	const places = new Map<string, Set<string> | undefined>();
	for (const path of paths) {
		if (skip(path)) continue;
		const slash = path.lastIndexOf("/");
		const folder = slash > 0 ? path.slice(0, slash) : "/";
		let names = places.get(folder);
		if (names === undefined) {
			if (places.has(folder)) continue;
			const missing = firstMissing(path, isFolder);
			if (missing === path) names = namesIn(folder);
			else namesIn(posix.dirname(missing)).add(posix.basename(missing));
			places.set(folder, names);
		}
		names?.add(path.slice(slash + 1));
	}
	return Object.fromEntries([...groups].map(([folder, names]) => [folder, [...names].sort()]));
}
