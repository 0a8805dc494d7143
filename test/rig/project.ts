import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { compareTrees, describeDifference, findPlaceholders } from "./trees.js";

/** The launcher, called by its path as a user calls it. */
export const GG = fileURLToPath(new URL("../../../gg", import.meta.url));

const TEMPORARY = fs.realpathSync(os.tmpdir());
let shared: string | undefined;

/** One cache for all the tests of a run, so that the native programs are compiled once. */
function cacheFolder(): string {
	shared ??= fs.mkdtempSync(path.join(TEMPORARY, "gg-e2e-cache-"));
	return shared;
}
before(async function () {
	this.timeout(300_000);
	// The first start says that it sets things up.
	const project = new Project({});
	try {
		await project.gg(["build", "true"]);
	} finally {
		project.dispose();
	}
});
after(() => {
	if (shared !== undefined) fs.rmSync(shared, { recursive: true, force: true });
	shared = undefined;
});

export interface Ended {
	readonly status: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** A process that a test has started, in a process group of its own. */
export interface Started {
	readonly process: ChildProcess;
	readonly ended: Promise<Ended>;
	/** Resolves when the text has been printed on standard output; rejects when the process ends without. */
	said(text: string): Promise<void>;
}

export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface RunOptions {
	readonly env?: Readonly<Record<string, string | undefined>>;
	/** Relative to the tree. */
	readonly cwd?: string;
	/** Start it with standard input closed. */
	readonly closedInput?: boolean;
}

/** Sources are older than anything a test builds, so that make never sees a tie. */
const SOURCE_TIME = new Date("2024-02-03T04:05:06Z");
const SUMMARY =
	/^gg: (?:\d+ from the store, \d+ compiled, linked or archived, \d+ run as they are|\d+ deferred, \d+ run here(?:; `gg force` makes them real)?)\n/m;

/**
 * A tiny project in a private folder. Plain make and gg build it at the same absolute path, one after the other: `plainly`
 * moves the tree aside that plain make has left, as what gg's must equal.
 */
export class Project {
	/** Private to the test, removed by `dispose`. */
	readonly folder: string;
	/** Where the sources lie and the build runs. */
	readonly tree: string;
	readonly #files: Files;
	readonly #processes: ChildProcess[] = [];
	#asides = 0;

	constructor(files: Files, parent = TEMPORARY) {
		this.folder = fs.mkdtempSync(path.join(parent, "gg-e2e-"));
		this.tree = path.join(this.folder, "tree");
		this.#files = files;
		fs.mkdirSync(path.join(this.folder, "tmp"));
		fs.mkdirSync(path.join(this.folder, "home"));
		this.fresh();
	}

	/** The sources as at first, and nothing else; `.gg` stays if `keepStore`. */
	fresh(keepStore = false): void {
		const store = path.join(this.tree, ".gg");
		const kept = path.join(this.folder, "kept-store");
		if (keepStore) fs.renameSync(store, kept);
		fs.rmSync(this.tree, { recursive: true, force: true });
		fs.mkdirSync(this.tree);
		for (const [name, content] of Object.entries(this.#files)) this.write(name, content, SOURCE_TIME);
		if (keepStore) fs.renameSync(kept, store);
	}

	path(name: string): string {
		return path.join(this.tree, name);
	}

	/** Replaces a file; a script that begins with `#!` can be executed. */
	write(name: string, content: string | Uint8Array, time?: Date): void {
		const file = this.path(name);
		fs.mkdirSync(path.dirname(file), { recursive: true });
		fs.writeFileSync(file, content);
		fs.chmodSync(file, typeof content === "string" && content.startsWith("#!") ? 0o755 : 0o644);
		if (time !== undefined) fs.utimesSync(file, time, time);
	}

	read(name: string): string {
		return fs.readFileSync(this.path(name), "latin1");
	}

	exists(name: string): boolean {
		return fs.lstatSync(this.path(name), { throwIfNoEntry: false }) !== undefined;
	}

	/** The whole environment of what a test starts: nothing of the caller's but where node is. */
	env(more: RunOptions["env"] = {}): Record<string, string> {
		const env: Record<string, string | undefined> = {
			PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
			HOME: path.join(this.folder, "home"),
			TMPDIR: path.join(this.folder, "tmp"),
			XDG_RUNTIME_DIR: path.join(this.folder, "tmp"),
			LC_ALL: "C",
			GG_CACHE_DIR: cacheFolder(),
			...more,
		};
		return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
	}

	start(argv: readonly string[], options: RunOptions = {}): Started {
		const [program, ...args] = options.closedInput ? ["sh", "-c", 'exec "$0" "$@" <&-', ...argv] : argv;
		const child = spawn(program!, args, {
			cwd: this.path(options.cwd ?? "."),
			env: this.env(options.env),
			stdio: ["ignore", "pipe", "pipe"],
			detached: true,
		});
		this.#processes.push(child);
		const out: Buffer[] = [];
		const err: Buffer[] = [];
		const waiting = new Set<() => void>();
		child.stdout.on("data", (chunk: Buffer) => {
			out.push(chunk);
			for (const look of waiting) look();
		});
		child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
		const ended = once(child, "close").then(([status, signal]) => ({
			status: status as number | null,
			signal: signal as NodeJS.Signals | null,
			stdout: Buffer.concat(out).toString("latin1"),
			stderr: Buffer.concat(err).toString("latin1"),
		}));
		return {
			process: child,
			ended,
			said: (text) =>
				new Promise((resolve, reject) => {
					const look = (): void => {
						if (Buffer.concat(out).includes(text)) resolve();
					};
					waiting.add(look);
					look();
					ended.then((e) => reject(new Error(`it ended without saying ${text}:\n${e.stdout}${e.stderr}`)), reject);
				}),
		};
	}

	run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
		return this.start(argv, options).ended;
	}

	/** Runs shell text in the tree. */
	sh(text: string, options: RunOptions = {}): Promise<Ended> {
		return this.run(["sh", "-c", text], options);
	}

	gg(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
		return this.run([GG, ...args], options);
	}

	/** Moves the tree away and writes the sources anew; returns where the tree is now. */
	aside(): string {
		const to = path.join(this.folder, `aside${++this.#asides}`);
		fs.renameSync(this.tree, to);
		this.fresh();
		return to;
	}

	/** Returns once a file that is written now is newer than all that stand in the tree: file times come from a coarse clock. */
	awaitTick(): void {
		const probe = path.join(this.folder, "probe");
		const times = fs
			.readdirSync(this.tree, { recursive: true, encoding: "utf8" })
			.map((name) => fs.lstatSync(path.join(this.tree, name), { bigint: true }).mtimeNs);
		let now: bigint;
		do {
			fs.writeFileSync(probe, "");
			now = fs.statSync(probe, { bigint: true }).mtimeNs;
		} while (times.some((time) => time >= now));
		fs.unlinkSync(probe);
	}

	/** The differences between a tree set aside and the present one, a line each; none when they are the same. */
	differences(aside: string, ignore: readonly string[] = []): string[] {
		return compareTrees(aside, this.tree, [".gg", ...ignore]).map(describeDifference);
	}

	/** That the tree is what plain make left, and holds no placeholder. */
	assertSameTree(aside: string, ignore: readonly string[] = []): void {
		assert.deepEqual(this.differences(aside, ignore), []);
		assert.deepEqual(this.placeholders(), []);
	}

	placeholders(): string[] {
		return findPlaceholders(this.tree);
	}

	/** Name → digest of everything in the store's folder of objects, and that each is what its name says it was. */
	blobs(): Map<string, string> {
		const folder = this.path(".gg/blobs");
		return new Map(
			fs
				.readdirSync(folder)
				.sort()
				.map((name) => [
					name,
					createHash("sha256")
						.update(fs.readFileSync(path.join(folder, name)))
						.digest("hex"),
				]),
		);
	}

	/** Processes that work in this project's folder or were started with a name in it. */
	processes(): string[] {
		const found: string[] = [];
		for (const pid of fs.readdirSync("/proc")) {
			if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
			try {
				const cwd = fs.readlinkSync(`/proc/${pid}/cwd`);
				const command = fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
				if (`${cwd}/`.startsWith(`${this.folder}/`) || command.includes(this.folder)) found.push(`${pid} ${command}`);
			} catch {
				// It has ended meanwhile, or is a zombie.
			}
		}
		return found;
	}

	/** Resolves when nothing works in this project's folder any more; rejects, and names it, after 20 seconds. */
	async quiet(): Promise<void> {
		for (const limit = Date.now() + 20_000; this.processes().length > 0; ) {
			if (Date.now() > limit) throw new Error(`still running:\n${this.processes().join("\n")}`);
			// There is no event for the end of a process that is not our child.
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
	}

	/** Ends what is still running and removes everything. */
	dispose(): void {
		for (const child of this.#processes) {
			if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
			killQuietly(-child.pid);
		}
		for (const line of this.processes()) killQuietly(Number.parseInt(line, 10));
		execFileSync("chmod", ["-R", "u+rwX", this.folder]);
		fs.rmSync(this.folder, { recursive: true, force: true });
	}
}

function killQuietly(pid: number): void {
	try {
		process.kill(pid, "SIGKILL");
	} catch {
		// It has ended by itself.
	}
}

/** What a build printed on standard error without gg's closing line. */
export function withoutSummary(stderr: string): string {
	return stderr.replace(SUMMARY, "");
}

/** How many commands the closing line of a build says were answered from the store, made anew and left alone. */
export function counts(ended: Ended): { stored: number; made: number; local: number } {
	const match = /^gg: (\d+) from the store, (\d+) compiled, linked or archived, (\d+) run as they are$/m.exec(
		ended.stderr,
	);
	assert.ok(match !== null, `there is no closing line in:\n${ended.stderr}`);
	return { stored: Number(match[1]), made: Number(match[2]), local: Number(match[3]) };
}

/** Tests of one describe block share this: `project(files)` makes one that is gone after the test, also after a failure. */
export function projects(): (files: Files, parent?: string) => Project {
	const made: Project[] = [];
	afterEach(() => {
		for (const project of made.splice(0)) project.dispose();
	});
	return (files, parent) => {
		const project = new Project(files, parent);
		made.push(project);
		return project;
	};
}

export interface Claim {
	/** Commands, run one after the other in the tree; `make` among them are run by `gg build` the second time. */
	readonly steps: readonly (readonly string[])[];
	/** Files that need not be equal. */
	readonly ignore?: readonly string[];
	readonly options?: RunOptions;
	/** gg and its options in front of each step; `["build"]` if not given. */
	readonly by?: readonly string[];
}

/** Runs the steps plainly, then with gg, at the same path, and asserts the same tree, status, stdout and stderr. */
export async function assertAsPlain(project: Project, claim: Claim): Promise<Ended[]> {
	const { options, by = ["build"] } = claim;
	const plain: Ended[] = [];
	for (const step of claim.steps) plain.push(await project.run(step, options));
	const aside = project.aside();
	const ours: Ended[] = [];
	for (const [i, step] of claim.steps.entries()) {
		const ended = await project.gg([...by, ...step], options);
		ours.push(ended);
		assert.deepEqual({ ...ended, stderr: withoutSummary(ended.stderr) }, plain[i], `step ${i + 1}: ${step.join(" ")}`);
	}
	project.assertSameTree(aside, claim.ignore);
	await project.quiet();
	return ours;
}

/** One slot: gg runs every command in the shim's place, and keeps what it came to. */
export const HERE = ["build", "--jobs", "1"] as const;
/** More slots than make has jobs: gg answers before commands have run, and runs them beside make. */
export const DEFERRING = ["build", "--jobs", "3"] as const;

export interface Ways {
	readonly steps: readonly (readonly string[])[];
	readonly options?: RunOptions;
	/** Ways that this project is not built: its build ends otherwise when it is inferred, say. */
	readonly not?: readonly ("deferring" | "inferred")[];
	/** How many commands of a warm build may not be answered from the store; 0 if not given. */
	readonly madeWarm?: number;
	/** Files that are not the same after two plain builds. */
	readonly ignore?: readonly string[];
	/** Standard output and error of commands that run at the same time come in any order. */
	readonly anyOrder?: boolean;
}

/**
 * Builds a project plainly, cold with gg, warm from the store, deferring, and by infer and force, and asserts each time the
 * same tree, and but for the last the same status, stdout and stderr, and that make has nothing to do then.
 */
export async function assertAllWays(project: Project, { steps, options, ...claim }: Ways): Promise<void> {
	const plain: Ended[] = [];
	for (const step of steps) plain.push(await project.run(step, options));
	const upToDate = await project.run(["make", "-q"], options);
	const aside = project.aside();
	const build = async (way: string, by: readonly string[]): Promise<Ended[]> => {
		const ours: Ended[] = [];
		for (const [i, step] of steps.entries()) {
			const ended = await project.gg([...by, ...step], options);
			ours.push(ended);
			const seen = comparable({ ...ended, stderr: withoutSummary(ended.stderr) }, claim.anyOrder);
			assert.deepEqual(seen, comparable(plain[i]!, claim.anyOrder), `${way}: ${step.join(" ")}`);
		}
		await done(way);
		return ours;
	};
	const done = async (way: string): Promise<void> => {
		assert.deepEqual(project.differences(aside, claim.ignore), [], way);
		assert.deepEqual(project.placeholders(), [], way);
		const again = await project.run(["make", "-q"], options);
		assert.deepEqual(again, upToDate, `${way}: make finds it as after make`);
		assert.deepEqual(project.processes(), [], `${way}: nothing is left running`);
	};
	await build("cold", HERE);
	const before = project.blobs();
	project.fresh(true);
	const warm = await build("warm", HERE);
	assert.ok(made(warm) <= (claim.madeWarm ?? 0), `${made(warm)} commands were run again when warm`);
	if (!claim.not?.includes("deferring")) {
		project.fresh();
		await build("deferring", DEFERRING);
		project.fresh(true);
		const again = await build("warm after deferring", HERE);
		assert.ok(made(again) <= (claim.madeWarm ?? 0), `${made(again)} commands were run again after deferring`);
	}
	if (!claim.not?.includes("inferred")) {
		project.fresh();
		for (const [i, step] of steps.entries()) {
			const inferred = await project.gg(["infer", ...step], options);
			assert.equal(inferred.status, plain[i]!.status, `infer ${step.join(" ")}: ${inferred.stderr}`);
		}
		const forced = await project.gg(["force"], options);
		assert.equal(forced.status, 0, forced.stderr);
		await done("inferred and forced");
	}
	// Whatever was done in the tree, what was in the store is as it was.
	for (const [name, digest] of project.exists(".gg/blobs") ? project.blobs() : before) {
		if (before.has(name)) assert.equal(digest, before.get(name), `${name} in the store`);
	}
}

function made(builds: readonly Ended[]): number {
	return builds.reduce((sum, ended) => sum + (/^gg: \d+ from/m.test(ended.stderr) ? counts(ended).made : 0), 0);
}

function comparable(ended: Ended, anyOrder: boolean | undefined): Ended {
	if (anyOrder !== true) return ended;
	const sorted = (text: string): string => text.split("\n").sort().join("\n");
	return { ...ended, stdout: sorted(ended.stdout), stderr: sorted(ended.stderr) };
}
