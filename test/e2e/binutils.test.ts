import assert from "node:assert/strict";
import { assertAllWays, counts, projects } from "../rig/project.js";
import { isThere, rowsTest } from "../rig/rows.js";

describe("assemblers, linkers and archivers", () => {
	const project = projects();

	it("nasm's commands are thunks, deferred with their list of dependencies; dates and environment are never remembered", async function () {
		if (!isThere("nasm")) this.skip();
		const p = project({
			Makefile: `all: a.o b.o c.o d.o e.o g.o
%.o: %.asm ; nasm -f elf64 -I inc/ -o $@ $<
d.o: a.asm ; nasm -f elf64 -I inc/ -MD d.d -o d.o a.asm && strip -x d.o
e.o: export V := $(if $(wildcard inc/v),1,2)
g.o: gen.asm gen.inc ; nasm -f elf64 -Iinc/ -o $@ $<
gen.inc: gen.c ; $(CC) -E -P gen.c -o $@
-include d.d
`,
			"a.asm": '%include "i.inc"\ndd I\n',
			"b.asm": "db __?UTC_DATE?__\n",
			"c.asm": 'incbin "a.asm"\n',
			"e.asm": "dd %!V\n",
			"gen.asm": '%include "gen.inc"\n',
			"gen.c": '#define FILE "a.asm"\n%include FILE\n',
			"inc/i.inc": "%define I 1\n",
		});
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.deepEqual(p.placeholders(), ["a.o", "c.o", "d.d", "d.o", "g.o"]);
		assert.equal((await p.gg(["force"])).status, 0);
		assert.match(p.read("d.d"), /^d\.o *: *a\.asm/);
		p.fresh(true);
		assert.deepEqual(counts(await p.gg(["build", "make"])), { stored: 6, made: 2, local: 0 });
		p.write("inc/i.inc", "%define I 2\n");
		p.write("inc/v", "");
		assert.deepEqual(counts(await p.gg(["build", "make", "-B"])), { stored: 2, made: 6, local: 0 });
	});

	it("lists of dependencies that are still promised are none to plain make, which can clean", async () => {
		const p = project({
			Makefile: `all: lib.a
lib.a: a.o b.o ; ar cr $@ $^
a.o: a.s ; as -Iinc --MD a.d -o $@ $<
${isThere("nasm") ? "b.o: b.asm ; nasm -f elf64 -MD b.d -o $@ $<" : "b.o: b.c"}
clean: ; rm -f *.o *.d *.a
-include a.d b.d
`,
			"a.s": '.include "a.inc"\n',
			"inc/a.inc": ".long 1\n",
			"b.asm": "dd 1\n",
			"b.c": "int b;\n",
		});
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		assert.ok(p.placeholders().includes("a.d"), "the list is promised");
		assert.deepEqual(await p.run(["make", "-q"]), { status: 0, signal: null, stdout: "", stderr: "" });
		// What make does not know, for the list is none yet, is not taken from sources that changed.
		p.write("inc/a.inc", ".long 2\n");
		assert.equal((await p.run(["make"])).status, 0);
		const forced = await p.gg(["force", "a.o"]);
		assert.equal(forced.status, 1);
		assert.match(forced.stderr, /a\.inc has changed since the build was inferred\n.*infer the build again/);
		assert.equal((await p.run(["make", "clean"])).status, 0);
		assert.deepEqual(p.placeholders(), []);
		p.fresh();
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("objcopy's commands are thunks, with the files that their options name", async () => {
		const p = project({
			Makefile: `
all: q lib.o image
p: p.c ; $(CC) -g -o $@ $<
p.debug: p ; objcopy --only-keep-debug $< $@
q: p p.debug ; objcopy -S --add-gnu-debuglink=p.debug p $@
lib.o: f.c syms data ; $(CC) -c f.c -o $@ && objcopy --redefine-syms=syms --add-section .data2=data $@
image: q ; objcopy -O binary -j .text q $@ && objcopy -O binary -j .text s $@2
s: p.c ; $(CC) -static -o $@ $< && chmod 640 $@ && strip -o $@2 $@ && objcopy -g $@ $@3 && chmod 755 $@
image: s
`,
			"p.c": "int main(void) { return 0; }\n",
			"f.c": "int f;\n",
			syms: "f g\n",
			data: "some\n",
		});
		await assertAllWays(p, { steps: [["make"]] });
		p.fresh();
		assert.equal((await p.gg(["infer", "make"])).status, 0);
		// Whether the others can be executed shows only when they are made.
		assert.deepEqual(p.placeholders().sort(), ["lib.o", "s3"]);
		assert.equal((await p.gg(["force"])).status, 0);
		p.fresh(true);
		assert.deepEqual(counts(await p.gg(["build", "make"])), { stored: 10, made: 0, local: 0 });
		p.write("syms", "f h\n");
		p.write("data", "other\n");
		await p.run(["rm", "lib.o"]);
		assert.deepEqual(counts(await p.gg(["build", "make"])), { stored: 1, made: 1, local: 0 });
		await p.run(["make", "-B"]);
		const plain = p.aside();
		p.write("syms", "f h\n");
		p.write("data", "other\n");
		assert.equal((await p.gg(["build", "make"])).status, 0);
		assert.deepEqual(p.differences(plain), []);
	});

	const objects = {
		"a.c": "int b(void);\nint main(void) { return b(); }\n",
		"b.c": "int c(void);\nint b(void) { return c(); }\n",
		"c.c": "int c(void) { return 0; }\n",
	};
	rowsTest("that are no part of the compiler", [
		{
			name: "nasm",
			needs: ["nasm"],
			files: {
				"s.asm": '%include "a.inc"\nsection .data\nx: dd A, C\n',
				"t.asm": 'section .data\nincbin "d.bin", 1\n',
				"v.asm": 'section .data\nincbin "made.bin"\n',
				"u.asm": "section .data\ndb __?DATE?__\n",
				"inc/a.inc": "%define A 3\n",
				"config.asm": "%define C 4\n",
				"d.bin": "data\n",
			},
			rule: `
	nasm -f elf64 -g -F dwarf -Pconfig.asm -Iinc/ -MD s.d -o s.o s.asm && strip -x s.o
	nasm -felf64 -p config.asm -i inc/ s.asm -o s2.o && nasm -f elf64 -dA=1 t.asm
	nasm -f elf32 -P config.asm -I inc/ -l s.lst -o s3.o s.asm
	nasm -f bin -Pconfig.asm -Iinc/ s.asm -o s.bin && nasm -f bin t.asm && nasm -hf | head -2 > help
	nasm -Pconfig.asm -Iinc/ -M s.asm > s.dep && nasm -Pconfig.asm -Iinc/ -e s.asm > s.i
	nasm -Pconfig.asm -Iinc/ -E s.asm -o s2.i
	echo '%define A 5' > a.inc && nasm -felf64 -pconfig.asm -iinc/ s.asm -o s4.o
	rm a.inc && nasm -felf64 -pconfig.asm -iinc/ s.asm -o s5.o
	cp d.bin made.bin && nasm -f elf64 v.asm && echo more >> made.bin && nasm -f elf64 v.asm -o v2.o && nasm -f elf64 u.asm`,
			ignore: ["u.o"],
		},
		{
			name: "yasm",
			needs: ["yasm"],
			files: {
				"s.asm": '%include "a.inc"\nsection .data\nx: dd A, C\n',
				"t.asm": 'section .data\nincbin "d.bin", 1\n',
				"inc/a.inc": "%define A 3\n",
				"config.asm": "%define C 4\n",
				"d.bin": "data\n",
			},
			rule: `
	yasm -f elf64 -g dwarf2 -Pconfig.asm -Iinc/ -o s.o s.asm
	yasm -f elf64 --list=s.lst -Pconfig.asm -I inc s.asm --objfile=s2.o
	yasm -f elf64 -M -Pconfig.asm -Iinc/ -o s.o s.asm > s.d
	yasm -f elf64 t.asm && echo more >> d.bin && yasm -f elf64 t.asm -o t2.o
	yasm -e -Pconfig.asm -Iinc/ s.asm > s.i`,
		},
		{
			name: "resources",
			needs: ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-windres", "x86_64-w64-mingw32-dlltool"],
			files: {
				// The object that it embeds may be a placeholder.
				"r.rc": '#include "v.h"\n1 RCDATA "a.o"\nSTRINGTABLE { 1 V }\n',
				"v.h": '#define V "text"\n',
				"a.c": "int f(void) { return 1; }\n",
				"m.c": "int main(void) { return 0; }\n",
				"x.def": "LIBRARY x.dll\nEXPORTS\nf\n",
			},
			rule: `
	x86_64-w64-mingw32-gcc -c a.c
	x86_64-w64-mingw32-windres r.rc -o r.o
	x86_64-w64-mingw32-gcc -Wl,--no-insert-timestamp m.c r.o a.o -o p.exe
	x86_64-w64-mingw32-dlltool --deterministic-libraries -d x.def -l libx.a
	echo '#define V "other"' > v.h && x86_64-w64-mingw32-windres r.rc -o r2.o
	x86_64-w64-mingw32-gcc -g -c a.c && x86_64-w64-mingw32-windres r.rc -o r3.o`,
		},
		{
			name: "ld",
			files: {
				...objects,
				"s.ld": "INCLUDE extra.ld\nENTRY(main)\nSECTIONS { .text : { *(.text*) } .data : { *(.data*) *(.rodata*) } }\n",
				"extra.ld": "INPUT(c.o)\n",
				"v.map": "{ global: b; local: *; };\n",
				"start.s": ".globl _start\n_start: call main\nmov %eax, %edi\nmov $60, %eax\nsyscall\n",
			},
			rule: `
	$(CC) -fPIC -c a.c && $(CC) -fPIC -c b.c && $(CC) -fPIC -c c.c && as start.s -o start.o
	ar rc libb.a b.o && ar rc libc2.a c.o && ar rcT thin.a b.o c.o
	ld -r -o r.o a.o b.o && ld -r a.o b.o c.o
	ld -T s.ld -o t a.o b.o && ld -Ts.ld -o t2 a.o b.o
	ld --whole-archive libb.a --no-whole-archive --start-group libc2.a libb.a --end-group a.o start.o -o g -Map=g.map
	ld -L. start.o a.o -lb -lc2 -o l --dependency-file=l.d -Map l.map && ./l
	ld -shared --version-script=v.map -soname libs.so.1 -o libs.so b.o c.o
	ld start.o a.o libs.so c.o -rpath . -dynamic-linker /lib64/ld-linux-x86-64.so.2 -o dyn
	ld -m elf_x86_64 -static --gc-sections -e _start start.o a.o thin.a -o thin && ld @resp -o resp
	ld -b binary -r -o v.o v.map && ld -r -b binary -o v2.o -z noexecstack v.map
	ld -v > version && ld --verbose > script && ld -o null.o -r a.o && ld -r -o sub.o -L $(CURDIR) --start-group a.o libb.a --end-group
	ld.bfd -r a.o b.o -o bfd.o
	objcopy -O binary t t.bin && ld -r -o cref.o a.o -M > cref.txt`.replace(
				"	ld -r",
				"	echo start.o a.o b.o c.o > resp\n	ld -r",
			),
		},
		{
			name: "other-ld",
			needs: ["ld.gold", "ld.lld"],
			files: { ...objects, "start.s": ".globl _start\n_start: call main\n" },
			rule: `
	$(CC) -c a.c && $(CC) -c b.c && $(CC) -c c.c && as start.s -o start.o && ar rc lib.a b.o c.o
	ld.gold -r a.o b.o -o g.o && ld.gold start.o a.o lib.a -o g -Map=g.map && ld.gold start.o a.o -L. -l:lib.a -o g2
	ld.lld -r a.o b.o -o l.o && ld.lld start.o a.o lib.a -o l --Map=l.map && ld.lld start.o a.o -L. -l:lib.a -o l2`,
		},
		{
			name: "ar",
			files: { ...objects, script: "create m.a\naddmod a.o\naddmod b.o\nsave\nend\n" },
			rule: `
	$(CC) -c a.c && $(CC) -c b.c && $(CC) -c c.c
	ar rcs x.a a.o b.o && ar t x.a > t.txt && ar tv x.a > tv.txt && ar p x.a a.o > a2.o
	ar q x.a c.o && ar d x.a a.o && ar m x.a c.o && ar mb b.o x.a c.o && ar ra c.o x.a a.o && ar s x.a
	mkdir out && cd out && ar x ../x.a b.o && ar xo ../x.a
	ar rc y.a a.o a.o b.o && ar dN 2 y.a a.o && ar rcS z.a a.o && ranlib z.a && ar rci a.o z.a b.o
	ar -M < script
	ar rcT thin.a a.o b.o && ar t thin.a > thin.txt && ar rc --thin thin2.a c.o && ar rcT thin3.a thin.a thin2.a
	$(CC) thin3.a -o p && ar d thin.a a.o && ranlib thin.a && rm thin.a
	ar crP full.a out/b.o && ar rcD det.a a.o && ar rcs --target=elf64-x86-64 tgt.a a.o
	ar cr lib1.a a.o && ar cr lib2.a b.o && ar crs --plugin /nonexistent.so all.a c.o || true
	ar crL merged.a lib1.a lib2.a || true
	gcc-ar rc ga.a a.o && gcc-ranlib ga.a && gcc-nm ga.a > ga.txt
	nm x.a > nm.txt && nm -D p > /dev/null || true`,
		},
		{
			name: "llvm",
			needs: ["llvm-ar", "llvm-objcopy", "clang"],
			files: objects,
			rule: `
	clang -c a.c && clang -c b.c && clang -g -c c.c
	llvm-ar rcs x.a a.o b.o && llvm-ranlib x.a && llvm-nm x.a > nm.txt && llvm-ar t x.a > t.txt && llvm-ar x x.a b.o
	cp c.o d.o && llvm-strip d.o && llvm-strip -g c.o -o e.o
	llvm-objcopy --only-keep-debug c.o c.debug && llvm-objcopy -O binary -j .text c.o c.bin
	llvm-ar rcT thin.a a.o && llvm-ar rc --format=gnu y.a c.o
	llvm-objdump -d a.o > dump.txt && llvm-readelf -h a.o > elf.txt && llvm-size a.o > size.txt`,
		},
		{
			name: "objcopy",
			files: objects,
			rule: `
	$(CC) -g -c a.c && $(CC) -g -c b.c && $(CC) -g -c c.c && $(CC) -g a.o b.o c.o -o p
	objcopy --only-keep-debug p p.debug && strip -g p -o q && objcopy --add-gnu-debuglink=p.debug q
	cp p r && objcopy --strip-debug --strip-unneeded r && objcopy -S p s
	objcopy -O binary -j .text a.o a.bin && objcopy -I binary -O elf64-x86-64 -B i386 a.bin bin.o
	objcopy --redefine-sym main=main2 a.o && objcopy --prefix-symbols=x_ b.o b2.o
	echo 'c d' > syms && objcopy --redefine-syms=syms c.o c2.o && objcopy --add-section .x=syms c.o c3.o
	objcopy --dump-section .text=text.bin c.o && objcopy --extract-symbol p ex && objcopy --weaken c.o c4.o
	objcopy --update-section .text=text.bin c.o c7.o && objcopy -O srec p p.srec && objcopy -O ihex a.o a.hex
	chmod 750 r && objcopy -g r r2 && chmod 600 p.debug && objcopy --compress-debug-sections p.debug && strip -p r2
	echo '-g c.o c5.o' > resp && objcopy @resp && objcopy -p c.o c6.o && objcopy -R .comment -R .note* p p2 && ./p2
	ar rc lib.a a.o b.o && objcopy -g lib.a lib2.a
	objdump -d p > d.txt && readelf -a p > e.txt && size p a.o > z.txt && strings p > st.txt && addr2line -e p 0 > l.txt
	strip p && strip -s -o p3 r && strip --strip-unneeded lib.a && elfedit --output-type=exec q || true`,
		},
	]);
});
