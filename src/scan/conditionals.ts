/** #if … #endif of one file: each is told where its next branch and its end are; and the guard around all there is. */

import type { Fail, Op } from "./program.js";
import * as program from "./program.js";
import type { Sym, Symbols } from "./symbols.js";

interface Conditional {
	/** Its branches so far. */
	readonly branches: Op[];
	last: Op;
	hadElse: boolean;
}

export class Conditionals {
	readonly #symbols: Symbols;
	readonly #fail: Fail;
	readonly #open: Conditional[] = [];
	/** The first conditional, while it may be a guard. */
	#guard: Op | undefined;
	#guardPossible = true;

	constructor(symbols: Symbols, fail: Fail) {
		this.#symbols = symbols;
		this.#fail = fail;
	}

	/** Something stands here that matters: outside of all conditionals there is no guard then. */
	notGuarded(): void {
		if (this.#open.length === 0) this.#guardPossible = false;
	}

	/** A directive #`name` of a conditional; `index`: its own. */
	add(op: Op, name: string, index: number): void {
		if (op.kind <= program.IF) {
			const isOutermost = this.#open.length === 0;
			this.#open.push({ branches: [op], last: op, hadElse: false });
			if (isOutermost) this.#opensGuard(op, index);
			return;
		}
		const open = this.#open.at(-1);
		if (open === undefined || (open.hadElse && op.kind !== program.ENDIF)) {
			this.#fail("bad-directive", op.line, `#${name} ${open === undefined ? "without #if" : "after #else"}`);
			return;
		}
		open.last.next = index;
		open.last = op;
		if (op.kind !== program.ENDIF) {
			open.branches.push(op);
			if (op.kind === program.ELSE) open.hadElse = true;
			if (this.#open.length === 1) this.#guardPossible = false;
			return;
		}
		for (const branch of open.branches) branch.end = index;
		op.end = index;
		this.#open.pop();
	}

	/** After the last directive: the guard's macro. */
	end(): Sym | undefined {
		const open = this.#open.at(-1);
		if (open !== undefined) this.#fail("bad-directive", open.branches[0]!.line, "unterminated conditional");
		return this.#guardPossible && open === undefined ? this.#guard?.sym : undefined;
	}

	#opensGuard(op: Op, index: number): void {
		if (index !== 0 || !this.#guardPossible) {
			this.#guardPossible = false;
			return;
		}
		this.#guard = op;
		if (op.kind !== program.IF) return;
		const tested = /^!\s*defined\s*(?:\(\s*([A-Za-z_]\w*)\s*\)|\s([A-Za-z_]\w*))$/.exec(op.text);
		const name = tested?.[1] ?? tested?.[2];
		if (name === undefined) this.#guardPossible = false;
		else op.sym = this.#symbols.get(name);
	}
}
