/** Objects in real services: a Redis server, and Swift's S3 service, which checks signatures. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import {
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { createServer as createHttpServer, request } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fetchBlock } from "../../src/lambda/fetch.js";
import { packBlobs } from "../../src/storage/block.js";
import { openStorage } from "../../src/storage/open.js";
import { redisStorage } from "../../src/storage/redis.js";
import { parseRedis } from "../../src/storage/redis-uri.js";
import { s3Storage } from "../../src/storage/s3.js";
import { parseS3 } from "../../src/storage/s3-uri.js";
import type { Storage } from "../../src/storage/types.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { UserError } from "../../src/util/result.js";
import { Disk } from "../../src/worker/disk.js";
import { testCli } from "../rig/cli.js";
import { type Project, projects, withoutSummary } from "../rig/project.js";
import { hasRedis, hasS3, S3_KEY, S3_SECRET, type StorageServer, startRedis, startS3 } from "../rig/storage-servers.js";

/** Opens it for `use`, and closes it whatever happens. */
async function within<T>(uri: string, use: (storage: Storage) => Promise<T>): Promise<T> {
	const opened = await openStorage({ GG_STORAGE_URI: uri });
	if (!opened.ok) throw new UserError(opened.error);
	try {
		return await use(opened.value);
	} finally {
		await opened.value.close();
	}
}

/** What the user is told when `what` is refused: message, then hint. */
async function refusal(what: Promise<unknown>): Promise<readonly (string | undefined)[]> {
	try {
		await what;
	} catch (error) {
		if (!(error instanceof UserError)) throw error;
		assert.equal(error.failure.reason, "storage");
		return [error.failure.message, error.failure.hint];
	}
	throw new assert.AssertionError({ message: "it was not refused" });
}

/** Something listens at `port` and never says a word, while `use` runs. */
async function silent(use: (port: number) => Promise<void>): Promise<void> {
	const sockets = new Set<Socket>();
	const listener = createServer((socket) => sockets.add(socket.on("error", () => {})));
	await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
	try {
		await use((listener.address() as AddressInfo).port);
	} finally {
		for (const socket of sockets) socket.destroy();
		await new Promise((resolve) => listener.close(resolve));
	}
}

/** A folder for the whole suite, for servers that take seconds to start. */
function suiteFolder(): { readonly path: string } {
	const state = { path: "" };
	before(() => {
		state.path = realpathSync(mkdtempSync(join(tmpdir(), "gg-storage-")));
	});
	after(() => rmSync(state.path, { recursive: true, force: true }));
	return state;
}

/** What every backend does, each on a real service. */
function carriesObjects(uri: () => string, folder: { readonly path: string }): void {
	const file = (name: string, content: string | Buffer): readonly [ObjectHash, string] => {
		const path = join(folder.path, name);
		writeFileSync(path, content);
		return [hashBytes(Buffer.from(content)), path];
	};

	it("carries objects of any size and content", () =>
		within(uri(), async (storage) => {
			const contents = ["", "\0", "text\r\n", "##GGTHUNK##x", Buffer.alloc(3_000_000, "abc\xff", "latin1")];
			const files = contents.map((content, i) => file(`o${i}`, content));
			const hashes = files.map(([hash]) => hash);
			assert.deepEqual(await Promise.all(hashes.map((hash) => storage.has(hash))), [false, false, false, false, false]);
			assert.deepEqual(await Promise.all(hashes.map((hash) => storage.get(hash))), Array(5).fill(undefined));
			await Promise.all(files.map(([hash, path]) => storage.put(hash, path)));
			assert.deepEqual(await Promise.all(hashes.map((hash) => storage.has(hash))), [true, true, true, true, true]);
			for (const [i, hash] of hashes.entries())
				assert.ok((await storage.get(hash))!.equals(readFileSync(files[i]![1])), `object ${i}`);
		}));

	it("hands on objects and records in order, as they are", () =>
		within(uri(), async (storage) => {
			const [hash] = file("streamed", Buffer.alloc(5_000_000, "0123456"));
			const record = randomBytes(3_000_000);
			const name = hashBytes(Buffer.from("a record"));
			const taken: Buffer[] = [];
			const take = async (piece: Buffer): Promise<void> => void taken.push(Buffer.from(piece));
			assert.deepEqual(
				[await storage.stream(hash, take), await storage.stream(`blocks/${name}`, take)],
				[false, false],
			);
			await storage.put(hash, join(folder.path, "streamed"));
			await storage.putRecord(`blocks/${name}`, record);
			assert.equal(await storage.stream(hash, take), true);
			assert.equal(hashBytes(Buffer.concat(taken.splice(0))), hash);
			assert.equal(await storage.stream(`blocks/${name}`, take), true);
			assert.ok(Buffer.concat(taken).equals(record));
			const full = Object.assign(new Error("no room"), { code: "ENOSPC" });
			await assert.rejects(
				storage.stream(hash, () => Promise.reject(full)),
				(error) => error === full,
			);
		}));

	it("carries many at a time", () =>
		within(uri(), async (storage) => {
			const files = Array.from({ length: 100 }, (_, i) => file(`many${i}`, `object ${i}\n`));
			await Promise.all(files.map(([hash, path]) => storage.put(hash, path)));
			const got = await Promise.all(files.map(([hash]) => storage.get(hash)));
			assert.deepEqual(
				got.map((bytes) => bytes?.toString()),
				files.map((_, i) => `object ${i}\n`),
			);
		}));

	it("sends nothing under a name that is no longer its own", () =>
		within(uri(), async (storage) => {
			const [hash, path] = file("changing", "before\n");
			writeFileSync(path, "after!\n");
			await assert.rejects(storage.put(hash, path), /changed while it was sent/);
			assert.equal(await storage.has(hash), false);
		}));
}

describe("a Redis server as storage", () => {
	const folder = suiteFolder();
	let server: StorageServer | undefined;
	const password = "p@ss/w";
	const encoded = encodeURIComponent(password);
	const uri = (user = "default", word = encoded) => `redis://${user}:${word}@127.0.0.1:${server!.port}`;
	before(async function () {
		if (!hasRedis()) return this.skip();
		server = await startRedis(folder.path, [
			`requirepass "${password}"`,
			"user reader on >secret ~* +get +strlen +hello +client +select",
			"user default on >p@ss/w ~* &* +@all",
		]);
	});
	after(() => server?.stop());

	carriesObjects(() => uri(), folder);

	it("keeps databases apart, and objects for as long as ttl says", async () => {
		const path = join(folder.path, "one");
		writeFileSync(path, "one\n");
		const hash = hashBytes(Buffer.from("one\n"));
		await within(`${uri()}/3?ttl=1000`, (storage) => storage.put(hash, path));
		assert.equal(await within(`${uri()}/3`, (storage) => storage.has(hash)), true);
		assert.equal(await within(uri(), (storage) => storage.has(hash)), false);
		const ttl = execFileSync("redis-cli", ["-p", `${server!.port}`, "-n", "3", "ttl", hash], {
			encoding: "utf8",
			env: { ...process.env, REDISCLI_AUTH: password },
		});
		assert.ok(Number(ttl) > 900 && Number(ttl) <= 1000, ttl);
	});

	it("takes nothing that is not what its name says", async () => {
		const hash = hashBytes(Buffer.from("right\n"));
		const set = (value: string) =>
			execFileSync("redis-cli", ["-p", `${server!.port}`, "set", hash, value], {
				env: { ...process.env, REDISCLI_AUTH: password },
				stdio: "ignore",
			});
		set("wrong\n");
		assert.equal(await within(uri(), (storage) => storage.get(hash)), undefined);
		set("rig");
		assert.equal(await within(uri(), (storage) => storage.has(hash)), false);
	});

	describe("keeps what is larger than 8 MiB in pieces", () => {
		const MB = 1 << 20;
		const command = (...words: string[]): string =>
			execFileSync("redis-cli", ["-p", `${server!.port}`, ...words], {
				encoding: "utf8",
				env: { ...process.env, REDISCLI_AUTH: password, LC_ALL: "C" },
			}).trim();
		/** Same length, other bytes. */
		const spoil = (key: string): void => {
			assert.equal(command("setrange", key, "1000", "wrong"), String(8 * MB));
		};
		const large = (): { readonly bytes: Buffer; readonly hash: ObjectHash; readonly path: string } => {
			const bytes = randomBytes(20 * MB);
			const path = join(folder.path, "large");
			writeFileSync(path, bytes);
			return { bytes, hash: hashBytes(bytes), path };
		};

		it("so that no value is larger, and all expire", () =>
			within(`${uri()}?ttl=1000`, async (storage) => {
				const { bytes, hash, path } = large();
				await storage.put(hash, path);
				await storage.putRecord(`blocks/${hash}`, bytes);
				for (const key of [hash, `blocks/${hash}`]) {
					const lengths = [0, 1, 2, 3].map((i) => Number(command("strlen", `${key}#${i}`)));
					assert.deepEqual(lengths, [8 * MB, 8 * MB, 4 * MB, 0]);
					for (const i of [0, 1, 2]) assert.ok(Number(command("ttl", `${key}#${i}`)) > 900);
				}
				assert.ok(Number(command("ttl", `blocks/${hash}`)) > 900);
				assert.equal(await storage.has(hash), true);
				assert.ok((await storage.get(hash))?.equals(bytes));
				assert.ok((await storage.getRecord(`blocks/${hash}`))?.equals(bytes));
			}));

		it("and has nothing where one was evicted", () =>
			within(uri(), async (storage) => {
				const { bytes, hash, path } = large();
				await storage.put(hash, path);
				await storage.putRecord(`blocks/${hash}`, bytes);
				const never = async (): Promise<void> => {};
				for (const [i, key] of [hash, `blocks/${hash}`].entries()) assert.equal(command("del", `${key}#${i}`), "1");
				assert.equal(await storage.has(hash), false);
				assert.equal(await storage.get(hash), undefined);
				assert.equal(await storage.stream(hash, never), false);
				assert.equal(await storage.getRecord(`blocks/${hash}`), undefined);
				assert.equal(await storage.stream(`blocks/${hash}`, never), false);
				await storage.put(hash, path);
				assert.ok((await storage.get(hash))?.equals(bytes));
			}));

		it("and has no object where one is wrong", () =>
			within(uri(), async (storage) => {
				const { hash, path } = large();
				await storage.put(hash, path);
				spoil(`${hash}#1`);
				assert.equal(await storage.get(hash), undefined);
				assert.equal(command("append", `${hash}#2`, "x"), String(4 * MB + 1));
				assert.equal(await storage.has(hash), false);
				await storage.put(hash, path);
				assert.equal(hashBytes((await storage.get(hash))!), hash);
			}));

		it("and hands nothing on of a record that says to be larger than any is", () =>
			within(uri(), async (storage) => {
				const name = `blocks/${hashBytes(Buffer.from("too large"))}` as const;
				command("setrange", `${name}#0`, String(8 * MB - 1), "x");
				for (const size of [193 * MB, Number.MAX_SAFE_INTEGER]) {
					command("set", name, `ggpieces1 ${size}`);
					let taken = 0;
					const take = async (piece: Buffer): Promise<void> => {
						taken += piece.length;
					};
					assert.deepEqual([await storage.stream(name, take), taken], [false, 0]);
					assert.equal(await storage.getRecord(name), undefined);
				}
			}));

		it("of which the function takes only what is right", () =>
			within(uri(), async (storage) => {
				const disk = new Disk(join(folder.path, "disk"), 0, false);
				const blobs = [randomBytes(12 * MB), randomBytes(9 * MB)];
				const name = hashBytes(Buffer.from("a block in pieces"));
				const none = (): void => {};
				const fetch = async () => (await fetchBlock(storage, name, disk, disk.pins(), none))?.map((d) => disk.get(d)!);
				await storage.putRecord(`blocks/${name}`, packBlobs(blobs));
				assert.deepEqual(await fetch(), blobs);
				spoil(`blocks/${name}#1`);
				assert.equal(await fetch(), undefined);
				command("del", `blocks/${name}#0`);
				assert.equal(await fetch(), undefined);
				await storage.putRecord(`blocks/${name}`, packBlobs(blobs));
				assert.deepEqual(await fetch(), blobs);
			}));

		it("and gives the whole or nothing while the server evicts", async () => {
			const evicting = await startRedis(folder.path, ["maxmemory 48mb", "maxmemory-policy allkeys-lru"]);
			try {
				await within(`redis://127.0.0.1:${evicting.port}`, async (storage) => {
					const hashes: ObjectHash[] = [];
					for (let i = 0; i < 6; i++) {
						const { hash, path } = large();
						await storage.put(hash, path);
						hashes.push(hash);
					}
					assert.ok(
						Number(
							/^evicted_keys:(\d+)/m.exec(
								execFileSync("redis-cli", ["-p", `${evicting.port}`, "info", "stats"], { encoding: "utf8" }),
							)?.[1],
						) > 0,
					);
					const got = await Promise.all(hashes.map((hash) => storage.get(hash)));
					assert.ok(got.includes(undefined));
					for (const [i, bytes] of got.entries()) if (bytes !== undefined) assert.equal(hashBytes(bytes), hashes[i]);
				});
			} finally {
				await evicting.stop();
			}
		});
	});

	it("says in one sentence what it refuses, without the password", async () => {
		const at = `the Redis server 127.0.0.1:${server!.port}`;
		const hash = hashBytes(Buffer.from("x"));
		const ask = (address: string) => refusal(within(address, (storage) => storage.has(hash)));
		assert.deepEqual(await ask(uri("default", "wr0ng")), [
			`${at} does not accept the user or the password`,
			"check both in the URI",
		]);
		assert.deepEqual(await ask(`redis://127.0.0.1:${server!.port}`), [
			`${at} wants a password`,
			"put USER:PASSWORD@ before the host in the URI",
		]);
		const path = join(folder.path, "x");
		writeFileSync(path, "x");
		assert.deepEqual(await refusal(within(uri("reader", "secret"), (storage) => storage.put(hash, path))), [
			`${at} does not allow this user what gg needs`,
			"allow it the commands get, set, exists and strlen on all keys",
		]);
		const listener = createServer((socket) => socket.destroy());
		await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
		const { port } = listener.address() as { port: number };
		const [hangsUp] = await ask(`redis://127.0.0.1:${port}`);
		assert.match(hangsUp!, new RegExp(`^the Redis server 127.0.0.1:${port} cannot be used \\(`));
		await new Promise((resolve) => listener.close(resolve));
		assert.deepEqual(await ask(`redis://127.0.0.1:${port}`), [
			`the Redis server 127.0.0.1:${port} cannot be used (ECONNREFUSED)`,
			"check the URI, and that the server can be reached",
		]);
	});

	it("does not wait for ever for a server that accepts and never answers", () =>
		silent(async (port) => {
			const place = parseRedis(`redis://127.0.0.1:${port}`);
			assert.ok(place.ok);
			assert.deepEqual(await refusal(redisStorage(place.value, 50)), [
				`the Redis server 127.0.0.1:${port} does not answer`,
				"check the URI, and that the server can be reached",
			]);
		}));

	it("does not wait for ever for a server that stops answering", async () => {
		const stopping = await startRedis(folder.path);
		try {
			const place = parseRedis(`redis://127.0.0.1:${stopping.port}`);
			assert.ok(place.ok);
			const storage = await redisStorage(place.value, 200);
			const hash = hashBytes(Buffer.from("x"));
			assert.equal(await storage.has(hash), false);
			stopping.pause();
			const says = `the Redis server 127.0.0.1:${stopping.port} does not answer`;
			assert.equal((await refusal(storage.has(hash)))[0], says);
			assert.equal((await refusal(storage.get(hash)))[0], says);
			await storage.close();
		} finally {
			await stopping.stop();
		}
	});

	it("says that it is full, and goes on after it evicts", async () => {
		const full = await startRedis(folder.path, ["maxmemory 3mb", "maxmemory-policy noeviction"]);
		const put = async (storage: Storage, seed: string) => {
			const bytes = Buffer.alloc(500_000, seed);
			const path = join(folder.path, `big-${seed}`);
			writeFileSync(path, bytes);
			await storage.put(hashBytes(bytes), path);
			return hashBytes(bytes);
		};
		const fill = (port: number) =>
			within(`redis://127.0.0.1:${port}`, async (storage) => {
				const hashes: ObjectHash[] = [];
				for (const seed of "abcdefghij") hashes.push(await put(storage, seed));
				return Promise.all(hashes.map((hash) => storage.has(hash)));
			});
		try {
			const [message] = await refusal(fill(full.port));
			assert.equal(message, `the Redis server 127.0.0.1:${full.port} is full`);
		} finally {
			await full.stop();
		}
		const evicting = await startRedis(folder.path, ["maxmemory 3mb", "maxmemory-policy allkeys-lru"]);
		try {
			const there = await fill(evicting.port);
			assert.ok(there.includes(true) && there.includes(false), `${there}`);
		} finally {
			await evicting.stop();
		}
	});

	it("is spoken to by TLS, and only if its certificate is right", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
		const request = [
			"req",
			"-x509",
			"-newkey",
			"ec",
			"-pkeyopt",
			"ec_paramgen_curve:prime256v1",
			"-nodes",
			"-days",
			"2",
		];
		const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
		execFileSync("openssl", [...request, ...names, "-keyout", key, "-out", cert], { stdio: "ignore" });
		const secure = await startRedis(folder.path, [
			`tls-cert-file ${cert}`,
			`tls-key-file ${key}`,
			"tls-auth-clients no",
		]);
		try {
			const address = `rediss://127.0.0.1:${secure.port}`;
			const hash = hashBytes(Buffer.from("x"));
			assert.equal(await within(`${address}?ca=${cert}`, (storage) => storage.has(hash)), false);
			const [message] = await refusal(within(address, (storage) => storage.has(hash)));
			assert.match(message!, /cannot be used \((?:DEPTH_ZERO_SELF_SIGNED_CERT|self-signed certificate)\)/);
		} finally {
			await secure.stop();
		}
	});
});

describe("an S3 bucket as storage", () => {
	const folder = suiteFolder();
	const cli = testCli();
	const project = projects();
	let server: StorageServer | undefined;
	const credentials = `${encodeURIComponent(S3_KEY)}:${encodeURIComponent(S3_SECRET)}@`;
	const uri = (bucket = "ggbucket/pre/fix", who = credentials, more = "") =>
		`s3://${who}${bucket}/?region=us-east-1&endpoint=http://127.0.0.1:${server!.port}${more}`;
	before(async function () {
		if (!hasS3()) return this.skip();
		server = await startS3(folder.path);
		const { CreateBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
		const client = new S3Client({
			region: "us-east-1",
			endpoint: `http://127.0.0.1:${server.port}`,
			forcePathStyle: true,
			credentials: { accessKeyId: S3_KEY, secretAccessKey: S3_SECRET },
			maxAttempts: 20,
		});
		await client.send(new CreateBucketCommand({ Bucket: "ggbucket" }));
		client.destroy();
	});
	after(() => server?.stop());

	carriesObjects(() => uri(), folder);

	it("is asked to set no ACL, which a bucket that has none (all new ones) would refuse", async () => {
		const asked: string[] = [];
		// Such a bucket, before the service.
		const door = createHttpServer((question, answer) => {
			const { method = "", url = "", headers } = question;
			asked.push(method);
			if (/[?&]acl\b/.test(url) || Object.keys(headers).some((name) => /^x-amz-(?:acl|grant-)/.test(name))) {
				answer.writeHead(400, { "content-type": "application/xml", connection: "close" });
				return void answer.end("<Error><Code>AccessControlListNotSupported</Code><Message>no ACLs</Message></Error>");
			}
			const { expect: _, connection: __, ...passed } = headers;
			const inner = request({
				agent: false,
				host: "127.0.0.1",
				port: server!.port,
				method,
				path: url,
				headers: passed,
			});
			inner.on("error", () => answer.destroy());
			inner.on("response", (reply) => {
				answer.writeHead(reply.statusCode ?? 500, reply.headers);
				if (method === "HEAD") answer.end();
				else reply.pipe(answer);
			});
			question.pipe(inner);
		});
		await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
		try {
			const { port } = door.address() as AddressInfo;
			const bytes = [Buffer.from("a file"), Buffer.from("bytes"), Buffer.from("a record")] as const;
			const [file, other, record] = bytes.map(hashBytes) as [ObjectHash, ObjectHash, ObjectHash];
			const path = join(folder.path, "no-acl");
			writeFileSync(path, bytes[0]);
			await within(uri().replace(`:${server!.port}`, `:${port}`), async (storage) => {
				await storage.put(file, path);
				await storage.putBytes(other, bytes[1]);
				await storage.putRecord(`results/${record}`, bytes[2]);
				assert.deepEqual(
					[await storage.get(file), await storage.get(other), await storage.getRecord(`results/${record}`)],
					bytes,
				);
			});
			assert.equal(asked.filter((method) => method === "PUT").length, 3);
		} finally {
			door.closeAllConnections();
			await new Promise((resolve) => door.close(resolve));
		}
	});

	it("is what `gg put` and `gg get` use", () => {
		const env = { GG_STORAGE_URI: uri() };
		for (const name of ["a", "b"]) {
			mkdirSync(cli.at(name));
			cli.gg(["init"], { cwd: cli.at(name) });
		}
		writeFileSync(cli.at("a/f"), "by S3\n");
		const hash = hashBytes(Buffer.from("by S3\n"));
		const put = cli.gg(["put", "f"], { cwd: cli.at("a"), env });
		assert.deepEqual([put.status, put.out, put.err], [0, "", `PUT f -> ${hash}\n`]);
		const get = cli.gg(["get", hash], { cwd: cli.at("b"), env });
		assert.deepEqual([get.status, get.out], [0, ""], get.err);
		assert.equal(readFileSync(cli.at(`b/.gg/blobs/${hash}`), "utf8"), "by S3\n");
	});

	it("gives another machine all results", async () => {
		const p = project(FILES);
		const plain = await p.run(["make", "-j2"]);
		assert.equal(plain.status, 0);
		const aside = p.aside();
		for (const expected of [NONE, ALL]) {
			p.fresh();
			const ended = await p.gg(["build", "--store", uri("ggbucket/cache"), "make", "-j2"]);
			assert.equal(ended.status, 0, ended.stderr);
			assert.match(ended.stderr, expected);
			p.assertSameTree(aside);
		}
	});

	it("does not wait for ever for a service that accepts and never answers", () =>
		silent(async (port) => {
			const place = parseS3(`s3://K:S@bucket/?region=r&endpoint=http://127.0.0.1:${port}`);
			assert.ok(place.ok);
			const storage = s3Storage(place.value, 50);
			assert.deepEqual(await refusal(storage.has(hashBytes(Buffer.from("x")))), [
				`the S3 bucket bucket at http://127.0.0.1:${port} does not answer`,
				"check the URI, and that the service can be reached",
			]);
			await storage.close();
		}));

	it("takes its credentials from the environment where the URI has none", () => {
		const env = {
			GG_STORAGE_URI: uri("ggbucket", ""),
			AWS_ACCESS_KEY_ID: S3_KEY,
			AWS_SECRET_ACCESS_KEY: S3_SECRET,
		};
		writeFileSync(cli.at("f"), "hello\n");
		assert.equal(cli.gg(["put", "f"], { env }).status, 0);
	});

	it("says in one sentence what it refuses, without the secret", async () => {
		const at = (bucket: string) => `the S3 bucket ${bucket} at http://127.0.0.1:${server!.port}`;
		const path = join(folder.path, "x");
		writeFileSync(path, "x");
		const hash = hashBytes(Buffer.from("x"));
		const put = (address: string) => refusal(within(address, (storage) => storage.put(hash, path)));
		assert.deepEqual(await put(uri("no-such-bucket")), [
			`${at("no-such-bucket")} does not exist`,
			"create it, or name another one in the URI",
		]);
		assert.deepEqual(await put(uri("ggbucket", `${encodeURIComponent(S3_KEY)}:wr0ng@`)), [
			`${at("ggbucket")} does not accept the credentials (403 SignatureDoesNotMatch)`,
			"check the key and the secret",
		]);
		const [denied] = await refusal(
			within(uri("ggbucket", `${encodeURIComponent(S3_KEY)}:wr0ng@`), (storage) => storage.has(hash)),
		);
		assert.match(denied!, /denies access \(403 /);
		const env = { ...process.env, AWS_EC2_METADATA_DISABLED: "true", HOME: folder.path };
		for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"]) Reflect.deleteProperty(env, name);
		writeFileSync(cli.at("f"), "hello\n");
		const none = cli.gg(["put", "f"], { env: { ...env, GG_STORAGE_URI: uri("ggbucket", "") } });
		assert.equal(
			none.err,
			`gg-put: there are no credentials for ${at("ggbucket")}\n    set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or put KEY:SECRET@ into the URI\n`,
		);
		assert.deepEqual(await put(`s3://${credentials}ggbucket/?region=us-east-1&endpoint=http://127.0.0.1:9`), [
			"the S3 bucket ggbucket at http://127.0.0.1:9 cannot be used (ECONNREFUSED)",
			"check the URI, and that the service can be reached",
		]);
	});
});

const FILES = {
	Makefile: `CFLAGS = -g -O2 -Wall -I$(CURDIR)/h
main: main.o libparts.a
	$(CC) -o $@ main.o -L. -lparts
libparts.a: one.o two.o
	ar rcs $@ one.o two.o
%.o: %.c
	$(CC) $(CFLAGS) -MMD -c -o $@ $<
-include main.d one.d two.d
`,
	"h/parts.h": "int one(void);\nint two(void);\n",
	"main.c": `#include <stdio.h>\n#include "parts.h"\nint main(void) { printf("%s %d\\n", __FILE__, one() + two()); return 0; }\n`,
	"one.c": `#include "parts.h"\nint one(void) { int unused; return 1; }\n`,
	"two.c": `#include "parts.h"\nint two(void) { return 2; }\n`,
};
const NONE = /^gg: 0 from the store, 5 compiled, linked or archived, /m;
const ALL = /^gg: 5 from the store, 0 compiled, linked or archived, /m;

describe("a storage backend as a shared cache", () => {
	const project = projects();
	const folder = suiteFolder();
	const servers: StorageServer[] = [];
	afterEach(async () => {
		for (const server of servers.splice(0)) await server.stop();
	});

	/** Builds a tree that was never built, by a gg that knows nothing; the tree is that of make alone. */
	function builder(p: Project): (store: string, env?: Record<string, string>) => Promise<string> {
		let plain: { readonly aside: string; readonly stderr: string } | undefined;
		return async (store, env = {}) => {
			if (plain === undefined) {
				const ended = await p.run(["make", "-j2"]);
				assert.equal(ended.status, 0, ended.stderr);
				plain = { aside: p.aside(), stderr: ended.stderr };
			}
			p.fresh();
			const ended = await p.gg(["build", "--store", store, "make", "-j2"], { env });
			assert.equal(ended.status, 0, ended.stderr);
			p.assertSameTree(plain.aside);
			if (ALL.test(ended.stderr)) assert.equal(withoutSummary(ended.stderr), plain.stderr);
			return ended.stderr;
		};
	}

	it("gives another machine all results, by a folder", async () => {
		const p = project(FILES);
		const build = builder(p);
		const store = `file://${join(p.folder, "shared")}`;
		assert.match(await build(`${store}?access=read-only`), NONE);
		assert.match(await build(store), NONE);
		assert.match(await build(store, { GITHUB_HEAD_REF: "feature" }), ALL);
		assert.match((await p.gg(["explain", "main.o"])).stdout, /thunk T\S+ was known, in file:\/\/\//);
	});

	it("gives another machine all results, by Redis, and its going away costs nothing but time", async function () {
		if (!hasRedis()) this.skip();
		const p = project(FILES);
		const build = builder(p);
		const server = await startRedis(folder.path, ['requirepass "s3cret"']);
		servers.push(server);
		const store = `redis://:s3cret@127.0.0.1:${server.port}`;
		assert.match(await build(store), NONE);
		assert.match(await build(store), ALL);
		const explained = (await p.gg(["explain", "main.o"])).stdout;
		assert.match(explained, /thunk T\S+ was known, in redis:\/\/127/);
		assert.ok(!explained.includes("s3cret"));
		await server.stop();
		const gone = await build(store);
		assert.match(gone, NONE);
		assert.match(gone, /^gg: no store is used: the Redis server 127\.0\.0\.1:\d+ cannot be used \(ECONNREFUSED\)$/m);
	});

	it("loses nothing when Redis dies in the middle", async function () {
		if (!hasRedis()) this.skip();
		const p = project({
			...FILES,
			Makefile: `${FILES.Makefile}stop:; kill -9 $(PID); while kill -0 $(PID) 2>&-; do :; done\n`,
		});
		const plain = await p.run(["make"]);
		assert.equal(plain.status, 0);
		const aside = p.aside();
		p.fresh();
		const server = await startRedis(folder.path);
		servers.push(server);
		const store = `redis://127.0.0.1:${server.port}`;
		const ended = await p.gg(["build", "--store", store, "make", `PID=${server.pid}`, "one.o", "stop", "main"]);
		assert.equal(ended.status, 0, ended.stderr);
		assert.match(ended.stderr, /^gg: the store is left alone[^\n]*: the Redis server 127\.0\.0\.1:\d+ /m);
		p.assertSameTree(aside);
	});

	it("makes again what it has lost, or holds wrongly", async () => {
		// Its object, the archive and the program are too large for a record.
		const p = project({ ...FILES, "one.c": `char big[2000000] = { 1 };\n${FILES["one.c"]}` });
		const build = builder(p);
		const shared = join(p.folder, "shared");
		await build(`file://${shared}`);
		const objects = readdirSync(shared).filter((name) => name.startsWith("V"));
		assert.equal(objects.length, 3);
		const spoil = (path: string): void => {
			chmodSync(path, 0o644);
			writeFileSync(
				path,
				readFileSync(path).map((byte) => byte ^ 1),
			);
		};
		for (const name of objects) spoil(join(shared, name));
		const LARGE = /^gg: 2 from the store, 3 compiled, linked or archived, /m;
		assert.match(await build(`file://${shared}?access=read-only`), LARGE);
		for (const name of objects) rmSync(join(shared, name));
		assert.match(await build(`file://${shared}`), LARGE);
		assert.match(await build(`file://${shared}`), ALL);
		const results = readdirSync(join(shared, "results")).map((name) => join(shared, "results", name));
		assert.equal(results.length, 5);
		for (const path of results) spoil(path);
		assert.match(await build(`file://${shared}?access=read-only`), NONE);
		for (const path of results) writeFileSync(path, "x");
		assert.match(await build(`file://${shared}?access=read-only`), NONE);
	});

	it("makes again what Redis has lost a piece of, or holds wrongly, and puts it right", async function () {
		if (!hasRedis()) this.skip();
		// Its object and the program are larger than one value of Redis may be.
		const p = project({ ...FILES, "main.c": `${FILES["main.c"]}char big[20 << 20] = { 1 };\n` });
		const build = builder(p);
		const server = await startRedis(folder.path);
		servers.push(server);
		const store = `redis://127.0.0.1:${server.port}`;
		const command = (...words: string[]): string =>
			execFileSync("redis-cli", ["-p", `${server.port}`, ...words], { encoding: "utf8" });
		assert.match(await build(store), NONE);
		const last = command("--scan", "--pattern", "V*#2").trim().split("\n");
		assert.equal(last.length, 2);
		for (const [spoilt, key] of [
			[["del"], last[0]!],
			[["setrange", "77", "x"], last[1]!.replace(/2$/, "1")],
		] as const) {
			const [word, ...rest] = spoilt;
			command(word, key, ...rest);
			assert.match(await build(store), /^gg: 4 from the store, 1 compiled, linked or archived, /m);
			assert.match(await build(store), ALL);
		}
	});

	it("goes on giving what it has when it takes no more", async function () {
		if (!hasRedis()) this.skip();
		const p = project(FILES);
		const build = builder(p);
		const server = await startRedis(folder.path, ["maxmemory-policy noeviction"]);
		servers.push(server);
		const store = `redis://127.0.0.1:${server.port}`;
		await build(store);
		const command = (...words: string[]): string =>
			execFileSync("redis-cli", ["-p", `${server.port}`, ...words], { encoding: "utf8" });
		// One is gone, and there is no room for it.
		command("del", command("--scan").split("\n")[0]!);
		command("config", "set", "maxmemory", "1mb");
		const ended = await build(store);
		assert.match(ended, /^gg: the store is left alone for a while: the Redis server \S+ is full\n {4}raise its/m);
		assert.match(ended, /^gg: 4 from the store, 1 compiled, linked or archived, /m);
	});

	it("counts only what the right key has signed, where one is set", async () => {
		const p = project(FILES);
		const build = builder(p);
		const store = `file://${join(p.folder, "shared")}`;
		const pair = (name: string): string => {
			const { privateKey, publicKey } = generateKeyPairSync("ed25519");
			writeFileSync(join(p.folder, name), privateKey.export({ type: "pkcs8", format: "pem" }));
			writeFileSync(join(p.folder, `${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
			return join(p.folder, name);
		};
		const [ours, theirs] = [pair("ours"), pair("theirs")];
		assert.match(await build(store), NONE);
		assert.match(await build(`${store}?access=read-only`, { GG_STORE_VERIFY_KEY: `${ours}.pub` }), NONE);
		assert.match(await build(store, { GG_STORE_SIGN_KEY: theirs }), NONE);
		assert.match(await build(store, { GG_STORE_SIGN_KEY: ours }), NONE);
		assert.match(await build(`${store}?access=read-only`, { GG_STORE_VERIFY_KEY: `${ours}.pub` }), ALL);
		assert.match(await build(`${store}?access=read-only`), ALL);
		p.fresh();
		const env = { GG_STORE_SIGN_KEY: p.path("Makefile") };
		const bad = await p.gg(["build", "--store", store, "make"], { env });
		assert.equal(bad.status, 1);
		assert.match(bad.stderr, /^gg-build: GG_STORE_SIGN_KEY names \S+, which holds no Ed25519 key in PEM form\n/m);
	});

	it("is named in one clear way, or an error says how", async () => {
		const p = project(FILES);
		const say = async (store: string) => (await p.gg(["build", "--store", store, "make"])).stderr;
		assert.match(await say("elsewhere"), /^gg-build: --store takes reapi=ENDPOINT or the URI of a storage backend\n/m);
		assert.match(await say("ftp://host/x"), /^gg-build: --store names a backend that gg cannot use \(ftp:\)\n/m);
		assert.match(await say("file:///x?access=all"), /^gg-build: access=all is neither read-only nor read-write\n/m);
		const s3 = await say("s3://KEY:a/b@bucket/");
		assert.match(
			s3,
			/^gg-build: the URI of the S3 bucket cannot be read: a \/ or @ in a key or secret is written %2F/m,
		);
		assert.ok(!s3.includes("a/b"), s3);
	});
});
