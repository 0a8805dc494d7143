import { strict as assert } from "node:assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { compareIncludes, ScanTally } from "../../src/interpose/scan-tally.js";
import type { Event } from "../../src/report/events.js";
import { testFolder } from "../rig/folder.js";

describe("the comparison with the compiler's own scan", () => {
	const folder = testFolder();
	const includes = (reads: readonly string[], absent: readonly string[] = [], depfile?: string) => ({
		files: new Set(reads),
		reads: new Set(reads),
		absent: new Set(absent),
		depfile: depfile === undefined ? undefined : Buffer.from(depfile),
	});
	const none = new Set<string>();

	it("finds nothing where both are the same, or what more the compiler did is the toolchain's", () => {
		const ours = includes(["/a.c", "/a.h"], ["/x/a.h"], "a.o: a.c\n");
		assert.deepEqual(compareIncludes(ours, ours, none), []);
		const theirs = includes(["/a.c", "/a.h", "/cc1"], ["/x/a.h", "/lib/as", "/p/specs"], "a.o: a.c\n");
		assert.deepEqual(compareIncludes(ours, theirs, new Set(["/cc1"])), []);
	});

	it("names a file that only one of them reads, and the directive", () => {
		const [source, header] = [join(folder.path, "a.c"), join(folder.path, "a.h")];
		writeFileSync(source, 'int x;\n#  include "a.h"\n');
		writeFileSync(header, "");
		const where = `(${source}:2: #  include "a.h")`;
		const [with_, without] = [includes([source, header]), includes([source])];
		assert.deepEqual(compareIncludes(without, with_, none), [`the compiler reads ${header}, gg does not ${where}`]);
		assert.deepEqual(compareIncludes(with_, without, none), [`gg reads ${header}, the compiler does not ${where}`]);
	});

	it("names a header that gg did not look for, unless its folder is known to be absent", () => {
		const theirs = includes(["/a.c", "/i/a.h"], ["/x/y/a.h", "/i/a.h.gch"]);
		assert.deepEqual(compareIncludes(includes(["/a.c", "/i/a.h"], ["/x"]), theirs, none), [
			"the compiler looks for /i/a.h.gch in vain, gg does not",
		]);
		assert.deepEqual(compareIncludes(includes(["/a.c", "/i/a.h"], ["/x", "/i/a.h.gch"]), theirs, none), []);
	});

	it("shows the first line of the depfile that differs", () => {
		const [ours, theirs] = [
			includes(["/a.c"], [], "a.o: a.c \\\n b.h\n"),
			includes(["/a.c"], [], "a.o: a.c \\\n c.h\n"),
		];
		assert.deepEqual(compareIncludes(ours, theirs, none), ['line 2 of the depfile is " c.h", gg\'s " b.h"']);
		const longer = includes(["/a.c"], [], "a.o: a.c \\\n b.h\n\nb.h:\n");
		assert.equal(compareIncludes(ours, longer, none).length, 1);
		assert.equal(compareIncludes(longer, ours, none).length, 1);
	});
});

describe("the tally of scans", () => {
	it("tells how many were scanned, and of the others why, the most frequent reason first", () => {
		const events: Event[] = [];
		const tally = new ScanTally((event) => void events.push(event));
		tally.scanned();
		tally.kept();
		for (const [reason, example] of [
			["embed", "a"],
			["flag", "b"],
			["flag", "c"],
		] as const)
			tally.asked(reason, example);
		tally.close();
		const asked = [
			{ reason: "flag", count: 2, example: "b" },
			{ reason: "embed", count: 1, example: "a" },
		];
		assert.deepEqual(events, [{ kind: "scans", scanned: 1, kept: 1, asked }]);
	});

	it("says nothing where nothing was scanned", () => {
		const events: Event[] = [];
		new ScanTally((event) => void events.push(event)).close();
		assert.deepEqual(events, []);
	});

	it("tells each difference", () => {
		const events: Event[] = [];
		new ScanTally((event) => void events.push(event)).differs("a.c: something");
		assert.deepEqual(events, [{ kind: "warning", failure: { reason: "deps-differ", message: "a.c: something" } }]);
	});
});
