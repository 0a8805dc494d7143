import { strict as assert } from "node:assert";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import { digestOf } from "../../src/engines/action/merkle.js";
import { openCas } from "../../src/engines/reapi/cas.js";
import type { Channel } from "../../src/engines/reapi/channel.js";
import { executeAction } from "../../src/engines/reapi/execute.js";
import { CODE, RemoteError } from "../../src/reapi/errors.js";
import {
	ACTION,
	type ActionResult,
	COMMAND,
	type Command,
	DIRECTORY,
	type Digest,
	type Directory,
	METHODS,
	ZSTD,
} from "../../src/reapi/messages.js";
import { zstd } from "../../src/util/zstd.js";
import { claimFolder } from "../../src/worker/claim.js";
import { Disk } from "../../src/worker/disk.js";
import { isInsidePath, staysInside } from "../../src/worker/inputs.js";
import { collectOutputs } from "../../src/worker/outputs.js";
import { testFolder } from "../rig/folder.js";
import { type TestWorker, testWorkers } from "../rig/remote.js";

const EMPTY: Directory = { files: [], directories: [], symlinks: [] };

/** Sends blobs and runs a command over an input root that is one folder. */
async function run(
	w: TestWorker,
	command: Partial<Command>,
	root: Directory = EMPTY,
	blobs: readonly Buffer[] = [],
	more = {},
): Promise<ActionResult> {
	const digest = await send(w, command, root, blobs, more);
	const o = { channel: w.channel, instance: "", priority: 0, deadlineMs: 20_000 };
	return (await executeAction(o, digest)).result;
}

async function send(
	w: TestWorker,
	command: Partial<Command>,
	root: Directory,
	blobs: readonly Buffer[],
	more = {},
): Promise<Digest> {
	const cas = openCas({ channel: w.channel, instance: "", maxBatchBytes: 0 });
	const commandBytes = COMMAND.encode({ arguments: ["true"], ...command });
	const rootBytes = DIRECTORY.encode(root);
	const action = ACTION.encode({
		commandDigest: digestOf(commandBytes),
		inputRootDigest: digestOf(rootBytes),
		...more,
	});
	const all = [commandBytes, rootBytes, action, ...blobs];
	await cas.ensure(all.map((bytes) => ({ digest: digestOf(bytes), read: () => bytes })));
	return digestOf(action);
}

function sh(script: string, outputs: readonly string[] = []): Partial<Command> {
	return { arguments: ["sh", "-c", script], outputPaths: outputs };
}

async function refused(promise: Promise<unknown>): Promise<RemoteError> {
	try {
		await promise;
	} catch (error) {
		assert.ok(error instanceof RemoteError, String(error));
		return error;
	}
	throw new Error("it was not refused");
}

describe("a worker", () => {
	const worker = testWorkers();
	const outside = testFolder();

	it("runs a command over its inputs and returns outputs, status and streams", async () => {
		const w = await worker();
		const text = Buffer.from("input\n");
		const root = { ...EMPTY, files: [{ name: "in", digest: digestOf(text) }] };
		const result = await run(w, sh("cat in > out; echo said; echo complained >&2; exit 3", ["out"]), root, [text]);
		assert.equal(result.exitCode, 3);
		assert.equal(result.stdoutRaw.toString(), "said\n");
		assert.equal(result.stderrRaw.toString(), "complained\n");
		assert.deepEqual(
			result.outputFiles.map((f) => [f.path, f.digest, f.isExecutable]),
			[["out", digestOf(text), false]],
		);
	});

	it("lets a client that is far away send megabytes before it is heard from", async () => {
		const session = connect(`http://${(await worker()).target}`);
		try {
			await new Promise<void>((resolve, reject) => {
				session.on("error", reject);
				// The first settings are those of http2 itself.
				session.on("remoteSettings", ({ initialWindowSize }) => {
					if (initialWindowSize! >= 8 << 20) session.ping((error) => (error === null ? resolve() : reject(error)));
				});
			});
			assert.ok(session.state.remoteWindowSize! >= 8 << 20, `${session.state.remoteWindowSize} bytes`);
		} finally {
			session.destroy();
		}
	}).timeout(20_000);

	it("keeps a good result and answers the same action from it", async () => {
		const w = await worker();
		const digest = await send(w, sh("date +%N > out", ["out"]), EMPTY, []);
		const o = { channel: w.channel, instance: "", priority: 0, deadlineMs: 20_000 };
		const { result: first } = await executeAction(o, digest);
		const { result: again, remembered } = await executeAction(o, digest);
		assert.equal(remembered, true);
		assert.deepEqual(again.outputFiles, first.outputFiles);
		const known = await w.channel.unary(METHODS.getActionResult, { instanceName: "", actionDigest: digest });
		assert.deepEqual(known.outputFiles, first.outputFiles);
	});

	it("puts outputs that are asked for into its answers, as far as they fit", async () => {
		const w = await worker();
		const digest = await send(
			w,
			sh("echo small > small; head -c 3000000 /dev/zero > large; echo other > other", ["small", "large", "other"]),
			EMPTY,
			[],
		);
		const o = { channel: w.channel, instance: "", priority: 0, deadlineMs: 20_000 };
		const wanted = ["small", "large"];
		const contents = (result: ActionResult) => result.outputFiles.map((f) => [f.path, f.contents?.toString()]).sort();
		const expected = [
			["large", ""],
			["other", ""],
			["small", "small\n"],
		];
		assert.deepEqual(contents((await executeAction(o, digest, { inline: wanted })).result), expected);
		assert.deepEqual(contents((await executeAction(o, digest)).result), [
			["large", ""],
			["other", ""],
			["small", ""],
		]);
		const request = { instanceName: "", actionDigest: digest, inlineOutputFiles: wanted };
		assert.deepEqual(contents(await w.channel.unary(METHODS.getActionResult, request)), expected);
	});

	it("forgets a result whose output has gone", async () => {
		const w = await worker();
		const digest = await send(w, sh("echo x > out", ["out"]), EMPTY, []);
		const o = { channel: w.channel, instance: "", priority: 0, deadlineMs: 20_000 };
		const { result } = await executeAction(o, digest);
		w.disk.drop(result.outputFiles[0]!.digest!.hash);
		const error = await refused(w.channel.unary(METHODS.getActionResult, { instanceName: "", actionDigest: digest }));
		assert.equal(error.code, CODE.NOT_FOUND);
	});

	it("names the blobs that it lacks", async () => {
		const w = await worker();
		const gone = digestOf(Buffer.from("never sent"));
		const error = await refused(run(w, sh("true"), { ...EMPTY, files: [{ name: "in", digest: gone }] }));
		assert.equal(error.code, CODE.FAILED_PRECONDITION);
		assert.deepEqual(error.missing, [gone.hash]);
	});

	it("lets no name of an input root lead out of the action's folder", async () => {
		const w = await worker();
		const text = Buffer.from("x");
		for (const name of ["..", ".", "", "a/b", "/etc/x", "a\0b"]) {
			const error = await refused(run(w, sh("true"), { ...EMPTY, files: [{ name, digest: digestOf(text) }] }, [text]));
			assert.equal(error.code, CODE.INVALID_ARGUMENT, JSON.stringify(name));
			const folder = await refused(
				run(w, sh("true"), { ...EMPTY, directories: [{ name, digest: digestOf(Buffer.alloc(0)) }] }),
			);
			assert.equal(folder.code, CODE.INVALID_ARGUMENT, JSON.stringify(name));
		}
	});

	it("lets no link of an input root lead out", async () => {
		const w = await worker();
		for (const target of ["/etc/passwd", "../x", "a/../../x", ""]) {
			const error = await refused(run(w, sh("cat l"), { ...EMPTY, symlinks: [{ name: "l", target }] }));
			assert.equal(error.code, CODE.INVALID_ARGUMENT, target);
		}
	});

	it("takes no output name and no working directory that leads out", async () => {
		const w = await worker();
		for (const path of ["../out", "/etc/out", "a/../../b", "a//b", ""]) {
			assert.equal((await refused(run(w, sh("true", [path])))).code, CODE.INVALID_ARGUMENT, path);
			if (path === "") continue;
			const command = { ...sh("true"), workingDirectory: path };
			assert.equal((await refused(run(w, command))).code, CODE.INVALID_ARGUMENT, path);
		}
	});

	it("returns no file from outside, whatever links the command makes", async () => {
		const w = await worker();
		writeFileSync(join(outside.path, "secret"), "secret");
		const direct = await refused(run(w, sh(`ln -s ${outside.path}/secret out`, ["out"])));
		assert.match(direct.message, /leads out of the action's folder/);
		const through = await refused(run(w, sh(`rm -r d; ln -s ${outside.path} d`, ["d/secret"])));
		assert.match(through.message, /leads out of the action's folder/);
		const inFolder = await refused(run(w, sh(`mkdir -p d; ln -s ${outside.path}/secret d/x`, ["d"])));
		assert.match(inFolder.message, /leads out of the action's folder/);
	});

	it("lets a command write nowhere but in its folder", async function () {
		const w = await worker();
		const result = await run(w, sh(`echo harm > ${outside.path}/harm || echo refused`));
		if (result.stdoutRaw.toString() === "") this.skip();
		assert.equal(existsSync(join(outside.path, "harm")), false);
	});

	it("lets not even root's command make the machine's files writable", async function () {
		if (process.getuid?.() !== 0) this.skip();
		const w = await worker();
		const harm = `mount -o remount,bind,rw / && echo remounted; echo harm > ${outside.path}/harm; exit 0`;
		const result = await run(w, sh(harm));
		assert.equal(result.stdoutRaw.toString(), "");
		assert.equal(existsSync(join(outside.path, "harm")), false);
	});

	it("gives a large program to many actions, and none can change it", async () => {
		const w = await worker();
		const program = Buffer.concat([Buffer.from("#!/bin/sh\necho ran\nexit 0\n"), Buffer.alloc(300 << 10, "#")]);
		const root = { ...EMPTY, files: [{ name: "p", digest: digestOf(program), isExecutable: true }] };
		const harm = await run(w, sh("./p; chmod u+w p; echo harm > p; rm -f p"), root, [program]);
		assert.equal(harm.stdoutRaw.toString(), "ran\n");
		const after = await run(w, sh("./p again"), root);
		assert.equal(after.stdoutRaw.toString(), "ran\n");
		assert.deepEqual(w.disk.get(digestOf(program)), program);
	});

	it("leaves nothing of an action behind, though no path names it whole", async () => {
		const w = await worker();
		await run(w, sh("mkdir -p a/b; echo x > a/b/c; chmod -R a-w a; exit 1"));
		const name = "d".repeat(200);
		await run(w, sh(`for i in $(seq 50); do mkdir ${name} && cd -P ${name} || exit 1; done; exit 1`));
		assert.deepEqual(readdirSync(join(w.folder, "tmp")), []);
	});

	it("finds outputs where its folder is reached by a link", async () => {
		const link = join(outside.path, "link");
		mkdirSync(join(outside.path, "real"));
		symlinkSync(join(outside.path, "real"), link);
		const w = await worker({ disk: new Disk(join(link, "cache"), 0) });
		const result = await run(w, sh("echo x > out", ["out"]));
		assert.deepEqual(result.outputFiles[0]?.digest, digestOf(Buffer.from("x\n")));
	});

	it("does not run again what prints too much", async () => {
		const w = await worker();
		const error = await refused(run(w, sh("head -c 20000000 /dev/zero")));
		assert.match(error.message, /printed more than 16 MiB/);
		assert.equal(w.channel.counters.calls.get("Execute"), 1);
	});

	it("takes no output that is larger than it may be", async () => {
		const w = await worker({ limits: { timeMs: 60_000, memoryBytes: 0, outputBytes: 1 << 20, processes: 0 } });
		const result = await run(w, sh("head -c 2000000 /dev/zero > out", ["out"]));
		assert.notEqual(result.exitCode, 0);
		assert.equal(result.outputFiles[0]?.digest?.sizeBytes, 1 << 20);
	});

	it("gives a process no more memory than it may have", async () => {
		const limits = { timeMs: 60_000, memoryBytes: 64 << 20, outputBytes: 1 << 20, processes: 0 };
		const w = await worker({ limits });
		const result = await run(w, sh("dd if=/dev/zero of=/dev/null bs=200M count=1"));
		assert.match(result.stderrRaw.toString(), /memory exhausted/);
	});

	it("ends an action that takes longer than it may, and all that it started", async () => {
		const w = await worker();
		const error = await refused(
			run(w, sh("sleep 1000 & sleep 1000"), EMPTY, [], { timeout: { seconds: 0, nanos: 200_000_000 } }),
		);
		assert.equal(error.code, CODE.DEADLINE_EXCEEDED);
	});

	it("returns a folder as a tree", async () => {
		const w = await worker();
		const result = await run(w, sh("mkdir -p d/e; echo x > d/e/f; ln -s e/f d/g", ["d"]));
		assert.equal(result.outputDirectories?.length, 1);
		assert.equal(result.outputFiles.length, 0);
	});

	it("refuses bytes that are not those of their digest", async () => {
		const w = await worker();
		const digest = digestOf(Buffer.from("one"));
		const { responses } = await w.channel.unary(METHODS.batchUpdateBlobs, {
			instanceName: "",
			requests: [{ digest, data: Buffer.from("two") }],
		});
		assert.equal(responses[0]!.status?.code, CODE.INVALID_ARGUMENT);
		const name = `uploads/u/blobs/${digest.hash}/3`;
		const error = await refused(
			w.channel.send(METHODS.write, [
				{ resourceName: name, writeOffset: 0, finishWrite: true, data: Buffer.from("two") },
			]),
		);
		assert.equal(error.code, CODE.INVALID_ARGUMENT);
		assert.equal(w.disk.has(digest), false);
	});

	it("refuses digests that are none", async () => {
		const w = await worker();
		for (const digest of [
			{ hash: "../../etc/passwd", sizeBytes: 1 },
			{ hash: "A".repeat(64), sizeBytes: 1 },
			{ hash: "0".repeat(64), sizeBytes: -1 },
		]) {
			const error = await refused(
				w.channel.unary(METHODS.findMissingBlobs, { instanceName: "", blobDigests: [digest] }),
			);
			assert.equal(error.code, CODE.INVALID_ARGUMENT);
		}
	});

	it("gives and takes large blobs in pieces, a part of them too", async () => {
		const w = await worker();
		const bytes = Buffer.alloc(9 << 20, "0123456789");
		const cas = openCas({ channel: w.channel, instance: "", maxBatchBytes: 0 });
		await cas.ensure([{ digest: digestOf(bytes), read: () => bytes }]);
		assert.ok((await cas.fetch(digestOf(bytes))).equals(bytes));
		const part: Buffer[] = [];
		const name = `blobs/${digestOf(bytes).hash}/${bytes.length}`;
		await w.channel.receive(
			METHODS.read,
			{ resourceName: name, readOffset: 5, readLimit: 10 },
			({ data }) => void part.push(data),
		);
		assert.equal(Buffer.concat(part).toString(), "5678901234");
	});

	it("gives and takes large blobs compressed, and refuses what is none or another's", async function () {
		if (zstd === undefined) this.skip();
		const w = await worker();
		const { cacheCapabilities } = await w.channel.unary(METHODS.getCapabilities, { instanceName: "" });
		assert.deepEqual(cacheCapabilities?.supportedCompressors, [ZSTD]);
		const text = Buffer.concat(Array.from({ length: 3 }, () => Buffer.from("some words, ".repeat(300_000))));
		const noise = randomBytes(5 << 20);
		const sent: number[] = [];
		const counting: Channel = {
			...w.channel,
			send: (method, messages, options) => {
				const all = [...messages];
				sent.push(all.reduce((sum, message) => sum + (message as { readonly data: Buffer }).data.length, 0));
				return w.channel.send(method, all, options);
			},
		};
		const cas = openCas({ channel: counting, instance: "i", maxBatchBytes: 0, zstd });
		for (const bytes of [text, noise]) {
			await cas.ensure([{ digest: digestOf(bytes), read: () => bytes }]);
			assert.ok(w.disk.get(digestOf(bytes))!.equals(bytes));
			assert.ok((await cas.fetch(digestOf(bytes))).equals(bytes));
		}
		assert.ok(sent[0]! < text.length / 100, `${sent[0]} bytes`);
		assert.equal(sent[1], noise.length);
		const { hash, sizeBytes } = digestOf(text);
		const pieces: Buffer[] = [];
		const resourceName = `compressed-blobs/zstd/${hash}/${sizeBytes}`;
		await w.channel.receive(
			METHODS.read,
			{ resourceName, readOffset: sizeBytes - 7 },
			({ data }) => void pieces.push(data),
		);
		const part = zstd.decompressor();
		part.end(Buffer.concat(pieces));
		assert.equal(Buffer.concat(await part.toArray()).toString(), " words, ".slice(1));
		const put = (data: Buffer, of: Buffer, size = of.length): Promise<unknown> => {
			const name = `uploads/u/compressed-blobs/zstd/${digestOf(of).hash}/${size}`;
			return w.channel.send(METHODS.write, [{ resourceName: name, writeOffset: 0, finishWrite: true, data }]);
		};
		const other = Buffer.from("other");
		for (const wrong of [Buffer.from("no zstd"), await zstd.compress(text), await zstd.compress(Buffer.from("oTher"))])
			await assert.rejects(put(wrong, other), /INVALID_ARGUMENT|not those|cut short/);
		await assert.rejects(
			put((await zstd.compress(other)).subarray(0, -1), other),
			/INVALID_ARGUMENT|not those|cut short/,
		);
		assert.equal(w.disk.get(digestOf(other)), undefined);
		await put(await zstd.compress(other), other);
		assert.ok(w.disk.get(digestOf(other))!.equals(other));
	});

	it("is not believed where what it sends compressed is wrong, or longer than it says", async function () {
		if (zstd === undefined) this.skip();
		const good = Buffer.alloc(5 << 20, "x");
		const lies = [
			Buffer.from("no zstd"),
			await zstd.compress(Buffer.alloc(50 << 20, "x")),
			await zstd.compress(Buffer.alloc(5 << 20)),
			randomBytes(7 << 20),
		];
		const w = await worker();
		for (const lie of lies) {
			const receive: typeof w.channel.receive = async (_method, _request, each) => {
				for (let at = 0; at < lie.length; at += 1 << 16) each({ data: lie.subarray(at, at + (1 << 16)) } as never);
			};
			const cas = openCas({ channel: { ...w.channel, receive }, instance: "", maxBatchBytes: 0, zstd });
			await assert.rejects(cas.fetch(digestOf(good)), /other bytes|not those|wrong/);
		}
	});

	it("wants its token for every call", async () => {
		const w = await worker({ token: "the token of this test" });
		const errors = await Promise.all([
			refused(w.channel.unary(METHODS.getCapabilities, { instanceName: "" })),
			refused(w.channel.receive(METHODS.execute, { instanceName: "" }, () => undefined)),
			refused(
				w.channel.send(METHODS.write, [{ resourceName: "", writeOffset: 0, finishWrite: true, data: Buffer.alloc(0) }]),
			),
		]);
		for (const error of errors) assert.equal(error.code, CODE.UNAUTHENTICATED);
	});

	it("keeps results of clients only when told so", async () => {
		const digest = digestOf(Buffer.from("an action"));
		const actionResult = { outputFiles: [], exitCode: 0, stdoutRaw: Buffer.alloc(0), stderrRaw: Buffer.alloc(0) };
		const request = { instanceName: "", actionDigest: digest, actionResult };
		const strict = await worker();
		assert.equal(
			(await refused(strict.channel.unary(METHODS.updateActionResult, request))).code,
			CODE.PERMISSION_DENIED,
		);
		const lax = await worker({ acceptResults: true });
		await lax.channel.unary(METHODS.updateActionResult, request);
		assert.equal((await lax.channel.unary(METHODS.getActionResult, request)).exitCode, 0);
	});

	it("runs an action once that two ask for at the same time", async () => {
		const w = await worker();
		const digest = await send(w, sh("date +%s%N > out", ["out"]), EMPTY, []);
		const o = { channel: w.channel, instance: "", priority: 0, deadlineMs: 20_000 };
		const [a, b] = await Promise.all([executeAction(o, digest), executeAction(o, digest)]);
		assert.deepEqual(a.result.outputFiles, b.result.outputFiles);
	});

	it("ends what was taken before it goes, and takes nothing more", async () => {
		const w = await worker();
		const script = "n=0; while [ $n -lt 30 ]; do sleep 0.01; n=$((n+1)); done; echo made > out";
		const action = await send(w, sh(script, ["out"]), EMPTY, []);
		const running = executeAction({ channel: w.channel, instance: "", priority: 0, deadlineMs: 20_000 }, action);
		while (w.worker.status().running === 0) await new Promise((resolve) => setImmediate(resolve));
		const drained = w.worker.drain();
		const { result } = await running;
		assert.equal(result.exitCode, 0);
		const cas = openCas({ channel: w.channel, instance: "", maxBatchBytes: 0 });
		const digest = result.outputFiles[0]!.digest!;
		assert.equal((await cas.fetch(digest)).toString(), "made\n", "what was made can still be fetched");
		await drained;
	});

	it("goes at once when it has nothing to do", async () => {
		const w = await worker();
		await w.channel.unary(METHODS.getCapabilities, { instanceName: "" });
		const started = performance.now();
		w.channel.close();
		await w.worker.drain();
		assert.ok(performance.now() - started < 900);
	});
});

describe("the worker's disk", () => {
	const folder = testFolder();
	const bytes = (n: number): Buffer => Buffer.alloc(1000, String(n));

	it("removes what was not used for longest, and nothing that is pinned", () => {
		const disk = new Disk(folder.path, 3500);
		const digests = [1, 2, 3].map((n) => disk.add(bytes(n)));
		const pins = disk.pins();
		pins.add([digests[0]!.hash]);
		disk.add(bytes(4));
		assert.deepEqual(
			digests.map((d) => disk.has(d)),
			[true, false, true],
		);
		pins.end();
		assert.ok(disk.size <= 3500);
	});

	it("loses no output of an action to the next one of the same action", () => {
		const [path, root] = [join(folder.path, "disk"), join(folder.path, "root")];
		const disk = new Disk(path, 2500);
		mkdirSync(root);
		for (const n of [1, 2, 3]) writeFileSync(join(root, `${n}`), bytes(n));
		const pins = disk.pins();
		const command = { arguments: [], outputPaths: ["1", "2", "3"] };
		const { outputFiles } = collectOutputs({ disk, pins, limits: { outputBytes: 1000 } }, root, root, command);
		assert.deepEqual(
			outputFiles!.map(({ digest }) => disk.has(digest!)),
			[true, true, true],
		);
		pins.end();
		assert.ok(disk.size <= 2500);
	});

	it("counts the executable copy of a large program, and removes it with the program", () => {
		const path = join(folder.path, "disk");
		const disk = new Disk(path, 1 << 20);
		const program = disk.add(Buffer.alloc(400 << 10, "#"));
		disk.place(program, join(folder.path, "program"), true);
		assert.equal(disk.size, 2 * program.sizeBytes);
		// Each of them would fit beside the program alone.
		disk.add(Buffer.alloc(300 << 10, "1"));
		assert.equal(disk.has(program), false);
		assert.equal(existsSync(`${disk.path(program.hash)}.x`), false);
	});

	it("knows its blobs again after a restart, and removes what was half-written", () => {
		const digest = new Disk(folder.path, 0).add(bytes(1));
		writeFileSync(join(folder.path, "tmp", "half"), "x");
		const again = new Disk(folder.path, 0);
		assert.deepEqual(again.get(digest), bytes(1));
		assert.equal(existsSync(join(folder.path, "tmp", "half")), false);
	});

	it("neither places nor hands out what an earlier worker did not write whole", () => {
		const before = new Disk(folder.path, 0);
		const digests = [1, 2].map((n) => before.add(bytes(n)));
		for (const { hash } of digests) {
			chmodSync(before.path(hash), 0o600);
			// As long as it was: a machine that lost its power may keep a file's length without its bytes.
			writeFileSync(before.path(hash), Buffer.alloc(1000));
		}
		const disk = new Disk(folder.path, 0);
		assert.equal(disk.place(digests[0]!, join(folder.path, "copy"), false), "absent");
		assert.equal(disk.file(digests[1]!), undefined);
		assert.deepEqual(
			digests.map((d) => disk.has(d)),
			[false, false],
		);
	});

	it("keeps results within a part of its limit, the oldest go first, also after a restart", () => {
		const name = (n: number): string => n.toString(16).repeat(64);
		const disk = new Disk(folder.path, 16 * 4096 * 3);
		for (const n of [1, 2, 3]) disk.results.put(name(n), bytes(n));
		utimesSync(join(folder.path, "ac", name(1)), 1, 1);
		utimesSync(join(folder.path, "ac", name(3)), 2, 2);
		const again = new Disk(folder.path, 16 * 4096 * 3);
		again.results.put(name(4), bytes(4));
		const kept = (d: Disk) => [1, 2, 3, 4].filter((n) => d.results.get(name(n)) !== undefined);
		assert.deepEqual(kept(again), [2, 3, 4]);
		again.results.get(name(2));
		again.results.put(name(5), bytes(5));
		assert.deepEqual(kept(again), [2, 4]);
		assert.equal(disk.results.get(name(1)), undefined);
	});

	it("takes an empty file that an earlier worker has left for no result", () => {
		new Disk(folder.path, 0).results.put("a".repeat(64), Buffer.alloc(0));
		assert.equal(new Disk(folder.path, 0).results.get("a".repeat(64)), undefined);
	});

	it("belongs to one worker at a time", async () => {
		const giveBack = await claimFolder(folder.path);
		await assert.rejects(claimFolder(folder.path), /another gg worker is at work in /);
		(await claimFolder(join(folder.path, "else")))();
		giveBack();
		(await claimFolder(folder.path))();
	});

	it("hands out no file that was damaged", () => {
		const disk = new Disk(folder.path, 0);
		const digest = disk.add(bytes(1));
		const path = disk.path(digest.hash);
		chmodSync(path, 0o600);
		writeFileSync(path, Buffer.alloc(1000, "x"));
		assert.equal(disk.get(digest), undefined);
		assert.equal(disk.has(digest), false);
	});

	it("places a copy that can be written without harm to the blob", () => {
		const disk = new Disk(join(folder.path, "disk"), 0);
		const digest = disk.add(bytes(1));
		assert.equal(disk.place(digest, join(folder.path, "copy"), false), "copied");
		writeFileSync(join(folder.path, "copy"), "changed");
		assert.deepEqual(disk.get(digest), bytes(1));
	});
});

describe("names and links of a client", () => {
	it("stay inside or are refused", () => {
		assert.ok(staysInside("a/b", "../../c"));
		assert.ok(!staysInside("a/b", "../../../c"));
		assert.ok(!staysInside("", "/c"));
		assert.ok(isInsidePath("a/b"));
		for (const path of ["", "/a", "a/..", "a//b", "./a", "a/"]) assert.ok(!isInsidePath(path), path);
	});
});
