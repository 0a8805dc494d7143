import assert from "node:assert/strict";
import { linkSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onceTwins } from "../../src/interpose/once-twins.js";
import { type FileFact, FileFacts } from "../../src/store/filefacts.js";

describe("headers of one content", () => {
	let folder: string;
	const at = (name: string): string => join(folder, name);
	beforeEach(() => {
		folder = mkdtempSync(join(tmpdir(), "gg-twins-"));
	});
	afterEach(() => rmSync(folder, { recursive: true, force: true }));

	const twins = (names: readonly string[], toolchain: readonly string[] = []): ReturnType<typeof onceTwins> => {
		const facts = new FileFacts({ projectIndex: at("p"), userIndex: at("u"), isSystem: () => false });
		const looked = new Map(names.map((name): [string, FileFact] => [at(name), facts.get(at(name))!]));
		return onceTwins(looked, new Set(toolchain.map(at)));
	};
	const ONCE = "#pragma once\n";

	it("are a reason to keep nothing if they are to be read once", () => {
		for (const name of ["a.h", "b.h"]) writeFileSync(at(name), ONCE);
		assert.deepEqual(twins(["a.h", "b.h"]), { reason: "once-twins", detail: `${at("a.h")} and ${at("b.h")}` });
		assert.deepEqual(twins(["a.h", "b.h"], ["b.h"]), { listed: [] });
		assert.deepEqual(twins(["a.h"]), { listed: [] });
	});

	it("are one if any file has an #import", () => {
		for (const name of ["a.h", "b.h"]) writeFileSync(at(name), "int x;\n");
		writeFileSync(at("m.c"), '#import "a.h"\n#import "b.h"\n');
		assert.equal("reason" in twins(["m.c", "a.h", "b.h"]), true);
		assert.deepEqual(twins(["a.h", "b.h"]), { listed: [] });
	});

	it("may be two names of one file as long as they are that", () => {
		writeFileSync(at("a.h"), ONCE);
		symlinkSync("a.h", at("b.h"));
		assert.deepEqual(twins(["a.h", "b.h"]), {
			listed: [
				[at("a.h"), at("a.h")],
				[at("b.h"), at("a.h")],
			],
		});
	});

	it("are two where a second name is a hard link, which a copy of the tree may lack", () => {
		writeFileSync(at("a.h"), ONCE);
		linkSync(at("a.h"), at("b.h"));
		assert.equal("reason" in twins(["a.h", "b.h"]), true);
	});
});
