import { spawnSync } from "node:child_process";
import type { Exit, Spawner } from "../../src/util/spawner.js";

/** Runs programs at once, and counts them. */
export function countingSpawner(): Spawner & { runs: number } {
	const spawner = {
		runs: 0,
		run(request: Parameters<Spawner["run"]>[0]) {
			spawner.runs += 1;
			const env = Object.fromEntries(request.env.map((line) => line.split(/=(.*)/s) as [string, string]));
			const options = { argv0: request.argv[0], env, cwd: request.cwd };
			const end = spawnSync(request.path, request.argv.slice(1), options);
			const { stdout, stderr } = end;
			const times = { wall: 0, user: 0, sys: 0 };
			const exit: Exit = {
				...{ kind: "exited", status: end.status ?? 1, signal: 0, timedOut: false, ...times },
				...{ truncated: false, stdout, stderr },
			};
			return { done: Promise.resolve(exit), kill: () => {} };
		},
		journal: () => {},
		folder: () => {},
		close: async () => {},
	};
	return spawner;
}
