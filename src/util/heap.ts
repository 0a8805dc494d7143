/** A queue out of which the first comes next, by an order that is a total one; both ways cost the logarithm of its length. */
export class Heap<T> {
	readonly #isBefore: (a: T, b: T) => boolean;
	readonly #items: T[] = [];

	constructor(isBefore: (a: T, b: T) => boolean) {
		this.#isBefore = isBefore;
	}

	/** What `pop` would give. */
	get first(): T | undefined {
		return this.#items[0];
	}

	/** In no order. */
	get all(): readonly T[] {
		return this.#items;
	}

	push(item: T): void {
		const items = this.#items;
		let at = items.length;
		for (; at > 0; ) {
			const above = (at - 1) >> 1;
			if (!this.#isBefore(item, items[above]!)) break;
			items[at] = items[above]!;
			at = above;
		}
		items[at] = item;
	}

	pop(): T | undefined {
		const items = this.#items;
		const first = items[0];
		const last = items.pop();
		if (last === undefined || items.length === 0) return first;
		let at = 0;
		for (let below = 1; below < items.length; below = 2 * at + 1) {
			if (below + 1 < items.length && this.#isBefore(items[below + 1]!, items[below]!)) below += 1;
			if (!this.#isBefore(items[below]!, last)) break;
			items[at] = items[below]!;
			at = below;
		}
		items[at] = last;
		return first;
	}
}
