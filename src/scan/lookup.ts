/** Finding headers as libcpp does: which file object a name leads to decides what the depfile lists, and how often. */

import { posix } from "node:path";
import type { EffectsOf } from "./effects.js";
import { Refusal } from "./refusal.js";
import type { OpenedFile, ScanFile, ScanFiles, ScanSetup, SearchDir } from "./types.js";

/** A folder in which a search can start, or go on; outlives a walk. */
export interface Dir {
	/** What a name is appended to: the path with its slash, or nothing. */
	readonly prefix: string;
	readonly system: boolean;
	readonly next: Dir | undefined;
	/** Searches that started here, by name. */
	readonly searches: Map<string, Search>;
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
	/** The file as it is listed: the project's, the system's. */
	readonly listed: [OpenedFile | undefined, OpenedFile | undefined];
	/** What reading it came to in earlier walks. */
	readonly effects: EffectsOf;
}

/** gcc's is one for each file object, clang's one for each file. */
export interface FileState {
	/** It was read. */
	stacked: boolean;
	once: boolean;
}

/** A name that is looked for from a folder on. What it led to in one walk is looked at again by the next. */
export interface Search {
	readonly name: string;
	readonly start: Dir;
	/** The walk for which `found` holds, and the one whose answer it is part of. */
	madeFor: number;
	countedFor: number;
	found: Found;
	/** Candidates, as far as they were looked at. */
	readonly paths: string[];
	readonly absolutes: string[];
	/** What this walk passed over, and names that led to what is opened by its real one. */
	readonly absent: string[];
	readonly folders: string[];
	readonly links: string[];
	/** It goes on where quotes or brackets start, and what is found from there is found by both. */
	onward: Search | undefined;
	/** The recorder that has it. */
	notedBy: number;
}

export type LookFor = "header" | "has-include" | "implicit" | "source";

const NOWHERE: Found = {
	path: "",
	dir: undefined,
	file: undefined,
	state: { stacked: false, once: false },
	listed: [undefined, undefined],
	effects: { known: [], walks: 0, tries: 0 },
};

/** What was looked for with the same folders from the same directory; a walk begins with `begin`. */
export class Lookup {
	/** Of this walk. */
	all: Found[] = [];
	absent = new Set<string>();
	/** Candidates that were passed over because they are folders. */
	folders = new Set<string>();
	/** Names of files that were opened by their real ones. */
	links = new Set<string>();
	/** Where searches for "…" go on after the including file's folder, and for <…>. */
	readonly #bracket: Dir | undefined;
	readonly #quote: Dir | undefined;
	readonly #states = new Map<string, FileState>();
	/** Folders of including files by path, as this walk has them; and all, by whether they count as the system's. */
	readonly #current = new Map<string, Dir>();
	readonly #beside = [new Map<string, Dir>(), new Map<string, Dir>()] as const;
	readonly #noSearch: Dir;
	readonly #files: ScanFiles;
	readonly #flavour: ScanSetup["flavour"];
	readonly #canonical: boolean;
	readonly #base: string;
	#walk = 0;
	/** No header but implicit ones was looked for yet: gcc takes a precompiled one in its place. */
	precompiledPossible = true;
	/** Names that are kept. */
	size = 0;

	constructor(setup: ScanSetup, cwd: string, files: ScanFiles) {
		this.#files = files;
		this.#flavour = setup.flavour;
		this.#canonical = setup.canonicalSystemHeaders;
		this.#base = cwd.endsWith("/") ? cwd : `${cwd}/`;
		this.#noSearch = directory("", false, undefined, "none");
		this.#bracket = chain(setup.bracketDirs, undefined);
		this.#quote = chain(setup.quoteDirs, this.#bracket);
	}

	/** `walk`: a number above all earlier ones. */
	begin(walk: number): void {
		this.#walk = walk;
		this.all = [];
		this.absent = new Set();
		this.folders = new Set();
		this.links = new Set();
		this.#states.clear();
		this.#current.clear();
		this.#noSearch.searches.clear();
		this.precompiledPossible = this.#flavour === "gcc";
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
			if (this.#flavour === "clang" && from.dir.kind !== "path") {
				throw new Refusal("bad-directive", "include_next where the file was not found on the path");
			}
			if (from.dir.kind !== "none") return from.dir.next;
		}
		if (angled) return this.#bracket;
		return this.besides(from.path.slice(0, from.path.lastIndexOf("/") + 1), fromSystem);
	}

	/** A folder that is not on the include path, with the quote chain behind it. It is the system's if it was when it was
	 * first searched in this walk. */
	besides(path: string, system: boolean): Dir {
		let dir = this.#current.get(path);
		if (dir === undefined) {
			const known = this.#beside[system ? 1 : 0];
			dir = known.get(path);
			if (dir === undefined) {
				dir = directory(path, system, this.#quote, "beside");
				known.set(path, dir);
			}
			this.#current.set(path, dir);
		}
		return dir;
	}

	/** The folder as this walk has searched it, if it has. */
	current(dir: Dir): Dir | undefined {
		return this.#current.get(dir.prefix);
	}

	/** Makes it the one of this walk. */
	take(dir: Dir): void {
		this.#current.set(dir.prefix, dir);
	}

	get bracket(): Dir | undefined {
		return this.#bracket;
	}

	search(name: string, start: Dir): Search {
		let search = start.searches.get(name);
		if (search === undefined) {
			search = {
				name,
				start,
				madeFor: 0,
				countedFor: 0,
				found: NOWHERE,
				paths: [],
				absolutes: [],
				absent: [],
				folders: [],
				links: [],
				onward: undefined,
				notedBy: 0,
			};
			start.searches.set(name, search);
			this.size++;
		}
		return search;
	}

	find(search: Search, what: LookFor): Found {
		if (search.countedFor === this.#walk) return search.found;
		const found = this.peek(search);
		if (what === "implicit" && found.file === undefined) {
			// gcc forgets that it has looked.
			this.#pass(search);
			search.madeFor = 0;
			return found;
		}
		if (what !== "implicit" && what !== "source") this.precompiledPossible = false;
		this.#count(search);
		return found;
	}

	/** What the search comes to in this walk; it is no part of the walk's answer yet. */
	peek(search: Search): Found {
		if (search.madeFor === this.#walk) return search.found;
		search.absent.length = 0;
		search.folders.length = 0;
		search.links.length = 0;
		search.onward = undefined;
		const last = search.found;
		let found: Found | undefined;
		let dir: Dir | undefined = search.start;
		for (let i = 0; ; i++) {
			found = this.#inFolder(search, i, dir, last);
			if (found !== undefined) break;
			dir = dir.next;
			if (dir === undefined) {
				found = this.#found(last, search.name, undefined, undefined, "");
				break;
			}
			if (dir === this.#bracket || dir === this.#quote) {
				search.onward = this.search(search.name, dir);
				found = this.peek(search.onward);
				break;
			}
		}
		search.found = found;
		search.madeFor = this.#walk;
		return found;
	}

	#pass(search: Search): void {
		for (const path of search.absent) this.absent.add(path);
		for (const path of search.folders) this.folders.add(path);
		for (const path of search.links) this.links.add(path);
	}

	#count(search: Search): void {
		if (search.countedFor === this.#walk) return;
		search.countedFor = this.#walk;
		this.#pass(search);
		if (search.onward === undefined) this.all.push(search.found);
		else this.#count(search.onward);
	}

	/** `i`: the how many-th candidate it is. */
	#inFolder(search: Search, i: number, dir: Dir, last: Found): Found | undefined {
		let absolute = search.absolutes[i];
		if (absolute === undefined) {
			const path = dir.prefix + search.name;
			absolute = this.absolute(path);
			search.paths.push(path);
			search.absolutes.push(absolute);
		}
		let path = search.paths[i]!;
		let file = this.#files.open(absolute);
		if (this.precompiledPossible) this.#precompiled(absolute);
		if (file === "absent") {
			search.absent.push(absolute);
			return undefined;
		}
		if (file === "folder") {
			search.folders.push(absolute);
			return undefined;
		}
		if (dir.system && this.#canonical) {
			const real = this.#files.realPath(absolute);
			if (real !== undefined && real.length < path.length) {
				// By `..` alone there are as many names as one likes.
				if (posix.normalize(absolute) !== real) search.links.push(absolute);
				path = real;
				absolute = real;
				file = this.#files.open(real);
			}
		}
		if (typeof file === "string") throw new Refusal("unreadable", path);
		return this.#found(last, path, dir, file, absolute);
	}

	/** The one of an earlier walk, if the file is the very same. */
	#found(last: Found, path: string, dir: Dir | undefined, file: ScanFile | undefined, absolute: string): Found {
		const isGcc = this.#flavour === "gcc";
		if (isGcc && last !== NOWHERE && last.file === file && last.dir === dir && last.path === path) {
			last.state.stacked = false;
			last.state.once = false;
			return last;
		}
		const state = isGcc || file === undefined ? { stacked: false, once: false } : this.#state(absolute);
		return { path, dir, file, state, listed: [undefined, undefined], effects: { known: [], walks: 0, tries: 0 } };
	}

	#state(absolute: string): FileState {
		const real = this.#files.realPath(absolute) ?? absolute;
		let state = this.#states.get(real);
		if (state === undefined) {
			state = { stacked: false, once: false };
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

function chain(dirs: readonly SearchDir[], then: Dir | undefined): Dir | undefined {
	return dirs.reduceRight<Dir | undefined>((next, d) => directory(d.path, d.system, next, "path"), then);
}

function directory(path: string, system: boolean, next: Dir | undefined, kind: Dir["kind"]): Dir {
	const prefix = path === "" || path.endsWith("/") ? path : `${path}/`;
	return { prefix, system, next, kind, searches: new Map() };
}
