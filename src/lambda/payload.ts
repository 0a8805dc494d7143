import type { Digest } from "../reapi/messages.js";

/** Grows when a function of one side could misread the other. */
export const PROTOCOL = 3;

/** Bytes that the service takes as a request, and gives as a reply, of a call that waits for its end. */
export const MOST_BYTES = 6 << 20;
/** Room for what is around the bytes in base64. */
const FRAME = 64 << 10;
/** Bytes of a block that fits into one request or reply. */
export const BLOCK_BYTES = Math.floor(((MOST_BYTES - FRAME) * 3) / 4);

/** What the client asks the function. The action and its inputs are named as in the Remote Execution API: HASH/SIZE. */
export interface LambdaRequest {
	readonly protocol: number;
	/** Of the client's gg. */
	readonly version: string;
	/** Empty: the function only says what it is. */
	readonly action: string;
	/** Small blobs, as `packBlobs` makes them, in base64. */
	readonly blobs: string;
	/** Names of blocks in the storage backend, for more than a request holds. */
	readonly blocks: readonly string[];
	/** Blobs that are in the storage backend by themselves, as outputs are that were too large for an answer: HASH/SIZE. */
	readonly objects: readonly string[];
}

/** Where the time of one invocation went, in milliseconds, and how much of its inputs was there already. */
export interface Timings {
	readonly fetch: number;
	readonly stage: number;
	readonly run: number;
	readonly outputs: number;
	readonly fetchedBytes: number;
	readonly knownBytes: number;
	/** Requests to the storage backend, as they are billed. */
	readonly gets: number;
	readonly puts: number;
	/** Invocations that this instance has served, this one too. */
	readonly served: number;
}

export type LambdaReply =
	| {
			readonly kind: "hello";
			readonly protocol: number;
			readonly version: string;
			/** x64 or arm64. */
			readonly arch: string;
			/** The storage backend, without secrets; empty: none is set. */
			readonly storage: string;
			/** Of the function; 0: not told. */
			readonly memoryMb: number;
			/** Bytes of its /tmp. */
			readonly room: number;
			/** Milliseconds that an invocation may take. */
			readonly timeoutMs: number;
	  }
	/**
	 * `result` is an ActionResult in base64, and `blobs` a block of its outputs in base64, empty: none. Outputs that are in neither are in
	 * the storage backend.
	 */
	| { readonly kind: "result"; readonly result: string; readonly blobs: string; readonly timings: Timings }
	/** Neither here nor in the storage backend: HASH/SIZE of each. */
	| { readonly kind: "missing"; readonly blobs: readonly string[]; readonly timings: Timings }
	/**
	 * `storage`: the backend cannot be used. `full`: no room. `late`: the command took longer than the function may. `limit`: longer than the
	 * action may. `memory`: killed, as it is where there is no more. `invalid`: not to be run by anyone.
	 */
	| {
			readonly kind: "failed";
			readonly reason: "storage" | "full" | "late" | "limit" | "memory" | "invalid" | "internal";
			readonly message: string;
			readonly timings: Timings;
	  };

export function nameOfDigest({ hash, sizeBytes }: Digest): string {
	return `${hash}/${sizeBytes}`;
}

/** Undefined for a text that is no HASH/SIZE. */
export function digestNamed(text: unknown): Digest | undefined {
	const match = typeof text === "string" ? /^([0-9a-f]{64})\/(\d{1,15})$/.exec(text) : null;
	return match === null ? undefined : { hash: match[1]!, sizeBytes: Number(match[2]) };
}
