/** The files that are being read, one including the next: which are read, which are passed over, and what is listed of them. */

import { withoutDots } from "./file-names.js";
import type { Found, Lookup } from "./lookup.js";
import { Once } from "./once.js";
import type { Program } from "./program.js";
import { Refusal } from "./refusal.js";
import type { Sym } from "./symbols.js";
import type { OpenedFile, ScanFile } from "./types.js";

/** gcc's -fmax-include-depth and clang's limit. */
const DEEPEST_INCLUDE = 200;
/** Files of one walk, read again counted again. */
const MOST_READ = 300_000;

export interface Frame {
	readonly found: Found;
	readonly program: Program;
	system: boolean;
	/** #line was seen. */
	renumbered: boolean;
}

export interface IncludeStackOptions {
	readonly flavour: "gcc" | "clang";
	readonly lookup: Lookup;
	programOf(file: ScanFile): Program;
	/** Now. */
	isMacro(sym: Sym): boolean;
}

export class IncludeStack {
	/** In the order in which the compiler first lists them. */
	readonly opened: OpenedFile[] = [];
	/** What was read, not only opened. */
	readonly read = new Map<Program, ScanFile>();
	readonly once: Once;
	/** __DATE__, __TIME__ or __TIMESTAMP__ stands in a file that was read. */
	namesTime = false;
	readonly #options: IncludeStackOptions;
	readonly #frames: Frame[] = [];
	readonly #listed = new Set<string>();
	#reads = 0;

	constructor(options: IncludeStackOptions) {
		this.#options = options;
		this.once = new Once(options);
	}

	get top(): Frame | undefined {
		return this.#frames.at(-1);
	}

	/** The source is at 1. */
	get depth(): number {
		return this.#frames.length;
	}

	get isTooDeep(): boolean {
		return this.#frames.length >= DEEPEST_INCLUDE;
	}

	/** Begins to read the file, unless it was read and is to be read once. */
	enter(found: Found, isImport: boolean): Frame | undefined {
		const { flavour, programOf, isMacro } = this.#options;
		const below = this.#frames.at(-1);
		const system = below !== undefined && found.dir !== undefined && (below.system || found.dir.system);
		// It lists what it skips, too: a file that it knows may have another name here.
		if (flavour === "clang" && found.file !== undefined) this.list(found, system);
		if (found.state.once) return undefined;
		if (isImport) {
			this.once.mark(found);
			if (found.state.stacked > 0) return undefined;
		}
		const file = found.file;
		if (file === undefined) return undefined;
		const code = programOf(file);
		if (code.isMarked) this.once.markSeen = true;
		if (found.state.stacked > 0 && code.guard !== undefined && isMacro(code.guard)) return undefined;
		if (this.once.readUnderAnotherName(found, file, isImport)) return undefined;
		if (flavour === "gcc" && found.state.stacked === 0) this.list(found, system);
		if (++this.#reads > MOST_READ) throw new Refusal("macro-limit", "too many files");
		if (code.namesTime) this.namesTime = true;
		this.read.set(code, file);
		found.state.stacked++;
		const frame = { found, program: code, system, renumbered: false };
		this.#frames.push(frame);
		if (code.problem !== undefined) {
			throw new Refusal(code.problem.reason, code.problem.what, `${found.path}:${code.problem.line}`);
		}
		return frame;
	}

	leave(): void {
		this.#frames.pop();
	}

	/** clang lists each name once, gcc each of its file objects. */
	list(found: Found, system: boolean): void {
		const name = withoutDots(found.path);
		if (this.#options.flavour === "clang") {
			if (this.#listed.has(name)) return;
			this.#listed.add(name);
		}
		this.opened.push({ name, path: this.#options.lookup.absolute(found.path), system });
	}
}
