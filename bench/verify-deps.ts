/** node build/bench/verify-deps.js [PROJECT]...: gg's scan of includes beside the compiler's. Exit 1 if they differ. */
import { parseArgs } from "node:util";
import { openProject, PROJECTS, type Project, projectNamed } from "./projects.js";
import { GG, mainOf, must, quote, requireGg, run, underGg } from "./run.js";
import { coldTree } from "./speed-builds.js";

const USAGE = `usage: verify-deps.js [--jobs N] [PROJECT]...

PROJECT: ${PROJECTS.map(({ name }) => name).join(", ")};
         all but the whole of ffmpeg unless told
`;

interface Scans {
	readonly scanned: number;
	readonly asked: readonly { readonly reason: string; readonly count: number }[];
}

/** @returns how often the two differ */
async function verify(project: Project, jobs: number): Promise<number> {
	const workspace = await openProject(project);
	try {
		await coldTree(workspace);
		const options = { cwd: workspace.src, env: { GG_CACHE_DIR: workspace.ggCache } };
		const inferred = await run(underGg("infer --verify-deps", project.build(jobs)), options);
		const differing = /^gg: (\d+) differences between/m.exec(inferred.stderr)?.[1];
		if (inferred.status !== 0 && differing === undefined) throw new Error(`${project.name}:\n${inferred.stderr}`);
		const told = await must(`${quote(GG)} explain --json`, options);
		const { scans } = JSON.parse(told.stdout) as { readonly scans?: Scans };
		const asked = (scans?.asked ?? []).map(({ reason, count }) => `, ${count} asked of the compiler (${reason})`);
		console.log(`${project.name.padEnd(16)} ${scans?.scanned ?? 0} scanned${asked.join("")}; ${differing ?? 0} differ`);
		for (const line of inferred.stderr.split("\n"))
			if (/^gg: .*: (?:the compiler|gg|line) /.test(line)) console.log(`    ${line}`);
		return Number(differing ?? 0);
	} finally {
		workspace.close();
	}
}

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: { jobs: { type: "string", default: "2" }, help: { type: "boolean", short: "h", default: false } },
	});
	if (values.help) {
		process.stdout.write(USAGE);
		return 0;
	}
	requireGg();
	const chosen = positionals.length > 0 ? positionals.map(projectNamed) : PROJECTS.filter((p) => p.name !== "ffmpeg");
	let differing = 0;
	for (const project of chosen) differing += await verify(project, Number(values.jobs));
	return differing === 0 ? 0 : 1;
}

await mainOf(main);
