import { readFileSync } from "node:fs";
import { hashBytes, sizeOfHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";
import { MAX_RECORD, readObject } from "./object.js";
import { createClient, RESP_TYPES } from "./redis-client.js";
import type { RedisPlace } from "./redis-uri.js";
import type { Storage } from "./types.js";

const CONNECT_MS = 10_000;
/** How often a lost connection is made anew before the commands that wait for it fail. */
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 50;

/** A Redis server; one string an object. What is asked at one time travels together. */
export async function redisStorage(place: RedisPlace): Promise<Storage> {
	const client = connect(place);
	const ask = async <T>(what: () => Promise<T>): Promise<T> => {
		try {
			return await what();
		} catch (error) {
			throw redisError(place, error);
		}
	};
	await ask(() => client.connect());
	const kept = place.ttl > 0 ? { expiration: { type: "EX" as const, value: place.ttl } } : {};
	const write = async (key: string, bytes: Buffer): Promise<void> => {
		await ask(() => client.set(key, bytes, kept));
	};
	return {
		async has(hash) {
			const size = sizeOfHash(hash);
			// A string that is not there has no length either.
			if (size === 0) return (await ask(() => client.exists(hash))) === 1;
			return (await ask(() => client.strLen(hash))) === size;
		},
		async get(hash) {
			const bytes = (await ask(() => client.get(hash))) as Buffer | null;
			return bytes !== null && hashBytes(bytes) === hash ? bytes : undefined;
		},
		async put(hash, path) {
			await write(hash, readObject(hash, path));
		},
		async getRecord(thunk) {
			const record = (await ask(() => client.get(`results/${thunk}`))) as Buffer | null;
			return record === null || record.length > MAX_RECORD ? undefined : record;
		},
		putRecord: (thunk, record) => write(`results/${thunk}`, record),
		async close() {
			await client.close();
		},
	};
}

function connect(place: RedisPlace) {
	const socket = {
		host: place.host,
		port: place.port,
		connectTimeout: CONNECT_MS,
		// Jitter, so that many clients of a server that restarts do not return at once.
		reconnectStrategy: (retries: number, cause: Error) =>
			retries >= ATTEMPTS ? cause : FIRST_WAIT_MS * 2 ** retries * (0.5 + Math.random()),
	};
	const client = createClient({
		socket: place.tls ? { ...socket, tls: true as const, ...authority(place) } : socket,
		...(place.username === "" ? {} : { username: place.username }),
		...(place.password === "" ? {} : { password: place.password }),
		database: place.database,
	});
	// Each command fails by itself; without a listener the first such event would end the process.
	client.on("error", () => {});
	return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

function authority({ ca }: RedisPlace): { ca?: Buffer } {
	if (ca === "") return {};
	try {
		return { ca: readFileSync(ca) };
	} catch {
		const message = `the certificate ${ca} of the Redis server's authority cannot be read`;
		throw new UserError({ reason: "storage", message, hint: "ca= names a file in PEM form" });
	}
}

/** What servers answer, by the first word; source: the Redis documentation of ACL, eviction and clusters. */
const ANSWERS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
	LOADING: ["is still reading its data", "try again when it has started"],
	MISCONF: ["cannot save its data and refuses to take more", "look into the server's log"],
	MOVED: ["is one node of a Redis Cluster, which gg does not use", "name a server that is no cluster's node"],
	NOAUTH: ["wants a password", "put USER:PASSWORD@ before the host in the URI"],
	NOPERM: ["does not allow this user what gg needs", "allow it the commands get, set, exists and strlen on all keys"],
	OOM: ["is full", "raise its maxmemory, or let it evict (maxmemory-policy allkeys-lru)"],
	READONLY: ["is a replica, which takes no objects", "name the server that it follows"],
	WRONGPASS: ["does not accept the user or the password", "check both in the URI"],
};

/** In one sentence, with what to do. The password is in none of them. */
function redisError(place: RedisPlace, error: unknown): UserError {
	if (error instanceof UserError) return error;
	const { message, code } = error as Error & { readonly code?: string };
	const server = `the Redis server ${place.host}:${place.port}`;
	const answer = ANSWERS[/^[A-Z]+/.exec(message)?.[0] ?? ""];
	if (answer !== undefined)
		return new UserError({ reason: "storage", message: `${server} ${answer[0]}`, hint: answer[1] });
	const what = code ?? /\bE[A-Z]{4,}\b/.exec(message)?.[0] ?? message.split("\n", 1)[0]!.slice(0, 100);
	return new UserError({
		reason: "storage",
		message: `${server} cannot be used (${what})`,
		hint: "check the URI, and that the server can be reached",
	});
}
