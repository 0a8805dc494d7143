import { posix } from "node:path";
import type { Command, FileProbe } from "../../src/models/types.js";

/** A file system of a few names: a text is a file, undefined a directory. */
export function fileProbe(files: Readonly<Record<string, string | undefined>>): FileProbe {
	const has = (path: string) => Object.hasOwn(files, path);
	const names = Object.keys(files);
	return {
		exists: (path) => has(path) || path === "/src" || names.some((name) => name.startsWith(`${path}/`)),
		isDirectory: (path) => has(path) && files[path] === undefined,
		readText: (path) => (has(path) ? files[path] : undefined),
		readHead: (path, length) => {
			const text = has(path) ? files[path] : undefined;
			return text === undefined ? undefined : new TextEncoder().encode(text).subarray(0, length);
		},
	};
}

/** A probe to which every name is an empty file, except precompiled headers and those listed. */
export function fullProbe(absent: readonly string[] = []): FileProbe {
	const exists = (path: string) => !absent.includes(path) && !/\.(gch|pch)$/.test(path);
	return {
		exists,
		isDirectory: () => false,
		readText: (path) => (exists(path) ? "" : undefined),
		readHead: () => undefined,
	};
}

/** A command line of words without quotes, run in /src. */
export function commandOf(line: string, env: Readonly<Record<string, string>> = {}): Command {
	const argv = line.split(" ");
	return { tool: posix.basename(argv[0]!), argv, cwd: "/src", env: new Map(Object.entries(env)) };
}
