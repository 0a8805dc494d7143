import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";

/** Makes ready those thunks that are next in line, a limited number of them: each holds what it has made ready. */
export class Ahead<T> {
	readonly #most: number;
	readonly #begin: (hash: ObjectHash, thunk: Thunk) => Promise<T>;
	readonly #planned = new Map<ObjectHash, Thunk>();
	readonly #begun = new Map<ObjectHash, Promise<T>>();

	constructor(most: number, begin: (hash: ObjectHash, thunk: Thunk) => Promise<T>) {
		this.#most = most;
		this.#begin = begin;
	}

	/** A thunk will be taken, after those that were planned before; or never. */
	plan(hash: ObjectHash, thunk: Thunk): void {
		if (this.#begun.has(hash)) return;
		this.#planned.set(hash, thunk);
		this.#go();
	}

	/** What was begun for it, or is now. */
	take(hash: ObjectHash, thunk: Thunk): Promise<T> {
		const begun = this.#begun.get(hash);
		this.#planned.delete(hash);
		this.#begun.delete(hash);
		this.#go();
		return begun ?? this.#begin(hash, thunk);
	}

	#go(): void {
		for (const [hash, thunk] of this.#planned) {
			if (this.#begun.size >= this.#most) return;
			this.#planned.delete(hash);
			const begun = this.#begin(hash, thunk);
			// Whoever takes it hears of it.
			begun.catch(() => undefined);
			this.#begun.set(hash, begun);
		}
	}
}
