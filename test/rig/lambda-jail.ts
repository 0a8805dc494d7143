/** Instances of the function in a jail like that of AWS Lambda. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BWRAP = "/usr/bin/bwrap";
const INSTANCE = join(import.meta.dirname, "../../../test/rig/lambda-instance.cjs");

export interface JailOptions {
	/** What it sees as `/`; the machine's own, without compilers and headers, where none is given. */
	readonly root?: string;
	readonly bundle: string;
	/** Of its /tmp. */
	readonly megabytes: number;
	/** A folder that it may write to as well: the storage backend, if that is a folder. */
	readonly shared?: string;
}

export function hasJail(): boolean {
	return spawnSync(BWRAP, ["--unshare-user", "--disable-userns", "--ro-bind", "/", "/", "true"]).status === 0;
}

/** Starts an instance: an ordinary user, a read-only root, /tmp of a given size; no ptrace, chroot, mounts or namespaces. */
export function jailed(
	o: JailOptions,
): (n: number, tmp: string, env: Readonly<Record<string, string>>) => ChildProcess {
	return (_n, _tmp, env) => {
		const args = [
			"--unshare-user",
			"--uid",
			"990",
			"--gid",
			"990",
			"--disable-userns",
			"--unshare-pid",
			"--die-with-parent",
		];
		args.push("--seccomp", "4", "--ro-bind", o.root ?? "/", "/", "--dev", "/dev", "--proc", "/proc");
		const hidden = o.root === undefined ? ["/usr/include", "/usr/lib/gcc", "/usr/local/include"] : [];
		for (const path of hidden) if (existsSync(path)) args.push("--tmpfs", path);
		args.push("--size", String(o.megabytes << 20), "--tmpfs", "/tmp");
		for (const [from, to] of [
			[process.execPath, "/tmp/node"],
			[INSTANCE, "/tmp/instance.cjs"],
			[o.bundle, "/tmp/lambda.js"],
		] as const)
			args.push("--ro-bind", from, to);
		if (o.shared !== undefined) args.push("--bind", o.shared, o.shared);
		const filter = openFilter();
		try {
			return spawn(BWRAP, [...args, "/tmp/node", "/tmp/instance.cjs", "/tmp/lambda.js"], {
				env,
				stdio: ["ignore", "inherit", "inherit", "ipc", filter],
			});
		} finally {
			closeSync(filter);
		}
	};
}

/** System calls of x86-64, of arm64, that the service refuses. */
const REFUSED = process.arch === "arm64" ? [117, 51, 97, 268, 40] : [101, 161, 272, 308, 165];
const [LOAD, JUMP_IF_EQUAL, RETURN] = [0x20, 0x15, 0x06];
const [ALLOW, EPERM] = [0x7fff0000, 0x00050001];

/** A file with a program for seccomp: ptrace, chroot, unshare, setns and mount fail with EPERM. */
function openFilter(): number {
	const lines: [code: number, ifTrue: number, ifFalse: number, k: number][] = [[LOAD, 0, 0, 0]];
	for (const [i, call] of REFUSED.entries()) lines.push([JUMP_IF_EQUAL, REFUSED.length - i, 0, call]);
	lines.push([RETURN, 0, 0, ALLOW], [RETURN, 0, 0, EPERM]);
	const bytes = Buffer.alloc(lines.length * 8);
	for (const [i, [code, ifTrue, ifFalse, k]] of lines.entries()) {
		bytes.writeUInt16LE(code, i * 8);
		bytes.writeUInt8(ifTrue, i * 8 + 2);
		bytes.writeUInt8(ifFalse, i * 8 + 3);
		bytes.writeUInt32LE(k, i * 8 + 4);
	}
	const folder = mkdtempSync(join(tmpdir(), "gg-jail-"));
	try {
		writeFileSync(join(folder, "filter"), bytes);
		return openSync(join(folder, "filter"), "r");
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
