import { encodeDepfile } from "../scan/depfile.js";
import type { CompilerAnswer, FeatureQuestion } from "../scan/setup-answer.js";
import type { ScanFlags } from "../scan/setup-flags.js";
import { type SearchPath, searchPath } from "../scan/setup-search.js";
import type { OpenedFile, Reading, ScanAnswer, ScanFile, ScanSetup } from "../scan/types.js";
import type { FileFact, FileFacts } from "../store/filefacts.js";
import type { ObjectHash } from "../thunk/hash.js";
import { linksTo, makeCanonical } from "../util/paths.js";
import { type Basis, Directives } from "./directives.js";
import { ChangedMeanwhile, DiskFiles } from "./scan-files.js";
import type { SourceIncludes } from "./scan-tally.js";

/** The include scanner proper. */
export interface ScanCore {
	scan(setup: ScanSetup, source: { readonly name: string }, cwd: string): ScanAnswer;
	directivesOf(file: ScanFile, reading: Reading): string;
	isHeedful(file: ScanFile, reading: Reading): boolean;
}

/** What a compiler said of a set of flags. */
export interface KnownCompiler {
	/** Of this answer: a compiler that is asked again has another one. */
	readonly id: number;
	readonly answer: CompilerAnswer;
	/** System headers are called by their real paths where those are shorter. */
	readonly canonical: boolean;
	/** What it read beyond sources and headers. */
	readonly reads: readonly string[];
	/** `TEST(ARGUMENT)` → value, of those that it was asked. */
	readonly features: ReadonlyMap<string, number>;
}

/** One source to be scanned: plain data. */
export interface ScanJob {
	readonly flags: ScanFlags;
	readonly cwd: string;
	/** As the command has it. */
	readonly source: string;
	/** The depfile that the flags ask for, if they do. */
	readonly depfile: DepfileForm | undefined;
}

export interface DepfileForm {
	readonly flavour: "gcc" | "clang";
	readonly targets: readonly { readonly name: string; readonly quoted: boolean }[];
	readonly phony: boolean;
	/** With the system's headers. */
	readonly system: boolean;
}

export type Scanned =
	| { readonly kind: "scanned"; readonly found: SourceIncludes }
	| { readonly kind: "ask"; readonly questions: readonly FeatureQuestion[] }
	/** The compiler has to be asked. */
	| { readonly kind: "refused"; readonly reason: string; readonly detail: string };

export interface SourceScannerOptions {
	readonly facts: FileFacts;
	readonly ggDir: string;
	readonly core: (files: DiskFiles) => ScanCore;
}

/** Setups that are kept: a command with a -D of its own has one of its own. */
const SETUPS = 2000;

/** Scans sources as the files and folders are now. Nothing in it waits, so it can be on a thread of its own. */
export class SourceScanner {
	readonly #files: DiskFiles;
	readonly #core: ScanCore;
	readonly #setups = new Map<string, ScanSetup>();
	readonly #directives: Directives;
	readonly #isSystem: (path: string) => boolean;

	constructor(options: SourceScannerOptions) {
		this.#files = new DiskFiles(options.facts);
		this.#core = options.core(this.#files);
		this.#directives = new Directives(options.ggDir, this.#files, this.#core);
		this.#isSystem = (path) => options.facts.isSystem(path);
	}

	/** Writes what is remembered of scans. */
	close(): void {
		this.#directives.close();
	}

	/** Of a file that has changed since a scan: not in what that rests on. */
	areSame(basis: Basis, was: ObjectHash, path: string, now: FileFact): boolean {
		return this.#directives.areSame(basis, was, path, now);
	}

	/** The compiler's own folders are as they were when it answered. */
	holds({ own, missing }: CompilerAnswer): boolean {
		// Where threads scan, nothing else begins a command here.
		this.#files.begin();
		return (
			own.every((path) => this.#files.folder(path).kind === "folder") &&
			missing.every((path) => this.#files.folder(path).kind === "absent")
		);
	}

	scan(compiler: KnownCompiler, job: ScanJob): Scanned {
		this.#files.begin();
		const { answer } = compiler;
		const full = (path: string): string => (path.startsWith("/") ? path : `${job.cwd}/${path}`);
		const { quote, bracket, system, after } = job.flags;
		const search = searchPath({ flavour: answer.flavour, quote, bracket, system, own: answer.own, after }, (path) =>
			this.#files.folder(full(path)),
		);
		if ("trouble" in search) return { kind: "refused", reason: "search-path", detail: search.trouble };
		const setup = this.#setup(compiler, job.flags, search);
		const scanned = this.#scan(setup, job);
		if (scanned.kind === "refused")
			return { kind: "refused", reason: scanned.reason, detail: `${scanned.where}: ${scanned.what}` };
		if (scanned.kind === "ask") return scanned;
		const basis = this.#directives.note(setup, scanned.restsOn, scanned.files, this.#isSystem);
		const missing = [...search.missing.map(full), ...answer.missing];
		return { kind: "scanned", found: { ...this.#named(scanned, compiler.reads, missing, job), basis } };
	}

	#scan(setup: ScanSetup, { source, cwd }: ScanJob): ScanAnswer {
		try {
			return this.#core.scan(setup, { name: source }, cwd);
		} catch (error) {
			if (!(error instanceof ChangedMeanwhile)) throw error;
			return { kind: "refused", reason: "unreadable", where: error.message, what: "it changes while it is read" };
		}
	}

	#setup(compiler: KnownCompiler, flags: ScanFlags, search: SearchPath): ScanSetup {
		const { quoteDirs, bracketDirs } = search;
		const parts = [
			String(compiler.id),
			flags.defines,
			...[...quoteDirs, ...bracketDirs].map((d) => `${d.path}${d.system}`),
		];
		for (const { kind, name } of flags.forced) parts.push(kind, name);
		parts.push(String(quoteDirs.length), String(flags.forced.length), String(flags.mapsFileNames));
		const key = parts.join("\0");
		let setup = this.#setups.get(key);
		if (setup === undefined) {
			const { answer } = compiler;
			setup = {
				flavour: answer.flavour,
				language: flags.language,
				quoteDirs,
				bracketDirs,
				predefines: Buffer.from(answer.predefines + flags.defines).toString("latin1"),
				forced: flags.forced,
				implicit: answer.implicit,
				canonicalSystemHeaders: compiler.canonical,
				mapsFileNames: flags.mapsFileNames,
				dialect: answer.dialect,
				knows: new Set(answer.knows),
				feature: (test, argument) => compiler.features.get(`${test}(${argument})`),
			};
			if (this.#setups.size >= SETUPS) this.#setups.clear();
			this.#setups.set(key, setup);
		}
		return setup;
	}

	/** With one name for each file. */
	#named(
		scanned: ScanAnswer & { readonly kind: "scanned" },
		alsoRead: readonly string[],
		missing: readonly string[],
		job: ScanJob,
	): SourceIncludes {
		const listed = new Map<string, string>();
		const canonical = makeCanonical(job.cwd, listed);
		const files = new Set<string>();
		const looked = new Map<string, FileFact>();
		for (const file of scanned.files) {
			const path = canonical(file.path);
			files.add(path);
			// What is described is what was scanned.
			const fact = this.#files.fact(file.path);
			if (fact !== undefined) looked.set(path, fact);
		}
		const present = [...scanned.present, ...alsoRead];
		const reads = present.length === 0 ? files : new Set(files);
		for (const path of present) reads.add(canonical(path));
		const absent = new Set<string>();
		for (const path of scanned.absent) absent.add(canonical(path));
		for (const path of missing) absent.add(canonical(path));
		for (const path of scanned.folders) listed.set(canonical(path), "folder");
		const links = linksTo(files, [...(scanned.links ?? [])].map(canonical));
		return { files, reads, absent, listed, depfile: depfileOf(job.depfile, scanned.files), looked, links };
	}
}

function depfileOf(form: DepfileForm | undefined, files: readonly OpenedFile[]): Buffer | undefined {
	if (form === undefined) return undefined;
	const { flavour, targets, phony, system } = form;
	const names = files.filter((file, i) => i === 0 || system || !file.system).map((file) => file.name);
	return Buffer.from(encodeDepfile({ flavour, targets, files: names, phony }));
}
