import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import {
	assertAllWays,
	counts,
	DEFERRING,
	type Files,
	GG,
	HERE,
	type Project,
	projects,
	withoutSummary,
} from "../rig/project.js";
import { isThere } from "../rig/rows.js";

const FILES: Files = {
	Makefile: `
OBJECTS = a.o b.o c.o
prog: $(OBJECTS) ; $(CC) -o $@ $(OBJECTS)
%.o: %.c ; $(CC) -Wall -Iinc1 -Iinc2 -MMD -MP -c -o $@ $<
-include $(OBJECTS:.o=.d)
clean: ; rm -f prog $(OBJECTS) *.d
`,
	"inc1/other.h": "",
	"inc2/h.h": "#define H 1\n",
	"inc2/k.h": "#define K 2\n",
	"a.c": "#include <h.h>\nint b(void), c(void); int main(void) { return H + b() + c(); }\n",
	"b.c": "#include <h.h>\n#include <k.h>\nint b(void) { return H + K; }\n",
	"c.c": "#include <k.h>\nint c(void) { static int unused; return K; }\n",
};

/** Changes the sources of two copies of a built tree alike, and asserts that make does the same in both and leaves the same. */
async function assertSameChange(p: Project, change: () => void, by: readonly string[]): Promise<void> {
	const steps = async (first: readonly string[]): Promise<{ stdout: string; stderr: string }> => {
		const built = await p.run([...first, "make"]);
		assert.equal(built.status, 0, built.stderr);
		p.awaitTick();
		change();
		const again = await p.run([...first, "make"]);
		return { stdout: again.stdout, stderr: withoutSummary(again.stderr) };
	};
	const plain = await steps([]);
	const aside = p.aside();
	assert.deepEqual(await steps([GG, ...by]), plain);
	p.assertSameTree(aside);
	assert.equal((await p.run(["make", "-q"])).status, 0);
}

describe("a recipe changes what an earlier command has read", () => {
	const project = projects();

	it("moved, replaced with its old date, reached by another link or edited: each command has what it would have had", async () => {
		const compile = (name: string, source = "x.c"): string => `\n\t$(CC) -c ${source} -o ${name}.o`;
		const p = project({
			Makefile: [
				"all: linked copied moved edited folder",
				`linked: ; ln -sf a/v.h v.h${compile("a")}\n\tln -sf b/v.h v.h${compile("b")}\n\trm v.h`,
				`copied: linked ; cp -p a/v.h v.h${compile("c")}\n\tcp -p b/v.h v.h${compile("d")}\n\trm v.h`,
				`moved: copied ; mv old.h v.h${compile("e")}\n\tmv new.h v.h${compile("f")}`,
				`edited: moved ; touch -d 2020-01-01 v.h${compile("g")}\n\tsed -i s/4/5/ v.h\n\ttouch -d 2020-01-01 v.h${compile("h")}`,
				`folder: edited ; ln -sfn a in${compile("i", "in.c")}\n\tln -sfn b in${compile("j", "in.c")}\n\tln -sfn a in\n\trm in`,
				"",
			].join("\n"),
			"in.c": '#include "in/v.h"\nint v = V;\n',
			"x.c": '#include "v.h"\nint v = V;\n',
			"a/v.h": "#define V 1\n",
			"b/v.h": "#define V 2\n",
			"old.h": "#define V 3\n",
			"new.h": "#define V 4\n",
		});
		for (const name of ["x.c", "a/v.h", "b/v.h", "old.h", "new.h"])
			fs.utimesSync(p.path(name), 1_500_000_000, 1_500_000_000);
		// What came to its place as the command began is not remembered by a run here.
		await assertAllWays(p, { steps: [["make"]], madeWarm: Number.POSITIVE_INFINITY });
	});
});

describe("after a change make and gg build the same", () => {
	const project = projects();

	for (const [way, by] of [
		["here", HERE],
		["deferring", DEFERRING],
	] as const) {
		it(`a header (${way})`, async () => {
			const p = project(FILES);
			await assertSameChange(p, () => p.write("inc2/h.h", "#define H 5\n"), by);
		});

		it(`a header in a folder that is called as one of the C library's (${way})`, async () => {
			const p = project({
				Makefile: "all: a.o b.o\n%.o: %.c ; $(CC) -MMD -c $<\n-include a.d b.d\n",
				"a.c": '#include "locale/h.h"\nint a = H;\n',
				"b.c": '#include "lib/gconv/h.h"\nint b = H;\n',
				"locale/h.h": "#define H 1\n",
				"lib/gconv/h.h": "#define H 1\n",
			});
			const change = () => ["locale", "lib/gconv"].forEach((name) => void p.write(`${name}/h.h`, "#define H 5\n"));
			await assertSameChange(p, change, by);
		});

		it(`a header that is touched and says the same (${way})`, async () => {
			const p = project(FILES);
			await assertSameChange(p, () => p.write("inc2/h.h", "#define H 1\n"), by);
		});

		it(`a header that is gone, with the source that named it changed (${way})`, async () => {
			const p = project(FILES);
			const change = (): void => {
				fs.unlinkSync(p.path("inc2/k.h"));
				p.write("b.c", "#include <h.h>\nint b(void) { return H; }\n");
				p.write("c.c", "int c(void) { return 0; }\n");
			};
			await assertSameChange(p, change, by);
		});
	}

	it("what was built before is not compiled again, and warns as it did", async () => {
		const p = project(FILES);
		const first = await p.gg([...HERE, "make"]);
		await p.run(["make", "clean"]);
		const second = await p.gg([...HERE, "make"]);
		assert.deepEqual(counts(second), { stored: 4, made: 0, local: 0 });
		assert.equal(withoutSummary(second.stderr), withoutSummary(first.stderr));
		assert.match(second.stderr, /warning: unused variable 'unused'/);
	});

	it("and not when make goes into a folder by itself (-C), where it was started there before", async () => {
		const p = project({
			"sub/Makefile": "p: a.o ; $(CC) -o $@ a.o\na.o: a.c ; $(CC) -g -c a.c\n",
			"sub/a.c": "int main(void) { return 0; }\n",
		});
		const inside = { cwd: "sub", env: { PWD: p.path("sub"), GG_DIR: p.path(".gg") } };
		const above = { env: { ...inside.env, PWD: p.tree } };
		await p.run(["make"], inside);
		const aside = p.aside();
		assert.equal(counts(await p.gg(["build", "make"], inside)).made, 2);
		p.assertSameTree(aside);
		for (const by of [["build"], ["build", "--sandbox"]]) {
			p.fresh(true);
			assert.deepEqual(counts(await p.gg([...by, "make", "-C", "sub"], above)), { stored: 2, made: 0, local: 0 });
			p.assertSameTree(aside);
		}
	});

	it("switching back and forth between two contents compiles neither again", async () => {
		const p = project(FILES);
		for (const value of [1, 5]) {
			p.write("inc2/h.h", `#define H ${value}\n`);
			assert.equal((await p.gg([...HERE, "make"])).status, 0);
			await p.run(["make", "clean"]);
		}
		for (const value of [1, 5]) {
			p.write("inc2/h.h", `#define H ${value}\n`);
			assert.equal(counts(await p.gg([...HERE, "make"])).made, 0);
			await p.run(["make", "clean"]);
		}
	});
});

describe("an answer from the store is never stale", () => {
	const project = projects();

	/** Builds, changes, removes what was built, builds again, and asserts that it is what a plain build makes of the change. */
	async function assertNoticed(p: Project, change: () => void, env: Record<string, string> = {}): Promise<void> {
		for (const by of [HERE, DEFERRING]) {
			p.fresh();
			assert.equal((await p.gg([...by, "make"])).status, 0);
			await p.run(["make", "clean"]);
			change();
			const plain = await p.run(["make"], { env });
			const wanted = new Map(
				fs
					.readdirSync(p.tree)
					.filter((f) => /\.(?:o|txt)$|^prog$/.test(f))
					.map((f) => [f, p.read(f)]),
			);
			await p.run(["make", "clean"]);
			const ours = await p.gg([...by, "make"], { env });
			assert.equal(withoutSummary(ours.stderr), plain.stderr);
			for (const [name, content] of wanted) assert.equal(p.read(name) === content, true, `${name} (${by.join(" ")})`);
		}
	}

	it("when a header appears earlier on the include path", async () => {
		const p = project(FILES);
		await assertNoticed(p, () => p.write("inc1/h.h", "#define H 77\n"));
	});

	it("when a header appears that __has_include asks for", async () => {
		const p = project({
			Makefile: "a.o: a.c ; $(CC) -c a.c\nclean: ; rm -f a.o\n",
			"a.c": '#if __has_include("perhaps.h")\n#include "perhaps.h"\n#endif\n#ifdef P\nint p;\n#endif\nint a;\n',
		});
		await assertNoticed(p, () => p.write("perhaps.h", "#define P\n"));
	});

	const ONE_OBJECT = "a.o: a.c ; $(CC) $(FLAGS) -c a.c\nclean: ; rm -f a.o\n";

	it("when a folder that was passed over, named as the header, becomes a file", async () => {
		const p = project({
			Makefile: `FLAGS = -Ione -Itwo\n${ONE_OBJECT}`,
			"a.c": "#include <h.h>\nint a = H;\n",
			"one/h.h/x": "",
			"two/h.h": "#define H 1\n",
		});
		const change = (): void => {
			fs.rmSync(p.path("one/h.h"), { recursive: true });
			p.write("one/h.h", "#define H 2\n");
		};
		await assertNoticed(p, change);
	});

	it("when a folder on the way to `..` is a link that leads elsewhere, or becomes one", async () => {
		const p = project({
			Makefile: `FLAGS = -Ilink/../inc -Idir/../own -Inone/../inc
a.o: a.c | link ; $(CC) $(FLAGS) -c a.c
link: ; ln -s one/sub link
clean: ; rm -f a.o
`,
			"a.c":
				"#include <h.h>\n#include <k.h>\n#if __has_include(<more.h>)\n#include <more.h>\n#endif\nint a[] = { H, K, M };\n",
			"one/inc/h.h": "#define H 1\n#define M 0\n",
			"one/sub/x": "",
			"two/inc/h.h": "#define H 2\n",
			"two/inc/more.h": "#define M 1\n",
			"two/sub/x": "",
			"two/own/k.h": "#define K 2\n",
			"own/k.h": "#define K 1\n",
			"dir/x": "",
		});
		await assertNoticed(p, () => {
			fs.rmSync(p.path("link"));
			fs.symlinkSync("two/sub", p.path("link"));
		});
		await assertNoticed(p, () => {
			fs.rmSync(p.path("dir"), { recursive: true });
			fs.symlinkSync("two/sub", p.path("dir"));
		});
	});

	it("when another compiler's folders are the newest, among which clang chooses", async () => {
		const p = project({
			Makefile: "a.o: a.cc ; clang++ --gcc-toolchain=$(CURDIR)/tools -c a.cc\nclean: ; rm -f a.o\n",
			"a.cc": "#include <which>\nint a = WHICH;\n",
			"tools/lib/gcc/x86_64-linux-gnu/11/crtbegin.o": "",
			"tools/include/c++/11/which": "#define WHICH 11\n",
		});
		await assertNoticed(p, () => {
			p.write("tools/lib/gcc/x86_64-linux-gnu/12/crtbegin.o", "");
			p.write("tools/include/c++/12/which", "#define WHICH 12\n");
		});
	});

	it("when #pragma once goes by other times of two headers that say the same", async () => {
		const header = "#pragma once\n#ifdef SEEN\nint twice;\n#endif\n#define SEEN\n";
		const p = project({
			Makefile: ONE_OBJECT,
			"a.c": '#include "h.h"\n#include "k.h"\n',
			"h.h": header,
			"k.h": header,
		});
		const seconds = [fs.statSync(p.path("h.h")).mtimeMs, 1_000_000_000_000].map((ms) => Math.floor(ms / 1000));
		await assertNoticed(p, () => {
			for (const [i, name] of ["h.h", "k.h"].entries()) fs.utimesSync(p.path(name), seconds[i]!, seconds[i]!);
		});
		await assertNoticed(p, () => {
			for (const name of ["h.h", "k.h"]) fs.utimesSync(p.path(name), 1_000_000_000, 1_000_000_000);
		});
	});

	it("when a library appears earlier on the search path", async () => {
		const p = project({
			Makefile: `
prog: main.c two/libf.a ; mkdir -p one && $(CC) -o $@ main.c -Lone -Ltwo -lf
two/libf.a: f.c ; mkdir -p two && $(CC) -c -o two/f.o f.c && $(AR) rcs $@ two/f.o
clean: ; rm -rf prog two
`,
			"main.c": "int f(void); int main(void) { return f(); }\n",
			"f.c": "int f(void) { return 1; }\n",
			"g.c": "int f(void) { return 2; }\n",
		});
		const change = (): void => {
			execFileSync("cc", ["-c", "g.c"], { cwd: p.tree });
			execFileSync("ar", ["rcs", "one/libf.a", "g.o"], { cwd: p.tree });
		};
		await assertNoticed(p, change);
	});

	it("when CPATH, C_INCLUDE_PATH or LIBRARY_PATH lead elsewhere", async () => {
		const p = project({
			...FILES,
			Makefile: (FILES["Makefile"] as string).replace("-Iinc1 -Iinc2", ""),
			"inc3/h.h": "#define H 9\n",
			"inc3/k.h": "#define K 9\n",
		});
		for (const [first, second] of [
			["inc2", "inc3"],
			["inc3", "inc2"],
		] as const) {
			const build = (path: string): Promise<unknown> => p.gg([...HERE, "make"], { env: { CPATH: path } });
			await build(first);
			await p.run(["make", "clean"]);
			await build(second);
			const ours = p.read("b.o");
			await p.run(["make", "clean"]);
			await p.run(["make"], { env: { C_INCLUDE_PATH: second } });
			assert.equal(p.read("b.o") === ours, true);
			await p.run(["make", "clean"]);
		}
	});

	it("when LANG changes the language of warnings", async () => {
		const p = project({
			Makefile: "a.o: a.c ; $(CC) -Wall -c a.c\nclean: ; rm -f a.o\n",
			"a.c": "int f(void) { int unused; return 1; }\n",
		});
		for (const LC_ALL of ["C.UTF-8", "C"]) {
			const plain = await p.run(["make"], { env: { LC_ALL } });
			await p.run(["make", "clean"]);
			const ours = await p.gg([...HERE, "make"], { env: { LC_ALL } });
			assert.equal(withoutSummary(ours.stderr), plain.stderr, LC_ALL);
			await p.run(["make", "clean"]);
		}
	});

	it("when SOURCE_DATE_EPOCH fixes __DATE__, and never when nothing does", async () => {
		const p = project({
			Makefile:
				"t.txt: t.c ; $(CC) -E -P -o $@ t.c\na.o: t.c ; $(CC) -c -o $@ t.c\nall: t.txt a.o\n.DEFAULT_GOAL = all\nclean: ; rm -f t.txt a.o\n",
			"t.c": 'const char when[] = __DATE__ " " __TIME__ " " __TIMESTAMP__;\n',
		});
		const dated = async (seconds: number): Promise<string> => {
			const ended = await p.gg([...HERE, "make"], { env: { SOURCE_DATE_EPOCH: String(seconds) } });
			assert.equal(ended.status, 0, ended.stderr);
			const text = p.read("t.txt");
			await p.run(["make", "clean"]);
			return text;
		};
		const first = await dated(1_000_000_000);
		assert.match(first, /"Sep {2}9 2001" " " "01:46:40"/);
		assert.match(await dated(1_100_000_000), /"Nov {2}9 2004"/);
		assert.equal(await dated(1_000_000_000), first);
		for (const by of [HERE, DEFERRING]) {
			await p.gg([...by, "make"]);
			await p.run(["make", "clean"]);
			const again = await p.gg([...by, "make"]);
			assert.equal(counts(again).stored, 0, again.stderr);
			await p.run(["make", "clean"]);
		}
	});

	it("each time, where ## makes a time macro, an argument has a part of it, or a tool of the project expands it", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: [{ command: "stamp.sh @infile @outfile", reads: "declared" }] }),
			Makefile: `
all: a.o b.o c.o d.o e.o other.o
%.o: %.c ; $(CC) -D'Q=__TIMES' -c -o $@ $<
e.o: e.txt ; ./stamp.sh e.txt e.o
`,
			"stamp.sh": '#!/bin/sh\nsed "s/__DATE__/$(date)/" "$1" > "$2"\n',
			"e.txt": "__DATE__\n",
			"paste.h": "#define CAT(a, b) a ## b\n#define P(a, b) CAT(a, b)\n#define IN(x) __##x##__\n",
			"a.c": '#include "paste.h"\nconst char a[] = P(__TI,ME__);\n',
			"b.c": '#include "paste.h"\nconst char b[] = IN(DATE);\n',
			"c.c": '#include "paste.h"\n#define END TAMP__\nconst char c[] = P(Q, END);\n',
			"d.c": '#include "paste.h"\nconst char d[] = P(P(__TIM, E), __);\n',
			"other.c": '#include "paste.h"\nenum { TIME, DATE };\nint P(TI, MES), P(a, b);\n',
		});
		for (const by of [HERE, DEFERRING]) {
			await p.gg([...by, "make"]);
			await p.sh("rm *.o");
			const { stored } = counts(await p.gg([...by, "make"]));
			// IN goes with each of them: where DATE and TIME stand too, gg is too careful.
			assert.equal(stored, 0);
			await p.sh("rm *.o; sed -i '/IN/d' paste.h");
			await p.gg([...by, "make", "other.o"]);
			await p.sh("rm *.o");
			assert.equal(counts(await p.gg([...by, "make", "other.o"])).stored, 1);
			p.fresh();
		}
	});

	it("when what clang includes from preprocessed source changes", async function () {
		if (!isThere("clang")) this.skip();
		const p = project({
			Makefile: "a.o: a.i ; clang -c a.i\n",
			"a.i": '#include "h.h"\nint a = H;\n',
			"h.h": "#define H 1\n",
		});
		for (const by of [HERE, DEFERRING]) {
			for (const value of [1, 2]) {
				p.write("h.h", `#define H ${value}\n`);
				await p.sh("rm -f a.o; make; mv a.o plain.o");
				assert.equal((await p.gg([...by, "make"])).status, 0);
				assert.equal(p.read("a.o"), p.read("plain.o"));
			}
			p.fresh();
		}
	});

	it("when __TIMESTAMP__ stands in a header under SOURCE_DATE_EPOCH and its time changes", async () => {
		const p = project({
			Makefile: "a.o: a.c ; $(CC) -c a.c\nclean: ; rm -f a.o\n",
			"a.c": '#include "h.h"\nconst char when[] = STAMP;\n',
			"h.h": "#define STAMP __TIMESTAMP__\n",
		});
		const env = { SOURCE_DATE_EPOCH: "1000000000" };
		await p.gg([...HERE, "make"], { env });
		await p.run(["make", "clean"]);
		fs.utimesSync(p.path("a.c"), 1_200_000_000, 1_200_000_000);
		await p.run(["make"], { env });
		const wanted = p.read("a.o");
		await p.run(["make", "clean"]);
		await p.gg([...HERE, "make"], { env });
		assert.equal(p.read("a.o") === wanted, true, "the time of the source is in the object");
	});

	it("when the store lost objects, or they were cut short or altered", async () => {
		const p = project(FILES);
		await p.run(["make"]);
		const aside = p.aside();
		await p.gg([...HERE, "make"]);
		const damages: [string, (path: string) => void][] = [
			["removed", (path) => fs.rmSync(path)],
			["cut short", (path) => (fs.chmodSync(path, 0o600), fs.truncateSync(path, 10))],
			["emptied", (path) => (fs.chmodSync(path, 0o600), fs.truncateSync(path, 0))],
		];
		for (const [what, damage] of damages) {
			for (const name of fs.readdirSync(p.path(".gg/blobs"))) damage(p.path(`.gg/blobs/${name}`));
			p.fresh(true);
			const ended = await p.gg([...HERE, "make"]);
			assert.equal(ended.status, 0, `${what}: ${ended.stderr}`);
			p.assertSameTree(aside);
		}
		for (const folder of ["reductions", "depcache", "hash_cache"]) {
			fs.rmSync(p.path(`.gg/${folder}`), { recursive: true, force: true });
			p.fresh(true);
			assert.equal((await p.gg([...HERE, "make"])).status, 0, folder);
			p.assertSameTree(aside);
		}
	});
});

describe("a new scan of includes is made only where an edit can change what is included", () => {
	const project = projects();
	const TREE: Files = {
		Makefile: `
OBJECTS = a.o b.o c.o
prog: $(OBJECTS) ; $(CC) -o $@ $(OBJECTS)
%.o: %.c ; $(CC) -I. -MMD -MP -c -o $@ $<
-include $(OBJECTS:.o=.d)
`,
		"a.c": '#include "h.h"\nint b(void), c(void); int main(void) { return h() + b() + c(); }\n',
		"b.c": '#include "h.h"\n#include "line.h"\nint b(void) { return h(); }\n',
		"c.c": '#include <once.h>\n#include "twin.h"\nint c(void) { return 3; }\n',
		"h.h":
			"#ifndef H_H\n#define H_H\n#ifdef MORE\n#include <more.h>\n#endif\nstatic int h(void) { return 1; }\n#endif\n",
		"line.h": "/* 1 */\n#if __LINE__ != 2\n#include <more.h>\n#endif\n",
		"more.h": "extern int more;\n",
		"once.h": "#pragma once\nextern int once;\n",
		"twin.h": "#pragma once\nextern int once, twin;\n",
	};
	const EDITS: readonly (readonly [string, string, RegExp | string, string, { scanned: number; kept: number }])[] = [
		["a function's body and a comment", "h.h", "return 1;", "return /* two\n */ 2;", { scanned: 1, kept: 1 }],
		["a source", "a.c", "return h()", "return 0;", { scanned: 0, kept: 1 }],
		["a definition", "h.h", "#define H_H", "#define H_H\n#define MORE", { scanned: 2, kept: 0 }],
		["an #include of a source", "a.c", /^/, '#include "more.h"\n', { scanned: 1, kept: 0 }],
		["a file whose lines are counted", "line.h", /^/, "\n", { scanned: 1, kept: 0 }],
		["a header that is empty then", "h.h", /[\s\S]*/, "", { scanned: 2, kept: 0 }],
	];

	for (const [what, file, old, text, scans] of EDITS) {
		it(`${what}: ${scans.scanned} scanned`, async () => {
			const p = project(TREE);
			const edit = (): void => {
				p.awaitTick();
				p.write(file, p.read(file).replace(old, text));
			};
			await p.run(["make"]);
			edit();
			const plain = await p.run(["make"]);
			const aside = p.aside();
			assert.equal((await p.gg(["infer", "make"])).status, 0);
			edit();
			assert.equal((await p.gg(["infer", "make"])).status, 0);
			const { scanned, kept } = JSON.parse((await p.gg(["explain", "--json"])).stdout).scans;
			assert.deepEqual({ scanned, kept }, scans);
			const forced = await p.gg(["force"]);
			assert.equal(forced.status === 0, plain.status === 0, forced.stderr);
			if (plain.status === 0) p.assertSameTree(aside);
			assert.doesNotMatch((await p.gg(["build", "--verify-deps", "make", "-B"])).stderr, /differ|earlier scan/);
		});
	}

	it("an edit back to what it was, and a header that appears meanwhile", async () => {
		const p = project({ ...TREE, Makefile: (TREE["Makefile"] as string).replace("-I.", "-Inear -I.") });
		const body = p.read("h.h");
		for (const [text, scans] of [
			[body, { scanned: 3, kept: 0 }],
			[body.replace("1;", "2;"), { scanned: 1, kept: 1 }],
			[body, undefined],
			[body.replace("1;", "3;"), { scanned: 1, kept: 1 }],
		] as const) {
			p.write("h.h", text);
			assert.equal((await p.gg(["infer", "make"])).status, 0);
			const found = JSON.parse((await p.gg(["explain", "--json"])).stdout).scans;
			assert.deepEqual(found && { scanned: found.scanned, kept: found.kept }, scans);
			p.awaitTick();
		}
		fs.mkdirSync(p.path("near"));
		p.write("near/once.h", "#define NEAR\n");
		p.write("c.c", `${p.read("c.c")}\nint d;\n`);
		await p.gg(["infer", "make"]);
		assert.equal(JSON.parse((await p.gg(["explain", "--json"])).stdout).scans.scanned, 1);
		assert.match(p.read("c.d"), /near\/once\.h/);
	});
});
