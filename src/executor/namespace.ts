import { existsSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import type { ObjectStore } from "../store/types.js";
import type { Thunk } from "../thunk/types.js";
import type { RootStep } from "../util/spawner.js";
import type { PlacedInputs } from "./inputs.js";

export interface NamespaceOptions {
	/** Of this run: the root and what is kept of it go there. */
	readonly folder: string;
	readonly thunk: Thunk;
	readonly inputs: PlacedInputs;
	/** Where each output is to be copied. */
	readonly staged: readonly { readonly path: string; readonly file: string }[];
	readonly objects: ObjectStore;
	/** Leave a copy of the root if the command fails. */
	readonly keep: boolean;
}

/** The steps by which a root is made that holds only what the thunk declares, every file at its own path. */
export function namespaceSteps({ folder, thunk, inputs, staged, objects, keep }: NamespaceOptions): RootStep[] {
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
		else steps.push(["link", objects.get(hash)?.toString() ?? "", path]);
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
	if (keep) steps.push(["keep", join(folder, "kept"), ""]);
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
