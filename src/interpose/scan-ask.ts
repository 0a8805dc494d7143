import { takeTrace, viewEnvironment } from "../executor/observe.js";
import { nasmIncludes, readsMore } from "../models/nasm-includes.js";
import type { NasmSearch } from "../models/types.js";
import { makeCanonical } from "../util/paths.js";
import { absolute } from "./describe.js";
import type { NotDiscovered, ScanRequest } from "./scan.js";

interface Found {
	readonly reads: Set<string>;
	readonly absent: Set<string>;
	readonly listed: Map<string, string>;
}

/** Adds what nasm may read by its sources' own directives. */
export function scanNasm(r: ScanRequest, search: NasmSearch, into: Found): NotDiscovered | "unclear" | undefined {
	const { probe, isPlaceholder } = r;
	const found = nasmIncludes({
		...search,
		source: r.plan.sources[0]!.path,
		canonical: makeCanonical(r.command.cwd, into.listed),
		stat: probe.stat,
		readText: (path) => (isPlaceholder(path) ? undefined : probe.readText(path)),
	});
	if (found.kind === "unread" && isPlaceholder(found.path))
		return { reason: "placeholder", detail: found.path, needs: [found.path] };
	if (found.kind !== "files") return "unclear";
	for (const path of found.reads) into.reads.add(path);
	for (const path of found.absent) into.absent.add(path);
	return undefined;
}

/**
 * Runs the tool with the arguments that its model gave, by which it opens the files of the real command and writes nothing,
 * and adds what it opened and missed to `into`. A file that is only named, as by incbin, cannot be known so.
 */
export async function askTool(
	r: ScanRequest,
	args: readonly string[],
	into: Found,
): Promise<NotDiscovered | undefined> {
	const { cwd, env, argv } = r.command;
	const lines = [...env]
		.filter(([name]) => name !== "LD_PRELOAD" && name !== "GG_SESSION" && name !== "PATH")
		.map(([name, value]) => `${name}=${value}`);
	lines.push(`PATH=${r.path}`, ...viewEnvironment(r.viewLibrary, r.traceFile, undefined, undefined));
	const end = await r.spawner.run({ path: r.real, argv: [argv[0]!, ...args], env: lines, cwd, stdio: "capture" }).done;
	const seen = takeTrace(r.traceFile, makeCanonical(cwd, into.listed));
	const needs = [...seen.reads].filter(r.isPlaceholder);
	if (needs.length > 0) return { reason: "placeholder", detail: needs[0]!, needs };
	if (end.kind !== "exited" || end.status !== 0)
		return { reason: "scan-failed", detail: end.kind === "exited" ? `${argv[0]} ${args.join(" ")}` : end.what };
	if (!seen.complete) return { reason: "trace-incomplete", detail: r.real };
	for (const path of [...seen.reads, ...r.plan.sources.map((source) => absolute(cwd, source.path))]) {
		if (r.probe.stat(path) !== "file") continue;
		const text = r.probe.readText(path) ?? "";
		const more = readsMore(text);
		if (more !== undefined) return { reason: "scan-failed", detail: `${path} has ${more}` };
		into.reads.add(path);
	}
	for (const path of seen.absent) into.absent.add(path);
	return undefined;
}
