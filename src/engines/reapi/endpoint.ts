import { isLoopback } from "../../util/addresses.js";
import { err, type Failure, ok, type Result } from "../../util/result.js";

/** Where a cluster is and how it wants to be asked; from the engine's argument, e.g. `grpcs://HOST:PORT/INSTANCE?platform.OSFamily=linux`. */
export interface Endpoint {
	/** `host:port`. */
	readonly target: string;
	readonly instance: string;
	readonly tls:
		| { readonly ca: string; readonly cert: string; readonly key: string; readonly serverName: string }
		| undefined;
	/** File that holds a bearer token; empty: none. */
	readonly tokenFile: string;
	/** A bearer token itself, of the environment alone; empty: none. */
	readonly token: string;
	/** Program that prints headers as JSON (Bazel's credential helper protocol); empty: none. */
	readonly credentialHelper: string;
	/** Sorted by name. */
	readonly platform: readonly { readonly name: string; readonly value: string }[];
	readonly priority: number;
	/** Seconds after which the client gives up waiting for one action, whatever the server says. */
	readonly deadline: number;
	/** `zstd`: where the server offers it, and Node.js has it. */
	readonly compression: "zstd" | "none";
	/** Of a store alone; undefined: nothing was said. */
	readonly access: "read-only" | "read-write" | undefined;
}

export type EndpointFailure = Failure<"bad-endpoint">;

const SCHEMES = new Map([
	["grpc", false],
	["grpcs", true],
]);
const DEFAULT_DEADLINE = 1800;
const EXAMPLE = "for example: --engine reapi=grpcs://cluster.example.org:443/main?token-file=/etc/gg/token";

/**
 * Parameters of the URL: ca, cert, key (PEM files), server-name, token-file, credential-helper, platform.NAME, priority,
 * deadline (seconds), compression, access (of a store). Environment: GG_REAPI_TOKEN (itself), GG_REAPI_TOKEN_FILE, GG_REAPI_CA, GG_REAPI_CERT,
 * GG_REAPI_KEY, GG_REAPI_CREDENTIAL_HELPER for what the URL leaves out.
 */
export function parseEndpoint(text: string, env: NodeJS.ProcessEnv): Result<Endpoint, EndpointFailure> {
	const bad = (message: string): Result<Endpoint, EndpointFailure> =>
		err({ reason: "bad-endpoint", message, hint: EXAMPLE });
	if (text === "") return bad("the engine reapi wants the address of a server");
	// `HOST:PORT` alone is what the original's remote engine takes.
	const full = text.includes("://") ? text : `grpc://${text}`;
	const scheme = full.slice(0, full.indexOf("://"));
	const secure = SCHEMES.get(scheme);
	if (secure === undefined) return bad(`an endpoint begins with grpc:// or grpcs://, not with ${scheme}://`);
	let url: URL;
	try {
		// Not as grpc: such URLs have an opaque host, and a port that is not checked.
		url = new URL(`http://${full.slice(scheme.length + 3)}`);
	} catch {
		return bad("the endpoint is not a URL");
	}
	if (url.username !== "" || url.password !== "")
		return bad("an endpoint holds no user or password: put the token into a file and name that with token-file=");
	if (url.hash !== "") return bad("an endpoint has no part after #");
	const get = (name: string, variable: string): string => url.searchParams.get(name) ?? env[variable] ?? "";
	const platform: { name: string; value: string }[] = [];
	for (const [name, value] of url.searchParams) {
		if (name.startsWith("platform.")) platform.push({ name: name.slice("platform.".length), value });
		else if (!PARAMETERS.has(name)) {
			return bad(
				`the endpoint has the unknown parameter ${JSON.stringify(name)}; known: ${[...PARAMETERS].join(", ")}, platform.NAME`,
			);
		}
	}
	platform.sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value));
	const priority = Number(url.searchParams.get("priority") ?? 0);
	if (!Number.isInteger(priority)) return bad("the parameter priority takes a whole number");
	const deadline = Number(url.searchParams.get("deadline") ?? DEFAULT_DEADLINE);
	if (!(deadline > 0)) return bad("the parameter deadline takes a number of seconds above 0");
	const compression = url.searchParams.get("compression") ?? "zstd";
	if (compression !== "zstd" && compression !== "none") return bad("the parameter compression takes zstd or none");
	const access = url.searchParams.get("access") ?? undefined;
	if (access !== undefined && access !== "read-only" && access !== "read-write")
		return bad("the parameter access takes read-only or read-write");
	const files = { ca: get("ca", "GG_REAPI_CA"), cert: get("cert", "GG_REAPI_CERT"), key: get("key", "GG_REAPI_KEY") };
	if ((files.cert === "") !== (files.key === "")) return bad("a client certificate needs both cert= and key=");
	const tokenFile = get("token-file", "GG_REAPI_TOKEN_FILE");
	const credentialHelper = get("credential-helper", "GG_REAPI_CREDENTIAL_HELPER");
	const token = url.searchParams.has("token-file") ? "" : (env["GG_REAPI_TOKEN"] ?? "");
	if (/[^\x21-\x7e]/.test(token)) return bad("GG_REAPI_TOKEN holds something that no token holds");
	if (!secure && (token !== "" || tokenFile !== "" || credentialHelper !== "") && !isLoopback(url.hostname))
		return bad("a token would cross the network in clear text: use grpcs://");
	return ok({
		target: `${url.hostname}:${url.port === "" ? (secure ? "443" : "80") : url.port}`,
		instance: decodeURIComponent(url.pathname.replace(/^\/+|\/+$/g, "")),
		tls: secure ? { ...files, serverName: url.searchParams.get("server-name") ?? "" } : undefined,
		tokenFile,
		token,
		credentialHelper,
		platform,
		priority,
		deadline,
		compression,
		access,
	});
}

const PARAMETERS = new Set([
	"access",
	"ca",
	"cert",
	"compression",
	"credential-helper",
	"deadline",
	"key",
	"priority",
	"server-name",
	"token-file",
]);

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
