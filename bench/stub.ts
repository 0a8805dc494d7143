/** The stub floor: make with a static client in the place of every tool, which asks a Node server that does nothing. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, quote } from "./run.js";

const TOOLS = ["gcc", "g++", "cc", "c++", "ld", "ar", "as", "ranlib", "strip", "nm", "nasm"];
const ANSWER = Buffer.from([0]);

export interface Stub {
	/** What the build's environment has to say. */
	readonly env: Readonly<Record<string, string>>;
	/** Commands that were answered so far. */
	readonly count: () => number;
	readonly close: () => Promise<void>;
}

/** Compiles the client and starts the server, in this process. */
export async function startStub(): Promise<Stub> {
	const folder = mkdtempSync(join(tmpdir(), "gg-stub-"));
	const bin = join(folder, "bin");
	const remove = (): void => rmSync(folder, { recursive: true, force: true });
	try {
		mkdirSync(bin);
		// Compiled JavaScript lies in build/bench, the source beside this file's own.
		const source = join(import.meta.dirname, "../../bench/stub-client.c");
		await must(`gcc -O2 -static -o client ${quote(source)}`, { cwd: folder });
		for (const tool of TOOLS) symlinkSync("../client", join(bin, tool));
	} catch (error) {
		remove();
		throw error;
	}
	let count = 0;
	const server: Server = createServer((socket) => {
		let wanted = -1;
		let have = 0;
		socket.on("error", () => socket.destroy());
		socket.on("data", (chunk: Buffer) => {
			if (wanted < 0) wanted = chunk.readUInt32LE(0) + 4;
			have += chunk.length;
			if (have < wanted) return;
			count += 1;
			socket.end(ANSWER);
		});
	});
	const path = join(folder, "s");
	await new Promise<void>((resolve) => server.listen({ path, backlog: 4096 }, resolve));
	return {
		env: { PATH: `${bin}:${process.env.PATH}`, GG_STUB: path },
		count: () => count,
		close: () =>
			new Promise((done) => {
				server.close(() => done());
				remove();
			}),
	};
}
