import type { LambdaClient } from "./lambda-client.js";

/** What the service said to a call. */
export interface Answered {
	readonly status: number;
	/** By their names in lower case. */
	readonly headers: Readonly<Record<string, string | undefined>>;
	readonly body: Buffer;
}

type Config = LambdaClient["config"];
type Signer = Awaited<ReturnType<Config["signer"]>>;
type Sent = Parameters<Config["requestHandler"]["handle"]>[0];
type Signed = Parameters<Signer["sign"]>[0];

/** Headers of a request that are another one's, or the signature's, and not the same with each. */
const OWN = /^(?:amz-sdk-.*|authorization|content-length|x-amz-content-sha256|x-amz-date|x-amz-security-token)$/;

/**
 * Calls like one that the SDK has made: by its connections, its credentials and its signer, but without what it does anew for each
 * (rules for endpoints, schemes of signing, models of what is sent and said), which takes it twice as much time as all else.
 */
export class Calls {
	readonly #client: LambdaClient;
	#like: Sent | undefined;
	#signer: Promise<Signer> | undefined;

	/** Notes what the client sends first. It is to be asked for nothing but calls of one function. */
	constructor(client: LambdaClient) {
		this.#client = client;
		client.middlewareStack.add(
			(next, context) => (args) => {
				// Where the endpoint has rules of its own for signatures, the SDK is to follow them.
				const rules = (context as { endpointV2?: { properties?: { authSchemes?: unknown } } }).endpointV2?.properties;
				if (rules?.authSchemes === undefined) this.#like ??= likeOf(args.request as Sent);
				return next(args);
			},
			{ step: "build", priority: "low", name: "noteForCalls" },
		);
	}

	/** True once the client has sent something. */
	get canMake(): boolean {
		return this.#like !== undefined;
	}

	/** Rejects with what the SDK's signer and connections reject with. */
	async make(body: Buffer, abortSignal: AbortSignal): Promise<Answered> {
		const like = this.#like!;
		const { config } = this.#client;
		this.#signer ??= config.signer();
		const signer = await this.#signer;
		const request = { ...like, headers: { ...like.headers, "content-length": String(body.length) }, body };
		const signed = await signer.sign(request as Signed, {
			signingDate: new Date(Date.now() + config.systemClockOffset),
		});
		const { response } = await config.requestHandler.handle(signed as Sent, { abortSignal });
		const pieces: Buffer[] = [];
		for await (const piece of response.body as AsyncIterable<Buffer>) pieces.push(piece);
		return { status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) };
	}
}

function likeOf(request: Sent): Sent {
	const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !OWN.test(name.toLowerCase())));
	return { ...request, headers, body: undefined };
}
