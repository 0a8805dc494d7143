import type { Executor } from "../executor/types.js";
import type { Engine } from "./types.js";

/** This machine: `inPlace` for commands that were inferred here, `classic` for thunks in the original's form. */
export function localEngine(jobs: number, inPlace: Executor, classic: Executor): Engine {
	return {
		name: "local",
		jobs,
		refuses: () => "",
		execute: (hash, thunk) => (thunk.cwd === "" ? classic : inPlace).execute(hash, thunk),
	};
}
