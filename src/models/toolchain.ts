import { hasElfMagic, readElf } from "./elf.js";
import { basename, dirname, loadedFiles, readLdSoConf, readText, type SystemProbe } from "./ld-so.js";
import { localeFiles } from "./locale-files.js";
import { closeOverLinks, type SymbolicLink, walkPath } from "./path-walk.js";
import {
	type DriverQuery,
	driverQueries,
	fileQuery,
	GOLD_SEARCH_DIRS,
	includedSpecs,
	parseDriverDirs,
	parseSearchDirs,
	type ToolFamily,
	toolFamily,
} from "./toolchain-queries.js";

export interface CommandOutput {
	readonly status: number;
	readonly stdout: string;
	readonly stderr: string;
}

/** The machine, as discovery sees it. */
export interface ToolchainProbe extends SystemProbe {
	/** Runs a tool in the C locale; never fails, a tool that cannot start has status 127. */
	run(argv: readonly string[]): Promise<CommandOutput>;
}

export interface ToolchainRequest {
	/** A name looked for in PATH, or a path; `gcc`, `clang++`, `ar`, `/opt/x/bin/ld`. */
	readonly tool: string;
	/** Absolute. */
	readonly cwd: string;
	/** PATH, LD_LIBRARY_PATH and the locale are used; PATH without wrappers. */
	readonly env: ReadonlyMap<string, string>;
	/** Programs to include beyond those that the tool always may start, by the names it looks for them: `ld.gold`. */
	readonly helpers?: readonly string[];
	/** Absolute folders, or beginnings of names, in which the command tells its driver to look for them first (-B). */
	readonly toolFolders?: readonly string[];
	/** False for a tool of which nothing is known: it is not run, and is what its file and its libraries are. */
	readonly asks?: false;
}

export interface ToolPath {
	readonly name: string;
	/** Absolute, links not followed, as whoever runs it spells it. */
	readonly path: string;
	/** Physical. */
	readonly resolved: string;
}

/** Every file that running a tool takes, its inputs aside. All lists are sorted by bytes unless an order matters. */
export interface Toolchain {
	readonly driver: ToolPath;
	readonly family: ToolFamily;
	/** First line of --version. */
	readonly version: string;
	/** -dumpmachine; empty for tools that are no drivers. */
	readonly target: string;
	readonly programs: readonly ToolPath[];
	/** ELF interpreters, as programs name them. */
	readonly loaders: readonly string[];
	/** Shared libraries of programs and plugins, as the loader spells them. */
	readonly libraries: readonly string[];
	/** Plugins, specs, locale data, files a driver tells the system by. */
	readonly extra: readonly string[];
	/** Built-in library directories of the first linker, in order, `=` standing for the sysroot. */
	readonly searchDirs: readonly string[];
	/** Candidates looked for and absent, in order of search. */
	readonly absent: readonly string[];
	/** Why the lists may be incomplete: a program that is a script, a library that is missing. */
	readonly unknown: readonly string[];
	/** For a namespace: bind these files (physical paths), make these links and directories. */
	readonly files: readonly string[];
	readonly links: readonly SymbolicLink[];
	readonly directories: readonly string[];
	/** Decide what was found, and are no part of it: whatever is installed on a system changes them. */
	readonly watched: readonly string[];
}

const LOADER_CACHE = "/etc/ld.so.cache";

/** Undefined if PATH has no such tool. */
export async function discoverToolchain(
	request: ToolchainRequest,
	probe: ToolchainProbe,
): Promise<Toolchain | undefined> {
	const discovery = new Discovery(request, probe);
	const driver = discovery.program(basename(request.tool), request.tool);
	if (driver === undefined) return undefined;
	if (request.asks === false)
		return discovery.result({ driver, family: "other", version: "", target: "", searchDirs: [] });
	const version = (await probe.run([driver.path, "--version"])).stdout;
	const family = toolFamily(basename(request.tool), version);
	const identity = { driver, family, version: version.split("\n")[0] ?? "" };
	if (family === "gcc" || family === "clang") {
		const { target, searchDirs } = await discovery.driver(driver, family);
		return discovery.result({ ...identity, target, searchDirs });
	}
	discovery.standalone(driver);
	await discovery.behind(driver);
	const searchDirs = await discovery.searchDirs(driver, family);
	return discovery.result({ ...identity, target: "", searchDirs });
}

type Identity = Pick<Toolchain, "driver" | "family" | "version" | "target" | "searchDirs">;

/** Which clang defaults hold is decided by the distribution (clang/lib/Driver/Distro.cpp). */
const DISTRIBUTION_FILES = [
	"/etc/os-release",
	"/usr/lib/os-release",
	"/etc/lsb-release",
	"/etc/debian_version",
	"/etc/redhat-release",
	"/etc/SuSE-release",
	"/etc/alpine-release",
	"/etc/arch-release",
	"/etc/gentoo-release",
] as const;

class Discovery {
	private readonly request: ToolchainRequest;
	private readonly probe: ToolchainProbe;
	private readonly confDirs: readonly string[];
	private readonly programs = new Map<string, ToolPath>();
	private readonly loaders = new Set<string>();
	private readonly libraries = new Set<string>();
	private readonly extra = new Set<string>();
	private readonly absent = new Set<string>();
	private readonly unknown = new Set<string>();
	private readonly directories = new Set<string>();
	private readonly opened = new Set<string>();
	/** The loader needs its cache to find a library. */
	private configured = false;

	constructor(request: ToolchainRequest, probe: ToolchainProbe) {
		this.request = request;
		this.probe = probe;
		this.confDirs = readLdSoConf(probe).dirs;
		if (this.optional("/etc/ld.so.preload")) {
			for (const path of (readText(probe, "/etc/ld.so.preload") ?? "").split(/[\s:]+/)) {
				if (path.startsWith("/")) this.plugin(path);
			}
		}
	}

	result(identity: Identity): Toolchain {
		for (const path of localeFiles(this.request.env, this.libraries, this.probe)) this.optional(path);
		const watched = !this.configured && this.probe.stat(LOADER_CACHE) === "file" ? [LOADER_CACHE] : [];
		if (watched.length === 0) this.optional(LOADER_CACHE);
		const paths = [this.loaders, this.libraries, this.extra, this.directories];
		const spelled = [...this.programs.values()].map(({ path }) => path);
		return {
			...identity,
			programs: [...this.programs.values()],
			loaders: [...this.loaders].sort(),
			libraries: [...this.libraries].sort(),
			extra: [...this.extra].sort(),
			absent: [...this.absent],
			unknown: [...this.unknown],
			watched,
			...closeOverLinks([...spelled, ...paths.flatMap((set) => [...set])], this.probe),
		};
	}

	/** Finds a program as execvp does, and takes in all that it loads. */
	program(name: string, command = name): ToolPath | undefined {
		const known = this.programs.get(name);
		if (known !== undefined) return known;
		const path = this.candidates(command).find((candidate) => {
			if (this.probe.stat(candidate) === "file") return true;
			this.absent.add(candidate);
			return false;
		});
		const resolved = path === undefined ? undefined : walkPath(path, this.probe).physical;
		if (path === undefined || resolved === undefined) return undefined;
		const tool = { name, path, resolved };
		this.programs.set(name, tool);
		this.executable(tool);
		return tool;
	}

	private candidates(command: string): string[] {
		const { cwd, env } = this.request;
		if (command.startsWith("/")) return [command];
		if (command.includes("/")) return [`${cwd}/${command}`];
		const dirs = (env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(":");
		return dirs.map((dir) => `${dir.startsWith("/") ? dir : `${cwd}/${dir}`}/${command}`);
	}

	private executable({ path, resolved }: ToolPath): void {
		if (this.opened.has(resolved)) return;
		this.opened.add(resolved);
		const head = this.probe.read(resolved, 0, 256) ?? new Uint8Array();
		if (hasElfMagic(head)) {
			this.load(resolved);
			return;
		}
		const shebang = /^#!\s*(\S+)/.exec(Buffer.from(head).toString("latin1"))?.[1];
		// A script may run anything; its interpreter at least is known.
		this.unknown.add(`${path} is ${shebang === undefined ? "no ELF program" : "a script"}`);
		if (shebang?.startsWith("/")) this.program(shebang);
	}

	private load(path: string): void {
		const { env } = this.request;
		const request = { program: path, libraryPath: env.get("LD_LIBRARY_PATH"), confDirs: this.confDirs };
		const loaded = loadedFiles(request, this.probe);
		if (loaded.interp !== undefined) this.loaders.add(loaded.interp);
		for (const library of loaded.libraries) this.libraries.add(library);
		for (const candidate of loaded.absent) this.absent.add(candidate);
		for (const name of loaded.missing) this.unknown.add(name);
		this.configured ||= loaded.configured;
	}

	/** A shared object that a program opens itself. */
	private plugin(path: string): void {
		const resolved = walkPath(path, this.probe).physical;
		if (resolved === undefined) {
			this.absent.add(path);
			return;
		}
		this.extra.add(path);
		if (this.opened.has(resolved) || !readElf(resolved, this.probe.read).ok) return;
		this.opened.add(resolved);
		this.load(resolved);
	}

	private optional(path: string): boolean {
		const there = this.probe.stat(path) === "file";
		(there ? this.extra : this.absent).add(path);
		return there;
	}

	private existing(dir: string): void {
		if (this.probe.stat(dir) === "directory") this.directories.add(dir);
	}

	async driver(driver: ToolPath, family: "gcc" | "clang"): Promise<Pick<Identity, "target" | "searchDirs">> {
		const queries = driverQueries(family, ["ld", ...(this.request.helpers ?? [])]);
		const answers = await this.ask(driver, queries);
		const target = answers.find(({ query }) => query.about === "target")?.answer.trim() ?? "";
		for (const { query, answer } of answers) this.take(query, answer);
		// It asks in vain for what is not there yet.
		for (const { query } of answers) {
			if (query.about !== "program") continue;
			for (const folder of this.request.toolFolders ?? [])
				for (const where of [folder, `${folder}/`, `${folder}/${target}/`]) {
					const candidate = `${where}${query.name}`;
					if (this.probe.stat(candidate) !== "file") this.absent.add(candidate);
				}
		}
		const specs = answers.find(({ query }) => query.about === "specs")?.answer ?? "";
		for (const { query, answer } of await this.ask(driver, includedSpecs(specs).map(fileQuery)))
			this.take(query, answer);
		if (family === "clang") for (const path of DISTRIBUTION_FILES) this.optional(path);
		const linker = this.programs.get("ld");
		return { target, searchDirs: linker === undefined ? [] : await this.searchDirs(linker) };
	}

	private async ask(driver: ToolPath, queries: readonly DriverQuery[]) {
		const told = (this.request.toolFolders ?? []).map((folder) => `-B${folder}`);
		return Promise.all(
			queries.map(async (query) => ({
				query,
				answer: (await this.probe.run([driver.path, ...told, ...query.args])).stdout,
			})),
		);
	}

	private take(query: DriverQuery, answer: string): void {
		const line = answer.trim();
		switch (query.about) {
			case "program":
				if (line !== "") this.program(query.name, line);
				break;
			case "file":
				if (!line.startsWith("/")) break;
				if (query.name.endsWith(".so")) this.plugin(line);
				else this.optional(line);
				break;
			case "search-dirs": {
				const { install, programs, libraries } = parseDriverDirs(answer);
				// A driver passes on only the directories that exist: the same must exist wherever it runs.
				for (const dir of [install ?? "", ...programs, ...libraries]) if (dir.startsWith("/")) this.existing(dir);
				break;
			}
			case "resource-dir":
				// Ignore lists of the sanitizers; the headers are found as any other include.
				for (const name of this.probe.readdir(`${line}/share`) ?? []) this.optional(`${line}/share/${name}`);
				this.existing(line);
				break;
			case "target":
			case "specs":
				break;
		}
	}

	/** BFD opens every plugin in these directories, relative to where the tool lies (bfd/plugin.c). */
	standalone({ name, path, resolved }: ToolPath): void {
		// One that serves another machine has a folder for that: ../x86_64-w64-mingw32/lib.
		const target = /^(.+)-[a-z+]+(?:-[\d.]+)?$/.exec(name)?.[1];
		const bins = new Set([dirname(path), dirname(resolved)]);
		for (const bin of bins) {
			const own = target === undefined ? [] : [`${bin}/../${target}/lib`];
			for (const parent of [`${bin}/../lib`, `${bin}/../lib64`, ...own]) {
				const triples = (this.probe.readdir(parent) ?? []).filter((name) => /-linux-/.test(name)).sort();
				for (const dir of [parent, ...triples.map((triple) => `${parent}/${triple}`)]) {
					for (const name of [...(this.probe.readdir(`${dir}/bfd-plugins`) ?? [])].sort()) {
						this.plugin(`${dir}/bfd-plugins/${name}`);
					}
				}
			}
		}
	}

	/** gcc-ar and its kin start ar with the plugin of the compiler beside them. */
	async behind({ name, path }: ToolPath): Promise<void> {
		const parts = /^(.*-)?gcc-(ar|nm|ranlib)(-[\d.]+)?$/.exec(name);
		if (parts === null) return;
		const [, target = "", base, version = ""] = parts;
		const tool = this.program(`${target}${base}`) ?? this.program(base!);
		if (tool !== undefined) this.standalone(tool);
		const compiler = `${dirname(path)}/${target}gcc${version}`;
		if (this.probe.stat(compiler) !== "file") return;
		this.take(
			fileQuery("liblto_plugin.so"),
			(await this.probe.run([compiler, "-print-file-name=liblto_plugin.so"])).stdout,
		);
		const { install } = parseDriverDirs((await this.probe.run([compiler, "-print-search-dirs"])).stdout);
		if (install !== undefined) this.existing(install);
	}

	async searchDirs(linker: ToolPath, known?: ToolFamily): Promise<string[]> {
		const version = known === undefined ? (await this.probe.run([linker.path, "--version"])).stdout : "";
		const family = known ?? toolFamily(linker.name, version);
		if (family === "gold") return [...GOLD_SEARCH_DIRS];
		return family === "gnu-ld" ? parseSearchDirs((await this.probe.run([linker.path, "--verbose"])).stdout) : [];
	}
}
