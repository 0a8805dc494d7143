import { err, type Failure, ok, type Result } from "../util/result.js";

export interface RedisPlace {
	readonly tls: boolean;
	readonly host: string;
	readonly port: number;
	/** Empty: the default user. */
	readonly username: string;
	readonly password: string;
	readonly database: number;
	/** Seconds that an object is kept; 0 for ever. */
	readonly ttl: number;
	/** PEM file of the authority that has signed the server's certificate; empty for the system's. */
	readonly ca: string;
}

export const REDIS_FORM = "redis[s]://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?ttl=SECONDS&ca=FILE]";
const PORT = 6379;

/** Reads a URI of the original's form, with TLS, a database and a time to live beyond it. Messages never repeat a secret. */
export function parseRedis(uri: string): Result<RedisPlace, Failure<"bad-storage-uri">> {
	const bad = (message: string) =>
		err({ reason: "bad-storage-uri" as const, message, hint: `the form is ${REDIS_FORM}` });
	let url: URL;
	try {
		url = new URL(uri);
	} catch {
		return bad("the URI of the Redis server cannot be read: a / or @ in a password is written %2F or %40");
	}
	if (url.hostname === "") return bad("the URI of the Redis server names no host");
	const unknown = [...url.searchParams.keys()].find((name) => name !== "ttl" && name !== "ca");
	if (unknown !== undefined) return bad(`a Redis server has no setting "${unknown}"`);
	const database = url.pathname.replace(/^\//, "");
	if (!/^\d{0,4}$/.test(database)) return bad("the database is a number");
	const ttl = url.searchParams.get("ttl") ?? "0";
	if (!/^\d{1,9}$/.test(ttl)) return bad("ttl is a number of seconds");
	try {
		return ok({
			tls: url.protocol === "rediss:",
			host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
			port: url.port === "" ? PORT : Number(url.port),
			username: decodeURIComponent(url.username),
			password: decodeURIComponent(url.password),
			database: Number(database),
			ttl: Number(ttl),
			ca: url.searchParams.get("ca") ?? "",
		});
	} catch {
		return bad("a % in the URI is not followed by two hexadecimal digits");
	}
}
