import { randomUUID } from "node:crypto";
import type { ExecutionFailure } from "../../executor/types.js";
import { CODE, nameOfCode, RemoteError, type RetryPolicy } from "../../reapi/errors.js";
import { type ActionResult, METHODS, type ServerCapabilities, SHA256 } from "../../reapi/messages.js";
import type { ObjectStore } from "../../store/types.js";
import { isInside } from "../../thunk/codec.js";
import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { UserError } from "../../util/result.js";
import type { Declined, Engine } from "../types.js";
import { allBlobs, makeAction } from "./action.js";
import { BlobGone, openCas } from "./cas.js";
import { type Channel, openChannel } from "./channel.js";
import { channelSecurity } from "./credentials.js";
import type { Endpoint } from "./endpoint.js";
import { cachedAction, type ExecuteOptions, executeAction } from "./execute.js";
import { Collision } from "./merkle.js";
import { type RemoteOutcome, takeResult } from "./results.js";
import { type Files, InputRoots, TreeMissing } from "./roots.js";

export interface ReapiOptions {
	readonly endpoint: Endpoint;
	readonly jobs: number;
	readonly files: Files;
	readonly objects: ObjectStore;
	/** Permission bits of what thunks made, by hash. */
	readonly modes: ReadonlyMap<ObjectHash, number>;
	/** The runner's program. */
	readonly runner: string;
	/** Milliseconds, for thunks that name no limit; 0 is none. */
	readonly timeoutMs: number;
	readonly version: string;
	/** Permission bits of a file of this machine; undefined when it is not there. */
	readonly modeOfFile: (path: string) => number | undefined;
	readonly retries?: RetryPolicy;
	/** Milliseconds since some moment. */
	readonly now?: () => number;
}

export interface ReapiEngine extends Engine {
	readonly channel: Channel;
	close(): void;
}

/** How often an action's blobs are sent again because the server says that it lacks some. */
const UPLOADS = 3;
/** Milliseconds for which a server that cannot be reached is not asked again. */
const DOWN_MS = 30_000;

/** Runs thunks on a server of the Remote Execution API v2. Asks first what it can; throws a UserError when that is not enough. */
export async function openReapi(o: ReapiOptions): Promise<ReapiEngine> {
	const { endpoint } = o;
	const security = await channelSecurity(endpoint);
	const channel = openChannel({
		target: endpoint.target,
		...security,
		toolVersion: o.version,
		invocation: randomUUID(),
		...(o.retries === undefined ? {} : { retries: o.retries }),
	});
	try {
		const capabilities = await ask(channel, endpoint);
		return engineOf(o, channel, capabilities);
	} catch (error) {
		channel.close();
		throw error;
	}
}

async function ask(channel: Channel, endpoint: Endpoint): Promise<ServerCapabilities> {
	let capabilities: ServerCapabilities;
	try {
		capabilities = await channel.unary(
			METHODS.getCapabilities,
			{ instanceName: endpoint.instance },
			{ deadlineMs: 20_000 },
		);
	} catch (error) {
		if (error instanceof RemoteError) throw new UserError(unreachable(endpoint, error));
		throw error;
	}
	const problem = unusable(capabilities);
	if (problem !== undefined) {
		const message = `the server ${endpoint.target} ${problem}`;
		throw new UserError({
			reason: "unusable-server",
			message,
			hint: "name another server, or another instance: grpcs://HOST:PORT/INSTANCE",
		});
	}
	return capabilities;
}

/** Why a server with these capabilities cannot run thunks. */
export function unusable({
	executionCapabilities,
	cacheCapabilities,
	lowApiVersion,
	highApiVersion,
}: ServerCapabilities): string | undefined {
	if (!executionCapabilities && !cacheCapabilities)
		return "does not say what it can do: it is no server of the Remote Execution API";
	if (lowApiVersion && lowApiVersion.major > 2)
		return `speaks version ${lowApiVersion.major} of the Remote Execution API, and gg speaks 2`;
	if (highApiVersion && highApiVersion.major < 2)
		return `speaks version ${highApiVersion.major} of the Remote Execution API, and gg speaks 2`;
	if (executionCapabilities?.execEnabled !== true) return "does not execute: it is a cache only";
	const functions = [executionCapabilities.digestFunction, ...executionCapabilities.digestFunctions];
	const hashes = cacheCapabilities?.digestFunctions ?? [];
	// 0 is what a server says that does not say.
	if (!functions.includes(SHA256) && functions.some((f) => f !== 0)) return "names blobs by another hash than SHA-256";
	if (hashes.length > 0 && !hashes.includes(SHA256)) return "names blobs by another hash than SHA-256";
	return undefined;
}

function engineOf(o: ReapiOptions, channel: Channel, capabilities: ServerCapabilities): ReapiEngine {
	const { endpoint } = o;
	const now = o.now ?? Date.now;
	const cas = openCas({
		channel,
		instance: endpoint.instance,
		maxBatchBytes: capabilities.cacheCapabilities?.maxBatchTotalSizeBytes ?? 0,
	});
	const roots = new InputRoots({ files: o.files, objects: o.objects, modes: o.modes, runner: o.runner });
	const executing: ExecuteOptions = {
		channel,
		instance: endpoint.instance,
		priority: endpoint.priority,
		deadlineMs: endpoint.deadline * 1000,
	};
	const settings = { platform: endpoint.platform, timeoutMs: o.timeoutMs };
	let down: { readonly until: number; readonly message: string } | undefined;
	let noNamespace = "";

	async function run(hash: ObjectHash, thunk: Thunk): Promise<RemoteOutcome> {
		const root = roots.build(thunk, hash);
		const action = makeAction(hash, thunk, root.digest, settings);
		const take = { cas, objects: o.objects, modeOf: (t: Thunk, tag: string, x: boolean) => modeOf(o, t, tag, x) };
		const cached = await cachedAction(executing, action.digest);
		if (cached !== undefined) {
			try {
				return placed(await takeResult(thunk, cached, take), cached, true);
			} catch (error) {
				// The server remembers the result and has lost an output: it is made again.
				if (!(error instanceof RemoteError) || error.code !== CODE.NOT_FOUND) throw error;
			}
		}
		for (let uploads = 1; ; uploads++) {
			const { blobs, done } = roots.unsent(root);
			await cas.ensure(allBlobs(action, blobs));
			done();
			try {
				const { result, remembered } = await executeAction(executing, action.digest);
				return placed(await takeResult(thunk, result, take), result, remembered);
			} catch (error) {
				if (!(error instanceof RemoteError) || uploads >= UPLOADS || !lacksBlobs(error)) throw error;
				cas.forget(error.missing.length > 0 ? error.missing : allBlobs(action, blobs).map((b) => b.digest.hash));
				roots.forget();
			}
		}
	}

	/** Says where it was made. */
	function placed(outcome: RemoteOutcome, result: ActionResult, remembered: boolean): RemoteOutcome {
		if (outcome.kind !== "finished") return outcome;
		const worker = result.executionMetadata?.worker ?? "";
		const at = remembered || worker === "" ? `on ${endpoint.target}` : `on ${worker} at ${endpoint.target}`;
		return { ...outcome, place: { remembered, at, why: "" } };
	}

	return {
		name: "reapi",
		jobs: o.jobs,
		channel,
		close: () => channel.close(),
		refuses(thunk) {
			if (thunk.cwd === "" && !hasSafeNames(thunk)) return "it names files outside the folder that it runs in";
			if (thunk.envars.some((line) => line.startsWith("GG_CPU=")))
				return "it is for this machine's processor (-march=native)";
			if (thunk.cwd !== "" && thunk.executables[0] === undefined) return "it names no program";
			if (noNamespace !== "") return noNamespace;
			return down !== undefined && now() < down.until ? down.message : "";
		},
		async execute(hash, thunk) {
			if (down !== undefined && now() < down.until) return declined({ reason: "remote", message: down.message });
			try {
				const twin = thunk.cwd === "" ? undefined : roots.twin(thunk);
				if (twin !== undefined) {
					const message = `${twin} is there twice, and #pragma once tells files apart by their times, which a server does not keep`;
					return declined({ reason: "remote", message });
				}
				const outcome = await run(hash, thunk);
				down = undefined;
				if (outcome.kind !== "not-run") return outcome;
				if (outcome.why.startsWith("this worker allows no namespace")) noNamespace = outcome.why;
				return declined({ reason: "remote", message: `${endpoint.target}: ${outcome.why}` });
			} catch (error) {
				const failure = failureOf(endpoint, error);
				if (error instanceof RemoteError && error.code === CODE.UNAVAILABLE) {
					down = { until: now() + DOWN_MS, message: failure.message };
				}
				return declined(failure);
			}
		},
	};
}

function hasSafeNames(thunk: Thunk): boolean {
	const names = [...thunk.outputs, ...thunk.links.map((l) => l.name), thunk.outputDir];
	return names.every((name) => name === "" || isInside(name));
}

/** REAPI says FAILED_PRECONDITION with the blobs; the reference server says NOT_FOUND. */
function lacksBlobs(error: RemoteError): boolean {
	return error.missing.length > 0 || error.code === CODE.FAILED_PRECONDITION || error.code === CODE.NOT_FOUND;
}

/** The protocol tells only whether a file may be executed: the rest follows from the umask, or from the file that is rewritten. */
function modeOf(o: ReapiOptions, thunk: Thunk, tag: string, executable: boolean): number {
	const created = (executable ? 0o777 : 0o666) & ~thunk.umask;
	const path = thunk.outputPaths.find((p) => p.tag === tag)?.path ?? "";
	// strip and objcopy give their output the mode of their input.
	const copies = /(?:strip|objcopy)[-.0-9]*$/.test(thunk.executables[0]?.name ?? "");
	const like = thunk.inout.includes(path) ? path : copies ? thunk.values[0]?.name : undefined;
	if (like === undefined) return created;
	const input = thunk.values.find((v) => v.name === like);
	const made = input === undefined ? undefined : o.modes.get(input.hash);
	return made ?? (o.files.get(like)?.hash === input?.hash ? o.modeOfFile(like) : undefined) ?? created;
}

function failureOf(endpoint: Endpoint, error: unknown): ExecutionFailure {
	if (error instanceof RemoteError) {
		const call = error.method === "" ? "" : ` (${error.method.slice(error.method.lastIndexOf("/") + 1)})`;
		return {
			reason: "remote",
			message: `${endpoint.target}: ${nameOfCode(error.code)}: ${error.message}${call}`,
			...hintOf(error),
		};
	}
	if (error instanceof BlobGone || error instanceof TreeMissing) {
		return { reason: "input-changed", message: error.message, hint: "infer the build again: gg infer make" };
	}
	if (error instanceof Collision)
		return {
			reason: "remote",
			message: `${error.message} is a file and a folder at once, which no input root can hold`,
		};
	throw error;
}

function hintOf(error: RemoteError): { readonly hint?: string } {
	switch (error.code) {
		case CODE.UNAUTHENTICATED:
			return { hint: "name a file with a valid token: token-file=FILE in the endpoint, or GG_REAPI_TOKEN_FILE" };
		case CODE.PERMISSION_DENIED:
			return { hint: "the token is known and may not do this: ask for one that may execute" };
		case CODE.UNAVAILABLE:
			return {
				hint: "check that the server is up, and that its address, grpc:// or grpcs://, and certificate are right",
			};
		default:
			return {};
	}
}

function unreachable(endpoint: Endpoint, error: RemoteError) {
	const failure = failureOf(endpoint, error);
	if (error.code === CODE.UNIMPLEMENTED)
		return {
			reason: "unusable-server",
			message: `the server ${endpoint.target} is no server of the Remote Execution API`,
		};
	return { ...failure, message: `cannot use the server ${failure.message}` };
}

function declined(failure: ExecutionFailure): Declined {
	return { kind: "declined", failure };
}
