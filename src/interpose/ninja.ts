import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { parentOf, processOf } from "./processes.js";
import type { FdIdentity, ShimRequest } from "./protocol.js";

/** A ninja that started a command, by itself or through the shell that it starts for each. */
export interface Ninja {
	/** Device and inode of its standard output, as in FdIdentity; "closed" if it has none. */
	readonly output: string;
	/** How many commands it starts at once. */
	readonly parallelism: number;
	/** It gave the command this pipe, and prints what comes out of it when the command has ended. */
	reads(fd: FdIdentity): boolean;
}

const NAMES = new Set(["ninja", "ninja-build", "samu"]);
const S_IFMT = 0o170000;
const S_IFIFO = 0o010000;

export function ninjaOf(request: Pick<ShimRequest, "ppid" | "parentExe">): Ninja | undefined {
	const pid = NAMES.has(programOf(request.parentExe)) ? request.ppid : (parentOf(request.ppid) ?? 0);
	const process = processOf(pid);
	if (process === undefined || !NAMES.has(programOf(process.exe))) return undefined;
	const folder = `/proc/${pid}`;
	return {
		output: identityOf(`${folder}/fd/1`),
		parallelism: jobsOf(process.argv),
		reads: (fd) => readsPipe(folder, fd),
	};
}

const programOf = (exe: string): string => basename(exe.replace(/ \(deleted\)$/, ""));

function identityOf(path: string): string {
	try {
		const { dev, ino } = statSync(path, { bigint: true });
		return `${dev.toString(16)}:${ino.toString(16)}`;
	} catch {
		return "closed";
	}
}

/** The reading end of the pipe is one of the process's descriptors. */
function readsPipe(folder: string, { open, mode, id }: FdIdentity): boolean {
	if (!open || (mode & S_IFMT) !== S_IFIFO) return false;
	const link = `pipe:[${BigInt(`0x${id.slice(id.indexOf(":") + 1)}`)}]`;
	return descriptors(folder).some((fd) => {
		try {
			if (readlinkSync(join(folder, "fd", fd)) !== link) return false;
			const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync(join(folder, "fdinfo", fd), "utf8"))?.[1];
			return flags !== undefined && (Number.parseInt(flags, 8) & 3) === 0;
		} catch {
			return false; // closed meanwhile
		}
	});
}

function descriptors(folder: string): string[] {
	try {
		return readdirSync(join(folder, "fd"));
	} catch {
		return []; // it has ended
	}
}

/** By its options, else as ninja decides for this number of cores. 0 stands for no bound. */
function jobsOf(argv: readonly string[]): number {
	let jobs: string | undefined;
	for (const [i, word] of argv.entries()) {
		if (word === "--") break;
		if (word === "-j") jobs = argv[i + 1];
		else if (/^-j\d+$/.test(word)) jobs = word.slice(2);
	}
	if (jobs !== undefined && /^\d+$/.test(jobs)) return Number(jobs) || Number.POSITIVE_INFINITY;
	const cores = availableParallelism();
	return cores <= 1 ? 2 : cores === 2 ? 3 : cores + 2;
}
