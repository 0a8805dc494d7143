import { posix } from "node:path";
import type { Execution } from "../executor/types.js";
import type { Thunk } from "../thunk/types.js";
import { Limiter } from "../util/limiter.js";
import type { Declined, Engine } from "./types.js";

export interface RaceOptions {
	readonly far: Engine;
	readonly near: Engine;
	/** Where the near engine is; here if it is not told. */
	readonly at?: string;
	/** Milliseconds since some moment. */
	readonly now: () => number;
	/** Calls `then` after so many milliseconds, unless the answer is called before. */
	readonly after: (ms: number, then: () => void) => () => void;
}

/** So many of its like must have ended before one is called late. */
const SAMPLES = 5;
const KEPT = 64;
/** Milliseconds: nothing is late before. */
const SOONEST = 2_000;
/** So many times as long as nine of ten of its like have taken. */
const TIMES = 2;

/**
 * The far engine, with a second run of what is late on the near one: whichever ends first is the result, since both come to
 * the same bytes. What is late is learned from thunks of the same tool. What the far engine declines is declined at once.
 */
export function raceEngine(o: RaceOptions): Engine {
	const taken = new Map<string, number[]>();
	const near = new Limiter(o.near.jobs);

	const lateAfter = (tool: string): number | undefined => {
		const samples = taken.get(tool);
		if (samples === undefined || samples.length < SAMPLES) return undefined;
		const sorted = [...samples].sort((a, b) => a - b);
		return Math.max(SOONEST, TIMES * sorted[Math.floor(sorted.length * 0.9)]!);
	};
	const learn = (tool: string, ms: number): void => {
		const samples = taken.get(tool) ?? [];
		samples.push(ms);
		if (samples.length > KEPT) samples.shift();
		taken.set(tool, samples);
	};

	return {
		name: o.far.name,
		jobs: o.far.jobs,
		refuses: (thunk) => o.far.refuses(thunk),
		...(o.far.weigh === undefined ? {} : { weigh: (thunk: Thunk) => o.far.weigh!(thunk) }),
		prepare: (hash, thunk, weight) => o.far.prepare?.(hash, thunk, weight),
		async execute(hash, thunk, turn): Promise<Execution | Declined> {
			const tool = toolOf(thunk);
			const started = o.now();
			const unwanted = new AbortController();
			let ended = false;
			let second: Promise<Execution | undefined> | undefined;
			const far = o.far.execute(hash, thunk, { ...turn, signal: unwanted.signal }).then(async (execution) => {
				// What a server remembered says nothing about the time that a run takes.
				if (execution.kind === "finished" && execution.place?.remembered !== true) learn(tool, o.now() - started);
				return execution.kind === "declined" ? ((await second) ?? execution) : execution;
			});
			const late = lateAfter(tool);
			if (late === undefined || o.near.refuses(thunk) !== "") return far;
			const why = `it was late on ${o.far.name}: not back after ${Math.round(late)} ms`;
			/** What went wrong here says nothing about the run that is still under way. */
			const runHere = async (): Promise<Execution | undefined> => {
				const execution = ended ? undefined : await o.near.execute(hash, thunk);
				if (execution?.kind !== "finished") return undefined;
				return { ...execution, place: { remembered: false, at: o.at ?? "here", why } };
			};
			const here = new Promise<Execution>((resolve) => {
				const cancel = o.after(late, () => {
					second = near.run(runHere).catch(() => undefined);
					void second.then((execution) => execution !== undefined && resolve(execution));
				});
				void far.then(cancel, cancel);
			});
			try {
				return await Promise.race([far, here]);
			} finally {
				ended = true;
				unwanted.abort();
			}
		},
	};
}

function toolOf(thunk: Thunk): string {
	const linking = thunk.args.includes("-c") || thunk.args.includes("-S") ? "compile" : "";
	return `${posix.basename(thunk.executables[0]?.name ?? "")} ${linking}`;
}
