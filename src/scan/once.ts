/** `#pragma once` and #import: when two files are one to the compiler. */

import type { Found, Lookup } from "./lookup.js";
import type { Program } from "./program.js";
import { Refusal } from "./refusal.js";
import type { ScanFile } from "./types.js";

export interface OnceOptions {
	readonly flavour: "gcc" | "clang";
	readonly lookup: Lookup;
	programOf(file: ScanFile): Program;
}

export class Once {
	/** The mark of UTF-8, at the start of a file. */
	markSeen = false;
	readonly #options: OnceOptions;
	#seen = false;

	constructor(options: OnceOptions) {
		this.#options = options;
	}

	/** From now on the file is not read again. */
	mark(found: Found): void {
		found.state.once = true;
		this.#seen = true;
	}

	/** `found` is to be passed over, as a file that is the same to the compiler was marked; `file` is what it found. */
	readUnderAnotherName(found: Found, file: ScanFile, isImport: boolean): boolean {
		if (!this.#seen) return false;
		const { all } = this.#options.lookup;
		if (this.#options.flavour === "clang") {
			// Here it is the inode that counts: two names of one are the same file, if no link is hard.
			const twin = (f: Found): boolean => f.file?.identity === file.identity && f.file.seconds === file.seconds;
			if (all.some((f) => f.state !== found.state && f.state.once && twin(f))) {
				throw new Refusal("pragma", `once, and a second ${found.path}`);
			}
			return false;
		}
		for (const f of all) {
			if (f === found || !(isImport || f.state.once) || f.file === undefined) continue;
			if (f.file.identity === file.identity) {
				if (f.file.seconds === file.seconds) return true;
			} else if (this.markSeen && this.#differsByMark(f.file, file)) {
				throw new Refusal("pragma", `once, and a second ${found.path} but for its mark of UTF-8`);
			}
		}
		return false;
	}

	/** To gcc two files are the same then. */
	#differsByMark(a: ScanFile, b: ScanFile): boolean {
		const { programOf } = this.#options;
		const [one, other] = [programOf(a), programOf(b)];
		return one.isMarked !== other.isMarked && one.size === other.size && a.seconds === b.seconds;
	}
}
