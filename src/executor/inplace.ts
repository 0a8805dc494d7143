import { statSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import { readPlaceholder } from "../store/placeholders.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Output, OutputPath, Thunk } from "../thunk/types.js";
import { copyFileAtomic, errorCode } from "../util/files.js";
import { makeCanonical } from "../util/paths.js";
import type { Exit, NotStarted, Spawner } from "../util/spawner.js";
import { neverStill, notStarted, notWritten, otherProcessor, outOfTime, readUnmade, toolChanged } from "./failures.js";
import { Inputs, type Placed, type PlacedInputs } from "./inputs.js";
import { hasFailed, nameKept } from "./kept.js";
import { namespaceSteps } from "./namespace.js";
import { encodeView, takeTrace, viewEnvironment } from "./observe.js";
import { isForOtherProcessor } from "./processor.js";
import type { ScratchFolders } from "./scratch.js";
import { standingAt } from "./standing.js";
import { startPath } from "./start-path.js";
import type { Execution, ExecutionFailure, Executor } from "./types.js";
import { noteOrder } from "./written-order.js";

export interface LocalExecutorOptions {
	readonly store: Store & { readonly objects: LocalObjects };
	readonly facts: FileFacts;
	readonly spawner: Spawner;
	readonly viewLibrary: string;
	/** Permission bits of what thunks made, for tools that change a file in place and keep its mode. */
	readonly modes: ReadonlyMap<ObjectHash, number>;
	readonly scratch: ScratchFolders;
	/** For thunks that name no limit themselves; 0 is none. */
	readonly timeoutMs: number;
	/** Run in a namespace that holds only what the thunk declares. */
	readonly sandbox: boolean;
	/** Leave the folder of a thunk that failed, and name it. */
	readonly keep: boolean;
}

/** A build that changes a thunk's files each time that it runs is not waited for. */
const MAX_ROUNDS = 4;

/** An output, and the file in the run's own folder that is to become it. */
interface Staged extends OutputPath {
	readonly file: string;
}

/** One run of a thunk's command. */
interface Run {
	readonly thunk: Thunk;
	readonly program: string;
	readonly inputs: PlacedInputs;
	/** Its own; gone afterwards. */
	readonly folder: string;
	readonly staged: readonly Staged[];
	/** What earlier runs of it met and could not have met when it was described; one that finds more adds to it. */
	readonly hidden: Set<string>;
}

interface Attempt {
	readonly execution: Execution;
	/** What was not as it was when the thunk was described, so that what came of it may be another thing; empty: nothing. */
	readonly again: string;
}

const final = (execution: Execution): Attempt => ({ execution, again: "" });
const impossible = (failure: ExecutionFailure): Execution => ({ kind: "impossible", failure });

/**
 * Runs a thunk on the machine that inferred it. Files that are unchanged at their own paths are used where they are; for
 * the others, and for everything it writes, the tool is shown other files under the same names: by gg-view.so, or in a
 * namespace. So nothing in the tree changes before the result is complete, and the tool sees the names it would record.
 */
export function localExecutor(options: LocalExecutorOptions): Executor {
	return new LocalExecutor(options);
}

class LocalExecutor implements Executor {
	readonly #o: LocalExecutorOptions;
	readonly #inputs: Inputs;

	constructor(options: LocalExecutorOptions) {
		this.#o = options;
		const { store, facts, sandbox } = options;
		this.#inputs = new Inputs({ objects: store.objects, facts, whole: sandbox });
	}

	/** The build may go on beside a thunk: it runs again when files were not, to the end, as they were when it was described. */
	async execute(hash: ObjectHash, thunk: Thunk): Promise<Execution> {
		if (isForOtherProcessor(thunk)) return impossible(otherProcessor(thunk));
		const hidden = new Set<string>();
		const unsteady = new Set<string>();
		for (let round = 1; ; round++) {
			const { execution, again } = await this.#attempt(hash, thunk, hidden, unsteady);
			if (again === "") return execution;
			if (round === MAX_ROUNDS) return impossible(neverStill(thunk, again));
		}
	}

	async #attempt(hash: ObjectHash, thunk: Thunk, hidden: Set<string>, unsteady: Set<string>): Promise<Attempt> {
		const { facts, scratch, keep } = this.#o;
		const inputs = this.#inputs.place(thunk, unsteady);
		if ("reason" in inputs) return final(impossible(inputs));
		const executable = thunk.executables[0];
		if (executable === undefined || facts.get(executable.name)?.hash !== executable.hash)
			return final(impossible(toolChanged(executable?.name ?? "")));
		const folder = scratch.take();
		let keepFolder = false;
		try {
			const staged = thunk.outputPaths.map((p, i) => ({ ...p, file: join(folder, `out${i}`) }));
			const here = inputs.placed.filter((p) => p.source === p.path && !facts.isSystem(p.path));
			const paths = here.map((p) => p.path);
			const stood = standingAt(paths, thunk.cwd);
			const run: Run = { thunk, program: executable.name, inputs, folder, staged, hidden };
			const end = await this.#run(run);
			const execution = this.#finish(run, end);
			// The content alone may have been another one meanwhile.
			const stands = standingAt(paths, thunk.cwd);
			const changed = here.filter((p, i) => stands[i] !== stood[i] || facts.get(p.path)?.hash !== p.hash);
			for (const { path, hash } of changed) {
				unsteady.add(path);
				this.#copy(path, hash);
			}
			if (changed.length > 0) return { execution, again: changed[0]!.path };
			const seen = this.#checkReads(run, execution);
			if (seen !== undefined) return seen;
			keepFolder = keep && hasFailed(execution);
			return final(keepFolder ? nameKept(execution, hash, folder) : execution);
		} finally {
			if (!keepFolder) scratch.release(folder);
		}
	}

	/** Takes a copy of a file that goes on being changed, while it is what it should be: the next run reads that. */
	#copy(path: string, hash: ObjectHash): void {
		try {
			if (this.#o.facts.get(path)?.hash === hash) this.#o.store.objects.putFile(path, hash);
		} catch (error) {
			if (errorCode(error) === "") throw error;
		}
	}

	#run(run: Run): Promise<Exit | NotStarted> {
		const { thunk, folder, inputs, staged } = run;
		const { sandbox, spawner, store, keep } = this.#o;
		for (const path of thunk.inout) this.#stageRewritten(run, path);
		const env = [...thunk.envars, `HOME=/`, `TMPDIR=${sandbox ? "/tmp" : folder}`];
		const limit = this.#limitOf(thunk);
		const request = {
			path: startPath(thunk),
			argv: thunk.args,
			cwd: thunk.cwd,
			stdio: "capture",
			umask: thunk.umask,
			...(limit > 0 ? { timeoutMs: limit } : {}),
		} as const;
		if (sandbox) {
			const root = namespaceSteps({ folder, thunk, inputs, staged, objects: store.objects, keep });
			return spawner.run({ ...request, env, root }).done;
		}
		const view = join(folder, "view");
		writeFileSync(view, encodeView(this.#viewOf(run)));
		env.push(...viewEnvironment(this.#o.viewLibrary, traceOf(folder), view, undefined));
		return spawner.run({ ...request, env }).done;
	}

	/** 0: none. */
	#limitOf(thunk: Thunk): number {
		return thunk.timeout > 0 ? thunk.timeout : this.#o.timeoutMs;
	}

	/** A file that is rewritten in place becomes a copy first, with the mode that it has or will have. */
	#stageRewritten({ thunk, inputs, staged }: Run, path: string): void {
		const input = inputs.placed.find((p) => p.path === path);
		const output = staged.find((s) => s.path === path);
		if (input === undefined || output === undefined) return;
		const mode = input.source === path ? statSync(path).mode & 0o777 : this.#modeOf(input, thunk);
		copyFileAtomic(input.source, output.file, mode);
	}

	#modeOf(input: Placed, thunk: Thunk): number {
		return this.#o.modes.get(input.hash) ?? 0o666 & ~thunk.umask;
	}

	/** Names, and the files to be shown under them; empty: none. */
	#viewOf({ thunk, program, inputs, folder, staged, hidden }: Run): (readonly [string, string])[] {
		const redirected = inputs.placed.filter((p) => p.source !== p.path && !thunk.inout.includes(p.path));
		// A tool that gives its output the mode of its input must not see a stored object's own.
		const copiesMode = /strip|objcopy/.test(posix.basename(program));
		const shown = redirected.map((p, i) => {
			if (!copiesMode) return [p.path, p.source] as const;
			const copy = join(folder, `in${i}`);
			copyFileAtomic(p.source, copy, this.#modeOf(p, thunk));
			return [p.path, copy] as const;
		});
		return [
			...shown,
			...staged.map((s) => [s.path, s.file] as const),
			...[...hidden].map((path) => [path, ""] as const),
		];
	}

	/** What follows from what a command read that its thunk does not declare; undefined: nothing. */
	#checkReads({ thunk, inputs, folder, staged, hidden }: Run, execution: Execution): Attempt | undefined {
		const { facts, sandbox } = this.#o;
		if (execution.kind !== "finished" || sandbox) return undefined;
		const seen = takeTrace(traceOf(folder), makeCanonical(thunk.cwd));
		const declared = this.#inputs.declared(thunk, inputs.placed);
		for (const s of staged) declared.add(s.path);
		const strange = [...seen.reads].filter((p) => !declared.has(p) && !isScratch(p, folder));
		const undeclared = strange.filter((p) => facts.get(p) !== undefined);
		const appeared = appearedSince(thunk, strange).filter((p) => !hidden.has(p));
		for (const path of appeared) hidden.add(path);
		if (appeared.length > 0) return { execution, again: appeared[0]! };
		const unmade = undeclared.find((p) => facts.get(p)?.placeholder !== undefined);
		if (unmade !== undefined) return final(impossible(readUnmade(thunk, unmade)));
		return execution.result.status === 0 ? final({ ...execution, undeclared }) : undefined;
	}

	#finish({ thunk, staged }: Run, end: Exit | NotStarted): Execution {
		if (end.kind === "not-started") return impossible(notStarted(thunk, end));
		if (end.timedOut) return impossible(outOfTime(thunk, this.#limitOf(thunk)));
		const { store, sandbox } = this.#o;
		const outputs: (Output & { readonly mtimeNs: bigint })[] = [];
		for (const s of end.status === 0 ? staged : []) {
			const info = statSync(s.file, { throwIfNoEntry: false, bigint: true });
			if (info !== undefined) {
				const mode = Number(info.mode) & 0o7777;
				outputs.push({ tag: s.tag, hash: store.objects.putFile(s.file), mode, mtimeNs: info.mtimeNs });
			} else if (!s.optional) return impossible(notWritten(thunk, s.path));
		}
		const { status, signal, stdout, stderr, wall } = end;
		// Out of a namespace they are copied when it is over.
		const written = sandbox ? outputs.map(({ tag, hash, mode }) => ({ tag, hash, mode })) : noteOrder(outputs);
		return { kind: "finished", result: { status, signal, stdout, stderr, outputs: written, wall }, undeclared: [] };
	}
}

const traceOf = (folder: string): string => join(folder, "trace");

/** Files that were made after the thunk's placeholder was put down, and those that are gone again: the command that it
 * stands for did not meet them. */
function appearedSince(thunk: Thunk, paths: readonly string[]): string[] {
	if (paths.length === 0) return [];
	const standing = thunk.outputPaths.find((output) => readPlaceholder(output.path) !== undefined);
	if (standing === undefined) return [];
	const described = statSync(standing.path).mtimeMs;
	return paths.filter((path) => {
		const info = statSync(path, { throwIfNoEntry: false });
		return info === undefined || (info.isFile() && (info.birthtimeMs || info.ctimeMs) >= described);
	});
}

function isScratch(path: string, folder: string): boolean {
	return path.startsWith(`${folder}/`) || path.startsWith("/etc/") || path.startsWith("/proc/");
}
