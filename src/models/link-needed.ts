import { type ElfInfo, sameTarget } from "./elf.js";
import { basename, dirname, type ReadOnlyProbe, readLdSoConf } from "./ld-so.js";
import type { LinkFile, LinkTarget } from "./link-files.js";

export interface SharedInput {
	readonly path: string;
	readonly elf: ElfInfo;
}

export interface NeededRequest {
	/** Shared libraries that the command line or a script brought, in order. */
	readonly shared: readonly SharedInput[];
	readonly target: Pick<LinkTarget, "bits" | "endian" | "machine">;
	readonly cwd: string;
	readonly sysroot: string;
	readonly rpathLink: readonly string[];
	readonly rpath: readonly string[];
	readonly runPath: string | undefined;
	readonly libraryPath: string | undefined;
	/** SEARCH_DIRs of scripts, the built-in one included; -L plays no part. */
	readonly scriptDirs: readonly string[];
}

interface Needed {
	readonly name: string;
	readonly by: SharedInput;
}

/**
 * How ld.bfd looks for the DT_NEEDED libraries of shared libraries in a link (ld's manual at -rpath-link, ld/ldelf.c), as a
 * native linker does. It looks twice: first only for a library that needs libc and no other version of a library in the
 * link, then for any; so libraries without libc are tried in every directory. `open` records each attempt.
 */
export function resolveNeeded(
	request: NeededRequest,
	probe: ReadOnlyProbe,
	open: (path: string) => LinkFile | undefined,
): { readonly pending: readonly string[] } {
	const search = new NeededSearch(request, probe, open);
	search.run();
	return { pending: search.pending };
}

class NeededSearch {
	readonly pending: string[] = [];
	private readonly request: NeededRequest;
	private readonly probe: ReadOnlyProbe;
	private readonly open: (path: string) => LinkFile | undefined;
	private readonly present: ReadonlySet<string>;
	private readonly queue: Needed[] = [];
	private conf: readonly string[] | undefined;

	constructor(request: NeededRequest, probe: ReadOnlyProbe, open: (path: string) => LinkFile | undefined) {
		this.request = request;
		this.probe = probe;
		this.open = open;
		this.present = new Set(request.shared.flatMap(({ path, elf }) => [path, elf.soname ?? basename(path)]));
	}

	run(): void {
		for (const by of this.request.shared) this.enqueue(by);
		const seen = new Set<string>();
		for (let needed = this.queue.shift(); needed !== undefined; needed = this.queue.shift()) {
			if (seen.has(needed.name) || this.present.has(needed.name)) continue;
			seen.add(needed.name);
			if (!this.find(needed, "careful")) this.find(needed, "any");
		}
	}

	private enqueue(by: SharedInput): void {
		for (const name of by.elf.needed) this.queue.push({ name, by });
	}

	private find(needed: Needed, pass: "careful" | "any"): boolean {
		if (needed.name.startsWith("/")) return this.attempt(needed.name, pass);
		for (const stage of this.stages(needed)) {
			for (const dir of stage()) {
				const path = this.absolute(dir === "" ? needed.name : `${dir}/${needed.name}`);
				if (this.attempt(path, pass)) return true;
			}
		}
		return false;
	}

	/** In ld's order, each made only when it is reached: /etc/ld.so.conf counts as read from then on. */
	private stages({ by }: Needed): (() => readonly string[])[] {
		const { rpathLink, rpath, runPath, libraryPath, sysroot, scriptDirs } = this.request;
		const own = by.elf.runpath ?? by.elf.rpath;
		const expand = (dirs: readonly string[]): string[] => dirs.map((dir) => this.expand(dir, by));
		const inRoot = (dirs: readonly string[]): string[] =>
			dirs.map((dir) => (dir.startsWith("/") ? sysroot + dir : dir));
		return [
			() => expand(rpathLink),
			() => expand(inRoot(rpath)),
			() => (rpathLink.length === 0 && rpath.length === 0 ? expand(split(runPath)) : []),
			() => expand(split(libraryPath)),
			() => expand(inRoot(split(own))),
			() => inRoot(this.confDirs()),
			() => scriptDirs,
		];
	}

	private confDirs(): readonly string[] {
		if (this.conf === undefined) {
			const conf = readLdSoConf(this.probe, `${this.request.sysroot}/etc/ld.so.conf`);
			for (const path of [...conf.files, ...conf.absent]) this.open(path);
			this.conf = conf.dirs;
		}
		return this.conf;
	}

	private attempt(path: string, pass: "careful" | "any"): boolean {
		const file = this.open(path);
		if (file?.kind === "placeholder") {
			this.pending.push(path);
			return true;
		}
		if (file?.kind !== "elf" || file.elf.type !== 3 || !sameTarget(file.elf, this.request.target)) return false;
		if (pass === "careful" && !this.harmless(file.elf)) return false;
		this.enqueue({ path, elf: file.elf });
		return true;
	}

	private harmless(elf: ElfInfo): boolean {
		if (elf.needed.some((name) => this.otherVersionPresent(name))) return false;
		return elf.needed.some((name) => name.startsWith("libc.so"));
	}

	private otherVersionPresent(name: string): boolean {
		const suffix = name.indexOf(".so.");
		if (suffix < 0 || name.includes("/")) return false;
		const stem = name.slice(0, suffix + ".so.".length);
		return this.request.shared.some(({ path, elf }) => {
			const soname = elf.soname ?? basename(path);
			return soname !== name && soname.startsWith(stem);
		});
	}

	/** $PLATFORM has no meaning to ld; $LIB is the plain name, not Debian's. */
	private expand(dir: string, by: SharedInput): string {
		return dir
			.replace(/\$(\{ORIGIN\}|ORIGIN)(?=\/|$)/g, dirname(by.path))
			.replace(/\$(\{LIB\}|LIB)(?=\/|$)/g, by.elf.bits === 64 ? "lib64" : "lib");
	}

	private absolute(path: string): string {
		return path.startsWith("/") ? path : `${this.request.cwd}/${path}`;
	}
}

function split(list: string | undefined): string[] {
	return list === undefined || list === "" ? [] : list.split(":");
}
