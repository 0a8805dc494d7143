import type { Engine } from "../../src/engines/types.js";
import type { Execution } from "../../src/executor/types.js";
import type { Store } from "../../src/store/types.js";
import { encodeThunk } from "../../src/thunk/codec.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";

export const PROGRAM = hashBytes(Buffer.from("program"));

/** A thunk named by its first argument, with one output `out` unless told otherwise. */
export function makeThunk(
	store: Store,
	name: string,
	needs: readonly ObjectHash[] = [],
	more: Partial<Thunk> = {},
): ObjectHash {
	const thunk: Thunk = {
		...EMPTY_THUNK,
		functionHash: PROGRAM,
		args: [name, ...needs.map((hash) => `@{GGHASH:${hash}}`)],
		executables: [{ hash: PROGRAM, name: "" }],
		outputs: ["out"],
		thunks: needs.map((hash) => ({ hash, name: "", tag: "" })),
		...more,
	};
	return store.objects.put(encodeThunk(thunk));
}

/** What a thunk does: the bytes of each output by tag, or a status. */
export type Behaviour = (thunk: Thunk, hash: ObjectHash) => Readonly<Record<string, Uint8Array | string>> | number;

export interface TestEngine extends Engine {
	/** First arguments of what ran, in order. */
	readonly ran: string[];
	/** The most that ran at once. */
	readonly most: number;
}

/** An engine that runs nothing: its outputs are what `behave` says. It answers after all that waits had its turn. */
export function testEngine(
	store: Store,
	options: { jobs?: number; name?: string; behave?: Behaviour; refuses?: (thunk: Thunk) => string } = {},
): TestEngine {
	const behave: Behaviour = options.behave ?? ((thunk) => ({ out: `output of ${thunk.args.join(" ")}` }));
	const ran: string[] = [];
	let running = 0;
	let most = 0;
	return {
		name: options.name ?? "test",
		jobs: options.jobs ?? 2,
		ran,
		get most() {
			return most;
		},
		refuses: options.refuses ?? (() => ""),
		async execute(hash, thunk): Promise<Execution> {
			ran.push(thunk.args[0]!);
			running += 1;
			most = Math.max(most, running);
			await new Promise((resolve) => setImmediate(resolve));
			running -= 1;
			const did = behave(thunk, hash);
			const empty = Buffer.alloc(0);
			const status = typeof did === "number" ? did : 0;
			const outputs = Object.entries(typeof did === "number" ? {} : did).map(([tag, bytes]) => ({
				tag,
				hash: store.objects.put(Buffer.from(bytes)),
				mode: 0o644,
			}));
			return {
				kind: "finished",
				undeclared: [],
				result: { status, signal: 0, stdout: empty, stderr: empty, outputs, wall: 1 },
			};
		},
	};
}
