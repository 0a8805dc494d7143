import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Natives, nativePrograms } from "../../src/interpose/native.js";
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

/** The native programs, compiled for the suite it is called in, and removed after it. */
export function testNatives(): Natives {
	const natives = { shim: "", spawner: "", supervisor: "", view: "", files: "" };
	let folder: string;
	before(function () {
		this.timeout(60_000);
		folder = mkdtempSync(join(tmpdir(), "gg-natives-"));
		const made = nativePrograms(folder, process.env, () => {});
		if (!made.ok) throw new Error(made.error.message);
		Object.assign(natives, made.value);
	});
	after(() => rmSync(folder, { recursive: true, force: true }));
	return natives;
}
