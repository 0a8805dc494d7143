import { depfileFlags, depfilePath, type Flavor } from "./depfile.js";
import { type GccToken, isPreprocessed, tokenizeCppArgs } from "./gcc-args.js";
import { type GccFacts, gccFacts, gccFlavor } from "./gcc-facts.js";
import type { Command, FileProbe, SourceInput } from "./types.js";

/** A compiler command that opens exactly the files that the preprocessor opens in the user's command. */
export interface Scan {
	readonly source: SourceInput;
	/** argv[0] is the user's. Run it in the user's directory and environment; it writes nothing but the depfile. */
	readonly argv: readonly string[];
	/** Where the user's command would have put the depfile whose bytes the scan writes; `-` is stdout. */
	readonly depfile: string | undefined;
}

export interface ScanOptions {
	readonly probe: FileProbe;
	/** Where the scan of the nth source shall write its depfile; asked only if the user wants one. */
	readonly depfileTo: (index: number) => string;
	/** The compiler that really stands behind `cc`; by default what its name says. */
	readonly flavor?: Flavor;
	/** Let gcc expand macros only where a directive needs it, which halves the time; default true. */
	readonly directivesOnly?: boolean;
}

/** One scan for each source that is preprocessed, in order. */
export function scanArgv(command: Command, options: ScanOptions): Scan[] {
	const facts = gccFacts(command, options.probe);
	const flavor = options.flavor ?? gccFlavor(command.tool);
	const sources = facts.sources.filter((source) => isPreprocessed(source.language));
	return sources.map((source, index) => {
		const depfile = userDepfile(facts, source);
		const wanted = facts.deps !== undefined && depfile !== undefined;
		return {
			source,
			depfile,
			argv: [
				command.argv[0]!,
				...keptWords(facts, source),
				...keptCppWords(facts),
				"-E",
				...(flavor === "gcc" ? gccScanFlags(facts, source, options) : []),
				// Warnings come from the real command; under -Werror a scan must not fail for its own flags.
				"-w",
				...(flavor === "clang" ? ["-Qunused-arguments"] : []),
				"-o",
				"/dev/null",
				...(wanted
					? depfileFlags(facts.deps, {
							flavor,
							preprocessOnly: facts.stage === "preprocess",
							output: facts.output,
							source: source.path,
							file: options.depfileTo(index),
						})
					: []),
			],
		};
	});
}

/** Where the user's command puts the depfile of a source; `-` is stdout, undefined: it writes none. */
export function userDepfile(facts: GccFacts, source: SourceInput): string | undefined {
	const { deps, output } = facts;
	if (deps === undefined) return undefined;
	return deps.only ? (deps.file ?? output ?? "-") : depfilePath(deps, output, source.path);
}

function gccScanFlags(facts: GccFacts, source: SourceInput, options: ScanOptions): string[] {
	if (source.language === "assembler-with-cpp") return [];
	// Without it -E would not look for precompiled headers beside the headers, as the real command does.
	const flags = ["-fpch-preprocess"];
	const traditional = facts.tokens.some((token) => token.kind === "flag" && token.name.startsWith("-traditional"));
	// gcc refuses the first together with it, and forgets the second.
	if (traditional || facts.tokens.some(hasTrigraphs) || options.directivesOnly === false) return flags;
	return [...flags, "-fdirectives-only", "-Wno-unused-macros"];
}

function hasTrigraphs(token: GccToken): boolean {
	return token.kind === "flag" && /^(?:-trigraphs|--?ansi|--?std=(?!gnu).*)$/.test(token.words[0]!);
}

/** The user's words without stage, outputs, depfile flags and all other operands. */
function keptWords(facts: GccFacts, source: SourceInput): string[] {
	let kept = false;
	return facts.tokens.flatMap((token): readonly string[] => {
		if (token.kind === "unknown") return token.words;
		if (token.kind === "operand") {
			if (kept || token.name !== source.path) return [];
			kept = true;
			return token.words;
		}
		switch (token.does) {
			case "stage":
			case "output":
			case "output-file":
			case "dep-file":
			case "dep-mode":
			case "dep-modifier":
			case "dep-target":
			case "dump-macros":
			case "verbose":
			case "linker":
			case "linker-list":
			case "assembler":
			case "assembler-list":
			case "library":
				return [];
			case "preprocessor":
			case "preprocessor-list":
				return [];
			default:
				// A word of `--` alone would turn the flags that follow into operands.
				return token.name === "--" ? [] : token.words;
		}
	});
}

/** What -Wp, and -Xpreprocessor say, without their depfile flags. */
function keptCppWords(facts: GccFacts): string[] {
	const args = facts.tokens.flatMap((token) => {
		if (token.kind !== "flag") return [];
		if (token.does === "preprocessor") return [token.value];
		return token.does === "preprocessor-list" ? token.value.split(",") : [];
	});
	return tokenizeCppArgs(args)
		.filter((token) => !isDepFlag(token))
		.flatMap((token) => token.words.flatMap((word) => ["-Xpreprocessor", word]));
}

function isDepFlag(token: GccToken): boolean {
	return token.kind === "flag" && token.does.startsWith("dep-");
}
