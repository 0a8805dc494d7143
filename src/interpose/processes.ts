import { readFileSync, readlinkSync } from "node:fs";
import type { ParentProcess } from "../models/recipe.js";

/** What the kernel says of a process; undefined when it has ended, or is somebody else's. */
export function processOf(pid: number): ParentProcess | undefined {
	try {
		const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
		return { exe: readlinkSync(`/proc/${pid}/exe`), argv };
	} catch {
		return undefined;
	}
}

/** The number of the process that started another one, or inherited it. */
export function parentOf(pid: number): number | undefined {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		// The name, in brackets, may hold anything.
		const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
		return parent > 0 ? parent : undefined;
	} catch {
		return undefined;
	}
}
