/** Looks a word up in a sorted table of flags; shared by every tool whose flags are a table. */

export interface FlagRow {
	readonly flag: string;
	readonly value: "none" | "joined" | "separate" | "either";
}

export interface FlagMatch<Row extends FlagRow> {
	readonly row: Row;
	/** The value within the word; undefined if the next word is the value or there is none. */
	readonly joined: string | undefined;
	readonly takesNext: boolean;
}

const MOST_WORDS = 20_000;

export class FlagTable<Row extends FlagRow> {
	readonly #exact = new Map<string, Row>();
	readonly #prefix = new Map<string, Row>();
	readonly #longest: number;
	/** A build repeats its words from command to command. */
	readonly #found = new Map<string, FlagMatch<Row> | undefined>();

	constructor(rows: readonly Row[]) {
		for (const row of rows) {
			this.#exact.set(row.flag, row);
			if (row.value === "joined" || row.value === "either") this.#prefix.set(row.flag, row);
		}
		this.#longest = Math.max(0, ...Array.from(this.#prefix.keys(), (flag) => flag.length));
	}

	find(word: string): FlagMatch<Row> | undefined {
		const known = this.#found.get(word);
		if (known !== undefined || this.#found.has(word)) return known;
		if (this.#found.size >= MOST_WORDS) this.#found.clear();
		const match = this.#look(word);
		this.#found.set(word, match);
		return match;
	}

	#look(word: string): FlagMatch<Row> | undefined {
		const exact = this.#exact.get(word);
		if (exact !== undefined) {
			const takesNext = exact.value === "separate" || exact.value === "either";
			return { row: exact, joined: exact.value === "joined" ? "" : undefined, takesNext };
		}
		for (let length = Math.min(word.length - 1, this.#longest); length > 0; length--) {
			const row = this.#prefix.get(word.slice(0, length));
			if (row !== undefined) return { row, joined: word.slice(length), takesNext: false };
		}
		return undefined;
	}
}
