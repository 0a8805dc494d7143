import type { FileKind, SystemProbe } from "./ld-so.js";

export interface SymbolicLink {
	/** Where the link lies, physically: no part before the last is a link. */
	readonly path: string;
	/** Its text as it is. */
	readonly target: string;
}

/** What a path leads to, and what has to exist so that it does. */
export interface WalkedPath {
	/** Without links, `.` and `..`; undefined if something on the way is missing. */
	readonly physical: string | undefined;
	readonly kind: FileKind | undefined;
	readonly links: readonly SymbolicLink[];
	/** Directories entered only to be left by `..`: they must exist for the path to be valid. */
	readonly directories: readonly string[];
}

/** As the kernel: path_resolution(7). */
const MAX_LINKS = 40;

export function walkPath(path: string, probe: Pick<SystemProbe, "stat" | "readlink">): WalkedPath {
	const links: SymbolicLink[] = [];
	const directories: string[] = [];
	const rest = path.split("/").reverse();
	let at: string[] = [];
	for (let part = rest.pop(); part !== undefined; part = rest.pop()) {
		if (part === "" || part === ".") continue;
		if (part === "..") {
			directories.push(`/${at.join("/")}`);
			at = at.slice(0, -1);
			continue;
		}
		const here = `/${[...at, part].join("/")}`;
		const target = probe.readlink(here);
		if (target === undefined) {
			at.push(part);
			continue;
		}
		links.push({ path: here, target });
		if (links.length > MAX_LINKS) return { physical: undefined, kind: undefined, links, directories };
		if (target.startsWith("/")) at = [];
		rest.push(...target.split("/").reverse());
	}
	const physical = `/${at.join("/")}`;
	const kind = probe.stat(physical);
	return { physical: kind === undefined ? undefined : physical, kind, links, directories };
}

/** The sum of many walks: what a namespace holds. */
export interface FileClosure {
	/** Physical paths of regular files, sorted. */
	readonly files: readonly string[];
	readonly links: readonly SymbolicLink[];
	readonly directories: readonly string[];
}

export function closeOverLinks(paths: Iterable<string>, probe: Pick<SystemProbe, "stat" | "readlink">): FileClosure {
	const files = new Set<string>();
	const links = new Map<string, SymbolicLink>();
	const directories = new Set<string>();
	for (const path of paths) {
		const walked = walkPath(path, probe);
		for (const link of walked.links) links.set(link.path, link);
		for (const directory of walked.directories) directories.add(directory);
		if (walked.physical === undefined) continue;
		if (walked.kind === "directory") directories.add(walked.physical);
		else files.add(walked.physical);
	}
	return {
		files: [...files].sort(),
		links: [...links.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
		directories: [...directories].sort(),
	};
}
