/**
 * What reading a header with all that it includes came to, for the next walk that meets it in the same state: everything
 * that it asked of the walk is noted, with the answer. Where one thing is another the header is walked again.
 */

import type { Dir, Found, Search } from "./lookup.js";
import type { Macro, Sym } from "./symbols.js";

/** Effects that are kept of one header; the one that was used last comes first. */
const MOST_EFFECTS = 8;
/** A header is met in another state each time, it seems: so many recordings, and fewer uses. */
const MOST_TRIES = 16;

export interface EffectsOf {
	readonly known: Effect[];
	/** Times it was walked. */
	walks: number;
	/** Recordings beyond the uses of what was recorded. */
	tries: number;
}

/** Names and what they stand for from here on; a name may be there twice. */
export interface Assignments {
	readonly syms: readonly Sym[];
	readonly macros: readonly (Macro | undefined)[];
}

export interface Effect {
	/** It holds where the header counts as the system's or not, as then; */
	readonly system: boolean;
	/** where the same compiler answers, if it was asked; */
	readonly asked: object | undefined;
	/** where no further name has become one of the preprocessor's own; */
	readonly specials: number;
	/** where these names stand for the same macros, those of which it made use before it set them; */
	readonly read: readonly Sym[];
	readonly macros: readonly (Macro | undefined)[];
	/** where the folders of including files count as the system's or not, as then (`wanted`: who first looks there); */
	readonly besides: readonly Dir[];
	readonly wanted: readonly boolean[];
	/** and where what it looks for leads to the same files. In the order of the walk. */
	readonly searches: readonly Search[];
	readonly found: readonly Found[];
	/** Then it reads these files, in the order in which it first does. */
	readonly entered: readonly Found[];
	readonly asSystem: readonly boolean[];
	/** And these names stand for something else behind it, one after the other. */
	readonly assigned: readonly Assignments[];
	/** Files within files, counted from the header itself. */
	readonly depth: number;
	readonly steps: number;
	readonly reads: number;
	readonly weight: number;
}

/** Notes what a walk does within one header; what it does in those that this one includes comes to it when they end. */
export class Recorder {
	readonly id: number;
	readonly above: Recorder | undefined;
	/** It did what rests on more than is noted. */
	impure = false;
	asked = false;
	/** Files within files, counted from the source. */
	depth: number;
	reads = 0;
	steps = 0;
	/** When it began, by the clock of assignments. */
	readonly #since: number;
	readonly #read = new Map<Sym, { readonly macro: Macro | undefined; readonly assignedAt: number }>();
	readonly #assigned: Assignments[] = [];
	/** Those that came last. */
	#syms: Sym[] = [];
	#macros: (Macro | undefined)[] = [];
	readonly #besides = new Map<Dir, boolean>();
	readonly #searches = new Map<Search, Found>();
	readonly #entered = new Map<Found, boolean>();

	/** `id`: above zero, and no other recorder's. */
	constructor(id: number, options: { above: Recorder | undefined; depth: number; since: number }) {
		this.id = id;
		this.above = options.above;
		this.depth = options.depth;
		this.#since = options.since;
	}

	/** What it was given within counts no more than what it is given after it was read. */
	read(sym: Sym, macro: Macro | undefined): void {
		if (sym.notedBy === this.id) return;
		sym.notedBy = this.id;
		this.#rests(sym, macro, sym.assignedAt);
	}

	#rests(sym: Sym, macro: Macro | undefined, assignedAt: number): void {
		if (assignedAt <= this.#since && !this.#read.has(sym)) this.#read.set(sym, { macro, assignedAt });
	}

	set(sym: Sym, macro: Macro | undefined): void {
		this.#syms.push(sym);
		this.#macros.push(macro);
	}

	assign(assignments: readonly Assignments[]): void {
		this.#close();
		for (const one of assignments) this.#assigned.push(one);
	}

	#close(): void {
		if (this.#syms.length === 0) return;
		this.#assigned.push({ syms: this.#syms, macros: this.#macros });
		this.#syms = [];
		this.#macros = [];
	}

	beside(dir: Dir, wanted: boolean): void {
		if (!this.#besides.has(dir)) this.#besides.set(dir, wanted);
	}

	search(search: Search): void {
		if (search.notedBy === this.id) return;
		search.notedBy = this.id;
		this.#searches.set(search, search.found);
		// Those are not kept from walk to walk.
		if (search.start.kind === "none") this.impure = true;
	}

	enter(found: Found, system: boolean): void {
		if (!this.#entered.has(found)) this.#entered.set(found, system);
	}

	/** A header that was included has been walked. */
	merge(inner: Recorder): void {
		this.impure ||= inner.impure;
		this.asked ||= inner.asked;
		this.depth = Math.max(this.depth, inner.depth);
		this.reads += inner.reads;
		if (this.impure) return;
		for (const [sym, { macro, assignedAt }] of inner.#read) this.#rests(sym, macro, assignedAt);
		inner.#close();
		this.assign(inner.#assigned);
		for (const [dir, wanted] of inner.#besides) this.beside(dir, wanted);
		for (const search of inner.#searches.keys()) this.search(search);
		for (const [found, system] of inner.#entered) this.enter(found, system);
	}

	/** A header that was included is to have an effect that is known; `depth`: of the file that included it. */
	replayed(effect: Effect, depth: number): void {
		this.asked ||= effect.asked !== undefined;
		this.depth = Math.max(this.depth, depth + effect.depth);
		this.reads += effect.reads;
		if (this.impure) return;
		const { read, macros, assigned, besides, wanted, searches, entered, asSystem } = effect;
		for (let i = 0; i < read.length; i++) this.read(read[i]!, macros[i]);
		this.assign(assigned);
		for (let i = 0; i < besides.length; i++) this.beside(besides[i]!, wanted[i]!);
		for (const search of searches) this.search(search);
		for (let i = 0; i < entered.length; i++) this.enter(entered[i]!, asSystem[i]!);
	}

	/** `depth`: of the file that included it. */
	effect(system: boolean, compiler: object, specials: number, depth: number): Effect {
		this.#close();
		const parts = [this.#read, this.#besides, this.#searches, this.#entered];
		const own = this.#assigned.reduce((sum, { syms }) => sum + 4 + syms.length, 0);
		return {
			system,
			asked: this.asked ? compiler : undefined,
			specials,
			read: [...this.#read.keys()],
			macros: [...this.#read.values()].map((read) => read.macro),
			besides: [...this.#besides.keys()],
			wanted: [...this.#besides.values()],
			searches: [...this.#searches.keys()],
			found: [...this.#searches.values()],
			entered: [...this.#entered.keys()],
			asSystem: [...this.#entered.values()],
			assigned: this.#assigned,
			depth: this.depth - depth,
			steps: this.steps,
			reads: this.reads,
			weight: 200 + 16 * parts.reduce((sum, { size }) => sum + size, own),
		};
	}
}

/** Not the first time: most headers of a source's own are met by that one alone. */
export function isWorthRecording(effects: EffectsOf): boolean {
	return effects.walks++ > 0 && effects.tries < MOST_TRIES;
}

export function keep(effects: EffectsOf, effect: Effect): void {
	effects.tries++;
	if (effects.known.length >= MOST_EFFECTS) effects.known.pop();
	effects.known.unshift(effect);
}

/** The `i`th has been used. */
export function use(effects: EffectsOf, i: number): void {
	if (effects.tries > 0) effects.tries--;
	if (i === 0) return;
	const [used] = effects.known.splice(i, 1);
	effects.known.unshift(used!);
}
