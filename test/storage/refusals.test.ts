/** What a user is told where a storage backend refuses, or its URI is wrong: one sentence, what to do, and no secret. */
import { strict as assert } from "node:assert";
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { redisStorage } from "../../src/storage/redis.js";
import { parseRedis } from "../../src/storage/redis-uri.js";
import { s3Storage } from "../../src/storage/s3.js";
import { parseS3 } from "../../src/storage/s3-uri.js";
import type { Storage } from "../../src/storage/types.js";
import { hashBytes } from "../../src/thunk/hash.js";
import { UserError } from "../../src/util/result.js";
import { type Answer, answering } from "../rig/answering.js";

const SECRET = "s3cr3t";
const BYTES = Buffer.from("x");
const HASH = hashBytes(BYTES);

async function withBucket(endpoint: string, use: (storage: Storage) => Promise<void>): Promise<void> {
	const place = parseS3(`s3://KEY:${SECRET}@bucket/?region=us-east-1&endpoint=${endpoint}`);
	assert.ok(place.ok);
	const storage = s3Storage(place.value);
	try {
		await use(storage);
	} finally {
		await storage.close();
	}
}

const said = async (what: Promise<unknown>): Promise<readonly [string, string | undefined]> => {
	try {
		await what;
	} catch (error) {
		if (!(error instanceof UserError)) throw error;
		const { message, hint } = error.failure;
		assert.ok(!`${message}${hint}`.includes(SECRET), message);
		return [message, hint];
	}
	throw new assert.AssertionError({ message: "it was not refused" });
};

/** As the service words it, with the key and more in it. */
const refusal = (status: number, code: string, headers: Answer["headers"] = {}): Answer => ({
	status,
	headers: { "content-type": "application/xml", ...headers },
	body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no, ${SECRET}</Message><AWSAccessKeyId>KEY</AWSAccessKeyId></Error>`,
});

const CREDENTIALS = "check the key and the secret";
const REFUSED: Readonly<Record<string, readonly [answer: Answer, message: string, hint: string]>> = {
	"a wrong key": [
		refusal(403, "InvalidAccessKeyId"),
		"does not accept the credentials (403 InvalidAccessKeyId)",
		CREDENTIALS,
	],
	"a wrong secret": [
		refusal(403, "SignatureDoesNotMatch"),
		"does not accept the credentials (403 SignatureDoesNotMatch)",
		CREDENTIALS,
	],
	"credentials that have expired": [
		refusal(400, "ExpiredToken"),
		"the credentials for BUCKET have expired",
		"sign in again, and start gg again",
	],
	"a bucket in another region": [
		refusal(301, "PermanentRedirect", { "x-amz-bucket-region": "eu-west-1" }),
		"is in another region than us-east-1",
		"name it by region= in the URI",
	],
	"a region that the signature does not fit": [
		refusal(400, "AuthorizationHeaderMalformed"),
		"is in another region than us-east-1",
		"name it by region= in the URI",
	],
	"a key that may not be used": [
		refusal(403, "AccessDenied"),
		"denies access (403 AccessDenied)",
		"check the credentials, and that they may read, write and list it",
	],
	"a quota that is used up": [
		refusal(403, "QuotaExceeded"),
		"takes no more (403 QuotaExceeded)",
		"remove what is old in it, or raise the quota",
	],
	"too many requests": [
		refusal(503, "SlowDown"),
		"is asked too much (503 SlowDown), after 3 attempts",
		"try again later, with fewer jobs",
	],
	"a clock that is wrong": [
		refusal(403, "RequestTimeTooSkewed"),
		"finds this machine's clock wrong by more than 15 minutes",
		"set the clock",
	],
	"a bucket that is not there": [
		refusal(404, "NoSuchBucket"),
		"does not exist",
		"create it, or name another one in the URI",
	],
};

describe("an S3 service that refuses", () => {
	for (const [claim, [answer, message, hint]] of Object.entries(REFUSED)) {
		it(`is told in one sentence: ${claim}`, () =>
			answering(
				() => answer,
				(endpoint) =>
					withBucket(endpoint, async (storage) => {
						const bucket = `the S3 bucket bucket at ${endpoint}`;
						const whole = message.includes("BUCKET") ? message.replace("BUCKET", bucket) : `${bucket} ${message}`;
						assert.deepEqual(await said(storage.putBytes(HASH, BYTES)), [whole, hint]);
						assert.deepEqual(await said(storage.getRecord(`results/${HASH}`)), [whole, hint]);
					}),
			));
	}

	it("has its time taken where the clock here is wrong by an hour", () =>
		answering(
			(n, request) => {
				const date = new Date(Date.now() + 3_600_000);
				const stamp = String(request.headers["x-amz-date"] ?? "");
				// As the service does it: what is signed an hour late does not count.
				if (stamp.slice(0, 11) !== date.toISOString().replace(/[-:]/g, "").slice(0, 11))
					return refusal(403, "RequestTimeTooSkewed", { date: date.toUTCString() });
				assert.ok(n > 0);
				return { status: 200, body: "" };
			},
			(endpoint) => withBucket(endpoint, (storage) => storage.putBytes(HASH, BYTES)),
		));

	describe("hands on an object whose connection breaks", () => {
		const whole = Buffer.alloc(5 << 20, "0123456789");
		/** Each answer breaks off in the middle of what is left, `breaks` times. */
		const broken = async (
			breaks: number,
			more: (n: number) => Partial<Answer>,
			use: (taken: Buffer, all: boolean, asked: readonly string[]) => void,
		): Promise<void> => {
			const asked: string[] = [];
			await answering(
				(n, request) => {
					const { range = "", "if-match": like = "" } = request.headers;
					asked.push(`${range} ${like}`.trim());
					const from = Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0);
					const rest = whole.subarray(from);
					const headers = {
						"content-length": `${rest.length}`,
						etag: '"one"',
						...(range === "" ? {} : { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` }),
					};
					const body = n < breaks ? rest.subarray(0, rest.length >> 1) : rest;
					if (n < breaks) setTimeout(() => request.socket.end(), 50);
					return { status: range === "" ? 200 : 206, body: body.toString("latin1"), headers, ...more(n) };
				},
				(endpoint) =>
					withBucket(endpoint, async (storage) => {
						const taken: Buffer[] = [];
						const all = await storage.stream(`blocks/${HASH}`, async (piece) => void taken.push(Buffer.from(piece)));
						use(Buffer.concat(taken), all, asked);
					}),
			);
		};

		it("from where it broke, and only if it is still the same", () =>
			broken(
				2,
				() => ({}),
				(taken, all, asked) => {
					assert.ok(all && taken.equals(whole));
					assert.equal(asked.length, 3);
					assert.match(asked[2]!, /^bytes=\d{6,}- "one"$/);
				},
			));

		it("not at all when there is another by then, or all of it comes again", async () => {
			const gone = (n: number): Partial<Answer> => (n === 0 ? {} : refusal(412, "PreconditionFailed"));
			await broken(1, gone, (_, all) => assert.equal(all, false));
			const again = (n: number): Partial<Answer> => (n === 0 ? {} : { status: 200, headers: { etag: '"one"' } });
			await broken(1, again, (_, all) => assert.equal(all, false));
		});

		it("a few times", () =>
			assert.rejects(
				broken(
					9,
					() => ({}),
					() => {},
				),
				/does not answer/,
			));
	});

	it("is not waited for for ever where it falls silent in the middle of an object", async () => {
		let asked = 0;
		const server = createHttpServer((request, response) => {
			asked += 1;
			request.resume();
			const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
			const range = from === 0 ? {} : { "content-range": `bytes ${from}-999/1000` };
			response.writeHead(from === 0 ? 200 : 206, { "content-length": `${1000 - from}`, ...range });
			response.write("some");
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
		const place = parseS3(`s3://KEY:${SECRET}@bucket/?region=us-east-1&endpoint=${endpoint}`);
		assert.ok(place.ok);
		const storage = s3Storage(place.value, 50);
		try {
			const [message] = await said(storage.stream(`blocks/${HASH}`, async () => {}));
			assert.equal(message, `the S3 bucket bucket at ${endpoint} does not answer`);
			assert.equal(asked, 3);
		} finally {
			await storage.close();
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		}
	});

	it("is not left with an answer that nobody reads where it knows no ranges", async () => {
		const halves: ServerResponse[] = [];
		let ended = (): void => {};
		const end = new Promise<void>((resolve) => {
			ended = resolve;
		});
		const server = createHttpServer((request, response) => {
			request.resume();
			response.writeHead(200, { "content-length": "1000" });
			const isFirst = halves.push(response) === 1;
			response.write("some", () => isFirst && request.socket.end());
			if (!isFirst) response.on("close", ended);
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		try {
			await withBucket(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, async (storage) => {
				assert.equal(await storage.stream(`blocks/${HASH}`, async () => {}), false);
				await end;
				assert.equal(halves.length, 2);
			});
		} finally {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		}
	});

	it("gives a large object in ranges, and one whose connection broke again", () => {
		const large = Buffer.alloc(40 << 20, "0123456789");
		const hash = hashBytes(large);
		const ranges: string[] = [];
		return answering(
			(_, request) => {
				const range = String(request.headers.range);
				ranges.push(range);
				const [from, to] = range.slice("bytes=".length).split("-").map(Number);
				const piece = large.subarray(from!, to! + 1);
				request.socket.setMaxListeners(100);
				// The second piece breaks off in the middle, the first time.
				if (from === 16 << 20 && ranges.filter((r) => r === range).length === 1)
					setTimeout(() => request.socket.destroy(), 0);
				return {
					status: 206,
					body: piece.toString("latin1"),
					headers: { "content-length": `${piece.length}` },
				};
			},
			(endpoint) =>
				withBucket(endpoint, async (storage) => {
					assert.ok((await storage.get(hash))?.equals(large));
					assert.equal(new Set(ranges).size, 3);
					assert.ok(ranges.length > 3, `${ranges}`);
				}),
		);
	});
});

describe("a Redis server that refuses", () => {
	/** Says that to whoever asks for objects. */
	async function refusing(answer: string, use: (storage: Storage, at: string) => Promise<void>): Promise<void> {
		const sockets = new Set<Socket>();
		const server = createServer((socket) => {
			sockets.add(socket.on("error", () => {}));
			socket.on("data", (chunk) => {
				for (const [, word] of chunk.toString("latin1").matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g))
					socket.write(/^(?:client|hello|select|ping)$/i.test(word!) ? "+OK\r\n" : `-${answer}\r\n`);
			});
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const { port } = server.address() as AddressInfo;
		try {
			const place = parseRedis(`redis://127.0.0.1:${port}`);
			assert.ok(place.ok);
			await use(await redisStorage(place.value), `the Redis server 127.0.0.1:${port}`);
		} finally {
			for (const socket of sockets) socket.destroy();
			await new Promise((resolve) => server.close(resolve));
		}
	}

	const ANSWERS: readonly (readonly [answer: string, message: string, hint: string])[] = [
		[
			"MOVED 3999 10.0.0.7:6381",
			"is one node of a Redis Cluster, which gg does not use",
			"name a server that is no cluster's node",
		],
		[
			"OOM command not allowed when used memory > 'maxmemory'.",
			"is full",
			"raise its maxmemory, or let it evict (maxmemory-policy allkeys-lru)",
		],
		["LOADING Redis is loading the dataset in memory", "is still reading its data", "try again when it has started"],
		[
			"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
			"cannot save its data and refuses to take more",
			"look into the server's log",
		],
		[
			"READONLY You can't write against a read only replica.",
			"is a replica, which takes no objects",
			"name the server that it follows",
		],
		[
			"ERR unknown command",
			"cannot be used (ERR unknown command)",
			"check the URI, and that the server can be reached",
		],
	];
	for (const [answer, message, hint] of ANSWERS) {
		it(`is told in one sentence: ${answer.split(" ", 1)[0]}`, () =>
			refusing(answer, async (storage, at) => {
				for (const what of [storage.putBytes(HASH, BYTES), storage.get(HASH), storage.getRecord(`results/${HASH}`)])
					assert.deepEqual(await said(what), [`${at} ${message}`, hint]);
			}));
	}
});

describe("the URI of a storage backend", () => {
	const WRONG: readonly (readonly [uri: string, message: string])[] = [
		[
			`s3://KEY:${SECRET}/x@bucket/`,
			"the URI of the S3 bucket cannot be read: a / or @ in a key or secret is written %2F or %40",
		],
		[`s3://KEY@bucket/`, "of key and secret only one is given"],
		[`s3://KEY:${SECRET}@Bucket_1/`, '"Bucket_1" is no name of a bucket'],
		[`s3://KEY:${SECRET}@bucket/?regoin=x`, 'an S3 bucket has no setting "regoin"'],
		[`s3://KEY:${SECRET}@bucket/?endpoint=elsewhere`, "the endpoint is no URL of a server"],
		[`s3://KEY:${SECRET}%@bucket/`, "a % in the URI is not followed by two hexadecimal digits"],
		[
			`redis://user:${SECRET}/x@host`,
			"the URI of the Redis server cannot be read: a / or @ in a password is written %2F or %40",
		],
		[`redis://user:${SECRET}@host/x`, "the database is a number"],
		[`redis://user:${SECRET}@host?ttl=week`, "ttl is a number of seconds"],
		[`redis://user:${SECRET}@host?tls=1`, 'a Redis server has no setting "tls"'],
		[`redis://user:${SECRET}%@host`, "a % in the URI is not followed by two hexadecimal digits"],
	];
	for (const [uri, message] of WRONG) {
		it(`is refused without its secret: ${uri.replace(SECRET, "…")}`, () => {
			const parsed = uri.startsWith("s3:") ? parseS3(uri) : parseRedis(uri);
			assert.ok(!parsed.ok);
			assert.equal(parsed.error.message, message);
			assert.match(parsed.error.hint ?? "", /^the form is /);
			assert.ok(!JSON.stringify(parsed.error).includes(SECRET));
		});
	}
});
