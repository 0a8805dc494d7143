/** The thunks of a run, and who of them waits for whom. */
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { cycle, failure } from "./failures.js";
import type { Forced, ForceFailure, ForceOutcome, NotForced } from "./types.js";

/** One thunk that was asked for. */
export interface Node {
	readonly hash: ObjectHash;
	readonly promise: Promise<ForceOutcome>;
	/** As `promise`, but outputs may still be on their way into the store: enough for whoever is asked to run what needs them. */
	readonly named: Promise<ForceOutcome>;
	readonly name: (outcome: ForceOutcome) => void;
	/** What it waits for now; used to find a circle when nothing moves any more. */
	waits: readonly ObjectHash[];
	/** Ends its waiting; set while it waits for something that only running showed. */
	cut: ((outcome: NotForced) => void) | undefined;
}

/** A thunk that was looked at and not yet started: what it needs is started first. */
export interface Visit {
	readonly hash: ObjectHash;
	readonly thunk: Thunk | ForceFailure;
	readonly cached: Forced | undefined;
	readonly needs: readonly { readonly hash: ObjectHash }[];
	next: number;
}

/** Nothing moves any more, so that the `open` ones wait in a circle: ends one's waiting. False where none can be ended. */
export function cutCircle(open: ReadonlySet<Node>, nodes: ReadonlyMap<ObjectHash, Node>): boolean {
	const awaited = (node: Node): Node | undefined =>
		node.waits.map((hash) => nodes.get(hash)).find((n) => n !== undefined && open.has(n));
	const seen = new Set<Node>();
	let [node] = open;
	while (node !== undefined && !seen.has(node)) {
		seen.add(node);
		node = awaited(node);
	}
	// `node` lies on a circle; names have their content's hash, so some edge of it came from running.
	const start = node;
	while (node !== undefined && node.cut === undefined) {
		node = awaited(node);
		if (node === start) break;
	}
	if (node?.cut === undefined) return false;
	node.cut(failure(node.hash, undefined, cycle(node.hash)));
	return true;
}
