import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { join, resolve } from "node:path";
import { quote } from "shell-quote";
import { nativePrograms, nativeRunner } from "../interpose/native.js";
import { isLoopback } from "../util/addresses.js";
import { makeFolders } from "../util/files.js";
import { UserError } from "../util/result.js";
import { startSpawner } from "../util/spawner.js";
import { claimFolder } from "../worker/claim.js";
import { Disk } from "../worker/disk.js";
import { makeIdentity } from "../worker/identity.js";
import { startWorker } from "../worker/server.js";
import { parse } from "./parse.js";
import { cacheDirectory, give, usageError } from "./project.js";
import { toSize } from "./sizes.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "worker",
	usage:
		"gg worker [options]\n\nA server of the Remote Execution API: runs thunks of other machines (gg … --engine remote=HOST:PORT) and keeps\nwhat they came to. Beyond the loopback address it wants a certificate and a token; --init makes both.",
	options: {
		listen: { type: "string", default: "127.0.0.1:8980", describe: "HOST:PORT; port 0 is any that is free" },
		jobs: { alias: "j", type: "number", describe: "actions at once (default: the number of cores)" },
		cache: { type: "string", describe: "where blobs and results are kept (default: worker in the user's cache)" },
		"max-cache": { type: "string", default: "20G", describe: "what was not used for longest goes beyond this size" },
		"max-time": { type: "number", default: 900, describe: "seconds that one action may take" },
		"max-memory": { type: "string", default: "0", describe: "address space of one process (0: no limit)" },
		"max-output": { type: "string", default: "2G", describe: "size of one file that an action writes" },
		"max-processes": {
			type: "number",
			default: 0,
			describe: "processes of the worker's user, who is not root (0: no limit)",
		},
		"accept-results": { type: "boolean", describe: "also keep results that clients computed themselves" },
		init: { type: "boolean", describe: "make a certificate and a token, and print the worker's and the clients' line" },
		cert: { type: "string", describe: "certificate, a file in PEM form" },
		key: { type: "string", describe: "its private key" },
		"token-file": { type: "string", describe: "file with the token that clients must send" },
	},
} as const;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const { flags, rest } = parsed;
	if (rest.length > 0) throw usageError("worker", `${JSON.stringify(rest[0])} is no option`);
	const { host, port } = toAddress(flags.listen);
	const folder = resolve(io.cwd, flags.cache ?? join(cacheDirectory(io.env), "worker"));
	makeFolders(folder, 0o700);
	const own = join(folder, "identity");
	if (flags.init === true) {
		const identity = makeIdentity(own);
		// On the loopback address a worker asks nobody who he is.
		const at = isLoopback(host) ? "0.0.0.0" : host;
		const cache = flags.cache === undefined ? "" : ` --cache ${quote([folder])}`;
		io.out(`certificate ${identity.cert}\ntoken       ${identity.tokenFile}\n`);
		io.out(`Start the worker:\n    gg worker --listen ${bracketed(at)}:${port}${cache}\n`);
		io.out(`Copy certificate and token to the clients. There:\n    ${clientLine(at, port, identity)}\n`);
		return 0;
	}
	const jobs = flags.jobs ?? availableParallelism();
	if (!Number.isInteger(jobs) || jobs < 1) throw usageError("worker", "--jobs takes a whole number from 1 up");
	if (flags["max-processes"] > 0 && isUnlimited())
		throw usageError("worker", "--max-processes has no effect on root's processes: start the worker as another user");
	const security = securityOf(flags, own, host);
	const cacheDir = cacheDirectory(io.env);
	const say = (text: string): void => io.err(`gg: ${text}`);
	const natives = give(nativePrograms(cacheDir, io.env, say));
	const runner = give(nativeRunner(cacheDir, io.env, say));
	const giveBack = await claimFolder(realpathSync(folder));
	const spawner = startSpawner(natives.spawner);
	try {
		const worker = await startWorker({
			host,
			port,
			jobs,
			disk: new Disk(folder, toSize("worker", "--max-cache", flags["max-cache"])),
			spawner,
			runner,
			path: "/usr/local/bin:/usr/bin:/bin",
			name: hostname(),
			acceptResults: flags["accept-results"] === true,
			limits: {
				timeMs: flags["max-time"] * 1000,
				memoryBytes: toSize("worker", "--max-memory", flags["max-memory"]),
				outputBytes: toSize("worker", "--max-output", flags["max-output"]),
				processes: flags["max-processes"],
			},
			...security,
		});
		io.out(`gg worker: ${host}:${worker.port}, ${jobs} at once, blobs in ${folder}\n`);
		await ended();
		io.err("gg worker: waiting for what runs to end\n");
		await worker.drain();
		return 0;
	} finally {
		await spawner.close();
		giveBack();
	}
};

/** True for root itself, and not for a container's: the kernel counts only the processes of others. */
function isUnlimited(): boolean {
	return process.getuid?.() === 0 && /^\s*0\s+0\s/.test(readFileSync("/proc/self/uid_map", "latin1"));
}

/** Resolves when the process is asked to end; asked a second time, it ends at once. */
function ended(): Promise<void> {
	return new Promise((resolve) => {
		let asked = false;
		const ask = (): void => {
			if (asked) process.exit(1);
			asked = true;
			resolve();
		};
		for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, ask);
	});
}

function toAddress(text: string): { host: string; port: number } {
	const match = /^(.*):(\d{1,5})$/.exec(text);
	const port = Number(match?.[2]);
	if (match === null || match[1] === "" || port > 65535)
		throw usageError("worker", `--listen takes HOST:PORT, not ${JSON.stringify(text)}`);
	return { host: match[1]!.replace(/^\[(.*)\]$/, "$1"), port };
}

interface SecurityFlags {
	readonly cert?: string | undefined;
	readonly key?: string | undefined;
	readonly "token-file"?: string | undefined;
}

/** On the loopback address nothing is needed; elsewhere certificate and token, given or made by --init. */
function securityOf(flags: SecurityFlags, own: string, host: string) {
	const made = !isLoopback(host) && existsSync(join(own, "cert.pem"));
	const cert = flags.cert ?? (made ? join(own, "cert.pem") : undefined);
	const key = flags.key ?? (made ? join(own, "key.pem") : undefined);
	const tokenFile = flags["token-file"] ?? (made ? join(own, "token") : undefined);
	if ((cert === undefined) !== (key === undefined)) throw usageError("worker", "--cert and --key go together");
	if (!isLoopback(host) && (cert === undefined || tokenFile === undefined)) {
		throw new UserError({
			reason: "open-door",
			message: `on ${host} anybody could run programs here: a certificate and a token are needed`,
			hint: "`gg worker --init` makes them; or name yours with --cert, --key and --token-file",
		});
	}
	return {
		tls: cert === undefined || key === undefined ? undefined : { cert, key },
		token: tokenFile === undefined ? "" : readToken(tokenFile),
	};
}

function readToken(path: string): string {
	let text: string;
	try {
		if ((statSync(path).mode & 0o077) !== 0)
			throw new UserError({ reason: "open-token", message: `others may read ${path}`, hint: `chmod 600 ${path}` });
		text = readFileSync(path, "utf8").trim();
	} catch (error) {
		if (error instanceof UserError) throw error;
		throw new UserError({ reason: "bad-credentials", message: `cannot read ${path}` });
	}
	if (text.length < 16 || /[^\x21-\x7e]/.test(text))
		throw new UserError({
			reason: "bad-credentials",
			message: `${path} holds no token of 16 or more characters`,
			hint: "`gg worker --init` makes one",
		});
	return text;
}

function clientLine(host: string, port: number, identity: { cert: string; tokenFile: string }): string {
	const name = host === "0.0.0.0" || host === "::" ? hostname() : bracketed(host);
	const files = `ca=${inUrl(identity.cert)}&token-file=${inUrl(identity.tokenFile)}`;
	return `gg build --engine 'reapi=grpcs://${name}:${port}?${files}' make -j16`;
}

function bracketed(host: string): string {
	return host.includes(":") ? `[${host}]` : host;
}

/** A path as the value of a URL's parameter, within single quotes of a shell. */
function inUrl(path: string): string {
	return encodeURIComponent(path).replaceAll("%2F", "/").replaceAll("'", "%27");
}
