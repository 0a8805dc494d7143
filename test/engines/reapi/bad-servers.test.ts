/** What a user is told of a server that cannot be used: one sentence each, and no waiting beyond the deadline. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createWebServer } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import type { sendUnaryData } from "@grpc/grpc-js";
import { connect } from "../../../src/engines/reapi/client.js";
import { connectionProblem } from "../../../src/engines/reapi/connection.js";
import { parseEndpoint } from "../../../src/engines/reapi/endpoint.js";
import { CODE } from "../../../src/reapi/errors.js";
import { METHODS, type ServerCapabilities, SHA256 } from "../../../src/reapi/messages.js";
import { memoryStore } from "../../../src/store/memory.js";
import { UserError } from "../../../src/util/result.js";
import { makeCertificate } from "../../rig/certificates.js";
import { testFolder } from "../../rig/folder.js";
import { AT_ONCE, nativesForTests, startFaulty, testWorkers } from "../../rig/remote.js";

describe("a server that cannot be used", () => {
	const folder = testFolder();
	const worker = testWorkers();
	const ends: (() => void)[] = [];
	before(() => void nativesForTests());
	afterEach(() => {
		for (const end of ends.splice(0)) end();
	});

	async function listen(server: Server): Promise<string> {
		const sockets = new Set<Socket>();
		server.on("connection", (socket: Socket) => {
			sockets.add(socket);
			socket.on("error", () => undefined);
		});
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		ends.push(() => {
			server.close();
			for (const socket of sockets) socket.destroy();
		});
		return `127.0.0.1:${(server.address() as AddressInfo).port}`;
	}

	/** What is said of it, with the port left out. */
	async function said(url: string, use: "execution" | "cache" = "execution", env = {}): Promise<string> {
		const endpoint = parseEndpoint(`${url}${url.includes("?") ? "&" : "?"}deadline=5`, env);
		assert.ok(endpoint.ok, JSON.stringify(endpoint));
		try {
			const client = await connect(
				{
					endpoint: endpoint.value,
					jobs: 1,
					files: { get: () => undefined, isSystem: () => false },
					objects: memoryStore().objects,
					modes: new Map(),
					runner: nativesForTests().runner,
					view: nativesForTests().view,
					timeoutMs: 0,
					version: "test",
					modeOfFile: () => undefined,
					retries: AT_ONCE,
				},
				use,
			);
			client.channel.close();
		} catch (error) {
			assert.ok(error instanceof UserError, String(error));
			const { message, hint } = error.failure;
			return `${message.replace(/:\d+/, "")} | ${hint ?? ""}`;
		}
		throw new Error("it was accepted");
	}
	const CANNOT = "cannot use the server 127.0.0.1: ";
	const NO_REAPI = "the server 127.0.0.1 is no server of the Remote Execution API | ";
	const NO_GRPC = `${CANNOT}something answers there that does not speak gRPC, or wants TLS | check the port, and whether it is to be grpcs://`;

	it("is not there", async () => {
		const target = await listen(createServer());
		for (const end of ends.splice(0)) end();
		assert.equal(
			await said(`grpc://${target}`),
			`${CANNOT}nothing listens there | check the address, and that the server is up`,
		);
	});

	it("speaks another protocol", async () => {
		const ssh = createServer((socket) => void socket.write("SSH-2.0-OpenSSH_9\r\n"));
		assert.equal(await said(`grpc://${await listen(ssh)}`), NO_GRPC);
		const web = createWebServer((_, response) => void response.end("hello"));
		assert.equal(await said(`grpc://${await listen(web)}`), NO_GRPC);
		const missing = createHttp2Server((_, response) => {
			response.writeHead(404);
			response.end();
		});
		assert.equal(await said(`grpc://${await listen(missing)}`), NO_REAPI);
		const page = createHttp2Server((_, response) => void response.end("<html>"));
		assert.equal(await said(`grpc://${await listen(page)}`), NO_REAPI);
	});

	it("accepts a connection and says nothing", async () => {
		const silent = await listen(createServer());
		const late = `${CANNOT}DEADLINE_EXCEEDED: no answer within 1 s (GetCapabilities) | the server, or the way to it, is stuck or too slow: look at it, or give it longer (deadline=SECONDS)`;
		assert.equal(await said(`grpc://${silent}?deadline=1`), late);
		const mute = await listen(createHttp2Server(() => undefined));
		assert.equal(await said(`grpc://${mute}?deadline=1`), late);
	});

	async function withCertificate(from: string, to: string, options = {}): Promise<{ target: string; ca: string }> {
		const { cert, key } = makeCertificate(folder.path, from, to);
		const server = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key), ...options });
		return { target: await listen(server), ca: cert };
	}
	const VALID = ["20200101000000Z", "20910101000000Z"] as const;

	it("has a certificate that has expired, or that a wrong clock takes for one of the future", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const expired = await withCertificate("20200101000000Z", "20200102000000Z");
		assert.equal(
			await said(`grpcs://${expired.target}?ca=${expired.ca}`),
			`${CANNOT}its certificate has expired | have it renewed (\`gg worker --init\` does), or check the clock of this machine`,
		);
		const future = await withCertificate("20900101000000Z", "20910101000000Z");
		assert.equal(
			await said(`grpcs://${future.target}?ca=${future.ca}`),
			`${CANNOT}its certificate is not valid yet | check the clock of this machine, and the server's`,
		);
	});

	it("has a certificate of somebody else, or for another name", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const { target, ca } = await withCertificate(...VALID);
		assert.equal(
			await said(`grpcs://${target}`),
			`${CANNOT}its certificate is from nobody who is believed here (self-signed certificate) | name the certificate of its authority, or its own: ca=FILE`,
		);
		assert.equal(
			await said(`grpcs://${target}?ca=${ca}&server-name=example.org`),
			`${CANNOT}its certificate is for other names: DNS:localhost, IP Address:127.0.0.1 | use one of these names, or give the one to be checked: server-name=NAME`,
		);
	});

	it("wants TLS where none is spoken, or the other way round", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const { target } = await withCertificate(...VALID);
		assert.equal(await said(`grpc://${target}`), NO_GRPC);
		const plain = await listen(createHttp2Server());
		assert.equal(
			await said(`grpcs://${plain}`),
			`${CANNOT}it does not speak TLS | use grpc://, if nobody else can read the line; or check the port`,
		);
	});

	it("would have an old TLS, or another protocol within TLS", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const { cert, key } = makeCertificate(folder.path, ...VALID);
		const files = { cert: readFileSync(cert), key: readFileSync(key) };
		const versions = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
		const old = await listen(createTlsServer({ ...files, ...versions }));
		assert.equal(
			await said(`grpcs://${old}?ca=${cert}`),
			`${CANNOT}it speaks no TLS from version 1.2 up, and older ones are not safe | have the server's TLS brought up to date`,
		);
		const web = await listen(createTlsServer({ ...files, ALPNProtocols: ["http/1.1"] }));
		assert.equal(
			await said(`grpcs://${web}?ca=${cert}`),
			`${CANNOT}it speaks TLS, and is no gRPC server | check the address, and that the server is up`,
		);
	});

	/** In front of a worker: asks each client for a certificate that `ca` has signed. */
	async function guarded(ca: string, options = {}): Promise<{ url: string; ca: string }> {
		const w = await worker();
		const own = makeCertificate(join(folder.path, "server"), ...VALID);
		const pem = { cert: readFileSync(own.cert), key: readFileSync(own.key), ca: readFileSync(ca) };
		const wanting = { requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] };
		const server = createTlsServer({ ...pem, ...wanting, ...options }, (near) => {
			const far = createConnection(w.worker.port, "127.0.0.1");
			for (const socket of [near, far]) socket.on("error", () => undefined);
			near.pipe(far).pipe(near);
			ends.push(() => far.destroy());
		});
		return { url: `grpcs://${await listen(server)}?ca=${own.cert}`, ca: own.cert };
	}

	for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
		it(`wants a client's certificate, by ${maxVersion}`, async function () {
			if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
			const client = makeCertificate(join(folder.path, "client"), ...VALID);
			const { url } = await guarded(client.cert, { maxVersion });
			await assert.rejects(said(`${url}&cert=${client.cert}&key=${client.key}`), /it was accepted/);
			const env = { GG_REAPI_CERT: client.cert, GG_REAPI_KEY: client.key };
			await assert.rejects(said(url, "execution", env), /it was accepted/);
			assert.equal(
				await said(url),
				`${CANNOT}it refuses this client's certificate, or wants one | name one that it knows: cert=FILE and key=FILE`,
			);
			// Node's server says no more to such a client; what OpenSSL's says is below.
			const wanted = `${CANNOT}it broke off when TLS had begun; it may refuse this client's certificate | name a certificate that it knows, and that has not expired: cert=FILE and key=FILE`;
			const stranger = makeCertificate(join(folder.path, "stranger"), ...VALID);
			assert.equal(await said(`${url}&cert=${stranger.cert}&key=${stranger.key}`), wanted, "a stranger's");
			const old = makeCertificate(join(folder.path, "old"), "20200101000000Z", "20200102000000Z");
			const { url: other } = await guarded(old.cert, { maxVersion });
			assert.equal(await said(`${other}&cert=${old.cert}&key=${old.key}`), wanted, "one that has expired");
		});
	}

	it("says by TLS what is wrong with a client's certificate", () => {
		const said = (alert: string): string =>
			connectionProblem(`No connection established. Last error: SSL routines:ssl3_read_bytes:${alert}:x.c:1`, true)!
				.message;
		assert.equal(
			said("sslv3 alert certificate expired"),
			"it says that this client's certificate has expired, or was revoked",
		);
		const refused = "it refuses this client's certificate, or wants one";
		for (const alert of [
			"tlsv1 alert unknown ca",
			"tlsv13 alert certificate required",
			"sslv3 alert handshake failure",
		])
			assert.equal(said(alert), refused, alert);
	});

	it("is not even asked with certificates that are none", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const [one, two] = ["one", "two"].map((name) => makeCertificate(join(folder.path, name), ...VALID));
		const url = "grpcs://127.0.0.1:1";
		const pem = " | ca=, cert= and key= name files in PEM form";
		assert.match(
			await said(`${url}?cert=${one!.cert}&key=${two!.key}`),
			/^the certificates cannot be used: .*key values mismatch \| ca=, cert= and key= name files in PEM form$/,
		);
		const none = join(folder.path, "none");
		writeFileSync(none, "nothing of the kind\n");
		assert.equal(await said(`${url}?ca=${none}`), `the file that ca= names holds no certificate: ${none}${pem}`);
		assert.equal(await said(`${url}?ca=${none}.gone`), `cannot read the file that ca= names: ${none}.gone | `);
	});

	async function capable(change: (good: ServerCapabilities) => ServerCapabilities): Promise<string> {
		const w = await worker();
		const good = await w.channel.unary(METHODS.getCapabilities, { instanceName: "" });
		const server = await startFaulty(w.options, (handlers) => {
			handlers[METHODS.getCapabilities.path] = (_call: unknown, answer: sendUnaryData<ServerCapabilities>) =>
				answer(null, change(good));
		});
		ends.push(() => server.close());
		return server.target;
	}
	const ELSE = " | name another server, or another instance: grpcs://HOST:PORT/INSTANCE";

	it("does not execute; as a store it will do", async () => {
		const target = await capable((good) => ({ ...good, executionCapabilities: null }));
		assert.equal(await said(`grpc://${target}`), `the server 127.0.0.1 does not execute: it is a cache only${ELSE}`);
		await assert.rejects(said(`grpc://${target}`, "cache"), /it was accepted/);
	});

	it("names blobs by another hash", async () => {
		const foreign = { digestFunction: 3, execEnabled: true, digestFunctions: [3] };
		const executes = await capable((good) => ({ ...good, executionCapabilities: foreign }));
		assert.equal(
			await said(`grpc://${executes}`),
			`the server 127.0.0.1 names blobs by another hash than SHA-256${ELSE}`,
		);
		const caches = await capable((good) => ({
			...good,
			cacheCapabilities: { ...good.cacheCapabilities!, digestFunctions: [SHA256 + 1] },
		}));
		assert.equal(
			await said(`grpc://${caches}`),
			`the server 127.0.0.1 names blobs by another hash than SHA-256${ELSE}`,
		);
	});

	it("speaks an older version of the API, or only newer ones", async () => {
		const older = await capable((good) => ({ ...good, highApiVersion: { major: 1, minor: 9 } }));
		assert.equal(
			await said(`grpc://${older}`),
			`the server 127.0.0.1 speaks version 1 of the Remote Execution API, and gg speaks 2${ELSE}`,
		);
		const newer = await capable((good) => ({
			...good,
			lowApiVersion: { major: 3, minor: 0 },
			highApiVersion: { major: 3, minor: 0 },
		}));
		assert.equal(
			await said(`grpc://${newer}`),
			`the server 127.0.0.1 speaks version 3 of the Remote Execution API, and gg speaks 2${ELSE}`,
		);
	});

	it("wants another token", async () => {
		const w = await worker({ token: "the token of this test" });
		const file = join(folder.path, "token");
		writeFileSync(file, "quite-another-token\n");
		assert.equal(
			await said(`grpc://${w.target}?token-file=${file}`),
			`${CANNOT}UNAUTHENTICATED: this worker wants another token (GetCapabilities) | name a file with a valid token: token-file=FILE in the endpoint, GG_REAPI_TOKEN_FILE, or GG_REAPI_TOKEN`,
		);
	});

	it("is asked with the newest headers of a helper whose clock is wrong", async () => {
		const w = await worker({ token: "the token of this test" });
		const helper = join(folder.path, "helper");
		const answer = { headers: { Authorization: ["Bearer the token of this test"] }, expires: "2001-01-01T00:00:00Z" };
		writeFileSync(helper, `#!/bin/sh\necho '${JSON.stringify(answer)}'\n`);
		chmodSync(helper, 0o755);
		await assert.rejects(said(`grpc://${w.target}?credential-helper=${helper}`), /it was accepted/);
	});

	it("is not asked with a helper's secret that no header can hold, and the secret is not shown", async () => {
		const helper = join(folder.path, "helper");
		for (const headers of [
			'{"authorization": ["Bearer s3cret\\nmore"]}',
			'{"a b": ["s3cret"]}',
			'{"x-bin": ["s3cret"]}',
		]) {
			writeFileSync(helper, `#!/bin/sh\ncat <<'E'\n{"headers": ${headers}}\nE\n`);
			chmodSync(helper, 0o755);
			assert.equal(
				await said(`grpc://127.0.0.1:1?credential-helper=${helper}`),
				`the credential helper ${helper} printed something else than its answer | it is started with the argument get, and prints JSON with headers`,
			);
		}
	});

	it("sends what must not reach a terminal", async () => {
		const w = await worker();
		const server = await startFaulty(w.options, (handlers) => {
			handlers[METHODS.getCapabilities.path] = (_call: unknown, answer: sendUnaryData<ServerCapabilities>) =>
				answer(
					Object.assign(new Error(""), { code: CODE.INTERNAL, details: `\u001b[2Jhello\u0007${"!".repeat(600)}` }),
				);
		});
		ends.push(() => server.close());
		assert.equal(
			await said(`grpc://${server.target}`),
			`${CANNOT}INTERNAL: [2Jhello ${"!".repeat(491)} … (GetCapabilities) | `,
		);
	});
});
