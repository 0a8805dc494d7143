import { createHash } from "node:crypto";
import {
	accessSync,
	closeSync,
	constants,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	realpathSync,
	statSync,
	symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { errorCode, makeFolders, statIfThere, writeFileAtomic } from "../util/files.js";
import { RACY_MS } from "../util/look.js";

/** What the names of caught tools end with: a prefix (`arm-none-eabi-gcc`) and a version (`gcc-12`) may stand around it. */
const TOOLS =
	"gcc g++ cc c++ cpp clang clang++ ld ar as ranlib strip nm gcc-ar gcc-nm gcc-ranlib ld.bfd ld.gold ld.lld lld objcopy nasm yasm windres dlltool " +
	// Compilers without a model, whose own assembler and linker gg would see otherwise.
	"gfortran gdc gccgo gnatbind gnatlink gnatmake ldc2 dmd rustc c89 c99";
/** Without a model, and caught where a placeholder may stand: they read what was built. The second ones bare only. */
const READERS = "addr2line dwp elfedit objdump readelf size strings";
const BARE_READERS =
	"b2sum bzip2 chrpath cksum cmp cpio dd dwz file gzip hexdump ldd lzma md5sum od patchelf sha1sum sha224sum sha256sum " +
	"sha384sum sha512sum sum tar wc xxd xz zip zstd";
const CAUGHT = new RegExp(
	`^(?:(?:[A-Za-z0-9_]+(?:-[A-Za-z0-9_.]+)*-)?(?:${alternatives(`${TOOLS} ${READERS}`)})(?:-[0-9]+(?:\\.[0-9]+)*)?|(?:${alternatives(BARE_READERS)}))$`,
);
/** Named like tools, but not: wrappers and launchers that start the tools themselves. */
const NOT_TOOLS = /^(?:ccache|distcc|icecc|sccache|colorgcc)-/;
const LAUNCHER = /\/(?:ccache|distcc|icecc|sccache)$/;
export const FORCE_AND_RUN = "gg-force-and-run";

function alternatives(words: string): string {
	return words.replaceAll(/[+.]/g, "\\$&").replaceAll(" ", "|");
}

export function isToolName(name: string): boolean {
	return CAUGHT.test(name) && !NOT_TOOLS.test(name);
}

/**
 * What names of tools end with, as gg-supervise wants it: `=` before those that are caught bare only, `!` before described
 * ones. Readers wait where they
 * open a file; but tar and its like notice that a folder changes while they read it.
 */
export function toolWords(readers: boolean, more: readonly string[] = []): string {
	const bare = BARE_READERS.replaceAll(/\S+/g, "=$&");
	const ours = (readers ? `${TOOLS} ${READERS} ${bare}` : TOOLS).replaceAll(" ", ",");
	return [ours, ...more.map((name) => `!${name}`)].join(",");
}

/** `more`: names that count as tools beyond ours. */
export function findTools(path: string, more: ReadonlySet<string> = new Set()): string[] {
	const names = new Set<string>();
	for (const folder of path.split(":")) {
		if (!folder.startsWith("/")) continue;
		let entries: string[];
		try {
			entries = readdirSync(folder);
		} catch {
			continue;
		}
		for (const name of entries) if (isToolName(name) || more.has(name)) names.add(name);
	}
	return [...names].sort();
}

/**
 * A folder with a link to the shim for each name. It is named by its content and kept, so that a build directory that was
 * configured with it works later, without a session, too.
 */
export function makeWrapperFolder(cacheDir: string, shim: string, names: readonly string[]): string {
	const key = createHash("sha256")
		.update([shim, ...names].join("\0"))
		.digest("hex")
		.slice(0, 16);
	const folder = join(cacheDir, "wrappers", key);
	if (isWrapperFolder(folder)) return folder;
	makeFolders(folder);
	for (const name of [...names, FORCE_AND_RUN]) {
		try {
			symlinkSync(shim, join(folder, name));
		} catch (error) {
			if (errorCode(error) !== "EEXIST") throw error;
		}
	}
	return folder;
}

function isWrapperFolder(folder: string): boolean {
	return statSync(join(folder, FORCE_AND_RUN), { throwIfNoEntry: false }) !== undefined;
}

/** Which folder of wrappers a PATH came to, and the folders of that PATH as they were then. */
interface KnownWrappers {
	readonly v: 2;
	readonly shim: string;
	/** By what rules names are chosen. */
	readonly rules: string;
	readonly path: string;
	/** Device, inode and times of each; null for one that is not there. */
	readonly folders: readonly (readonly number[] | null)[];
	readonly wrappers: string;
}

/** The wrappers for a PATH without wrapper folders: the listings of its folders are read again once one of them has changed. */
export function wrappersFor(cacheDir: string, shim: string, path: string, more: ReadonlySet<string>): string {
	const file = join(cacheDir, "wrappers", "known");
	const folders = statesOf(path);
	const rules = [CAUGHT.source, ...[...more].sort()].join(" ");
	const known = readKnown(file);
	if (
		known?.shim === shim &&
		known.rules === rules &&
		known.path === path &&
		JSON.stringify(known.folders) === JSON.stringify(folders) &&
		isWrapperFolder(known.wrappers)
	) {
		return known.wrappers;
	}
	const wrappers = makeWrapperFolder(cacheDir, shim, findTools(path, more));
	// One that changed just now may change again without a sign.
	const latest = Math.max(0, ...folders.flatMap((f) => f?.slice(2) ?? []));
	if (Date.now() - latest > RACY_MS) {
		try {
			writeFileAtomic(
				file,
				JSON.stringify({ v: 2, shim, rules, path, folders, wrappers } satisfies KnownWrappers),
				0o600,
			);
		} catch {
			// They are looked for again next time.
		}
	}
	return wrappers;
}

function statesOf(path: string): (readonly number[] | null)[] {
	return path.split(":").map((folder) => {
		if (!folder.startsWith("/")) return null;
		try {
			const s = statIfThere(folder);
			return s === undefined ? null : [s.dev, s.ino, s.mtimeMs, s.ctimeMs];
		} catch {
			// Another user's, as after sudo: nothing in it can be started either.
			return null;
		}
	});
}

function readKnown(file: string): KnownWrappers | undefined {
	try {
		const known = JSON.parse(readFileSync(file, "utf8")) as KnownWrappers | null;
		return known?.v === 2 ? known : undefined;
	} catch {
		return undefined;
	}
}

/** True for a compiler that is a script. */
export function isScript(path: string): boolean {
	let fd: number;
	try {
		fd = openSync(path, "r");
	} catch {
		return false;
	}
	try {
		const head = Buffer.alloc(2);
		return readSync(fd, head, 0, 2, 0) === 2 && head.toString("latin1") === "#!";
	} finally {
		closeSync(fd);
	}
}

/** PATH without the folders in which the shim stands, and where tools are on it. */
export class ToolPaths {
	readonly #shim: { dev: number; ino: number };
	readonly #clean = new Map<string, string>();
	readonly #found = new Map<string, string | undefined>();
	readonly #real = new Map<string, boolean>();

	constructor(shim: string) {
		const s = statSync(shim);
		this.#shim = { dev: s.dev, ino: s.ino };
	}

	/** Takes the wrapper folders out of a PATH. */
	withoutWrappers(path: string): string {
		let clean = this.#clean.get(path);
		if (clean === undefined) {
			clean = path
				.split(":")
				.filter((folder) => !this.#isShim(join(folder === "" ? "." : folder, FORCE_AND_RUN)))
				.join(":");
			this.#clean.set(path, clean);
		}
		return clean;
	}

	/** The real tool, links unresolved; `cleanPath` has no wrapper folder. Its relative folders lead from `cwd`. */
	find(tool: string, cleanPath: string, cwd: string): string | undefined {
		const folders = cleanPath.split(":");
		const key = `${tool}\0${cleanPath}\0${folders.every((folder) => folder.startsWith("/")) ? "" : cwd}`;
		if (this.#found.has(key)) return this.#found.get(key);
		let found: string | undefined;
		for (const folder of folders) {
			const candidate = folder.startsWith("/") ? `${folder}/${tool}` : join(cwd, folder, tool);
			try {
				accessSync(candidate, constants.X_OK);
				if (!statSync(candidate).isFile() || this.#isShim(candidate)) continue;
				// `gcc` in ccache's folder is ccache: the compiler behind it gives the same bytes, and gg keeps them itself.
				if (LAUNCHER.test(realpathSync(candidate))) continue;
				found = candidate;
				break;
			} catch {
				// Not in this folder.
			}
		}
		this.#found.set(key, found);
		return found;
	}

	/** Where a tool is that was asked for by its whole path: there, if it is none of ours and no launcher. */
	isReal(asked: string): boolean {
		let real = this.#real.get(asked);
		if (real === undefined) {
			try {
				real = !LAUNCHER.test(realpathSync(asked)) && !this.#isShim(asked);
			} catch {
				real = false;
			}
			this.#real.set(asked, real);
		}
		return real;
	}

	#isShim(path: string): boolean {
		try {
			const s = statSync(path);
			return s.ino === this.#shim.ino && s.dev === this.#shim.dev;
		} catch {
			return false;
		}
	}
}
