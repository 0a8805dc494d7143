import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const BENCH = fileURLToPath(new URL("../../../bench/", import.meta.url));
const BUILT = fileURLToPath(new URL("../../bench/", import.meta.url));
const PROGRAMS = readdirSync(BENCH)
	.filter((name) => name.endsWith(".ts") && readFileSync(join(BENCH, name), "utf8").includes("parseArgs("))
	.map((name) => basename(name, ".ts"));

describe("the programs of bench", () => {
	it("are found", () => assert.ok(PROGRAMS.length > 5));

	for (const name of PROGRAMS)
		it(`refuse an option that they do not have with a sentence: ${name}`, () => {
			const { GG: _, ...env } = process.env;
			const ended = spawnSync(process.execPath, [join(BUILT, `${name}.js`), "--nonsense"], { encoding: "utf8", env });
			assert.deepEqual(
				[ended.status, ended.stdout, ended.stderr],
				[2, "", "Unknown option '--nonsense': bench/README.md says what there is\n"],
			);
		});
});
