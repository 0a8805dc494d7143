import { absolute } from "./probe.js";
import { expandResponseFiles } from "./response-file.js";
import type { Command, FileProbe, LocalPlan, LocalReason, OutputFile } from "./types.js";

/** What the models of ar, ranlib, strip, nm and as share. */

/** bfd's default target, and the language of messages. */
export const BINUTILS_ENV = ["GNUTARGET", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"] as const;

export function expandedArgs(command: Command, probe: FileProbe) {
	return expandResponseFiles(command.argv.slice(1), command.cwd, (file) => probe.readText(file));
}

export function localPlan(reason: LocalReason, detail: string, inputs: readonly string[]): LocalPlan {
	return { kind: "local", reason, detail, inputs: [...new Set(inputs)] };
}

export function firstMissing(command: Command, probe: FileProbe, files: readonly string[]): string | undefined {
	return files.find((file) => !probe.exists(absolute(command, file)));
}

export function mainOutput(file: string, index: number, executable: boolean): OutputFile {
	const tag = index === 0 ? "output" : `output-${index + 1}`;
	return { tag, path: file, role: "main", executable, optional: false };
}

/** True if the file is there and is a thin archive: one that only names its members. */
export function isThinArchive(command: Command, probe: FileProbe, file: string): boolean {
	const head = probe.readHead(absolute(command, file), 8);
	return head !== undefined && new TextDecoder("latin1").decode(head) === "!<thin>\n";
}
