import { type Any, PRECONDITION_FAILURE, RETRY_INFO, type Status } from "./messages.js";

/** gRPC's status codes, by their names. */
export const CODE = {
	OK: 0,
	CANCELLED: 1,
	UNKNOWN: 2,
	INVALID_ARGUMENT: 3,
	DEADLINE_EXCEEDED: 4,
	NOT_FOUND: 5,
	ALREADY_EXISTS: 6,
	PERMISSION_DENIED: 7,
	RESOURCE_EXHAUSTED: 8,
	FAILED_PRECONDITION: 9,
	ABORTED: 10,
	OUT_OF_RANGE: 11,
	UNIMPLEMENTED: 12,
	INTERNAL: 13,
	UNAVAILABLE: 14,
	DATA_LOSS: 15,
	UNAUTHENTICATED: 16,
} as const;

const NAMES = new Map<number, string>(Object.entries(CODE).map(([name, code]) => [code, name]));

export function nameOfCode(code: number): string {
	return NAMES.get(code) ?? `code ${code}`;
}

/** A call that a server, or the way to it, has refused. */
export class RemoteError extends Error {
	readonly code: number;
	/** Milliseconds after which the server wants to be asked again; undefined when it does not say. */
	readonly retryAfter: number | undefined;
	/** Hex digests of blobs that the server misses. */
	readonly missing: readonly string[];
	/** What the call was about, as `/package.Service/Method`, or empty. */
	readonly method: string;

	readonly #details: readonly Any[];

	constructor(code: number, message: string, method = "", details: readonly Any[] = []) {
		super(message);
		this.#details = details;
		this.code = code;
		this.method = method;
		const { retryAfter, missing } = readDetails(details);
		this.retryAfter = retryAfter;
		this.missing = missing;
	}

	/** FAILED_PRECONDITION: `subjects` are `blobs/HASH/SIZE`. */
	static lacking(subjects: readonly string[]): RemoteError {
		const violations = subjects.map((subject) => ({ type: "MISSING", subject, description: "" }));
		const value = PRECONDITION_FAILURE.encode({ violations });
		const details = [{ typeUrl: "type.googleapis.com/google.rpc.PreconditionFailure", value }];
		return new RemoteError(CODE.FAILED_PRECONDITION, `${subjects.length} blobs are missing`, "", details);
	}

	/** As a message. */
	get status(): Status {
		return { code: this.code, message: this.message, details: this.#details };
	}

	static of(status: Status, method: string): RemoteError {
		return new RemoteError(status.code, status.message, method, status.details);
	}
}

function readDetails(details: readonly Any[]): {
	retryAfter: number | undefined;
	missing: string[];
} {
	let retryAfter: number | undefined;
	const missing: string[] = [];
	for (const { typeUrl, value } of details) {
		try {
			if (typeUrl.endsWith("/google.rpc.RetryInfo")) {
				const delay = RETRY_INFO.decode(value).retryDelay;
				if (delay) retryAfter = delay.seconds * 1000 + delay.nanos / 1e6;
			} else if (typeUrl.endsWith("/google.rpc.PreconditionFailure")) {
				for (const { type, subject } of PRECONDITION_FAILURE.decode(value).violations) {
					// `blobs/HASH/SIZE`, some servers with the instance's name in front.
					const hash = /(?:^|\/)blobs\/(?:[a-z0-9_]+\/)?([0-9a-f]{64})\/\d+$/.exec(subject)?.[1];
					if (type === "MISSING" && hash !== undefined) missing.push(hash);
				}
			}
		} catch {
			// A detail that cannot be read says nothing more than the status itself.
		}
	}
	return { retryAfter, missing };
}

/** True when the same call may succeed a little later. */
export function isTransient(error: RemoteError): boolean {
	// A message that is too long will be as long the next time.
	if (/^(?:Received|Sent|Attempted to send) message larger/.test(error.message)) return false;
	switch (error.code) {
		case CODE.UNAVAILABLE:
		case CODE.RESOURCE_EXHAUSTED:
		case CODE.ABORTED:
		// Of a server that is shut down; whoever cancels a call himself knows it.
		case CODE.CANCELLED:
			return true;
		case CODE.INTERNAL:
		case CODE.UNKNOWN:
			// What proxies and HTTP/2 make of a connection that broke.
			return /RST_STREAM|GOAWAY|ECONNRESET|connection|stream/i.test(error.message);
		default:
			return error.retryAfter !== undefined;
	}
}

export interface RetryPolicy {
	/** How often a call is made at most. */
	readonly attempts: number;
	/** Milliseconds before the second attempt; doubled for each further one, up to `most`. */
	readonly first: number;
	readonly most: number;
	/** Milliseconds after which no further attempt begins, whatever a server asks for; no limit where it is left out. */
	readonly within?: number;
	/** In [0, 1): where in the interval a delay lies. */
	readonly random: () => number;
	/** Shorter when the signal comes. */
	readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const RETRIES: RetryPolicy = {
	attempts: 6,
	first: 100,
	most: 10_000,
	random: Math.random,
	sleep: (ms, signal) =>
		new Promise((resolve) => {
			const end = (): void => {
				clearTimeout(timer);
				signal?.removeEventListener("abort", end);
				resolve();
			};
			const timer = setTimeout(end, ms);
			signal?.addEventListener("abort", end);
			if (signal?.aborted === true) end();
		}),
};

/** Before attempt `n` (1 is the second): half to all of the exponential step, or what the server asks for and a little. */
export function delayBefore(n: number, retryAfter: number | undefined, policy: RetryPolicy): number {
	const step = Math.min(policy.most, policy.first * 2 ** (n - 1));
	if (retryAfter !== undefined) return Math.min(60_000, retryAfter) + policy.random() * policy.first;
	return step / 2 + (policy.random() * step) / 2;
}

/** Calls until it succeeds, fails for good, or has been tried often enough. */
export async function withRetries<T>(policy: RetryPolicy, call: (attempt: number) => Promise<T>): Promise<T> {
	const end = performance.now() + (policy.within ?? Number.POSITIVE_INFINITY);
	for (let attempt = 0; ; attempt++) {
		try {
			return await call(attempt);
		} catch (error) {
			if (!(error instanceof RemoteError) || !isTransient(error) || attempt + 1 >= policy.attempts) throw error;
			const delay = delayBefore(attempt + 1, error.retryAfter, policy);
			if (performance.now() + delay > end) throw error;
			await policy.sleep(delay);
		}
	}
}
