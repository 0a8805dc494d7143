import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import type { FolderState } from "../scan/setup-search.js";
import type { ScanFile, ScanFiles } from "../scan/types.js";
import type { FileFact, FileFacts } from "../store/filefacts.js";
import { hashBytes, sizeOfHash } from "../thunk/hash.js";
import { errorCode } from "../util/files.js";
import { ABSENT, CTIME_MS, DEV, FOLDER, INO, lookAt, looked, MTIME_MS, RACY_MS, UNKNOWN } from "../util/look.js";

/** Larger files are handed to the compiler. */
const SIZE_LIMIT = 32 << 20;
/** Paths that are remembered at most. */
const MOST_PATHS = 1_000_000;
/** So many vain looks into a changed folder are paid one by one, before it is listed again. */
const LOOKS = 24;

type Opened = ReturnType<ScanFiles["open"]>;

interface Folder {
	readonly state: FolderState;
	/** Of `lookAt`. */
	readonly kind: number;
	readonly dev: number;
	readonly ino: number;
	readonly mtimeMs: number;
	readonly ctimeMs: number;
	/** The names in it; undefined: not listed since it changed. */
	names: ReadonlySet<string> | undefined;
	/** How many names were in it when it was last listed. */
	size: number;
	listedAt: number;
	/** Looks since it was last seen to have changed. */
	looks: number;
	/** The command at which it was looked at last; infinite: it is the system's, and not looked at again. */
	turn: number;
}

interface Known {
	value: Opened;
	/** As in a folder. */
	turn: number;
}

/**
 * The machine's files for the include scanner. Within one command each file and folder is looked at once; folders that did
 * not change answer by their listing what is absent; those of the system are looked at once a session.
 */
export class DiskFiles implements ScanFiles {
	readonly #facts: FileFacts;
	readonly #folders = new Map<string, Folder>();
	readonly #known = new Map<string, Known>();
	readonly #realPaths = new Map<string, string>();
	readonly #opened = new Map<string, KnownFile>();
	#turn = 0;

	constructor(facts: FileFacts) {
		this.#facts = facts;
	}

	/** A new command: files of the project may have changed. */
	begin(): void {
		this.#turn += 1;
		if (this.#known.size > MOST_PATHS) this.#known.clear();
	}

	open(path: string): Opened {
		const known = this.#known.get(path);
		if (known !== undefined && known.turn >= this.#turn) return known.value;
		const value = this.#look(path);
		const turn = this.#facts.isSystem(path) ? Number.POSITIVE_INFINITY : this.#turn;
		if (known === undefined) this.#known.set(path, { value, turn });
		else {
			known.value = value;
			known.turn = turn;
		}
		return value;
	}

	/** What this command's look at a file found; undefined if it has not been opened by this name. */
	fact(path: string): FileFact | undefined {
		const known = this.#known.get(path);
		return known !== undefined && known.turn >= this.#turn && known.value instanceof KnownFile
			? known.value.fact
			: undefined;
	}

	realPath(path: string): string | undefined {
		const isSystem = this.#facts.isSystem(path);
		const known = isSystem ? this.#realPaths.get(path) : undefined;
		if (known !== undefined) return known;
		try {
			const real = realpathSync.native(path);
			if (isSystem) this.#realPaths.set(path, real);
			return real;
		} catch {
			return undefined;
		}
	}

	/** What stands at a path of the include path. */
	folder(path: string): FolderState {
		return this.#folder(path).state;
	}

	#look(path: string): Opened {
		if (!this.#mayHold(path)) return "absent";
		let content: Buffer | undefined;
		const fact = this.#facts.get(path, (read) => {
			// A copy: the next file is read into the same buffer.
			content = Buffer.from(read);
		});
		if (fact === undefined) return notReadable(path);
		if (fact.placeholder !== undefined || fact.size > SIZE_LIMIT) return "refused";
		const known = this.#opened.get(path);
		if (known?.is(fact)) {
			known.fact = fact;
			return known;
		}
		// One that grew while it was read has a name that says more than was seen.
		const file = new KnownFile(path, fact, content?.length === sizeOfHash(fact.hash) ? content : undefined);
		this.#opened.set(path, file);
		return file;
	}

	/** False if the folder is known not to hold the file. */
	#mayHold(path: string): boolean {
		const slash = path.lastIndexOf("/");
		const name = slash <= 0 ? "/" : path.slice(0, slash);
		const folder = this.#folder(name);
		if (folder.state.kind === "absent") return false;
		if (folder.state.kind === "other") return true;
		if (folder.names === undefined) {
			folder.looks += 1;
			if (folder.turn === this.#turn && folder.looks < LOOKS + folder.size / 8) return true;
			list(name, folder);
		}
		return folder.names?.has(path.slice(slash + 1)) ?? true;
	}

	#folder(path: string): Folder {
		const known = this.#folders.get(path);
		if (known !== undefined && known.turn >= this.#turn) return known;
		const kind = lookAt(path, true);
		const mtimeMs = kind === UNKNOWN || kind === ABSENT ? 0 : looked[MTIME_MS]!;
		const ctimeMs = kind === UNKNOWN || kind === ABSENT ? 0 : looked[CTIME_MS]!;
		if (known !== undefined && isAsBefore(known, kind, mtimeMs, ctimeMs)) {
			known.turn = this.#turn;
			if (known.listedAt - Math.max(mtimeMs, ctimeMs) <= RACY_MS) known.names = undefined;
			return known;
		}
		let state: FolderState = { kind: "other" };
		if (kind === ABSENT) state = { kind: "absent" };
		else if (kind === FOLDER) state = { kind: "folder", identity: `${looked[DEV]}:${looked[INO]}` };
		const folder = {
			state,
			kind,
			dev: looked[DEV]!,
			ino: looked[INO]!,
			mtimeMs,
			ctimeMs,
			names: undefined,
			size: known?.size ?? 0,
			listedAt: 0,
			looks: 0,
			turn: this.#facts.isSystem(`${path}/`) ? Number.POSITIVE_INFINITY : this.#turn,
		};
		this.#folders.set(path, folder);
		return folder;
	}
}

/** By the numbers of the look at hand. */
function isAsBefore(known: Folder, kind: number, mtimeMs: number, ctimeMs: number): boolean {
	if (known.kind !== kind || known.mtimeMs !== mtimeMs || known.ctimeMs !== ctimeMs) return false;
	return kind !== FOLDER || (known.dev === looked[DEV] && known.ino === looked[INO]);
}

function list(path: string, folder: Folder): void {
	folder.looks = 0;
	folder.listedAt = Date.now();
	try {
		const names = readdirSync(path);
		folder.size = names.length;
		folder.names = new Set(names);
	} catch {
		// A folder that may be entered and not listed: its files are looked at one by one.
		folder.names = undefined;
		folder.size = Number.POSITIVE_INFINITY;
	}
}

function notReadable(path: string): "absent" | "folder" | "refused" {
	try {
		const s = statSync(path, { throwIfNoEntry: false });
		return s === undefined ? "absent" : s.isDirectory() ? "folder" : "refused";
	} catch (error) {
		// A file in the place of a folder: the compiler goes on looking.
		return errorCode(error) === "ENOTDIR" ? "absent" : "refused";
	}
}

class KnownFile implements ScanFile {
	readonly identity: string;
	/** What was found at the last look; its content is that of the first. */
	fact: FileFact;
	readonly #path: string;
	#content: Buffer | undefined;

	constructor(path: string, fact: FileFact, content: Buffer | undefined) {
		this.#path = path;
		this.fact = fact;
		this.identity = fact.hash;
		this.#content = content;
	}

	is(fact: FileFact): boolean {
		return this.identity === fact.hash && this.fact.mtimeMs === fact.mtimeMs;
	}

	/** Milliseconds in floating point are not exact enough just before a second ends. */
	get seconds(): number {
		const { mtimeMs } = this.fact;
		if (mtimeMs % 1000 !== 0) return Math.floor(mtimeMs / 1000);
		const exact = statSync(this.#path, { throwIfNoEntry: false, bigint: true })?.mtimeNs;
		if (exact === undefined) throw new ChangedMeanwhile(this.#path);
		return Number(exact / 1_000_000_000n) - (exact < 0n && exact % 1_000_000_000n !== 0n ? 1 : 0);
	}

	/** It is kept until it was asked for; a second question reads the file again. */
	get content(): Uint8Array {
		const content = this.#content ?? readFileSync(this.#path);
		const fresh = this.#content === undefined;
		this.#content = undefined;
		if (fresh && hashBytes(content) !== this.identity) throw new ChangedMeanwhile(this.#path);
		return content;
	}
}

/** A file is not what it was when it was looked at; the compiler is to be asked. */
export class ChangedMeanwhile extends Error {}
