import assert from "node:assert/strict";
import fs from "node:fs";
import { type Project, projects } from "../rig/project.js";

/** As CMake and Meson write it: dependency files that ninja reads and removes, response files that it removes. */
const FILES = {
	"build.ninja": `
rule cc
  command = gcc -Wall -MD -MF $out.d -c $in -o $out
  depfile = $out.d
  deps = gcc
rule link
  command = : && gcc -o $out @$out.rsp && :
  rspfile = $out.rsp
  rspfile_content = $in
build a.o: cc a.c
build b.o: cc b.c
build prog: link a.o b.o
`,
	"a.c": '#include "h.h"\nint main(void) { return b() - 1; }\n',
	"b.c": '#include "h.h"\nint b(void) { int unused; return 1; }\n',
	"h.h": "int b(void);\n",
};
/** When ninja did what, and what that was. */
const LOGS = [".ninja_log", ".ninja_deps"];

describe("ninja", () => {
	const project = projects();
	const todo = async (p: Project): Promise<string> => (await p.run(["ninja", "-n", "-d", "explain"])).stdout;
	const plain = async (): Promise<Project> => {
		const p = project(FILES);
		assert.equal((await p.run(["ninja"])).status, 0);
		return p;
	};

	it("leaves its commands to be forced, and has nothing to do afterwards", async () => {
		const p = await plain();
		const aside = p.aside();
		const inferred = await p.gg(["infer", "ninja"]);
		assert.equal(inferred.stderr, "gg: 3 deferred, 0 run here; `gg force` makes them real\n");
		assert.deepEqual(p.placeholders(), ["a.o", "b.o", "prog"]);
		const times = new Map(p.placeholders().map((name) => [name, fs.statSync(p.path(name), { bigint: true }).mtimeNs]));
		const forced = await p.gg(["force"]);
		assert.match(forced.stderr, /unused/);
		for (const [name, time] of times) assert.equal(fs.statSync(p.path(name), { bigint: true }).mtimeNs, time);
		p.assertSameTree(aside, LOGS);
		assert.match(await todo(p), /no work to do/);
		fs.appendFileSync(p.path("h.h"), "/* changed */\n");
		assert.match(await todo(p), /a\.o[\s\S]*b\.o[\s\S]*prog/, "what it knows of includes is what the compiler told it");
	});

	it("is overtaken where more commands are to run at once than it starts", async () => {
		const p = await plain();
		const aside = p.aside();
		const built = await p.gg(["build", "--jobs", "4", "ninja", "-j2"]);
		assert.equal(built.status, 0);
		assert.match(built.stderr, /unused/);
		const commands = fs.readFileSync(p.path(".gg/log/last"), "utf8").split("\n");
		assert.equal(commands.filter((line) => line.includes('"deferred"')).length, 2, "objects, and no link");
		p.assertSameTree(aside, LOGS);
		assert.match(await todo(p), /no work to do/);
		p.fresh();
		await p.gg(["build", "--jobs", "4", "ninja", "-j", "4"]);
		assert.ok(!fs.readFileSync(p.path(".gg/log/last"), "utf8").includes('"deferred"'), "it starts as many itself");
	});

	it("whose output a program reads is waited for", async () => {
		const p = await plain();
		for (const line of ["ninja | cat", "ninja >log"]) {
			p.fresh();
			const inferred = await p.gg(["infer", "sh", "-c", line]);
			assert.equal(inferred.stderr, "gg: 0 deferred, 3 run here\n", line);
			assert.deepEqual(p.placeholders(), []);
		}
	});

	it("waits for a command whose dependency file only a run shows, since it reads that at once", async () => {
		const rule = "rule as\n  command = as --MD $out.d -o $out $in\n  depfile = $out.d\n  deps = gcc\n";
		const p = project({ "build.ninja": `${rule}build a.o: as a.s\n`, "a.s": ".text\n" });
		assert.equal((await p.gg(["infer", "ninja"])).stderr, "gg: 0 deferred, 1 run here\n");
		p.write("Makefile", "a.o: a.s ; as --MD a.d -o $@ $<\n");
		fs.rmSync(p.path("a.o"));
		assert.match((await p.gg(["infer", "make"])).stderr, /1 deferred, 0 run here/);
		assert.deepEqual(p.placeholders(), ["a.d", "a.o"]);
	});

	it("meets a mistake itself, once", async () => {
		const p = project({ ...FILES, "b.c": "int b(void) { return 1 }\n" });
		const expected = await p.run(["ninja"]);
		const aside = p.aside();
		const built = await p.gg(["build", "--jobs", "4", "ninja", "-j2"]);
		assert.equal(built.status, expected.status);
		assert.equal(`${built.stdout}${built.stderr}`.match(/error: expected/g)?.length, 1);
		assert.match(built.stdout, /FAILED: b\.o/);
		assert.deepEqual(p.placeholders(), []);
		// The link had been begun by then, and ninja leaves the response file of a command that fails.
		p.assertSameTree(aside, [...LOGS, "prog.rsp"]);
	});
});

describe("CMake", () => {
	const project = projects();
	const CMAKE = {
		"CMakeLists.txt": `
cmake_minimum_required(VERSION 3.10)
project(x C)
add_library(st STATIC s.c)
add_library(sh SHARED s.c)
set_target_properties(sh PROPERTIES VERSION 1.2 SOVERSION 1)
add_executable(p p.c)
target_link_libraries(p st)
add_executable(q p.c)
target_link_libraries(q sh)
`,
		"s.c": "int s(void) { return 0; }\n",
		"p.c": "int s(void);\nint main(void) { return s(); }\n",
	};
	// When what was found out or built, and in which order.
	const ignore = ["CMakeOutput.log", "CMakeError.log", "CompilerIdC", ...LOGS];

	for (const [generator, build] of [
		["Unix Makefiles", "make -C out"],
		["Ninja", "ninja -C out"],
	] as const) {
		it(`leaves all to be forced: ${generator}`, async () => {
			const p = project(CMAKE);
			const configure = ["cmake", "-G", generator, "-B", "out"];
			assert.equal((await p.run(configure)).status, 0);
			assert.equal((await p.sh(build)).status, 0);
			const aside = p.aside();
			await p.run(configure);
			const inferred = await p.gg(["infer", "sh", "-c", build]);
			assert.match(inferred.stderr, /^gg: \d+ deferred, 0 run here;/);
			assert.deepEqual(
				p.placeholders().filter((name) => !name.endsWith(".o")),
				["out/libst.a", "out/p", "out/q"],
				"the shared library was looked into when q was described",
			);
			assert.equal((await p.gg(["force"])).status, 0);
			p.assertSameTree(aside, ignore);
			assert.doesNotMatch((await p.sh(`${build} -n`)).stdout, /\b(?:cc|ar)\b.*\.o/);
		});
	}
});
