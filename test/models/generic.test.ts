import assert from "node:assert/strict";
import { parseConfig } from "../../src/cli/config.js";
import { fillIn, fit, parseDescription } from "../../src/models/generic-description.js";

function described(text: string) {
	const description = parseDescription(text);
	assert.ok(description.ok, description.ok ? "" : description.error);
	return description.value;
}

describe("descriptions of tools", () => {
	const usage = (text: string, line: string) => {
		const used = fit(described(text), line.split(" "));
		return typeof used === "string" ? used : `${used.infiles.join(" ")} > ${used.outfiles.join(" ")}`;
	};
	const text = "tool -o,--output=@outfile -I=@infile -w=@ -v @infile @outfile @";
	for (const [line, expected] of [
		["-o a b c d", "b > a c"],
		["-oa -v b c d", "b > a c"],
		["--output=a -I i b c d", "i b > a c"],
		["--output a -w x b c d -v", "b > a c"],
		["-- -b c d", "-b > c"],
		["-x b c d", "it has no option -x"],
		["b c d e", "it has no place for e"],
		["b", "2 operands are missing"],
		["b c d -o", "-o has no value"],
	] as const)
		it(`tool ${line}`, () => assert.equal(usage(text, line), expected));
	it("take words, other options and operands that repeat", () => {
		assert.equal(usage("python3 gen.py -* @outfile @infile...", "gen.py -x o a b c"), "a b c > o");
		assert.match(usage("python3 gen.py @outfile", "other.py o"), /^other.py stands where it has gen.py$/);
	});
	for (const [bad, why] of [
		["", /name of a tool/],
		["./tool @infile", /name of a tool/],
		["tool -o=@file", /an option's value is/],
		["tool @in", /an operand is/],
		["tool -o=@outfile,-o=@", /an option's value is/],
		["tool -a,-a", /twice/],
		["tool @infile... @outfile", /nothing follows/],
		["tool @infile word", /right after the tool/],
	] as const)
		it(`${JSON.stringify(bad)} is refused`, () => {
			const parsed = parseDescription(bad);
			assert.match(parsed.ok ? "it is taken" : parsed.error, why);
		});
	it("name further outputs by options and inputs", () => {
		const used = fit(described("protoc --cpp_out=@ @infile..."), "--cpp_out=gen a/b.proto c.proto".split(" "));
		assert.ok(typeof used !== "string");
		assert.deepEqual(fillIn("{--cpp_out}/{dir}/{stem}.pb.h", used), ["gen/a/b.pb.h", "gen/c.pb.h"]);
		assert.equal(fillIn("{-x}/{stem}", used), "{-x}/{stem} needs -x");
	});
});

describe("gg.json", () => {
	for (const [value, why] of [
		[[], "it must be an object"],
		[{ tool: [] }, "tool is not known: there are tools, engines and $schema"],
		[{ tools: "x @infile" }, "tools must be a list"],
		[{ tools: [1] }, "tools[0] must be a description, or an object with one as its command"],
		[{ tools: ["x @infile", "x @y"] }, "tools[1]: @y: an operand is @infile, @outfile or @"],
		[{ tools: [{}] }, 'tools[0].command must be a description, such as "tool -o=@outfile @infile"'],
		[{ tools: [{ command: "x @infile", reads: "all" }] }, 'tools[0].reads must be "traced" or "declared"'],
		[{ tools: [{ command: "x @infile", env: "A" }] }, "tools[0].env must be a list of texts"],
		[
			{ tools: [{ command: "x @infile", reads: "declared" }] },
			"tools[0]: reads is declared, and nothing says what it writes",
		],
		[
			{ tools: [{ command: "x @infile", outputs: ["{-o}.h"] }] },
			"tools[0].outputs: {-o}.h needs -o, which is no option of the command and no part of an infile",
		],
	] as const)
		it(`says: ${why}`, () => {
			const parsed = parseConfig(value, "/src");
			assert.equal(parsed.ok ? "" : parsed.error, why);
		});
});
