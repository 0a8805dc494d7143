import type { Declined, Engine } from "../engines/types.js";
import { saveResult } from "../executor/results.js";
import type { ExecutionFailure, Place } from "../executor/types.js";
import type { Store } from "../store/types.js";
import { decodeThunk, encodeThunk } from "../thunk/codec.js";
import { hashBytes, isThunkHash, type ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import { cachedOutcome, missingOutput, outputsOf } from "./cached.js";
import { cycle, failure, OTHERWISE, storeFailure } from "./failures.js";
import { cutCircle, type Node, type Visit } from "./node.js";
import { replaceThunks } from "./replace.js";
import { type Pool, Slots } from "./slots.js";
import { type Declines, takersAmong, weighAmong, weightOf, withReason } from "./takers.js";
import type { Forced, ForceFailure, ForceOutcome, ForcerEvents, NotForced } from "./types.js";

export { replaceThunks } from "./replace.js";
export type { Forced, ForceFailure, ForceOutcome, ForcerEvents, NotForced } from "./types.js";

const NO_HASH = "" as ObjectHash;

interface Ran {
	readonly kind: "ran";
	readonly result: ThunkResult;
	readonly undeclared: readonly string[];
	readonly place: Place | undefined;
	readonly coming: Promise<ExecutionFailure | undefined> | undefined;
}

/** How a thunk came to its result, and where. */
interface Came {
	readonly how: "cached" | "ran" | "found";
	readonly engine: string;
	readonly undeclared: readonly string[];
	readonly place: Place | undefined;
}

const CACHED: Came = { how: "cached", engine: "", undeclared: [], place: undefined };

/**
 * Forces thunks: first what they need, each once however many need it, then themselves on the first engine that takes
 * them. Without `keepGoing` nothing new starts after a failure.
 */
export class Forcer {
	readonly #store: Store;
	readonly #pools: readonly Pool[];
	readonly #fallbacks: readonly Pool[];
	readonly #events: ForcerEvents;
	readonly #keepGoing: boolean;
	readonly #slots = new Slots();
	readonly #nodes = new Map<ObjectHash, Node>();
	readonly #open = new Set<Node>();
	readonly #thunks = new Map<ObjectHash, Thunk>();
	/** Thunks, in their final form, that read more than they declared. */
	readonly #fleeting = new Set<ObjectHash>();
	/** Who runs a thunk in its final form: two that come to the same run once. */
	readonly #finals = new Map<ObjectHash, Node>();
	#watching = false;
	/** Thunks that an engine is at work on, be it only to fetch what they came to, and results that are being told. */
	#busy = 0;

	constructor(options: {
		store: Store;
		engines: readonly Engine[];
		fallbacks?: readonly Engine[];
		events: ForcerEvents;
		keepGoing?: boolean;
	}) {
		this.#store = options.store;
		const pool = (engine: Engine): Pool => ({ engine, running: 0 });
		this.#pools = options.engines.map(pool);
		this.#fallbacks = (options.fallbacks ?? []).map(pool);
		this.#events = options.events;
		this.#keepGoing = options.keepGoing ?? false;
	}

	/** Lets what runs come to its end and starts nothing more. */
	stop(): void {
		this.#slots.stop();
	}

	#stopAfter(failed: NotForced): void {
		if (!this.#keepGoing && this.#events.goesOn?.(failed) !== true) this.stop();
	}

	/** Gives the forcer a thunk that the store need not be asked for. */
	know(hash: ObjectHash, thunk: Thunk): void {
		if (!this.#nodes.has(hash)) this.#thunks.set(hash, thunk);
	}

	force(hash: ObjectHash): Promise<ForceOutcome> {
		return this.#node(hash).promise;
	}

	/** As `weighAmong`, of its engines but the fallbacks. */
	weigh(thunk: Thunk): number | undefined {
		return weighAmong(this.#pools, thunk);
	}

	thunk(hash: ObjectHash): Thunk | ForceFailure {
		const known = this.#thunks.get(hash);
		if (known !== undefined) return known;
		const bytes = this.#store.objects.get(hash);
		if (bytes === undefined) {
			return {
				reason: "thunk-missing",
				message: `thunk ${hash} is not in the store`,
				hint: "it was cleaned away, or made with another .gg folder: infer the build again",
			};
		}
		const decoded = decodeThunk(bytes);
		return decoded.ok ? decoded.value : { ...decoded.error, message: `${hash}: ${decoded.error.message}` };
	}

	/** Starts a thunk and all that it needs, needs first. No recursion: a chain may be longer than the stack is deep. */
	#node(hash: ObjectHash): Node {
		const known = this.#nodes.get(hash);
		if (known !== undefined) return known;
		const stack = [this.#visit(hash)];
		const visited = new Set([hash]);
		for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
			const need = top.needs[top.next];
			if (need === undefined) {
				stack.pop();
				this.#start(top);
				continue;
			}
			top.next += 1;
			if (visited.has(need.hash) || this.#nodes.has(need.hash)) continue;
			visited.add(need.hash);
			stack.push(this.#visit(need.hash));
		}
		return this.#nodes.get(hash)!;
	}

	#visit(hash: ObjectHash): Visit {
		const thunk = this.thunk(hash);
		if ("reason" in thunk) return { hash, thunk, cached: undefined, needs: [], next: 0 };
		const cached = cachedOutcome(this.#store, hash, thunk);
		return { hash, thunk, cached, needs: cached === undefined ? thunk.thunks : [], next: 0 };
	}

	#start(visit: Visit): void {
		const { hash, thunk } = visit;
		let name = (_: ForceOutcome): void => undefined;
		const named = new Promise<ForceOutcome>((resolve) => {
			name = resolve;
		});
		const node: Node = {
			hash,
			named,
			name,
			waits: [],
			cut: undefined,
			// Not begun at once: a long row of thunks that came to thunks would go as deep into the stack.
			promise: Promise.resolve()
				.then(() => this.#force(node, visit))
				.catch((error: unknown): NotForced => failure(hash, thunk, storeFailure(error)))
				.then((outcome) => {
					name(outcome);
					this.#open.delete(node);
					this.#thunks.delete(hash);
					if (outcome.kind === "failed") {
						this.#stopAfter(outcome);
						this.#events.failed(hash, outcome);
					}
					return outcome;
				}),
		};
		this.#nodes.set(hash, node);
		this.#open.add(node);
	}

	async #force(node: Node, { hash, thunk, cached }: Visit): Promise<ForceOutcome> {
		if ("reason" in thunk) return failure(hash, thunk, thunk);
		if (cached !== undefined) {
			const settled = await this.#settle(node, cached, thunk);
			if (settled.kind === "forced") await this.#tell(node, thunk, settled, CACHED);
			return settled;
		}
		const needs = await this.#needs(node, thunk);
		if ("kind" in needs) return needs;
		// What needs nothing is as it will be run, and has its name.
		const isFinal = thunk.thunks.length === 0;
		const replaced = isFinal ? thunk : replaceThunks(thunk, needs);
		if ("reason" in replaced) return failure(hash, thunk, replaced);
		const bytes = isFinal ? undefined : encodeThunk(replaced);
		const final = bytes === undefined ? hash : hashBytes(bytes);
		const owner = this.#finals.get(final);
		if (owner !== undefined) {
			const outcome = await this.#wait(node, owner);
			if (outcome.kind === "forced") {
				this.#remember(hash, final, thunk, outcome.result);
				await this.#tell(node, replaced, outcome, CACHED);
			}
			return outcome;
		}
		this.#finals.set(final, node);
		const outcome = await this.#run(node, thunk, { final, thunk: replaced, bytes });
		if (outcome.kind === "forced" && final !== hash) this.#remember(hash, final, thunk, outcome.result);
		return outcome;
	}

	/** All of it is in the store: what needs it may go on. */
	async #tell(node: Node, thunk: Thunk, forced: Forced, came: Came): Promise<void> {
		const { how, engine, undeclared, place } = came;
		node.name(forced);
		const telling = this.#events.forced(node.hash, thunk, forced, how, engine, undeclared, place);
		if (telling === undefined) return;
		this.#busy += 1;
		try {
			await telling;
		} finally {
			this.#busy -= 1;
			if (this.#busy === 0) this.#watch();
		}
	}

	/** What each of `thunk.thunks` came to, or the first of them that failed. */
	async #needs(node: Node, thunk: Thunk): Promise<Forced[] | NotForced> {
		if (thunk.thunks.length === 0) return [];
		const nodes = thunk.thunks.map((item) => this.#nodes.get(item.hash));
		if (nodes.includes(undefined)) return failure(node.hash, thunk, cycle(node.hash));
		node.waits = thunk.thunks.map((item) => item.hash);
		const outcomes = await Promise.all(nodes.map((n) => n!.named));
		node.waits = [];
		const bad = outcomes.find((o) => o.kind === "failed");
		if (bad !== undefined) return bad;
		const needs = outcomes as Forced[];
		for (const [i, item] of thunk.thunks.entries()) {
			const to = needs[i]!.outputs.get(item.tag);
			if (to === undefined || !isThunkHash(to)) continue;
			const value = await this.#valueOf(node, to);
			if (typeof value !== "string") return value;
			needs[i] = { ...needs[i]!, outputs: new Map(needs[i]!.outputs).set(item.tag, value) };
		}
		return needs;
	}

	/** Waits until all that `thunk` needs is in the store; the failure of what will not be there. */
	async #arrivals(node: Node, thunk: Thunk): Promise<NotForced | undefined> {
		node.waits = thunk.thunks.map((item) => item.hash);
		const outcomes = await Promise.all(node.waits.map((need) => this.#nodes.get(need)?.promise));
		node.waits = [];
		return outcomes.find((outcome) => outcome?.kind === "failed") as NotForced | undefined;
	}

	/** `asked` is the thunk as it was before what it needs was put in its place. */
	async #run(
		node: Node,
		asked: Thunk,
		{ final, thunk, bytes }: { readonly final: ObjectHash; readonly thunk: Thunk; readonly bytes: Buffer | undefined },
	): Promise<ForceOutcome> {
		const { hash } = node;
		const cached = final === hash ? undefined : cachedOutcome(this.#store, final, thunk);
		if (cached !== undefined) {
			const settled = await this.#settle(node, cached, thunk);
			if (settled.kind === "forced") await this.#tell(node, thunk, settled, CACHED);
			return settled;
		}
		const declined: Declines = new Map();
		/** Others may have gone on with it. */
		let promised: ThunkResult | undefined;
		for (;;) {
			const pools = takersAmong([this.#pools, this.#fallbacks], thunk, declined);
			if ("reason" in pools) return failure(hash, thunk, pools);
			if (!pools.every((pool) => pool.engine.takesNames === true)) {
				const missing = await this.#arrivals(node, asked);
				if (missing !== undefined) return missing;
			}
			const [only] = pools;
			const weight = weightOf(asked, only!.engine);
			if (pools.length === 1 && only!.running >= only!.engine.jobs && thunk.cwd !== "")
				only!.engine.prepare?.(final, thunk, weight);
			const pool = await this.#slots.acquire(pools, weight);
			if (pool === undefined) {
				return failure(hash, thunk, { reason: "cancelled", message: "not started: something else failed before" });
			}
			const ran = await this.#turn(node, pool, { hash, final, thunk, bytes }, (result) => {
				promised = result;
			});
			if (ran.kind === "declined") {
				declined.set(pool.engine, ran.failure);
				this.#events.declined?.(hash, thunk, pool.engine.name, ran.failure);
				continue;
			}
			if (ran.kind === "failed") return ran;
			if (promised !== undefined && !sameOutputs(promised, ran.result)) return failure(hash, thunk, OTHERWISE);
			const { result, undeclared } = ran;
			const place = withReason(ran.place, declined);
			const forced: Forced = { kind: "forced", final, result, outputs: outputsOf(thunk, result) };
			const settled = await this.#settle(node, forced, thunk);
			if (settled.kind === "forced") {
				const how = place?.remembered === true ? "found" : "ran";
				await this.#tell(node, thunk, settled, { how, engine: pool.engine.name, undeclared, place });
			}
			return settled;
		}
	}

	/** A turn on an engine, to where the outputs are in the store; `promise` is told of those that others may go on with before. */
	async #turn(
		node: Node,
		pool: Pool,
		what: { hash: ObjectHash; final: ObjectHash; thunk: Thunk; bytes: Buffer | undefined },
		promise: (result: ThunkResult) => void,
	): Promise<Ran | Declined | NotForced> {
		const { hash, final, thunk } = what;
		let held = true;
		const free = (): void => {
			if (held) this.#slots.release(pool);
			held = false;
		};
		this.#busy += 1;
		try {
			const ran = await this.#execute(pool, what, free);
			if (ran.kind === "failed") this.#stopAfter(ran);
			if (ran.kind !== "ran" || ran.coming === undefined) return ran;
			free();
			this.#events.named?.(ran.result);
			promise(ran.result);
			node.name({ kind: "forced", final, result: ran.result, outputs: outputsOf(thunk, ran.result) });
			const lost = await ran.coming;
			if (lost !== undefined) return { kind: "declined", failure: lost };
			this.#remember(final, final, thunk, ran.result);
			return ran;
		} catch (error) {
			return failure(hash, thunk, storeFailure(error));
		} finally {
			// Before any thunk that this one came to is forced: one job is enough for any depth.
			free();
			this.#busy -= 1;
			if (this.#busy === 0) this.#watch();
		}
	}

	async #execute(
		pool: Pool,
		{ hash, final, thunk, bytes }: { hash: ObjectHash; final: ObjectHash; thunk: Thunk; bytes: Buffer | undefined },
		free: () => void,
	): Promise<Ran | Declined | NotForced> {
		try {
			if (final !== hash && bytes !== undefined) this.#store.objects.put(bytes);
			const execution = await pool.engine.execute(final, thunk, { free });
			if (execution.kind === "declined") return execution;
			if (execution.kind === "impossible") return failure(hash, thunk, execution.failure);
			const { result, undeclared } = execution;
			if (result.status !== 0) return { ...failure(hash, thunk, undefined), result };
			const missing = missingOutput(thunk, result);
			if (missing !== undefined) {
				const message = `${pool.engine.name}: the result lacks the output ${JSON.stringify(missing)}`;
				return failure(hash, thunk, { reason: "output-missing", message });
			}
			// What depends on more than it declares is right now, and may not be later: it is used, and not remembered.
			if (undeclared.length > 0) this.#fleeting.add(final);
			const { coming } = execution;
			if (coming === undefined) this.#remember(final, final, thunk, result);
			return { kind: "ran", result, undeclared, place: execution.place, coming };
		} catch (error) {
			return failure(hash, thunk, storeFailure(error));
		}
	}

	/** What a server has kept is known to this run alone: the store names nothing that it does not have. */
	#remember(hash: ObjectHash, final: ObjectHash, thunk: Thunk, result: ThunkResult): void {
		if (this.#fleeting.has(final) || !result.outputs.every((o) => this.#store.objects.has(o.hash))) return;
		saveResult(this.#store, hash, thunk, result);
	}

	/**
	 * A thunk may come to thunks: those are forced in turn until all declared outputs are values. What else lies in an
	 * output folder is left as it is until somebody needs it.
	 */
	async #settle(node: Node, forced: Forced, thunk: Thunk): Promise<ForceOutcome> {
		const outputs = new Map(forced.outputs);
		const pending = thunk.outputs.filter((tag) => isThunkHash(outputs.get(tag) ?? NO_HASH));
		if (pending.length === 0) return forced;
		// All are started before the first is waited for.
		for (const tag of pending) this.#node(outputs.get(tag)!);
		for (const tag of pending) {
			const value = await this.#valueOf(node, outputs.get(tag)!);
			if (typeof value !== "string") return value;
			outputs.set(tag, value);
		}
		const result = {
			...forced.result,
			outputs: forced.result.outputs.map((o) => ({ ...o, hash: outputs.get(o.tag) ?? o.hash })),
		};
		saveResult(this.#store, forced.final, thunk, result);
		return { ...forced, result, outputs: outputsOf(thunk, result) };
	}

	/** The value that a thunk's first output comes to, for one that only running showed to be needed. */
	async #valueOf(node: Node, hash: ObjectHash): Promise<ObjectHash | NotForced> {
		const outcome = await this.#wait(node, this.#node(hash));
		if (outcome.kind === "failed") return outcome;
		const value = outcome.outputs.get("");
		if (value !== undefined) return value;
		const message = `thunk ${hash} has no output, and one that came to it needs it`;
		return failure(hash, undefined, { reason: "no-such-output", message });
	}

	async #wait(node: Node, target: Node): Promise<ForceOutcome> {
		node.waits = [target.hash];
		const cut = new Promise<NotForced>((resolve) => {
			node.cut = resolve;
		});
		if (this.#busy === 0) this.#watch();
		const outcome = await Promise.race([target.promise, cut]);
		node.cut = undefined;
		node.waits = [];
		return outcome;
	}

	/** Once all that can move has moved: if thunks are open and none runs, they wait for each other. */
	#watch(): void {
		if (this.#watching || this.#open.size === 0) return;
		this.#watching = true;
		setImmediate(() => {
			this.#watching = false;
			if (this.#busy === 0 && this.#open.size > 0 && cutCircle(this.#open, this.#nodes)) this.#watch();
		});
	}
}

function sameOutputs(a: ThunkResult, b: ThunkResult): boolean {
	const named = new Map(a.outputs.map((output) => [output.tag, output.hash]));
	return b.outputs.length === named.size && b.outputs.every((output) => named.get(output.tag) === output.hash);
}
