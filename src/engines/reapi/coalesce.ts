export interface CoalesceOptions<T, R> {
	/** Most items in one call. */
	readonly most: number;
	/** Most weight in one call; an item that is heavier goes alone. */
	readonly limit: number;
	readonly weigh: (item: T) => number;
	/** Calls that may be under way; while they are, further items gather. */
	readonly calls: number;
	/** Milliseconds between the beginnings of two calls that are not full; 0 unless given. Asked after each call. */
	readonly every?: () => number;
	/** One answer for each item, in their order. */
	readonly run: (items: readonly T[]) => Promise<readonly R[]>;
}

/**
 * Joins what many ask for at about the same time into few calls. After a pause the first item goes out at once; those that
 * come while a call is under way, or soon after it, make up the next. What fills a call is not kept waiting.
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
	let timer: NodeJS.Timeout | undefined;
	/** When a call may begin that is not full. */
	let due = 0;
	let weight = 0;

	const plan = (): void => {
		if (planned || running >= o.calls || waiting.length === 0) return;
		if (timer !== undefined && waiting.length < o.most && weight < o.limit) return;
		planned = true;
		// After everybody who is ready now has asked.
		setImmediate(() => {
			planned = false;
			while (running < o.calls && waiting.length > 0) {
				const left = due - performance.now();
				if (left > 0 && waiting.length < o.most && weight < o.limit) {
					timer ??= setTimeout(() => {
						timer = undefined;
						plan();
					}, left);
					return;
				}
				clearTimeout(timer);
				timer = undefined;
				due = performance.now() + (o.every?.() ?? 0);
				void flush(next());
			}
		});
	};
	const next = (): Waiting[] => {
		let taken = 0;
		let count = 0;
		for (const { item } of waiting) {
			const more = o.weigh(item);
			if (count > 0 && (taken + more > o.limit || count >= o.most)) break;
			taken += more;
			count += 1;
		}
		weight -= taken;
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
			weight += o.weigh(item);
			plan();
		});
}
