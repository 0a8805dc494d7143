import { createHash } from "node:crypto";
import { join } from "node:path";
import { isObjectHash, type ObjectHash } from "../thunk/hash.js";
import { Pack } from "./pack.js";

/** One earlier description of a command: the thunk it became, and what was looked for and absent then. */
export interface DepEntry {
	readonly thunk: ObjectHash;
	/** Folder → names that were absent in it. */
	readonly absent: Readonly<Record<string, readonly string[]>>;
	/** Folder → digest of the names in it, where the command read the list; path → what it is, where it only looked; path →
	 * where it leads, without links, where the names in the thunk leave out what led there. */
	readonly listed?: Readonly<Record<string, string>>;
	/** The dependency file that was written when it was described: the thunk has no result to take it from until it is forced. */
	readonly depfile?: ObjectHash;
	/** Names how its files were read to find the others, if their directives alone decided that: `hash_cache/directives`. */
	readonly basis?: string;
}

const VERSION = 1;
/** Variants kept of one command, newest first: branches that are switched between, say. */
const VARIANTS = 6;

/** `depcache/pack`: what commands turned out to depend on, by everything that is known before they are looked into. */
export class DepCache {
	readonly #pack: Pack;
	/** What was asked for last: a command is looked up, and then described. */
	#last: { readonly key: string; readonly entries: readonly DepEntry[] } | undefined;

	constructor(ggDir: string) {
		this.#pack = new Pack(join(ggDir, "depcache", "pack"));
	}

	/** Writes what waits in memory. */
	close(): void {
		this.#pack.close();
	}

	/** Drops what leads to none of the thunks that `keep` wants. */
	compact(keep: (thunk: ObjectHash) => boolean): void {
		this.#pack.compact((key) => this.get(key).some((entry) => keep(entry.thunk)));
	}

	static key(parts: readonly string[]): string {
		const digest = createHash("sha256");
		for (const part of parts) digest.update(`${part.length}:${part}`);
		return digest.digest("base64url");
	}

	get(key: string): readonly DepEntry[] {
		if (this.#last?.key !== key) this.#last = { key, entries: this.#read(key) };
		return this.#last.entries;
	}

	#read(key: string): readonly DepEntry[] {
		const bytes = this.#pack.get(key);
		if (bytes === undefined) return [];
		try {
			const file = JSON.parse(bytes.toString()) as { v: number; entries: DepEntry[] };
			if (file.v === VERSION)
				return file.entries.filter((e) => isName(e.thunk) && (e.depfile === undefined || isName(e.depfile)));
		} catch {
			// Cut short or of another version: nothing is known.
		}
		return [];
	}

	/** Puts `entry` first. */
	put(key: string, entry: DepEntry): void {
		const entries = [entry, ...this.get(key).filter((e) => e.thunk !== entry.thunk)].slice(0, VARIANTS);
		this.#pack.put(key, Buffer.from(JSON.stringify({ v: VERSION, entries })));
		this.#last = { key, entries };
	}
}

function isName(value: unknown): boolean {
	return typeof value === "string" && isObjectHash(value);
}
