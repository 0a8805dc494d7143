import type { Engine } from "../engines/types.js";
import { Heap } from "../util/heap.js";

/** An engine and how many thunks it is running. */
export interface Pool {
	readonly engine: Engine;
	running: number;
}

interface Waiter {
	readonly weight: number;
	readonly turn: number;
	readonly resolve: (pool: Pool | undefined) => void;
}

/** Those that wait for the same engines, next first. */
interface Line {
	readonly pools: readonly Pool[];
	readonly waiters: Heap<Waiter>;
}

/** The greater weight first; among equals first come, first served. */
function isBefore(a: Waiter, b: Waiter): boolean {
	return a.weight === b.weight ? a.turn < b.turn : a.weight > b.weight;
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

	/**
	 * A slot of the first of `pools` that has one free, or the first that becomes free; undefined after stop(). Of those that wait the one
	 * of the greatest weight is served first.
	 */
	async acquire(pools: readonly Pool[], weight = 0): Promise<Pool | undefined> {
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
		return new Promise((resolve) => void line.waiters.push({ weight, turn, resolve }));
	}

	/** Hands the slot to the next that waits for it, or frees it. */
	release(pool: Pool): void {
		let next: Line | undefined;
		for (const line of this.#lines.values()) {
			const { first } = line.waiters;
			if (first === undefined || !line.pools.includes(pool)) continue;
			if (next === undefined || isBefore(first, next.waiters.first!)) next = line;
		}
		const waiter = next?.waiters.pop();
		if (waiter === undefined) {
			pool.running -= 1;
			this.#running -= 1;
			return;
		}
		waiter.resolve(pool);
	}

	/** Nothing gets a slot any more; those that wait are told. */
	stop(): void {
		this.#stopped = true;
		const lines = [...this.#lines.values()];
		this.#lines.clear();
		for (const line of lines) for (const waiter of line.waiters.all) waiter.resolve(undefined);
	}

	#lineOf(pools: readonly Pool[]): Line {
		const key = pools.map((pool) => this.#numberOf(pool)).join();
		let line = this.#lines.get(key);
		if (line === undefined) {
			line = { pools, waiters: new Heap(isBefore) };
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
