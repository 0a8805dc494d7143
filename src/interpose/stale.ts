import { posix } from "node:path";
import { isForOtherProcessor } from "../executor/processor.js";
import { cachedOutcome } from "../forcer/cached.js";
import { othersAtWork } from "../store/at-work.js";
import type { FileFacts } from "../store/filefacts.js";
import { type Placeholders, readPlaceholder } from "../store/placeholders.js";
import type { Store } from "../store/types.js";
import { decodeThunk, decodeTree } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Item, Thunk } from "../thunk/types.js";

interface Standing {
	readonly ggDir: string;
	readonly placeholders: Placeholders;
	readonly store: Store;
	readonly facts: FileFacts;
}

/**
 * Removes the placeholders of an earlier gg that cannot be made any more, since a file that they need has changed. That is
 * to be done before make starts: it makes anew what is missing. Where it has found an archive there, `ar r lib.a $?` is
 * given the changed members alone, and there would be no archive for them to go into. Not while another gg is at work there:
 * what its placeholders need it may be keeping for itself.
 */
export function withdrawStale(o: Standing): void {
	if (othersAtWork(o.ggDir).length > 0) return;
	const standing = new Map<string, ObjectHash>();
	for (const path of o.placeholders.all()) {
		const hash = readPlaceholder(path)?.hash;
		if (hash !== undefined) standing.set(path, hash);
	}
	const stale = staleAmong(new Set(standing.values()), o);
	for (const [path, hash] of standing) if (stale.has(hash)) o.placeholders.remove(path);
}

/** Those of `thunks`, and of what they need, that have no result and lack something, or need one that does. */
function staleAmong(thunks: ReadonlySet<ObjectHash>, { store, facts }: Standing): ReadonlySet<ObjectHash> {
	const inputs = new Inputs(store, facts);
	const users = new Map<ObjectHash, ObjectHash[]>();
	const stale = new Set<ObjectHash>();
	const met = new Set(thunks);
	for (const hash of met) {
		const bytes = store.objects.get(hash);
		const thunk = bytes === undefined ? undefined : decodeThunk(bytes);
		if (thunk === undefined || !thunk.ok) {
			// A placeholder that another store's gg has left is that one's.
			if (!thunks.has(hash)) stale.add(hash);
			continue;
		}
		// In the original's form it names no file of the tree.
		if (thunk.value.cwd === "" || cachedOutcome(store, hash, thunk.value) !== undefined) continue;
		if (isForOtherProcessor(thunk.value) || !inputs.areThere(thunk.value)) stale.add(hash);
		for (const need of thunk.value.thunks) {
			met.add(need.hash);
			const others = users.get(need.hash);
			if (others === undefined) users.set(need.hash, [hash]);
			else others.push(hash);
		}
	}
	for (const hash of stale) for (const user of users.get(hash) ?? []) stale.add(user);
	return stale;
}

/** Each file and each tree is looked at once: thousands of thunks share them. */
class Inputs {
	readonly #store: Store;
	readonly #facts: FileFacts;
	readonly #files = new Map<string, ObjectHash | undefined>();
	readonly #trees = new Map<string, boolean>();

	constructor(store: Store, facts: FileFacts) {
		this.#store = store;
		this.#facts = facts;
	}

	areThere(thunk: Thunk): boolean {
		const tool = thunk.executables[0];
		return (
			(tool === undefined || this.#hashAt(tool.name) === tool.hash) &&
			thunk.values.every(({ name, hash }) => !name.startsWith("/") || this.#isThere(name, hash)) &&
			thunk.trees.every((tree) => this.#treeIsThere(tree))
		);
	}

	#treeIsThere({ name, hash }: Item): boolean {
		const key = `${hash}${name}`;
		let there = this.#trees.get(key);
		if (there === undefined) {
			const bytes = this.#store.objects.get(hash);
			const entries = bytes === undefined ? undefined : decodeTree(bytes);
			there =
				entries?.every(
					(e) => e.kind === "link" || e.kind === "directory" || this.#isThere(posix.join(name, e.name), e.hash),
				) === true;
			this.#trees.set(key, there);
		}
		return there;
	}

	#isThere(path: string, hash: ObjectHash): boolean {
		return this.#hashAt(path) === hash || this.#store.objects.has(hash);
	}

	#hashAt(path: string): ObjectHash | undefined {
		if (!this.#files.has(path)) this.#files.set(path, this.#facts.get(path)?.hash);
		return this.#files.get(path);
	}
}
