/** One line on a terminal that says how far the forcing is; nothing elsewhere. */
export class Progress {
	readonly #shown: boolean;
	readonly #write: (text: string) => void;
	readonly #more: () => string;
	#total = 0;
	#ran = 0;
	#cached = 0;
	#last = 0;
	#visible = false;

	/** `more` is asked each time for what else there is to say; empty: nothing. */
	constructor(shown: boolean, write: (text: string) => void, more: () => string = () => "") {
		this.#shown = shown;
		this.#write = write;
		this.#more = more;
	}

	total(count: number): void {
		this.#total = count;
	}

	add(how: "cached" | "found" | "ran"): void {
		if (how !== "ran") this.#cached += 1;
		else this.#ran += 1;
		const now = performance.now();
		// A terminal need not be written to more often than it is looked at.
		if (!this.#shown || now - this.#last < 33) return;
		this.#last = now;
		this.#visible = true;
		const all = Math.max(this.#total, this.#ran + this.#cached);
		const more = this.#more();
		this.#write(
			`\r\u001b[K${this.#ran} run, ${this.#cached} from the store, of ${all}${more === "" ? "" : `; ${more}`}`,
		);
	}

	clear(): void {
		if (this.#visible) this.#write("\r\u001b[K");
		this.#visible = false;
	}
}
