/** Starting commands for the benchmarks: a clean environment, wall time, and what the command wrote. */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Ran {
	/** As a shell would give it: 128 and the signal's number for a process that died of one. */
	readonly status: number;
	readonly seconds: number;
	readonly stdout: string;
	readonly stderr: string;
}

export interface RunOptions {
	readonly cwd: string;
	/** Added to the clean environment; `undefined` takes a variable out. */
	readonly env?: Readonly<Record<string, string | undefined>>;
	/** Called with the child as soon as it runs. */
	readonly onStart?: (child: ChildProcess) => void;
}

/** The gg to be measured: $GG, or the one in this checkout. */
export const GG = process.env.GG ?? join(import.meta.dirname, "../../gg");

/**
 * The caller's environment without what would make two builds differ or one of them slow: settings of gg, of an outer make
 * and of ccache, which CMake would use unasked, and additional certificates, which Node reads at every start.
 */
function cleanEnvironment(): Record<string, string | undefined> {
	const env: Record<string, string | undefined> = { ...process.env, CCACHE_DISABLE: "1" };
	for (const name of Object.keys(env)) {
		const dropped = /^(GG(_.*)?|CCACHE_(?!DISABLE$).*|MAKEFLAGS|MAKELEVEL|MFLAGS|NODE_EXTRA_CA_CERTS)$/.test(name);
		if (dropped) delete env[name];
	}
	return env;
}

/** Runs a line of shell. Its output goes to files, so that reading it takes no time from the build. */
export async function run(line: string, options: RunOptions): Promise<Ran> {
	const folder = mkdtempSync(join(tmpdir(), "gg-bench-"));
	const [out, err] = [join(folder, "out"), join(folder, "err")];
	const fds = [openSync(out, "w"), openSync(err, "w")];
	try {
		const start = process.hrtime.bigint();
		const child = spawn("/bin/sh", ["-c", line], {
			cwd: options.cwd,
			env: { ...cleanEnvironment(), ...options.env },
			stdio: ["ignore", ...fds],
		});
		options.onStart?.(child);
		const status = await new Promise<number>((resolve, reject) => {
			child.once("error", reject);
			child.once("close", (code, signal) => resolve(code ?? (signal === null ? 128 : 128 + signalNumber(signal))));
		});
		const seconds = Number(process.hrtime.bigint() - start) / 1e9;
		return { status, seconds, stdout: readFileSync(out, "utf8"), stderr: readFileSync(err, "utf8") };
	} finally {
		for (const fd of fds) closeSync(fd);
		rmSync(folder, { recursive: true, force: true });
	}
}

const signalNumber = (name: string): number => ({ SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 })[name] ?? 0;

/** A command that the benchmark itself needs did not succeed: nothing after it would mean anything. */
export class BenchError extends Error {}

/** Before anything that takes long: without a gg there is nothing to measure. */
export function requireGg(): void {
	try {
		accessSync(GG, constants.X_OK);
	} catch {
		throw new BenchError(`${GG} is not a program: set GG to the gg that is meant`);
	}
}

/** Runs a line of shell that must succeed. */
export async function must(line: string, options: RunOptions): Promise<Ran> {
	const ran = await run(line, options);
	if (ran.status !== 0) {
		const tail = `${ran.stdout}\n${ran.stderr}`.trim().split("\n").slice(-20).join("\n");
		throw new BenchError(`exit status ${ran.status} in ${options.cwd}: ${line}\n${tail}`);
	}
	return ran;
}

/** What is compared: wall time, or the CPU time of all processes, which another load on the machine does not change much. */
export type Clock = "wall" | "cpu";

/** Runs a line of shell that must succeed. @returns seconds by that clock */
export async function cost(line: string, options: RunOptions, clock: Clock): Promise<number> {
	if (clock === "wall") return (await must(line, options)).seconds;
	const { stderr } = await must(`sh -c ${quote(line)}; status=$?; times >&2; exit $status`, options);
	const words = stderr.trimEnd().split("\n").slice(-2).join(" ").split(" ");
	return words.reduce((sum, word) => {
		const [minutes, seconds] = word.split("m").map(Number.parseFloat);
		return sum + (minutes ?? 0) * 60 + (seconds ?? 0);
	}, 0);
}

/** One word of shell. */
export const quote = (word: string): string =>
	/^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** `build` under `gg WORDS`. What is more than one plain command goes through a shell. */
export function underGg(words: string, build: string): string {
	const simple = !/[;&|<>()$`"'\\*?#~\n]/.test(build) && !/^\s*\w+=/.test(build);
	return `${quote(GG)} ${words} ${simple ? build : `sh -c ${quote(build)}`}`;
}

/** Ends the program with a sentence instead of a stack when the cause is not in here. */
export async function mainOf(main: () => number | Promise<number>): Promise<void> {
	try {
		process.exitCode = await main();
	} catch (error) {
		const sentence = error instanceof BenchError ? error.message : misuse(error);
		if (sentence === undefined) throw error;
		process.stderr.write(`${sentence}\n`);
		process.exitCode = 2;
	}
}

/** What node:util's parseArgs found wrong with the command line; its further sentences advise what no program here has. */
function misuse(error: unknown): string | undefined {
	const { code, message } = error as NodeJS.ErrnoException;
	if (!(error instanceof TypeError) || !code?.startsWith("ERR_PARSE_ARGS_")) return undefined;
	return `${message.split(/\.(?:\s|$)/)[0]}: bench/README.md says what there is`;
}
