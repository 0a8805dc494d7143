import { FrameReader, FrameWriter } from "../util/wire.js";

/** What the shim says and is told; the layout is in wrappers/PROTOCOL.md. */

const MAGIC = 0x31534747;

export interface FdIdentity {
	readonly open: boolean;
	readonly isatty: boolean;
	/** Device and inode in hex: equal texts are the same open place. */
	readonly id: string;
	readonly mode: number;
	readonly rdev: string;
}

export interface ShimRequest {
	readonly pid: number;
	readonly ppid: number;
	readonly umask: number;
	readonly fds: readonly [FdIdentity, FdIdentity, FdIdentity];
	readonly tool: string;
	readonly cwd: string;
	readonly parentExe: string;
	readonly parentArgv: readonly string[];
	readonly argv: readonly string[];
	readonly env: ReadonlyMap<string, string>;
	/** False when a name among tool, cwd and argv is not UTF-8: such a command runs by itself. */
	readonly utf8: boolean;
	/** The arguments as they are, to be handed on when they are not UTF-8. */
	readonly rawArgv: readonly Uint8Array[];
	/** The absolute path that was to be started, when the supervisor caught it; empty when a wrapper was found on PATH. */
	readonly asked: string;
}

export interface RanReport {
	readonly status: number;
	readonly signal: number;
	/** Microseconds. */
	readonly wall: number;
	readonly truncated: boolean;
	readonly stdout: Buffer;
	readonly stderr: Buffer;
}

export type ShimMessage =
	| { readonly kind: "command"; readonly request: ShimRequest }
	| { readonly kind: "ran"; readonly report: RanReport }
	/** It could not write what it was given to place. */
	| { readonly kind: "not-placed"; readonly errno: number; readonly path: string }
	/** The supervisor asks whether anybody is there: answered by a ticket of 0. */
	| { readonly kind: "ping" }
	| SupervisorMessage;

export type SupervisorMessage =
	/** The supervisor has begun; `refused` names what it may not use, and is empty when it sees every exec. */
	| { readonly kind: "supervisor"; readonly refused: "" | "seccomp" | "ptrace"; readonly why: string }
	| { readonly kind: "uncaught"; readonly path: string; readonly why: string }
	/** A program waits for the content of what stands at this absolute path; its answer names the ticket. */
	| { readonly kind: "read"; readonly ticket: number; readonly path: string };

export interface ExecChange {
	readonly path: string;
	readonly argv: readonly (string | Uint8Array)[];
	readonly setenv: readonly string[];
	readonly unsetenv: readonly string[];
}

export type ShimReply =
	| {
			readonly kind: "exit";
			readonly status: number;
			readonly signal: number;
			readonly stdout: Uint8Array;
			readonly stderr: Uint8Array;
	  }
	| { readonly kind: "exec"; readonly change: ExecChange }
	| { readonly kind: "run"; readonly change: ExecChange; readonly capture: boolean }
	/** The shim writes these files, and ends well. */
	| { readonly kind: "place"; readonly files: readonly PlacedFile[] };

/** A file as a whole, its mode whatever the umask. */
export interface PlacedFile {
	readonly path: string;
	readonly mode: number;
	readonly bytes: string | Uint8Array;
}

export const SILENT_SUCCESS: ShimReply = {
	kind: "exit",
	status: 0,
	signal: 0,
	stdout: new Uint8Array(),
	stderr: new Uint8Array(),
};

/** Throws RangeError on a malformed payload. */
export function decodeMessage(payload: Buffer): ShimMessage {
	const r = new FrameReader(payload);
	if (payload[0] === 2) return { kind: "ran", report: decodeRan(r) };
	if (payload[0] === 6) return decodeNotPlaced(r);
	if (payload[0] === 7) return { kind: "ping" };
	if (payload[0] === 3 || payload[0] === 4 || payload[0] === 5) return decodeSupervisor(r);
	if (r.u32() !== MAGIC || r.u8() !== 1) throw new RangeError("not a frame of the shim");
	const pid = r.u32();
	const ppid = r.u32();
	const umask = r.u32();
	const fds = [decodeFd(r), decodeFd(r), decodeFd(r)] as const;
	let utf8 = true;
	const text = (bytes: Buffer): string => {
		const decoded = bytes.toString("utf8");
		if (decoded.includes("\ufffd") && !Buffer.from(decoded).equals(bytes)) utf8 = false;
		return decoded;
	};
	const tool = text(r.bytes());
	const cwd = text(r.bytes());
	const parentExe = r.bytes().toString();
	const parentArgv = r.list().map((b) => b.toString());
	const rawArgv = r.list();
	const argv = rawArgv.map(text);
	const env = decodeEnv(r.rawList());
	const asked = text(r.bytes());
	return {
		kind: "command",
		request: { pid, ppid, umask, fds, tool, cwd, parentExe, parentArgv, argv, env, utf8, rawArgv, asked },
	};
}

/** Most commands of a build have the very same environment. */
let lastEnv: { readonly raw: Buffer; readonly env: ReadonlyMap<string, string> } | undefined;

function decodeEnv(raw: Buffer): ReadonlyMap<string, string> {
	if (lastEnv?.raw.equals(raw)) return lastEnv.env;
	const env = new Map<string, string>();
	for (const bytes of new FrameReader(raw).list()) {
		const line = bytes.toString();
		const equals = line.indexOf("=");
		if (equals > 0) env.set(line.slice(0, equals), line.slice(equals + 1));
	}
	lastEnv = { raw: Buffer.from(raw), env };
	return env;
}

function decodeSupervisor(r: FrameReader): SupervisorMessage {
	const kind = r.u8();
	if (kind === 5) return { kind: "read", ticket: r.u32(), path: r.bytes().toString() };
	const [what, why] = [r.bytes().toString(), r.bytes().toString()];
	if (kind === 4) return { kind: "uncaught", path: what, why };
	if (what !== "" && what !== "seccomp" && what !== "ptrace") throw new RangeError("not a frame of the supervisor");
	return { kind: "supervisor", refused: what, why };
}

function decodeNotPlaced(r: FrameReader): ShimMessage {
	r.u8();
	return { kind: "not-placed", errno: r.u32(), path: r.bytes().toString() };
}

function decodeFd(r: FrameReader): FdIdentity {
	const open = r.u8() !== 0;
	const isatty = r.u8() !== 0;
	const id = `${r.u64Text()}:${r.u64Text()}`;
	return { open, isatty, id, mode: r.u32(), rdev: r.u64Text() };
}

function decodeRan(r: FrameReader): RanReport {
	r.u8();
	const raw = r.u32();
	const signal = raw & 0x7f;
	const wall = r.u64();
	r.u64();
	r.u64();
	r.u32();
	const truncated = r.u8() !== 0;
	const stdout = Buffer.from(r.bytes());
	const stderr = Buffer.from(r.bytes());
	return { status: signal === 0 ? (raw >> 8) & 0xff : 128 + signal, signal, wall, truncated, stdout, stderr };
}

/** The file is real, and the program goes on; or the call fails with `errno`. */
export function encodeReadReply(ticket: number, errno: number): Buffer {
	return new FrameWriter().u8(5).u32(ticket).u32(errno).finish();
}

export function encodeReply(reply: ShimReply): Buffer {
	const w = new FrameWriter();
	if (reply.kind === "exit") {
		return w.u8(1).u32(reply.status).u32(reply.signal).str(reply.stdout).str(reply.stderr).finish();
	}
	if (reply.kind === "place") {
		w.u8(4).u32(reply.files.length);
		for (const { path, mode, bytes } of reply.files) w.str(path).u32(mode).str(bytes);
		return w.finish();
	}
	const { path, argv, setenv, unsetenv } = reply.change;
	w.u8(reply.kind === "exec" ? 2 : 3)
		.str(path)
		.strs(argv)
		.strs(setenv)
		.strs(unsetenv);
	if (reply.kind === "run") w.u8(reply.capture ? 1 : 0);
	return w.finish();
}
