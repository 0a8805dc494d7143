import path from "node:path";
import type { Command, FileProbe } from "./types.js";

export function isFile(probe: FileProbe, absolute: string): boolean {
	return probe.exists(absolute) && !probe.isDirectory(absolute);
}

/** The file's absolute name; names in a command are relative to its directory. */
export function absolute(command: Command, file: string): string {
	return path.posix.resolve(command.cwd, file);
}

/** A name in the folder of devices, which also holds a memory disk with files like any other. */
export function isDevice(file: string): boolean {
	return file.startsWith("/dev/") && !file.startsWith("/dev/shm/");
}

/** Why a file cannot be the output of a thunk, or undefined if it can. */
export function outputTrouble(command: Command, probe: FileProbe, file: string): string | undefined {
	const full = absolute(command, file);
	if (isDevice(full)) return `${file} is a device`;
	const directory = path.posix.dirname(full);
	if (!probe.exists(directory)) return `${directory} does not exist`;
	if (file.endsWith("/") || probe.isDirectory(full)) return `${file} is a directory`;
	return undefined;
}
