import type { Executor } from "./types.js";
export function classicExecutor(_o: object): Executor {
	return { execute: async () => ({ kind: "impossible", failure: { reason: "store", message: "todo" } }) };
}
