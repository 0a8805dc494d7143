import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import type { Files } from "./roots.js";

export interface ModesOptions {
	readonly files: Files;
	/** Permission bits of what thunks made, by hash. */
	readonly modes: ReadonlyMap<ObjectHash, number>;
	/** Permission bits of a file of this machine; undefined when it is not there. */
	readonly modeOfFile: (path: string) => number | undefined;
}

/** The protocol tells only whether a file may be executed: the rest follows from the umask, or from the file that is rewritten. */
export function modeOf(o: ModesOptions, thunk: Thunk, tag: string, executable: boolean): number {
	const created = (executable ? 0o777 : 0o666) & ~thunk.umask;
	const path = thunk.outputPaths.find((p) => p.tag === tag)?.path ?? "";
	// LLVM's strip and objcopy give their output the mode of their input.
	const copies = /llvm-(?:strip|objcopy)[-.0-9]*$/.test(thunk.executables[0]?.name ?? "");
	const like = thunk.inout.includes(path) ? path : copies ? thunk.values[0]?.name : undefined;
	if (like === undefined) return created;
	const input = thunk.values.find((v) => v.name === like);
	const made = input === undefined ? undefined : o.modes.get(input.hash);
	return made ?? (o.files.get(like)?.hash === input?.hash ? o.modeOfFile(like) : undefined) ?? created;
}
