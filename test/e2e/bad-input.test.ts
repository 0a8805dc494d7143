import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { assertAllWays, assertAsPlain, counts, DEFERRING, GG, HERE, projects, withoutSummary } from "../rig/project.js";
import { isThere } from "../rig/rows.js";

const SANDBOX = ["build", "--sandbox"] as const;

/** Each ends as with make alone, or in one sentence that says what is wrong. */
describe("builds that misbehave", () => {
	const project = projects();

	/** A driver that is told to use this program as its compiler proper. */
	const withCc1 = (text: string) => ({
		Makefile: "all: a.o ; touch all\na.o: a.c ; $(CC) -Bown/ -c a.c\n",
		"a.c": "int a;\n",
		"own/cc1": `#!/bin/sh\n${text}\n`,
	});

	for (const by of [HERE, DEFERRING, SANDBOX]) {
		it(`a compiler that crashes fails as with make alone (${by.join(" ")})`, async () => {
			const p = project(withCc1("kill -SEGV $$"));
			const plain = await p.run(["make"]);
			assert.match(plain.stderr, /Segmentation fault/);
			const aside = p.aside();
			const ended = await p.gg([...by, "make"]);
			assert.equal(ended.status, plain.status, ended.stderr);
			assert.match(ended.stderr, /Segmentation fault/);
			p.assertSameTree(aside);
			p.write("own/cc1", '#!/bin/sh\nexec "$(gcc -print-prog-name=cc1)" "$@"\n');
			assert.equal((await p.gg([...by, "make"])).status, 0);
			assert.ok(p.exists("a.o"));
		});
	}

	it("a thunk that crashes is named with its signal; what plain make would say is said by a build", async () => {
		const p = project({
			Makefile: "all: x.out ; touch all\nx.out: x.in ; ./crash x.in x.out\n",
			crash: "#!/bin/sh\nkill -SEGV $$\n",
			"x.in": "",
			"gg.json": '{ "tools": [{ "command": "crash @infile @outfile", "reads": "declared" }] }',
		});
		const plain = await p.run(["make"]);
		const aside = p.aside();
		for (const by of [HERE, DEFERRING, SANDBOX]) {
			const ended = await p.gg([...by, "make"]);
			assert.equal(ended.status, plain.status, ended.stderr);
			assert.match(ended.stderr, /x\.out\] Segmentation fault/);
			p.assertSameTree(aside);
			p.fresh();
		}
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		for (const more of [[], ["--sandbox"]]) {
			const forced = await p.gg(["force", ...more]);
			assert.equal(forced.status, 1);
			assert.match(forced.stderr, /^gg: \S+\/x\.out: .*signal 11/m);
			assert.deepEqual(p.placeholders(), ["x.out"]);
		}
		await p.quiet();
	});

	it("a compiler that hangs is ended by whoever ends it without gg: timeout, and what it was in no case stays", async () => {
		const p = project({
			...withCc1("exec sleep 1000"),
			Makefile: `
all: killed stopped
killed: a.c ; timeout -s KILL 0.3 $(CC) -Bown/ -c a.c; echo $$? > $@
stopped: a.c ; timeout 0.3 $(CC) -Bown/ -c a.c; echo $$? > $@
`,
		});
		for (const by of [HERE, SANDBOX]) {
			p.fresh();
			await p.run(["make"]);
			const aside = p.aside();
			await p.gg([...by, "make"]);
			p.assertSameTree(aside);
			assert.equal(p.read("killed"), "137\n");
			assert.equal(p.read("stopped"), "124\n");
			await p.quiet();
		}
	});

	it("a thunk that hangs is ended by --timeout, and named", async () => {
		const p = project({
			Makefile: "x.out: x.in ; ./hang x.in x.out\n",
			hang: "#!/bin/sh\nexec sleep 1000\n",
			"x.in": "",
			"gg.json": '{ "tools": [{ "command": "hang @infile @outfile", "reads": "declared" }] }',
		});
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.deepEqual(p.placeholders(), ["x.out"]);
		const forced = await p.gg(["force", "--timeout", "1"]);
		assert.equal(forced.status, 1);
		assert.match(forced.stderr, /x\.out: .*did not end within 1000 ms/);
		await p.quiet();
	});

	it("an output whose folder vanishes is gone, as with make alone", async () => {
		const p = project({
			Makefile: `
all: one two three
one: a.c ; mkdir d && $(CC) -c a.c -o d/a.o && rm -r d && touch one
two: a.c ; mkdir e && $(CC) -c a.c -o e/a.o && mv e f && mkdir e && touch two
three: a.c ; mkdir g && $(CC) -c a.c -o g/a.o && rm -r g && : > g && touch three
`,
			"a.c": "int a;\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
		p.fresh();
		await p.gg(["infer", "sh", "-c", "mkdir h && make -f /dev/stdin <<'E'\nh/a.o: a.c ; $(CC) -c $< -o $@\nE"]);
		assert.deepEqual(p.placeholders(), ["h/a.o"]);
		fs.rmSync(p.path("h"), { recursive: true });
		assert.deepEqual(await p.gg(["force"]), {
			status: 0,
			signal: null,
			stdout: "",
			stderr: "Nothing to force. Bye.\n",
		});
		assert.ok(!p.exists("h"));
		const named = await p.gg(["force", "h/a.o"]);
		assert.equal(named.stderr, `gg-force: there is no file ${p.path("h/a.o")}\nNothing to force. Bye.\n`);
	});

	it("an output in a folder that is not there, or may not be written, fails as with make alone", async () => {
		const p = project({
			Makefile:
				"all:\n\t-$(CC) -c a.c -o none/a.o\n\t-ar rc none/l.a a.c\n\t-$(CC) -c a.c -o /proc/a.o\n\t-$(CC) -c a.c -o a.c/a.o\n",
			"a.c": "int a;\n",
		});
		for (const by of [HERE, DEFERRING, SANDBOX]) {
			const [ended] = await assertAsPlain(p, { steps: [["make"]], by });
			assert.equal(ended!.status, 0);
			p.fresh();
		}
	});

	it("of two commands that write the same file the last one counts, also while the first still runs", async () => {
		const slow = Array.from({ length: 200 }, (_, i) => `int f${i}(int x) { return x * ${i} + x / ${i + 1}; }`).join(
			"\n",
		);
		const p = project({
			Makefile: `
all: b.o c.o second
first: slow.c ; $(CC) -O2 -c slow.c -o x.o && touch first
second: first quick.c ; $(CC) -c quick.c -o x.o && touch second
b.o: second ; ar rc libx.a x.o && $(CC) -r x.o -o b.o
c.o: quick.c ; $(CC) -c quick.c -o c.o && $(CC) -DB -c quick.c -o c.o && $(CC) -c quick.c -o c.o
`,
			"slow.c": slow,
			"quick.c": "#ifdef B\nint b;\n#else\nint a;\n#endif\n",
		});
		await assertAllWays(p, { steps: [["make", "-j2"]], anyOrder: true });
	});

	it("a makefile that runs itself under gg: the inner gg works within the outer one's session", async () => {
		const p = project({
			Makefile: `
all: outer.o
	$(GG) $(MAKE) inner.o
	$(GG) $(MAKE) twice
twice: ; +$(GG) $(MAKE) inner2.o
%.o: x.c ; $(CC) -DN=$* -c -o $@ $<
`,
			"x.c": "int N;\n",
		});
		const plain = await p.run(["make", "GG="]);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		for (const by of [HERE, DEFERRING, SANDBOX]) {
			p.fresh();
			const ended = await p.gg([...by, "make", `GG=${GG} build`]);
			assert.equal(ended.status, 0, ended.stderr);
			assert.deepEqual(counts(ended), { stored: 0, made: 3, local: 0 });
			p.assertSameTree(aside);
		}
		p.fresh();
		const inferred = await p.gg(["infer", "make", `GG=${GG} infer`]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.deepEqual(p.placeholders(), ["inner.o", "inner2.o", "outer.o"]);
		assert.equal((await p.gg(["force"])).status, 0);
		p.assertSameTree(aside);
		await p.quiet();
	});

	it("a gg force within a build makes real what it names", async () => {
		const p = project({
			Makefile: "all: a.o b.o ; $(GG) force a.o && wc -c < a.o > size\n%.o: x.c ; $(CC) -DN=$* -c -o $@ $<\n",
			"x.c": "int N;\n",
		});
		const inferred = await p.gg(["infer", "make", `GG=${GG}`]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.deepEqual(p.placeholders(), ["b.o"]);
		assert.equal((await p.gg(["force"])).status, 0);
		assert.equal(Number(p.read("size")), fs.statSync(p.path("a.o")).size);
		await p.quiet();
	});

	it("a gg that is killed while commands wait for it leaves nothing running, and no placeholder", async () => {
		// The compiler proper is asked what it includes where a command is to be deferred, and run where it is not.
		const p = project({
			...withCc1("echo waiting > pipe; exec sleep 1000"),
			Makefile: "all: a.o b.o\n%.o: a.c ; $(CC) -Bown/ -c a.c -o $@\n",
		});
		for (const by of [HERE, DEFERRING, ["infer"]]) {
			p.fresh();
			await p.run(["mkfifo", "pipe"]);
			const started = p.start(["sh", "-c", 'cat pipe & exec "$0" "$@"', GG, ...by, "make", "-j2"]);
			await started.said("waiting");
			started.process.kill("SIGKILL");
			await started.ended;
			await p.quiet();
			assert.deepEqual(p.placeholders(), [], by.join(" "));
			assert.ok(!p.exists("a.o") && !p.exists("b.o"));
		}
	});

	/** Stands on PATH as a tool of this name, older than the build. */
	const ownTool = async (p: ReturnType<typeof project>, name: string, flags: readonly string[]): Promise<string> => {
		const folder = path.join(p.folder, "bin");
		fs.mkdirSync(folder, { recursive: true });
		const made = await p.run(["gcc", ...flags, "-x", "c", "tool.txt", "-o", path.join(folder, name)]);
		assert.equal(made.status, 0, made.stderr);
		return `${folder}:${p.env()["PATH"]}`;
	};
	const OWN_TOOL = {
		Makefile: "a.o: a.c ; $(TOOL) -c a.c -o a.o\n",
		"a.c": "int a;\n",
		// What it writes depends on a file that its command line does not name.
		"tool.txt": `
#include <stdio.h>
int main(int argc, char **argv) {
	char text[64] = "";
	FILE *in = fopen("hidden", "r"), *out = fopen(argv[argc - 1], "w");
	if (!out) return 1;
	if (in) fgets(text, sizeof text, in);
	fprintf(out, "%s", text);
	return fclose(out);
}
`,
		hidden: "one",
	};

	for (const [what, flags, needs, mode] of [
		["static", ["-static"], [], 0o755],
		["of another architecture", ["-m32"], ["/usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a"], 0o755],
		["setuid", [], [], 0o4755],
	] as const) {
		it(`a tool that cannot be watched, because it is ${what}, runs each time, and the reason is on record`, async function () {
			if (!needs.every(isThere)) this.skip();
			const p = project(OWN_TOOL);
			const env = { PATH: await ownTool(p, "odd-gcc", flags) };
			const tool = path.join(p.folder, "bin", "odd-gcc");
			if (mode === 0o4755) {
				if (process.getuid!() !== 0) this.skip();
				fs.chownSync(tool, 65534, 65534);
				fs.chmodSync(tool, mode);
				// Who it runs as then must be able to write here.
				fs.chmodSync(p.folder, 0o755);
				fs.chmodSync(p.tree, 0o777);
			}
			p.awaitTick();
			for (const text of ["one", "two"]) {
				p.write("hidden", text);
				fs.rmSync(p.path("a.o"), { force: true });
				const ended = await p.gg([...HERE, "make", "TOOL=odd-gcc"], { env });
				assert.equal(ended.status, 0, ended.stderr);
				assert.equal(p.read("a.o"), text);
				const { made, stored } = counts(ended);
				assert.deepEqual([stored, made > 1], [0, false]);
			}
			const explained = await p.gg(["explain"]);
			assert.match(explained.stdout, /trace-incomplete/);
			assert.equal(withoutSummary(explained.stderr), "");
		});
	}
});
