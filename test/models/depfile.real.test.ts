import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { planCommand } from "../../src/models/index.js";
import { scanArgv } from "../../src/models/scan-argv.js";
import type { Command, FileProbe } from "../../src/models/types.js";

const SOURCES: Readonly<Record<string, string>> = {
	"a.c":
		'#include <stdio.h>\n#include "a.h"\n#include "inc.h"\n#if USE\n#include "use.h"\n#endif\nint main(void) { return N; }\n',
	"b.cc": '#include <vector>\n#include <map>\n#include "a.h"\nstd::vector<int> v;\n',
	"c.S": '#include "use.h"\n# a comment, isn\'t it\n.text\n',
	"d.m": '#include "a.h"\nint x;\n',
	"e.s": ".text\n",
	"f.i": "int f;\n",
	"odd name$.c": '#include "a.h"\nint x;\n',
	"dir/deep.part.c": '#include "../a.h"\n#include "near.h"\nint y;\n',
	"dir/near.h": "",
	"dir/inc.h": "",
	"a.h": "#pragma once\n#define N 0\nextern int unused;\n",
	"inc/inc.h": "",
	"use.h": '#define DIRECT "inc.h"\n#include DIRECT\n',
	"forced.h": "#define FORCED 1\n",
	"args.rsp": '-MMD -MF "r s p.d" -Iinc\n',
};

const SCRUBBED = { PATH: process.env.PATH ?? "", LC_ALL: "C" };

const probe: FileProbe = {
	exists: (file) => fs.existsSync(file),
	isDirectory: (file) => fs.existsSync(file) && fs.statSync(file).isDirectory(),
	readText: (file) => (fs.existsSync(file) && fs.statSync(file).isFile() ? fs.readFileSync(file, "utf8") : undefined),
	readHead: (file, length) => (fs.existsSync(file) ? fs.readFileSync(file).subarray(0, length) : undefined),
};

function has(tool: string): boolean {
	return spawnSync(tool, ["--version"], { env: SCRUBBED }).status === 0;
}

const NAMES = ["-c -MD", "-c -MMD", "-c -MD -o x.o", "-c -MMD -o sub/x.y.obj", "-S -MD", "-S -MMD -o x.asm", "-E -MD"];
const TARGETS = [
	"-MT x",
	"-MT x -MT y",
	"-MQ $(X)",
	"-MT a$b -MQ c$d -MT e",
	"-MP",
	"-MP -MT x -MF dir/z.dep",
	"-MFjoined.d",
];
const OTHERS = [
	"-c -Wp,-MD,w.d",
	"-c -Wp,-MMD,w.d -o k.o",
	"-c -Wp,-MMD,sub/.w.o.d,-MT,k -o k.o",
	"-c -Wp,-MD,w.d -MT outer -o k.o",
	"-c -MD -Wp,-MD,w.d -o k.o",
	"-c -MD -Wp,-MT,inner -o k.o",
	"-c -Xpreprocessor -DUSE=1 -MD",
	"-c -Wp,-MMD,w.d -Wp,-DUSE=1",
	"-MM -MF m.d",
	"-M -o m.d",
	"-MM -o m.d -MT x",
	"-MM -MG -MF m.d",
	"-MM -MP -MF m.d -c",
	"-E -MD -o x.i",
	"-E -MMD -o sub/x",
	"-E -MMD -o x.i -MQ y",
	"-E -dM -MMD -o x.i",
	"-MD -o prog -shared -fPIC",
	"-MD -MF p.d -o prog -shared -fPIC",
	"-c -MMD -DUSE=1 -O2 -g -Wall -Werror -Wunused-macros",
	"-c -MMD -include forced.h -imacros use.h",
	"-c -MMD -isystem inc",
	"-c -MD -isystem inc -idirafter dir -iquote dir",
	"-c -v -H -MMD -o x.o",
	"-c --write-dependencies --output=x.o",
	"-c -MD -pipe -fstack-usage --coverage -o sub/x.o",
	"-c -MMD -nostdinc -ffreestanding -UUSE",
	"-E -MD -C -o x.i",
	"-E -MD -P -o x.i",
	"-c @args.rsp",
	"-c -MD -Wl,-z,now -lm -L. -o x.o",
];

const C_COMBINATIONS = [
	...NAMES,
	...TARGETS.flatMap((target) => [`-c -MMD ${target}`, `-c -MD ${target} -o sub/x.o`]),
	...OTHERS.filter((flags) => !flags.endsWith(" -o") && !flags.includes("-nostdinc")),
].map((flags) => `${flags} -Iinc a.c`);

const OTHER_SOURCES = [
	"-c -MMD b.cc",
	"-c -MD -std=c++17 -O2 -o x.o b.cc",
	"-c -MD -Iinc c.S",
	"-c -MMD -Iinc -o x.o c.S",
	"-c -MD -x assembler-with-cpp -o x.o e.s",
	"-c -MD e.s",
	"-c -MD f.i",
	"-c -MD a.c b.cc -Iinc",
	"-c -MMD dir/deep.part.c",
	"-c -MMD dir/deep.part.c -o dir/deep.part.o",
	"-c -MD -nostdinc -ffreestanding dir/deep.part.c",
	"-MM dir/deep.part.c -MF m.d",
	"-c -MMD -x c++ dir/deep.part.c",
	"-c -MMD|odd name$.c",
	"-c -MMD -o|odd out$.o|odd name$.c",
];

describe("depfiles of a scan are those of the real command", function () {
	this.timeout(60_000);
	let root = "";
	beforeEach(() => {
		root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "depfile-")));
	});
	afterEach(() => fs.rmSync(root, { recursive: true, force: true }));

	for (const tool of ["gcc", "g++", "clang"]) {
		describe(tool, () => {
			before(function () {
				if (!has(tool)) this.skip();
			});
			// clang passes these to its inner compiler as they are, and so the model leaves them to the real command.
			const left = tool === "clang" ? ["-Wp,-MT", ",-MT,k"] : [];
			const lines = [...C_COMBINATIONS, ...OTHER_SOURCES].filter((line) => !left.some((part) => line.includes(part)));
			for (const line of lines) it(line, () => compare(tool, line));
		});
	}

	function makeTree(name: string): string {
		const dir = path.join(root, name);
		for (const [file, text] of Object.entries(SOURCES)) {
			fs.mkdirSync(path.join(dir, path.dirname(file)), { recursive: true });
			fs.writeFileSync(path.join(dir, file), text);
		}
		fs.mkdirSync(path.join(dir, "sub"));
		return dir;
	}

	function run(argv: readonly string[], cwd: string): void {
		const { status, stderr } = spawnSync(argv[0]!, argv.slice(1), { cwd, env: SCRUBBED, encoding: "utf8" });
		assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
	}

	/** Both run in a directory of the same name, one after the other, so that nothing in the depfile can differ. */
	function compare(tool: string, line: string): void {
		const [flags, ...files] = line.split("|");
		const argv = [tool, ...flags!.split(" "), ...files];
		const work = makeTree("work");
		const command: Command = { tool, argv, cwd: work, env: new Map() };
		const plan = planCommand(command, probe);
		assert.equal(plan.kind, "thunk", JSON.stringify(plan));
		const scans = scanArgv(command, { probe, depfileTo: (index) => path.join(root, `scan-${index}`) });
		const before = listFiles(work);
		for (const scan of scans) run(scan.argv, work);
		assert.deepEqual(listFiles(work), before, "a scan writes nothing but its depfile");

		run(argv, work);
		const named = plan.kind === "thunk" ? plan.outputs : [];
		assert.deepEqual(
			listFiles(work).filter((file) => !before.includes(file)),
			named.map((output) => output.path).sort(),
			"the plan names every file that the command writes",
		);
		const expected = named.filter((output) => output.role === "depfile").map((output) => output.path);
		assert.deepEqual(
			scans.map((scan) => scan.depfile).filter((file) => file !== undefined),
			expected,
		);
		for (const [index, file] of expected.entries()) {
			const real = fs.readFileSync(path.join(work, file), "utf8");
			assert.equal(fs.readFileSync(path.join(root, `scan-${index}`), "utf8"), real);
		}
	}
});

function listFiles(dir: string): string[] {
	return fs
		.readdirSync(dir, { recursive: true, encoding: "utf8" })
		.filter((file) => fs.statSync(path.join(dir, file)).isFile())
		.sort();
}
