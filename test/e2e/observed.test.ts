import assert from "node:assert/strict";
import { assertAllWays, assertAsPlain, DEFERRING, GG, projects, withoutSummary } from "../rig/project.js";

/** Commands whose status or output somebody other than make's terminal sees get the real ones. */
describe("a command that is observed is answered as by the tool itself", () => {
	const project = projects();

	it("cc-option in $(shell …) says no to a flag that gcc refuses", async () => {
		const p = project({
			Makefile: `
cc-option = $(shell $(CC) $(1) -c -x c /dev/null -o .tmp.o >/dev/null 2>&1 && echo "$(1)" || echo "$(2)"; rm -f .tmp.o)
A := $(call cc-option,-fno-strict-aliasing,-DNO_A)
B := $(call cc-option,-fno-such-option,-DNO_B)
C := $(shell if $(CC) -Werror -Wno-such-warning-no -Wbogus -E - </dev/null >/dev/null 2>&1; then echo -DC; else echo -DNO_C; fi)
V := $(shell $(CC) --version | head -n 1)
D := $(shell $(CC) -dumpmachine)
all: a.o ; @echo '$(A) $(B) $(C) $(V) $(D)'
a.o: a.c ; $(CC) $(A) $(B) $(C) -c a.c
`,
			"a.c": "#ifdef NO_B\nint no_b;\n#endif\nint a;\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	// What failed is not kept, and runs again when all else is answered from the store: `madeWarm` counts those.

	it("conditions, alternatives, pipes, substitutions, logs, groups and loops in recipes", async () => {
		const p = project({
			Makefile: `
all: fallback.o log.o cond.o pipe.txt count loop group.o stdin.o null back.o
fallback.o: ; $(CC) -c bad.c -o $@ 2>/dev/null || $(CC) -c good.c -o $@
log.o: ; $(CC) -Wall -c warn.c -o $@ 2>log ; wc -l < log > log.count
cond.o: ; if $(CC) -c bad.c -o $@ 2>err; then echo yes; else echo no; $(CC) -c good.c -o $@; fi
pipe.txt: ; $(CC) -E warn.c | grep -v '^#' > $@
count: ; n=\`$(CC) -E good.c | wc -l\`; echo $$n > $@
loop: ; for f in good bad warn; do $(CC) -c $$f.c -o loop-$$f.o 2>/dev/null || echo $$f >> $@; done
group.o: ; ( $(CC) -c bad.c 2>/dev/null ; echo status $$? > group.status ; $(CC) -c good.c -o $@ )
stdin.o: ; echo 'int from_stdin;' | $(CC) -c -x c - -o $@
null: ; $(CC) -c good.c -o /dev/null && $(CC) -fsyntax-only good.c && $(CC) -M good.c > $@ && $(CC) -E good.c >> $@
back.o: ; $(CC) -c good.c -o $@ & wait
`,
			"good.c": "int good;\n",
			"bad.c": "int bad = ;\n",
			"warn.c": "int f(void) { int unused; return 1; }\n",
		});
		await assertAllWays(p, { steps: [["make"]], madeWarm: 4 });
	});

	it("a script like configure", async () => {
		const p = project({
			Makefile: "all: config.h prog\nconfig.h: configure ; ./configure\nprog: prog.c config.h ; $(CC) -o $@ prog.c\n",
			configure: `#!/bin/sh
exec 5>config.log
try() { echo "$2" > conftest.c; ${"$"}{CC-cc} -o conftest conftest.c $3 >&5 2>&5; r=$?; echo "$1 $r" >&5; return $r; }
: > config.h
try main 'int main(void) { return 0; }' && ./conftest && echo '#define WORKS 1' >> config.h
try nothere '#include <nothere.h>
int main(void) { return 0; }' || echo '#define NO_NOTHERE 1' >> config.h
try libm 'double cos(double); int main(int c, char **v) { return cos(c) > 2; }' -lm && echo '#define LIBM 1' >> config.h
try nolib 'int main(void) { return 0; }' -lnosuchlibrary || echo '#define NO_LIB 1' >> config.h
try fails 'int main(void) { return 3; }' && ./conftest; echo "#define STATUS $?" >> config.h
cc -c conftest.c -o conftest.o && nm conftest.o | grep -q main && echo '#define NM 1' >> config.h
ar cr conftest.a conftest.o && ranlib conftest.a && strip -g conftest.a && echo '#define AR 1' >> config.h
rm -f conftest*
exec 5>&-
`,
			"prog.c":
				'#include "config.h"\nint main(void) { return WORKS + NO_NOTHERE + LIBM + NO_LIB + STATUS + NM + AR; }\n',
		});
		await assertAllWays(p, { steps: [["make"]], madeWarm: 3 });
	});

	it("the statuses and signals of a tool that fails reach the shell", async () => {
		const p = project({
			Makefile: `
all:
	$(CC) -c none.c ; echo $$?
	$(CC) --no-such-flag good.c ; echo $$?
	$(AR) r none.a none.o ; echo $$?
	strip none ; echo $$?
	$(CC) -c good.c -o none/good.o ; echo $$?
	-$(CC) -c bad.c
	! $(CC) -c bad.c
	@$(CC) -c good.c && echo fine
`,
			"good.c": "int good;\n",
			"bad.c": "int bad = ;\n",
		});
		await assertAllWays(p, { steps: [["make"]], not: ["deferring", "inferred"], madeWarm: 3 });
	});

	it("a compiler that fails in a namespace does not end what follows", async () => {
		const p = project({
			Makefile: "all:\n\t$(CC) -c bad.c || echo status $$?\n\t$(CC) -c good.c\n",
			"good.c": "int good;\n",
			"bad.c": "int bad = ;\n",
		});
		await assertAsPlain(p, { steps: [["make"]], by: ["build", "--sandbox"] });
	});

	it("closed standard input, output and error", async () => {
		const p = project({
			Makefile: `
all: a.o b.o c.o d.o
a.o: a.c ; $(CC) -Wall -c a.c <&-
b.o: a.c ; $(CC) -Wall -c a.c -o b.o >&- 2>&-
c.o: a.c ; $(CC) -Wall -c a.c -o c.o 2>&1 | cat
d.o: a.c ; $(CC) -Wall -c a.c -o d.o >both 2>&1
`,
			"a.c": "int f(void) { int unused; return 1; }\n",
		});
		await assertAllWays(p, { steps: [["make"]], options: { closedInput: true } });
	});

	it("colours on a terminal, also the second time, and none elsewhere", async () => {
		const p = project({
			Makefile: "a.o: a.c ; $(CC) -Wall -c a.c\n",
			"a.c": "int f(void) { int unused; return 1; }\n",
		});
		const make = ["script", "-qec", "make", "/dev/null"];
		const env = { TERM: "xterm" };
		const plain = await p.run(make, { env });
		assert.match(plain.stdout, /\u001b\[/, "gcc colours on a terminal");
		p.fresh();
		const gg = (by: string): Promise<{ stdout: string }> =>
			p.run(["script", "-qec", `${by} make`, "/dev/null"], { env });
		const clean = (text: string): string => withoutSummary(text.replaceAll("\r\n", "\n"));
		const wanted = plain.stdout.replaceAll("\r\n", "\n");
		assert.equal(clean((await gg(`${GG} build --jobs 1`)).stdout), wanted, "cold");
		p.fresh(true);
		assert.equal(clean((await gg(`${GG} build --jobs 1`)).stdout), wanted, "warm");
		p.fresh(true);
		const piped = await p.gg(["build", "--jobs", "1", "make"], { env });
		assert.doesNotMatch(piped.stderr, /\u001b/);
		assert.match(piped.stderr, /warning: unused variable/);
	});

	it("a build that starts gg again is built as without", async () => {
		const p = project({
			Makefile: `all: a.o\n\t$(GG) make -C sub\na.o: a.c ; $(CC) -c a.c\n`,
			"a.c": "int a;\n",
			"sub/Makefile": "b.o: b.c ; $(CC) -c b.c\n",
			"sub/b.c": "int b;\n",
		});
		const plain = await p.run(["make", "GG="]);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		const ours = await p.gg(["build", "make", `GG=${GG} build`]);
		assert.equal(ours.status, 0, ours.stderr);
		p.assertSameTree(aside);
	});

	it("GG_BYPASS runs everything as it is", async () => {
		const p = project({
			Makefile: "all: a.o b.o\na.o: a.c ; $(CC) -c a.c\nb.o: a.c ; GG_BYPASS=1 $(CC) -c a.c -o b.o\n",
			"a.c": "int a;\n",
		});
		const [ended] = await assertAsPlain(p, { steps: [["make"]], by: DEFERRING });
		assert.match(ended!.stderr, /^gg: 0 from the store, 1 compiled, linked or archived, 1 run as they are$/m);
		p.fresh();
		const all = await p.gg(["build", "make"], { env: { GG_BYPASS: "1" } });
		assert.match(all.stderr, /^gg: 0 from the store, 0 compiled, linked or archived, 2 run as they are$/m);
	});
});
