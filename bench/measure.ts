/** Ratios between two ways of doing the same, measured in turns so that a drift of the machine meets both. */

export interface Pair {
	readonly ours: number;
	readonly peer: number;
}

/** One line of the table: what was measured against whom. */
export interface Measured {
	readonly what: string;
	readonly peer: string;
	readonly pairs: readonly Pair[];
	readonly unit: "s" | "ms" | "MiB";
	/** More about the same runs, such as a rate. */
	readonly note?: string;
}

/** Peer, ours, peer, ours, …: `runs` times each. */
export async function inTurns(
	runs: number,
	ours: () => Promise<number>,
	peer: () => Promise<number>,
): Promise<readonly Pair[]> {
	const pairs: Pair[] = [];
	for (let count = 0; count < runs; count++) {
		const peerTook = await peer();
		pairs.push({ peer: peerTook, ours: await ours() });
	}
	return pairs;
}

export function median(values: readonly number[]): number {
	const sorted = [...values].sort((a, b) => a - b);
	const middle = sorted.length / 2;
	return sorted.length % 2 === 1
		? (sorted[Math.floor(middle)] ?? Number.NaN)
		: ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** Median ratio (least to greatest), then both medians. */
export function describeMeasured({ what, peer, pairs, unit, note }: Measured): string {
	const ratios = pairs.map((pair) => pair.ours / pair.peer);
	const digits = (value: number): string => (value < 0.1 ? value.toFixed(3) : value.toFixed(2));
	const amount = (values: number[]): string => `${median(values).toFixed(unit === "MiB" ? 0 : 2)} ${unit}`;
	const range = `(${digits(Math.min(...ratios))}–${digits(Math.max(...ratios))})`;
	const both = `${amount(pairs.map((pair) => pair.ours))} / ${amount(pairs.map((pair) => pair.peer))}`;
	return (
		`${digits(median(ratios)).padStart(6)} ${range.padEnd(14)} ${both.padEnd(22)} n=${pairs.length}  ` +
		`${what} / ${peer}${note === undefined ? "" : `; ${note}`}`
	);
}
