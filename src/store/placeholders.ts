import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { HASH_LENGTH, isObjectHash, type ObjectHash } from "../thunk/hash.js";
import {
	formatPlaceholder,
	PLACEHOLDER_HEADS,
	PLACEHOLDER_MAX,
	type Placeholder,
	parsePlaceholder,
} from "../thunk/placeholder.js";
import { makeFolders, removeQuietly, writeFileAtomic } from "../util/files.js";
import { changedBelow, FILE, lookAt, looked, SIZE } from "../util/look.js";

/** Streams of a command that the build sent where nobody reads them. */
export interface Hidden {
	readonly stdout: boolean;
	readonly stderr: boolean;
}

/** First record of the journal: its version. */
const HEADER = "ggplaceholders1";

/**
 * Where placeholders stand. Kept as a journal of NUL-terminated records, a version, then `P PATH`, `F PATH`
 * and `H THUNK STREAMS` (wrappers/PROTOCOL.md), so that after a crash the spawner, or the next gg, knows which files are not what they seem.
 */
export class Placeholders {
	readonly path: string;
	/** Set when a journal of another version was found, and is not believed. */
	readonly stale: boolean;
	readonly #standing: Set<string>;
	/** Thunks of which the build threw something away that they print: `1`, `2` or `12`, the descriptors. */
	readonly #hidden: Map<string, string>;
	/** What this process noted (true) and forgot, for the journal may be another's too. */
	readonly #own = new Map<string, boolean>();
	#fd = -1;

	constructor(ggDir: string) {
		this.path = join(ggDir, "placeholders");
		const found = readRecords(this.path);
		this.stale = found === undefined;
		this.#standing = found?.standing ?? new Set();
		this.#hidden = found?.hidden ?? new Map();
	}

	get size(): number {
		return this.#standing.size;
	}

	has(path: string): boolean {
		return this.#standing.has(path);
	}

	all(): string[] {
		return [...this.#standing];
	}

	/** Writes a placeholder where an output will be, with the output's own mode as far as it is known. */
	write(path: string, placeholder: Placeholder, mode?: number): void {
		const file = this.prepare(path, placeholder, mode);
		writeFileAtomic(path, file.bytes, file.mode);
	}

	/** Notes a placeholder that somebody is about to write. */
	prepare(path: string, placeholder: Placeholder, mode?: number): { path: string; bytes: string; mode: number } {
		const formatted = formatPlaceholder(path, placeholder);
		this.note(path);
		return { path, bytes: formatted.content, mode: mode ?? formatted.mode };
	}

	note(path: string): void {
		if (this.#standing.has(path)) return;
		this.#standing.add(path);
		this.#record(path, true);
	}

	/** Notes what of a thunk's output nobody would have seen. */
	hide(thunk: ObjectHash, hidden: Hidden): void {
		const streams = `${hidden.stdout ? "1" : ""}${hidden.stderr ? "2" : ""}`;
		if ((this.#hidden.get(thunk) ?? "") === streams) return;
		this.#hidden.set(thunk, streams);
		this.#ready();
		writeSync(this.#fd, `H ${thunk}${streams}\0`);
	}

	hidden(thunk: ObjectHash): Hidden {
		const streams = this.#hidden.get(thunk) ?? "";
		return { stdout: streams.includes("1"), stderr: streams.includes("2") };
	}

	/** It has become real, or is gone. */
	forget(path: string): void {
		if (this.#standing.delete(path)) this.#record(path, false);
	}

	/** Removes the placeholder at `path` if one stands there. */
	remove(path: string): void {
		if (readPlaceholder(path) !== undefined) removeQuietly(path);
		this.forget(path);
	}

	#record(path: string, stands: boolean): void {
		this.#ready();
		this.#own.set(path, stands);
		this.#append(path, stands);
	}

	#ready(): void {
		if (this.#fd >= 0) {
			if (fstatSync(this.#fd).nlink > 0) return;
			closeSync(this.#fd);
		}
		this.#open();
		// Where another gg that ended meanwhile has written the journal anew.
		for (const [known, stood] of this.#own) this.#append(known, stood);
	}

	#open(): void {
		makeFolders(dirname(this.path));
		if (this.stale && this.#own.size === 0) removeQuietly(this.path);
		this.#fd = openSync(this.path, "a", 0o600);
		if (fstatSync(this.#fd).size === 0) writeSync(this.#fd, `${HEADER}\0`);
	}

	#append(path: string, stands: boolean): void {
		writeSync(this.#fd, `${stands ? "P" : "F"} ${path}\0`);
	}

	/** Rewrites the journal to what stands, by this process's and others' word. */
	close(): void {
		if (this.#fd < 0) return;
		closeSync(this.#fd);
		this.#fd = -1;
		const { standing, hidden } = readRecords(this.path) ?? NOTHING();
		for (const [path, stands] of this.#own) {
			if (stands) standing.add(path);
			else standing.delete(path);
		}
		if (standing.size === 0) removeQuietly(this.path);
		else {
			const streams = new Map([...hidden, ...this.#hidden]);
			const records = [
				HEADER,
				...[...standing].map((p) => `P ${p}`),
				...[...streams].map((h) => `H ${h.join("")}`),
				"",
			];
			writeFileAtomic(this.path, records.join("\0"), 0o600);
		}
	}
}

interface Records {
	readonly standing: Set<string>;
	readonly hidden: Map<string, string>;
}

const NOTHING = (): Records => ({ standing: new Set(), hidden: new Map() });

/** Undefined for a journal of another version; two that began it at once both wrote its first record. */
function readRecords(path: string): Records | undefined {
	const { standing, hidden } = NOTHING();
	let text: string;
	try {
		text = readFileSync(path, "utf8");
	} catch {
		return NOTHING();
	}
	if (text !== "" && !text.startsWith(`${HEADER}\0`)) return undefined;
	for (const record of text.split("\0")) {
		if (record.startsWith("P ")) standing.add(record.slice(2));
		else if (record.startsWith("F ")) standing.delete(record.slice(2));
		else if (record.startsWith("H ")) hidden.set(record.slice(2, 2 + HASH_LENGTH), record.slice(2 + HASH_LENGTH));
	}
	return { standing, hidden };
}

/** The placeholder at `path`, or undefined if something else or nothing is there. */
export function readPlaceholder(path: string): Placeholder | undefined {
	let fd: number;
	try {
		if (lookAt(path, false) !== FILE || looked[SIZE]! > PLACEHOLDER_MAX) return undefined;
		fd = openSync(path, "r");
	} catch {
		return undefined;
	}
	try {
		const head = Buffer.allocUnsafe(PLACEHOLDER_MAX);
		return parsePlaceholder(head.subarray(0, readSync(fd, head, 0, PLACEHOLDER_MAX, 0)));
	} finally {
		closeSync(fd);
	}
}

/** Thunks that placeholders of this project stand for: those that are noted, and those that lie in the tree. */
export function standingThunks(ggDir: string): ObjectHash[] {
	const paths = new Set(new Placeholders(ggDir).all());
	// A folder that GG_DIR names by another name may be anywhere: what lies around it is no project.
	if (basename(ggDir) === ".gg") for (const path of placeholdersBelow(dirname(ggDir))) paths.add(path);
	const hashes = new Set<ObjectHash>();
	for (const path of paths) {
		const hash = readPlaceholder(path)?.hash;
		if (hash !== undefined) hashes.add(hash);
	}
	return [...hashes];
}

export interface Sweep {
	/** Files that are placeholders, moved ones too. */
	readonly placeholders: readonly string[];
	/** Files that hold a placeholder's bytes among others: archives, and what was concatenated or added to. */
	readonly swallowed: readonly string[];
}

/** Every placeholder in a tree, in whatever way it came there; other files are told by their size. */
export function placeholdersBelow(root: string): string[] {
	return changedBelow(root, Number.NEGATIVE_INFINITY).filter((path) => readPlaceholder(path) !== undefined);
}

/** Looks at every file below `root` that changed since `sinceMs`, but for the store's own, wherever it is. */
export function sweep(root: string, sinceMs: number, ggDir: string): Sweep {
	const placeholders: string[] = [];
	const swallowed: string[] = [];
	for (const path of changedBelow(root, sinceMs)) {
		if (path.startsWith(`${ggDir}/`) || lookAt(path, false) !== FILE || looked[SIZE]! < LEAST) continue;
		if (readPlaceholder(path) !== undefined) placeholders.push(path);
		else if (holdsPlaceholder(path)) swallowed.push(path);
	}
	return { placeholders, swallowed };
}

const CHUNK = 1 << 20;
/** What a placeholder begins with and the name of a thunk: no less of one means anything. */
const SIGNS = PLACEHOLDER_HEADS.map((head) => head.length + HASH_LENGTH);
const SIGN = Math.max(...SIGNS);
const LEAST = Math.min(...SIGNS);
/** One for all files of a sweep: a new one for each would cost more than reading it. */
let chunk: Buffer | undefined;

function holdsPlaceholder(path: string): boolean {
	let fd: number;
	try {
		fd = openSync(path, "r");
	} catch {
		return false;
	}
	try {
		chunk ??= Buffer.allocUnsafeSlow(SIGN + CHUNK);
		const buffer = chunk;
		// The end of the last chunk comes first: a placeholder may lie across two.
		let kept = 0;
		for (
			let count = readSync(fd, buffer, kept, CHUNK, null);
			count > 0;
			count = readSync(fd, buffer, kept, CHUNK, null)
		) {
			const bytes = buffer.subarray(0, kept + count);
			if (PLACEHOLDER_HEADS.some((head) => namesThunkAfter(bytes, head))) return true;
			kept = Math.min(SIGN - 1, bytes.length);
			buffer.copyWithin(0, bytes.length - kept, bytes.length);
		}
		return false;
	} catch {
		return false;
	} finally {
		closeSync(fd);
	}
}

/** The first line alone may stand in a source or a program that deals with placeholders. */
function namesThunkAfter(bytes: Buffer, head: Buffer): boolean {
	for (let at = bytes.indexOf(head); at >= 0; at = bytes.indexOf(head, at + 1)) {
		const start = at + head.length;
		if (isObjectHash(bytes.toString("latin1", start, start + HASH_LENGTH))) return true;
	}
	return false;
}
