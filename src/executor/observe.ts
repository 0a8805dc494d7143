import { readFileSync } from "node:fs";
import { removeQuietly } from "../util/files.js";
import { parseTrace, type Trace } from "./trace.js";

/** Has gg-view.so note the names in each folder that a tool lists. */
export const TRACE_LISTS = "GG_TRACE_LISTS=1";

/** Environment that loads gg-view.so into a tool: to trace it, and where `view` is given to redirect its files. */
export function viewEnvironment(
	library: string,
	traceFile: string,
	view: string | undefined,
	preload: string | undefined,
): string[] {
	const lines = [
		`LD_PRELOAD=${preload === undefined || preload === "" ? library : `${library}:${preload}`}`,
		`GG_TRACE=${traceFile}`,
	];
	if (view !== undefined) lines.push(`GG_VIEW=${view}`);
	return lines;
}

/** Reads and removes a trace file; an absent one is an empty, incomplete trace. */
export function takeTrace(traceFile: string, canonical: (path: string) => string): Trace {
	let records: Buffer;
	try {
		records = readFileSync(traceFile);
	} catch {
		records = Buffer.alloc(0);
	}
	removeQuietly(traceFile);
	return parseTrace(records, canonical);
}

/** The table that gg-view.so reads: pairs of a path and what is used in its place. */
export function encodeView(pairs: Iterable<readonly [string, string]>): string {
	let text = "ggview1\n";
	for (const [path, target] of pairs) text += `${path}\0${target}\0`;
	return text;
}
