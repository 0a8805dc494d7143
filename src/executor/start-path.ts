import { posix } from "node:path";
import type { Thunk } from "../thunk/types.js";

/** The path to start a thunk's program by: relative, where it was called so, for a script finds that in its `$0`. */
export function startPath({ args, cwd, executables }: Thunk): string {
	const program = executables[0]?.name ?? "";
	const called = args[0] ?? "";
	return called.includes("/") && posix.resolve(cwd, called) === program ? called : program;
}
