import { statSync } from "node:fs";
import { describeErrno } from "../store/project.js";
import { UserError } from "../util/result.js";
import type { Io, Run } from "./types.js";

export function processIo(): Io {
	let cwd: string | undefined;
	return {
		env: process.env,
		/** Found out when it is asked for: not everything needs one. */
		get cwd() {
			cwd ??= workingDirectory();
			return cwd;
		},
		out: (text) => void process.stdout.write(text),
		err: (text) => void process.stderr.write(text),
	};
}

function workingDirectory(): string {
	let cwd: string;
	try {
		cwd = process.cwd();
	} catch (error) {
		throw new UserError({
			reason: "no-directory",
			message: `the folder in which gg was started: ${describeErrno(error)}`,
			hint: "change to one that does",
		});
	}
	// What is no UTF-8 is shown by this sign, and the name then leads elsewhere.
	if (!cwd.includes("\ufffd")) return cwd;
	const [there, here] = [statSync(cwd, { throwIfNoEntry: false }), statSync(".")];
	if (there?.ino === here.ino && there.dev === here.dev) return cwd;
	throw new UserError({
		reason: "encoding",
		message: `the path of this folder is not UTF-8: ${cwd}`,
		hint: "rename it, or build a copy elsewhere",
	});
}

/** Runs a subcommand and says what stopped it; an exit status. */
export async function runNamed(name: string, run: Run, args: readonly string[], io: Io): Promise<number> {
	try {
		return await run(args, io);
	} catch (error) {
		if (error instanceof UserError) {
			const { message, hint } = error.failure;
			io.err(`gg-${name}: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`);
			return 1;
		}
		if (error instanceof Error && "code" in error) {
			const isFull = /^(?:ENOSPC|EDQUOT)$/.test(String(error.code));
			const hint = isFull ? "    make room, with `gg clean` perhaps, and run it again\n" : "";
			io.err(`gg-${name}: ${describeErrno(error)}${"path" in error ? `: ${String(error.path)}` : ""}\n${hint}`);
			return 1;
		}
		io.err(`gg-${name}: Internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
		return 70;
	}
}

/** For a bundle that is one subcommand: `gg-NAME-static`. */
export async function runAlone(name: string, run: Run): Promise<void> {
	process.exitCode = await runNamed(name, run, process.argv.slice(2), processIo());
}
