/** Headers that no #include names: those of the command line, and those that the compiler reads by itself. */

import type { Found, Lookup } from "./lookup.js";
import { Refusal } from "./refusal.js";
import type { ScanFiles, ScanSetup } from "./types.js";

/**
 * In the order in which they are read. Each is looked for when it is asked for, after the one before was read: a search
 * finds what those before it have found.
 */
export function* forcedHeaders(setup: ScanSetup, lookup: Lookup, files: ScanFiles): Generator<[Found, string]> {
	for (const f of setup.forced) if (f.kind === "imacros") yield [named(f.name, setup, lookup, files), f.name];
	for (const name of setup.implicit) {
		const found = lookup.bracket === undefined ? undefined : lookup.find(name, lookup.bracket, "implicit");
		if (found?.file !== undefined) yield [found, name];
	}
	for (const f of setup.forced) if (f.kind === "include") yield [named(f.name, setup, lookup, files), f.name];
}

function named(name: string, setup: ScanSetup, lookup: Lookup, files: ScanFiles): Found {
	const isClang = setup.flavour === "clang";
	if (isClang) refusePrecompiled(name, lookup, files);
	const start = name.startsWith("/") ? lookup.noSearch : lookup.besides(isClang ? "" : "./", false);
	return lookup.find(name, start, "header");
}

/** clang takes NAME.pch or NAME.gch in the place of -include NAME. */
function refusePrecompiled(name: string, lookup: Lookup, files: ScanFiles): void {
	for (const ending of [".pch", ".gch"]) {
		const path = lookup.absolute(name + ending);
		if (files.open(path) !== "absent") throw new Refusal("precompiled", path);
		lookup.absent.add(path);
	}
}
