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

	constructor(name: string) {
		this.name = name;
	}
}

export class Symbols {
	readonly #byName = new Map<string, Sym>();

	get(name: string): Sym {
		let sym = this.#byName.get(name);
		if (sym === undefined) {
			sym = new Sym(name);
			this.#byName.set(name, sym);
		}
		return sym;
	}

	get size(): number {
		return this.#byName.size;
	}
}

/** What a name stands for after `#pragma GCC poison`: each further use is an error. */
export const POISONED = new Macro("", true);
