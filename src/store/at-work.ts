import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { removeQuietly, writeFileAtomic } from "../util/files.js";

/**
 * Which processes of gg are at work in a `.gg` folder: each leaves a file `work-PID` in `.gg/tmp` that says when it began,
 * by /proc, so that another process of the same number is not taken for it.
 */
const NAME = /^work-(\d+)$/;

/** Announces this process; the answer takes that back. A store that cannot be written needs no such word. */
export function beginWork(ggDir: string): () => void {
	const file = join(ggDir, "tmp", `work-${process.pid}`);
	const end = (): void => removeQuietly(file);
	try {
		writeFileAtomic(file, startOf(process.pid) ?? "");
	} catch {
		return () => undefined;
	}
	process.once("exit", end);
	return () => {
		process.off("exit", end);
		end();
	};
}

/** The other processes that are at work; what ended ones have left is removed. */
export function othersAtWork(ggDir: string): number[] {
	const tmp = join(ggDir, "tmp");
	let names: string[];
	try {
		names = readdirSync(tmp);
	} catch {
		return [];
	}
	return names.flatMap((name) => {
		const pid = Number(NAME.exec(name)?.[1] ?? process.pid);
		if (pid === process.pid) return [];
		try {
			const said = readFileSync(join(tmp, name), "utf8");
			if (said !== "" && said === startOf(pid)) return [pid];
		} catch {
			return [];
		}
		removeQuietly(join(tmp, name));
		return [];
	});
}

/** When a process began, in the kernel's ticks since the start of the system; undefined when it has ended. */
function startOf(pid: number): string | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		// The name, in parentheses, may hold anything.
		return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
	} catch {
		return undefined;
	}
}
