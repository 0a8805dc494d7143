/** The macros that are defined where a walk is: what #define, #undef and the pragmas about macros have made of those of the command line. */

import { isFixed } from "./builtins.js";
import type { Op } from "./program.js";
import { Refusal } from "./refusal.js";
import { type Macro, POISONED, type Sym } from "./symbols.js";

export class Definitions {
	readonly #predefined: ReadonlyMap<Sym, Macro>;
	readonly #epoch: number;
	/** By push_macro. */
	readonly #pushed = new Map<Sym, (Macro | undefined)[]>();

	/** `epoch` is different from that of every other walk: symbols keep what an earlier one has left in them. */
	constructor(predefined: ReadonlyMap<Sym, Macro>, epoch: number) {
		this.#predefined = predefined;
		this.#epoch = epoch;
	}

	of(sym: Sym): Macro | undefined {
		if (sym.epoch !== this.#epoch) {
			sym.epoch = this.#epoch;
			sym.macro = this.#predefined.get(sym);
		}
		return sym.macro;
	}

	/** It is as it was before the first line. */
	isPredefined(sym: Sym, macro: Macro | undefined): boolean {
		return this.#predefined.get(sym) === macro;
	}

	define({ sym, macro, reason, text }: Op): void {
		if (reason !== undefined || sym === undefined) throw new Refusal(reason ?? "bad-directive", `#define ${text}`);
		if (this.of(sym)?.builtin === true) this.#checkBuiltin(sym);
		sym.macro = macro;
	}

	undefine({ sym, reason, text }: Op): void {
		if (reason !== undefined) throw new Refusal(reason, `#undef ${text}`);
		if (this.of(sym!)?.builtin === true) this.#checkBuiltin(sym!);
		this.#set(sym!, undefined);
	}

	/** `text`: of the pragma, for who is told. */
	push(sym: Sym, text: string): void {
		const macro = this.of(sym);
		if (macro?.builtin === true) throw new Refusal("pragma", text);
		const stack = this.#pushed.get(sym);
		if (stack === undefined) this.#pushed.set(sym, [macro]);
		else stack.push(macro);
	}

	pop(sym: Sym, text: string): void {
		const stack = this.#pushed.get(sym);
		if (stack === undefined || stack.length === 0) return;
		if (this.of(sym)?.builtin === true) throw new Refusal("pragma", text);
		this.#set(sym, stack.pop());
	}

	poison(sym: Sym): void {
		this.#set(sym, POISONED);
	}

	#set(sym: Sym, macro: Macro | undefined): void {
		sym.epoch = this.#epoch;
		sym.macro = macro;
	}

	/** Of what the preprocessor computes only some may be defined otherwise. */
	#checkBuiltin(sym: Sym): void {
		if (sym.macro === POISONED) throw isPoisoned(sym);
		if (isFixed(sym.name)) throw new Refusal("bad-directive", `a macro ${sym.name}`);
	}
}

export function isPoisoned(sym: Sym): Refusal {
	return new Refusal("pragma", `${sym.name} is poisoned`);
}
