import type { ObjectHash } from "../thunk/hash.js";
import type { Execution } from "./types.js";

export function hasFailed(execution: Execution): boolean {
	return execution.kind === "impossible" || execution.result.status !== 0;
}

/** Names the folder of a thunk that failed, which was left for the user to look at. */
export function nameKept(execution: Execution, hash: ObjectHash, folder: string): Execution {
	const note = `the folder of thunk ${hash} is kept: ${folder}`;
	if (execution.kind === "impossible") {
		const { failure } = execution;
		const hint = failure.hint === undefined ? note : `${failure.hint}; ${note}`;
		return { kind: "impossible", failure: { ...failure, hint } };
	}
	const stderr = Buffer.concat([execution.result.stderr, Buffer.from(`gg: ${note}\n`)]);
	return { ...execution, result: { ...execution.result, stderr } };
}
