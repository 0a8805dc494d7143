/**
 * AWS Lambda's Invoke for `lambda.js`: instances that keep what they were given, and whose commands are sleeps. A process of
 * its own, so that it takes no time from the client's.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { objectOf } from "../src/lambda/names.js";
import { BLOCK_BYTES, digestNamed, type LambdaRequest, nameOfDigest, PROTOCOL } from "../src/lambda/payload.js";
import { ACTION, ACTION_RESULT, COMMAND, DIRECTORY, type Digest, type OutputFile } from "../src/reapi/messages.js";
import { packBlobs, unpackBlobs } from "../src/storage/block.js";
import { folderStorage } from "../src/storage/folder.js";
import { VERSION } from "../src/util/version.js";
import { calledBy, Recording } from "./cluster-recording.js";

export interface ReplaySettings {
	/** The folder that is the storage backend. */
	readonly store: string;
	/** Milliseconds that a command takes which is not of the recording. */
	readonly sleepMs: number;
	/** Empty: every command sleeps `sleepMs`, and every output is `object`. */
	readonly project: string;
	/** Where the project lies. */
	readonly src: string;
	/** A file. */
	readonly object: string;
	readonly capMs: number;
	readonly seed: number;
	/** No time for an invocation itself, nor for a new instance: what would be won if there were none. */
	readonly atOnce: boolean;
}

export type ReplayMessage =
	| { readonly kind: "listening"; readonly port: number }
	| { readonly kind: "tally"; readonly tally: Tally };

export interface Tally {
	invocations: number;
	cold: number;
	/** Of the functions to the storage backend. */
	gets: number;
	missing: number;
	bytesIn: number;
	mostAtOnce: number;
	/** Keys of what was run. */
	ran: string[];
	unknown: string[];
}

/** Median of a warm invocation (Wang et al., Peeking Behind the Curtains of Serverless Platforms, USENIX ATC 2018), and its spread. */
const WARM_MEDIAN_MS = 25;
const WARM_SIGMA = 0.5;
/** Of a new instance: what is commonly given for Node.js 20 without a VPC. */
const COLD_MS = [150, 400] as const;

function generator(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state / 2 ** 32;
	};
}

/** From the normal distribution of mean 0 and deviation 1. */
function normal(random: () => number): number {
	return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const settings = JSON.parse(process.argv[2]!) as ReplaySettings;
const recording = settings.project === "" ? undefined : new Recording(settings.project);
const object = settings.object === "" ? Buffer.alloc(0) : readFileSync(settings.object);
const packed = packBlobs([object]);
const folder = folderStorage(settings.store);
const random = generator(settings.seed);
const blobs = new Map<string, Buffer>();
const blocks = new Map<string, readonly string[]>();
/** What each free instance has, the one that was used last at the end. */
const free: Set<string>[] = [];
let running = 0;
const empty = (): Tally => ({
	invocations: 0,
	cold: 0,
	gets: 0,
	missing: 0,
	bytesIn: 0,
	mostAtOnce: 0,
	ran: [],
	unknown: [],
});
let tally = empty();

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const digestOf = (bytes: Buffer): Digest => ({
	hash: createHash("sha256").update(bytes).digest("hex"),
	sizeBytes: bytes.length,
});

function unpack(block: Buffer): string[] {
	const unpacked = unpackBlobs(block);
	if (!unpacked.ok) throw new Error(unpacked.error);
	return unpacked.value.map((bytes) => {
		const { hash } = digestOf(bytes);
		// Files are only looked for; folders, actions and commands are read.
		blobs.set(hash, bytes);
		return hash;
	});
}

function blockNamed(name: string): readonly string[] {
	let held = blocks.get(name);
	if (held === undefined) {
		held = unpack(readFileSync(join(settings.store, "blocks", name)));
		blocks.set(name, held);
	}
	return held;
}

/** As src/lambda/invocation.ts does it, for an instance that has `has`. */
function missingOf(action: Digest, has: Set<string>): Digest[] {
	const missing = new Map<string, Digest>();
	const seen = new Set<string>();
	const want = (digest: Digest): Buffer | undefined => {
		if (seen.has(digest.hash)) return undefined;
		seen.add(digest.hash);
		if (has.has(digest.hash)) return blobs.get(digest.hash);
		missing.set(digest.hash, digest);
		return undefined;
	};
	const bytes = want(action);
	if (bytes !== undefined) {
		const { commandDigest, inputRootDigest } = ACTION.decode(bytes);
		want(commandDigest!);
		const stack = [inputRootDigest!];
		while (stack.length > 0) {
			const folder = want(stack.pop()!);
			if (folder === undefined) continue;
			const { files, directories } = foldersOf(folder);
			for (const digest of files) want(digest);
			stack.push(...directories);
		}
	}
	return [...missing.values()];
}

const folders = new Map<Buffer, { readonly files: Digest[]; readonly directories: Digest[] }>();
function foldersOf(bytes: Buffer) {
	let found = folders.get(bytes);
	if (found === undefined) {
		const { files, directories } = DIRECTORY.decode(bytes);
		found = { files: files.map((f) => f.digest!), directories: directories.map((d) => d.digest!) };
		folders.set(bytes, found);
	}
	return found;
}

const NO_TIME = { fetch: 0, stage: 0, run: 0, outputs: 0, fetchedBytes: 0, knownBytes: 0 };

async function invoke(request: LambdaRequest): Promise<unknown> {
	if (request.action === "")
		return {
			kind: "hello",
			protocol: PROTOCOL,
			version: VERSION,
			arch: process.arch,
			storage: "file:///",
			memoryMb: 2048,
			room: 2 ** 31,
			timeoutMs: 900_000,
		};
	tally.invocations += 1;
	running += 1;
	tally.mostAtOnce = Math.max(tally.mostAtOnce, running);
	const warm = free.pop();
	const has = warm ?? new Set<string>();
	if (warm === undefined) tally.cold += 1;
	try {
		if (!settings.atOnce)
			await pause(
				warm === undefined
					? COLD_MS[0] + random() * (COLD_MS[1] - COLD_MS[0])
					: WARM_MEDIAN_MS * Math.exp(WARM_SIGMA * normal(random)),
			);
		if (request.action === "bare") {
			await pause(settings.sleepMs);
			return {};
		}
		return await run(request, has, warm === undefined);
	} finally {
		running -= 1;
		free.push(has);
	}
}

async function run(request: LambdaRequest, has: Set<string>, isCold: boolean): Promise<unknown> {
	const digest = digestNamed(request.action)!;
	if (request.blobs !== "") for (const hash of unpack(Buffer.from(request.blobs, "base64"))) has.add(hash);
	let gets = 0;
	let missing = missingOf(digest, has);
	if (missing.length > 0) {
		for (const block of request.blocks) {
			const held = blockNamed(block);
			if (held.every((hash) => has.has(hash))) continue;
			gets += 1;
			for (const hash of held) has.add(hash);
		}
		missing = missingOf(digest, has);
	}
	tally.gets += gets;
	const timings = { ...NO_TIME, gets, puts: 0, served: isCold ? 1 : 2 };
	if (missing.length > 0) {
		tally.missing += 1;
		return { kind: "missing", blobs: missing.map(nameOfDigest), timings };
	}
	const command = COMMAND.decode(blobs.get(ACTION.decode(blobs.get(digest.hash)!).commandDigest!.hash)!);
	if (recording === undefined) {
		const outputFiles = (command.outputFiles ?? []).map((path) => ({ path, digest: digestOf(object) }));
		tally.ran.push("");
		await pause(settings.sleepMs);
		return { kind: "result", result: encoded(outputFiles, "", ""), blobs: packed.toString("base64"), timings };
	}
	const called = calledBy(command, settings.src);
	const recorded = called === undefined ? undefined : recording.actions.get(called.key);
	if (recorded === undefined) {
		tally.unknown.push(command.arguments.slice(command.arguments.indexOf("--") + 1).join(" "));
		return {
			kind: "failed",
			reason: "invalid",
			message: "this command was not recorded",
			timings,
		};
	}
	const outputFiles: OutputFile[] = [];
	const blocks: Buffer[] = [];
	let left = BLOCK_BYTES;
	for (const { path, hash, size, executable } of recorded.outputs) {
		const digest = { hash, sizeBytes: size };
		outputFiles.push({ path, digest, isExecutable: executable });
		const block = readFileSync(recording.packed(hash));
		if (block.length <= left) {
			left -= block.length;
			blocks.push(block);
			continue;
		}
		// As the function does it with what no answer holds.
		await folder.put(objectOf(digest), recording.blob(hash));
		timings.puts += 1;
	}
	await pause(Math.min(recorded.ms, settings.capMs));
	tally.ran.push(recorded.key);
	return {
		kind: "result",
		result: encoded(outputFiles, recorded.stdout, recorded.stderr),
		blobs: Buffer.concat(blocks).toString("base64"),
		timings,
	};
}

function encoded(outputFiles: readonly OutputFile[], stdout: string, stderr: string): string {
	const result = ACTION_RESULT.encode({
		outputFiles,
		exitCode: 0,
		stdoutRaw: Buffer.from(stdout, "base64"),
		stderrRaw: Buffer.from(stderr, "base64"),
	});
	return Buffer.from(result).toString("base64");
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
	const pieces: Buffer[] = [];
	for await (const piece of request) pieces.push(piece as Buffer);
	const body = Buffer.concat(pieces);
	tally.bytesIn += body.length;
	const reply = await invoke(JSON.parse(body.toString()) as LambdaRequest);
	response.writeHead(200, { "content-type": "application/json" });
	response.end(JSON.stringify(reply));
}

// Packing what it answers with is each instance's own work on the service, and so is unpacking: here, once, before anything is measured.
recording?.pack();
if (existsSync(join(settings.store, "blocks")))
	for (const name of readdirSync(join(settings.store, "blocks"))) blockNamed(name);

const tell = (message: ReplayMessage): void => void process.send?.(message);
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
	serve(request, response).catch((error: unknown) => {
		tally.unknown.push(String(error));
		response.destroy();
	});
});
server.listen(0, "127.0.0.1", 4096, () => tell({ kind: "listening", port: (server.address() as AddressInfo).port }));
process.on("message", () => {
	tell({ kind: "tally", tally });
	tally = empty();
});
process.once("disconnect", () => process.exit(0));
