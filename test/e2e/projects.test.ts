import { assertAllWays, projects } from "../rig/project.js";

/** Small projects with the habits of real ones: plain make's tree is what each way of building with gg must leave. */
describe("a project is built as make builds it", () => {
	const project = projects();

	it("a program of two files, with a warning", async () => {
		const p = project({
			Makefile: `
CFLAGS = -O1 -Wall -g
prog: a.o b.o
	$(CC) -o $@ $^
%.o: %.c h.h
	$(CC) $(CFLAGS) -c -o $@ $<
`,
			"h.h": "int f(void);\n",
			"a.c": '#include "h.h"\nint main(void) { int unused; return f(); }\n',
			"b.c": '#include "h.h"\nint f(void) { return 42; }\n',
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("every kind of dependency file", async () => {
		const p = project({
			Makefile: `
all: a.o b.o c.o d.o e.o sub/f.o
a.o: a.c ; $(CC) -MD -c a.c
b.o: a.c ; $(CC) -MMD -MP -c -o b.o a.c
c.o: a.c ; $(CC) -MMD -MF c.dep -MT 'c.o c.dep' -c -o c.o a.c
d.o: a.c ; $(CC) -Wp,-MD,.d.o.d -c -o d.o a.c
e.o: a.c ; $(CC) -MT e.o -MD -MP -MF e.Tpo -c -o e.o a.c && mv -f e.Tpo e.Po
sub/f.o: a.c ; $(CC) -MD -MQ '$$(x)/f.o' -c -o sub/f.o a.c
-include *.d *.Po
`,
			"sub/keep": "",
			"h.h": "int f(void);\n",
			"i/k.h": '#include "../h.h"\n',
			"a.c": '#include "i/k.h"\n#include <stddef.h>\nint a(void) { return f(); }\n',
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("archives that are made, added to, indexed, and taken from", async () => {
		const p = project({
			Makefile: `
all: prog list libthin.a
prog: main.o lib.a
	$(CC) -o $@ main.o lib.a
lib.a: x.o y.o z.o
	rm -f $@
	$(AR) cr $@ x.o
	$(AR) r $@ y.o z.o
	$(RANLIB) $@
	$(AR) d $@ z.o
	$(AR) rs $@ x.o
libthin.a: x.o y.o ; $(AR) rcT $@ $^
list: lib.a
	$(AR) t lib.a > $@
	nm -g lib.a >> $@
`,
			"main.c": "int x(void); int y(void); int main(void) { return x() + y(); }\n",
			"x.c": "int x(void) { return 1; }\n",
			"y.c": "int y(void) { return 2; }\n",
			"z.c": "int z(void) { return 3; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("what is stripped, copied, moved, linked to, patched and added to", async () => {
		const p = project({
			Makefile: `
all: out/prog out/prog2 out/moved.o copied.o linked.o data.o out/prog.debug small.o appended patched.o
prog: main.o ; $(CC) -g -o $@ $<
main.o: main.c ; $(CC) -g -c $<
x.o: x.c ; $(CC) -g -c $<
out/prog: prog ; mkdir -p out && cp prog $@ && strip $@
out/prog2: prog ; install -s -m 711 prog $@
out/prog.debug: prog out/prog ; objcopy --only-keep-debug prog $@ && objcopy --add-gnu-debuglink=$@ out/prog
out/moved.o: x.c out/prog ; $(CC) -c -o tmp.o x.c && mv tmp.o $@
copied.o: x.o ; cp -p x.o $@
linked.o: x.o ; ln -f x.o $@
data.o: blob.bin ; ld -r -b binary -o $@ blob.bin
small.o: x.o ; cp x.o $@ && strip -g $@
appended: prog ; cp prog $@ && echo more >> $@
patched.o: x.o ; objcopy --redefine-sym x=y x.o $@ && printf 'Z' | dd of=$@ bs=1 seek=9 conv=notrunc status=none
`,
			"blob.bin": "some\0bytes",
			"main.c": "int main(void) { return 0; }\n",
			"x.c": "int x(void) { return 1; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("a shared library with versions, found by -L and an rpath", async () => {
		const p = project({
			Makefile: `
all: prog static
libf.so.1.0: f.c f.map
	$(CC) -shared -fPIC -Wl,-soname,libf.so.1 -Wl,--version-script=f.map -o $@ f.c
	ln -sf $@ libf.so.1
	ln -sf libf.so.1 libf.so
prog: main.c libf.so.1.0
	$(CC) -o $@ main.c -L. -lf -Wl,-rpath,'$$ORIGIN' -Wl,--as-needed -lm
static: main.c f.c
	$(CC) -static -o $@ main.c f.c
`,
			"f.map": "V1 { global: f; local: *; };\n",
			"main.c": "int f(void); int main(void) { return f(); }\n",
			"f.c": "int g(void) { return 2; }\nint f(void) { return g(); }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("a program that is built and then makes sources", async () => {
		const p = project({
			Makefile: `
prog: main.o table.o ; $(CC) -o $@ $^
gen: gen.c ; $(CC) -o $@ $<
table.c: gen ; ./gen 5 > $@
table.h: gen ; ./gen -h > table.h.tmp && mv table.h.tmp table.h
main.o: main.c table.h ; $(CC) -c -o $@ main.c
table.o: table.c ; $(CC) -c -o $@ table.c
`,
			"gen.c": `#include <stdio.h>
int main(int argc, char **argv) {
	if (argv[1][0] == '-') puts("extern int table[5];");
	else { puts("int table[5] = {"); for (int i = 0; i < 5; i++) printf("%d,", i); puts("};"); }
	return argc - 2;
}
`,
			"main.c": '#include "table.h"\nint main(void) { return table[3]; }\n',
		});
		// What a compile reads within one tick of the file system's clock after it was written is not recorded.
		await assertAllWays(p, { steps: [["make"]], madeWarm: 2 });
	});

	it("intermediate files that make deletes after use", async () => {
		const p = project({
			Makefile: `
.SUFFIXES:
all: a.prog
%.prog: %.o ; $(CC) -o $@ $<
%.o: %.s ; $(CC) -c -o $@ $<
%.s: %.i ; $(CC) -S -o $@ $<
%.i: %.c ; $(CC) -E -o $@ $<
`,
			"a.c": "int main(void) { return 3; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("assembler sources, with files that only the assembler sees", async () => {
		const p = project({
			Makefile: `
all: a.o b.o c.o d.o lib.a
a.o: a.s ; $(AS) -o $@ a.s
b.o: b.S data.bin k.h ; $(CC) -c -DX=1 b.S
c.o: c.c data.bin ; $(CC) -c c.c
d.o: a.s ; $(CC) -c -o $@ -Wa,-I,inc -x assembler a.s
lib.a: a.o b.o c.o ; gcc-ar rcs $@ $^
`,
			"data.bin": "\0\u0001data",
			"inc/more.inc": "nop\n",
			"k.h": "#define K nop\n",
			"a.s": '.text\n.include "inc/more.inc"\n.incbin "data.bin"\n',
			"b.S": '#include "k.h"\n.text\nK\n.incbin "data.bin"\n',
			"c.c": 'asm(".data\\n.incbin \\"data.bin\\"\\n.text");\nint c;\n',
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("C++, precompiled headers, coverage notes, split debug information and link-time optimisation", async () => {
		const p = project({
			Makefile: `
all: a.o prog lto cov
pre.h.gch: pre.h ; $(CXX) -x c++-header pre.h
a.o: a.cc pre.h.gch ; $(CXX) -Winvalid-pch -include pre.h -c a.cc
prog: a.cc pre.h ; $(CXX) -include pre.h -g -gsplit-dwarf -DMAIN -o $@ a.cc
x.o: x.c ; $(CC) -flto -O2 -frandom-seed=x -c x.c
y.o: y.c ; $(CC) -flto -O2 -frandom-seed=y -c y.c
lto: x.o y.o ; $(CC) -flto -O2 -o $@ x.o y.o
cov: y.c ; $(CC) --coverage -Dy=main -o $@ y.c
`,
			"pre.h": "template<class T> T twice(T t) { return t + t; }\n",
			"a.cc": "int a(int x) { return twice(x); }\n#ifdef MAIN\nint main() { return a(1); }\n#endif\n",
			"x.c": "int x(void) { return 1; }\n",
			"y.c": "int x(void); int main(void) { return x(); }\nint y(void) { return 0; }\n",
		});
		// gcc does not make the same precompiled header twice.
		await assertAllWays(p, { steps: [["make", "prog", "a.o", "lto"]], ignore: ["pre.h.gch"] });
	});

	it("recursive make with a jobserver", async () => {
		const p = project({
			Makefile: `
all: ; $(MAKE) -C sub all && $(MAKE) top
top: top.o sub/lib.a ; $(CC) -o $@ top.o sub/lib.a
`,
			"sub/Makefile": `
all: lib.a
lib.a: $(patsubst %.c,%.o,$(wildcard *.c)) ; $(AR) rcs $@ $^
`,
			"top.c": "int f1(void); int main(void) { return f1(); }\n",
			...Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`sub/f${n}.c`, `int f${n}(void) { return ${n}; }\n`])),
		});
		await assertAllWays(p, { steps: [["make", "-j2"]], anyOrder: true });
	});

	it("response files, also one within another", async () => {
		const p = project({
			Makefile: `
prog: a.o b.o objects
	$(CC) -o $@ @objects
lib.a: a.o b.o objects ; $(AR) rcs $@ @objects
objects: ; printf 'a.o "b.o"\\n' > $@
%.o: %.c flags ; $(CC) @flags -c -o $@ $<
flags: ; echo '-O1 @more' > $@; echo "-DX='1 + 1'" > more
all: prog lib.a
.DEFAULT_GOAL = all
`,
			"a.c": "int b(void); int main(void) { return b() - X; }\n",
			"b.c": "int b(void) { return X; }\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("names with spaces, quotes, dollars, stars, colons and letters of other languages", async () => {
		const p = project({
			Makefile: `
all: ; $(MAKE) -f Makefile real
real:
	$(CC) -MD -c -o 'a b.o' 'a b.c'
	$(CC) -c -o "it's.o" "it's.c"
	$(CC) -c -o 'dollar$$x.o' 'dollar$$x.c'
	$(CC) -c -o 'größe 漢字.o' 'größe.c'
	$(CC) -c -o '*?.o' '*?.c' -I 'in clude'
	$(CC) -c -o '-Wall.o' ./-Wall.c
	$(CC) -c -o 'back\\slash.o' 'back\\slash.c' '-DS="a \\" b"'
	$(AR) rcs 'li b.a' 'a b.o' "it's.o" 'größe 漢字.o' ./*.o
	$(CC) -o 'the program' 'a b.o' 'li b.a'
	./'the program'
`,
			"a b.c": "int main(void) { return 0; }\n",
			"it's.c": "int its;\n",
			"dollar$x.c": "int dollar;\n",
			"größe.c": "int size;\n",
			"*?.c": '#include "d e.h"\nint star;\n',
			"in clude/d e.h": "extern int star;\n",
			"-Wall.c": "int wall;\n",
			"back\\slash.c": "const char *s = S;\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("names with a newline and with bytes that are no UTF-8", async () => {
		const p = project({
			Makefile: `
all:
	./build.sh
`,
			"build.sh": `#!/bin/sh -e
odd=$(printf 'odd\\377name')
nl='new
line'
printf 'int odd;\\n' > "$odd.c"
printf 'int nl;\\n' > "$nl.c"
cc -c "$odd.c"
cc -c "$nl.c"
cc -MD -g -c "$nl.c" -o second.o
cc -c -o "$odd-2.o" "$nl.c"
mkdir -p "$odd"
(cd "$odd" && echo 'int in;' > in.c && cc -c in.c)
ar rcs "$nl.a" "$nl.o" "$odd.o"
mv "$odd.o" odd.o
mv "$odd-2.o" odd-2.o
mv "$odd/in.o" in.o
rm -r "$odd" "$odd.c"
`,
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("a directory that was entered through a link, in debug information as $PWD names it", async () => {
		const p = project({
			"real/Makefile": "a.o: a.c ; $(CC) -g -c a.c\n",
			"real/a.c": "int a(void) { return 1; }\n",
			"start.sh": "#!/bin/sh -e\nln -sfn real link\ncd link\nexec make\n",
			Makefile: "all:\n",
		});
		await assertAllWays(p, { steps: [["./start.sh"]] });
	});

	it("a makefile without targets of its own, implicit rules only", async () => {
		const p = project({
			Makefile: "prog: prog.o part.o\n",
			"prog.c": "int p(void); int main(void) { return p(); }\n",
			"part.c": "int p(void) { return 0; }\n",
		});
		await assertAllWays(p, { steps: [["make"], ["make"]] });
	});
});
