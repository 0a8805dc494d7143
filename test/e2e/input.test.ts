import assert from "node:assert/strict";
import fs from "node:fs";
import { type Ended, GG, projects } from "../rig/project.js";

const FILES = { Makefile: "a.o: a.c ; $(CC) -c a.c\n", "a.c": "int a;\n" };
const said = (stderr: string, status = 1): Ended => ({ status, signal: null, stdout: "", stderr });
const INFER_AGAIN = "    infer the build again: gg infer make\n";

/** The whole of what a user reads when something is not as it should be. */
describe("bad input is answered with what is wrong and what to do", () => {
	const project = projects();

	it("no build command", async () => {
		const p = project(FILES);
		assert.deepEqual(
			await p.gg(["build"]),
			said("gg-build: no build command was given\n    for example: gg build make -j8\n"),
		);
		assert.deepEqual(
			await p.gg(["infer", "-n"]),
			said("gg-infer: no build command was given\n    for example: gg infer make -j8\n"),
		);
	});

	it("a build command that is not there", async () => {
		const p = project(FILES);
		const message = "gg-build: nomake was not found on PATH\n    check the build command's name\n";
		assert.deepEqual(await p.gg(["build", "nomake"]), said(message));
		const here = "gg-build: ./nomake was not found\n    check the build command's name\n";
		assert.deepEqual(await p.gg(["build", "./nomake"]), said(here));
	});

	it("a build command that cannot be executed", async () => {
		const p = project({ ...FILES, plain: "text\n" });
		assert.deepEqual(await p.gg(["build", "./plain"]), said("gg-build: cannot start ./plain: permission denied\n"));
	});

	it("a folder that is gone, and one whose path is not UTF-8", async () => {
		const p = project(FILES);
		const script = 'mkdir "$1" && cp Makefile a.c "$1" && cd "$1" && shift && "$@"; status=$?; ls -A; exit $status';
		const odd = await p.run(["sh", "-c", `set -- "$(printf 'f\\377')" "$@"; ${script}`, "sh", GG, "build", "make"]);
		const message =
			`gg-build: the path of this folder is not UTF-8: ${p.tree}/f\ufffd\n` +
			"    rename it, or build a copy elsewhere\n";
		assert.deepEqual([odd.status, odd.stdout], [1, "Makefile\na.c\n"], odd.stderr);
		assert.equal(Buffer.from(odd.stderr, "latin1").toString(), message);
		const gone = await p.run(["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$0" build make', GG]);
		assert.equal(gone.status, 1);
		assert.match(
			gone.stderr,
			/gg-build: the folder in which gg was started: it does not exist\n {4}change to one that does\n$/,
		);
	});

	it("an engine that does not exist", async () => {
		const p = project(FILES);
		const message = 'gg-build: there is no engine "moon"\n    engines that exist: local, reapi, remote, lambda\n';
		assert.deepEqual(await p.gg(["build", "--engine", "moon", "make"]), said(message));
		assert.deepEqual(await p.gg(["build", "--fallback-engine=moon", "make"]), said(message));
	});

	it("jobs that are no number", async () => {
		const p = project(FILES);
		const message = (given: string): string => `gg-build: --jobs takes a whole number from 1 up, not "${given}"\n`;
		assert.deepEqual(await p.gg(["build", "--jobs", "many", "make"]), said(message("many")));
		assert.deepEqual(await p.gg(["build", "-j0", "make"]), said(message("0")));
	});

	it("a time limit that is no number", async () => {
		const p = project(FILES);
		const message = (what: string): string => `gg-build: ${what} takes a number of seconds, not "soon"\n`;
		assert.deepEqual(await p.gg(["build", "--timeout", "soon", "make"]), said(message("--timeout")));
		const env = { GG_FORCE_TIMEOUT: "soon" };
		assert.deepEqual(await p.gg(["build", "make"], { env }), said(message("GG_FORCE_TIMEOUT")));
		assert.equal((await p.gg(["build", "--timeout", "60", "make"], { env })).status, 0);
	});

	it("an option that does not exist", async () => {
		const p = project(FILES);
		const message = "gg-build: Unknown argument: frobnicate\n    `gg build --help` lists the options\n";
		assert.deepEqual(await p.gg(["build", "--frobnicate", "make"]), said(message));
	});

	it("not in a project", async () => {
		const p = project(FILES);
		const message =
			`gg-force: no .gg folder in ${p.tree} or any folder above it\n` +
			"    run `gg init` in the folder where the build starts, or `gg build COMMAND` which does so by itself\n";
		assert.deepEqual(await p.gg(["force"]), said(message));
	});

	it("a .gg folder of another version", async () => {
		const p = project(FILES);
		await p.gg(["init"]);
		fs.writeFileSync(p.path(".gg/version"), "7\n");
		const message =
			`${p.tree}/.gg was made by another version of gg (its format is "7", this gg reads 1)\n` +
			`    use that version, or remove the folder to start anew: rm -rf ${p.tree}/.gg\n`;
		assert.deepEqual(await p.gg(["force"]), said(`gg-force: ${message}`));
		assert.deepEqual(await p.gg(["build", "make"]), said(`gg-build: ${message}`));
	});

	it("GG_DIR that is not absolute", async () => {
		const p = project(FILES);
		const message =
			'gg-build: GG_DIR is "store", which is not an absolute path\n    set GG_DIR to an absolute path, or unset it\n';
		assert.deepEqual(await p.gg(["build", "make"], { env: { GG_DIR: "store" } }), said(message));
	});

	it("GG_CACHE_DIR that is not absolute", async () => {
		const p = project(FILES);
		const message =
			'gg-build: GG_CACHE_DIR is "cache", which is not an absolute path\n' +
			"    set GG_CACHE_DIR to an absolute path, or unset it\n";
		assert.deepEqual(await p.gg(["build", "make"], { env: { GG_CACHE_DIR: "cache" } }), said(message));
		assert.ok(!p.exists("cache"));
	});

	it("folders that can be made nowhere", async () => {
		const p = project({ "a.c": "int a;\n" });
		const store = await p.gg(["build", "cc", "-c", "a.c"], { env: { GG_DIR: "/proc/none/.gg" } });
		assert.deepEqual([store.status, store.stdout], [1, ""]);
		assert.match(store.stderr, /^gg-build: cannot use \/proc\/none\/.gg: it does not exist\n {4}.*\n$/);
		const cache = await p.gg(["build", "cc", "-c", "a.c"], { env: { GG_CACHE_DIR: "/proc/none/cache" } });
		assert.equal(cache.status, 1);
		assert.match(cache.stderr, /^gg-build: cannot use the cache \/proc\/none\/cache: it does not exist\n {4}.*\n$/);
	});

	it("a .gg that is a file", async () => {
		const p = project({ ...FILES, ".gg": "" });
		const message =
			`gg-build: cannot use ${p.tree}/.gg: part of the path is not a folder\n` +
			"    check its owner and permissions, or name another folder with GG_DIR\n";
		assert.deepEqual(await p.gg(["build", "make"]), said(message));
	});

	it("a target that is no placeholder, and a list that is not there", async () => {
		const p = project(FILES);
		await p.gg(["init"]);
		const message = `not a thunk: ${p.tree}/a.c\nNothing to force. Bye.\n`;
		assert.deepEqual(await p.gg(["force", "a.c"]), said(message, 0));
		const missing = `gg-force: there is no file ${p.tree}/typo\nNothing to force. Bye.\n`;
		assert.deepEqual(await p.gg(["force", "typo"]), said(missing));
		const list = "gg-force: cannot read the list none\n    @LIST names a file with one target a line\n";
		assert.deepEqual(await p.gg(["force", "@none"]), said(list));
	});

	it("a placeholder whose thunk is gone, cut short or altered", async () => {
		const p = project(FILES);
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.status, 0);
		const hash = /^T\S+$/m.exec(p.read("a.o"))![0];
		const file = p.path(`.gg/blobs/${hash}`);
		const bytes = fs.readFileSync(file);
		const missing =
			`gg: thunk ${hash} is not in the store\n` +
			"    it was cleaned away, or made with another .gg folder: infer the build again\n";
		const damages: [string, Uint8Array][] = [
			["cut short", bytes.subarray(0, 40)],
			["altered", Buffer.from(bytes).fill(0x41, 20, 24)],
			["emptied", Buffer.alloc(0)],
		];
		for (const [what, content] of damages) {
			fs.rmSync(file);
			fs.writeFileSync(file, content);
			assert.deepEqual(await p.gg(["force"]), said(missing), what);
			assert.deepEqual(p.placeholders(), ["a.o"]);
		}
		fs.rmSync(file);
		assert.deepEqual(await p.gg(["force"]), said(missing), "gone");
		const again = await p.gg(["build", "make"]);
		assert.equal(again.status, 0, again.stderr);
		assert.deepEqual(p.placeholders(), []);
	});

	it("a loop of links for a source", async () => {
		const p = project({ Makefile: "a.o: ; $(CC) -c loop.c -o a.o\n" });
		fs.symlinkSync("loop.c", p.path("loop.c"));
		const plain = await p.run(["make"]);
		for (const by of [["build"], ["infer"]]) {
			const ours = await p.gg([...by, "make"]);
			assert.equal(ours.status, plain.status);
			assert.equal(ours.stderr.replace(/^gg: \d.*\n/m, ""), plain.stderr);
		}
	});

	it("a source that became a loop of links after the infer", async () => {
		const p = project(FILES);
		await p.gg(["infer", "make"]);
		fs.unlinkSync(p.path("a.c"));
		fs.symlinkSync("a.c", p.path("a.c"));
		const message = `gg: ${p.tree}/a.o: ${p.tree}/a.c is gone since the build was inferred\n${INFER_AGAIN}`;
		assert.deepEqual(await p.gg(["force"]), said(message));
	});

	it("no namespace for --sandbox is said plainly, and where there is one the tree is the same", async () => {
		const p = project({
			Makefile: "prog: a.o b.o ; $(CC) -o $@ a.o b.o\n%.o: %.c h.h ; $(CC) -MMD -Wall -c -o $@ $<\n",
			"h.h": "int b(void);\n",
			"a.c": '#include "h.h"\nint main(void) { int unused; return b(); }\n',
			"b.c": '#include "h.h"\nint b(void) { return 0; }\n',
		});
		const plain = await p.run(["make"]);
		const aside = p.aside();
		const ours = await p.gg(["build", "--sandbox", "make"]);
		if (ours.status === 0) {
			assert.equal(ours.stderr.replace(/^gg: .*\n/m, ""), plain.stderr);
			p.assertSameTree(aside);
		} else assert.match(ours.stderr, /this system does not let gg make a namespace/);
	});

	it("a hundred thousand targets that are in the store already", async function () {
		this.timeout(120_000);
		// In memory where that can be had: writing and removing them takes longer than forcing them.
		const memory = "/dev/shm";
		const p = project(FILES, fs.existsSync(memory) ? memory : undefined);
		await p.gg(["infer", "make"]);
		const placeholder = p.read("a.o");
		const names = Array.from({ length: 100_000 }, (_, i) => `t${i}.o`);
		fs.mkdirSync(p.path("many"));
		for (const name of names) fs.writeFileSync(p.path(`many/${name}`), placeholder, { mode: 0o600 });
		p.write("list", names.map((name) => `many/${name}\n`).join(""));
		assert.equal((await p.gg(["force", "a.o"])).status, 0);
		assert.deepEqual(await p.gg(["force", "@list"]), { status: 0, signal: null, stdout: "", stderr: "" });
		const wanted = p.read("a.o");
		for (const name of [names[0]!, names[50_000]!, names.at(-1)!])
			assert.equal(p.read(`many/${name}`) === wanted, true, name);
	});
});
