import { realpathSync } from "node:fs";
import { posix } from "node:path";
import type { Thunk } from "../../thunk/types.js";

/**
 * Kinds of command that were compared, byte for byte, with a run at their own paths: compiles, assemblies and links by gcc's drivers,
 * assemblies by nasm, archives by binutils (test/e2e/relocated.test.ts). What else a flag may do with names is not known, so a flag that is not of these keeps the
 * command where there are namespaces.
 */
const FLAGS: readonly RegExp[] = [
	/^-[IDU]/,
	/^-(?:isystem|iquote|idirafter|include|imacros|MF|MT|MQ|x|o)/,
	/^-(?:c|v|pipe|pthread|ansi|w|MD|MMD|MP)$/,
	/^-(?:O|g(?!split)|std=|W(?!l,|a,|p,)|pedantic)/,
	// How code is made says nothing about names; what keeps, reads or numbers anything beside the object is not of these.
	/^-f(?!.*(?:analy|auto|branch|callgraph|compare|coverage|directives|dump|gnu-tm|instrument|ipa-bit|lto|module|offload|open|plugin|preprocessed|profile|random|record|report|repo|sanitize|save|split|stack-usage|syntax-only|test|time|verbose|working))[A-Za-z][A-Za-z0-9-]*$/,
	/^-f(?:visibility=|diagnostics-color=(?:never|auto)|max-errors=|stack-clash-protection|cf-protection|stack-limit-symbol=|inline-limit=|align-[a-z]+=|abi-version=)/,
	/^-m(?!.*=native)[a-z0-9][a-z0-9.-]*(?:=[a-z0-9.-]+)?$/,
	/^--param=[a-z0-9-]+=[0-9]+$/,
];
/** Of these the value may be the next word. */
const WITH_VALUE = new Set([
	"-I",
	"-D",
	"-U",
	"-isystem",
	"-iquote",
	"-idirafter",
	"-include",
	"-imacros",
	"-MF",
	"-MT",
	"-MQ",
	"-x",
	"-o",
	"--param",
]);
const SOURCE = /\.(?:c|i|cc|cp|cpp|cxx|c\+\+|C|ii|s|S)$/;
const DRIVER = /(?:^|-)(?:gcc|g\+\+)(?:-[0-9.]+)?$/;
/** What libc reads by itself would be the worker's. */
const ENVIRONMENT = /^(?:LD_|GCC_|COMPILER_PATH=|GLIBC_|MALLOC_)/;
const LOCALE = /^(?:LANG|LANGUAGE|LC_\w+)=(?!C$|POSIX$|$)/;

/** True where messages depend on files that libc opens by itself. What a compiler writes does not. */
export function hasLocale(thunk: Thunk): boolean {
	return thunk.envars.some((line) => LOCALE.test(line));
}

/** Words of a link besides those of a compile; an operand is an object or a library. */
const LINK_FLAGS: readonly RegExp[] = [
	/^-[lL]/,
	/^-(?:shared|static|static-libgcc|static-libstdc\+\+|pie|no-pie|rdynamic|s|nostdlib|nostartfiles|nodefaultlibs)$/,
];
const LINK_WITH_VALUE = new Set(["-o", "-l", "-L", "-I", "-D", "-U"]);
const LINK_INPUT = /\.(?:o|lo|a|so(?:\.[0-9]+)*)$/;
/** What `-Wl,` may hold, between its commas. */
const LD_WORD =
	/^(?:-O[0-9]|-E|-s|-S|--(?:no-)?as-needed|--no-undefined|--gc-sections|--export-dynamic|-Bsymbolic(?:-functions)?|-Bstatic|-Bdynamic|--start-group|--end-group|--(?:no-)?whole-archive|--(?:en|dis)able-new-dtags|--hash-style=(?:gnu|sysv|both)|--build-id(?:=sha1)?|--version-script=.*|-soname=.*|-rpath=.*)$/;
const LD_WITH_VALUE = /^(?:-z|-h|-soname|-rpath|--version-script)$/;
/** Operation and modifiers; thin archives and plugins of the command line are not of these. */
const AR_WORD = /^-?[rqcsuvD]+$/;
const MEMBER = /\.(?:o|lo|a)$/;
const ARCHIVERS = /(?:^|-)(?:ar|ranlib)$/;

/** Words of nasm, for objects of ELF; listings, -M by itself and yasm are not of these. */
const NASM_FLAGS: readonly RegExp[] = [
	/^-(?:D|U|I|i|P|p|d|u)./,
	/^-f ?elf(?:32|64|x32)?$/,
	/^-F ?(?:dwarf|stabs)$/,
	/^-(?:g|a|t|MP|O[0-9xv]*|[wW][a-z0-9+-]+(?:=error)?|X ?gnu)$/,
];
const NASM_WITH_VALUE = new Set(["-D", "-U", "-I", "-i", "-P", "-p", "-d", "-u", "-o", "-MD", "-MT", "-MQ", "-MF"]);
const NASM_SOURCE = /\.(?:asm|nasm|s|S)$/;

/** True for a command that gives the same bytes where a worker allows no namespace. */
export function isRelocatable(thunk: Thunk): boolean {
	if (thunk.cwd === "" || thunk.envars.some((line) => ENVIRONMENT.test(line))) return false;
	const program = thunk.executables[0]?.name ?? "";
	const names = [program, real(program)].map((path) => posix.basename(path));
	const args = thunk.args.slice(1);
	if (names.some((name) => DRIVER.test(name))) {
		if (thunk.inout.length > 0) return false;
		return args.includes("-c") ? isKnownCompile(args) : isKnownLink(args);
	}
	if (names.every((name) => name === "nasm")) return thunk.inout.length === 0 && isKnownNasm(args);
	// LLVM's and gcc's own have other names, and plugins of their own.
	if (!names.every((name) => ARCHIVERS.test(name) && !/llvm|gcc/.test(name))) return false;
	const operands = names[0]!.endsWith("ranlib") ? args : args.slice(1);
	return (operands === args || AR_WORD.test(args[0] ?? "")) && operands.every((operand) => MEMBER.test(operand));
}

function isKnownCompile(args: readonly string[]): boolean {
	return areKnown(args, WITH_VALUE, (arg) =>
		arg.startsWith("-") ? FLAGS.some((flag) => flag.test(arg)) : SOURCE.test(arg),
	);
}

function isKnownNasm(args: readonly string[]): boolean {
	// These two take one of a few words, which may be the next.
	const words = args.flatMap((arg, i) =>
		/^-[fFX]$/.test(arg) ? [`${arg} ${args[i + 1] ?? ""}`] : /^-[fFX]$/.test(args[i - 1] ?? "") ? [] : [arg],
	);
	return (
		words.some((word) => /^-f/.test(word)) &&
		areKnown(words, NASM_WITH_VALUE, (arg) =>
			arg.startsWith("-") ? NASM_FLAGS.some((flag) => flag.test(arg)) : NASM_SOURCE.test(arg),
		)
	);
}

function isKnownLink(args: readonly string[]): boolean {
	return areKnown(args, LINK_WITH_VALUE, (arg) => {
		if (arg.startsWith("-Wl,")) return areKnownToLd(arg.slice(4).split(","));
		if (!arg.startsWith("-")) return LINK_INPUT.test(arg);
		// These would stop before the link, or name files of another language.
		if (/^-(?:x|include|imacros|M)/.test(arg)) return false;
		return [...FLAGS, ...LINK_FLAGS].some((flag) => flag.test(arg));
	});
}

function areKnownToLd(words: readonly string[]): boolean {
	for (let i = 0; i < words.length; i++) {
		if (LD_WITH_VALUE.test(words[i]!)) i += 1;
		else if (!LD_WORD.test(words[i]!)) return false;
	}
	return true;
}

function areKnown(args: readonly string[], withValue: ReadonlySet<string>, isKnown: (arg: string) => boolean): boolean {
	for (let i = 0; i < args.length; i++) {
		if (withValue.has(args[i]!)) i += 1;
		else if (!isKnown(args[i]!)) return false;
	}
	return true;
}

const reals = new Map<string, string>();

/** The system's folders are looked at once. */
function real(path: string): string {
	let found = reals.get(path);
	if (found === undefined) {
		try {
			found = realpathSync(path);
		} catch {
			found = path;
		}
		reals.set(path, found);
	}
	return found;
}
