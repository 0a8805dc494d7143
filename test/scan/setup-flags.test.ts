import assert from "node:assert/strict";
import { gccFacts } from "../../src/models/gcc-facts.js";
import { scanFlags } from "../../src/scan/setup-flags.js";
import { commandOf, fullProbe } from "../models/command-probe.js";

function flagsOf(line: string, env: Readonly<Record<string, string>> = {}) {
	const command = commandOf(line, env);
	const facts = gccFacts(command, fullProbe());
	return scanFlags(facts.tokens, facts.sources[0]!.language, command.env);
}

function understood(line: string) {
	const flags = flagsOf(line);
	if ("reason" in flags) assert.fail(`${flags.reason}: ${flags.detail}`);
	return flags;
}

describe("the flags of a scan", () => {
	it("are asked of the compiler where they can change its macros or folders, and only there", () => {
		const line =
			"gcc -std=c11 -O2 -g3 -fPIC -pthread -m32 -march=x86-64 -Wall -Werror=vla -pipe -I inc -DX -UY -MMD -MF x.d -MT x" +
			" -fdiagnostics-color=auto -frandom-seed=x -ffile-prefix-map=a=b -nostdinc --sysroot=/r -Wl,-z,now -Wa,--noexecstack -lm -L. -c a.c -o a.o";
		const asked = "-std=c11 -O2 -g3 -fPIC -pthread -m32 -march=x86-64 -nostdinc --sysroot=/r";
		assert.equal(understood(line).asked.join(" "), asked);
	});

	it("define and undefine in the order of the command, those for the preprocessor alone last", () => {
		const { defines } = understood("gcc -DA -Wp,-DW,-MD,x.d -U B -D C=1=2 -DF(x)=x -DE= -Xpreprocessor -UV -c a.c");
		assert.equal(defines, "#define A 1\n#undef B\n#define C 1=2\n#define F(x) x\n#define E \n#define W 1\n#undef V\n");
	});

	it("name folders by kind, each in order", () => {
		const flags = understood("gcc -I a -isystem s -iquote q -idirafter d -Ib -isystem t -c a.c");
		assert.deepEqual([flags.quote, flags.bracket, flags.system, flags.after], [["q"], ["a", "b"], ["s", "t"], ["d"]]);
	});

	it("force files, those of -imacros first", () => {
		const { forced } = understood("gcc -include a.h -imacros m.h -include b.h -c a.c");
		assert.deepEqual(
			forced.map((f) => `${f.kind} ${f.name}`),
			["imacros m.h", "include a.h", "include b.h"],
		);
	});

	it("tell whether __FILE__ is another name", () => {
		assert.equal(understood("gcc -Wall -c a.c").mapsFileNames, false);
		assert.equal(understood("gcc -fmacro-prefix-map=a=b -c a.c").mapsFileNames, true);
		assert.equal(understood("gcc -ffile-prefix-map=/x=. -c a.c").mapsFileNames, true);
	});

	it("tell the language", () => {
		const languages = ["gcc -c a.c", "g++ -c a.c", "gcc -c a.S", "gcc -x c++ -c a.c"].map(
			(l) => understood(l).language,
		);
		assert.deepEqual(languages, ["c", "c++", "assembler", "c++"]);
		assert.deepEqual(flagsOf("gcc -c a.m"), { reason: "language", detail: "objective-c" });
	});

	for (const flag of [
		"-I-",
		"-I =x",
		"-I$SYSROOT/x",
		"-remap",
		"-traditional-cpp",
		"-fpch-preprocess",
		"-fpreprocessed",
		"-fdirectives-only",
		"-finput-charset=latin1",
		"-fno-operator-names",
		"-fno-canonical-system-headers",
		"-fms-extensions",
		"-specs=x",
		"-iprefix x",
		"-iwithprefix x",
		"-imultilib x",
		"-A machine(x)",
		"-D =1",
		"-D A=x\\",
		"-D A=x\\\t",
		"-U A\\",
		"-D A=??/",
		"-D A=/*",
		'-D A=R"(',
		"-D A=\r",
		"--gcc-toolchain=/x",
		"-fexec-charset=x",
		"-fwide-exec-charset=x",
		"-B rel",
		"-B /abs",
		"--sysroot=rel",
		"-isysroot rel",
		"-Wp,-Iinc",
		"-Wp,-include,x",
		"-Xclang -x",
		"-new-flag-of-2030",
	])
		it(`of which one is ${flag} are the compiler's business`, () => {
			const flags = flagsOf(`gcc ${flag} -c a.c`);
			assert.equal("reason" in flags ? flags.reason : "understood", "flag");
		});

	it("are the compiler's business where a variable names folders between them", () => {
		const reasons = [{ CPATH: "/x" }, { C_INCLUDE_PATH: "/x:" }, { CPLUS_INCLUDE_PATH: "rel" }].map((env) => {
			const flags = flagsOf("gcc -c a.c", env);
			return "reason" in flags ? flags.detail : "understood";
		});
		assert.deepEqual(reasons, ["CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"]);
		assert.ok(!("reason" in flagsOf("gcc -c a.c", { C_INCLUDE_PATH: "/x:/y" })));
	});
});
