import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import { readPlaceholder } from "../store/placeholders.js";
import type { Store } from "../store/types.js";
import { decodeTree } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Item, Output, Thunk, ThunkResult, TreeEntry } from "../thunk/types.js";

import { copyFileAtomic } from "../util/files.js";
import { makeCanonical } from "../util/paths.js";
import type { Exit, RootStep, Spawner } from "../util/spawner.js";
import { hasFailed, nameKept } from "./kept.js";
import { encodeView, takeTrace, viewEnvironment } from "./observe.js";
import { isForOtherProcessor } from "./processor.js";
import type { ScratchFolders } from "./scratch.js";
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

/** A file of a thunk: where it is expected, what it must be, and where its bytes can be had. */
interface Placed {
	readonly path: string;
	readonly hash: ObjectHash;
	/** The file itself when it is unchanged, else the stored object. */
	readonly source: string;
	readonly executable: boolean;
}

/** A link or folder that a namespace needs for its files to be found: the hash names a link's target. */
type Shape = readonly [kind: "link" | "directory", path: string, hash: ObjectHash];

/**
 * Runs a thunk on the machine that inferred it. Files that are unchanged at their own paths are used where they are; for
 * the others, and for everything it writes, the tool is shown other files under the same names: by gg-view.so, or in a
 * namespace. So nothing in the tree changes before the result is complete, and the tool sees the names it would record.
 */
export function localExecutor(o: LocalExecutorOptions): Executor {
	const trees = new Map<ObjectHash, readonly TreeEntry[]>();
	const treeOf = (hash: ObjectHash): readonly TreeEntry[] | undefined => {
		let entries = trees.get(hash);
		if (entries === undefined) {
			const bytes = o.store.objects.get(hash);
			entries = bytes === undefined ? undefined : decodeTree(bytes);
			if (entries !== undefined) trees.set(hash, entries);
		}
		return entries;
	};
	/** Trees of system folders whose files were found unchanged in this process. */
	const verified = new Set<string>();

	function place(thunk: Thunk): { placed: Placed[]; shape: Shape[] } | ExecutionFailure {
		const placed: Placed[] = [];
		const shape: Shape[] = [];
		const add = (path: string, hash: ObjectHash, executable: boolean): ExecutionFailure | undefined => {
			const fact = o.facts.get(path);
			if (fact?.hash === hash) {
				placed.push({ path, hash, source: path, executable: fact.executable });
				return undefined;
			}
			const source = o.store.objects.file(hash);
			if (source === undefined) return changed(path, fact !== undefined);
			placed.push({ path, hash, source, executable });
			return undefined;
		};
		for (const item of thunk.values) {
			if (!item.name.startsWith("/")) continue;
			const failure = add(item.name, item.hash, false);
			if (failure !== undefined) return failure;
		}
		for (const item of thunk.trees) {
			const key = `${item.hash}${item.name}`;
			if (!o.sandbox && verified.has(key)) continue;
			const entries = treeOf(item.hash);
			if (entries === undefined) return missingTree(item);
			const before = placed.length;
			for (const e of entries) {
				if (e.kind === "link" || e.kind === "directory") {
					if (o.sandbox && e.kind === "link" && !o.store.objects.has(e.hash)) return missingTree(item);
					shape.push([e.kind, posix.join(item.name, e.name), e.hash]);
					continue;
				}
				const failure = add(posix.join(item.name, e.name), e.hash, e.kind === "executable");
				if (failure !== undefined) return failure;
			}
			const inPlace = placed.slice(before).every((p) => p.source === p.path && o.facts.isSystem(p.path));
			if (inPlace) verified.add(key);
		}
		return { placed, shape };
	}

	/** The build may go on beside a thunk: it runs again when files were not, to the end, as they were when it was described. */
	async function execute(hash: ObjectHash, thunk: Thunk): Promise<Execution> {
		if (isForOtherProcessor(thunk)) return { kind: "impossible", failure: otherProcessor(thunk) };
		const hidden = new Set<string>();
		for (let round = 1; ; round++) {
			const { execution, again } = await attempt(hash, thunk, hidden);
			if (!again || round === MAX_ROUNDS) return execution;
		}
	}

	/** Adds to `hidden` what the thunk met and could not have met when it was described. */
	async function attempt(
		hash: ObjectHash,
		thunk: Thunk,
		hidden: Set<string>,
	): Promise<{ execution: Execution; again: boolean }> {
		const final = (execution: Execution): { execution: Execution; again: boolean } => ({ execution, again: false });
		const inputs = place(thunk);
		if ("reason" in inputs) return final({ kind: "impossible", failure: inputs });
		const executable = thunk.executables[0];
		if (executable === undefined || o.facts.get(executable.name)?.hash !== executable.hash) {
			return final({ kind: "impossible", failure: toolChanged(executable?.name ?? "") });
		}
		const folder = o.scratch.take();
		let keepFolder = false;
		try {
			const staged = thunk.outputPaths.map((p, i) => ({ ...p, file: join(folder, `out${i}`) }));
			for (const path of thunk.inout) {
				const input = inputs.placed.find((p) => p.path === path);
				const output = staged.find((s) => s.path === path);
				if (input !== undefined && output !== undefined) {
					const mode =
						input.source === path ? statSync(path).mode & 0o777 : (o.modes.get(input.hash) ?? 0o666 & ~thunk.umask);
					copyFileAtomic(input.source, output.file, mode);
				}
			}
			const trace = join(folder, "trace");
			const env = [...thunk.envars, `HOME=/`, `TMPDIR=${o.sandbox ? "/tmp" : folder}`];
			const request = {
				path: startPath(thunk),
				argv: thunk.args,
				cwd: thunk.cwd,
				stdio: "capture",
				umask: thunk.umask,
			} as const;
			const limit = thunk.timeout > 0 ? thunk.timeout : o.timeoutMs;
			const timeout = limit > 0 ? { timeoutMs: limit } : {};
			let end: Exit | { kind: "not-started"; errno: number; what: string };
			if (o.sandbox) {
				const root = namespace(folder, thunk, inputs, staged, o);
				end = await o.spawner.run({ ...request, ...timeout, env, root }).done;
			} else {
				const view = join(folder, "view");
				const copiesMode = /strip|objcopy/.test(posix.basename(executable.name));
				const redirected = inputs.placed.filter((p) => p.source !== p.path && !thunk.inout.includes(p.path));
				if (copiesMode) {
					// A tool that gives its output the mode of its input must not see a stored object's own.
					for (const [i, p] of redirected.entries()) {
						const copy = join(folder, `in${i}`);
						copyFileAtomic(p.source, copy, o.modes.get(p.hash) ?? 0o666 & ~thunk.umask);
						redirected[i] = { ...p, source: copy };
					}
				}
				writeFileSync(
					view,
					encodeView([
						...redirected.map((p) => [p.path, p.source] as const),
						...staged.map((s) => [s.path, s.file] as const),
						...[...hidden].map((path) => [path, ""] as const),
					]),
				);
				env.push(...viewEnvironment(o.viewLibrary, trace, view, undefined));
				end = await o.spawner.run({ ...request, ...timeout, env }).done;
			}
			const execution = finish(thunk, staged, end);
			const changed = inputs.placed.some(
				(p) => p.source === p.path && !o.facts.isSystem(p.path) && o.facts.get(p.path)?.hash !== p.hash,
			);
			if (changed) return { execution, again: true };
			if (execution.kind === "finished" && !o.sandbox) {
				const seen = takeTrace(trace, makeCanonical(thunk.cwd));
				const declared = new Set(inputs.placed.map((p) => p.path));
				for (const item of thunk.trees) {
					if (verified.has(`${item.hash}${item.name}`)) {
						for (const e of treeOf(item.hash) ?? []) declared.add(posix.join(item.name, e.name));
					}
				}
				for (const s of staged) declared.add(s.path);
				const strange = [...seen.reads].filter((p) => !declared.has(p) && !isScratch(p, folder));
				const undeclared = strange.filter((p) => o.facts.get(p) !== undefined);
				const appeared = appearedSince(thunk, strange).filter((p) => !hidden.has(p));
				for (const path of appeared) hidden.add(path);
				if (appeared.length > 0) return { execution, again: true };
				const unmade = undeclared.find((p) => o.facts.get(p)?.placeholder !== undefined);
				if (unmade !== undefined) return final({ kind: "impossible", failure: readUnmade(thunk, unmade) });
				if (execution.result.status === 0) return final({ ...execution, undeclared });
			}
			keepFolder = o.keep && hasFailed(execution);
			return final(keepFolder ? nameKept(execution, hash, folder) : execution);
		} finally {
			if (!keepFolder) o.scratch.release(folder);
		}
	}

	function finish(
		thunk: Thunk,
		staged: readonly { tag: string; path: string; optional: boolean; file: string }[],
		end: Exit | { kind: "not-started"; errno: number; what: string },
	): Execution {
		if (end.kind === "not-started") return { kind: "impossible", failure: notStarted(thunk, end) };
		if (end.timedOut) {
			return {
				kind: "impossible",
				failure: {
					reason: "timeout",
					message: `${thunk.args[0]} did not end within ${thunk.timeout > 0 ? thunk.timeout : o.timeoutMs} ms`,
				},
			};
		}
		const outputs: (Output & { readonly mtimeNs: bigint })[] = [];
		if (end.status === 0) {
			for (const s of staged) {
				const info = statSync(s.file, { throwIfNoEntry: false, bigint: true });
				if (info === undefined) {
					if (s.optional) continue;
					return {
						kind: "impossible",
						failure: {
							reason: "output-missing",
							message: `${thunk.args[0]} ended with status 0 but did not write ${s.path}`,
							hint: "run the command by itself; if it writes the file, please report this as a fault of gg's model of the tool",
						},
					};
				}
				const mode = Number(info.mode) & 0o7777;
				outputs.push({ tag: s.tag, hash: o.store.objects.putFile(s.file), mode, mtimeNs: info.mtimeNs });
			}
		}
		const result: ThunkResult = {
			status: end.status,
			signal: end.signal,
			stdout: end.stdout,
			stderr: end.stderr,
			// Out of a namespace they are copied when it is over.
			outputs: o.sandbox ? outputs.map(({ tag, hash, mode }) => ({ tag, hash, mode })) : noteOrder(outputs),
			wall: end.wall,
		};
		return { kind: "finished", result, undeclared: [] };
	}

	return { execute };
}

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

function namespace(
	folder: string,
	thunk: Thunk,
	inputs: { readonly placed: readonly Placed[]; readonly shape: readonly Shape[] },
	staged: readonly { path: string; file: string }[],
	o: LocalExecutorOptions,
): RootStep[] {
	const root = join(folder, "root");
	mkdirSync(root);
	const steps: RootStep[] = [
		["root", root, ""],
		["dev", "", ""],
		["proc", "", ""],
		["tmp", "", ""],
		["dir", thunk.cwd, ""],
	];
	for (const [kind, path, hash] of inputs.shape) {
		if (kind === "directory") steps.push(["dir", path, ""]);
		else steps.push(["link", o.store.objects.get(hash)?.toString() ?? "", path]);
	}
	steps.push(...spelledDirectory(thunk));
	for (const p of inputs.placed) {
		if (thunk.inout.includes(p.path)) continue;
		// A stored object has no execute permission: a program among them needs a copy of its own.
		if (p.source !== p.path && p.executable) steps.push(["copy", p.source, p.path]);
		else steps.push(["bind", p.source, p.path]);
	}
	for (const dir of searchFolders(thunk)) {
		// Search folders may hold nothing that is declared, but `-Ia -Ia/../b` needs a to be there.
		if (existsSync(posix.resolve(thunk.cwd, dir)))
			steps.push(["dir", `${thunk.cwd}/${dir}`.replace(/^.*\/\//, "/"), ""]);
	}
	for (const s of staged) {
		steps.push(["dir", posix.dirname(s.path), ""]);
		if (thunk.inout.includes(s.path) && existsSync(s.file)) steps.push(["copy", s.file, s.path]);
		steps.push(["out", s.path, s.file]);
	}
	if (o.keep) steps.push(["keep", join(folder, "kept"), ""]);
	return steps;
}

const SEARCH_FLAG = /^-(?:I|L|isystem|iquote|idirafter|B)(.*)$/;

/** Folders named by flags of a compiler or linker, also by those in response files, without regard to quotes there. */
function searchFolders(thunk: Thunk): string[] {
	const words = thunk.args.flatMap((arg) => {
		if (!arg.startsWith("@")) return [arg];
		try {
			return readFileSync(posix.resolve(thunk.cwd, arg.slice(1)), "utf8").split(/\s+/);
		} catch {
			return [arg];
		}
	});
	return words.flatMap((word, i) => {
		const joined = SEARCH_FLAG.exec(word)?.[1];
		const named = joined === "" ? words[i + 1] : joined;
		return named === undefined ? [] : [named];
	});
}

/** The links by which $PWD leads to the working directory: a compiler writes it down as it is spelled. */
function spelledDirectory(thunk: Thunk): RootStep[] {
	const spelled = thunk.envars.find((line) => line.startsWith("PWD=/"))?.slice("PWD=".length);
	const steps: RootStep[] = [];
	for (let path = spelled ?? "/"; path !== "/"; path = posix.dirname(path)) {
		const target = linkTarget(path);
		if (target !== undefined) steps.unshift(["link", target, path]);
	}
	return steps;
}

function linkTarget(path: string): string | undefined {
	try {
		return readlinkSync(path);
	} catch {
		return undefined;
	}
}

function changed(path: string, there: boolean): ExecutionFailure {
	return {
		reason: there ? "input-changed" : "input-missing",
		message: there
			? `${path} has changed since the build was inferred`
			: `${path} is gone since the build was inferred`,
		hint: "infer the build again: gg infer make",
	};
}

function missingTree(item: Item): ExecutionFailure {
	return {
		reason: "input-missing",
		message: `the list of files of ${item.name} (${item.hash}) is not in the store`,
		hint: "infer the build again: gg infer make",
	};
}

function otherProcessor(thunk: Thunk): ExecutionFailure {
	return {
		reason: "other-processor",
		message: `${thunk.args[0]} with -march=native was inferred on another processor than this machine's`,
		hint: "force it there, or infer the build again here",
	};
}

function toolChanged(path: string): ExecutionFailure {
	return {
		reason: "tool-changed",
		message: path === "" ? "the thunk names no program" : `${path} is gone or has changed since the build was inferred`,
		hint: "infer the build again: gg infer make",
	};
}

function readUnmade(thunk: Thunk, path: string): ExecutionFailure {
	return {
		reason: "undeclared-input",
		message: `${thunk.args[0]} read ${path}, a placeholder that its thunk does not name`,
		hint: "run the build by `gg build --jobs 1 COMMAND`, which defers nothing",
	};
}

function notStarted(thunk: Thunk, end: { errno: number; what: string }): ExecutionFailure {
	if (end.what.startsWith("namespace")) {
		return {
			reason: "no-namespace",
			message: `this system does not let gg make a namespace (${end.what}, errno ${end.errno})`,
			hint: "run without --sandbox, or as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1",
		};
	}
	return { reason: "not-started", message: `cannot start ${thunk.args[0]}: ${end.what}, errno ${end.errno}` };
}
