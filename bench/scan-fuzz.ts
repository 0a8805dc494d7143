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
import { type Outcome, outcomes } from "../test/scan/oracle.js";
import { mainOf } from "./run.js";

const BATCH = 50;
const FOLDERS = ["/usr/include/linux", "/usr/include/x86_64-linux-gnu", "/usr/include/c++"];
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

interface Fuzz {
	/** Of the seeds that are tried. */
	readonly first: number;
	readonly cases: number;
	readonly compiler: string;
	readonly source: string;
	readonly flagSets: readonly (readonly string[])[];
	/** Files to mutate; undefined: everything is made up. */
	readonly headers: readonly string[] | undefined;
	readonly keep: boolean;
}

function caseOf({ headers, source, flagSets }: Fuzz, seed: number): Tree {
	const r = random(seed);
	const flags = ["-Ii", "-I", ".", ...flagSets[r(flagSets.length)]!];
	if (headers === undefined) return madeUp(r, String(seed), source, flags);
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

class Tally {
	readonly counts = { equal: 0, refused: 0, "compiler's error": 0, "error, yet scanned": 0, different: 0 };
	readonly reasons = new Map<string, number>();

	add({ tree, answer, compiler }: Outcome, name: string): void {
		if (compiler === undefined) {
			this.counts[answer.kind === "refused" ? "compiler's error" : "error, yet scanned"]++;
		} else if (answer.kind === "refused") {
			this.counts.refused++;
			if (answer.reason === "missing-header" || answer.reason === "bad-directive") {
				console.log(`refused without need? seed ${tree.name}: ${answer.where}: ${answer.what}`);
			}
			const why = `${answer.reason}: ${answer.what.slice(0, 60)}`;
			this.reasons.set(why, (this.reasons.get(why) ?? 0) + 1);
		} else {
			const ours = answer.kind === "scanned" ? answer.files.map((f) => f.name) : [answer.kind];
			if (answer.kind === "scanned" && ours.join("\n") === compiler.join("\n")) {
				this.counts.equal++;
				return;
			}
			this.counts.different++;
			const at = compiler.findIndex((file, i) => file !== ours[i]);
			console.log(
				`DIFFERENT seed ${tree.name}: at ${at}: ours ${ours[at]}, ${name}'s ${compiler[at]} ${tree.flags?.join(" ")}`,
			);
		}
	}
}

function run(fuzz: Fuzz): Tally {
	const { first, cases, compiler, keep } = fuzz;
	const tally = new Tally();
	const scanner = new Scanner(new DiskFiles());
	for (let from = 0; from < cases; from += BATCH) {
		const root = mkdtempSync(join(tmpdir(), "gg-fuzz-"));
		try {
			const trees = Array.from({ length: Math.min(BATCH, cases - from) }, (_, i) => caseOf(fuzz, first + from + i));
			for (const outcome of outcomes(root, trees, compiler, scanner)) tally.add(outcome, compiler);
		} finally {
			if (!keep) rmSync(root, { recursive: true, force: true });
			else console.log(root);
		}
	}
	return tally;
}

function main(): number {
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
	const folders = positionals.length > 0 ? positionals : FOLDERS;
	const { language, compiler, keep } = values;
	const [first, cases] = [Number(values.seed), Number(values.cases)];
	const { counts, reasons } = run({
		first,
		cases,
		compiler,
		source: language === "c++" ? "m.cc" : language === "S" ? "m.S" : "m.c",
		flagSets: language === "c++" ? CPLUSPLUS_FLAGS : language === "S" ? [[]] : FLAGS,
		headers: values["made-up"] ? undefined : folders.flatMap(headersBelow),
		keep,
	});
	for (const [why, n] of [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 25)) console.log(`refused ${n}: ${why}`);
	console.log(`seeds ${first} to ${first + cases - 1}: ${JSON.stringify(counts)}`);
	return counts.different > 0 ? 1 : 0;
}

await mainOf(main);
