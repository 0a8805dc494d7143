/** Why a thunk cannot run on this machine, for people. */
import type { Item, Thunk } from "../thunk/types.js";
import type { ExecutionFailure } from "./types.js";

export function changed(path: string, there: boolean): ExecutionFailure {
	return {
		reason: there ? "input-changed" : "input-missing",
		message: there
			? `${path} has changed since the build was inferred`
			: `${path} is gone since the build was inferred`,
		hint: "infer the build again: gg infer make",
	};
}

export function missingTree(item: Item): ExecutionFailure {
	return {
		reason: "input-missing",
		message: `the list of files of ${item.name} (${item.hash}) is not in the store`,
		hint: "infer the build again: gg infer make",
	};
}

export function otherProcessor(thunk: Thunk): ExecutionFailure {
	return {
		reason: "other-processor",
		message: `${thunk.args[0]} with -march=native was inferred on another processor than this machine's`,
		hint: "force it there, or infer the build again here",
	};
}

export function toolChanged(path: string): ExecutionFailure {
	return {
		reason: "tool-changed",
		message: path === "" ? "the thunk names no program" : `${path} is gone or has changed since the build was inferred`,
		hint: "infer the build again: gg infer make",
	};
}

export function readUnmade(thunk: Thunk, path: string): ExecutionFailure {
	return {
		reason: "undeclared-input",
		message: `${thunk.args[0]} read ${path}, a placeholder that its thunk does not name`,
		hint: "run the build by `gg build --jobs 1 COMMAND`, which defers nothing",
	};
}

export function neverStill(thunk: Thunk, path: string): ExecutionFailure {
	return {
		reason: "input-changed",
		message: `${thunk.args[0]} met another file each time that it ran, as ${path}`,
		hint: "force again, or run the build by `gg build --jobs 1 COMMAND`, which defers nothing",
	};
}

export function notStarted(thunk: Thunk, end: { errno: number; what: string }): ExecutionFailure {
	if (end.what.startsWith("namespace")) {
		return {
			reason: "no-namespace",
			message: `this system does not let gg make a namespace (${end.what}, errno ${end.errno})`,
			hint: "run without --sandbox, or as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1",
		};
	}
	return { reason: "not-started", message: `cannot start ${thunk.args[0]}: ${end.what}, errno ${end.errno}` };
}

export function outOfTime(thunk: Thunk, limitMs: number): ExecutionFailure {
	return { reason: "timeout", message: `${thunk.args[0]} did not end within ${limitMs} ms` };
}

export function notWritten(thunk: Thunk, path: string): ExecutionFailure {
	return {
		reason: "output-missing",
		message: `${thunk.args[0]} ended with status 0 but did not write ${path}`,
		hint: "run the command by itself; if it writes the file, please report this as a fault of gg's model of the tool",
	};
}
