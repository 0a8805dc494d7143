import { readdirSync, readFileSync, realpathSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { takeTrace, viewEnvironment } from "../executor/observe.js";
import { encodeDepfile } from "../scan/depfile.js";
import {
	type CompilerAnswer,
	type FeatureQuestion,
	featureSource,
	ODD_HEADERS,
	ODD_TARGETS,
	parseAnswer,
	parseFeatures,
	QUESTIONS,
} from "../scan/setup-answer.js";
import type { ScanLanguage } from "../scan/types.js";
import { DepCache } from "../store/depcache.js";
import { makeFolders, removeQuietly, writeFileAtomic } from "../util/files.js";
import type { Spawner } from "../util/spawner.js";

/** A compiler with all that can change its predefined macros and its own include path. */
export interface Asked {
	/** The real tool, absolute. */
	readonly real: string;
	/** The name that it is called by. */
	readonly argv0: string;
	/** Names all of its programs by content. */
	readonly toolchain: string;
	readonly language: ScanLanguage;
	readonly flags: readonly string[];
	/** PATH without wrappers and what else matters, as `NAME=VALUE`. */
	readonly env: readonly string[];
	/** This processor, where `native` is among the flags. */
	readonly processor: readonly string[];
}

interface Record {
	readonly v: 1;
	readonly answer: CompilerAnswer;
	/** Our depfile of an odd list of files was the compiler's. */
	readonly depfile: boolean;
	/** System headers are called by their real paths where those are shorter. */
	readonly canonical: boolean;
	/** What it read beyond sources and headers. */
	readonly reads: readonly string[];
	/** `TEST(ARGUMENT)` → value. */
	readonly features: { [question: string]: number };
}

let answers = 0;

/** What one compiler with one set of flags said. */
export class Answers {
	/** No two have the same in a process: what was said before its folders changed is another. */
	readonly id: number;
	readonly answer: CompilerAnswer;
	readonly depfile: boolean;
	readonly canonical: boolean;
	readonly reads: readonly string[];
	readonly #features: Map<string, number>;
	readonly #asked: Asked;
	readonly key: string;

	constructor(key: string, asked: Asked, record: Record) {
		answers += 1;
		this.id = answers;
		this.key = key;
		this.#asked = asked;
		this.answer = record.answer;
		this.depfile = record.depfile;
		this.canonical = record.canonical;
		this.reads = record.reads;
		this.#features = new Map(Object.entries(record.features));
	}

	get asked(): Asked {
		return this.#asked;
	}

	/** `TEST(ARGUMENT)` → value. */
	get features(): ReadonlyMap<string, number> {
		return this.#features;
	}

	learn(question: FeatureQuestion, value: number): void {
		this.#features.set(`${question.test}(${question.argument})`, value);
	}

	record(): Record {
		const { answer, depfile, canonical, reads } = this;
		return { v: 1, answer, depfile, canonical, reads, features: Object.fromEntries(this.#features) };
	}
}

const VERSION = "1";
/** Sets of flags that are remembered; the oldest go first. */
const KEPT = 400;
const SYSTEM_FOLDER = "system";
const SYSTEM_HEADER = "gg-system.h";
const LANGUAGE_NAMES = { c: "c", "c++": "c++", assembler: "assembler-with-cpp" } as const;

/** Asks compilers what they define and where they search, once for each set of flags, and remembers it for the user. */
export class CompilerAnswers {
	readonly #known = new Map<string, Answers | { readonly unclear: string }>();
	readonly #running = new Map<string, Promise<Answers | { readonly unclear: string }>>();
	readonly #spawner: Spawner;
	readonly #cache: string;
	/** For sources with questions; the session's own. */
	readonly #folder: string;
	#prepared = false;
	#sources = 0;

	readonly #viewLibrary: string;

	constructor(options: { spawner: Spawner; cacheDir: string; traceFolder: string; viewLibrary: string }) {
		this.#viewLibrary = options.viewLibrary;
		this.#spawner = options.spawner;
		this.#cache = join(options.cacheDir, "scan");
		this.#folder = join(options.traceFolder, "questions");
	}

	static key(a: Asked): string {
		const parts = [VERSION, a.real, a.argv0, a.toolchain, a.language, ...a.flags, "", ...a.env, "", ...a.processor];
		return DepCache.key(parts);
	}

	/** What is known already, without waiting. */
	known(key: string): Answers | { readonly unclear: string } | undefined {
		return this.#known.get(key);
	}

	/** `holds`: the folders of a remembered answer are as they were. `onAsking`: none is, and the compiler is asked. */
	get(
		key: string,
		asked: Asked,
		holds: (answer: CompilerAnswer) => boolean,
		onAsking?: () => void,
	): Promise<Answers | { readonly unclear: string }> {
		let running = this.#running.get(key);
		if (running === undefined) {
			running = this.#get(key, asked, holds, onAsking).finally(() => this.#running.delete(key));
			this.#running.set(key, running);
		}
		return running;
	}

	async #get(key: string, asked: Asked, holds: (answer: CompilerAnswer) => boolean, onAsking?: () => void) {
		const remembered = this.#read(key);
		const stands = remembered !== undefined && holds(remembered.answer);
		if (!stands) onAsking?.();
		const record = stands ? remembered : await this.#ask(asked);
		const known = "unclear" in record ? record : new Answers(key, asked, record);
		this.#known.set(key, known);
		if (known instanceof Answers && record !== remembered) this.#write(known);
		return known;
	}

	/** Asks for values of feature tests; false if the compiler does not tell. */
	async features(known: Answers, questions: readonly FeatureQuestion[]): Promise<boolean> {
		this.#prepare();
		const source = this.#name();
		writeFileSync(source, featureSource(questions));
		const { asked } = known;
		const end = await this.#run(asked, ["-E", "-P", "-w", "-x", LANGUAGE_NAMES[asked.language], source]);
		removeQuietly(source);
		const values = parseFeatures(end?.stdout ?? "");
		for (const [i, value] of values) known.learn(questions[i]!, value);
		this.#write(known);
		return values.size === questions.length;
	}

	async #ask(asked: Asked): Promise<Record | { readonly unclear: string }> {
		this.#prepare();
		const source = this.#name();
		const depfile = `${source}.d`;
		const detour = `${this.#folder}/${SYSTEM_FOLDER}/../${SYSTEM_FOLDER}`;
		const included = ODD_HEADERS.map((name) => `#include "${name}"\n`).join("");
		writeFileSync(source, `${QUESTIONS}${included}#include <${SYSTEM_HEADER}>\n`);
		const targets = ODD_TARGETS.flatMap(({ name, quoted }) => [quoted ? "-MQ" : "-MT", name]);
		const flags = ["-E", "-dD", "-v", "-w", "-idirafter", detour, "-x", LANGUAGE_NAMES[asked.language], source];
		const trace = `${source}.t`;
		const watch = viewEnvironment(this.#viewLibrary, trace, undefined, undefined);
		const end = await this.#run(asked, [...flags, "-MD", "-MP", "-MF", depfile, ...targets], watch);
		const seen = takeTrace(trace, posix.normalize);
		removeQuietly(source);
		try {
			if (end === undefined) return { unclear: "it does not start" };
			const answer = parseAnswer(end.stdout, end.stderr, asked.language, detour);
			if ("unclear" in answer) return answer;
			if (!seen.complete) return { unclear: "it cannot be watched" };
			const known = new Set(answer.opened.map((path) => posix.normalize(path)));
			const reads = [...seen.reads].filter((path) => !path.startsWith(`${this.#folder}/`) && !known.has(path));
			const theirs = readQuietly(depfile);
			const odd = [...answer.opened, ...ODD_HEADERS.map((name) => join(this.#folder, name))];
			const ours = (system: string): string =>
				encodeDepfile({
					flavour: answer.flavour,
					targets: ODD_TARGETS,
					files: [source, ...odd, `${system}/${SYSTEM_HEADER}`],
					phony: true,
				});
			const canonical = theirs === ours(realpathSync(detour));
			return { v: 1, answer, depfile: canonical || theirs === ours(detour), canonical, reads, features: {} };
		} finally {
			removeQuietly(depfile);
		}
	}

	async #run(
		asked: Asked,
		words: readonly string[],
		watch: readonly string[] = [],
	): Promise<{ stdout: string; stderr: string } | undefined> {
		const argv = [asked.argv0, ...asked.flags, ...words];
		const env = [...asked.env, "LC_ALL=C", ...watch];
		const end = await this.#spawner.run({ path: asked.real, argv, env, cwd: "/", stdio: "capture", timeoutMs: 60_000 })
			.done;
		if (end.kind === "not-started" || end.truncated || end.timedOut) return undefined;
		return { stdout: end.stdout.toString(), stderr: end.stderr.toString() };
	}

	#prepare(): void {
		if (this.#prepared) return;
		makeFolders(this.#folder);
		for (const name of ODD_HEADERS) writeFileSync(join(this.#folder, name), "");
		makeFolders(join(this.#folder, SYSTEM_FOLDER));
		writeFileSync(join(this.#folder, SYSTEM_FOLDER, SYSTEM_HEADER), "");
		this.#prepared = true;
	}

	#name(): string {
		this.#sources += 1;
		return join(this.#folder, `q${this.#sources}.c`);
	}

	#read(key: string): Record | undefined {
		try {
			const record = JSON.parse(readFileSync(join(this.#cache, key), "utf8")) as Record;
			return record.v === 1 ? record : undefined;
		} catch {
			return undefined;
		}
	}

	#write(known: Answers): void {
		try {
			writeFileAtomic(join(this.#cache, known.key), JSON.stringify(known.record()), 0o600);
			this.#bound();
		} catch {
			// It will be asked again next time.
		}
	}

	#bound(): void {
		const names = readdirSync(this.#cache);
		if (names.length <= KEPT) return;
		const times = names.map((name): [string, number] => {
			const path = join(this.#cache, name);
			return [path, statSync(path).mtimeMs];
		});
		times.sort((a, b) => a[1] - b[1]);
		for (const [path] of times.slice(0, names.length - KEPT / 2)) unlinkSync(path);
	}
}

function readQuietly(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}
