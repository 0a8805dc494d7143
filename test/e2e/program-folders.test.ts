import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { assertAllWays, assertAsPlain, type Project, projects } from "../rig/project.js";

const FILES = {
	Makefile: `
all: a.o d/b.o
a.o: a.c ; gcc $(FLAGS) -c a.c
d/b.o: d/b.c ; cd d && gcc $(FLAGS) -c b.c
`,
	"a.c": "int a;\n",
	"d/b.c": "int b;\n",
};
const USUAL = `/usr/local/bin:/usr/bin:/bin:${path.dirname(process.execPath)}`;
/** Leaves its mark in what it assembles. */
const ASSEMBLER = `
#include <stdlib.h>
#include <unistd.h>
int main(int n, char **v) {
	char **all = calloc(n + 3, sizeof *all);
	all[0] = "as"; all[1] = "--defsym"; all[2] = "marked=7";
	for (int i = 1; i < n; i++) all[i + 2] = v[i];
	execv("/usr/bin/as", all);
	return 9;
}
`;

describe("programs that a compiler finds where it is told to look", () => {
	const project = projects();

	/** A project with an assembler of its own in `../tools`. */
	function withAssembler(): { p: Project; tools: string } {
		const p = project(FILES);
		const tools = path.join(p.folder, "tools");
		fs.mkdirSync(tools);
		fs.writeFileSync(path.join(tools, "as.c"), ASSEMBLER);
		execFileSync("gcc", ["-o", path.join(tools, "as"), path.join(tools, "as.c")]);
		return { p, tools };
	}

	for (const [what, flags, env] of [
		["first on PATH", "", (tools: string) => ({ PATH: `${tools}:${USUAL}` })],
		["in a relative folder of PATH", "", () => ({ PATH: `../tools:${USUAL}` })],
		["in a relative folder of COMPILER_PATH", "", () => ({ COMPILER_PATH: "../tools" })],
		["by -B", "-B@", () => ({})],
		["by -B with a relative folder", "-B ../tools/", () => ({})],
	] as const) {
		it(`${what}: here, deferred, inferred and in a namespace`, async () => {
			const { p, tools } = withAssembler();
			const options = { env: env(tools) };
			const steps = [["make", `FLAGS=${flags.replace("@", tools)}`]];
			await assertAllWays(p, { steps, options });
			assert.ok(p.read("a.o").includes("marked"));
			// A relative name leads elsewhere from there.
			assert.equal(p.read("d/b.o").includes("marked"), !/relative/.test(what));
			p.fresh();
			await assertAsPlain(p, { steps, options, by: ["build", "--sandbox"] });
		});
	}

	it("in a relative folder of PATH, the compiler itself, whether it is caught by its path or by its name", async () => {
		const p = project({ ...FILES, "bin/gcc": '#!/bin/sh\nexec /usr/bin/gcc -DOWN=1 -Da=own "$@"\n' });
		for (const GG_SUPERVISOR of [undefined, "0"]) {
			p.fresh();
			const options = { env: { PATH: `bin:${USUAL}`, GG_SUPERVISOR } };
			const plain = await p.run(["make"], options);
			const aside = p.aside();
			const ours = await p.gg(["build", "make"], options);
			assert.deepEqual([ours.status, ours.stdout], [0, plain.stdout], ours.stderr);
			p.assertSameTree(aside);
			assert.ok(p.read("a.o").includes("own"));
		}
	});
});
