/** node build/bench/infer.js [ROW]...: what inference takes, each row against its peer in the same run, and its target. */
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { describeMeasured, inTurns, type Measured, median, type Pair } from "./measure.js";
import { PROJECTS, type Project, projectNamed } from "./projects.js";
import { BenchError, cost, GG, mainOf, must, quote, requireGg } from "./run.js";
import { coldTree, type SpeedOptions, warm, withProject } from "./speed-builds.js";
import { infer } from "./speed-infer.js";
import { startStub } from "./stub.js";
import { BENCH_DIR, bringBack, fresh, keep } from "./workspace.js";

interface Row {
	readonly about: string;
	readonly project: string;
	/** The ratio must not be above this. */
	readonly target: number;
	/** `many`: sources of the generated project. */
	readonly make: (project: Project, options: SpeedOptions, many: number) => Promise<Measured>;
}

/** `gg infer` of a tree that `prepare` has made ready, against make with a client that only asks. */
function againstFloor(
	project: Project,
	options: SpeedOptions,
	what: string,
	state: "cold" | "cleaned" | "edited",
): Promise<Measured> {
	return withProject(project, options, async ({ workspace, runs, build, clean, gg, plain }) => {
		const stub = await startStub();
		try {
			const ours = async (): Promise<number> => {
				if (state === "cold") {
					await coldTree(workspace);
					return gg("infer");
				}
				bringBack(workspace, "gg-warm");
				if (state === "cleaned") await plain(clean);
				else touchHeader(join(workspace.src, usedEverywhere(project)));
				const took = await gg("infer");
				keep(workspace, "gg-warm");
				return took;
			};
			const peer = async (): Promise<number> => {
				bringBack(workspace, "stub");
				await plain(clean);
				const took = await plain(build, stub.env);
				keep(workspace, "stub");
				return took;
			};
			if (state !== "cold") {
				await coldTree(workspace);
				await gg("infer");
				keep(workspace, "gg-warm");
			}
			await fresh(workspace);
			await plain(build, stub.env);
			const commands = stub.count();
			keep(workspace, "stub");
			return {
				what: `gg infer ${build}, ${what}, ${project.name}`,
				peer: `the stub floor (${commands} commands)`,
				pairs: await inTurns(runs, ours, peer),
				unit: "s",
			};
		} finally {
			await stub.close();
		}
	});
}

/** A header that every source includes, or nearly. */
function usedEverywhere(project: Project): string {
	const header = { "ffmpeg-reduced": "libavutil/attributes.h", mosh: "src/include/config.h" }[project.name];
	if (header === undefined) throw new BenchError(`no header that all of ${project.name} uses is known`);
	return header;
}

let edits = 0;
function touchHeader(path: string): void {
	edits += 1;
	appendFileSync(path, `/* edit ${edits} */\n`);
}

export interface Spent {
	/** Seconds of CPU of gg's own process. */
	readonly cpu: number;
	/** Of these, in the kernel. */
	readonly system: number;
	readonly peakMiB: number;
}

/** Has gg's process write down what it took as it ends; nothing else in a build of these projects is Node. */
export function watchSelf(folder: string): {
	readonly env: Readonly<Record<string, string>>;
	readonly spent: () => Spent;
} {
	const script = join(folder, "spent.cjs");
	const file = join(folder, "spent");
	writeFileSync(
		script,
		`process.on("exit", () => {
	const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
	require("node:fs").writeFileSync(${JSON.stringify(file)}, JSON.stringify({ cpu: (userCPUTime + systemCPUTime) / 1e6, system: systemCPUTime / 1e6, peakMiB: maxRSS / 1024 }));
});
`,
	);
	return {
		env: { NODE_OPTIONS: `--require=${script}` },
		spent: () => JSON.parse(readFileSync(file, "utf8")) as Spent,
	};
}

/** CPU time of gg's own process for each command that it describes; the start of Node.js is in it. */
function ownCpu(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, options, async ({ workspace, runs, build, clean, gg, plain }) => {
		const stub = await startStub();
		try {
			await fresh(workspace);
			await plain(build, stub.env);
		} finally {
			await stub.close();
		}
		const commands = stub.count();
		await coldTree(workspace);
		const { env, spent } = watchSelf(workspace.root);
		await gg("infer");
		const pairs: Pair[] = [];
		for (let run = 0; run < runs; run++) {
			await plain(clean);
			await gg("infer", env);
			pairs.push({ ours: (spent().cpu * 1000) / commands, peer: 1 });
		}
		rmSync(join(workspace.root, "spent"), { force: true });
		rmSync(join(workspace.root, "spent.cjs"), { force: true });
		return {
			what: `CPU time of gg's own process per command (of ${commands}), gg infer ${build}, warm, ${project.name}`,
			peer: "a millisecond",
			pairs,
			unit: "ms",
		};
	});
}

/** A project of `count` sources in folders of a hundred, each with headers of its own folder and of all. */
function generate(root: string, count: number): void {
	const include = join(root, "include");
	mkdirSync(include, { recursive: true });
	const shared: string[] = [];
	for (let i = 0; i < 50; i++) {
		shared.push(`#include "shared${i}.h"\n`);
		writeFileSync(join(include, `shared${i}.h`), `#ifndef S${i}\n#define S${i}\nint shared${i}(int);\n#endif\n`);
	}
	writeFileSync(join(include, "all.h"), shared.join(""));
	const sources: string[] = [];
	for (let i = 0; i < count; i++) {
		const folder = `d${Math.floor(i / 100)}`;
		if (i % 100 === 0) {
			mkdirSync(join(root, folder));
			writeFileSync(join(root, folder, "own.h"), "#define OWN 1\n#include <all.h>\n");
		}
		writeFileSync(
			join(root, folder, `f${i}.c`),
			`#include "own.h"\n#include <stdio.h>\nint f${i}(void) { return ${i}; }\n`,
		);
		sources.push(`${folder}/f${i}`);
	}
	const makefile = [
		`OBJECTS = ${sources.map((source) => `${source}.o`).join(" ")}`,
		"all: $(OBJECTS)",
		"%.o: %.c",
		"\t@gcc -O2 -Iinclude -c $< -o $@",
		"",
	];
	writeFileSync(join(root, "Makefile"), makefile.join("\n"));
}

async function inferGenerated(
	count: number,
	{ jobs, clock = "wall" }: SpeedOptions,
): Promise<{ readonly took: number; readonly peakMiB: number }> {
	mkdirSync(BENCH_DIR, { recursive: true });
	const root = mkdtempSync(join(BENCH_DIR, "growth-"));
	try {
		const src = join(root, "src");
		generate(src, count);
		const env = { GG_CACHE_DIR: join(root, "gg-cache") };
		await must(`${quote(GG)} build true`, { cwd: src, env });
		const { env: watched, spent } = watchSelf(root);
		const took = await cost(`${quote(GG)} infer make -j${jobs}`, { cwd: src, env: { ...env, ...watched } }, clock);
		return { took, peakMiB: spent().peakMiB };
	} finally {
		rmSync(root, { recursive: true, force: true });
	}
}

async function growth(options: SpeedOptions, many: number): Promise<Measured> {
	const few = Math.round(many / 10);
	const pairs: Pair[] = [];
	let peak = 0;
	for (let run = 0; run < options.runs; run++) {
		const { took: peer } = await inferGenerated(few, options);
		const { took: ours, peakMiB } = await inferGenerated(many, options);
		pairs.push({ peer, ours });
		peak = Math.max(peak, peakMiB);
	}
	const note = `gg's process took at most ${peak.toFixed(0)} MiB`;
	return { what: `gg infer of ${many} generated compiles, cold`, peer: `of ${few}`, pairs, unit: "s", note };
}

async function footprint(options: SpeedOptions, many: number): Promise<Measured> {
	const pairs: Pair[] = [];
	for (let run = 0; run < options.runs; run++) {
		pairs.push({ peer: 1024, ours: (await inferGenerated(many, options)).peakMiB });
	}
	return { what: `peak memory of gg's process, ${many} generated compiles`, peer: "a gigabyte", pairs, unit: "MiB" };
}

const ROWS: Readonly<Record<string, Row>> = {
	cold: { about: "infer cold / gcc -M sweep", project: "ffmpeg-reduced", target: 0.45, make: infer },
	mosh: { about: "the same on C++", project: "mosh", target: 1, make: infer },
	"cold-floor": {
		about: "infer cold / the stub floor",
		project: "ffmpeg-reduced",
		target: 2.8,
		make: (project, options) => againstFloor(project, options, "cold", "cold"),
	},
	"warm-floor": {
		about: "infer after make clean / the stub floor",
		project: "ffmpeg-reduced",
		target: 1.5,
		make: (project, options) => againstFloor(project, options, "warm", "cleaned"),
	},
	ccache: { about: "build after make clean / warm ccache", project: "ffmpeg-reduced", target: 0.7, make: warm },
	edited: {
		about: "infer after an edit of a header that all use / the stub floor",
		project: "ffmpeg-reduced",
		target: 2,
		make: (project, options) => againstFloor(project, options, "a header edited", "edited"),
	},
	cpu: {
		about: "CPU time of gg's own process per command, warm",
		project: "ffmpeg-reduced",
		target: 1.5,
		make: ownCpu,
	},
	growth: {
		about: "generated compiles / a tenth as many",
		project: "",
		target: 11,
		make: (_, options, many) => growth(options, many),
	},
	memory: {
		about: "peak memory with the generated compiles / 1 GB",
		project: "",
		target: 1,
		make: (_, options, many) => footprint(options, many),
	},
};

const NAMES = Object.keys(ROWS);

const USAGE = `usage: infer.js [--runs N] [--jobs N] [--compiles N] [--cpu] [ROW]...

${NAMES.map((name) => `${name.padEnd(11)} ${ROWS[name]!.about}, ≤ ${ROWS[name]!.target}`).join("\n")}

All unless told. --cpu compares CPU time of all processes instead of wall time, for a machine that does other things.
--compiles is the size of the generated project, 30000 unless told.
A line: median ratio (least–greatest), both medians, number of pairs, what / peer; target.
`;

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			runs: { type: "string", default: "3" },
			jobs: { type: "string", default: "2" },
			compiles: { type: "string", default: "30000" },
			cpu: { type: "boolean", default: false },
			help: { type: "boolean", default: false },
		},
	});
	const unknown = positionals.find((name) => !NAMES.includes(name));
	if (values.help || unknown !== undefined) {
		process.stderr.write(unknown === undefined ? USAGE : `no row is called ${unknown}\n\n${USAGE}`);
		return values.help ? 0 : 2;
	}
	requireGg();
	const clock = values.cpu ? "cpu" : "wall";
	console.log(
		`${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}, Node.js ${process.version}, ${clock} time`,
	);
	const options: SpeedOptions = { runs: Number(values.runs), jobs: Number(values.jobs), clock };
	let failed = false;
	for (const name of positionals.length > 0 ? positionals : NAMES) {
		const row = ROWS[name]!;
		try {
			const project = row.project === "" ? PROJECTS[0]! : projectNamed(row.project);
			const measured = await row.make(project, options, Number(values.compiles));
			const ratio = median(measured.pairs.map(({ ours, peer }) => ours / peer));
			const verdict = ratio <= row.target ? "held" : "missed";
			console.log(`${describeMeasured(measured)}; target ≤ ${row.target}: ${verdict}`);
		} catch (error) {
			if (!(error instanceof BenchError)) throw error;
			failed = true;
			console.log(`${name}: failed, ${error.message}`);
		}
	}
	return failed ? 1 : 0;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
