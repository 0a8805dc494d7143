import { stripVTControlCharacters } from "node:util";
import type { ThunkResult } from "../thunk/types.js";
import type { ShimReply, ShimRequest } from "./protocol.js";

const EMPTY = Buffer.alloc(0);

export const SILENT_FAILURE = {
	kind: "exit",
	status: 1,
	signal: 0,
	stdout: EMPTY,
	stderr: EMPTY,
} as const satisfies ShimReply;

export function fail(message: string): ShimReply {
	return { kind: "exit", status: 1, signal: 0, stdout: EMPTY, stderr: Buffer.from(message) };
}

/** What was printed to a terminal is told without its colours to a file. */
export function replyOf(result: ThunkResult, request: ShimRequest): ShimReply {
	const plain = (bytes: Buffer, isatty: boolean): Buffer =>
		isatty || !bytes.includes(0x1b) ? bytes : Buffer.from(stripVTControlCharacters(bytes.toString("latin1")), "latin1");
	return {
		kind: "exit",
		status: result.status,
		signal: result.signal,
		stdout: plain(result.stdout, request.fds[1].isatty),
		stderr: plain(result.stderr, request.fds[2].isatty),
	};
}
