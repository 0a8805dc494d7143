import { readFileSync } from "node:fs";
import { posix } from "node:path";
import type { Sink } from "../report/events.js";
import type { FileFact } from "../store/filefacts.js";
import type { Basis } from "./directives.js";

/** What one source includes, and the bytes of its depfile. */
export interface SourceIncludes {
	/** What is certainly read. */
	readonly files: ReadonlySet<string>;
	/** And what is found: the compiler may open it only to see that it is there. */
	readonly reads: ReadonlySet<string>;
	readonly absent: ReadonlySet<string>;
	/** Path → `folder`, where a candidate is one; folder → where it leads, where it is spelled by way of `..`. */
	readonly listed: ReadonlyMap<string, string>;
	readonly depfile: Buffer | undefined;
	/** As of DiscoveredInputs. */
	readonly links: ReadonlyMap<string, string>;
	/** What the scan found of files, by the same names as in `files`. */
	readonly looked?: ReadonlyMap<string, FileFact>;
	/** As of a depcache entry. */
	readonly basis?: Basis | undefined;
}

type Compared = Omit<SourceIncludes, "listed" | "links" | "basis">;

/** Counts how the includes of sources were found. */
export class ScanTally {
	readonly #sink: Sink;
	readonly #asked = new Map<string, { count: number; readonly example: string }>();
	#scanned = 0;
	#kept = 0;

	constructor(sink: Sink) {
		this.#sink = sink;
	}

	/** Found by the scanner. */
	scanned(): void {
		this.#scanned += 1;
	}

	/** What an earlier scan had found stands. */
	kept(): void {
		this.#kept += 1;
	}

	/** The compiler had to be asked. */
	asked(reason: string, example: string): void {
		const known = this.#asked.get(reason);
		if (known === undefined) this.#asked.set(reason, { count: 1, example });
		else known.count += 1;
	}

	/** The scanner and the compiler say different things of one source. */
	differs(message: string): void {
		this.#sink({ kind: "warning", failure: { reason: "deps-differ", message } });
	}

	/** Tells the sum, if there is one. `byThreads`: scans that threads have made. */
	close(byThreads = 0): void {
		if (this.#scanned + this.#kept + this.#asked.size === 0) return;
		const asked = [...this.#asked].map(([reason, { count, example }]) => ({ reason, count, example }));
		asked.sort((a, b) => b.count - a.count);
		const threads = byThreads === 0 ? {} : { byThreads };
		this.#sink({ kind: "scans", scanned: this.#scanned, kept: this.#kept, asked, ...threads });
	}
}

/** In words, what our scan of a source has otherwise than the compiler's, which was watched. `toolchain`: its files. */
export function compareIncludes(ours: Compared, theirs: Compared, toolchain: ReadonlySet<string>): readonly string[] {
	const differences: string[] = [];
	for (const path of theirs.reads) {
		if (ours.reads.has(path) || toolchain.has(path)) continue;
		differences.push(`the compiler reads ${path}, gg does not${includedAt(path, theirs.reads)}`);
	}
	for (const path of ours.files) {
		if (!theirs.reads.has(path))
			differences.push(`gg reads ${path}, the compiler does not${includedAt(path, ours.reads)}`);
	}
	const names = new Set([...ours.reads].map((path) => posix.basename(path)));
	for (const path of theirs.absent) {
		const name = posix.basename(path).replace(/\.[gp]ch$/, "");
		if (names.has(name) && !isNoted(path, ours.absent))
			differences.push(`the compiler looks for ${path} in vain, gg does not`);
	}
	if (ours.depfile !== undefined && theirs.depfile !== undefined && !ours.depfile.equals(theirs.depfile)) {
		const [a, b] = [ours.depfile.toString().split("\n"), theirs.depfile.toString().split("\n")];
		const at = b.findIndex((line, i) => line !== a[i]);
		const line = at < 0 ? b.length : at;
		differences.push(`line ${line + 1} of the depfile is ${JSON.stringify(b[line])}, gg's ${JSON.stringify(a[line])}`);
	}
	return differences;
}

/** The absence of a folder is that of all below it. */
function isNoted(path: string, absent: ReadonlySet<string>): boolean {
	for (let at = path; at !== "/" && at !== "."; at = posix.dirname(at)) if (absent.has(at)) return true;
	return false;
}

/** The first directive that may include `path`, as far as its text tells. */
function includedAt(path: string, files: Iterable<string>): string {
	const name = posix.basename(path);
	for (const file of files) {
		let lines: string[];
		try {
			lines = readFileSync(file, "latin1").split("\n");
		} catch {
			continue;
		}
		const at = lines.findIndex((line) => line.includes(name) && /^\s*#\s*(?:include|import)/.test(line));
		if (at >= 0) return ` (${file}:${at + 1}: ${lines[at]!.trim()})`;
	}
	return "";
}
