import assert from "node:assert/strict";
import { isObserved } from "../../src/models/recipe.js";

const AUTOMAKE_OLD =
	"depbase=`echo x.o | sed 's|[^/]*$|.deps/&|;s|\\.o$||'`;\\\n" +
	"g++ -DHAVE_CONFIG_H -I. -MT x.o -MD -MP -MF $depbase.Tpo -c -o x.o x.cc &&\\\n" +
	"mv -f $depbase.Tpo $depbase.Po";

/** Text of `sh -c`, the tool, and what is expected: undefined if nobody but the build tool sees the status. */
const TEXTS: readonly (readonly [text: string, tool: string, reason?: string])[] = [
	// automake
	[AUTOMAKE_OLD, "g++"],
	[
		"g++ -DHAVE_CONFIG_H -I. -g -O2 -MT x.o -MD -MP -MF .deps/x.Tpo -c -o x.o x.cc && mv -f .deps/x.Tpo .deps/x.Po",
		"g++",
	],
	["gcc -MT a-x.o -c -o a-x.o `test -f 'x.c' || echo './'`x.c && mv -f .deps/a-x.Tpo .deps/a-x.Po", "gcc"],
	["rm -f libx.a && ar cru libx.a a.o b.o && ranlib libx.a", "ar"],
	["rm -f libx.a && ar cru libx.a a.o b.o && ranlib libx.a", "ranlib"],
	// CMake
	["cd /b/src/lib && /usr/bin/cc -O3 -DNDEBUG -MD -MT a.o -MF a.o.d -o a.o -c /s/a.c", "cc"],
	["cd /b && /usr/bin/cmake -E cmake_link_script x.txt --verbose=1 && /usr/bin/c++ -o x a.o", "c++"],
	["/usr/bin/ar qc libjson.a a.o b.o && /usr/bin/ranlib libjson.a", "ar"],
	[": && /usr/bin/c++ -O3 a.o -o prog -lm && :", "c++"],
	// FFmpeg
	['printf "CC\\t%s\\n" libavutil/adler32.o; gcc -I. -MMD -c -o libavutil/adler32.o libavutil/adler32.c', "gcc"],
	["cp -p ffmpeg_g ffmpeg && strip ffmpeg", "strip"],
	// lua
	["gcc -std=gnu99 -O2 -Wall -c -o lua.o lua.c", "gcc"],
	["cd src && make all SYSCFLAGS=-DLUA_USE_LINUX && gcc -c x.c", "gcc"],
	// kbuild, as it was before its traps
	["set -e; echo '  CC      init/main.o'; gcc -Wp,-MMD,init/.main.o.d -c -o init/main.o init/main.c; rm -f x", "gcc"],
	// set -e in other forms
	["set -ex\ngcc -c a.c\ngcc -c b.c\n", "gcc"],
	["set -o errexit; gcc -c a.c; true", "gcc"],
	["(set -e; gcc -c a.c; echo done)", "gcc"],
	["set -e; (cd d; gcc -c a.c; echo done); echo all", "gcc"],
	// the status is handed on in words
	["gcc -c a.c || exit 1; touch stamp", "gcc"],
	["gcc -c a.c || exit $?; touch stamp", "gcc"],
	["for f in a b; do gcc -c $f.c || exit 1; done", "gcc"],
	["for f in a b; do (cd $f && gcc -c x.c) || exit 1; done; touch stamp", "gcc"],
	["gcc -c a.c && mv a.o b.o || exit 1; touch stamp", "gcc"],
	["test -d x || mkdir x; gcc -c a.c", "gcc"],
	["test -f a.o || gcc -c a.c", "gcc"],
	["if test -f a.c; then gcc -c a.c; else gcc -c b.c; fi", "gcc"],
	["if [ -f a.c ]; then gcc -c a.c; fi", "gcc"],
	["{ gcc -c a.c; }", "gcc"],
	["(gcc -c a.c)", "gcc"],
	["CPATH=x LANG=C gcc -c a.c", "gcc"],
	["env LANG=C gcc -c a.c", "gcc"],
	["exec gcc -c a.c", "gcc"],
	["ccache gcc -c a.c", "gcc"],
	["gcc -c a.c # || true", "gcc"],
	["gcc -DX='\"a;b|c\"' -c a.c", "gcc"],
	['gcc -DX=\\"a\\;b\\" -c a.c', "gcc"],
	["echo gcc -c a.c; gcc -c a.c", "gcc"],
	["/opt/x/bin/arm-none-eabi-gcc -c a.c", "arm-none-eabi-gcc"],
	["gcc -c a.c 2>&1", "gcc"],
	["gcc -c a.c\n", "gcc"],

	// observed
	["gcc -c a.c || true", "gcc", "alternative"],
	["gcc -c a.c || exit 0", "gcc", "alternative"],
	["gcc -c a.c || (rm -f a.o; exit 1)", "gcc", "alternative"],
	["gcc -c a.c && touch ok || touch bad", "gcc", "alternative"],
	["if gcc -c a.c; then echo yes; fi", "gcc", "condition"],
	["if gcc -c a.c >/dev/null 2>&1; then echo y; else echo n; fi", "gcc", "condition"],
	["while gcc -c a.c; do sleep 1; done", "gcc", "condition"],
	["until gcc -c a.c; do sleep 1; done", "gcc", "condition"],
	["! gcc -c a.c", "gcc", "negated"],
	["gcc -c a.c; touch ok", "gcc", "followed"],
	["gcc -c a.c; echo $?", "gcc", "followed"],
	["gcc -c a.c\ntouch ok", "gcc", "followed"],
	["set -e; gcc -c a.c && mv a.o b.o; touch ok", "gcc", "followed"],
	["set -e; (gcc -c a.c; echo x) && echo y", "gcc", "followed"],
	["gcc -E a.c | sed s/x/y/", "gcc", "pipe"],
	["echo | gcc -E -", "gcc", "pipe"],
	["gcc -c a.c & gcc -c b.c & wait", "gcc", "background"],
	["for f in a b; do gcc -c $f.c; done", "gcc", "loop"],
	["x=`gcc -dumpmachine`; echo $x", "gcc", "substitution"],
	['echo "$(gcc -dumpmachine)" && echo', "gcc", "substitution"],
	["gcc -c $(gcc -print-file-name=x) a.c", "gcc", "substitution"],
	["trap 'rm -f a.o' 0; gcc -c a.c", "gcc", "unclear"],
	["case $x in a) gcc -c a.c;; esac", "gcc", "unclear"],
	["f() { gcc -c a.c; }; f", "gcc", "unclear"],
	["cat <<EOF && gcc -c a.c\nx\nEOF", "gcc", "unclear"],
	["eval gcc -c a.c", "gcc", "unclear"],
	["set +e; gcc -c a.c; true", "gcc", "unclear"],
	["gcc -c 'a.c", "gcc", "unclear"],
	["if ccache gcc -c t.c; then gcc -c a.c; fi", "gcc", "condition"],
	["./build-it || true; gcc -c a.c", "gcc", "alternative"],
	["$CC -c a.c", "gcc", "not-found"],
	["if $CC -c t.c; then gcc -c a.c; fi", "gcc", "condition"],
	["cc -c a.c", "gcc", "not-found"],
	["echo gcc", "gcc", "not-found"],
];

describe("observed commands", () => {
	for (const [text, tool, reason] of TEXTS)
		it(`${reason ?? "not observed"}: ${text.replaceAll("\n", "\\n")}`, () => {
			const seen = isObserved({ exe: "/usr/bin/dash", argv: ["/bin/sh", "-c", text] }, tool);
			assert.deepEqual(
				seen,
				reason === undefined ? { observed: false, reason: "status-passed-on" } : { observed: true, reason },
			);
		});

	const parent = (exe: string, ...argv: string[]) => isObserved({ exe, argv }, "gcc");
	it("a build tool's own children are not", () => {
		for (const exe of ["/usr/bin/make", "/usr/bin/gmake", "/usr/bin/ninja", "/usr/bin/samu"])
			assert.deepEqual(parent(exe, exe, "-j2"), { observed: false, reason: "build-tool" });
	});
	it("children of anything else are", () => {
		for (const exe of ["/usr/bin/python3", "/usr/bin/perl", "/usr/bin/xargs", "/usr/bin/gcc", ""])
			assert.deepEqual(parent(exe, exe, "x"), { observed: true, reason: "unknown-parent" });
	});
	it("what CMake's link script runs counts as that does which runs the script", () => {
		const script = ["cmake", "-E", "cmake_link_script", "link.txt", "--verbose="];
		const run = (starter: string[] | undefined, argv = script) =>
			isObserved({ exe: "/usr/bin/cmake", argv }, "ar", () =>
				starter === undefined ? undefined : { exe: starter[0]!, argv: starter },
			);
		assert.deepEqual(run(["/usr/bin/make"]), { observed: false, reason: "build-tool" });
		const shell = (text: string) => run(["/bin/dash", "-c", text]);
		assert.deepEqual(shell("cd x && /usr/bin/cmake -E cmake_link_script link.txt --verbose="), {
			observed: false,
			reason: "status-passed-on",
		});
		assert.deepEqual(shell("cmake -E cmake_link_script link.txt || true"), { observed: true, reason: "alternative" });
		assert.deepEqual(run(["/usr/bin/python3"]), { observed: true, reason: "unknown-parent" });
		assert.deepEqual(run(undefined), { observed: true, reason: "unknown-parent" });
		const other = run(["/usr/bin/make"], ["cmake", "-E", "env", "ar", "cr", "x.a"]);
		assert.deepEqual(other, { observed: true, reason: "unknown-parent" });
	});
	it("a script's commands are: libtool, configure", () => {
		const libtool = parent("/usr/bin/bash", "/bin/bash", "../libtool", "--mode=compile", "gcc", "-c", "a.c");
		assert.deepEqual(libtool, { observed: true, reason: "script" });
		assert.deepEqual(parent("/usr/bin/dash", "/bin/sh", "-e", "./configure"), { observed: true, reason: "script" });
		assert.deepEqual(parent("/usr/bin/dash", "sh"), { observed: true, reason: "script" });
		assert.deepEqual(parent("/usr/bin/bash", "bash", "-i", "-c", "gcc a.c"), { observed: true, reason: "script" });
	});
	it("the shell's own flags count", () => {
		const text = "gcc -c a.c; touch ok";
		for (const flags of [["-ec"], ["-e", "-c"], ["-c", "-e"], ["-o", "errexit", "-c"], ["-euo", "pipefail", "-c"]])
			assert.equal(parent("/usr/bin/bash", "bash", ...flags, text).observed, false, flags.join(" "));
		for (const flags of [["-c"], ["-xc"], ["-o", "pipefail", "-c"], ["-e", "+e", "-c"], ["--norc", "-c"]])
			assert.deepEqual(parent("/usr/bin/bash", "bash", ...flags, text), { observed: true, reason: "followed" });
	});
});
