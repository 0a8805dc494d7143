import assert from "node:assert/strict";
import { planCommand } from "../../src/models/index.js";
import type { FileProbe, LocalPlan, ThunkPlan } from "../../src/models/types.js";
import { commandOf, fileProbe, fullProbe } from "./command-probe.js";

/** Objects are there, archives are not. */
const fresh: FileProbe = {
	...fullProbe(),
	exists: (file) => /\.(o|so|s)$|^\/src$/.test(file),
};

function thunk(line: string, probe: FileProbe = fullProbe()): ThunkPlan {
	const plan = planCommand(commandOf(line), probe);
	assert.equal(plan.kind, "thunk", `${line}: ${JSON.stringify(plan)}`);
	return plan as ThunkPlan;
}

function local(line: string, probe: FileProbe = fullProbe()): LocalPlan {
	const plan = planCommand(commandOf(line), probe);
	assert.equal(plan.kind, "local", `${line}: ${JSON.stringify(plan)}`);
	return plan as LocalPlan;
}

const outputs = (plan: ThunkPlan) =>
	plan.outputs.map(({ path, executable }) => path + (executable ? "*" : "")).join(" ");

describe("ar model", () => {
	for (const line of [
		"ar rc lib.a a.o b.o", // zlib
		"ar rcs lib.a a.o b.o",
		"ar -rcs lib.a a.o b.o",
		"ar -r -c -s lib.a a.o b.o",
		"ar rcD lib.a a.o b.o", // FFmpeg
		"ar cru lib.a a.o b.o", // automake
		"ar rcu lib.a a.o b.o", // lua
		"ar qc lib.a a.o b.o", // CMake
		"/usr/bin/llvm-ar-15 qc lib.a a.o b.o",
		"gcc-ar cr lib.a a.o b.o",
		"x86_64-linux-gnu-gcc-ar-12 cr lib.a a.o b.o",
		"ar --target=elf64-x86-64 rc lib.a a.o b.o",
		"ar ra x.o lib.a a.o b.o",
		"ar -r lib.a a.o -- b.o",
	])
		it(line, () => {
			const plan = thunk(line, fresh);
			assert.deepEqual(plan.inputs, ["a.o", "b.o"]);
			assert.deepEqual(plan.inout, []);
			assert.equal(outputs(plan), "lib.a");
			assert.deepEqual([plan.family, plan.stage, plan.unknownFlags], ["ar", "archive", []]);
		});

	it("rewrites an archive that is there", () => {
		const plan = thunk("ar rc lib.a a.o");
		assert.deepEqual([plan.inputs, plan.inout, outputs(plan)], [["a.o"], ["lib.a"], "lib.a"]);
	});
	it("takes members of d and m for names, not for files", () => {
		for (const line of ["ar d lib.a gone.o", "ar m lib.a gone.o", "ar dN 2 lib.a gone.o", "ar mb x.o lib.a gone.o"]) {
			const plan = thunk(line, fullProbe(["/src/gone.o"]));
			assert.deepEqual([plan.inputs, plan.inout], [[], ["lib.a"]], line);
		}
	});
	it("takes s alone for ranlib", () => {
		assert.deepEqual(thunk("ar s lib.a").inout, ["lib.a"]);
		assert.equal(local("ar s lib.a", fresh).reason, "no-input-file");
	});
	it("reads the plugin and the response file", () => {
		const files = { "/src/p.so": "", "/src/objs.rsp": "a.o 'b c.o'", "/src/a.o": "", "/src/b c.o": "" };
		const plan = thunk("ar --plugin p.so rc lib.a @objs.rsp", fileProbe(files));
		assert.deepEqual(plan.inputs, ["a.o", "b c.o", "p.so", "objs.rsp"]);
	});
	for (const [line, reason, detail] of [
		["ar t lib.a", "stdout", "t"],
		["ar p lib.a a.o", "stdout", "p"],
		["ar x lib.a", "unsupported-output", "x writes files that the archive names"],
		["ar -M", "stdin", "-M reads a script"],
		["ar --version", "query", "version"],
		["ar lib.a a.o", "query", "no operation or no archive"],
		["ar rcU lib.a a.o", "unsupported-flag", "U keeps modification times"],
		["ar rcT lib.a a.o", "unsupported-flag", "a thin archive"],
		["ar --thin -rc lib.a a.o", "unsupported-flag", "a thin archive"],
		["ar ru lib.a a.o", "unsupported-flag", "u compares modification times"],
		["ar rc lib.a gone.o", "no-input-file", "gone.o"],
	] as const)
		it(`leaves ${line} to the machine`, () => {
			const plan = local(line, fullProbe(["/src/gone.o"]));
			assert.deepEqual([plan.reason, plan.detail], [reason, detail]);
		});
	it("leaves a thin archive that is there to the machine", () => {
		const plan = local("ar r lib.a a.o", fileProbe({ "/src/lib.a": "!<thin>\n", "/src/a.o": "" }));
		assert.equal(plan.detail, "a thin archive");
	});
	it("names archive and members for a local run", () => {
		assert.deepEqual(local("ar t lib.a").inputs, ["lib.a"]);
		assert.deepEqual(local("ar rcT lib.a a.o b.o").inputs, ["lib.a", "a.o", "b.o"]);
	});
});

describe("ranlib model", () => {
	it("rewrites its archives", () => {
		const plan = thunk("ranlib -D a.a b.a");
		assert.deepEqual([plan.inout, outputs(plan), plan.inputs], [["a.a", "b.a"], "a.a b.a", []]);
		assert.deepEqual(
			plan.outputs.map((output) => output.tag),
			["output", "output-2"],
		);
		assert.equal(thunk("x86_64-linux-gnu-gcc-ranlib-12 a.a").family, "ranlib");
		assert.equal(thunk("llvm-ranlib a.a").family, "ranlib");
	});
	it("leaves the rest to the machine", () => {
		assert.equal(local("ranlib").reason, "query");
		assert.equal(local("ranlib --version").detail, "version");
		assert.equal(local("ranlib -U a.a").detail, "-U keeps modification times");
		assert.equal(local("ranlib -t a.a").detail, "-t keeps modification times");
		assert.equal(local("ranlib a.a", fresh).reason, "no-input-file");
	});
});

describe("strip model", () => {
	it("rewrites its files", () => {
		const plan = thunk("strip -s -R .comment --strip-unneeded lib.so.1 a.o -K keep --keep-symbol=x -w");
		assert.deepEqual([plan.inout, outputs(plan), plan.unknownFlags], [["lib.so.1", "a.o"], "lib.so.1* a.o", []]);
	});
	it("writes another file with -o", () => {
		const plan = thunk("strip -o prog.bin prog.elf");
		assert.deepEqual([plan.inputs, plan.inout, outputs(plan)], [["prog.elf"], [], "prog.bin*"]);
		assert.deepEqual(thunk("llvm-strip --strip-debug --output-file=x.o a.o").inputs, ["a.o"]);
		assert.deepEqual(thunk("strip -gox.o a.o").inputs, ["a.o"]);
		assert.deepEqual(thunk("strip -o ./a.o a.o").inout, ["a.o"]);
	});
	it("takes abbreviated long flags", () => {
		assert.deepEqual(thunk("strip --remove-sec .comment a.o").inout, ["a.o"]);
	});
	it("records unknown flags", () => {
		assert.deepEqual(thunk("strip --new-thing a.o").unknownFlags, ["--new-thing"]);
	});
	it("leaves the rest to the machine", () => {
		assert.equal(local("strip --info").reason, "query");
		assert.equal(local("strip -o x.o a.o b.o").detail, "-o with several files");
		assert.equal(local("strip -o /dev/null a.o").reason, "unsupported-output");
		assert.equal(local("strip -U a.a").detail, "-U keeps modification times");
		assert.equal(local("strip gone.o", fullProbe(["/src/gone.o"])).reason, "no-input-file");
	});
});

describe("objcopy model", () => {
	it("rewrites its file", () => {
		for (const line of [
			"objcopy -S lib.so.1",
			"objcopy --only-keep-debug -R .comment -K keep --weaken-symbol=x -w lib.so.1 ./lib.so.1",
			"aarch64-linux-gnu-objcopy -g --compress-debug-sections lib.so.1",
			"llvm-objcopy-14 --strip-unneeded lib.so.1",
		]) {
			const plan = thunk(line);
			assert.deepEqual(plan.inputs, [], line);
			assert.equal(outputs(plan).replace("./", ""), "lib.so.1*");
			assert.deepEqual([plan.inout.length, plan.family, plan.stage], [1, "objcopy", "edit"]);
		}
	});
	it("writes another file, which can be executed if it is no object", () => {
		assert.equal(outputs(thunk("objcopy --only-keep-debug prog prog.debug")), "prog.debug*");
		assert.equal(outputs(thunk("objcopy -O binary prog prog.bin")), "prog.bin");
		assert.equal(outputs(thunk("objcopy -I binary -O elf64-x86-64 -B i386 data.bin data.o")), "data.o");
		assert.deepEqual(thunk("objcopy -j .text a.o b.o").inputs, ["a.o"]);
	});
	it("reads what its options name", () => {
		const line =
			"objcopy --add-gnu-debuglink=p.debug --add-section .x=x.bin --update-section=.y=y.bin --redefine-syms=r --keep-symbols k p q";
		assert.deepEqual(thunk(line).inputs, ["p", "p.debug", "x.bin", "y.bin", "r", "k"]);
		assert.deepEqual(local(line, fullProbe(["/src/x.bin"])).detail, "x.bin");
	});
	it("leaves the rest to the machine", () => {
		for (const [line, reason] of [
			["objcopy --info", "query"],
			["objcopy a b c", "query"],
			["objcopy a.o -", "stdin"],
			["objcopy -p a.o", "unsupported-flag"],
			["objcopy -U a.a", "unsupported-flag"],
			["objcopy --new-thing a.o b.o", "unsupported-flag"],
			["objcopy --dump-section .text=t a.o", "unsupported-output"],
			["objcopy --split-dwo=a.dwo a.o", "unsupported-output"],
			["objcopy --target=efi-app-x86_64 a.so a.efi", "unsupported-flag"],
			["objcopy a.o /dev/null", "unsupported-output"],
		] as const)
			assert.equal(local(line).reason, reason, line);
		assert.equal(local("strip -p a.o").detail, "-p keeps modification times");
	});
});

describe("as model", () => {
	it("assembles into one object", () => {
		const plan = thunk("as --64 -I inc -march=generic64+avx --noexecstack -o a.o a.s b.s");
		assert.deepEqual([outputs(plan), plan.sources.length, plan.unknownFlags], ["a.o", 2, []]);
		assert.equal(outputs(thunk("arm-none-eabi-as a.s")), "a.out");
	});
	it("writes a listing and a depfile", () => {
		const plan = thunk("as -al=a.lst --MD a.d -o a.o a.s");
		assert.deepEqual(
			plan.outputs.map(({ tag, path, role }) => `${tag}:${path}:${role}`),
			["output:a.o:main", "listing:a.lst:side", "depfile:a.d:late-depfile"],
		);
		assert.equal(thunk("as -al a.s").deferrable, false);
	});
	it("finds what the source includes", () => {
		const files = { "/src/a.s": '\t.include "b.inc"\nx: .incbin "c.bin"', "/src/i/b.inc": "", "/src/c.bin": "" };
		assert.deepEqual(thunk("as -Ii a.s", fileProbe(files)).inputs, ["i/b.inc", "c.bin"]);
	});
	it("leaves the rest to the machine", () => {
		assert.equal(local("as").reason, "stdin");
		assert.equal(local("as -o a.o -").reason, "stdin");
		assert.equal(local("as --version").reason, "query");
		assert.equal(local("as gone.s", fullProbe(["/src/gone.s"])).reason, "no-input-file");
		assert.equal(local("llvm-as a.s").reason, "no-model");
	});
});

describe("nm and tools without a model", () => {
	it("nm prints", () => {
		const plan = local("gcc-nm-12 -B --defined-only a.o lib.a");
		assert.deepEqual(plan, { kind: "local", reason: "stdout", detail: "gcc-nm-12", inputs: ["a.o", "lib.a"] });
		assert.deepEqual(local("nm").inputs, ["a.out"]);
	});
	it("name whatever may be a file", () => {
		const plan = local("xld -r -T a.lds -Lsub --version-script=v.map -Wl,x,--dynamic-list=d.txt @r.rsp a.o");
		for (const file of ["a.lds", "v.map", "x", "d.txt", "r.rsp", "a.o"]) assert.ok(plan.inputs.includes(file), file);
		assert.equal(plan.reason, "no-model");
	});
});

describe("ld model", () => {
	it("knows what a link by itself reads and writes", () => {
		const plan = thunk("ld -r -T a.lds --whole-archive lib.a -Map=a.map -o all.o a.o");
		assert.deepEqual([plan.family, plan.discovery.kind, outputs(plan)], ["ld", "link", "all.o a.map"]);
		assert.deepEqual(plan.inputs, ["a.lds", "lib.a", "a.o"]);
		assert.equal(outputs(thunk("arm-none-eabi-ld a.o")), "a.out*");
	});
	it("leaves the rest to the machine", () => {
		assert.equal(local("ld -v").reason, "query");
		assert.equal(local("ld -plugin p.so a.o").detail, "-plugin");
		assert.equal(local("x86_64-w64-mingw32-ld a.o").reason, "no-model");
		assert.equal(local("ld -o a.o a.o").reason, "unsupported-output");
	});
});

describe("nasm model", () => {
	it("takes -MD's file and -I's folders", () => {
		const plan = thunk("nasm -f elf64 -I inc/ -P c.asm -MD a.d -o a.o a.asm");
		assert.deepEqual(
			plan.outputs.map(({ path, role, truncated }) => [path, role, truncated]),
			[
				["a.o", "main", true],
				["a.d", "late-depfile", true],
			],
		);
		assert.deepEqual(plan.discovery, {
			kind: "ask",
			args: ["-f", "elf64", "-I", "inc/", "-P", "c.asm", "-o", "a.o", "-M", "a.asm"],
			nasm: { dirs: ["inc/"], preincluded: ["c.asm"] },
		});
	});

	for (const line of ["nasm -f bin -o a a.asm", "nasm -o a a.asm", "nasm -fwin64 -gcv8 -o a a.asm"])
		it(`${line}: only a run shows all that is read and written`, () => {
			assert.deepEqual(thunk(line).discovery, { kind: "traced" });
		});

	for (const [line, reason] of [
		["nasm -MD -felf64 -o a.o a.asm", "unsupported-flag"],
		["nasm -MF a.d -felf64 -o a.o a.asm", "unsupported-flag"],
		["nasm -felf64 -DI=incbin -o a.o a.asm", "unsupported-flag"],
		["nasm -felf64 --before %include -o a.o a.asm", "unsupported-flag"],
		["nasm -felf64 -DX=%!V -o a.o a.asm", "environment"],
		["yasm -felf64 -D X=%!V -o a.o a.asm", "environment"],
	] as const)
		it(`${line}: runs as it is`, () => assert.equal(local(line).reason, reason));
});
