export interface CoalesceOptions<T, R> {
	/** Most items in one call. */
	readonly most: number;
	/** Most weight in one call; an item that is heavier goes alone. */
	readonly limit: number;
	readonly weigh: (item: T) => number;
	/** Calls that may be under way; while they are, further items gather. */
	readonly calls: number;
	/** One answer for each item, in their order. */
	readonly run: (items: readonly T[]) => Promise<readonly R[]>;
}

/**
 * Joins what many ask for at about the same time into few calls. There is no delay: the first item goes out at once, and
 * those that come while a call is under way make up the next.
 */
export function coalesce<T, R>(o: CoalesceOptions<T, R>): (item: T) => Promise<R> {
	interface Waiting {
		readonly item: T;
		readonly resolve: (answer: R) => void;
		readonly reject: (error: unknown) => void;
	}
	let waiting: Waiting[] = [];
	let running = 0;
	let planned = false;

	const plan = (): void => {
		if (planned || running >= o.calls || waiting.length === 0) return;
		planned = true;
		// After everybody who is ready now has asked.
		setImmediate(() => {
			planned = false;
			while (running < o.calls && waiting.length > 0) void flush(next());
		});
	};
	const next = (): Waiting[] => {
		let weight = 0;
		let count = 0;
		for (const { item } of waiting) {
			weight += o.weigh(item);
			if (count > 0 && (weight > o.limit || count >= o.most)) break;
			count += 1;
		}
		const batch = waiting.slice(0, count);
		waiting = waiting.slice(count);
		return batch;
	};
	const flush = async (batch: readonly Waiting[]): Promise<void> => {
		running += 1;
		try {
			const answers = await o.run(batch.map((w) => w.item));
			if (answers.length !== batch.length) throw new Error("Internal error: a batch has lost answers");
			for (const [i, w] of batch.entries()) w.resolve(answers[i]!);
		} catch (error) {
			for (const w of batch) w.reject(error);
		} finally {
			running -= 1;
			plan();
		}
	};
	return (item) =>
		new Promise((resolve, reject) => {
			waiting.push({ item, resolve, reject });
			plan();
		});
}
