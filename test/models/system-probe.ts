import { spawn } from "node:child_process";
import fs from "node:fs";
import type { FileKind } from "../../src/models/ld-so.js";
import type { CommandOutput, ToolchainProbe } from "../../src/models/toolchain.js";

/** The machine itself, for tests that compare with real tools. */
export function systemProbe(env: NodeJS.ProcessEnv = process.env): ToolchainProbe {
	return {
		stat: (path) => attempt(() => kindOf(fs.statSync(path))),
		readlink: (path) => attempt(() => fs.readlinkSync(path)),
		readdir: (path) => attempt(() => fs.readdirSync(path)),
		read: (path, offset, length) => attempt(() => readRange(path, offset, length)),
		run: (argv) => run(argv, { env: { ...env, LC_ALL: "C", LANGUAGE: "" } }),
	};
}

function attempt<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}

function kindOf(stats: fs.Stats): FileKind {
	return stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
}

function readRange(path: string, offset: number, length: number): Uint8Array {
	const file = fs.openSync(path, "r");
	try {
		const size = Math.max(0, Math.min(length, fs.fstatSync(file).size - offset));
		const bytes = Buffer.alloc(size);
		return bytes.subarray(0, fs.readSync(file, bytes, 0, size, offset));
	} finally {
		fs.closeSync(file);
	}
}

export function run(
	argv: readonly string[],
	options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<CommandOutput> {
	return new Promise((resolve) => {
		const child = spawn(argv[0]!, argv.slice(1), { ...options, stdio: ["ignore", "pipe", "pipe"] });
		let stdout = "";
		let stderr = "";
		child.stdout.on("data", (data) => {
			stdout += data;
		});
		child.stderr.on("data", (data) => {
			stderr += data;
		});
		child.on("error", (error) => resolve({ status: 127, stdout: "", stderr: error.message }));
		child.on("close", (status) => resolve({ status: status ?? 128, stdout, stderr }));
	});
}
