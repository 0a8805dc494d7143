import { CODE, delayBefore, isTransient, RemoteError } from "../../reapi/errors.js";
import {
	type ActionResult,
	type Digest,
	EXECUTE_RESPONSE,
	type ExecuteResponse,
	METHODS,
	type Operation,
} from "../../reapi/messages.js";
import type { Channel } from "./channel.js";

export interface ExecuteOptions {
	readonly channel: Channel;
	readonly instance: string;
	readonly priority: number;
	/** Milliseconds that the client waits for one action in all. */
	readonly deadlineMs: number;
	readonly now?: () => number;
}

export interface Executed {
	readonly result: ActionResult;
	/** The server says that it had it already. */
	readonly remembered: boolean;
}

/** A server that answers and breaks off again and again is given up, even while it makes a little progress each time. */
const MOST_BREAKS = 20;

/** What the server's action cache has; undefined when it has nothing. `inline`: outputs wanted in the answer itself. */
export async function cachedAction(
	o: ExecuteOptions,
	digest: Digest,
	inline: readonly string[] = [],
): Promise<ActionResult | undefined> {
	try {
		return await o.channel.unary(
			METHODS.getActionResult,
			{
				instanceName: o.instance,
				actionDigest: digest,
				inlineStdout: true,
				inlineStderr: true,
				inlineOutputFiles: inline,
			},
			{ actionId: digest.hash },
		);
	} catch (error) {
		if (error instanceof RemoteError && error.code === CODE.NOT_FOUND) return undefined;
		throw error;
	}
}

/**
 * Has an action executed, all of whose blobs the server has. A stream that breaks is taken up again by WaitExecution; an
 * operation that the server has forgotten is asked for anew. Throws a RemoteError, with the blobs that are missing if the
 * server says so. CANCELLED after the signal. `inline`: as for cachedAction.
 */
export async function executeAction(
	o: ExecuteOptions,
	digest: Digest,
	{ inline = [], signal }: { readonly inline?: readonly string[]; readonly signal?: AbortSignal } = {},
): Promise<Executed> {
	const now = o.now ?? Date.now;
	const end = now() + o.deadlineMs;
	const { retries } = o.channel;
	let name = "";
	let breaks = 0;
	let ends = 0;
	for (let failures = 0; ; ) {
		const left = end - now();
		if (left <= 0) throw overdue(o);
		let last: Operation | undefined;
		const each = (operation: Operation): undefined => {
			if (operation.name !== "") name = operation.name;
			// The server is at work: earlier failures say nothing about it any more.
			failures = 0;
			last = operation;
		};
		const limits = { deadlineMs: left, actionId: digest.hash, signal };
		try {
			if (name === "") {
				const request = {
					instanceName: o.instance,
					actionDigest: digest,
					inlineStdout: true,
					inlineStderr: true,
					inlineOutputFiles: inline,
					...(o.priority === 0 ? {} : { executionPolicy: { priority: o.priority } }),
				};
				await o.channel.receive(METHODS.execute, request, each, limits);
			} else await o.channel.receive(METHODS.waitExecution, { name }, each, limits);
			if (last?.done === true) return resultOf(last);
			throw new RemoteError(CODE.UNAVAILABLE, "the stream ended before the action did", METHODS.execute.path);
		} catch (error) {
			if (!(error instanceof RemoteError) || signal?.aborted === true) throw error;
			if (error.code === CODE.DEADLINE_EXCEEDED && now() >= end - 50 && error.method !== "") throw overdue(o);
			const forgotten =
				error.method === METHODS.waitExecution.path &&
				(error.code === CODE.NOT_FOUND || error.code === CODE.UNIMPLEMENTED || error.code === CODE.INVALID_ARGUMENT);
			if (!forgotten && !isTransient(error)) throw error;
			// An operation that has ended, with a failure that may pass, is no use to wait for.
			if (forgotten || error.method === "") name = "";
			if (error.method === "") ends += 1;
			failures += 1;
			breaks += 1;
			if (Math.max(failures, ends) >= retries.attempts || breaks >= MOST_BREAKS) throw error;
			const delay = Math.min(
				delayBefore(Math.max(failures, ends), error.retryAfter, retries),
				Math.max(0, end - now()),
			);
			await retries.sleep(delay, signal);
		}
	}
}

function overdue(o: ExecuteOptions): RemoteError {
	return new RemoteError(CODE.DEADLINE_EXCEEDED, `no answer within ${o.deadlineMs / 1000} s`, METHODS.execute.path);
}

function resultOf(operation: Operation): Executed {
	if (operation.error && operation.error.code !== CODE.OK) throw RemoteError.of(operation.error, "");
	let response: ExecuteResponse;
	try {
		if (!operation.response) throw new Error("no response");
		response = EXECUTE_RESPONSE.decode(operation.response.value);
	} catch {
		throw new RemoteError(CODE.DATA_LOSS, "the operation is done and holds no answer");
	}
	if (response.status && response.status.code !== CODE.OK) throw RemoteError.of(response.status, "");
	if (!response.result) throw new RemoteError(CODE.DATA_LOSS, "the operation is done and holds no result");
	return { result: response.result, remembered: response.cachedResult };
}
