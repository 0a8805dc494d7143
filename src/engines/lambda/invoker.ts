import { withoutAdvice } from "../../util/aws.js";
import type { LambdaAddress } from "./address.js";
import { type Answered, Calls } from "./calls.js";
import { InvokeCommand, LambdaClient } from "./lambda-client.js";

/** What one call of the function came to. */
export type Invoked =
	/** `billedMs`: as the service's log says; undefined when it does not. */
	| { readonly kind: "reply"; readonly reply: unknown; readonly billedMs: number | undefined }
	/** Too many at once: asked again later. */
	| { readonly kind: "throttled"; readonly message: string }
	/** The function, or the way to it, failed in a way that may pass. */
	| { readonly kind: "broken"; readonly message: string; readonly billedMs: number | undefined }
	/** Asking again cannot help. */
	| { readonly kind: "refused"; readonly message: string; readonly hint?: string };

export interface Invoker {
	/** Gives up after `limitMs` milliseconds, and when nobody waits any more. */
	invoke(payload: Buffer, limitMs: number, unwanted?: AbortSignal): Promise<Invoked>;
	close(): void;
}

const CONNECT_MS = 10_000;

/** Calls the function by the service's own API, and waits for its end. */
export function lambdaInvoker({ region, name, endpoint }: LambdaAddress, most: number): Invoker {
	// Node would keep only 256 of them, and the others would be made anew.
	const agent = { maxSockets: most, maxFreeSockets: most, keepAlive: true };
	const client = withoutAdvice(
		() =>
			new LambdaClient({
				...(region === "" ? {} : { region }),
				...(endpoint === "" ? {} : { endpoint }),
				// Who asks knows better when to ask again.
				maxAttempts: 1,
				requestHandler: {
					connectionTimeout: CONNECT_MS,
					httpsAgent: agent,
					httpAgent: agent,
				},
			}),
	);
	const calls = new Calls(client);
	/** By the SDK as a whole, which knows what each refusal means. */
	async function ask(Payload: Buffer, abortSignal: AbortSignal): Promise<Invoked> {
		const answer = await client.send(new InvokeCommand({ FunctionName: name, Payload, LogType: "Tail" }), {
			abortSignal,
		});
		return replyOf(textOf(answer.Payload), answer.LogResult, answer.FunctionError);
	}
	async function call(payload: Buffer, abortSignal: AbortSignal): Promise<Invoked> {
		const { status, headers, body } = await calls.make(payload, abortSignal);
		if (status === 200) return replyOf(body.toString(), headers["x-amz-log-result"], headers["x-amz-function-error"]);
		// A refusal costs nothing to have again, from whom all of it is understood; what may pass is asked again later.
		return status === 429 || status >= 500 ? refusalOf(name, failed(status, headers, body)) : ask(payload, abortSignal);
	}
	return {
		async invoke(payload, limitMs, unwanted) {
			const limit = new AbortController();
			const stop = (): void => limit.abort();
			let isLate = false;
			const timer = setTimeout(() => {
				isLate = true;
				stop();
			}, limitMs);
			unwanted?.addEventListener("abort", stop);
			if (unwanted?.aborted === true) stop();
			try {
				return await (calls.canMake ? call : ask)(payload, limit.signal);
			} catch (error) {
				if (unwanted?.aborted === true) return { kind: "refused", message: "nobody waits for it any more" };
				if (isLate)
					return { kind: "broken", message: `no answer within ${Math.round(limitMs / 1000)} s`, billedMs: limitMs };
				return refusalOf(name, error);
			} finally {
				clearTimeout(timer);
				unwanted?.removeEventListener("abort", stop);
			}
		},
		close: () => client.destroy(),
	};
}

function replyOf(text: string, tail: string | undefined, functionError: string | undefined): Invoked {
	const log = Buffer.from(tail ?? "", "base64").toString();
	const billed = /Billed Duration: (\d+) ms/.exec(log)?.[1];
	const billedMs = billed === undefined ? undefined : Number(billed);
	if (functionError !== undefined) return { kind: "broken", message: crashed(text), billedMs };
	try {
		return { kind: "reply", reply: JSON.parse(text), billedMs };
	} catch {
		return { kind: "broken", message: "the function's answer is no JSON", billedMs };
	}
}

/** As the SDK would say it. */
function failed(status: number, headers: Answered["headers"], body: Buffer): unknown {
	let message = "";
	try {
		const said = JSON.parse(body.toString()) as { readonly message?: unknown; readonly Message?: unknown } | null;
		message = String(said?.message ?? said?.Message ?? "");
	} catch {
		// Whoever stands between has its own words.
	}
	const code = /^[A-Za-z]+/.exec(headers["x-amzn-errortype"] ?? "")?.[0] ?? "UnknownError";
	return { name: code, message, $metadata: { httpStatusCode: status } };
}

function textOf(bytes: Uint8Array | undefined): string {
	return bytes === undefined ? "" : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}

/** What the service says of a function that ended without an answer, fit for a terminal. */
function crashed(text: string): string {
	let said = text;
	try {
		const { errorType = "", errorMessage = "" } = JSON.parse(text) as { errorType?: unknown; errorMessage?: unknown };
		said = [errorType, errorMessage].filter((part) => typeof part === "string" && part !== "").join(": ");
	} catch {
		// As it is.
	}
	return `the function failed: ${plain(said)}`;
}

function plain(text: string): string {
	return text
		.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
		.trim()
		.slice(0, 300);
}

const CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";

function refusalOf(name: string, error: unknown): Invoked {
	const said = error as Error & {
		readonly code?: string;
		readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: boolean };
	};
	const status = said.$metadata?.httpStatusCode ?? 0;
	const code = status === 0 ? (said.code ?? said.name) : said.name;
	// The SDK has taken the service's time from its answer.
	if (said.$metadata?.clockSkewCorrected === true)
		return { kind: "broken", message: `the clock here is wrong (${code})`, billedMs: 0 };
	const refused = (message: string, hint: string): Invoked => ({ kind: "refused", message, hint });
	switch (code) {
		case "ResourceNotFoundException":
			return refused(
				`there is no function ${name}`,
				"make it: gg lambda deploy; or name another one or another region",
			);
		case "AccessDeniedException":
			return refused(`the credentials may not invoke ${name}`, "allow them lambda:InvokeFunction");
		case "UnrecognizedClientException":
		case "InvalidSignatureException":
		case "InvalidClientTokenId":
		case "SignatureDoesNotMatch":
			return refused(`the service does not accept the credentials (${code})`, `${CREDENTIALS}, and check the clock`);
		case "ExpiredTokenException":
		case "ExpiredToken":
			return refused("the credentials have expired", "sign in again");
		case "CredentialsProviderError":
			return refused("there are no credentials for AWS Lambda", CREDENTIALS);
		case "RequestTooLargeException":
			return refused("the request is larger than the 6 MB that AWS Lambda takes", "use another engine for this thunk");
		case "TooManyRequestsException":
			return { kind: "throttled", message: plain(said.message) };
		default:
	}
	if (/region (?:is missing|not accepted)/i.test(said.message))
		return refused("no region is set", "name it: lambda=REGION, or set AWS_REGION");
	if (status === 429) return { kind: "throttled", message: plain(said.message) };
	if (status >= 500 || status === 0)
		return { kind: "broken", message: `the service cannot be reached or fails (${plain(code)})`, billedMs: 0 };
	return refused(
		`the service refuses (${status} ${plain(code)}: ${plain(said.message)})`,
		"look at the function's settings",
	);
}
