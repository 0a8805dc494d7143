import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { takeTrace, viewEnvironment } from "../executor/observe.js";
import { type LinkStep, linkStep, parseDriverTrace } from "../models/driver-trace.js";
import { isPreprocessed } from "../models/gcc-args.js";
import { type GccFacts, gccFacts, gccFlavor } from "../models/gcc-facts.js";
import type { SystemProbe } from "../models/ld-so.js";
import { namesInMarkers } from "../models/line-markers.js";
import { type LinkFlavour, resolveLink } from "../models/link.js";
import { expandResponseFiles } from "../models/response-file.js";
import { scanArgv, userDepfile } from "../models/scan-argv.js";
import type { Command, FileProbe, SourceInput, ThunkPlan } from "../models/types.js";
import type { FileFact } from "../store/filefacts.js";
import { removeQuietly } from "../util/files.js";
import { linksTo, makeCanonical } from "../util/paths.js";
import type { Spawner } from "../util/spawner.js";
import { absolute } from "./describe.js";
import type { Basis } from "./directives.js";
import { listingDigest, refusalOf } from "./generic-trace.js";
import type { IncludeScanner } from "./include-scan.js";
import { askTool, scanNasm } from "./scan-ask.js";
import { compareIncludes, type ScanTally, type SourceIncludes } from "./scan-tally.js";
import type { Toolchain } from "./toolchains.js";

export interface ScanRequest {
	readonly command: Command;
	readonly plan: ThunkPlan;
	/** The real tool. */
	readonly real: string;
	/** PATH without wrappers. */
	readonly path: string;
	readonly searchDirs: readonly string[];
	readonly spawner: Spawner;
	readonly probe: FileProbe & SystemProbe;
	readonly viewLibrary: string;
	/** True for a file that is known to be a placeholder. */
	readonly isPlaceholder: (path: string) => boolean;
	/** True for what is below folders that do not change during a build. */
	readonly isSystem: (path: string) => boolean;
	/** A free name for trace and dependency files. */
	readonly traceFile: string;
	readonly toolchain: Toolchain;
	readonly includes: IncludeScanner;
	/** Run the compiler's own scan beside ours, and compare. */
	readonly verify: boolean;
	readonly tally: ScanTally;
}

export interface DiscoveredInputs {
	readonly reads: ReadonlySet<string>;
	readonly absent: ReadonlySet<string>;
	/** As of a depcache entry. */
	readonly listed: ReadonlyMap<string, string>;
	/** Dependency files that the real command would write. */
	readonly depfiles: readonly WrittenDepfile[];
	/** What is known already of files among `reads`. */
	readonly looked: ReadonlyMap<string, FileFact>;
	/** Links by which files among `reads` were found, and their text. */
	readonly links: ReadonlyMap<string, string>;
	/** As of a depcache entry; undefined where anything else than one scan of ours has found them. */
	readonly basis?: Basis | undefined;
}

export interface WrittenDepfile {
	readonly path: string;
	readonly bytes: Buffer;
	/** Undefined: that of what is there, which the compiler truncates, or what the umask leaves. */
	readonly mode: number | undefined;
}

/** Why the command must run before its inputs are known. */
export interface NotDiscovered {
	readonly reason: "traced" | "scan-failed" | "link-unknown" | "trace-incomplete" | "no-input-file" | "placeholder";
	readonly detail: string;
	/** Placeholders whose content decides what else is read: once they are real, it can be asked again. */
	readonly needs?: readonly string[];
}

/** Files that a command will read beyond those it names, and the depfiles that it will write. */
export async function discoverInputs(r: ScanRequest): Promise<DiscoveredInputs | NotDiscovered> {
	const reads = new Set<string>();
	const absent = new Set<string>();
	const depfiles: WrittenDepfile[] = [];
	const looked = new Map<string, FileFact>();
	const listed = new Map<string, string>();
	const links = new Map<string, string>();
	for (const path of [...r.plan.inputs, ...r.plan.sources.map((s) => s.path)]) {
		if (!r.probe.exists(absolute(r.command.cwd, path))) return { reason: "no-input-file", detail: path };
	}
	const kind = r.plan.discovery.kind;
	const found: SourceIncludes[] = [];
	if (r.plan.family === "cc") {
		const failure = behindPreprocessed(r, { reads, absent, listed });
		if (failure !== undefined) return failure;
	}
	if (kind === "include" || kind === "include+link") {
		const failure = await scanIncludes(r, { reads, absent, listed, depfiles, looked, links, found });
		if (failure !== undefined) return failure;
	}
	if (kind === "link" || kind === "include+link") {
		const failure = await scanLink(r, reads, absent, listed);
		if (failure !== undefined) return failure;
	}
	if (r.plan.discovery.kind === "traced") return { reason: "traced", detail: "only a run shows what it reads" };
	if (r.plan.discovery.kind === "ask") {
		const { args, nasm } = r.plan.discovery;
		const found = { reads, absent, listed };
		const scanned = nasm === undefined ? "unclear" : scanNasm(r, nasm, found);
		const failure = scanned === "unclear" ? await askTool(r, args, found) : scanned;
		if (failure !== undefined) return failure;
	}
	const only = kind === "include" && found.length === 1 && r.plan.sources.length === 1;
	return { reads, absent, listed, depfiles, looked, links, basis: only ? found[0]!.basis : undefined };
}

async function scanIncludes(
	r: ScanRequest,
	into: {
		readonly reads: Set<string>;
		readonly absent: Set<string>;
		readonly listed: Map<string, string>;
		readonly depfiles: WrittenDepfile[];
		readonly looked: Map<string, FileFact>;
		readonly links: Map<string, string>;
		readonly found: SourceIncludes[];
	},
): Promise<NotDiscovered | undefined> {
	const facts = gccFacts(r.command, r.probe);
	const sources = facts.sources.filter((source) => isPreprocessed(source.language));
	const all = await Promise.all(sources.map((source, i) => includesOf(r, facts, source, i)));
	const failure = all.find((found) => "reason" in found);
	if (failure !== undefined && "reason" in failure) return failure;
	for (const [i, found] of all.entries()) {
		if ("reason" in found) continue;
		into.found.push(found);
		for (const path of found.reads) into.reads.add(path);
		for (const path of found.absent) into.absent.add(path);
		for (const [path, state] of found.listed) into.listed.set(path, state);
		for (const [path, fact] of found.looked ?? []) into.looked.set(path, fact);
		for (const [path, text] of found.links) into.links.set(path, text);
		const depfile = userDepfile(facts, sources[i]!);
		if (depfile === undefined || found.depfile === undefined) continue;
		into.depfiles.push({ path: absolute(r.command.cwd, depfile), bytes: found.depfile, mode: undefined });
	}
	return undefined;
}

interface Shown {
	readonly reads: Set<string>;
	readonly absent: Set<string>;
	readonly listed: Map<string, string>;
}

/** The sources that preprocessed ones come from: gcc's messages show their lines. */
function behindPreprocessed(r: ScanRequest, into: Shown): NotDiscovered | undefined {
	for (const { path, language } of r.plan.sources) {
		if (!language.endsWith("cpp-output")) continue;
		const file = absolute(r.command.cwd, path);
		if (r.isPlaceholder(file)) return { reason: "placeholder", detail: file, needs: [file] };
		addShown(r, [file], into);
	}
	return undefined;
}

/** Adds the files whose lines gcc's messages about these files may show. clang shows the lines that it has read. */
function addShown({ command, probe }: ScanRequest, files: Iterable<string>, into: Shown): void {
	if (gccFlavor(command.tool) !== "gcc") return;
	const canonical = makeCanonical(command.cwd, into.listed);
	for (const file of files) {
		for (const name of namesInMarkers(readFileSync(file, "latin1"))) {
			const path = canonical(name);
			const found = probe.stat(path);
			if (found === "file") into.reads.add(path);
			else if (found === undefined) into.absent.add(path);
		}
	}
}

async function includesOf(
	r: ScanRequest,
	facts: GccFacts,
	source: SourceInput,
	index: number,
): Promise<SourceIncludes | NotDiscovered> {
	if (userDepfile(facts, source) === "-")
		return { reason: "scan-failed", detail: "dependencies go to standard output" };
	const { command, plan, real, path, toolchain } = r;
	const found = await r.includes.scan({ command, facts, plan, source, real, path, toolchain });
	if (found.kind === "refused") {
		r.tally.asked(found.reason, found.detail);
		// gcc's -E, up to 12, takes no notice of the pragma: only the compile itself shows.
		if (found.reason === "target") return { reason: "scan-failed", detail: found.detail };
		return withShown(r, await compilersIncludes(r, index));
	}
	const ours = found.found;
	if (!r.verify) {
		r.tally.scanned();
		return ours;
	}
	const theirs = await compilersIncludes(r, index);
	if ("reason" in theirs) {
		r.tally.differs(`${source.path}: the compiler's own scan ended otherwise: ${theirs.detail}`);
		return theirs;
	}
	const differences = compareIncludes(ours, theirs, toolchain.files);
	for (const difference of differences) r.tally.differs(`${source.path}: ${difference}`);
	if (differences.length > 0) return withShown(r, theirs);
	r.tally.scanned();
	return ours;
}

/** The preprocessor alone does not open what the compiler shows in its messages. */
function withShown(r: ScanRequest, theirs: SourceIncludes | NotDiscovered): SourceIncludes | NotDiscovered {
	if ("reason" in theirs) return theirs;
	const shown = { reads: new Set(theirs.reads), absent: new Set(theirs.absent), listed: new Map(theirs.listed) };
	const own = [...theirs.files].filter((path) => !r.isSystem(path));
	addShown(r, own, shown);
	return { ...theirs, ...shown };
}

const NONE: ReadonlySet<string> = new Set();

/** What the compiler itself opens, watched. */
async function compilersIncludes(r: ScanRequest, index: number): Promise<SourceIncludes | NotDiscovered> {
	const { command } = r;
	const depfile = `${r.traceFile}.d${index}`;
	const scan = scanArgv(command, { probe: r.probe, depfileTo: () => depfile })[index]!;
	const trace = `${r.traceFile}.${index}`;
	const env = [...command.env]
		.filter(([n]) => n !== "LD_PRELOAD" && n !== "GG_SESSION" && n !== "PATH")
		.map(([n, v]) => `${n}=${v}`);
	env.push(`PATH=${r.path}`, ...viewEnvironment(r.viewLibrary, trace, undefined, undefined));
	const end = await r.spawner.run({ path: r.real, argv: scan.argv, env, cwd: command.cwd, stdio: "capture" }).done;
	const listed = new Map<string, string>();
	const seen = takeTrace(trace, makeCanonical(command.cwd, listed));
	try {
		const needs = [...seen.reads].filter(r.isPlaceholder);
		if (needs.length > 0) return { reason: "placeholder", detail: needs[0]!, needs };
		if (end.kind !== "exited" || end.status !== 0) {
			return { reason: "scan-failed", detail: end.kind === "exited" ? firstLine(end.stderr) : end.what };
		}
		if (!seen.complete) return { reason: "trace-incomplete", detail: r.real };
		// It took the newest of what is in there, perhaps: that holds as long as nothing comes or goes.
		for (const folder of seen.listings) if (!r.isSystem(`${folder}/`)) listed.set(folder, listingDigest(folder, NONE));
		const reads = [...seen.reads].filter((path) => path !== depfile && r.probe.stat(path) === "file");
		for (const path of seen.reads) if (r.probe.stat(path) === "directory") listed.set(path, "folder");
		for (const path of seen.refused) listed.set(path, refusalOf(path));
		const absent = [...seen.absent].filter((path) => path !== depfile);
		const bytes = scan.depfile === undefined ? undefined : readFileSync(depfile);
		const files = new Set(reads);
		const links = linksTo(files, seen.looked);
		return { files, reads: new Set(reads), absent: new Set(absent), listed, depfile: bytes, links };
	} finally {
		removeQuietly(depfile);
	}
}

function firstLine(bytes: Buffer): string {
	const text = bytes.toString();
	const line = text.split("\n", 1)[0] ?? "";
	return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

async function scanLink(
	r: ScanRequest,
	reads: Set<string>,
	absent: Set<string>,
	listed: Map<string, string>,
): Promise<NotDiscovered | undefined> {
	const { command } = r;
	const expanded = expandResponseFiles(command.argv, command.cwd, (name) =>
		r.probe.readText(absolute(command.cwd, name)),
	);
	for (const file of expanded.files) reads.add(absolute(command.cwd, file));
	const step =
		r.plan.family === "ld"
			? { argv: expanded.args, temporaries: new Set<string>() }
			: await driverStep(r, expanded.args);
	if ("reason" in step) return step;
	const found = resolveLink(
		{
			argv: step.argv,
			cwd: command.cwd,
			env: command.env,
			flavour: flavourOf(expanded.args, posix.basename(step.argv[0]!)),
			searchDirs: r.searchDirs,
			temporaries: step.temporaries,
		},
		r.probe,
	);
	if (found.pending.length > 0) return { reason: "placeholder", detail: found.pending[0]!, needs: found.pending };
	if (found.unknown.length > 0) return { reason: "link-unknown", detail: found.unknown.join("; ") };
	const canonical = makeCanonical(command.cwd, listed);
	for (const path of found.files) if (!step.temporaries.has(path)) reads.add(canonical(path));
	for (const path of found.absent) absent.add(canonical(path));
	return undefined;
}

/** What the driver says that the linker is to be given. */
async function driverStep(r: ScanRequest, args: readonly string[]): Promise<LinkStep | NotDiscovered> {
	const { command } = r;
	const env = [...command.env].filter(
		([n]) => n !== "LD_PRELOAD" && n !== "GG_SESSION" && n !== "PATH" && !n.startsWith("LC_"),
	);
	const lines = [...env.map(([n, v]) => `${n}=${v}`), `PATH=${r.path}`, "LC_ALL=C"];
	const argv = [...args, "-###"];
	const end = await r.spawner.run({ path: r.real, argv, env: lines, cwd: command.cwd, stdio: "capture" }).done;
	if (end.kind !== "exited" || end.status !== 0)
		return { reason: "link-unknown", detail: "the driver does not explain the link" };
	const step = linkStep(parseDriverTrace(end.stderr.toString()));
	return step ?? { reason: "link-unknown", detail: "the driver names no linker" };
}

function flavourOf(args: readonly string[], linker: string): LinkFlavour {
	const chosen = args.findLast((a) => a.startsWith("-fuse-ld="))?.slice("-fuse-ld=".length) ?? posix.basename(linker);
	if (chosen.includes("gold")) return "gold";
	return chosen.includes("lld") ? "lld" : "bfd";
}
