/** gg-runner where there is no namespace: what is believed of a command that it ran below another folder. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { testFolder } from "../rig/folder.js";
import { nativesForTests } from "../rig/remote.js";
import { WITHOUT_NAMESPACES } from "../rig/servers.js";

/** Writes what it is given, where it really is, or all that there is room for, to a file or to what it prints; static, so that it is shown no names of home. */
const PROGRAM = `
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
	static char text[1 << 16];
	if (!strcmp(argv[2], "full")) {
		int fd = open(argv[1], O_WRONLY | O_CREAT, 0600);
		while (write(fd, text, sizeof text) > 0)
			;
		perror(argv[1]);
		return 1;
	}
	FILE *out = strcmp(argv[1], "-") ? fopen(argv[1], "w") : stdout;
	if (!strcmp(argv[2], "folder")) getcwd(text, sizeof text); else strcpy(text, argv[2]);
	fprintf(out, "%s\\n", text);
	return argc - 3;
}`;

describe("gg-runner without a namespace", () => {
	const folder = testFolder();
	let program = "";

	before(function () {
		nativesForTests();
		const [shell, ...args] = [...WITHOUT_NAMESPACES, "true"];
		if (spawnSync(shell!, args).status !== 0) this.skip();
	});
	beforeEach(() => {
		for (const name of ["gg", "root/bin", "root/lib64", "root/tree"])
			mkdirSync(join(folder.path, name), { recursive: true });
		const { runner, view } = nativesForTests();
		copyFileSync(runner, join(folder.path, "gg/runner"));
		copyFileSync(view, join(folder.path, "gg/view.so"));
		writeFileSync(join(folder.path, "gg/links"), "");
		program = join(folder.path, "root/bin/program");
		execFileSync("cc", ["-static", "-w", "-x", "c", "-o", program, "-"], { input: PROGRAM });
		// Any program will do: nothing here is started by it.
		copyFileSync(program, join(folder.path, "root/lib64/ld-linux-x86-64.so.2"));
	});

	function run(...argv: string[]): { status: number | null; stdout: string; stderr: string } {
		const options = ["--cwd", "/tree", "--exec", "/bin/program", "--out", "/tree/out", "--relocate"];
		const [shell, ...args] = [
			...WITHOUT_NAMESPACES,
			"gg/runner",
			"--way",
			"namespace",
			...options,
			"--",
			"program",
			...argv,
		];
		return spawnSync(shell!, args, { cwd: folder.path, encoding: "utf8" });
	}
	const NOT_BELIEVED = "gg-runner: relocated, the command names the worker's folder\n";

	it("gives what holds no name of the worker's", () => {
		const { status, stderr } = run("out", "harmless");
		assert.deepEqual([status, stderr], [0, ""]);
		assert.equal(readFileSync(join(folder.path, "out/0"), "utf8"), "harmless\n");
		const said = run("-", "harmless");
		assert.deepEqual([said.status, said.stdout], [0, "harmless\n"]);
	});

	it("rejects an output that holds the worker's folder", () => {
		const { status, stderr } = run("out", "folder");
		assert.deepEqual([status, stderr], [240, NOT_BELIEVED]);
		assert.equal(existsSync(join(folder.path, "out/0")), false);
	});

	it("rejects what is printed with the worker's folder in it", () => {
		const { status, stdout, stderr } = run("-", "folder");
		assert.deepEqual([status, stdout, stderr], [240, "", NOT_BELIEVED]);
	});

	it("believes no failure", () => {
		const { status, stderr } = run("out", "harmless", "more");
		assert.deepEqual([status, stderr], [240, "gg-runner: relocated, the command ends with 1\n"]);
	});

	it("keeps the command's own word that the disk is full", () => {
		const small = join(folder.path, "small");
		mkdirSync(small);
		const script = [
			"echo 0 > /proc/sys/user/max_user_namespaces",
			`mount -t tmpfs -o size=8m none ${small} && cp -r gg root ${small} && cd ${small} || exit`,
			"setpriv --bounding-set -all --inh-caps -all -- \\",
			"gg/runner --way namespace --cwd /tree --exec /bin/program --out /tree/out --relocate -- program out full",
			"cat gg-stderr",
		].join("\n");
		const words = ["-Urm", "sh", "-c", script];
		const { stdout, stderr } = spawnSync("unshare", words, { cwd: folder.path, encoding: "utf8" });
		assert.deepEqual(
			[stdout, stderr],
			["out: No space left on device\n", "gg-runner: relocated, the command ends with 1\n"],
		);
	});
});
