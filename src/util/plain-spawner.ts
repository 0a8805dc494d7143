import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, unlinkSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { temporaryName } from "./files.js";
import type { Exit, NotStarted, Running, Spawner, SpawnRequest } from "./spawner.js";

/** As much as the native spawner keeps of a stream. */
const KEPT = 16 << 20;

/**
 * Starts commands without the native program, for a gg that is one file and finds neither it nor a compiler to make it:
 * it knows no namespaces, and nobody ends its children when it is killed.
 */
export function plainSpawner(): Spawner {
	return { run, journal: () => {}, folder: () => {}, close: async () => {} };
}

function run(request: SpawnRequest): Running {
	const since = process.hrtime.bigint();
	// Files, for what it leaves running may hold a pipe open.
	const streams = [openUnnamed(), openUnnamed()] as const;
	const before = process.umask(request.umask ?? process.umask());
	const child = spawn(request.path, request.argv.slice(1), {
		argv0: request.argv[0] ?? request.path,
		cwd: request.cwd,
		env: Object.fromEntries(request.env.map(splitVariable)),
		stdio: ["ignore", ...streams],
		// A process group of its own, so that all of it can be ended.
		detached: true,
	});
	process.umask(before);
	const kill = (signal: number): void => {
		if (child.pid === undefined) return;
		try {
			process.kill(-child.pid, signal);
		} catch {
			// It has ended.
		}
	};
	let timedOut = false;
	const late = (): void => {
		timedOut = true;
		kill(constants.signals.SIGKILL);
	};
	const limit = request.timeoutMs ?? 0;
	const timer = limit > 0 ? setTimeout(late, limit) : undefined;
	const done = new Promise<Exit | NotStarted>((resolve) => {
		child.once("error", (error: NodeJS.ErrnoException) => {
			clearTimeout(timer);
			for (const fd of streams) closeSync(fd);
			resolve({ kind: "not-started", errno: Math.abs(error.errno ?? 0), what: "exec" });
		});
		child.once("exit", (code, name) => {
			clearTimeout(timer);
			const signal = name === null ? 0 : constants.signals[name];
			const [stdout, stderr] = [take(streams[0]), take(streams[1])];
			resolve({
				kind: "exited",
				status: code ?? 128 + signal,
				signal,
				timedOut,
				wall: Number((process.hrtime.bigint() - since) / 1000n),
				user: 0,
				sys: 0,
				truncated: stdout.truncated || stderr.truncated,
				stdout: stdout.bytes,
				stderr: stderr.bytes,
			});
		});
	});
	return { done, kill };
}

function openUnnamed(): number {
	const path = temporaryName(join(tmpdir(), "stream"));
	const fd = openSync(path, "wx+", 0o600);
	unlinkSync(path);
	return fd;
}

function take(fd: number): { readonly bytes: Buffer; readonly truncated: boolean } {
	const { size } = fstatSync(fd);
	const bytes = Buffer.alloc(Math.min(size, KEPT));
	const count = readSync(fd, bytes, 0, bytes.length, 0);
	closeSync(fd);
	return { bytes: bytes.subarray(0, count), truncated: size > KEPT };
}

function splitVariable(line: string): [string, string] {
	const equals = line.indexOf("=");
	return equals < 0 ? [line, ""] : [line.slice(0, equals), line.slice(equals + 1)];
}
