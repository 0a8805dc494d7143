import { readlinkSync, realpathSync, statSync } from "node:fs";
import { posix } from "node:path";
import { LINK, lookAt, stands } from "./look.js";

/**
 * One name for each file: absolute and lexically normal. `a/../b` is only shortened when that leads to the same folder
 * (a may be a link elsewhere); the answer is remembered per folder. In `detours` each `a/..` is noted with the folder that
 * it leads to, for the name says nothing of `a`, which may be a link elsewhere tomorrow. `cwd` has no links.
 */
export function makeCanonical(cwd: string, detours?: Map<string, string>): (path: string) => string {
	const folders = new Map<string, string>();
	return (path) => {
		const absolute = path.startsWith("/") ? path : `${cwd}/${path}`;
		if (!absolute.includes("/.") && !absolute.includes("//") && !absolute.endsWith("/")) return absolute;
		const last = absolute.lastIndexOf("/../");
		if (last < 0 || absolute.endsWith("/..")) return posix.normalize(absolute);
		const up = absolute.slice(0, last + 3);
		let folder = folders.get(up);
		if (folder === undefined) {
			folder = upFrom(cwd, up) ?? canonicalFolder(up, detours);
			folders.set(up, folder);
		}
		return folder === "" ? firstMissing(absolute, isThere) : posix.normalize(folder + absolute.slice(last + 3));
	};
}

/** A folder that is spelled by nothing but `..` behind `cwd`. */
function upFrom(cwd: string, up: string): string | undefined {
	const behind = up.startsWith(`${cwd}/`) ? up.slice(cwd.length + 1) : undefined;
	return behind !== undefined && /^(?:\.{0,2}\/+)*\.\.$/.test(behind) ? posix.join(cwd, behind) : undefined;
}

/** Empty for one that is not there. */
function canonicalFolder(up: string, detours: Map<string, string> | undefined): string {
	const real = realPath(up);
	if (real === "") return "";
	detours?.set(up, real);
	const normal = posix.normalize(up);
	try {
		const a = statSync(real);
		const b = statSync(normal);
		return a.ino === b.ino && a.dev === b.dev ? normal : real;
	} catch {
		return real;
	}
}

/** Without links and dots; empty for one that is not there. */
export function realPath(path: string): string {
	try {
		return realpathSync.native(path);
	} catch {
		return "";
	}
}

export function isThere(path: string): boolean {
	return stands(path);
}

/** A link's own text; undefined if the path is no link. */
export function linkText(path: string): string | undefined {
	try {
		return lookAt(path, false) === LINK ? readlinkSync(path) : undefined;
	} catch {
		return undefined;
	}
}

/** Those of the paths that are links to one of these files, and their text. */
export function linksTo(files: ReadonlySet<string>, paths: Iterable<string>): Map<string, string> {
	const links = new Map<string, string>();
	for (const path of paths) {
		const text = linkText(path);
		if (text !== undefined && !files.has(path) && files.has(realPath(path))) links.set(path, text);
	}
	return links;
}

/** Where a symbolic link leads in the end; any other path, and a link that leads nowhere, as it is. */
export function followLinks(path: string): string {
	try {
		return lookAt(path, false) === LINK ? realpathSync(path) : path;
	} catch {
		return path;
	}
}

/** The topmost folder of `path` that does not exist, or `path` itself: one absence that explains all below it. */
export function firstMissing(path: string, exists: (path: string) => boolean): string {
	let missing = path;
	for (let at = posix.dirname(path); at !== "/" && at !== "."; at = posix.dirname(at)) {
		if (exists(at)) break;
		missing = at;
	}
	return missing;
}
