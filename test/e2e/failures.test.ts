import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { DEFERRING, type Files, GG, HERE, type Project, projects, withoutSummary } from "../rig/project.js";

const FILES: Files = {
	Makefile: `
prog: a.o bad.o b.o ; $(CC) -o $@ a.o bad.o b.o
%.o: %.c ; $(CC) -MD -c -o $@ $<
`,
	"a.c": "int main(void) { return 0; }\n",
	"bad.c": "int bad(void) { return x; }\n",
	"b.c": "int b;\n",
};

/**
 * What make shows of the failure. Where commands were deferred, make may have met it first at what needs the failed one,
 * before it was run again; what the tools say is shown once all the same.
 */
function assertShown(stderr: string, wanted: string, by: readonly string[]): void {
	const seen = withoutSummary(stderr);
	if (by === HERE) assert.equal(seen, wanted);
	else
		assert.match(
			seen.slice(0, seen.length - wanted.length),
			/^(?:(?:make: .* Error 1(?: \(ignored\))?\n|make: Target .*\n)*gg: a command that ran beside the build failed; the build command runs again without that, to show it\n)?$/,
		);
	assert.ok(seen.endsWith(wanted), seen);
}

describe("a build that fails", () => {
	const project = projects();

	for (const [way, by] of [
		["here", HERE],
		["deferring", DEFERRING],
	] as const) {
		it(`ends and shows the error as make does, once, and goes on from there (${way})`, async () => {
			const p = project(FILES);
			const plain = await p.run(["make"]);
			p.fresh();
			const failed = await p.gg([...by, "make"]);
			assert.equal(failed.status, plain.status);
			assertShown(failed.stderr, plain.stderr, by);
			assert.deepEqual(p.placeholders(), []);
			assert.ok(!p.exists("bad.o") && !p.exists("prog"));
			p.write("bad.c", "int bad(void) { return 1; }\n");
			const fixed = await p.gg([...by, "make"]);
			assert.equal(fixed.status, 0, fixed.stderr);
			assert.ok(!fixed.stdout.includes("-o a.o"), "what was made before the failure is not made again");
			assert.deepEqual(p.placeholders(), []);
			assert.equal((await p.run(["make", "-q"])).status, 0);
		});

		it(`under -k, -i and a leading - (${way})`, async () => {
			const p = project({ ...FILES, "minus.mk": "all: ; -$(CC) -c bad.c\n\t-$(CC) -c b.c\n" });
			for (const args of [["-k"], ["-i"], ["-f", "minus.mk"]]) {
				const plain = await p.run(["make", ...args]);
				const aside = p.aside();
				const ours = await p.gg([...by, "make", ...args]);
				assert.equal(ours.status, plain.status, args.join(" "));
				assertShown(ours.stderr, plain.stderr, by);
				p.assertSameTree(aside);
				p.fresh();
			}
		});
	}

	it("make -i shows each failure when it comes to it: nothing is deferred", async () => {
		const p = project(FILES);
		const plain = await p.run(["make", "-i"]);
		const aside = p.aside();
		for (const by of [["build", "--jobs", "3"], ["infer"]]) {
			const ours = await p.gg([...by, "make", "-i"]);
			assert.equal(ours.status, 0);
			assert.equal(withoutSummary(ours.stderr), plain.stderr, by.join(" "));
			p.assertSameTree(aside);
			p.fresh();
		}
	});

	it("under infer and a leading -, the failure is for `gg force` to show, and the rest is made by -k", async () => {
		const p = project({ ...FILES, Makefile: "all: ; -$(CC) -c bad.c\n\t-$(CC) -c b.c\n" });
		const plain = await p.run(["make"]);
		p.fresh();
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		const forced = await p.gg(["force", "-k"]);
		assert.equal(forced.status, 1);
		assert.equal(
			forced.stderr,
			`${plain.stderr.replace(/^make: .*\n/gm, "")}gg: ${p.tree}/bad.o: ended with status 1\n    cd ${p.tree} && cc -c bad.c\n`,
		);
		assert.deepEqual(p.placeholders(), ["bad.o"]);
	});

	it("in a compound recipe that moves its result", async () => {
		const p = project({
			Makefile: "prog: bad.o ; $(CC) -o $@ bad.o\nbad.o: bad.c ; $(CC) -c -o tmp.o bad.c && mv tmp.o bad.o\n",
			"bad.c": FILES["bad.c"]!,
		});
		const plain = await p.run(["make"]);
		const aside = p.aside();
		const ours = await p.gg([...DEFERRING, "make"]);
		assert.equal(ours.status, plain.status);
		assertShown(ours.stderr, plain.stderr, DEFERRING);
		p.assertSameTree(aside);
	});

	it("in a link that lacks a symbol", async () => {
		const p = project({
			Makefile: "prog: a.o ; $(CC) -o $@ a.o\na.o: a.c ; $(CC) -c a.c\n",
			"a.c": "int f(void); int main(void) { return f(); }\n",
		});
		const plain = await p.run(["make"]);
		const aside = p.aside();
		const ours = await p.gg([...DEFERRING, "make"]);
		assert.equal(ours.status, plain.status);
		// The temporary object's name is different each time where there is one; here there is none.
		assertShown(ours.stderr, plain.stderr, DEFERRING);
		p.assertSameTree(aside);
	});

	it("a file that a program made of a placeholder, where nobody could make it wait, is named", async () => {
		const p = project({
			Makefile: "all: both\na.o: a.c ; $(CC) -c a.c\nb.o: b.c ; $(CC) -c b.c\nboth: a.o b.o ; cat a.o b.o > both\n",
			"a.c": "int a;\n",
			"b.c": "int b;\n",
		});
		const inferred = await p.gg(["infer", "make"], { env: { GG_SUPERVISOR: "0" } });
		assert.equal(inferred.status, 1);
		assert.equal(
			inferred.stderr,
			"gg: a program that reads what is deferred gets a placeholder if gg does not know it, for it cannot be watched: " +
				"GG_SUPERVISOR or GG_MODELPATH asks for that (`gg build COMMAND` builds without that)\n" +
				`gg: ${p.tree}/both holds the bytes of a placeholder: a program that gg did not catch put it there\n` +
				"    remove it, and run the build by `gg build COMMAND`\n" +
				"gg: 2 deferred, 0 run here; `gg force` makes them real\n",
		);
	});
});

describe("a command that runs here beside one that has failed", () => {
	const project = projects();

	it("does not run where an input of it is what failed: it would only say that it is missing", async () => {
		const p = project({
			...FILES,
			// What is printed is made here, once nothing that it might read is a placeholder.
			Makefile: `
prog: a.o bad.o b.i ; $(CC) -o $@ $^
b.i: b.c ; $(CC) -E $< > $@
%.o: %.c ; $(CC) -c -o $@ $<
`,
		});
		const plain = await p.run(["make"]);
		p.fresh();
		const failed = await p.gg([...DEFERRING, "make"]);
		assert.equal(failed.status, plain.status);
		assertShown(failed.stderr, plain.stderr, DEFERRING);
	});

	it("is not made to fail by it: make would take what its recipe had left for done", async () => {
		const p = project({
			Makefile: `all: t x
t: t.c
	$(CC) -g -o $@ $<
	ln -f $@ $@.name
	$(CC) -o $@ $<
	objcopy -S $@.name $@.name2
x:
	-$(CC) -c bad.c -o x.o
	touch x
`,
			"t.c": "int main(void) { return 0; }\n",
			"bad.c": "int bad = ;\n",
		});
		assert.equal((await p.run(["make"])).status, 0);
		const aside = p.aside();
		p.fresh();
		const ended = await p.gg(["build", "--jobs", "8", "make", "-j4"]);
		assert.match(ended.stderr, /bad\.c:1:11: error: /);
		p.assertSameTree(aside);
	});
});

describe("a build that is interrupted", () => {
	const project = projects();
	const SLOW: Files = {
		Makefile:
			"all: a.o b.o c.o\na.o: a.c ; $(CC) -c a.c\nb.o: b.c a.o ; @echo ready; exec ./forever\nc.o: c.c b.o ; $(CC) -c c.c\n",
		forever: "#!/bin/sh\nexec sleep 1000\n",
		"a.c": "int a;\n",
		"b.c": "int b;\n",
		"c.c": "int c;\n",
	};

	async function interrupted(
		p: Project,
		by: readonly string[],
		stop: (pid: number) => void,
	): Promise<{ status: number | null }> {
		const started = p.start([GG, ...by, "make"]);
		await started.said("ready");
		stop(started.process.pid!);
		const ended = await started.ended;
		await p.quiet();
		assert.deepEqual(p.placeholders(), []);
		assert.ok(!p.exists("c.o"));
		return ended;
	}

	async function goesOn(p: Project): Promise<void> {
		p.write("forever", "#!/bin/sh\ncc -c b.c\n");
		const again = await p.gg(["build", "make"]);
		assert.equal(again.status, 0, again.stderr);
		assert.deepEqual(p.placeholders(), []);
		assert.equal((await p.run(["make", "-q"])).status, 0);
	}

	for (const [way, by] of [
		["here", HERE],
		["deferring", DEFERRING],
	] as const) {
		it(`by the terminal (${way})`, async () => {
			const p = project(SLOW);
			const ended = await interrupted(p, by, (pid) => process.kill(-pid, "SIGINT"));
			// Make dies of the signal, or ends with 2 where it met its child's end first.
			assert.ok(ended.status === 130 || ended.status === 2, `${ended.status}`);
			await goesOn(p);
		});

		it(`by SIGTERM (${way})`, async () => {
			const p = project(SLOW);
			const ended = await interrupted(p, by, (pid) => process.kill(pid, "SIGTERM"));
			assert.equal(ended.status, 143);
			await goesOn(p);
		});

		it(`by SIGKILL (${way})`, async () => {
			const p = project(SLOW);
			await interrupted(p, by, (pid) => process.kill(pid, "SIGKILL"));
			const left = fs.readdirSync(path.join(p.folder, "tmp")).filter((name) => name.startsWith("gg-"));
			assert.deepEqual(left, [], "gg's own folder");
			await goesOn(p);
		});
	}

	it("by SIGKILL while placeholders stand: none is left that make would take for real", async () => {
		const p = project({
			Makefile: "all: late.o ; @echo ready; exec sleep 1000\nlate.o: late.c ; $(CC) -c late.c\n",
			"late.c": `${Array.from({ length: 3000 }, (_, i) => `int f${i}(int x) { return x * ${i} + x / ${i + 1}; }`).join("\n")}\n`,
		});
		const started = p.start([GG, ...DEFERRING, "make", "late.o", "all"]);
		await started.said("ready");
		process.kill(started.process.pid!, "SIGKILL");
		await started.ended;
		await p.quiet();
		assert.deepEqual(p.placeholders(), []);
	});
});

describe("a file system that is full or read-only", () => {
	const mounts: string[] = [];
	// Before the project's folder, which they lie in, is removed.
	afterEach(() => {
		for (const mount of mounts.splice(0)) execFileSync("umount", ["-l", mount]);
	});
	const project = projects();
	function mounted(test: Mocha.Context, p: Project, options: string): string {
		const where = p.path("store");
		fs.mkdirSync(where);
		try {
			execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", where], { stdio: "ignore" });
		} catch {
			test.skip();
		}
		mounts.push(where);
		return where;
	}

	it("a full store costs the answers, not the build", async function () {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -c a.c\n", "a.c": "int a[100000] = { 1 };\n" });
		const plain = await p.run(["make"]);
		const aside = p.aside();
		const store = mounted(this, p, "size=128k");
		const env = { GG_DIR: `${store}/gg` };
		for (const by of [HERE, DEFERRING]) {
			fs.rmSync(p.path("a.o"), { force: true });
			const ours = await p.gg([...by, "make"], { env });
			assert.equal(ours.status, 0, ours.stderr);
			assert.equal(ours.stdout, by === HERE ? plain.stdout : ours.stdout);
			p.assertSameTree(aside, ["store"]);
		}
	});

	it("a read-only store says so, and the build goes on without it", async function () {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -c a.c\n", "a.c": "int a;\n" });
		await p.run(["make"]);
		const aside = p.aside();
		const store = mounted(this, p, "size=1m");
		const env = { GG_DIR: `${store}/gg` };
		await p.gg(["build", "true"], { env });
		execFileSync("mount", ["-o", "remount,ro", store]);
		const ours = await p.gg([...HERE, "make"], { env });
		assert.equal(ours.status, 0, ours.stderr);
		const message = `gg: results cannot be kept in ${store}/gg: the file system is read-only (the build goes on without)\n`;
		assert.equal(withoutSummary(ours.stderr), message);
		p.assertSameTree(aside, ["store"]);
	});

	it("a store that cannot be made on a read-only file system is named", async function () {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -c a.c\n", "a.c": "int a;\n" });
		const store = mounted(this, p, "size=1m,ro");
		const ours = await p.gg(["build", "make"], { env: { GG_DIR: `${store}/gg` } });
		assert.equal(ours.status, 1);
		assert.equal(
			ours.stderr,
			`gg-build: cannot use ${store}/gg: the file system is read-only\n` +
				"    check its owner and permissions, or name another folder with GG_DIR\n",
		);
	});

	it("a cache from which no program may be run is named", async function () {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -c a.c\n", "a.c": "int a;\n" });
		const cache = mounted(this, p, "size=20m,noexec");
		const message =
			`gg-build: cannot run programs from the cache ${cache}: permission denied\n` +
			"    its file system may be mounted noexec: name another folder with GG_CACHE_DIR\n";
		for (const first of ["gg: first use: compiling the wrappers ...\n", ""]) {
			const ours = await p.gg(["build", "make"], { env: { GG_CACHE_DIR: cache } });
			assert.deepEqual(ours, { status: 1, signal: null, stdout: "", stderr: first + message });
		}
	});

	it("a disk that fills while placeholders are forced ends that, and with room again it goes on", async function () {
		const p = project({
			Makefile: "all: a.o b.o\n%.o: %.c ; $(CC) -c -o $@ $<\n",
			"a.c": "int a;\n",
			"b.c": "int b[100000] = { 1 };\n",
		});
		await p.run(["make"]);
		const aside = p.aside();
		const store = mounted(this, p, "size=2m");
		const env = { GG_DIR: `${store}/gg` };
		assert.equal((await p.gg(["infer", "make"], { env })).status, 0);
		assert.deepEqual(p.placeholders(), ["a.o", "b.o"]);
		const used = Number(execFileSync("df", ["--output=used", "-B1", store]).toString().split("\n")[1]);
		execFileSync("mount", ["-o", `remount,size=${used + 100_000}`, store]);
		const full = await p.gg(["force", "-k"], { env });
		assert.equal(full.status, 1);
		assert.match(full.stderr, /no space left on device|the disk is full/i);
		assert.deepEqual(p.placeholders(), ["b.o"], "what there was room for is made");
		execFileSync("mount", ["-o", "remount,size=4m", store]);
		assert.equal((await p.gg(["force"], { env })).status, 0);
		p.assertSameTree(aside, ["store"]);
	});

	it("a disk that fills while sources are kept is named, and with room again all of it is made", async function () {
		const names = ["a", "b", "c", "d"];
		const p = project({
			Makefile: `all: ${names.map((n) => `${n}.o`).join(" ")}\n%.o: %.c ; $(CC) -c -o $@ $<\n`,
			...Object.fromEntries(names.map((n) => [`${n}.c`, `int ${n};\n/*${n.repeat(300_000)}*/\n`])),
		});
		for (const n of names) fs.utimesSync(p.path(`${n}.c`), 1_500_000_000, 1_500_000_000);
		await p.run(["make"]);
		const aside = p.aside();
		const store = mounted(this, p, "size=700k");
		const env = { GG_DIR: `${store}/gg` };
		const full = await p.gg(["infer", "make"], { env });
		assert.match(full.stderr, /^gg: results cannot be kept in \S+: the disk is full \(the build goes on without\)$/m);
		const built = await p.gg([...DEFERRING, "make"], { env });
		assert.equal(built.status, 0, built.stderr);
		assert.deepEqual(p.placeholders(), []);
		for (const n of names) fs.rmSync(p.path(`${n}.o`));
		fs.rmSync(`${store}/gg`, { recursive: true });
		await p.gg(["infer", "make"], { env });
		execFileSync("mount", ["-o", "remount,size=8m", store]);
		assert.equal((await p.gg(["infer", "make"], { env })).status, 0);
		const forced = await p.gg(["force"], { env });
		assert.equal(forced.status, 0, forced.stderr);
		p.assertSameTree(aside, ["store"]);
	});

	it("a full tree fails as make does", async function () {
		const p = project({ "small/Makefile": "a.o: ../a.c ; $(CC) -c ../a.c\n", "a.c": "int a[100000] = { 1 };\n" });
		const store = mounted(this, p, "size=64k");
		fs.copyFileSync(p.path("small/Makefile"), `${store}/Makefile`);
		const env = { GG_DIR: p.path(".gg") };
		const options = { env, cwd: "store" };
		const plain = await p.run(["make"], options);
		fs.rmSync(`${store}/a.o`, { force: true });
		for (const by of [HERE, DEFERRING]) {
			const ours = await p.gg([...by, "make"], options);
			assert.equal(ours.status, plain.status, ours.stderr);
			assert.deepEqual(fs.readdirSync(store), ["Makefile"]);
		}
	});
});

describe("two gg at once", () => {
	const project = projects();

	it("nothing that a build counts on is removed meanwhile", async () => {
		const p = project({
			Makefile: "a.o: a.c ; @echo ready; while [ ! -e go ]; do sleep 0.01; done; $(CC) -c a.c\n",
			"a.c": "int a;\n",
		});
		const started = p.start([GG, "build", "make"]);
		await started.said("ready");
		const cleaned = await p.gg(["clean", "--all"]);
		p.write("go", "");
		assert.equal((await started.ended).status, 0);
		assert.match(
			cleaned.stderr,
			/^gg-clean: gg is at work in \S+\/\.gg \(process \d+\)\n {4}clean when it has ended\n$/,
		);
		assert.equal((await p.gg(["clean", "--all"])).status, 0);
	});

	it("one does not take for stale what the other promises, and keeps the inputs of", async () => {
		const p = project({
			Makefile: `a.o: a.c
	$(CC) -c a.c
	echo 'int b;' > a.c; touch -d 2020-01-01 a.c
	@echo ready; while [ ! -e go ]; do sleep 0.01; done
	test -s a.o
`,
			"a.c": "int a;\n",
		});
		fs.utimesSync(p.path("a.c"), 1_500_000_000, 1_500_000_000);
		const started = p.start([GG, "infer", "make"]);
		await started.said("ready");
		const other = await p.gg(["infer", "true"]);
		p.write("go", "");
		assert.equal((await started.ended).status, 0);
		assert.equal(other.status, 0, other.stderr);
		assert.equal((await p.gg(["force"])).status, 0);
		assert.match((await p.run(["nm", "a.o"])).stdout, / a$/m);
	});

	it("what a killed one has kept for itself goes with the next", async () => {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -c a.c\n", "a.c": "int a;\n" });
		fs.utimesSync(p.path("a.c"), 1_500_000_000, 1_500_000_000);
		await p.gg(["init"]);
		const ended = execFileSync("sh", ["-c", "echo $$"]).toString().trim();
		const left = `.gg/tmp/run-${ended}-1`;
		p.write(`${left}/inputs`, "what it kept");
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.equal(p.exists(left), false);
		assert.deepEqual(fs.readdirSync(p.path(".gg/tmp")), []);
	});

	it("share one store", async () => {
		const make = (n: number): string =>
			`all: ${Array.from({ length: 8 }, (_, i) => `d${n}/f${i}.o`).join(" ")}\nd${n}/%.o: %.c ; $(CC) -c -o $@ $<\n`;
		const p = project({
			"1.mk": make(1),
			"2.mk": make(2),
			"d1/x": "",
			"d2/x": "",
			...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`f${i}.c`, `int f${i};\n`])),
		});
		const steps = [
			["make", "-f", "1.mk"],
			["make", "-f", "2.mk"],
		];
		for (const step of steps) await p.run(step);
		const aside = p.aside();
		const ended = await Promise.all(steps.map((step, i) => p.gg([...(i === 0 ? HERE : DEFERRING), ...step])));
		for (const e of ended) assert.equal(e.status, 0, e.stderr);
		p.assertSameTree(aside);
	});
});
