import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { hashFile, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import { hashElsewhere } from "../thunk/hash-elsewhere.js";
import { PLACEHOLDER_MAX, type Placeholder, parsePlaceholder } from "../thunk/placeholder.js";
import { makeFolders, writeFileAtomic } from "../util/files.js";
import { CTIME_MS, DEV, FILE, INO, lookAt, looked, MTIME_MS, RACY_MS, SIZE } from "../util/look.js";
import { timesOf } from "./time-macros.js";

/** What is known of a regular file's content. */
export interface FileFact {
	readonly hash: ObjectHash;
	readonly executable: boolean;
	readonly size: number;
	/** Set when the file is a placeholder: which output of which thunk will stand here. */
	readonly placeholder: Placeholder | undefined;
	/** The content names __DATE__, __TIME__ or __TIMESTAMP__. */
	readonly namesTime: boolean;
	/** Words of which `##` may make these names. The system's headers make none. */
	readonly timePieces: readonly string[];
	/** The content names incbin or .include, files that only the assembler sees. */
	readonly namesAssemblerFile: boolean;
	/** It has `#pragma once`. */
	readonly namesOnce: boolean;
	/** It has an #import. */
	readonly namesImport: boolean;
	readonly mtimeMs: number;
	readonly ctimeMs: number;
	/** Milliseconds since the epoch when the content was read. */
	readonly readAt: number;
}

const HEADER = "ggfacts6";
/** The assembler takes its directives in capitals, too, and macros may write the dot. */
const ASSEMBLER_FILE = /\.(?:incbin|include)\b/i;
const INCBIN = /\bincbin\b/i;
const ONCE = /#[ \t]*pragma[ \t]+once\b|Pragma[ \t]*\([ \t]*"once"/;
const IMPORT = /#[ \t]*import\b/;
/** What is searched for is shorter; so much of each piece is searched again with the next. */
const TAIL = 40;

/** A program of this size is worth another thread. */
const LARGE = 1 << 20;

interface Entry extends FileFact {
	readonly dev: number;
	readonly ino: number;
	readonly system: boolean;
	/** Looked at in this session, and of the system. */
	checked: boolean;
}

type Six = readonly [number, number, number, number, number, number];

/**
 * Hashes of files, remembered by path with device, inode, size and times. Files of the system (see `isSystem`) are looked
 * at once a session; all others are looked at (stat) at every question. Two indexes: the project's, and one of the user
 * for system files, so that a new project need not hash the toolchain again. Both are safe to delete.
 */
export class FileFacts {
	readonly #files = new Map<string, Entry>();
	/** Of the system, and no readable files. */
	readonly #missing = new Set<string>();
	readonly #projectIndex: string;
	readonly #userIndex: string;
	readonly #isSystem: (path: string) => boolean;
	#dirty = { project: false, user: false };
	#loaded = false;

	constructor(options: { projectIndex: string; userIndex: string; isSystem: (path: string) => boolean }) {
		this.#projectIndex = options.projectIndex;
		this.#userIndex = options.userIndex;
		this.#isSystem = options.isSystem;
	}

	isSystem(path: string): boolean {
		return this.#isSystem(path);
	}

	/** Undefined when `path` is not a readable regular file. `onRead` is given its content if that had to be read for this,
	 * unless it is large. */
	get(path: string, onRead?: (content: Buffer) => void): FileFact | undefined {
		if (!this.#loaded) this.#loadAll();
		// What is known says by itself whether it is the system's: to ask for each look would cost as much as the look.
		const known = this.#files.get(path);
		if (known?.checked === true) return known;
		if (known === undefined && this.#missing.has(path)) return undefined;
		const fact = this.#look(path, known, onRead);
		if (fact === undefined) {
			if (known?.system ?? this.#isSystem(path)) {
				this.#files.delete(path);
				this.#missing.add(path);
			}
		} else if (fact.system) fact.checked = true;
		return fact;
	}

	/**
	 * Has large programs and libraries among these files read by another thread, so that `get` finds them known. Whatever goes
	 * wrong is left to `get`, and so is what changes meanwhile: it looks again.
	 */
	async readAhead(paths: Iterable<string>): Promise<void> {
		if (!this.#loaded) this.#loadAll();
		const asked = new Map<string, Omit<Entry, "hash" | "system" | "checked">>();
		for (const path of paths) {
			const known = this.#files.get(path);
			if (known?.checked === true || lookAt(path, true) !== FILE) continue;
			if (known !== undefined && isAsLooked(known)) continue;
			const [dev, ino, size, mtimeMs, ctimeMs, mode] = looked as unknown as Six;
			const looks = { size, mtimeMs, ctimeMs, dev, ino, readAt: Date.now() };
			if (size >= LARGE) asked.set(path, { ...NOTHING_NAMED, executable: isRunnable(mode), ...looks });
		}
		for (const [path, { hash, head }] of await hashElsewhere([...asked.keys()])) {
			const entry = asked.get(path)!;
			if (sizeOfHash(hash) === entry.size && isBinary(head) && !this.#files.has(path))
				this.#keep(path, { ...entry, hash });
		}
	}

	/** Takes over what another thread's FileFacts has found out of the file. It is looked at all the same before it counts. */
	adopt(path: string, fact: FileFact): void {
		if (!this.#loaded) this.#loadAll();
		const known = this.#files.get(path);
		if (known !== undefined && known.readAt >= fact.readAt) return;
		// What is the system's is looked into less: a file may have a name of either kind.
		if ((fact as Entry).system !== this.#isSystem(path)) return;
		this.#missing.delete(path);
		this.#keep(path, fact as Entry);
	}

	#keep(path: string, entry: Omit<Entry, "system" | "checked">, system = this.#isSystem(path)): Entry {
		const kept = { ...entry, system, checked: false };
		this.#files.set(path, kept);
		if (system) this.#dirty.user = true;
		else this.#dirty.project = true;
		return kept;
	}

	#look(path: string, known: Entry | undefined, onRead: ((content: Buffer) => void) | undefined): Entry | undefined {
		if (lookAt(path, true) !== FILE) return undefined;
		if (known !== undefined && isAsLooked(known)) return known;
		return this.#read(path, known?.system ?? this.#isSystem(path), onRead);
	}

	/** What was looked at just now. */
	#read(path: string, system: boolean, onRead: ((content: Buffer) => void) | undefined): Entry | undefined {
		const [dev, ino, size, mtimeMs, ctimeMs, mode] = looked as unknown as Six;
		const names = { time: false, assemblerFile: false, once: false, import: false };
		const pieces = new Set<string>();
		let placeholder: Placeholder | undefined;
		let tail = "";
		let text = false;
		const readAt = Date.now();
		try {
			const hash = hashFile(path, (chunk, at) => {
				if (at === 0) {
					if (chunk.length <= PLACEHOLDER_MAX) placeholder = parsePlaceholder(chunk);
					text = !isBinary(chunk);
					if (chunk.length === size) onRead?.(chunk);
				}
				if (!text) return;
				const isSpliced = chunk.includes("\\\n");
				const read = tail + chunk.toString("latin1");
				const searched = isSpliced ? read.replaceAll("\\\n", "") : read;
				// To search the bytes for a word first is much cheaper, where a word cannot be in two pieces.
				const mayName = (word: string): boolean =>
					isSpliced || chunk.length < size || chunk.includes(word, 0, "latin1");
				const times = timesOf(path, searched, chunk.length === size);
				names.time ||= times.named;
				if (!system) for (const piece of times.pieces) pieces.add(piece);
				names.assemblerFile ||=
					ASSEMBLER_FILE.test(searched) || ((mayName("incbin") || mayName("INCBIN")) && INCBIN.test(searched));
				names.once ||= mayName("once") && ONCE.test(searched);
				names.import ||= mayName("import") && IMPORT.test(searched);
				tail = searched.slice(-TAIL);
			});
			const entry = {
				hash,
				executable: isRunnable(mode),
				size,
				placeholder,
				namesTime: names.time,
				timePieces: [...pieces],
				namesAssemblerFile: names.assemblerFile,
				namesOnce: names.once,
				namesImport: names.import,
				mtimeMs,
				ctimeMs,
				dev,
				ino,
				readAt,
			};
			return this.#keep(path, entry, system);
		} catch {
			// Unreadable, or gone since the look: whoever needs it says so in its own words.
			return undefined;
		}
	}

	#loadAll(): void {
		this.#loaded = true;
		this.#load(this.#userIndex);
		this.#load(this.#projectIndex);
	}

	#load(file: string): void {
		let text: string;
		try {
			text = readFileSync(file, "utf8");
		} catch {
			return;
		}
		const lines = text.split("\n");
		if (lines[0] !== HEADER) return;
		for (let i = 1; i < lines.length; i++) {
			const line = lines[i]!;
			if (line === "") continue;
			try {
				const [path, hash, flags, size, mtimeMs, ctimeMs, dev, ino, readAt, ...pieces] = JSON.parse(line) as [
					string,
					ObjectHash,
					number,
					number,
					number,
					number,
					number,
					number,
					number,
					...string[],
				];
				this.#files.set(path, {
					hash,
					executable: (flags & 1) !== 0,
					namesTime: (flags & 2) !== 0,
					timePieces: pieces,
					namesAssemblerFile: (flags & 4) !== 0,
					namesOnce: (flags & 8) !== 0,
					namesImport: (flags & 16) !== 0,
					placeholder: undefined,
					size,
					mtimeMs,
					ctimeMs,
					dev,
					ino,
					readAt,
					system: this.#isSystem(path),
					checked: false,
				});
			} catch {
				return;
			}
		}
	}

	/** Writes what was learnt. Losing a race against another process only loses a cache. */
	flush(): void {
		const user: string[] = [HEADER];
		const project: string[] = [HEADER];
		for (const [path, e] of this.#files) {
			if (e.placeholder !== undefined) continue;
			const looks = [e.size, e.mtimeMs, e.ctimeMs, e.dev, e.ino, e.readAt];
			const line = JSON.stringify([path, e.hash, flagsOf(e), ...looks, ...e.timePieces]);
			(e.system ? user : project).push(line);
		}
		for (const [which, file, lines] of [
			["user", this.#userIndex, user],
			["project", this.#projectIndex, project],
		] as const) {
			if (!this.#dirty[which]) continue;
			try {
				makeFolders(dirname(file));
				writeFileAtomic(file, `${lines.join("\n")}\n`, 0o600);
				this.#dirty[which] = false;
			} catch {
				// A cache that cannot be written is no cache; whatever matters has its own error.
			}
		}
	}
}

/** What was known of the file at which the last look was is still so. */
function isAsLooked(known: Entry): boolean {
	return (
		known.size === looked[SIZE] &&
		known.mtimeMs === looked[MTIME_MS] &&
		known.ctimeMs === looked[CTIME_MS] &&
		known.ino === looked[INO] &&
		known.dev === looked[DEV] &&
		known.readAt - Math.max(known.ctimeMs, known.mtimeMs) > RACY_MS
	);
}

function isRunnable(mode: number): boolean {
	return (mode & 0o100) !== 0;
}

/** Of what is no text. */
const NOTHING_NAMED = {
	placeholder: undefined,
	namesTime: false,
	timePieces: [],
	namesAssemblerFile: false,
	namesOnce: false,
	namesImport: false,
} as const;

function flagsOf(e: FileFact): number {
	const named =
		(e.namesTime ? 2 : 0) | (e.namesAssemblerFile ? 4 : 0) | (e.namesOnce ? 8 : 0) | (e.namesImport ? 16 : 0);
	return (e.executable ? 1 : 0) | named;
}

/** ELF files and archives are no source text, whatever words they hold. */
function isBinary(head: Uint8Array): boolean {
	return (head[0] === 0x7f && head[1] === 0x45) || (head[0] === 0x21 && head[1] === 0x3c);
}

const SYSTEM_PREFIXES = [
	"/usr/include/",
	"/usr/lib/",
	"/usr/lib32/",
	"/usr/lib64/",
	"/usr/libexec/",
	"/usr/bin/",
	"/usr/share/",
	"/lib/",
	"/lib64/",
	"/bin/",
];

/** Of cross compilers: /usr/x86_64-w64-mingw32/lib. */
const CROSS = /^\/usr\/[^/-]+-[^/]+\/(?:bin|include|lib|lib32|lib64)\//;

/** System folders do not change during a build, unless it lies in one. Builds do install into /opt and /usr/local. */
export function systemPredicate(projectRoot: string): (path: string) => boolean {
	const prefixes = SYSTEM_PREFIXES.filter((prefix) => !`${projectRoot}/`.startsWith(prefix));
	const cross = !CROSS.test(`${projectRoot}/`);
	return (path) => {
		for (const prefix of prefixes) if (path.startsWith(prefix)) return true;
		return cross && path.startsWith("/usr/") && CROSS.test(path);
	};
}
