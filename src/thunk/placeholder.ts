import { isObjectHash, type ObjectHash } from "./hash.js";

/**
 * The small file that stands where a thunk's output will be. Two forms, as in the original: a shell script, and for
 * names that a linker reads a linker script. Ours ends the linker form with an INPUT of a file that does not exist: a
 * linker that meets a placeholder uncaught then fails, where it would have left the code out in silence. A list of
 * dependencies has a third, ours: comments alone, for make reads it for any goal, and `make clean` is not to fail.
 */
const SHELL_HEAD = "#!/usr/bin/env gg-force-and-run\n";
const LINKER_HEAD = 'OUTPUT_FORMAT("elf64-x86-64")/*\n';
const LINKER_TAIL = '\n*/\nINPUT("gg-placeholder-that-was-not-forced")\n';
const LIST_HEAD = `${SHELL_HEAD}#`;
/** The tag of an output that is a list of dependencies. */
export const DEPENDENCY_LIST = "depfile";
/** What may follow the name; the second is how the original ends its linker form. */
const TAILS = new Set(["", "\n", "\n*/", LINKER_TAIL]);
/** What may stand before the name; of two that begin alike the longer comes first. */
const HEADS = [LIST_HEAD, SHELL_HEAD, LINKER_HEAD];
/** For searches in whole files. */
export const PLACEHOLDER_HEADS = HEADS.map((head) => Buffer.from(head));
/** No placeholder is longer. */
export const PLACEHOLDER_MAX = 256;
const LINKER_SUFFIX = /(^|\.)(so|a|o|s|S|sho)$|.+\.so[\d.]+$/;

export interface Placeholder {
	readonly hash: ObjectHash;
	/** Empty for the first output. */
	readonly tag: string;
}

export function isLinkerName(path: string): boolean {
	// The original looks at the text after the last dot of the whole path, the whole path if there is none.
	return LINKER_SUFFIX.test(path);
}

export function formatPlaceholder(path: string, { hash, tag }: Placeholder): { content: string; mode: number } {
	const name = tag === "" ? hash : `${hash}#${tag}`;
	if (tag === DEPENDENCY_LIST) return { content: `${LIST_HEAD}${name}\n`, mode: 0o755 };
	return isLinkerName(path)
		? { content: `${LINKER_HEAD}${name}${LINKER_TAIL}`, mode: 0o600 }
		: { content: `${SHELL_HEAD}${name}\n`, mode: 0o755 };
}

/** Reads a placeholder from a file's first bytes (at least PLACEHOLDER_MAX of them, or all), or undefined. */
export function parsePlaceholder(head: Uint8Array): Placeholder | undefined {
	if (head.length < 32) return undefined;
	const first = head[0];
	if (first !== 0x23 && first !== 0x4f) return undefined;
	const text = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, PLACEHOLDER_MAX)).toString("latin1");
	const start = HEADS.find((form) => text.startsWith(form))?.length;
	if (start === undefined) return undefined;
	const end = text.indexOf("\n", start);
	const line = end < 0 ? text.slice(start) : text.slice(start, end);
	const mark = line.indexOf("#");
	const hash = mark < 0 ? line : line.slice(0, mark);
	if (!isObjectHash(hash)) return undefined;
	// Anything more, and it is a file that something was added to: to put the real one there would lose that.
	if (!TAILS.has(end < 0 ? "" : text.slice(end))) return undefined;
	return { hash, tag: mark < 0 ? "" : line.slice(mark + 1) };
}
