/** node build/bench/phases.js [PROJECT]: where the time of gg's own thread goes in an inference, cold and warm. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { profiling, sumByPhase } from "./profile.js";
import { type Project, projectNamed } from "./projects.js";
import { BenchError, mainOf, must, requireGg } from "./run.js";
import { coldTree, withProject } from "./speed-builds.js";
import { startStub } from "./stub.js";
import { fresh } from "./workspace.js";

const IDLE = "(waiting)";
const REST = "start and end of gg, and what no name tells";

/** Functions whose time, with that of all they call, is a phase's; the innermost that is in the table counts. */
const WALK: readonly (readonly [phase: string, functions: readonly string[]])[] = [
	["scan: reading and hashing sources and headers", ["hashFile", "timesOf", "get content"]],
	["scan: minimising them", ["minimise"]],
	["scan: looking at files", ["lookAt", "lookByNode", "readdirSync"]],
	["scan: finding headers on the path", ["#find", "find", "#inFolder", "open"]],
	["scan: conditions", ["#holds", "#evaluate", "#branch", "#stands", "#defined"]],
	["scan: the rest of the walk, #define and #include", ["#walk"]],
];
const ALL: typeof WALK = [
	["last check of the tree", ["changedBelow", "sweep", "settle"]],
	["toolchain: asking the driver, hashing", ["#discover", "discoverToolchain", "loadedFiles", "readElf", "readAhead"]],
	["who sees the answer", ["sees", "streams", "parallelism", "isObserved", "isNinja", "feeds"]],
	["model: the plan of a command", ["planCommand", "gccFacts"]],
	[
		"describing: thunk, Trees, absences",
		["describe", "#describe", "#group", "groupAbsent", "encodeTree", "encodeThunk"],
	],
	[
		"lookup: what was known of a command",
		["findLike", "#filesLike", "#absencesHold", "#treeHolds", "keyOf", "depfilesOf"],
	],
	["scan: flags, names of files, depfile", ["includesOf", "scan", "#scan", "scanIncludes", "discoverInputs", "#named"]],
	["session: placeholders, journal, events", ["prepare", "hide", "commandEvent", "sink", "defers", "defer"]],
	["sockets and frames", ["place", "onCommand", "onStreamRead", "onconnection", "finish", "afterWriteDispatched"]],
];

function phaseOf(stack: readonly string[]): string {
	if (stack[0] === "(idle)") return IDLE;
	if (stack[0] === "(garbage collector)") return "garbage collection";
	const table = stack.includes("#walk") ? WALK : ALL;
	for (const name of stack) {
		const phase = table.find(([, functions]) => functions.includes(name));
		if (phase !== undefined) return phase[0];
	}
	return REST;
}

type Sums = ReadonlyMap<string, number>;

interface Options {
	readonly runs: number;
	readonly jobs: number;
	/** As GG_SCAN_THREADS: what these do is no part of the sums. */
	readonly threads: string;
}

/** Of the run that took least. */
async function phases(project: Project, { runs, jobs, threads }: Options, state: "cold" | "warm"): Promise<Sums> {
	return withProject(project, { runs, jobs }, async ({ workspace, clean, gg, plain }) => {
		const file = join(workspace.root, "phases.cpuprofile");
		const env = { GG_SCAN_THREADS: threads, ...profiling(workspace.root, file, 200, {}) };
		let best: Sums | undefined;
		await coldTree(workspace);
		if (state === "warm") await gg("infer");
		for (let i = 0; i < runs; i++) {
			if (state === "cold") await coldTree(workspace);
			else await plain(clean);
			await gg("infer", env);
			const sums = sumByPhase(file, phaseOf);
			if (best === undefined || busy(sums) < busy(best)) best = sums;
		}
		return best!;
	});
}

const busy = (sums: Sums): number =>
	[...sums].reduce((sum, [phase, us]) => (phase === IDLE || phase === "(program)" ? sum : sum + us), 0);

/** Commands that the build asks for. */
async function commandsOf(project: Project, jobs: number): Promise<number> {
	return withProject(project, { runs: 1, jobs }, async ({ workspace, build }) => {
		const stub = await startStub();
		try {
			await fresh(workspace);
			await must(build, { cwd: workspace.src, env: stub.env });
			return stub.count();
		} finally {
			await stub.close();
		}
	});
}

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			runs: { type: "string", default: "3" },
			jobs: { type: "string", default: "2" },
			threads: { type: "string", default: "0" },
		},
	});
	requireGg();
	const [runs, jobs] = [Number(values.runs), Number(values.jobs)];
	const options = { runs, jobs, threads: values.threads };
	if (!(runs >= 1 && jobs >= 1)) throw new BenchError("--runs and --jobs are numbers from 1 on");
	for (const name of positionals.length === 0 ? ["ffmpeg-reduced"] : positionals) {
		const project = projectNamed(name);
		const commands = await commandsOf(project, jobs);
		const cold = await phases(project, options, "cold");
		const warm = await phases(project, options, "warm");
		const row = (phase: string, a: number, b: number): string => {
			const cell = (us: number): string => (us === 0 ? "–" : String(Math.round(us / commands))).padStart(6);
			return `| ${phase.padEnd(50)} | ${cell(a)} | ${cell(b)} |`;
		};
		console.log(`µs for each of the ${commands} commands of ${name}, best of ${runs}`);
		console.log(`| ${"phase".padEnd(50)} | ${"cold".padStart(6)} | ${"warm".padStart(6)} |`);
		const names = [...ALL.slice(0, 6), ...WALK, ...ALL.slice(6)].map(([phase]) => phase);
		for (const phase of [...names, "garbage collection", REST]) {
			console.log(row(phase, cold.get(phase) ?? 0, warm.get(phase) ?? 0));
		}
		console.log(row("together", busy(cold), busy(warm)));
		console.log(row("waiting for make, shims and compilers", cold.get(IDLE) ?? 0, warm.get(IDLE) ?? 0));
	}
	return 0;
}

await mainOf(main);
