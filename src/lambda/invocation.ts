import { closeSync, mkdirSync, openSync, readSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CODE, RemoteError } from "../reapi/errors.js";
import { ACTION, ACTION_RESULT, type ActionResult, DIRECTORY, type Digest } from "../reapi/messages.js";
import { packBlobsAside, unpackBlobs } from "../storage/block.js";
import type { Requests, Storage } from "../storage/types.js";
import { isObjectHash, type ObjectHash } from "../thunk/hash.js";
import { errorCode, statIfThere } from "../util/files.js";
import { Limiter } from "../util/limiter.js";
import { ok, UserError } from "../util/result.js";
import type { Spawner } from "../util/spawner.js";
import { isDigest } from "../worker/digest.js";
import type { Disk, Pins } from "../worker/disk.js";
import { stageInputs } from "../worker/inputs.js";
import { collectOutputs, outputPaths } from "../worker/outputs.js";
import { readAction } from "../worker/run.js";
import { fetchBlock, fetchObject } from "./fetch.js";
import { objectOf } from "./names.js";
import {
	BLOCK_BYTES,
	digestNamed,
	type LambdaReply,
	type LambdaRequest,
	nameOfDigest,
	type Timings,
} from "./payload.js";

export interface InvocationOptions {
	readonly disk: Disk;
	readonly spawner: Spawner;
	/** Rejects with a UserError when there is none, or it cannot be reached. */
	readonly storage: () => Promise<Storage>;
	/** Milliseconds that are left. */
	readonly timeLeft: () => number;
	/** Invocations before this one. */
	readonly served: number;
	/** What the blocks hold that were fetched. */
	readonly blocks: Map<ObjectHash, readonly Digest[]>;
}

/** Requests to the storage backend at a time. */
const AT_ONCE = 16;
/** Milliseconds that are kept for the outputs and the answer. */
const MARGIN_MS = 2_000;
const OUTPUT_BYTES = 1 << 30;

/** Runs one action, in a folder of its own, and answers with what it came to, or with what it lacks. */
export async function invocation(request: LambdaRequest, o: InvocationOptions): Promise<LambdaReply> {
	const meter = new Meter(o.served + 1);
	try {
		return await serve(request, o, meter);
	} catch (error) {
		return { kind: "failed", ...failureOf(error), timings: meter.timings };
	}
}

async function serve(request: LambdaRequest, o: InvocationOptions, meter: Meter): Promise<LambdaReply> {
	const digest = digestNamed(request.action);
	if (digest === undefined) throw new RemoteError(CODE.INVALID_ARGUMENT, "the request names no action");
	const pins = o.disk.pins();
	try {
		const missing = await meter.time("fetch", () => withRoom(o.disk, () => bringAll(digest, request, o, meter, pins)));
		if (missing.length > 0) return { kind: "missing", blobs: missing.map(nameOfDigest), timings: meter.timings };
		const { result, blobs } = await withRoom(o.disk, async () => {
			const made = o.disk.pins();
			try {
				const ended = await run(digest, o, meter, made);
				return await meter.time("outputs", () => deliver(ended, o, meter, made));
			} finally {
				made.end();
			}
		});
		const encoded = Buffer.from(ACTION_RESULT.encode(result)).toString("base64");
		return { kind: "result", result: encoded, blobs: blobs.toString("base64"), timings: meter.timings };
	} finally {
		pins.end();
	}
}

/** Does it again without what other actions needed where there is no room; if it is still too much, that is the answer. */
async function withRoom<T>(disk: Disk, what: () => Promise<T>): Promise<T> {
	try {
		return await what();
	} catch (full) {
		const before = disk.size;
		if (failureOf(full).reason === "full") disk.shrink(0);
		if (disk.size === before) throw full;
		try {
			return await what();
		} catch (error) {
			// The first time it had more of it.
			throw error instanceof Ended && error.reason !== "memory" ? full : error;
		}
	}
}

/** Takes what the request holds, fetches what the storage backend has, and answers with what is still missing. */
async function bringAll(
	action: Digest,
	request: LambdaRequest,
	o: InvocationOptions,
	meter: Meter,
	pins: Pins,
): Promise<Digest[]> {
	const { disk } = o;
	const pin = (of: Pins, digests: readonly Digest[]): void => of.add(digests.map((d) => d.hash));
	const inline = request.blobs === "" ? ok([]) : unpackBlobs(Buffer.from(request.blobs, "base64"));
	if (!inline.ok) throw new RemoteError(CODE.INVALID_ARGUMENT, inline.error);
	for (const bytes of inline.value) disk.add(bytes, pins);
	const came = (bytes: number): void => {
		meter.fetchedBytes += bytes;
	};
	let wanted = wantedBlobs(disk, action);
	// What is fetched makes room for itself by what is not pinned.
	pin(pins, wanted.known);
	meter.knownBytes = wanted.known.reduce((sum, d) => sum + d.sizeBytes, 0);
	if (wanted.missing.length === 0) return [];
	const limiter = new Limiter(AT_ONCE);
	const each = <T, R>(all: readonly T[], fetch: (storage: Storage, of: T) => Promise<R>): Promise<R[]> =>
		settled(all.map((of) => limiter.run(async () => fetch(meter.watch(await o.storage()), of))));
	const passing = disk.pins();
	try {
		const lacking = request.blocks.filter(isObjectHash).filter((name) => {
			const held = o.blocks.get(name);
			if (held?.every((d) => disk.has(d)) !== true) return true;
			pin(passing, held);
			return false;
		});
		await each(lacking, async (storage, name) => {
			const held = await fetchBlock(storage, name, disk, passing, came);
			// One that was cut short is stored again, as one that is gone.
			if (held !== undefined) o.blocks.set(name, held);
		});
		wanted = wantedBlobs(disk, action);
		pin(pins, wanted.known);
	} finally {
		// A block holds what other actions need, too.
		passing.end();
	}
	const own = new Set(request.objects);
	const still = wanted.missing.filter((d) => !own.has(nameOfDigest(d)));
	const fetched = await each(
		wanted.missing.filter((d) => own.has(nameOfDigest(d))),
		async (storage, digest) => ((await fetchObject(storage, digest, disk, pins, came)) ? undefined : digest),
	);
	return [...still, ...fetched.filter((d) => d !== undefined)];
}

/** Waits for all of them, also where one fails: nothing may go on when the disk is used by the next invocation. */
async function settled<T>(all: readonly Promise<T>[]): Promise<T[]> {
	await Promise.allSettled(all);
	return Promise.all(all);
}

/** What the action needs, as far as its folders are here. */
function wantedBlobs(disk: Disk, action: Digest): { readonly known: Digest[]; readonly missing: Digest[] } {
	const found = new Map<string, Digest>();
	const missing = new Map<string, Digest>();
	const look = (digest: Digest | null | undefined): Buffer | undefined => {
		if (!isDigest(digest)) throw new RemoteError(CODE.INVALID_ARGUMENT, "a digest is not sound");
		if (found.has(digest.hash)) return undefined;
		const bytes = disk.get(digest);
		(bytes === undefined ? missing : found).set(digest.hash, digest);
		return bytes;
	};
	const bytes = look(action);
	if (bytes !== undefined) {
		const { commandDigest, inputRootDigest } = decoded(ACTION, bytes);
		look(commandDigest);
		const stack = [inputRootDigest];
		while (stack.length > 0) {
			const folder = look(stack.pop());
			if (folder === undefined) continue;
			const { files, directories } = decoded(DIRECTORY, folder);
			for (const { digest } of files) {
				if (!isDigest(digest) || found.has(digest.hash)) continue;
				(disk.has(digest) ? found : missing).set(digest.hash, digest);
			}
			for (const child of directories) stack.push(child.digest);
		}
	}
	return { known: [...found.values()], missing: [...missing.values()] };
}

function decoded<T>(codec: { decode(bytes: Uint8Array): T }, bytes: Buffer): T {
	try {
		return codec.decode(bytes);
	} catch {
		throw new RemoteError(CODE.INVALID_ARGUMENT, "a blob is not the message that it should be");
	}
}

async function run(digest: Digest, o: InvocationOptions, meter: Meter, pins: Pins): Promise<ActionResult> {
	const { disk } = o;
	const { action, command } = readAction(disk, digest);
	const root = disk.temporary();
	mkdirSync(root, { mode: 0o755 });
	try {
		const cwd = join(root, command.workingDirectory ?? "");
		await meter.time("stage", async () => {
			stageInputs(disk, action.inputRootDigest!, root);
			mkdirSync(cwd, { recursive: true });
			for (const { path } of outputPaths(command)) mkdirSync(dirname(join(cwd, path)), { recursive: true });
		});
		const limit = action.timeout
			? action.timeout.seconds * 1000 + action.timeout.nanos / 1e6
			: Number.POSITIVE_INFINITY;
		const left = o.timeLeft() - MARGIN_MS;
		const [program, ...words] = command.arguments;
		const started = performance.now();
		const end = await meter.time(
			"run",
			() =>
				o.spawner.run({
					path: join(cwd, program!),
					argv: [program!, ...words],
					env: ["PATH=/usr/bin:/bin"],
					cwd,
					stdio: "capture",
					umask: 0o22,
					timeoutMs: Math.max(1, Math.ceil(Math.min(limit, left))),
				}).done,
		);
		const spent = performance.now() - started;
		if (end.kind === "not-started") throw new RemoteError(CODE.INTERNAL, `the function cannot start it: ${end.what}`);
		if (end.timedOut)
			throw new Ended(limit <= left ? "limit" : "late", `the command was not done after ${Math.round(spent)} ms`);
		if (end.signal === SIGKILL) throw new Ended("memory", `the command was ended by signal ${SIGKILL}`);
		if (end.signal !== 0) throw new RemoteError(CODE.INTERNAL, `the command was ended by signal ${end.signal}`);
		if (end.status !== 0) {
			const said = [end.stderr, beginning(join(cwd, STDERR))];
			if (said.some(saysFull)) throw Object.assign(new Error("the command found no room"), { code: "ENOSPC" });
			if (said.some(saysKilled)) throw new Ended("memory", "a program of the command was killed, or found no memory");
		}
		if (end.truncated) throw new RemoteError(CODE.RESOURCE_EXHAUSTED, "the command printed more than 16 MiB");
		return {
			...collectOutputs({ disk, pins, limits: { outputBytes: OUTPUT_BYTES } }, root, cwd, command),
			exitCode: end.status,
			stdoutRaw: end.stdout,
			stderrRaw: end.stderr,
			executionMetadata: { worker: "", ...span(spent) },
		};
	} finally {
		rmSync(root, { recursive: true, force: true });
	}
}

/** What a command prints that the runner has relocated, until it is known to count (gg-runner.c). */
const STDERR = "gg-stderr";

/** The command's own word, or the runner's, that the disk is full. */
function saysFull(text: Buffer): boolean {
	return /No space left on device|Disk quota exceeded/.test(text.toString("latin1"));
}

/** The same of the memory, by gcc's words, its programs' and the runner's. */
function saysKilled(text: Buffer): boolean {
	return /\bKilled signal terminated program|: out of memory allocating|virtual memory exhausted|: relocated, the command ends with 137\b/.test(
		text.toString("latin1"),
	);
}

/** Of a file of any size, or of none. */
function beginning(path: string): Buffer {
	const stats = statIfThere(path);
	if (stats?.isFile() !== true) return Buffer.alloc(0);
	const bytes = Buffer.alloc(Math.min(stats.size, 1 << 20));
	const file = openSync(path, "r");
	try {
		return bytes.subarray(0, readSync(file, bytes));
	} finally {
		closeSync(file);
	}
}

/** A span of so many milliseconds: only its length is told. */
function span(ms: number) {
	const end = { seconds: Math.floor(ms / 1000), nanos: Math.round(ms % 1000) * 1_000_000 };
	return { executionStartTimestamp: { seconds: 0, nanos: 0 }, executionCompletedTimestamp: end };
}

/** Puts outputs into the answer as far as it holds them, compressed, the others into the storage backend. */
async function deliver(
	result: ActionResult,
	o: InvocationOptions,
	meter: Meter,
	pins: Pins,
): Promise<{ readonly result: ActionResult; readonly blobs: Buffer }> {
	const { disk } = o;
	let left = BLOCK_BYTES - FIXED;
	const send = async (digest: Digest, bytes: Buffer): Promise<void> => {
		const path = disk.file(disk.add(bytes, pins));
		if (path === undefined) throw new RemoteError(CODE.INTERNAL, "an output is gone");
		await meter.watch(await o.storage()).put(objectOf(digest), path);
	};
	const stream = async (raw: Buffer) => {
		if (raw.length <= left) {
			left -= raw.length;
			return { raw };
		}
		const digest = disk.add(raw, pins);
		await send(digest, raw);
		return { raw: Buffer.alloc(0), digest };
	};
	const stdout = await stream(result.stdoutRaw);
	const stderr = await stream(result.stderrRaw);
	const blocks: Buffer[] = [];
	for (const { digest } of result.outputFiles) {
		const bytes = disk.get(digest!);
		if (bytes === undefined) throw new RemoteError(CODE.INTERNAL, "an output is gone");
		left -= OVERHEAD;
		const block = bytes.length <= MOST_DEFLATED ? await packBlobsAside([bytes]) : undefined;
		if (block !== undefined && block.length <= left) {
			left -= block.length;
			blocks.push(block);
		} else await send(digest!, bytes);
	}
	return {
		result: {
			...result,
			stdoutRaw: stdout.raw,
			...(stdout.digest === undefined ? {} : { stdoutDigest: stdout.digest }),
			stderrRaw: stderr.raw,
			...(stderr.digest === undefined ? {} : { stderrDigest: stderr.digest }),
		},
		blobs: Buffer.concat(blocks),
	};
}

/** Bytes of an answer beside outputs and streams, and of an output beside its content. */
const FIXED = 16 << 10;
const OVERHEAD = 400;
/** Bytes of an output from which on it is not tried whether the answer holds it compressed. */
const MOST_DEFLATED = 4 * BLOCK_BYTES;

const SIGKILL = 9;

/** Somebody's limit, and not the command itself, was its end. */
class Ended extends Error {
	readonly reason: "late" | "limit" | "memory";
	constructor(reason: Ended["reason"], message: string) {
		super(message);
		this.reason = reason;
	}
}

function failureOf(error: unknown) {
	const message = error instanceof Error ? error.message : String(error);
	if (/^(?:ENOSPC|EDQUOT)$/.test(errorCode(error)))
		return { reason: "full" as const, message: "the function's /tmp is full" };
	if (error instanceof UserError) return { reason: "storage" as const, message };
	if (error instanceof Ended) return { reason: error.reason, message };
	if (error instanceof RemoteError && error.code === CODE.INVALID_ARGUMENT)
		return { reason: "invalid" as const, message };
	return { reason: "internal" as const, message };
}

/** What one invocation took. */
class Meter {
	fetchedBytes = 0;
	knownBytes = 0;
	readonly #spent = { fetch: 0, stage: 0, run: 0, outputs: 0 };
	readonly #served: number;
	/** Backends that were used, and what they had been asked before. */
	readonly #before = new Map<Storage, Requests>();

	constructor(served: number) {
		this.#served = served;
	}

	async time<T>(phase: "fetch" | "stage" | "run" | "outputs", what: () => Promise<T>): Promise<T> {
		const started = performance.now();
		try {
			return await what();
		} finally {
			this.#spent[phase] += performance.now() - started;
		}
	}

	watch(storage: Storage): Storage {
		if (!this.#before.has(storage)) this.#before.set(storage, { ...storage.requests });
		return storage;
	}

	get timings(): Timings {
		const { fetchedBytes, knownBytes } = this;
		let [gets, puts] = [0, 0];
		for (const [{ requests }, before] of this.#before) {
			gets += requests.gets - before.gets;
			puts += requests.puts - before.puts;
		}
		return { ...this.#spent, gets, puts, fetchedBytes, knownBytes, served: this.#served };
	}
}
