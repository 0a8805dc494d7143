import { rowsTest } from "../rig/rows.js";

describe("a compiler that others start", () => {
	const sources = {
		"a.c": '#include "h.h"\nint b(void);\nint main(void) { return b() - H; }\n',
		"b.c": '#include "h.h"\nint b(void) { return H; }\n',
		"h.h": "#define H 1\n",
	};
	rowsTest("is caught behind launchers, shells and cross names", [
		{
			name: "shells",
			files: { ...sources, "cc.sh": '#!/bin/sh\nexec cc "$@"\n' },
			rule: `
	env A=1 $(CC) -c a.c && env -i PATH="$$PATH" $(CC) -c b.c
	sh -c '$(CC) -c a.c -o c.o' && nice -n 1 $(CC) -c b.c -o d.o
	nohup $(CC) -c a.c -o e.o > /dev/null 2>&1 && timeout 60 $(CC) -c b.c -o f.o
	sh -ec 'cd . ; $(CC) a.o b.o -o p' && ./cc.sh -c a.c -o g.o && sh ./cc.sh c.o d.o -o q
	echo a.c b.c | xargs -n1 $(CC) -DX -c && find . -name 'b.c' -exec $(CC) -c {} -o h.o \\;`,
		},
		{
			name: "ccache",
			needs: ["ccache"],
			files: sources,
			rule: `
	ccache $(CC) -c a.c && ccache gcc -c b.c && ccache gcc a.o b.o -o p
	PATH="/usr/lib/ccache:$$PATH" gcc -c a.c -o c.o && PATH="/usr/lib/ccache:$$PATH" gcc c.o b.o -o q`,
		},
		{
			name: "distcc",
			needs: ["distcc"],
			files: sources,
			rule: `
	export DISTCC_HOSTS=localhost DISTCC_DIR=$(CURDIR)/distcc; mkdir -p distcc && distcc $(CC) -c a.c && distcc gcc -c b.c
	export DISTCC_HOSTS=localhost DISTCC_DIR=$(CURDIR)/distcc PATH="/usr/lib/distcc:$$PATH"; gcc -c a.c -o c.o && gcc c.o b.o -o q
	rm -r distcc`,
		},
		{
			name: "icecc",
			needs: ["icecc"],
			files: sources,
			rule: `
	icecc $(CC) -c a.c && icecc gcc -c b.c && icecc gcc a.o b.o -o p
	PATH="/usr/lib/icecc/bin:$$PATH" gcc -c a.c -o c.o && PATH="/usr/lib/icecc/bin:$$PATH" gcc c.o b.o -o q`,
		},
		{
			name: "time",
			needs: ["bash", "/usr/bin/time"],
			files: sources,
			rule: `
	/usr/bin/time -o t1 $(CC) -c a.c && bash -c 'time $(CC) -c b.c' 2> t2 && nice -n 2 time -p -o t3 $(CC) a.o b.o -o p
	rm t1 t2 t3 && setsid -w $(CC) -DX -c a.c -o c.o && env -u X nice $(CC) -DX -c b.c -o d.o && ionice -c 3 $(CC) c.o d.o -o q`,
		},
		{
			name: "libtool",
			needs: ["libtool"],
			files: sources,
			rule: `
	libtool --silent --tag=CC --mode=compile $(CC) -c a.c
	libtool --silent --tag=CC --mode=compile $(CC) -c b.c
	libtool --silent --tag=CC --mode=link $(CC) -o libb.la b.lo -rpath /usr/lib
	libtool --silent --tag=CC --mode=link $(CC) -o p a.lo libb.la`,
		},
		{
			name: "arm",
			needs: ["arm-none-eabi-gcc"],
			files: {
				"a.c": '#include "h.h"\nint b(int);\nvoid start(void) { for (;;) b(H); }\n',
				"b.c": "#include <stdint.h>\nint32_t b(int32_t x) { return x * 3; }\n",
				"h.h": "#define H 1\n",
				"v.s": ".section .vectors\n.word 0x20001000\n.word start + 1\n",
				"s.ld":
					"ENTRY(start)\nMEMORY { F (rx) : ORIGIN = 0, LENGTH = 64K }\nSECTIONS { .text : { *(.vectors) *(.text*) } > F }\n",
			},
			rule: `
	arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb -ffreestanding -g -MMD -c a.c && arm-none-eabi-as -mcpu=cortex-m3 v.s -o v.o
	arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb -ffreestanding -Os -c b.c && arm-none-eabi-ar rcs libb.a b.o
	arm-none-eabi-gcc -mcpu=cortex-m3 -mthumb -nostdlib -Ts.ld -Wl,-Map=fw.map v.o a.o -L. -lb -lgcc -o fw.elf
	arm-none-eabi-ld -T s.ld v.o a.o libb.a -o fw2.elf && arm-none-eabi-strip fw2.elf && arm-none-eabi-ranlib libb.a
	arm-none-eabi-objcopy -O binary fw.elf fw.bin && arm-none-eabi-objcopy -O ihex fw.elf fw.hex
	arm-none-eabi-size fw.elf > size && arm-none-eabi-nm fw.elf > nm && arm-none-eabi-objdump -d fw.elf > lst
	arm-none-eabi-readelf -h fw.elf > elf && arm-none-eabi-strings fw.bin > txt && arm-none-eabi-objcopy -I binary -O elf32-littlearm -B arm fw.bin bin.o`,
		},
		{
			name: "mingw",
			needs: ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-windres"],
			files: { ...sources, "r.rc": '1 RCDATA "h.h"\n', "x.def": "EXPORTS\n b\n" },
			rule: `
	x86_64-w64-mingw32-gcc -c a.c && x86_64-w64-mingw32-gcc -g -c b.c
	x86_64-w64-mingw32-ar rcs libb.a b.o && x86_64-w64-mingw32-ranlib libb.a
	x86_64-w64-mingw32-windres r.rc r.o && x86_64-w64-mingw32-dlltool -d x.def -l imp.a -D b.dll
	x86_64-w64-mingw32-gcc -Wl,--no-insert-timestamp -o p.exe a.o libb.a r.o && x86_64-w64-mingw32-strip p.exe
	x86_64-w64-mingw32-gcc -Wl,--no-insert-timestamp -o q a.o b.o && x86_64-w64-mingw32-objdump -h a.o > h.txt
	x86_64-w64-mingw32-windres -I. --preprocessor-arg=-DX r.rc -O res r.res && x86_64-w64-mingw32-windres r.res s.o
	x86_64-w64-mingw32-gcc -shared -Wl,--no-insert-timestamp,--out-implib,implib.a b.o -o b.dll && x86_64-w64-mingw32-nm b.dll > nm
	x86_64-w64-mingw32-objcopy --only-keep-debug b.o b.debug && x86_64-w64-mingw32-gcc-ar rc lc.a a.o`,
			// dlltool names its members by the process's number; strip puts the time into a program for Windows.
			ignore: ["imp.a", "p.exe"],
		},
	]);
});
