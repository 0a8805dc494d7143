import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeErrno } from "../store/project.js";
import { makeFolders, replaceFile } from "../util/files.js";
import { err, type Failure, ok, type Result } from "../util/result.js";

/** The compiled native programs. */
export interface Natives {
	readonly shim: string;
	readonly spawner: string;
	readonly supervisor: string;
	readonly view: string;
	/** An addon of Node.js. */
	readonly files: string;
}

export type NativeFailure = Failure<"no-compiler" | "native-build" | "native-sources">;

const PROGRAMS = {
	shim: { source: "gg-shim.c", output: "gg-shim", flags: [["-static"], []] },
	spawner: { source: "gg-spawner.c", output: "gg-spawner", flags: [["-static"], []] },
	supervisor: { source: "gg-supervise.c", output: "gg-supervise", flags: [["-static", "-pthread"], ["-pthread"]] },
	view: { source: "gg-view.c", output: "gg-view.so", flags: [["-shared", "-fPIC"]] },
	files: { source: "gg-files.c", output: "gg-files.node", flags: [["-shared", "-fPIC", "-fvisibility=hidden"]] },
} as const;
/** Goes to other machines, whatever C library they have. */
const RUNNER = { source: "gg-runner.c", output: "gg-runner", flags: [["-static"]] } as const;
const HEADERS = ["gg-wire.h", "gg-target.h", "gg-reader.h"];
const COMMON = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"];

/** The package's folder `wrappers`, from a bundle in dist/ as from a build in build/src/interpose/. */
function sourceFolder(): string | undefined {
	for (let at = dirname(fileURLToPath(import.meta.url)); at !== "/"; at = dirname(at)) {
		const candidate = join(at, "wrappers");
		if (existsSync(join(candidate, "gg-shim.c"))) return candidate;
	}
	return undefined;
}

/** The folder that gg is installed in. */
export function installation(): string {
	return dirname(sourceFolder() ?? "/");
}

/** Compiles what is missing into the user's cache, named by the sources' content, and says so through `say`. */
export function nativePrograms(
	cacheDir: string,
	env: NodeJS.ProcessEnv,
	say: (text: string) => void,
): Result<Natives, NativeFailure> {
	const built = compile(PROGRAMS, cacheDir, env, () => say("first use: compiling the wrappers ...\n"));
	if (!built.ok) return built;
	try {
		accessSync(built.value.spawner, constants.X_OK);
	} catch (error) {
		return err({
			reason: "native-build",
			message: `cannot run programs from the cache ${cacheDir}: ${describeErrno(error)}`,
			hint: "its file system may be mounted noexec: name another folder with GG_CACHE_DIR",
		});
	}
	return ok(built.value);
}

/** The program that starts a command on a worker; compiled when a server is first used. */
export function nativeRunner(
	cacheDir: string,
	env: NodeJS.ProcessEnv,
	say: (text: string) => void,
): Result<string, NativeFailure> {
	const built = compile({ runner: RUNNER }, cacheDir, env, () => say("first use: compiling the runner ...\n"));
	return built.ok ? ok(built.value.runner) : built;
}

interface NativeProgram {
	readonly source: string;
	readonly output: string;
	/** Tried in this order. */
	readonly flags: readonly (readonly string[])[];
}

function compile<Name extends string>(
	programs: Readonly<Record<Name, NativeProgram>>,
	cacheDir: string,
	env: NodeJS.ProcessEnv,
	announce: () => void,
): Result<Readonly<Record<Name, string>>, NativeFailure> {
	const all = Object.values<NativeProgram>(programs);
	const folder = sourceFolder();
	if (folder === undefined) {
		return err({
			reason: "native-sources",
			message: "the folder wrappers/ of this installation is missing",
			hint: "install gg again",
		});
	}
	const digest = createHash("sha256").update(`${process.arch}\0${COMMON.join(" ")}`);
	for (const name of [...HEADERS, ...all.map((program) => program.source)])
		digest.update(readFileSync(join(folder, name)));
	const out = join(cacheDir, "native", digest.digest("hex").slice(0, 16));
	const entries = Object.entries<NativeProgram>(programs).map(([name, program]) => [name, join(out, program.output)]);
	const paths = Object.fromEntries(entries) as Record<Name, string>;
	if (Object.values<string>(paths).every((p) => existsSync(p))) return ok(paths);
	const compiler = ["cc", "gcc", "clang"].find(
		(c) => spawnSync(c, ["--version"], { env, stdio: "ignore" }).status === 0,
	);
	if (compiler === undefined) {
		return err({
			reason: "no-compiler",
			message: "a C compiler is needed, and PATH has no cc, gcc or clang",
			hint: "on Debian and Ubuntu: apt-get install gcc libc6-dev",
		});
	}
	try {
		makeFolders(out);
	} catch (error) {
		return err({
			reason: "native-build",
			message: `cannot use the cache ${cacheDir}: ${describeErrno(error)}`,
			hint: "check its owner and permissions, or name another folder with GG_CACHE_DIR",
		});
	}
	announce();
	for (const program of all) {
		let failure = "";
		const built = program.flags.some((flags) => {
			try {
				replaceFile(join(out, program.output), (temporary) => {
					const argv = [...COMMON, ...flags, join(folder, program.source), "-o", temporary, "-ldl"];
					const run = spawnSync(compiler, argv, { env, encoding: "utf8" });
					if (run.status !== 0) throw new Error(run.stderr);
				});
				return true;
			} catch (error) {
				failure = error instanceof Error ? error.message : String(error);
				return false;
			}
		});
		if (!built) {
			const message = `${program.source} does not compile with ${compiler}:\n${failure.trim()}`;
			return err({
				reason: "native-build",
				message,
				hint: "install the C library's headers (libc6-dev), or name another compiler as cc on PATH",
			});
		}
	}
	return ok(paths);
}
