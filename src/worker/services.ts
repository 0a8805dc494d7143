import { timingSafeEqual } from "node:crypto";
import type {
	Metadata,
	ServerReadableStream,
	ServerUnaryCall,
	ServerWritableStream,
	ServiceDefinition,
	sendUnaryData,
	UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CODE, RemoteError } from "../reapi/errors.js";
import {
	ACTION_RESULT,
	type Action,
	type ActionResult,
	type Command,
	DIRECTORY,
	type Digest,
	type Directory,
	EXECUTE_RESPONSE,
	METHODS,
	type Method,
	type Operation,
	SHA256,
	TREE,
	type WorkerStatus,
	ZSTD,
} from "../reapi/messages.js";
import { zstd } from "../util/zstd.js";
import {
	mismatch,
	queryWrite,
	readBlob,
	serviceError,
	sound,
	type WriteRequest,
	type WriteResponse,
	writeBlob,
} from "./byte-stream.js";
import type { Disk } from "./disk.js";
import { missingBlobs } from "./inputs.js";
import { internal, Operations } from "./operations.js";
import { type RunnerOptions, readAction, runAction } from "./run.js";

export interface ServicesOptions extends RunnerOptions {
	readonly jobs: number;
	/** What every call must carry as `authorization: Bearer …`; empty: nothing. */
	readonly token: string;
	/** Take results that clients computed themselves. */
	readonly acceptResults: boolean;
	/** What runs an action; left out: runAction. */
	readonly perform?: Perform;
}

export type Perform = (action: Action, command: Command, signal?: AbortSignal) => Promise<ActionResult>;

export interface Services {
	readonly definition: ServiceDefinition;
	readonly handlers: UntypedServiceImplementation;
	readonly operations: Operations;
	/** Milliseconds since anybody asked for anything. */
	idle(): number;
	status(): WorkerStatus;
}

/** Bytes of one batch: what a message may hold less its frame. */
const BATCH = (4 << 20) - (64 << 10);

type Unary<Q, R> = (request: Q) => R | Promise<R>;

/** All services of a worker, as handlers of grpc-js by the method's path. */
export function makeServices(o: ServicesOptions): Services {
	const { disk, perform = (action, command, signal) => runAction(o, action, command, signal) } = o;
	const operations = new Operations(o.jobs);
	let hits = 0;
	let misses = 0;
	let lastCall = performance.now();
	const definition: Record<string, ServiceDefinition[string]> = {};
	const handlers: Record<string, UntypedServiceImplementation[string]> = {};
	const expected = Buffer.from(`Bearer ${o.token}`);

	function define<Q, R>(method: Method<Q, R>, handler: UntypedServiceImplementation[string]): void {
		definition[method.path] = {
			path: method.path,
			requestStream: method.streams === "request",
			responseStream: method.streams === "response",
			requestSerialize: method.request.encode as never,
			requestDeserialize: method.request.decode as never,
			responseSerialize: method.response.encode as never,
			responseDeserialize: method.response.decode as never,
		};
		handlers[method.path] = handler;
	}
	/** Throws for a call without the token. */
	const admit = (metadata: Metadata): void => {
		lastCall = performance.now();
		if (o.token === "") return;
		const given = Buffer.from(String(metadata.get("authorization")[0] ?? ""));
		if (given.length === expected.length && timingSafeEqual(given, expected)) return;
		throw new RemoteError(CODE.UNAUTHENTICATED, "this worker wants another token");
	};
	function unary<Q, R>(method: Method<Q, R>, handler: Unary<Q, R>): void {
		define(method, (call: ServerUnaryCall<Q, R>, answer: sendUnaryData<R>) => {
			void (async () => {
				admit(call.metadata);
				return handler(call.request);
			})().then(
				(response) => answer(null, response),
				(error: unknown) => answer(serviceError(error)),
			);
		});
	}
	/** `handler` answers what is to be called when the client goes. */
	function streaming<Q, R>(
		method: Method<Q, R>,
		handler: (request: Q, call: ServerWritableStream<Q, R>) => (() => void) | undefined,
	): void {
		define(method, (call: ServerWritableStream<Q, R>) => {
			try {
				admit(call.metadata);
				const gone = handler(call.request, call);
				if (gone !== undefined) call.on("cancelled", gone);
			} catch (error) {
				call.emit("error", serviceError(error));
			}
		});
	}

	/** A result whose outputs are all still there. */
	const known = (digest: Digest): ActionResult | undefined => {
		const bytes = disk.results.get(digest.hash);
		if (bytes === undefined) return undefined;
		try {
			const result = ACTION_RESULT.decode(bytes);
			if (outputsOf(disk, result).every((d) => disk.has(d))) return result;
		} catch {
			// Damaged: as good as not there.
		}
		disk.results.drop(digest.hash);
		return undefined;
	};

	unary(METHODS.getCapabilities, () => ({
		cacheCapabilities: {
			digestFunctions: [SHA256],
			actionCacheUpdateCapabilities: { updateEnabled: o.acceptResults },
			maxBatchTotalSizeBytes: BATCH,
			// Absolute links are refused.
			symlinkAbsolutePathStrategy: 1,
			supportedCompressors: zstd === undefined ? [] : [ZSTD],
		},
		executionCapabilities: { digestFunction: SHA256, execEnabled: true, digestFunctions: [SHA256] },
		lowApiVersion: { major: 2, minor: 0 },
		highApiVersion: { major: 2, minor: 2 },
	}));
	unary(METHODS.findMissingBlobs, ({ blobDigests }) => ({
		missingBlobDigests: blobDigests.filter((digest) => !disk.has(sound(digest))),
	}));
	unary(METHODS.batchUpdateBlobs, ({ requests }) => ({
		responses: requests.map(({ digest, data }) => {
			try {
				const good = disk.put(sound(digest), data);
				return { digest: sound(digest), status: good ? FINE : mismatch().status };
			} catch (error) {
				return {
					...(digest ? { digest } : {}),
					status: (error instanceof RemoteError ? error : internal(error)).status,
				};
			}
		}),
	}));
	unary(METHODS.batchReadBlobs, ({ digests }) => {
		if (digests.reduce((sum, d) => sum + d.sizeBytes, 0) > BATCH)
			throw new RemoteError(CODE.INVALID_ARGUMENT, `more than ${BATCH} bytes in one call`);
		return {
			responses: digests.map((digest) => {
				const data = disk.get(sound(digest));
				if (data !== undefined) return { digest, data, status: FINE };
				return { digest, data: Buffer.alloc(0), status: new RemoteError(CODE.NOT_FOUND, "no such blob").status };
			}),
		};
	});
	streaming(METHODS.getTree, ({ rootDigest }, call) => {
		const directories = treeBelow(disk, sound(rootDigest));
		for (let i = 0; i === 0 || i < directories.length; i += 200)
			call.write({ directories: directories.slice(i, i + 200), nextPageToken: "" });
		call.end();
		return undefined;
	});
	unary(METHODS.getActionResult, ({ actionDigest, inlineOutputFiles }) => {
		const result = known(sound(actionDigest));
		if (result !== undefined) {
			hits += 1;
			return withContents(disk, result, inlineOutputFiles);
		}
		misses += 1;
		throw new RemoteError(CODE.NOT_FOUND, "no such result");
	});
	unary(METHODS.updateActionResult, ({ actionDigest, actionResult }) => {
		if (!o.acceptResults)
			throw new RemoteError(
				CODE.PERMISSION_DENIED,
				"this worker keeps only results of its own (start it with --accept-results)",
			);
		if (!actionResult) throw new RemoteError(CODE.INVALID_ARGUMENT, "there is no result");
		const missing = outputsOf(disk, actionResult).filter((d) => !disk.has(d));
		if (missing.length > 0) throw missingBlobs(missing);
		disk.results.put(sound(actionDigest).hash, ACTION_RESULT.encode(actionResult));
		return actionResult;
	});
	streaming(METHODS.execute, ({ actionDigest, skipCacheLookup, inlineOutputFiles }, call) => {
		const { action, command, digest } = readAction(disk, actionDigest);
		const run = async (signal: AbortSignal) => {
			const cached = skipCacheLookup === true || action.doNotCache === true ? undefined : known(digest);
			if (cached !== undefined) return { result: cached, cached: true };
			const result = await perform(action, command, signal);
			if (result.exitCode === 0 && action.doNotCache !== true)
				disk.results.put(digest.hash, ACTION_RESULT.encode(result));
			return { result, cached: false };
		};
		return operations.start(
			{ digest, run, shared: skipCacheLookup !== true && action.doNotCache !== true },
			tell(call, (result) => withContents(disk, result, inlineOutputFiles)),
		);
	});
	streaming(METHODS.waitExecution, ({ name }, call) => {
		const stop = operations.wait(name, tell(call));
		if (stop === undefined) throw new RemoteError(CODE.NOT_FOUND, "no such operation");
		return stop;
	});
	streaming(METHODS.read, ({ resourceName, readOffset = 0, readLimit = 0 }, call) => {
		readBlob(disk, resourceName, readOffset, readLimit, call);
		return undefined;
	});
	unary(METHODS.queryWriteStatus, ({ resourceName }) => queryWrite(disk, resourceName));
	define(
		METHODS.write,
		(call: ServerReadableStream<WriteRequest, WriteResponse>, answer: sendUnaryData<WriteResponse>) => {
			try {
				admit(call.metadata);
			} catch (error) {
				answer(serviceError(error));
				return;
			}
			writeBlob(disk, call, answer);
		},
	);
	const status = (): WorkerStatus => ({
		name: o.name,
		jobs: o.jobs,
		running: operations.running,
		queued: operations.queued,
		hits,
		misses,
		blobs: disk.count,
		bytes: disk.size,
	});
	unary(METHODS.status, status);
	return { definition, handlers, operations, idle: () => performance.now() - lastCall, status };
}

const FINE = { code: CODE.OK, message: "", details: [] };

/** `change`: made to a result for this client alone; an operation that is remembered holds no contents. */
function tell(
	call: ServerWritableStream<unknown, Operation>,
	change: (result: ActionResult) => ActionResult = (result) => result,
): (operation: Operation) => void {
	return (operation) => {
		call.write(operation.done ? { ...operation, ...answerWith(operation, change) } : operation);
		if (operation.done) call.end();
	};
}

function answerWith({ response }: Operation, change: (result: ActionResult) => ActionResult): Partial<Operation> {
	if (!response) return {};
	const answer = EXECUTE_RESPONSE.decode(response.value);
	const result = answer.result ? change(answer.result) : undefined;
	if (!result || result === answer.result) return {};
	return { response: { ...response, value: EXECUTE_RESPONSE.encode({ ...answer, result }) } };
}

/** Bytes of outputs in one answer: a client that asks for them takes messages of 4 MiB. */
const CONTENTS = 2 << 20;

/** The outputs among `names` in the result itself, as far as they fit. */
function withContents(disk: Disk, result: ActionResult, names: readonly string[] = []): ActionResult {
	if (names.length === 0) return result;
	let room = CONTENTS;
	const wanted = new Set(names);
	const outputFiles = result.outputFiles.map((file) => {
		const size = file.digest?.sizeBytes ?? 0;
		const contents = wanted.has(file.path) && size > 0 && size <= room ? disk.get(file.digest!) : undefined;
		if (contents === undefined) return file;
		room -= size;
		return { ...file, contents };
	});
	return { ...result, outputFiles };
}

/** Digests of all that a result refers to, the files in its folders too. */
function outputsOf(disk: Disk, result: ActionResult): Digest[] {
	const found: Digest[] = result.outputFiles.map((f) => sound(f.digest));
	for (const digest of [result.stdoutDigest, result.stderrDigest]) if (digest) found.push(sound(digest));
	for (const { treeDigest } of result.outputDirectories ?? []) {
		const bytes = disk.get(sound(treeDigest));
		found.push(sound(treeDigest));
		if (bytes === undefined) continue;
		const tree = TREE.decode(bytes);
		for (const folder of [tree.root, ...tree.children])
			for (const f of folder?.files ?? []) found.push(sound(f.digest));
	}
	return found;
}

function treeBelow(disk: Disk, root: Digest): Directory[] {
	const seen = new Set([root.hash]);
	const stack = [root];
	const found: Directory[] = [];
	for (let digest = stack.pop(); digest !== undefined; digest = stack.pop()) {
		const bytes = disk.get(digest);
		if (bytes === undefined) throw new RemoteError(CODE.NOT_FOUND, "a folder of the tree is not here");
		const directory = DIRECTORY.decode(bytes);
		found.push(directory);
		for (const child of directory.directories) {
			const next = sound(child.digest);
			if (!seen.has(next.hash)) stack.push(next);
			seen.add(next.hash);
		}
	}
	return found;
}
