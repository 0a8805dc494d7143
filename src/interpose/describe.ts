import { posix } from "node:path";
import { processorVariable } from "../executor/processor.js";
import type { ThunkPlan } from "../models/types.js";
import type { FileFacts } from "../store/filefacts.js";
import { makeTimeMacro, TIME_MACRO, timePieces } from "../store/time-macros.js";
import type { ObjectStore } from "../store/types.js";
import { encodeThunk, encodeTree } from "../thunk/codec.js";
import { hashBytes, type ObjectHash } from "../thunk/hash.js";
import { EMPTY_THUNK, type Item, type Thunk, type ThunkItem, type TreeEntry } from "../thunk/types.js";
import type { Toolchain } from "./toolchains.js";

/** Everything that a command's thunk is made of. */
export interface Description {
	readonly plan: ThunkPlan;
	readonly argv: readonly string[];
	readonly cwd: string;
	readonly env: ReadonlyMap<string, string>;
	readonly umask: number;
	readonly toolchain: Toolchain;
	/** Every file it reads beyond the toolchain, absolute. */
	readonly reads: Iterable<string>;
	/** Content before the command of files that it reads and rewrites. */
	readonly before: ReadonlyMap<string, ObjectHash>;
	/** Files that it wrote beyond the plan, absolute. */
	readonly sideOutputs: readonly string[];
	/** Links by which it found files among `reads` under their real names, absolute, and their text. */
	readonly links: ReadonlyMap<string, string>;
}

export type DescribeProblem = {
	readonly reason: "time-macro" | "assembler-file" | "input-vanished";
	readonly detail: string;
};

export interface Described {
	readonly thunk: Thunk;
	readonly bytes: Buffer;
	readonly hash: ObjectHash;
	/** Absolute output paths, by tag. */
	readonly outputs: ReadonlyMap<string, string>;
}

export function absolute(cwd: string, path: string): string {
	return posix.normalize(path.startsWith("/") ? path : `${cwd}/${path}`);
}

/** Environment of the thunk: what the model says matters. */
export function relevantEnv(plan: ThunkPlan, env: ReadonlyMap<string, string>): string[] {
	const lines: string[] = [];
	for (const name of plan.envNames) {
		const value = env.get(name);
		if (value !== undefined) lines.push(`${name}=${value}`);
	}
	// -march=native means this processor: what it compiled to is no answer on another.
	if (plan.native) lines.push(processorVariable());
	return lines.sort();
}

const LIBRARY = /\.(?:a|o|so(?:\.\d+)*)$/;

/** Describes one command. Headers and libraries go into one Tree per folder, so that what thunks share is named once. */
export function describe(
	d: Description,
	facts: Pick<FileFacts, "get" | "isSystem">,
	objects: ObjectStore,
	cannotDefer: boolean,
): Described | DescribeProblem {
	const dated = d.argv.find((arg) => TIME_MACRO.test(arg));
	if (dated !== undefined) return { reason: "time-macro", detail: dated };
	// What a tool of the user's does with its inputs is not known: it may be a compiler.
	const mayExpand = !/^(?:none|link)$/.test(d.plan.discovery.kind) || d.plan.family === "generic";
	const pieces = timePieces(d.argv.join("\n"));
	const values: Item[] = [];
	const thunks: ThunkItem[] = [];
	const folders = new Map<string, TreeEntry[]>();
	const place = (path: string): { readonly entries: TreeEntry[]; readonly name: string } => {
		const slash = path.lastIndexOf("/");
		const folder = slash > 0 ? path.slice(0, slash) : "/";
		let entries = folders.get(folder);
		if (entries === undefined) {
			entries = [];
			folders.set(folder, entries);
		}
		return { entries, name: path.slice(slash + 1) };
	};
	const named = new Set(
		[...d.plan.sources.map((s) => s.path), ...d.plan.inputs, ...d.plan.inout].map((p) => absolute(d.cwd, p)),
	);
	for (const path of new Set([...named, ...d.reads])) {
		if (d.toolchain.files.has(path)) continue;
		const before = d.before.get(path);
		if (before !== undefined) {
			values.push({ hash: before, name: path });
			continue;
		}
		const fact = facts.get(path);
		if (fact === undefined) {
			if (named.has(path)) continue; // the tool itself says what it misses
			return { reason: "input-vanished", detail: path };
		}
		if (fact.placeholder !== undefined) {
			thunks.push({ ...fact.placeholder, name: path });
			continue;
		}
		if (mayExpand && fact.namesTime) return { reason: "time-macro", detail: path };
		for (const piece of fact.timePieces) pieces.add(piece);
		if (cannotDefer && fact.namesAssemblerFile && d.plan.family === "cc")
			return { reason: "assembler-file", detail: path };
		// A library that the build makes may be a placeholder the next time, and that is an item of its own: the thunk is the
		// same by either way.
		const mayBeMade = LIBRARY.test(path) && !facts.isSystem(path);
		if (named.has(path) || mayBeMade) values.push({ hash: fact.hash, name: path });
		else {
			const { entries, name } = place(path);
			entries.push({ name, hash: fact.hash, kind: fact.executable ? "executable" : "file" });
		}
	}
	if (mayExpand && makeTimeMacro(pieces))
		return { reason: "time-macro", detail: `put together of ${[...pieces].join(" ")}` };
	for (const [path, target] of d.links) {
		const { entries, name } = place(path);
		if (!entries.some((entry) => entry.name === name))
			entries.push({ name, hash: objects.put(Buffer.from(target)), kind: "link" });
	}
	const trees: Item[] = [{ hash: d.toolchain.tree, name: "/" }];
	for (const [folder, entries] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
		trees.push({ hash: objects.put(encodeTree(entries)), name: folder });
	}
	const outputs = new Map<string, string>();
	for (const output of d.plan.outputs) outputs.set(output.tag, absolute(d.cwd, output.path));
	d.sideOutputs.forEach((path, i) => void outputs.set(`side${i}`, path));
	const optional = new Set(d.plan.outputs.filter((o) => o.optional).map((o) => o.tag));
	values.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
	thunks.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
	const thunk: Thunk = {
		...EMPTY_THUNK,
		functionHash: d.toolchain.driverHash,
		args: d.argv,
		envars: [`PATH=${d.toolchain.path}`, ...relevantEnv(d.plan, d.env)],
		values,
		thunks,
		executables: [{ hash: d.toolchain.driverHash, name: d.toolchain.driver }],
		outputs: [...outputs.keys()],
		cwd: d.cwd,
		trees,
		outputPaths: [...outputs].map(([tag, path]) => ({
			tag,
			path,
			optional: optional.has(tag) || tag.startsWith("side"),
		})),
		umask: d.umask,
		capture: true,
		inout: d.plan.inout.map((p) => absolute(d.cwd, p)),
	};
	const bytes = encodeThunk(thunk);
	return { thunk, bytes, hash: hashBytes(bytes), outputs };
}
