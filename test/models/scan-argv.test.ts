import assert from "node:assert/strict";
import { scanArgv } from "../../src/models/scan-argv.js";
import { commandOf, fullProbe } from "./command-probe.js";

const scans = (line: string, flavor?: "gcc" | "clang") =>
	scanArgv(commandOf(line), {
		probe: fullProbe(),
		depfileTo: (index) => `/tmp/${index}.d`,
		...(flavor === undefined ? {} : { flavor }),
	});
const GCC = "-E -fpch-preprocess -fdirectives-only -Wno-unused-macros -w -o /dev/null";
const CLANG = "-E -w -Qunused-arguments -o /dev/null";

describe("scan command", () => {
	for (const [line, expected] of [
		["gcc -c a.c", `gcc a.c ${GCC}`],
		["gcc -O2 -g -Wall -c a.c -o a.o", `gcc -O2 -g -Wall a.c ${GCC}`],
		["gcc -c -MD a.c -o a.o", `gcc a.c ${GCC} -MD -MF /tmp/0.d -MQ a.o`],
		["gcc -c -MMD a.c", `gcc a.c ${GCC} -MMD -MF /tmp/0.d`],
		["gcc -c -MMD -MP -MT x -MF y.d a.c -o z.o", `gcc a.c ${GCC} -MMD -MF /tmp/0.d -MP -MT x`],
		["gcc -c -Wp,-MMD,y.d,-DX a.c -o z.o", `gcc a.c -Xpreprocessor -DX ${GCC} -MMD -MF /tmp/0.d`],
		["gcc -c a.S", `gcc a.S -E -w -o /dev/null`],
		["gcc -traditional-cpp -c a.c", `gcc -traditional-cpp a.c -E -fpch-preprocess -w -o /dev/null`],
		["gcc -ansi -c a.c", `gcc -ansi a.c -E -fpch-preprocess -w -o /dev/null`],
		["gcc -std=c11 -c a.c", `gcc -std=c11 a.c -E -fpch-preprocess -w -o /dev/null`],
		["gcc -std=gnu11 -c a.c", `gcc -std=gnu11 a.c ${GCC}`],
		["gcc -x c++ a.c -x none b.o -lm -L. -Wl,-z,now -o prog", `gcc -x c++ a.c -x none -L. ${GCC}`],
		["gcc -E -dM -v a.c", `gcc a.c ${GCC}`],
		["clang -c -MMD a.c -o a.o", `clang a.c ${CLANG} -MMD -MF /tmp/0.d -MQ a.o`],
		["clang -c -MMD dir/a.c", `clang dir/a.c ${CLANG} -MMD -MF /tmp/0.d -MQ a.o`],
	] as const)
		it(line, () =>
			assert.deepEqual(
				scans(line).map((scan) => scan.argv.join(" ")),
				[expected],
			),
		);

	it("is one for each source that is preprocessed", () => {
		const found = scans("gcc -c -MD a.c b.s c.cc");
		assert.deepEqual(
			found.map(({ source, depfile }) => [source.path, depfile]),
			[
				["a.c", "a.d"],
				["c.cc", "c.d"],
			],
		);
		assert.equal(found[1]!.argv.join(" "), `gcc c.cc ${GCC} -MD -MF /tmp/1.d`);
	});
	it("says where the user wants his depfile", () => {
		assert.equal(scans("gcc -c a.c")[0]!.depfile, undefined);
		assert.equal(scans("gcc -MM a.c")[0]!.depfile, "-");
		assert.equal(scans("gcc -c -MMD -o s/x.o a.c")[0]!.depfile, "s/x.d");
	});
	it("is clang's where clang stands behind cc", () => {
		assert.equal(scans("cc -c a.c", "clang")[0]!.argv.join(" "), `cc a.c ${CLANG}`);
		assert.equal(scans("cc -c a.c")[0]!.argv.join(" "), `cc a.c ${GCC}`);
	});
});
