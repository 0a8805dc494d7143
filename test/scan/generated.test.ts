import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { madeUp, random } from "./fuzz.js";
import { type Outcome, outcomes } from "./oracle.js";

/** Of made-up trees about half are errors to the compiler; the seeds are fixed, `bench/scan-fuzz` goes on from here. */
const FLAGS = [[], ["-std=c99"], ["-trigraphs"]] as const;

describe("made-up sources", () => {
	let root: string;
	let all: Outcome[];
	before(() => {
		root = mkdtempSync(join(tmpdir(), "gg-scan-"));
		const trees = Array.from({ length: 240 }, (_, seed) => {
			const source = seed % 3 === 2 ? "m.cc" : "m.c";
			const dialect = source === "m.c" ? FLAGS[seed % FLAGS.length]! : [];
			return madeUp(random(seed), String(seed), source, ["-Ii", "-I.", ...dialect]);
		});
		all = outcomes(root, trees);
	});
	after(() => rmSync(root, { recursive: true, force: true }));

	it("open what gcc lists, or are refused", () => {
		for (const { tree, compiler, answer } of all) {
			if (answer.kind !== "scanned" || compiler === undefined) continue;
			assert.deepEqual(
				answer.files.map((f) => f.name),
				compiler,
				`seed ${tree.name}`,
			);
		}
	});

	it("are refused for no more than a few of those that gcc accepts", () => {
		const fine = all.filter((o) => o.compiler !== undefined);
		assert.ok(fine.length > 60, `${fine.length}`);
		const refused = fine.filter((o) => o.answer.kind !== "scanned");
		assert.ok(refused.length <= fine.length / 20, JSON.stringify(refused.map((o) => [o.tree.name, o.answer])));
	});

	it("are refused where gcc reports an error of a directive", () => {
		const wrong = all.filter((o) => o.compiler === undefined && o.answer.kind === "scanned").map((o) => o.tree.name);
		assert.ok(wrong.length <= all.length / 50, wrong.join(" "));
	});
});
