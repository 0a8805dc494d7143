/** Milliseconds between two states: a terminal need not be written to more often than it is looked at; lines of others are not to be drowned. */
const PAUSE = { alone: 33, among: 10_000 } as const;

export interface ProgressOptions {
	/** Nothing is written otherwise. */
	readonly shown: boolean;
	readonly write: (text: string) => void;
	/** Is asked each time for what else there is to say; empty: nothing. */
	readonly more?: () => string;
	/** Milliseconds since some moment. */
	readonly now?: () => number;
}

/** Says on a terminal how far the forcing is: by one line that changes, or, while others write there too, by a line now and then. */
export class Progress {
	readonly #o: ProgressOptions;
	readonly #now: () => number;
	#total = 0;
	#ran = 0;
	#cached = 0;
	#last = Number.NEGATIVE_INFINITY;
	#way: keyof typeof PAUSE = "alone";
	#visible = false;

	constructor(options: ProgressOptions) {
		this.#o = options;
		this.#now = options.now ?? (() => performance.now());
	}

	/** Of how many it is told; 0: that is not known. */
	total(count: number): void {
		this.#total = count;
	}

	/** Who writes to the terminal from now on. */
	writes(way: "alone" | "among"): void {
		this.clear();
		this.#way = way;
		if (way === "among") this.#last = this.#now();
	}

	add(how: "cached" | "found" | "ran"): void {
		if (how !== "ran") this.#cached += 1;
		else this.#ran += 1;
		const now = this.#now();
		if (!this.#o.shown || now - this.#last < PAUSE[this.#way]) return;
		this.#last = now;
		const of = this.#total === 0 ? "" : `, of ${Math.max(this.#total, this.#ran + this.#cached)}`;
		const more = this.#o.more?.() ?? "";
		const state = `${this.#ran} run, ${this.#cached} from the store${of}${more === "" ? "" : `; ${more}`}`;
		this.#visible = this.#way === "alone";
		this.#o.write(this.#visible ? `\r\u001b[K${state}` : `gg: ${state}\n`);
	}

	/** Something else is going to be written. */
	clear(): void {
		if (this.#visible) this.#o.write("\r\u001b[K");
		this.#visible = false;
	}
}
