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

describe("include scanner beside clang -M", () => {
	it("finds what clang lists, or refuses", () => {
		const root = mkdtempSync(join(tmpdir(), "gg-scan-"));
		try {
			let scanned = 0;
			for (const { tree, compiler, answer } of outcomes(root, CORPUS, "clang")) {
				if (compiler === undefined || answer.kind !== "scanned") continue;
				scanned++;
				const names = answer.files.map((f) => f.name);
				assert.deepEqual(names, compiler, tree.name);
			}
			assert.ok(scanned > 200, `${scanned}`);
		} finally {
			rmSync(root, { recursive: true, force: true });
		}
	});
});
