import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { keyOfReading, type Scanner } from "../scan/scanner.js";
import type { OpenedFile, Reading, RestsOn, ScanFile } from "../scan/types.js";
import type { FileFact } from "../store/filefacts.js";
import { Pack } from "../store/pack.js";
import { type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import { removeQuietly } from "../util/files.js";
import { ChangedMeanwhile, type DiskFiles } from "./scan-files.js";

/** Beyond, all is forgotten at once: it is found anew where it is needed. */
const LARGEST = 16 << 20;

type Core = Pick<Scanner, "directivesOf" | "isHeedful">;

/** What a scan rests on, as a depcache entry keeps it: the reading's name, and `!` behind it for `unheeded`. */
export type Basis = string;

/**
 * `hash_cache/directives`: the names of the directives that files have had, by content. Of an edit that changed none of
 * them a header's users need not be scanned again. Files of the system are not in here.
 */
export class Directives {
	readonly #pack: Pack;
	readonly #files: DiskFiles;
	readonly #core: Core;
	readonly #names = new Map<string, string>();
	readonly #readings = new Map<string, Reading | undefined>();
	/** For which reading a file was noted last, by its name: hardly a header is read in two ways. */
	readonly #noted = new WeakMap<ScanFile, string>();
	#isCaughtUp = false;

	constructor(ggDir: string, files: DiskFiles, core: Core) {
		const path = join(ggDir, "hash_cache", "directives");
		if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LARGEST) removeQuietly(path);
		this.#pack = new Pack(path);
		this.#files = files;
		this.#core = core;
	}

	close(): void {
		this.#pack.close();
	}

	/** Keeps in mind what a scan went by that was just made. `isSystem`: such files do not change. */
	note(
		reading: Reading,
		restsOn: RestsOn,
		files: readonly OpenedFile[],
		isSystem: (path: string) => boolean,
	): Basis | undefined {
		if (restsOn === "text" || reading.language === "assembler") return undefined;
		const name = this.#nameOf(reading);
		for (const { path } of files) {
			const file = this.#files.open(path);
			if (typeof file === "string") return undefined;
			if (this.#noted.get(file) === name) continue;
			this.#noted.set(file, name);
			if (!isSystem(path)) this.#keep(name + file.identity, () => this.#core.directivesOf(file, reading));
		}
		return restsOn === "unheeded" ? `${name}!` : name;
	}

	/** The file's content was another, but not in what the scan rests on. */
	areSame(basis: Basis, was: ObjectHash, path: string, now: FileFact): boolean {
		// Empty files are all alike, and #import takes one for the other: that is not looked into where records are kept.
		if (now.size === 0 || sizeOfHash(was) === 0) return false;
		const name = basis.replace("!", "");
		const before = this.#pack.get(name + was)?.toString();
		const reading = this.#readingOf(name);
		if (before === undefined || reading === undefined) return false;
		const file = this.#files.open(path);
		if (typeof file === "string" || file.identity !== now.hash) return false;
		try {
			const after = this.#core.directivesOf(file, reading);
			this.#keep(name + file.identity, () => after);
			return before === after && (basis === name || !this.#core.isHeedful(file, reading));
		} catch (error) {
			if (error instanceof ChangedMeanwhile) return false;
			throw error;
		}
	}

	#nameOf(reading: Reading): string {
		const key = keyOfReading(reading);
		let name = this.#names.get(key);
		if (name === undefined) {
			name = createHash("sha256").update(key).digest("base64url").slice(0, 16);
			this.#names.set(key, name);
			const { language, dialect } = reading;
			this.#readings.set(name, { language, dialect });
			this.#keep(name, () => JSON.stringify({ v: 1, language, dialect }));
		}
		return name;
	}

	#readingOf(name: string): Reading | undefined {
		let reading = this.#readings.get(name);
		if (reading === undefined && !this.#readings.has(name)) {
			const bytes = this.#pack.get(name);
			try {
				if (bytes !== undefined) reading = JSON.parse(bytes.toString()) as Reading;
			} catch {
				// What a crash has cut short is not there.
			}
			if (reading !== undefined && this.#nameOf(reading) !== name) reading = undefined;
			this.#readings.set(name, reading);
		}
		return reading;
	}

	#keep(key: string, value: () => string): void {
		// What others add meanwhile may be added twice.
		if (!this.#isCaughtUp) this.#pack.has(key);
		this.#isCaughtUp = true;
		if (!this.#pack.isKnown(key)) this.#pack.put(key, Buffer.from(value()));
	}
}
