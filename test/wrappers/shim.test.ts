import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../../wrappers/gg-shim.c", import.meta.url));
const MiB = 1 << 20;

/** What a shim tells its session; names as in wrappers/PROTOCOL.md. */
interface Command {
	magic: number;
	kind: number;
	pid: number;
	ppid: number;
	umask: number;
	fds: { open: number; isatty: number; dev: bigint; ino: bigint; mode: number; rdev: bigint }[];
	tool: string;
	cwd: string;
	parentExe: string;
	parentArgv: string[];
	argv: Buffer[];
	env: Buffer[];
	asked: string;
}

interface Ran {
	status: number;
	wall: bigint;
	user: bigint;
	sys: bigint;
	maxrss: number;
	truncated: number;
	stdout: Buffer;
	stderr: Buffer;
}

class Reader {
	private at = 0;
	private readonly buffer: Buffer;
	constructor(buffer: Buffer) {
		this.buffer = buffer;
	}
	u8 = () => this.buffer.readUInt8(this.step(1));
	u32 = () => this.buffer.readUInt32LE(this.step(4));
	u64 = () => this.buffer.readBigUInt64LE(this.step(8));
	bytes = () => {
		const n = this.u32();
		const at = this.step(n);
		return Buffer.from(this.buffer.subarray(at, at + n));
	};
	str = () => this.bytes().toString();
	list = () => Array.from({ length: this.u32() }, this.bytes);
	end = () => assert.equal(this.at, this.buffer.length, "the frame ends with its last field");
	private step(n: number): number {
		const at = this.at;
		this.at += n;
		assert.ok(this.at <= this.buffer.length, "a field reaches beyond its frame");
		return at;
	}
}

function readCommand(frame: Buffer): Command {
	const r = new Reader(frame);
	const command = {
		magic: r.u32(),
		kind: r.u8(),
		pid: r.u32(),
		ppid: r.u32(),
		umask: r.u32(),
		fds: [0, 1, 2].map(() => ({
			open: r.u8(),
			isatty: r.u8(),
			dev: r.u64(),
			ino: r.u64(),
			mode: r.u32(),
			rdev: r.u64(),
		})),
		tool: r.str(),
		cwd: r.str(),
		parentExe: r.str(),
		parentArgv: r.list().map(String),
		argv: r.list(),
		env: r.list(),
		asked: r.str(),
	};
	r.end();
	return command;
}

function readRan(frame: Buffer): Ran {
	const r = new Reader(frame);
	assert.equal(r.u8(), 2);
	const ran = {
		status: r.u32(),
		wall: r.u64(),
		user: r.u64(),
		sys: r.u64(),
		maxrss: r.u32(),
		truncated: r.u8(),
		stdout: r.bytes(),
		stderr: r.bytes(),
	};
	r.end();
	return ran;
}

const u8 = (n: number) => Buffer.of(n);
const u32 = (n: number) => {
	const b = Buffer.alloc(4);
	b.writeUInt32LE(n >>> 0);
	return b;
};
type Text = string | Buffer;
const str = (s: Text) => Buffer.concat([u32(Buffer.byteLength(s)), Buffer.from(s as string)]);
const strs = (list: Text[]) => Buffer.concat([u32(list.length), ...list.map(str)]);
const frame = (...parts: Buffer[]) => {
	const payload = Buffer.concat(parts);
	return Buffer.concat([u32(payload.length), payload]);
};

const exit = (status: number, { signal = 0, stdout = "" as Text, stderr = "" as Text } = {}) =>
	frame(u8(1), u32(status), u32(signal), str(stdout), str(stderr));
interface Program {
	set?: Text[];
	unset?: string[];
}
const program = (argv: Text[], { set = [], unset = [] }: Program = {}) =>
	Buffer.concat([str(argv[0]!), strs(argv), strs(set), strs(unset)]);
const exec = (argv: Text[], changes?: Program) => frame(u8(2), program(argv, changes));
const run = (argv: Text[], { capture = false, ...changes }: Program & { capture?: boolean } = {}) =>
	frame(u8(3), program(argv, changes), u8(capture ? 1 : 0));

/** One connection, seen from the session. */
class Connection {
	readonly socket: net.Socket;
	private chunks: Buffer[] = [];
	private length = 0;
	private wanted = 4;
	private closed = false;
	private wake: () => void = () => {};
	constructor(socket: net.Socket) {
		this.socket = socket;
		socket.on("data", (data) => {
			this.chunks.push(data);
			this.length += data.length;
			this.wake();
		});
		socket.on("close", () => {
			this.closed = true;
			this.wake();
		});
		socket.on("error", () => {});
	}
	/** The next frame, or undefined at the end. */
	async next(): Promise<Buffer | undefined> {
		for (;;) {
			if (this.length >= this.wanted) {
				const whole = Buffer.concat(this.chunks);
				const length = 4 + whole.readUInt32LE();
				if (whole.length >= length) {
					this.chunks = [whole.subarray(length)];
					this.length = whole.length - length;
					this.wanted = 4;
					return whole.subarray(4, length);
				}
				this.chunks = [whole];
				this.wanted = length;
			}
			if (this.closed) return undefined;
			await new Promise<void>((resolve) => {
				this.wake = resolve;
			});
		}
	}
	async ran(): Promise<Ran> {
		const payload = await this.next();
		assert.ok(payload, "the shim went away without a report");
		return readRan(payload);
	}
	send(bytes: Buffer): void {
		this.socket.write(bytes);
	}
}

type Session = (connection: Connection, command: Command) => void | Promise<void>;

interface Outcome {
	status: number | null;
	signal: NodeJS.Signals | null;
	stdout: Buffer;
	stderr: Buffer;
}

function collect(child: ChildProcess): Promise<Outcome> {
	const out: Buffer[] = [];
	const err: Buffer[] = [];
	child.stdout?.on("data", (data: Buffer) => out.push(data));
	child.stderr?.on("data", (data: Buffer) => err.push(data));
	return new Promise((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (status, signal) =>
			resolve({ status, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err) }),
		);
	});
}

/** Resolves once the child has printed the text on stdout. */
function printed(child: ChildProcess, text: string): Promise<void> {
	let seen = "";
	return new Promise((resolve) => {
		child.stdout!.on("data", (data: Buffer) => {
			seen += data;
			if (seen.includes(text)) resolve();
		});
	});
}

describe("gg-shim", function () {
	this.timeout(10_000);

	let dir: string;
	let wrappers: string;
	let real: string;
	let env: Record<string, string>;
	let socketCount = 0;
	const running = new Set<ChildProcess>();
	const servers = new Set<net.Server>();

	function script(name: string, text: string, where = real): string {
		const file = path.join(where, name);
		fs.writeFileSync(file, text, { mode: 0o755 });
		return file;
	}

	/** Starts a session; failures inside it are thrown by `check`. */
	async function open(session: Session, socket = path.join(dir, `s${socketCount++}`)) {
		const connections: Promise<void>[] = [];
		const server = net.createServer((s) => {
			const connection = new Connection(s);
			const done = connection.next().then(async (payload) => {
				if (payload) await session(connection, readCommand(payload));
			});
			done.catch(() => s.destroy());
			connections.push(done);
		});
		servers.add(server);
		const cwd = process.cwd();
		if (socket.length > 100) process.chdir(path.dirname(socket));
		server.listen(socket.length > 100 ? path.basename(socket) : socket);
		await once(server, "listening");
		process.chdir(cwd);
		return { socket, check: () => Promise.all(connections) };
	}

	function start(argv: string[], options: { env?: Record<string, string>; stdio?: StdioOptions; cwd?: string } = {}) {
		const child = spawn(argv[0]!, argv.slice(1), {
			env: { ...env, ...options.env },
			stdio: options.stdio ?? ["ignore", "pipe", "pipe"],
			cwd: options.cwd ?? dir,
		});
		running.add(child);
		child.on("exit", () => running.delete(child));
		return child;
	}

	async function ask(
		session: Session,
		argv: string[] = [path.join(wrappers, "cc")],
		options: Parameters<typeof start>[1] & { socket?: string } = {},
	): Promise<Outcome> {
		const { socket, check } = await open(session, options.socket);
		const outcome = await collect(start(argv, { ...options, env: { GG_SESSION: socket, ...options.env } }));
		await check();
		return outcome;
	}

	before(function () {
		this.timeout(60_000);
		dir = fs.mkdtempSync(path.join(os.tmpdir(), "gg-shim-"));
		wrappers = path.join(dir, "wrappers");
		real = path.join(dir, "real");
		for (const folder of [wrappers, real]) fs.mkdirSync(folder);
		const compile = (how: string[]) =>
			execFileSync("cc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", ...how, "-o", `${dir}/gg-shim`, source], {
				stdio: "pipe",
			});
		try {
			compile(["-static"]);
		} catch {
			compile([]);
		}
		for (const name of ["cc", "onlyhere", "gg-force-and-run"]) fs.symlinkSync("../gg-shim", path.join(wrappers, name));
		script("cc", '#!/bin/sh\necho "real $0 $PATH $*"\nexit 3\n');
		env = { PATH: `${wrappers}:${real}:/usr/bin:/bin`, LC_ALL: "C" };
	});
	afterEach(() => {
		for (const child of running) child.kill("SIGKILL");
		for (const server of servers) server.close();
		servers.clear();
	});
	after(() => fs.rmSync(dir, { recursive: true, force: true }));

	describe("without a session", () => {
		it("runs the first real tool on PATH under that path, and takes the wrappers out of PATH", async () => {
			const got = await collect(start(["cc", "a", "b c"], { env: { PATH: `${wrappers}::${real}:/usr/bin:/bin` } }));
			assert.equal(String(got.stdout), `real ${real}/cc :${real}:/usr/bin:/bin a b c\n`);
			assert.equal(got.status, 3);
			assert.equal(String(got.stderr), "");
		});

		it("leaves links in the path of the tool as they are", async () => {
			const other = fs.mkdtempSync(path.join(dir, "other-"));
			fs.symlinkSync(path.join(real, "cc"), path.join(other, "cc"));
			const got = await collect(start(["cc"], { env: { PATH: `${wrappers}:${other}:/bin` } }));
			assert.equal(String(got.stdout), `real ${other}/cc ${other}:/bin \n`);
		});

		it("passes over what cannot be run, and over other links to itself", async () => {
			const other = fs.mkdtempSync(path.join(dir, "other-"));
			const folder = fs.mkdtempSync(path.join(dir, "folder-"));
			const plain = fs.mkdtempSync(path.join(dir, "plain-"));
			fs.linkSync(path.join(dir, "gg-shim"), path.join(other, "cc"));
			fs.mkdirSync(path.join(folder, "cc"));
			fs.writeFileSync(path.join(plain, "cc"), "", { mode: 0o644 });
			const PATH = [wrappers, other, folder, plain, real, wrappers, "/bin"].join(":");
			const got = await collect(start(["cc"], { env: { PATH } }));
			assert.equal(String(got.stdout), `real ${real}/cc ${[folder, plain, real, "/bin"].join(":")} \n`);
		});

		it("answers 127 and one sentence when there is no such tool", async () => {
			const got = await collect(start(["onlyhere"]));
			assert.equal(got.status, 127);
			assert.equal(String(got.stderr), "gg: onlyhere: command not found (only gg's wrapper of that name is on PATH)\n");
		});

		it("gives a script without an interpreter to the shell", async () => {
			const other = fs.mkdtempSync(path.join(dir, "other-"));
			script("cc", 'echo "plain $1 $#"\n', other);
			const got = await collect(start(["cc", "x", "y"], { env: { PATH: `${wrappers}:${other}:/bin` } }));
			assert.equal(String(got.stdout), "plain x 2\n");
		});

		it("runs the real tool when nobody listens", async () => {
			for (const socket of ["", path.join(dir, "nowhere"), `${dir}/${"x".repeat(200)}`]) {
				const got = await collect(start(["cc"], { env: { GG_SESSION: socket } }));
				assert.equal(got.status, 3);
				assert.equal(String(got.stderr), "");
			}
		});

		it("forces a placeholder, then runs what it has become", async () => {
			const file = script("placed", "#!/usr/bin/env gg-force-and-run\nhash\n", dir);
			const gg = script("gg", `#!/bin/sh\nprintf '#!/bin/sh\\necho "made by $* with $@"; exit 5\\n' > "$2"\n`);
			assert.ok(gg);
			const got = await collect(start([file, "p", "q"]));
			assert.equal(String(got.stdout), "made by p q with p q\n");
			assert.equal(got.status, 5);
		});

		it("says so when the file could not be forced, and does not go round in circles", async () => {
			const file = script("placed", "#!/usr/bin/env gg-force-and-run\nhash\n", dir);
			const fails = script("fails", '#!/bin/sh\necho "$1 no" >&2; exit 9\n');
			let got = await collect(start([file], { env: { GG_COMMAND: fails } }));
			assert.deepEqual([got.status, String(got.stderr)], [9, "force no\n"]);
			got = await collect(start([file], { env: { GG_COMMAND: "/bin/true" } }));
			assert.deepEqual(
				[got.status, String(got.stderr)],
				[126, `gg: ${file} is still a placeholder after /bin/true force\n`],
			);
			got = await collect(start([file], { env: { GG_COMMAND: "/no/gg" } }));
			assert.equal(got.status, 127);
			assert.match(String(got.stderr), /^gg: cannot run \/no\/gg to force .*: No such file or directory\n$/);
		});
	});

	describe("COMMAND", () => {
		it("describes the process, its descriptors, its parent, arguments and environment", async () => {
			const log = fs.openSync(path.join(dir, "log"), "w");
			const stat = fs.fstatSync(log, { bigint: true });
			let command: Command | undefined;
			const { socket, check } = await open((c, got) => {
				command = got;
				c.send(exit(0));
			});
			const child = start([path.join(wrappers, "cc"), "-c", "x.c"], {
				stdio: ["ignore", log, log],
				cwd: real,
				env: { GG_SESSION: socket, ODD: "a=b\nc" },
			});
			await once(child, "close");
			await check();
			fs.closeSync(log);
			assert.ok(command);
			assert.equal(command.magic, 0x31534747);
			assert.equal(command.kind, 1);
			assert.equal(command.pid, child.pid);
			assert.equal(command.ppid, process.pid);
			assert.equal(command.umask, process.umask());
			assert.equal(command.tool, "cc");
			assert.equal(command.cwd, fs.realpathSync(real));
			assert.equal(command.parentExe, fs.readlinkSync("/proc/self/exe"));
			const own = fs.readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
			assert.deepEqual(command.parentArgv, own);
			assert.deepEqual(command.argv.map(String), [path.join(wrappers, "cc"), "-c", "x.c"]);
			assert.deepEqual(
				command.env.map(String).sort(),
				Object.entries({ ...env, GG_SESSION: socket, ODD: "a=b\nc" })
					.map(([k, v]) => `${k}=${v}`)
					.sort(),
			);
			const null_ = fs.statSync("/dev/null", { bigint: true });
			const described = { open: 1, isatty: 0, dev: stat.dev, ino: stat.ino, mode: Number(stat.mode), rdev: 0n };
			assert.deepEqual(command.fds, [
				{ ...described, dev: null_.dev, ino: null_.ino, mode: Number(null_.mode), rdev: null_.rdev },
				described,
				described,
			]);
		});

		it("carries thousands of arguments, a large environment, and bytes that are no text", async () => {
			const args = Array.from({ length: 5000 }, (_, i) => `-DARGUMENT_${i}=${"x".repeat(100)}`);
			const big = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`BIG${i}`, "y".repeat(100_000)]));
			let got: Command | undefined;
			await ask(
				(c, command) => {
					got = command;
					c.send(exit(0));
				},
				[path.join(wrappers, "cc"), ...args],
				{ env: big },
			);
			assert.deepEqual(got!.argv.slice(1).map(String), args);
			assert.ok(got!.env.some((v) => v.length === 100_005));
			const odd = `B=$(printf 'x\\377\\200'); export B; exec ${wrappers}/cc "$(printf '\\001\\376')" '' "a b"`;
			await ask(
				(c, command) => {
					got = command;
					c.send(exit(0));
				},
				["/bin/sh", "-c", odd],
			);
			assert.deepEqual(got!.argv.slice(1), [Buffer.of(1, 0xfe), Buffer.of(), Buffer.from("a b")]);
			assert.ok(got!.env.some((v) => v.equals(Buffer.from([66, 61, 120, 0xff, 0x80]))));
		});

		it("tells closed descriptors, and keeps its own out of their place", async () => {
			let got: Command | undefined;
			const outcome = await ask(
				(c, command) => {
					got = command;
					c.send(exit(4, { stdout: "lost", stderr: "lost" }));
				},
				["/bin/sh", "-c", `exec ${wrappers}/cc <&- >&- 2>&-`],
			);
			const closed = { open: 0, isatty: 0, dev: 0n, ino: 0n, mode: 0, rdev: 0n };
			assert.deepEqual(got!.fds, [closed, closed, closed]);
			assert.equal(outcome.status, 4);
		});

		it("reaches a socket whose path is too long for an address", async () => {
			const deep = path.join(dir, "d".repeat(90), "e".repeat(90));
			fs.mkdirSync(deep, { recursive: true });
			const got = await ask((c) => c.send(exit(6)), undefined, { socket: path.join(deep, "socket") });
			assert.equal(got.status, 6);
		});
	});

	describe("EXIT", () => {
		it("writes the bytes and ends with the status", async () => {
			const stdout = Buffer.alloc(3 * MiB, "out\0");
			const stderr = Buffer.of(0xff, 0, 10, 0x80);
			const got = await ask((c) => c.send(exit(42, { stdout, stderr })));
			assert.equal(got.status, 42);
			assert.ok(got.stdout.equals(stdout));
			assert.ok(got.stderr.equals(stderr));
		});

		it("understands an answer that comes in pieces", async () => {
			const got = await ask(async (c) => {
				for (const byte of exit(7, { stdout: "bit by bit" })) {
					await new Promise<void>((resolve) => c.socket.write(Buffer.of(byte), () => resolve()));
				}
			});
			assert.equal(got.status, 7);
			assert.equal(String(got.stdout), "bit by bit");
		});

		it("writes stdout before stderr where both are one file", async () => {
			const file = path.join(dir, "both");
			const fd = fs.openSync(file, "w");
			await ask((c) => c.send(exit(0, { stdout: "first ", stderr: "second" })), undefined, {
				stdio: ["ignore", fd, fd],
			});
			fs.closeSync(fd);
			assert.equal(fs.readFileSync(file, "utf8"), "first second");
		});

		it("dies of the signal", async () => {
			for (const signal of ["SIGSEGV", "SIGTERM", "SIGKILL", "SIGPIPE"] as const) {
				const got = await ask((c) => c.send(exit(0, { signal: os.constants.signals[signal] })));
				assert.deepEqual([got.status, got.signal], [null, signal]);
			}
		});
	});

	describe("EXEC", () => {
		it("becomes the program with the changed environment", async () => {
			let ended = false;
			const got = await ask(
				async (c) => {
					c.send(
						exec(["/bin/sh", "-c", 'echo "$$ $OLD $GONE $NEW"; env | grep -c ^OLD=; exit 11'], {
							set: ["OLD=new", "NEW=added"],
							unset: ["GONE", "NEVER"],
						}),
					);
					ended = (await c.next()) === undefined;
				},
				undefined,
				{ env: { OLD: "old", GONE: "gone", GONE_NOT: "1" } },
			);
			assert.match(String(got.stdout), /^\d+ new {2}added\n1\n$/);
			assert.equal(got.status, 11);
			assert.ok(ended, "the program does not hold the socket");
		});

		it("passes bytes that are no text", async () => {
			const got = await ask((c) =>
				c.send(
					exec(["/bin/sh", "-c", 'printf %s "$1$X"', "sh", Buffer.of(0xff, 0xfe)], {
						set: [Buffer.from([88, 61, 0x80])],
					}),
				),
			);
			assert.deepEqual(got.stdout, Buffer.of(0xff, 0xfe, 0x80));
		});

		it("says what could not be run", async () => {
			let got = await ask((c) => c.send(exec(["/no/such/tool"])));
			assert.equal(got.status, 127);
			assert.equal(String(got.stderr), "gg: cannot run /no/such/tool: No such file or directory\n");
			got = await ask((c) => c.send(exec([dir])));
			assert.equal(got.status, 126);
			assert.equal(String(got.stderr), `gg: cannot run ${dir}: Permission denied\n`);
		});
	});

	describe("RUN", () => {
		it("reports how the child ended, then obeys EXIT", async () => {
			let ran: Ran | undefined;
			const got = await ask(async (c) => {
				c.send(run(["/bin/sh", "-c", "echo through; exit 3"]));
				ran = await c.ran();
				c.send(exit(8, { stderr: "after" }));
			});
			assert.equal(ran!.status, 3 << 8);
			assert.ok(ran!.wall > 0n && ran!.maxrss > 0);
			assert.deepEqual([ran!.truncated, ran!.stdout.length, ran!.stderr.length], [0, 0, 0]);
			assert.deepEqual([got.status, String(got.stdout), String(got.stderr)], [8, "through\n", "after"]);
		});

		it("passes captured streams on and keeps each apart", async () => {
			let ran: Ran | undefined;
			const got = await ask(async (c) => {
				c.send(run(["/bin/sh", "-c", 'echo out; echo err >&2; printf "\\377"'], { capture: true }));
				ran = await c.ran();
				c.send(exit(0));
			});
			assert.deepEqual([ran!.stdout, ran!.stderr], [Buffer.from("out\n\xff", "latin1"), Buffer.from("err\n")]);
			assert.deepEqual([got.stdout, got.stderr], [ran!.stdout, ran!.stderr]);
		});

		it("keeps the order where both streams are one file, and reports it as stderr", async () => {
			const file = path.join(dir, "mixed");
			const fd = fs.openSync(file, "w");
			let ran: Ran | undefined;
			await ask(
				async (c) => {
					c.send(run(["/bin/sh", "-c", "for i in 1 2 3; do echo o$i; echo e$i >&2; done"], { capture: true }));
					ran = await c.ran();
					c.send(exit(0));
				},
				undefined,
				{ stdio: ["ignore", fd, fd] },
			);
			fs.closeSync(fd);
			const expected = "o1\ne1\no2\ne2\no3\ne3\n";
			assert.equal(fs.readFileSync(file, "utf8"), expected);
			assert.deepEqual([String(ran!.stdout), String(ran!.stderr)], ["", expected]);
		});

		it("keeps 16 MiB and passes everything on", async function () {
			this.timeout(20_000);
			let ran: Ran | undefined;
			const got = await ask(async (c) => {
				c.send(run(["/bin/sh", "-c", `head -c ${20 * MiB} /dev/zero`], { capture: true }));
				ran = await c.ran();
				c.send(exit(0));
			});
			assert.equal(got.stdout.length, 20 * MiB);
			assert.deepEqual([ran!.stdout.length, ran!.truncated], [16 * MiB, 1]);
		});

		it("gives the child a terminal of the same size where it has one", async () => {
			let ran: Ran | undefined;
			const inside = "test -t 1 && test -t 2 && echo tty; stty size <&2; echo err >&2";
			const { socket, check } = await open(async (c) => {
				c.send(run(["/bin/sh", "-c", inside], { capture: true }));
				ran = await c.ran();
				c.send(exit(0));
			});
			const got = await collect(
				start(["/usr/bin/script", "-qec", `stty rows 31 cols 77; ${wrappers}/cc`, "/dev/null"], {
					env: { GG_SESSION: socket },
				}),
			);
			await check();
			assert.equal(String(ran!.stderr), "tty\n31 77\nerr\n");
			assert.equal(String(got.stdout), "tty\r\n31 77\r\nerr\r\n");
			assert.equal(got.status, 0);
		});

		it("gives the child a terminal for stderr only when only that is one", async () => {
			const file = path.join(dir, "stdout");
			let ran: Ran | undefined;
			const inside = "test -t 1 || echo file; test -t 2 && echo tty >&2";
			const { socket, check } = await open(async (c) => {
				c.send(run(["/bin/sh", "-c", inside], { capture: true }));
				ran = await c.ran();
				c.send(exit(0));
			});
			await collect(
				start(["/usr/bin/script", "-qec", `${wrappers}/cc > ${file}`, "/dev/null"], { env: { GG_SESSION: socket } }),
			);
			await check();
			assert.deepEqual([String(ran!.stdout), String(ran!.stderr)], ["file\n", "tty\n"]);
			assert.equal(fs.readFileSync(file, "utf8"), "file\n");
		});

		it("hands on exactly the descriptors that it was given", async () => {
			const fds = Array.from({ length: 30 }, (_, fd) => fd).join(" ");
			const list = `for fd in ${fds}; do test -e /proc/$$/fd/$fd && echo $fd; done; echo jobs >&7`;
			for (const capture of [false, true]) {
				const got = await ask(
					async (c) => {
						c.send(run(["/bin/sh", "-c", list], { capture }));
						await c.ran();
						c.send(exit(0));
					},
					["/bin/sh", "-c", `exec 7>${dir}/jobs; exec ${wrappers}/cc <&-`],
				);
				assert.equal(String(got.stdout), "1\n2\n7\n");
				assert.equal(fs.readFileSync(path.join(dir, "jobs"), "utf8"), "jobs\n");
			}
		});

		it("leaves a closed descriptor closed", async () => {
			let ran: Ran | undefined;
			const got = await ask(
				async (c) => {
					c.send(run(["/bin/sh", "-c", "echo lost; test -e /proc/self/fd/0 || echo no stdin >&2"], { capture: true }));
					ran = await c.ran();
					c.send(exit(0));
				},
				["/bin/sh", "-c", `exec ${wrappers}/cc <&- >&-`],
			);
			assert.deepEqual([String(ran!.stdout), String(got.stdout)], ["", ""]);
			assert.match(String(got.stderr), /no stdin\n$/);
		});

		for (const capture of [false, true]) {
			it(`forwards signals to the child${capture ? " while capturing" : ""}`, async () => {
				let ran: Ran | undefined;
				const { socket, check } = await open(async (c) => {
					const child =
						'for (const s of ["SIGTERM","SIGHUP","SIGINT","SIGQUIT","SIGUSR2"]) process.on(s, () => { process.stdout.write(s + "\\n"); if (s === "SIGTERM") process.exit(21); }); setInterval(() => {}, 1e6); console.log("ready")';
					c.send(run([process.execPath, "-e", child], { capture }));
					ran = await c.ran();
					c.send(exit(22));
				});
				const child = start([path.join(wrappers, "cc")], { env: { GG_SESSION: socket } });
				const outcome = collect(child);
				await printed(child, "ready");
				for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2", "SIGTERM"] as const) {
					const heard = printed(child, signal);
					child.kill(signal);
					await heard;
				}
				const got = await outcome;
				await check();
				assert.equal(ran!.status, 21 << 8);
				assert.equal(got.status, 22);
			});
		}

		it("does not forward what the terminal sends, and outlives the child", async () => {
			let ran: Ran | undefined;
			const { socket, check } = await open(async (c) => {
				const child =
					'process.on("SIGINT", () => console.log("interrupted")); process.on("SIGUSR1", () => {}); process.stdin.on("data", () => process.exit(23)); console.log("ready")';
				c.send(run([process.execPath, "-e", child], { capture: true }));
				ran = await c.ran();
				c.send(exit(24));
			});
			const child = start(["/usr/bin/script", "-qec", `exec ${wrappers}/cc`, "/dev/null"], {
				env: { GG_SESSION: socket },
				stdio: ["pipe", "pipe", "pipe"],
			});
			const outcome = collect(child);
			const interrupted = printed(child, "interrupted");
			await printed(child, "ready");
			child.stdin!.write("\x03");
			await interrupted;
			child.stdin!.write("\n");
			const got = await outcome;
			await check();
			assert.equal(ran!.status, 23 << 8);
			assert.equal(got.status, 24);
			assert.equal(String(ran!.stderr), "ready\ninterrupted\n");
		});

		it("takes the child with it when it is killed", async () => {
			const { socket } = await open((c) => {
				c.send(run(["/bin/sh", "-c", "echo ready; exec sleep 1000"]));
			});
			const child = start([path.join(wrappers, "cc")], { env: { GG_SESSION: socket } });
			const outcome = collect(child);
			await printed(child, "ready");
			child.kill("SIGKILL");
			/* The streams close only when the child, which holds them, is gone too. */
			assert.equal((await outcome).signal, "SIGKILL");
		});

		it("ends as the child did when the session goes away", async () => {
			for (const capture of [false, true]) {
				const session = (line: string) =>
					ask((c) => {
						c.send(run(["/bin/sh", "-c", line], { capture }));
						c.socket.end();
					});
				assert.equal((await session("exit 31")).status, 31);
				assert.equal((await session("kill -s ABRT $$")).signal, "SIGABRT");
			}
		});

		it("ends as the child did when the answer to its report is no EXIT", async () => {
			const got = await ask(async (c) => {
				c.send(run(["/bin/sh", "-c", "exit 32"]));
				await c.ran();
				c.send(exec(["/bin/true"]));
			});
			assert.equal(got.status, 32);
			assert.match(
				String(got.stderr),
				/^gg: the session's answer for cc cannot be understood; ending as the command did\n$/,
			);
		});

		it("reports a program that cannot be started", async () => {
			let ran: Ran | undefined;
			const got = await ask(async (c) => {
				c.send(run(["/no/such/tool"], { capture: true }));
				ran = await c.ran();
				c.send(exit(ran.status >> 8));
			});
			const message = "gg: cannot run /no/such/tool: No such file or directory\n";
			assert.deepEqual([ran!.status, String(ran!.stderr)], [127 << 8, message]);
			assert.deepEqual([got.status, String(got.stderr)], [127, message]);
		});

		it("lets the child know when nobody reads its output any more", async () => {
			let ran: Ran | undefined;
			const { socket, check } = await open(async (c) => {
				c.send(run(["/bin/sh", "-c", "exec yes"], { capture: true }));
				ran = await c.ran();
				c.send(exit(0));
			});
			const child = start([path.join(wrappers, "cc")], { env: { GG_SESSION: socket } });
			const ended = once(child, "exit");
			await once(child.stdout!, "data");
			child.stdout!.destroy();
			await ended;
			await check();
			assert.equal(ran!.status & 0x7f, os.constants.signals.SIGPIPE);
		});

		it("does not wait for what the child left behind, but still passes its output on", async () => {
			const gate = path.join(dir, "gate");
			execFileSync("mkfifo", [gate]);
			let ran: Ran | undefined;
			const { socket, check } = await open(async (c) => {
				c.send(run(["/bin/sh", "-c", `(read x < ${gate}; echo late $x) & echo early; exit 2`], { capture: true }));
				ran = await c.ran();
				c.send(exit(2));
			});
			const child = start([path.join(wrappers, "cc")], { env: { GG_SESSION: socket } });
			const outcome = collect(child);
			await once(child, "exit");
			await check();
			assert.equal(String(ran!.stdout), "early\n");
			fs.writeFileSync(gate, "indeed\n");
			assert.equal(String((await outcome).stdout), "early\nlate indeed\n");
		});
	});

	describe("an answer that gives it files to place", () => {
		const place = (files: readonly { name: string; mode: number; bytes: Text }[]) =>
			frame(
				u8(4),
				u32(files.length),
				...files.flatMap((f) => [str(path.join(dir, f.name)), u32(f.mode), str(f.bytes)]),
			);

		it("is carried out in order, whatever the umask and whatever stood there, and ends with 0", async () => {
			const large = "x".repeat(100_000);
			fs.writeFileSync(path.join(dir, "placed"), "old", { mode: 0o400 });
			const before = process.umask(0o077);
			try {
				const files = [
					{ name: "placed.d", mode: 0o644, bytes: large },
					{ name: "placed", mode: 0o775, bytes: "new" },
					{ name: "none", mode: 0o600, bytes: "" },
				];
				const got = await ask((c) => c.send(place(files)));
				assert.deepEqual([got.status, String(got.stdout), String(got.stderr)], [0, "", ""]);
				for (const { name, mode, bytes } of files) {
					assert.equal(fs.readFileSync(path.join(dir, name), "utf8"), bytes);
					assert.equal(fs.statSync(path.join(dir, name)).mode & 0o7777, mode);
				}
			} finally {
				process.umask(before);
			}
			assert.deepEqual(
				fs.readdirSync(dir).filter((name) => name.includes(".gg-")),
				[],
			);
		});

		it("is answered by what is in the way, and followed by another answer", async () => {
			fs.mkdirSync(path.join(dir, "full", "inner"), { recursive: true });
			let told: Buffer | undefined;
			const got = await ask(async (c) => {
				c.send(place([{ name: "full", mode: 0o644, bytes: "x" }]));
				told = await c.next();
				c.send(exit(7));
			});
			assert.equal(got.status, 7);
			const r = new Reader(told!);
			assert.deepEqual([r.u8(), r.u32(), r.str()], [6, os.constants.errno.EISDIR, path.join(dir, "full")]);
			r.end();
			assert.deepEqual(
				fs.readdirSync(dir).filter((name) => name.includes(".gg-")),
				[],
			);
		});
	});

	describe("a session that fails", () => {
		it("is replaced by the real tool when it goes away before an answer", async () => {
			for (const part of [Buffer.alloc(0), exit(0).subarray(0, 2), exit(0).subarray(0, 9)]) {
				const got = await ask((c) => {
					c.socket.end(part);
				});
				assert.deepEqual([got.status, String(got.stderr)], [3, ""]);
				assert.match(String(got.stdout), /^real /);
			}
		});

		it("is replaced by the real tool when its answer is malformed", async () => {
			const bad: Record<string, Buffer> = {
				"a frame of no bytes": frame(),
				"an endless frame": u32(0xffffffff),
				"an unknown kind": frame(u8(9)),
				"a string that is longer than the frame": frame(u8(1), u32(0), u32(0), u32(100), u8(0)),
				"more strings than bytes": frame(u8(2), str("/bin/true"), u32(0xffffffff)),
				"a NUL in a name": frame(u8(2), str("/bin/true\0x"), strs([]), strs([]), strs([])),
				"bytes after the last field": Buffer.concat([frame(u8(1), u32(0), u32(0), str(""), str(""), u8(0))]),
				"two frames": Buffer.concat([exit(0), exit(0)]),
				"a missing field": frame(u8(3), program(["/bin/true"])),
				"a variable without a value": exec(["/bin/true"], { set: ["NAME"] }),
				"no such signal": exit(0, { signal: 1000 }),
				"fewer files than it says": frame(u8(4), u32(1), str("/nowhere")),
				"bytes after the last file": frame(u8(4), u32(0), u8(0)),
			};
			for (const [what, bytes] of Object.entries(bad)) {
				const got = await ask((c) => c.send(bytes));
				assert.equal(got.status, 3, what);
				assert.equal(
					String(got.stderr),
					"gg: the session's answer for cc cannot be understood; the real tool runs instead\n",
					what,
				);
			}
		});
	});
});
