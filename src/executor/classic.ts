import { chmodSync, mkdirSync, readdirSync, readFileSync, type Stats, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LocalObjects } from "../store/local.js";
import type { Store } from "../store/types.js";
import { isInside } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import { errorCode } from "../util/files.js";
import type { Exit, Spawner } from "../util/spawner.js";
import { hasFailed, nameKept } from "./kept.js";
import type { ScratchFolders } from "./scratch.js";
import type { Execution, ExecutionFailure, Executor } from "./types.js";

export interface ClassicExecutorOptions {
	readonly store: Store & { readonly objects: LocalObjects };
	readonly spawner: Spawner;
	readonly scratch: ScratchFolders;
	/** Leave the folder of a thunk that failed, and name it. */
	readonly keep: boolean;
}

type Outputs = { tag: string; hash: ObjectHash; mode: number }[];

const PLACEHOLDER = /@\{GGHASH:([A-Za-z0-9_.]+)(?:#[^/}]+)?\}/g;
/** Outputs up to this size are read once, to be hashed and stored; larger ones are copied by the file system. */
const READ_LIMIT = 1 << 20;

/**
 * Runs thunks in the original's form: the blob of the function, in a fresh folder, with nothing in its environment but
 * what the thunk says and the `__GG_` variables; placeholders in arguments become paths of blobs.
 */
export function classicExecutor(o: ClassicExecutorOptions): Executor {
	const { objects } = o.store;
	const programs = new Set<ObjectHash>();

	/** Objects are stored without execute permission: it is given to those that a thunk names as executables. */
	function missingInput(thunk: Thunk): ObjectHash | undefined {
		for (const { hash } of thunk.values) if (objects.file(hash) === undefined) return hash;
		for (const hash of [thunk.functionHash, ...thunk.executables.map((e) => e.hash)]) {
			if (programs.has(hash)) continue;
			const file = objects.file(hash);
			if (file === undefined) return hash;
			chmodSync(file, 0o500);
			programs.add(hash);
		}
		for (const { target } of thunk.links) if (objects.file(target) === undefined) return target;
		return undefined;
	}

	const resolve = (text: string): string =>
		text.includes("@{GGHASH:") ? text.replace(PLACEHOLDER, (_, hash: string) => join(objects.folder, hash)) : text;

	async function execute(hash: ObjectHash, thunk: Thunk): Promise<Execution> {
		const unsafe = [...thunk.outputs, ...thunk.links.map((l) => l.name), thunk.outputDir].find(
			(name) => name !== "" && !isInside(name),
		);
		if (unsafe !== undefined) return impossible(unsafeName(hash, unsafe));
		const missing = missingInput(thunk);
		if (missing !== undefined) {
			// It may have been cleaned away since it was found executable.
			programs.clear();
			return impossible(inputMissing(hash, missing));
		}
		const folder = o.scratch.take();
		let execution: Execution | undefined;
		try {
			for (const { name, target } of thunk.links) link(objects.path(target), join(folder, name));
			const env = [
				...thunk.envars.map(resolve),
				`__GG_THUNK_PATH__=${objects.path(hash)}`,
				`__GG_DIR__=${objects.folder}`,
				"__GG_ENABLED__=1",
			];
			if (process.env["GG_VERBOSE"] !== undefined) env.push("__GG_VERBOSE__=1");
			const end = await o.spawner.run({
				path: objects.path(thunk.functionHash),
				argv: thunk.args.map(resolve),
				env,
				cwd: folder,
				stdio: "capture",
				umask: thunk.umask,
				timeoutMs: thunk.timeout,
			}).done;
			if (end.kind === "not-started") {
				programs.delete(thunk.functionHash);
				execution = impossible(notStarted(hash, end));
			} else execution = finish(hash, thunk, end, folder);
			if (o.keep && hasFailed(execution)) execution = nameKept(execution, hash, folder);
			return execution;
		} finally {
			if (!o.keep || execution === undefined || !hasFailed(execution)) o.scratch.release(folder);
		}
	}

	function finish(hash: ObjectHash, thunk: Thunk, end: Exit, folder: string): Execution {
		if (end.timedOut) return impossible(timeout(hash, thunk));
		const outputs: Outputs = [];
		if (end.status === 0) {
			for (const tag of thunk.outputs) {
				const problem = take(join(folder, tag), tag, outputs);
				if (problem !== "") return impossible(outputMissing(hash, tag, problem, end));
			}
			if (thunk.outputDir !== "") {
				const problem = takeFolder(join(folder, thunk.outputDir), outputs);
				if (problem !== "") return impossible(outputMissing(hash, thunk.outputDir, problem, end));
			}
		}
		const { status, signal, stdout, stderr, wall } = end;
		const result: ThunkResult = { status, signal, stdout, stderr, outputs, wall };
		return { kind: "finished", result, undeclared: [] };
	}

	/** Stores one output; the answer says why it could not, empty if it could. */
	function take(file: string, tag: string, outputs: Outputs): string {
		let info: Stats | undefined;
		try {
			info = statSync(file, { throwIfNoEntry: false });
		} catch {
			info = undefined;
		}
		if (info === undefined) return "is missing";
		if (!info.isFile()) return "is not a regular file";
		const hash = info.size <= READ_LIMIT ? objects.put(readFileSync(file)) : objects.putFile(file);
		outputs.push({ tag, hash, mode: info.mode & 0o7777 });
		return "";
	}

	/** An output folder: each file in it is an output under its own name. */
	function takeFolder(folder: string, outputs: Outputs): string {
		let names: string[];
		try {
			names = readdirSync(folder).sort();
		} catch (error) {
			return errorCode(error) === "ENOENT" ? "is missing" : "is not a folder";
		}
		for (const name of names) {
			const problem = take(join(folder, name), name, outputs);
			if (problem !== "") return `holds ${JSON.stringify(name)}, which ${problem}`;
		}
		return "";
	}

	return { execute };
}

function link(target: string, path: string): void {
	try {
		symlinkSync(target, path);
	} catch (error) {
		if (errorCode(error) !== "ENOENT") throw error;
		mkdirSync(dirname(path), { recursive: true });
		symlinkSync(target, path);
	}
}

function impossible(failure: ExecutionFailure): Execution {
	return { kind: "impossible", failure };
}

function unsafeName(hash: ObjectHash, name: string): ExecutionFailure {
	return {
		reason: "unsafe-name",
		message: `thunk ${hash} names ${JSON.stringify(name)}, which lies outside the folder it runs in`,
		hint: "outputs, links and the output folder have names relative to that folder, without `..`",
	};
}

function inputMissing(hash: ObjectHash, missing: ObjectHash): ExecutionFailure {
	return {
		reason: "input-missing",
		message: `thunk ${hash} needs ${missing}, which is not in the store`,
		hint: "put it there with `gg collect FILE`, or fetch it with `gg get HASH`",
	};
}

function notStarted(hash: ObjectHash, end: { readonly errno: number; readonly what: string }): ExecutionFailure {
	return {
		reason: "not-started",
		message: `cannot start the program of thunk ${hash}: ${end.what}, errno ${end.errno}`,
		hint: "its function must be a program of this machine, or a script whose interpreter is installed",
	};
}

function timeout(hash: ObjectHash, thunk: Thunk): ExecutionFailure {
	return {
		reason: "timeout",
		message: `thunk ${hash} (${thunk.args[0]}) did not end within ${thunk.timeout} ms`,
		hint: "its own timeout says so; make it with a longer one",
	};
}

function outputMissing(hash: ObjectHash, name: string, problem: string, end: Exit): ExecutionFailure {
	const said = end.stderr.toString().trimEnd().split("\n").at(-1) ?? "";
	return {
		reason: "output-missing",
		message: `thunk ${hash} ended with status 0, but its output ${JSON.stringify(name)} ${problem}`,
		...(said === "" ? {} : { hint: `its last words: ${said.slice(0, 200)}` }),
	};
}
