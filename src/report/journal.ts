import { readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolders, writeFileAtomic } from "../util/files.js";
import type { CommandEvent, Event } from "./events.js";

const HEADER = '{"journal":1}';
const FLUSH_AT = 256;

/** The events of the last build, one JSON text a line, for `gg explain`. */
export class Journal {
	readonly #path: string;
	#lines: string[] = [];
	#started = false;
	/** Thunks that the forcer has counted already: a command that waited for one must not be counted again. */
	readonly #forced = new Set<string>();
	readonly counts = {
		commands: 0,
		cached: 0,
		ran: 0,
		unrecorded: 0,
		deferred: 0,
		local: 0,
		forced: 0,
		found: 0,
		failed: 0,
		different: 0,
	};

	/** `name`: "last" for builds, "force" for what forcing did. */
	constructor(ggDir: string, name = "last") {
		this.#path = join(ggDir, "log", name);
	}

	add(event: Event): void {
		if (event.kind === "command") {
			this.counts.commands += 1;
			const waited = (event.how === "ran" || event.how === "unrecorded") && this.#forced.has(event.thunk);
			if (!waited) this.counts[event.how] += 1;
		} else if (event.kind === "thunk") {
			this.#forced.add(event.thunk);
			this.counts[event.how === "cached" || event.how === "found" ? event.how : "forced"] += 1;
			if (event.how === "failed") this.counts.failed += 1;
		} else if (event.kind === "warning" && event.failure.reason === "deps-differ") this.counts.different += 1;
		this.#lines.push(JSON.stringify(event));
		if (this.#lines.length >= FLUSH_AT) this.flush();
	}

	flush(): void {
		if (this.#lines.length === 0) return;
		const text = `${this.#lines.join("\n")}\n`;
		this.#lines = [];
		try {
			if (this.#started) writeFileSync(this.#path, text, { flag: "a" });
			else {
				makeFolders(dirname(this.#path));
				writeFileAtomic(this.#path, `${HEADER}\n${text}`, 0o600);
				this.#started = true;
			}
		} catch {
			// Explanations are lost with a full disk; the build is not.
		}
	}
}

export function readJournal(ggDir: string, name = "last"): Event[] {
	let text: string;
	try {
		text = readFileSync(join(ggDir, "log", name), "utf8");
	} catch {
		return [];
	}
	const events: Event[] = [];
	const lines = text.split("\n");
	if (lines[0] !== HEADER) return [];
	for (const line of lines.slice(1)) {
		if (line === "") continue;
		try {
			events.push(JSON.parse(line) as Event);
		} catch {
			// The last line of a build that was killed.
		}
	}
	return events;
}

/** Of the last build or infer, and of the last force if that came after it. */
export function readJournals(ggDir: string): Event[] {
	const time = (name: string): bigint =>
		statSync(join(ggDir, "log", name), { bigint: true, throwIfNoEntry: false })?.mtimeNs ?? -1n;
	const forced = time("force") >= time("last") ? readJournal(ggDir, "force") : [];
	return [...readJournal(ggDir), ...forced];
}

export function describeCommand(event: CommandEvent): string {
	return event.description === undefined ? howOf(event) : `${howOf(event)}; described by "${event.description}"`;
}

function howOf(event: CommandEvent): string {
	const why = event.reason === "" ? "" : `: ${event.reason}${event.detail === "" ? "" : ` (${event.detail})`}`;
	switch (event.how) {
		case "cached":
			return `cached: taken from the store${event.thunk === "" ? "" : ` (thunk ${event.thunk})`}`;
		case "ran":
			return `ran here and was recorded as thunk ${event.thunk}${why}`;
		case "unrecorded":
			return `ran here and was not recorded${why}`;
		case "deferred":
			return `deferred as thunk ${event.thunk}`;
		case "local":
			return `ran here without a thunk${why}`;
	}
}
