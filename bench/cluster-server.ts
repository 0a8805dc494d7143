/**
 * A gg worker of which only the running of commands is another: `record` runs them and keeps what they came to, `replay`
 * waits as long as each took and answers that. A process of its own, started by cluster.js, so that the client's CPU time
 * can be told from its.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { CODE, RemoteError } from "../src/reapi/errors.js";
import { type ActionResult, DIRECTORY, type Digest } from "../src/reapi/messages.js";
import { type Exit, startSpawner } from "../src/util/spawner.js";
import { ActionCache } from "../src/worker/action-cache.js";
import { Disk } from "../src/worker/disk.js";
import { type RunnerOptions, runAction } from "../src/worker/run.js";
import { makeServices, type Perform } from "../src/worker/services.js";
import { calledBy, type Recorded, type RecordedOutput, Recording } from "./cluster-recording.js";

export interface ServerSettings {
	readonly mode: "record" | "replay";
	readonly project: string;
	/** Where the project lies. */
	readonly src: string;
	/** An empty folder for the blobs. */
	readonly folder: string;
	readonly slots: number;
	/** The most that one command takes. */
	readonly capMs: number;
	readonly spawner: string;
	readonly runner: string;
}

export interface ServerStats {
	/** Calls by the method's last name. */
	readonly calls: Readonly<Record<string, number>>;
	readonly bytesIn: number;
	readonly bytesOut: number;
	/** Keys of what was run, in the order of their ends. */
	readonly ran: readonly string[];
	/** What a replay was asked for and does not know. */
	readonly unknown: readonly string[];
	readonly mostAtOnce: number;
	/** When each command that ran began and ended, in milliseconds since the first did. */
	readonly spans: readonly (readonly [from: number, to: number])[];
	readonly cpuSeconds: number;
}

/** What the bench asks of the server. */
export type ServerRequest = "stats" | "reset";

export type ServerMessage =
	| { readonly kind: "listening"; readonly port: number }
	| { readonly kind: "stats"; readonly stats: ServerStats };

const LARGEST = 8 << 20;

/** Recorded commands run as `gg worker` has them run. */
function recorder(o: RunnerOptions, settings: ServerSettings, recording: Recording): Perform {
	const madeBy = new Map<string, string>();
	const note = (recorded: Recorded): void => {
		for (const output of recorded.outputs) if (output.size > 0) madeBy.set(output.hash, recorded.key);
	};
	for (const recorded of recording.actions.values()) note(recorded);
	const below = inputsOf(o.disk);
	return async (action, command) => {
		const called = calledBy(command, settings.src);
		// An interrupted recording goes on where it was.
		const known = called === undefined ? undefined : recording.actions.get(called.key);
		if (known !== undefined) return answer(o.disk, recording, known);
		let exit: Exit | undefined;
		const spawner = {
			...o.spawner,
			run(request: Parameters<typeof o.spawner.run>[0]) {
				const running = o.spawner.run(request);
				void running.done.then((end) => {
					if (end.kind === "exited") exit = end;
				});
				return running;
			},
		};
		const result = await runAction({ ...o, spawner }, action, command);
		if (called === undefined || exit === undefined || result.exitCode !== 0) return result;
		const needs = new Set<string>();
		for (const hash of below(action.inputRootDigest!)) {
			const maker = madeBy.get(hash);
			if (maker !== undefined) needs.add(maker);
		}
		const outputs: RecordedOutput[] = result.outputFiles.map((file) => ({
			path: file.path,
			file: called.files[Number(file.path.slice("out/".length))] ?? "",
			hash: file.digest!.hash,
			size: file.digest!.sizeBytes,
			executable: file.isExecutable === true,
		}));
		const text = (raw: Buffer, digest: Digest | null | undefined): string =>
			(digest ? (o.disk.get(digest) ?? raw) : raw).toString("base64");
		const recorded = {
			key: called.key,
			args: called.args,
			cwd: called.cwd,
			ms: Math.min(exit.wall, exit.user + exit.sys) / 1000,
			exitCode: 0,
			stdout: text(result.stdoutRaw, result.stdoutDigest),
			stderr: text(result.stderrRaw, result.stderrDigest),
			outputs,
			needs: [...needs],
		};
		recording.add(recorded, ({ hash, size }) => o.disk.get({ hash, sizeBytes: size })!);
		note({ version: 0, ...recorded });
		return result;
	};
}

/** Hashes of the files of input roots; folders that many share are read once. */
function inputsOf(disk: Disk): (root: Digest) => Set<string> {
	const known = new Map<string, ReadonlySet<string>>();
	const below = (digest: Digest): ReadonlySet<string> => {
		const found = known.get(digest.hash);
		if (found !== undefined) return found;
		const hashes = new Set<string>();
		known.set(digest.hash, hashes);
		const bytes = disk.get(digest);
		if (bytes === undefined) return hashes;
		const { files, directories } = DIRECTORY.decode(bytes);
		for (const file of files) hashes.add(file.digest?.hash ?? "");
		for (const child of directories) if (child.digest) for (const hash of below(child.digest)) hashes.add(hash);
		return hashes;
	};
	return (root) => new Set(below(root));
}

function answer(disk: Disk, recording: Recording, recorded: Recorded): ActionResult {
	const outputFiles = recorded.outputs.map(({ path, hash, size, executable }) => {
		const digest = { hash, sizeBytes: size };
		if (disk instanceof ReplayDisk) disk.make(hash, recording.blob(hash));
		else if (!disk.has(digest)) disk.put(digest, readFileSync(recording.blob(hash)));
		return { path, digest, ...(executable ? { isExecutable: true } : {}) };
	});
	return {
		outputFiles,
		exitCode: recorded.exitCode,
		stdoutRaw: Buffer.from(recorded.stdout, "base64"),
		stderrRaw: Buffer.from(recorded.stderr, "base64"),
		executionMetadata: { worker: "replay" },
	};
}

function newTally() {
	return {
		calls: {} as Record<string, number>,
		ran: [] as string[],
		unknown: [] as string[],
		bytesIn: 0,
		bytesOut: 0,
		mostAtOnce: 0,
		firstAt: undefined as number | undefined,
		spans: [] as (readonly [number, number])[],
		cpuBefore: cpuNow(),
	};
}

/** Seconds. */
function cpuNow(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1e6;
}

/**
 * Blobs of a replay: those of the project stay in memory unread, and outputs in the recording, for the client's machine is
 * also the server's, and on a cluster it would not do this work. The toolchain is kept as a worker keeps it.
 */
class ReplayDisk extends Disk {
	override readonly results: ActionCache = new ReplayResults(this, () => this.light);
	readonly #blobs = new Map<string, Buffer>();
	readonly #made = new Map<string, string>();
	/** Before, the disk is an ordinary one. */
	light = false;

	/** The output of a command has come to be. */
	make(hash: string, path: string): void {
		this.#made.set(hash, path);
	}

	override has(digest: Digest): boolean {
		return this.#blobs.has(digest.hash) || this.#made.has(digest.hash) || super.has(digest);
	}

	override get(digest: Digest): Buffer | undefined {
		const made = this.#made.get(digest.hash);
		return this.#blobs.get(digest.hash) ?? (made === undefined ? super.get(digest) : readFileSync(made));
	}

	override file(digest: Digest): string | undefined {
		return this.#made.get(digest.hash) ?? super.file(digest);
	}

	override put(digest: Digest, bytes: Buffer): boolean {
		if (!this.light) return super.put(digest, bytes);
		// A view would keep the whole message.
		this.#blobs.set(digest.hash, Buffer.from(bytes));
		return bytes.length === digest.sizeBytes;
	}
}

class ReplayResults extends ActionCache {
	readonly #results = new Map<string, Buffer>();
	readonly #isLight: () => boolean;

	constructor(disk: Disk, isLight: () => boolean) {
		super(join(disk.folder, "ac"), 0, () => disk.temporary());
		this.#isLight = isLight;
	}

	override get(hash: string): Buffer | undefined {
		return this.#results.get(hash) ?? super.get(hash);
	}

	override put(hash: string, bytes: Buffer): void {
		if (this.#isLight()) this.#results.set(hash, bytes);
		else super.put(hash, bytes);
	}
}

async function serve(settings: ServerSettings): Promise<void> {
	const recording = new Recording(settings.project);
	const spawner = startSpawner(settings.spawner);
	const disk = settings.mode === "replay" ? new ReplayDisk(settings.folder, 0) : new Disk(settings.folder, 0);
	let tally = newTally();
	let now = 0;
	const runnerOptions: RunnerOptions = {
		disk,
		spawner,
		runner: settings.runner,
		path: "/usr/local/bin:/usr/bin:/bin",
		limits: { timeMs: 900_000, memoryBytes: 0, outputBytes: 2 ** 31, processes: 0 },
		name: "bench",
	};
	const replay: Perform = async (action, command) => {
		const called = calledBy(command, settings.src);
		// Not of the project: what warms the server up.
		if (called !== undefined && !called.cwd.startsWith("@")) return runAction(runnerOptions, action, command);
		const recorded = called === undefined ? undefined : recording.actions.get(called.key);
		if (recorded === undefined) {
			tally.unknown.push(command.arguments.slice(command.arguments.indexOf("--") + 1).join(" "));
			throw new RemoteError(CODE.INVALID_ARGUMENT, "this command was not recorded");
		}
		now += 1;
		tally.mostAtOnce = Math.max(tally.mostAtOnce, now);
		const from = performance.now();
		tally.firstAt ??= from;
		await new Promise((resolve) => setTimeout(resolve, Math.min(recorded.ms, settings.capMs)));
		now -= 1;
		tally.spans.push([from - tally.firstAt, performance.now() - tally.firstAt]);
		tally.ran.push(recorded.key);
		return answer(disk, recording, recorded);
	};
	const services = makeServices({
		...runnerOptions,
		jobs: settings.slots,
		token: "",
		acceptResults: false,
		perform: settings.mode === "replay" ? replay : recorder(runnerOptions, settings, recording),
	});
	const definition: Record<string, ServiceDefinition[string]> = {};
	const handlers: Record<string, UntypedServiceImplementation[string]> = {};
	for (const [path, method] of Object.entries(services.definition)) {
		definition[path] = {
			...method,
			requestDeserialize(bytes: Buffer) {
				tally.bytesIn += bytes.length;
				return method.requestDeserialize(bytes);
			},
			responseSerialize(message: unknown) {
				const bytes = method.responseSerialize(message as object);
				tally.bytesOut += bytes.length;
				return bytes;
			},
		};
		const name = path.slice(path.lastIndexOf("/") + 1);
		const handler = services.handlers[path] as (...args: unknown[]) => void;
		handlers[path] = ((...args: unknown[]) => {
			tally.calls[name] = (tally.calls[name] ?? 0) + 1;
			handler(...args);
		}) as UntypedServiceImplementation[string];
	}
	const server = new Server({ "grpc.max_receive_message_length": LARGEST, "grpc.max_send_message_length": LARGEST });
	server.addService(definition, handlers);
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
			error === null ? resolve(bound) : reject(error),
		);
	});
	const tell = (message: ServerMessage): void => void process.send?.(message);
	process.on("message", (request: ServerRequest) => {
		if (request === "reset") tally = newTally();
		if (request === "reset" && disk instanceof ReplayDisk) disk.light = true;
		const { cpuBefore, firstAt: _, ...counted } = tally;
		tell({ kind: "stats", stats: { ...counted, cpuSeconds: cpuNow() - cpuBefore } });
	});
	// The bench is gone.
	process.once("disconnect", () => {
		server.forceShutdown();
		void spawner.close().then(() => process.exit(0));
	});
	tell({ kind: "listening", port });
}

if (import.meta.filename === process.argv[1]) await serve(JSON.parse(process.argv[2]!) as ServerSettings);
