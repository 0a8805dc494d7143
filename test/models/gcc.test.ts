import assert from "node:assert/strict";
import { planCommand } from "../../src/models/index.js";
import type { FileProbe, LocalPlan, ThunkPlan } from "../../src/models/types.js";
import { commandOf, fileProbe, fullProbe } from "./command-probe.js";

function thunk(line: string, options: { probe?: FileProbe; env?: Record<string, string> } = {}): ThunkPlan {
	const plan = planCommand(commandOf(line, options.env), options.probe ?? fullProbe());
	assert.equal(plan.kind, "thunk", `${line}: ${JSON.stringify(plan)}`);
	return plan as ThunkPlan;
}

function local(line: string, options: { probe?: FileProbe; env?: Record<string, string> } = {}): LocalPlan {
	const plan = planCommand(commandOf(line, options.env), options.probe ?? fullProbe());
	assert.equal(plan.kind, "local", `${line}: ${JSON.stringify(plan)}`);
	return plan as LocalPlan;
}

/** `role:path` of each output, executables with `*`. */
const outputs = (plan: ThunkPlan) =>
	plan.outputs.map(({ role, path, executable }) => `${role}:${path}${executable ? "*" : ""}`).join(" ");
const sources = (plan: ThunkPlan) => plan.sources.map(({ path, language }) => `${path}:${language}`).join(" ");

describe("gcc model: commands of real builds", () => {
	const compile = { stage: "assemble", discovery: "include" } as const;
	const link = { stage: "link", discovery: "link" } as const;
	const table: readonly (readonly [
		project: string,
		line: string,
		expected: { stage: string; discovery: string; sources?: string; inputs?: string; outputs: string },
	])[] = [
		[
			"zlib",
			"gcc -O3 -D_LARGEFILE64_SOURCE=1 -DHAVE_HIDDEN -c -o adler32.o adler32.c",
			{ ...compile, sources: "adler32.c:c", outputs: "main:adler32.o" },
		],
		[
			"zlib, shared objects",
			"gcc -O3 -fPIC -D_LARGEFILE64_SOURCE=1 -DHAVE_HIDDEN -DPIC -c -o objs/adler32.o ./adler32.c",
			{ ...compile, sources: "./adler32.c:c", outputs: "main:objs/adler32.o" },
		],
		[
			"zlib, shared library",
			"gcc -shared -Wl,-soname,libz.so.1,--version-script,zlib.map -O3 -fPIC -o libz.so.1.2.13 adler32.lo crc32.lo -lc",
			{ ...link, inputs: "adler32.lo crc32.lo zlib.map", outputs: "main:libz.so.1.2.13*" },
		],
		[
			"zlib, example",
			"gcc -O3 -o example test/example.o -L. libz.a",
			{ ...link, inputs: "test/example.o libz.a", outputs: "main:example*" },
		],
		[
			"lua",
			"gcc -std=gnu99 -O2 -Wall -Wextra -DLUA_COMPAT_5_3 -DLUA_USE_LINUX -c -o lapi.o lapi.c",
			{ ...compile, sources: "lapi.c:c", outputs: "main:lapi.o" },
		],
		[
			"lua, link",
			"gcc -std=gnu99 -o lua lua.o liblua.a -lm -Wl,-E -ldl -lreadline",
			{ ...link, inputs: "lua.o liblua.a", outputs: "main:lua*" },
		],
		[
			"mosh (automake)",
			"g++ -DHAVE_CONFIG_H -I. -I../.. -I./../util -D_REENTRANT -Wdate-time -Wno-pragmas -Wall -fno-strict-overflow " +
				"-g -O2 -fPIE -fstack-protector-all -MT encrypt.o -MD -MP -MF .deps/encrypt.Tpo -c -o encrypt.o encrypt.cc",
			{ ...compile, sources: "encrypt.cc:c++", outputs: "main:encrypt.o depfile:.deps/encrypt.Tpo" },
		],
		[
			"mosh (automake), link",
			"g++ -Wall -g -O2 -pie -Wl,-z,relro -Wl,-z,now -o mosh-client mosh-client.o stmclient.o ../crypto/libmoshcrypto.a " +
				"-lm -ltinfo -lprotobuf -pthread -lssl -lcrypto -lz",
			{
				...link,
				inputs: "mosh-client.o stmclient.o ../crypto/libmoshcrypto.a",
				outputs: "main:mosh-client*",
			},
		],
		[
			"FFmpeg",
			"gcc -I. -I./ -D_ISOC99_SOURCE -D_FILE_OFFSET_BITS=64 -DPIC -DHAVE_AV_CONFIG_H -DBUILDING_avutil -std=c11 " +
				"-fomit-frame-pointer -fPIC -pthread -g -Wdeclaration-after-statement -O3 -fno-math-errno -MMD " +
				"-MF libavutil/adler32.d -MT libavutil/adler32.o -c -o libavutil/adler32.o libavutil/adler32.c",
			{
				...compile,
				sources: "libavutil/adler32.c:c",
				outputs: "main:libavutil/adler32.o depfile:libavutil/adler32.d",
			},
		],
		[
			"FFmpeg, link",
			"gcc -Llibavcodec -Llibavutil -Wl,--as-needed -Wl,-z,noexecstack -Wl,--warn-common " +
				"-Wl,-rpath-link=:libavcodec:libavutil -Qunused-arguments -o ffmpeg_g fftools/ffmpeg.o -lavcodec -lavutil -lm",
			{ ...link, inputs: "fftools/ffmpeg.o", outputs: "main:ffmpeg_g*" },
		],
		[
			"CMake",
			"/usr/bin/c++ -DJSON_DLL -I/src/include -O3 -DNDEBUG -fPIC -Wall -std=c++11 -MD -MT " +
				"lib/CMakeFiles/jsoncpp.dir/json_reader.cpp.o -MF CMakeFiles/jsoncpp.dir/json_reader.cpp.o.d -o " +
				"CMakeFiles/jsoncpp.dir/json_reader.cpp.o -c /src/json_reader.cpp",
			{
				...compile,
				sources: "/src/json_reader.cpp:c++",
				outputs: "main:CMakeFiles/jsoncpp.dir/json_reader.cpp.o depfile:CMakeFiles/jsoncpp.dir/json_reader.cpp.o.d",
			},
		],
		[
			"CMake, shared library",
			"/usr/bin/c++ -fPIC -O3 -DNDEBUG -shared -Wl,-soname,libjsoncpp.so.25 -o ../../lib/libjsoncpp.so.1.9.5 " +
				"CMakeFiles/jsoncpp.dir/json_reader.cpp.o",
			{
				...link,
				inputs: "CMakeFiles/jsoncpp.dir/json_reader.cpp.o",
				outputs: "main:../../lib/libjsoncpp.so.1.9.5*",
			},
		],
		[
			"kbuild",
			"gcc -Wp,-MMD,init/.main.o.d -nostdinc -I./include -include ./include/linux/kconfig.h -D__KERNEL__ -Wall -std=gnu11 " +
				"-m64 -mcmodel=kernel -c -o init/main.o init/main.c",
			{ ...compile, sources: "init/main.c:c", outputs: "main:init/main.o depfile:init/.main.o.d" },
		],
		[
			"firmware",
			"arm-none-eabi-gcc-12 -mcpu=cortex-m4 -mthumb -T stm32.ld --specs=nano.specs -Wl,-Map=fw.map,--cref -nostartfiles " +
				"main.o startup.o -o fw.elf",
			{ ...link, inputs: "main.o startup.o stm32.ld nano.specs", outputs: "main:fw.elf* side:fw.map" },
		],
	];
	for (const [project, line, expected] of table)
		it(project, () => {
			const plan = thunk(line);
			assert.deepEqual(
				{ stage: plan.stage, discovery: plan.discovery.kind, outputs: outputs(plan) },
				{ stage: expected.stage, discovery: expected.discovery, outputs: expected.outputs },
			);
			assert.equal(sources(plan), expected.sources ?? "");
			assert.equal(plan.inputs.join(" "), expected.inputs ?? "");
			assert.deepEqual(plan.unknownFlags, []);
		});
	it("prints a cross-reference on stdout: its output is awaited", () => {
		assert.equal(thunk("gcc -Wl,--cref a.o").deferrable, false);
		assert.equal(thunk("gcc a.o").deferrable, true);
	});
});

describe("gcc model: names of outputs", () => {
	for (const [line, expected] of [
		["gcc -c dir/foo.c", "main:foo.o"],
		["gcc -c dir/foo.tar.c", "main:foo.tar.o"],
		["gcc -S dir/foo.c", "main:foo.s"],
		["gcc foo.c", "main:a.out*"],
		["gcc foo.o", "main:a.out*"],
		["gcc -r foo.o bar.o -o all.o", "main:all.o"],
		["gcc -nostdlib -Wl,-r foo.o -o all.o", "main:all.o"],
		["gcc -c a.c b/c.cc", "main:a.o main:c.o"],
		["gcc -E a.c -o a.i", "main:a.i"],
		["gcc -E a.c", ""],
		["gcc -E -S -c a.c -o x", "main:x"],
		["gcc -ca.o -c a.c", "main:a.o"],
		["gcc -oprog a.o", "main:prog*"],
		["gcc a.o --output=prog", "main:prog*"],
		["gcc a.o --output prog", "main:prog*"],
		["clang -c -emit-llvm a.c", "main:a.bc"],
		["clang -S -emit-llvm a.c", "main:a.ll"],
		["gcc -c --coverage -o sub/a.x.o a.c", "main:sub/a.x.o side:sub/a.x.gcno"],
		["gcc -c -g -gsplit-dwarf -fstack-usage a.c", "main:a.o side:a.dwo side:a.su"],
		["gcc -c -g -gsplit-dwarf -gno-split-dwarf a.c", "main:a.o"],
		["gcc -S -g -gsplit-dwarf a.c", "main:a.s"],
		["clang -c a.c -MJ a.json", "main:a.o side:a.json"],
		["gcc -Wl,-Map,x.map -Wl,--out-implib=x.lib a.o", "main:a.out* side:x.map side:x.lib"],
		["gcc -Xlinker -Map -Xlinker x.map a.o", "main:a.out* side:x.map"],
	] as const)
		it(line, () => assert.equal(outputs(thunk(line)), expected));

	it("give every output a tag of its own", () => {
		const plan = thunk("gcc -c -MD --coverage a.c b.c");
		assert.deepEqual(
			plan.outputs.map((output) => output.tag),
			["output", "output-2", "depfile", "depfile-2", "gcno", "gcno-2"],
		);
	});
});

describe("gcc model: depfiles", () => {
	for (const [line, expected] of [
		["gcc -c -MD a.c", "main:a.o depfile:a.d"],
		["gcc -c -MMD -o sub/b.obj a.c", "main:sub/b.obj depfile:sub/b.d"],
		["gcc -c -MD -o d.ir/b a.c", "main:d.ir/b depfile:d.ir/b.d"],
		["gcc -c -MD -o o.d.x a.c", "main:o.d.x depfile:o.d.d"],
		["gcc -c -MMD -MFx.d a.c", "main:a.o depfile:x.d"],
		["gcc -S -MD a.c", "main:a.s depfile:a.d"],
		["gcc -E -MD a.c -o a.i", "main:a.i depfile:a.d"],
		["gcc -MD -o prog a.c", "main:prog* depfile:prog.d"],
		["gcc -MM a.c -o a.dep", "depfile:a.dep"],
		["gcc -M a.c -MF a.dep", "depfile:a.dep"],
		["gcc -MM -c a.c", ""],
		["gcc -c -MD a.c b.c", "main:a.o main:b.o depfile:a.d depfile:b.d"],
		["gcc -c -Wp,-MD,.x.d a.c -o k.o", "main:k.o depfile:.x.d"],
		["gcc -c -Wp,-MMD,.x.d,-MT,k a.c -o k.o", "main:k.o depfile:.x.d"],
		["gcc -c -MD -Wp,-MD,.x.d a.c -o k.o", "main:k.o depfile:.x.d"],
		["gcc -c -MD a.s", "main:a.o"],
		["gcc -c -MD a.i", "main:a.o"],
		["gcc -c -MD a.S", "main:a.o depfile:a.d"],
		["gcc --write-user-dependencies -c a.c", "main:a.o depfile:a.d"],
	] as const)
		it(line, () => assert.equal(outputs(thunk(line)), expected));

	it("on stdout are awaited", () => {
		assert.equal(thunk("gcc -MM a.c").deferrable, false);
		assert.equal(thunk("gcc -MM a.c -MF -").deferrable, false);
		assert.equal(thunk("gcc -E a.c").deferrable, false);
		assert.equal(thunk("gcc -E a.c -o a.i").deferrable, true);
	});
});

describe("gcc model: languages", () => {
	for (const [line, expected] of [
		["gcc -c a.c", "a.c:c"],
		["g++ -c a.c", "a.c:c++"],
		["g++ -c a.i", "a.i:c++-cpp-output"],
		["clang++-15 -c a.c", "a.c:c++"],
		["gcc -c a.cc b.cpp c.C d.cxx e.c++", "a.cc:c++ b.cpp:c++ c.C:c++ d.cxx:c++ e.c++:c++"],
		[
			"gcc -c a.i b.ii c.s d.S e.sx",
			"a.i:cpp-output b.ii:c++-cpp-output c.s:assembler d.S:assembler-with-cpp e.sx:assembler-with-cpp",
		],
		["gcc -c a.m b.mm", "a.m:objective-c b.mm:objective-c++"],
		["gcc -c -x c++ a.c", "a.c:c++"],
		["gcc -c -xassembler-with-cpp a.foo", "a.foo:assembler-with-cpp"],
		["gcc -x c a.inc -x none b.o c.cc", "a.inc:c c.cc:c++"],
		["gcc -c --language=c a.txt", "a.txt:c"],
		["gcc a.c x.so.1 y.o z.lo", "a.c:c"],
	] as const)
		it(line, () => assert.equal(sources(thunk(line)), expected));

	it("decide what has to be found", () => {
		assert.equal(thunk("gcc -c a.s").discovery.kind, "none");
		assert.equal(thunk("gcc -c a.i").discovery.kind, "none");
		assert.equal(thunk("gcc a.s").discovery.kind, "link");
		assert.equal(thunk("gcc a.c b.o").discovery.kind, "include+link");
	});
	it("without a model run here", () => {
		assert.deepEqual(local("gcc -c a.f90"), {
			kind: "local",
			reason: "no-model",
			detail: "the language of a.f90",
			inputs: ["a.f90"],
		});
		assert.equal(local("clang -c a.cu").reason, "no-model");
	});
});

describe("gcc model: commands that run here", () => {
	for (const [line, reason, detail] of [
		["gcc --version", "query", "--version"],
		["gcc -v", "query", "no input files"],
		["gcc -print-file-name=libc.a", "query", "-print-file-name=libc.a"],
		["gcc -dumpmachine", "query", "-dumpmachine"],
		["gcc -### a.c", "query", "-###"],
		["gcc --help=target", "query", "--help=target"],
		["gcc a.c -o", "query", "-o"],
		["gcc -c a.o", "query", "no source files"],
		["gcc -c -x c /dev/null -o t.o", "query", "/dev/null is no source"],
		["gcc -fsyntax-only a.c", "query", "-fsyntax-only"],
		["gcc -x c -", "stdin", "-"],
		["gcc -c -x c /dev/stdin -o t.o", "stdin", "/dev/stdin"],
		["gcc -S a.c -o -", "stdout", "-o -"],
		["gcc -c -MD -MF - a.c", "stdout", "-MF -"],
		["gcc -c a.c -o /dev/null", "unsupported-output", "/dev/null is a device"],
		["gcc -c a.c b.c -o x.o", "unsupported-output", "-o with several sources"],
		["gcc -c a.c sub/a.c", "unsupported-output", "two outputs of one name"],
		["gcc -c a.c -o a.c", "unsupported-output", "a.c is also an input"],
		["gcc -c missing.c", "no-input-file", "missing.c"],
		["gcc -save-temps -c a.c", "unsupported-flag", "-save-temps"],
		["gcc -fprofile-generate -c a.c", "unsupported-flag", "-fprofile-generate"],
		["gcc -fplugin=x.so -c a.c", "unsupported-flag", "-fplugin=x.so"],
		["gcc -wrapper valgrind -c a.c", "unsupported-flag", "-wrapper valgrind"],
		["g++ -std=c++20 -fmodules-ts -c a.cc", "unsupported-flag", "-fmodules-ts"],
		["clang++ -fmodule-file=m.pcm -c a.cc", "unsupported-flag", "-fmodule-file=m.pcm"],
		["gcc -fdump-tree-all -c a.c", "unsupported-flag", "-fdump-tree-all"],
		["gcc -Wa,-al=a.lst -c a.c", "unsupported-flag", "-Wa,-al=a.lst"],
		["gcc --coverage a.c", "unsupported-flag", ".gcno files beside a link"],
		["gcc a.c -Wl,-Map=x.map", "unsupported-flag", "x.map names temporary files"],
		["gcc -c a.h", "unsupported-flag", "a precompiled header is written"],
		["gcc -MD -MMD -c a.c", "unsupported-flag", "two of -M, -MM, -MD, -MMD"],
		["gcc -M -MF a.d -o a.o a.c", "unsupported-flag", "-M with both -MF and -o"],
		["gcc -MD -MF x.d -c a.c b.c", "unsupported-flag", "one depfile for several sources"],
		["gcc -MD a.c", "unsupported-flag", "a depfile beside a.out"],
		["clang -c -Xclang -include-pch -Xclang a.pch a.c", "unsupported-flag", "-Xclang -include-pch"],
		["clang -c -Wp,-MD,a.d,-MT,k a.c", "unsupported-flag", "-Wp,-MD,a.d,-MT,k"],
		["clang -c -include-pch a.pch a.c", "unsupported-flag", "-include-pch a.pch"],
	] as const)
		it(line, () => {
			const plan = local(line, { probe: fullProbe(["/src/missing.c"]) });
			assert.deepEqual([plan.reason, plan.detail], [reason, detail]);
		});

	it("because a variable makes the compiler write", () => {
		const plan = local("gcc -c a.c", { env: { DEPENDENCIES_OUTPUT: "deps x" } });
		assert.deepEqual([plan.reason, plan.detail], ["environment", "DEPENDENCIES_OUTPUT"]);
	});
	it("because a precompiled header lies beside an -include file", () => {
		const probe = fileProbe({ "/src/a.c": "", "/src/pch.h": "", "/src/pch.h.gch": "" });
		const plan = local("gcc -include pch.h -c a.c", { probe });
		assert.equal(plan.detail, "a precompiled header is read: pch.h.gch");
	});
	it("name all that they may read", () => {
		const plan = local("gcc -save-temps -include i.h -T s.ld -Wl,--version-script=v.map a.c b.o @r.rsp");
		assert.deepEqual(plan.inputs, ["a.c", "b.o", "r.rsp", "s.ld", "i.h", "v.map"]);
	});
	it("because a profile is a directory", () => {
		const probe = fileProbe({ "/src/a.c": "", "/src/prof": undefined });
		assert.equal(local("gcc -fprofile-use=prof -c a.c", { probe }).detail, "-fprofile-use=prof");
	});
	it("because there is no directory for an output", () => {
		const probe = fileProbe({ "/src/a.c": "" });
		assert.equal(local("gcc -c a.c -o out/a.o", { probe }).detail, "/src/out does not exist");
	});
	it("because a compiler for Windows adds .exe", () => {
		assert.equal(local("x86_64-w64-mingw32-gcc -o prog a.o").reason, "no-model");
		assert.equal(thunk("x86_64-w64-mingw32-gcc -c a.c").stage, "assemble");
	});
	it("because an output is a directory", () => {
		const probe = fileProbe({ "/src/a.c": "", "/src/out": undefined });
		assert.equal(local("gcc -c a.c -o out", { probe }).detail, "out is a directory");
	});
});

describe("gcc model: what else it tells", () => {
	it("unknown flags are recorded and never fatal", () => {
		const plan = thunk("gcc --frobnicate -zzz -c a.c -qfoo");
		assert.deepEqual(plan.unknownFlags, ["--frobnicate", "-qfoo"]);
	});
	it("an operand after an unknown flag is an input if it exists, and no error if not", () => {
		const probe = fileProbe({ "/src/a.c": "", "/src/list": "" });
		assert.deepEqual(thunk("gcc -qlist list -c a.c", { probe }).inputs, ["list"]);
		assert.deepEqual(thunk("gcc -qlist nothing -c a.c", { probe }).inputs, []);
	});
	it("a new -f flag whose value is a file reads that file", () => {
		const probe = fileProbe({ "/src/a.c": "", "/src/t.list": "" });
		const plan = thunk("gcc -fbrand-new=t.list -c a.c", { probe });
		assert.deepEqual([plan.inputs, plan.unknownFlags], [["t.list"], ["-fbrand-new=t.list"]]);
	});
	it("response files are inputs, and so is what they name", () => {
		const probe = fileProbe({ "/src/objs.rsp": 'a.o "b c.o"', "/src/a.o": "", "/src/b c.o": "" });
		const plan = thunk("gcc -o prog @objs.rsp", { probe });
		assert.deepEqual(plan.inputs, ["a.o", "b c.o", "objs.rsp"]);
	});
	it("response files of the linker are, too", () => {
		const probe = fileProbe({
			"/src/l.rsp": "--version-script v.map x.a",
			"/src/v.map": "",
			"/src/x.a": "",
			"/src/a.o": "",
		});
		assert.deepEqual(thunk("gcc a.o -Wl,@l.rsp", { probe }).inputs, ["a.o", "v.map", "x.a", "l.rsp"]);
	});
	it("-march=native is marked", () => {
		assert.equal(thunk("gcc -march=native -c a.c").native, true);
		assert.equal(thunk("gcc -mtune=native -c a.c").native, true);
		assert.equal(thunk("gcc -march=x86-64-v3 -c a.c").native, false);
	});
	it("PWD counts only where it differs from the directory", () => {
		assert.equal(thunk("gcc -c a.c", { env: { PWD: "/src" } }).envNames.includes("PWD"), false);
		assert.equal(thunk("gcc -c a.c", { env: { PWD: "/link" } }).envNames.includes("PWD"), true);
	});
	it("names of variables are sorted", () => {
		const { envNames } = thunk("gcc -c a.c", { env: { PWD: "/link" } });
		assert.deepEqual(envNames, [...envNames].sort());
	});
	it("assembler sources bring what they include", () => {
		const probe = fileProbe({
			"/src/a.s": '.include "m.inc"\n .incbin "blob.bin", 0, 4\n',
			"/src/inc/m.inc": '.include "n.inc"\n',
			"/src/n.inc": "",
			"/src/blob.bin": "",
		});
		assert.deepEqual(thunk("gcc -Iinc -c a.s", { probe }).inputs, ["inc/m.inc", "blob.bin", "n.inc"]);
	});
	it("assembler sources that include by a macro's argument run here", () => {
		const probe = fileProbe({ "/src/a.s": ".incbin \\name\n" });
		assert.deepEqual(local("gcc -c a.s", { probe }).detail, "a.s: .incbin");
	});
	it("names that are not compilers have no model", () => {
		for (const tool of ["ccache", "clang-tidy", "clang-cl", "mygcc", "gccgo"])
			assert.equal(local(`${tool} a.c`).reason, "no-model");
	});
});
