/** What a model says of one command. Pure data: nothing here is spawned, read or hashed. */

/** A command as the shim saw it. `argv[0]` is the name it was called by; all strings are valid UTF-8. */
export interface Command {
	/** Basename of argv[0], e.g. `gcc-12`. */
	readonly tool: string;
	readonly argv: readonly string[];
	/** Absolute physical directory (getcwd). */
	readonly cwd: string;
	readonly env: ReadonlyMap<string, string>;
}

/** Read-only view of the file system that a model may ask; paths are absolute. */
export interface FileProbe {
	exists(path: string): boolean;
	isDirectory(path: string): boolean;
	/** Content of a small text file (response files, linker scripts), or undefined if absent. */
	readText(path: string): string | undefined;
	/** First `length` bytes. */
	readHead(path: string, length: number): Uint8Array | undefined;
}

export type Language =
	| "c"
	| "c++"
	| "objective-c"
	| "objective-c++"
	| "cpp-output"
	| "c++-cpp-output"
	| "assembler"
	| "assembler-with-cpp"
	| "c-header"
	| "c++-header"
	| "other";

/** How the inputs that the command line does not name are found. */
export type Discovery =
	/** Nothing beyond the inputs that are named. */
	| { readonly kind: "none" }
	/** The files the preprocessor opens; `scanArgv` is the compiler command that lists them (see scan.ts). */
	| { readonly kind: "include" }
	/** Only a run shows them. */
	| { readonly kind: "traced" }
	/** Libraries, start files and linker scripts. */
	| { readonly kind: "link" }
	/** The files that the tool opens when it is run with `args`, which make it write nothing. `nasm`: where its sources' own
	 * directives are looked up before, as nasm would. */
	| { readonly kind: "ask"; readonly args: readonly string[]; readonly nasm?: NasmSearch }
	/** Both, for compile-and-link in one command. */
	| { readonly kind: "include+link" };

export interface NasmSearch {
	/** Directories of -I, as given. */
	readonly dirs: readonly string[];
	/** Files of -p, as given. */
	readonly preincluded: readonly string[];
}

export interface SourceInput {
	readonly path: string;
	readonly language: Language;
}

export interface OutputFile {
	/** Tag in the thunk; the first output is the main one. Never contains `/`. */
	readonly tag: string;
	/** As given on the command line or defaulted: relative to cwd or absolute. */
	readonly path: string;
	/** depfile: written at once at infer, exactly as the compiler would. late-depfile: what is in it only a run shows. */
	readonly role: "main" | "depfile" | "late-depfile" | "side";
	/** Linked programs and shared objects are executable (0777 & ~umask), all else 0666 & ~umask. */
	readonly executable: boolean;
	/** True if the tool may leave it out (a side output that depends on content). */
	readonly optional: boolean;
	/** The tool opens and truncates what is there, which keeps its mode. */
	readonly truncated?: boolean;
}

export type Stage = "preprocess" | "compile" | "assemble" | "link" | "archive" | "edit" | "generate";

/** A command that can become a thunk. */
export interface ThunkPlan {
	readonly kind: "thunk";
	readonly family: "cc" | "as" | "ar" | "ranlib" | "strip" | "objcopy" | "ld" | "generic";
	readonly stage: Stage;
	/** Compiler inputs that are preprocessed, compiled or assembled. */
	readonly sources: readonly SourceInput[];
	/** Other files named on the command line that are read: objects, archives, -include files' candidates excluded,
	 * version scripts, response files, specs files, profile data. As given (relative to cwd or absolute). */
	readonly inputs: readonly string[];
	/** Files that are read and rewritten in place (ar r on an existing archive, strip, ranlib). As given. */
	readonly inout: readonly string[];
	readonly outputs: readonly OutputFile[];
	readonly discovery: Discovery;
	/** Names of the environment variables that can change the result; sorted. */
	readonly envNames: readonly string[];
	/** Set when -march/-mtune/-mcpu=native is present. */
	readonly native: boolean;
	/** The command may be answered before it has run: false when its stdout is its result (e.g. -E without -o). */
	readonly deferrable: boolean;
	/** Programs that it starts beyond those that any command of the tool may start, by the names it looks for them. */
	readonly helpers: readonly string[];
	/** Where the command tells its driver to look for programs first (-B), as given, in their order. */
	readonly toolFolders?: readonly string[];
	/** Flags that are not in the table; recorded, never fatal. */
	readonly unknownFlags: readonly string[];
	/** The user's description of the tool, as written, where the plan is made by one. */
	readonly description?: string;
}

/** Runs here for real, after the placeholders among `inputs` were forced. */
export interface LocalPlan {
	readonly kind: "local";
	/** A literal from LOCAL_REASONS plus data. */
	readonly reason: LocalReason;
	readonly detail: string;
	/** Arguments that may name files (as given). */
	readonly inputs: readonly string[];
	/** It reads files that its command line does not name. */
	readonly readsUnknown?: boolean;
}

export const LOCAL_REASONS = [
	"query", // --version, -print-file-name=, -dumpmachine, -###, no inputs
	"stdin", // a source or list is read from standard input
	"stdout", // the result goes to standard output of a tool that is not deferred
	"no-model", // this tool has no model
	"unsupported-flag", // a flag whose files cannot be known
	"time-macro", // __DATE__, __TIME__ or __TIMESTAMP__ in a source
	"no-input-file", // a named input does not exist (the tool says so itself)
	"unsupported-output", // /dev/null, a directory, a device
	"encoding", // an argument or directory is not UTF-8
	"environment", // an environment variable whose files cannot be known
	"trace-incomplete", // a static or privileged program could not be observed
] as const;
export type LocalReason = (typeof LOCAL_REASONS)[number];

export type Verdict = ThunkPlan | LocalPlan;

export interface Model {
	/** True if this model speaks for a tool of this name (`gcc`, `gcc-12`, `arm-none-eabi-gcc`). */
	matches(tool: string): boolean;
	plan(command: Command, probe: FileProbe): Verdict;
}
