/** Whole builds against make and ccache. */
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { inTurns, type Measured } from "./measure.js";
import { openProject, type Project } from "./projects.js";
import { BenchError, type Clock, cost, GG, must, quote, run, underGg } from "./run.js";
import { bringBack, fresh, keep, remove, type Workspace } from "./workspace.js";

export interface SpeedOptions {
	readonly runs: number;
	readonly jobs: number;
	/** Wall time unless told. */
	readonly clock?: Clock;
}

export interface Bench extends SpeedOptions {
	readonly workspace: Workspace;
	readonly build: string;
	readonly clean: string;
	readonly gg: (words: string, env?: Readonly<Record<string, string>>) => Promise<number>;
	readonly plain: (line: string, env?: Readonly<Record<string, string | undefined>>) => Promise<number>;
}

/** Opens the project's workspace for `use`, and leaves only the configured tree behind. */
export async function withProject<T>(
	project: Project,
	options: SpeedOptions,
	use: (bench: Bench) => Promise<T>,
): Promise<T> {
	const workspace = await openProject(project);
	const build = project.build(options.jobs);
	const env = { GG_CACHE_DIR: workspace.ggCache };
	const { clock = "wall" } = options;
	try {
		return await use({
			...options,
			workspace,
			build,
			clean: project.clean,
			gg: (words, extra = {}) => cost(underGg(words, build), { cwd: workspace.src, env: { ...env, ...extra } }, clock),
			plain: (line, extra = {}) => cost(line, { cwd: workspace.src, env: extra }, clock),
		});
	} finally {
		for (const tree of [
			"src",
			"gg-warm",
			"stub",
			"ccache-warm",
			"captured",
			"ccache",
			"ccache-bin",
			"capture",
			"gg-cache",
		]) {
			remove(workspace, tree);
		}
		workspace.close();
	}
}

/**
 * A fresh copy with an empty .gg, and nothing remembered from other runs but the native programs: those are compiled once
 * after installation, which `gg build true` has done here.
 */
export async function coldTree(workspace: Workspace): Promise<void> {
	remove(workspace, "gg-cache");
	await fresh(workspace);
	await must(`${quote(GG)} build true && rm -r .gg && ${quote(GG)} init`, {
		cwd: workspace.src,
		env: { GG_CACHE_DIR: workspace.ggCache },
	});
}

/** The first build of all reads the compiler from disk; neither side should pay for that. */
export async function warmUp(workspace: Workspace): Promise<void> {
	for (const language of ["c", "c++"]) {
		await run(`echo 'int a;' | gcc -O2 -x ${language} -c -o /dev/null - && make --version`, { cwd: workspace.root });
	}
}

export function cold(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, options, async ({ workspace, runs, build, gg, plain }) => {
		await warmUp(workspace);
		const pairs = await inTurns(
			runs,
			async () => {
				await coldTree(workspace);
				return gg("build");
			},
			async () => {
				await fresh(workspace);
				return plain(build);
			},
		);
		return { what: `gg build ${build}, cold, ${project.name}`, peer: build, pairs, unit: "s" };
	});
}

/** After `make clean`, everything is in the cache of each; both trees stand at the same path while they are built. */
export function warm(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, options, async ({ workspace, runs, build, clean, gg, plain }) => {
		const ccache = await ccacheEnvironment(workspace);
		await fresh(workspace);
		await plain(build, ccache);
		keep(workspace, "ccache-warm");
		await coldTree(workspace);
		await gg("build");
		keep(workspace, "gg-warm");
		const cleaned = async (tree: string, again: () => Promise<number>): Promise<number> => {
			bringBack(workspace, tree);
			await plain(clean);
			const seconds = await again();
			keep(workspace, tree);
			return seconds;
		};
		const pairs = await inTurns(
			runs,
			() => cleaned("gg-warm", () => gg("build")),
			() => cleaned("ccache-warm", () => plain(build, ccache)),
		);
		const { stdout } = await run("ccache -s", { cwd: workspace.root, env: ccache });
		const hits = /^\s*Hits:.*$/im.exec(stdout)?.[0].trim().replace(/\s+/g, " ");
		return {
			what: `gg build ${build} after ${clean}, ${project.name}`,
			peer: `${build} with a warm ccache`,
			pairs,
			unit: "s",
			...(hits === undefined ? {} : { note: `ccache over all builds, ${hits.toLowerCase()}` }),
		};
	});
}

/** ccache under the compilers' own names first on PATH, with an empty cache of its own. */
async function ccacheEnvironment(workspace: Workspace): Promise<Record<string, string | undefined>> {
	const found = await run("command -v ccache", { cwd: workspace.root });
	if (found.status !== 0) throw new BenchError("ccache, the peer of the warm build, is not installed");
	const names = join(workspace.root, "ccache-bin");
	const cache = join(workspace.root, "ccache");
	for (const folder of [names, cache]) {
		rmSync(folder, { recursive: true, force: true });
		mkdirSync(folder);
	}
	for (const name of ["gcc", "g++", "cc", "c++"]) symlinkSync(found.stdout.trim(), join(names, name));
	return { PATH: `${names}:${process.env.PATH}`, CCACHE_DIR: cache, CCACHE_DISABLE: undefined };
}

export function nothing(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, options, async ({ workspace, runs, build, gg, plain }) => {
		await coldTree(workspace);
		await gg("build");
		const node = `${quote(process.execPath)} -e 0`;
		const pairs = await inTurns(
			runs,
			() => gg("build"),
			() => plain(`${build} && ${node} && ${node} && ${node}`),
		);
		return {
			what: `gg build ${build} with nothing to do, ${project.name}`,
			peer: `${build} and three times node -e 0`,
			pairs,
			unit: "s",
		};
	});
}

/** CPU time of everything, because that is what catching costs a build that would have found the wrappers on PATH anyway. */
export function supervisor(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, { ...options, clock: "cpu" }, async ({ workspace, runs, build, gg }) => {
		await warmUp(workspace);
		const built = (env: Record<string, string>) => async () => {
			await coldTree(workspace);
			return gg("build", env);
		};
		const pairs = await inTurns(runs, built({}), built({ GG_SUPERVISOR: "0" }));
		return {
			what: `CPU time of gg build ${build}, cold, ${project.name}`,
			peer: "the same with GG_SUPERVISOR=0",
			pairs,
			unit: "s",
		};
	});
}
