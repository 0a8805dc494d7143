import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isObjectHash, type ObjectHash } from "../thunk/hash.js";
import { writeFileAtomic } from "../util/files.js";

/** One earlier description of a command: the thunk it became, and what was looked for and absent then. */
export interface DepEntry {
	readonly thunk: ObjectHash;
	/** Folder → names that were absent in it. */
	readonly absent: Readonly<Record<string, readonly string[]>>;
}

const VERSION = 1;
/** Variants kept of one command, newest first: branches that are switched between, say. */
const VARIANTS = 6;

/** `depcache/<key>`: what commands turned out to depend on, by everything that is known before they are looked into. */
export class DepCache {
	readonly #folder: string;

	constructor(ggDir: string) {
		this.#folder = join(ggDir, "depcache");
	}

	static key(parts: readonly string[]): string {
		const digest = createHash("sha256");
		for (const part of parts) digest.update(`${part.length}:${part}`);
		return digest.digest("base64url");
	}

	get(key: string): readonly DepEntry[] {
		try {
			const file = JSON.parse(readFileSync(join(this.#folder, key), "utf8")) as { v: number; entries: DepEntry[] };
			if (file.v === VERSION) return file.entries.filter((e) => isObjectHash(e.thunk));
		} catch {
			// Absent, cut short or of another version: nothing is known.
		}
		return [];
	}

	/** Puts `entry` first. */
	put(key: string, entry: DepEntry): void {
		const entries = [entry, ...this.get(key).filter((e) => e.thunk !== entry.thunk)].slice(0, VARIANTS);
		writeFileAtomic(join(this.#folder, key), JSON.stringify({ v: VERSION, entries }), 0o600);
	}
}
