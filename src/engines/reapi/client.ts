import { randomUUID } from "node:crypto";
import { CODE, RETRIES, RemoteError, type RetryPolicy } from "../../reapi/errors.js";
import { type ActionResult, METHODS, type ServerCapabilities, SHA256, ZSTD } from "../../reapi/messages.js";
import type { ObjectStore } from "../../store/types.js";
import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { UserError } from "../../util/result.js";
import { zstd } from "../../util/zstd.js";
import { makeAction, outputName, outputsOf, type RemoteAction } from "../action/action.js";
import type { Folder } from "../action/merkle.js";
import { type ModesOptions, modeOf } from "../action/modes.js";
import { type RemoteOutcome, type ResultOptions, takeResult } from "../action/results.js";
import { InputRoots } from "../action/roots.js";
import { type Cas, openCas } from "./cas.js";
import { type Channel, openChannel } from "./channel.js";
import { channelSecurity } from "./credentials.js";
import type { Endpoint } from "./endpoint.js";
import { cachedAction, type ExecuteOptions } from "./execute.js";
import { unreachable } from "./failures.js";

export interface ReapiOptions extends ModesOptions {
	readonly endpoint: Endpoint;
	readonly jobs: number;
	readonly objects: ObjectStore;
	/** The runner's program. */
	readonly runner: string;
	/** gg-view.so. */
	readonly view: string;
	/** Milliseconds, for thunks that name no limit; 0 is none. */
	readonly timeoutMs: number;
	readonly version: string;
	/** Outputs stay on the server; `bring` fetches one. */
	readonly keeps?: boolean;
	/** What thunks come to is told as soon as it is known by name, while its bytes are still being fetched. */
	readonly early?: boolean;
	readonly retries?: RetryPolicy;
	/** Milliseconds since some moment. */
	readonly now?: () => number;
}

/** Milliseconds for the first answer of a server, and for any that is no action's end. */
const HELLO_MS = 20_000;
const CALL_MS = 60_000;
/** An upload takes its time, however soon an action is given up. */
const LEAST_CALL_MS = 5_000;

/** What a server is wanted for: to run thunks, or only to keep what they came to. */
export type Use = "execution" | "cache";

/** One server: how it is asked, what it has, and the actions that thunks are for it. */
export interface Client {
	readonly channel: Channel;
	readonly cas: Cas;
	/** One for each thunk that is under way. */
	readonly running: Set<AbortController>;
	readonly roots: InputRoots;
	readonly executing: ExecuteOptions;
	readonly capabilities: ServerCapabilities;
	/** Outputs that were left on the server. */
	readonly kept: ReadonlySet<ObjectHash>;
	actionOf(hash: ObjectHash, thunk: Thunk): { readonly root: Folder; readonly action: RemoteAction };
	/** Names of the outputs that are wanted with the answer, which saves asking for them. */
	inlineFor(thunk: Thunk): readonly string[];
	/** What the action came to earlier; undefined when the server does not know, or has lost an output. */
	recall(thunk: Thunk, action: RemoteAction): Promise<RemoteOutcome | undefined>;
	/** Fetches what an action came to, and says where that was. */
	take(thunk: Thunk, result: ActionResult, remembered: boolean): Promise<RemoteOutcome>;
}

/** Throws a UserError when certificates or tokens cannot be had. Nobody is asked yet. */
export async function channelTo(endpoint: Endpoint, version: string, retries?: RetryPolicy): Promise<Channel> {
	return openChannel({
		target: endpoint.target,
		...(await channelSecurity(endpoint)),
		toolVersion: version,
		invocation: randomUUID(),
		callMs: Math.min(CALL_MS, Math.max(LEAST_CALL_MS, endpoint.deadline * 1000)),
		retries: { ...(retries ?? RETRIES), within: Math.max(LEAST_CALL_MS, endpoint.deadline * 1000) },
	});
}

/** Asks a server what it can; throws a UserError when that is not enough. */
export async function connect(o: ReapiOptions, use: Use): Promise<Client> {
	const { endpoint } = o;
	const channel = await channelTo(endpoint, o.version, o.retries);
	try {
		return clientOf(o, channel, await ask(channel, endpoint, use));
	} catch (error) {
		channel.close();
		throw error;
	}
}

async function ask(channel: Channel, endpoint: Endpoint, use: Use): Promise<ServerCapabilities> {
	let capabilities: ServerCapabilities;
	try {
		capabilities = await channel.unary(
			METHODS.getCapabilities,
			{ instanceName: endpoint.instance },
			{ deadlineMs: Math.min(HELLO_MS, endpoint.deadline * 1000) },
		);
	} catch (error) {
		if (error instanceof RemoteError) throw new UserError(unreachable(endpoint, error));
		throw error;
	}
	const problem = unusable(capabilities, use);
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

/** Why a server with these capabilities cannot run thunks, or keep what they came to. */
export function unusable(
	{ executionCapabilities, cacheCapabilities, lowApiVersion, highApiVersion }: ServerCapabilities,
	use: Use = "execution",
): string | undefined {
	if (!executionCapabilities && !cacheCapabilities)
		return "does not say what it can do: it is no server of the Remote Execution API";
	if (lowApiVersion && lowApiVersion.major > 2)
		return `speaks version ${lowApiVersion.major} of the Remote Execution API, and gg speaks 2`;
	if (highApiVersion && highApiVersion.major < 2)
		return `speaks version ${highApiVersion.major} of the Remote Execution API, and gg speaks 2`;
	if (use === "execution" && executionCapabilities?.execEnabled !== true) return "does not execute: it is a cache only";
	if (use === "cache" && !cacheCapabilities) return "has no cache";
	const functions = executionCapabilities
		? [executionCapabilities.digestFunction, ...executionCapabilities.digestFunctions]
		: [SHA256];
	const hashes = cacheCapabilities?.digestFunctions ?? [];
	// 0 is what a server says that does not say.
	if (!functions.includes(SHA256) && functions.some((f) => f !== 0)) return "names blobs by another hash than SHA-256";
	if (hashes.length > 0 && !hashes.includes(SHA256)) return "names blobs by another hash than SHA-256";
	return undefined;
}

function clientOf(o: ReapiOptions, channel: Channel, capabilities: ServerCapabilities): Client {
	const { endpoint } = o;
	const running = new Set<AbortController>();
	const offersZstd = capabilities.cacheCapabilities?.supportedCompressors.includes(ZSTD) === true;
	const cas = openCas({
		channel,
		thunks: () => running.size,
		instance: endpoint.instance,
		maxBatchBytes: capabilities.cacheCapabilities?.maxBatchTotalSizeBytes ?? 0,
		zstd: offersZstd && endpoint.compression === "zstd" ? zstd : undefined,
	});
	const roots = new InputRoots({ files: o.files, objects: o.objects, modes: o.modes, runner: o.runner, view: o.view });
	const executing: ExecuteOptions = {
		channel,
		instance: endpoint.instance,
		priority: endpoint.priority,
		deadlineMs: endpoint.deadline * 1000,
	};
	const kept = new Set<ObjectHash>();
	const taking: ResultOptions = {
		cas,
		objects: o.objects,
		coming: new Map(),
		modeOf: (thunk, tag, executable) => modeOf(o, thunk, tag, executable),
		...(o.keeps === true ? { keep: (hash) => void kept.add(hash) } : {}),
	};
	const take = async (thunk: Thunk, result: ActionResult, remembered: boolean): Promise<RemoteOutcome> => {
		// What is remembered may have lost an output; it is made again then.
		const early = o.early === true && !remembered;
		const outcome = await takeResult(thunk, result, { ...taking, early });
		if (outcome.kind !== "finished") return outcome;
		const worker = result.executionMetadata?.worker ?? "";
		const at = remembered || worker === "" ? `on ${endpoint.target}` : `on ${worker} at ${endpoint.target}`;
		return { ...outcome, place: { remembered, at, why: "" } };
	};
	const inlineFor = (thunk: Thunk): readonly string[] =>
		o.keeps === true ? [] : outputsOf(thunk).map((_, i) => outputName(i));
	return {
		channel,
		cas,
		running,
		roots,
		executing,
		capabilities,
		kept,
		actionOf(hash, thunk) {
			const root = roots.build(thunk, hash);
			const settings = { platform: endpoint.platform, timeoutMs: o.timeoutMs };
			return { root, action: makeAction(hash, thunk, root.digest, settings) };
		},
		inlineFor,
		async recall(thunk, action) {
			const cached = await cachedAction(executing, action.digest, inlineFor(thunk));
			if (cached === undefined) return undefined;
			try {
				const taken = await take(thunk, cached, true);
				return taken.kind === "impossible" ? undefined : taken;
			} catch (error) {
				// The server remembers the result and has lost an output, or never had it: it is made again.
				if (error instanceof RemoteError && error.code === CODE.NOT_FOUND) return undefined;
				throw error;
			}
		},
		take,
	};
}
