/** node build/bench/compare-trees.js EXPECTED ACTUAL: says what ACTUAL has otherwise than EXPECTED; exit 1 if anything. */
import { parseArgs } from "node:util";
import { compareTimeOrder, compareTrees, describeDifference, type TimeOrder } from "../test/rig/trees.js";
import { mainOf } from "./run.js";

const USAGE = `usage: compare-trees.js [--ignore NAME]... [--control TREE] EXPECTED ACTUAL

Compares presence, type, mode, symlink target and bytes of everything but .gg and each NAME (a base name, or a path in
the tree). With --control, a second plain build that began from the same copy as EXPECTED, files on which the two plain
builds already disagree are set aside, and the order of modification times is judged by what both have in common; that
list does not change the exit status.
`;

/** How a comparison of times reads, a line each; nothing where nothing is worth saying. */
export function describeTimeOrder({ pairs, inverted, worst, touched }: TimeOrder): string[] {
	return [
		...(inverted === 0 ? [] : [`${inverted} of ${pairs} pairs of files were written in the other order:`]),
		...worst.map(({ earlier, later, byMs }) => `  ${earlier} ${Math.round(byMs)} ms after ${later}`),
		...touched.map((path) => `${path}: its time changed, though a plain build does not write it`),
	];
}

function main(): number {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: { ignore: { type: "string", multiple: true }, control: { type: "string" } },
	});
	const [expected, actual, ...more] = positionals;
	if (expected === undefined || actual === undefined || more.length > 0) {
		process.stderr.write(USAGE);
		return 2;
	}
	const ignore = [".gg", ...(values.ignore ?? [])];
	const unstable = values.control === undefined ? [] : compareTrees(expected, values.control, ignore);
	const unstablePaths = new Set(unstable.map(({ path }) => path));
	const differences = compareTrees(expected, actual, ignore).filter(({ path }) => !unstablePaths.has(path));
	for (const difference of unstable) console.log(`set aside: ${describeDifference(difference)}`);
	for (const difference of differences) console.log(describeDifference(difference));
	if (values.control !== undefined) {
		const order = compareTimeOrder({ controls: [expected, values.control], actual, ignore });
		for (const line of describeTimeOrder(order)) console.log(line);
	}
	console.log(differences.length === 0 ? "same" : `${differences.length} differ`);
	return differences.length === 0 ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
