import { RESULT_TAG, type Store } from "../store/types.js";
import { decodeResult, encodeResult } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";

/** Keeps what a thunk came to: its result under `#@result`, each output under its tag, the first under the bare name. */
export function saveResult(store: Store, hash: ObjectHash, thunk: Thunk, result: ThunkResult): void {
	const first = thunk.outputs[0];
	store.reductions.put(hash, RESULT_TAG, store.objects.put(encodeResult(result)));
	for (const output of result.outputs) {
		// The result names all outputs; the depfile, which nothing else refers to, needs no file of its own.
		if (output.tag !== first && output.tag !== "depfile") store.reductions.put(hash, output.tag, output.hash);
	}
	// Last, as in the original: a thunk whose bare name is reduced has all its outputs.
	const main = result.outputs.find((o) => o.tag === first);
	if (main !== undefined) store.reductions.put(hash, "", main.hash);
}

/** An earlier result, if it and all its outputs are still in the store: anything missing makes it a miss. */
export function loadResult(store: Store, hash: ObjectHash): ThunkResult | undefined {
	const name = store.reductions.get(hash, RESULT_TAG);
	if (name === undefined) return undefined;
	const bytes = store.objects.get(name);
	const result = bytes === undefined ? undefined : decodeResult(bytes);
	if (result === undefined || !result.outputs.every((o) => store.objects.has(o.hash))) return undefined;
	return result;
}
