import type { KeyObject } from "node:crypto";
import type { Execution, ExecutionFailure, Packed } from "../executor/types.js";
import type { Storage } from "../storage/types.js";
import type { LocalObjects } from "../store/local.js";
import { hashBytes, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import { errorCode } from "../util/files.js";
import { Limiter } from "../util/limiter.js";
import { UserError } from "../util/result.js";
import { INLINE_TO, packRecord, readRecord } from "./record.js";
import { type Access, quietly, type ResultStore, type Troubled } from "./stored.js";
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

/** Bytes of outputs in one record, and records that are being sent at a time: what waits is not in memory. */
const MOST_INLINE = 16 << 20;
const SENDING = 32;
const MOST_WAITING = 64 << 20;

/** Results of thunks in a storage backend, under the thunks' own names, small outputs in them: S3 bills by request. */
export function storageResults(o: StorageResultsOptions): ResultStore {
	const { storage, objects } = o;
	const twins = new Twins(objects);
	const sending = new Set<Promise<unknown>>();
	const limiter = new Limiter(SENDING);
	const trouble: Troubled = {
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
	};
	// Apart: one that is full, or may not be written to, still has what it has.
	const looking = quietly(trouble);
	const writing = quietly(trouble);

	/** Thunks of which another machine may take the result. */
	const isShared = (thunk: Thunk): boolean => thunk.cwd !== "" && twins.of(thunk) === undefined;

	/** What was looked for and is gone, or is not what it is called: that its name is there says nothing. */
	const unsound = new Set<ObjectHash>();

	async function find(hash: ObjectHash, thunk: Thunk): Promise<Execution | undefined> {
		const bytes = await storage.getRecord(`results/${hash}`);
		const record = bytes === undefined ? undefined : readRecord(hash, thunk, bytes, o.verifies);
		if (record === undefined) return undefined;
		const { result } = record;
		const inline = new Map(record.objects.map((object) => [hashBytes(object), object]));
		const missing = result.outputs.filter((output) => !objects.has(output.hash));
		const fetched = await Promise.all(
			missing.map(async (output) => {
				const object = inline.get(output.hash) ?? (await storage.get(output.hash));
				if (object !== undefined) objects.put(object, output.hash);
				else unsound.add(output.hash);
				return object !== undefined;
			}),
		);
		// An object that has expired or was cut short: it is made again.
		if (fetched.includes(false)) return undefined;
		return { kind: "finished", result, undeclared: [], place: { remembered: true, at: `in ${o.name}`, why: "" } };
	}

	async function send(hash: ObjectHash, result: ThunkResult, packed: Packed | undefined): Promise<void> {
		const inline: Buffer[] = [];
		let room = MOST_INLINE;
		await Promise.all(
			result.outputs.map(async (output) => {
				if (packed?.holds.has(output.hash) === true) return;
				const size = sizeOfHash(output.hash);
				const bytes = size <= Math.min(INLINE_TO, room) ? objects.get(output.hash) : undefined;
				if (bytes !== undefined) {
					room -= size;
					inline.push(bytes);
					return;
				}
				const path = objects.file(output.hash);
				if (path === undefined) return;
				if (unsound.has(output.hash) || !(await storage.has(output.hash))) await storage.put(output.hash, path);
				unsound.delete(output.hash);
			}),
		);
		// Last: who finds it finds the objects.
		const record = await packRecord(hash, { result, objects: inline }, o.signs, packed?.block);
		await storage.putRecord(`results/${hash}`, record);
	}

	/** Bytes of blocks that wait to be sent. */
	let waiting = 0;
	/** Of those that wait only so much is in memory: the others are made again of what the store here has. */
	async function sendWith(hash: ObjectHash, result: ThunkResult, packed: Packed | undefined): Promise<void> {
		const size = packed?.block.length ?? 0;
		const kept = waiting + size <= MOST_WAITING ? packed : undefined;
		if (kept !== undefined) waiting += size;
		try {
			await limiter.run(() => writing(() => send(hash, result, kept)));
		} finally {
			if (kept !== undefined) waiting -= size;
		}
	}

	return {
		readOnlyBecause: "",
		requests: storage.requests,
		lookup: (hash, thunk) => looking(async () => (isShared(thunk) ? find(hash, thunk) : undefined)),
		keep(hash, thunk, execution) {
			if (o.access !== "read-write" || execution.kind !== "finished" || execution.undeclared.length > 0) return;
			const { result } = execution;
			if (result.status !== 0 || result.signal !== 0 || !isShared(thunk)) return;
			const sent = sendWith(hash, result, execution.packed).finally(() => sending.delete(sent));
			sending.add(sent);
		},
		async close() {
			await Promise.all(sending);
			await storage.close();
		},
	};
}
