import { loadResult } from "../executor/results.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import type { Forced } from "./types.js";

/** What a thunk came to earlier, if all of it is still in the store. Its outputs may be thunks. */
export function cachedOutcome(store: Store, hash: ObjectHash, thunk: Thunk): Forced | undefined {
	const kept = loadResult(store, hash);
	const result = kept?.status === 0 ? kept : resultByName(store, hash, thunk);
	return result === undefined ? undefined : { kind: "forced", final: hash, result, outputs: outputsOf(thunk, result) };
}

/** Reductions without a result object: written by another tool that keeps the original's form. */
function resultByName(store: Store, hash: ObjectHash, thunk: Thunk): ThunkResult | undefined {
	// Neither what a command printed nor the names in an output folder can be had from reductions.
	if (thunk.capture || thunk.outputs.length === 0 || thunk.outputDir !== "") return undefined;
	const outputs: { tag: string; hash: ObjectHash; mode: number }[] = [];
	for (const [i, tag] of thunk.outputs.entries()) {
		const to = store.reductions.get(hash, i === 0 ? "" : tag);
		if (to === undefined || !store.objects.has(to)) return undefined;
		outputs.push({ tag, hash: to, mode: 0o644 });
	}
	const empty = Buffer.alloc(0);
	return { status: 0, signal: 0, stdout: empty, stderr: empty, outputs, wall: 0 };
}

export function outputsOf(thunk: Thunk, result: ThunkResult): Map<string, ObjectHash> {
	const outputs = new Map(result.outputs.map((o) => [o.tag, o.hash]));
	const first = thunk.outputs[0];
	const main = first === undefined ? undefined : outputs.get(first);
	if (main !== undefined) outputs.set("", main);
	return outputs;
}

/** The first output that the thunk promises and the result lacks. */
export function missingOutput(thunk: Thunk, result: ThunkResult): string | undefined {
	if (result.outputs.length >= thunk.outputs.length) return undefined;
	const there = new Set(result.outputs.map((o) => o.tag));
	for (const p of thunk.outputPaths) if (p.optional) there.add(p.tag);
	return thunk.outputs.find((tag) => !there.has(tag));
}
