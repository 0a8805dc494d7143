import { readFileSync } from "node:fs";
import type { Http2Server } from "node:http2";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { WorkerStatus } from "../reapi/messages.js";
import { type Failure, UserError } from "../util/result.js";
import { makeServices, type ServicesOptions } from "./services.js";

export interface WorkerOptions extends ServicesOptions {
	readonly host: string;
	/** 0: any that is free. */
	readonly port: number;
	/** PEM files; undefined: no TLS. */
	readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

export interface Worker {
	readonly port: number;
	status(): WorkerStatus;
	/** Takes no new actions, lets those that were taken end and their outputs be fetched, and closes. */
	drain(): Promise<void>;
	/** Closes at once. */
	close(): void;
}

const LARGEST = 8 << 20;
/** What a client may send before it hears that it came: with the 64 KiB of HTTP/2 one 40 ms away sends 1.6 MB a second. */
const WINDOW = 8 << 20;
/** Milliseconds without a call after which clients have what they waited for, and the most that they are given. */
const QUIET_MS = 1_000;
const FETCHING_MS = 30_000;

/** Starts a worker. Throws a UserError when it may not listen there. */
export async function startWorker(o: WorkerOptions): Promise<Worker> {
	const services = makeServices(o);
	const server = new Server({
		"grpc.max_receive_message_length": LARGEST,
		"grpc.max_send_message_length": LARGEST,
		"grpc.keepalive_time_ms": 60_000,
		"grpc.keepalive_timeout_ms": 20_000,
	});
	server.addService(services.definition, services.handlers);
	const address = `${o.host.includes(":") && !o.host.startsWith("[") ? `[${o.host}]` : o.host}:${o.port}`;
	const credentials =
		o.tls === undefined
			? ServerCredentials.createInsecure()
			: ServerCredentials.createSsl(null, [{ cert_chain: pem(o.tls.cert), private_key: pem(o.tls.key) }]);
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync(address, credentials, (error, bound) => {
			if (error === null) resolve(bound);
			else reject(new UserError(cannotListen(address, error)));
		});
	});
	widen(server);
	return {
		port,
		status: services.status,
		async drain() {
			const { running, queued } = services.operations;
			await services.operations.drain();
			const end = performance.now() + (running + queued > 0 ? FETCHING_MS : 0);
			for (let left = QUIET_MS; left > 0 && performance.now() < end; left = QUIET_MS - services.idle())
				await new Promise((resolve) => setTimeout(resolve, left));
			await new Promise<void>((resolve) => {
				server.tryShutdown(() => resolve());
				// A client that holds its connection open must not keep a worker alive that has nothing to do.
				setTimeout(() => server.forceShutdown(), 2_000).unref();
			});
		},
		close: () => server.forceShutdown(),
	};
}

/** grpc-js has an option for it in clients alone. */
function widen(server: Server): void {
	const servers = server["http2Servers"] as ReadonlyMap<Http2Server, unknown> | undefined;
	// It is none of its promises: without it the pool is slower, from afar.
	for (const listening of servers?.keys() ?? [])
		listening.on("session", (session) => {
			session.settings({ initialWindowSize: WINDOW });
			session.setLocalWindowSize(WINDOW);
		});
}

function pem(path: string): Buffer {
	try {
		return readFileSync(path);
	} catch {
		throw new UserError({
			reason: "bad-credentials",
			message: `cannot read ${path}`,
			hint: "`gg worker --init` makes certificate and token",
		});
	}
}

function cannotListen(address: string, error: Error): Failure {
	const taken = /EADDRINUSE/.test(error.message);
	return {
		reason: "cannot-listen",
		message: taken ? `${address} is in use already` : `cannot listen on ${address}: ${error.message.split("\n")[0]}`,
		hint: "name another address: --listen HOST:PORT",
	};
}
