import { hashBytes, sizeOfHash } from "../thunk/hash.js";
import { withoutAdvice } from "../util/aws.js";
import { Limiter } from "../util/limiter.js";
import { UserError } from "../util/result.js";
import { MAX_RECORD, MOST_UNDER_WAY, readObject } from "./object.js";
import {
	GetObjectCommand,
	type GetObjectCommandOutput,
	HeadObjectCommand,
	PutObjectCommand,
	S3Client,
} from "./s3-client.js";
import type { S3Place } from "./s3-uri.js";
import type { Storage, Take } from "./types.js";

/** Requests at a time; the service answers each alone, so that this many hide its latency. */
const AT_ONCE = 32;
/** Objects from twice this size on are fetched in pieces of it, at once: one that breaks off is fetched again by itself. */
const PIECE = 16 << 20;
const ATTEMPTS = 3;
const CONNECT_MS = 10_000;
/** Without a byte either way. */
const ANSWER_MS = 20_000;

/** A bucket of Amazon S3, or of a service that speaks its protocol; one object a key. */
export function s3Storage(place: S3Place, answerMs = ANSWER_MS): Storage {
	const { bucket: Bucket, prefix } = place;
	const client = withoutAdvice(
		() =>
			new S3Client({
				...(place.region === "" && place.endpoint === ""
					? {}
					: { region: place.region === "" ? "us-east-1" : place.region }),
				...(place.endpoint === "" ? {} : { endpoint: place.endpoint, forcePathStyle: true }),
				...(place.credentials === undefined ? {} : { credentials: place.credentials }),
				// The name of an object is its checksum; many services refuse what the SDK would add.
				requestChecksumCalculation: "WHEN_REQUIRED",
				responseChecksumValidation: "WHEN_REQUIRED",
				maxAttempts: ATTEMPTS,
				requestHandler: {
					connectionTimeout: CONNECT_MS,
					// The SDK's requestTimeout only warns.
					socketTimeout: answerMs,
					httpsAgent: { maxSockets: AT_ONCE },
				},
			}),
	);
	const limiter = new Limiter(AT_ONCE);
	const memory = new Limiter(MOST_UNDER_WAY);
	const requests = { gets: 0, puts: 0 };
	/** Undefined for what is not there. */
	const ask = <T>(kind: keyof typeof requests, what: () => Promise<T>): Promise<T | undefined> =>
		limiter.run(async () => {
			requests[kind] += 1;
			try {
				return await what();
			} catch (error) {
				const refusal = refusalOf(error);
				if (ABSENT.has(refusal.name)) return undefined;
				throw s3Error(place, refusal);
			}
		});
	const write = async (key: string, Body: Buffer): Promise<void> => {
		const command = { Bucket, Key: prefix + key, Body, ContentType: "application/octet-stream" };
		const written = await ask("puts", () => client.send(new PutObjectCommand(command)));
		if (written === undefined) throw s3Error(place, { name: "NoSuchBucket", status: 404, detail: "" });
	};
	const lengthOf = async (key: string): Promise<number | undefined> =>
		(await ask("gets", () => client.send(new HeadObjectCommand({ Bucket, Key: prefix + key }))))?.ContentLength;
	/** Undefined when it is not there, or when its length is not one of those. */
	const read = (key: string, least: number, most: number, Range?: string): Promise<Buffer | undefined> =>
		ask("gets", async () => {
			for (let attempt = 1; ; attempt++) {
				const command = { Bucket, Key: prefix + key, ...(Range === undefined ? {} : { Range }) };
				const { Body, ContentLength = -1 } = await client.send(new GetObjectCommand(command));
				if (Body === undefined || ContentLength < least || ContentLength > most) {
					unread(Body);
					return undefined;
				}
				try {
					return Buffer.from(await Body.transformToByteArray());
				} catch (error) {
					// The connection broke after the answer had begun, which the SDK does not try again.
					if (attempt >= ATTEMPTS) throw error;
					requests.gets += 1;
				}
			}
		});
	const readPieces = async (key: string, size: number): Promise<Buffer | undefined> => {
		const starts = Array.from({ length: Math.ceil(size / PIECE) }, (_, i) => i * PIECE);
		const pieces = await Promise.all(
			starts.map((from) => {
				const length = Math.min(PIECE, size - from);
				return read(key, length, length, `bytes=${from}-${from + length - 1}`);
			}),
		);
		return pieces.includes(undefined) ? undefined : Buffer.concat(pieces as Buffer[], size);
	};
	/** Where the connection breaks it goes on with the rest of the same object. */
	const stream = (name: string, take: Take): Promise<boolean> =>
		limiter.run(async () => {
			let at = 0;
			let version: string | undefined;
			for (let attempt = 1; ; attempt++) {
				requests.gets += 1;
				const command = { Bucket, Key: prefix + name };
				const rest = at === 0 ? {} : { Range: `bytes=${at}-`, ...(version === undefined ? {} : { IfMatch: version }) };
				let answer: GetObjectCommandOutput;
				try {
					answer = await client.send(new GetObjectCommand({ ...command, ...rest }));
				} catch (error) {
					const refusal = refusalOf(error);
					if (ABSENT.has(refusal.name) || refusal.status === REPLACED) return false;
					throw s3Error(place, refusal);
				}
				if (at > 0 && answer.ContentRange?.startsWith(`bytes ${at}-`) !== true) {
					unread(answer.Body);
					return false;
				}
				version ??= answer.ETag;
				const begun = at;
				const body = (answer.Body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
				try {
					for (;;) {
						const next = await orBroken(body.next());
						if (next === undefined) break;
						if (next.done === true) return true;
						at += next.value.length;
						await take(next.value);
					}
				} finally {
					await body.return?.();
				}
				if (at - begun >= PIECE) attempt = 0;
				else if (attempt >= ATTEMPTS) throw s3Error(place, { name: "TimeoutError", status: 0, detail: "" });
			}
		});
	return {
		requests,
		stream,
		has: async (hash) => (await lengthOf(hash)) === sizeOfHash(hash),
		get(hash) {
			const size = sizeOfHash(hash);
			return memory.run(async () => {
				const bytes = await (size < 2 * PIECE ? read(hash, size, size) : readPieces(hash, size));
				return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
			}, size);
		},
		put: (hash, path) =>
			memory.run(async () => {
				await write(hash, readObject(hash, path));
			}, sizeOfHash(hash)),
		putBytes: write,
		hasRecord: async (key) => (await lengthOf(key)) !== undefined,
		getRecord: (key) => read(key, 0, MAX_RECORD),
		putRecord: write,
		async close() {
			client.destroy();
		},
	};
}

/** The last one: it is shorter than what was asked for. */
const ABSENT: ReadonlySet<string> = new Set(["NotFound", "NoSuchKey", "InvalidRange"]);

/** By now there is another object than the one that was begun. */
const REPLACED = 412;

/** Ends an answer of which nothing more is read: its connection would wait for that for ever. */
function unread(body: unknown): void {
	(body as { destroy?: () => void } | undefined)?.destroy?.();
}

/** Undefined where the connection breaks. */
async function orBroken<T>(next: Promise<T>): Promise<T | undefined> {
	try {
		return await next;
	} catch {
		return undefined;
	}
}

const REACH = "check the URI, and that the service can be reached";

interface Refusal {
	/** The service's code, or that of the system. */
	readonly name: string;
	/** Of HTTP; 0 when there was no answer. */
	readonly status: number;
	readonly detail: string;
}

function refusalOf(error: unknown): Refusal {
	const { name, code, message, $metadata } = error as Error & {
		readonly code?: string;
		readonly $metadata?: { readonly httpStatusCode?: number };
	};
	const status = $metadata?.httpStatusCode ?? 0;
	return { name: status === 0 ? (code ?? name) : name, status, detail: message ?? "" };
}

/** In one sentence, with what to do. The service's own words are not repeated: some of them hold the key. */
function s3Error(place: S3Place, { name, status, detail }: Refusal): UserError {
	const at = place.endpoint === "" ? "" : ` at ${place.endpoint}`;
	const bucket = `the S3 bucket ${place.bucket}${at}`;
	const say = (message: string, hint: string) => new UserError({ reason: "storage", message, hint });
	const code = `${status === 0 ? "" : `${status} `}${name}`;
	switch (name) {
		case "NoSuchBucket":
			return say(`${bucket} does not exist`, "create it, or name another one in the URI");
		case "InvalidAccessKeyId":
		case "SignatureDoesNotMatch":
			return say(`${bucket} does not accept the credentials (${code})`, "check the key and the secret");
		case "QuotaExceeded":
		case "XMinioStorageFull":
			return say(`${bucket} takes no more (${code})`, "remove what is old in it, or raise the quota");
		case "ExpiredToken":
		case "TokenRefreshRequired":
			return say(`the credentials for ${bucket} have expired`, "sign in again, and start gg again");
		case "RequestTimeTooSkewed":
			return say(`${bucket} finds this machine's clock wrong by more than 15 minutes`, "set the clock");
		case "PermanentRedirect":
		case "AuthorizationHeaderMalformed":
		case "301":
			return say(`${bucket} is in another region than ${place.region || "us-east-1"}`, "name it by region= in the URI");
		case "CredentialsProviderError":
			return say(
				`there are no credentials for ${bucket}`,
				"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or put KEY:SECRET@ into the URI",
			);
		case "TimeoutError":
			return say(`${bucket} does not answer`, REACH);
		default:
	}
	if (/region is missing/i.test(detail))
		return say(`no region is known for ${bucket}`, "name it by region= in the URI, or set AWS_REGION");
	if (status === 301) return say(`${bucket} is in another region`, "name it by region= in the URI");
	if (status === 403)
		return say(`${bucket} denies access (${code})`, "check the credentials, and that they may read, write and list it");
	if (status === 503 || status === 429)
		return say(`${bucket} is asked too much (${code}), after ${ATTEMPTS} attempts`, "try again later, with fewer jobs");
	return say(`${bucket} cannot be used (${code})`, REACH);
}
