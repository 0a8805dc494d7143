import { setMaxListeners } from "node:events";
import {
	type CallOptions,
	type ChannelCredentials,
	Client,
	connectivityState,
	credentials,
	Metadata,
	type MetadataOptions,
	type ServiceError,
} from "@grpc/grpc-js";
import { CODE, RETRIES, RemoteError, type RetryPolicy, withRetries } from "../../reapi/errors.js";
import { type Codec, type Method, REQUEST_METADATA, STATUS } from "../../reapi/messages.js";

export interface Counters {
	/** Calls by the method's last name. */
	readonly calls: Map<string, number>;
	bytesSent: number;
	bytesReceived: number;
}

/** Calls of one server, with retries, a deadline and the metadata that every call carries. */
export interface Channel {
	readonly counters: Counters;
	readonly retries: RetryPolicy;
	unary<Q, R>(method: Method<Q, R>, request: Q, options?: CallLimits): Promise<R>;
	/** Calls `each` for each message, and waits for what it answers, which never rejects; resolves at the stream's end. Not repeated. */
	receive<Q, R>(
		method: Method<Q, R>,
		request: Q,
		each: (message: R) => Promise<void> | undefined,
		options?: CallLimits,
	): Promise<void>;
	/** Sends what `messages` yields, as fast as the server takes it. Not repeated. */
	send<Q, R>(method: Method<Q, R>, messages: Iterable<Q>, options?: CallLimits): Promise<R>;
	/** Ends what is under way. */
	close(): void;
}

export interface CallLimits {
	readonly deadlineMs?: number;
	/** Hex digest, for the server's log. */
	readonly actionId?: string;
	/** Ends the call: the server is told. */
	readonly signal?: AbortSignal | undefined;
}

export interface ChannelOptions {
	readonly target: string;
	readonly credentials?: ChannelCredentials;
	/** What the certificate is checked for, if not the host of the target. */
	readonly serverName?: string;
	/** What the server is told that it is called, by TLS alone. */
	readonly tlsName?: string;
	/** Headers beyond those of the protocol; asked for at each call. */
	readonly headers?: () => Promise<Readonly<Record<string, string>>>;
	readonly toolVersion: string;
	readonly invocation: string;
	readonly retries?: RetryPolicy;
	/** Milliseconds that an ordinary call may take. */
	readonly callMs?: number;
	/** Milliseconds without a word from a server after which it is asked whether it is still there. */
	readonly keepaliveMs?: number;
	/** Milliseconds that it has to answer that, or to begin a connection. */
	readonly aliveMs?: number;
}

const METADATA_KEY = "build.bazel.remote.execution.v2.requestmetadata-bin";
const DETAILS_KEY = "grpc-status-details-bin";
const CALL_MS = 60_000;
/** Servers take it ill to be asked much more often. */
const KEEPALIVE_MS = 60_000;
const ALIVE_MS = 20_000;
/** Larger messages are refused before they fill the memory: a batch and its frame fit well. */
const LARGEST = 64 << 20;
/** What a server may send before it hears that it came: with the 64 KiB of HTTP/2 a server 40 ms away sends 1.6 MB a second. */
const WINDOW = 8 << 20;

export function openChannel(o: ChannelOptions): Channel {
	const client = new Client(o.target, o.credentials ?? credentials.createInsecure(), {
		"grpc.max_receive_message_length": LARGEST,
		"grpc.max_send_message_length": LARGEST,
		"grpc-node.flow_control_window": WINDOW,
		// A peer that has gone without a word is found out while a call waits.
		"grpc.keepalive_time_ms": o.keepaliveMs ?? KEEPALIVE_MS,
		"grpc.keepalive_timeout_ms": o.aliveMs ?? ALIVE_MS,
		// Retries are made here, where the status and its details are seen.
		"grpc.enable_retries": 0,
		"grpc.initial_reconnect_backoff_ms": 100,
		"grpc.max_reconnect_backoff_ms": 5_000,
		"grpc.primary_user_agent": `gg/${o.toolVersion}`,
		...(o.tlsName === undefined ? {} : { "grpc.ssl_target_name_override": o.tlsName }),
		...(o.serverName === undefined
			? {}
			: { "grpc.ssl_target_name_override": o.serverName, "grpc.default_authority": o.serverName }),
	});
	const counters: Counters = { calls: new Map(), bytesSent: 0, bytesReceived: 0 };
	// Whoever waits to try again keeps the process, too.
	const closing = new AbortController();
	setMaxListeners(0, closing.signal);
	const given = o.retries ?? RETRIES;
	const retries: RetryPolicy = {
		...given,
		sleep: (ms, signal) =>
			given.sleep(ms, signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])),
	};

	/** Calls whose answers somebody may have given up waiting for. */
	const underWay = new Set<{ cancel(): void }>();

	const begin = async (path: string, limits: CallLimits | undefined): Promise<[Metadata, CallOptions]> => {
		if (closing.signal.aborted) throw new RemoteError(CODE.CANCELLED, "the channel was closed", path);
		const name = path.slice(path.lastIndexOf("/") + 1);
		counters.calls.set(name, (counters.calls.get(name) ?? 0) + 1);
		const metadata = new Metadata({ waitForReady: false } satisfies MetadataOptions);
		const request = {
			toolDetails: { toolName: "gg", toolVersion: o.toolVersion },
			toolInvocationId: o.invocation,
			...(limits?.actionId === undefined ? {} : { actionId: limits.actionId }),
		};
		metadata.set(METADATA_KEY, REQUEST_METADATA.encode(request));
		for (const [key, value] of Object.entries((await o.headers?.()) ?? {})) metadata.set(key, value);
		return [metadata, { deadline: Date.now() + (limits?.deadlineMs ?? o.callMs ?? CALL_MS) }];
	};
	/** A peer that accepts a connection and never speaks would hold a call for as long as that may take. */
	const connected = async (path: string): Promise<void> => {
		const channel = client.getChannel();
		const ms = o.aliveMs ?? ALIVE_MS;
		for (const end = Date.now() + ms; ; ) {
			const state = channel.getConnectivityState(true);
			if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return;
			await new Promise<void>((resolve, reject) => {
				const late = new RemoteError(CODE.UNAVAILABLE, `no connection within ${ms / 1000} s`, path);
				channel.watchConnectivityState(state, end, (error) => (error ? reject(late) : resolve()));
			});
		}
	};
	const sent = (bytes: Buffer): Buffer => {
		counters.bytesSent += bytes.length;
		return bytes;
	};
	const received = <T>(method: { readonly response: Codec<T> }, bytes: Buffer): T => {
		counters.bytesReceived += bytes.length;
		return method.response.decode(bytes);
	};

	return {
		counters,
		retries,
		unary: (method, request, limits) =>
			withRetries(retries, async () => {
				const [metadata, options] = await begin(method.path, limits);
				return new Promise((resolve, reject) => {
					const call = client.makeUnaryRequest(
						method.path,
						(q: typeof request) => sent(method.request.encode(q)),
						(b) => received(method, b),
						request,
						metadata,
						options,
						(error, response) => {
							underWay.delete(call);
							if (error !== null) reject(remoteError(error, method.path));
							else resolve(response!);
						},
					);
					underWay.add(call);
				});
			}),
		receive: async (method, request, each, limits) => {
			await connected(method.path);
			const [metadata, options] = await begin(method.path, limits);
			return new Promise((resolve, reject) => {
				const call = client.makeServerStreamRequest(
					method.path,
					(q: typeof request) => sent(method.request.encode(q)),
					(b) => received(method, b),
					request,
					metadata,
					options,
				);
				const cancel = (): void => call.cancel();
				limits?.signal?.addEventListener("abort", cancel, { once: true });
				underWay.add(call);
				let failure: unknown;
				call.on("data", (message) => {
					if (failure !== undefined) return;
					try {
						const full = each(message);
						if (full === undefined) return;
						call.pause();
						void full.then(() => call.resume());
					} catch (error) {
						failure = error;
						call.cancel();
					}
				});
				call.on("error", (error: ServiceError) => {
					underWay.delete(call);
					limits?.signal?.removeEventListener("abort", cancel);
					reject(failure ?? remoteError(error, method.path));
				});
				call.on("end", () => {
					underWay.delete(call);
					limits?.signal?.removeEventListener("abort", cancel);
					if (failure === undefined) resolve();
				});
				if (limits?.signal?.aborted === true) cancel();
			});
		},
		send: async (method, messages, limits) => {
			const [metadata, options] = await begin(method.path, limits);
			return new Promise((resolve, reject) => {
				const iterator = messages[Symbol.iterator]();
				let over = false;
				const call = client.makeClientStreamRequest(
					method.path,
					(q: Parameters<typeof method.request.encode>[0]) => sent(method.request.encode(q)),
					(b) => received(method, b),
					metadata,
					options,
					(error, response) => {
						over = true;
						underWay.delete(call);
						if (error !== null) reject(remoteError(error, method.path));
						else resolve(response!);
					},
				);
				underWay.add(call);
				// A server that has enough ends the call; what is still written then has nowhere to go.
				call.on("error", () => {
					over = true;
				});
				const pump = (): void => {
					try {
						while (!over) {
							const next = iterator.next();
							if (next.done === true) {
								call.end();
								return;
							}
							if (!call.write(next.value)) {
								call.once("drain", pump);
								return;
							}
						}
					} catch (error) {
						call.cancel();
						reject(error);
					}
				};
				pump();
			});
		},
		close() {
			closing.abort();
			// A call that is open keeps the process, whatever becomes of the channel.
			for (const call of underWay) call.cancel();
			client.close();
		},
	};
}

function remoteError(error: ServiceError, method: string): RemoteError {
	const details: { typeUrl: string; value: Buffer }[] = [];
	for (const bytes of error.metadata?.get(DETAILS_KEY) ?? []) {
		try {
			if (Buffer.isBuffer(bytes)) details.push(...STATUS.decode(bytes).details);
		} catch {
			// Not the status it should be.
		}
	}
	return new RemoteError(error.code ?? CODE.UNKNOWN, error.details || error.message, method, details);
}
