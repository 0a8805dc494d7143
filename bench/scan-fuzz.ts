/** Mutations of real headers, and made-up ones: our include scanner against the compiler's -M. A difference that is no
 * refusal is a defect; it prints the seed that brings it back.
 *
 *   node build/bench/scan-fuzz.js [--seed N] [--cases N] [--compiler gcc] [--language c|c++|S] [--made-up] [FOLDER…] */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Scanner } from "../src/scan/scanner.js";
import { DiskFiles } from "../test/rig/scan.js";
import type { Tree } from "../test/scan/corpus.js";
import { madeUp, mutated, random } from "../test/scan/fuzz.js";
import { outcomes } from "../test/scan/oracle.js";

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		seed: { type: "string", default: "1" },
		cases: { type: "string", default: "1000" },
		compiler: { type: "string", default: "gcc" },
		language: { type: "string", default: "c" },
		"made-up": { type: "boolean", default: false },
		keep: { type: "boolean", default: false },
	},
});
const first = Number(values.seed);
const cases = Number(values.cases);
const BATCH = 50;
const FLAGS: readonly (readonly string[])[] = [
	[],
	["-std=c99"],
	["-std=gnu89"],
	["-std=c90"],
	["-trigraphs"],
	["-std=gnu2x"],
	["-funsigned-char"],
];
const CPLUSPLUS_FLAGS: readonly (readonly string[])[] = [
	[],
	["-std=c++98"],
	["-std=gnu++11"],
	["-std=c++11"],
	["-std=c++20"],
];

function headersBelow(folder: string): string[] {
	return readdirSync(folder, { recursive: true, encoding: "utf8" })
		.filter((name) => /\.(?:h|hpp|inc|c|cc|S)$/.test(name))
		.map((name) => join(folder, name))
		.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true && statSync(path).size < 60_000)
		.sort();
}

const folders =
	positionals.length > 0 ? positionals : ["/usr/include/linux", "/usr/include/x86_64-linux-gnu", "/usr/include/c++"];
const headers = values["made-up"] ? [] : folders.flatMap(headersBelow);
const source = values.language === "c++" ? "m.cc" : values.language === "S" ? "m.S" : "m.c";
const flagSets = values.language === "c++" ? CPLUSPLUS_FLAGS : values.language === "S" ? [[]] : FLAGS;

function caseOf(seed: number): Tree {
	const r = random(seed);
	const flags = ["-Ii", "-I", ".", ...flagSets[r(flagSets.length)]!];
	if (values["made-up"]) return madeUp(r, String(seed), source, flags);
	const path = headers[r(headers.length)]!;
	const text = mutated(r, readFileSync(path, "latin1"));
	const files = { "a.h": "", "b.h": "#pragma once\n", "i/a.h": "#include_next <a.h>\n", "h.h": text };
	const main = r(4) === 0 ? text : `#include "h.h"\n#include "h.h"\n#include "a.h"\n`;
	return {
		name: `${seed} ${path}`,
		source,
		flags: [...flags, "-I", join(path, "..")],
		files: { ...files, [source]: main },
	};
}

const counts = { equal: 0, refused: 0, "compiler's error": 0, "error, yet scanned": 0, different: 0 };
const reasons = new Map<string, number>();
const disk = new DiskFiles();
const scanner = new Scanner(disk);
for (let from = 0; from < cases; from += BATCH) {
	const root = mkdtempSync(join(tmpdir(), "gg-fuzz-"));
	try {
		const trees = Array.from({ length: Math.min(BATCH, cases - from) }, (_, i) => caseOf(first + from + i));
		for (const o of outcomes(root, trees, values.compiler, scanner)) {
			const { answer, compiler } = o;
			if (answer.kind === "refused") {
				if (compiler === undefined) counts["compiler's error"]++;
				else {
					counts.refused++;
					if (answer.reason === "missing-header" || answer.reason === "bad-directive") {
						console.log(`refused without need? seed ${o.tree.name}: ${answer.where}: ${answer.what}`);
					}
					const why = `${answer.reason}: ${answer.what.slice(0, 60)}`;
					reasons.set(why, (reasons.get(why) ?? 0) + 1);
				}
			} else if (compiler === undefined) counts["error, yet scanned"]++;
			else if (answer.kind === "scanned" && answer.files.map((f) => f.name).join("\n") === compiler.join("\n"))
				counts.equal++;
			else {
				counts.different++;
				const ours = answer.kind === "scanned" ? answer.files.map((f) => f.name) : [answer.kind];
				const at = compiler.findIndex((name, i) => name !== ours[i]);
				console.log(
					`DIFFERENT seed ${o.tree.name}: at ${at}: ours ${ours[at]}, ${values.compiler}'s ${compiler[at]} ${o.tree.flags?.join(" ")}`,
				);
			}
		}
	} finally {
		if (!values.keep) rmSync(root, { recursive: true, force: true });
		else console.log(root);
	}
}
for (const [why, n] of [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 25)) console.log(`refused ${n}: ${why}`);
console.log(`seeds ${first} to ${first + cases - 1}: ${JSON.stringify(counts)}`);
process.exitCode = counts.different > 0 ? 1 : 0;
