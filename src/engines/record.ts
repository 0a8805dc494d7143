import { type KeyObject, sign, verify } from "node:crypto";
import { packBlobsAside, unpackBlobs } from "../storage/block.js";
import { decodeResult, encodeResult } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";

/** What a thunk came to, as a storage backend keeps it. */
export interface ResultRecord {
	readonly result: ThunkResult;
	/** Outputs that travel in the record; nobody has compared them with their names yet. */
	readonly objects: readonly Buffer[];
}

/** Outputs up to this size are in the record itself. */
export const INLINE_TO = 1 << 20;

const SIGNATURE = 64;
const NONE = Buffer.alloc(SIGNATURE);
/** Before a block of result and objects; without it there follows the result alone. */
const MAGIC = Buffer.from("ggrecord1\n");

/** A signature (zeros: none), then what it signs. `more`: a block of further objects. */
export async function packRecord(
	hash: ObjectHash,
	{ result, objects }: ResultRecord,
	signs: KeyObject | undefined,
	more: Buffer = Buffer.alloc(0),
): Promise<Buffer> {
	const body = Buffer.concat([MAGIC, await packBlobsAside([encodeResult(result), ...objects]), more]);
	return Buffer.concat([signs === undefined ? NONE : sign(null, signed(hash, body), signs), body]);
}

const signed = (hash: ObjectHash, body: Buffer): Buffer => Buffer.concat([Buffer.from(`gg result ${hash}\n`), body]);

/** What the record says, if it is one for this thunk, and by the right hand. */
export function readRecord(
	hash: ObjectHash,
	thunk: Thunk,
	record: Buffer,
	verifies: KeyObject | undefined,
): ResultRecord | undefined {
	if (record.length < SIGNATURE) return undefined;
	const body = record.subarray(SIGNATURE);
	if (verifies !== undefined && !verify(null, signed(hash, body), verifies, record.subarray(0, SIGNATURE)))
		return undefined;
	let [encoded, objects]: [Buffer | undefined, readonly Buffer[]] = [body, []];
	if (body.subarray(0, MAGIC.length).equals(MAGIC)) {
		const unpacked = unpackBlobs(body.subarray(MAGIC.length));
		if (!unpacked.ok) return undefined;
		[encoded, ...objects] = unpacked.value;
	}
	const result = encoded === undefined ? undefined : decodeResult(encoded);
	if (result === undefined || result.status !== 0 || result.signal !== 0) return undefined;
	const tags = new Set(result.outputs.map((output) => output.tag));
	const optional = new Set(thunk.outputPaths.filter((p) => p.optional).map((p) => p.tag));
	const isWhole =
		tags.size === result.outputs.length &&
		[...tags].every((tag) => thunk.outputs.includes(tag)) &&
		thunk.outputs.every((tag) => tags.has(tag) || optional.has(tag));
	// Privileges are never granted by a store.
	return isWhole && result.outputs.every((output) => output.mode <= 0o777) ? { result, objects } : undefined;
}
