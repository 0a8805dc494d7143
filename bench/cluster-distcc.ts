/** The peer of cluster.js: the same recorded build through distcc, its own client and server, with a compiler that sleeps. */
import { spawn } from "node:child_process";
import {
	chmodSync,
	copyFileSync,
	existsSync,
	linkSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Variant } from "./cluster.js";
import type { Recorded, Recording } from "./cluster-recording.js";
import { BenchError, must, quote, run } from "./run.js";
import { fresh } from "./workspace.js";

const COMPILERS = ["gcc", "g++", "cc", "c++"];
const OTHERS = ["ar", "ranlib", "strip", "nasm", "ld", "as"];
const SOURCE = /\.(?:c|cc|cpp|cxx|C)$/;

/** @returns seconds that make took with distcc */
export async function measureDistcc(o: Variant): Promise<number> {
	const { workspace, project, recording, slots, limit } = o;
	const [client, daemon] = await Promise.all(["distcc", "distccd"].map(findProgram));
	await fresh(workspace);
	// distccd runs as another user when root starts it.
	const folder = mkdtempSync(join(tmpdir(), "gg-bench-distcc-"));
	chmodSync(folder, 0o755);
	try {
		await must(
			`gcc -O2 -static -o sleeping-compiler ${quote(join(import.meta.dirname, "../../bench/sleeping-compiler.c"))}`,
			{ cwd: folder },
		);
		for (const name of ["server", "client", "masquerade", "table", "state"]) mkdirSync(join(folder, name));
		chmodSync(join(folder, "state"), 0o777);
		for (const name of COMPILERS) symlinkSync(client!, join(folder, "masquerade", name));
		for (const where of ["server", "client"]) {
			// Copies: the program finds the table by its own place.
			const program = join(folder, where, "gcc");
			copyFileSync(join(folder, "sleeping-compiler"), program);
			for (const name of [...COMPILERS, ...OTHERS]) if (name !== "gcc") symlinkSync("gcc", join(folder, where, name));
		}
		writeTable(recording, join(folder, "table"), workspace.src, o.capMs);
		const port = await freePort();
		return await withDistccd({ daemon: daemon!, folder, port, slots }, async () => {
			const env = {
				PATH: `${folder}/masquerade:${folder}/client:${process.env.PATH}`,
				DISTCC_HOSTS: `--localslots=${slots} --localslots_cpp=16 127.0.0.1:${port}/${slots}`,
				DISTCC_DIR: join(folder, "state"),
				DISTCC_FALLBACK: "0",
				// The servers know gcc as gcc.
				DISTCC_NO_REWRITE_CROSS: "1",
				DISTCC_IO_TIMEOUT: String(limit),
			};
			const line = `timeout -k 20 ${limit} ${project.build(slots)}`;
			return (await must(line, { cwd: workspace.src, env })).seconds;
		});
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}

function writeTable(recording: Recording, table: string, src: string, capMs: number): void {
	for (const name of ["blobs", "c", "l"]) mkdirSync(join(table, name));
	for (const recorded of recording.actions.values()) {
		const output = mainOutput(recorded);
		if (output === undefined) continue;
		const blob = join(table, "blobs", output.hash);
		if (!existsSync(blob)) placeBlob(recording.blob(output.hash), blob);
		const entry = `${Math.min(recorded.ms, capMs).toFixed(3)} ${output.hash}\n`;
		const at = (text: string): string => text.replaceAll("@", src).replaceAll("/", "%");
		const source = recorded.args.includes("-c") ? recorded.args.findLast((word) => SOURCE.test(word)) : undefined;
		if (source !== undefined) writeFileSync(join(table, "c", at(source)), entry);
		writeFileSync(join(table, "l", at(`${basename(recorded.args[0] ?? "")}:${output.file}`)), entry);
	}
}

/** The one that the command line names. */
function mainOutput({ args, outputs, cwd }: Recorded) {
	const named = args[args.indexOf("-o") + 1];
	return outputs.find(({ file }) => file === named || file === `${cwd}/${named}`) ?? outputs[0];
}

function placeBlob(from: string, to: string): void {
	try {
		linkSync(from, to);
	} catch {
		copyFileSync(from, to);
	}
}

async function findProgram(name: string): Promise<string> {
	const { status, stdout } = await run(`PATH=$PATH:/usr/sbin command -v ${name}`, { cwd: tmpdir() });
	if (status !== 0) throw new BenchError(`${name} is not installed (Debian package distcc)`);
	return stdout.trim();
}

function listens(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, "127.0.0.1");
		socket.once("connect", () => {
			socket.destroy();
			resolve(true);
		});
		socket.once("error", () => resolve(false));
	});
}

async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	await new Promise<void>((resolve) => server.close(() => resolve()));
	if (address === null || typeof address === "string") throw new BenchError("no port is free");
	return address.port;
}

async function withDistccd<T>(
	{ daemon, folder, port, slots }: { daemon: string; folder: string; port: number; slots: number },
	use: () => Promise<T>,
): Promise<T> {
	const log = join(folder, "state", "log");
	writeFileSync(log, "", { mode: 0o666 });
	chmodSync(log, 0o666);
	const args = ["--daemon", "--no-detach", "--listen", "127.0.0.1", "--port", String(port), "--allow", "127.0.0.1"];
	args.push("--jobs", String(slots), "--nice", "0", "--enable-tcp-insecure", "--log-file", log, "--log-level", "error");
	if (process.getuid?.() === 0) args.push("--user", "nobody");
	const child = spawn(daemon, args, { stdio: "ignore", env: { PATH: join(folder, "server"), TMPDIR: "/tmp" } });
	const ended = new Promise<void>((resolve) => {
		child.once("exit", () => resolve());
		child.once("error", () => resolve());
	});
	try {
		while (child.exitCode === null && !(await listens(port))) await new Promise((resolve) => setTimeout(resolve, 20));
		return await use();
	} catch (error) {
		if (!(error instanceof BenchError)) throw error;
		const said = readFileSync(log, "utf8").trim().split("\n").slice(-5).join("\n");
		throw new BenchError(`${error.message}\n${said}`);
	} finally {
		child.kill();
		await ended;
	}
}
