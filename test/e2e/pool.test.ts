/** A pool whose machines fail one after the other: the tree is make's, and nothing hangs. */
import { strict as assert } from "node:assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openChannel } from "../../src/engines/reapi/channel.js";
import { METHODS } from "../../src/reapi/messages.js";
import { type Line, openLine } from "../rig/line.js";
import { type Project, projects } from "../rig/project.js";
import { type Server, startGgWorker } from "../rig/servers.js";

const COUNT = 10;
const names = Array.from({ length: COUNT }, (_, i) => `part${i}`);
const FILES = {
	Makefile: `CFLAGS = -g -O2
main: main.o ${names.map((name) => `${name}.o`).join(" ")}
	$(CC) -o $@ $^
`,
	"main.c": `${names.map((name) => `int ${name}(void);\n`).join("")}int main(void) { return ${names.map((name) => `${name}()`).join(" + ")}; }\n`,
	...Object.fromEntries(
		names.map((name) => [`${name}.c`, `#include <stdio.h>\nint ${name}(void) { return puts("${name}"); }\n`]),
	),
};

interface Member extends Server {
	readonly line: Line;
}

/** Resolves when the worker runs something, asked by a way of its own. */
async function busy(server: Server): Promise<void> {
	const channel = openChannel({ target: server.target, toolVersion: "test", invocation: "test" });
	try {
		while ((await channel.unary(METHODS.status, {})).running === 0)
			await new Promise((resolve) => setImmediate(resolve));
	} finally {
		channel.close();
	}
}

describe("a pool of workers, 40 ms away", () => {
	const project = projects();
	const ends: (() => void)[] = [];
	afterEach(() => {
		for (const end of ends.splice(0).reverse()) end();
	});

	async function member(p: Project, folder: string): Promise<Member> {
		const server = await startGgWorker(folder, p.env());
		ends.push(() => server.stop());
		const line = await openLine(Number(server.target.split(":")[1]));
		ends.push(() => line.close());
		return { ...server, line };
	}

	function emptyFolder(): string {
		const made = mkdtempSync(join(tmpdir(), "gg-test-pool-"));
		ends.push(() => rmSync(made, { recursive: true, force: true }));
		return made;
	}

	/** A folder on a file system of 8 MB: not even a compiler fits. */
	function fullDisk(): string | undefined {
		const made = join(emptyFolder(), "full");
		mkdirSync(made);
		if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "gg-test", made], { stdio: "ignore" }).status !== 0)
			return undefined;
		ends.push(() => void execFileSync("umount", ["-l", made]));
		return made;
	}

	it("gives make's tree, although one is killed, one is cut off for a while, and one has no room", async function () {
		// Three times a compiler has to be sent along a line that is processed here: not a part of every run.
		if (process.env["GG_TEST_LONG"] === undefined) this.skip();
		this.timeout(900_000);
		const p = project(FILES);
		const full = fullDisk();
		if (full === undefined) this.skip();
		const plain = await p.run(["make", "-j6"]);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		const killed = await member(p, emptyFolder());
		const cut = await member(p, emptyFolder());
		const cramped = await member(p, full);
		const engines = [killed, cut, cramped].flatMap((m) => ["--jobs", "2", "--engine", `reapi=grpc://${m.line.target}`]);
		const build = p.gg(["build", ...engines, "make", "-j6"]);
		// Both are watched from the start: what the one does not run the other may have done by then, and be idle for good.
		const struck = Promise.all([
			busy(cut).then(() => cut.line.cut()),
			busy(killed).then(() => {
				killed.stop();
				killed.line.close();
			}),
		]);
		struck.catch(() => {}); // Whoever is still watched when the build has ended.
		await Promise.race([struck, build]);
		cut.line.mend();
		const ended = await build;
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(aside);
		assert.ok(ended.stderr.includes(`gg: reapi: ${killed.line.target}: `), ended.stderr);
		assert.match(ended.stderr, new RegExp(`gg: reapi: ${cramped.line.target}: RESOURCE_EXHAUSTED: .*ENOSPC`));
		assert.ok(!ended.stderr.includes(cut.line.target), ended.stderr);
	});
});
