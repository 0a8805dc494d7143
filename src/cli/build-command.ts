import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { constants as system } from "node:os";
import { basename, join, resolve } from "node:path";
import { describeErrno } from "../store/project.js";
import { UserError } from "../util/result.js";
import type { Io } from "./types.js";

/** The build's environment: the user's, without what gg's own start put there. */
export function childEnvironment(env: NodeJS.ProcessEnv, within = false): string[] {
	const lines: string[] = [];
	for (const [name, value] of Object.entries(env)) {
		if (value === undefined || (!within && (name === "PATH" || name === "GG_SESSION"))) continue;
		if (isSecret(name, value)) continue;
		if (name === "GG_NODE_EXTRA_CA_CERTS") lines.push(`NODE_EXTRA_CA_CERTS=${value}`);
		else lines.push(`${name}=${value}`);
	}
	return lines;
}

/** What a build could print, and only gg needs. */
const isSecret = (name: string, value: string): boolean =>
	name === "GG_REAPI_TOKEN" || (name === "GG_STORAGE_URI" && value.includes("@"));

export function notExecutable(program: string): string | undefined {
	try {
		accessSync(program, constants.X_OK);
		return undefined;
	} catch (error) {
		return describeErrno(error);
	}
}

export function findProgram(name: string, path: string, cwd: string): string | undefined {
	// A script finds its folder by the name that it was called by.
	if (name.includes("/")) return existsSync(resolve(cwd, name)) ? name : undefined;
	for (const folder of path.split(":")) {
		const candidate = join(folder === "" ? cwd : folder, name);
		if (existsSync(candidate) && basename(candidate) === name) return candidate;
	}
	return undefined;
}

/** A build that starts gg again: the session around it answers for all of it, and has the placeholders that stand. */
export function runWithin(command: readonly string[], io: Io): Promise<number> {
	const env = Object.fromEntries(
		[...childEnvironment(io.env, true)].map((line) => [
			line.slice(0, line.indexOf("=")),
			line.slice(line.indexOf("=") + 1),
		]),
	);
	// Make's jobserver is two descriptors that it names.
	const numbers =
		/--jobserver-(?:auth|fds)=(\d+),(\d+)/
			.exec(io.env["MAKEFLAGS"] ?? "")
			?.slice(1)
			.map(Number) ?? [];
	const stdio = Array.from({ length: Math.max(2, ...numbers) + 1 }, (_, fd) =>
		fd <= 2 || numbers.includes(fd) ? fd : ("ignore" as const),
	);
	const child = spawn(command[0]!, command.slice(1), { cwd: io.cwd, env, stdio });
	return new Promise((resolve, reject) => {
		child.once("error", (error) => {
			reject(new UserError({ reason: "no-command", message: `cannot start ${command[0]}: ${describeErrno(error)}` }));
		});
		child.once("exit", (status, signal) => resolve(status ?? 128 + (signal === null ? 0 : system.signals[signal])));
	});
}

/** What would run is for the builder to say: make and ninja have the same option for it. */
export function dryRun(command: readonly string[], io: Io): number {
	if (!/^(?:g?make|ninja|samu)$/.test(basename(command[0]!))) {
		throw new UserError({
			reason: "usage",
			message: `--dry-run asks the build command what it would run, and ${command[0]} is neither make nor ninja`,
			hint: "`gg infer` describes a build without compiling; `gg force --dry-run` then lists the commands",
		});
	}
	const { status, error } = spawnSync(command[0]!, [...command.slice(1), "-n"], { stdio: "inherit", cwd: io.cwd });
	if (error !== undefined) throw error;
	return status ?? 1;
}
