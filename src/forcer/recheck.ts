import type { Engine } from "../engines/types.js";
import { loadResult } from "../executor/results.js";
import type { Store } from "../store/types.js";
import { decodeThunk } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";

/** An output that came out otherwise when its command ran again. */
export interface Disagreement {
	readonly path: string;
	/** `differs`: running again gives one answer, and the store another. `unstable`: each run gives another. */
	readonly kind: "differs" | "unstable";
}

export interface Rechecked {
	readonly checked: number;
	/** Could not run again: an input has gone or changed since. */
	readonly skipped: number;
	readonly disagreements: readonly Disagreement[];
}

/** Computes a sample of finished thunks once more and compares what they come to with what is in the store. */
export class Recheck {
	readonly #store: Store;
	readonly #engine: Engine;
	readonly #rate: number;
	readonly #random: () => number;
	readonly #considered = new Set<ObjectHash>();
	readonly #chosen: ObjectHash[] = [];

	/** `rate`: which part of the thunks, from 0 to 1. `random`: numbers from 0 up to and without 1. */
	constructor(options: { store: Store; engine: Engine; rate: number; random?: () => number }) {
		this.#store = options.store;
		this.#engine = options.engine;
		this.#rate = options.rate;
		this.#random = options.random ?? Math.random;
	}

	/** A thunk that has its result, in its final form. */
	consider(hash: ObjectHash): void {
		if (this.#considered.has(hash)) return;
		this.#considered.add(hash);
		if (this.#random() < this.#rate) this.#chosen.push(hash);
	}

	/** Runs those that were chosen, as many at once as the engine takes. */
	async run(): Promise<Rechecked> {
		let checked = 0;
		let skipped = 0;
		const disagreements: Disagreement[] = [];
		const lane = async (): Promise<void> => {
			for (let hash = this.#chosen.pop(); hash !== undefined; hash = this.#chosen.pop()) {
				const found = await this.#check(hash);
				if (found === "skipped") skipped += 1;
				else {
					checked += 1;
					disagreements.push(...found);
				}
			}
		};
		await Promise.all(Array.from({ length: this.#engine.jobs }, lane));
		disagreements.sort((a, b) => (a.path < b.path ? -1 : 1));
		return { checked, skipped, disagreements };
	}

	async #check(hash: ObjectHash): Promise<"skipped" | Disagreement[]> {
		const bytes = this.#store.objects.get(hash);
		const decoded = bytes === undefined ? undefined : decodeThunk(bytes);
		const kept = loadResult(this.#store, hash);
		if (decoded?.ok !== true || kept === undefined || decoded.value.thunks.length > 0) return "skipped";
		const thunk = decoded.value;
		const again = await this.#run(hash, thunk);
		if (again === undefined) return "skipped";
		const different = differing(thunk, kept, again);
		if (different.length === 0) return [];
		const third = await this.#run(hash, thunk);
		const unstable = new Set(third === undefined ? [] : differing(thunk, again, third));
		return different.map((path) => ({ path, kind: unstable.has(path) ? "unstable" : "differs" }));
	}

	async #run(hash: ObjectHash, thunk: Thunk): Promise<ThunkResult | undefined> {
		const execution = await this.#engine.execute(hash, thunk);
		return execution.kind === "finished" ? execution.result : undefined;
	}
}

/** Paths of the outputs that are in one and not the same in the other. */
function differing(thunk: Thunk, a: ThunkResult, b: ThunkResult): string[] {
	const [ours, theirs] = [outputsOf(a), outputsOf(b)];
	const tags = new Set([...ours.keys(), ...theirs.keys()]);
	if (a.status !== b.status) return thunk.outputPaths.map((output) => output.path);
	return [...tags]
		.filter((tag) => ours.get(tag) !== theirs.get(tag))
		.map((tag) => thunk.outputPaths.find((output) => output.tag === tag)?.path ?? tag);
}

function outputsOf(result: ThunkResult): Map<string, ObjectHash> {
	return new Map(result.outputs.map((output) => [output.tag, output.hash]));
}
