/** Milliseconds to the first attempt after the service has said that it is too much, and at most. */
const FIRST_WAIT = 200;
const LONGEST_WAIT = 10_000;
/** Of what was under way when it was too much. */
const SHARE = 0.75;

export interface ThrottleOptions {
	/** Invocations at once, at most. */
	readonly most: number;
	/** Milliseconds since some moment. */
	readonly now: () => number;
	readonly after: (ms: number, then: () => void) => void;
	/** From 0 to 1. */
	readonly random: () => number;
}

/**
 * How many invocations are under way at once. What the account allows is not told but by refusals: each takes the number
 * down to a share of what was under way, each success a little up, and for a while after a refusal none begins.
 */
export class Throttle {
	readonly #o: ThrottleOptions;
	#allowed: number;
	#running = 0;
	#refusals = 0;
	#since = 0;
	#waking = false;
	readonly #waiting: (() => void)[] = [];
	#quietUntil = 0;

	constructor(options: ThrottleOptions) {
		this.#o = options;
		this.#allowed = options.most;
	}

	get allowed(): number {
		return Math.floor(this.#allowed);
	}

	/** Milliseconds for which nothing but refusals came; 0 when none came since the last success. */
	get refusedFor(): number {
		return this.#refusals === 0 ? 0 : this.#o.now() - this.#since;
	}

	async begin(): Promise<void> {
		if (this.#mayBegin()) this.#running += 1;
		else
			await new Promise<void>((resolve) => {
				this.#waiting.push(resolve);
				this.#wake();
			});
	}

	end(was: "done" | "refused"): void {
		const under = this.#running;
		this.#running -= 1;
		if (was === "done") {
			this.#refusals = 0;
			this.#allowed = Math.min(this.#o.most, this.#allowed + 1 / this.#allowed);
		} else {
			if (this.#refusals === 0) this.#since = this.#o.now();
			// Those that were under way together are refused together: they count once.
			if (this.#o.now() >= this.#quietUntil) {
				this.#refusals += 1;
				this.#allowed = Math.max(1, Math.min(this.#allowed, Math.floor(under * SHARE)));
				const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (this.#refusals - 1));
				this.#quietUntil = this.#o.now() + wait * (0.5 + this.#o.random() / 2);
			}
		}
		this.#wake();
	}

	#mayBegin(): boolean {
		return this.#running < Math.max(1, this.allowed) && this.#o.now() >= this.#quietUntil;
	}

	#wake(): void {
		while (this.#waiting.length > 0 && this.#mayBegin()) {
			this.#running += 1;
			this.#waiting.shift()!();
		}
		const quiet = this.#quietUntil - this.#o.now();
		if (this.#waiting.length === 0 || quiet <= 0 || this.#waking) return;
		this.#waking = true;
		this.#o.after(quiet, () => {
			this.#waking = false;
			this.#wake();
		});
	}
}
