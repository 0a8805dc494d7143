/** Workers as users start them, and builds that go to several of them, or to one that fails. */
import { strict as assert } from "node:assert";
import { spawn, spawnSync } from "node:child_process";
import { lookup } from "node:dns/promises";
import {
	chmodSync,
	chownSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { digestOf } from "../../src/engines/action/merkle.js";
import { openCas } from "../../src/engines/reapi/cas.js";
import { type Channel, openChannel } from "../../src/engines/reapi/channel.js";
import { executeAction } from "../../src/engines/reapi/execute.js";
import { ACTION, type ActionResult, COMMAND, DIRECTORY, METHODS, type Operation } from "../../src/reapi/messages.js";
import { GG, type Project, projects } from "../rig/project.js";
import { type Handler, startFaulty, testWorkers } from "../rig/remote.js";
import { freePort, startGgWorker } from "../rig/servers.js";

const COUNT = 8;
const names = Array.from({ length: COUNT }, (_, i) => `part${i}`);
const FILES = {
	Makefile: `all: ${names.map((name) => `${name}.o`).join(" ")}\n%.o: %.c\n\t$(CC) -g -c -o $@ $<\n`,
	...Object.fromEntries(names.map((name) => [`${name}.c`, `int ${name}(void) { return ${name.slice(4)}; }\n`])),
};

/** Has a worker run a command without inputs. */
async function runCommand(channel: Channel, words: readonly string[]): Promise<ActionResult> {
	const command = COMMAND.encode({ arguments: words });
	const root = DIRECTORY.encode({ files: [], directories: [], symlinks: [] });
	const action = ACTION.encode({ commandDigest: digestOf(command), inputRootDigest: digestOf(root) });
	const cas = openCas({ channel, instance: "", maxBatchBytes: 0 });
	await cas.ensure([command, root, action].map((bytes) => ({ digest: digestOf(bytes), read: () => bytes })));
	const o = { channel, instance: "", priority: 0, deadlineMs: 60_000 };
	return (await executeAction(o, digestOf(action))).result;
}

describe("gg worker, as it is started", () => {
	const project = projects();
	const ends: (() => void)[] = [];
	afterEach(() => {
		for (const end of ends.splice(0).reverse()) end();
	});
	const folder = (): string => {
		const made = mkdtempSync(join(tmpdir(), "gg-test-workers-"));
		ends.push(() => rmSync(made, { recursive: true, force: true }));
		return made;
	};

	it("prints with --init a line for the worker and one for its clients, which work as they are", async function () {
		const known = await lookup(hostname()).catch(() => undefined);
		if (spawnSync("openssl", ["version"]).status !== 0 || known === undefined) this.skip();
		const p = project(FILES);
		const env = { PATH: `${dirname(GG)}:${p.env()["PATH"]}` };
		const cache = join(folder(), "it's a cache");
		const init = await p.gg(["worker", "--init", "--cache", cache, "--listen", `127.0.0.1:${await freePort()}`]);
		assert.equal(init.status, 0, init.stderr);
		const line = (start: string) => init.stdout.split("\n").find((l) => l.startsWith(`    ${start}`))!;
		const worker = spawn("sh", ["-c", `exec ${line("gg worker --listen 0.0.0.0:")}`], {
			env: p.env(env),
			detached: true,
		});
		ends.push(() => void process.kill(-worker.pid!, "SIGKILL"));
		await new Promise<void>((resolve, reject) => {
			worker.stdout.once("data", () => resolve());
			worker.once("exit", (status) => reject(new Error(`it ended with ${status}`)));
		});
		const built = await p.sh(line("gg build --engine "), { env });
		assert.equal(built.status, 0, built.stderr);
		assert.match((await p.gg(["explain"])).stdout, /8 ran: on .* at /);
	});

	it("leaves a worker alone that is at work in the same folder", async () => {
		const p = project({});
		const cache = folder();
		const first = await startGgWorker(cache, p.env());
		ends.push(() => first.stop());
		writeFileSync(join(cache, "tmp", "of-an-action"), "");
		const second = await p.gg(["worker", "--listen", "127.0.0.1:0", "--cache", cache]);
		assert.equal(second.status, 1);
		assert.match(
			second.stderr,
			/^gg-worker: another gg worker is at work in \S+\n {4}give this one its own: --cache DIR\n$/m,
		);
		assert.ok(existsSync(join(cache, "tmp", "of-an-action")));
	});

	it("lets what runs come to its end when it is asked to end, also by the original's name for it", async () => {
		const p = project({});
		const here = folder();
		const [called, fifo] = [join(here, "gg-execute-server"), join(here, "fifo")];
		symlinkSync(GG, called);
		assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
		const server = spawn(called, ["--listen", "127.0.0.1:0", "--cache", join(here, "cache")], { env: p.env() });
		ends.push(() => void server.kill("SIGKILL"));
		const ended = new Promise<number | null>((resolve) => server.once("exit", resolve));
		const said = (stream: Readable, pattern: RegExp): Promise<string> =>
			new Promise((resolve, reject) => {
				let text = "";
				stream.on("data", (chunk: Buffer) => {
					text += chunk.toString();
					const match = pattern.exec(text);
					if (match !== null) resolve(match[1] ?? "");
				});
				void ended.then(() => reject(new Error(`it has ended: ${text}`)));
			});
		const waiting = said(server.stderr, /waiting for what runs to end/);
		waiting.catch(() => undefined);
		const target = await said(server.stdout, /^gg worker: (\S+:\d+),/);
		const channel = openChannel({ target, toolVersion: "test", invocation: "test" });
		ends.push(() => channel.close());
		const executed = runCommand(channel, ["cat", fifo]);
		while ((await channel.unary(METHODS.status, {})).running === 0);
		server.kill("SIGTERM");
		await waiting;
		await writeFile(fifo, "to its end\n");
		assert.equal((await executed).stdoutRaw.toString(), "to its end\n");
		assert.equal(await ended, 0);
	});

	it("lets the actions of a user who is not root start no more processes than it is told", async function () {
		const p = project({});
		const here = folder();
		const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
		const isRoot = process.getuid?.() === 0;
		// What is needed of this checkout may be for its owner alone.
		if (isRoot && spawnSync(user[0]!, [...user.slice(1), GG, "--version"], { env: p.env() }).status !== 0) this.skip();
		for (const name of ["blobs", "natives"]) {
			mkdirSync(join(here, name));
			if (isRoot) chownSync(join(here, name), 65534, 65534);
		}
		chmodSync(here, 0o755);
		const env = { ...p.env(), GG_CACHE_DIR: join(here, "natives") };
		const server = await startGgWorker(join(here, "blobs"), env, ["--max-processes", "40"], isRoot ? user : []);
		ends.push(() => server.stop());
		const channel = openChannel({ target: server.target, toolVersion: "test", invocation: "test" });
		ends.push(() => channel.close());
		const script = (count: number) => `for i in $(seq ${count}); do sleep 30 & done; echo started; kill $(jobs -p)`;
		const few = await runCommand(channel, ["sh", "-c", script(3)]);
		assert.equal(few.stdoutRaw.toString(), "started\n", few.stderrRaw.toString());
		const many = await runCommand(channel, ["sh", "-c", script(200)]);
		assert.match(many.stderrRaw.toString(), /[Cc]annot fork|Resource temporarily unavailable/);
		assert.notEqual(many.exitCode, 0);
	});

	it("is whole again after it was killed while it wrote", async () => {
		const p = project({});
		const cache = folder();
		const bytes = Buffer.alloc(64 << 20, "0123456789");
		const blob = { digest: digestOf(bytes), read: () => bytes };
		const open = (target: string) => {
			const channel = openChannel({ target, toolVersion: "test", invocation: "test" });
			ends.push(() => channel.close());
			return openCas({ channel, instance: "", maxBatchBytes: 0 });
		};
		const first = await startGgWorker(cache, p.env());
		const sent = assert.rejects(open(first.target).ensure([blob]));
		while (readdirSync(join(cache, "tmp")).length === 0) await new Promise((resolve) => setImmediate(resolve));
		first.stop();
		await sent;
		const second = await startGgWorker(cache, p.env());
		ends.push(() => second.stop());
		assert.deepEqual(readdirSync(join(cache, "tmp")), []);
		const cas = open(second.target);
		await cas.ensure([blob]);
		assert.ok((await cas.fetch(blob.digest)).equals(bytes));
	});
});

describe("a build on several servers, or on one that fails", () => {
	const project = projects();
	const worker = testWorkers();
	const ends: (() => void)[] = [];
	afterEach(() => {
		for (const end of ends.splice(0).reverse()) end();
	});
	type Execute = (call: ServerWritableStream<unknown, Operation>) => void;

	/** A server whose executions go through `execute`. */
	async function server(execute: (good: Execute) => Execute): Promise<{ target: string; close: () => void }> {
		const w = await worker({ jobs: COUNT });
		const changed = await startFaulty(w.options, (handlers: Record<string, Handler>) => {
			handlers[METHODS.execute.path] = execute(handlers[METHODS.execute.path] as Execute);
		});
		ends.push(() => changed.close());
		return changed;
	}

	async function inferred(): Promise<{ p: Project; aside: string }> {
		const p = project(FILES);
		const plain = await p.run(["make"]);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		const done = await p.gg(["infer", "make"]);
		assert.equal(done.status, 0, done.stderr);
		return { p, aside };
	}

	it("gives each engine its own number of jobs", async () => {
		const { p, aside } = await inferred();
		const running = [0, 0];
		const most = [0, 0];
		let full = false;
		const held: (() => void)[] = [];
		const counting = (i: number) =>
			server((good) => (call) => {
				running[i]! += 1;
				most[i] = Math.max(most[i]!, running[i]!);
				call.once("finish", () => {
					running[i]! -= 1;
				});
				held.push(() => good(call));
				// All wait until both have as many as they may: no fewer would do, and more would be seen.
				full ||= running[0] === 1 && running[1] === 3;
				if (full) for (const go of held.splice(0)) go();
			});
		const [one, three] = [await counting(0), await counting(1)];
		const engines = [
			"--jobs",
			"1",
			"--engine",
			`reapi=grpc://${one.target}`,
			"-j3",
			"--engine",
			`remote=${three.target}`,
		];
		const forced = await p.gg(["force", "--on-remote-failure=fail", ...engines]);
		assert.equal(forced.status, 0, forced.stderr);
		assert.deepEqual(most, [1, 3]);
		p.assertSameTree(aside);
	});

	it("begins to send and to run while make is still at work", async () => {
		const p = project({
			...FILES,
			Makefile: `all: part0.o\n\ttimeout 60 cat fifo\npart0.o: part0.c\n\t$(CC) -g -c -o $@ $<\n`,
		});
		assert.equal(spawnSync("mkfifo", [p.path("fifo")]).status, 0);
		const asked = await server((good) => (call) => {
			// make waits for it.
			void writeFile(p.path("fifo"), "a server is at work\n");
			good(call);
		});
		const built = await p.gg(["build", "--jobs=2", "--engine", `reapi=grpc://${asked.target}`, "make"]);
		assert.equal(built.status, 0, built.stderr);
		assert.match(built.stdout, /a server is at work/);
	});

	it("loses nothing but time when a server dies with what it runs", async () => {
		const { p, aside } = await inferred();
		const dying = await server(() => () => dying.close());
		const good = await server((execute) => execute);
		const engines = [
			"--jobs=2",
			"--engine",
			`reapi=grpc://${dying.target}`,
			"--jobs=2",
			"--engine",
			`reapi=grpc://${good.target}`,
		];
		const forced = await p.gg(["force", "--on-remote-failure=fail", ...engines]);
		assert.equal(forced.status, 0, forced.stderr);
		p.assertSameTree(aside);
		const explained = (await p.gg(["explain", "part0.o"])).stdout;
		const why = `reapi did not: ${dying.target}: nothing listens there`;
		assert.match(explained, new RegExp(`thunk T\\S+ ran, \\d+ ms, on test at ${good.target} \\(${why}\\)`));
	});

	it("leaves a server that does not answer when it is interrupted", async () => {
		const { p } = await inferred();
		let begun = (): void => undefined;
		const slow = await server(() => (call) => {
			call.write({ name: "operations/for-ever", done: false });
			begun();
		});
		for (const by of [["force"], ["build", "make", "-B"]]) {
			const asked = new Promise<void>((resolve) => {
				begun = resolve;
			});
			const [name, ...rest] = by;
			const started = p.start([GG, name!, "--jobs=2", "--engine", `reapi=grpc://${slow.target}`, ...rest]);
			await asked;
			process.kill(-started.process.pid!, "SIGINT");
			const ended = await started.ended;
			assert.notEqual(ended.status, 0, by.join(" "));
		}
	});

	it("runs here what is late there, and does not wait for that in the end", async () => {
		const { p, aside } = await inferred();
		let count = 0;
		const slow = await server((good) => (call) => {
			count += 1;
			// Five are enough to learn from.
			if (count <= COUNT - 1) good(call);
			else call.write({ name: "operations/for-ever", done: false });
		});
		const by = ["--on-remote-failure=race", "--jobs=1", "--engine", `reapi=grpc://${slow.target}`];
		const started = performance.now();
		const forced = await p.gg(["force", "--explain", ...by]);
		assert.equal(forced.status, 0, forced.stderr);
		assert.ok(performance.now() - started < 60_000, "the deadline of an action is half an hour");
		assert.match(forced.stderr, /part\d\.o: ran here, \d+ ms \(it was late on reapi: not back after \d+ ms\)/);
		p.assertSameTree(aside);
	});
});
