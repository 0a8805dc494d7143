import { Worker } from "node:worker_threads";
import { MAX_OBJECT_SIZE, nameOf, type ObjectHash } from "./hash.js";

export interface HashedElsewhere {
	readonly hash: ObjectHash;
	/** The first four bytes. */
	readonly head: Uint8Array;
}

/** What the other thread runs: text, as it is no file of its own in the bundle. */
const PROGRAM = `
const { createHash } = require("node:crypto");
const { closeSync, openSync, readSync } = require("node:fs");
const { parentPort, workerData } = require("node:worker_threads");
const buffer = Buffer.allocUnsafeSlow(1 << 20);
for (const path of workerData) {
	try {
		const fd = openSync(path, "r");
		try {
			const digest = createHash("sha256");
			let size = 0;
			let head = new Uint8Array(0);
			for (;;) {
				const count = readSync(fd, buffer, 0, buffer.length, null);
				if (count === 0) break;
				if (size === 0) head = new Uint8Array(buffer.subarray(0, Math.min(4, count)));
				digest.update(buffer.subarray(0, count));
				size += count;
			}
			parentPort.postMessage({ path, digest: digest.digest("base64url"), size, head });
		} finally {
			closeSync(fd);
		}
	} catch {}
}
`;

/**
 * Names of these files' contents, read on another thread; none of a file that cannot be read. For files that are no thunks. It
 * keeps nobody from ending.
 */
export function hashElsewhere(paths: readonly string[]): Promise<Map<string, HashedElsewhere>> {
	const hashed = new Map<string, HashedElsewhere>();
	if (paths.length === 0) return Promise.resolve(hashed);
	return new Promise((resolve) => {
		// Whoever asked reads for himself what is not among them.
		const end = (): void => resolve(hashed);
		try {
			const worker = new Worker(PROGRAM, { eval: true, workerData: paths, env: {}, execArgv: [] });
			worker.unref();
			worker.on("message", ({ path, digest, size, head }: Message) => {
				if (size <= MAX_OBJECT_SIZE)
					hashed.set(path, { hash: nameOf(Buffer.from(digest, "base64url"), size, false), head });
			});
			worker.on("error", end);
			worker.on("exit", end);
		} catch {
			end();
		}
	});
}

interface Message {
	readonly path: string;
	readonly digest: string;
	readonly size: number;
	readonly head: Uint8Array;
}
