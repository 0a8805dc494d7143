/**
 * The part of AWS Lambda's API that invokes a function, with the function in processes of their own as the service has
 * them: one event at a time in each, a /tmp that stays, and an end in the middle of everything if the test wants one.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { LambdaAdmin } from "./lambda-admin.js";

/** What happens to one call instead of what should. */
export type Fault =
	/** 429, as when the account's limit is reached. */
	| "throttled"
	/** The function's process ends in the middle. */
	| "killed"
	/** The work is done, and the answer never arrives. */
	| "reply-lost"
	/** The event is delivered twice, to two instances. */
	| "twice"
	/** 500 of the service. */
	| "service-error"
	/** The answer is not the function's. */
	| "garbage"
	/** The connection stays open, and nothing comes. */
	| "silent"
	/** As when the caller's clock is an hour late. */
	| "wrong-clock";

export interface LambdaServiceOptions {
	/** Folder for what the instances have as /tmp. */
	readonly folder: string;
	/** dist/lambda.js; undefined: there is no function until one is deployed. */
	readonly bundle?: string;
	/** Runtimes that it does not have. */
	readonly without?: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Milliseconds that the function is told to have. */
	readonly timeoutMs?: number;
	/** Instances at once; beyond it 429 is the answer. */
	readonly most?: number;
	/** Called for each call that is not the first greeting: its number from 0. */
	readonly fault?: (call: number) => Fault | undefined;
	/** The instance `n`, whose /tmp is `tmp`. */
	readonly start?: (n: number, tmp: string, env: Readonly<Record<string, string>>) => ChildProcess;
}

export interface LambdaService {
	readonly endpoint: string;
	/** Calls that the function has answered, and what it answered. */
	readonly replies: readonly { readonly kind: string }[];
	readonly instances: number;
	/** What was asked of the function's making, as METHOD PATH. */
	readonly asked: readonly string[];
	/** The ZIP file that was sent last. */
	code(): Buffer;
	stop(): Promise<void>;
}

interface Instance {
	readonly process: ChildProcess;
	busy: boolean;
}

const PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations/;

export async function startLambdaService(o: LambdaServiceOptions): Promise<LambdaService> {
	const instances = new Set<Instance>();
	const replies: { kind: string }[] = [];
	let started = 0;
	let calls = 0;
	const admin = new LambdaAdmin(o);

	const launch = (): Instance => {
		const n = started++;
		const tmp = join(o.folder, `tmp${n}`);
		mkdirSync(tmp);
		const env = { ...o.env, ...admin.environment, AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "2048" };
		const process =
			o.start?.(n, tmp, env) ??
			fork(join(import.meta.dirname, "../../../test/rig/lambda-instance.cjs"), [admin.bundle], {
				env: { ...env, GG_LAMBDA_TMP: tmp, TMPDIR: tmp },
			});
		const instance = { process, busy: false };
		instances.add(instance);
		process.once("exit", () => instances.delete(instance));
		return instance;
	};

	const deliver = (event: unknown, fault: Fault | undefined): Promise<unknown> => {
		const instance = [...instances].find((i) => !i.busy) ?? launch();
		instance.busy = true;
		return new Promise((resolve) => {
			const ended = (): void => resolve({ error: { errorType: "Runtime.ExitError", errorMessage: "signal: killed" } });
			instance.process.once("exit", ended);
			instance.process.once("message", (answer) => {
				instance.process.off("exit", ended);
				instance.busy = false;
				resolve(answer);
			});
			instance.process.send({ event, deadline: Date.now() + (o.timeoutMs ?? 120_000) });
			if (fault === "killed") instance.process.kill("SIGKILL");
		});
	};

	const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
		const pieces: Buffer[] = [];
		for await (const piece of request) pieces.push(piece as Buffer);
		const say = (status: number, body: unknown, headers: Record<string, string> = {}): void => {
			response.writeHead(status, { "content-type": "application/json", ...headers });
			response.end(typeof body === "string" ? body : JSON.stringify(body));
		};
		const body = Buffer.concat(pieces);
		const name = PATH.exec(request.url ?? "")?.[1];
		if (name === undefined) {
			const { status, answer, type } = admin.answer(request.method ?? "", request.url ?? "", body);
			return say(status, answer, type === undefined ? {} : { "x-amzn-errortype": type });
		}
		if (name !== "gg-lambda-function" || admin.bundle === "")
			return say(404, { Message: `Function not found: ${name}` }, { "x-amzn-errortype": "ResourceNotFoundException" });
		const event = JSON.parse(body.toString()) as { readonly action: string };
		const fault = event.action === "" ? undefined : o.fault?.(calls++);
		const busy = [...instances].filter((i) => i.busy).length;
		if (fault === "throttled" || busy >= (o.most ?? 1000))
			return say(
				429,
				{ Reason: "ConcurrentInvocationLimitExceeded", message: "Rate Exceeded." },
				{
					"x-amzn-errortype": "TooManyRequestsException",
				},
			);
		if (fault === "silent") return;
		if (fault === "wrong-clock") {
			const date = new Date(Date.now() + 3_600_000).toUTCString();
			return say(403, { message: "Signature expired" }, { "x-amzn-errortype": "InvalidSignatureException", date });
		}
		if (fault === "service-error") return say(500, { message: "oops" }, { "x-amzn-errortype": "ServiceException" });
		if (fault === "twice") void deliver(event, undefined);
		const answer = (await deliver(event, fault)) as {
			readonly reply?: { readonly kind: string };
			readonly error?: unknown;
		};
		if (answer.reply !== undefined) replies.push(answer.reply);
		if (fault === "reply-lost") return void response.destroy();
		if (fault === "garbage") return say(200, '{"kind":"result","timings":{}}');
		const log = Buffer.from("REPORT RequestId: x\tDuration: 11.30 ms\tBilled Duration: 12 ms\tMemory Size: 2048 MB\n");
		const headers = { "x-amz-log-result": log.toString("base64") };
		if (answer.error !== undefined) return say(200, answer.error, { ...headers, "x-amz-function-error": "Unhandled" });
		say(200, answer.reply, headers);
	};

	const server = createServer((request, response) => {
		serve(request, response).catch((error: unknown) => response.destroy(error as Error));
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return {
		endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		replies,
		asked: admin.asked,
		code: () => admin.zip,
		get instances() {
			return started;
		},
		async stop() {
			const ends = [...instances].map(
				({ process }) =>
					new Promise<void>((resolve) => {
						process.once("exit", () => resolve());
						process.kill("SIGKILL");
					}),
			);
			server.closeAllConnections();
			await Promise.all([...ends, new Promise((resolve) => server.close(resolve))]);
		},
	};
}
