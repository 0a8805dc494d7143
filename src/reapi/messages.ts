import protobuf from "protobufjs";
import { SCHEMA } from "./schema.js";

/** The messages of `schema.ts` as objects: absent messages are null or undefined, all else has its default. */
export interface Digest {
	readonly hash: string;
	readonly sizeBytes: number;
}

export interface Any {
	readonly typeUrl: string;
	readonly value: Buffer;
}

export interface Duration {
	readonly seconds: number;
	readonly nanos: number;
}

export interface Status {
	readonly code: number;
	readonly message: string;
	readonly details: readonly Any[];
}

export interface Operation {
	readonly name: string;
	readonly metadata?: Any | null;
	readonly done: boolean;
	readonly error?: Status | null;
	readonly response?: Any | null;
}

export interface SemVer {
	readonly major: number;
	readonly minor: number;
	readonly patch?: number;
}

export interface Property {
	readonly name: string;
	readonly value: string;
}

export interface Platform {
	readonly properties: readonly Property[];
}

export interface Action {
	readonly commandDigest?: Digest | null;
	readonly inputRootDigest?: Digest | null;
	readonly timeout?: Duration | null;
	readonly doNotCache?: boolean;
	readonly platform?: Platform | null;
}

export interface Command {
	readonly arguments: readonly string[];
	readonly environmentVariables?: readonly Property[];
	readonly outputFiles?: readonly string[];
	readonly outputDirectories?: readonly string[];
	readonly outputPaths?: readonly string[];
	readonly platform?: Platform | null;
	readonly workingDirectory?: string;
}

export interface FileNode {
	readonly name: string;
	readonly digest?: Digest | null;
	readonly isExecutable?: boolean;
}

export interface DirectoryNode {
	readonly name: string;
	readonly digest?: Digest | null;
}

export interface SymlinkNode {
	readonly name: string;
	readonly target: string;
}

export interface Directory {
	readonly files: readonly FileNode[];
	readonly directories: readonly DirectoryNode[];
	readonly symlinks: readonly SymlinkNode[];
}

export interface Tree {
	readonly root?: Directory | null;
	readonly children: readonly Directory[];
}

export interface ExecutedActionMetadata {
	readonly worker?: string;
	readonly executionStartTimestamp?: Duration | null;
	readonly executionCompletedTimestamp?: Duration | null;
}

export interface OutputFile {
	readonly path: string;
	readonly digest?: Digest | null;
	readonly isExecutable?: boolean;
	readonly contents?: Buffer;
}

export interface OutputSymlink {
	readonly path: string;
	readonly target: string;
}

export interface OutputDirectory {
	readonly path: string;
	readonly treeDigest?: Digest | null;
}

export interface ActionResult {
	readonly outputFiles: readonly OutputFile[];
	readonly outputDirectories?: readonly OutputDirectory[];
	readonly outputFileSymlinks?: readonly OutputSymlink[];
	readonly outputDirectorySymlinks?: readonly OutputSymlink[];
	readonly outputSymlinks?: readonly OutputSymlink[];
	readonly exitCode: number;
	readonly stdoutRaw: Buffer;
	readonly stdoutDigest?: Digest | null;
	readonly stderrRaw: Buffer;
	readonly stderrDigest?: Digest | null;
	readonly executionMetadata?: ExecutedActionMetadata | null;
}

export interface ExecuteRequest {
	readonly instanceName: string;
	readonly skipCacheLookup?: boolean;
	readonly actionDigest?: Digest | null;
	readonly executionPolicy?: { readonly priority: number } | null;
	readonly inlineStdout?: boolean;
	readonly inlineStderr?: boolean;
	/** Outputs that are wanted in the answer itself; a server may leave out any. */
	readonly inlineOutputFiles?: readonly string[];
}

export interface ExecuteResponse {
	readonly result?: ActionResult | null;
	readonly cachedResult: boolean;
	readonly status?: Status | null;
	readonly message: string;
}

export interface CacheCapabilities {
	readonly digestFunctions: readonly number[];
	readonly actionCacheUpdateCapabilities?: { readonly updateEnabled: boolean } | null;
	readonly maxBatchTotalSizeBytes: number;
	readonly symlinkAbsolutePathStrategy: number;
	readonly supportedCompressors: readonly number[];
}

export interface ServerCapabilities {
	readonly cacheCapabilities?: CacheCapabilities | null;
	readonly executionCapabilities?: {
		readonly digestFunction: number;
		readonly execEnabled: boolean;
		readonly digestFunctions: readonly number[];
	} | null;
	readonly lowApiVersion?: SemVer | null;
	readonly highApiVersion?: SemVer | null;
}

export interface BlobStatus {
	readonly digest?: Digest | null;
	readonly status?: Status | null;
}

export interface ReadBlob extends BlobStatus {
	readonly data: Buffer;
}

/** Of DigestFunction. */
export const SHA256 = 1;
/** Of Compressor. */
export const ZSTD = 1;

const root = protobuf.parse(SCHEMA).root;
const AS_OBJECT = { longs: Number, defaults: true, arrays: true } as const;

export interface Codec<T> {
	encode(message: T): Buffer;
	/** Throws what protobufjs throws for bytes that are no such message. */
	decode(bytes: Uint8Array): T;
}

/** In Node the writer makes a Buffer: large messages are not copied once more. */
export function asBuffer(bytes: Uint8Array): Buffer {
	return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
}

function codec<T>(name: string): Codec<T> {
	let type: protobuf.Type | undefined;
	const found = (): protobuf.Type => {
		type ??= root.lookupType(`gg.${name}`);
		return type;
	};
	return {
		encode: (message) =>
			asBuffer(
				found()
					.encode(message as never)
					.finish(),
			),
		decode: (bytes) => found().toObject(found().decode(bytes), AS_OBJECT) as T,
	};
}

export const ACTION = codec<Action>("Action");
export const COMMAND = codec<Command>("Command");
export const DIRECTORY = codec<Directory>("Directory");
export const TREE = codec<Tree>("Tree");
export const ACTION_RESULT = codec<ActionResult>("ActionResult");
export const EXECUTE_RESPONSE = codec<ExecuteResponse>("ExecuteResponse");
export const EXECUTE_METADATA = codec<{ readonly stage: number; readonly actionDigest?: Digest | null }>(
	"ExecuteOperationMetadata",
);
export const STATUS = codec<Status>("Status");
export const RETRY_INFO = codec<{ readonly retryDelay?: Duration | null }>("RetryInfo");
export const PRECONDITION_FAILURE = codec<{
	readonly violations: readonly { readonly type: string; readonly subject: string; readonly description: string }[];
}>("PreconditionFailure");
export const REQUEST_METADATA = codec<{
	readonly toolDetails: { readonly toolName: string; readonly toolVersion: string };
	readonly actionId?: string;
	readonly toolInvocationId: string;
}>("RequestMetadata");

/** One method of a service. */
export interface Method<Request, Response> {
	/** `/package.Service/Method`. */
	readonly path: string;
	readonly request: Codec<Request>;
	readonly response: Codec<Response>;
	/** Sends a stream, or is answered by one. */
	readonly streams: "none" | "request" | "response";
}

const V2 = "/build.bazel.remote.execution.v2";

function method<Request, Response>(
	path: string,
	request: string,
	response: string,
	streams: Method<Request, Response>["streams"] = "none",
): Method<Request, Response> {
	return { path, request: codec(request), response: codec(response), streams };
}

interface OfInstance {
	readonly instanceName: string;
}

/** What a gg worker says of itself. */
export interface WorkerStatus {
	readonly name: string;
	/** Actions that it runs at once. */
	readonly jobs: number;
	readonly running: number;
	readonly queued: number;
	/** Answers of its action cache, since it started. */
	readonly hits: number;
	readonly misses: number;
	readonly blobs: number;
	readonly bytes: number;
}

export const METHODS = {
	/** gg's own, beside the API: for `gg workers`. */
	status: method<object, WorkerStatus>("/gg.Worker/Status", "StatusRequest", "WorkerStatus"),
	getCapabilities: method<OfInstance, ServerCapabilities>(
		`${V2}.Capabilities/GetCapabilities`,
		"GetCapabilitiesRequest",
		"ServerCapabilities",
	),
	findMissingBlobs: method<
		OfInstance & { readonly blobDigests: readonly Digest[] },
		{ readonly missingBlobDigests: readonly Digest[] }
	>(`${V2}.ContentAddressableStorage/FindMissingBlobs`, "FindMissingBlobsRequest", "FindMissingBlobsResponse"),
	batchUpdateBlobs: method<
		OfInstance & { readonly requests: readonly { readonly digest?: Digest | null; readonly data: Buffer }[] },
		{ readonly responses: readonly BlobStatus[] }
	>(`${V2}.ContentAddressableStorage/BatchUpdateBlobs`, "BatchUpdateBlobsRequest", "BatchUpdateBlobsResponse"),
	batchReadBlobs: method<
		OfInstance & { readonly digests: readonly Digest[] },
		{ readonly responses: readonly ReadBlob[] }
	>(`${V2}.ContentAddressableStorage/BatchReadBlobs`, "BatchReadBlobsRequest", "BatchReadBlobsResponse"),
	getTree: method<
		OfInstance & { readonly rootDigest?: Digest | null; readonly pageSize?: number; readonly pageToken?: string },
		{ readonly directories: readonly Directory[]; readonly nextPageToken: string }
	>(`${V2}.ContentAddressableStorage/GetTree`, "GetTreeRequest", "GetTreeResponse", "response"),
	getActionResult: method<
		OfInstance & {
			readonly actionDigest?: Digest | null;
			readonly inlineStdout?: boolean;
			readonly inlineStderr?: boolean;
			readonly inlineOutputFiles?: readonly string[];
		},
		ActionResult
	>(`${V2}.ActionCache/GetActionResult`, "GetActionResultRequest", "ActionResult"),
	updateActionResult: method<
		OfInstance & { readonly actionDigest?: Digest | null; readonly actionResult?: ActionResult | null },
		ActionResult
	>(`${V2}.ActionCache/UpdateActionResult`, "UpdateActionResultRequest", "ActionResult"),
	execute: method<ExecuteRequest, Operation>(`${V2}.Execution/Execute`, "ExecuteRequest", "Operation", "response"),
	waitExecution: method<{ readonly name: string }, Operation>(
		`${V2}.Execution/WaitExecution`,
		"WaitExecutionRequest",
		"Operation",
		"response",
	),
	read: method<
		{ readonly resourceName: string; readonly readOffset?: number; readonly readLimit?: number },
		{ readonly data: Buffer }
	>("/google.bytestream.ByteStream/Read", "ReadRequest", "ReadResponse", "response"),
	write: method<
		{
			readonly resourceName: string;
			readonly writeOffset: number;
			readonly finishWrite: boolean;
			readonly data: Buffer;
		},
		{ readonly committedSize: number }
	>("/google.bytestream.ByteStream/Write", "WriteRequest", "WriteResponse", "request"),
	queryWriteStatus: method<
		{ readonly resourceName: string },
		{ readonly committedSize: number; readonly complete: boolean }
	>("/google.bytestream.ByteStream/QueryWriteStatus", "QueryWriteStatusRequest", "QueryWriteStatusResponse"),
} as const;
