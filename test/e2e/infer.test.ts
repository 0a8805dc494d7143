import assert from "node:assert/strict";
import fs from "node:fs";
import { GG, projects } from "../rig/project.js";

const FILES = {
	Makefile: `
all: one two
one: one.o lib.a ; $(CC) -o $@ one.o lib.a
two: two.o ; $(CC) -o $@ two.o
lib.a: f.o g.o ; rm -f $@ ; $(AR) rcs $@ f.o g.o
%.o: %.c h.h ; $(CC) -c -o $@ $<
`,
	"h.h": "int f(void);\n",
	"one.c": '#include "h.h"\nint main(void) { return f(); }\n',
	"two.c": '#include "h.h"\nint main(void) { return 2; }\n',
	"f.c": '#include "h.h"\nint f(void) { return 1; }\n',
	"g.c": '#include "h.h"\nint g(void) { return 1; }\n',
};
const HINT = "    infer the build again: gg infer make\n";

describe("infer and force", () => {
	const project = projects();

	it("infer compiles nothing, and force of one target makes just what it needs", async () => {
		const p = project(FILES);
		assert.equal((await p.run(["make"])).status, 0);
		const aside = p.aside();
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.stderr, "gg: 7 deferred, 0 run here; `gg force` makes them real\n");
		assert.deepEqual(p.placeholders(), ["f.o", "g.o", "lib.a", "one", "one.o", "two", "two.o"]);
		const forced = await p.gg(["force", "one"]);
		assert.deepEqual(forced, { status: 0, signal: null, stdout: "", stderr: "" });
		assert.deepEqual(p.placeholders(), ["two", "two.o"], "what `two` needs alone is still to be made");
		assert.equal((await p.run(["./one"])).status, 1);
		assert.deepEqual(await p.gg(["force"]), { status: 0, signal: null, stdout: "", stderr: "" });
		p.assertSameTree(aside);
		assert.deepEqual(await p.gg(["force"]), {
			status: 0,
			signal: null,
			stdout: "",
			stderr: "Nothing to force. Bye.\n",
		});
		assert.equal((await p.run(["make", "-q"])).status, 0);
	});

	it("infer by several threads leaves what make would have left, and another has nothing to scan", async () => {
		const names = Array.from({ length: 80 }, (_, i) => `n${i}`);
		const sources = names.map((n, i) => [`${n}.c`, `#include "h${i % 7}.h"\nint ${n}(void) { return H; }\n`]);
		const headers = names.slice(0, 7).map((_, i) => [`h${i}.h`, `#include <stdint.h>\n#define H ${i}\n`]);
		const p = project({
			Makefile: `all: ${names.map((n) => `${n}.o`).join(" ")}\n%.o: %.c ; $(CC) -MMD -g -c -o $@ $<\n`,
			...Object.fromEntries([...sources, ...headers]),
		});
		assert.equal((await p.run(["make", "-j8"])).status, 0);
		const aside = p.aside();
		const env = { GG_SCAN_THREADS: "2" };
		const inferred = await p.gg(["infer", "make", "-j8"], { env });
		assert.equal(inferred.stderr, "gg: 80 deferred, 0 run here; `gg force` makes them real\n");
		const { scans } = JSON.parse((await p.gg(["explain", "--json"])).stdout);
		assert.deepEqual([scans.scanned, scans.byThreads], [80, 80]);
		assert.equal((await p.gg(["force"])).status, 0);
		p.assertSameTree(aside);
		for (const name of names) fs.rmSync(p.path(`${name}.o`));
		assert.equal((await p.gg(["infer", "make", "-j8"], { env })).status, 0);
		assert.equal(JSON.parse((await p.gg(["explain", "--json"])).stdout).scans, undefined);
		const refused = await p.gg(["infer", "make"], { env: { GG_SCAN_THREADS: "many" } });
		assert.match(refused.stderr, /GG_SCAN_THREADS is "many", which is not a number from 0 to 99\n {4}set it/);
		assert.notEqual(refused.status, 0);
	});

	for (const threads of ["0", "1"])
		it(`infer sees what comes into a folder of the compiler's own; ${threads} threads`, async () => {
			const p = project({
				Makefile: `export C_INCLUDE_PATH=$(CURDIR)/late
all:
	for i in 1 2 3 4 5; do gcc -MD -c a.c -o a$$i.o || exit 1; done
	mkdir late; echo '#define LATE 7' > late/late.h
	gcc -MD -c b.c -o b.o
`,
				"a.c": "",
				"b.c": "#if __has_include(<late.h>)\n#include <late.h>\nint x = LATE;\n#else\nint x = 0;\n#endif\n",
			});
			assert.equal((await p.run(["make"])).status, 0);
			const aside = p.aside();
			p.fresh();
			assert.equal((await p.gg(["infer", "make"], { env: { GG_SCAN_THREADS: threads } })).status, 0);
			assert.match(fs.readFileSync(p.path("b.d"), "utf8"), /late\/late\.h/);
			assert.deepEqual(await p.gg(["force"]), { status: 0, signal: null, stdout: "", stderr: "" });
			p.assertSameTree(aside);
		});

	it("infer again goes on where a command runs here by now, and what stands of it is out of date", async () => {
		// gcc takes one header for the other if content and time are the same: what it reads only it can say.
		const once = (value: number): string => `#pragma once\nstatic int v = ${value};\n`;
		const p = project({
			Makefile: "all: a.o b.o\n%.o: %.c a.h b.h ; $(CC) -c -o $@ $<\n",
			"a.c": '#include "a.h"\n#ifdef B\n#include "b.h"\n#endif\nint *p = &v;\n',
			"b.c": '#include "a.h"\n#include "b.h"\nint *q = &v;\n',
			"a.h": once(1),
			"b.h": "#pragma once\n",
		});
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		const { atime, mtime } = fs.statSync(p.path("a.h"));
		p.write("b.h", once(1));
		fs.utimesSync(p.path("b.h"), atime, mtime);
		fs.utimesSync(p.path("a.h"), atime, mtime);
		for (const name of ["a.o", "b.o"]) fs.utimesSync(p.path(name), 1, 1);
		const again = await p.gg(["infer", "make"]);
		assert.equal(again.status, 0, again.stderr);
		assert.equal((await p.gg(["force"])).status, 0);
		const ours = p.aside();
		p.fresh();
		p.write("b.h", once(1));
		fs.utimesSync(p.path("b.h"), atime, mtime);
		fs.utimesSync(p.path("a.h"), atime, mtime);
		assert.equal((await p.run(["make"])).status, 0);
		p.assertSameTree(ours);
	});

	it("infer again, after an edit that only a promised list of dependencies knows of, makes what it concerns anew", async () => {
		const p = project({
			Makefile: `all: a.o b.o
%.o: %.s ; as --MD $*.d -o $@ $< && strip -g $@
-include a.d b.d
`,
			"a.s": '.include "a.inc"\n',
			"b.s": '.include "b.inc"\n',
			"a.inc": ".long 1\n",
			"b.inc": ".long 1\n",
		});
		assert.match((await p.gg(["infer", "make"])).stderr, /4 deferred, 0 run here/);
		p.awaitTick();
		p.write("a.inc", ".long 2\n");
		const again = await p.gg(["infer", "make"]);
		assert.deepEqual([again.status, again.stderr], [0, "gg: 2 deferred, 0 run here; `gg force` makes them real\n"]);
		p.awaitTick();
		p.write("b.inc", ".long 2\n");
		const built = await p.gg(["build", "make"]);
		assert.equal(built.status, 0, built.stderr);
		assert.deepEqual(p.placeholders(), []);
		const aside = p.aside();
		for (const name of ["a.inc", "b.inc"]) p.write(name, ".long 2\n");
		assert.equal((await p.run(["make"])).status, 0);
		p.assertSameTree(aside);
	});

	for (const then of ["infer", "build"] as const)
		it(`an archive that make adds changed members to is made anew by ${then} where it cannot be made as it stood`, async () => {
			const p = project({
				Makefile: "prog: main.o lib.a ; $(CC) -o $@ main.o lib.a\nlib.a: a.o b.o ; $(AR) cr $@ $?\na.o b.o: a.h\n",
				"main.c": "int main(void) { return 0; }\n",
				"a.c": '#include "a.h"\nint a = A;\n',
				"b.c": "int b;\n",
				"a.h": "#define A 1\n",
			});
			const edit = (): void => p.write("a.h", "#define A 2\n");
			assert.equal((await p.run(["make"])).status, 0);
			p.awaitTick();
			edit();
			assert.equal((await p.run(["make"])).status, 0);
			const aside = p.aside();
			assert.match((await p.gg(["infer", "make"])).stderr, /5 deferred/);
			p.awaitTick();
			edit();
			// What is to be forced is not what stood.
			const again = await p.gg([then, "make"]);
			assert.deepEqual([again.status, again.stderr.includes("could not be made")], [0, false], again.stderr);
			if (then === "infer")
				assert.deepEqual(await p.gg(["force"]), { status: 0, signal: null, stdout: "", stderr: "" });
			p.assertSameTree(aside);
		});

	it("infer again keeps what stands where the build itself has changed what it was made of since", async () => {
		const p = project({
			Makefile:
				"all: a.o\na.o: a.c ; $(CC) -c $<\na.c: ; echo 'int a;' > $@\nother: ; echo 'int b;' > a.c && touch -r Makefile a.c\n",
		});
		assert.match((await p.gg(["infer", "make"])).stderr, /1 deferred/);
		assert.equal((await p.run(["make", "other"])).status, 0);
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.deepEqual(p.placeholders(), ["a.o"]);
		assert.equal((await p.gg(["force"])).status, 0);
		assert.match((await p.run(["nm", "a.o"])).stdout, / a$/m);
	});

	it("force takes links to placeholders, and thunk files, and goes on beside a name that is none", async () => {
		const p = project({ Makefile: "lib.so.1: a.c ; $(CC) -shared -o $@ a.c && ln -s $@ lib.so\n", "a.c": "int a;\n" });
		await p.run(["make"]);
		const aside = p.aside();
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		const { stdout } = await p.gg(["explain", "--json", "lib.so.1"]);
		const { thunk } = JSON.parse(stdout)[0];
		fs.copyFileSync(p.path(`.gg/blobs/${thunk}`), p.path("raw"));
		const forced = await p.gg(["force", "lib.so", "typo", "raw"]);
		assert.deepEqual(forced, {
			status: 1,
			signal: null,
			stdout: "",
			stderr: `gg-force: there is no file ${p.tree}/typo\n`,
		});
		assert.ok(fs.readFileSync(p.path("raw")).equals(fs.readFileSync(p.path("lib.so.1"))));
		p.assertSameTree(aside, ["raw"]);
	});

	it("a second infer writes the dependency files of the first, and new ones where a header has changed", async () => {
		const p = project({
			Makefile: "all: a.o b.o\n%.o: %.c ; $(CC) -MMD -MP -MF d/$*.d -c -o $@ $<\nclean: ; rm -f *.o d/*.d\n",
			"a.h": "",
			"b.h": "",
			"a.c": '#include "a.h"\n',
			"b.c": '#include "a.h"\n',
			"d/keep": "",
		});
		const read = (name: string): string => fs.readFileSync(p.path(`d/${name}.d`), "utf8");
		await p.run(["make"]);
		const made = [read("a"), read("b")];
		const scanned = (): boolean => fs.readFileSync(p.path(".gg/log/last"), "utf8").includes('"scans"');
		for (let i = 0; i < 3; i++) {
			await p.run(["make", "clean"]);
			fs.writeFileSync(p.path("d/a.d"), "stale");
			assert.equal((await p.gg(["infer", "make"])).status, 0);
			assert.deepEqual([read("a"), read("b")], made);
			assert.equal(scanned(), i === 0, "the includes are looked for once");
			assert.equal(fs.statSync(p.path("d/a.d")).mode & 0o777, 0o666 & ~process.umask());
		}
		fs.writeFileSync(p.path("a.h"), '#include "b.h"\n');
		await p.run(["make", "clean"]);
		await p.gg(["infer", "make"]);
		assert.match(read("a"), /b\.h/);
		assert.ok(scanned());
		assert.equal((await p.gg(["force"])).status, 0);
		assert.equal((await p.run(["make", "-q"])).status, 0);
	});

	it("what takes a placeholder's place has its time to the nanosecond, under all of its names", async () => {
		const p = project(FILES);
		const times = "stat -c '%n %y %h' two.o name two";
		await p.gg(["infer", "make", "two"]);
		const before = await p.sh(`ln two.o name && touch -d '2024-03-04 05:06:07.123456789' two.o && ${times}`);
		assert.match(before.stdout, /two\.o .*07\.123456789 .* 2\n/);
		assert.equal((await p.gg(["force"])).status, 0);
		assert.deepEqual(await p.sh(times), before);
		assert.equal(p.read("name"), p.read("two.o"));
		assert.deepEqual(p.placeholders(), []);
	});

	it("gg build makes real what an infer left", async () => {
		const p = project(FILES);
		await p.run(["make"]);
		const aside = p.aside();
		await p.gg(["infer", "make"]);
		const built = await p.gg(["build", "make"]);
		assert.equal(built.status, 0, built.stderr);
		p.assertSameTree(aside);
	});

	it("-n shows what would run, in order, and runs nothing", async () => {
		const p = project(FILES);
		await p.gg(["infer", "make"]);
		const shown = await p.gg(["force", "-n", "two"]);
		assert.deepEqual(shown, {
			status: 0,
			signal: null,
			stdout: `cd ${p.tree} && cc -c -o two.o two.c\ncd ${p.tree} && cc -o two two.o\n`,
			stderr: "",
		});
		assert.equal(p.placeholders().length, 7);
	});

	it("--explain says of each thunk whether it ran, and of each command how it was treated", async () => {
		const p = project(FILES);
		await p.gg(["infer", "make"]);
		const said = (await p.gg(["force", "--explain", "two"])).stderr
			.replaceAll(/\d+ ms/g, "N ms")
			.split("\n")
			.sort();
		assert.deepEqual(said, ["", `gg: ${p.tree}/two.o: ran here, N ms`, `gg: ${p.tree}/two: ran here, N ms`]);
		p.fresh(true);
		const cached = await p.gg(["build", "--jobs", "1", "--explain", "make", "two"]);
		assert.match(cached.stderr, /^gg: .*\/two\.o: cached: taken from the store \(thunk T\S+\)$/m);
	});

	it("a program that was inferred is forced when it is started", async () => {
		const p = project(FILES);
		await p.gg(["infer", "make", "two"]);
		const path = `${GG.replace(/\/gg$/, "")}:${p.env()["PATH"]}`;
		fs.symlinkSync(GG, p.path("gg-force-and-run"));
		const ran = await p.run(["./two"], { env: { PATH: `${p.tree}:${path}` } });
		assert.deepEqual(ran, { status: 2, signal: null, stdout: "", stderr: "" });
		assert.deepEqual(p.placeholders(), []);
	});

	it("placeholders that were moved, copied and linked to become real", async () => {
		const p = project({
			...FILES,
			"install.mk": `all: ; mv one bin-one; cp -p two bin-two; ln two hard-two; mkdir d; mv lib.a d/; ln -s d/lib.a soft.a\n`,
		});
		const steps = [["make"], ["make", "-f", "install.mk"]];
		for (const step of steps) await p.run(step);
		const aside = p.aside();
		for (const step of steps) await p.gg(["infer", ...step]);
		const forced = await p.gg(["force"]);
		assert.equal(forced.status, 0, forced.stderr);
		p.assertSameTree(aside);
	});

	it("warnings are shown when the compile runs, and when its result is taken from the store", async () => {
		const p = project({ Makefile: "w.o: w.c ; $(CC) -Wall -c w.c\n", "w.c": "static int w;\n" });
		const plain = await p.run(["make"]);
		p.fresh();
		const quiet = await p.gg(["infer", "make"]);
		assert.doesNotMatch(quiet.stderr, /warning/);
		assert.equal((await p.gg(["force"])).stderr, plain.stderr);
		p.fresh(true);
		await p.gg(["infer", "make"]);
		assert.equal((await p.gg(["force"])).stderr, plain.stderr);
	});

	it("warnings that the build throws away stay unseen", async () => {
		const p = project({
			Makefile: "all: w.o v.o\nw.o: w.c ; $(CC) -Wall -c w.c 2>/dev/null\nv.o: v.c ; $(CC) -Wall -c v.c >/dev/null\n",
			"w.c": "static int w;\n",
			"v.c": "static int v;\n",
		});
		const plain = await p.run(["make"]);
		p.fresh();
		await p.gg(["infer", "make"]);
		assert.deepEqual(p.placeholders(), ["v.o", "w.o"]);
		assert.equal((await p.gg(["force"])).stderr, plain.stderr);
		p.fresh(true);
		await p.gg(["infer", "make"]);
		assert.equal((await p.gg(["force"])).stderr, plain.stderr, "from the store, too");
	});

	it("a dependency file that is there keeps its mode, as with make", async () => {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -MMD -c a.c\n", "a.c": "int a;\n", "a.d": "" });
		fs.chmodSync(p.path("a.d"), 0o600);
		for (const round of ["scanned", "from the depcache"]) {
			await p.gg(["infer", "make", "-B"]);
			assert.equal(fs.statSync(p.path("a.d")).mode & 0o7777, 0o600, round);
			assert.match(fs.readFileSync(p.path("a.d"), "utf8"), /^a\.o: a\.c/);
		}
	});

	it("a compile error is shown once, with its command, and nothing is left half made", async () => {
		const p = project({ ...FILES, "two.c": "int main(void) { return x; }\n" });
		const plain = await p.run(["make", "two"]);
		p.fresh();
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		const forced = await p.gg(["force", "two"]);
		const errors = plain.stderr.replace(/^make: .*\n/m, "");
		assert.equal(forced.status, 1);
		assert.equal(
			forced.stderr,
			`${errors}gg: ${p.tree}/two.o: ended with status 1\n    cd ${p.tree} && cc -c -o two.o two.c\n`,
		);
		assert.deepEqual(
			p.placeholders().filter((f) => f.startsWith("two")),
			["two", "two.o"],
		);
		const others = await p.gg(["force", "-k"]);
		assert.equal(others.status, 1);
		assert.deepEqual(p.placeholders(), ["two", "two.o"], "-k makes what does not need it");
	});

	for (const [what, change, message] of [
		[
			"a changed source",
			(p) => p.write("two.c", "int main(void) { return 3; }\n"),
			"two.c has changed since the build was inferred",
		],
		[
			"a changed header",
			(p) => p.write("h.h", "int f(void); // more\n"),
			"h.h has changed since the build was inferred",
		],
		["a removed source", (p) => fs.unlinkSync(p.path("two.c")), "two.c is gone since the build was inferred"],
	] as [string, (p: ReturnType<ReturnType<typeof projects>>) => void, string][]) {
		it(`${what} is named, and nothing is built from it`, async () => {
			const p = project(FILES);
			await p.gg(["infer", "make"]);
			change(p);
			const forced = await p.gg(["force", "two"]);
			assert.deepEqual(forced, {
				status: 1,
				signal: null,
				stdout: "",
				stderr: `gg: ${p.tree}/two.o: ${p.tree}/${message}\n${HINT}`,
			});
			assert.ok(p.placeholders().includes("two"));
		});
	}

	it("sources that the build removes are kept", async () => {
		const p = project({
			Makefile:
				"a.o: ; echo 'int made;' > made.c ; $(CC) -c made.c -o $@ ; rm made.c\nb.o: ; echo 'int other;' > made.c && $(CC) -c made.c -o $@ && rm made.c\nall: a.o b.o\n.DEFAULT_GOAL = all\n",
		});
		await p.run(["make"]);
		const aside = p.aside();
		await p.gg(["infer", "make"]);
		assert.equal((await p.gg(["force"])).status, 0);
		p.assertSameTree(aside);
	});

	it("a compiler that changed or is gone is named", async () => {
		const p = project(FILES);
		const bin = p.path("bin");
		fs.mkdirSync(bin);
		fs.copyFileSync("/usr/bin/as", `${bin}/as`);
		fs.chmodSync(`${bin}/as`, 0o755);
		p.write("s.s", ".text\n");
		p.write("t.s", ".text\n");
		const env = { PATH: `${bin}:${p.env()["PATH"]}` };
		assert.equal((await p.gg(["infer", "as", "-o", "t.o", "t.s"], { env })).status, 0);
		assert.deepEqual(p.placeholders(), []);
		p.write("Makefile", "s.o: s.s ; as -o s.o s.s\n");
		assert.equal((await p.gg(["infer", "make"], { env })).status, 0);
		assert.deepEqual(p.placeholders(), ["s.o"]);
		fs.appendFileSync(`${bin}/as`, "\n");
		const message = (what: string): string =>
			`gg: ${p.tree}/s.o: ${bin}/as ${what} since the build was inferred\n${HINT}`;
		const changed = await p.gg(["force"], { env });
		assert.deepEqual(changed, { status: 1, signal: null, stdout: "", stderr: message("has changed") });
		assert.match((await p.gg(["infer", "make"], { env })).stderr, /1 deferred/);
		fs.unlinkSync(`${bin}/as`);
		const gone = await p.gg(["force"], { env });
		assert.deepEqual(gone, { status: 1, signal: null, stdout: "", stderr: message("is gone") });
	});

	it("-march=native is forced on the processor that it was inferred on, and on no other", async () => {
		const p = project({
			Makefile: "a.o: a.c ; $(CC) -g -O2 -march=native -c a.c\n",
			"a.c": "int f(int x) { return x; }\n",
		});
		await p.run(["make"]);
		const aside = p.aside();
		await p.gg(["infer", "make"]);
		const hash = p.read("a.o").split("\n")[1]!;
		const here = fs.readFileSync(p.path(`.gg/blobs/${hash}`));
		const at = here.indexOf("GG_CPU=V") + "GG_CPU=V".length;
		assert.ok(at > "GG_CPU=V".length, "the thunk names its processor");
		// The same thunk as another machine would have described it.
		const elsewhere = Buffer.from(here);
		elsewhere[at] = here[at] === 0x41 ? 0x42 : 0x41;
		fs.writeFileSync(p.path("thunk"), elsewhere);
		const foreign = (await p.gg(["collect", "thunk"])).stdout.trim();
		fs.unlinkSync(p.path("thunk"));
		p.write("b.o", p.read("a.o").replace(hash, foreign));
		const refused = await p.gg(["force", "b.o"]);
		assert.equal(
			refused.stderr,
			`gg: ${p.tree}/a.o: cc with -march=native was inferred on another processor than this machine's\n` +
				"    force it there, or infer the build again here\n",
		);
		fs.renameSync(p.path("b.o"), p.path("a.o"));
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.equal((await p.gg(["force"])).status, 0);
		p.assertSameTree(aside);
	});

	it("a thousand targets", async () => {
		const names = Array.from({ length: 1000 }, (_, i) => `t${i}.o`);
		const p = project({
			Makefile: `TARGETS = ${names.join(" ")}\nall: $(TARGETS)\n$(TARGETS): %.o: t.s ; $(AS) --defsym N=$(*:t%=%) -o $@ t.s\n`,
			"t.s": ".data\n.long N\n",
		});
		await p.gg(["infer", "make", "-j2"]);
		assert.equal(p.placeholders().length, 1000);
		assert.deepEqual(await p.gg(["force"]), { status: 0, signal: null, stdout: "", stderr: "" });
		assert.deepEqual(p.placeholders(), []);
	});
});
