import { chmodSync, mkdirSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, threadId } from "node:worker_threads";
import { openStorage, storageName } from "../storage/open.js";
import type { Storage } from "../storage/types.js";
import { plainSpawner } from "../util/plain-spawner.js";
import { UserError } from "../util/result.js";
import { VERSION } from "../util/version.js";
import { Disk } from "../worker/disk.js";
import { type InvocationOptions, invocation } from "./invocation.js";
import { type LambdaReply, type LambdaRequest, PROTOCOL } from "./payload.js";

/** What the service tells a function of its invocation. */
interface Context {
	getRemainingTimeInMillis?(): number;
}

const DEFAULT_MS = 900_000;
/** Of the function's /tmp: an action needs room beside the cache. */
const CACHE_SHARE = 0.55;
const OWN = /^gg-lambda-(\d+)-(\d+)$/;

let disk: Disk | undefined;
let storage: Promise<Storage> | undefined;
let served = 0;
const fetched: InvocationOptions["blocks"] = new Map();

/** The function: what AWS Lambda calls, once at a time in each of its instances. */
export async function handler(event: unknown, context: Context = {}): Promise<LambdaReply> {
	const request = event as Partial<LambdaRequest> | null;
	const { action = "", blobs = "", blocks = [], objects = [], version = "", protocol = 0 } = request ?? {};
	const left = context.getRemainingTimeInMillis?.() ?? DEFAULT_MS;
	if (action === "" || protocol !== PROTOCOL) return hello(left);
	const end = Date.now() + left;
	const parts = {
		spawner: plainSpawner(),
		storage: connected,
		timeLeft: () => end - Date.now(),
		served: served++,
		blocks: fetched,
	};
	const ask = { protocol, version, action, blobs, blocks, objects };
	disk ??= openDisk();
	return invocation(ask, { ...parts, disk });
}

function hello(timeoutMs: number): LambdaReply {
	return {
		kind: "hello",
		protocol: PROTOCOL,
		version: VERSION,
		arch: process.arch,
		storage: storageName(process.env["GG_STORAGE_URI"] ?? ""),
		memoryMb: Number(process.env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] ?? 0),
		room: roomOf(temporary()),
		timeoutMs,
	};
}

/** One connection for all invocations, made anew after a failure. */
function connected(): Promise<Storage> {
	storage ??= openStorage(process.env).then((opened) => {
		if (!opened.ok) throw new UserError(opened.error);
		return guarded(opened.value);
	});
	storage.catch(() => {
		storage = undefined;
	});
	return storage;
}

/** After a failure the next request connects anew. */
function guarded(opened: Storage): Storage {
	const guard =
		<A extends unknown[], T>(ask: (...args: A) => Promise<T>) =>
		async (...args: A): Promise<T> => {
			try {
				return await ask(...args);
			} catch (error) {
				// A full disk says nothing of the backend.
				if (!(error instanceof UserError)) throw error;
				storage = undefined;
				void opened.close().catch(() => undefined);
				throw error;
			}
		};
	return {
		requests: opened.requests,
		has: guard(opened.has),
		get: guard(opened.get),
		put: guard(opened.put),
		putBytes: guard(opened.putBytes),
		hasRecord: guard(opened.hasRecord),
		getRecord: guard(opened.getRecord),
		putRecord: guard(opened.putRecord),
		stream: guard(opened.stream),
		close: () => opened.close(),
	};
}

/**
 * A folder in /tmp, which outlives the process in the service: an instance whose process ended begins anew with the same
 * id, and finds its cache. Where several instances share a machine, each has its own.
 */
function openDisk(): Disk {
	const tmp = temporary();
	const thread = isMainThread ? 0 : threadId;
	for (const name of readdirSync(tmp)) {
		const [, pid, of] = OWN.exec(name) ?? [];
		if (pid === undefined || (Number(pid) === process.pid && Number(of) === thread) || isAlive(Number(pid))) continue;
		rmSync(join(tmp, name), { recursive: true, force: true });
	}
	const folder = join(tmp, `gg-lambda-${process.pid}-${thread}`);
	mkdirSync(folder, { recursive: true, mode: 0o700 });
	chmodSync(folder, 0o700);
	return new Disk(folder, Math.floor(roomOf(tmp) * CACHE_SHARE), false);
}

const temporary = (): string => process.env["GG_LAMBDA_TMP"] ?? "/tmp";

/** Bytes, used ones too. */
function roomOf(folder: string): number {
	const { blocks, bsize } = statfsSync(folder);
	return blocks * bsize;
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}
