/** Servers as processes of their own: `gg worker`, and Bazel's reference worker where it is installed. */
import { strict as assert } from "node:assert";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { GG } from "./cli.js";

/** A server of the Remote Execution API that a test or a comparison has started. */
export interface Server {
	readonly target: string;
	stop(): void;
}

/** `gg worker` as a process of its own. */
export async function startGgWorker(
	folder: string,
	env: NodeJS.ProcessEnv,
	more: readonly string[] = [],
	through: readonly string[] = [],
): Promise<Server> {
	const [program, ...before] = [...through, GG];
	const child = spawn(
		program!,
		[...before, "worker", "--listen", "127.0.0.1:0", "--jobs", "2", "--cache", folder, ...more],
		{
			env,
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	const target = await new Promise<string>((resolve, reject) => {
		let said = "";
		child.stdout.on("data", (chunk: Buffer) => {
			said += chunk.toString();
			const match = /gg worker: (\S+:\d+),/.exec(said);
			if (match !== null) resolve(match[1]!);
		});
		child.once("exit", (status) => reject(new Error(`gg worker ended with ${status}: ${said}`)));
	});
	return { target, stop: () => void child.kill("SIGKILL") };
}

/** In front of a command: it and all that it starts can make no namespace. */
export const WITHOUT_NAMESPACES = [
	...["unshare", "-Ur", "sh", "-c"],
	'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all -- "$@"',
	"sh",
] as const;

/** In front of that: what compilers consist of is not on the worker's machine. */
export function withoutCompilers(): string[] {
	const folders = ["/usr/lib/gcc", "/usr/libexec/gcc", "/usr/include", "/usr/local/include", "/usr/lib/bfd-plugins"];
	const libraries = "/usr/lib/x86_64-linux-gnu";
	const parts =
		/^(?:crt\w+\.o|Scrt1\.o|lib(?:c|m|pthread|dl)\.(?:a|so)|lib(?:bfd|opcodes|ctf|isl|mpc|mpfr|gmp|lto)\b.*\.so.*)$/;
	const tools = /^(?:[a-z0-9_]+-linux-gnu-)?(?:gcc|g\+\+|cpp|as|ld|ld\.bfd|ar|ranlib|nasm)(?:-[0-9]+)?$/;
	const named = (folder: string, pattern: RegExp) =>
		(existsSync(folder) ? readdirSync(folder) : [])
			.filter((name) => pattern.test(name))
			.map((name) => join(folder, name));
	const files = [...named(libraries, parts), ...named("/usr/bin", tools)].filter(
		(path) => !lstatSync(path).isSymbolicLink(),
	);
	const mounts = [
		...folders.filter((path) => existsSync(path)).map((path) => `mount -t tmpfs gg-test ${path}`),
		...files.map((path) => `mount --bind /dev/null ${path}`),
	];
	return ["unshare", "-Urm", "sh", "-c", `${mounts.join(" && ")} && exec "$@"`, "sh", ...WITHOUT_NAMESPACES];
}

const SOURCES = "/usr/src/bazel-bootstrap/src/tools/remote/src/main/java";
const JAR = "/usr/share/bazel/A-server.jar";

export function hasReferenceWorker(): boolean {
	return existsSync(JAR) && existsSync(SOURCES) && spawnSync("javac", ["-version"], { stdio: "ignore" }).status === 0;
}

/** Compiles Bazel's RemoteWorker, changed to listen on the loopback address only. */
export function compileReferenceWorker(folder: string): void {
	cpSync(SOURCES, join(folder, "src"), { recursive: true });
	const sources = readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" })
		.filter((name) => name.endsWith(".java"))
		.map((name) => join(folder, "src", name));
	const main = sources.find((name) => name.endsWith("/RemoteWorker.java"))!;
	const text = readFileSync(main, "utf8");
	const local = text.replace(
		"NettyServerBuilder.forPort(workerOptions.listenPort)",
		'NettyServerBuilder.forAddress(new java.net.InetSocketAddress("127.0.0.1", workerOptions.listenPort))',
	);
	assert.notEqual(local, text);
	writeFileSync(main, local);
	const flags = ["-nowarn", "-proc:none", "-Xlint:none", "-cp", JAR, "-d", join(folder, "classes")];
	execFileSync("javac", [...flags, ...sources], { stdio: "ignore" });
}

export async function startReferenceWorker(folder: string): Promise<Server> {
	const port = await freePort();
	for (const name of ["cas", "work"]) mkdirSync(join(folder, name));
	const args = ["-cp", `${join(folder, "classes")}:${JAR}`, "com.google.devtools.build.remote.worker.RemoteWorker"];
	args.push(`--listen_port=${port}`, `--cas_path=${folder}/cas`, `--work_path=${folder}/work`, "--jobs=2");
	const child = spawn("java", args, { stdio: ["ignore", "ignore", "pipe"] });
	await new Promise<void>((resolve, reject) => {
		let said = "";
		child.stderr.on("data", (chunk: Buffer) => {
			said += chunk.toString();
			if (said.includes("Not starting HTTP cache server")) resolve();
		});
		child.once("exit", (status) => reject(new Error(`it ended with ${status}: ${said}`)));
	});
	return { target: `127.0.0.1:${port}`, stop: () => void child.kill("SIGKILL") };
}

export function freePort(): Promise<number> {
	return new Promise((resolve) => {
		const server = createServer();
		server.listen(0, "127.0.0.1", () => {
			const { port } = server.address() as { port: number };
			server.close(() => resolve(port));
		});
	});
}
