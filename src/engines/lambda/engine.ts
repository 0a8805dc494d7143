import { hash as hashOf } from "node:crypto";
import type { Execution, ExecutionFailure } from "../../executor/types.js";
import { objectOf } from "../../lambda/names.js";
import {
	digestNamed,
	type LambdaReply,
	type LambdaRequest,
	nameOfDigest,
	PROTOCOL,
	type Timings,
} from "../../lambda/payload.js";
import { CODE, RemoteError } from "../../reapi/errors.js";
import { ACTION_RESULT, type ActionResult, type Digest } from "../../reapi/messages.js";
import { unpackBlobsAside } from "../../storage/block.js";
import type { Requests, Storage } from "../../storage/types.js";
import type { ObjectStore } from "../../store/types.js";
import { type ObjectHash, sizeOfHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { ok, UserError } from "../../util/result.js";
import { allBlobs, makeAction } from "../action/action.js";
import { BlobGone, check } from "../action/blob.js";
import { Collision, digestOfObject, type Folder } from "../action/merkle.js";
import { type ModesOptions, modeOf } from "../action/modes.js";
import { isRelocatable } from "../action/relocatable.js";
import { takeResult } from "../action/results.js";
import { InputRoots, TreeMissing } from "../action/roots.js";
import type { Declined, Engine } from "../types.js";
import { type Carried, Carrier } from "./blobs.js";
import { costOf, type Usage } from "./cost.js";
import type { Invoker } from "./invoker.js";
import { Throttle } from "./throttle.js";
import { Turns } from "./turns.js";

export interface LambdaOptions extends ModesOptions {
	/** How the function is called where people read it. */
	readonly name: string;
	readonly jobs: number;
	readonly invoker: Invoker;
	readonly storage: Storage;
	/** The storage backend, without secrets. */
	readonly storageName: string;
	readonly objects: ObjectStore;
	/** What is refused runs on this machine: then so does what would take longer to send. */
	readonly near: boolean;
	/** The runner's program. */
	readonly runner: string;
	/** gg-view.so. */
	readonly view: string;
	/** Milliseconds, for thunks that name no limit; 0 is none. */
	readonly timeoutMs: number;
	readonly version: string;
	/** Milliseconds since some moment. */
	readonly now: () => number;
	readonly after: (ms: number, then: () => void) => void;
	readonly random: () => number;
	/** Lets what else there is to do have its turn. */
	readonly others: () => Promise<void>;
}

export interface LambdaEngine extends Engine {
	/** What the run has used and, in US dollars, about cost; `more` was asked of the storage backend by others. */
	spent(more?: Readonly<Requests>): {
		readonly usage: Readonly<Usage>;
		readonly dollars: number;
		readonly timings: Readonly<Spent>;
	};
	close(): void;
}

/** Sums over all invocations that answered. */
type Spent = Record<"fetch" | "stage" | "run" | "outputs" | "fetchedBytes" | "knownBytes" | "cold", number>;

/** How often a function that failed is asked again, after how many milliseconds, and how often one that lacks blobs is given them. */
const ATTEMPTS = 3;
const FIRST_RETRY_MS = 200;
const ROUNDS = 4;
/** Milliseconds for the first answer, and that the service may take beside the function's own time. */
export const HELLO_MS = 20_000;
const AROUND_MS = 15_000;
/** Milliseconds for which the account may have no room at all before the thunk goes elsewhere. */
const NO_ROOM_MS = 60_000;
/** Bytes of a link's or an archive's inputs that only this machine has, from which on it runs here: there is more to send than to do. */
const TO_SEND = 16 << 20;
/** Of the function's /tmp: beside the inputs there stand what it keeps, and the outputs. */
const ROOM_SHARE = 0.4;

/** Runs thunks on AWS Lambda. Asks the function first what it is; throws a UserError when it is not one of this gg's. */
export async function openLambda(o: LambdaOptions): Promise<LambdaEngine> {
	/** Requests to the storage backend: the function's, by its own words. */
	const usage: Usage = { invocations: 0, billedMs: 0, puts: 0, gets: 0 };
	const timings: Spent = { fetch: 0, stage: 0, run: 0, outputs: 0, fetchedBytes: 0, knownBytes: 0, cold: 0 };
	const throttle = new Throttle({ most: o.jobs, now: o.now, after: o.after, random: o.random });
	const roots = new InputRoots({ files: o.files, objects: o.objects, modes: o.modes, runner: o.runner, view: o.view });
	const closing = new AbortController();
	/** A server of the user's own asks nothing for a request. */
	const isBilled = o.storageName.startsWith("s3:");
	const carrier = new Carrier(o.storage);
	const turns = new Turns({ now: o.now, others: o.others });
	const declined = (message: string, hint?: string): Declined => {
		const failure: ExecutionFailure = { reason: "remote", message: `${o.name}: ${message}` };
		return { kind: "declined", failure: hint === undefined ? failure : { ...failure, hint } };
	};
	/** Asks until there is an answer that is one; every other end is a Declined. */
	async function ask(request: LambdaRequest, limitMs: number, unwanted: AbortSignal): Promise<LambdaReply | Declined> {
		const payload = Buffer.from(JSON.stringify(request));
		for (let attempt = 1; ; ) {
			await throttle.begin();
			if (unwanted.aborted) {
				throttle.end("done");
				return declined(UNWANTED);
			}
			const started = o.now();
			const invoked = await o.invoker.invoke(payload, limitMs, unwanted);
			throttle.end(invoked.kind === "throttled" ? "refused" : "done");
			if (invoked.kind === "throttled") {
				if (throttle.refusedFor > NO_ROOM_MS) return declined(`the service has no room: ${invoked.message}`, LIMITS);
				continue;
			}
			usage.invocations += 1;
			if (invoked.kind === "refused") return declined(invoked.message, invoked.hint);
			usage.billedMs += invoked.billedMs ?? Math.ceil(o.now() - started);
			if (invoked.kind === "reply") {
				const reply = soundReply(invoked.reply);
				if (reply !== undefined) return reply;
			}
			if (attempt < ATTEMPTS) {
				// What many meet together they do not all meet again together.
				const wait = FIRST_RETRY_MS * 2 ** (attempt - 1) * (0.5 + o.random() / 2);
				await new Promise<void>((resolve) => o.after(wait, resolve));
				attempt += 1;
				continue;
			}
			return invoked.kind === "broken"
				? declined(invoked.message, NO_MEMORY.test(invoked.message) ? MORE_MEMORY : BROKEN)
				: declined("the function's answer is none of gg's", UPDATE);
		}
	}

	const greeting = { protocol: PROTOCOL, version: o.version, action: "", blobs: "", blocks: [], objects: [] };
	const hello = await ask(greeting, HELLO_MS, closing.signal);
	const func = usable(hello, o);

	async function run(hash: ObjectHash, thunk: Thunk, unwanted: AbortSignal): Promise<Execution | Declined> {
		await turns.next(roots.weigh(thunk));
		if (unwanted.aborted) return declined(UNWANTED);
		const root = roots.build(thunk, hash);
		const size = sizeOf(root);
		if (size > func.room * ROOM_SHARE)
			return declined(
				`its inputs have ${megabytes(size)}, too much for the function's /tmp of ${megabytes(func.room)}`,
				MORE_TMP,
			);
		const action = makeAction(hash, thunk, root.digest, { platform: [], timeoutMs: o.timeoutMs });
		const wanted = allBlobs(action, roots.unsent(root, { all: true }).blobs);
		for (let round = 1; round <= ROUNDS; round++) {
			if (unwanted.aborted) return declined(UNWANTED);
			const carried: Carried = await carrier.carry(wanted);
			const request = {
				protocol: PROTOCOL,
				version: o.version,
				action: nameOfDigest(action.digest),
				blobs: carried.inline.toString("base64"),
				blocks: carried.blocks,
				objects: carried.objects.map((blob) => nameOfDigest(blob.digest)),
			};
			const reply = await ask(request, func.timeoutMs + AROUND_MS, unwanted);
			if (reply.kind === "declined") return reply;
			if (reply.kind === "hello") return declined("the function is of another version of gg", UPDATE);
			count(reply.timings);
			if (reply.kind === "result") return take(thunk, reply);
			if (reply.kind === "failed") {
				const hint = HINTS.get(reply.reason === "limit" && thunk.timeout > 0 ? "own limit" : reply.reason);
				return declined(reply.reason === "storage" ? `in the function, ${reply.message}` : reply.message, hint);
			}
			// What was stored and is not there any more is stored again.
			carrier.forget(new Set(reply.blobs.map((name) => digestNamed(name)?.hash ?? "")), carried);
		}
		return declined(
			`the function, which keeps files in ${func.storage}, does not find what was put into ${o.storageName}`,
			STORAGE,
		);
	}

	async function take(thunk: Thunk, reply: Result): Promise<Execution | Declined> {
		const result = decoded(reply.result);
		const block = Buffer.from(reply.blobs, "base64");
		const came = block.length === 0 ? ok([]) : await unpackBlobsAside(block);
		if (result === undefined || !came.ok) return declined("the function's answer is none of gg's", UPDATE);
		const inBlock = new Map(came.value.map((bytes) => [hashOf("sha256", bytes, "hex"), bytes]));
		const fetch = async (digest: Digest, given?: Buffer): Promise<Buffer> => {
			if (given !== undefined) return check(given, digest);
			const held = inBlock.get(digest.hash);
			if (held?.length === digest.sizeBytes) return held;
			if (digest.sizeBytes === 0) return check(Buffer.alloc(0), digest);
			const bytes = await o.storage.get(objectOf(digest));
			if (bytes === undefined) throw new RemoteError(CODE.NOT_FOUND, `an output is not in ${o.storageName}`);
			carrier.stored(digest.hash);
			return bytes;
		};
		const outcome = await takeResult(thunk, result, {
			cas: { fetch },
			objects: o.objects,
			modeOf: (of, tag, executable) => modeOf(o, of, tag, executable),
		});
		if (outcome.kind === "not-run") return declined(outcome.why);
		if (outcome.kind !== "finished") return outcome;
		const holds = outcome.result.outputs.map(({ hash }) => hash).filter((h) => inBlock.has(digestOfObject(h).hash));
		return {
			...outcome,
			place: { remembered: false, at: `on ${o.name}`, why: "" },
			...(holds.length === came.value.length ? { packed: { block, holds: new Set(holds) } } : {}),
		};
	}

	function count(t: Timings): void {
		for (const phase of ["fetch", "stage", "run", "outputs", "fetchedBytes", "knownBytes"] as const)
			timings[phase] += t[phase];
		if (t.served === 1) timings.cold += 1;
		usage.gets += t.gets;
		usage.puts += t.puts;
	}

	/** Bytes of its own inputs that no function can have yet. */
	function toSend(thunk: Thunk): number {
		const own = thunk.values.filter(({ name }) => name.startsWith("/") && !o.files.isSystem(name));
		const unsent = new Set(own.map(({ hash }) => hash).filter((hash) => !carrier.has(digestOfObject(hash).hash)));
		return [...unsent].reduce((sum, hash) => sum + sizeOfHash(hash), 0);
	}

	return {
		name: "lambda",
		jobs: o.jobs,
		spent(more = { gets: 0, puts: 0 }) {
			const { gets, puts } = o.storage.requests;
			const all = { ...usage, gets: usage.gets + gets + more.gets, puts: usage.puts + puts + more.puts };
			return { usage: all, dollars: costOf(isBilled ? all : { ...all, puts: 0, gets: 0 }, func), timings };
		},
		close() {
			closing.abort();
			o.invoker.close();
		},
		weigh: (thunk) => roots.weigh(thunk),
		refuses(thunk) {
			if (thunk.cwd === "") return "AWS Lambda runs no thunks in the original's form";
			if (thunk.envars.some((line) => line.startsWith("GG_CPU=")))
				return "it is for this machine's processor (-march=native)";
			if (!isRelocatable(thunk))
				return "only compiles and links by gcc and g++, nasm, ar and ranlib are known to give the same bytes on AWS Lambda";
			const unsent = o.near && !thunk.args.includes("-c") ? toSend(thunk) : 0;
			return unsent > TO_SEND
				? `it needs ${megabytes(unsent)} that are here and not in ${o.storageName}: sending them would take longer than it does`
				: "";
		},
		async execute(hash, thunk, { signal } = {}) {
			try {
				const twin = roots.twin(thunk);
				if (twin !== undefined)
					return declined(`${twin} is there twice, and #pragma once tells files apart by their times`);
				return await run(
					hash,
					thunk,
					signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
				);
			} catch (error) {
				return declined(...wordsOf(error));
			}
		},
	};
}

const LIMITS = "ask for fewer jobs, or for a larger limit of concurrent executions";
const BROKEN = "look at the function's log, and check the region and the endpoint: gg lambda status";
const UPDATE = "bring it up to date: gg lambda update";
const MORE_TMP = "give it a larger one: gg lambda deploy --tmp MB";
const MORE_MEMORY = "give it more memory: gg lambda deploy --memory MB";
/** What the service says of a function that had too little. */
const NO_MEMORY = /\bRuntime\.OutOfMemory\b|\bsignal: killed\b/;
const UNWANTED = "nobody waits for it any more";
/** What to do about a failure in the function. */
const HINTS: ReadonlyMap<string, string> = new Map([
	["full", MORE_TMP],
	["late", "give it more time: gg lambda deploy --timeout SECONDS"],
	["limit", "give it more time: --timeout SECONDS of this command, or GG_FORCE_TIMEOUT"],
	["own limit", "the limit is the thunk's own: make it with a larger --timeout"],
	["memory", MORE_MEMORY],
	["storage", "the function's role, or the key in its GG_STORAGE_URI, must be allowed to read and write there"],
]);
const STORAGE = "GG_STORAGE_URI must name the same storage backend here and in the function";

type Hello = Extract<LambdaReply, { kind: "hello" }>;
type Result = Extract<LambdaReply, { kind: "result" }>;

/** What the function is; throws a UserError for one that cannot work with this gg. */
function usable(reply: LambdaReply | Declined, o: LambdaOptions): Hello {
	const bad = (message: string, hint?: string) =>
		new UserError({
			reason: "unusable-function",
			message: `${o.name}: ${message}`,
			...(hint === undefined ? {} : { hint }),
		});
	if (reply.kind === "declined") throw new UserError(reply.failure);
	if (reply.kind !== "hello") throw bad("the function's answer is none of gg's", UPDATE);
	if (reply.protocol !== PROTOCOL)
		throw bad(
			`the function is of gg ${reply.version} (protocol ${reply.protocol}), and this is gg ${o.version} (protocol ${PROTOCOL})`,
			reply.protocol < PROTOCOL ? UPDATE : "use the gg that it was deployed with, or bring it down: gg lambda update",
		);
	if (reply.arch !== process.arch)
		throw bad(
			`the function runs on ${reply.arch}, and the tools here are for ${process.arch}`,
			"deploy it anew: gg lambda deploy --arch",
		);
	if (reply.storage === "") throw bad("the function has no storage backend", "deploy it with GG_STORAGE_URI set");
	return reply;
}

/** Checks what came from the function before anything is made of it. */
function soundReply(reply: unknown): LambdaReply | undefined {
	if (typeof reply !== "object" || reply === null) return undefined;
	const { kind, timings } = reply as { readonly kind?: unknown; readonly timings?: unknown };
	const r = reply as Record<string, unknown>;
	const texts = (...names: string[]): boolean => names.every((name) => typeof r[name] === "string");
	const numbers = (of: unknown, ...names: string[]): boolean =>
		typeof of === "object" &&
		of !== null &&
		names.every(
			(name) =>
				Number.isFinite((of as Record<string, unknown>)[name]) && Number((of as Record<string, unknown>)[name]) >= 0,
		);
	if (kind === "hello")
		return texts("version", "arch", "storage") && numbers(r, "protocol", "memoryMb", "room", "timeoutMs")
			? (reply as LambdaReply)
			: undefined;
	if (!numbers(timings, "fetch", "stage", "run", "outputs", "fetchedBytes", "knownBytes", "gets", "puts", "served"))
		return undefined;
	if (kind === "result") return texts("result", "blobs") ? (reply as LambdaReply) : undefined;
	if (kind === "failed") return texts("reason", "message") ? (reply as LambdaReply) : undefined;
	if (kind === "missing") return Array.isArray(r["blobs"]) ? (reply as LambdaReply) : undefined;
	return undefined;
}

function decoded(text: string): ActionResult | undefined {
	try {
		return ACTION_RESULT.decode(Buffer.from(text, "base64"));
	} catch {
		return undefined;
	}
}

/** What is said of an error on the way; throws what is none of the services'. */
function wordsOf(error: unknown): [message: string, hint?: string] {
	if (error instanceof RemoteError) return [error.message];
	if (error instanceof BlobGone || error instanceof TreeMissing)
		return [error.message, "infer the build again: gg infer make"];
	if (error instanceof Collision)
		return [`${error.message} is a file and a folder at once, which no input root can hold`];
	if (!(error instanceof UserError) || error.failure.reason !== "storage") throw error;
	const { message, hint } = error.failure;
	return hint === undefined ? [message] : [message, hint];
}

const sizes = new WeakMap<Folder, number>();

/** Bytes of all files in a folder and below it. */
function sizeOf(folder: Folder): number {
	let size = sizes.get(folder);
	if (size === undefined) {
		size = 0;
		for (const { hash } of folder.files.values()) size += sizeOfHash(hash);
		for (const child of folder.folders.values()) size += sizeOf(child);
		sizes.set(folder, size);
	}
	return size;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
