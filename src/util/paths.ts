import { realpathSync, statSync } from "node:fs";
import { posix } from "node:path";
import { LINK, lookAt, stands } from "./look.js";

/**
 * One name for each file: absolute and lexically normal. `a/../b` is only shortened when that leads to the same folder
 * (a may be a link elsewhere); the answer is remembered per folder.
 */
export function makeCanonical(cwd: string): (path: string) => string {
	const folders = new Map<string, string>();
	return (path) => {
		const absolute = path.startsWith("/") ? path : `${cwd}/${path}`;
		if (!absolute.includes("/.") && !absolute.includes("//") && !absolute.endsWith("/")) return absolute;
		if (!absolute.includes("/../") && !absolute.endsWith("/..")) return posix.normalize(absolute);
		const slash = absolute.lastIndexOf("/");
		const folder = absolute.slice(0, slash);
		const name = absolute.slice(slash + 1);
		if (name === "..") return posix.normalize(absolute);
		let normal = folders.get(folder);
		if (normal === undefined) {
			normal = canonicalFolder(folder);
			folders.set(folder, normal);
		}
		return posix.normalize(`${normal}/${name}`);
	};
}

function canonicalFolder(folder: string): string {
	const normal = posix.normalize(`${folder}/.`).replace(/\/+$/, "") || "/";
	try {
		const a = statSync(folder);
		const b = statSync(normal);
		if (a.ino === b.ino && a.dev === b.dev) return normal;
		return realpathSync(folder);
	} catch {
		return normal;
	}
}

export function isThere(path: string): boolean {
	return stands(path);
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
