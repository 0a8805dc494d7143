/** A worker that may make no namespace: compiles run there all the same, and nothing differs. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Project, projects, withoutSummary } from "../rig/project.js";
import { type Server, startGgWorker, WITHOUT_NAMESPACES, withoutCompilers } from "../rig/servers.js";

/** Flags of one compile each, all of which relocatable.ts lets through. */
const ROWS = [
	"-g -O2 -Wall -Wextra -MMD -MP",
	"-g3 -O3 -ffast-math -fno-inline -I. -Ih/../h -include config.h",
	"-O0 -fPIC -fvisibility=hidden -std=gnu11 -MD -MF deps/row.d -MT row",
	"-gdwarf-4 -Os -fstack-protector-strong -ffunction-sections -fdata-sections -pipe -pthread",
	"-g -O2 -fno-strict-overflow -D_FORTIFY_SOURCE=2 -fstack-protector-all -Wstack-protector --param ssp-buffer-size=1 -fPIE",
	"-g -O3 -fomit-frame-pointer -fno-math-errno -fno-signed-zeros -fno-tree-vectorize -fdiagnostics-color=auto -march=haswell",
	"-g1 -Og -fno-plt -fno-semantic-interposition -fmerge-all-constants -funroll-loops -mtune=skylake -mno-avx --param=max-inline-insns-single=50",
	"-ggdb -O2 -fno-common -fshort-enums -fno-delete-null-pointer-checks -fno-ident -freorder-blocks -mcmodel=small -falign-functions=32",
];
const FILES = {
	Makefile: `OBJECTS = ${ROWS.map((_, i) => `row${i}.o`).join(" ")} text.o main.o asm.o
all: main
main: $(OBJECTS)
	$(CXX) -o $@ $(OBJECTS) -Wl,--sort-section=name
${ROWS.map((flags, i) => `row${i}.o: row.c\n\t$(CC) ${flags} -I$(CURDIR)/h -DROW=${i} -c -o $@ row.c\n`).join("")}text.o: text.cc
	$(CXX) -g -O2 -I$(CURDIR)/h -c -o $@ $(CURDIR)/text.cc
asm.o: asm.S
	$(CC) -g -c -o $@ asm.S
main.o: main.c
	$(CC) -g -c -o $@ main.c
`,
	"config.h": "#define CONFIG 1\n",
	"deps/.keep": "",
	"h/row.h":
		"#include <stdio.h>\n#define JOIN_(a, b) a##b\n#define JOIN(a, b) JOIN_(a, b)\nint JOIN(row, ROW)(int n);\n",
	"row.c":
		'#include "row.h"\n#include <math.h>\nint JOIN(row, ROW)(int n) { int unused; printf("%s %d\\n", __FILE__, n); return (int)fabs(n); }\n',
	"text.cc": '#include <string>\n#include <vector>\nstd::vector<std::string> text() { return {__FILE__, "x"}; }\n',
	"asm.S": "#define NAME f\n.globl NAME\nNAME: ret\n",
	"main.c": "int main(void) { return 0; }\n",
};

const LINKED = ["main", "dynamic", "static", "libone.so", "libtwo.so.2", "libold.a", "libnew.a"];
const LINKS = {
	Makefile: `CFLAGS = -g -O2 -fPIC
all: ${LINKED.join(" ")}
main: main.o libold.a
	$(CC) -g -O2 -o $@ main.o -L. -lold -lm -pthread -Wl,--as-needed -Wl,-z,relro,-z,now -Wl,-O1
dynamic: main.o libone.so libtwo.so.2
	$(CXX) -o $@ main.o $(CURDIR)/libone.so libtwo.so.2 -Wl,-rpath,$(CURDIR) -rdynamic -Wl,--gc-sections
static: main.o libnew.a
	$(CC) -static -s -o $@ main.o $(CURDIR)/libnew.a -lm
libone.so: one.o
	$(CC) -shared -o $@ one.o -Wl,-soname,libone.so.1 -Wl,--no-undefined
libtwo.so.2: two.o
	$(CXX) -shared -g -o $@ two.o -lm -Wl,--version-script=two.map
libold.a: one.o two.o
	$(AR) cr $@ one.o
	$(AR) r $@ two.o
	ranlib $@
libnew.a: one.o two.o
	$(AR) rcs $(CURDIR)/$@ one.o two.o
`,
	"two.map": "{ global: two; local: *; };\n",
	"main.c":
		'#include <stdio.h>\nint one(void), two(void);\nint main(void) { printf("%s %d\\n", __FILE__, one() + two()); return 0; }\n',
	"one.c": "int one(void) { return 1; }\n",
	"two.c": "#include <math.h>\nint two(void) { volatile double x = 4; return (int)sqrt(x); }\n",
};

const NASM = ["-f elf64 -g -F dwarf -MD nasm0.d", "-felf32 -DWIDE=1 -Ox -w+all", "-f elf64 -g -i sub -X gnu"];
const ASSEMBLED = {
	Makefile: `all: ${NASM.map((_, i) => `nasm${i}.o`).join(" ")}
${NASM.map((flags, i) => `nasm${i}.o: text.asm\n\tnasm ${flags} -Isub/ -I./ -Pconfig.asm -o $@ $(CURDIR)/text.asm\n`).join("")}`,
	"config.asm": "%define CONFIG 1\n",
	"sub/more.inc": "more: db __FILE__, CONFIG\n",
	"bytes.bin": "0123456789",
	"text.asm": '%include "more.inc"\n%warning "so it is"\nglobal f\nsection .text\nf: ret\nincbin "bytes.bin"\n',
};

describe("a worker without namespaces", () => {
	const project = projects();
	const ends: (() => void)[] = [];
	afterEach(() => {
		for (const end of ends.splice(0).reverse()) end();
	});
	before(function () {
		const [program, ...args] = [...WITHOUT_NAMESPACES, "unshare", "-Ur", "true"];
		const { status, stderr } = spawnSync(program!, args, { encoding: "utf8" });
		// It must be the namespace that is refused, not what refuses it.
		if (status === 0 || !/No space left|not permitted/.test(stderr)) this.skip();
	});

	async function worker(p: Project, through: readonly string[] = WITHOUT_NAMESPACES): Promise<Server> {
		const folder = mkdtempSync(join(tmpdir(), "gg-test-server-"));
		ends.push(() => rmSync(folder, { recursive: true, force: true }));
		const server = await startGgWorker(folder, p.env(), [], through);
		ends.push(() => server.stop());
		return server;
	}

	it("compiles to the same bytes, words and dependencies as at home; what is not known to is done here", async () => {
		const p = project(FILES);
		const server = await worker(p);
		const plain = await p.run(["make"]);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		const built = await p.gg(["build", "--engine", `reapi=grpc://${server.target}`, "make"]);
		assert.equal(built.status, 0, built.stderr);
		p.assertSameTree(aside);
		const [declined, ...rest] = withoutSummary(built.stderr)
			.split("\n")
			.filter((line) => line.startsWith("gg: "));
		assert.match(declined!, /^gg: reapi: 127\.0\.0\.1:\d+: this worker allows no namespace \(/);
		assert.deepEqual(rest, []);
		const words = (text: string) =>
			text
				.split("\n")
				.filter((line) => !line.startsWith("gg: "))
				.sort();
		assert.deepEqual(words(withoutSummary(built.stderr)), words(plain.stderr));
		for (const object of [...ROWS.map((_, i) => `row${i}.o`), "text.o", "asm.o", "main.o"])
			assert.match((await p.gg(["explain", object])).stdout, /ran, \d+ ms, on .* at 127/, object);
		assert.match((await p.gg(["explain", "main"])).stdout, /ran, \d+ ms, here \(reapi did not: .* no namespace/);
	});

	it("links and archives to the same bytes where there is no compiler, debug information and build id included", async () => {
		const p = project(LINKS);
		// With a compiler around, for the programs that every worker starts with.
		(await worker(p)).stop();
		const server = await worker(p, withoutCompilers());
		const plain = await p.run(["make"]);
		assert.equal(plain.status, 0, plain.stderr);
		assert.match((await p.sh("readelf -n main")).stdout, /Build ID/);
		const aside = p.aside();
		const by = ["--on-remote-failure=fail", "--engine", `reapi=grpc://${server.target}`];
		const built = await p.gg(["build", ...by, "make"]);
		assert.equal(built.status, 0, built.stderr);
		p.assertSameTree(aside);
		for (const made of LINKED) assert.match((await p.gg(["explain", made])).stdout, /ran, \d+ ms, on .* at 127/, made);
	});

	it("assembles by nasm to the same bytes, words and dependencies, where there is no nasm", async function () {
		if (spawnSync("nasm", ["-v"]).status !== 0) this.skip();
		const p = project(ASSEMBLED);
		(await worker(p)).stop();
		const server = await worker(p, withoutCompilers());
		const plain = await p.run(["make"]);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		const by = ["--on-remote-failure=fail", "--engine", `reapi=grpc://${server.target}`];
		const built = await p.gg(["build", ...by, "make"]);
		assert.equal(built.status, 0, built.stderr);
		p.assertSameTree(aside);
		assert.match(plain.stderr, /so it is/);
		const words = (text: string) => text.split("\n").filter((line) => line.includes("so it is"));
		assert.deepEqual(words(built.stderr).sort(), words(plain.stderr).sort());
		for (const i of NASM.keys())
			assert.match((await p.gg(["explain", `nasm${i}.o`])).stdout, /ran, \d+ ms, on .* at 127/);
	});

	it("shows a compile nothing that its thunk does not name", async () => {
		const source = '#if __has_include("late.h")\nint late;\n#endif\nint main(void) { return 0; }\n';
		const p = project({
			Makefile: "main.o: main.c\n\t$(CC) -I$(CURDIR)/h -c -o $@ main.c\n",
			"main.c": source,
			"h/.keep": "",
		});
		const server = await worker(p);
		await p.run(["make"]);
		const expected = p.read("main.o");
		p.fresh();
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.status, 0, inferred.stderr);
		p.write("h/late.h", "");
		const by = ["--on-remote-failure=fail", "--engine", `reapi=grpc://${server.target}`];
		const forced = await p.gg(["force", ...by]);
		assert.equal(forced.status, 0, forced.stderr);
		assert.equal(p.read("main.o"), expected);
	});
});
