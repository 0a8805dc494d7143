import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { assertAllWays, assertAsPlain, counts, projects } from "../rig/project.js";

const FILES = {
	Makefile: `
all: prog prog2 direct asm.o
prog: main.o lib.a ; $(CC) -g $(LDFLAGS) -o $@ main.o lib.a
prog2: main.o lib.a ; $(CC) -s $(LDFLAGS) -o $@ main.o lib.a
lib.a: f.o g.o ; rm -f $@ ; $(AR) rcs $@ f.o g.o
direct: main.c f.c g.c ; $(CC) -O2 -Wall $(LDFLAGS) main.c f.c g.c -o $@
asm.o: asm.S ; $(CC) -c asm.S
%.o: %.c ; $(CC) -g -O2 -Wall -MD -c -o $@ $<
-include main.d f.d g.d
`,
	"h.h": "int f(int);\nint g(int);\n",
	"main.c": '#include "h.h"\n#include <stdio.h>\nint main(void) { int unused; return printf("%d", f(1)); }\n',
	"f.c": '#include "h.h"\nint f(int x) { return g(x) * 2; }\n',
	"g.c": '#include "h.h"\nint g(int x) { return x + 1; }\n',
	"asm.S": '#include "asm.h"\n.data\n.byte NUMBER\n',
	"asm.h": "#define NUMBER 7\n",
};

/** Other compilers than the one called cc, with the archiver that goes with each. */
const COMPILERS = [
	["clang", "llvm-ar"],
	["clang-14", "ar"],
	["gcc-12", "ar"],
	["x86_64-linux-gnu-gcc-12", "x86_64-linux-gnu-ar"],
	["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ar"],
	["arm-none-eabi-gcc", "arm-none-eabi-ar", "LDFLAGS=--specs=nosys.specs"],
	// Without the flag the time of the link is in the file.
	["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-ar", "LDFLAGS=-Wl,--no-insert-timestamp"],
] as const;

describe("a compiler by another name", () => {
	const project = projects();
	for (const [compiler, archiver, ...more] of COMPILERS) {
		it(`${compiler}: here, deferred, inferred and in a namespace`, async function () {
			if (![compiler, archiver].every((name) => existsSync(`/usr/bin/${name}`))) this.skip();
			// Without a C library of its own; launchers.test.ts builds what needs none.
			if (compiler.startsWith("arm-none") && !existsSync("/usr/lib/arm-none-eabi/include/stdio.h")) this.skip();
			const p = project(FILES);
			const steps = [["make", `CC=${compiler}`, `AR=${archiver}`, ...more]];
			await assertAllWays(p, { steps });
			p.fresh();
			const shut = ["build", "--sandbox"];
			await assertAsPlain(p, { steps, by: shut });
			assert.doesNotMatch((await p.gg(["explain"])).stdout, /ran: sandbox/);
			const objects = ["make", "-B", "main.o", steps[0]![1]!];
			await p.gg([...shut, ...objects]);
			assert.deepEqual(counts(await p.gg([...shut, ...objects])), { stored: 1, made: 0, local: 0 });
		});
	}
});
