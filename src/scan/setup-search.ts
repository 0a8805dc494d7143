import type { SearchDir } from "./types.js";

/** What stands at a path of the include path, links followed. */
export type FolderState =
	/** Equal identities: the same folder. */
	| { readonly kind: "folder"; readonly identity: string }
	| { readonly kind: "absent" }
	/** No folder, or not to be looked at: the compiler has something to say about it. */
	| { readonly kind: "other" };

export interface SearchInput {
	readonly flavour: "gcc" | "clang";
	readonly quote: readonly string[];
	readonly bracket: readonly string[];
	readonly system: readonly string[];
	/** The compiler's own. */
	readonly own: readonly string[];
	readonly after: readonly string[];
}

export interface SearchPath {
	readonly quoteDirs: readonly SearchDir[];
	readonly bracketDirs: readonly SearchDir[];
	/** Folders that the command names and that are not there. */
	readonly missing: readonly string[];
}

interface Candidate extends SearchDir {
	readonly identity: string;
}

/**
 * The folders that are searched, as the compiler leaves out the missing and repeated ones: gcc's remove_duplicates in
 * libcpp's incpath.c, clang's RemoveDuplicates in InitHeaderSearch.cpp. Or why that is left to the
 * compiler.
 */
export function searchPath(
	input: SearchInput,
	look: (path: string) => FolderState,
): SearchPath | { readonly trouble: string } {
	const missing: string[] = [];
	let trouble: string | undefined;
	const present = (paths: readonly string[], system: boolean): Candidate[] =>
		paths.flatMap((path) => {
			const state = look(path);
			if (state.kind === "folder") return [{ path, system, identity: state.identity }];
			if (state.kind === "absent") missing.push(path);
			else trouble ??= `${path} is no folder`;
			return [];
		});
	const system = [...present(input.system, true), ...present(input.own, true), ...present(input.after, true)];
	const bracket = present(input.bracket, false);
	const quote = present(input.quote, false);
	if (trouble !== undefined) return { trouble };
	if (input.flavour === "clang") {
		// To it they have one name, the first that it met.
		const names = new Map<string, string>();
		for (const { path, identity } of [...quote, ...bracket, ...system]) {
			const other = names.get(identity);
			if (other !== undefined && other !== path) return { trouble: `${path} is also ${other}` };
			names.set(identity, path);
		}
	}
	// gcc looks only at what was last before the missing ones were left out.
	const endsThere = input.quote.length > 0 && !missing.includes(input.quote.at(-1)!);
	const found =
		input.flavour === "gcc" ? gccChains(quote, bracket, system, endsThere) : clangChains(quote, bracket, system);
	return { quoteDirs: found.quote.map(plain), bracketDirs: found.bracket.map(plain), missing };
}

function plain({ path, system }: Candidate): SearchDir {
	return { path, system };
}

function gccChains(quote: Candidate[], bracket: Candidate[], system: Candidate[], quoteEndsThere: boolean) {
	const systems = unique(system, new Set(), undefined);
	const inSystem = new Set(systems.map((d) => d.identity));
	const brackets = [...unique(bracket, inSystem, systems[0]), ...systems];
	return { quote: unique(quote, inSystem, quoteEndsThere ? brackets[0] : undefined), bracket: brackets };
}

/** Without what is in `taken`, what came before, and a last one that equals the first of the chain behind it. */
function unique(chain: Candidate[], taken: ReadonlySet<string>, join: Candidate | undefined): Candidate[] {
	const seen = new Set<string>();
	return chain.filter((dir, i) => {
		if (taken.has(dir.identity) || seen.has(dir.identity)) return false;
		if (i === chain.length - 1 && dir.identity === join?.identity) return false;
		seen.add(dir.identity);
		return true;
	});
}

function clangChains(quote: Candidate[], bracket: Candidate[], system: Candidate[]) {
	const kept: Candidate[] = [];
	for (const dir of [...bracket, ...system]) {
		const first = kept.findIndex((other) => other.identity === dir.identity);
		if (first >= 0) {
			// The system's folder stays where it is; a user's -I of it counts for nothing.
			if (!dir.system || kept[first]!.system) continue;
			kept.splice(first, 1);
		}
		kept.push(dir);
	}
	return { quote: unique(quote, new Set(), undefined), bracket: kept };
}
