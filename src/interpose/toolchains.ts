import { readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { join, posix } from "node:path";
import { readElf } from "../models/elf.js";
import { type CommandOutput, discoverToolchain } from "../models/toolchain.js";
import { GCC_PROGRAMS } from "../models/toolchain-queries.js";
import type { ThunkPlan } from "../models/types.js";
import { DepCache } from "../store/depcache.js";
import type { FileFacts } from "../store/filefacts.js";
import type { ObjectStore } from "../store/types.js";
import { encodeTree } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { TreeEntry } from "../thunk/types.js";
import { writeFileAtomic } from "../util/files.js";
import { isThere } from "../util/paths.js";
import type { Spawner } from "../util/spawner.js";
import { systemProbe } from "./probe.js";
import { isScript } from "./tools.js";

/** A tool and everything it consists of, named by content. */
export interface Toolchain {
	/** Absolute path as found on PATH, links unresolved. */
	readonly driver: string;
	readonly driverHash: ObjectHash;
	/** A Tree object of all files, links and folders, relative to `/`. */
	readonly tree: ObjectHash;
	readonly files: ReadonlySet<string>;
	/** PATH for its thunks: the folders in which it finds its helpers. */
	readonly path: string;
	/** False when a program of it is static, a script or of another architecture: gg-view.so cannot be loaded. */
	readonly traceable: boolean;
	/** An archiver that writes times and owners unless told otherwise. */
	readonly stampsTime: boolean;
	/** Where its linker looks for libraries by itself. */
	readonly searchDirs: readonly string[];
}

/** What is remembered between sessions, and holds as long as every file and every absence is as it was. */
interface Remembered {
	readonly v: 4;
	readonly files: readonly (readonly [path: string, hash: ObjectHash, executable: boolean])[];
	readonly links: readonly (readonly [path: string, target: string])[];
	readonly directories: readonly string[];
	readonly absent: readonly string[];
	/** They say that it is as it was, and are no part of it. */
	readonly watched: readonly (readonly [path: string, hash: ObjectHash])[];
	readonly path: string;
	readonly traceable: boolean;
	readonly stampsTime: boolean;
	readonly searchDirs: readonly string[];
}

const LOCALE = ["LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LANGUAGE"] as const;
const FOLDERS = ["LD_LIBRARY_PATH", "GCC_EXEC_PREFIX", "COMPILER_PATH"] as const;

/** A tool, and what decides which programs it starts; nothing in it depends on a working directory. */
export interface ToolRequest {
	readonly driver: string;
	readonly path: string;
	/** Those of FOLDERS and LOCALE that are set. */
	readonly env: ReadonlyMap<string, string>;
	/** As in ThunkPlan; undefined for a tool that is not to be asked anything. */
	readonly helpers: readonly string[] | undefined;
	readonly toolFolders: readonly string[];
}

/** `path`: PATH without wrappers. */
export function toolRequest(driver: string, path: string, request: Asking, plan: Asked): ToolRequest {
	const { cwd } = request;
	const from = (name: string): string => (name.startsWith("/") ? name : name === "" ? cwd : `${cwd}/${name}`);
	const helpers = plan.family === "generic" ? undefined : plan.helpers;
	const started = [...GCC_PROGRAMS, "ld", ...(helpers ?? [])];
	// A relative folder is another one for each directory: it counts where it has something to offer.
	const folders = path.split(":").flatMap((folder) => {
		if (folder.startsWith("/")) return [folder];
		return started.some((name) => isThere(posix.join(from(folder), name))) ? [from(folder)] : [];
	});
	const env = new Map<string, string>();
	for (const name of [...FOLDERS, ...LOCALE]) {
		const value = request.env.get(name);
		if (value !== undefined) env.set(name, value);
	}
	const prefix = env.get("GCC_EXEC_PREFIX");
	if (prefix !== undefined) env.set("GCC_EXEC_PREFIX", from(prefix));
	const programs = env.get("COMPILER_PATH");
	if (programs !== undefined) env.set("COMPILER_PATH", programs.split(":").map(from).join(":"));
	return { driver, path: folders.join(":"), env, helpers, toolFolders: (plan.toolFolders ?? []).map(from) };
}

type Asking = { readonly cwd: string; readonly env: ReadonlyMap<string, string> };
type Asked = Pick<ThunkPlan, "family" | "helpers" | "toolFolders">;

/** Finds out what a tool consists of, once per tool and PATH. */
export class Toolchains {
	readonly #known = new Map<string, Toolchain>();
	readonly #running = new Map<string, Promise<Toolchain | undefined>>();
	readonly #facts: FileFacts;
	readonly #objects: ObjectStore;
	readonly #spawner: Spawner;
	readonly #folder: string;
	/** Nothing is remembered of any tool. */
	readonly #isFirst: boolean;

	constructor(options: { facts: FileFacts; objects: ObjectStore; spawner: Spawner; cacheDir: string }) {
		this.#facts = options.facts;
		this.#objects = options.objects;
		this.#spawner = options.spawner;
		this.#folder = join(options.cacheDir, "toolchains");
		this.#isFirst = !isThere(this.#folder);
	}

	static key({ driver, path, env, helpers, toolFolders }: ToolRequest): string {
		const rest = [...FOLDERS, ...LOCALE].map((n) => env.get(n) ?? "");
		const told = toolFolders.map((folder) => `-B${folder}`);
		return [driver, path, ...rest, ...(helpers ?? ["not asked"]), ...told].join("\0");
	}

	/** What is known already, without waiting. `driver`: what the tool itself is now, where the build may have made it. */
	known(key: string, driver?: ObjectHash): Toolchain | undefined {
		const known = this.#known.get(key);
		return driver === undefined || known?.driverHash === driver ? known : undefined;
	}

	/**
	 * Looks into a tool that will probably be called, while the build command makes up its mind or others are at work: its programs
	 * have to be read once for each user. Only where nothing was remembered yet. Never
	 * rejects.
	 */
	async expect(request: ToolRequest): Promise<void> {
		if (!this.#isFirst) return;
		const key = Toolchains.key(request);
		await this.discover(key, request).catch(() => this.#running.delete(key));
	}

	/** Undefined when the tool is gone. */
	discover(key: string, request: ToolRequest): Promise<Toolchain | undefined> {
		let running = this.#running.get(key);
		if (running === undefined) {
			running = this.#discover(key, request).then((found) => {
				if (found !== undefined) this.#known.set(key, found);
				this.#running.delete(key);
				return found;
			});
			this.#running.set(key, running);
		}
		return running;
	}

	async #discover(key: string, tool: ToolRequest): Promise<Toolchain | undefined> {
		const { driver, path, env, helpers, toolFolders } = tool;
		const file = join(this.#folder, DepCache.key([key]));
		const remembered = this.#remembered(file);
		if (remembered !== undefined) return this.#toolchain(driver, remembered);
		const relevant = new Map([["PATH", path], ...env]);
		const lines = [...relevant].filter(([n]) => !LOCALE.includes(n as never)).map(([n, v]) => `${n}=${v}`);
		// An answer that was cut off, because gg ends, is none: nothing may be remembered of it.
		let cut = false;
		const run = async (argv: readonly string[]): Promise<CommandOutput> => {
			const end = await this.#spawner.run({
				path: argv[0]!,
				argv,
				env: [...lines, "LC_ALL=C"],
				cwd: "/",
				stdio: "capture",
			}).done;
			if (end.kind === "not-started") {
				cut ||= end.errno !== constants.errno.ENOENT;
				return { status: 127, stdout: "", stderr: end.what };
			}
			cut ||= end.signal !== 0;
			return { status: end.status, stdout: end.stdout.toString(), stderr: end.stderr.toString() };
		};
		const request = { tool: driver, cwd: "/", env: relevant };
		const found = await discoverToolchain(
			helpers === undefined ? { ...request, asks: false } : { ...request, helpers, toolFolders },
			{ ...systemProbe, run },
		);
		if (found === undefined || cut) return undefined;
		await this.#facts.readAhead(found.files);
		const files: [string, ObjectHash, boolean][] = [];
		for (const f of found.files) {
			const fact = this.#facts.get(f);
			if (fact !== undefined) files.push([f, fact.hash, fact.executable]);
		}
		const watched: [string, ObjectHash][] = [];
		for (const path of found.watched) {
			const fact = this.#facts.get(path);
			if (fact !== undefined) watched.push([path, fact.hash]);
		}
		const folders = [driver, ...found.programs.map((p) => p.path)].map((p) => posix.dirname(p));
		const record: Remembered = {
			v: 4,
			files,
			links: found.links.map((l) => [l.path, l.target]),
			directories: found.directories,
			absent: found.absent,
			watched,
			path: pathFor(folders, path),
			traceable: found.programs.every((p) => isTraceable(p.path) || (helpers === undefined && isScript(p.path))),
			stampsTime:
				helpers !== undefined &&
				/(?:ar|ranlib)(?:-[0-9.]+)?$/.test(driver) &&
				!/\(default\)/.test((await run([driver, "--help"])).stdout.match(/.*zero for .*/)?.[0] ?? "(default)"),
			searchDirs: found.searchDirs,
		};
		if (cut) return undefined;
		try {
			writeFileAtomic(file, JSON.stringify(record), 0o600);
		} catch {
			// It will be found out again next time.
		}
		return this.#toolchain(driver, record);
	}

	#remembered(file: string): Remembered | undefined {
		try {
			const record = JSON.parse(readFileSync(file, "utf8")) as Remembered;
			if (record.v !== 4) return undefined;
			const decisive = [...record.files, ...record.watched];
			if (!decisive.every(([path, hash]) => this.#facts.get(path)?.hash === hash)) return undefined;
			if (!record.links.every(([path, target]) => readlinkSync(path) === target)) return undefined;
			if (record.absent.some((path) => isThere(path))) return undefined;
			return record;
		} catch {
			return undefined;
		}
	}

	#toolchain(driver: string, record: Remembered): Toolchain | undefined {
		const driverHash = this.#facts.get(driver)?.hash;
		if (driverHash === undefined) return undefined;
		const entries: TreeEntry[] = record.files.map(([path, hash, executable]) => ({
			name: path.slice(1),
			hash,
			kind: executable ? "executable" : "file",
		}));
		for (const [path, target] of record.links) {
			entries.push({ name: path.slice(1), hash: this.#objects.put(Buffer.from(target)), kind: "link" });
		}
		for (const path of record.directories) {
			entries.push({ name: path.slice(1), hash: this.#objects.put(Buffer.alloc(0)), kind: "directory" });
		}
		const files = new Set(record.files.map(([path]) => path));
		for (const [path] of [...record.links, ...record.watched]) files.add(path);
		return {
			driver,
			driverHash,
			tree: this.#objects.put(encodeTree(entries.filter((e) => e.name !== ""))),
			files,
			path: record.path,
			traceable: record.traceable,
			stampsTime: record.stampsTime,
			searchDirs: record.searchDirs,
		};
	}
}

/** Those of a tool's folders that are on PATH, in its order: what stands first is started. Then the others, but for those that
 * a driver finds by itself. */
function pathFor(folders: readonly string[], path: string): string {
	const needed = new Set(folders);
	const onPath = path.split(":").filter((folder) => needed.has(folder.replace(/(?<=.)\/+$/, "")));
	const others = [...needed].filter((folder) => !/\/(?:gcc|llvm)[^/]*\//.test(folder));
	return [...new Set([...onPath, ...others])].join(":");
}

/** ELF machine numbers of the architectures that gg runs on. */
const MACHINE: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

function isTraceable(path: string): boolean {
	const elf = readElf(path, systemProbe.read);
	return (
		elf.ok && elf.value.bits === 64 && elf.value.machine === MACHINE[process.arch] && elf.value.interp !== undefined
	);
}
