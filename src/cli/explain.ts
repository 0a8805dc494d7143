import { relative, resolve } from "node:path";
import { quote } from "shell-quote";
import type { CommandEvent, Event } from "../report/events.js";
import { describeCommand, readJournals } from "../report/journal.js";
import { UserError } from "../util/result.js";
import { parse } from "./parse.js";
import { openProjectStore } from "./project.js";
import type { Io, Run } from "./types.js";

const SPEC = {
	name: "explain",
	usage:
		"gg explain [options] [TARGET…]\n\nSays what the last build did for each TARGET, and why, and what a force after it did; without targets, how\nmany commands were treated how.",
	options: { json: { type: "boolean", describe: "print JSON" } },
} as const;

type ThunkEvent = Event & { readonly kind: "thunk" };

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const { ggDir } = openProjectStore(io);
	const events = readJournals(ggDir);
	if (events.length === 0) {
		throw new UserError({
			reason: "no-journal",
			message: `no build is recorded in ${ggDir}`,
			hint: "run one: gg build make",
		});
	}
	const json = parsed.flags.json === true;
	if (parsed.rest.length === 0) {
		summarise(events, json, io);
		return 0;
	}
	return explainTargets(parsed.rest, events, json, io);
};

function explainTargets(targets: readonly string[], events: readonly Event[], json: boolean, io: Io): number {
	const found: Event[] = [];
	let status = 0;
	for (const target of targets) {
		const path = resolve(io.cwd, target);
		const matches = events.filter((e) => (e.kind === "command" || e.kind === "thunk") && e.outputs.includes(path));
		found.push(...matches);
		if (matches.length === 0) {
			status = 1;
			if (!json) io.err(`gg-explain: no command of the last build that gg saw writes ${target}\n`);
		}
		if (json) continue;
		for (const event of matches) {
			if (event.kind === "command") io.out(`${target}: ${describeCommand(event)}\n${commandLine(event)}`);
			else if (event.kind === "thunk") io.out(`${target}: ${describeThunk(event)}\n`);
		}
	}
	if (json) io.out(`${JSON.stringify(found, null, 1)}\n`);
	return status;
}

function commandLine(event: CommandEvent): string {
	return `    cd ${quote([event.cwd])} && ${quote([...event.argv])}\n`;
}

function describeThunk(event: ThunkEvent): string {
	const how = {
		cached: "came from the store",
		found: "was known",
		ran: `ran, ${Math.round(event.ms)} ms`,
		"ran-sandboxed": `ran in a namespace, ${Math.round(event.ms)} ms`,
		failed: "failed",
	}[event.how];
	const far = event.engine !== undefined && event.engine !== "" && event.engine !== "local";
	const where = event.at !== undefined && event.at !== "" ? `, ${event.at}` : far ? ` on ${event.engine}` : "";
	const why = event.why === undefined || event.why === "" ? "" : ` (${event.why})`;
	return `thunk ${event.thunk} ${how}${where}${why}`;
}

/** Where it was made, and why there. */
function placeOf({ at = "", why = "" }: ThunkEvent): string {
	return at !== "" && why !== "" ? `${at} (${why})` : at;
}

interface Count {
	readonly how: string;
	readonly reason: string;
	count: number;
	/** The first output or command that was treated so. */
	readonly example: string;
}

/** Relative to the folder, but for what is far away: /dev/null. */
function nameFrom(folder: string, path: string): string {
	const name = relative(folder, path);
	return name.startsWith("../../") ? path : name;
}

function summarise(events: readonly Event[], json: boolean, io: Io): void {
	const commands = new Map<string, Count>();
	const thunks = new Map<string, Count>();
	for (const event of events) {
		if (event.kind === "command") {
			const example = event.outputs[0] === undefined ? event.tool : nameFrom(io.cwd, event.outputs[0]);
			add(commands, event.how, event.reason, example);
		} else if (event.kind === "thunk") {
			const [output] = event.outputs;
			add(thunks, event.how, placeOf(event), output === undefined ? event.thunk : nameFrom(io.cwd, output));
		}
	}
	const scans = events.findLast((event) => event.kind === "scans");
	const sort = (counts: Map<string, Count>): Count[] => [...counts.values()].sort((a, b) => b.count - a.count);
	if (json) {
		io.out(`${JSON.stringify({ commands: sort(commands), thunks: sort(thunks), scans }, null, 1)}\n`);
		return;
	}
	for (const [title, counts] of [
		["commands", sort(commands)],
		["thunks", sort(thunks)],
	] as const) {
		if (counts.length === 0) continue;
		io.out(`${title}:\n`);
		const width = String(counts[0]!.count).length;
		for (const c of counts) {
			const reason = c.reason === "" ? "" : `: ${c.reason}`;
			io.out(`  ${String(c.count).padStart(width)} ${c.how}${reason} (such as ${c.example})\n`);
		}
	}
	if (scans !== undefined) {
		const { byThreads = 0 } = scans;
		io.out(`includes:\n  ${scans.scanned} scanned${byThreads > 0 ? `, ${byThreads} by threads` : ""}\n`);
		if (scans.kept !== undefined && scans.kept > 0)
			io.out(`  ${scans.kept} as scanned before: only what is no directive has changed\n`);
		for (const { reason, count, example } of scans.asked)
			io.out(`  ${count} asked of the compiler: ${reason} (such as ${example})\n`);
	}
	const declined = new Map<string, number>();
	for (const event of events) {
		if (event.kind === "warning") io.out(`warning: ${event.failure.message}\n`);
		else if (event.kind === "declined")
			declined.set(event.failure.message, (declined.get(event.failure.message) ?? 0) + 1);
		else if (event.kind === "unsupervised") io.out(`tools were caught by their names on PATH only: ${event.why}\n`);
	}
	for (const [message, count] of declined) io.out(`declined ${count === 1 ? "once" : `${count} times`}: ${message}\n`);
}

function add(counts: Map<string, Count>, how: string, reason: string, example: string): void {
	const key = `${how} ${reason}`;
	const known = counts.get(key);
	if (known === undefined) counts.set(key, { how, reason, count: 1, example });
	else known.count += 1;
}
