import { type KeyObject, sign, verify } from "node:crypto";
import type { Execution, ExecutionFailure } from "../executor/types.js";
import type { Storage } from "../storage/types.js";
import type { LocalObjects } from "../store/local.js";
import { decodeResult, encodeResult } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import { errorCode } from "../util/files.js";
import { UserError } from "../util/result.js";
import { type Access, quietly, type ResultStore } from "./stored.js";
import { Twins } from "./twins.js";

export interface StorageResultsOptions {
	readonly storage: Storage;
	readonly objects: LocalObjects;
	readonly access: Access;
	/** Ed25519, private: what is sent is signed by it. */
	readonly signs?: KeyObject;
	/** Ed25519, public: what it has not signed does not count. */
	readonly verifies?: KeyObject;
	/** How the store is called where a result came from; without secrets. */
	readonly name: string;
	readonly troubled: (failure: ExecutionFailure) => void;
	/** Milliseconds since some moment. */
	readonly now?: () => number;
}

const SIGNATURE = 64;
const NONE = Buffer.alloc(SIGNATURE);

/** Results of thunks in a storage backend, under the thunks' own names: a signature (zeros: none), then the ThunkResult. */
export function storageResults(o: StorageResultsOptions): ResultStore {
	const { storage, objects } = o;
	const twins = new Twins(objects);
	const sending = new Set<Promise<unknown>>();
	const attempt = quietly({
		now: o.now ?? Date.now,
		failureOf(error) {
			// A file of the store here went away meanwhile: nothing is wrong with the backend.
			if (errorCode(error) !== "") return undefined;
			if (!(error instanceof UserError)) throw error;
			const { reason, message, hint } = error.failure;
			if (reason !== "storage") return undefined;
			return { reason: "remote", message, ...(hint === undefined ? {} : { hint }) };
		},
		troubled: o.troubled,
	});

	/** Thunks of which another machine may take the result. */
	const isShared = (thunk: Thunk): boolean => thunk.cwd !== "" && twins.of(thunk) === undefined;

	async function find(hash: ObjectHash, thunk: Thunk): Promise<Execution | undefined> {
		const record = await storage.getRecord(hash);
		const result = record === undefined ? undefined : readRecord(hash, thunk, record, o.verifies);
		if (result === undefined) return undefined;
		const missing = result.outputs.filter((output) => !objects.has(output.hash));
		const fetched = await Promise.all(missing.map((output) => storage.get(output.hash)));
		// An object that has expired or was cut short: it is made again.
		if (fetched.includes(undefined)) return undefined;
		for (const bytes of fetched) objects.put(bytes!);
		return { kind: "finished", result, undeclared: [], place: { remembered: true, at: `in ${o.name}`, why: "" } };
	}

	async function send(hash: ObjectHash, result: ThunkResult): Promise<void> {
		await Promise.all(
			result.outputs.map(async (output) => {
				const path = objects.file(output.hash);
				if (path !== undefined && !(await storage.has(output.hash))) await storage.put(output.hash, path);
			}),
		);
		// Last: who finds it finds the objects.
		const encoded = encodeResult(result);
		const signature = o.signs === undefined ? NONE : sign(null, signed(hash, encoded), o.signs);
		await storage.putRecord(hash, Buffer.concat([signature, encoded]));
	}

	return {
		readOnlyBecause: "",
		lookup: (hash, thunk) => attempt(async () => (isShared(thunk) ? find(hash, thunk) : undefined)),
		keep(hash, thunk, execution) {
			if (o.access !== "read-write" || execution.kind !== "finished" || execution.undeclared.length > 0) return;
			const { result } = execution;
			if (result.status !== 0 || result.signal !== 0 || !isShared(thunk)) return;
			const sent = attempt(() => send(hash, result)).finally(() => sending.delete(sent));
			sending.add(sent);
		},
		async close() {
			await Promise.all(sending);
			await storage.close();
		},
	};
}

const signed = (hash: ObjectHash, encoded: Buffer): Buffer =>
	Buffer.concat([Buffer.from(`gg result ${hash}\n`), encoded]);

/** What the record says, if it is one for this thunk, and by the right hand. */
export function readRecord(
	hash: ObjectHash,
	thunk: Thunk,
	record: Buffer,
	verifies: KeyObject | undefined,
): ThunkResult | undefined {
	if (record.length < SIGNATURE) return undefined;
	const encoded = record.subarray(SIGNATURE);
	if (verifies !== undefined && !verify(null, signed(hash, encoded), verifies, record.subarray(0, SIGNATURE)))
		return undefined;
	const result = decodeResult(encoded);
	if (result === undefined || result.status !== 0 || result.signal !== 0) return undefined;
	const tags = new Set(result.outputs.map((output) => output.tag));
	const optional = new Set(thunk.outputPaths.filter((p) => p.optional).map((p) => p.tag));
	const isWhole =
		tags.size === result.outputs.length &&
		[...tags].every((tag) => thunk.outputs.includes(tag)) &&
		thunk.outputs.every((tag) => tags.has(tag) || optional.has(tag));
	// Privileges are never granted by a store.
	return isWhole && result.outputs.every((output) => output.mode <= 0o777) ? result : undefined;
}
