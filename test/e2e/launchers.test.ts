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
			name: "mingw",
			needs: ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-windres"],
			files: { ...sources, "r.rc": '1 RCDATA "h.h"\n', "x.def": "EXPORTS\n b\n" },
			rule: `
	x86_64-w64-mingw32-gcc -c a.c && x86_64-w64-mingw32-gcc -g -c b.c
	x86_64-w64-mingw32-ar rcs libb.a b.o && x86_64-w64-mingw32-ranlib libb.a
	x86_64-w64-mingw32-windres r.rc r.o && x86_64-w64-mingw32-dlltool -d x.def -l imp.a -D b.dll
	x86_64-w64-mingw32-gcc -Wl,--no-insert-timestamp -o p.exe a.o libb.a r.o && x86_64-w64-mingw32-strip p.exe
	x86_64-w64-mingw32-gcc -Wl,--no-insert-timestamp -o q a.o b.o && x86_64-w64-mingw32-objdump -h a.o > h.txt`,
			// dlltool names its members by the process's number; strip puts the time into a program for Windows.
			ignore: ["imp.a", "p.exe"],
		},
	]);
});
