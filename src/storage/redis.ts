import { readFileSync } from "node:fs";
import { hashBytes, isObjectHash, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import { Limiter } from "../util/limiter.js";
import { UserError } from "../util/result.js";
import { MAX_RECORD, MOST_UNDER_WAY, readObject } from "./object.js";
import { createClient, RESP_TYPES } from "./redis-client.js";
import type { RedisPlace } from "./redis-uri.js";
import type { Storage, Take } from "./types.js";

const CONNECT_MS = 10_000;
/** Until a server that was asked is taken to be gone; an object has the time besides that a slow line takes for it. */
const ANSWER_MS = 20_000;
const BYTES_PER_MS = 100;
/** Larger values are kept in pieces of this size: the server answers nobody while it takes one in. */
const PIECE = 8 << 20;
/** Begins a record that is in pieces, `key#0`, …; its length follows. */
const IN_PIECES = "ggpieces1 ";
/** How often a lost connection is made anew before the commands that wait for it fail. */
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 50;

/** A Redis server; one string an object. What is asked at one time travels together. */
export async function redisStorage(place: RedisPlace, answerMs = ANSWER_MS): Promise<Storage> {
	const client = connect(place);
	let gone: UserError | undefined;
	const ask = async <T>(what: () => Promise<T>, bytes = 0): Promise<T> => {
		if (gone !== undefined) throw gone;
		let timer: NodeJS.Timeout | undefined;
		// The client itself waits for an answer for ever.
		const late = new Promise<never>((_, reject) => {
			timer = setTimeout(
				() => {
					gone ??= silent(place);
					reject(gone);
					client.destroy();
				},
				answerMs + bytes / BYTES_PER_MS,
			);
		});
		try {
			return await Promise.race([what(), late]);
		} catch (error) {
			throw gone ?? redisError(place, error);
		} finally {
			clearTimeout(timer);
		}
	};
	await ask(() => client.connect());
	const kept = place.ttl > 0 ? { expiration: { type: "EX" as const, value: place.ttl } } : {};
	const memory = new Limiter(MOST_UNDER_WAY);
	const requests = { gets: 0, puts: 0 };
	const set = async (key: string, bytes: Buffer): Promise<void> => {
		requests.puts += 1;
		await ask(() => client.set(key, bytes, kept), bytes.length);
	};
	const get = (key: string, size: number): Promise<Buffer | null> => {
		requests.gets += 1;
		return ask(() => client.get(key) as Promise<unknown> as Promise<Buffer | null>, size);
	};
	/** One after the other: others are served in between. */
	const setPieces = async (key: string, bytes: Buffer): Promise<void> => {
		for (const { i, from, to } of piecesOf(bytes.length)) await set(`${key}#${i}`, bytes.subarray(from, to));
	};
	/** False where one is gone, or is not as long as it should be. */
	const takePieces = async (key: string, size: number, take: Take): Promise<boolean> => {
		for (const { i, from, to } of piecesOf(size)) {
			const piece = await get(`${key}#${i}`, to - from);
			if (piece?.length !== to - from) return false;
			await take(piece);
		}
		return true;
	};
	const getPieces = async (key: string, size: number): Promise<Buffer | undefined> => {
		const pieces: Buffer[] = [];
		const all = await takePieces(key, size, async (piece) => void pieces.push(piece));
		return all ? Buffer.concat(pieces, size) : undefined;
	};
	const lengthIs = async (key: string, size: number): Promise<boolean> => {
		requests.gets += 1;
		// A string that is not there has no length either.
		if (size === 0) return (await ask(() => client.exists(key))) === 1;
		return (await ask(() => client.strLen(key))) === size;
	};
	const putBytes = (hash: ObjectHash, bytes: Buffer): Promise<void> =>
		bytes.length > PIECE ? setPieces(hash, bytes) : set(hash, bytes);
	return {
		requests,
		async has(hash) {
			const size = sizeOfHash(hash);
			if (size <= PIECE) return lengthIs(hash, size);
			const all = [...piecesOf(size)].map(({ i, from, to }) => lengthIs(`${hash}#${i}`, to - from));
			return !(await Promise.all(all)).includes(false);
		},
		get(hash) {
			const size = sizeOfHash(hash);
			return memory.run(async () => {
				const bytes = await (size <= PIECE ? get(hash, size) : getPieces(hash, size));
				return bytes && hashBytes(bytes) === hash ? bytes : undefined;
			}, size);
		},
		put: (hash, path) => memory.run(() => putBytes(hash, readObject(hash, path)), sizeOfHash(hash)),
		putBytes,
		async hasRecord(key) {
			requests.gets += 1;
			return (await ask(() => client.exists(key))) === 1;
		},
		async getRecord(key) {
			const record = await get(key, PIECE);
			if (record === null) return undefined;
			const size = sizeInPieces(record);
			if (size === undefined) return record;
			return size <= MAX_RECORD ? memory.run(() => getPieces(key, size), size) : undefined;
		},
		stream(name, take) {
			return memory.run(async () => {
				if (isObjectHash(name) && sizeOfHash(name) > PIECE) return takePieces(name, sizeOfHash(name), take);
				const value = await get(name, PIECE);
				if (value === null) return false;
				const size = isObjectHash(name) ? undefined : sizeInPieces(value);
				if (size !== undefined) return size <= MAX_RECORD && takePieces(name, size, take);
				await take(value);
				return true;
			}, PIECE);
		},
		async putRecord(key, record) {
			if (record.length <= PIECE) return set(key, record);
			await setPieces(key, record);
			await set(key, Buffer.from(`${IN_PIECES}${record.length}`));
		},
		async close() {
			// It closes by itself when a lost connection cannot be made anew.
			if (client.isOpen) await ask(() => client.close());
		},
	};
}

/** Undefined for a record that is no list of pieces. */
function sizeInPieces(record: Buffer): number | undefined {
	if (!record.subarray(0, IN_PIECES.length).equals(Buffer.from(IN_PIECES))) return undefined;
	const size = Number(record.subarray(IN_PIECES.length).toString());
	return Number.isSafeInteger(size) && size > 0 ? size : undefined;
}

/** One by one: the size may be anybody's word. */
function* piecesOf(size: number): Generator<{ readonly i: number; readonly from: number; readonly to: number }> {
	for (let i = 0; i * PIECE < size; i++) yield { i, from: i * PIECE, to: Math.min((i + 1) * PIECE, size) };
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

const named = (place: RedisPlace): string => `the Redis server ${place.host}:${place.port}`;
const REACH = "check the URI, and that the server can be reached";

const silent = (place: RedisPlace): UserError =>
	new UserError({ reason: "storage", message: `${named(place)} does not answer`, hint: REACH });

/** In one sentence, with what to do. The password is in none of them. */
function redisError(place: RedisPlace, error: unknown): UserError {
	if (error instanceof UserError) return error;
	const { message, code } = error as Error & { readonly code?: string };
	const server = named(place);
	const answer = ANSWERS[/^[A-Z]+/.exec(message)?.[0] ?? ""];
	if (answer !== undefined)
		return new UserError({ reason: "storage", message: `${server} ${answer[0]}`, hint: answer[1] });
	const what = code ?? /\bE[A-Z]{4,}\b/.exec(message)?.[0] ?? message.split(/[\n;]/, 1)[0]!.slice(0, 100);
	return new UserError({
		reason: "storage",
		message: `${server} cannot be used (${what})`,
		hint: REACH,
	});
}
