import { createHash } from "node:crypto";
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { posix } from "node:path";
import type { Trace } from "../executor/trace.js";
import { loadedFiles, readLdSoConf, type SystemProbe } from "../models/ld-so.js";
import type { FileFacts } from "../store/filefacts.js";
import { realPath } from "../util/paths.js";
import type { Case } from "./case.js";
import { absolute } from "./describe.js";
import type { NotKept } from "./recorder.js";

/** The trace of a described tool with all that its result depends on among the reads, and the state of what it looked at. */
export interface CompleteTrace {
	readonly seen: Trace;
	/** Folder that it listed → digest of its names, without those that the command writes; else path → `stateOf`. */
	readonly listed: Readonly<Record<string, string>>;
}

/**
 * What a run showed of a tool that nobody has a model of. The programs that it started, their libraries, and the files that
 * it only looked at count as read. What cannot be put into the tree again later is a reason not to keep the result.
 */
export function completeTrace(
	c: Case,
	seen: Trace,
	o: { readonly facts: FileFacts; readonly probe: SystemProbe },
): CompleteTrace | NotKept {
	const planned = new Set(c.plan.outputs.map((output) => absolute(c.request.cwd, output.path)));
	const changed = [...seen.overwritten].find((path) => !planned.has(path) && o.facts.get(path) !== undefined);
	// It may have been written at its end, as logs are.
	if (changed !== undefined) return { reason: "rewritten", detail: `${changed}, which its description does not name` };
	const [removed] = seen.removed;
	if (removed !== undefined) return { reason: "rewritten", detail: `${removed} was removed` };
	const written = new Set([...planned, ...[...seen.writes].filter((path) => o.facts.get(path) !== undefined)]);
	const bare = [...seen.folders].find(
		(folder) => o.probe.stat(folder) === "directory" && ![...written].some((path) => path.startsWith(`${folder}/`)),
	);
	if (bare !== undefined) return { reason: "rewritten", detail: `${bare} was made and is empty` };

	const reads = new Set(seen.reads);
	for (const path of programFiles(c, seen, o.probe)) reads.add(path);
	const listed: Record<string, string> = {};
	for (const path of seen.looked) {
		if (o.facts.isSystem(path) || written.has(path) || seen.folders.has(path)) continue;
		reads.add(path);
		const state = path.split("/").some((name) => PASSING.has(name)) ? "" : stateOf(path);
		if (state !== "") listed[path] = state;
	}
	for (const folder of seen.listings) {
		if (o.facts.isSystem(`${folder}/`)) continue;
		// As it was then: what others have made or removed since was not listed.
		const names = seen.names.get(folder);
		listed[folder] = names === undefined ? listingDigest(folder, written) : digestOf(folder, names, written);
	}
	return { seen: { ...seen, reads, listings: new Set() }, listed };
}

function programFiles(c: Case, seen: Trace, probe: SystemProbe): Set<string> {
	const files = new Set<string>();
	const confDirs = readLdSoConf(probe).dirs;
	for (const program of seen.programs) {
		if (c.toolchain.files.has(program)) continue;
		files.add(program);
		const loaded = loadedFiles({ program, libraryPath: c.request.env.get("LD_LIBRARY_PATH"), confDirs }, probe);
		for (const library of loaded.libraries) files.add(library);
		if (loaded.interp !== undefined) files.add(loaded.interp);
	}
	return files;
}

/** Names that come and go without any bearing on what a script finds. */
const PASSING = new Set(["__pycache__", ".gg"]);

/** What a folder holds, by name; `written` are absolute paths that do not count. */
export function listingDigest(folder: string, written: ReadonlySet<string>): string {
	try {
		return digestOf(folder, readdirSync(folder), written);
	} catch {
		return "";
	}
}

function digestOf(folder: string, names: Iterable<string>, written: ReadonlySet<string>): string {
	const counts = (name: string): boolean => !PASSING.has(name) && !written.has(posix.join(folder, name));
	return createHash("sha256")
		.update([...names].filter(counts).sort().join("\0"))
		.digest("base64url");
}

/** What a look at a path shows beyond the content of a file; `` where there is nothing to see. Shorter than a digest. */
function stateOf(path: string): "folder" | "program" | "file" | "" {
	try {
		const s = statSync(path);
		return s.isDirectory() ? "folder" : (s.mode & 0o111) !== 0 ? "program" : "file";
	} catch {
		return "";
	}
}

/** What decides whether a path is refused for want of permission: its state, and who may read and write it. */
export function refusalOf(path: string): string {
	return `!${stateOf(path)}${allows(path, constants.R_OK) ? "r" : ""}${allows(path, constants.W_OK) ? "w" : ""}`;
}

function allows(path: string, mode: number): boolean {
	try {
		accessSync(path, mode);
		return true;
	} catch {
		return false;
	}
}

/** True if a path that is named in a record's `listed` is as it was. */
export function isAsListed(path: string, was: string, written: ReadonlySet<string>): boolean {
	if (was.startsWith("/")) return was === realPath(path);
	if (was.startsWith("!")) return was === refusalOf(path);
	return was === (was.length < 10 ? stateOf(path) : listingDigest(path, written));
}
