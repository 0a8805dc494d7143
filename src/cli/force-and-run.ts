import { spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { readPlaceholder } from "../store/placeholders.js";
import { describeErrno } from "../store/project.js";
import { UserError } from "../util/result.js";

import { usageError } from "./project.js";
import type { Io, Run } from "./types.js";

const USAGE = `gg force-and-run FILE [ARG…]

Forces FILE if it is a placeholder, then runs it with ARG… in the place of this command.
A placeholder that is started as a program does this by its first line.
`;
const FORWARDED = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
/** The terminal sends these to the program itself; gg only waits for what it makes of them. */
const IGNORED = ["SIGINT", "SIGQUIT"] as const;

export const run: Run = async (args, io) => {
	const [file, ...rest] = args;
	if (file === "--help" || file === "-h") {
		io.out(USAGE);
		return 0;
	}
	if (file === undefined) throw usageError("force-and-run", "no file was given");
	const path = resolve(io.cwd, file);
	if (readPlaceholder(realPath(path, file)) !== undefined) {
		const force = await import("./force.js");
		const status = await force.run([path], io);
		if (status !== 0) return status;
	}
	return become(realPath(path, file), file, rest, io);
};

function realPath(path: string, name: string): string {
	try {
		return realpathSync(path);
	} catch (error) {
		throw new UserError({ reason: "cannot-run", message: `cannot run ${name}: ${describeErrno(error)}` });
	}
}

/** Node cannot exec: the program is a child with our descriptors, and we end as it does. */
function become(path: string, name: string, args: readonly string[], io: Io): Promise<number> {
	return new Promise((done, fail) => {
		// The handlers stand before the child does: a signal that it causes must not end us first.
		const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
		const ignore = (): void => {};
		const restore = (): void => {
			for (const signal of FORWARDED) process.off(signal, forward);
			for (const signal of IGNORED) process.off(signal, ignore);
		};
		for (const signal of FORWARDED) process.on(signal, forward);
		for (const signal of IGNORED) process.on(signal, ignore);
		const child = spawn(path, args, { argv0: name, stdio: "inherit", env: io.env, cwd: io.cwd });
		child.once("error", (error) => {
			restore();
			fail(new UserError({ reason: "cannot-run", message: `cannot run ${name}: ${describeErrno(error)}` }));
		});
		child.once("exit", (code, signal) => {
			restore();
			if (signal === null) done(code ?? 1);
			else process.kill(process.pid, signal);
		});
	});
}
