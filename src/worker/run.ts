import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { CODE, RemoteError } from "../reapi/errors.js";
import {
	ACTION,
	type Action,
	type ActionResult,
	COMMAND,
	type Command,
	type Digest,
	type Duration,
} from "../reapi/messages.js";
import type { Exit, Spawner } from "../util/spawner.js";
import { isDigest } from "./digest.js";
import type { Disk } from "./disk.js";
import { isInsidePath, type Mounted, missingBlobs, stageInputs } from "./inputs.js";
import { collectOutputs, outputPaths } from "./outputs.js";
import { removeTree } from "./remove.js";

export interface RunnerOptions {
	readonly disk: Disk;
	readonly spawner: Spawner;
	/** gg-runner. */
	readonly runner: string;
	/** For commands that name no PATH. */
	readonly path: string;
	readonly limits: WorkerLimits;
	/** This worker's name in results. */
	readonly name: string;
}

export interface WorkerLimits {
	/** Milliseconds that an action may take at most, and takes at most when it names no limit. */
	readonly timeMs: number;
	/** Bytes of address space of each process; 0: no limit. */
	readonly memoryBytes: number;
	/** Bytes of one file that an action writes. */
	readonly outputBytes: number;
	/** Processes of the user at once; 0: no limit. */
	readonly processes: number;
}

const SIGKILL = 9;

/** Streams up to this size travel in the result itself. */
const INLINE = 64 << 10;

/** An action and its command, read from the store; throws with the blobs that are missing, or for what is not sound. */
export function readAction(
	disk: Disk,
	digest: Digest | null | undefined,
): { action: Action; command: Command; digest: Digest } {
	const action = read(disk, digest, ACTION, "Action");
	const command = read(disk, action.value.commandDigest, COMMAND, "Command");
	if (!isDigest(action.value.inputRootDigest)) throw invalid("the action names no input root");
	if (command.value.arguments.length === 0) throw invalid("the command is empty");
	const wd = command.value.workingDirectory ?? "";
	if (wd !== "" && !isInsidePath(wd)) throw invalid("the working directory leads out of the input root");
	outputPaths(command.value);
	return { action: action.value, command: command.value, digest: action.digest };
}

function read<T>(
	disk: Disk,
	digest: Digest | null | undefined,
	codec: { decode(bytes: Uint8Array): T },
	what: string,
): { value: T; digest: Digest } {
	if (!isDigest(digest)) throw invalid(`the digest of the ${what} is not sound`);
	const bytes = disk.get(digest);
	if (bytes === undefined) throw missingBlobs([digest]);
	try {
		return { value: codec.decode(bytes), digest };
	} catch {
		throw invalid(`the blob ${digest.hash} is no ${what}`);
	}
}

/** Runs one action in a folder of its own; the signal ends it. */
export async function runAction(
	o: RunnerOptions,
	action: Action,
	command: Command,
	signal?: AbortSignal,
): Promise<ActionResult> {
	const root = o.disk.temporary();
	mkdirSync(root, { mode: 0o755 });
	const pins = o.disk.pins();
	try {
		const { mounts, used } = stageInputs(o.disk, action.inputRootDigest!, root);
		pins.add(used);
		const cwd = join(root, command.workingDirectory ?? "");
		mkdirSync(cwd, { recursive: true });
		for (const { path } of outputPaths(command)) mkdirSync(dirname(join(cwd, path)), { recursive: true });
		const started = now();
		const running = o.spawner.run({
			path: o.runner,
			argv: ["gg-runner", ...runnerArguments(o, command, root, cwd, mounts)],
			env: [],
			cwd: root,
			stdio: "capture",
			umask: 0o22,
			timeoutMs: timeLimit(action.timeout, o.limits),
		});
		const kill = (): void => running.kill(SIGKILL);
		signal?.addEventListener("abort", kill, { once: true });
		if (signal?.aborted === true) kill();
		const end = await running.done;
		signal?.removeEventListener("abort", kill);
		if (signal?.aborted === true) throw new RemoteError(CODE.CANCELLED, "nobody waits for it any more");
		const completed = now();
		if (end.kind === "not-started") throw new RemoteError(CODE.INTERNAL, `the worker cannot start it: ${end.what}`);
		if (end.timedOut) throw new RemoteError(CODE.DEADLINE_EXCEEDED, "the action took longer than it may");
		// It will print as much the next time: nobody is to try again.
		if (end.truncated) throw new RemoteError(CODE.OUT_OF_RANGE, "the command printed more than 16 MiB");
		return {
			...collectOutputs({ disk: o.disk, pins, limits: o.limits }, root, cwd, command),
			...streams((bytes) => o.disk.add(bytes, pins), end),
			exitCode: end.status,
			executionMetadata: { worker: o.name, executionStartTimestamp: started, executionCompletedTimestamp: completed },
		};
	} finally {
		pins.end();
		removeTree(root);
	}
}

function runnerArguments(
	o: RunnerOptions,
	command: Command,
	root: string,
	cwd: string,
	mounts: readonly Mounted[],
): string[] {
	const { memoryBytes, outputBytes, processes } = o.limits;
	const args = ["--way", "host", "--folder", root, "--cwd", cwd, "--umask", "22"];
	args.push("--memory", String(memoryBytes), "--file-size", String(outputBytes), "--processes", String(processes));
	const env = new Map((command.environmentVariables ?? []).map(({ name, value }) => [name, value]));
	if (!env.has("PATH")) env.set("PATH", o.path);
	for (const [name, value] of env) {
		if (name === "" || /[=\0]/.test(name) || value.includes("\0"))
			throw invalid("a variable of the environment is not sound");
		args.push("--env", `${name}=${value}`);
	}
	for (const { from, at } of mounts) args.push("--bind", from, "--at", at);
	args.push("--exec", command.arguments[0]!, "--", ...command.arguments);
	if (args.some((arg) => arg.includes("\0"))) throw invalid("an argument holds a NUL");
	return args;
}

function streams(add: (bytes: Buffer) => Digest, end: Exit) {
	const one = (bytes: Buffer): { raw: Buffer; digest?: Digest } =>
		bytes.length <= INLINE ? { raw: bytes } : { raw: Buffer.alloc(0), digest: add(bytes) };
	const out = one(end.stdout);
	const error = one(end.stderr);
	return {
		stdoutRaw: out.raw,
		...(out.digest === undefined ? {} : { stdoutDigest: out.digest }),
		stderrRaw: error.raw,
		...(error.digest === undefined ? {} : { stderrDigest: error.digest }),
	};
}

function timeLimit(timeout: Duration | null | undefined, limits: WorkerLimits): number {
	const asked = timeout ? timeout.seconds * 1000 + timeout.nanos / 1e6 : 0;
	return asked > 0 && asked < limits.timeMs ? Math.ceil(asked) : limits.timeMs;
}

function now(): Duration {
	const ms = Date.now();
	return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

function invalid(message: string): RemoteError {
	return new RemoteError(CODE.INVALID_ARGUMENT, message);
}
