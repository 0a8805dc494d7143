import { rowsTest } from "../rig/rows.js";

/** What drivers do beyond compiling a C file: each row's rules stand in a folder of their own, named like the row. */
describe("a compiler driver", () => {
	const sources = {
		"a.c": '#include "h.h"\nint b(int);\nint main(int c, char **v) { (void)v; return b(c) - H; }\n',
		"b.c": '#include "h.h"\nint b(int n) { int s = 0; for (int i = 0; i < n; i++) s += i + H; return s; }\n',
		"h.h": "#ifndef H\n#define H 1\n#endif\n",
	};
	rowsTest("that writes more than one file", [
		{
			name: "split",
			files: sources,
			rule: `
	$(CC) -g -gsplit-dwarf -c a.c -o x.o
	$(CC) -g -gsplit-dwarf -c b.c
	$(CC) -g -gsplit-dwarf x.o b.o -o p
	$(CC) -g -gsplit-dwarf a.c b.c -o q
	$(CC) -gsplit-dwarf -S a.c -o s.s
	mkdir sub && cd sub && $(CC) -g -gsplit-dwarf -c ../a.c`,
		},
		{
			name: "coverage",
			files: sources,
			rule: `
	$(CC) --coverage -frandom-seed=1 -c a.c -o x.o
	$(CC) -fprofile-arcs -ftest-coverage -frandom-seed=1 -c b.c
	$(CC) --coverage x.o b.o -o p
	$(CC) --coverage -frandom-seed=1 a.c b.c -o q
	mkdir sub && $(CC) --coverage -frandom-seed=1 -c a.c -o sub/y.o
	./p; gcov -n x.gcno > report`,
		},
		{
			name: "profile",
			files: sources,
			rule: `
	$(CC) -O2 -fprofile-generate -frandom-seed=1 -c a.c -o a.o
	$(CC) -O2 -fprofile-generate -frandom-seed=1 -c b.c -o b.o
	$(CC) -fprofile-generate a.o b.o -o p
	./p 1 2 3; true
	$(CC) -O2 -fprofile-use -c a.c -o a.o
	$(CC) -O2 -fprofile-use=b.gcda -c b.c -o b.o
	$(CC) -O2 -fprofile-use=. -Wno-missing-profile -c b.c -o c.o
	$(CC) a.o b.o -o q`,
		},
		{
			name: "save-temps",
			files: sources,
			rule: `
	$(CC) -save-temps -c a.c
	mkdir sub && $(CC) -save-temps=obj -c b.c -o sub/b.o
	$(CC) -save-temps=cwd -c b.c -o sub/c.o
	$(CC) -save-temps a.o sub/b.o -o p
	$(CC) -save-temps a.c b.c -o q`,
		},
		{
			name: "dumps",
			files: sources,
			rule: `
	$(CC) -O1 -fstack-usage -c a.c -o x.o
	$(CC) -O1 -fcallgraph-info -c a.c -o y.o
	$(CC) -O1 -fdump-tree-optimized -c a.c -o z.o
	$(CC) -O1 -fdump-rtl-expand -dumpdir d. -c b.c -o w.o
	$(CC) -O1 -fopt-info-all=opt.txt -c b.c -o v.o
	$(CC) -ftime-report -c a.c -o t.o 2>/dev/null
	$(CC) -c a.c -Wa,-ahl=list.txt -o l.o
	$(CC) -aux-info protos.txt -c a.c -o u.o
	$(CC) -MD -c a.c -o m.o
	$(CC) -Wp,-MD,other.d -c a.c -o n.o
	$(CC) -MMD -MP -MF third.d -MT 'a b' -c a.c -o o.o
	$(CC) -c a.c && $(CC) -c b.c && $(CC) a.o b.o -Wl,-Map=p.map -Wl,--dependency-file=p.dep -o p`,
			// The name of the temporary file that the assembler reads.
			ignore: ["list.txt"],
		},
		{
			name: "precompiled",
			files: { ...sources, "use.c": "int f(void) { return H; }\n" },
			rule: `
	$(CC) -c h.h -o h.h.gch
	$(CC) -c a.c -o a.o
	$(CC) -include h.h -c use.c -o use.o
	$(CC) -H -Winvalid-pch -c b.c -o b.o
	$(CC) -DNEW -Winvalid-pch -c b.c -o c.o
	mkdir i && cp h.h i/g.h && $(CC) -x c-header i/g.h && $(CC) -include i/g.h -c use.c -o v.o && rm i/g.h.gch`,
			// Addresses of the compiler's own memory.
			ignore: ["h.h.gch"],
		},
		{
			name: "modules",
			needs: ["g++"],
			files: {
				"m.cpp": "export module m;\nexport int f() { return 3; }\n",
				"use.cpp": "import m;\nint main() { return f(); }\n",
			},
			rule: `
	$(CXX) -std=c++20 -fmodules-ts -c m.cpp
	$(CXX) -std=c++20 -fmodules-ts -c use.cpp
	$(CXX) m.o use.o -o p; ./p; echo $$? > status
	sed -i s/3/4/ m.cpp
	$(CXX) -std=c++20 -fmodules-ts -c m.cpp
	$(CXX) -std=c++20 -fmodules-ts -c use.cpp -o use2.o
	$(CXX) m.o use2.o -o q; ./q; echo $$? >> status`,
			ignore: ["gcm.cache/m.gcm"],
		},
	]);

	rowsTest("that is told which programs and files to use", [
		{
			name: "lto",
			files: { ...sources, seed: "-frandom-seed=1\n" },
			rule: `
	$(CC) -O2 -flto @seed -c a.c -o a.o
	$(CC) -O2 -flto @seed -c b.c -o b.o
	$(CC) -O2 -flto @seed a.o b.o -o p
	gcc-ar rcs libb.a b.o && gcc-ranlib libb.a && gcc-nm libb.a > nm.txt
	$(CC) -O2 -flto=2 @seed a.o libb.a -o q
	$(CC) -O2 -flto -ffat-lto-objects @seed -c a.c -o fa.o
	$(CC) -O2 -flto -ffat-lto-objects @seed -c b.c -o fb.o
	$(CC) -O2 -fno-lto fa.o fb.o -o r
	$(CC) -O2 -flto -fno-use-linker-plugin @seed fa.o fb.o -o s
	$(CC) -O2 -flto -flto-partition=none @seed a.c b.c -o t`,
		},
		...["bfd", "gold", "lld", "mold"].map((ld) => ({
			name: `ld-${ld}`,
			needs: [ld === "mold" ? "mold" : `ld.${ld}`],
			files: sources,
			rule: `
	$(CC) -c a.c && $(CC) -c b.c && ar rc libb.a b.o
	$(CC) -fuse-ld=${ld} a.o b.o -o p
	$(CC) -fuse-ld=${ld} a.o -L. -lb -o q -lm
	$(CC) -fuse-ld=${ld} -shared -fPIC b.c -o libc2.so
	$(CC) -fuse-ld=${ld} a.c -L. -lc2 -o r`,
		})),
		{
			name: "specs",
			files: { ...sources, "my.specs": "*cpp:\n-DH=5 %(old_cpp)\n\n%rename cpp old_cpp\n\n" },
			rule: `
	printf '%%rename cpp old_cpp\\n\\n*cpp:\\n-DH=5 %%(old_cpp)\\n\\n' > my.specs
	$(CC) -specs=my.specs -c a.c && $(CC) -specs=my.specs -c b.c && $(CC) -specs=my.specs -o p a.o b.o
	$(CC) -wrapper env,LC_ALL=C -c a.c -o w.o
	$(CC) -no-canonical-prefixes -g -c a.c -o n.o && $(CC) -no-canonical-prefixes n.o b.o -o q
	$(CC) -B/usr/bin/ -c a.c -o o.o
	$(CC) -pipe -c a.c -o r.o`,
		},
		{
			name: "sysroot",
			files: { ...sources, "root/usr/include/sys.h": "#define S 3\n", "c.c": "#include <sys.h>\nint s = S;\n" },
			rule: `
	$(CC) --sysroot=root -c c.c
	$(CC) --sysroot=$(CURDIR)/root -isystem =/usr/include -c c.c -o d.o
	$(CC) --sysroot=/ a.c b.c -o p
	$(CC) -isysroot $(CURDIR)/root -c c.c -o e.o`,
		},
		{
			name: "m32",
			needs: ["/usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a"],
			files: sources,
			rule: `
	$(CC) -m32 -c a.c && $(CC) -m32 -c b.c && $(CC) -m32 a.o b.o -o p
	$(CC) -m32 -static a.c b.c -o q
	ld -m elf_i386 -r a.o b.o -o r.o`,
		},
		{
			name: "openmp",
			files: {
				"o.c":
					"int f(int n) { int s = 0;\n#pragma omp parallel for reduction(+:s)\nfor (int i = 0; i < n; i++) s += i;\nreturn s; }\nint main(void) { return f(4); }\n",
			},
			rule: `
	$(CC) -fopenmp -c o.c && $(CC) -fopenmp o.o -o p
	$(CC) -fopenmp o.c -o q`,
		},
		{
			name: "sanitizers",
			files: sources,
			rule: `
	$(CC) -fsanitize=address,undefined -g -c a.c && $(CC) -fsanitize=address,undefined -g -c b.c
	$(CC) -fsanitize=address,undefined a.o b.o -o p
	$(CC) -fsanitize=thread a.c b.c -o q
	$(CC) -fsanitize=address -static-libasan a.c b.c -o r
	./p; echo $$? > status`,
		},
		{
			name: "clang",
			needs: ["clang", "clang++"],
			files: { ...sources, "t.cc": "template <class T> T f(T t) { return t; }\nint main() { return f(0); }\n" },
			rule: `
	clang -c a.c && clang -c b.c && clang a.o b.o -o p
	clang -g -gsplit-dwarf -c a.c -o x.o
	clang --coverage -c a.c -o y.o
	clang -flto -c a.c -o la.o && clang -flto -c b.c -o lb.o && clang -flto -fuse-ld=lld la.o lb.o -o q
	clang -flto=thin -c a.c -o ta.o && clang -flto=thin -c b.c -o tb.o && clang -flto=thin -fuse-ld=lld ta.o tb.o -o r
	clang -emit-llvm -S a.c && clang -emit-llvm -c b.c
	clang -save-temps -c b.c -o z.o
	clang -ftime-trace -c a.c -o tt.o && rm tt.json
	clang -x c-header h.h -o h.h.pch && clang -include-pch h.h.pch -c a.c -o pch.o
	clang++ -std=c++17 -MD -c t.cc && clang++ t.o -o t
	clang -fsanitize=undefined a.c b.c -o s`,
			ignore: ["h.h.pch"],
		},
		{
			name: "versions",
			needs: ["gcc-12", "clang-14"],
			files: sources,
			rule: `
	gcc-12 -c a.c -o g.o && x86_64-linux-gnu-gcc-12 -c b.c -o h.o && gcc-12 g.o h.o -o p
	clang-14 -c a.c -o c.o && clang-14 -c b.c -o d.o && clang-14 c.o d.o -o q
	c89 -c b.c -o e.o || true
	c99 -c b.c -o f.o
	cpp a.c > i.txt && cpp a.c i2.txt`,
		},
		{
			name: "streams",
			files: sources,
			rule: `
	$(CC) -x c -c -o a.o - < a.c
	cat b.c | $(CC) -x c -c -o b.o -
	$(CC) -c a.c -o /dev/null
	$(CC) -S a.c -o - > s.txt
	$(CC) -E a.c > i.txt
	$(CC) -E -dM a.c -o macros.txt
	$(CC) -xc a.c -xnone b.o -o p
	$(CC) -x c /dev/null -c -o null.o
	echo 'int z;' | $(CC) -x c -c /dev/stdin -o z.o`,
		},
		{
			name: "included",
			files: {
				"data.bin": "some bytes\n",
				"part.inc": ".long 7\n",
				"s.s": '.data\n.include "part.inc"\n.incbin "data.bin"\n',
				"t.S": '#include "h.h"\n.data\n.incbin "data.bin", 1, 3\n.include "part.inc"\n.long H\n',
				"c.c": 'asm(".section .rodata\\n.global d\\nd: .incbin \\"data.bin\\"\\n.include \\"part.inc\\"");\n',
				"h.h": "#define H 2\n",
				"x.c":
					'#if __has_include("opt.h")\n#include "opt.h"\n#endif\n#ifdef __has_embed\n#if __has_embed("data.bin")\nconst char e[] = {\n#embed "data.bin"\n};\n#endif\n#endif\n#ifndef V\n#define V 1\n#endif\nint v = V;\n',
			},
			rule: `
	as s.s -o as.o && as -I. --MD as.d s.s -o as2.o
	$(CC) -c s.s && $(CC) -c t.S && $(CC) -c c.c && $(CC) -c x.c
	echo '#define V 2' > opt.h && $(CC) -c x.c -o x2.o
	rm opt.h && $(CC) -c x.c -o x3.o
	echo more >> data.bin && $(CC) -c s.s -o s2.o && $(CC) -c t.S -o t2.o && $(CC) -c c.c -o c2.o && as s.s -o as3.o
	$(CC) -flto -frandom-seed=1 -c c.c -o c3.o && $(CC) -flto -frandom-seed=1 -shared c3.o -o c.so`,
			unknowable: ["c.so"],
		},
		{
			name: "embedded",
			needs: ["clang-19"],
			files: {
				"seed.bin": "some bytes\n",
				"sub/two.bin": "two",
				"gen.c": "int g = 1;\n",
				"a.c": `
#if __has_embed("data.bin") == 1
const unsigned char e[] = {
#embed "data.bin"
};
#endif
#if __has_embed(<opt.bin>)
const unsigned char o[] = {
#embed <opt.bin> if_empty(9)
};
#endif
const unsigned char f[] = {
#embed "two.bin" limit(2) prefix(1, ) suffix(, 2)
};
// Another command's output.
const unsigned char g[] = {
#embed "gen.o"
};
`,
			},
			rule: `
	cp seed.bin data.bin
	clang-19 -c gen.c
	clang-19 -std=c23 -MD -c --embed-dir=. --embed-dir=sub a.c
	echo x > opt.bin && clang-19 -std=c23 -c --embed-dir=. --embed-dir=sub a.c -o a2.o
	rm opt.bin && clang-19 -std=c23 -c --embed-dir=. --embed-dir=sub a.c -o a3.o
	echo more >> data.bin && clang-19 -std=c23 -c --embed-dir=. --embed-dir=sub a.c -o a4.o
	sed -i s/1/2/ gen.c && clang-19 -c gen.c && clang-19 -std=c23 -c --embed-dir=. --embed-dir=sub a.c -o a5.o`,
		},
	]);

	rowsTest("of another language", [
		{
			name: "fortran",
			needs: ["gfortran"],
			files: {
				"m.f90": "module m\ninteger :: n = 3\nend module\n",
				"p.f90": "program p\nuse m\nprint *, n\nend program\n",
				"q.F90": '#include "h.h"\nsubroutine q\nprint *, H\nend subroutine\n',
				"h.h": "#define H 1\n",
				"i.f": "      subroutine s\n      include 'i.inc'\n      end\n",
				"i.inc": "      integer k\n",
			},
			rule: `
	gfortran -c m.f90 && gfortran -c p.f90 && gfortran p.o m.o -o p
	gfortran -cpp -c q.F90 && gfortran -c i.f
	mkdir mods && gfortran -J mods -c m.f90 -o m2.o && gfortran -I mods -c p.f90 -o p2.o
	sed -i s/3/4/ m.f90 && gfortran -c m.f90 && gfortran -c p.f90 -o p3.o && gfortran p3.o m.o -o q && ./q > out`,
		},
		{
			name: "objc",
			needs: ["/usr/lib/gcc/x86_64-linux-gnu/12/cc1obj"],
			files: {
				"o.m":
					'#include "h.h"\n@interface A { int x; }\n+ (int) f;\n@end\n@implementation A\n+ (int) f { return H; }\n@end\nint main(void) { return [A f]; }\n',
				"h.h": "#define H 0\n",
			},
			rule: `
	$(CC) -MMD -c o.m && $(CC) o.o -o p -lobjc`,
		},
		{
			name: "d",
			needs: ["gdc"],
			files: {
				"d.d": "import std.stdio;\nimport e;\nvoid main() { writeln(f()); }\n",
				"e.d": "module e;\nint f() { return 3; }\n",
			},
			rule: `
	gdc -c d.d && gdc -c e.d && gdc d.o e.o -o p && ./p > out
	sed -i s/3/4/ e.d && gdc -c d.d -o d2.o && gdc -c e.d && gdc d2.o e.o -o q && ./q >> out`,
		},
	]);
});
