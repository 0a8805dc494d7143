/** Names and what they stand for. A symbol holds its macro of the current walk, so that #define is two stores. */

import type { Token } from "./lex.js";

export class Macro {
	/** What follows the name: parameters, if `(` comes first, and the body; comments are blanks. */
	readonly text: string;
	/** One that the preprocessor computes: `__FILE__`, `__has_include`, … */
	readonly builtin: boolean;
	/** Set when it is first expanded. */
	parsed: MacroBody | undefined = undefined;

	constructor(text: string, builtin = false) {
		this.text = text;
		this.builtin = builtin;
	}
}

export interface MacroBody {
	readonly functionLike: boolean;
	readonly parameters: number;
	readonly variadic: boolean;
	readonly tokens: readonly Token[];
	readonly hasVaOpt: boolean;
}

export class Sym {
	readonly name: string;
	/** Valid where `epoch` is the walk's. */
	macro: Macro | undefined = undefined;
	epoch = 0;
	/** It is being expanded. */
	disabled = false;
	/** It once was a macro of the preprocessor's own, or poisoned: whether it may be defined depends on what it is. */
	special = false;
	/** When it was last given another meaning, by the clock of `Symbols`. */
	assignedAt = 0;
	/** The recorder that has noted it as read. */
	notedBy = 0;

	constructor(name: string) {
		this.name = name;
	}
}

export class Symbols {
	readonly #byName = new Map<string, Sym>();
	/** Names that are special. */
	specials = 0;
	/** Goes on with each recorder that begins. */
	now = 0;

	get(name: string): Sym {
		let sym = this.#byName.get(name);
		if (sym === undefined) {
			sym = new Sym(name);
			this.#byName.set(name, sym);
		}
		return sym;
	}

	makeSpecial(sym: Sym): void {
		if (sym.special) return;
		sym.special = true;
		this.specials++;
	}

	get size(): number {
		return this.#byName.size;
	}
}

/** What a name stands for after `#pragma GCC poison`: each further use is an error. */
export const POISONED = new Macro("", true);
