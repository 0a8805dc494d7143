import type { Execution, ExecutionFailure } from "../../executor/types.js";
import { CODE, RemoteError } from "../../reapi/errors.js";
import {
	type ActionResult,
	type Digest,
	type ExecutedActionMetadata,
	type FileNode,
	TREE,
} from "../../reapi/messages.js";
import type { ObjectStore } from "../../store/types.js";
import { MAX_OBJECT_SIZE, nameOf, type ObjectHash, startsAsThunk } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { OUTPUT_FOLDER, outputName, outputsOf } from "./action.js";
import { check, type Outputs } from "./blob.js";

/** The runner's own end: it could not run the command. See wrappers/PROTOCOL.md. */
const NOT_RUN = 240;
const RUNNER_SAYS = "gg-runner: ";
/** More than any tool prints that a build can use; local runs keep no more either. */
const STREAM_LIMIT = 16 << 20;

/** Larger outputs are written as they come, and never held in memory as a whole. */
const STREAMED = 2 << 20;

export interface ResultOptions {
	readonly cas: Outputs;
	readonly objects: ObjectStore;
	/** Given when outputs are left on the server: called with the name of each. */
	readonly keep?: (hash: ObjectHash) => void;
	/** Outputs are named by what the server says of them while their bytes are still being fetched. */
	readonly early?: boolean;
	readonly modeOf: (thunk: Thunk, tag: string, executable: boolean) => number;
	/** What is being fetched, by digest: what two commands came to (ranlib changes nothing about what ar made) comes once. */
	readonly coming?: Map<string, Promise<ObjectHash>>;
}

export type RemoteOutcome =
	/** `fetching`: as for an Execution's `coming`, but it rejects. */
	(Execution & { readonly fetching?: Promise<unknown> }) | { readonly kind: "not-run"; readonly why: string };

interface Output {
	readonly tag: string;
	readonly hash: ObjectHash;
	readonly mode: number;
}

/** Fetches and checks what an action came to, and keeps it as the thunk's result. Names that it does not know are left alone. */
export async function takeResult(thunk: Thunk, result: ActionResult, o: ResultOptions): Promise<RemoteOutcome> {
	const [stdout, stderr] = await Promise.all([
		stream(result.stdoutRaw, result.stdoutDigest, o.cas),
		stream(result.stderrRaw, result.stderrDigest, o.cas),
	]);
	if (result.exitCode === NOT_RUN) {
		const said = stderr.toString();
		if (said.startsWith(RUNNER_SAYS)) return { kind: "not-run", why: said.slice(RUNNER_SAYS.length).trimEnd() };
	}
	const outputs: Output[] = [];
	const fetching: Promise<void>[] = [];
	if (result.exitCode === 0) {
		const files = new Map(result.outputFiles.map((f) => [f.path, f]));
		const links = [
			...(result.outputSymlinks ?? []),
			...(result.outputFileSymlinks ?? []),
			...(result.outputDirectorySymlinks ?? []),
		];
		const named = outputsOf(thunk);
		const wanted = await Promise.all(
			named.map(async ({ tag, optional }, i) => {
				const name = outputName(i);
				const file = files.get(name);
				if (file !== undefined) {
					const { digest, contents } = file;
					if (!digest) throw new RemoteError(CODE.DATA_LOSS, `the server names no digest for ${name}`);
					const inline = contents !== undefined && contents.length === digest.sizeBytes && digest.sizeBytes > 0;
					const mode = o.modeOf(thunk, tag, file.isExecutable === true);
					// A function in the original's form may have come to a thunk: that must be read.
					if (o.keep !== undefined && thunk.cwd !== "" && !inline) return { tag, hash: keptName(digest, o.keep), mode };
					const bytes = inline ? contents : undefined;
					if (bytes !== undefined && tag === "depfile" && o.objects.putPacked !== undefined && !startsAsThunk(bytes)) {
						const hash = plainName(digest);
						o.objects.putPacked(check(bytes, digest), hash);
						return { tag, hash, mode };
					}
					if (o.early !== true || thunk.cwd === "") return { tag, hash: await bring(o, digest, bytes), mode };
					const hash = plainName(digest);
					const coming = bring(o, digest, bytes).then((came) => same(came, hash, name));
					// Whoever waits for it hears of it; nobody does where another output is missing.
					coming.catch(() => undefined);
					fetching.push(coming);
					return { tag, hash, mode };
				}
				if (links.some((l) => l.path === name)) return "is a symbolic link";
				return optional ? undefined : "is missing";
			}),
		);
		const folder = thunk.outputDir === "" ? [] : await takeFolder(thunk, result, o);
		if (folder === undefined) return impossible(outputMissing(thunk, thunk.outputDir, "is missing"));
		for (const [i, output] of wanted.entries()) {
			if (output === undefined) continue;
			if (typeof output === "string") return impossible(outputMissing(thunk, named[i]!.path, output));
			outputs.push(output);
		}
		outputs.push(...folder);
	}
	const { exitCode } = result;
	const all = Promise.all(fetching);
	all.catch(() => undefined);
	return {
		...(fetching.length > 0 ? { fetching: all } : {}),
		kind: "finished",
		result: {
			status: exitCode < 0 ? 255 : exitCode,
			signal: 0,
			stdout,
			stderr,
			outputs,
			wall: wallOf(result.executionMetadata),
		},
		undeclared: [],
	};
}

/** Brings an output into the store: what came with the answer, or is fetched. Nothing is kept that is not what its digest says. */
function bring(o: ResultOptions, digest: Digest, given?: Buffer): Promise<ObjectHash> {
	const { coming } = o;
	if (given !== undefined || coming === undefined) return bringOnce(o, digest, given);
	const key = `${digest.hash}/${digest.sizeBytes}`;
	let came = coming.get(key);
	if (came === undefined) {
		came = bringOnce(o, digest).finally(() => coming.delete(key));
		coming.set(key, came);
	}
	return came;
}

async function bringOnce(o: ResultOptions, digest: Digest, given?: Buffer): Promise<ObjectHash> {
	const { cas, objects } = o;
	const name = (start: Uint8Array): ObjectHash =>
		nameOf(Buffer.from(digest.hash, "hex"), digest.sizeBytes, startsAsThunk(start));
	if (given === undefined) {
		const plain = plainName(digest);
		if (objects.has(plain)) return plain;
		if (digest.sizeBytes > STREAMED && objects.receive !== undefined && cas.stream !== undefined) {
			const incoming = objects.receive();
			let hash: ObjectHash | undefined;
			try {
				await cas.stream(digest, (bytes) => {
					hash ??= name(bytes);
					return incoming.write(bytes);
				});
			} catch (error) {
				await incoming.drop();
				throw error;
			}
			await incoming.keep(hash!);
			return hash!;
		}
	}
	const bytes = await cas.fetch(digest, given);
	const hash = name(bytes);
	if (objects.putAside === undefined) objects.put(bytes, hash);
	else await objects.putAside(bytes, hash);
	return hash;
}

/** Others may have gone on with that name: what would have another one can only be a thunk, and of those nothing was promised. */
function same(came: ObjectHash, named: ObjectHash, output: string): void {
	if (came === named) return;
	throw new RemoteError(CODE.DATA_LOSS, `the output ${output} is a thunk, which this command does not make`);
}

/** The name of an output that is no thunk, by what the server says of it. */
function plainName(digest: Digest): ObjectHash {
	if (!/^[0-9a-f]{64}$/.test(digest.hash) || !(digest.sizeBytes >= 0 && digest.sizeBytes <= MAX_OBJECT_SIZE))
		throw new RemoteError(CODE.DATA_LOSS, "the server names an output by a digest that is none");
	return nameOf(Buffer.from(digest.hash, "hex"), digest.sizeBytes, false);
}

/** The name of an output that is not fetched. */
function keptName(digest: Digest, keep: (hash: ObjectHash) => void): ObjectHash {
	const hash = plainName(digest);
	keep(hash);
	return hash;
}

/** The files of an output folder, each an output under its own name; undefined when there is no such folder. */
async function takeFolder(thunk: Thunk, result: ActionResult, o: ResultOptions): Promise<Output[] | undefined> {
	const digest = result.outputDirectories?.find((d) => d.path === OUTPUT_FOLDER)?.treeDigest;
	if (!digest) return undefined;
	let files: readonly FileNode[];
	try {
		files = TREE.decode(await o.cas.fetch(digest)).root?.files ?? [];
	} catch (error) {
		if (error instanceof RemoteError) throw error;
		throw new RemoteError(CODE.DATA_LOSS, "the server's list of the output folder cannot be read");
	}
	return Promise.all(
		files.map(async ({ name, digest: of, isExecutable }) => {
			if (!of || name === "" || name.includes("/"))
				throw new RemoteError(CODE.DATA_LOSS, "the server's list of the output folder is not sound");
			const mode = o.modeOf(thunk, name, isExecutable === true);
			return { tag: name, hash: await bring(o, of), mode };
		}),
	);
}

async function stream(raw: Buffer, digest: Digest | null | undefined, cas: Outputs): Promise<Buffer> {
	if (raw.length > 0 || !digest || digest.sizeBytes === 0) return raw;
	if (digest.sizeBytes > STREAM_LIMIT)
		throw new RemoteError(CODE.OUT_OF_RANGE, `the command printed ${digest.sizeBytes} bytes, more than gg takes`);
	return cas.fetch(digest);
}

/** Microseconds that the command took on the worker; 0 where that is not told. */
function wallOf(metadata: ExecutedActionMetadata | null | undefined): number {
	const from = metadata?.executionStartTimestamp;
	const to = metadata?.executionCompletedTimestamp;
	if (!from || !to) return 0;
	const wall = (to.seconds - from.seconds) * 1e6 + (to.nanos - from.nanos) / 1000;
	return Math.max(0, Math.round(wall));
}

function outputMissing(thunk: Thunk, path: string, problem: string): ExecutionFailure {
	return {
		reason: "output-missing",
		message: `${thunk.args[0]} ended with status 0 on a worker, but its output ${path} ${problem}`,
	};
}

function impossible(failure: ExecutionFailure): Execution {
	return { kind: "impossible", failure };
}
