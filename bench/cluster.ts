/**
 * node build/bench/cluster.js [ROW]...: gg's client against a cluster whose compiles are sleeps of recorded durations, so
 * that what the client takes shows on a machine of any size.
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { nativePrograms, nativeRunner } from "../src/interpose/native.js";
import { measureDistcc } from "./cluster-distcc.js";
import { type Bounds, boundsOf, Recording } from "./cluster-recording.js";
import type { ServerMessage, ServerRequest, ServerSettings, ServerStats } from "./cluster-server.js";
import { type Spent, watchSelf } from "./infer.js";
import { profiling } from "./profile.js";
import { openProject, type Project, projectNamed } from "./projects.js";
import { BenchError, GG, mainOf, must, quote, requireGg, underGg } from "./run.js";
import { coldTree } from "./speed-builds.js";
import { startStub } from "./stub.js";
import { BENCH_DIR, DISCARDED, discard, fresh, open, remove, type Workspace } from "./workspace.js";

export interface Variant {
	readonly project: Project;
	readonly workspace: Workspace;
	readonly recording: Recording;
	readonly slots: number;
	readonly capMs: number;
	readonly makeJobs: number;
	/** It lacks the toolchain, too. */
	readonly coldServer: boolean;
	/** Seconds after which a build is ended. */
	readonly limit: number;
	/** Where a profile of gg's process is left; empty: nowhere. */
	readonly profiles: string;
}

/** How the tree and gg's caches are before the measured command. */
type RowName = "record" | "build" | "known" | "force" | "kept" | "distcc";

const ROWS: Readonly<Record<RowName, string>> = {
	record: "nothing but the recording, where there is none",
	build: "gg build with empty caches",
	known: "gg build with what an earlier gg infer of the same tree has found out",
	force: "gg force after gg infer",
	kept: "gg force --download=none after gg infer: outputs stay on the server",
	distcc: "make with distcc, its servers' compiler sleeping as long; what it does not distribute sleeps here",
};

/** It crosses to the server as JSON, which knows no infinity. */
const UNCAPPED = Number.MAX_SAFE_INTEGER;

type MeasuredRow = Exclude<RowName, "record" | "distcc">;

interface Server {
	readonly port: number;
	/** What was counted since the start or the last reset. */
	readonly ask: (request: ServerRequest) => Promise<ServerStats>;
	readonly stop: () => Promise<void>;
}

function startServer(settings: ServerSettings): Promise<Server> {
	const child: ChildProcess = fork(join(import.meta.dirname, "cluster-server.js"), [JSON.stringify(settings)]);
	const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
	let answered: ((stats: ServerStats) => void) | undefined;
	return new Promise((resolve, reject) => {
		child.once("error", reject);
		void ended.then(() => reject(new BenchError("the bench's server has ended")));
		child.on("message", (message: ServerMessage) => {
			if (message.kind === "stats") return answered?.(message.stats);
			resolve({
				port: message.port,
				ask: (request) =>
					new Promise((give) => {
						answered = give;
						child.send(request);
					}),
				async stop() {
					child.disconnect();
					await ended;
				},
			});
		});
	});
}

async function withServer<T>(
	o: Pick<Variant, "project" | "workspace" | "slots" | "capMs">,
	mode: ServerSettings["mode"],
	use: (server: Server) => Promise<T>,
): Promise<T> {
	const { workspace } = o;
	const say = (): void => undefined;
	const natives = nativePrograms(workspace.ggCache, process.env, say);
	const runner = nativeRunner(workspace.ggCache, process.env, say);
	if (!natives.ok || !runner.ok) throw new BenchError("the native programs do not compile");
	remove(workspace, "server");
	const folder = join(workspace.root, "server");
	mkdirSync(folder);
	const server = await startServer({
		mode,
		project: o.project.name,
		src: workspace.src,
		folder,
		slots: o.slots,
		capMs: o.capMs,
		spawner: natives.value.spawner,
		runner: runner.value,
	});
	try {
		return await use(server);
	} finally {
		await server.stop();
		discard(workspace, "server");
	}
}

/** The workspace of a project's own for this bench: a copy of the configured tree. */
async function openCluster(project: Project): Promise<Workspace> {
	const configured = join(BENCH_DIR, project.name, "configured");
	if (!existsSync(configured)) (await openProject(project)).close();
	return open(`cluster-${project.name}`, { kind: "folder", folder: configured, configure: ":" });
}

function engineOf(server: Server, slots: number): string {
	return `--jobs ${slots} --engine reapi=grpc://127.0.0.1:${server.port}?deadline=600`;
}

/** Builds the project on a worker here; what an interrupted recording has is kept. */
async function record(project: Project, workspace: Workspace, recording: Recording, jobs: number): Promise<void> {
	await coldTree(workspace);
	const variant = { project, workspace, slots: jobs, capMs: UNCAPPED };
	await withServer(variant, "record", async (server) => {
		const line = underGg(`build ${engineOf(server, jobs)}`, project.build(jobs));
		const { seconds, stderr } = await must(line, { cwd: workspace.src, env: { GG_CACHE_DIR: workspace.ggCache } });
		console.log(`recorded ${project.name} in ${seconds.toFixed(0)} s: ${stderr.trim().split("\n").at(-1)}`);
	});
	recording.complete();
}

/** make with a client in the place of every tool that only asks a server that does nothing. */
async function stubSeconds({ workspace, project, makeJobs, limit }: Variant): Promise<number> {
	await fresh(workspace);
	const stub = await startStub();
	try {
		const line = `timeout -k 20 ${limit} ${project.build(makeJobs)}`;
		return (await must(line, { cwd: workspace.src, env: stub.env })).seconds;
	} finally {
		await stub.close();
	}
}

interface Measured {
	readonly seconds: number;
	/** By gg's own process. */
	readonly spent: Spent;
	readonly stats: ServerStats;
	/** That it took to bring the toolchain to the server, before. */
	readonly toolchainSeconds: number;
}

const TINY = "t: t.o\n\tgcc -o $@ t.o\n\tar rc t.a t.o\nt.o: t.c\n\tgcc -c -o $@ t.c\n";

/** Brings the toolchain to the server, as any earlier build has. */
async function warmUp({ workspace, slots }: Variant, server: Server): Promise<number> {
	const folder = join(workspace.root, "warm-up");
	remove(workspace, "warm-up");
	mkdirSync(folder);
	writeFileSync(join(folder, "Makefile"), TINY);
	writeFileSync(join(folder, "t.c"), '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n');
	const line = underGg(`build ${engineOf(server, slots)}`, "make");
	const { seconds } = await must(line, { cwd: folder, env: { GG_CACHE_DIR: workspace.ggCache } });
	const { calls } = await server.ask("stats");
	if (calls["Execute"] === undefined) throw new BenchError("nothing reached the server");
	await server.ask("reset");
	remove(workspace, "warm-up");
	return seconds;
}

async function measure(row: MeasuredRow, o: Variant): Promise<Measured> {
	const { workspace, project, slots, makeJobs, limit } = o;
	const env = { GG_CACHE_DIR: workspace.ggCache };
	const build = project.build(makeJobs);
	for (const tree of ["src", "gg-cache"]) discard(workspace, tree);
	await coldTree(workspace);
	if (row !== "build") await must(`timeout -k 20 ${limit} ${underGg("infer", build)}`, { cwd: workspace.src, env });
	if (row === "known") await keepingGg(workspace, () => fresh(workspace));
	return withServer(o, "replay", async (server) => {
		const toolchainSeconds = o.coldServer ? 0 : await warmUp(o, server);
		const { env: watched, spent } = watchSelf(workspace.root);
		const engine = engineOf(server, slots);
		const force = `${quote(GG)} force --no-status ${row === "kept" ? "--download=none " : ""}${engine}`;
		const line = row === "force" || row === "kept" ? force : underGg(`build ${engine}`, build);
		const { seconds } = await must(`timeout -k 20 ${limit} ${line}`, {
			cwd: workspace.src,
			env: { ...env, ...watched, ...profiled(o, row, watched) },
		});
		const stats = await server.ask("stats");
		for (const name of ["spent.cjs", "profile.cjs"]) rmSync(join(workspace.root, name), { force: true });
		return { seconds, spent: spent(), stats, toolchainSeconds };
	});
}

/** What gg has found out stays where the tree is made anew: what a build leaves, a plain `make clean` would have to read. */
async function keepingGg({ root, src }: Workspace, use: () => Promise<void>): Promise<void> {
	const aside = join(root, "kept-gg");
	rmSync(aside, { recursive: true, force: true });
	renameSync(join(src, ".gg"), aside);
	await use();
	renameSync(aside, join(src, ".gg"));
}

/** Has gg's process leave a profile in the folder `profiles`. */
function profiled(
	{ profiles, workspace, ...o }: Variant,
	row: string,
	env: Readonly<Record<string, string>>,
): Record<string, string> {
	if (profiles === "") return {};
	mkdirSync(profiles, { recursive: true });
	return profiling(workspace.root, join(profiles, `${row}-${o.project.name}-${o.slots}.cpuprofile`), 500, env);
}

/** Something is wrong with a build whose files are not those of the recording: throws. */
function check(row: MeasuredRow, { stats }: Measured, { recording, workspace }: Variant): void {
	if (stats.unknown.length > 0)
		throw new BenchError(
			`${stats.unknown.length} commands are not in the recording (--record makes it anew), such as ${stats.unknown[0]}`,
		);
	if (stats.ran.length === 0) throw new BenchError("nothing ran on the server");
	const writers = new Map<string, number>();
	for (const { outputs } of recording.actions.values())
		for (const { file } of outputs) writers.set(file, (writers.get(file) ?? 0) + 1);
	for (const key of stats.ran) {
		for (const { file, size } of recording.actions.get(key)!.outputs) {
			if (writers.get(file) !== 1 || file === "") continue;
			const path = file.replace("@", workspace.src);
			const there = lstatSync(path, { throwIfNoEntry: false });
			// What a later recipe removed is not looked for, nor what stays on the server.
			if (there !== undefined && row !== "kept" && there.size !== size)
				throw new BenchError(`${file} has ${there.size} bytes where ${size} were recorded`);
		}
	}
}

function describe(row: RowName, measured: Measured, o: Variant, stub: number): string {
	const { stats, seconds, spent } = measured;
	const actions = stats.ran.map((key) => o.recording.actions.get(key)!);
	const bounds = boundsOf(actions, o.capMs);
	const made = row === "force" || row === "kept" ? 0 : stub;
	const count = stats.ran.length;
	const total = Object.values(stats.calls).reduce((sum, n) => sum + n, 0);
	const calls = Object.entries(stats.calls)
		.sort(([, a], [, b]) => b - a)
		.map(([name, n]) => `${name} ${n}`)
		.join(", ");
	return [
		`${ratio(seconds, bounds, o.slots, made)} ${title(row, o)}`,
		`       ${seconds.toFixed(2)} s / max(${boundsText(bounds, o.slots)}${made > 0 ? `, make with a stub ${made.toFixed(2)}` : ""})`,
		`       ${count} thunks, ${stats.mostAtOnce} at once; ${((spent.cpu * 1000) / count).toFixed(2)} ms of gg's CPU a thunk, ${((spent.system * 1000) / count).toFixed(2)} of them in the kernel (server ${((stats.cpuSeconds * 1000) / count).toFixed(2)}), ${Math.round(spent.peakMiB)} MiB at most`,
		`       a thunk: ${(stats.bytesIn / count / 1024).toFixed(1)} KiB sent, ${(stats.bytesOut / count / 1024).toFixed(1)} KiB received; ${((total - (stats.calls["Execute"] ?? 0)) / count).toFixed(2)} requests beyond Execute (${calls})`,
		`       commands at once, by twentieths of ${(Math.max(...stats.spans.map(([, to]) => to)) / 1000).toFixed(2)} s: ${atOnce(stats.spans, 20).join(" ")}`,
		...(o.coldServer
			? []
			: [
					`       the toolchain was brought before, by a build of one file in ${measured.toolchainSeconds.toFixed(2)} s`,
				]),
	].join("\n");
}

/** How many ran at once on average, in each of as many equal parts of the time from the first's start to the last's end. */
function atOnce(spans: ServerStats["spans"], parts: number): number[] {
	const part = Math.max(...spans.map(([, to]) => to)) / parts;
	return Array.from({ length: parts }, (_, i) => {
		const inside = spans.map(([from, to]) => Math.max(0, Math.min(to, (i + 1) * part) - Math.max(from, i * part)));
		return Math.round(inside.reduce((sum, ms) => sum + ms, 0) / part);
	});
}

export function title(row: string, o: Variant): string {
	const durations = o.capMs < UNCAPPED ? `capped at ${o.capMs / 1000} s` : "as recorded";
	return `${row}, ${o.project.name}, ${o.slots} slots, durations ${durations}`;
}

function boundsText({ criticalPath, total }: Bounds, slots: number): string {
	return `critical path ${criticalPath.toFixed(2)}, total ÷ slots ${(total / slots).toFixed(2)}`;
}

function ratio(seconds: number, bounds: Bounds, slots: number, stub: number): string {
	return (seconds / Math.max(bounds.criticalPath, bounds.total / slots, stub)).toFixed(2).padStart(6);
}

async function runRow(row: Exclude<RowName, "record">, o: Variant, stub: number): Promise<number> {
	if (row !== "distcc") {
		const measured = await measure(row, o);
		check(row, measured, o);
		console.log(describe(row, measured, o, stub));
		return measured.seconds;
	}
	const seconds = await measureDistcc(o);
	const bounds = boundsOf([...o.recording.actions.values()], o.capMs);
	console.log(`${ratio(seconds, bounds, o.slots, stub)} ${title(row, o)}\n       ${seconds.toFixed(2)} s`);
	return seconds;
}

const USAGE = `usage: cluster.js [--project P]... [--slots N]... [--cap SECONDS|none]... [--make-jobs N] [--limit SECONDS] [--record] [--cold-server] [--cpu-prof FOLDER] [ROW]...

${Object.entries(ROWS)
	.map(([name, about]) => `${name.padEnd(7)} ${about}`)
	.join("\n")}

All rows unless told; ffmpeg-reduced, with 8, 64 and 384 slots, durations as recorded (none) and capped at 2 s. The first run
of a project, or --record, builds it once on a worker here and keeps what each command came to.
The server has the toolchain, from an earlier build, but for --cold-server. A line: makespan / max(critical path, total ÷ slots, make with a stub).
`;

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			project: { type: "string", multiple: true, default: ["ffmpeg-reduced"] },
			slots: { type: "string", multiple: true, default: ["8", "64", "384"] },
			cap: { type: "string", multiple: true, default: ["none", "2"] },
			"make-jobs": { type: "string", default: "16" },
			"record-jobs": { type: "string", default: "2" },
			limit: { type: "string", default: "900" },
			record: { type: "boolean", default: false },
			"cpu-prof": { type: "string", default: "" },
			"cold-server": { type: "boolean", default: false },
			help: { type: "boolean", default: false },
		},
	});
	const unknown = positionals.find((name) => !Object.hasOwn(ROWS, name));
	if (values.help || unknown !== undefined) {
		process.stderr.write(unknown === undefined ? USAGE : `no row is called ${unknown}\n\n${USAGE}`);
		return values.help ? 0 : 2;
	}
	requireGg();
	const rows = (positionals.length > 0 ? positionals : Object.keys(ROWS)) as RowName[];
	let failed = false;
	for (const project of values.project.map(projectNamed)) {
		const workspace = await openCluster(project);
		try {
			let recording = new Recording(project.name);
			if (values.record) recording.clear();
			if (!recording.isComplete) {
				await record(project, workspace, recording, Number(values["record-jobs"]));
				// The server wrote it.
				recording = new Recording(project.name);
			}
			const whole = boundsOf([...recording.actions.values()], UNCAPPED);
			console.log(
				`${project.name}: ${whole.count} commands recorded, ${whole.total.toFixed(1)} s in all, the longest ${whole.longest.toFixed(1)} s`,
			);
			let stub = 0;
			for (const cap of values.cap) {
				for (const slots of rows.some((row) => row !== "record") ? values.slots.map(Number) : []) {
					const capMs = cap === "none" ? UNCAPPED : Number(cap) * 1000;
					const limit = Number(values.limit);
					const variant: Variant = {
						project,
						workspace,
						recording,
						slots,
						capMs,
						makeJobs: Number(values["make-jobs"]),
						coldServer: values["cold-server"],
						limit,
						profiles: values["cpu-prof"] === "" ? "" : resolve(values["cpu-prof"]),
					};
					if (stub === 0) stub = await stubSeconds(variant);
					const took = new Map<RowName, number>();
					for (const row of rows) {
						if (row === "record") continue;
						try {
							took.set(row, await runRow(row, variant, stub));
						} catch (error) {
							if (!(error instanceof BenchError)) throw error;
							failed = true;
							console.log(`${title(row, variant)}: failed, ${error.message}`);
						}
					}
					const peer = took.get("distcc");
					for (const row of ["build", "known"] as const) {
						const ours = took.get(row);
						if (peer === undefined || ours === undefined) continue;
						console.log(`${(ours / peer).toFixed(2).padStart(6)} gg (${row}) / distcc`);
					}
				}
			}
		} finally {
			for (const tree of ["src", "configured", "gg-cache", "server", "distcc", "spent", "warm-up", DISCARDED])
				remove(workspace, tree);
			workspace.close();
		}
	}
	return failed ? 1 : 0;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
