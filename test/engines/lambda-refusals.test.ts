/** What a user is told where AWS Lambda refuses, or the function is not one of this gg's: one sentence, and what to do. */
import { strict as assert } from "node:assert";
import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { FunctionAdmin } from "../../src/engines/lambda/deploy.js";
import { type LambdaOptions, openLambda } from "../../src/engines/lambda/engine.js";
import { type Invoked, lambdaInvoker } from "../../src/engines/lambda/invoker.js";
import { PROTOCOL } from "../../src/lambda/payload.js";
import { UserError } from "../../src/util/result.js";
import { type Answer, answering } from "../rig/answering.js";

const NAME = "gg-lambda-function";
const SECRET = "s3cr3t";
const AWS = { AWS_ACCESS_KEY_ID: "KEY", AWS_SECRET_ACCESS_KEY: SECRET, AWS_REGION: "us-east-1" };

const LOG = Buffer.from("REPORT RequestId: x Billed Duration: 12 ms").toString("base64");

/** What Signature Version 4 wants a request's signature to be. */
function signatureOf({ method, url, headers }: IncomingMessage, body: Buffer): string {
	const [, scope = "", names = ""] = /Credential=KEY\/(\S+), SignedHeaders=(\S+),/.exec(headers.authorization!)!;
	const sha = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
	const hmac = (key: string | Buffer, data: string): Buffer => createHmac("sha256", key).update(data).digest();
	const lines = names.split(";").map((name) => `${name}:${headers[name]}\n`);
	const path = url!.split("/").map(encodeURIComponent).join("/");
	const canonical = [method, path, "", lines.join(""), names, sha(body)].join("\n");
	const key = scope.split("/").reduce((from: string | Buffer, part) => hmac(from, part), `AWS4${SECRET}`);
	return hmac(key, ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, sha(canonical)].join("\n")).toString("hex");
}

describe("AWS Lambda's service", () => {
	const before = { ...process.env };
	beforeEach(() => void Object.assign(process.env, AWS));
	afterEach(() => {
		process.env = { ...before };
	});

	const refusal = (status: number, code: string, message = "no"): Answer => ({
		status,
		headers: { "content-type": "application/json", "x-amzn-errortype": code },
		body: JSON.stringify({ Message: message, message }),
	});
	const CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and check the clock";
	const refused = (message: string, hint: string): Invoked => ({ kind: "refused", message, hint });
	const INVOKED: Readonly<Record<string, readonly [Answer, Invoked]>> = {
		"a wrong key": [
			refusal(403, "UnrecognizedClientException"),
			refused("the service does not accept the credentials (UnrecognizedClientException)", CREDENTIALS),
		],
		"a wrong secret, or a clock of which nothing is known": [
			refusal(403, "InvalidSignatureException"),
			refused("the service does not accept the credentials (InvalidSignatureException)", CREDENTIALS),
		],
		"credentials that have expired": [
			refusal(403, "ExpiredTokenException"),
			refused("the credentials have expired", "sign in again"),
		],
		"a role without permission to invoke": [
			refusal(403, "AccessDeniedException", "User: arn is not authorized to perform: lambda:InvokeFunction"),
			refused(`the credentials may not invoke ${NAME}`, "allow them lambda:InvokeFunction"),
		],
		"a function, or a region, that is another": [
			refusal(404, "ResourceNotFoundException"),
			refused(`there is no function ${NAME}`, "make it: gg lambda deploy; or name another one or another region"),
		],
		"a request that is too large": [
			refusal(413, "RequestTooLargeException"),
			refused("the request is larger than the 6 MB that AWS Lambda takes", "use another engine for this thunk"),
		],
		"an account that has no room": [
			refusal(429, "TooManyRequestsException", "Rate Exceeded."),
			{ kind: "throttled", message: "Rate Exceeded." },
		],
		"a state that it cannot be invoked in": [
			refusal(409, "ResourceConflictException", "the function is being updated"),
			refused(
				"the service refuses (409 ResourceConflictException: the function is being updated)",
				"look at the function's settings",
			),
		],
	};
	for (const [claim, [answer, expected]] of Object.entries(INVOKED))
		for (const before of [0, 1])
			it(`is told in one sentence${before > 0 ? " after a call that it took" : ""}: ${claim}`, () =>
				answering(
					(n) => (n < before ? { status: 200, body: "{}" } : answer),
					async (endpoint) => {
						const invoker = lambdaInvoker({ region: "us-east-1", name: NAME, endpoint }, 1);
						try {
							for (let n = 0; n < before; n++)
								assert.equal((await invoker.invoke(Buffer.from("{}"), 10_000)).kind, "reply");
							const invoked = await invoker.invoke(Buffer.from("{}"), 10_000);
							assert.deepEqual(invoked, expected);
							assert.ok(!JSON.stringify(invoked).includes(SECRET));
						} finally {
							invoker.close();
						}
					},
				));

	it("may fail, or say nothing that is understood, and what it says is told in one line", () =>
		answering(
			(n) =>
				[
					{ status: 200, body: "{}" },
					refusal(502, "ServiceException:http://internal.amazon.com/x", "oops"),
					{ status: 503, body: "<html>" },
					{ status: 429, body: "slow down", headers: {} },
				][n]!,
			async (endpoint) => {
				const invoker = lambdaInvoker({ region: "us-east-1", name: NAME, endpoint }, 1);
				try {
					const said = [];
					for (let n = 0; n < 4; n++) said.push(await invoker.invoke(Buffer.from("{}"), 10_000));
					const fails = (code: string) => `the service cannot be reached or fails (${code})`;
					assert.deepEqual(said, [
						{ kind: "reply", reply: {}, billedMs: undefined },
						{ kind: "broken", message: fails("ServiceException"), billedMs: 0 },
						{ kind: "broken", message: fails("UnknownError"), billedMs: 0 },
						{ kind: "throttled", message: "" },
					]);
				} finally {
					invoker.close();
				}
			},
		));

	it("is sent requests that are signed, each with its own time and content, for a function of any name", async () => {
		const seen: { readonly request: IncomingMessage; readonly body: Promise<Buffer> }[] = [];
		await answering(
			(_, request) => {
				const body = new Promise<Buffer>((resolve) => {
					const pieces: Buffer[] = [];
					request.on("data", (piece: Buffer) => pieces.push(piece)).on("end", () => resolve(Buffer.concat(pieces)));
				});
				seen.push({ request, body });
				return { status: 200, body: `{"n":${seen.length}}`, headers: { "x-amz-log-result": LOG } };
			},
			async (endpoint) => {
				const invoker = lambdaInvoker({ region: "eu-west-1", name: "big:7", endpoint }, 1);
				try {
					for (let n = 1; n <= 3; n++)
						assert.deepEqual(await invoker.invoke(Buffer.from(`{"call":${n}}`), 10_000), {
							kind: "reply",
							reply: { n },
							billedMs: 12,
						});
				} finally {
					invoker.close();
				}
			},
		);
		for (const [i, { request, body }] of seen.entries()) {
			assert.equal((await body).toString(), `{"call":${i + 1}}`);
			const { authorization = "", "x-amz-log-type": log, "content-type": type } = request.headers;
			assert.deepEqual(
				[request.method, request.url, log, type],
				["POST", "/2015-03-31/functions/big%3A7/invocations", "Tail", "application/octet-stream"],
			);
			assert.match(authorization, /Credential=KEY\/\d{8}\/eu-west-1\/lambda\/aws4_request,/);
			assert.equal(/Signature=([0-9a-f]{64})$/.exec(authorization)?.[1], signatureOf(request, await body));
		}
		assert.ok(seen[0]!.request.headers["amz-sdk-request"] !== undefined, "the first is the SDK's");
		assert.ok(seen[1]!.request.headers["amz-sdk-request"] === undefined, "the others are not");
	});

	const DEPLOYED: Readonly<Record<string, readonly [Answer, message: RegExp, hint: string]>> = {
		"a role that may not be passed on": [
			refusal(403, "AccessDeniedException", "not authorized to perform: iam:PassRole"),
			/^the credentials may not do this to gg-lambda-function \(not authorized to perform: iam:PassRole\)$/,
			"allow them lambda:* on this function, and iam:PassRole on its role",
		],
		"a quota for code that is used up": [
			refusal(400, "CodeStorageExceededException", "Code storage limit exceeded"),
			/^the account has no room for more code$/,
			"remove functions, or versions, that are not needed",
		],
		"a wrong secret": [
			refusal(403, "InvalidSignatureException"),
			/^the service does not accept the credentials \(InvalidSignatureException\)$/,
			CREDENTIALS,
		],
	};
	for (const [claim, [answer, message, hint]] of Object.entries(DEPLOYED)) {
		it(`is told in one sentence by gg lambda: ${claim}`, () =>
			answering(
				() => answer,
				async (endpoint) => {
					const address = { region: "us-east-1", name: NAME, endpoint };
					const admin = new FunctionAdmin({ address, told: () => {}, dryRun: false, pause: async () => {} });
					try {
						await admin.destroy();
						assert.fail("it was not refused");
					} catch (error) {
						if (!(error instanceof UserError)) throw error;
						assert.match(error.failure.message, message);
						assert.equal(error.failure.hint, hint);
					} finally {
						admin.close();
					}
				},
			));
	}
});

describe("a function that is not one of this gg's", () => {
	const HELLO = { kind: "hello", protocol: PROTOCOL, version: "0.9.0", arch: process.arch, storage: "s3://bucket/" };
	const NUMBERS = { memoryMb: 2048, room: 2 ** 29, timeoutMs: 900_000 };
	const WRONG: Readonly<Record<string, readonly [reply: unknown, message: string, hint: string]>> = {
		"an older version": [
			{ ...HELLO, ...NUMBERS, protocol: PROTOCOL - 1 },
			`AWS Lambda: the function is of gg 0.9.0 (protocol ${PROTOCOL - 1}), and this is gg 1.0.0 (protocol ${PROTOCOL})`,
			"bring it up to date: gg lambda update",
		],
		"a newer version": [
			{ ...HELLO, ...NUMBERS, protocol: PROTOCOL + 1 },
			`AWS Lambda: the function is of gg 0.9.0 (protocol ${PROTOCOL + 1}), and this is gg 1.0.0 (protocol ${PROTOCOL})`,
			"use the gg that it was deployed with, or bring it down: gg lambda update",
		],
		"another processor": [
			{ ...HELLO, ...NUMBERS, arch: "mips" },
			`AWS Lambda: the function runs on mips, and the tools here are for ${process.arch}`,
			"deploy it anew: gg lambda deploy --arch",
		],
		"no storage backend": [
			{ ...HELLO, ...NUMBERS, storage: "" },
			"AWS Lambda: the function has no storage backend",
			"deploy it with GG_STORAGE_URI set",
		],
		"another function": [
			{ statusCode: 200, body: "hello" },
			"AWS Lambda: the function's answer is none of gg's",
			"bring it up to date: gg lambda update",
		],
	};
	for (const [claim, [reply, message, hint]] of Object.entries(WRONG)) {
		it(`is refused in one sentence: ${claim}`, async () => {
			const invoker = { invoke: async (): Promise<Invoked> => ({ kind: "reply", reply, billedMs: 1 }), close() {} };
			const runner = import.meta.filename;
			// Nothing else is looked at before the function has said what it is.
			const options = { name: "AWS Lambda", jobs: 1, invoker, runner, view: runner, version: "1.0.0" };
			const rest = {
				now: () => 0,
				after: (_: number, then: () => void) => then(),
				random: () => 0,
				storageName: "s3://bucket/",
			};
			await assert.rejects(openLambda({ ...options, ...rest } as unknown as LambdaOptions), (error: unknown) => {
				assert.ok(error instanceof UserError);
				assert.deepEqual([error.failure.message, error.failure.hint], [message, hint]);
				return true;
			});
		});
	}
});
