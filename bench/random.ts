/** node build/bench/random.js --seed S --count N: small random projects, built plainly and with gg, must come out the same. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Choice, type Plan, planOf, WAYS } from "../test/rig/random/plan.js";
import { runTrial, type Trial } from "../test/rig/random/trial.js";
import { BenchError, mainOf, requireGg } from "./run.js";

const USAGE = `usage: random.js [--seed S] [--count N] [--ways W,W...] [--at-once N] [--keep FOLDER] [--verbose] [--seconds N]

Builds the projects of the seeds S, S+1, … plainly (twice) and with gg. W: ${WAYS.join(", ")}. What differs is
reduced to the features that are needed for it, and printed with the command that shows it again; --keep writes such
projects into FOLDER. --seconds stops after that time.
`;

interface Found {
	readonly plan: Plan;
	readonly trial: Trial;
	readonly without: readonly number[];
}

interface Bench {
	readonly choice: Choice;
	readonly cache: string;
}

async function tried(plan: Plan, { cache }: Bench): Promise<Trial> {
	const folder = realpathSync(mkdtempSync(join(tmpdir(), "gg-random-")));
	try {
		return await runTrial(plan, { folder, cache });
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

/** Leaves out one feature after the other for as long as something still differs. */
async function reduced(found: Found, bench: Bench): Promise<Found> {
	let best = found;
	for (let i = found.plan.features.length + found.without.length - 1; i >= 0; i--) {
		const without = [...best.without, i];
		const plan = planOf(found.plan.seed, { ...bench.choice, without: new Set(without) });
		if (plan.features.length === 0 || plan.features.length === best.plan.features.length) continue;
		const trial = await tried(plan, bench);
		if (trial.problems.length > 0) best = { plan, trial, without };
	}
	return best;
}

function report({ plan, trial, without }: Found, flags: string, keep: string | undefined): void {
	console.log(`DIFFERS seed ${plan.seed}: ${plan.features.join(", ")} (${plan.make.join(" ")} in "${plan.folder}")`);
	for (const { way, what } of trial.problems.slice(0, 12)) console.log(`    ${way}: ${what}`);
	const dropped = without.length === 0 ? "" : ` --without ${without.join(",")}`;
	console.log(`    again: node build/bench/random.js --seed ${plan.seed}${dropped}${flags}`);
	if (keep === undefined) return;
	const folder = resolve(keep, `seed-${plan.seed}`);
	rmSync(folder, { recursive: true, force: true });
	write(plan, folder);
	console.log(`    kept: ${folder}`);
}

function write(plan: Plan, folder: string): void {
	for (const [name, content] of plan.files) {
		mkdirSync(dirname(join(folder, name)), { recursive: true });
		writeFileSync(join(folder, name), content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
	}
	for (const [name, target] of plan.links) symlinkSync(target, join(folder, name));
}

async function main(): Promise<number> {
	const { values } = parseArgs({
		options: {
			seed: { type: "string", default: `${Date.now() % 1_000_000_000}` },
			count: { type: "string", default: "1" },
			ways: { type: "string", default: WAYS.join(",") },
			"at-once": { type: "string", default: "1" },
			without: { type: "string" },
			keep: { type: "string" },
			verbose: { type: "boolean", default: false },
			seconds: { type: "string" },
			help: { type: "boolean", default: false },
		},
	});
	if (values.help) {
		process.stdout.write(USAGE);
		return 0;
	}
	requireGg();
	const ways = values.ways.split(",").map((name) => {
		const way = WAYS.find((known) => known === name);
		if (way === undefined) throw new BenchError(`no way is called ${name}\n${USAGE}`);
		return way;
	});
	const without = values.without?.split(",").map(Number) ?? [];
	const choice: Choice = { ways, without: new Set(without) };
	const cache = process.env["GG_CACHE_DIR"] ?? mkdtempSync(join(tmpdir(), "gg-random-cache-"));
	const bench: Bench = { choice, cache };
	const flags = `${values.ways === WAYS.join(",") ? "" : ` --ways ${values.ways}`}`;
	const [first, count] = [Number(values.seed), Number(values.count)];
	console.log(`seeds ${first} to ${first + count - 1}`);
	const until = values.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + 1000 * Number(values.seconds);
	const sums = { projects: 0, builds: 0, differ: 0, failing: 0, unstable: 0 };
	let next = first;
	const worker = async (): Promise<void> => {
		while (next < first + count && Date.now() < until) {
			const seed = next++;
			const plan = planOf(seed, choice);
			const trial = await tried(plan, bench);
			sums.projects++;
			sums.builds += trial.builds;
			if (trial.status !== 0) sums.failing++;
			if (trial.unstable.length > 0) sums.unstable++;
			if (values.verbose) {
				console.log(
					`${seed} status ${trial.status} ${plan.ways.join("+")}: ${plan.features.join(", ")}${trial.unstable.length > 0 ? `; not the same twice: ${trial.unstable.join(" ")}` : ""}`,
				);
			}
			if (trial.unexpected !== undefined)
				console.log(`seed ${seed}: make ends otherwise than meant:\n${trial.unexpected}`);
			if (trial.problems.length === 0) continue;
			sums.differ++;
			report(await reduced({ plan, trial, without }, bench), flags, values.keep);
		}
	};
	await Promise.all(Array.from({ length: Number(values["at-once"]) }, worker));
	if (process.env["GG_CACHE_DIR"] === undefined) rmSync(cache, { recursive: true, force: true });
	console.log(
		`${sums.projects} projects, ${sums.builds} builds by gg, ${sums.failing} of projects that fail, ${sums.unstable} projects not the same when built twice plainly; ${sums.differ} differ (seeds ${first} to ${next - 1})`,
	);
	return sums.differ === 0 ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
