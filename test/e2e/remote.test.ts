/** Builds whose commands run on a server: our own worker, and Bazel's reference worker where it is installed. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { digestOf } from "../../src/engines/action/merkle.js";
import { openChannel } from "../../src/engines/reapi/channel.js";
import { ACTION_RESULT, METHODS } from "../../src/reapi/messages.js";
import { GG, type Project, projects, withoutSummary } from "../rig/project.js";
import {
	compileReferenceWorker,
	freePort,
	hasReferenceWorker,
	type Server,
	startGgWorker,
	startReferenceWorker,
} from "../rig/servers.js";

const FILES = {
	Makefile: `CFLAGS = -g -O2 -Wall -I$(CURDIR)/h
all: main stripped
main: main.o libparts.a
	$(CC) -o $@ main.o -L. -lparts
stripped: main
	cp main stripped
	strip stripped
libparts.a: one.o two.o
	ar rcs $@ one.o two.o
	ranlib $@
%.o: %.c
	$(CC) $(CFLAGS) -MMD -c -o $@ $<
-include main.d one.d two.d
`,
	"h/parts.h": "int one(void);\nint two(void);\n",
	"main.c": `#include <stdio.h>\n#include "parts.h"\nint main(void) { printf("%s %d\\n", __FILE__, one() + two()); return 0; }\n`,
	"one.c": `#include "parts.h"\nint one(void) { int unused; return 1; }\n`,
	"two.c": `#include "parts.h"\nint two(void) { return 2; }\n`,
};

/** `fib N CREATE ADD`: the number, or a thunk that adds what two thunks come to. Programs are named by their own paths. */
const FIB = `#!/bin/sh
set -e
if [ "$1" -lt 2 ]; then echo "$1" > out; : > left; : > right; exit 0; fi
fib=\${0##*/} create=\${2##*/} add=\${3##*/}
below() {
	"$CREATE" --output-path "$1" -e "$fib" -e "$create" -e "$add" -o out -o left -o right \\
		-- "$fib" fib "$2" "@{GGHASH:$create}" "@{GGHASH:$add}" 2>&1
}
CREATE=$2
left=$(below left $(($1 - 1)))
right=$(below right $(($1 - 2)))
"$CREATE" --output-path out -t "$left" -t "$right" -e "$add" -o out \\
	-- "$add" add "@{GGHASH:$left}" "@{GGHASH:$right}" 2>made
`;
const ADD = `#!/bin/sh
echo $(($(cat "$1") + $(cat "$2"))) > out
`;

/** Forces the thunk of fib(8) on the server alone. */
async function assertFibonacci(p: Project, server: Server): Promise<void> {
	const create = join(dirname(GG), "dist/gg-create-thunk-static");
	p.write("fib", FIB);
	p.write("add", ADD);
	const init = await p.gg(["init"]);
	assert.equal(init.status, 0, init.stderr);
	const [fib, add, made] = (await p.gg(["collect", "fib", "add", create])).stdout.trim().split("\n");
	const programs = ["-e", fib!, "-e", add!, "-e", made!, "-o", "out", "-o", "left", "-o", "right", "-C", "number"];
	const args = [fib!, "fib", "8", `@{GGHASH:${made}}`, `@{GGHASH:${add}}`];
	const thunk = await p.gg(["create-thunk", ...programs, "--", ...args]);
	assert.equal(thunk.status, 0, thunk.stderr);
	const forced = await p.gg([
		"force",
		"--on-remote-failure=fail",
		"--engine",
		`reapi=grpc://${server.target}`,
		"number",
	]);
	assert.equal(forced.status, 0, forced.stderr);
	assert.equal(p.read("number"), "21\n");
}

/** Has the worker say of the action that made `object` that it made something slightly different. */
async function tellLie(cache: string, target: string, object: Buffer): Promise<void> {
	const channel = openChannel({ target, toolVersion: "test", invocation: "test" });
	try {
		const lie = Buffer.from(object.toString("latin1").replace("GCC: (", "GCX: ("), "latin1");
		const requests = [{ digest: digestOf(lie), data: lie }];
		await channel.unary(METHODS.batchUpdateBlobs, { instanceName: "", requests });
		for (const hash of readdirSync(join(cache, "ac"))) {
			const result = ACTION_RESULT.decode(readFileSync(join(cache, "ac", hash)));
			const outputFiles = result.outputFiles.map((file) =>
				file.digest?.hash === digestOf(object).hash ? { ...file, digest: digestOf(lie) } : file,
			);
			const { size } = statSync(join(cache, "cas", hash.slice(0, 2), hash));
			const actionDigest = { hash, sizeBytes: size };
			const actionResult = { ...result, outputFiles };
			await channel.unary(METHODS.updateActionResult, { instanceName: "", actionDigest, actionResult });
		}
	} finally {
		channel.close();
	}
}

/** strip rewrites a file that cp has made: it runs here. So does ranlib if the archive is back before make comes to that. */
const SECOND = /^gg: (?:6 from the store, 1|5 from the store, 2) compiled, /m;

/** A plain build, then one on the server, cold and again with an empty store. */
async function assertBuildsThere(p: Project, server: Server): Promise<void> {
	const plain = await p.run(["make", "-j2"]);
	assert.equal(plain.status, 0, plain.stderr);
	const aside = p.aside();
	const by = ["build", "--on-remote-failure", "fail", "--engine", `reapi=grpc://${server.target}`, "make", "-j2"];
	for (const way of ["cold", "from the server's cache"]) {
		const ended = await p.gg(by);
		assert.equal(ended.status, 0, `${way}: ${ended.stderr}`);
		assert.equal(withoutSummary(ended.stderr), plain.stderr, way);
		p.assertSameTree(aside);
		assert.equal((await p.run(["make", "-q"])).status, 0, `${way}: make has nothing to do`);
		const explained = await p.gg(["explain", "main.o"]);
		assert.match(explained.stdout, way === "cold" ? /thunk T\S+ ran, \d+ ms, on / : /thunk T\S+ was known, on /);
		assert.ok(explained.stdout.includes(server.target), explained.stdout);
		if (way !== "cold") assert.match(ended.stderr, SECOND);
		p.fresh();
	}
}

describe("a build on a server", () => {
	const project = projects();
	const servers: Server[] = [];
	const folders: string[] = [];
	const folder = (): string => {
		const made = mkdtempSync(join(tmpdir(), "gg-test-server-"));
		folders.push(made);
		return made;
	};
	const running = async (server: Promise<Server>): Promise<Server> => {
		servers.push(await server);
		return server;
	};
	afterEach(() => {
		for (const server of servers.splice(0)) server.stop();
		for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
	});

	it("leaves the tree that make alone leaves, on a gg worker", async () => {
		const p = project(FILES);
		await assertBuildsThere(p, await running(startGgWorker(folder(), p.env())));
	});

	it("leaves the tree that make alone leaves, on Bazel's reference worker", async function () {
		if (!hasReferenceWorker()) this.skip();
		const p = project(FILES);
		const made = folder();
		compileReferenceWorker(made);
		await assertBuildsThere(p, await running(startReferenceWorker(made)));
	});

	it("runs thunks in the original's form that come to thunks, on a gg worker", async () => {
		const p = project({});
		await assertFibonacci(p, await running(startGgWorker(folder(), p.env())));
	});

	it("runs thunks in the original's form that come to thunks, on Bazel's reference worker", async function () {
		if (!hasReferenceWorker()) this.skip();
		const p = project({});
		const made = folder();
		compileReferenceWorker(made);
		await assertFibonacci(p, await running(startReferenceWorker(made)));
	});

	it("runs here what the server has not run, when it goes away", async () => {
		const p = project(FILES);
		const server = await running(startGgWorker(folder(), p.env()));
		// What reads the program (cp) would have it made at once.
		const plain = await p.run(["make", "main"]);
		const aside = p.aside();
		const inferred = await p.gg(["infer", "make", "main"]);
		assert.equal(inferred.status, 0, inferred.stderr);
		const port = await freePort();
		const gone = await p.gg(["force", "--engine", `reapi=grpc://127.0.0.1:${port}`]);
		assert.equal(gone.status, 1, gone.stderr);
		assert.match(gone.stderr, /^gg-force: cannot use the server 127\.0\.0\.1:\d+: nothing listens there\n/);
		const forced = await p.gg(["force", "--engine", `reapi=grpc://${server.target}`]);
		assert.equal(forced.status, 0, forced.stderr);
		p.assertSameTree(aside);
		assert.equal(plain.status, 0);
	});

	it("fetches nothing but the targets of force, when told so, and later the rest", async () => {
		const p = project(FILES);
		const server = await running(startGgWorker(folder(), p.env()));
		await p.run(["make", "main"]);
		const aside = p.aside();
		await p.gg(["infer", "make", "main"]);
		const by = ["--on-remote-failure=fail", "--engine", `reapi=grpc://${server.target}`];
		const forced = await p.gg(["force", ...by, "--download", "targets", "main"]);
		assert.equal(forced.status, 0, forced.stderr);
		assert.deepEqual(p.placeholders().sort(), ["libparts.a", "main.o", "one.o", "two.o"]);
		const object = (await p.gg(["hash", join(aside, "main.o")])).stdout.trim();
		assert.equal(existsSync(p.path(`.gg/blobs/${object}`)), false, "main.o is on the server only");
		const rest = await p.gg(["force", ...by]);
		assert.equal(rest.status, 0, rest.stderr);
		p.assertSameTree(aside);
	});

	it("brings what a server has kept where a thunk runs here", async () => {
		const files = {
			...FILES,
			Makefile: FILES.Makefile.replace("$(CC) -o $@ main.o", "$(CC) -march=native -o $@ main.o"),
		};
		const p = project(files);
		const server = await running(startGgWorker(folder(), p.env()));
		await p.run(["make", "main"]);
		const aside = p.aside();
		await p.gg(["infer", "make", "main"]);
		const by = ["--explain", "--engine", `reapi=grpc://${server.target}`, "--download=targets", "main"];
		const forced = await p.gg(["force", ...by]);
		assert.equal(forced.status, 0, forced.stderr);
		assert.match(forced.stderr, /\/main: ran here/);
		assert.match(forced.stderr, /\/libparts\.a: ran on /);
		assert.equal(p.read("main"), readFileSync(join(aside, "main"), "latin1"));
	});

	it("takes results from a server's cache alone, and sends none of a pull request", async () => {
		const p = project(FILES);
		const server = await running(startGgWorker(folder(), p.env(), ["--accept-results"]));
		const plain = await p.run(["make", "-j2"]);
		const aside = p.aside();
		const build = async (env: Record<string, string>, endpoint = `grpc://${server.target}`) => {
			p.fresh();
			const ended = await p.gg(["build", "--store", `reapi=${endpoint}`, "make", "-j2"], { env });
			assert.equal(ended.status, 0, ended.stderr);
			p.assertSameTree(aside);
			return ended.stderr;
		};
		const none = /^gg: 0 from the store, 7 compiled, linked or archived, /m;
		assert.match(await build({ GITHUB_HEAD_REF: "feature" }), none);
		assert.match(await build({ GITHUB_HEAD_REF: "feature" }), none);
		assert.match(await build({}), none);
		const warm = await build({ GITHUB_HEAD_REF: "feature" });
		// strip rewrites a file that cp has made: it runs here.
		assert.match(warm, SECOND);
		assert.equal(withoutSummary(warm), plain.stderr);
		assert.match((await p.gg(["explain", "main.o"])).stdout, /thunk T\S+ was known, on 127/);
		const gone = await build({}, `grpc://127.0.0.1:${await freePort()}`);
		assert.match(gone, /^gg: no store is used: cannot use the server 127\.0\.0\.1:\d+: nothing listens there\n/m);
	});

	it("computes again here what a server said, and finds a server that lies", async () => {
		const p = project(FILES);
		const cache = folder();
		const server = await running(startGgWorker(cache, p.env(), ["--accept-results"]));
		const by = ["build", "--recheck=1", "--engine", `reapi=grpc://${server.target}`, "make", "main"];
		const good = await p.gg(by);
		assert.equal(good.status, 0, good.stderr);
		assert.match(good.stderr, /^gg: 6 computed again and compared: no difference$/m);
		await tellLie(cache, server.target, Buffer.from(p.read("two.o"), "latin1"));
		p.fresh();
		const bad = await p.gg(by);
		assert.equal(bad.status, 1, bad.stderr);
		assert.match(bad.stderr, /\/two\.o is not what its command makes here/);
	});

	it("shows a failing command as make alone does", async () => {
		const p = project({ ...FILES, "two.c": "int two(void) { return oops; }\n" });
		const server = await running(startGgWorker(folder(), p.env()));
		const plain = await p.run(["make"]);
		p.fresh();
		const ended = await p.gg(["build", "--engine", `reapi=grpc://${server.target}`, "make"]);
		assert.equal(ended.status, plain.status);
		assert.match(ended.stderr, /two\.c:1:\d+: error: .oops. undeclared/);
		assert.deepEqual(p.placeholders(), []);
	});
});

describe("gg worker", () => {
	const project = projects();

	it("does not listen beyond this machine without certificate and token", async () => {
		const p = project({});
		const ended = await p.gg(["worker", "--listen", "0.0.0.0:0", "--cache", p.path("cache")]);
		assert.equal(ended.status, 1);
		assert.match(
			ended.stderr,
			/^gg-worker: on 0\.0\.0\.0 anybody could run programs here: a certificate and a token are needed\n {4}`gg worker --init` makes them/,
		);
	});

	it("is shown by gg workers, alive or not", async () => {
		const p = project(FILES);
		const server = await startGgWorker(p.path("cache"), p.env());
		try {
			await p.gg(["build", "--engine", `reapi=grpc://${server.target}`, "make", "main"]);
			const gone = `127.0.0.1:${await freePort()}`;
			const shown = await p.gg(["workers", server.target, gone]);
			assert.equal(shown.status, 1);
			const [head, alive, down] = shown.stdout.split("\n");
			assert.match(head!, /^worker +answers +running +queue +known +kept$/);
			assert.match(alive!, /^127\.0\.0\.1:\d+ +\d+ ms +0 of 2 +0 +0 % +\d+\.\d MB in \d+$/);
			assert.match(down!, /^127\.0\.0\.1:\d+ +down: nothing listens there$/);
			const json = JSON.parse((await p.gg(["workers", "--json", server.target])).stdout) as { state: string }[];
			assert.equal(json[0]!.state, "alive");
		} finally {
			server.stop();
		}
	});

	it("says that its port is in use", async () => {
		const p = project({});
		const taken = createServer();
		await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
		try {
			const { port } = taken.address() as { port: number };
			const ended = await p.gg(["worker", "--listen", `127.0.0.1:${port}`, "--cache", p.path("cache")]);
			assert.equal(ended.status, 1);
			assert.match(ended.stderr, /^gg-worker: 127\.0\.0\.1:\d+ is in use already\n/m);
		} finally {
			taken.close();
		}
	});

	it("serves a client that has its certificate and token, and no other", async function () {
		if (spawnSync("openssl", ["version"]).status !== 0) this.skip();
		const p = project(FILES);
		const cache = p.path("cache");
		const init = await p.gg(["worker", "--init", "--cache", cache]);
		assert.equal(init.status, 0, init.stderr);
		assert.match(init.stdout, /gg build --engine 'reapi=grpcs:\/\//);
		const files = ["--cert", `${cache}/identity/cert.pem`, "--key", `${cache}/identity/key.pem`];
		const server = await startGgWorker(cache, p.env(), [...files, "--token-file", `${cache}/identity/token`]);
		try {
			const inferred = await p.gg(["infer", "make", "one.o"]);
			assert.equal(inferred.status, 0, inferred.stderr);
			const force = (endpoint: string) => p.gg(["force", "--engine", `reapi=${endpoint}`]);
			const stranger = await force(`grpcs://${server.target}`);
			assert.equal(stranger.status, 1);
			assert.match(stranger.stderr, /^gg-force: cannot use the server .*self-signed certificate/);
			const tokenless = await force(`grpcs://${server.target}?ca=${cache}/identity/cert.pem`);
			assert.match(tokenless.stderr, /UNAUTHENTICATED: this worker wants another token/);
			const clear = await force(`grpc://${server.target}`);
			assert.equal(clear.status, 1);
			const known = await force(
				`grpcs://${server.target}?ca=${cache}/identity/cert.pem&token-file=${cache}/identity/token`,
			);
			assert.equal(known.status, 0, known.stderr);
			assert.ok(existsSync(p.path("one.o")));
			await p.gg(["infer", "make", "two.o"]);
			const endpoint = `grpcs://${server.target}?ca=${cache}/identity/cert.pem`;
			p.write("gg.json", JSON.stringify({ engines: [`reapi=${endpoint}`] }));
			const asked = await p.gg(["force"]);
			assert.match(asked.stderr, /UNAUTHENTICATED/);
			const token = readFileSync(`${cache}/identity/token`, "utf8").trim();
			const named = await p.gg(["force", "--explain"], { env: { GG_REAPI_TOKEN: token } });
			assert.equal(named.status, 0, named.stderr);
			assert.match(named.stderr, /two\.o: ran on .* at 127/);
			const seen = await p.gg(["build", "sh", "-c", "env"], { env: { GG_REAPI_TOKEN: token } });
			assert.equal(seen.status, 0, seen.stderr);
			assert.ok(!seen.stdout.includes(token));
		} finally {
			server.stop();
		}
	});
});
