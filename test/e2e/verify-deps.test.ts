import assert from "node:assert/strict";
import { projects } from "../rig/project.js";

/** Flags by which the compiler finds other files, or calls them otherwise; each is a compile of its own. */
const FLAGS = [
	"",
	"-MD",
	"-MMD -MP",
	"-MD -MF deps/x.d -MT '$$(odd) a b' -MQ '$$(quoted) #'",
	"-MMD -MP -MF 'deps/two words.d'",
	"-Wp,-MD,deps/inner.d",
	"-I inc -MMD",
	"-Iinc/ -I./inc -Iother -MD",
	"-Iother -Iinc -MMD -MP",
	"-I none -isystem inc -I also/none -MD",
	"-isystem ../TREE/inc -MD",
	"-isystem ./other/../inc -MMD",
	"-isystem $$PWD/other/../inc -MD",
	"-idirafter inc -MD",
	"-iquote inc -iquote other -MMD",
	"-isystem /usr/include -I/usr/include -MD",
	"-I link -isystem inc -MD",
	"-I deep/link -MD",
	"-include forced.h -MD",
	"-imacros forced.h -include inc/near.h -MD",
	"-include $$PWD/forced.h -MMD",
	"-DALIAS -MD",
	"-DPICK=2 -MD",
	"-DPICK=3 -UPICK -DPICK=1 -MD",
	"-DHEADER='\"two words.h\"' -MD -MP",
	"-DHEADER='<inc/near.h>' -I. -MMD",
	"-D'F(x)=x' -DHEADER='F(\"forced.h\")' -MD",
	"-std=c99 -MD",
	"-ansi -MD",
	"-std=c11 -pedantic -Werror -O2 -MD",
	"-O0 -g3 -fPIC -pthread -fopenmp -MD",
	"-m32 -nostdinc -Iinc -DNO_LIBC -MD",
	"-ffreestanding -DNO_LIBC -MD",
	"-nostdinc -Iinc -DNO_LIBC -MMD",
	"-trigraphs -DTRIGRAPHS -MD",
	"-x c++ -std=c++17 -MD",
	"-x c++ -std=c++98 -MMD",
	"-x assembler-with-cpp -DNO_LIBC -DASM -MD -MF deps/asm.d",
];

/** Leads clang to a file or folder by two names, which gg leaves to it. */
const TWO_NAMES = /ALIAS|link|Iinc\/ /;

const FILES = {
	"main.c": `
#ifndef NO_LIBC
#include <stdio.h>
#include <stdlib.h>
#include <limits.h>
#endif
#if defined(__has_include) && !defined(ASM)
#if __has_include("gone.h") || __has_include(<near.h>)
#include <near.h>
#endif
#endif
#if PICK == 1
#include "./inc/near.h"
#elif PICK == 2
#include "inc/../forced.h"
#endif
#ifdef HEADER
#include HEADER
#endif
#ifdef TRIGRAPHS
??=include "forced.h"
#endif
#ifndef ASM
#if __has_attribute(packed)
#include "once.h"
#ifdef ALIAS
#include "sub/../once.h"
#endif
#include "sub/copy.h"
#endif
#endif
#ifndef ASM
extern int unused;
#endif
`,
	"once.h": "#pragma once\n",
	"sub/copy.h": "#pragma once\n",
	"forced.h": "#define FORCED 1\n",
	"two words.h": "",
	"inc/near.h": '#include "side.h"\n',
	"inc/side.h": "",
	"other/near.h": "#if __has_include_next(<near.h>)\n#include_next <near.h>\n#endif\n",
	"deps/.keep": "",
	"deep/.keep": "",
};

/** gcc takes a file of equal content and time for the same. */
const TWIN = { gcc: {}, clang: { "sub/copy.h": "#pragma once\n\n" } } as const;

describe("gg infer --verify-deps", () => {
	const project = projects();

	for (const compiler of ["gcc", "clang"] as const)
		it(`finds that ${compiler}'s scan of every source is as gg's, and that gg leaves none of them to it`, async () => {
			const flags = FLAGS.filter((words) => compiler === "gcc" || !TWO_NAMES.test(words));
			const rules = flags.map((words, i) => `\t${compiler} ${words} -c main.c -o o${i}.o\n`);
			const p = project({
				...FILES,
				...TWIN[compiler],
				"links.sh": "ln -sf inc link; ln -sf ../inc deep/link\n",
				Makefile: "",
			});
			const name = p.tree.slice(p.tree.lastIndexOf("/") + 1);
			p.write("Makefile", `all:\n\tsh links.sh\n${rules.join("").replaceAll("TREE", name)}`);
			const inferred = await p.gg(["infer", "--verify-deps", "make"]);
			assert.equal(inferred.status, 0, inferred.stderr);
			assert.doesNotMatch(inferred.stderr, /differ/);
			const explained = JSON.parse((await p.gg(["explain", "--json"])).stdout);
			const { scanned, asked } = explained.scans;
			assert.deepEqual({ scanned, asked }, { scanned: flags.length, asked: [] });
		});

	for (const threads of ["0", "2"])
		it(`finds no difference where headers appear, change and go while the build runs; ${threads} threads`, async () => {
			const names = Array.from({ length: 30 }, (_, i) => i);
			const rules = names.map((i) => {
				const make = `printf '#define N ${i}\\n#if N == __LINE__\\n#endif\\n' > inc/gen${i}.h`;
				const change = `printf '#include "late${i % 3}.h"\\n' > inc/turn.h; printf '' > inc/late${i % 3}.h`;
				const remove = i > 4 ? `; rm -f inc/gen${i - 4}.h` : "";
				return `\t${make}; ${change}${remove}\n\t$(CC) -Iinc -Isub -MMD -c -o o${i}.o a.c\n`;
			});
			const looks = names.map((i) => `#if __has_include(<gen${i}.h>)\n#include <gen${i}.h>\n#endif\n#undef N\n`);
			const files = { "inc/.keep": "", "sub/gen3.h": "", Makefile: `all:\n${rules.join("")}` };
			const p = project({ ...files, "a.c": `#include "turn.h"\n${looks.join("")}` });
			const inferred = await p.gg(["infer", "--verify-deps", "make"], { env: { GG_SCAN_THREADS: threads } });
			assert.equal(inferred.status, 0, inferred.stderr);
			const { scanned, asked } = JSON.parse((await p.gg(["explain", "--json"])).stdout).scans;
			assert.deepEqual({ scanned, asked }, { scanned: names.length, asked: [] });
		});
});
