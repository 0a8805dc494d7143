import type { Execution, ExecutionFailure } from "../../executor/types.js";
import { CODE, RemoteError } from "../../reapi/errors.js";
import { isInside } from "../../thunk/codec.js";
import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { UserError } from "../../util/result.js";
import { allBlobs, type RemoteAction } from "../action/action.js";
import { BlobGone } from "../action/blob.js";
import { digestOfObject, type Folder } from "../action/merkle.js";
import { isRelocatable } from "../action/relocatable.js";
import type { RemoteOutcome } from "../action/results.js";
import type { Declined, Engine, Turn } from "../types.js";
import { Ahead } from "./ahead.js";
import type { Channel } from "./channel.js";
import { connect, type ReapiOptions } from "./client.js";
import { executeAction } from "./execute.js";
import { failureOf } from "./failures.js";

export interface ReapiEngine extends Engine {
	readonly channel: Channel;
	/** True for an output that was left on the server. */
	keeps(hash: ObjectHash): boolean;
	/** Puts what the server has into the store; rejects with what the server says. */
	bring(hash: ObjectHash): Promise<void>;
	close(): void;
}

/** What was made ready for a thunk. */
type Begun =
	| { readonly kind: "twin"; readonly twin: string }
	| { readonly kind: "known"; readonly outcome: RemoteOutcome }
	| { readonly kind: "sent"; readonly root: Folder; readonly action: RemoteAction };

/** So many of the thunks that wait are made ready, at least. */
const LEAST_AHEAD = 32;
/** How often an action's blobs are sent again because the server says that it lacks some. */
const UPLOADS = 3;
/** Milliseconds for which a server that cannot be reached is not asked again. */
const DOWN_MS = 30_000;

/** Runs thunks on a server of the Remote Execution API v2. Asks first what it can; throws a UserError when that is not enough. */
export async function openReapi(o: ReapiOptions): Promise<ReapiEngine> {
	const client = await connect(o, "execution");
	const { endpoint } = o;
	const { cas, channel, roots, kept, running } = client;
	const now = o.now ?? Date.now;
	let down: { readonly until: number; readonly message: string } | undefined;
	let noNamespace = "";

	/** Up to the point where it could be executed: looked up, and its inputs sent. */
	async function begin(hash: ObjectHash, thunk: Thunk): Promise<Begun> {
		const twin = thunk.cwd === "" ? undefined : roots.twin(thunk);
		if (twin !== undefined) return { kind: "twin", twin };
		const { root, action } = client.actionOf(hash, thunk);
		const outcome = await client.recall(thunk, action);
		if (outcome !== undefined) return { kind: "known", outcome };
		await send(root, action);
		return { kind: "sent", root, action };
	}

	async function send(root: Folder, action: RemoteAction): Promise<void> {
		const { blobs, done } = roots.unsent(root, { has: cas.has });
		await cas.ensure(allBlobs(action, blobs));
		done();
	}

	const ahead = new Ahead(Math.max(LEAST_AHEAD, o.jobs), begin);

	async function run(
		hash: ObjectHash,
		thunk: Thunk,
		{ signal, free }: Turn & { readonly signal: AbortSignal },
	): Promise<RemoteOutcome | Declined> {
		const begun = await ahead.take(hash, thunk);
		if (begun.kind === "known") return begun.outcome;
		if (begun.kind === "twin") {
			const message = `${begun.twin} is there twice, and #pragma once tells files apart by their times, which a server does not keep`;
			return declined({ reason: "remote", message });
		}
		const { root, action } = begun;
		for (let uploads = 1; ; uploads++) {
			try {
				const { result, remembered } = await executeAction(client.executing, action.digest, {
					inline: client.inlineFor(thunk),
					signal,
				});
				// The worker is done with it; what it came to is still to be fetched.
				if (result.exitCode === 0) free?.();
				return await client.take(thunk, result, remembered);
			} catch (error) {
				if (!(error instanceof RemoteError) || uploads >= UPLOADS || !lacksBlobs(error)) throw error;
				roots.forget();
				cas.forget(error.missing.length > 0 ? error.missing : blobsOf(root, action));
				await send(root, action);
			}
		}
	}

	function blobsOf(root: Folder, action: RemoteAction): string[] {
		return allBlobs(action, roots.unsent(root).blobs).map((b) => b.digest.hash);
	}

	function withComing({ fetching, ...execution }: Exclude<RemoteOutcome, { kind: "not-run" }>): Execution {
		if (fetching === undefined) return execution;
		const coming = fetching.then(
			() => undefined,
			(error: unknown) => {
				const failure = failureOf(endpoint, error);
				if (isDown(error)) down = { until: now() + DOWN_MS, message: failure.message };
				return failure;
			},
		);
		coming.catch(() => undefined);
		return { ...execution, coming } as Execution;
	}

	return {
		name: "reapi",
		jobs: o.jobs,
		channel,
		close() {
			// A stream that is open keeps the process, whatever becomes of the channel.
			for (const controller of running) controller.abort();
			channel.close();
		},
		takesNames: o.early === true,
		keeps: (hash) => kept.has(hash),
		async bring(hash) {
			o.objects.put(await cas.fetch(digestOfObject(hash)));
		},
		refuses(thunk) {
			if (thunk.cwd === "" && !hasSafeNames(thunk)) return "it names files outside the folder that it runs in";
			if (thunk.envars.some((line) => line.startsWith("GG_CPU=")))
				return "it is for this machine's processor (-march=native)";
			if (thunk.cwd !== "" && thunk.executables[0] === undefined) return "it names no program";
			if (noNamespace !== "" && !isRelocatable(thunk)) return noNamespace;
			return down !== undefined && now() < down.until ? down.message : "";
		},
		weigh: (thunk) => roots.weigh(thunk),
		prepare(hash, thunk, weight = 0) {
			if (down === undefined || now() >= down.until) ahead.plan(hash, thunk, weight);
		},
		async execute(hash, thunk, { signal, free } = {}) {
			if (down !== undefined && now() < down.until) return declined({ reason: "remote", message: down.message });
			const controller = new AbortController();
			signal?.addEventListener("abort", () => controller.abort());
			running.add(controller);
			try {
				const outcome = await run(hash, thunk, { signal: controller.signal, ...(free === undefined ? {} : { free }) });
				if (outcome.kind === "declined") return outcome;
				down = undefined;
				const unbelieved = doubtOf(outcome);
				if (unbelieved !== undefined)
					return declined({ ...unbelieved, message: `${endpoint.target}: ${unbelieved.message}` });
				if (outcome.kind !== "not-run") return withComing(outcome);
				if (outcome.why.startsWith("this worker allows no namespace")) noNamespace = outcome.why;
				return declined({ reason: "remote", message: `${endpoint.target}: ${outcome.why}` });
			} catch (error) {
				const lost = error instanceof BlobGone && thunk.values.some((v) => kept.has(v.hash));
				const failure = failureOf(endpoint, lost ? lostIntermediate(error) : error);
				if (isDown(error)) {
					down = { until: now() + DOWN_MS, message: failure.message };
				}
				return declined(failure);
			} finally {
				running.delete(controller);
			}
		},
	};
}

function hasSafeNames(thunk: Thunk): boolean {
	const names = [...thunk.outputs, ...thunk.links.map((l) => l.name), thunk.outputDir];
	return names.every((name) => name === "" || isInside(name));
}

/** Ends that say more about the server than about the command: without its outputs, or killed, for memory as a rule. */
function doubtOf(outcome: RemoteOutcome): ExecutionFailure | undefined {
	if (outcome.kind === "impossible") return outcome.failure;
	const status = outcome.kind === "finished" ? outcome.result.status : 0;
	if (status <= 128 || status > 128 + LAST_SIGNAL) return undefined;
	return { reason: "remote", message: `the command was killed there by signal ${status - 128}` };
}

const LAST_SIGNAL = 64;

/** Whoever says so after all attempts is left alone for a while. */
function isDown(error: unknown): boolean {
	// Without a token there is no use in asking.
	if (error instanceof UserError) return true;
	if (!(error instanceof RemoteError)) return false;
	const { code, method } = error;
	// No answer to a question that takes a moment says as much as no connection; a full disk fails what comes next, too.
	const quick = method !== "" && !/Execut/.test(method);
	return code === CODE.UNAVAILABLE || (quick && (code === CODE.DEADLINE_EXCEEDED || code === CODE.RESOURCE_EXHAUSTED));
}

/** REAPI says FAILED_PRECONDITION with the blobs; the reference server says NOT_FOUND. */
function lacksBlobs(error: RemoteError): boolean {
	return error.missing.length > 0 || error.code === CODE.FAILED_PRECONDITION || error.code === CODE.NOT_FOUND;
}

function lostIntermediate(error: BlobGone): RemoteError {
	return new RemoteError(CODE.NOT_FOUND, `the server has lost sha256 ${error.digest.hash}, which it made; force again`);
}

function declined(failure: ExecutionFailure): Declined {
	return { kind: "declined", failure };
}
