/** Builds a random project plainly and with gg at the same path, and tells what gg left or said otherwise. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Plan, Way } from "./plan.js";

const GG = process.env["GG"] ?? fileURLToPath(new URL("../../../../gg", import.meta.url));

/** A build that takes longer hangs: all of them together take a second or two. */
const LIMIT_MS = 120_000;
/** Sources are older than anything that is built. */
const SOURCE_TIME = new Date("2024-02-03T04:05:06Z");
/** Files written this far apart by each plain build, one command at a time, were written in that order for a reason. */
const MARGIN_NS = 10_000_000n;

export interface Problem {
	readonly way: string;
	readonly what: string;
}

export interface Trial {
	readonly problems: readonly Problem[];
	/** Paths on which the plain builds disagree. */
	readonly unstable: readonly string[];
	/** How many builds gg did. */
	readonly builds: number;
	/** How plain make ended. */
	readonly status: number | null;
	/** What it said when it should not have failed. */
	readonly unexpected: string | undefined;
}

export interface TrialOptions {
	/** An empty folder, which the caller removes. */
	readonly folder: string;
	/** GG_CACHE_DIR. */
	readonly cache: string;
}

interface Ended {
	readonly status: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

const wordsOf = ({ stdout, stderr }: Ended): string => stdout + stderr;

interface File {
	readonly kind: "file" | "folder" | "link" | "other";
	readonly mode: number;
	readonly mtime: bigint;
	readonly names: bigint;
	readonly content: Buffer;
}

type Snapshot = ReadonlyMap<string, File>;

/** What a build left and said, and what the build after the edit made of it. */
interface Result {
	readonly ended: Ended;
	readonly tree: Snapshot;
	/** What make would do next. */
	readonly idle: Ended | undefined;
	readonly again: { readonly ended: Ended; readonly tree: Snapshot; readonly idle: Ended } | undefined;
}

export async function runTrial(plan: Plan, options: TrialOptions): Promise<Trial> {
	const rig = new Rig(plan, options);
	const plain = await rig.build([], "fresh");
	const unexpected = (plain.ended.status !== 0) !== plan.fails ? wordsOf(plain.ended).slice(-1500) : undefined;
	const results: { way: string; result: Result; said: boolean }[] = [];
	for (const way of plan.ways) {
		results.push({ way, result: await rig.build(by(way), "fresh"), said: way !== "infer" });
		if (way !== "defer" && way !== "build") continue;
		results.push({ way: `${way}, then warm`, result: await rig.build(by("build"), "kept"), said: true });
	}
	const left = rig.leftovers().map((what): Problem => ({ way: plan.ways.join("+"), what: `still running: ${what}` }));
	const judged = (control: Result): Judge => {
		const judge = new Judge(plan, plain, control);
		for (const { way, result, said } of results) judge.compare(way, result, said);
		return judge;
	};
	let judge = judged(plain);
	// Most often all is the same, and nobody need know what a second plain build does otherwise.
	if (judge.problems.length > 0 || plan.ways.length === 0) judge = judged(await rig.build([], "fresh"));
	return {
		problems: [...judge.problems, ...left],
		unstable: [...judge.unstable].sort(),
		builds: results.length,
		status: plain.ended.status,
		unexpected,
	};
}

const by = (way: Way): readonly string[] =>
	({ build: ["build"], sandbox: ["build", "--sandbox"], defer: ["build", "--jobs", "6"], infer: ["infer"] })[way];

class Rig {
	readonly #plan: Plan;
	readonly #tree: string;
	readonly #cwd: string;
	readonly #store: string;
	readonly #options: TrialOptions;

	constructor(plan: Plan, options: TrialOptions) {
		this.#plan = plan;
		this.#options = options;
		this.#tree = path.join(options.folder, plan.folder);
		this.#store = path.join(options.folder, "store");
		for (const name of ["tmp", "home"]) fs.mkdirSync(path.join(options.folder, name));
		this.#cwd = plan.linked ? path.join(options.folder, "link") : this.#tree;
		if (plan.linked) fs.symlinkSync(plan.folder, this.#cwd);
	}

	/** @param words of gg before make; none: make alone. A store that was kept is used for the first build only. */
	async build(words: readonly string[], store: "fresh" | "kept"): Promise<Result> {
		this.#fresh();
		if (store === "fresh") fs.rmSync(this.#store, { recursive: true, force: true });
		const ended = await this.#once(words);
		const tree = snapshot(this.#tree);
		const { edit, fails } = this.#plan;
		if (store === "kept" || edit === undefined || fails) {
			return { ended, tree, idle: await this.#run(["make", "-n"]), again: undefined };
		}
		const file = path.join(this.#tree, edit.path);
		const newest = [...tree.values()].reduce((time, { mtime }) => (mtime > time ? mtime : time), 0n);
		// Until the clock that file times come from has ticked: a file of the same tick is not newer to make.
		do fs.writeFileSync(file, edit.content ?? fs.readFileSync(file));
		while (fs.statSync(file, { bigint: true }).mtimeNs <= newest);
		const again = await this.#once(words);
		const afterwards = snapshot(this.#tree);
		return {
			ended,
			tree,
			idle: undefined,
			again: { ended: again, tree: afterwards, idle: await this.#run(["make", "-n"]) },
		};
	}

	async #once(words: readonly string[]): Promise<Ended> {
		if (words.length === 0) return this.#run(this.#plan.make);
		const ended = await this.#run([GG, ...words, ...this.#plan.make], `${GG} build`);
		if (words[0] !== "infer") return ended;
		const forced = await this.#run([GG, "force"]);
		const status = ended.status === 0 ? forced.status : ended.status;
		return { status, stdout: ended.stdout + forced.stdout, stderr: ended.stderr + forced.stderr };
	}

	#fresh(): void {
		fs.rmSync(this.#tree, { recursive: true, force: true });
		fs.mkdirSync(this.#tree);
		for (const [name, content] of this.#plan.files) {
			const file = path.join(this.#tree, name);
			fs.mkdirSync(path.dirname(file), { recursive: true });
			fs.writeFileSync(file, content);
			fs.chmodSync(file, content.startsWith("#!") ? 0o755 : 0o644);
			fs.utimesSync(file, SOURCE_TIME, SOURCE_TIME);
		}
		for (const [name, target] of this.#plan.links) fs.symlinkSync(target, path.join(this.#tree, name));
	}

	#run(argv: readonly string[], ggrun = ""): Promise<Ended> {
		const { folder, cache } = this.#options;
		const env = {
			PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
			HOME: path.join(folder, "home"),
			TMPDIR: path.join(folder, "tmp"),
			XDG_RUNTIME_DIR: path.join(folder, "tmp"),
			LC_ALL: "C",
			PWD: this.#cwd,
			GG_CACHE_DIR: cache,
			GG_DIR: this.#store,
			GGRUN: ggrun,
		};
		const [program = "", ...args] = argv;
		const child = spawn(program, args, { cwd: this.#cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
		const out: Buffer[] = [];
		const err: Buffer[] = [];
		child.stdout.on("data", (bytes: Buffer) => out.push(bytes));
		child.stderr.on("data", (bytes: Buffer) => err.push(bytes));
		const text = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString("latin1");
		return new Promise((resolve, reject) => {
			const late = setTimeout(() => {
				err.push(Buffer.from("\nit did not end\n"));
				if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
			}, LIMIT_MS);
			child.once("error", reject);
			child.once("close", (status) => {
				clearTimeout(late);
				resolve({ status, stdout: text(out), stderr: text(err) });
			});
		});
	}

	/** Processes that work in this trial's folder. */
	leftovers(): string[] {
		return fs.readdirSync("/proc").flatMap((pid) => {
			if (!/^\d+$/.test(pid)) return [];
			try {
				const cwd = fs.readlinkSync(`/proc/${pid}/cwd`);
				if (!`${cwd}/`.startsWith(`${this.#options.folder}/`)) return [];
				return [fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")];
			} catch {
				return []; // It has ended meanwhile, or is a zombie.
			}
		});
	}
}

function snapshot(root: string): Snapshot {
	const found = new Map<string, File>();
	const visit = (folder: string): void => {
		for (const name of fs.readdirSync(path.join(root, folder)).sort()) {
			if (name === ".gg") continue;
			const relative = path.join(folder, name);
			const absolute = path.join(root, relative);
			const stat = fs.lstatSync(absolute, { bigint: true });
			const kind = stat.isFile() ? "file" : stat.isDirectory() ? "folder" : stat.isSymbolicLink() ? "link" : "other";
			const content =
				kind === "file" ? fs.readFileSync(absolute) : Buffer.from(kind === "link" ? fs.readlinkSync(absolute) : "");
			const names = kind === "file" ? stat.nlink : 1n;
			found.set(relative, { kind, mode: Number(stat.mode & 0o7777n), mtime: stat.mtimeNs, names, content });
			if (kind === "folder") visit(relative);
		}
	};
	visit("");
	return found;
}

class Judge {
	readonly problems: Problem[] = [];
	readonly unstable = new Set<string>();
	readonly #plan: Plan;
	readonly #plain: Result;
	readonly #control: Result;
	readonly #said: boolean;

	constructor(plan: Plan, plain: Result, control: Result) {
		this.#plan = plan;
		this.#plain = plain;
		this.#control = control;
		for (const { path: name } of differences(plain.tree, control.tree)) this.unstable.add(name);
		if (plain.again !== undefined && control.again !== undefined) {
			for (const { path: name } of differences(plain.again.tree, control.again.tree)) this.unstable.add(name);
		}
		this.#said = this.#words(plain.ended) === this.#words(control.ended);
	}

	compare(way: string, ours: Result, said: boolean): void {
		// What was deferred failed when its recipe had gone on: there is no way back, and gg says so.
		if (way === "defer" && ours.ended.status === 1 && ours.ended.stderr.includes("the recipe had gone on")) return;
		this.#trees(way, this.#plain.tree, ours.tree);
		// Then make says again what it has said.
		const twice = ours.ended.stderr.includes("the build command runs again");
		this.#ended(way, this.#plain.ended, ours.ended, said && this.#said && !twice);
		this.#idle(way, this.#plain.idle, ours.idle);
		this.#order(way, ours);
		const [expected, actual, control] = [this.#plain.again, ours.again, this.#control.again];
		if (expected === undefined || actual === undefined || control === undefined) return;
		const after = `${way}, after a change of ${this.#plan.edit?.path}`;
		this.#trees(after, expected.tree, actual.tree);
		const stable = this.#words(expected.ended) === this.#words(control.ended);
		const again = actual.ended.stderr.includes("the build command runs again");
		this.#ended(after, expected.ended, actual.ended, said && stable && !again);
		this.#idle(after, expected.idle, actual.idle);
		const rebuilt = changed(ours.tree, actual.tree);
		const wanted = changed(this.#plain.tree, expected.tree);
		const also = changed(this.#control.tree, control.tree);
		for (const name of new Set([...rebuilt, ...wanted])) {
			if (wanted.has(name) !== also.has(name) || rebuilt.has(name) === wanted.has(name)) continue;
			this.#problem(after, `${name}: ${wanted.has(name) ? "not made again" : "made again"}`);
		}
	}

	#problem(way: string, what: string): void {
		this.problems.push({ way, what });
	}

	#trees(way: string, expected: Snapshot, actual: Snapshot): void {
		for (const { path: name, what } of differences(expected, actual)) {
			if (!this.unstable.has(name)) this.#problem(way, `${name}: ${what}`);
		}
		for (const [name, { content }] of actual) {
			if (content.includes("gg-force-and-run\n") || content.includes('OUTPUT_FORMAT("elf64-x86-64")/*\n')) {
				this.#problem(way, `${name}: a placeholder, or part of one`);
			}
		}
	}

	/** What was said without gg's own line; in any order where commands run at the same time. */
	#words({ stdout, stderr }: Ended): string {
		const text = `${stdout.replaceAll(`${GG} build`, "")}\n${stderr}`
			.replace(/^gg: (?:first use: .*|ready)\n/gm, "")
			.replace(/^gg: \d+ (?:from the store|deferred).*\n/gm, "")
			.replace(/^gg: the build calls .* by its full path.*\n/gm, "");
		const known = text
			.replaceAll(/(?:\/[^ \n]*)?\/tmp\/\w+\.(?:o|s|res|ltrans\S*)/g, "TEMPORARY")
			.replaceAll(/\b(real|user|sys) [\d.]+/g, "$1");
		// Where gg stood before make there are two blanks without it.
		const lines = known.split("\n").map((line) => line.replaceAll(/ +/g, " ").trim());
		return lines.sort().join("\n");
	}

	#ended(way: string, expected: Ended, actual: Ended, said: boolean): void {
		if (expected.status !== actual.status) {
			this.#problem(way, `exit status ${actual.status} instead of ${expected.status}: ${wordsOf(actual).slice(-1500)}`);
		} else if (said && this.#words(expected) !== this.#words(actual)) {
			const [wanted, got] = [this.#words(expected).split("\n"), this.#words(actual).split("\n")];
			const missing = without(wanted, got).map((line) => `not said: ${line}`);
			const more = without(got, wanted).map((line) => `said: ${line}`);
			this.#problem(way, [...missing, ...more].slice(0, 12).join("\n"));
		}
	}

	#idle(way: string, expected: Ended | undefined, actual: Ended | undefined): void {
		if (expected === undefined || actual === undefined) return;
		if (this.#words(expected) === this.#words(actual) && expected.status === actual.status) return;
		const more = without(this.#words(actual).split("\n"), this.#words(expected).split("\n"));
		this.#problem(way, `make would do afterwards: ${more.slice(0, 5).join("\n")}`);
	}

	/**
	 * One command at a time writes its files in one order only. Logs (`2>x.log`) are left out: what a command said is written
	 * again after its outputs were put in place, not before, as the command itself did.
	 */
	#order(way: string, ours: Result): void {
		if (this.#plan.jobs > 1) return;
		const files = [...ours.tree].filter(
			([name, { kind }]) =>
				kind === "file" && !name.endsWith(".log") && this.#plain.tree.has(name) && this.#control.tree.has(name),
		);
		const times = files.map(([name, { mtime }]) => ({
			name,
			ours: mtime,
			plain: this.#plain.tree.get(name)!.mtime,
			control: this.#control.tree.get(name)!.mtime,
		}));
		for (const a of times) {
			for (const b of times) {
				if (b.plain - a.plain < MARGIN_NS || b.control - a.control < MARGIN_NS || a.ours <= b.ours) continue;
				this.#problem(way, `${a.name} was written after ${b.name}`);
				return;
			}
		}
	}
}

/** Lines of `all` that `known` has not, each as often as it is missing. */
function without(all: readonly string[], known: readonly string[]): string[] {
	const left = [...known];
	return all.filter((line) => {
		const at = left.indexOf(line);
		if (at >= 0) left.splice(at, 1);
		return at < 0;
	});
}

function changed(before: Snapshot, after: Snapshot): Set<string> {
	const found = new Set<string>();
	for (const [name, { kind, mtime }] of after)
		if (kind === "file" && before.get(name)?.mtime !== mtime) found.add(name);
	return found;
}

function differences(expected: Snapshot, actual: Snapshot): { path: string; what: string }[] {
	const found: { path: string; what: string }[] = [];
	for (const name of new Set([...expected.keys(), ...actual.keys()])) {
		const [a, b] = [expected.get(name), actual.get(name)];
		if (a === undefined) found.push({ path: name, what: "should not be there" });
		else if (b === undefined) found.push({ path: name, what: "missing" });
		else if (a.kind !== b.kind) found.push({ path: name, what: `${b.kind} instead of ${a.kind}` });
		else if (a.mode !== b.mode)
			found.push({ path: name, what: `mode ${b.mode.toString(8)} instead of ${a.mode.toString(8)}` });
		else if (a.names !== b.names) found.push({ path: name, what: `${b.names} names instead of ${a.names}` });
		else if (!a.content.equals(b.content))
			found.push({ path: name, what: `other content (${b.content.length} bytes, ${a.content.length} expected)` });
	}
	return found;
}
