import { sameTarget } from "./elf.js";
import { dirname, type ReadOnlyProbe, readText } from "./ld-so.js";
import type { LinkerScript, ScriptEntry } from "./ldscript.js";
import { emulationTarget, inspectLinkFile, type LinkFile, type LinkTarget } from "./link-files.js";
import { type InputState, type LinkLine, type LinkStatement, readLinkLine } from "./link-line.js";
import { resolveNeeded, type SharedInput } from "./link-needed.js";
import { expandResponseFiles } from "./response-file.js";

export type LinkFlavour = "bfd" | "gold" | "lld";

export interface LinkRequest {
	/** collect2's or the linker's, argv[0] included. */
	readonly argv: readonly string[];
	readonly cwd: string;
	readonly env: ReadonlyMap<string, string>;
	readonly flavour: LinkFlavour;
	/** SEARCH_DIRs of the linker's built-in script (`Toolchain.searchDirs`), `=` for the sysroot kept. */
	readonly searchDirs: readonly string[];
	/** Used when there is no -m; if undefined, what the first readable object is made for. */
	readonly emulation?: string;
	/** Names that exist only while the driver runs (`linkStep`). */
	readonly temporaries?: ReadonlySet<string>;
}

/**
 * The files a link reads, as the linker spells them but absolute, in the order in which it comes to them. A superset: which
 * --as-needed libraries count is decided by symbols, which placeholders do not have.
 */
export interface LinkInputs {
	readonly files: readonly string[];
	/** Looked for and not there, in order of search: the result holds only as long as that is so. */
	readonly absent: readonly string[];
	/** Why the lists may be incomplete; empty if they are not. */
	readonly unknown: readonly string[];
	/**
	 * Placeholders among `files` that may name further files once they are real: shared libraries and files of unknown
	 * type. Those of objects and archives are left out; whether an archive is thin, the command that makes it says.
	 */
	readonly pending: readonly string[];
}

/** Pure but for the probe: spawns nothing, and reads only the headers of objects and libraries. */
export function resolveLink(request: LinkRequest, probe: ReadOnlyProbe): LinkInputs {
	const resolver = new LinkResolver(request, probe);
	resolver.run();
	return resolver.result();
}

interface ScriptUse {
	readonly path: string;
	readonly state: InputState;
	/** -T: its SEARCH_DIRs come with the -L options. */
	readonly commandLine: boolean;
}

/** Scripts that include each other without end stop here. */
const MAX_SCRIPTS = 256;

class LinkResolver {
	private readonly request: LinkRequest;
	private readonly probe: ReadOnlyProbe;
	private readonly line: LinkLine;
	private readonly files = new Set<string>();
	private readonly absent = new Set<string>();
	private readonly unknown = new Set<string>();
	private readonly pending = new Set<string>();
	private readonly inspected = new Map<string, LinkFile>();
	private readonly shared: SharedInput[] = [];
	private readonly rpath: string[];
	private readonly commandDirs: string[];
	private readonly scriptDirs: string[] = [];
	private readonly target: LinkTarget | undefined;
	private scripts = 0;

	constructor(request: LinkRequest, probe: ReadOnlyProbe) {
		this.request = request;
		this.probe = probe;
		const { argv, cwd, env } = request;
		const expanded = expandResponseFiles(argv.slice(1), cwd, (path) => readText(probe, path, 64 << 20));
		for (const name of expanded.files) this.files.add(this.absolute(name));
		this.line = readLinkLine(expanded.args);
		for (const reason of this.line.unknown) this.unknown.add(reason);
		for (const word of expanded.args) {
			if (word.startsWith("@")) this.unknown.add(`response file ${word.slice(1)} cannot be read`);
		}
		if (env.has("GNUTARGET")) this.unknown.add("GNUTARGET is set");
		this.rpath = [...this.line.rpath];
		this.commandDirs = this.line.libraryDirs.map((dir) => this.rooted(dir));
		this.target = this.findTarget();
	}

	result(): LinkInputs {
		const { files, absent, unknown, pending } = this;
		return { files: [...files], absent: [...absent], unknown: [...unknown], pending: [...pending] };
	}

	run(): void {
		const { line } = this;
		for (const name of line.inputs) this.named(name);
		let replaced = line.nostdlib;
		for (const name of line.scripts) if (this.commandScript(name)) replaced = true;
		for (const name of line.lists) this.searched(name);
		if (!replaced) this.scriptDirs.unshift(...this.request.searchDirs.map((dir) => this.rooted(dir)));
		for (const statement of line.statements) this.open(statement);
		// gold and lld judge shared libraries by those on the command line; only ld.bfd goes looking for more.
		if (this.request.flavour === "bfd" && line.followsNeeded && this.shared.length > 0) this.followNeeded();
	}

	private findTarget(): LinkTarget | undefined {
		const { env, emulation } = this.request;
		const name = this.line.emulation ?? env.get("LDEMULATION") ?? emulation;
		if (name !== undefined) {
			const target = emulationTarget(name);
			if (target === undefined) this.unknown.add(`emulation ${name}`);
			return target;
		}
		for (const { kind, name: file } of this.line.statements) {
			const found = kind === "file" ? this.inspect(this.absolute(file)) : undefined;
			if (found?.kind === "elf") return { ...found.elf, format: undefined };
		}
		this.unknown.add("the target of the link");
		return undefined;
	}

	/** Returns whether the script takes the place of the built-in one, and with it of its SEARCH_DIRs. */
	private commandScript(name: string): boolean {
		const path = this.searched(name);
		const file = path === undefined ? undefined : this.inspect(path);
		if (path === undefined || file === undefined) return false;
		if (file.kind !== "script") {
			this.unknown.add(`linker script ${name} is ${file.kind === "placeholder" ? "not made yet" : "none"}`);
			return false;
		}
		this.script(file.script, { path, state: this.line.finalState, commandLine: true });
		return file.script.kind === "script" && !file.script.insert;
	}

	/** A file opened by exactly this name. */
	private named(name: string): string | undefined {
		if (this.request.temporaries?.has(name)) return undefined;
		const path = this.absolute(name);
		return this.tryOpen(path) === undefined ? undefined : path;
	}

	/** Scripts and lists: as named, then in the library directories. */
	private searched(name: string): string | undefined {
		const candidates = [this.absolute(name)];
		if (!name.startsWith("/")) candidates.push(...this.dirs().map((dir) => `${dir}/${name}`));
		return candidates.find((path) => this.tryOpen(path) !== undefined);
	}

	private open({ kind, name, state }: LinkStatement): void {
		if (kind === "library") {
			this.library(name, state);
			return;
		}
		const { flavour } = this.request;
		if (kind === "rpath-or-symbols" && (flavour === "lld" || this.probe.stat(this.absolute(name)) === "directory")) {
			this.rpath.push(...name.split(":"));
			return;
		}
		const path = this.named(name);
		if (path !== undefined && kind === "file" && !state.raw) this.content(path, state);
	}

	private dirs(): string[] {
		return [...this.commandDirs, ...this.scriptDirs];
	}

	private library(name: string, state: InputState): void {
		const onlyStatic = this.line.relocatable || (this.request.flavour === "gold" && this.line.static);
		const names = name.startsWith(":")
			? [name.slice(1)]
			: state.dynamic && !onlyStatic
				? [`lib${name}.so`, `lib${name}.a`]
				: [`lib${name}.a`];
		const candidates = this.dirs().flatMap((dir) => names.map((file) => `${dir}/${file}`));
		const found = this.firstUsable(candidates, `-l${name}`, state);
		const given = found !== undefined && this.commandDirs.some((dir) => found.startsWith(`${dir}/`));
		// gold does not print them, and distributions add their own.
		if (this.request.flavour === "gold" && !given) this.unknown.add(`-l${name} is left to gold's own directories`);
	}

	/** Takes the first candidate that fits the target; those before it are opened, looked at and left. */
	private firstUsable(candidates: readonly string[], wanted: string, state: InputState): string | undefined {
		for (const path of candidates) {
			const file = this.tryOpen(path);
			if (file === undefined) continue;
			if (this.fits(file)) {
				this.content(path, state);
				return path;
			}
			if (this.request.flavour === "lld") return path;
			if (this.request.flavour === "gold") this.unknown.add(`${path} does not fit when searching for ${wanted}`);
		}
		return undefined;
	}

	private fits(file: LinkFile): boolean {
		const { target } = this;
		if (target === undefined) return true;
		if (file.kind === "elf") return sameTarget(file.elf, target);
		if (file.kind === "archive") return file.elf === undefined || sameTarget(file.elf, target);
		if (file.kind !== "script" || file.script.kind !== "script" || target.format === undefined) return true;
		const formats = file.script.outputFormats;
		return formats.length === 0 || formats.includes(target.format);
	}

	/** Follows what an opened input names in turn. */
	private content(path: string, state: InputState): void {
		const file = this.inspect(path);
		switch (file.kind) {
			case "elf":
				if (file.elf.type === 3) this.shared.push({ path, elf: file.elf });
				break;
			case "archive":
				for (const member of file.thinMembers) this.thinMember(member, state);
				break;
			case "script":
				this.script(file.script, { path, state, commandLine: false });
				break;
			case "placeholder":
				if (!/\.(o|a|lo|obj)$/.test(path)) this.pending.add(path);
				break;
			case "unknown":
				this.unknown.add(file.reason);
				break;
			case "absent":
			case "bitcode":
				break;
		}
	}

	private thinMember(path: string, state: InputState): void {
		if (this.files.has(path)) return;
		if (this.tryOpen(path)?.kind === "archive") this.content(path, state);
	}

	private script(script: LinkerScript, use: ScriptUse): void {
		const problem = script.kind === "unknown" ? script.reason : ++this.scripts > MAX_SCRIPTS ? "too many scripts" : "";
		if (script.kind === "unknown" || problem !== "") {
			this.unknown.add(`linker script ${use.path}: ${problem}`);
			return;
		}
		const dirs = use.commandLine ? this.commandDirs : this.scriptDirs;
		dirs.push(...script.searchDirs.map((dir) => this.rooted(dir)));
		for (const entry of script.entries) this.scriptEntry(entry, use);
	}

	private scriptEntry(entry: ScriptEntry, use: ScriptUse): void {
		switch (entry.kind) {
			case "include": {
				const path = this.searched(entry.name);
				const file = path === undefined ? undefined : this.inspect(path);
				if (path !== undefined && file?.kind === "script") this.script(file.script, { ...use, path });
				else this.unknown.add(`linker script ${use.path}: INCLUDE ${entry.name} cannot be read`);
				break;
			}
			case "library":
				this.library(entry.name, use.state);
				break;
			case "section-file":
				this.named(entry.name);
				break;
			case "file":
				this.scriptFile(entry.name, use);
				break;
		}
	}

	/** ld 2.40 looks beside the script first, older ones do not: if that makes a difference, it is reported. */
	private scriptFile(name: string, { path: from, state }: ScriptUse): void {
		const { sysroot } = this.line;
		if (/^(\/|=|\$SYSROOT)/.test(name)) {
			const inRoot = name.startsWith("/") && sysroot !== "" && from.startsWith(`${sysroot}/`);
			this.firstUsable([inRoot ? sysroot + name : this.rooted(name)], name, state);
			return;
		}
		const near = [...new Set([`${dirname(from)}/${name}`, this.absolute(name)])];
		if (near.filter((path) => this.probe.stat(path) === "file").length > 1) {
			for (const path of near) this.tryOpen(path);
			this.unknown.add(`linker script ${from}: ${name} is both beside it and in the working directory`);
		}
		this.firstUsable([...near, ...this.dirs().map((dir) => `${dir}/${name}`)], name, state);
	}

	private followNeeded(): void {
		const { cwd, env } = this.request;
		const { sysroot, rpathLink } = this.line;
		const request = {
			shared: this.shared,
			target: this.target ?? this.shared[0]!.elf,
			cwd,
			sysroot,
			rpathLink,
			rpath: this.rpath,
			runPath: env.get("LD_RUN_PATH"),
			libraryPath: env.get("LD_LIBRARY_PATH"),
			scriptDirs: this.scriptDirs,
		};
		for (const path of resolveNeeded(request, this.probe, (file) => this.tryOpen(file)).pending) this.pending.add(path);
	}

	/** Records the attempt. */
	private tryOpen(path: string): LinkFile | undefined {
		const file = this.inspect(path);
		(file.kind === "absent" ? this.absent : this.files).add(path);
		return file.kind === "absent" ? undefined : file;
	}

	private inspect(path: string): LinkFile {
		const known = this.inspected.get(path);
		if (known !== undefined) return known;
		const file = inspectLinkFile(path, this.probe);
		this.inspected.set(path, file);
		return file;
	}

	private absolute(path: string): string {
		return path.startsWith("/") ? path : `${this.request.cwd}/${path}`;
	}

	/** `=` and `$SYSROOT` at the front stand for --sysroot. */
	private rooted(dir: string): string {
		const match = /^(?:=|\$SYSROOT)(.*)$/.exec(dir);
		return this.absolute(match === null ? dir : this.line.sysroot + match[1]!);
	}
}
