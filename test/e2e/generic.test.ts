import assert from "node:assert/strict";
import fs from "node:fs";
import { assertAllWays, counts, HERE, projects } from "../rig/project.js";
import { isThere } from "../rig/rows.js";

const GENERATOR = `#!/bin/sh
# gen.sh -o OUT IN: with what lies in names/
test -f extra && cat extra > "$2" || : > "$2"
for f in names/*; do echo "int $(basename $f) = $(cat $f);" >> "$2"; done
sed 's/^/int /; s/$/;/' "$3" >> "$2"
`;

/** `list HOW OUT` writes the names in names/. */
const LIST = `
#define _GNU_SOURCE
#include <dirent.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
static FILE *out;
static int each(const char *path, const struct stat *st, int type, struct FTW *at) { return fprintf(out, "%s\\n", path) < 0; }
int main(int argc, char **argv) {
	struct dirent **names;
	glob_t found = { 0 };
	char *roots[] = { "names", NULL };
	out = fopen(argv[2], "w");
	switch (argv[1][0]) {
	case 's':
		for (int i = 0, n = scandir("names", &names, NULL, alphasort); i < n; i++) fprintf(out, "%s\\n", names[i]->d_name);
		break;
	case 'g':
		if (glob("name*/[a-z]", 0, NULL, &found)) return 1;
		for (size_t i = 0; i < found.gl_pathc; i++) fprintf(out, "%s\\n", found.gl_pathv[i]);
		globfree(&found);
		break;
	case 'n':
		nftw("names", each, 4, 0);
		break;
	default: {
		FTS *walk = fts_open(roots, FTS_PHYSICAL, NULL);
		for (FTSENT *e; (e = fts_read(walk));) fprintf(out, "%s\\n", e->fts_path);
		fts_close(walk);
	}
	}
	return fclose(out);
}
`;

describe("a tool that the project describes", () => {
	const project = projects();

	it("flex, bison, protoc and scripts: built as by plain make in every way, and from the store the second time", async function () {
		if (!["flex", "bison", "python3", "protoc"].every(isThere)) this.skip();
		const p = project({
			"gg.json": JSON.stringify({
				tools: [
					"flex -o,--outfile=@outfile -* @infile",
					{ command: "bison -d -v -o,--output=@outfile @infile", reads: "traced" },
					"gen.sh -o=@outfile @infile",
					"protoc --cpp_out=@ -I=@ @infile...",
					{ command: "python3 make.py @outfile @infile...", env: ["LANG"] },
				],
			}),
			Makefile: `
all: prog gen.o made.o a.pb.h
a.pb.h: a.proto ; protoc -I . --cpp_out=. a.proto
prog: y.tab.o lex.o ; $(CC) -o $@ y.tab.o lex.o
y.tab.c: y.y ; bison -d -o y.tab.c y.y
lex.c: l.l y.tab.c ; flex -o lex.c l.l
gen.c: list ; ./gen.sh -o gen.c list
made.c: list ; python3 make.py made.c list y.y
%.o: %.c ; $(CC) -c $<
`,
			"y.y":
				"%{\nint yylex(void); void yyerror(const char *s) {(void)s;}\n%}\n%token A\n%%\ns: A;\n%%\nint main(void) { return yyparse(); }\n",
			"l.l": '%{\n#include "y.tab.h"\n%}\n%option noyywrap\n%%\na return A;\n%%\n',
			"gen.sh": GENERATOR,
			"a.proto": 'syntax = "proto3";\nimport "b.proto";\nmessage A { B b = 1; }\n',
			"b.proto": 'syntax = "proto3";\nmessage B { int32 n = 1; }\n',
			"names/x": "1",
			list: "a\nb\n",
			"make.py":
				"import sys\nimport helper\nopen(sys.argv[1], 'w').write('int %s;\\n' % helper.name(open(sys.argv[2]).read()))\n",
			"helper.py": "def name(t):\n    return 'm_' + t.split()[0]\n",
		});
		await assertAllWays(p, { steps: [["make"]], ignore: ["__pycache__"] });
		const { stdout } = await p.gg(["explain", "y.tab.c", "gen.c"]);
		assert.match(stdout, /described by "bison -d -v -o,--output=@outfile @infile"/);
		assert.match(stdout, /described by "gen\.sh -o=@outfile @infile"/);
	});

	it("runs again when something changed that its description does not name", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["gen.sh -o=@outfile @infile"] }),
			Makefile: "gen.c: ; ./gen.sh -o gen.c list\n",
			"gen.sh": GENERATOR,
			"names/x": "1",
			list: "a\n",
		});
		const changes: readonly (readonly [string, () => void])[] = [
			["nothing yet", () => undefined],
			["a file that it found by itself", () => p.write("names/x", "2")],
			["a file more in a folder that it lists", () => p.write("names/y", "3")],
			["a file that was absent", () => p.write("extra", "int extra;\n")],
			["the tool", () => p.write("gen.sh", `${GENERATOR}echo 'int more;' >> "$2"\n`)],
		];
		for (const [what, change] of changes) {
			change();
			fs.rmSync(p.path("gen.c"), { force: true });
			assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 0, made: 1, local: 0 }, what);
			const ours = p.read("gen.c");
			fs.rmSync(p.path("gen.c"));
			assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 1, made: 0, local: 0 }, `${what}, again`);
			assert.equal(p.read("gen.c"), ours);
			fs.rmSync(p.path("gen.c"));
			await p.run(["make"]);
			assert.equal(p.read("gen.c"), ours, what);
		}
	});

	it("runs again when what it only looked at is no longer what it was", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["gen.sh @outfile"] }),
			Makefile: "out: ; ./gen.sh out\n",
			"gen.sh":
				"#!/bin/sh\n: > $1; test -d dir && echo dir >> $1; test -x program && echo program >> $1; ls names >> $1\n",
			program: "",
			"dir/x": "",
			"names/x": "",
		});
		const changes: readonly (() => void)[] = [
			() => undefined,
			() => fs.chmodSync(p.path("program"), 0o755),
			() => {
				p.write("names/y", "");
				fs.chmodSync(p.path("program"), 0o644);
			},
			() => fs.rmSync(p.path("dir"), { recursive: true }),
		];
		for (const change of changes) {
			change();
			for (const made of [1, 0]) {
				fs.rmSync(p.path("out"), { force: true });
				assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 1 - made, made, local: 0 });
			}
			const ours = p.read("out");
			fs.rmSync(p.path("out"));
			await p.run(["make"]);
			assert.equal(p.read("out"), ours);
		}
	});

	it("runs again when a folder that it lists is no longer what it was then, though that changed while it ran", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["gen.sh @outfile"] }),
			Makefile: "out: ; ./gen.sh out\n",
			// What it cannot know of is done by another process: it waits for that.
			"gen.sh": '#!/bin/sh\nls names > "$1"\necho listed > pipe\nread done < pipe\n',
			"names/x": "",
		});
		await p.run(["mkfifo", "pipe"]);
		const other = p.start(["sh", "-c", "read listed < pipe; touch names/y; echo done > pipe"]);
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 0, made: 1, local: 0 });
		await other.ended;
		assert.equal(p.read("out"), "x\n");
		fs.unlinkSync(p.path("out"));
		p.start(["sh", "-c", "read listed < pipe; echo done > pipe"]);
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 0, made: 1, local: 0 });
		assert.equal(p.read("out"), "x\ny\n");
	});

	it("runs again when a folder is no longer what it was that libc lists for it", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["list @ @outfile"] }),
			Makefile: "all: scandir glob nftw fts\nscandir glob nftw fts: ; ./list $@ $@\n",
			"list.c": LIST,
			"names/x": "",
		});
		await p.sh("gcc -Wall -Werror -o list list.c");
		const clean = "rm -f scandir glob nftw fts";
		for (const [change, stored] of [
			["touch names/y", 0],
			["true", 2],
			["rm names/x", 0],
		] as const) {
			await p.gg([...HERE, "make"]);
			await p.sh(`${clean}; ${change}`);
			const ended = await p.gg([...HERE, "make"]);
			assert.deepEqual(counts(ended), { stored, made: 4 - stored, local: 0 }, ended.stderr);
			const ours = ["scandir", "glob", "nftw", "fts"].map((name) => p.read(name));
			await p.sh(`${clean}; make; mkdir -p names`);
			assert.deepEqual(
				ours,
				["scandir", "glob", "nftw", "fts"].map((name) => p.read(name)),
			);
			await p.sh(clean);
		}
	});

	it("has its outputs put in place in the order in which it wrote them", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["gen.sh @outfile @outfile"] }),
			Makefile: "one: ; ./gen.sh one two\n",
			// The second one first, and the other when the clock has ticked.
			"gen.sh": '#!/bin/sh\n: > "$2"\nwhile : > probe; ! test probe -nt "$2"; do :; done\nrm probe\n: > "$1"\n',
		});
		for (const stored of [0, 1]) {
			assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored, made: 1 - stored, local: 0 });
			const [one, two] = ["one", "two"].map((name) => fs.statSync(p.path(name), { bigint: true }).mtimeNs);
			assert.ok(one! >= two!);
			for (const name of ["one", "two"]) fs.unlinkSync(p.path(name));
		}
	});

	it("is deferred at once where all that it reads is declared", async () => {
		const p = project({
			"gg.json": JSON.stringify({
				tools: [{ command: "up.sh @infile", outputs: ["out/{stem}.up"], inputs: ["up.sed"], reads: "declared" }],
			}),
			Makefile: "out/a.up: a.txt ; ./up.sh a.txt\n",
			"up.sh": '#!/bin/sh\nsed -f up.sed "$1" > out/$(basename "$1" .txt).up\n',
			"up.sed": "s/a/A/\n",
			"a.txt": "a\n",
			"out/keep": "",
		});
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.deepEqual(p.placeholders(), ["out/a.up"]);
		assert.deepEqual((await p.gg(["force"])).stderr, "");
		assert.equal(p.read("out/a.up"), "A\n");
	});

	it("is not kept when it does what cannot be done again from a store", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["log.sh @outfile", "in.sh @outfile"] }),
			Makefile: "all: ; ./log.sh a ; echo fed | ./in.sh b\n",
			"log.sh": '#!/bin/sh\necho a > "$1"\necho done >> log\n',
			"in.sh": '#!/bin/sh\ncat > "$1"\n',
			log: "",
		});
		for (let i = 0; i < 2; i++) {
			const ended = await p.gg([...HERE, "make"]);
			assert.deepEqual(counts(ended), { stored: 0, made: 1, local: 1 }, ended.stderr);
		}
		assert.equal(p.read("log"), "done\ndone\n");
		const { stdout } = await p.gg(["explain"]);
		assert.match(stdout, /unrecorded: rewritten/);
		assert.match(stdout, /local: stdin/);
	});

	it("a command that does not fit runs as it is, and the reason is on record", async () => {
		const p = project({
			"gg.json": JSON.stringify({ tools: ["gen.sh -o=@outfile @infile"] }),
			Makefile: "gen.c: ; ./gen.sh -q gen.c list\n",
			"gen.sh": GENERATOR,
			"names/x": "1",
			list: "a\n",
		});
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 0, made: 0, local: 1 });
		const { stdout } = await p.gg(["explain", "--json"]);
		assert.match(stdout, /no-model/);
	});

	it("a script finds in $0 the path that it was called by, also when it was deferred or shut in", async () => {
		const p = project({
			Makefile: `
all: out.h sub/out.h linked.h
out.h: gen.sh ; ./gen.sh -o $@ gen.sh
sub/out.h: gen.sh ; mkdir -p sub && cd sub && ../gen.sh -o out.h ../gen.sh
linked.h: gen.sh ; ln -sf . here && here/gen.sh -o $@ gen.sh
`,
			"gen.sh": '#!/bin/sh\necho "/* made by $0 */" > "$2"\n',
			"gg.json": JSON.stringify({ tools: [{ command: "gen.sh -o=@outfile @infile", reads: "declared" }] }),
		});
		await assertAllWays(p, { steps: [["make"]] });
		p.fresh();
		await p.run(["make"]);
		const plain = p.aside();
		const shut = await p.gg(["build", "--sandbox", "make"]);
		assert.equal(shut.status, 0, shut.stderr);
		p.assertSameTree(plain);
	});

	it("a gg.json that is wrong is named, with what to do", async () => {
		const p = project({ Makefile: "all: ; echo built\n", "gg.json": '{ "tools": [{ "comand": "x @infile" }] }' });
		const ended = await p.gg(["build", "make"]);
		assert.equal(ended.status, 1);
		assert.match(
			ended.stderr,
			/gg\.json: tools\[0\]\.comand is not known: there are command, env, inputs, outputs, reads\n/,
		);
	});
});
