import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { FrameReader, FrameSplitter, FrameWriter } from "./wire.js";

/** One step of building a namespace's root; see wrappers/PROTOCOL.md. */
export type RootStep = readonly [
	kind: "root" | "dir" | "bind" | "rw" | "copy" | "link" | "dev" | "proc" | "tmp" | "out" | "keep",
	a: string,
	b: string,
];

export interface SpawnRequest {
	readonly path: string;
	readonly argv: readonly string[];
	/** The whole environment, as `K=V`. */
	readonly env: readonly string[];
	readonly cwd: string;
	readonly stdio: "foreground" | "capture" | "merged" | "ignore";
	readonly umask?: number;
	readonly timeoutMs?: number;
	readonly root?: readonly RootStep[];
}

export interface Exit {
	readonly kind: "exited";
	/** Exit code; 128 + signal when it was killed. */
	readonly status: number;
	readonly signal: number;
	readonly timedOut: boolean;
	/** Microseconds. */
	readonly wall: number;
	readonly user: number;
	readonly sys: number;
	readonly truncated: boolean;
	readonly stdout: Buffer;
	readonly stderr: Buffer;
}

/** The program could not be started: `what` names the step, e.g. "exec", "cwd", "namespace: mount /x". */
export interface NotStarted {
	readonly kind: "not-started";
	readonly errno: number;
	readonly what: string;
}

export interface Running {
	readonly done: Promise<Exit | NotStarted>;
	kill(signal: number): void;
}

export interface Spawner {
	run(request: SpawnRequest): Running;
	/** A journal of placeholders that are to be removed if this process is killed. */
	journal(path: string): void;
	/** A folder of this process's own, without folders in it, that is to be removed if this process is killed. */
	folder(path: string): void;
	close(): Promise<void>;
}

const FLAGS = { foreground: 1, capture: 2, merged: 6, ignore: 0 } as const;

export function splitWaitStatus(raw: number): { status: number; signal: number } {
	const signal = raw & 0x7f;
	return signal === 0 ? { status: (raw >> 8) & 0xff, signal: 0 } : { status: 128 + signal, signal };
}

/**
 * All children belong to one small native process: a Node process of some hundred megabytes takes ten times as long to
 * fork, and when gg is killed somebody has to end its children.
 */
export function startSpawner(program: string): Spawner {
	const child: ChildProcess = spawn(program, [], { stdio: ["inherit", "inherit", "inherit", "pipe"] });
	const channel = child.stdio[3] as Duplex;
	const waiting = new Map<number, (end: Exit | NotStarted) => void>();
	const splitter = new FrameSplitter(64 << 20);
	let nextId = 1;
	let closing = false;
	let gone = false;
	const ended = new Promise<void>((resolve) => {
		child.once("exit", () => resolve());
		// It was never there.
		child.once("error", () => resolve());
	});
	const failAll = (): void => {
		gone ||= child.pid === undefined;
		for (const resolve of waiting.values()) resolve({ kind: "not-started", errno: 32, what: "the spawner has ended" });
		waiting.clear();
	};
	child.once("error", failAll);
	child.once("exit", failAll);
	// A write after the spawner's end: its exit has been or will be told to every waiter.
	channel.on("error", failAll);
	channel.on("data", (chunk: Buffer) => {
		for (const payload of splitter.push(chunk)) {
			const r = new FrameReader(payload);
			const op = r.u8();
			const id = r.u32();
			if (op === 2) {
				const errno = r.u32();
				settle(id, { kind: "not-started", errno, what: r.bytes().toString() });
			} else if (op === 3) {
				const { status, signal } = splitWaitStatus(r.u32());
				const timedOut = r.u8() !== 0;
				const [wall, user, sys] = [r.u64(), r.u64(), r.u64()];
				r.u32(); // the peak of memory
				settle(id, {
					kind: "exited",
					status,
					signal,
					timedOut,
					wall,
					user,
					sys,
					truncated: r.u8() !== 0,
					// Copies: the frame's buffer is shared with what follows it.
					stdout: Buffer.from(r.bytes()),
					stderr: Buffer.from(r.bytes()),
				});
			}
		}
	});
	const settle = (id: number, end: Exit | NotStarted): void => {
		waiting.get(id)?.(end);
		waiting.delete(id);
	};
	return {
		run(request) {
			const id = nextId++;
			const done = new Promise<Exit | NotStarted>((resolve) => {
				if (gone || child.exitCode !== null || child.signalCode !== null) {
					resolve({ kind: "not-started", errno: 32, what: "the spawner has ended" });
					return;
				}
				waiting.set(id, resolve);
			});
			const w = new FrameWriter().u8(1).u32(id).u8(FLAGS[request.stdio]).str(request.path).strs(request.argv);
			w.strs(request.env)
				.str(request.cwd)
				.u32(request.timeoutMs ?? 0)
				.u32(request.umask ?? process.umask());
			w.strs((request.root ?? []).flat());
			channel.write(w.finish());
			return {
				done,
				kill: (signal) => void channel.write(new FrameWriter().u8(2).u32(id).u32(signal).finish()),
			};
		},
		folder: (path) => void channel.write(new FrameWriter().u8(5).str(path).finish()),
		journal: (path) => void channel.write(new FrameWriter().u8(3).str(path).finish()),
		async close() {
			if (closing) return ended;
			closing = true;
			channel.write(new FrameWriter().u8(4).finish());
			await ended;
			channel.destroy();
		},
	};
}
