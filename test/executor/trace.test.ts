import { strict as assert } from "node:assert";
import { parseTrace, type Trace } from "../../src/executor/trace.js";

const parse = (...records: readonly string[]): Trace =>
	parseTrace(Buffer.from(records.map((record) => `${record}\0`).join("")), (path) => path);

describe("a trace", () => {
	it("is complete when every program that was started reported", () => {
		const gcc = ["Vggtrace1", "H/usr/bin/gcc", "X/usr/lib/cc1"];
		assert.equal(parse(...gcc).complete, false);
		assert.equal(parse(...gcc, "Vggtrace1", "H/usr/lib/cc1").complete, true);
	});

	it("of another version, or without one, is not believed", () => {
		assert.equal(parse("Vggtrace1", "H/usr/bin/as").complete, true);
		assert.equal(parse("H/usr/bin/as").complete, false);
		assert.equal(parse("Vggtrace9", "H/usr/bin/as").complete, false);
		assert.equal(parse("Vggtrace1", "H/usr/bin/gcc", "Vggtrace9", "H/usr/bin/as").complete, false);
	});

	it("counts as read only what the command did not write itself", () => {
		const seen = parse("Vggtrace1", "H/b/gcc", "R/t/a.c", "C/tmp/x.s", "R/tmp/x.s", "C/t/a.o");
		assert.deepEqual([...seen.reads], ["/t/a.c"]);
		assert.deepEqual([...seen.writes], ["/tmp/x.s", "/t/a.o"]);
	});

	it("names what was looked for and absent, but not what was made afterwards", () => {
		const seen = parse("Vggtrace1", "H/b/gcc", "r/t/inc/a.h", "s/t/a.o", "C/t/a.o", "R/t/a.h");
		assert.deepEqual([...seen.absent], ["/t/inc/a.h"]);
	});

	it("tells apart what is read, written, and both", () => {
		const seen = parse("Vggtrace1", "H/b/ar", "R/t/lib.a", "W/t/lib.a", "P/t/mode", "W/t/log", "U/t/log");
		assert.deepEqual([...seen.rewritten], ["/t/lib.a", "/t/mode"]);
		assert.deepEqual([...seen.writes], ["/t/lib.a", "/t/mode"]);
	});
});
