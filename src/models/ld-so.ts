import { type ElfInfo, type ReadAt, readElf, sameTarget } from "./elf.js";

export type FileKind = "file" | "directory" | "other";

/** The machine's files as linkers and loaders see them; all paths absolute. */
export interface SystemProbe {
	/** Follows links; undefined if there is nothing. */
	stat(path: string): FileKind | undefined;
	/** A link's own text, undefined if the path is no link. */
	readlink(path: string): string | undefined;
	/** Names in a directory, in any order. */
	readdir(path: string): readonly string[] | undefined;
	readonly read: ReadAt;
}

export type ReadOnlyProbe = Pick<SystemProbe, "stat" | "readdir" | "read">;

/** A text file of at most `limit` bytes; a larger one counts as unreadable. */
export function readText(probe: Pick<SystemProbe, "read">, path: string, limit = 1 << 20): string | undefined {
	const bytes = probe.read(path, 0, limit + 1);
	return bytes === undefined || bytes.length > limit ? undefined : Buffer.from(bytes).toString("utf8");
}

export interface LoaderDirs {
	readonly dirs: readonly string[];
	/** Configuration files that say so, and those looked for and absent. */
	readonly files: readonly string[];
	readonly absent: readonly string[];
}

/** /etc/ld.so.conf with its includes (ldconfig(8)). */
export function readLdSoConf(probe: ReadOnlyProbe, path = "/etc/ld.so.conf"): LoaderDirs {
	const found = { dirs: new Set<string>(), files: new Set<string>(), absent: new Set<string>() };
	readConf(probe, path, found);
	return { dirs: [...found.dirs], files: [...found.files], absent: [...found.absent] };
}

type Found = Record<"dirs" | "files" | "absent", Set<string>>;

function readConf(probe: ReadOnlyProbe, path: string, found: Found): void {
	if (found.files.has(path)) return;
	const text = readText(probe, path);
	if (text === undefined) {
		found.absent.add(path);
		return;
	}
	found.files.add(path);
	for (const raw of text.split("\n")) {
		const line = raw.replace(/#.*/, "").trim();
		const include = /^include\s+(.*)$/.exec(line);
		if (include !== null) {
			for (const pattern of include[1]!.split(/\s+/)) {
				const full = pattern.startsWith("/") ? pattern : `${dirname(path)}/${pattern}`;
				for (const match of expandGlob(probe, full)) readConf(probe, match, found);
			}
		} else if (line !== "" && !line.startsWith("hwcap")) {
			const dir = line.split(/[=\s]/)[0]!;
			if (dir.startsWith("/")) found.dirs.add(dir.replace(/(?<=.)\/+$/, ""));
		}
	}
}

function expandGlob(probe: ReadOnlyProbe, pattern: string): string[] {
	let paths = [""];
	for (const part of pattern.split("/").filter((piece) => piece !== "")) {
		if (!/[*?[]/.test(part)) {
			paths = paths.map((path) => `${path}/${part}`);
			continue;
		}
		const source = part
			.replace(/[.+^${}()|\\]/g, "\\$&")
			.replace(/\*/g, ".*")
			.replace(/\?/g, ".");
		const match = new RegExp(`^${source}$`);
		paths = paths.flatMap((path) =>
			[...(probe.readdir(path === "" ? "/" : path) ?? [])]
				.filter((name) => match.test(name) && !name.startsWith("."))
				.sort()
				.map((name) => `${path}/${name}`),
		);
	}
	return paths.filter((path) => probe.stat(path) !== undefined);
}

export interface LoadRequest {
	/** The program, as a physical path: $ORIGIN is its directory. */
	readonly program: string;
	readonly libraryPath: string | undefined;
	/** From readLdSoConf: stands for /etc/ld.so.cache, which ldconfig makes of it. */
	readonly confDirs: readonly string[];
}

/** What the loader opens before main() of a program, in order, as it spells them. */
export interface LoadedFiles {
	readonly interp: string | undefined;
	readonly libraries: readonly string[];
	readonly absent: readonly string[];
	/** `libfoo.so.1 needed by /usr/bin/x`: the program would not start here either. */
	readonly missing: readonly string[];
	/** Only /etc/ld.so.cache tells the loader of a folder that one of them lies in. */
	readonly configured: boolean;
}

interface Loaded {
	readonly path: string;
	readonly elf: ElfInfo;
	readonly parent: Loaded | undefined;
}

/** ld.so(8)'s search: DT_RPATH of the object and those that brought it, LD_LIBRARY_PATH, DT_RUNPATH, cache, defaults. */
export function loadedFiles(request: LoadRequest, probe: ReadOnlyProbe): LoadedFiles {
	const root = readElf(request.program, probe.read);
	const nothing: LoadedFiles = { interp: undefined, libraries: [], absent: [], missing: [], configured: false };
	if (!root.ok) return nothing;
	const libraries = new Set<string>();
	const absent = new Set<string>();
	const missing: string[] = [];
	const names = new Set<string>();
	const queue: Loaded[] = [{ path: request.program, elf: root.value, parent: undefined }];
	const builtIn = defaultDirs(root.value);
	const systemDirs = [...request.confDirs, ...builtIn];
	for (let object = queue.shift(); object !== undefined; object = queue.shift()) {
		for (const name of object.elf.needed) {
			if (names.has(name)) continue;
			names.add(name);
			const dirs = [...objectDirs(object, request.libraryPath), ...systemDirs];
			const candidates = name.includes("/") ? [name] : dirs.flatMap((dir) => inDirectory(dir, name, probe));
			const found = firstFitting(candidates, { elf: root.value, absent, probe });
			if (found === undefined) missing.push(`${name} needed by ${object.path}`);
			for (const [path, elf] of found ?? []) {
				libraries.add(path);
				if (elf.soname !== undefined) names.add(elf.soname);
				queue.push({ path, elf, parent: object });
			}
		}
	}
	const configuredDirs = new Set(request.confDirs.filter((dir) => !builtIn.includes(dir)));
	const configured = [...libraries].some((path) => configuredDirs.has(dirname(path)));
	return { interp: root.value.interp, libraries: [...libraries], absent: [...absent], missing, configured };
}

function objectDirs(object: Loaded, libraryPath: string | undefined): string[] {
	const dirs: string[] = [];
	if (object.elf.runpath === undefined) {
		for (let at: Loaded | undefined = object; at !== undefined; at = at.parent) {
			if (at.elf.runpath === undefined) dirs.push(...expandDirs(at.elf.rpath, at));
		}
	}
	dirs.push(...expandDirs(libraryPath, object), ...expandDirs(object.elf.runpath, object));
	return dirs;
}

function expandDirs(list: string | undefined, object: Loaded): string[] {
	if (list === undefined || list === "") return [];
	const libs = object.elf.bits === 64 ? ["lib64", "lib"] : ["lib32", "lib"];
	const multiarch = MULTIARCH.get(archKey(object.elf)) ?? [];
	return list.split(/[:;]/).flatMap((dir) => {
		const rooted = dir
			.replace(/\$(\{ORIGIN\}|ORIGIN)/g, dirname(object.path))
			.replace(/\$(\{PLATFORM\}|PLATFORM)/g, PLATFORMS.get(object.elf.machine) ?? "");
		const lib = /\$(\{LIB\}|LIB)/g;
		const all = lib.test(rooted)
			? [...libs, ...multiarch.map((triple) => `lib/${triple}`)].map((text) => rooted.replace(lib, text))
			: [rooted];
		return all.filter((path) => path.startsWith("/"));
	});
}

/** The plain file last: processors choose among the others, so all of them must be at hand. */
function inDirectory(dir: string, name: string, probe: ReadOnlyProbe): string[] {
	const variants = probe.readdir(`${dir}/glibc-hwcaps`) ?? [];
	return [...[...variants].sort().map((variant) => `${dir}/glibc-hwcaps/${variant}/${name}`), `${dir}/${name}`];
}

interface Fitting {
	readonly elf: ElfInfo;
	readonly absent: Set<string>;
	readonly probe: ReadOnlyProbe;
}

function firstFitting(candidates: readonly string[], { elf, absent, probe }: Fitting): [string, ElfInfo][] | undefined {
	const variants: [string, ElfInfo][] = [];
	for (const path of candidates) {
		const read = readElf(path, probe.read);
		if (probe.stat(path) === undefined) absent.add(path);
		if (!read.ok || !sameTarget(read.value, elf)) continue;
		variants.push([path, read.value]);
		if (!path.includes("/glibc-hwcaps/")) return variants;
	}
	return variants.length > 0 ? variants : undefined;
}

const PLATFORMS: ReadonlyMap<number, string> = new Map([
	[3, "i686"],
	[62, "x86_64"],
	[183, "aarch64"],
]);

/** Keyed by e_machine/bits; Debian's names, the empty ones of others come with DEFAULT_DIRS. */
const MULTIARCH: ReadonlyMap<string, readonly string[]> = new Map([
	["3/32", ["i386-linux-gnu"]],
	["21/64", ["powerpc64le-linux-gnu", "powerpc64-linux-gnu"]],
	["22/64", ["s390x-linux-gnu"]],
	["40/32", ["arm-linux-gnueabihf", "arm-linux-gnueabi"]],
	["62/32", ["x86_64-linux-gnux32"]],
	["62/64", ["x86_64-linux-gnu"]],
	["183/64", ["aarch64-linux-gnu"]],
	["243/64", ["riscv64-linux-gnu"]],
]);

function archKey(elf: ElfInfo): string {
	return `${elf.machine}/${elf.bits}`;
}

function defaultDirs(elf: ElfInfo): string[] {
	if (elf.interp?.includes("/ld-musl-")) return ["/lib", "/usr/local/lib", "/usr/lib"];
	const triples = MULTIARCH.get(archKey(elf)) ?? [];
	const wide = elf.bits === 64 ? ["/lib64", "/usr/lib64"] : [];
	return [...triples.flatMap((triple) => [`/lib/${triple}`, `/usr/lib/${triple}`]), ...wide, "/lib", "/usr/lib"];
}

export function dirname(path: string): string {
	const slash = path.lastIndexOf("/");
	return slash <= 0 ? "/" : path.slice(0, slash);
}

export function basename(path: string): string {
	return path.slice(path.lastIndexOf("/") + 1);
}
