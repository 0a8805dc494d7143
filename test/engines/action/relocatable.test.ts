import { strict as assert } from "node:assert";
import { isRelocatable } from "../../../src/engines/action/relocatable.js";
import type { Thunk } from "../../../src/thunk/types.js";

const compile = (flags: string): Thunk =>
	({
		cwd: "/p",
		args: ["gcc", ...flags.split(" "), "-c", "-o", "a.o", "a.c"],
		envars: [],
		inout: [],
		executables: [{ name: "/usr/bin/x86_64-linux-gnu-gcc-12", hash: "" }],
	}) as unknown as Thunk;

describe("a compile that may run without a namespace", () => {
	it("has flags that say how code is made", () => {
		for (const flags of [
			"-O2 -g -fPIC -fno-plt",
			"-fstack-protector-all --param ssp-buffer-size=1",
			"-march=haswell -mno-avx -falign-loops=16",
		])
			assert.equal(isRelocatable(compile(flags)), true, flags);
	});

	it("has none that read or write more, or whose output differs from run to run", () => {
		for (const flag of [
			..."-flto -flto=2 --coverage -fprofile-arcs -fprofile-use=x -ftest-coverage -fsanitize=address -fsanitize=undefined".split(
				" ",
			),
			..."-fauto-profile -fdump-tree-all -fplugin=x.so -save-temps -fsave-optimization-record -fstack-usage".split(" "),
			..."-frandom-seed=1 -fcallgraph-info -fmodules-ts -ftime-report -march=native -mtune=native -fopenmp".split(" "),
			..."-fcompare-debug -fdebug-prefix-map=a=b -gsplit-dwarf -Wl,-x -Wa,-a -B. -specs=x @x -E -S".split(" "),
		])
			assert.equal(isRelocatable(compile(flag)), false, flag);
	});
});

describe("an assembly by nasm that may run without a namespace", () => {
	const assemble = (words: string): boolean =>
		isRelocatable({
			cwd: "/p",
			args: ["nasm", ...words.split(" "), "-o", "a.o"],
			envars: [],
			inout: [],
			executables: [{ name: "/usr/bin/nasm", hash: "" }],
		} as unknown as Thunk);

	it("makes an object of ELF, with debugging information and a list of dependencies", () => {
		for (const words of [
			"-f elf64 -DPIC -g -F dwarf -I./ -Pconfig.asm -MD a.d a.asm",
			"-felf32 -Fstabs -i inc/ -d X=1 -Ox -w+orphan-labels -X gnu a.s",
		])
			assert.equal(assemble(words), true, words);
	});

	it("does nothing that was not compared", () => {
		for (const words of ["a.asm", "-f bin a.asm", "-f elf64 -l a.lst a.asm", "-f win64 a.asm", "-f elf64 -M a.asm"])
			assert.equal(assemble(words), false, words);
	});
});
