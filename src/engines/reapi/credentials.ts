import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { promisify } from "node:util";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { UserError } from "../../util/result.js";
import type { Endpoint } from "./endpoint.js";

export interface ChannelSecurity {
	readonly credentials: ChannelCredentials;
	readonly serverName?: string;
	readonly tlsName?: string;
	readonly headers?: () => Promise<Readonly<Record<string, string>>>;
}

/** Milliseconds for which the helper's answer is used when it names no time. */
const HELPER_MS = 300_000;
const PEM = "ca=, cert= and key= name files in PEM form";
const HEADER = /^[0-9a-z_.-]+$/i;
/** Milliseconds for which a token file is not read again. */
const FILE_MS = 10_000;

/** Certificates and tokens, read from files; no secret gets into a message. */
export async function channelSecurity(endpoint: Endpoint): Promise<ChannelSecurity> {
	const headers = headersOf(endpoint);
	// A token that cannot be had is found out before the first call.
	await headers?.();
	const more = headers === undefined ? {} : { headers };
	if (endpoint.tls === undefined) return { credentials: credentials.createInsecure(), ...more };
	const { ca, cert, key, serverName } = endpoint.tls;
	const read = (path: string, what: "ca" | "cert" | "key"): Buffer | null => {
		const pem = path === "" ? null : readFile(path, what);
		// Node takes a file without one for an empty list, and then believes nobody.
		if (pem === null || what === "key" || pem.includes("-----BEGIN ")) return pem;
		throw new UserError({
			reason: "bad-credentials",
			message: `the file that ${what}= names holds no certificate: ${path}`,
			hint: PEM,
		});
	};
	const host = endpoint.target.slice(0, endpoint.target.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
	// TLS sends no addresses as names, and Node warns on every connection that tries.
	const byAddress = serverName === "" && isIP(host) !== 0;
	const checks = byAddress
		? { checkServerIdentity: (_: string, peer: PeerCertificate) => checkServerIdentity(host, peer) }
		: {};
	const names = byAddress ? { tlsName: "localhost" } : serverName === "" ? {} : { serverName };
	try {
		return {
			credentials: credentials.createSsl(read(ca, "ca"), read(key, "key"), read(cert, "cert"), checks),
			...names,
			...more,
		};
	} catch (error) {
		if (error instanceof UserError) throw error;
		const message = `the certificates cannot be used: ${error instanceof Error ? error.message : String(error)}`;
		throw new UserError({ reason: "bad-credentials", message, hint: PEM });
	}
}

function headersOf(endpoint: Endpoint): (() => Promise<Readonly<Record<string, string>>>) | undefined {
	const { token: given } = endpoint;
	if (given !== "") return async () => ({ authorization: `Bearer ${given}` });
	if (endpoint.tokenFile !== "") {
		return remembered(async () => {
			const token = readFile(endpoint.tokenFile, "token-file").toString().trim();
			if (token === "" || /[^\x21-\x7e]/.test(token)) {
				const message = `the token file ${endpoint.tokenFile} holds no token`;
				throw new UserError({
					reason: "bad-credentials",
					message,
					hint: "it holds the token and nothing else, on one line",
				});
			}
			return { headers: { authorization: `Bearer ${token}` }, until: Date.now() + FILE_MS };
		});
	}
	if (endpoint.credentialHelper !== "") return remembered(() => askHelper(endpoint));
	return undefined;
}

interface Headers {
	readonly headers: Readonly<Record<string, string>>;
	/** Milliseconds since the epoch. */
	readonly until: number;
}

function remembered(get: () => Promise<Headers>): () => Promise<Readonly<Record<string, string>>> {
	let known: Promise<Headers> | undefined;
	let until = 0;
	return async () => {
		if (known === undefined || Date.now() >= until) {
			until = Number.POSITIVE_INFINITY;
			known = get();
			known.then(
				(h) => {
					until = h.until;
				},
				() => {
					until = 0;
				},
			);
		}
		return (await known).headers;
	};
}

/** Bazel's protocol: `HELPER get` reads {"uri"} and prints {"headers": {NAME: [VALUE…]}, "expires"}. */
async function askHelper(endpoint: Endpoint): Promise<Headers> {
	const bad = (why: string): UserError =>
		new UserError({
			reason: "bad-credentials",
			message: `the credential helper ${endpoint.credentialHelper} ${why}`,
			hint: "it is started with the argument get, and prints JSON with headers",
		});
	let text: string;
	try {
		const running = promisify(execFile)(endpoint.credentialHelper, ["get"], { timeout: 30_000 });
		running.child.stdin?.on("error", () => undefined);
		running.child.stdin?.end(JSON.stringify({ uri: `https://${endpoint.target}` }));
		text = (await running).stdout;
	} catch (error) {
		throw bad(`failed: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`);
	}
	try {
		const answer = JSON.parse(text) as { headers?: Record<string, readonly string[]>; expires?: string };
		const headers: Record<string, string> = {};
		for (const [name, values] of Object.entries(answer.headers ?? {})) {
			const value = values.join(", ");
			// Whoever checks it later puts the whole secret into the message.
			if (!HEADER.test(name) || /-bin$/i.test(name) || /[^\x20-\x7e]/.test(value)) throw new Error("no header");
			headers[name.toLowerCase()] = value;
		}
		const expires = answer.expires === undefined ? Number.NaN : Date.parse(answer.expires) - 5_000;
		return { headers, until: Number.isNaN(expires) ? Date.now() + HELPER_MS : expires };
	} catch {
		throw bad("printed something else than its answer");
	}
}

function readFile(path: string, what: string): Buffer {
	try {
		return readFileSync(path);
	} catch {
		throw new UserError({ reason: "bad-credentials", message: `cannot read the file that ${what}= names: ${path}` });
	}
}
