/** The include scanner's contract. It says which files a run of the preprocessor opens, without running it: exact, or refused. */

/** A folder of the include path as the compiler spells it, after it dropped the missing and repeated ones. */
export interface SearchDir {
	/** As it appears in depfiles; relative ones are below the working directory. */
	readonly path: string;
	/** Files found here are system headers (left out of -MM and -MMD depfiles). */
	readonly system: boolean;
}

export type ScanLanguage = "c" | "c++" | "assembler";

export const FEATURE_TESTS = [
	"__has_attribute",
	"__has_builtin",
	"__has_c_attribute",
	"__has_cpp_attribute",
	"__has_declspec_attribute",
	"__has_extension",
	"__has_feature",
	"__has_warning",
	"__is_identifier",
] as const;
/** All that `ScanSetup.knows` can hold: words that behave like macros and are not listed by -dM. */
export const KNOWABLE_WORDS = [
	...FEATURE_TESTS,
	"__FILE_NAME__",
	"__building_module",
	"__has_embed",
	"__has_include",
	"__has_include_next",
] as const;
export type FeatureTest = (typeof FEATURE_TESTS)[number];

/** All that the flags, the environment and the compiler say; the same object for all commands that share them. */
export interface ScanSetup {
	readonly flavour: "gcc" | "clang";
	readonly language: ScanLanguage;
	/** -iquote, after the folder of the including file. */
	readonly quoteDirs: readonly SearchDir[];
	/** -I, -isystem, the compiler's own, -idirafter. */
	readonly bracketDirs: readonly SearchDir[];
	/** `#define` and `#undef` lines: the compiler's own, then -D and -U in their order. One character a byte (latin1). */
	readonly predefines: string;
	/** -imacros first, then -include, as the compiler orders them; names as given. */
	readonly forced: readonly { readonly kind: "include" | "imacros"; readonly name: string }[];
	/** Headers that the compiler reads by itself before the -include ones (stdc-predef.h): looked for like <name>, and it
	 * is no error if there is none. */
	readonly implicit: readonly string[];
	/** -fcanonical-system-headers: gcc spells a system header by its real path where that is shorter. */
	readonly canonicalSystemHeaders: boolean;
	/** -fmacro-prefix-map or -ffile-prefix-map: __FILE__ in a directive is not the name that we know. */
	readonly mapsFileNames: boolean;
	readonly dialect: {
		readonly trigraphs: boolean;
		readonly digraphs: boolean;
		/** `true`, `and`, `or` … in #if. */
		readonly cplusplus: boolean;
		readonly lineComments: boolean;
		readonly dollarInNames: boolean;
		/** `1'000`, `'` inside of pp-numbers (C++14, C23). */
		readonly digitSeparators: boolean;
		readonly rawStrings: boolean;
		/** #elifdef, #elifndef, #embed and others that depend on the version: false where they are unknown words. */
		readonly elifdef: boolean;
		readonly vaOpt: boolean;
	};
	/** Which of KNOWABLE_WORDS the compiler has (`#ifdef __has_builtin`). */
	readonly knows: ReadonlySet<string>;
	/** The compiler's answer; undefined: it was not asked yet (the scan answers `ask`). */
	feature(test: FeatureTest, argument: string): number | undefined;
}

/** What a path holds. */
export interface ScanFile {
	readonly content: Uint8Array;
	/** Same identity: same bytes (a hash). */
	readonly identity: string;
	/** When it was modified, in whole seconds, for `#pragma once` (gcc: equal content and equal st_mtime). */
	readonly seconds: number;
}

/** Files as the scan sees them; absolute paths. Implementations remember; they never wait. */
export interface ScanFiles {
	/** `absent`: nothing there (ENOENT, ENOTDIR); `folder`: the compiler goes on to the next candidate;
	 * `refused`: there, but not to be read here (FIFO, device, unreadable, too large). */
	open(path: string): ScanFile | "absent" | "folder" | "refused";
	/** Without symbolic links and dots, of something that is there. */
	realPath(path: string): string | undefined;
}

/** A file that was opened, in the order in which the compiler first lists it. */
export interface OpenedFile {
	/** As the compiler spells it in a depfile (without a leading `./`, before quoting). One file may be there twice. */
	readonly name: string;
	/** Absolute: the working directory and what the compiler opened, not normalised further. */
	readonly path: string;
	readonly system: boolean;
}

/**
 * `directives`: on nothing else of the files' content. `unheeded`: and on no file having the words of a pragma that the
 * preprocessor heeds. `text`: on the number of a line, on a mark of UTF-8, or on what stands between the directives.
 */
export type RestsOn = "directives" | "unheeded" | "text";

/** How files are read: what of a setup decides which directives are in them. */
export type Reading = Pick<ScanSetup, "language" | "dialect">;

export type ScanAnswer =
	| {
			readonly kind: "scanned";
			/** The source first. */
			readonly files: readonly OpenedFile[];
			/** Candidates that were looked for and not there, absolute, precompiled headers among them. */
			readonly absent: ReadonlySet<string>;
			/** Candidates that were passed over because they are folders, absolute. */
			readonly folders: ReadonlySet<string>;
			/** Files that were found but not read through (by __has_include, or again under another name): absolute. */
			readonly present: ReadonlySet<string>;
			/** Names by which files were found that were then opened by their real, shorter ones: absolute. */
			readonly links?: ReadonlySet<string>;
			/** __DATE__, __TIME__ or __TIMESTAMP__ stands in a file that was opened. */
			readonly namesTime: boolean;
			/** Whether files of the same directives would give the same answer, whatever else is in them. */
			readonly restsOn: RestsOn;
	  }
	| { readonly kind: "ask"; readonly questions: readonly { readonly test: FeatureTest; readonly argument: string }[] }
	/** Not understood: the compiler is to be asked. `where` is `FILE:LINE`, `what` the directive. */
	| { readonly kind: "refused"; readonly reason: RefusalReason; readonly where: string; readonly what: string };

export const REFUSAL_REASONS = [
	"bad-directive", // the compiler would report an error, or the line is not understood
	"embed", // #embed or __has_embed
	"expression", // an #if that is not understood
	"include-depth", // beyond the compiler's own limit
	"macro-limit", // expansion beyond bounds of time or memory
	"missing-header", // an #include that is not found: the compiler says so itself
	"module", // import, export module
	"precompiled", // a precompiled header stands beside a header
	"pragma", // a pragma that can change what is read (push_macro, poison, GCC system_header is understood, …)
	"target", // what `#pragma GCC target` changes for the compiler proper, and for older preprocessors does not
	"unreadable", // a file that is there and cannot be read here
	"unsupported-character", // bytes whose meaning depends on more than we look at
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];
