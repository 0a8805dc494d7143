/** What a seed stands for: a project, how it is built, and what is changed before the second build. */
import { COMPILES, type Feature } from "./compiles.js";
import { LINKS } from "./links.js";
import { LATER, RECIPES } from "./recipes.js";
import { Rng } from "./rng.js";
import { type Edit, Sketch } from "./sketch.js";

export const WAYS = ["build", "sandbox", "defer", "infer"] as const;
export type Way = (typeof WAYS)[number];

const FEATURES: readonly Feature[] = [...COMPILES, ...LINKS, ...RECIPES];

export interface Plan {
	readonly seed: number;
	readonly ways: readonly Way[];
	/** Names of the features, in the order in which they were added; with a number where one was dropped. */
	readonly features: readonly string[];
	readonly files: ReadonlyMap<string, string>;
	readonly links: ReadonlyMap<string, string>;
	/** Name of the folder in which it is built. */
	readonly folder: string;
	/** The folder is reached by a link. */
	readonly linked: boolean;
	readonly make: readonly string[];
	readonly jobs: number;
	readonly edit: Edit | undefined;
	/** Plain make fails. */
	readonly fails: boolean;
}

export interface Choice {
	readonly ways: readonly Way[];
	/** Numbers of the features to leave out. */
	readonly without?: ReadonlySet<number>;
}

/** @param seed the same seed and choice give the same project */
export function planOf(seed: number, choice: Choice): Plan {
	const rng = new Rng(`plan ${seed}`);
	const ways = waysOf(rng, choice.ways);
	const sketch = new Sketch({ failures: !ways.includes("infer") });
	const later = new Rng(`later ${seed}`);
	const features = [...chooseFeatures(rng, sketch), ...(later.chance(0.3) ? [later.pick(LATER)] : [])];
	const added: string[] = [];
	for (const [i, feature] of features.entries()) {
		if (choice.without?.has(i)) continue;
		// Each has numbers of its own, so that the others stay the same when one is left out.
		sketch.begin(`f${i}`, new Rng(`feature ${seed} ${i}`));
		feature.add(sketch);
		added.push(feature.name);
	}
	const jobs = rng.pick([1, 1, 2, 4]);
	const cflags = rng.pick(["", "", "CFLAGS = -O1", "CFLAGS = -g", "export LC_ALL = C"]);
	const head = [
		cflags,
		rng.pick(["", "", ".DELETE_ON_ERROR:", "SHELL = /bin/bash"]),
		"RANLIB = ranlib",
		".DEFAULT_GOAL = all",
	];
	sketch.file("Makefile", `${sketch.makefile(head)}\n`);
	return {
		seed,
		ways,
		features: added,
		files: sketch.files,
		links: sketch.links,
		folder: rng.pick(["tree", "tree", "tree", "my tree", "träe", "t+r=e"]),
		linked: rng.chance(0.1),
		make: [
			"make",
			`-j${jobs}`,
			...(sketch.fails ? ["-k"] : []),
			...(rng.chance(0.1) ? ["-s"] : []),
			...(rng.chance(0.1) ? ["-O"] : []),
		],
		jobs,
		edit: sketch.edits.length === 0 || rng.chance(0.5) ? undefined : rng.pick(sketch.edits),
		fails: sketch.fails,
	};
}

/** One way or two: the plain builds are needed anyway. */
function waysOf(rng: Rng, possible: readonly Way[]): Way[] {
	const first = rng.pick(possible);
	const second = rng.pick(possible);
	return [...new Set(first === "build" || rng.chance(0.5) ? [first, second] : [first])];
}

function chooseFeatures(rng: Rng, { limits }: Sketch): Feature[] {
	const possible = FEATURES.filter(({ requires }) => requires === undefined || limits[requires]);
	const total = possible.reduce((sum, { weight }) => sum + weight, 0);
	return Array.from({ length: 2 + rng.below(5) }, () => {
		let left = rng.below(total);
		const found = possible.find(({ weight }) => {
			left -= weight;
			return left < 0;
		});
		if (found === undefined) throw new Error("Internal error: weights");
		return found;
	});
}
