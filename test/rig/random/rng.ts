/** A small generator of random numbers that gives the same ones for the same seed on every machine. */
export class Rng {
	#state: number;

	constructor(seed: string) {
		// FNV-1a, then one step of mixing: seeds that differ in one digit have nothing in common.
		let hash = 0x811c9dc5;
		for (const byte of Buffer.from(seed)) hash = Math.imul(hash ^ byte, 0x01000193);
		this.#state = hash | 0;
		this.next();
	}

	/** In [0, 1). mulberry32. */
	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) | 0;
		let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	}

	/** A whole number from 0 to below. */
	below(limit: number): number {
		return Math.floor(this.next() * limit);
	}

	chance(probability: number): boolean {
		return this.next() < probability;
	}

	pick<T>(from: readonly T[]): T {
		const found = from[this.below(from.length)];
		if (found === undefined) throw new Error("Internal error: nothing to pick from");
		return found;
	}

	/** Up to `most` different ones, in the order of `from`. */
	some<T>(from: readonly T[], most: number): T[] {
		const wanted = Math.min(from.length, this.below(most + 1));
		const left = from.map((_, i) => i);
		while (left.length > wanted) left.splice(this.below(left.length), 1);
		return left.flatMap((i) => from.slice(i, i + 1));
	}
}
