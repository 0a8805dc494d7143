import type { FileFact } from "../store/filefacts.js";
import type { SourceIncludes } from "./scan-tally.js";

/**
 * What a source includes, on its way from one thread to another: names are numbers, and what has been told of a file is not
 * told again. Hundreds of sources include the same headers.
 */
export interface WireIncludes {
	/** Numbers begin at 0 again; what was told before counts no longer. */
	readonly anew: boolean;
	/** Names that were not told yet, in the order of their numbers. */
	readonly names: readonly string[];
	/** Of files that have changed or were not told yet. */
	readonly facts: readonly (readonly [name: number, fact: FileFact])[];
	/** The files first, so many. */
	readonly reads: Uint32Array;
	readonly files: number;
	readonly looked: Uint32Array;
	readonly absent: Uint32Array;
	readonly listed: ReadonlyMap<string, string>;
	readonly links: ReadonlyMap<string, string>;
	readonly depfile: string | undefined;
	readonly basis: string | undefined;
}

/** Names that are kept at most. */
const MOST_NAMES = 1_000_000;

/** Of one thread; each message must reach the same reader, in this order. */
export class IncludesWriter {
	readonly #numbers = new Map<string, number>();
	#told: (FileFact | undefined)[] = [];
	readonly #most: number;

	/** `most`: beyond so many names it begins anew. */
	constructor(most: number = MOST_NAMES) {
		this.#most = most;
	}

	write(found: SourceIncludes): WireIncludes {
		const anew = this.#numbers.size > this.#most;
		if (anew) {
			this.#numbers.clear();
			this.#told = [];
		}
		const names: string[] = [];
		const facts: [number, FileFact][] = [];
		const number = (name: string): number => {
			let n = this.#numbers.get(name);
			if (n === undefined) {
				n = this.#numbers.size;
				this.#numbers.set(name, n);
				names.push(name);
			}
			return n;
		};
		const all = (of: ReadonlySet<string>): Uint32Array => {
			const numbers = new Uint32Array(of.size);
			let i = 0;
			for (const name of of) numbers[i++] = number(name);
			return numbers;
		};
		const known = found.looked ?? new Map<string, FileFact>();
		const looked = new Uint32Array(known.size);
		let i = 0;
		for (const [name, fact] of known) {
			const n = number(name);
			looked[i++] = n;
			if (this.#told[n] === fact) continue;
			this.#told[n] = fact;
			facts.push([n, fact]);
		}
		const { files, listed, links, depfile, basis } = found;
		const [reads, absent] = [all(found.reads), all(found.absent)];
		const rest = { listed, links, depfile: depfile?.toString("latin1"), basis };
		return { anew, names, facts, reads, files: files.size, looked, absent, ...rest };
	}
}

export class IncludesReader {
	#names: string[] = [];
	#facts: FileFact[] = [];
	readonly #onFact: (path: string, fact: FileFact) => void;

	/** `onFact` is told what is new or has changed. */
	constructor(onFact: (path: string, fact: FileFact) => void) {
		this.#onFact = onFact;
	}

	read(wire: WireIncludes): SourceIncludes {
		if (wire.anew) {
			this.#names = [];
			this.#facts = [];
		}
		for (const name of wire.names) this.#names.push(name);
		for (const [n, fact] of wire.facts) {
			this.#facts[n] = fact;
			this.#onFact(this.#names[n]!, fact);
		}
		const { listed, links, basis } = wire;
		const looked = new Map<string, FileFact>();
		for (const n of wire.looked) looked.set(this.#names[n]!, this.#facts[n]!);
		const files = this.#set(wire.reads.subarray(0, wire.files));
		const reads = wire.reads.length === wire.files ? files : this.#set(wire.reads);
		const depfile = wire.depfile === undefined ? undefined : Buffer.from(wire.depfile, "latin1");
		return { files, reads, absent: this.#set(wire.absent), listed, links, depfile, looked, basis };
	}

	#set(numbers: Uint32Array): Set<string> {
		const names = new Set<string>();
		for (const n of numbers) names.add(this.#names[n]!);
		return names;
	}
}
