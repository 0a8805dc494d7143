import { readFileSync } from "node:fs";
import { hashBytes } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";

const VARIABLE = "GG_CPU=";
const WANTED = /^(?:vendor_id|cpu family|model|stepping|flags|Features|CPU (?:implementer|part|variant))\s*:.*$/gm;

let processor: string | undefined;

/** Model and features of this machine's processor, as a compiler will see them for -march=native. */
function processorIdentity(): string {
	if (processor === undefined) {
		let text: string;
		try {
			text = readFileSync("/proc/cpuinfo", "utf8").split("\n\n")[0] ?? "";
		} catch {
			text = "";
		}
		processor = hashBytes(Buffer.from((text.match(WANTED) ?? []).join("\n")));
	}
	return processor;
}

/** The line of a thunk's environment that binds it to this processor. */
export function processorVariable(): string {
	return VARIABLE + processorIdentity();
}

/** The processor that a thunk is bound to; undefined for nearly all, which any machine may run. */
export function processorOf(thunk: Thunk): string | undefined {
	return thunk.envars.find((line) => line.startsWith(VARIABLE))?.slice(VARIABLE.length);
}

export function isForOtherProcessor(thunk: Thunk): boolean {
	const wanted = processorOf(thunk);
	return wanted !== undefined && wanted !== processorIdentity();
}
