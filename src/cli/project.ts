import { userInfo } from "node:os";
import { join } from "node:path";
import type { Event } from "../report/events.js";
import { type LocalStore, openLocalStore } from "../store/local.js";
import { findProject } from "../store/project.js";
import type { Thunk } from "../thunk/types.js";
import { type Failure, UserError } from "../util/result.js";
import type { Io } from "./types.js";

/** Fails with a UserError, which main prints. */
export function give<T>(result: { ok: true; value: T } | { ok: false; error: Failure }): T {
	if (!result.ok) throw new UserError(result.error);
	return result.value;
}

export function openProjectStore(io: Io): { ggDir: string; store: LocalStore } {
	const ggDir = give(findProject(io.cwd, io.env));
	const store = openLocalStore(ggDir);
	process.once("exit", () => store.close());
	return { ggDir, store };
}

/**
 * The user's cache: GG_CACHE_DIR, else $XDG_CACHE_HOME/gg, else ~/.cache/gg. What it holds is run: it lies in no folder
 * that others write to, and in none that depends on where gg was started.
 */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
	const named = env["GG_CACHE_DIR"];
	if (named !== undefined && named !== "") {
		if (named.startsWith("/")) return named;
		throw new UserError({
			reason: "relative-cache-dir",
			message: `GG_CACHE_DIR is ${JSON.stringify(named)}, which is not an absolute path`,
			hint: "set GG_CACHE_DIR to an absolute path, or unset it",
		});
	}
	const base = env["XDG_CACHE_HOME"];
	if (base?.startsWith("/")) return join(base, "gg");
	const home = env["HOME"]?.startsWith("/") ? env["HOME"] : homeOnRecord();
	if (home !== undefined) return join(home, ".cache", "gg");
	throw new UserError({
		reason: "no-cache-dir",
		message: "there is no folder for what gg keeps between builds: HOME is not set",
		hint: "set HOME, or name a folder with GG_CACHE_DIR",
	});
}

/** The user database's answer; some users of containers are not in it. */
function homeOnRecord(): string | undefined {
	try {
		const { homedir } = userInfo();
		return homedir.startsWith("/") ? homedir : undefined;
	} catch {
		return undefined;
	}
}

/** Says on standard error what went wrong and what to do, in the form that all subcommands use. */
export function tellFailure(name: string, failure: Failure, io: Io): void {
	io.err(`gg-${name}: ${failure.message}\n${failure.hint === undefined ? "" : `    ${failure.hint}\n`}`);
}

/** A mistake in a command line. */
export function usageError(name: string, message: string): UserError {
	return new UserError({ reason: "usage", message, hint: `\`gg ${name} --help\` shows how it is called` });
}

/** A tool read a file that its thunk does not name: a fault of a model or of the scan. */
export function undeclaredInput(thunk: Thunk, path: string): Failure {
	return {
		reason: "undeclared-input",
		message: `${thunk.outputPaths[0]?.path ?? thunk.args[0]} read ${path}, which it had not declared`,
		hint: "its result is used and not remembered; please report this",
	};
}

/** Records what an engine could not run, and says each reason once: a build that goes on here must not be slow in silence. */
export function tellDeclined(
	journal: { add(event: Event): void },
	io: Io,
): (thunk: string, what: Thunk, engine: string, failure: Failure) => void {
	const told = new Set<string>();
	return (thunk, _what, engine, failure) => {
		journal.add({ kind: "declined", thunk, engine, failure });
		if (told.has(failure.message)) return;
		told.add(failure.message);
		io.err(`gg: ${engine}: ${failure.message}\n${failure.hint === undefined ? "" : `    ${failure.hint}\n`}`);
	};
}
