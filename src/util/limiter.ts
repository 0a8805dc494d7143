/** Lets so much run at once; the others wait in the order in which they came. */
export class Limiter {
	readonly #most: number;
	#free: number;
	readonly #waiting: { readonly weight: number; readonly begin: () => void }[] = [];

	constructor(most: number) {
		this.#most = most;
		this.#free = most;
	}

	/** What weighs more than may run at all runs alone. */
	async run<T>(what: () => Promise<T>, weight = 1): Promise<T> {
		const taken = Math.min(weight, this.#most);
		if (this.#waiting.length === 0 && this.#free >= taken) this.#free -= taken;
		else await new Promise<void>((begin) => void this.#waiting.push({ weight: taken, begin }));
		try {
			return await what();
		} finally {
			this.#free += taken;
			for (let next = this.#waiting[0]; next !== undefined && next.weight <= this.#free; next = this.#waiting[0]) {
				this.#free -= next.weight;
				this.#waiting.shift();
				next.begin();
			}
		}
	}
}
