import assert from "node:assert/strict";
import fs from "node:fs";
import { assertAllWays, assertAsPlain, DEFERRING, GG, projects } from "../rig/project.js";

const SANDBOX = ["build", "--sandbox"] as const;

/** Found by building random projects (test/rig/random) and made small. */
describe("what random projects found", () => {
	const project = projects();

	it("a deferred command that fails when its recipe has gone on is an error, and not a finished build", async () => {
		const p = project({
			Makefile: "t: bad.c\n\t$(CC) -c bad.c -o bad.o\n\ttouch t\n",
			"bad.c": "int x = ;\n",
		});
		const ended = await p.gg([...DEFERRING, "make"]);
		assert.equal(ended.status, 1, ended.stderr);
		assert.match(ended.stderr, /bad\.c:1:9: error: expected expression/);
		assert.match(ended.stderr, /remove that target and build again\n/);
		assert.deepEqual(p.placeholders(), []);
		fs.unlinkSync(p.path("t"));
		p.write("bad.c", "int x;\n");
		assert.equal((await p.gg([...DEFERRING, "make"])).status, 0);
	});

	it("modes that recipes give to placeholders, and to copies of them, are those of the real files", async () => {
		const p = project({
			Makefile: `
all: a.o b.o c d prog e
a.o: x.c ; $(CC) -c $< -o $@
b.o: x.c ; umask 027; $(CC) -c $< -o $@; chmod u+x $@
c: a.o ; cp a.o $@; chmod 711 $@
d: x.c ; $(CC) -c $< -o $@; : > $@
e: a.o ; cp a.o $@; strip -g $@
prog: x.c ; $(CC) -o $@ $<; chmod g-rx $@
`,
			"x.c": "int main(void) { return 0; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("ar reads a script from standard input, and with it objects that are still placeholders", async () => {
		const p = project({
			Makefile: "lib.a: a.o ; (echo CREATE $@; echo ADDMOD a.o; echo SAVE; echo END) | ar -M\na.o: a.c ; $(CC) -c $<\n",
			"a.c": "int a;\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("a copy that keeps times is as old as what it is of", async () => {
		const p = project({
			Makefile: "all: a.o b c\nb: a.o ; cp -a a.o b\nc: a.o ; install -p a.o c\na.o: a.c ; $(CC) -c a.c\n",
			"a.c": "int a;\n",
		});
		await assertAllWays(p, { steps: [["make"], ["sh", "-c", "test ! a.o -nt b && test ! a.o -ot c && make -q"]] });
	});

	it("in a namespace, what make goes on to after a failure is built", async () => {
		const p = project({
			Makefile: "all: x y ; echo done\nx: ; -$(CC) -c none.c\ny: y.c ; $(CC) -c y.c -o $@\n",
			"y.c": "int y;\n",
		});
		await assertAsPlain(p, { steps: [["make"]], by: SANDBOX });
	});

	it("in a namespace, search folders are found by names that lead through others", async () => {
		const p = project({
			Makefile:
				"a.o: a.c ; $(CC) -I inc/sub/../own -c a.c\nb.o: a.c ; $(CC) @flags -c a.c -o b.o\nall: a.o b.o\n.DEFAULT_GOAL = all\n",
			flags: "-iquote inc/sub/../own\n",
			"a.c": '#include "own.h"\nint a = OWN;\n',
			"inc/own/own.h": "#define OWN 1\n",
			"inc/sub/keep": "",
		});
		await assertAsPlain(p, { steps: [["make"]], by: SANDBOX });
	});

	it("in a namespace, the linker and the archiver that the command asks for are there", async () => {
		const p = project({
			Makefile: "all: a lib.a\na: a.c ; $(CC) -fuse-ld=bfd -o $@ a.c\nlib.a: a.c ; $(CC) -c a.c && gcc-ar rcs $@ a.o\n",
			"a.c": "int main(void) { return 0; }\n",
		});
		await assertAsPlain(p, { steps: [["make"]], by: SANDBOX });
	});

	it("in a namespace, debug information names the directory as $PWD spells it", async () => {
		const p = project({ Makefile: "a.o: a.c ; $(CC) -g -c a.c\n", "a.c": "int a;\n" });
		fs.symlinkSync("tree", `${p.folder}/link`);
		const make = ["sh", "-c", 'cd ../link && PWD=$(pwd -L) && export PWD && exec "$@"', "sh"];
		await p.run([...make, "make"]);
		const aside = p.aside();
		const ended = await p.run([...make, GG, ...SANDBOX, "make"]);
		assert.equal(ended.status, 0, ended.stderr);
		p.assertSameTree(aside);
		assert.ok(p.read("a.o").includes("/link"));
	});

	for (const [what, files] of [
		[
			"preprocessed source",
			{ Makefile: "x.o: x.i ; $(CC) -Wall -c x.i\nx.i: x.c ; $(CC) -E x.c -o x.i\n", "x.c": "static int x;\n" },
		],
		[
			"#line",
			{
				Makefile: "x.o: y.c ; $(CC) -Wall -c y.c -o x.o\n",
				"y.c": '#line 1 "x.c"\nstatic int x;\n',
				"x.c": "static int x;\n",
			},
		],
	] as const) {
		it(`a message shows the line of the file that ${what} names, as that file is now`, async () => {
			const p = project(files);
			const edited = ["sh", "-c", "sed -i 's,;,; // other,' x.c && rm -f x.o x.i && make"];
			const missing = ["sh", "-c", "mv x.c z.c && touch x.i && rm -f x.o && make -o x.c"];
			for (const by of [["build", "--jobs", "1"], DEFERRING, SANDBOX]) {
				const [first, second] = await assertAsPlain(p, { steps: [["make"], edited, missing], by });
				assert.match(first!.stderr, /static int x;\n/);
				assert.match(second!.stderr, /static int x; \/\/ other\n/);
				p.fresh();
			}
		});
	}

	it("a gg within a build is part of that build: it shares placeholders, and make's jobserver", async () => {
		const p = project({
			Makefile: "all: a.o\n\t$(GG) $(MAKE) -C sub\na.o: a.c ; $(CC) -c a.c\n",
			"a.c": "int a;\n",
			"sub/Makefile": "all: b.o c.o\n.PHONY: all\nb.o c.o: b.c ; $(CC) -c b.c -o $@\n",
			"sub/b.c": "int b;\n",
		});
		await p.run(["make", "-j2", "GG="]);
		const aside = p.aside();
		const built = await p.gg(["build", "make", "-j2", `GG=${GG} build`]);
		assert.equal(built.status, 0);
		assert.doesNotMatch(built.stderr, /jobserver/);
		p.assertSameTree(aside);
		p.fresh();
		const inferred = await p.gg(["infer", "make", `GG=${GG} build`]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.deepEqual(p.placeholders(), ["a.o", "sub/b.o", "sub/c.o"]);
		assert.equal((await p.gg(["force"])).status, 0);
		p.assertSameTree(aside);
	});
});
