import assert from "node:assert/strict";
import { projects } from "../rig/project.js";

const FILES = {
	Makefile: `all: prog lib.so
prog: main.o liba.a ; $(CC) -o $@ main.o liba.a && strip $@
liba.a: a.o b.o ; ar rc $@ a.o b.o && ranlib $@
lib.so: a.c ; $(CC) -shared -fPIC -g -o $@ a.c
%.o: %.c ; $(CC) -g -O2 -MMD -c -o $@ $<
clean: ; rm -f *.o *.a *.d *.so prog
`,
	"main.c": '#include "a.h"\nint main(void) { return A + a() + b(); }\n',
	"a.c": '#include "a.h"\nint a(void) { return A; }\n',
	"b.c": "int b(void) { return __LINE__; }\n",
	"a.h": "#define A 0\nint a(void), b(void);\n",
};

describe("--recheck", () => {
	const project = projects();

	it("finds no difference in what ran here and in what came from the store", async () => {
		const p = project(FILES);
		const cold = await p.gg(["build", "--recheck=1", "make"]);
		assert.match(cold.stderr, /gg: [1-9]\d* computed again and compared: no difference/);
		assert.equal(cold.status, 0, cold.stderr);
		await p.gg(["build", "make", "clean"]);
		const warm = await p.gg(["build", "--recheck", "1", "make"]);
		assert.match(warm.stderr, /gg: [1-9]\d* computed again and compared: no difference/);
		assert.equal(warm.status, 0, warm.stderr);
	});

	it("finds no difference in what was forced", async () => {
		const p = project(FILES);
		await p.gg(["infer", "make"]);
		const forced = await p.gg(["force", "--recheck=1"]);
		assert.match(forced.stderr, /gg: [1-9]\d* computed again and compared: no difference/);
		assert.equal(forced.status, 0, forced.stderr);
	});

	it("says that a command is not repeatable", async () => {
		const p = project({
			Makefile: "a.o: a.c ; $(CC) -c -flto a.c\n",
			"a.c": "int a(void) { return 1; }\n",
		});
		const built = await p.gg(["build", "--recheck=1", "make"]);
		assert.match(built.stderr, /a\.o comes out otherwise each time its command runs/);
		assert.match(built.stderr, /the command itself is not repeatable/);
		assert.equal(built.status, 0);
	});

	it("takes a number from 0 to 1", async () => {
		const p = project(FILES);
		for (const wrong of ["2", "-1", "often"]) {
			const { status, stderr } = await p.gg(["build", `--recheck=${wrong}`, "make"]);
			assert.equal(status, 1);
			assert.match(stderr, /--recheck takes a number from 0 to 1/);
			assert.match(stderr, /--recheck=0\.1 for a tenth/);
		}
	});
});
