import { depfileFlags } from "../models/depfile.js";
import { type GccFacts, gccFlavor } from "../models/gcc-facts.js";
import type { Command, SourceInput, ThunkPlan } from "../models/types.js";
import { type ScanFlags, scanFlags } from "../scan/setup-flags.js";
import type { FileFact } from "../store/filefacts.js";
import type { ObjectHash } from "../thunk/hash.js";
import { optimiseSooner } from "../util/optimise.js";
import type { Spawner } from "../util/spawner.js";
import { type Answers, type Asked, CompilerAnswers } from "./compiler-answers.js";
import { relevantEnv } from "./describe.js";
import type { Basis } from "./directives.js";
import type { ScanThreads } from "./scan-threads.js";
import {
	type DepfileForm,
	type KnownCompiler,
	type ScanJob,
	type Scanned,
	SourceScanner,
	type SourceScannerOptions,
} from "./source-scan.js";
import type { Toolchain } from "./toolchains.js";

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

export type Includes = Exclude<Scanned, { readonly kind: "ask" }>;

/** Variables that change what a compiler defines or where it searches. */
const VARIABLES = ["CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH", "LD_LIBRARY_PATH"] as const;
/** The compiler is asked so many times for feature tests of one source, each time for all that could be seen. */
const ROUNDS = 40;

/** Says which files a compiler's preprocessor opens without running it, or that the compiler has to be asked. */
export class IncludeScanner {
	readonly #here: SourceScanner;
	readonly #threads: ScanThreads | undefined;
	readonly #answers: CompilerAnswers;
	#hasBegun = false;

	constructor(
		options: SourceScannerOptions & {
			readonly spawner: Spawner;
			readonly cacheDir: string;
			readonly traceFolder: string;
			readonly viewLibrary: string;
			/** Where many sources are scanned. */
			readonly threads?: ScanThreads | undefined;
		},
	) {
		this.#here = new SourceScanner(options);
		this.#threads = options.threads;
		this.#answers = new CompilerAnswers(options);
	}

	/** Writes what is remembered of scans. */
	close(): void {
		this.#here.close();
	}

	/** Scans that were made by threads. */
	get byThreads(): number {
		return this.#threads?.answered ?? 0;
	}

	/** Of a file that has changed since a scan: not in what that rests on. */
	areSame(basis: Basis, was: ObjectHash, path: string, now: FileFact): boolean {
		return this.#here.areSame(basis, was, path, now);
	}

	async scan(r: IncludeRequest): Promise<Includes> {
		const { command, facts, source } = r;
		if (!this.#hasBegun) optimiseSooner();
		this.#hasBegun = true;
		const flags = scanFlags(facts.tokens, source.language, command.env);
		if ("reason" in flags) return refused(flags.reason, flags.detail);
		const known = await this.#known(r, flags);
		if ("unclear" in known) return refused("compiler", known.unclear);
		// Behind `cc` may be either; what a depfile is called follows the name.
		if (known.answer.flavour !== gccFlavor(command.tool))
			return refused("compiler", `${r.real} is ${known.answer.flavour}`);
		if (facts.deps !== undefined && !known.depfile) return refused("depfile", `that of ${r.real} is of another form`);
		const job = { flags, cwd: command.cwd, source: source.path, depfile: depfileForm(r) };
		for (let round = 0; round < ROUNDS; round++) {
			const found = await this.#scan(known, job);
			if (found.kind !== "ask") return found;
			if (!(await this.#answers.features(known, found.questions))) {
				return refused("feature", found.questions.map((q) => `${q.test}(${q.argument})`).join(" "));
			}
		}
		return refused("feature", "too many questions");
	}

	async #scan(compiler: KnownCompiler, job: ScanJob): Promise<Scanned> {
		return (await this.#threads?.scan(compiler, job)) ?? this.#here.scan(compiler, job);
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
		const known = this.#answers.known(key);
		if (known !== undefined && ("unclear" in known || this.#here.holds(known.answer))) return known;
		// A compiler that has to be asked is new here, and so is most of what it compiles.
		return this.#answers.get(
			key,
			asked,
			(answer) => this.#here.holds(answer),
			() => this.#threads?.expect(),
		);
	}
}

function refused(reason: string, detail: string): Includes {
	return { kind: "refused", reason, detail };
}

function depfileForm({ facts, source }: IncludeRequest): DepfileForm | undefined {
	const { deps, flavor, stage, output } = facts;
	if (deps === undefined) return undefined;
	const preprocessOnly = stage === "preprocess";
	const flags = depfileFlags(deps, { flavor, preprocessOnly, output, source: source.path, file: "" });
	const targets: { name: string; quoted: boolean }[] = [];
	// After the mode and -MF with its value.
	for (let i = 3; i < flags.length; i++) {
		if (flags[i] === "-MT" || flags[i] === "-MQ") targets.push({ quoted: flags[i] === "-MQ", name: flags[++i]! });
	}
	return { flavour: flavor, targets, phony: flags.includes("-MP", 3), system: deps.system };
}
