import type { Engine } from "../engines/types.js";

/** An engine and how many thunks it is running. */
export interface Pool {
	readonly engine: Engine;
	running: number;
}

interface Waiter {
	readonly turn: number;
	readonly resolve: (pool: Pool | undefined) => void;
}

/** Those that wait for the same engines, first come, first served; those before `head` have been served. */
interface Line {
	readonly pools: readonly Pool[];
	waiters: Waiter[];
	head: number;
}

/**
 * Who runs on which engine. There is one line for each set of engines that some thunk can use, so that a freed slot finds
 * its next user at once however many wait for other engines.
 */
export class Slots {
	readonly #lines = new Map<string, Line>();
	readonly #numbers = new Map<Pool, number>();
	#turn = 0;
	#running = 0;
	#stopped = false;

	/** Thunks that run on any engine. */
	get running(): number {
		return this.#running;
	}

	get stopped(): boolean {
		return this.#stopped;
	}

	/** A slot of the first of `pools` that has one free, or the first that becomes free; undefined after stop(). */
	async acquire(pools: readonly Pool[]): Promise<Pool | undefined> {
		if (this.#stopped) return undefined;
		const free = pools.find((p) => p.running < p.engine.jobs);
		if (free !== undefined) {
			free.running += 1;
			this.#running += 1;
			return free;
		}
		const line = this.#lineOf(pools);
		this.#turn += 1;
		const turn = this.#turn;
		return new Promise((resolve) => void line.waiters.push({ turn, resolve }));
	}

	/** Hands the slot to the one that has waited longest for it, or frees it. */
	release(pool: Pool): void {
		let next: Line | undefined;
		for (const line of this.#lines.values()) {
			const waiter = line.waiters[line.head];
			if (waiter === undefined || !line.pools.includes(pool)) continue;
			if (next === undefined || waiter.turn < next.waiters[next.head]!.turn) next = line;
		}
		if (next === undefined) {
			pool.running -= 1;
			this.#running -= 1;
			return;
		}
		const waiter = next.waiters[next.head]!;
		next.head += 1;
		// Dropping the served ones now and then keeps the line short at a constant cost for each.
		if (next.head > 1024 && next.head * 2 > next.waiters.length) {
			next.waiters = next.waiters.slice(next.head);
			next.head = 0;
		}
		waiter.resolve(pool);
	}

	/** Nothing gets a slot any more; those that wait are told. */
	stop(): void {
		this.#stopped = true;
		const lines = [...this.#lines.values()];
		this.#lines.clear();
		for (const line of lines) for (const waiter of line.waiters.slice(line.head)) waiter.resolve(undefined);
	}

	#lineOf(pools: readonly Pool[]): Line {
		const key = pools.map((pool) => this.#numberOf(pool)).join();
		let line = this.#lines.get(key);
		if (line === undefined) {
			line = { pools, waiters: [], head: 0 };
			this.#lines.set(key, line);
		}
		return line;
	}

	#numberOf(pool: Pool): number {
		let number = this.#numbers.get(pool);
		if (number === undefined) {
			number = this.#numbers.size;
			this.#numbers.set(pool, number);
		}
		return number;
	}
}
