/** Builds whose compiles run in the function of AWS Lambda, with a folder or a Redis server between them. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { quote } from "shell-quote";
import { lambdaInvoker } from "../../src/engines/lambda/invoker.js";
import { hasJail, jailed } from "../rig/lambda-jail.js";
import {
	type Fault,
	type LambdaService,
	type LambdaServiceOptions,
	startLambdaService,
} from "../rig/lambda-service.js";
import { GG, type Project, projects } from "../rig/project.js";

const BUNDLE = join(import.meta.dirname, "../../../dist/lambda.js");
const CREDENTIALS = { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret", AWS_REGION: "us-east-1" };

const FILES = {
	Makefile: `CFLAGS = -g -O2 -Wall -I$(CURDIR)/h
CXXFLAGS = -g -O2
main: main.o one.o two.o more.o
	$(CXX) -o $@ main.o one.o two.o more.o
%.o: %.c
	$(CC) $(CFLAGS) -MMD -c -o $@ $<
%.o: %.cc
	$(CXX) $(CXXFLAGS) -c -o $@ $<
-include main.d one.d two.d
`,
	"h/parts.h": "int one(void);\nint two(void);\n",
	"main.c": `#include <stdio.h>\n#include "parts.h"\nint more(void);\nint main(void) { printf("%s %d\\n", __FILE__, one() + two() + more()); return 0; }\n`,
	"one.c": `#include "parts.h"\nint one(void) { int unused; return 1; }\n`,
	"two.c": `#include "parts.h"\nint two(void) { return 2; }\n`,
	"more.cc": `#include <string>\nextern "C" int more(void) { return std::string("four").size(); }\n`,
};

/** An ar comes with every LLVM that has put a plugin beside it: hundreds of megabytes for each new instance. */
const ARCHIVE = `libparts.a: one.o two.o
	ar rcs $@ one.o two.o
`;

describe("the engine lambda", () => {
	const project = projects();
	const services: LambdaService[] = [];
	afterEach(async () => {
		for (const service of services.splice(0)) await service.stop();
	});

	async function service(
		p: Project,
		more: Partial<LambdaServiceOptions> = {},
	): Promise<{ readonly lambda: LambdaService; readonly store: string; readonly engine: string }> {
		const folder = join(p.folder, "lambda");
		mkdirSync(folder, { recursive: true });
		const store = `file://${join(p.folder, "shared")}`;
		const lambda = await startLambdaService({
			folder,
			bundle: BUNDLE,
			env: { GG_STORAGE_URI: store, PATH: "/bin" },
			...more,
		});
		services.push(lambda);
		return { lambda, store, engine: `lambda=us-east-1?endpoint=${lambda.endpoint}` };
	}

	/** A tree that make alone has left, to compare with. */
	async function plain(p: Project): Promise<{ readonly aside: string; readonly stderr: string }> {
		const ended = await p.run(["make", "-j2"]);
		assert.equal(ended.status, 0, ended.stderr);
		const { stderr } = ended;
		const aside = p.aside();
		p.fresh();
		return { aside, stderr };
	}

	it("gives the tree that make gives, with debugging information and warnings", async () => {
		const p = project({ ...FILES, Makefile: `${FILES.Makefile}${ARCHIVE}main: libparts.a\n` });
		const expected = await plain(p);
		const { lambda, engine, store } = await service(p);
		const ended = await p.gg(["build", "--store", store, "-j", "4", "--engine", engine, "make", "-j4"], {
			env: CREDENTIALS,
		});
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.equal(lambda.replies.filter((r) => r.kind === "result").length, 6);
		assert.match(
			ended.stderr,
			/^gg: AWS Lambda: \d+ invocations \(\d+ cold\), [\d.]+ s billed, \d+ storage requests; about \$0\.\d{4} /m,
		);
		assert.match(
			ended.stderr,
			/^ {4}in the function: fetch [\d.]+ s, stage [\d.]+ s, run [\d.]+ s, outputs [\d.]+ s; \d+ % of its inputs were there already$/m,
		);
		assert.match(ended.stderr, /unused variable/);
		assert.match((await p.gg(["explain", "main.o"])).stdout, /on AWS Lambda/);
	});

	it("says on a terminal what a build has cost so far, and nothing of it where none is", async function () {
		if (spawnSync("script", ["--version"]).status !== 0) this.skip();
		const p = project(FILES);
		const { engine, store } = await service(p);
		const STATE = /\r\u001b\[K\d+ run, \d+ from the store; about \$0\.\d{4}/;
		const words = (status: string) => [GG, "build", status, "--store", store, "-j", "4", "--engine", engine];
		for (const [status, isSaid] of [
			["--status", true],
			["-s", false],
		] as const) {
			p.fresh();
			const command = [...words(status), "make", "-j4", `CFLAGS=-O1 -Ih -DS${status.length}`];
			const ended = await p.run(["script", "-qec", quote(command), "/dev/null"], { env: CREDENTIALS });
			assert.equal(ended.status, 0, ended.stdout);
			assert.equal(STATE.test(ended.stdout), isSaid, ended.stdout);
			// It is cleared away before the last words.
			assert.match(ended.stdout, /^(?:.*\r\u001b\[K)?gg: AWS Lambda: \d+ invocations .*; about \$0\.\d{4} /m);
		}
		assert.doesNotMatch((await built(p, store, engine)).stderr, STATE);
	});

	const RESULTS = (lambda: LambdaService): number => lambda.replies.filter((r) => r.kind === "result").length;
	const built = (p: Project, store: string, engine: string, ...goals: string[]) =>
		p.gg(["build", "--store", store, "-j", "4", "--engine", engine, "make", "-j4", ...goals], { env: CREDENTIALS });

	const FAULTS: Readonly<Record<string, readonly [claim: string, fault: (call: number) => Fault | undefined]>> = {
		throttled: ["waits where the account has no room", (call) => (call < 6 ? "throttled" : undefined)],
		killed: [
			"asks again where an instance dies in the middle",
			(call) => (call % 2 === 0 && call < 5 ? "killed" : undefined),
		],
		lost: [
			"asks again where the answer is lost after the work was done",
			(call) => (call < 2 ? "reply-lost" : undefined),
		],
		twice: ["takes no harm from an event that is delivered twice", () => "twice"],
		broken: ["asks again where the service fails", (call) => (call === 1 || call === 3 ? "service-error" : undefined)],
	};
	for (const [name, [claim, fault]] of Object.entries(FAULTS)) {
		it(`${claim} (${name})`, async () => {
			const p = project(FILES);
			const expected = await plain(p);
			const { lambda, engine, store } = await service(p, { fault });
			const ended = await built(p, store, engine);
			assert.equal(ended.status, 0, ended.stderr);
			p.assertSameTree(expected.aside);
			assert.ok(RESULTS(lambda) >= 4, `${RESULTS(lambda)} results`);
			for (const object of ["main.o", "one.o", "two.o", "more.o"])
				assert.match((await p.gg(["explain", object])).stdout, /on AWS Lambda/);
		});
	}

	it("takes the service's time where the clock here is wrong", async () => {
		const p = project(FILES);
		const expected = await plain(p);
		const { lambda, engine, store } = await service(p, { fault: (call) => (call === 0 ? "wrong-clock" : undefined) });
		const ended = await built(p, store, engine);
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.equal(RESULTS(lambda), 5);
	});

	it("gives up an invocation that is silent for longer than the function may take", async () => {
		const p = project(FILES);
		const { lambda } = await service(p, { fault: () => "silent" });
		const before = { ...process.env };
		Object.assign(process.env, CREDENTIALS);
		const invoker = lambdaInvoker({ region: "us-east-1", name: "gg-lambda-function", endpoint: lambda.endpoint }, 1);
		try {
			assert.deepEqual(await invoker.invoke(Buffer.from('{"action":"x"}'), 100), {
				kind: "broken",
				message: "no answer within 0 s",
				billedMs: 100,
			});
		} finally {
			invoker.close();
			process.env = before;
		}
	});

	it("leaves a service that does not answer when it is interrupted", async () => {
		const p = project(FILES);
		let begun = (): void => undefined;
		const asked = new Promise<void>((resolve) => {
			begun = resolve;
		});
		const { engine, store } = await service(p, {
			fault: () => {
				begun();
				return "silent";
			},
		});
		const words = [GG, "build", "--store", store, "-j", "4", "--engine", engine, "make", "-j4"];
		const started = p.start(words, { env: CREDENTIALS });
		await asked;
		process.kill(-started.process.pid!, "SIGINT");
		assert.notEqual((await started.ended).status, 0);
	});

	it("runs here what the function cannot, and believes nothing that is not an answer", async () => {
		const p = project(FILES);
		const expected = await plain(p);
		const { engine, store } = await service(p, { fault: () => "garbage" });
		const ended = await built(p, store, engine);
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.match((await p.gg(["explain", "one.o"])).stdout, /the function's answer is none of gg's/);
	});

	it("runs here what takes longer than the function may, and says what to do", async () => {
		const p = project(FILES);
		const expected = await plain(p);
		// A millisecond is left for the command.
		const { lambda, engine, store } = await service(p, { timeoutMs: 2001 });
		const ended = await built(p, store, engine);
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.equal(RESULTS(lambda), 0);
		assert.match(
			ended.stderr,
			/^gg: lambda: AWS Lambda: the command was not done after \d+ ms\n {4}give it more time: gg lambda deploy --timeout SECONDS$/m,
		);
	});

	it("runs here what the function may not fetch, and says that it is the function's role", async () => {
		const p = project(FILES);
		const { engine, store } = await service(p, { env: { GG_STORAGE_URI: "redis://127.0.0.1:9", PATH: "/bin" } });
		const ended = await built(p, store, engine, "one.o");
		assert.equal(ended.status, 0, ended.stderr);
		assert.match(
			(await p.gg(["explain", "one.o"])).stdout,
			/AWS Lambda: in the function, the Redis server 127\.0\.0\.1:9 cannot be used \(ECONNREFUSED\)/,
		);
	});

	it("never asks for more at once than the account has room for, once that has said so", async () => {
		const p = project(FILES);
		const expected = await plain(p);
		const { lambda, engine, store } = await service(p, { most: 1 });
		const ended = await built(p, store, engine);
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.deepEqual([lambda.instances, RESULTS(lambda)], [1, 5]);
	});

	it("asks no instance twice for a thunk, though each is new and has nothing", async () => {
		const p = project(FILES);
		const expected = await plain(p);
		const { lambda, engine, store } = await service(p, {
			most: 1,
			fault: (call) => (call % 2 === 0 ? "killed" : undefined),
		});
		const args = ["build", "--store", store, "-j", "1", "--engine", engine, "make"];
		const ended = await p.gg(args, { env: CREDENTIALS });
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		const missing = lambda.replies.filter((reply) => reply.kind === "missing").length;
		assert.deepEqual([RESULTS(lambda), missing], [5, 0]);
		assert.ok(lambda.instances > 5, `${lambda.instances} instances`);
	});

	it("stores again what the storage backend has lost", async () => {
		const p = project({ ...FILES, Makefile: `${FILES.Makefile}empty: one.o; rm -rf $(SHARED)/*\n` });
		const expected = await plain(p);
		// The instance that has kept everything dies, and the next one finds an empty bucket.
		const { engine, store, lambda } = await service(p, {
			most: 1,
			fault: (call) => (RESULTS(lambda) === 1 && call > 0 && !died ? die() : undefined),
		});
		let died = false;
		const die = (): Fault => {
			died = true;
			return "killed";
		};
		const args = [
			"build",
			"--store",
			store,
			"-j",
			"1",
			"--engine",
			engine,
			"make",
			`SHARED=${p.folder}/shared`,
			"empty",
			"main",
		];
		const ended = await p.gg(args, { env: CREDENTIALS });
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.deepEqual([died, RESULTS(lambda)], [true, 5]);
	});

	it("tells another machine all results by the same storage backend", async () => {
		const p = project(FILES);
		const expected = await plain(p);
		const { lambda, engine, store } = await service(p);
		assert.equal((await built(p, store, engine)).status, 0);
		p.fresh();
		const ended = await built(p, store, engine);
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(expected.aside);
		assert.equal(RESULTS(lambda), 5);
	});

	it("says in one sentence what is wrong with the function or the words about it", async () => {
		const p = project(FILES);
		const { engine, store, lambda } = await service(p);
		const say = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
			const ended = await p.gg(["build", ...args, "make"], {
				env: { ...CREDENTIALS, AWS_EC2_METADATA_DISABLED: "true", HOME: p.folder, ...env },
			});
			assert.equal(ended.status, 1, ended.stderr);
			return ended.stderr;
		};
		assert.match(
			await say(["--engine", engine]),
			/^gg-build: the engine lambda needs a storage backend, through which/m,
		);
		assert.match(
			await say(["--store", store, "--engine", `${engine}&function=other`]),
			/^gg-build: AWS Lambda other: there is no function other\n {4}make it: gg lambda deploy/m,
		);
		assert.match(
			await say(["--store", store, "--engine", `lambda=?endpoint=${lambda.endpoint}`], { AWS_REGION: "" }),
			/^gg-build: AWS Lambda: no region is set\n/m,
		);
		assert.match(
			await say(["--store", store, "--engine", engine], { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" }),
			/^gg-build: AWS Lambda: there are no credentials for AWS Lambda\n/m,
		);
		assert.match(
			await say(["--store", store, "--engine", "lambda=nowhere"]),
			/^gg-build: "nowhere" is no name of a region\n/m,
		);
		assert.match(
			await say(["--store", store, "--engine", "lambda=us-east-1?endpoint=http://127.0.0.1:9"]),
			/^gg-build: AWS Lambda: the service cannot be reached or fails \(ECONNREFUSED\)\n {4}look at the function.s log, and check the region and the endpoint: gg lambda status\n/m,
		);
	});

	describe("in a jail like the service's: nothing to write to but /tmp, no compiler, no headers, no namespaces", () => {
		before(function () {
			if (!hasJail()) this.skip();
		});
		const jail = (p: Project, megabytes: number) => {
			const shared = join(p.folder, "shared");
			mkdirSync(shared);
			// The instances are another user.
			chmodSync(shared, 0o777);
			return { start: jailed({ bundle: BUNDLE, megabytes, shared }) };
		};

		it("gives the tree that make gives", async () => {
			const p = project(FILES);
			const expected = await plain(p);
			const { lambda, engine, store } = await service(p, jail(p, 512));
			const ended = await built(p, store, engine);
			assert.equal(ended.status, 0, ended.stderr);
			p.assertSameTree(expected.aside);
			assert.equal(RESULTS(lambda), 5);
		});

		it("leaves to this machine what does not fit into /tmp", async () => {
			const p = project(FILES);
			const expected = await plain(p);
			const { lambda, engine, store } = await service(p, jail(p, 64));
			const ended = await built(p, store, engine);
			assert.equal(ended.status, 0, ended.stderr);
			p.assertSameTree(expected.aside);
			assert.equal(RESULTS(lambda), 0);
			assert.match((await p.gg(["explain", "one.o"])).stdout, /too much for the function's \/tmp of \d+ MB/);
		});

		it("leaves to this machine what has messages in a language that the function does not know", async () => {
			const p = project(FILES);
			const env = { ...CREDENTIALS, LANG: "C.UTF-8", LC_ALL: "" };
			const expected = await p.run(["make", "-j2"], { env });
			const aside = p.aside();
			p.fresh();
			const { lambda, engine, store } = await service(p, jail(p, 512));
			const ended = await p.gg(["build", "--store", store, "-j", "4", "--engine", engine, "make", "-j4"], { env });
			assert.equal(ended.status, 0, ended.stderr);
			p.assertSameTree(aside);
			// As make's, with quotes that are not ASCII.
			const warning = /^one\.c:.*\n.*warning: unused variable [^\x20-\x7e]+unused.*$/m;
			assert.equal(warning.exec(ended.stderr)?.[0], warning.exec(expected.stderr)?.[0] ?? "none");
			assert.equal(RESULTS(lambda), 5);
			assert.match(
				(await p.gg(["explain", "one.o"])).stdout,
				/the command has messages, whose language is not known there/,
			);
			assert.match((await p.gg(["explain", "two.o"])).stdout, /on AWS Lambda/);
		});
	});
});
