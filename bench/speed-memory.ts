/** Peak memory of gg's largest process during a build, against the largest process of the build itself. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import type { Measured } from "./measure.js";
import type { Project } from "./projects.js";
import { GG, must, underGg } from "./run.js";
import { coldTree, type SpeedOptions, withProject } from "./speed-builds.js";

interface Seen {
	readonly name: string;
	readonly ours: boolean;
	/** VmHWM, the kernel's own high-water mark: looking now and then misses no peak but the last moment's. */
	peakKiB: number;
}

/** Looks at all descendants of `root` and enters them into `seen`. */
function look(root: number, seen: Map<number, Seen>): void {
	const parents = new Map<number, number>();
	for (const name of readdirSync("/proc")) {
		if (!/^\d+$/.test(name)) continue;
		// The command's name is in parentheses and may itself hold any character.
		const stat = attempt(() => readFileSync(`/proc/${name}/stat`, "latin1"));
		const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
		if (parent !== undefined) parents.set(Number(name), Number(parent));
	}
	for (const pid of parents.keys()) {
		let ancestor: number | undefined = pid;
		while (ancestor !== undefined && ancestor !== root) ancestor = parents.get(ancestor);
		if (ancestor !== root) continue;
		const peak = /^VmHWM:\s+(\d+)/m.exec(attempt(() => readFileSync(`/proc/${pid}/status`, "latin1")) ?? "")?.[1];
		if (peak === undefined) continue;
		const exe = attempt(() => readlinkSync(`/proc/${pid}/exe`)) ?? "";
		const command = attempt(() => readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.split("\0") ?? [];
		const ours = exe === process.execPath || /^(gg\b|node)/.test(basename(exe)) || command.includes(GG);
		const known = seen.get(pid);
		// A process that becomes another by exec begins anew.
		if (known?.name !== exe) seen.set(pid, { name: exe, ours, peakKiB: Number(peak) });
		else known.peakKiB = Math.max(known.peakKiB, Number(peak));
	}
}

function attempt<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch {
		return undefined; // it has ended meanwhile
	}
}

export function memory(project: Project, options: SpeedOptions): Promise<Measured> {
	return withProject(project, options, async ({ workspace, runs, build }) => {
		const pairs: { ours: number; peer: number }[] = [];
		const names = new Set<string>();
		for (let count = 0; count < runs; count++) {
			await coldTree(workspace);
			const largest = new Map<boolean, Seen>();
			let timer: NodeJS.Timeout | undefined;
			await must(underGg("build", build), {
				cwd: workspace.src,
				env: { GG_CACHE_DIR: workspace.ggCache },
				onStart: ({ pid = 0 }) => {
					timer = setInterval(() => {
						const seen = new Map<number, Seen>();
						look(pid, seen);
						for (const one of seen.values()) {
							if (one.peakKiB > (largest.get(one.ours)?.peakKiB ?? 0)) largest.set(one.ours, one);
						}
					}, 100);
				},
			}).finally(() => clearInterval(timer));
			const peer = largest.get(false);
			pairs.push({ ours: (largest.get(true)?.peakKiB ?? 0) / 1024, peer: (peer?.peakKiB ?? Number.NaN) / 1024 });
			names.add(basename(peer?.name ?? "none"));
		}
		return {
			what: `peak memory of gg's largest process, gg build ${build}, cold, ${project.name}`,
			peer: `the largest process of the build itself (${[...names].join(", ")})`,
			pairs,
			unit: "MiB",
		};
	});
}
