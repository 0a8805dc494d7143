/** Finding headers as libcpp does: which file object a name leads to decides what the depfile lists, and how often. */

import { posix } from "node:path";
import { Refusal } from "./refusal.js";
import type { ScanFile, ScanFiles, ScanSetup, SearchDir } from "./types.js";

/** A name in a folder: made once, as most names are looked for by each source again. */
interface Candidate {
	/** As the compiler spells it. */
	readonly path: string;
	readonly absolute: string;
}

/** Candidates by folder and name; outlives a walk. */
export class Candidates {
	readonly #folders = new Map<string, Map<string, Candidate>>();
	size = 0;

	in(base: string, prefix: string): Map<string, Candidate> {
		const key = prefix.startsWith("/") ? prefix : `${base}\0${prefix}`;
		let folder = this.#folders.get(key);
		if (folder === undefined) {
			folder = new Map();
			this.#folders.set(key, folder);
		}
		return folder;
	}
}

/** A folder in which a search can start, or go on. */
export interface Dir {
	readonly candidates: Map<string, Candidate>;
	/** What a name is appended to: the path with its slash, or nothing. */
	readonly prefix: string;
	readonly system: boolean;
	readonly next: Dir | undefined;
	/** Results of searches that started here. */
	readonly found: Map<string, Found>;
	/** `none`: names that are not searched for, absolute ones and the source. `beside`: the folder of an including file. */
	readonly kind: "beside" | "none" | "path";
}

/** One file object of libcpp: what one search found. The same file found by two searches is two of them. */
export interface Found {
	/** As the compiler spells it; as asked if it is missing. */
	readonly path: string;
	readonly dir: Dir | undefined;
	/** Undefined: missing. */
	readonly file: ScanFile | undefined;
	readonly state: FileState;
}

/** gcc's is one for each file object, clang's one for each file. */
export interface FileState {
	/** Times it was read. */
	stacked: number;
	once: boolean;
}

export type LookFor = "header" | "has-include" | "implicit" | "source";

export class Lookup {
	readonly all: Found[] = [];
	readonly absent = new Set<string>();
	/** Candidates that were passed over because they are folders. */
	readonly folders = new Set<string>();
	/** Names of files that were opened by their real ones. */
	readonly links = new Set<string>();
	/** Where searches for "…" go on after the including file's folder, and for <…>. */
	readonly #bracket: Dir | undefined;
	readonly #quote: Dir | undefined;
	readonly #states = new Map<string, FileState>();
	readonly #current = new Map<string, Dir>();
	readonly #noSearch: Dir;
	readonly #candidates: Candidates;
	readonly #files: ScanFiles;
	readonly #setup: ScanSetup;
	readonly #base: string;
	/** No header but implicit ones was looked for yet: gcc takes a precompiled one in its place. */
	#precompiledPossible: boolean;

	constructor(setup: ScanSetup, cwd: string, files: ScanFiles, candidates: Candidates) {
		this.#files = files;
		this.#setup = setup;
		this.#candidates = candidates;
		this.#base = cwd.endsWith("/") ? cwd : `${cwd}/`;
		this.#noSearch = this.#directory("", false, undefined, "none");
		this.#bracket = this.#chain(setup.bracketDirs, undefined);
		this.#quote = this.#chain(setup.quoteDirs, this.#bracket);
		this.#precompiledPossible = setup.flavour === "gcc";
	}

	#chain(dirs: readonly SearchDir[], then: Dir | undefined): Dir | undefined {
		return dirs.reduceRight<Dir | undefined>((next, d) => this.#directory(d.path, d.system, next, "path"), then);
	}

	#directory(path: string, system: boolean, next: Dir | undefined, kind: Dir["kind"]): Dir {
		const prefix = path === "" || path.endsWith("/") ? path : `${path}/`;
		return { prefix, system, next, kind, found: new Map(), candidates: this.#candidates.in(this.#base, prefix) };
	}

	absolute(path: string): string {
		return path.charCodeAt(0) === 0x2f ? path : this.#base + path;
	}

	/** The source, and names from the command line that are not searched for. */
	get noSearch(): Dir {
		return this.#noSearch;
	}

	/** Where a search starts; undefined: nowhere. */
	start(name: string, angled: boolean, from: Found, fromSystem: boolean, after: boolean): Dir | undefined {
		if (name.charCodeAt(0) === 0x2f) return this.#noSearch;
		if (after && from.dir !== undefined) {
			if (this.#setup.flavour === "clang" && from.dir.kind !== "path") {
				throw new Refusal("bad-directive", "include_next where the file was not found on the path");
			}
			if (from.dir.kind !== "none") return from.dir.next;
		}
		if (angled) return this.#bracket;
		return this.besides(from.path.slice(0, from.path.lastIndexOf("/") + 1), fromSystem);
	}

	/** A folder that is not on the include path, with the quote chain behind it. */
	besides(path: string, system: boolean): Dir {
		let dir = this.#current.get(path);
		if (dir === undefined) {
			dir = this.#directory(path, system, this.#quote, "beside");
			this.#current.set(path, dir);
		}
		return dir;
	}

	get bracket(): Dir | undefined {
		return this.#bracket;
	}

	find(name: string, start: Dir, what: LookFor): Found {
		const known = start.found.get(name);
		if (known !== undefined) return known;
		let passedBracket = false;
		let passedQuote = false;
		let found: Found | undefined;
		let foundInCache: Dir | undefined;
		for (let dir: Dir | undefined = start; ; ) {
			found = this.#inFolder(name, dir);
			if (found !== undefined) break;
			dir = dir.next;
			if (dir === undefined) {
				found = { path: name, dir: undefined, file: undefined, state: { stacked: 0, once: false } };
				break;
			}
			if (dir === this.#bracket) passedBracket = true;
			else if (dir === this.#quote) passedQuote = true;
			else continue;
			found = dir.found.get(name);
			if (found !== undefined) {
				foundInCache = dir;
				break;
			}
		}
		if (foundInCache === undefined) {
			if (what === "implicit" && found.file === undefined) return found;
			this.all.push(found);
			if (what !== "implicit" && what !== "source") this.#precompiledPossible = false;
		}
		start.found.set(name, found);
		if (passedBracket && this.#bracket !== foundInCache) this.#bracket!.found.set(name, found);
		if (passedQuote && this.#quote !== foundInCache) this.#quote!.found.set(name, found);
		return found;
	}

	#inFolder(name: string, dir: Dir): Found | undefined {
		let candidate = dir.candidates.get(name);
		if (candidate === undefined) {
			const path = dir.prefix + name;
			candidate = { path, absolute: this.absolute(path) };
			dir.candidates.set(name, candidate);
			this.#candidates.size++;
		}
		let { path, absolute } = candidate;
		let file = this.#files.open(absolute);
		if (this.#precompiledPossible) this.#precompiled(absolute);
		if (file === "absent") {
			this.absent.add(absolute);
			return undefined;
		}
		if (file === "folder") {
			this.folders.add(absolute);
			return undefined;
		}
		if (dir.system && this.#setup.canonicalSystemHeaders) {
			const real = this.#files.realPath(absolute);
			if (real !== undefined && real.length < path.length) {
				// By `..` alone there are as many names as one likes.
				if (posix.normalize(absolute) !== real) this.links.add(absolute);
				path = real;
				absolute = real;
				file = this.#files.open(real);
			}
		}
		if (typeof file === "string") throw new Refusal("unreadable", path);
		return { path, dir, file, state: this.#state(absolute) };
	}

	#state(absolute: string): FileState {
		if (this.#setup.flavour === "gcc") return { stacked: 0, once: false };
		const real = this.#files.realPath(absolute) ?? absolute;
		let state = this.#states.get(real);
		if (state === undefined) {
			state = { stacked: 0, once: false };
			this.#states.set(real, state);
		}
		return state;
	}

	#precompiled(absolute: string): void {
		const path = `${absolute}.gch`;
		if (this.#files.open(path) !== "absent") throw new Refusal("precompiled", path);
		this.absent.add(path);
	}
}
