import { readFileSync } from "node:fs";
import { posix } from "node:path";
import type { ObjectStore } from "../store/types.js";
import { decodeTree } from "../thunk/codec.js";
import { hashBytes, type ObjectHash } from "../thunk/hash.js";
import type { Thunk, TreeEntry } from "../thunk/types.js";

/**
 * Finds a file that `#pragma once` or `#import` would take for another one: both have the same content, and elsewhere perhaps
 * the same time too, by which compilers tell them apart. What such a thunk comes to on one machine may not hold on another.
 */
export class Twins {
	readonly #objects: ObjectStore;
	readonly #once = new Map<ObjectHash, boolean>();
	readonly #trees = new Map<ObjectHash, readonly TreeEntry[]>();

	constructor(objects: ObjectStore) {
		this.#objects = objects;
	}

	/** Its path; undefined when there is none. */
	of(thunk: Thunk): string | undefined {
		const seen = new Set<ObjectHash>();
		const meets = (hash: ObjectHash, path: () => string): boolean => {
			if (seen.has(hash) && this.#saysOnce(hash, path())) return true;
			seen.add(hash);
			return false;
		};
		for (const item of thunk.trees) {
			if (item.name === "/") continue;
			for (const { hash, name, kind } of this.#entries(item.hash)) {
				const path = (): string => posix.join(item.name, name);
				if ((kind === "file" || kind === "executable") && meets(hash, path)) return path();
			}
		}
		return thunk.values.find(({ hash, name }) => meets(hash, () => name))?.name;
	}

	#entries(hash: ObjectHash): readonly TreeEntry[] {
		let entries = this.#trees.get(hash);
		if (entries === undefined) {
			const bytes = this.#objects.get(hash);
			entries = (bytes === undefined ? undefined : decodeTree(bytes)) ?? [];
			this.#trees.set(hash, entries);
		}
		return entries;
	}

	#saysOnce(hash: ObjectHash, path: string): boolean {
		let says = this.#once.get(hash);
		if (says === undefined) {
			// What cannot be read may say anything.
			says = /^[ \t]*#[ \t]*(?:pragma[ \t]+once|import)\b/m.test(
				this.#read(hash, path)?.toString("latin1") ?? "#import",
			);
			this.#once.set(hash, says);
		}
		return says;
	}

	#read(hash: ObjectHash, path: string): Buffer | undefined {
		try {
			const bytes = readFileSync(path);
			if (hashBytes(bytes) === hash) return bytes;
		} catch {
			// Gone, or never there: the store may have it.
		}
		return this.#objects.get(hash);
	}
}
