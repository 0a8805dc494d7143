/** Inferring alone against the least that any exact inference by the compiler costs: `gcc -M` over the same files. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTurns, type Measured } from "./measure.js";
import type { Project } from "./projects.js";
import { BenchError, cost, quote, run } from "./run.js";
import { type Bench, coldTree, type SpeedOptions, withProject } from "./speed-builds.js";
import { bringBack, fresh, keep, type Workspace } from "./workspace.js";

const COMPILERS = ["gcc", "g++", "cc", "c++"];
const SOURCE = /\.(c|cc|cpp|cxx|C|S)$/;

interface Command {
	readonly cwd: string;
	/** Starts with the compiler's absolute path. */
	readonly argv: readonly string[];
}

/** A PATH on which the compilers write down how they were called. */
async function captureOnPath(workspace: Workspace): Promise<{ path: string; commands: () => Command[] }> {
	const folder = join(workspace.root, "capture");
	rmSync(folder, { recursive: true, force: true });
	mkdirSync(join(folder, "bin"), { recursive: true });
	mkdirSync(join(folder, "log"));
	for (const name of COMPILERS) {
		const { status, stdout } = await run(`command -v ${name}`, { cwd: workspace.root });
		if (status !== 0) continue;
		const real = quote(stdout.trim());
		const script = `#!/bin/sh\nprintf '%s\\0' "$PWD" ${real} "$@" >${quote(join(folder, "log"))}/$$\nexec ${real} "$@"\n`;
		writeFileSync(join(folder, "bin", name), script, { mode: 0o755 });
	}
	return {
		path: `${join(folder, "bin")}:${process.env.PATH}`,
		commands: () =>
			readdirSync(join(folder, "log")).map((file) => {
				const [cwd = "", ...argv] = readFileSync(join(folder, "log", file), "utf8")
					.split("\0")
					.slice(0, -1);
				return { cwd, argv };
			}),
	};
}

/** The command that lists the same compile's dependencies; nothing for a command that compiles no source. */
export function sweepOf(argv: readonly string[]): string[] | undefined {
	if (!argv.includes("-c") || !argv.some((word) => SOURCE.test(word))) return undefined;
	const sweep: string[] = [];
	for (let at = 0; at < argv.length; at++) {
		const word = argv[at] ?? "";
		if (["-o", "-MF", "-MT", "-MQ"].includes(word)) at++;
		else if (!["-c", "-MD", "-MMD", "-MP", "-MG"].includes(word)) sweep.push(word);
	}
	return [...sweep, "-M"];
}

/** Builds once to learn what is compiled. @returns how many sources, and the sweep over them, timed */
async function prepareSweep({ workspace, jobs, clock = "wall", build, plain }: Bench) {
	const capture = await captureOnPath(workspace);
	await fresh(workspace);
	await plain(build, { PATH: capture.path });
	keep(workspace, "captured");
	const scripts = join(workspace.root, "capture/sweep");
	mkdirSync(scripts);
	let count = 0;
	for (const { cwd, argv } of capture.commands()) {
		const sweep = sweepOf(argv);
		if (sweep === undefined) continue;
		const line = `cd ${quote(cwd)} && exec ${sweep.map(quote).join(" ")} >/dev/null\n`;
		writeFileSync(join(scripts, String(count++).padStart(5, "0")), line);
	}
	if (count === 0) throw new BenchError(`${build} called none of ${COMPILERS.join(", ")} by its name alone`);
	const sweep = async (): Promise<number> => {
		bringBack(workspace, "captured");
		const took = await cost(`ls | xargs -P${jobs} -n1 sh`, { cwd: scripts }, clock);
		keep(workspace, "captured");
		return took;
	};
	return { count, sweep };
}

export function infer(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, options, async (bench) => {
		const { workspace, runs, jobs, build, gg } = bench;
		const { count, sweep } = await prepareSweep(bench);
		const cold = async (): Promise<number> => {
			await coldTree(workspace);
			return gg("infer");
		};
		return {
			what: `gg infer ${build}, cold, ${project.name}`,
			peer: `gcc -M over its ${count} sources, ${jobs} at a time`,
			pairs: await inTurns(runs, cold, sweep),
			unit: "s",
		};
	});
}
