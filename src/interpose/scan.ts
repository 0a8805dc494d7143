import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { takeTrace, viewEnvironment } from "../executor/observe.js";
import { linkStep, parseDriverTrace } from "../models/driver-trace.js";
import type { SystemProbe } from "../models/ld-so.js";
import { type LinkFlavour, resolveLink } from "../models/link.js";
import { expandResponseFiles } from "../models/response-file.js";
import { scanArgv } from "../models/scan-argv.js";
import type { Command, FileProbe, ThunkPlan } from "../models/types.js";
import { removeQuietly, writeFileAtomic } from "../util/files.js";
import { makeCanonical } from "../util/paths.js";
import type { Spawner } from "../util/spawner.js";
import { absolute } from "./describe.js";

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
	readonly umask: number;
	/** A free name for trace and dependency files. */
	readonly traceFile: string;
}

export interface DiscoveredInputs {
	readonly reads: ReadonlySet<string>;
	readonly absent: ReadonlySet<string>;
}

/** Why the command must run before its inputs are known. */
export interface NotDiscovered {
	readonly reason: "scan-failed" | "link-unknown" | "trace-incomplete" | "no-input-file" | "placeholder";
	readonly detail: string;
	/** Placeholders whose content decides what else is read: once they are real, it can be asked again. */
	readonly needs?: readonly string[];
}

/** Files that a command will read beyond those it names; writes the depfiles that the real command would write. */
export async function discoverInputs(r: ScanRequest): Promise<DiscoveredInputs | NotDiscovered> {
	const reads = new Set<string>();
	const absent = new Set<string>();
	for (const path of [...r.plan.inputs, ...r.plan.sources.map((s) => s.path)]) {
		if (!r.probe.exists(absolute(r.command.cwd, path))) return { reason: "no-input-file", detail: path };
	}
	const kind = r.plan.discovery.kind;
	if (kind === "include" || kind === "include+link") {
		const failure = await scanIncludes(r, reads, absent);
		if (failure !== undefined) return failure;
	}
	if (kind === "link" || kind === "include+link") {
		const failure = await scanLink(r, reads, absent);
		if (failure !== undefined) return failure;
	}
	return { reads, absent };
}

async function scanIncludes(
	r: ScanRequest,
	reads: Set<string>,
	absent: Set<string>,
): Promise<NotDiscovered | undefined> {
	const { command } = r;
	const canonical = makeCanonical(command.cwd);
	const scans = scanArgv(command, { probe: r.probe, depfileTo: (i) => `${r.traceFile}.d${i}` });
	const depfiles: [string, Buffer][] = [];
	const failures = await Promise.all(
		scans.map(async (scan, i): Promise<NotDiscovered | undefined> => {
			const trace = `${r.traceFile}.${i}`;
			const env = [...command.env]
				.filter(([n]) => n !== "LD_PRELOAD" && n !== "GG_SESSION" && n !== "PATH")
				.map(([n, v]) => `${n}=${v}`);
			env.push(`PATH=${r.path}`, ...viewEnvironment(r.viewLibrary, trace, undefined, undefined));
			const end = await r.spawner.run({ path: r.real, argv: scan.argv, env, cwd: command.cwd, stdio: "capture" }).done;
			const seen = takeTrace(trace, canonical);
			const depfile = `${r.traceFile}.d${i}`;
			try {
				const needs = [...seen.reads].filter(r.isPlaceholder);
				if (needs.length > 0) return { reason: "placeholder", detail: needs[0]!, needs };
				if (end.kind !== "exited" || end.status !== 0) {
					return { reason: "scan-failed", detail: end.kind === "exited" ? firstLine(end.stderr) : end.what };
				}
				if (!seen.complete) return { reason: "trace-incomplete", detail: r.real };
				for (const path of seen.reads) if (r.probe.stat(path) === "file" && path !== depfile) reads.add(path);
				for (const path of seen.absent) if (path !== depfile) absent.add(path);
				if (scan.depfile === "-") return { reason: "scan-failed", detail: "dependencies go to standard output" };
				if (scan.depfile !== undefined) depfiles.push([absolute(command.cwd, scan.depfile), readFileSync(depfile)]);
			} finally {
				removeQuietly(depfile);
			}
			return undefined;
		}),
	);
	const failure = failures.find((f) => f !== undefined);
	if (failure !== undefined) return failure;
	for (const [path, bytes] of depfiles) writeFileAtomic(path, bytes, 0o666 & ~r.umask);
	return undefined;
}

function firstLine(bytes: Buffer): string {
	const text = bytes.toString();
	const line = text.split("\n", 1)[0] ?? "";
	return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

async function scanLink(r: ScanRequest, reads: Set<string>, absent: Set<string>): Promise<NotDiscovered | undefined> {
	const { command } = r;
	const expanded = expandResponseFiles(command.argv, command.cwd, (name) =>
		r.probe.readText(absolute(command.cwd, name)),
	);
	for (const file of expanded.files) reads.add(absolute(command.cwd, file));
	const env = [...command.env].filter(
		([n]) => n !== "LD_PRELOAD" && n !== "GG_SESSION" && n !== "PATH" && !n.startsWith("LC_"),
	);
	const lines = [...env.map(([n, v]) => `${n}=${v}`), `PATH=${r.path}`, "LC_ALL=C"];
	const argv = [...expanded.args, "-###"];
	const end = await r.spawner.run({ path: r.real, argv, env: lines, cwd: command.cwd, stdio: "capture" }).done;
	if (end.kind !== "exited" || end.status !== 0)
		return { reason: "link-unknown", detail: "the driver does not explain the link" };
	const step = linkStep(parseDriverTrace(end.stderr.toString()));
	if (step === undefined) return { reason: "link-unknown", detail: "the driver names no linker" };
	const found = resolveLink(
		{
			argv: step.argv,
			cwd: command.cwd,
			env: command.env,
			flavour: flavourOf(expanded.args, step.argv[0]!),
			searchDirs: r.searchDirs,
			temporaries: step.temporaries,
		},
		r.probe,
	);
	if (found.pending.length > 0) return { reason: "placeholder", detail: found.pending[0]!, needs: found.pending };
	if (found.unknown.length > 0) return { reason: "link-unknown", detail: found.unknown.join("; ") };
	const canonical = makeCanonical(command.cwd);
	for (const path of found.files) if (!step.temporaries.has(path)) reads.add(canonical(path));
	for (const path of found.absent) absent.add(canonical(path));
	return undefined;
}

function flavourOf(args: readonly string[], linker: string): LinkFlavour {
	const chosen = args.findLast((a) => a.startsWith("-fuse-ld="))?.slice("-fuse-ld=".length) ?? posix.basename(linker);
	if (chosen.includes("gold")) return "gold";
	return chosen.includes("lld") ? "lld" : "bfd";
}
