import { realpathSync } from "node:fs";
import { posix } from "node:path";
import type { Thunk } from "../../thunk/types.js";

/**
 * Kinds of command that were compared, byte for byte, with a run at their own paths: compiles and assemblies by gcc's drivers
 * (test/e2e/relocated.test.ts). What else a flag may do with names is not known, so a flag that is not of these keeps the
 * command where there are namespaces.
 */
const FLAGS: readonly RegExp[] = [
	/^-[IDU]/,
	/^-(?:isystem|iquote|idirafter|include|imacros|MF|MT|MQ|x|o)/,
	/^-(?:c|v|pipe|pthread|ansi|w|MD|MMD|MP)$/,
	/^-(?:O|g|std=|W(?!l,|a,|p,)|pedantic)/,
	/^-f(?:no-)?(?:PIC|pic|PIE|pie|common|exceptions|rtti|inline|omit-frame-pointer|strict-aliasing|builtin|math-errno)$/,
	/^-f(?:no-)?(?:signed-zeros|tree-vectorize|tree-slp-vectorize|stack-protector(?:-strong)?|unwind-tables|asynchronous-unwind-tables)$/,
	/^-f(?:no-)?(?:function-sections|data-sections|unsafe-math-optimizations|fast-math|wrapv|permissive|char8_t)$/,
	/^-f(?:visibility=|visibility-inlines-hidden|diagnostics-color=(?:never|auto)|max-errors=|stack-clash-protection|cf-protection)/,
	/^-m(?:32|64|sse[0-9.]*|avx2?|fma|no-red-zone|tune=generic|arch=x86-64(?:-v[234])?|stackrealign)$/,
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

/** True for a command that gives the same bytes where a worker allows no namespace. */
export function isRelocatable(thunk: Thunk): boolean {
	if (thunk.cwd === "" || thunk.inout.length > 0 || !thunk.args.includes("-c")) return false;
	if (thunk.envars.some((line) => ENVIRONMENT.test(line))) return false;
	for (let i = 1; i < thunk.args.length; i++) {
		const arg = thunk.args[i]!;
		if (WITH_VALUE.has(arg)) i += 1;
		else if (arg.startsWith("-") ? !FLAGS.some((flag) => flag.test(arg)) : !SOURCE.test(arg)) return false;
	}
	const driver = thunk.executables[0]?.name ?? "";
	return DRIVER.test(posix.basename(driver)) || DRIVER.test(posix.basename(real(driver)));
}

function real(path: string): string {
	try {
		return realpathSync(path);
	} catch {
		return path;
	}
}
