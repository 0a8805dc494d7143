import { Heap } from "../util/heap.js";

interface Held {
	readonly weight: number;
	readonly turn: number;
	readonly begin: () => void;
}

export interface PaceOptions {
	/** The share of the time since the last call in which the event loop was at work, 0 to 1. */
	readonly utilisation: () => number;
	/** Calls `then` once after so many milliseconds. */
	readonly after: (ms: number, then: () => void) => void;
}

/** One thunk begins for so many commands that make was answered. */
const ANSWERS = 6;
/** Milliseconds between two looks at how busy this process is. */
const LOOK = 20;
/** Make waits for something else if it has asked for nothing during so many looks. */
const QUIET = 3;
/** Below this share of the time at work there is time for thunks, of which so many begin at a look. */
const BUSY = 0.5;
const BATCH = 2;

/**
 * Thunks for servers, held back while make asks for more than gg can answer: what make asks for late may take longest, and each
 * thunk that is sent before takes the time of an answer. Some go on even so, the heaviest first, so that no server stands empty.
 * Nobody waits for what is held: who needs such a thunk forces it.
 */
export class Pace {
	readonly #o: PaceOptions;
	readonly #held = new Heap<Held>((a, b) => (a.weight === b.weight ? a.turn < b.turn : a.weight > b.weight));
	#turn = 0;
	#answered = 0;
	#isLooking = false;
	/** Looks since the last command. */
	#quiet = 0;

	constructor(options: PaceOptions) {
		this.#o = options;
	}

	/** A command has come. */
	asked(): void {
		this.#quiet = 0;
	}

	/** A command was answered without being run. */
	answered(): void {
		this.#answered += 1;
		if (this.#answered % ANSWERS === 0) this.#begin(1);
	}

	/** Begins it now or later. */
	hold(weight: number, begin: () => void): void {
		this.#turn += 1;
		this.#held.push({ weight, turn: this.#turn, begin });
		if (this.#isLooking) return;
		this.#isLooking = true;
		this.#o.utilisation();
		this.#o.after(LOOK, () => this.#look());
	}

	/** Begins all that is held. True if that was anything. */
	release(): boolean {
		const some = this.#held.first !== undefined;
		this.#begin(Number.POSITIVE_INFINITY);
		return some;
	}

	#look(): void {
		this.#quiet += 1;
		if (this.#quiet > QUIET) this.release();
		else if (this.#o.utilisation() < BUSY) this.#begin(BATCH);
		this.#isLooking = this.#held.first !== undefined;
		if (this.#isLooking) this.#o.after(LOOK, () => this.#look());
	}

	#begin(most: number): void {
		for (let n = 0; n < most; n += 1) {
			const next = this.#held.pop();
			if (next === undefined) return;
			next.begin();
		}
	}
}

/** By this process's own event loop. */
export function ownPace(): Pace {
	let last = performance.eventLoopUtilization();
	return new Pace({
		utilisation() {
			const now = performance.eventLoopUtilization();
			const { utilization } = performance.eventLoopUtilization(now, last);
			last = now;
			return utilization;
		},
		after: (ms, then) => void setTimeout(then, ms),
	});
}
