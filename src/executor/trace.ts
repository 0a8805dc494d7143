import { posix } from "node:path";

/** What a command asked of the file system, from the records that gg-view.so wrote (wrappers/PROTOCOL.md). */
export interface Trace {
	/** Executables that were started and observed. */
	readonly programs: ReadonlySet<string>;
	/**
	 * False when a program was started that did not report: static, privileged or of another architecture; and when the
	 * records are of another version.
	 */
	readonly complete: boolean;
	/** Files opened for reading that the command had not written itself. */
	readonly reads: ReadonlySet<string>;
	/** Names that were looked for and absent, and that the command did not make afterwards. */
	readonly absent: ReadonlySet<string>;
	/** Files that were written, made or changed, and not removed again, as far as the records tell. */
	readonly writes: ReadonlySet<string>;
	/** Files that were read as well as changed. */
	readonly rewritten: ReadonlySet<string>;
	/** Folders whose listing was read. */
	readonly listings: ReadonlySet<string>;
	/** Of these, the names that were there then, where the trace was asked for them; without what it had made itself. */
	readonly names: ReadonlyMap<string, ReadonlySet<string>>;
	/** Files that were there before and were opened for writing. */
	readonly overwritten: ReadonlySet<string>;
	/** Files that were there before and were removed or moved away. */
	readonly removed: ReadonlySet<string>;
	/** Folders that it made. */
	readonly folders: ReadonlySet<string>;
	/** Files whose presence or state was asked for. */
	readonly looked: ReadonlySet<string>;
	/** Paths that it was refused for want of permission: programs among them that may not be executed. */
	readonly refused: ReadonlySet<string>;
}

/** What each process says of its records before all else. */
const VERSION = "ggtrace1";

/** No files, but for the memory disk, on which whole projects are built. */
const IGNORED = /^\/(?:dev(?!\/shm\/)|proc|sys)\//;

/** `canonical` makes one name of the many that a file may have; `records` is the raw content of the trace file. */
export function parseTrace(records: Buffer, canonical: (path: string) => string): Trace {
	const programs = new Set<string>();
	const started: string[] = [];
	const reads = new Set<string>();
	const absent = new Set<string>();
	const writes = new Set<string>();
	const own = new Set<string>();
	const rewritten = new Set<string>();
	const listings = new Set<string>();
	const names = new Map<string, Set<string>>();
	const overwritten = new Set<string>();
	const removed = new Set<string>();
	const folders = new Set<string>();
	const looked = new Set<string>();
	const refused = new Set<string>();
	const known = new Map<string, string>();
	const nameOf = (raw: string): string => {
		let name = known.get(raw);
		if (name === undefined) {
			name = canonical(raw);
			known.set(raw, name);
		}
		return name;
	};
	let processes = 0;
	let understood = false;
	let foreign = false;
	let at = 0;
	while (at < records.length) {
		let end = records.indexOf(0, at);
		if (end < 0) end = records.length;
		const letter = records[at]!;
		const raw = records.toString("utf8", at + 1, end);
		at = end + 1;
		if (IGNORED.test(raw)) continue;
		switch (letter) {
			case 0x56: // V
				if (raw === VERSION) understood = true;
				else foreign = true;
				break;
			case 0x48: // H
				programs.add(raw);
				processes += 1;
				break;
			case 0x58: // X
				started.push(raw);
				break;
			case 0x52: {
				// R
				const path = nameOf(raw);
				if (!own.has(path)) reads.add(path);
				if (writes.has(path) && !own.has(path)) rewritten.add(path);
				break;
			}
			case 0x72: // r
			case 0x73: {
				// s
				const path = nameOf(raw);
				if (!own.has(path)) absent.add(path);
				break;
			}
			case 0x57: // W
			case 0x50: {
				// P
				const path = nameOf(raw);
				writes.add(path);
				if (!own.has(path)) overwritten.add(path);
				if (!own.has(path) && (reads.has(path) || letter === 0x50)) rewritten.add(path);
				break;
			}
			case 0x43: // C
			case 0x4b: // K
			case 0x4e: {
				// N
				const path = nameOf(raw);
				own.add(path);
				if (letter !== 0x4b) writes.add(path);
				else folders.add(path);
				break;
			}
			case 0x55: // U
			case 0x4d: {
				// M
				const path = nameOf(raw);
				writes.delete(path);
				if (!own.has(path)) removed.add(path);
				break;
			}
			case 0x44: // D
				listings.add(nameOf(raw));
				break;
			case 0x45: {
				// E
				const slash = raw.lastIndexOf("/");
				const folder = slash === 0 ? "/" : nameOf(raw.slice(0, slash));
				const name = raw.slice(slash + 1);
				const there = names.get(folder) ?? new Set();
				if (name !== "" && !own.has(posix.join(folder, name))) there.add(name);
				names.set(folder, there);
				break;
			}
			case 0x53: {
				// S
				const path = nameOf(raw);
				if (!own.has(path)) looked.add(path);
				break;
			}
			case 0x41: {
				// A
				const path = nameOf(raw);
				if (!own.has(path)) refused.add(path);
				break;
			}
			default: // L: presence, which the reads that follow imply
		}
	}
	for (const path of own) absent.delete(path);
	for (const path of writes) absent.delete(path);
	// Every exec that worked is one more hello; failed ones are looked for along PATH and leave no process.
	const observed = new Set([...programs].map((p) => posix.basename(p)));
	const complete =
		understood &&
		!foreign &&
		processes > 0 &&
		started.every((p) => observed.has(posix.basename(p)) || programs.has(nameOf(p)) || aliasSeen(p, programs));
	return {
		programs,
		complete,
		reads,
		absent,
		writes,
		rewritten,
		listings,
		overwritten,
		removed,
		folders,
		looked,
		refused,
		names,
	};
}

/** gcc-12 may be started through the link `gcc`, and as through x86_64-linux-gnu-as: the hello names the file itself. */
function aliasSeen(path: string, programs: ReadonlySet<string>): boolean {
	const name = posix.basename(path);
	for (const program of programs) {
		const other = posix.basename(program);
		if (other.includes(name) || name.includes(other)) return true;
	}
	return false;
}
