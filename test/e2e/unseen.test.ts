import assert from "node:assert/strict";
import { assertAllWays, counts, DEFERRING, HERE, projects } from "../rig/project.js";

/** Habits of projects that gg was not made with. */
describe("a build that has other habits", () => {
	const project = projects();

	it("links with a library by its plain name, which is a link to the one that was just made", async () => {
		const p = project({
			Makefile: `
all: libf.so prog
libf.so: libf.so.1.0 ; ln -sf libf.so.1.0 libf.so.1 && ln -sf libf.so.1 libf.so
libf.so.1.0: f.c ; $(CC) -shared -fPIC -Wl,-soname,libf.so.1 -o $@ f.c -lc
libf.a: f.o
	rm -f $@
	$(AR) cq $@ f.o
	$(RANLIB) $@
prog: main.o libf.so libf.a ; $(CC) -o $@ main.o -L. -lf
`,
			"main.c": "int f(void); int main(void) { return f(); }\n",
			"f.c": "int f(void) { return 2; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("disassembles, measures, signs, packs and dumps what was just made", async () => {
		const p = project({
			Makefile: `
all: prog.asm prog.size prog.sum prog.gz x.h x.od x.sections x.tar y.part
prog: x.c ; $(CC) -o $@ $<
%.o: x.c ; $(CC) -DN=$* -c -o $@ $<
out/z.o: x.c ; mkdir -p out && $(CC) -c -o $@ $<
prog.asm: prog ; objdump -d prog > $@
prog.size: 1.o ; size 1.o > $@
prog.sum: 2.o ; sha256sum 2.o > $@
prog.gz: 3.o ; gzip -nc 3.o > $@
x.h: 4.o ; od -An -tx1 4.o > $@
x.od: 5.o ; cmp -l 5.o x.c > $@ || true
x.sections: 6.o ; readelf -S 6.o > $@
x.tar: out/z.o ; tar --mtime=@0 -cf $@ out
y.part: 7.o ; dd if=7.o of=$@ bs=64 count=3 status=none
`,
			"x.c": "int main(void) { return 0; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("reads a program that it has linked by a script of its own", async () => {
		const p = project({
			Makefile: `
image: prog pack ; ./pack prog > $@
prog: main.o ; $(CC) -o $@ $<
main.o: main.c ; $(CC) -c -o $@ $<
`,
			pack: '#!/bin/sh\nrev "$1" | sort\n',
			"main.c": "int main(void) { return 0; }\n",
		});
		// infer leaves a placeholder for whatever may read it.
		await assertAllWays(p, { steps: [["make"]], not: ["inferred"] });
	});

	it("strips a program that was there, which keeps its mode", async () => {
		const p = project({
			Makefile: `
out/prog: ; mkdir -p out && cp /bin/ls $@ && chmod 751 $@ && strip -R .comment $@
libx.a: x.o ; cp old.a $@ && $(AR) r $@ x.o && chmod 600 $@ && $(RANLIB) $@
x.o: x.c ; $(CC) -g -c $<
all: out/prog libx.a
.DEFAULT_GOAL = all
`,
			"x.c": "int x(void) { return 0; }\n",
			"old.a": "!<arch>\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("rewrites what has another name too, or is a link", async () => {
		const p = project({
			Makefile: `
all:
	$(CC) -g -c x.c -o a.o && ln a.o b.o && strip -g a.o
	$(CC) -g -c x.c -o c.o && ln c.o d.o && $(CC) -c x.c -o c.o
	$(CC) -g -c x.c -o e.o && ln -s e.o f.o && strip -g f.o && ln -s a.o g.o && $(CC) -g -c x.c -o g.o
	echo old > h.s && ln h.s i.s && $(CC) -S x.c -o h.s && touch j.i && ln -s j.i k.i && $(CC) -E x.c -o k.i
	$(AR) rc l.a a.o && ln l.a m.a && $(AR) r l.a e.o && ln l.a n.a && $(RANLIB) n.a
	$(CC) x.c -o p && ln p q && $(CC) -g x.c -o p && ln -s q r && $(CC) -s x.c -o r
	ln p s && objcopy -S p && objcopy --only-keep-debug q t && ln t u && objcopy -S q t
`,
			"x.c": "int main(void) { return 0; }\n",
		});
		const names = "stat -c '%n %h %N' [a-u]*.[osia] [p-u]";
		const steps = [["make"], ["sh", "-c", names]];
		// What is rewritten in that way runs again each time.
		await assertAllWays(p, { steps, madeWarm: 99 });
	});

	it("calls the compiler by its full path, which gg says where it cannot catch that", async () => {
		const p = project({
			Makefile: "prog: a.c b.c\n\t/usr/bin/cc -c a.c\n\t/usr/bin/cc -o $@ a.o b.c\n",
			"a.c": "int a;\n",
			"b.c": "int main(void) { return 0; }\n",
		});
		await p.run(["make"]);
		const aside = p.aside();
		const ended = await p.gg([...HERE, "make"], { env: { GG_SUPERVISOR: "0" } });
		p.assertSameTree(aside);
		assert.deepEqual(counts(ended), { stored: 0, made: 0, local: 3 });
		assert.equal(ended.stderr.match(/^gg: the build calls .* by its full path: .*gg build cmake/gm)?.length, 1);
	});

	it("is counted once: each command was run, or its result was at hand", async () => {
		const p = project({
			Makefile: "prog: a.o b.o ; $(CC) -o $@ a.o b.o\n%.o: %.c ; $(CC) -c $<\nclean: ; rm -f prog *.o\n",
			"a.c": "int b(void); int main(void) { return b(); }\n",
			"b.c": "int b(void) { return 0; }\n",
		});
		for (const by of [HERE, DEFERRING, ["build", "--sandbox"]]) {
			p.fresh();
			const cold = counts(await p.gg([...by, "make"]));
			assert.deepEqual(cold, { stored: 0, made: 3, local: 0 }, by.join(" "));
			await p.run(["make", "clean"]);
			const warm = counts(await p.gg([...by, "make"]));
			assert.deepEqual(warm, { stored: 3, made: 0, local: 0 }, by.join(" "));
		}
	});
});
