import { posix } from "node:path";
import type { Command, FileProbe } from "../../src/models/types.js";

/** A command as the shim would report it, from a line whose words are separated by single spaces; run in /src. */
export function commandOf(line: string, env: Readonly<Record<string, string>> = {}): Command {
	const argv = line.split(" ");
	return { tool: posix.basename(argv[0]!), argv, cwd: "/src", env: new Map(Object.entries(env)) };
}

/** Files by absolute path, with their content; undefined makes a directory. */
export function memoryProbe(files: Readonly<Record<string, string | undefined>>): FileProbe {
	const paths = Object.keys(files);
	const isDirectory = (path: string): boolean =>
		(path in files && files[path] === undefined) || paths.some((name) => name.startsWith(`${path}/`));
	return {
		exists: (path) => path in files || isDirectory(path),
		isDirectory,
		readText: (path) => files[path],
		readHead: (path, length) => (files[path] === undefined ? undefined : Buffer.from(files[path]).subarray(0, length)),
	};
}

/** Every file exists and is empty, but for `missing` and precompiled headers. */
export function fullProbe(missing: readonly string[] = []): FileProbe {
	const exists = (path: string): boolean => !missing.includes(path) && !path.endsWith(".gch");
	return {
		exists,
		isDirectory: () => false,
		readText: (path) => (exists(path) ? "" : undefined),
		readHead: (path) => (exists(path) ? new Uint8Array() : undefined),
	};
}
