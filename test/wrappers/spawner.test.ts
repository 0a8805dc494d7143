import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../../../wrappers/gg-spawner.c", import.meta.url));
const MiB = 1 << 20;
const SIGKILL = os.constants.signals.SIGKILL;
const FOREGROUND = 1;
const CAPTURE = 2;
const TOGETHER = 4;

interface Failed {
	error: number;
	what: string;
}

interface Exited {
	status: number;
	timedOut: number;
	wall: bigint;
	user: bigint;
	sys: bigint;
	maxrss: number;
	truncated: number;
	stdout: Buffer;
	stderr: Buffer;
}

interface Request {
	flags?: number;
	argv: (string | Buffer)[];
	path?: string;
	env?: string[];
	cwd?: string;
	timeoutMs?: number;
	umask?: number;
	root?: string[];
}

const u32 = (n: number) => {
	const b = Buffer.alloc(4);
	b.writeUInt32LE(n >>> 0);
	return b;
};
const str = (s: string | Buffer) => Buffer.concat([u32(Buffer.byteLength(s)), Buffer.from(s as string)]);
const strs = (list: (string | Buffer)[]) => Buffer.concat([u32(list.length), ...list.map(str)]);
const frame = (op: number, ...parts: Buffer[]) => {
	const payload = Buffer.concat([Buffer.of(op), ...parts]);
	return Buffer.concat([u32(payload.length), payload]);
};

/** A spawner, spoken to as gg does. */
class Spawner {
	readonly process: ChildProcess;
	readonly socket: net.Socket;
	/** What it and the foreground children print; ends when the last of them is gone. */
	readonly output: Promise<string>;
	readonly exit: Promise<number | null>;
	private chunks: Buffer[] = [];
	private length = 0;
	private nextId = 1;
	private readonly started = new Map<number, (pid: number) => void>();
	private readonly ended = new Map<number, (end: Exited | Failed) => void>();
	private printed = "";
	private listeners: (() => void)[] = [];

	constructor(binary: string, uid?: number) {
		this.process = spawn(binary, [], {
			stdio: ["ignore", "pipe", "pipe", "pipe"],
			...(uid === undefined ? {} : { uid, gid: uid }),
		});
		this.socket = this.process.stdio[3] as net.Socket;
		this.socket.on("data", (data) => this.receive(data));
		this.socket.on("error", () => {});
		for (const stream of [this.process.stdout!, this.process.stderr!]) {
			stream.on("data", (data) => {
				this.printed += data;
				for (const listener of this.listeners.splice(0)) listener();
			});
		}
		this.output = once(this.process, "close").then(() => this.printed);
		this.exit = once(this.process, "exit").then(([status]) => status as number | null);
	}

	send(bytes: Buffer): void {
		this.socket.write(bytes);
	}

	spawn(request: Request) {
		const id = this.nextId++;
		const started = new Promise<number>((resolve) => this.started.set(id, resolve));
		const ended = new Promise<Exited | Failed>((resolve) => this.ended.set(id, resolve));
		this.send(
			frame(
				1,
				u32(id),
				Buffer.of(request.flags ?? CAPTURE),
				str(request.path ?? request.argv[0]!),
				strs(request.argv),
				strs(request.env ?? ["PATH=/usr/bin:/bin"]),
				str(request.cwd ?? "/"),
				u32(request.timeoutMs ?? 0),
				u32(request.umask ?? 0o022),
				strs(request.root ?? []),
			),
		);
		return { id, started, ended };
	}

	async run(request: Request): Promise<Exited> {
		const end = await this.spawn(request).ended;
		if ("what" in end) assert.fail(`${end.what}: ${os.constants.errno} ${end.error}`);
		return end;
	}

	async fail(request: Request): Promise<Failed> {
		const end = await this.spawn(request).ended;
		assert.ok("what" in end, "it ran");
		return end;
	}

	shell(line: string, request: Omit<Request, "argv"> = {}) {
		return { argv: ["/bin/sh", "-c", line], ...request };
	}

	kill(id: number, signal: number): void {
		this.send(frame(2, u32(id), u32(signal)));
	}

	/** Resolves once the text has been printed by a foreground child. */
	async hear(text: string): Promise<void> {
		while (!this.printed.includes(text)) {
			await new Promise<void>((resolve) => {
				this.listeners.push(resolve);
			});
		}
	}

	private receive(data: Buffer): void {
		this.chunks.push(data);
		this.length += data.length;
		if (this.length < 4) return;
		if (this.chunks[0]!.length >= 4 && this.length < 4 + this.chunks[0]!.readUInt32LE()) return;
		let all = Buffer.concat(this.chunks);
		while (all.length >= 4 && all.length >= 4 + all.readUInt32LE()) {
			const length = all.readUInt32LE();
			this.dispatch(all.subarray(4, 4 + length));
			all = all.subarray(4 + length);
		}
		this.chunks = [all];
		this.length = all.length;
	}

	private dispatch(payload: Buffer): void {
		const id = payload.readUInt32LE(1);
		if (payload[0] === 1) {
			assert.equal(payload.length, 9);
			this.started.get(id)!(payload.readUInt32LE(5));
		} else if (payload[0] === 2) {
			const length = payload.readUInt32LE(9);
			assert.equal(payload.length, 13 + length);
			this.ended.get(id)!({ error: payload.readUInt32LE(5), what: payload.toString("utf8", 13) });
		} else {
			assert.equal(payload[0], 3);
			const outLength = payload.readUInt32LE(39);
			const errLength = payload.readUInt32LE(43 + outLength);
			assert.equal(payload.length, 47 + outLength + errLength);
			this.ended.get(id)!({
				status: payload.readUInt32LE(5),
				timedOut: payload.readUInt8(9),
				wall: payload.readBigUInt64LE(10),
				user: payload.readBigUInt64LE(18),
				sys: payload.readBigUInt64LE(26),
				maxrss: payload.readUInt32LE(34),
				truncated: payload.readUInt8(38),
				stdout: payload.subarray(43, 43 + outLength),
				stderr: payload.subarray(47 + outLength),
			});
		}
	}
}

describe("gg-spawner", function () {
	this.timeout(10_000);

	let dir: string;
	let binary: string;
	let spawner: Spawner;
	const spawners: Spawner[] = [];
	const begin = (uid?: number) => {
		const s = new Spawner(binary, uid);
		spawners.push(s);
		return s;
	};

	before(function () {
		this.timeout(60_000);
		dir = fs.mkdtempSync(path.join(os.tmpdir(), "gg-spawner-"));
		fs.chmodSync(dir, 0o755);
		binary = path.join(dir, "gg-spawner");
		execFileSync("cc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", binary, source], { stdio: "pipe" });
	});
	beforeEach(() => {
		spawner = begin();
	});
	afterEach(async () => {
		for (const s of spawners.splice(0)) {
			s.socket.write(frame(4), () => s.socket.end());
			await s.exit;
			s.socket.destroy();
		}
	});
	after(() => fs.rmSync(dir, { recursive: true, force: true }));

	describe("an ordinary command", () => {
		it("is started and reported with its status", async () => {
			const { started, ended } = spawner.spawn(spawner.shell("echo $$; exit 3"));
			const pid = await started;
			const end = (await ended) as Exited;
			assert.equal(end.status, 3 << 8);
			assert.equal(String(end.stdout), `${pid}\n`);
			assert.equal(end.timedOut, 0);
			assert.ok(end.wall > 0n && end.maxrss > 0);
		});

		it("is reported with the signal that it died of", async () => {
			assert.equal((await spawner.run(spawner.shell("kill -TERM $$"))).status, 15);
		});

		it("has exactly the arguments, environment, directory and umask that were asked for", async () => {
			const line = 'printf "%s|" "$0" "$@"; pwd; umask; env -0 | tr "\\0" "\\n"; cat';
			const end = await spawner.run({
				path: "/bin/bash",
				argv: ["name", "-c", line, "zero", "", Buffer.of(0xff, 10)],
				env: ["PATH=/usr/bin:/bin", "A=b=c"],
				cwd: "/usr",
				umask: 0o027,
			});
			const got = end.stdout.toString("latin1");
			assert.ok(got.startsWith("zero||\xff\n|/usr\n0027\n"), got);
			assert.ok(got.includes("\nA=b=c\n"));
			assert.ok(!got.includes("HOME="));
		});

		it("has stdin from /dev/null, leads its process group, and has no other descriptors", async () => {
			const fds = Array.from({ length: 40 }, (_, fd) => fd).join(" ");
			const line = `readlink /proc/$$/fd/0; for fd in ${fds}; do test -e /proc/$$/fd/$fd && echo $fd; done; cut -d" " -f1,5 /proc/$$/stat`;
			const { started, ended } = spawner.spawn(spawner.shell(line));
			const pid = await started;
			assert.equal(String(((await ended) as Exited).stdout), `/dev/null\n0\n1\n2\n${pid} ${pid}\n`);
		});

		it("captures the two streams apart", async () => {
			const end = await spawner.run(spawner.shell('echo out; echo err >&2; printf "\\377\\000"'));
			assert.deepEqual([end.stdout, end.stderr], [Buffer.from("out\n\xff\0", "latin1"), Buffer.from("err\n")]);
			assert.equal(end.truncated, 0);
		});

		it("captures both together in order", async () => {
			const line = "for i in 1 2 3; do echo o$i; echo e$i >&2; done";
			const end = await spawner.run(spawner.shell(line, { flags: CAPTURE | TOGETHER }));
			assert.deepEqual([String(end.stdout), String(end.stderr)], ["", "o1\ne1\no2\ne2\no3\ne3\n"]);
		});

		it("has its output thrown away when neither was asked for", async () => {
			const end = await spawner.run(spawner.shell("echo out; echo err >&2", { flags: 0 }));
			assert.deepEqual([end.stdout.length, end.stderr.length], [0, 0]);
			spawner.send(frame(4));
			assert.equal(await spawner.output, "");
		});

		it("keeps 16 MiB of what it printed", async function () {
			this.timeout(20_000);
			const end = await spawner.run(spawner.shell(`head -c ${16 * MiB} /dev/zero; head -c ${17 * MiB} /dev/zero >&2`));
			assert.deepEqual([end.stdout.length, end.stderr.length, end.truncated], [16 * MiB, 16 * MiB, 1]);
			const small = await spawner.run(spawner.shell("echo small"));
			assert.deepEqual([String(small.stdout), small.truncated], ["small\n", 0]);
			assert.ok(small.maxrss < 12 * 1024, `the spawner's own memory counts as the child's: ${small.maxrss} KiB`);
		});

		it("does not wait for what it leaves behind with its output", async () => {
			const end = await spawner.run(spawner.shell("sleep 1000 & echo done"));
			assert.equal(String(end.stdout), "done\n");
		});

		it("has what gg has in the foreground, and stays in its process group", async () => {
			const end = await spawner.run(spawner.shell("echo shown; echo also >&2; exit 4", { flags: FOREGROUND }));
			assert.deepEqual([end.status, end.stdout.length], [4 << 8, 0]);
			const line = 'cut -d" " -f5 /proc/$$/stat';
			const group = await spawner.run(spawner.shell(line, { flags: FOREGROUND | CAPTURE }));
			const own = fs.readFileSync(`/proc/${spawner.process.pid}/stat`, "utf8").split(" ")[4];
			assert.equal(String(group.stdout).trim(), own);
			spawner.send(frame(4));
			assert.match(await spawner.output, /shown\n/);
			assert.match(await spawner.output, /also\n/);
		});

		it("has no signals blocked or ignored", async () => {
			const end = await spawner.run(spawner.shell('grep -E "Sig(Blk|Ign)" /proc/self/status'));
			assert.match(String(end.stdout), /SigBlk:\t0{16}\nSigIgn:\t0{16}\n/);
		});

		it("fails when the program or the directory is missing", async () => {
			const { ENOENT, EACCES } = os.constants.errno;
			assert.deepEqual(await spawner.fail({ argv: ["/no/such"] }), { error: ENOENT, what: "exec" });
			assert.deepEqual(await spawner.fail({ argv: ["/etc/passwd"] }), { error: EACCES, what: "exec" });
			assert.deepEqual(await spawner.fail({ argv: ["/bin/true"], cwd: "/no/such" }), { error: ENOENT, what: "cwd" });
		});

		it("carries thousands of arguments", async () => {
			const args = Array.from({ length: 5000 }, (_, i) => `argument-${i}-${"x".repeat(100)}`);
			const end = await spawner.run({ argv: ["/usr/bin/printf", "%s\n", ...args] });
			assert.equal(String(end.stdout), `${args.join("\n")}\n`);
		});

		it("is one of many at a time", async () => {
			const gate = path.join(dir, "gate");
			execFileSync("mkfifo", [gate]);
			/* None ends before all have been started: each waits for a line of its own. */
			const fd = fs.openSync(gate, "r+");
			const all = Array.from({ length: 200 }, (_, i) =>
				spawner.spawn({ argv: ["/bin/sh", "-c", `read x < ${gate}; echo ${i}; exit ${i % 100}`] }),
			);
			await Promise.all(all.map((c) => c.started));
			fs.writeSync(fd, "\n".repeat(all.length));
			const ends = await Promise.all(all.map((c) => c.ended));
			for (let i = 0; i < 200; i++) {
				const end = ends[i] as Exited;
				assert.deepEqual([String(end.stdout), end.status], [`${i}\n`, (i % 100) << 8]);
			}
			fs.closeSync(fd);
		});
	});

	describe("KILL and timeouts", () => {
		it("reach the whole process group of a background command", async () => {
			/* The pipe ends only when nobody is left to write to it. */
			const pipe = path.join(dir, "pipe");
			execFileSync("mkfifo", [pipe]);
			const { id, ended } = spawner.spawn(spawner.shell(`exec 9> ${pipe}; sleep 1000 & echo ready >&9; wait`));
			const reading = fs.createReadStream(pipe, "utf8");
			await once(reading, "data");
			const closed = once(reading, "end");
			reading.resume();
			spawner.kill(id, 15);
			assert.equal(((await ended) as Exited).status, 15);
			await closed;
		});

		it("reach only the child in the foreground", async () => {
			const line = 'trap "echo heard; exit 6" USR1; sleep 1000 & echo ready; wait';
			const { id, ended } = spawner.spawn(spawner.shell(line, { flags: FOREGROUND }));
			await spawner.hear("ready");
			spawner.kill(id, os.constants.signals.SIGUSR1);
			await spawner.hear("heard");
			assert.equal(((await ended) as Exited).status, 6 << 8);
		});

		it("are harmless when the command has ended", async () => {
			const { id, ended } = spawner.spawn({ argv: ["/bin/true"] });
			await ended;
			spawner.kill(id, SIGKILL);
			spawner.kill(12345, SIGKILL);
			assert.equal((await spawner.run({ argv: ["/bin/true"] })).status, 0);
		});

		it("kill what takes too long", async () => {
			const end = await spawner.run(spawner.shell('trap "" TERM; echo begun; sleep 1000', { timeoutMs: 100 }));
			assert.deepEqual([end.status, end.timedOut, String(end.stdout)], [SIGKILL, 1, "begun\n"]);
			assert.ok(end.wall >= 100_000n);
			assert.equal((await spawner.run({ argv: ["/bin/true"], timeoutMs: 60_000 })).timedOut, 0);
		});
	});

	describe("a command with a root of its own", () => {
		let empty: string;
		let useless: string | undefined;
		/** A root in which /bin/sh and the usual programs run. */
		const basis = (more: string[] = []) => {
			const root = ["root", empty, "", "bind", "/usr", "/usr"];
			for (const name of ["bin", "lib", "lib64", "sbin"]) {
				const real = fs.lstatSync(`/${name}`, { throwIfNoEntry: false });
				if (real?.isSymbolicLink()) root.push("link", fs.readlinkSync(`/${name}`), `/${name}`);
				else if (real) root.push("bind", `/${name}`, `/${name}`);
			}
			return [...root, ...more];
		};

		before(async () => {
			empty = path.join(dir, "root");
			fs.mkdirSync(empty);
			const probe = new Spawner(binary);
			const end = await probe.spawn({ argv: ["/bin/true"], root: basis(["proc", "", ""]) }).ended;
			probe.send(frame(4));
			await probe.exit;
			if ("what" in end && [os.constants.errno.EPERM, os.constants.errno.ENOSPC].includes(end.error))
				useless = end.what;
		});
		beforeEach(function () {
			if (useless) this.skip();
		});

		it("sees what was declared and nothing else", async () => {
			const declared = path.join(dir, "declared");
			fs.writeFileSync(declared, "content\n");
			const line = "echo /*; cat /src/in/file; echo $(ls /src/in) $(ls /src); test -e /etc || echo no etc; pwd";
			const root = basis(["dir", "/work", "", "bind", declared, "/src/in/file", "tmp", "", ""]);
			const end = await spawner.run(spawner.shell(line, { root, cwd: "/work" }));
			const top = ["bin", "lib", "lib64", "sbin"].filter((name) => fs.existsSync(`/${name}`));
			const names = [...top, "src", "tmp", "usr", "work"].sort().map((name) => `/${name}`);
			assert.equal(String(end.stdout), `${names.join(" ")}\ncontent\nfile in\nno etc\n/work\n`, String(end.stderr));
			assert.deepEqual(fs.readdirSync(empty), [], "nothing shows outside");
		});

		it("cannot change what is bound, but what is writable or a copy", async () => {
			for (const name of ["fixed", "open", "copied"])
				fs.writeFileSync(path.join(dir, name), `${name}\n`, { mode: 0o640 });
			fs.utimesSync(path.join(dir, "copied"), 1000, 2000);
			const root = basis(["dev", "", "", "bind", `${dir}/fixed`, "/w/fixed", "rw", `${dir}/open`, "/w/open"]);
			root.push("copy", `${dir}/copied`, "/w/copied");
			const line =
				'stat -c "%a %Y" copied; for f in *; do (echo more >> $f) 2>/dev/null || echo $f refused; done; cat *';
			const end = await spawner.run(spawner.shell(line, { root, cwd: "/w" }));
			assert.equal(String(end.stdout), "640 2000\nfixed refused\ncopied\nmore\nfixed\nopen\nmore\n");
			const outside = ["fixed", "open", "copied"].map((name) => fs.readFileSync(path.join(dir, name), "utf8"));
			assert.deepEqual(outside, ["fixed\n", "open\nmore\n", "copied\n"]);
		});

		it("follows links of its root inside its root", async () => {
			const file = path.join(dir, "linked");
			fs.writeFileSync(file, "through a link\n");
			const root = basis([
				"dir",
				"/real/deep",
				"",
				"link",
				"/real/deep",
				"/absolute",
				"link",
				"../../real",
				"/a/relative",
			]);
			root.push("bind", file, "/absolute/one", "bind", file, "/a/relative/two", "bind", file, "/absolute/../three");
			const line = "cd /real; echo * deep/*; cat deep/one two three";
			const end = await spawner.run(spawner.shell(line, { root }));
			assert.equal(String(end.stdout), `deep three two deep/one\n${"through a link\n".repeat(3)}`, String(end.stderr));
			assert.ok(!fs.existsSync("/real"));
		});

		it("leaves its outputs outside, with their modes", async () => {
			const out = (name: string) => path.join(dir, "outputs", name);
			fs.mkdirSync(path.join(dir, "outputs"));
			fs.writeFileSync(out("kept"), "precious");
			fs.linkSync(out("kept"), out("exe"));
			const root = basis(["dir", "/w", "", "out", "/w/exe", out("exe"), "out", "/w/none", out("none")]);
			root.push("out", "/w/link", out("link"), "out", "/w/tree", out("tree"));
			const line = "echo x > exe; chmod 751 exe; ln -s /w/exe link; mkdir -p tree/sub; echo y > tree/sub/y; exit 9";
			const end = await spawner.run(spawner.shell(line, { root, cwd: "/w" }));
			assert.equal(end.status, 9 << 8);
			assert.equal(fs.readFileSync(out("exe"), "utf8"), "x\n");
			assert.equal(fs.statSync(out("exe")).mode & 0o7777, 0o751);
			assert.equal(fs.readFileSync(out("link"), "utf8"), "x\n");
			assert.equal(fs.readFileSync(out("tree/sub/y"), "utf8"), "y\n");
			assert.ok(!fs.existsSync(out("none")));
			assert.equal(fs.readFileSync(out("kept"), "utf8"), "precious", "a hard link of the old file is untouched");
		});

		it("cannot lead an output out of its root", async () => {
			const secret = path.join(dir, "secret");
			fs.writeFileSync(secret, "secret");
			const dest = path.join(dir, "stolen");
			const root = basis(["dir", "/w", "", "out", "/w/a", dest, "out", "/w/up/secret", dest]);
			const line = `ln -s ${secret} a; ln -s ../../../../../../../..${dir} up`;
			const end = await spawner.run(spawner.shell(line, { root, cwd: "/w" }));
			assert.equal(end.status, 0);
			assert.ok(!fs.existsSync(dest));
		});

		it("says which output could not be taken out", async () => {
			const root = basis(["out", "/made", "/no/such/folder/made"]);
			assert.deepEqual(await spawner.fail(spawner.shell("echo > /made", { root })), {
				error: os.constants.errno.ENOENT,
				what: "namespace: out /made",
			});
		});

		it("leaves a copy of its root when it fails, if asked", async () => {
			const kept = path.join(dir, "kept");
			const root = ["root", empty, "", "bind", "/bin/sh", "/bin/sh", "dir", "/w", "", "proc", "", "", "keep", kept, ""];
			for (const [library] of String(execFileSync("ldd", ["/bin/sh"])).matchAll(/\/\S+/g))
				root.push("bind", library, library);
			assert.equal((await spawner.run(spawner.shell("echo > /w/f", { root }))).status, 0);
			assert.ok(!fs.existsSync(kept));
			assert.equal((await spawner.run(spawner.shell("echo left > /w/f; exit 2", { root }))).status, 2 << 8);
			assert.equal(fs.readFileSync(`${kept}/w/f`, "utf8"), "left\n");
			assert.ok(fs.readFileSync(`${kept}/bin/sh`).equals(fs.readFileSync("/bin/sh")));
			assert.ok(!fs.existsSync(`${kept}/proc`));
		});

		it("has devices, its own processes, its own user and no network", async () => {
			const root = basis(["dev", "", "", "proc", "", "", "tmp", "", ""]);
			const line =
				"echo sub > /dev/stdout; echo lost > /dev/null; head -c 3 /dev/zero | wc -c; id -u; ls -d /proc/[0-9]* | wc -l; ls /sys /proc/sys/net/ipv4/conf; stat -c %a /tmp; tail -n +3 /proc/net/dev | cut -d: -f1";
			const end = await spawner.run(spawner.shell(line, { root }));
			const uid = process.getuid!();
			assert.match(String(end.stdout), new RegExp(`^sub\n3\n${uid}\n[3-5]\n(.*\n)*1777\n +lo\n$`));
		});

		it("runs as an ordinary user too", async function () {
			if (process.getuid!() !== 0) this.skip();
			const other = begin(65534);
			const root = basis(["dev", "", "", "proc", "", "", "dir", "/w", "", "bind", binary, "/w/tool"]);
			const end = await other.spawn(
				other.shell("id -u; id -g; echo hi > /w/made; cat /w/made; grep CapEff /proc/self/status", { root }),
			).ended;
			if ("what" in end) {
				assert.match(end.what, /^namespace: /);
				assert.equal(end.error, os.constants.errno.EPERM);
				this.skip();
			}
			assert.equal(String(end.stdout), "65534\n65534\nhi\nCapEff:\t0000000000000000\n", String(end.stderr));
		});

		it("can die of a signal, and be killed with everything in it", async () => {
			assert.equal((await spawner.run(spawner.shell("kill -ABRT $$", { root: basis() }))).status & 0x7f, 6);
			assert.equal((await spawner.run(spawner.shell("kill -TERM $$", { root: basis() }))).status, 15);
			const slow = { root: basis(), timeoutMs: 100 };
			const end = await spawner.run(spawner.shell("setsid sleep 1000 <&0 & sleep 1000", slow));
			assert.deepEqual([end.status, end.timedOut], [SIGKILL, 1]);
			for (const flags of [CAPTURE, FOREGROUND]) {
				const child = spawner.spawn(spawner.shell("sleep 1000", { root: basis(), flags }));
				await child.started;
				spawner.kill(child.id, 15);
				assert.equal(((await child.ended) as Exited).status, 15);
			}
		});

		it("ends with everything that it left behind", async () => {
			/* The foreground output ends only when every process that holds it is gone. */
			const line = 'setsid sleep 1000 & setsid sh -c "trap : TERM; sleep 1000; sleep 1000" & echo over';
			await spawner.run(spawner.shell(line, { root: basis(["dev", "", ""]), flags: FOREGROUND }));
			spawner.send(frame(4));
			assert.equal(await spawner.output, "over\n");
		});

		it("fails with the step that could not be done", async () => {
			const { ENOENT, EINVAL } = os.constants.errno;
			const fail = (root: string[], request: Partial<Request> = {}) =>
				spawner.fail({ argv: ["/bin/true"], root, ...request });
			assert.deepEqual(await fail(basis(["bind", "/no/such", "/x"])), {
				error: ENOENT,
				what: "namespace: bind /no/such",
			});
			assert.deepEqual(await fail(["root", "/no/such", ""]), { error: ENOENT, what: "namespace: mount /no/such" });
			assert.deepEqual(await fail(basis(["what", "", ""])), { error: EINVAL, what: "namespace: unknown step what" });
			assert.deepEqual(await fail(["root", empty]), { error: EINVAL, what: "namespace: incomplete step" });
			assert.deepEqual(await fail(["dir", "/x", ""]), { error: EINVAL, what: "namespace: no root before dir" });
			assert.deepEqual(await fail(basis(), { cwd: "/nowhere" }), { error: ENOENT, what: "cwd" });
			assert.deepEqual(await fail(basis(), { path: "/nowhere" }), { error: ENOENT, what: "exec" });
		});
	});

	describe("the end", () => {
		it("comes with BYE, kills what is left, and is status 0", async () => {
			const child = spawner.spawn(
				spawner.shell('trap "" TERM; setsid sleep 1000 & echo up; sleep 1000', { flags: FOREGROUND }),
			);
			await child.started;
			await spawner.hear("up");
			spawner.send(frame(4));
			assert.equal(await spawner.exit, 0);
			assert.equal(await spawner.output, "up\n");
		});

		it("comes when gg is gone: the whole tree is ended, also what ignores SIGTERM or has a session of its own", async function () {
			this.timeout(10_000);
			const stubborn = 'trap "" TERM; echo stubborn; while :; do sleep 1000; done';
			const polite =
				'process.on("SIGTERM", () => process.exit(console.log("polite ends"))); setInterval(() => {}, 1e6); console.log("polite")';
			const line = `setsid sh -c '(sh -c "$STUBBORN" &) ; exit' & "$NODE" -e "$POLITE" & wait`;
			spawner.spawn(
				spawner.shell(line, {
					flags: FOREGROUND,
					env: ["PATH=/usr/bin:/bin", `STUBBORN=${stubborn}`, `POLITE=${polite}`, `NODE=${process.execPath}`],
				}),
			);
			await Promise.all([spawner.hear("stubborn\n"), spawner.hear("polite\n")]);
			spawner.socket.destroy();
			assert.match(await spawner.output, /polite ends/);
			assert.equal(await spawner.exit, 1);
		});

		it("removes the placeholders that were not made real, and nothing else", async () => {
			const files = path.join(dir, "journalled");
			fs.mkdirSync(files);
			const script = "#!/usr/bin/env gg-force-and-run\nhash\n";
			const linker = 'OUTPUT_FORMAT("elf64-x86-64")/*\nhash\n*/';
			const file = (name: string, text: string) => {
				fs.writeFileSync(path.join(files, name), text);
				return path.join(files, name);
			};
			const journal = path.join(dir, "journal");
			const odd = file("odd\nname", script);
			const records = [
				"ggplaceholders1",
				`P ${file("left", script)}`,
				`P ${file("left.o", linker)}`,
				`P ${odd}`,
				`P ${file("real", "ELF")}`,
				`P ${file("finished", script)}`,
				`F ${path.join(files, "finished")}`,
				`P ${file("again", script)}`,
				`F ${path.join(files, "again")}`,
				`P ${path.join(files, "again")}`,
				`P ${path.join(files, "gone")}`,
				`P ${path.join(files, "link")}`,
				"P relative",
				"rubbish",
				"",
			];
			file("unlisted", script);
			file("cut", script);
			fs.symlinkSync("unlisted", path.join(files, "link"));
			fs.writeFileSync(journal, `${records.map((r) => `${r}\0`).join("")}P ${path.join(files, "cut")}`);
			spawner.send(frame(3, str(journal)));
			await spawner.run({ argv: ["/bin/true"] });
			spawner.socket.destroy();
			assert.equal(await spawner.output, "");
			assert.deepEqual(fs.readdirSync(files).sort(), ["cut", "finished", "link", "real", "unlisted"]);
		});

		it("does not believe a journal of another version", async () => {
			const file = path.join(dir, "placeholder");
			const journal = path.join(dir, "journal");
			fs.writeFileSync(file, "#!/usr/bin/env gg-force-and-run\nhash\n");
			fs.writeFileSync(journal, `ggplaceholders9\0P ${file}\0`);
			spawner.send(frame(3, str(journal)));
			await spawner.run({ argv: ["/bin/true"] });
			spawner.socket.destroy();
			assert.equal(await spawner.output, `gg: ${journal} is of another version, so what was left unfinished stays\n`);
			assert.ok(fs.existsSync(file));
		});

		it("does not touch placeholders after BYE", async () => {
			const file = path.join(dir, "placeholder");
			fs.writeFileSync(file, "#!/usr/bin/env gg-force-and-run\nhash\n");
			fs.writeFileSync(path.join(dir, "journal"), `ggplaceholders1\0P ${file}\0`);
			spawner.send(Buffer.concat([frame(3, str(path.join(dir, "journal"))), frame(4)]));
			assert.equal(await spawner.exit, 0);
			assert.ok(fs.existsSync(file));
		});

		it("comes after a request that makes no sense, in one sentence", async () => {
			const bad = [
				frame(9),
				frame(1, u32(1)),
				frame(2, u32(1), u32(1000)),
				Buffer.concat([u32(0xffffffff)]),
				frame(1, u32(1), Buffer.of(0), str("/bin/true"), u32(0xfffffff0)),
				frame(3, str("a\0b")),
			];
			for (const bytes of bad) {
				const broken = begin();
				broken.send(bytes);
				assert.equal(
					await broken.output,
					"gg: the spawner got a request that it cannot understand, and ends everything\n",
				);
				assert.equal(await broken.exit, 1);
			}
		});

		it("says that it is not meant to be started by hand", () => {
			assert.throws(
				() => execFileSync("/bin/sh", ["-c", `exec ${binary} 3<&-`], { stdio: "pipe" }),
				(error: { status: number; stderr: Buffer }) =>
					error.status === 2 &&
					String(error.stderr) === "gg: gg-spawner is started by gg, with a socket as descriptor 3\n",
			);
		});
	});
});
