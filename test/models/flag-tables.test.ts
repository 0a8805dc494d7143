import assert from "node:assert/strict";
import { AS_FLAGS } from "../../src/models/as-flags.js";
import { FlagTable } from "../../src/models/flag-table.js";
import { GCC_FLAGS, type GccFlag } from "../../src/models/gcc-flags.js";
import { LD_FLAGS, type LdFlag } from "../../src/models/ld-flags.js";
import { LINK_FLAGS } from "../../src/models/link-flags.js";
import { NASM_FLAGS, YASM_FLAGS } from "../../src/models/nasm.js";

for (const [name, rows] of [
	["gcc", GCC_FLAGS],
	["ld", LD_FLAGS],
	["as", AS_FLAGS],
	["nasm", NASM_FLAGS],
	["yasm", YASM_FLAGS],
] as const)
	describe(`flag table of ${name}`, () => {
		it("is sorted by bytes and has no flag twice", () => {
			const flags = rows.map((row) => row.flag);
			assert.deepEqual(flags, [...new Set(flags)].sort());
		});
		it("has only flags", () => {
			for (const row of rows) assert.match(row.flag, /^-/);
		});
	});

describe("flag lookup", () => {
	const table = new FlagTable<GccFlag>(GCC_FLAGS);
	const found = (word: string) => {
		const match = table.find(word);
		return match && [match.row.flag, match.joined, match.takesNext];
	};
	it("finds a name exactly and never by its beginning", () => {
		assert.deepEqual(found("-c"), ["-c", undefined, false]);
		assert.equal(found("-cx"), undefined);
		assert.equal(found("-MMDx"), undefined);
		assert.equal(found("--outputx"), undefined);
	});
	it("takes a value from the word or the next, as the row says", () => {
		assert.deepEqual(found("-I"), ["-I", undefined, true]);
		assert.deepEqual(found("-Iinc"), ["-I", "inc", false]);
		assert.deepEqual(found("-Wp,-MD,x.d"), ["-Wp,", "-MD,x.d", false]);
		assert.deepEqual(found("-std="), ["-std=", "", false]);
	});
	it("prefers the longest row", () => {
		assert.deepEqual(found("-fprofile-use=a"), ["-fprofile-use=", "a", false]);
		assert.deepEqual(found("-idirafterinc"), ["-idirafter", "inc", false]);
		assert.deepEqual(found("-fno-strict-aliasing"), ["-f", "no-strict-aliasing", false]);
		assert.deepEqual(found("-dumpmachine"), ["-dumpmachine", undefined, false]);
	});
	it("gives a long synonym its short name", () => {
		for (const row of GCC_FLAGS as readonly GccFlag[]) {
			if (row.as === undefined) continue;
			const short = table.find(row.as)!.row;
			assert.equal(short.flag, row.as);
			assert.equal(short.does, row.does, row.flag);
		}
	});
});

describe("the two readings of a linker's flags", () => {
	// One says what a link reads and in which order it is searched, the other what else it writes and prints.
	const written = new FlagTable<LdFlag>(LD_FLAGS);
	it("agree on which flags take the next word", () => {
		const differ: string[] = [];
		for (const { names, value } of LINK_FLAGS) {
			for (const name of names) {
				if (name.length === 1) continue;
				const found = written.find(`--${name}`);
				if (found !== undefined && found.takesNext !== (value === "value")) differ.push(`--${name}`);
			}
		}
		assert.deepEqual(differ, []);
	});
	it("agree on which flags name an input", () => {
		const inputs = new Set(["input", "searched", "script", "just-symbols", "plugin"]);
		for (const { names, effect } of LINK_FLAGS) {
			for (const name of names) {
				const does = written.find(name.length === 1 ? `-${name}` : `--${name}`)?.row.does;
				if (does === undefined || effect === "unsure" || does === "local" || effect === "rpath-or-symbols") continue;
				assert.equal(does === "input-file", inputs.has(effect), name);
			}
		}
	});
});
