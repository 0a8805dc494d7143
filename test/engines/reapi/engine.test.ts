import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata, type ServerUnaryCall, type ServerWritableStream, type sendUnaryData } from "@grpc/grpc-js";
import { digestOf } from "../../../src/engines/action/merkle.js";
import { openChannel } from "../../../src/engines/reapi/channel.js";
import { type ReapiOptions, unusable } from "../../../src/engines/reapi/client.js";
import { parseEndpoint } from "../../../src/engines/reapi/endpoint.js";
import { openReapi, type ReapiEngine } from "../../../src/engines/reapi/engine.js";
import { executeAction } from "../../../src/engines/reapi/execute.js";
import type { Declined } from "../../../src/engines/types.js";
import type { Execution } from "../../../src/executor/types.js";
import { CODE, RETRIES, RemoteError } from "../../../src/reapi/errors.js";
import {
	ACTION_RESULT,
	type ActionResult,
	EXECUTE_RESPONSE,
	type ExecuteResponse,
	METHODS,
	type Operation,
	RETRY_INFO,
	STATUS,
} from "../../../src/reapi/messages.js";
import { memoryStore } from "../../../src/store/memory.js";
import type { Store } from "../../../src/store/types.js";
import { encodeThunk, encodeTree } from "../../../src/thunk/codec.js";
import { hashBytes, hashFile } from "../../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../../src/thunk/types.js";
import { UserError } from "../../../src/util/result.js";
import { testFolder } from "../../rig/folder.js";
import { openLine } from "../../rig/line.js";
import { AT_ONCE, type Handler, nativesForTests, startFaulty, type TestWorker, testWorkers } from "../../rig/remote.js";

/** Copies its input to its output, says so, and ends with the status that it is given. */
const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
	FILE *in = fopen(argv[1], "r"), *out = fopen(argv[2], "w");
	int c;
	if (!in || !out) return 9;
	while ((c = getc(in)) != EOF) putc(c, out);
	fclose(out);
	printf("said by %s\\n", getenv("NAME") ? getenv("NAME") : "nobody");
	fprintf(stderr, "complained\\n");
	return argc > 3 ? atoi(argv[3]) : 0;
}`;

interface Bench {
	readonly store: Store;
	readonly thunk: Thunk;
	readonly engine: ReapiEngine;
	run(thunk?: Thunk): Promise<Execution | Declined>;
}

describe("the reapi engine", () => {
	const worker = testWorkers();
	const folder = testFolder();
	const ends: (() => void)[] = [];
	let program = "";

	let compiled = Buffer.alloc(0);

	before(() => {
		nativesForTests();
		const made = mkdtempSync(join(tmpdir(), "gg-test-program-"));
		try {
			execFileSync("cc", ["-static", "-x", "c", "-o", join(made, "copy"), "-"], { input: PROGRAM });
			compiled = readFileSync(join(made, "copy"));
		} finally {
			rmSync(made, { recursive: true });
		}
	});
	beforeEach(() => {
		program = join(folder.path, "bin", "copy");
		mkdirSync(join(folder.path, "bin"));
		mkdirSync(join(folder.path, "src"));
		writeFileSync(program, compiled, { mode: 0o755 });
		writeFileSync(join(folder.path, "src/in"), "input\n");
	});
	afterEach(() => {
		for (const end of ends.splice(0)) end();
	});

	async function bench(target: string, more: Partial<ReapiOptions> = {}, parameters = ""): Promise<Bench> {
		const store = memoryStore();
		const src = join(folder.path, "src");
		const hash = hashFile(program);
		const tree = store.objects.put(encodeTree([{ name: program.slice(1), hash, kind: "executable" }]));
		const thunk: Thunk = {
			...EMPTY_THUNK,
			functionHash: hash,
			args: ["copy", "in", "out"],
			envars: ["NAME=me"],
			executables: [{ hash, name: program }],
			values: [{ hash: hashFile(join(src, "in")), name: join(src, "in") }],
			outputs: ["output"],
			outputPaths: [{ tag: "output", path: join(src, "out"), optional: false }],
			cwd: src,
			trees: [{ hash: tree, name: "/" }],
			capture: true,
		};
		const endpoint = parseEndpoint(`grpc://${target}?deadline=20${parameters}`, {});
		assert.ok(endpoint.ok);
		const engine = await openReapi({
			endpoint: endpoint.value,
			jobs: 2,
			files: {
				get: (path) => ({ hash: hashFile(path), executable: (statSync(path).mode & 0o100) !== 0 }),
				isSystem: () => false,
			},
			objects: store.objects,
			modes: new Map(),
			runner: nativesForTests().runner,
			view: nativesForTests().view,
			timeoutMs: 0,
			version: "test",
			modeOfFile: (path) => statSync(path).mode & 0o777,
			retries: AT_ONCE,
			...more,
		});
		ends.push(() => engine.close());
		return { store, thunk, engine, run: (t = thunk) => engine.execute(hash, t) };
	}

	/** A worker with some handlers changed. */
	async function faulty(
		change: (handlers: Record<string, Handler>, w: TestWorker) => void,
	): Promise<{ target: string; w: TestWorker }> {
		const w = await worker();
		const server = await startFaulty(w.options, (handlers) => change(handlers, w));
		ends.push(() => server.close());
		return { target: server.target, w };
	}

	function finished(execution: Execution | Declined) {
		assert.equal(execution.kind, "finished", JSON.stringify(execution));
		return (execution as Execution & { kind: "finished" }).result;
	}

	function declined(execution: Execution | Declined): string {
		assert.equal(execution.kind, "declined", JSON.stringify(execution));
		const { message, hint } = (execution as Declined).failure;
		return hint === undefined ? message : `${message} | ${hint}`;
	}

	it("brings back outputs, status and streams of a command that ran with its files at their own paths", async () => {
		const w = await worker();
		const b = await bench(w.target);
		const result = finished(await b.run());
		assert.equal(result.status, 0);
		assert.equal(result.stdout.toString(), "said by me\n");
		assert.equal(result.stderr.toString(), "complained\n");
		assert.deepEqual(result.outputs, [{ tag: "output", hash: hashBytes(Buffer.from("input\n")), mode: 0o644 }]);
		assert.equal(b.store.objects.get(result.outputs[0]!.hash)?.toString(), "input\n");
	});

	it("runs thunks in the original's form: links, names of blobs, outputs and a folder of outputs", async () => {
		const w = await worker();
		const b = await bench(w.target);
		const put = (text: string) => b.store.objects.put(Buffer.from(text));
		const script =
			'#!/bin/sh\ncat d/link "$1" > out; mkdir o; cat "$__GG_THUNK_PATH__" > o/me; echo "$0"; ls "$__GG_DIR__"\n';
		const functionHash = put(script);
		const [value, target] = [put("value\n"), put("target\n")];
		const thunk: Thunk = {
			...EMPTY_THUNK,
			functionHash,
			args: ["name", `@{GGHASH:${value}}`],
			envars: [`PATH=${process.env["PATH"]}`],
			executables: [{ hash: functionHash, name: "" }],
			values: [{ hash: value, name: "" }],
			links: [{ name: "d/link", target }],
			outputs: ["out"],
			outputDir: "o",
		};
		const own = b.store.objects.put(encodeThunk(thunk));
		const result = finished(await b.engine.execute(own, thunk));
		assert.deepEqual(
			result.outputs.map(({ tag, hash }) => [tag, b.store.objects.get(hash)?.toString("latin1")]),
			[
				["out", "target\nvalue\n"],
				["me", encodeThunk(thunk).toString("latin1")],
			],
		);
		const listed = [functionHash, value, target, own].sort().join("\n");
		assert.equal(result.stdout.toString(), `/tmp/gg-thunk/blobs/${functionHash}\n${listed}\n`);
	});

	it("returns the status of a command that fails, without outputs", async () => {
		const w = await worker();
		const b = await bench(w.target);
		const result = finished(await b.run({ ...b.thunk, args: [...b.thunk.args, "7"] }));
		assert.deepEqual([result.status, result.outputs], [7, []]);
	});

	it("asks the action cache first, and then sends and executes nothing", async () => {
		const w = await worker();
		finished(await (await bench(w.target)).run());
		const again = await bench(w.target);
		finished(await again.run());
		const calls = Object.fromEntries(again.engine.channel.counters.calls);
		assert.deepEqual(calls, { GetCapabilities: 1, GetActionResult: 1 });
	});

	it("makes ready what waits for its turn, so that it is only executed then", async () => {
		const w = await worker();
		const b = await bench(w.target);
		const own = hashBytes(encodeThunk(b.thunk));
		b.engine.prepare?.(own, b.thunk);
		// What is made ready is known to be so by the action's blobs.
		while (!b.engine.channel.counters.calls.has("BatchUpdateBlobs"))
			await b.engine.channel.unary(METHODS.getCapabilities, { instanceName: "" });
		const { calls } = b.engine.channel.counters;
		assert.equal(calls.get("GetActionResult"), 1);
		assert.equal(calls.get("Execute"), undefined);
		finished(await b.engine.execute(own, b.thunk));
		assert.deepEqual([calls.get("GetActionResult"), calls.get("Execute")], [1, 1]);
	});

	it("ends what it makes ready when it is closed, however long the server would take", async () => {
		let asked = (): void => undefined;
		let gone = (): void => undefined;
		const begun = new Promise<void>((resolve) => {
			asked = resolve;
		});
		const cancelled = new Promise<void>((resolve) => {
			gone = resolve;
		});
		const { target } = await faulty((handlers) => {
			handlers[METHODS.findMissingBlobs.path] = (call: ServerUnaryCall<unknown, unknown>) => {
				call.on("cancelled", gone);
				asked();
			};
		});
		const b = await bench(target);
		b.engine.prepare?.(hashBytes(encodeThunk(b.thunk)), b.thunk);
		await begun;
		b.engine.close();
		await cancelled;
	});

	it("fetches outputs by themselves from a server that puts none into its answers", async () => {
		const { target } = await faulty(answersWithoutContents);
		const b = await bench(target);
		const result = finished(await b.run());
		assert.equal(b.store.objects.get(result.outputs[0]!.hash)?.toString(), "input\n");
		assert.equal(b.engine.channel.counters.calls.get("BatchReadBlobs"), 1);
	});

	function answersWithoutContents(handlers: Record<string, Handler>): void {
		const execute = handlers[METHODS.execute.path] as (call: ServerWritableStream<object, Operation>) => void;
		handlers[METHODS.execute.path] = (call: ServerWritableStream<object, Operation>) => {
			call.request = { ...call.request, inlineOutputFiles: [] };
			execute(call);
		};
	}

	it("sends nothing twice", async () => {
		const w = await worker();
		const b = await bench(w.target);
		finished(await b.run());
		const before = b.engine.channel.counters.bytesSent;
		finished(await b.run({ ...b.thunk, envars: ["NAME=you"] }));
		const sent = b.engine.channel.counters.bytesSent - before;
		assert.ok(sent < 2500, `${sent} bytes for a thunk that differs in one variable`);
	});

	it("joins the requests of thunks that are sent together", async () => {
		const w = await worker({ jobs: 4 });
		const b = await bench(w.target);
		const names = Array.from({ length: 20 }, (_, i) => `NAME=${i}`);
		await Promise.all(names.map((name) => b.run({ ...b.thunk, envars: [name] })));
		const { calls } = b.engine.channel.counters;
		assert.ok((calls.get("FindMissingBlobs") ?? 0) <= 6, `${calls.get("FindMissingBlobs")} times FindMissingBlobs`);
		assert.ok((calls.get("BatchUpdateBlobs") ?? 0) <= 6, `${calls.get("BatchUpdateBlobs")} times BatchUpdateBlobs`);
	});

	it("sends again what the server has lost meanwhile", async () => {
		const w = await worker();
		const b = await bench(w.target);
		finished(await b.run());
		w.disk.drop(digestOf(readFileSync(program)).hash);
		w.disk.drop(digestOf(readFileSync(join(folder.path, "src/in"))).hash);
		finished(await b.run({ ...b.thunk, envars: ["NAME=later"] }));
	});

	it("executes again when the action cache names an output that is gone", async () => {
		const w = await worker();
		finished(await (await bench(w.target)).run());
		const b = await bench(w.target);
		w.disk.drop(digestOf(Buffer.from("input\n")).hash);
		finished(await b.run());
	});

	it("gives up a server that loses blobs again and again, and says what it said", async () => {
		const { target } = await faulty((handlers) => {
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) => {
				const status = RemoteError.lacking([`blobs/${"0".repeat(64)}/1`]).status;
				const error = Object.assign(new Error("lost"), {
					code: status.code,
					details: "lost",
					metadata: withDetails(status),
				});
				call.emit("error", error);
			};
		});
		const b = await bench(target);
		assert.match(
			declined(await b.run()),
			/FAILED_PRECONDITION: lost.* \| it loses what it is sent: give its cache more room/,
		);
		assert.equal(b.engine.channel.counters.calls.get("Execute"), 3);
	});

	it("takes no bytes that are not those of their digest", async () => {
		const { target } = await faulty((handlers) => {
			answersWithoutContents(handlers);
			handlers[METHODS.batchReadBlobs.path] = (
				call: ServerUnaryCall<{ digests: { hash: string; sizeBytes: number }[] }, unknown>,
				answer: sendUnaryData<unknown>,
			) => {
				const fine = { code: 0, message: "", details: [] };
				answer(null, {
					responses: call.request.digests.map((digest) => ({
						digest,
						data: Buffer.alloc(digest.sizeBytes, "!"),
						status: fine,
					})),
				});
			};
		});
		const b = await bench(target);
		assert.match(declined(await b.run()), /DATA_LOSS: the server sent other bytes/);
	});

	/** A server that says this of every action, from its cache and as the end of a run. */
	function resultIs(change: (result: ActionResult) => ActionResult) {
		const empty = Buffer.alloc(0);
		const none: ActionResult = { outputFiles: [], exitCode: 0, stdoutRaw: empty, stderrRaw: empty };
		const result = ACTION_RESULT.decode(ACTION_RESULT.encode(change(none)));
		return faulty((handlers) => {
			handlers[METHODS.getActionResult.path] = (_call: unknown, answer: sendUnaryData<ActionResult>) =>
				answer(null, result);
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) =>
				ended(call, { result, cachedResult: true, message: "" });
		});
	}

	function ended(call: ServerWritableStream<unknown, Operation>, response: ExecuteResponse): void {
		const value = EXECUTE_RESPONSE.encode(response);
		call.write({ name: "operations/x", done: true, response: { typeUrl: "x/ExecuteResponse", value } });
		call.end();
	}

	it("takes no contents in an answer that are not those of their digest", async () => {
		const digest = digestOf(Buffer.from("good"));
		const contents = Buffer.from("evil");
		const { target } = await resultIs((r) => ({ ...r, outputFiles: [{ path: "out/0", digest, contents }] }));
		assert.match(declined(await (await bench(target)).run()), /DATA_LOSS: the server sent other bytes/);
	});

	it("takes no link for an output", async () => {
		const { target } = await resultIs((r) => ({ ...r, outputSymlinks: [{ path: "out/0", target: "/etc/passwd" }] }));
		assert.match(declined(await (await bench(target)).run()), /^127\S+: copy ended .* \S+out is a symbolic link$/);
	});

	it("executes again what a cache says has made none of its outputs", async () => {
		const { target } = await faulty((handlers) => {
			handlers[METHODS.getActionResult.path] = (_call: unknown, answer: sendUnaryData<ActionResult>) =>
				answer(null, { outputFiles: [], exitCode: 0, stdoutRaw: Buffer.alloc(0), stderrRaw: Buffer.alloc(0) });
		});
		assert.equal(finished(await (await bench(target)).run()).outputs.length, 1);
	});

	it("takes a command that was killed there for no failure of the command", async () => {
		const w = await worker();
		const b = await bench(w.target);
		const killed = { ...b.thunk, args: [...b.thunk.args, "137"] };
		assert.match(declined(await b.run(killed)), /^127\S+: the command was killed there by signal 9$/);
	});

	it("does not look at outputs that it has not asked for", async () => {
		const digest = digestOf(Buffer.from("harm"));
		const { target } = await resultIs((r) => ({ ...r, outputFiles: [{ path: "../../etc/passwd", digest }] }));
		assert.match(declined(await (await bench(target)).run()), /out is missing$/);
	});

	it("takes no more output than it can use", async () => {
		const { target } = await resultIs((r) => ({
			...r,
			stdoutDigest: { hash: "0".repeat(64), sizeBytes: 10 * 2 ** 30 },
		}));
		assert.match(declined(await (await bench(target)).run()), /printed 10737418240 bytes, more than gg takes/);
	});

	it("takes no message that is larger than it can use, and does not ask for it again", async () => {
		let asked = 0;
		const { target } = await faulty((handlers) => {
			handlers[METHODS.getActionResult.path] = (_call: unknown, answer: sendUnaryData<ActionResult>) => {
				asked += 1;
				answer(null, { outputFiles: [], exitCode: 0, stdoutRaw: Buffer.alloc(65 << 20), stderrRaw: Buffer.alloc(0) });
			};
		});
		assert.match(declined(await (await bench(target)).run()), /RESOURCE_EXHAUSTED: Received message larger than max/);
		assert.equal(asked, 1);
	});

	it("takes a result of a worker whose clock goes backwards", async () => {
		const { target } = await faulty((handlers) => {
			const good = handlers[METHODS.getActionResult.path] as (
				call: unknown,
				answer: sendUnaryData<ActionResult>,
			) => void;
			handlers[METHODS.getActionResult.path] = (call: unknown, answer: sendUnaryData<ActionResult>) =>
				good(call, (error, result) => {
					const skewed = {
						worker: "skewed",
						executionStartTimestamp: { seconds: 4_000_000_000, nanos: 0 },
						executionCompletedTimestamp: { seconds: -5, nanos: -1 },
					};
					answer(error, result === undefined || result === null ? null : { ...result, executionMetadata: skewed });
				});
		});
		finished(await (await bench(target)).run());
		assert.equal(finished(await (await bench(target)).run()).wall, 0);
	});

	it("waits no longer than the deadline for a connection that has fallen silent, and then leaves it alone", async () => {
		const w = await worker();
		let silent = false;
		const sockets: Socket[] = [];
		const proxy = createServer((near) => {
			const far = createConnection(w.worker.port, "127.0.0.1");
			sockets.push(near, far);
			for (const [from, to] of [
				[near, far],
				[far, near],
			] as const) {
				from.on("data", (data) => void (silent || to.write(data)));
				from.on("error", () => undefined);
			}
		});
		await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
		ends.push(() => {
			proxy.close();
			for (const socket of sockets) socket.destroy();
		});
		const target = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
		const endpoint = parseEndpoint(`grpc://${target}?deadline=1`, {});
		assert.ok(endpoint.ok);
		const b = await bench(target, { endpoint: endpoint.value });
		silent = true;
		assert.match(declined(await b.run()), /DEADLINE_EXCEEDED: no answer within 5 s \(GetActionResult\)/);
		assert.match(b.engine.refuses(b.thunk), /no answer within 5 s/);
	});

	it("finds out within seconds, and not by the deadline, that the way to a server at work leads nowhere any more", async () => {
		const w = await worker();
		const line = await openLine(w.worker.port);
		ends.push(() => line.close());
		const alive = { keepaliveMs: 200, aliveMs: 400 };
		const channel = openChannel({
			target: line.target,
			toolVersion: "test",
			invocation: "test",
			retries: AT_ONCE,
			...alive,
		});
		ends.push(() => channel.close());
		const digest = digestOf(Buffer.from("whatever"));
		const o = { channel, instance: "", priority: 0, deadlineMs: 600_000 };
		await assert.rejects(executeAction(o, digest), /blobs are missing/);
		line.cut();
		await assert.rejects(executeAction(o, digest), /^Error: no connection within 0\.4 s$/);
	});

	it("waits for an execution whose stream has broken", async () => {
		let waited = 0;
		const { target } = await faulty((handlers) => {
			const execute = handlers[METHODS.execute.path] as (call: unknown) => void;
			const wait = handlers[METHODS.waitExecution.path] as (call: unknown) => void;
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) => {
				let first = true;
				const stream = Object.create(call, {
					write: {
						value: (operation: Operation) => {
							if (first) call.write({ ...operation, done: false });
							first = false;
							call.emit("error", Object.assign(new Error("broken"), { code: CODE.UNAVAILABLE, details: "broken" }));
						},
					},
					end: { value: () => undefined },
				});
				execute(stream);
			};
			handlers[METHODS.waitExecution.path] = (call: unknown) => {
				waited += 1;
				wait(call);
			};
		});
		finished(await (await bench(target)).run());
		assert.equal(waited, 1);
	});

	it("tries again what may pass, and declines what does not", async () => {
		let refusals = 2;
		const { target } = await faulty((handlers) => {
			const good = handlers[METHODS.findMissingBlobs.path] as (call: unknown, answer: sendUnaryData<unknown>) => void;
			handlers[METHODS.findMissingBlobs.path] = (call: unknown, answer: sendUnaryData<unknown>) => {
				refusals -= 1;
				if (refusals >= 0) answer(Object.assign(new Error("busy"), { code: CODE.RESOURCE_EXHAUSTED, details: "busy" }));
				else good(call, answer);
			};
		});
		finished(await (await bench(target)).run());
		refusals = 1000;
		const b = await bench(target);
		assert.match(
			declined(await b.run({ ...b.thunk, envars: ["NAME=later"] })),
			/RESOURCE_EXHAUSTED: busy \(FindMissingBlobs\)/,
		);
	});

	it("asks for an action again after the time that the server names", async () => {
		const slept: number[] = [];
		let refusals = 2;
		const { target } = await faulty((handlers) => {
			const good = handlers[METHODS.execute.path] as (call: unknown) => void;
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) => {
				refusals -= 1;
				if (refusals < 0) return good(call);
				const value = RETRY_INFO.encode({ retryDelay: { seconds: 7, nanos: 0 } });
				const details = [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value }];
				const status = { code: CODE.RESOURCE_EXHAUSTED, message: "no room", details };
				// Once as the end of an operation, once as the end of the call.
				if (refusals === 1) return ended(call, { cachedResult: false, status, message: "" });
				const error = { code: status.code, details: "no room", metadata: withDetails(status) };
				call.emit("error", Object.assign(new Error("no room"), error));
			};
		});
		const retries = { ...AT_ONCE, sleep: async (ms: number) => void slept.push(ms) };
		finished(await (await bench(target, { retries })).run());
		assert.deepEqual(slept, [7000, 7000]);
	});

	it("does not wait to ask again once it is closed", async () => {
		const begun: (() => void)[] = [];
		const asked = new Promise<void>((resolve) => void begun.push(resolve));
		const { target } = await faulty((handlers) => {
			handlers[METHODS.findMissingBlobs.path] = (_call: unknown, answer: sendUnaryData<unknown>) => {
				const value = RETRY_INFO.encode({ retryDelay: { seconds: 18, nanos: 0 } });
				const details = [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value }];
				const metadata = withDetails({ code: CODE.RESOURCE_EXHAUSTED, message: "no room", details });
				answer(Object.assign(new Error("no room"), { code: CODE.RESOURCE_EXHAUSTED, details: "no room", metadata }));
				begun[0]!();
			};
		});
		let slept = 0;
		const sleep = (ms: number, signal?: AbortSignal) => {
			slept += 1;
			return RETRIES.sleep(ms, signal);
		};
		const b = await bench(target, { retries: { ...RETRIES, sleep } });
		const started = performance.now();
		const run = b.run();
		await asked;
		while (slept === 0) await new Promise((resolve) => setImmediate(resolve));
		b.engine.close();
		assert.match(declined(await run), /CANCELLED: the channel was closed/);
		assert.ok(performance.now() - started < 10_000);
	});

	it("gives up an action that a server cannot run for want of something again and again", async () => {
		let asked = 0;
		const { target } = await faulty((handlers) => {
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) => {
				asked += 1;
				const status = { code: CODE.RESOURCE_EXHAUSTED, message: "no room", details: [] };
				ended(call, { cachedResult: false, status, message: "" });
			};
		});
		assert.match(declined(await (await bench(target)).run()), /^127\S+: RESOURCE_EXHAUSTED: no room$/);
		assert.equal(asked, AT_ONCE.attempts);
	});

	it("asks a server that has gone no more for a while", async () => {
		const w = await worker();
		let time = 0;
		const b = await bench(w.target, { now: () => time });
		w.worker.close();
		assert.match(declined(await b.run()), /nothing listens there/);
		assert.match(b.engine.refuses(b.thunk), /nothing listens there/);
		time = 31_000;
		assert.equal(b.engine.refuses(b.thunk), "");
	});

	it("ends what runs when it is closed, or when nobody wants the result", async () => {
		let begun: () => void = () => undefined;
		const cancels: (() => void)[] = [];
		const cancelled = [0, 1].map(() => new Promise<void>((resolve) => void cancels.push(resolve)));
		const { target } = await faulty((handlers) => {
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) => {
				call.on("cancelled", () => cancels.shift()!());
				call.write({ name: "operations/x", done: false });
				begun();
			};
		});
		const b = await bench(target);
		const start = async (signal?: AbortSignal) => {
			const under = new Promise<void>((resolve) => {
				begun = resolve;
			});
			const execution = b.engine.execute(hashFile(program), b.thunk, signal === undefined ? {} : { signal });
			await under;
			return { execution };
		};
		const unwanted = new AbortController();
		const first = await start(unwanted.signal);
		unwanted.abort();
		assert.match(declined(await first.execution), /CANCELLED/);
		const second = await start();
		b.engine.close();
		assert.match(declined(await second.execution), /CANCELLED/);
		await Promise.all(cancelled);
	});

	it("declines, and asks no more for a while, when its token is gone", async () => {
		const w = await worker();
		const helper = join(folder.path, "helper");
		// Its answer has expired as soon as it is given: it is asked for each call.
		const answer = '{"headers": {"authorization": ["Bearer x"]}, "expires": "2001-01-01T00:00:00Z"}';
		writeFileSync(helper, `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
		const b = await bench(w.target, {}, `&credential-helper=${helper}`);
		writeFileSync(helper, "#!/bin/sh\nexit 1\n");
		const said = /^the credential helper \S+ failed: .* \| it is started with the argument get/;
		assert.match(declined(await b.run()), said);
		assert.match(b.engine.refuses(b.thunk), /^the credential helper/);
	});

	it("gives up an action after its deadline, whatever the server does", async () => {
		const { target } = await faulty((handlers) => {
			handlers[METHODS.execute.path] = (call: ServerWritableStream<unknown, Operation>) => {
				call.write({ name: "operations/x", done: false });
			};
		});
		const parsed = parseEndpoint(`grpc://${target}?deadline=0.3`, {});
		assert.ok(parsed.ok);
		const b = await bench(target, { endpoint: parsed.value });
		assert.match(declined(await b.run()), /DEADLINE_EXCEEDED: no answer within 0\.3 s/);
	});

	it("says that a source has changed when it cannot send what the thunk names", async () => {
		const w = await worker();
		const b = await bench(w.target);
		writeFileSync(join(folder.path, "src/in"), "changed\n");
		assert.match(declined(await b.run()), /has changed or is gone \| infer the build again/);
	});

	it("declines a thunk with equal headers that say #pragma once, and takes other equal files", async () => {
		const w = await worker();
		const b = await bench(w.target);
		const twice = (text: string): Thunk => {
			for (const name of ["one.h", "two.h"]) writeFileSync(join(folder.path, "src", name), text);
			const hash = hashBytes(Buffer.from(text));
			const values = ["one.h", "two.h"].map((name) => ({ hash, name: join(folder.path, "src", name) }));
			return { ...b.thunk, values: [...b.thunk.values, ...values] };
		};
		finished(await b.run(twice("int x;\n")));
		assert.match(declined(await b.run(twice(" #  pragma once\nint x;\n"))), /two\.h is there twice/);
	});

	it("refuses thunks that only this machine can run", async () => {
		const w = await worker();
		const { engine, thunk } = await bench(w.target);
		assert.match(engine.refuses({ ...thunk, cwd: "", outputs: ["../x"] }), /outside the folder/);
		assert.match(engine.refuses({ ...thunk, envars: ["GG_CPU=x"] }), /-march=native/);
		assert.equal(engine.refuses(thunk), "");
	});

	async function refusedToOpen(target: string): Promise<string> {
		try {
			await bench(target);
		} catch (error) {
			assert.ok(error instanceof UserError, String(error));
			return error.failure.message;
		}
		throw new Error("it was opened");
	}

	it("does not begin with a server that it cannot use, and says why in one sentence", async () => {
		const closed = createServer((socket) => socket.end("SSH-2.0-OpenSSH\r\n"));
		await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
		ends.push(() => closed.close());
		const { port } = closed.address() as { port: number };
		assert.match(await refusedToOpen(`127.0.0.1:${port}`), /^cannot use the server 127\.0\.0\.1:\d+: /);
		const w = await worker({ token: "the token of this test" });
		assert.match(await refusedToOpen(w.target), /UNAUTHENTICATED: this worker wants another token/);
		const { target } = await faulty((handlers) => {
			handlers[METHODS.getCapabilities.path] = (_call: unknown, answer: sendUnaryData<unknown>) =>
				answer(Object.assign(new Error("no"), { code: CODE.UNIMPLEMENTED, details: "no" }));
		});
		assert.match(await refusedToOpen(target), /is no server of the Remote Execution API$/);
	});

	it("knows by its capabilities what a server cannot do", () => {
		const cache = {
			digestFunctions: [1],
			maxBatchTotalSizeBytes: 0,
			symlinkAbsolutePathStrategy: 0,
			supportedCompressors: [],
		};
		const execution = { digestFunction: 1, execEnabled: true, digestFunctions: [] };
		const good = { cacheCapabilities: cache, executionCapabilities: execution, highApiVersion: { major: 2, minor: 0 } };
		assert.equal(unusable(good), undefined);
		assert.match(unusable({}) ?? "", /no server of the Remote Execution API/);
		assert.match(unusable({ cacheCapabilities: cache }) ?? "", /a cache only/);
		assert.match(
			unusable({ ...good, executionCapabilities: { ...execution, execEnabled: false } }) ?? "",
			/a cache only/,
		);
		assert.match(
			unusable({ ...good, executionCapabilities: { ...execution, digestFunction: 3 } }) ?? "",
			/another hash than SHA-256/,
		);
		assert.match(
			unusable({ ...good, cacheCapabilities: { ...cache, digestFunctions: [2] } }) ?? "",
			/another hash than SHA-256/,
		);
		assert.match(unusable({ ...good, highApiVersion: { major: 1, minor: 0 } }) ?? "", /version 1 .* gg speaks 2/);
	});
});

function withDetails(status: Parameters<typeof STATUS.encode>[0]) {
	const metadata = new Metadata();
	metadata.set("grpc-status-details-bin", STATUS.encode(status));
	return metadata;
}
