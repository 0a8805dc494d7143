import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { projects } from "../rig/project.js";

const require = createRequire(import.meta.url);
/** Programs of other versions of Node.js, with colons between them. */
const NODES = (process.env["GG_TEST_NODES"] ?? "").split(":").filter((name) => name !== "");

describe("another version of Node.js", () => {
	const project = projects();
	if (NODES.length === 0)
		it("builds, infers, forces and executes (none is named by GG_TEST_NODES)", function () {
			this.skip();
		});
	for (const node of NODES) {
		const version = execFileSync(node, ["--version"], { encoding: "utf8" }).trim();
		it(`${version} sends and takes blobs compressed by zstd`, () => {
			const tests = [require.resolve("mocha/bin/mocha.js"), "--timeout", "100000", "--grep", "compressed"];
			const file = fileURLToPath(new URL("../worker/worker.test.js", import.meta.url));
			assert.match(execFileSync(node, [...tests, file], { encoding: "utf8" }), /^ +2 passing/m);
		});

		it(`${version} builds, infers, forces and executes, and says nothing else`, async () => {
			const p = project({
				Makefile: "all: p\np: a.o b.o ; $(CC) -o $@ $^\n%.o: %.c ; $(CC) -MMD -c $<\nclean: ; rm -f p *.o *.d\n",
				"a.c": '#include "h.h"\nint main(void) { return b(); }\n',
				"b.c": '#include <stdio.h>\n#include "h.h"\nint b(void) { puts("b"); return 0; }\n',
				"h.h": "int b(void);\n",
			});
			assert.equal((await p.run(["make", "-s"])).status, 0);
			const expected = p.aside();
			const env = { PATH: `${path.dirname(node)}:/usr/local/bin:/usr/bin:/bin`, GG_SCAN_THREADS: "2" };
			const said = async (...args: string[]): Promise<string> => {
				const { status, stdout, stderr } = await p.gg(args, { env });
				assert.equal(status, 0, stderr);
				return stdout + stderr;
			};
			assert.match((await p.run(["node", "-p", "process.execPath"], { env })).stdout, new RegExp(`^${node}$`, "m"));
			assert.match(await said("build", "make", "-s"), /^gg: 0 from the store, 3 compiled[^\n]*\n$/);
			p.assertSameTree(expected);
			await p.sh("make -s clean");
			assert.match(await said("build", "make", "-s"), /^gg: 3 from the store, 0 compiled[^\n]*\n$/);
			p.assertSameTree(expected);
			p.fresh();
			assert.match(await said("infer", "make", "-s"), /^gg: 3 deferred, 0 run here[^\n]*\n$/);
			assert.match(await said("force", "p"), /^$/);
			assert.equal(await said("force"), "Nothing to force. Bye.\n");
			p.assertSameTree(expected);
		});
	}
});
