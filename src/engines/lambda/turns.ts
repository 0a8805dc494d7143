/** Milliseconds of preparing after which others have their turn. */
const SPAN_MS = 5;

export interface TurnsOptions {
	/** Milliseconds since some moment. */
	readonly now: () => number;
	/** Resolves when what has come meanwhile was seen to, and what was ready has left. */
	readonly others: () => Promise<void>;
}

/**
 * One after the other, with the event loop in between. Preparing takes no answer of anybody, so a thousand thunks that may run at once
 * would all be prepared before the first of them leaves, and all their answers would come when the last one has: with turns, preparing
 * and taking answers fill the time in which the function works.
 */
export class Turns {
	readonly #o: TurnsOptions;
	#last: Promise<void> = Promise.resolve();
	#begun: number;

	constructor(options: TurnsOptions) {
		this.#o = options;
		this.#begun = options.now();
	}

	/** Resolves when it is the caller's turn, which lasts until it waits for something. */
	next(): Promise<void> {
		this.#last = this.#last.then(async () => {
			if (this.#o.now() - this.#begun < SPAN_MS) return;
			await this.#o.others();
			this.#begun = this.#o.now();
		});
		return this.#last;
	}
}
