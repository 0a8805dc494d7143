/**
 * `#pragma GCC target` and `optimize`: the macros of the machine's extensions are others then, in the compiler but not in
 * its scan, up to the pop_options that undoes it.
 */

import type { Found } from "./lookup.js";
import { Refusal } from "./refusal.js";

/** What a compiler may define for a target, and among these what `#pragma GCC target` leaves alone. */
const OF_TARGET = /^__[A-Z0-9_]+__$/;
const NOT_OF_TARGET = /^__(?:OPTIMIZE|NO_INLINE|LP64|ILP32|GNUC\w*|STDC\w*|VERSION|CHAR_\w+|SIZEOF_\w+|DISABLE_\w+)__$/;

const BUILTIN_OF_TARGET = /^__builtin_(?:aarch64|altivec|arm|ia32|loongarch|neon|riscv|s390|sve|vec|vsx)/;

/** gcc's intrinsics test for the target under such pragmas all the time, but never to include something. */
const COMPILERS_OWN = /\/gcc\/[^/]+\/[0-9.]+\/include\//;

export class TargetOptions {
	/** Such a pragma is in force, under so many push_options; 0: none is. */
	depth = 0;
	#optimised = false;
	/** Builtins that such a pragma brought stay. */
	#everTargeted = false;

	/** A pragma of gcc's; `text` is what follows `#pragma`. */
	pragma(text: string): void {
		const word = /^\s*GCC\s+(target|optimize|push_options|pop_options|reset_options)\b/.exec(text)?.[1];
		if (word === undefined) return;
		if (word === "target" || word === "optimize") {
			if (this.depth === 0) this.depth = 1;
			this.#everTargeted = true;
			if (word === "optimize") this.#optimised = true;
		} else if (word === "push_options") {
			if (this.depth > 0) this.depth++;
		} else if (word === "pop_options") {
			if (this.depth > 0) this.depth--;
		}
	}

	/** Whether the macro of this name may be another one while such a pragma is in force, where `reader` tests or uses it. */
	mayChange(name: string, reader: Found): boolean {
		if (!OF_TARGET.test(name) || (!this.#optimised && NOT_OF_TARGET.test(name))) return false;
		return !(reader.dir?.system === true && COMPILERS_OWN.test(reader.path));
	}

	/** Before `__has_builtin(NAME)` is answered. */
	checkBuiltin(name: string): void {
		if (this.#everTargeted && BUILTIN_OF_TARGET.test(name)) {
			throw new Refusal("target", `${name} after #pragma GCC target`);
		}
	}
}
