import { depfileFlags } from "../models/depfile.js";
import { type GccFacts, gccFlavor } from "../models/gcc-facts.js";
import type { Command, SourceInput, ThunkPlan } from "../models/types.js";
import { encodeDepfile } from "../scan/depfile.js";
import type { CompilerAnswer } from "../scan/setup-answer.js";
import { type ScanFlags, scanFlags } from "../scan/setup-flags.js";
import { type SearchPath, searchPath } from "../scan/setup-search.js";
import type { OpenedFile, Reading, ScanAnswer, ScanFile, ScanSetup } from "../scan/types.js";
import type { FileFact, FileFacts } from "../store/filefacts.js";
import type { ObjectHash } from "../thunk/hash.js";
import { optimiseSooner } from "../util/optimise.js";
import type { Spawner } from "../util/spawner.js";
import { type Answers, type Asked, CompilerAnswers } from "./compiler-answers.js";
import { relevantEnv } from "./describe.js";
import { type Basis, Directives } from "./directives.js";
import { ChangedMeanwhile, DiskFiles } from "./scan-files.js";
import type { Toolchain } from "./toolchains.js";

/** The include scanner proper. */
export interface ScanCore {
	scan(setup: ScanSetup, source: { readonly name: string }, cwd: string): ScanAnswer;
	directivesOf(file: ScanFile, reading: Reading): string;
	isHeedful(file: ScanFile, reading: Reading): boolean;
}

export interface IncludeRequest {
	readonly command: Command;
	readonly facts: GccFacts;
	readonly plan: ThunkPlan;
	readonly source: SourceInput;
	/** The real tool. */
	readonly real: string;
	/** PATH without wrappers. */
	readonly path: string;
	readonly toolchain: Toolchain;
}

export type Includes =
	| {
			readonly kind: "scanned";
			/** In the compiler's order. */
			readonly files: readonly OpenedFile[];
			/** What was found of the files by their paths: what is described is what was scanned. */
			readonly facts: ReadonlyMap<string, FileFact>;
			/** Files that were found and not read through, and what the compiler reads by itself. */
			readonly present: ReadonlySet<string>;
			/** Names that were looked for and not there, absolute. */
			readonly absent: ReadonlySet<string>;
			/** Candidates that are folders, and were passed over. */
			readonly folders: ReadonlySet<string>;
			/** Names by which files were found that were opened by their real ones: absolute. */
			readonly links: ReadonlySet<string>;
			/** Folders of the include path that are not there. */
			readonly missing: readonly string[];
			/** The bytes of the depfile that the flags ask for, if they do. */
			readonly depfile: string | undefined;
			/** As of a depcache entry. */
			readonly basis: Basis | undefined;
	  }
	/** The compiler has to be asked. */
	| { readonly kind: "refused"; readonly reason: string; readonly detail: string };

/** Variables that change what a compiler defines or where it searches. */
const VARIABLES = ["CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH", "LD_LIBRARY_PATH"] as const;
/** Setups that are kept: a command with a -D of its own has one of its own. */
const SETUPS = 2000;
/** The compiler is asked so many times for feature tests of one source, each time for all that could be seen. */
const ROUNDS = 40;

/** Says which files a compiler's preprocessor opens without running it, or that the compiler has to be asked. */
export class IncludeScanner {
	readonly #files: DiskFiles;
	readonly #core: ScanCore;
	readonly #answers: CompilerAnswers;
	readonly #setups = new Map<string, ScanSetup>();
	readonly #directives: Directives;
	readonly #isSystem: (path: string) => boolean;
	#hasBegun = false;

	constructor(options: {
		readonly facts: FileFacts;
		readonly ggDir: string;
		readonly spawner: Spawner;
		readonly cacheDir: string;
		readonly traceFolder: string;
		readonly viewLibrary: string;
		readonly core: (files: DiskFiles) => ScanCore;
	}) {
		this.#files = new DiskFiles(options.facts);
		this.#core = options.core(this.#files);
		this.#answers = new CompilerAnswers(options);
		this.#directives = new Directives(options.ggDir, this.#files, this.#core);
		this.#isSystem = (path) => options.facts.isSystem(path);
	}

	close(): void {
		this.#directives.close();
	}

	/** Of a file that has changed since a scan: not in what that rests on. */
	areSame(basis: Basis, was: ObjectHash, path: string, now: FileFact): boolean {
		return this.#directives.areSame(basis, was, path, now);
	}

	async scan(r: IncludeRequest): Promise<Includes> {
		const { command, facts, source } = r;
		if (!this.#hasBegun) optimiseSooner();
		this.#hasBegun = true;
		const flags = scanFlags(facts.tokens, source.language, command.env);
		if ("reason" in flags) return refused(flags.reason, flags.detail);
		const known = await this.#known(r, flags);
		if ("unclear" in known) return refused("compiler", known.unclear);
		const { answer } = known;
		// Behind `cc` may be either; what a depfile is called follows the name.
		if (answer.flavour !== gccFlavor(command.tool)) return refused("compiler", `${r.real} is ${answer.flavour}`);
		if (facts.deps !== undefined && !known.depfile) return refused("depfile", `that of ${r.real} is of another form`);
		for (let round = 0; round < ROUNDS; round++) {
			this.#files.begin();
			const ready = this.#prepare(known, flags, command.cwd);
			if ("kind" in ready) return ready;
			const found = this.#scan(ready.setup, source, command.cwd);
			if (found.kind === "refused") return refused(found.reason, `${found.where}: ${found.what}`);
			if (found.kind === "scanned") {
				const basis = this.#directives.note(ready.setup, found.restsOn, found.files, this.#isSystem);
				const includes = finish(r, found, this.#factsOf(found.files), known.reads, [
					...ready.absent,
					...answer.missing,
				]);
				return { ...includes, basis };
			}
			if (!(await this.#answers.features(known, found.questions))) {
				return refused("feature", found.questions.map((q) => `${q.test}(${q.argument})`).join(" "));
			}
		}
		return refused("feature", "too many questions");
	}

	#scan(setup: ScanSetup, source: SourceInput, cwd: string): ScanAnswer {
		try {
			return this.#core.scan(setup, { name: source.path }, cwd);
		} catch (error) {
			if (!(error instanceof ChangedMeanwhile)) throw error;
			return { kind: "refused", reason: "unreadable", where: error.message, what: "it changes while it is read" };
		}
	}

	#factsOf(files: readonly OpenedFile[]): ReadonlyMap<string, FileFact> {
		const facts = new Map<string, FileFact>();
		for (const { path } of files) {
			const fact = this.#files.fact(path);
			if (fact !== undefined) facts.set(path, fact);
		}
		return facts;
	}

	async #known(r: IncludeRequest, flags: ScanFlags): Promise<Answers | { readonly unclear: string }> {
		const env = VARIABLES.flatMap((name) => {
			const value = r.command.env.get(name);
			return value === undefined ? [] : [`${name}=${value}`];
		});
		const asked: Asked = {
			real: r.real,
			argv0: r.command.argv[0]!,
			toolchain: r.toolchain.tree,
			language: flags.language,
			flags: flags.asked,
			env: [`PATH=${r.path}`, ...env],
			processor: relevantEnv(r.plan, new Map()),
		};
		const key = CompilerAnswers.key(asked);
		const holds = (answer: CompilerAnswer): boolean =>
			answer.own.every((path) => this.#files.folder(path).kind === "folder") &&
			answer.missing.every((path) => this.#files.folder(path).kind === "absent");
		const known = this.#answers.known(key);
		if (known !== undefined && ("unclear" in known || holds(known.answer))) return known;
		return this.#answers.get(key, asked, holds);
	}

	/** What the scan goes by, as the folders are now. */
	#prepare(
		known: Answers,
		flags: ScanFlags,
		cwd: string,
	): { readonly setup: ScanSetup; readonly absent: readonly string[] } | Includes {
		const { answer } = known;
		const full = (path: string): string => (path.startsWith("/") ? path : `${cwd}/${path}`);
		const { quote, bracket, system, after } = flags;
		const own = answer.own;
		const search = searchPath({ flavour: answer.flavour, quote, bracket, system, own, after }, (path) =>
			this.#files.folder(full(path)),
		);
		if ("trouble" in search) return refused("search-path", search.trouble);
		const absent = search.missing.map(full);
		return { setup: this.#setup(known, flags, search), absent };
	}

	#setup(known: Answers, flags: ScanFlags, search: SearchPath): ScanSetup {
		const { quoteDirs, bracketDirs } = search;
		const parts = [known.key, flags.defines, ...[...quoteDirs, ...bracketDirs].map((d) => `${d.path}${d.system}`)];
		for (const { kind, name } of flags.forced) parts.push(kind, name);
		parts.push(String(quoteDirs.length), String(flags.forced.length), String(flags.mapsFileNames));
		const key = parts.join("\0");
		let setup = this.#setups.get(key);
		if (setup === undefined) {
			const { answer } = known;
			setup = {
				flavour: answer.flavour,
				language: flags.language,
				quoteDirs,
				bracketDirs,
				predefines: Buffer.from(answer.predefines + flags.defines).toString("latin1"),
				forced: flags.forced,
				implicit: answer.implicit,
				canonicalSystemHeaders: known.canonical,
				mapsFileNames: flags.mapsFileNames,
				dialect: answer.dialect,
				knows: new Set(answer.knows),
				feature: (test, argument) => known.feature(test, argument),
			};
			if (this.#setups.size >= SETUPS) this.#setups.clear();
			this.#setups.set(key, setup);
		}
		return setup;
	}
}

function refused(reason: string, detail: string): Includes {
	return { kind: "refused", reason, detail };
}

function finish(
	r: IncludeRequest,
	found: ScanAnswer & { readonly kind: "scanned" },
	facts: ReadonlyMap<string, FileFact>,
	reads: readonly string[],
	missing: readonly string[],
): Omit<Includes & { readonly kind: "scanned" }, "basis"> {
	const { files, absent, folders, links = new Set() } = found;
	const present = reads.length === 0 ? found.present : new Set([...found.present, ...reads]);
	return { kind: "scanned", files, facts, present, absent, folders, links, missing, depfile: depfileOf(r, files) };
}

function depfileOf({ facts, source }: IncludeRequest, files: readonly OpenedFile[]): string | undefined {
	const { deps, flavor, stage, output } = facts;
	if (deps === undefined) return undefined;
	const preprocessOnly = stage === "preprocess";
	const flags = depfileFlags(deps, { flavor, preprocessOnly, output, source: source.path, file: "" });
	const targets: { name: string; quoted: boolean }[] = [];
	// After the mode and -MF with its value.
	for (let i = 3; i < flags.length; i++) {
		if (flags[i] === "-MT" || flags[i] === "-MQ") targets.push({ quoted: flags[i] === "-MQ", name: flags[++i]! });
	}
	const names = files.filter((file, i) => i === 0 || deps.system || !file.system).map((file) => file.name);
	return encodeDepfile({ flavour: flavor, targets, files: names, phony: flags.includes("-MP", 3) });
}
