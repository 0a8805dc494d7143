import type { Execution, ExecutionFailure } from "../../executor/types.js";
import { RemoteError } from "../../reapi/errors.js";
import { type ActionResult, METHODS, type OutputFile } from "../../reapi/messages.js";
import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import { UserError } from "../../util/result.js";
import { outputName, outputsOf } from "../action/action.js";
import type { Blob } from "../action/blob.js";
import { digestOf, digestOfObject } from "../action/merkle.js";
import { modeOf } from "../action/modes.js";
import { type Access, quietly, type ResultStore } from "../stored.js";
import { connect, type ReapiOptions } from "./client.js";
import { failureOf } from "./failures.js";

export interface RemoteStoreOptions extends ReapiOptions {
	readonly access: Access;
	/** Called when the server cannot be used; it is then left alone for a while. */
	readonly troubled: (failure: ExecutionFailure) => void;
}

const INLINE = 64 << 10;

/** A server's cache of results, in the form in which a server that executes would have them. Throws a UserError when the server is none or has no cache. */
export async function openRemoteStore(o: RemoteStoreOptions): Promise<ResultStore> {
	const client = await connect(o, "cache");
	const attempt = quietly({
		now: o.now ?? Date.now,
		failureOf(error) {
			const failure = failureOf(o.endpoint, error);
			return error instanceof RemoteError || error instanceof UserError ? failure : undefined;
		},
		troubled: o.troubled,
	});
	const allowed = client.capabilities.cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled === true;
	const writes = o.access === "read-write" && allowed;
	const sending = new Set<Promise<void>>();

	/** Thunks of which another machine may take the result: none that has something to do with this one. */
	function isShared(thunk: Thunk): boolean {
		return thunk.cwd !== "" && thunk.executables[0] !== undefined && client.roots.twin(thunk) === undefined;
	}

	async function send(hash: ObjectHash, thunk: Thunk, { result }: Execution & { kind: "finished" }): Promise<void> {
		const { action } = client.actionOf(hash, thunk);
		const outputFiles: OutputFile[] = [];
		const blobs: Blob[] = [...action.blobs];
		for (const [i, { tag }] of outputsOf(thunk).entries()) {
			const output = result.outputs.find((made) => made.tag === tag);
			if (output === undefined) continue;
			const isExecutable = (output.mode & 0o100) !== 0;
			// The protocol tells no more of a mode than that: one that would come back otherwise is not sent.
			if (modeOf(o, thunk, tag, isExecutable) !== output.mode) return;
			const digest = digestOfObject(output.hash);
			outputFiles.push({ path: outputName(i), digest, isExecutable });
			blobs.push({ digest, read: () => o.objects.get(output.hash) });
		}
		const stream = (bytes: Buffer) => {
			if (bytes.length <= INLINE) return { raw: bytes, digest: null };
			const digest = digestOf(bytes);
			blobs.push({ digest, read: () => bytes });
			return { raw: Buffer.alloc(0), digest };
		};
		const [out, err] = [stream(result.stdout), stream(result.stderr)];
		const actionResult: ActionResult = {
			outputFiles,
			exitCode: 0,
			stdoutRaw: out.raw,
			stdoutDigest: out.digest,
			stderrRaw: err.raw,
			stderrDigest: err.digest,
		};
		await client.cas.ensure(blobs);
		const instanceName = o.endpoint.instance;
		const request = { instanceName, actionDigest: action.digest, actionResult };
		await client.channel.unary(METHODS.updateActionResult, request);
	}

	return {
		readOnlyBecause: o.access === "read-write" && !allowed ? `${o.endpoint.target} takes no results of clients` : "",
		lookup: (hash, thunk) =>
			attempt(async () => {
				if (!isShared(thunk)) return undefined;
				const known = await client.recall(thunk, client.actionOf(hash, thunk).action);
				return known?.kind === "finished" && known.result.status === 0 ? known : undefined;
			}),
		keep(hash, thunk, execution) {
			if (!writes || execution.kind !== "finished" || execution.undeclared.length > 0 || !isShared(thunk)) return;
			if (execution.result.status !== 0 || execution.result.signal !== 0) return;
			const sent = attempt(() => send(hash, thunk, execution)).finally(() => sending.delete(sent));
			sending.add(sent);
		},
		async close() {
			await Promise.all(sending);
			client.channel.close();
		},
	};
}
