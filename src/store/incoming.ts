import { close, open, renameSync, writev } from "node:fs";
import { promisify } from "node:util";
import type { ObjectHash } from "../thunk/hash.js";
import { removeQuietly, temporaryName } from "../util/files.js";
import type { Incoming } from "./types.js";

const opening = promisify(open);
const closing = promisify(close);
const writing = promisify(writev);

/** Whoever sends waits while more than this waits to be written. */
const MOST_WAITING = 8 << 20;

/**
 * Writes what comes to a file beside `path` by the thread pool, in order, all that waits at once. `place` says where it is to be in the
 * end; undefined where it is not needed any more.
 */
export function receiveFile(path: string, mode: number, place: (hash: ObjectHash) => string | undefined): Incoming {
	const temporary = temporaryName(path);
	let waiting: Uint8Array[] = [];
	let size = 0;
	let failure: unknown;
	let atWork: Promise<void> | undefined;
	let fd = -1;

	const work = async (): Promise<void> => {
		try {
			if (fd < 0) fd = await opening(temporary, "wx", mode);
			while (waiting.length > 0) {
				const pieces = waiting;
				waiting = [];
				size = 0;
				await writeAll(fd, pieces);
			}
		} catch (error) {
			failure = error;
			waiting = [];
			size = 0;
		} finally {
			atWork = undefined;
		}
	};
	const end = async (): Promise<void> => {
		await atWork;
		if (fd >= 0) await closing(fd);
	};
	const remove = (): void => {
		if (fd >= 0) removeQuietly(temporary);
	};
	return {
		write(bytes) {
			if (failure !== undefined) return undefined;
			waiting.push(bytes);
			size += bytes.length;
			atWork ??= work();
			return size > MOST_WAITING ? atWork : undefined;
		},
		async keep(hash) {
			try {
				await end();
				if (failure !== undefined) throw failure;
				const to = place(hash);
				if (to === undefined) remove();
				else renameSync(temporary, to);
			} catch (error) {
				remove();
				throw error;
			}
		},
		async drop() {
			await end();
			remove();
		},
	};
}

/** A file system may take less than it is given. */
async function writeAll(fd: number, pieces: Uint8Array[]): Promise<void> {
	let left = pieces;
	while (left.length > 0) {
		let { bytesWritten: written } = await writing(fd, left);
		const rest: Uint8Array[] = [];
		for (const piece of left) {
			if (written < piece.length) rest.push(written > 0 ? piece.subarray(written) : piece);
			written = Math.max(0, written - piece.length);
		}
		left = rest;
	}
}
