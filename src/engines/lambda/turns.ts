import { Heap } from "../../util/heap.js";

/** Milliseconds of preparing after which others have their turn. */
const SPAN_MS = 5;

export interface TurnsOptions {
	/** Milliseconds since some moment. */
	readonly now: () => number;
	/** Resolves when what has come meanwhile was seen to, and what was ready has left. */
	readonly others: () => Promise<void>;
}

/** Who waits: the greater the weight the sooner, and in the order in which they came where that is the same. */
interface Waiting {
	readonly weight: number;
	readonly turn: number;
	readonly begin: () => void;
}

/**
 * One after the other, with the event loop in between. Preparing takes no answer of anybody, so a thousand thunks that may run at once
 * would all be prepared before the first of them leaves, and all their answers would come when the last one has: with turns, preparing
 * and taking answers fill the time in which the function works.
 */
export class Turns {
	readonly #o: TurnsOptions;
	readonly #waiting = new Heap<Waiting>((a, b) => (a.weight === b.weight ? a.turn < b.turn : a.weight > b.weight));
	#turn = 0;
	#begun: number;
	#isGoing = false;

	constructor(options: TurnsOptions) {
		this.#o = options;
		this.#begun = options.now();
	}

	/** Resolves when it is the caller's turn, which lasts until it waits for something. */
	next(weight = 0): Promise<void> {
		return new Promise((begin) => {
			this.#waiting.push({ weight, turn: this.#turn++, begin });
			if (!this.#isGoing) void this.#go();
		});
	}

	async #go(): Promise<void> {
		this.#isGoing = true;
		// All that come together are there before the first begins.
		await Promise.resolve();
		while (this.#waiting.first !== undefined) {
			if (this.#o.now() - this.#begun >= SPAN_MS) {
				await this.#o.others();
				this.#begun = this.#o.now();
			}
			this.#waiting.pop()?.begin();
			await Promise.resolve();
		}
		this.#isGoing = false;
	}
}
