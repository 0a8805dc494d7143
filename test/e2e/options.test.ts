import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { counts, GG, projects, withoutSummary } from "../rig/project.js";

const FILES = {
	Makefile: "all: good.o bad.o\n%.o: %.c ; $(CC) -c -o $@ $<\n",
	"good.c": "int good;\n",
	"bad.c": '#include "bad.h"\nint bad = x;\n',
	"bad.h": "\n",
};

describe("the folder of a thunk that failed", () => {
	const project = projects();
	const kept = (stderr: string): string => {
		const folder = /^gg: the folder of thunk T\S+ is kept: (\/.+)$/m.exec(stderr)?.[1];
		assert.ok(folder !== undefined, stderr);
		return folder;
	};

	for (const [what, args, env] of [
		["--keep", ["--keep"], {}],
		["GG_LEAVE_CRASHED_THUNKS", [], { GG_LEAVE_CRASHED_THUNKS: "1" }],
	] as const) {
		it(`is left and named with ${what}`, async () => {
			const p = project(FILES);
			await p.gg(["infer", "make"]);
			const forced = await p.gg(["force", ...args], { env });
			assert.equal(forced.status, 1);
			assert.ok(fs.statSync(kept(forced.stderr)).isDirectory());
			assert.equal(path.dirname(kept(forced.stderr)), p.path(".gg/tmp"));
		});
	}

	it("holds all that the thunk saw, with --sandbox", async function () {
		const p = project(FILES);
		await p.gg(["infer", "make"]);
		const forced = await p.gg(["force", "--keep", "--sandbox", "bad.o"]);
		if (/make a namespace/.test(forced.stderr)) this.skip();
		const root = `${kept(forced.stderr)}/kept`;
		assert.deepEqual(fs.readdirSync(root + p.tree).sort(), ["bad.c", "bad.h"]);
		assert.equal(fs.readFileSync(`${root}${p.tree}/bad.c`, "utf8"), FILES["bad.c"]);
	});

	it("is named too when the thunk did not come to an end of its own", async () => {
		const p = project({});
		await p.gg(["init"]);
		const program = p.path("wait");
		fs.writeFileSync(program, "#!/bin/sh\nexec /bin/sleep 1000\n", { mode: 0o755 });
		const hash = (await p.gg(["collect", "wait"])).stdout.trim();
		await p.gg(["create-thunk", "-e", hash, "-o", "out", "-T", "100", "-C", "late", "--", hash, "wait"]);
		const forced = await p.gg(["force", "--keep", "late"]);
		assert.match(forced.stderr, /did not end within 100 ms/);
		assert.match(forced.stderr, /the folder of thunk T\S+ is kept: \/.+\/\.gg\/tmp\/run-/);
	});

	it("is not left without being asked for", async () => {
		const p = project(FILES);
		await p.gg(["infer", "make"]);
		const forced = await p.gg(["force"]);
		assert.equal(forced.status, 1);
		assert.doesNotMatch(forced.stderr, /is kept/);
		assert.deepEqual(fs.readdirSync(p.path(".gg/tmp")), []);
	});
});

describe("a home whose name LD_PRELOAD cannot hold", () => {
	const project = projects();

	it("is as good as any other", async () => {
		const p = project({ Makefile: "a: a.o ; $(CC) -o a a.o\na.o: a.c ; $(CC) -c a.c\n", "a.c": "int main(void) {}\n" });
		await p.run(["make"]);
		const aside = p.aside();
		const odd = path.join(p.folder, "my home: x");
		fs.mkdirSync(odd);
		for (const env of [
			{ HOME: odd, GG_CACHE_DIR: undefined },
			{ HOME: odd, GG_CACHE_DIR: undefined, XDG_RUNTIME_DIR: odd, TMPDIR: odd },
		]) {
			p.fresh();
			await p.gg(["build", "true"], { env });
			assert.equal(counts(await p.gg(["build", "make"], { env })).made, 2);
			p.assertSameTree(aside);
			for (const name of ["a", "a.o"]) fs.rmSync(p.path(name));
			const again = await p.gg(["build", "make"], { env });
			assert.equal(again.stderr, "gg: 2 from the store, 0 compiled, linked or archived, 0 run as they are\n");
			p.fresh();
			assert.match((await p.gg(["infer", "make"], { env })).stderr, /^gg: 2 deferred, 0 run here;/);
			assert.deepEqual(await p.gg(["force"], { env }), { status: 0, signal: null, stdout: "", stderr: "" });
			p.assertSameTree(aside);
		}
		assert.deepEqual(
			fs.readdirSync(odd).filter((name) => name.startsWith("gg-")),
			[],
		);
	});
});

describe("gg build -k", () => {
	const project = projects();

	it("makes all that was deferred, whatever failed before", async () => {
		const names = Array.from({ length: 30 }, (_, i) => `o${i}`);
		const p = project({
			Makefile: `all: bad.o ${names.map((name) => `${name}.o`).join(" ")}\n%.o: %.c ; $(CC) -c -o $@ $<\n`,
			"bad.c": "int bad = x;\n",
			...Object.fromEntries(names.map((name) => [`${name}.c`, `int ${name};\n`])),
		});
		const ours = await p.gg(["build", "-k", "--jobs", "2", "make"]);
		assert.equal(ours.status, 2, ours.stderr);
		const events = fs
			.readFileSync(p.path(".gg/log/last"), "utf8")
			.split("\n")
			.filter((line) => line !== "")
			.map((line) => JSON.parse(line) as { kind?: string; how?: string; outputs?: string[] });
		const deferred = events.filter((e) => e.kind === "command" && e.how === "deferred").flatMap((e) => e.outputs ?? []);
		assert.ok(deferred.length > 1, "something was deferred beside the failure");
		const missing = deferred.filter((output) => !fs.existsSync(path.resolve(p.tree, output)));
		assert.deepEqual(
			missing.map((output) => path.basename(output)),
			["bad.o"],
		);
		assert.deepEqual(p.placeholders(), []);
	});

	it("leaves it to make what else is built: -k is make's own, too", async () => {
		const p = project({ ...FILES, Makefile: "all: bad.o good.o\n%.o: %.c ; $(CC) -c -o $@ $<\n" });
		for (const more of [[], ["-k"]]) {
			const plain = await p.run(["make", ...more]);
			const aside = p.aside();
			const ours = await p.gg(["build", "-k", "make", ...more]);
			assert.equal(ours.status, plain.status);
			assert.equal(withoutSummary(ours.stderr), plain.stderr);
			p.assertSameTree(aside);
			p.fresh();
		}
	});
});

describe("an ordinary user", () => {
	const project = projects();
	const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
	/** How to run a command as somebody whom permissions bind; undefined where that cannot be had. */
	const asUser = (): readonly string[] | undefined => {
		if (process.getuid?.() !== 0) return [];
		const reaches = spawnSync(NOBODY[0]!, [...NOBODY.slice(1), process.execPath, "-e", `fs.accessSync("${GG}", 1)`]);
		return reaches.status === 0 ? NOBODY : undefined;
	};

	it("reads of a .gg folder that he may not use, and of one that he may not read", async function () {
		const user = asUser();
		if (user === undefined) this.skip();
		const p = project(FILES);
		await p.gg(["init"]);
		fs.chmodSync(p.path(".gg"), 0);
		spawnSync("chown", ["-R", "65534:65534", p.folder]);
		const message =
			`cannot use ${p.tree}/.gg: permission denied\n` +
			"    check its owner and permissions, or name another folder with GG_DIR\n";
		for (const args of [["build", "make"], ["infer", "make"], ["force"], ["clean", "--all"], ["explain"]]) {
			const ran = await p.run([...user, GG, ...args]);
			assert.deepEqual(ran, { status: 1, signal: null, stdout: "", stderr: `gg-${args[0]}: ${message}` });
		}
	});

	it("builds with a store that he may only read, and is told", async function () {
		const user = asUser();
		if (user === undefined) this.skip();
		const p = project({ Makefile: "good.o: good.c ; $(CC) -c good.c\n", "good.c": FILES["good.c"] });
		const env = { GG_CACHE_DIR: path.join(p.folder, "cache"), GG_DIR: path.join(p.folder, "store") };
		await p.run(["make"]);
		const aside = p.aside();
		assert.equal((await p.gg(["build", "true"], { env })).status, 0);
		spawnSync("chown", ["-R", "65534:65534", p.folder]);
		spawnSync("chmod", ["-R", "a-w", env.GG_DIR]);
		const ran = await p.run([...user, GG, "build", "make"], { env });
		assert.equal(ran.status, 0, ran.stderr);
		assert.equal(
			withoutSummary(ran.stderr),
			`gg: results cannot be kept in ${env.GG_DIR}: permission denied (the build goes on without)\n`,
		);
		p.assertSameTree(aside);
	});

	it("builds with a folder on PATH that he may not look into", async function () {
		const user = asUser();
		if (user === undefined) this.skip();
		const p = project({
			Makefile: "good.o: good.c ; $(CC) -c good.c\n",
			"good.c": FILES["good.c"],
			"locked/bin/x": "",
		});
		const cache = path.join(p.folder, "cache");
		spawnSync("chown", ["-R", "65534:65534", p.folder]);
		fs.chmodSync(p.path("locked"), 0);
		const env = { GG_CACHE_DIR: cache, PATH: `${p.path("locked/bin")}:${p.env()["PATH"]}` };
		const ran = await p.run([...user, GG, "build", "make"], { env });
		fs.chmodSync(p.path("locked"), 0o755);
		assert.deepEqual([ran.status, ran.stdout], [0, "cc -c good.c\n"], ran.stderr);
	});
});
