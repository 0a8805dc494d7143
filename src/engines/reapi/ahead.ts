import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { Heap } from "../../util/heap.js";

interface Planned {
	readonly hash: ObjectHash;
	readonly thunk: Thunk;
	readonly weight: number;
	readonly turn: number;
}

interface Begun<T> {
	readonly weight: number;
	readonly promise: Promise<T>;
}

/** Of those that are ready and now behind heavier ones so many more are kept than are to be. */
const KEPT = 4;

/** Makes ready those thunks that are next in line, a limited number of them: each holds what it has made ready. */
export class Ahead<T> {
	readonly #most: number;
	readonly #begin: (hash: ObjectHash, thunk: Thunk) => Promise<T>;
	/** Those not in `waiting` any more are passed over. */
	readonly #planned = new Heap<Planned>((a, b) => (a.weight === b.weight ? a.turn < b.turn : a.weight > b.weight));
	readonly #waiting = new Set<ObjectHash>();
	readonly #begun = new Map<ObjectHash, Begun<T>>();
	#turn = 0;

	constructor(most: number, begin: (hash: ObjectHash, thunk: Thunk) => Promise<T>) {
		this.#most = most;
		this.#begin = begin;
	}

	/** A thunk will be taken, after those of greater weight and those of its own that were planned before; or never. */
	plan(hash: ObjectHash, thunk: Thunk, weight = 0): void {
		if (this.#begun.has(hash) || this.#waiting.has(hash)) return;
		this.#turn += 1;
		this.#waiting.add(hash);
		this.#planned.push({ hash, thunk, weight, turn: this.#turn });
		this.#go();
	}

	/** What was begun for it, or is now. */
	take(hash: ObjectHash, thunk: Thunk): Promise<T> {
		const begun = this.#begun.get(hash);
		this.#waiting.delete(hash);
		this.#begun.delete(hash);
		this.#go();
		return begun?.promise ?? this.#begin(hash, thunk);
	}

	#go(): void {
		for (let next = this.#planned.first; next !== undefined; next = this.#planned.first) {
			if (this.#waiting.has(next.hash) && !this.#isNear(next)) return;
			this.#planned.pop();
			if (!this.#waiting.delete(next.hash)) continue;
			const promise = this.#begin(next.hash, next.thunk);
			// Whoever takes it hears of it.
			promise.catch(() => undefined);
			this.#begun.set(next.hash, { weight: next.weight, promise });
		}
	}

	/** Fewer than `most` of those that are ready go before it. */
	#isNear({ weight }: Planned): boolean {
		if (this.#begun.size < this.#most) return true;
		if (this.#begun.size >= this.#most * KEPT) return false;
		let before = 0;
		for (const begun of this.#begun.values()) if (begun.weight >= weight) before += 1;
		return before < this.#most;
	}
}
