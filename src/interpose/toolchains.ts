import { readFileSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { readElf } from "../models/elf.js";
import { type CommandOutput, discoverToolchain } from "../models/toolchain.js";
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
	readonly v: 3;
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

/** Finds out what a tool consists of, once per tool and PATH. */
export class Toolchains {
	readonly #known = new Map<string, Toolchain>();
	readonly #running = new Map<string, Promise<Toolchain | undefined>>();
	readonly #facts: FileFacts;
	readonly #objects: ObjectStore;
	readonly #spawner: Spawner;
	readonly #folder: string;

	constructor(options: { facts: FileFacts; objects: ObjectStore; spawner: Spawner; cacheDir: string }) {
		this.#facts = options.facts;
		this.#objects = options.objects;
		this.#spawner = options.spawner;
		this.#folder = join(options.cacheDir, "toolchains");
	}

	static key(
		driver: string,
		path: string,
		env: ReadonlyMap<string, string>,
		helpers: readonly string[] | undefined,
	): string {
		const rest = ["LD_LIBRARY_PATH", "GCC_EXEC_PREFIX", "COMPILER_PATH", ...LOCALE].map((n) => env.get(n) ?? "");
		return [driver, path, ...rest, ...(helpers ?? ["not asked"])].join("\0");
	}

	/** What is known already, without waiting. `driver`: what the tool itself is now, where the build may have made it. */
	known(key: string, driver?: ObjectHash): Toolchain | undefined {
		const known = this.#known.get(key);
		return driver === undefined || known?.driverHash === driver ? known : undefined;
	}

	/** Undefined when the tool is gone. `helpers`: as in ThunkPlan; undefined for a tool that is not to be asked anything. */
	discover(
		key: string,
		driver: string,
		path: string,
		env: ReadonlyMap<string, string>,
		helpers: readonly string[] | undefined,
	): Promise<Toolchain | undefined> {
		let running = this.#running.get(key);
		if (running === undefined) {
			running = this.#discover(key, driver, path, env, helpers).then((found) => {
				if (found !== undefined) this.#known.set(key, found);
				this.#running.delete(key);
				return found;
			});
			this.#running.set(key, running);
		}
		return running;
	}

	async #discover(
		key: string,
		driver: string,
		path: string,
		env: ReadonlyMap<string, string>,
		helpers: readonly string[] | undefined,
	): Promise<Toolchain | undefined> {
		const file = join(this.#folder, DepCache.key([key]));
		const remembered = this.#remembered(file);
		if (remembered !== undefined) return this.#toolchain(driver, remembered);
		const relevant = new Map([["PATH", path]]);
		for (const name of ["LD_LIBRARY_PATH", "GCC_EXEC_PREFIX", "COMPILER_PATH", ...LOCALE]) {
			const value = env.get(name);
			if (value !== undefined) relevant.set(name, value);
		}
		const lines = [...relevant].filter(([n]) => !LOCALE.includes(n as never)).map(([n, v]) => `${n}=${v}`);
		const run = async (argv: readonly string[]): Promise<CommandOutput> => {
			const end = await this.#spawner.run({
				path: argv[0]!,
				argv,
				env: [...lines, "LC_ALL=C"],
				cwd: "/",
				stdio: "capture",
			}).done;
			if (end.kind === "not-started") return { status: 127, stdout: "", stderr: end.what };
			return { status: end.status, stdout: end.stdout.toString(), stderr: end.stderr.toString() };
		};
		const request = { tool: driver, cwd: "/", env: relevant };
		const found = await discoverToolchain(
			helpers === undefined ? { ...request, asks: false } : { ...request, helpers },
			{ ...systemProbe, run },
		);
		if (found === undefined) return undefined;
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
		const folders = new Set([posix.dirname(driver), ...found.programs.map((p) => posix.dirname(p.path))]);
		const record: Remembered = {
			v: 3,
			files,
			links: found.links.map((l) => [l.path, l.target]),
			directories: found.directories,
			absent: found.absent,
			watched,
			path: [...folders].filter((f) => !/\/(?:gcc|llvm)[^/]*\//.test(f)).join(":"),
			traceable: found.programs.every((p) => isTraceable(p.path) || (helpers === undefined && isScript(p.path))),
			stampsTime:
				helpers !== undefined &&
				/(?:ar|ranlib)(?:-[0-9.]+)?$/.test(driver) &&
				!/\(default\)/.test((await run([driver, "--help"])).stdout.match(/.*zero for .*/)?.[0] ?? "(default)"),
			searchDirs: found.searchDirs,
		};
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
			if (record.v !== 3) return undefined;
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

/** ELF machine numbers of the architectures that gg runs on. */
const MACHINE: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

function isTraceable(path: string): boolean {
	const elf = readElf(path, systemProbe.read);
	return (
		elf.ok && elf.value.bits === 64 && elf.value.machine === MACHINE[process.arch] && elf.value.interp !== undefined
	);
}
