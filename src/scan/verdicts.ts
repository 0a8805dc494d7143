/** What an #if came to, kept with its directive: where the same macros stand for the same, it is not evaluated again. */

import type { Op } from "./program.js";
import type { Macro, Sym } from "./symbols.js";

/** A verdict that rests on more than this is found anew each time. */
const MOST_GROUNDS = 40;
const MOST_VERDICTS = 6;

/** The macros on which the #if at hand rests. */
export class Grounds {
	readonly #macros = new Map<Sym, Macro | undefined>();
	/** The compiler's answers to __has_attribute and its kin, too. */
	asked = false;

	add(sym: Sym, macro: Macro | undefined): void {
		this.#macros.set(sym, macro);
	}

	/** Keeps the verdict for others; `answers`: whose they are, if any went into it. */
	keep(value: boolean, op: Op, answers: object): void {
		if (this.#macros.size > MOST_GROUNDS) return;
		op.verdicts ??= [];
		if (op.verdicts.length >= MOST_VERDICTS) op.verdicts.shift();
		const asked = this.asked ? answers : undefined;
		op.verdicts.push({ value, syms: [...this.#macros.keys()], macros: [...this.#macros.values()], asked });
	}
}
