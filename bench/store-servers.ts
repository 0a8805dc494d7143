/** A store for a comparison, and what can befall it: `same.js --store redis` and `--store s3`. */
import { execFileSync } from "node:child_process";
import { createServer as createHttpServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { makeCertificate } from "../test/rig/certificates.js";
import { S3_KEY, S3_SECRET, startRedis, startS3 } from "../test/rig/storage-servers.js";
import { BenchError } from "./run.js";

/**
 * Each request takes 200 ms; or in the middle of a build it is switched off, forgets everything, forgets something for each thing that it
 * takes, takes nothing more.
 */
export const FAULTS = ["slow", "off", "emptied", "evicting", "full"] as const;
export type Fault = (typeof FAULTS)[number];

export interface StoreBuilds {
	/** For `--store`. */
	readonly uri: string;
	/** Must be in nothing that gg says. */
	readonly secret: string;
	/** From here on: `fault` befalls it when so many requests have come. */
	begin(fault?: Fault, after?: number): Promise<void>;
	/** Since `begin`. */
	readonly asked: number;
	/** The fault has befallen it. */
	readonly hasFailed: boolean;
	/** Of each kind, for a person. */
	told(): string;
	empty(): Promise<void>;
	stop(): Promise<void>;
}

const SLOW_MS = 200;

/** What stands between gg and the service, and the same for both. */
class Fate {
	asked = 0;
	hasFailed = false;
	fault: Fault | undefined;
	readonly #befall: (fault: Fault) => Promise<void>;
	#after = 0;
	#falling: Promise<void> | undefined;

	constructor(befall: (fault: Fault) => Promise<void>) {
		this.#befall = befall;
	}

	begin(fault: Fault | undefined, after: number): void {
		this.asked = 0;
		this.hasFailed = false;
		this.fault = fault;
		this.#after = after;
		this.#falling = undefined;
	}

	/** Resolves when the request that has just come may go on. */
	async request(): Promise<void> {
		this.asked += 1;
		if (this.fault === "slow") {
			this.hasFailed = true;
			await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
		} else if (this.fault !== undefined && this.asked > this.#after) {
			this.hasFailed = true;
			this.#falling ??= this.#befall(this.fault);
			await this.#falling;
		}
	}

	get isOff(): boolean {
		return this.fault === "off" && this.hasFailed;
	}
}

const listening = async (server: Server): Promise<number> => {
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return (server.address() as AddressInfo).port;
};

const PASSWORD = "pa55w0rd";

/** Debian's Redis by TLS, with a user of its own, behind a door that can be shut. */
export async function startRedisStore(folder: string): Promise<StoreBuilds> {
	const { cert, key } = makeCertificate(join(folder, "tls"), "20200101000000Z", "20990101000000Z");
	const redis = await startRedis(folder, [
		`tls-cert-file ${cert}`,
		`tls-key-file ${key}`,
		"tls-auth-clients no",
		"maxmemory-samples 64",
		`user default on >${PASSWORD} ~* &* +@all`,
		`user gg on >${PASSWORD} ~* +get +set +exists +strlen +hello +client +select`,
	]);
	const command = (...words: string[]): string =>
		execFileSync("redis-cli", ["--tls", "--cacert", cert, "-p", String(redis.port), ...words], {
			encoding: "utf8",
			env: { ...process.env, REDISCLI_AUTH: PASSWORD },
			stdio: ["ignore", "pipe", "ignore"],
		});
	const sockets = new Set<Socket>();
	const fate = new Fate(async (fault) => {
		if (fault === "emptied") command("flushall");
		if (fault === "full") command("config", "set", "maxmemory", "1");
		if (fault === "evicting") {
			command("config", "set", "maxmemory-policy", "allkeys-lru");
			command("config", "set", "maxmemory", /used_memory:(\d+)/.exec(command("info", "memory"))?.[1] ?? "1");
		}
		if (fault === "off") for (const socket of sockets) socket.destroy();
	});
	const door = createServer((socket) => {
		if (fate.isOff) return void socket.destroy();
		const inner = connect(redis.port, "127.0.0.1");
		for (const [one, other] of [
			[socket, inner],
			[inner, socket],
		] as const) {
			sockets.add(one);
			one.on("error", () => {});
			one.on("close", () => {
				sockets.delete(one);
				other.destroy();
			});
		}
		inner.pipe(socket);
		let last = Promise.resolve();
		socket.on("data", (chunk) => {
			last = Promise.all([last, fate.request()]).then(() => void (inner.destroyed || inner.write(chunk)));
		});
	});
	const port = await listening(door);
	return {
		uri: `rediss://gg:${PASSWORD}@127.0.0.1:${port}/2?ca=${cert}`,
		secret: PASSWORD,
		async begin(fault, after = 0) {
			command("config", "set", "maxmemory", "0");
			command("config", "set", "maxmemory-policy", "noeviction");
			command("config", "resetstat");
			fate.begin(fault, after);
		},
		get asked() {
			return fate.asked;
		},
		get hasFailed() {
			return fate.hasFailed;
		},
		told() {
			const calls = [...command("info", "commandstats").matchAll(/^cmdstat_(get|set|exists|strlen):calls=(\d+)/gm)];
			const evicted = Number(/^evicted_keys:(\d+)/m.exec(command("info", "stats"))?.[1] ?? 0);
			const words = calls.map(([, name, count]) => `${count} ${name}`);
			return [...words, ...(evicted > 0 ? [`${evicted} evicted`] : [])].join(", ");
		},
		empty: async () => void command("flushall"),
		async stop() {
			for (const socket of sockets) socket.destroy();
			await new Promise((resolve) => door.close(resolve));
			await redis.stop();
		},
	};
}

const BUCKET = "ggbucket";

/** Swift's S3 service, which checks signatures, behind a door that can be shut. */
export async function startS3Store(folder: string): Promise<StoreBuilds> {
	const s3 = await startS3(folder);
	const { CreateBucketCommand, DeleteObjectCommand, ListObjectsCommand, S3Client } = await import("@aws-sdk/client-s3");
	const client = new S3Client({
		region: "us-east-1",
		endpoint: `http://127.0.0.1:${s3.port}`,
		forcePathStyle: true,
		credentials: { accessKeyId: S3_KEY, secretAccessKey: S3_SECRET },
		maxAttempts: 20,
		requestChecksumCalculation: "WHEN_REQUIRED",
	});
	await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
	const removeSome = async (): Promise<number> => {
		const { Contents = [] } = await client.send(new ListObjectsCommand({ Bucket: BUCKET, MaxKeys: 100 }));
		for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }));
		return Contents.length;
	};
	const empty = async (): Promise<void> => {
		while ((await removeSome()) > 0);
	};
	const kinds = new Map<string, number>();
	const fate = new Fate(async (fault) => {
		if (fault === "emptied") await empty();
		// A bucket's rules remove what is old.
		if (fault === "evicting") await removeSome();
	});
	const serve = async (question: IncomingMessage, answer: ServerResponse): Promise<void> => {
		const method = question.method ?? "GET";
		kinds.set(method, (kinds.get(method) ?? 0) + 1);
		await fate.request();
		if (fate.isOff) return void question.socket.destroy();
		if (fate.fault === "full" && fate.hasFailed && method === "PUT") {
			question.resume();
			answer.writeHead(403, { "content-type": "application/xml" });
			return void answer.end("<Error><Code>QuotaExceeded</Code><Message>no room</Message></Error>");
		}
		// The door has answered what the client expects before it sends, and a connection is not used twice: Swift closes idle ones.
		const {
			url,
			headers: { expect: _, connection: __, ...headers },
		} = question;
		const inner = request(
			{ agent: false, host: "127.0.0.1", port: s3.port, method, path: url ?? "/", headers },
			(reply) => {
				answer.writeHead(reply.statusCode ?? 500, reply.headers);
				// Swift sends a body to HEAD of what it does not have, which is no answer to anything.
				if (method === "HEAD") answer.end();
				else reply.pipe(answer);
			},
		);
		inner.on("error", () => void (answer.writableEnded || answer.destroy()));
		question.pipe(inner);
	};
	const door = createHttpServer((question, answer) => void serve(question, answer));
	const port = await listening(door);
	const key = [S3_KEY, S3_SECRET].map(encodeURIComponent).join(":");
	return {
		uri: `s3://${key}@${BUCKET}/cache/?region=us-east-1&endpoint=http://127.0.0.1:${port}`,
		secret: S3_SECRET,
		async begin(fault, after = 0) {
			kinds.clear();
			fate.begin(fault, after);
		},
		get asked() {
			return fate.asked;
		},
		get hasFailed() {
			return fate.hasFailed;
		},
		told: () => [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", "),
		empty,
		async stop() {
			door.closeAllConnections();
			await new Promise((resolve) => door.close(resolve));
			client.destroy();
			await s3.stop();
		},
	};
}

export async function startStore(kind: string, folder: string): Promise<StoreBuilds> {
	if (kind === "redis") return startRedisStore(folder);
	if (kind === "s3") return startS3Store(folder);
	throw new BenchError("--store takes redis or s3");
}
