/**
 * Where builds to be compared take place. Debugging information and configure's results hold absolute paths, so every build
 * runs in the same folder, `src`, and its tree is then moved aside under a name of its own.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fetchSource } from "./fetch.js";
import { BenchError, must, quote, run } from "./run.js";

/** $GG_BENCH_DIR, or ~/.cache/gg-bench. */
export const BENCH_DIR = resolve(process.env.GG_BENCH_DIR ?? join(homedir(), ".cache/gg-bench"));

export interface Workspace {
	readonly root: string;
	/** The one folder in which everything is built. */
	readonly src: string;
	/** The tree as configure left it, never built in. */
	readonly configured: string;
	/** gg's own cache beside the tree, to be named by GG_CACHE_DIR. */
	readonly ggCache: string;
	/** Lets the next user in. */
	readonly close: () => void;
}

export type Origin =
	| {
			readonly kind: "package";
			readonly source: string;
			readonly unpack: "patched" | "original";
			readonly configure: string;
			readonly needs: Readonly<Record<string, string>>;
	  }
	/** A user's own tree: it is copied and never changed. */
	| { readonly kind: "folder"; readonly folder: string; readonly configure: string };

/** The workspace called `name`, locked, with a configured tree. A folder is copied anew each time, a package never twice. */
export async function open(name: string, origin: Origin): Promise<Workspace> {
	const root = join(BENCH_DIR, name);
	mkdirSync(root, { recursive: true });
	const workspace: Workspace = {
		root,
		src: join(root, "src"),
		configured: join(root, "configured"),
		ggCache: join(root, "gg-cache"),
		close: lock(root),
	};
	try {
		if (origin.kind === "folder") remove(workspace, "configured");
		if (!existsSync(workspace.configured)) await configure(workspace, origin);
		return workspace;
	} catch (error) {
		workspace.close();
		throw error;
	}
}

async function configure(workspace: Workspace, origin: Origin): Promise<void> {
	const { root, src, configured } = workspace;
	remove(workspace, "src");
	if (origin.kind === "folder") {
		await must(`cp -a ${quote(resolve(origin.folder))}/. ${quote(src)}/`, { cwd: root });
		rmSync(join(src, ".gg"), { recursive: true, force: true });
	} else {
		for (const [program, packages] of Object.entries(origin.needs)) {
			if ((await run(`command -v ${program}`, { cwd: root })).status !== 0) {
				throw new BenchError(`${origin.source} needs ${program} (Debian packages ${packages})`);
			}
		}
		await fetchSource(origin, BENCH_DIR, src);
	}
	await must(origin.configure, { cwd: src });
	renameSync(src, configured);
}

/** Two runs in one folder would compare each other's halves. */
function lock(root: string): () => void {
	const file = join(root, "lock");
	try {
		writeFileSync(file, `${process.pid}`, { flag: "wx" });
	} catch {
		const owner = Number(readFileSync(file, "utf8"));
		if (owner > 0 && existsSync(`/proc/${owner}`)) {
			throw new BenchError(`${root} is in use by process ${owner}. GG_BENCH_DIR names another place.`);
		}
		writeFileSync(file, `${process.pid}`);
	}
	const interrupted = (): never => process.exit(130);
	const terminated = (): never => process.exit(143);
	const unlock = (): void => {
		rmSync(file, { force: true });
		process.off("exit", unlock).off("SIGINT", interrupted).off("SIGTERM", terminated);
	};
	process.once("exit", unlock).once("SIGINT", interrupted).once("SIGTERM", terminated);
	return unlock;
}

/** Puts a copy of the tree `from`, times included, at `src`. */
export async function fresh(workspace: Workspace, from = "configured"): Promise<void> {
	remove(workspace, "src");
	await must(`cp -a ${quote(join(workspace.root, from))} ${quote(workspace.src)}`, { cwd: workspace.root });
}

/** Moves what was built at `src` aside. @returns where it is now */
export function keep(workspace: Workspace, name: string): string {
	remove(workspace, name);
	const kept = join(workspace.root, name);
	renameSync(workspace.src, kept);
	return kept;
}

/** Moves a tree that was kept back to `src`. */
export function bringBack(workspace: Workspace, name: string): void {
	remove(workspace, "src");
	renameSync(join(workspace.root, name), workspace.src);
}

/** Where `discard` puts things. */
export const DISCARDED = "discarded";

/** Moves it out of the way. To be removed in the end: ext4 makes files slowly for minutes after many were removed. */
export function discard(workspace: Workspace, name: string): void {
	const path = join(workspace.root, name);
	if (!existsSync(path)) return;
	const folder = join(workspace.root, DISCARDED);
	mkdirSync(folder, { recursive: true });
	renameSync(path, join(folder, `${readdirSync(folder).length}`));
}

export function remove(workspace: Workspace, name: string): void {
	rmSync(join(workspace.root, name), { recursive: true, force: true });
}
