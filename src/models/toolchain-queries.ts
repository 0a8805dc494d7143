/** The questions put to a compiler driver or linker at run time, and how the answers are read. Pure. */

export type ToolFamily = "gcc" | "clang" | "gnu-ld" | "gold" | "lld" | "binutils" | "llvm" | "other";

/** From the first lines of `--version`; `tool` is the name it was asked by. */
export function toolFamily(tool: string, version: string): ToolFamily {
	if (/^GNU gold\b/m.test(version)) return "gold";
	if (/^(\S.*)?\bLLD\b/m.test(version)) return "lld";
	if (/^GNU ld\b/m.test(version)) return "gnu-ld";
	if (/\bclang version\b/.test(version)) return "clang";
	if (
		/Free Software Foundation/.test(version) &&
		/(^|-)(gcc|g\+\+|cc|c\+\+|cpp|gfortran|c89|c99)(-[\d.]+)?$/.test(tool)
	) {
		return "gcc";
	}
	if (/^GNU\b.*\(GNU Binutils|GNU Binutils/m.test(version)) return "binutils";
	return /\bLLVM version\b/.test(version) ? "llvm" : "other";
}

export type DriverQuery =
	| { readonly about: "target" | "search-dirs" | "specs" | "resource-dir"; readonly args: readonly string[] }
	/** The answer is a path, or the bare name if the driver leaves it to PATH. */
	| { readonly about: "program"; readonly name: string; readonly args: readonly string[] }
	/** The answer is a path, or the bare name if there is no such file. */
	| { readonly about: "file"; readonly name: string; readonly args: readonly string[] };

export const GCC_PROGRAMS = ["as", "cc1", "cc1plus", "collect2", "lto-wrapper", "lto1"] as const;
const GCC_FILES = ["liblto_plugin.so", "specs"] as const;
/** clang looks for a gcc by its start files, even to compile. */
const CLANG_FILES = ["crtbegin.o", "libgcc.a"] as const;

/** `programs`: further names to resolve, e.g. `ld`, or `ld.gold` for -fuse-ld=gold. */
export function driverQueries(family: "gcc" | "clang", programs: readonly string[]): DriverQuery[] {
	const gcc = family === "gcc";
	return [
		{ about: "target", args: ["-dumpmachine"] },
		{ about: "search-dirs", args: ["-print-search-dirs"] },
		gcc ? { about: "specs", args: ["-dumpspecs"] } : { about: "resource-dir", args: ["-print-resource-dir"] },
		...[...(gcc ? GCC_PROGRAMS : ["as"]), ...programs].map(programQuery),
		...(gcc ? GCC_FILES : CLANG_FILES).map(fileQuery),
	];
}

export function programQuery(name: string): DriverQuery {
	return { about: "program", name, args: [`-print-prog-name=${name}`] };
}

export function fileQuery(name: string): DriverQuery {
	return { about: "file", name, args: [`-print-file-name=${name}`] };
}

export interface SearchDirs {
	readonly install: string | undefined;
	readonly programs: readonly string[];
	readonly libraries: readonly string[];
}

/** `-print-search-dirs` in the C locale. */
export function parseDriverDirs(stdout: string): SearchDirs {
	const value = (key: string): string | undefined => new RegExp(`^${key}: =?(.*)$`, "m").exec(stdout)?.[1];
	const list = (key: string): string[] => (value(key) ?? "").split(":").filter((dir) => dir !== "");
	return { install: value("install"), programs: list("programs"), libraries: list("libraries") };
}

/** Spec files that the built-in specs bring in on demand: `%:include(libgomp.spec)`. */
export function includedSpecs(dumpspecs: string): string[] {
	return [...new Set([...dumpspecs.matchAll(/%:include\(([^)]+)\)/g)].map((match) => match[1]!))].sort();
}

/** SEARCH_DIRs of GNU ld's built-in script, from `ld --verbose [-m EMULATION]`; gold and lld print none. */
export function parseSearchDirs(verbose: string): string[] {
	return [...verbose.matchAll(/SEARCH_DIR\("([^"]*)"\)/g)].map((match) => match[1]!);
}

/** gold's own where no distribution has changed them; lld has none. */
export const GOLD_SEARCH_DIRS: readonly string[] = ["=/lib", "=/usr/lib"];
