import { posix } from "node:path";
import type { DepEntry } from "../store/depcache.js";
import type { FileFact, FileFacts } from "../store/filefacts.js";
import type { ObjectStore, ReductionStore, Store } from "../store/types.js";
import { decodeThunk, decodeTree } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, TreeEntry } from "../thunk/types.js";
import { CTIME_MS, DEV, FOLDER, INO, lookAt, looked, MTIME_MS, RACY_MS } from "../util/look.js";
import { firstMissing, isThere, linkText } from "../util/paths.js";
import { isAsListed } from "./generic-trace.js";

/** An earlier description that still holds. */
export interface Found {
	readonly hash: ObjectHash;
	readonly thunk: Thunk;
	/** The dependency file that was written then, if the thunk was described and not run. */
	readonly depfile: ObjectHash | undefined;
}

/** An earlier description that would hold but for changes that decide nothing of what is read. */
export interface Like {
	readonly entry: DepEntry;
	readonly thunk: Thunk;
	/** Its files as they are now. */
	readonly looked: ReadonlyMap<string, FileFact>;
	/** Links by which files were found, and their text. */
	readonly links: ReadonlyMap<string, string>;
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

/** A folder as it was when names were looked for in it. */
interface KnownFolder {
	readonly dev: number;
	readonly ino: number;
	readonly mtimeMs: number;
	readonly ctimeMs: number;
	/** Not there as long as the folder stays as it is. */
	readonly absent: Set<string>;
}

/** Answers whether an earlier description still holds: every file the same, every absence still an absence. */
export class Lookup {
	readonly #facts: FileFacts;
	readonly #objects: ObjectStore;
	readonly #reductions: ReductionStore;
	readonly #trees = new Map<ObjectHash, KnownTree | undefined>();
	readonly #systemAbsent = new Map<string, boolean>();
	readonly #folders = new Map<string, KnownFolder>();
	#last: { readonly hash: ObjectHash; readonly thunk: Thunk } | undefined;

	constructor(facts: FileFacts, store: Store) {
		this.#facts = facts;
		this.#objects = store.objects;
		this.#reductions = store.reductions;
	}

	/** The thunk of the first entry that still holds. */
	find(entries: readonly DepEntry[], toolchain: ObjectHash): Found | undefined {
		for (const entry of entries) {
			const thunk = this.#thunk(entry.thunk);
			if (thunk === undefined) continue;
			if (this.#holds(thunk, toolchain) && this.#absencesHold(entry.absent) && listingsHold(entry, thunk))
				return { hash: entry.thunk, thunk, depfile: entry.depfile };
		}
		return undefined;
	}

	/** The last one is at hand: what does not hold as it is may be looked at for what has changed. */
	#thunk(hash: ObjectHash): Thunk | undefined {
		if (this.#last?.hash === hash) return this.#last.thunk;
		const bytes = this.#objects.get(hash);
		const decoded = bytes === undefined ? undefined : decodeThunk(bytes);
		if (!decoded?.ok) return undefined;
		this.#last = { hash, thunk: decoded.value };
		return decoded.value;
	}

	/**
	 * The newest entry whose files are all there, the same or, as `isSame` says, not changed in what the entry rests on, and
	 * whose absences hold.
	 */
	findLike(
		entries: readonly DepEntry[],
		toolchain: ObjectHash,
		isSame: (basis: string, was: ObjectHash, path: string, now: FileFact) => boolean,
	): Like | undefined {
		for (const entry of entries) {
			const { basis } = entry;
			const thunk = basis === undefined ? undefined : this.#thunk(entry.thunk);
			if (basis === undefined || thunk === undefined) continue;
			if (thunk.thunks.length + thunk.inout.length > 0 || !listingsHold(entry, thunk)) continue;
			if (!this.#absencesHold(entry.absent)) continue;
			const files = this.#filesLike(thunk, toolchain, (path, was, now) => isSame(basis, was, path, now));
			if (files !== undefined) return { entry, thunk, ...files };
		}
		return undefined;
	}

	#filesLike(
		thunk: Thunk,
		toolchain: ObjectHash,
		isSame: (path: string, was: ObjectHash, now: FileFact) => boolean,
	): Pick<Like, "looked" | "links"> | undefined {
		const looked = new Map<string, FileFact>();
		const links = new Map<string, string>();
		const isLike = (path: string, was: ObjectHash): boolean => {
			const now = this.#facts.get(path);
			if (now === undefined || now.placeholder !== undefined) return false;
			looked.set(path, now);
			return now.hash === was || isSame(path, was, now);
		};
		for (const { name, hash } of thunk.values) if (!isLike(name, hash)) return undefined;
		for (const { name: folder, hash } of thunk.trees) {
			if (folder === "/") {
				if (hash !== toolchain) return undefined;
				continue;
			}
			const tree = this.#tree(hash);
			if (tree === undefined) return undefined;
			for (const { name, kind, hash: was } of tree.entries) {
				const path = `${folder}/${name}`;
				if (kind !== "link") {
					if (!isLike(path, was)) return undefined;
				} else if (this.#leads(path, was)) links.set(path, linkText(path) ?? "");
				else return undefined;
			}
		}
		return { looked, links };
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

	/** What a Tree lists; nothing if the store does not have it. */
	entries(hash: ObjectHash): readonly TreeEntry[] {
		return this.#tree(hash)?.entries ?? [];
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
			const names = absent[folder]!;
			const holds = this.#facts.isSystem(`${folder}/`)
				? names.every((name) => this.#isGoneFromSystem(`${folder}/${name}`))
				: this.#areGone(folder, names);
			if (!holds) return false;
		}
		return true;
	}

	#isGoneFromSystem(path: string): boolean {
		let gone = this.#systemAbsent.get(path);
		if (gone === undefined) {
			gone = !isThere(path);
			this.#systemAbsent.set(path, gone);
		}
		return gone;
	}

	/** A look at the folder says that none of the names that were missing has come. */
	#areGone(folder: string, names: readonly string[]): boolean {
		const known = names.length > 1 ? this.#folder(folder) : undefined;
		for (const name of names) {
			if (known?.absent.has(name) === true) continue;
			if (isThere(`${folder}/${name}`)) return false;
			known?.absent.add(name);
		}
		return true;
	}

	/** As it is now; undefined where a change might not show. */
	#folder(path: string): KnownFolder | undefined {
		const now = Date.now();
		if (lookAt(path, true) !== FOLDER) return undefined;
		const known = this.#folders.get(path);
		const [dev, ino, mtimeMs, ctimeMs] = [looked[DEV]!, looked[INO]!, looked[MTIME_MS]!, looked[CTIME_MS]!];
		if (known?.mtimeMs === mtimeMs && known.ctimeMs === ctimeMs && known.ino === ino && known.dev === dev) return known;
		if (now - Math.max(mtimeMs, ctimeMs) <= RACY_MS) return undefined;
		const folder = { dev, ino, mtimeMs, ctimeMs, absent: new Set<string>() };
		this.#folders.set(path, folder);
		return folder;
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
