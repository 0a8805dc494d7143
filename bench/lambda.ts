/**
 * node build/bench/lambda.js [ROW]...: gg's client against AWS Lambda's Invoke whose commands are sleeps, with latencies of
 * invocations and new instances as published.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { boundsOf, Recording } from "./cluster-recording.js";
import { watchSelf } from "./infer.js";
import type { ReplayMessage, ReplaySettings, Tally } from "./lambda-replay.js";
import { profiling } from "./profile.js";
import { type Project, projectNamed } from "./projects.js";
import { BenchError, GG, mainOf, must, quote, requireGg, underGg } from "./run.js";
import { coldTree } from "./speed-builds.js";
import { startStub } from "./stub.js";
import { BENCH_DIR, fresh, open, remove, type Workspace } from "./workspace.js";

const UNCAPPED = Number.MAX_SAFE_INTEGER;
/** Microseconds between two samples of a profile. */
const PROFILE_US = 500;
const AWS = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1" };

interface Replay {
	readonly endpoint: string;
	/** What was counted since the last time. */
	tally(): Promise<Tally>;
	stop(): Promise<void>;
}

function startReplay(settings: ReplaySettings): Promise<Replay> {
	const child: ChildProcess = fork(join(import.meta.dirname, "lambda-replay.js"), [JSON.stringify(settings)]);
	const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
	let answered: ((tally: Tally) => void) | undefined;
	return new Promise((resolve, reject) => {
		void ended.then(() => reject(new BenchError("the bench's server has ended")));
		child.on("message", (message: ReplayMessage) => {
			if (message.kind === "tally") return answered?.(message.tally);
			resolve({
				endpoint: `http://127.0.0.1:${message.port}`,
				tally: () =>
					new Promise((give) => {
						answered = give;
						child.send("tally");
					}),
				async stop() {
					child.disconnect();
					await ended;
				},
			});
		});
	});
}

async function withReplay<T>(settings: ReplaySettings, use: (replay: Replay) => Promise<T>): Promise<T> {
	const replay = await startReplay(settings);
	try {
		return await use(replay);
	} finally {
		await replay.stop();
	}
}

function engineOf(replay: Replay, store: string, slots: number, access = "read-write"): string {
	const engine = `lambda=us-east-1?endpoint=${replay.endpoint}`;
	return `--store ${quote(`file://${store}?access=${access}`)} --jobs ${slots} --engine ${quote(engine)}`;
}

/** The environment by which gg's process says what it took, and leaves a profile in the folder `profiles`, when there is one. */
function watching(root: string, profiles: string, row: string) {
	const { env, spent } = watchSelf(root);
	if (profiles === "") return { env, spent };
	mkdirSync(profiles, { recursive: true });
	const profiled = profiling(root, join(profiles, `lambda-${row}.cpuprofile`), PROFILE_US, env);
	return { env: { ...env, ...profiled }, spent };
}

/** So many independent compiles of two seconds each, against as many bare calls that take as long. */
async function sleepRow(count: number, slots: number, atOnce: boolean, profiles: string): Promise<void> {
	const project = join(BENCH_DIR, "lambda-sleep-sources");
	rmSync(project, { recursive: true, force: true });
	mkdirSync(project, { recursive: true });
	for (let i = 0; i < count; i++) writeFileSync(join(project, `f${i}.c`), `int f${i};\n`);
	writeFileSync(join(project, "Makefile"), `all: $(patsubst %.c,%.o,$(wildcard *.c))\n%.o: %.c\n\tgcc -c -o $@ $<\n`);
	const workspace = await open("lambda-sleep", { kind: "folder", folder: project, configure: ":" });
	const store = join(workspace.root, "store");
	try {
		await coldTree(workspace);
		mkdirSync(store, { recursive: true });
		const env = { GG_CACHE_DIR: workspace.ggCache, ...AWS };
		await must("gcc -c -o object.o f0.c", { cwd: workspace.src });
		const object = join(workspace.src, "object.o");
		const settings = { store, sleepMs: 2000, project: "", src: workspace.src, object, capMs: 0, seed: 1, atOnce };
		await must(underGg("infer", "make -j2"), { cwd: workspace.src, env });
		// The storage backend has the toolchain, as it has after its first day.
		await withReplay({ ...settings, sleepMs: 0 }, (replay) =>
			must(`${quote(GG)} force --no-status ${engineOf(replay, store, 1, "read-only")} f0.o`, {
				cwd: workspace.src,
				env,
			}),
		);
		const { ours, tally, cpu } = await withReplay(settings, async (replay) => {
			const force = `${quote(GG)} force --no-status ${engineOf(replay, store, slots, "read-only")}`;
			const { env: watched, spent } = watching(workspace.root, profiles, "sleep");
			const ran = await must(force, { cwd: workspace.src, env: { ...env, ...watched } });
			return { ours: ran, tally: await replay.tally(), cpu: spent().cpu };
		});
		if (tally.ran.length !== count - 1)
			throw new BenchError(`${tally.ran.length} of ${count} ran: ${tally.unknown[0]}`);
		const peer = await withReplay(settings, (replay) => {
			const words = [process.execPath, join(import.meta.dirname, "lambda-bare.js"), replay.endpoint, String(count - 1)];
			return must(words.map(quote).join(" "), { cwd: workspace.src, env });
		});
		const more = (ours.seconds - peer.seconds).toFixed(2);
		console.log(
			`${(ours.seconds / peer.seconds).toFixed(2).padStart(6)} sleep: ${count - 1} × 2 s, ${slots} slots: gg force ${ours.seconds.toFixed(2)} s, bare calls of the SDK ${peer.seconds.toFixed(2)} s, ${more} s more (target 1.5)`,
		);
		console.log(`       ${used(tally, ours.stderr, cpu)}`);
	} finally {
		for (const tree of ["src", "configured", "gg-cache", "store"]) remove(workspace, tree);
		workspace.close();
		rmSync(project, { recursive: true, force: true });
	}
}

function used(tally: Tally, said: string, cpuSeconds: number): string {
	const ran = tally.ran.length;
	const bill = /^gg: AWS Lambda: (.*)$/m.exec(said)?.[1] ?? "";
	return `${ran} thunks, ${tally.mostAtOnce} at once, ${tally.cold} instances; ${((tally.invocations - ran) / ran).toFixed(2)} invocations more a thunk, ${(tally.bytesIn / ran / 1024).toFixed(1)} KiB sent; ${((cpuSeconds * 1000) / ran).toFixed(2)} ms of gg's CPU a thunk; ${requestsOf(bill, ran)}${bill}`;
}

function requestsOf(bill: string, ran: number): string {
	const requests = Number(/(\d+) storage requests/.exec(bill)?.[1] ?? 0);
	return `${(requests / ran).toFixed(2)} storage requests a thunk (target 3); `;
}

/** A recorded build: compiles are sleeps of the recorded durations, what the function does not run runs here. */
async function recordedRow(
	row: "build" | "force",
	project: Project,
	slots: number,
	capMs: number,
	makeJobs: number,
	atOnce: boolean,
	profiles: string,
): Promise<void> {
	const recording = new Recording(project.name);
	if (!recording.isComplete)
		throw new BenchError(
			`there is no recording of ${project.name}: node build/bench/cluster.js --project ${project.name} record`,
		);
	const workspace = await open(`cluster-${project.name}`, {
		kind: "folder",
		folder: join(BENCH_DIR, project.name, "configured"),
		configure: ":",
	});
	const store = join(workspace.root, "store");
	try {
		remove(workspace, "store");
		mkdirSync(store);
		const stub = row === "force" ? 0 : await stubSeconds(workspace, project, makeJobs);
		await coldTree(workspace);
		const env = { GG_CACHE_DIR: workspace.ggCache, ...AWS };
		const build = project.build(makeJobs);
		if (row === "force") await must(underGg("infer", build), { cwd: workspace.src, env });
		const settings = {
			store,
			sleepMs: 0,
			project: project.name,
			src: workspace.src,
			object: "",
			capMs,
			seed: 1,
			atOnce,
		};
		await withReplay(settings, async (replay) => {
			const engine = engineOf(replay, store, slots);
			const line = row === "force" ? `${quote(GG)} force --no-status ${engine}` : underGg(`build ${engine}`, build);
			const { env: watched, spent } = watching(workspace.root, profiles, `${row}-${project.name}`);
			const ran = await must(`timeout -k 20 900 ${line}`, { cwd: workspace.src, env: { ...env, ...watched } });
			const tally = await replay.tally();
			const { cpu } = spent();
			report(row, { project, slots, capMs, seconds: ran.seconds, cpu, stub, tally, recording, said: ran.stderr });
		});
	} finally {
		for (const tree of ["src", "gg-cache", "store"]) remove(workspace, tree);
		workspace.close();
	}
}

async function stubSeconds(workspace: Workspace, project: Project, makeJobs: number): Promise<number> {
	await fresh(workspace);
	const stub = await startStub();
	try {
		return (await must(project.build(makeJobs), { cwd: workspace.src, env: stub.env })).seconds;
	} finally {
		await stub.close();
	}
}

interface Row {
	readonly project: Project;
	readonly slots: number;
	readonly capMs: number;
	readonly seconds: number;
	/** Seconds of gg's own process. */
	readonly cpu: number;
	readonly stub: number;
	readonly tally: Tally;
	readonly recording: Recording;
	readonly said: string;
}

function report(row: string, { project, slots, capMs, seconds, cpu, stub, tally, recording, said }: Row): void {
	if (tally.unknown.length > 0)
		throw new BenchError(`${tally.unknown.length} commands were not recorded, such as ${tally.unknown[0]}`);
	const bounds = boundsOf(
		tally.ran.map((key) => recording.actions.get(key)!),
		capMs,
	);
	const ideal = Math.max(bounds.criticalPath, bounds.total / slots, stub);
	const durations = capMs < UNCAPPED ? `capped at ${capMs / 1000} s` : "as recorded";
	console.log(
		`${(seconds / ideal).toFixed(2).padStart(6)} ${row}, ${project.name}, ${slots} slots, durations ${durations}: ${seconds.toFixed(2)} s / max(critical path ${bounds.criticalPath.toFixed(2)}, total ÷ slots ${(bounds.total / slots).toFixed(2)}${stub > 0 ? `, make with a stub ${stub.toFixed(2)}` : ""})`,
	);
	console.log(`       ${used(tally, said, cpu)}`);
}

const USAGE = `usage: lambda.js [--project P] [--slots N] [--cap SECONDS|none] [--make-jobs N] [--no-latency] [--cpu-prof FOLDER] [sleep|build|force]...

sleep   gg force of 1,000 compiles that take 2 s each, against 1,000 bare calls of the SDK that take as long
build   gg build of a project that cluster.js has recorded, ffmpeg-reduced unless told
force   gg force after gg infer of it

--no-latency: invocations and new instances take no time of their own, which is the most that packing thunks, or workers that
stay, could win
--cpu-prof: a profile of gg's process is left there for each row; it takes CPU of its own
`;

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			project: { type: "string", default: "ffmpeg-reduced" },
			slots: { type: "string", default: "1000" },
			count: { type: "string", default: "1001" },
			cap: { type: "string", default: "none" },
			"no-latency": { type: "boolean", default: false },
			"make-jobs": { type: "string", default: "16" },
			"cpu-prof": { type: "string", default: "" },
			help: { type: "boolean", default: false },
		},
	});
	const rows = positionals.length > 0 ? positionals : ["sleep", "build", "force"];
	if (values.help || rows.some((row) => !/^(?:sleep|build|force)$/.test(row))) {
		process.stderr.write(USAGE);
		return values.help ? 0 : 2;
	}
	requireGg();
	const [slots, makeJobs] = [Number(values.slots), Number(values["make-jobs"])];
	const capMs = values.cap === "none" ? UNCAPPED : Number(values.cap) * 1000;
	const profiles = values["cpu-prof"] === "" ? "" : resolve(values["cpu-prof"]);
	for (const row of rows) {
		if (row === "sleep") await sleepRow(Number(values.count), slots, values["no-latency"], profiles);
		else
			await recordedRow(
				row as "build" | "force",
				projectNamed(values.project),
				slots,
				capMs,
				makeJobs,
				values["no-latency"],
				profiles,
			);
	}
	return 0;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
