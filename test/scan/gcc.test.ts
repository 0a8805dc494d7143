import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CORPUS } from "./corpus.js";
import { type Outcome, outcomes } from "./oracle.js";

describe("include scanner beside gcc -M", () => {
	let root: string;
	let all: Outcome[];
	before(() => {
		root = mkdtempSync(join(tmpdir(), "gg-scan-"));
		all = outcomes(root, CORPUS);
	});
	after(() => rmSync(root, { recursive: true, force: true }));

	for (const [i, tree] of CORPUS.entries()) {
		it(`finds what gcc lists, or refuses: ${tree.name}`, () => {
			const { compiler, answer } = all[i]!;
			const refusal = tree.expect === "refused" || (compiler === undefined && tree.expect !== "scanned");
			if (refusal) assert.equal(answer.kind, "refused");
			else if (compiler === undefined) assert.equal(answer.kind, "scanned");
			else {
				assert.equal(answer.kind, "scanned", JSON.stringify(answer));
				assert.deepEqual(answer.kind === "scanned" && answer.files.map((f) => f.name), compiler);
			}
		});
	}
});
