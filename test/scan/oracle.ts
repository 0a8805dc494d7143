/** Trees written to disk, and what the compiler and the scanner say of them. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { Scanner } from "../../src/scan/scanner.js";
import type { ScanAnswer, ScanLanguage } from "../../src/scan/types.js";
import { DiskFiles, prerequisites, setupOf } from "../rig/scan.js";
import type { Tree } from "./corpus.js";

export interface Outcome {
	readonly tree: Tree;
	/** Undefined: the compiler reports an error. */
	readonly compiler: readonly string[] | undefined;
	readonly answer: ScanAnswer;
	readonly folder: string;
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

export function languageOf(source: string): ScanLanguage {
	const ending = extname(source);
	return ending === ".S" ? "assembler" : ending === ".c" ? "c" : "c++";
}

/** Writes every tree below `root` and asks the compiler about all of them in one shell. */
export function outcomes(
	root: string,
	trees: readonly Tree[],
	compiler = "gcc",
	scanner = new Scanner(new DiskFiles()),
): Outcome[] {
	const folders = trees.map((_, i) => join(root, `t${i}`));
	let script = "";
	for (const [i, tree] of trees.entries()) {
		for (const [name, text] of Object.entries(tree.files)) {
			const path = join(folders[i]!, name);
			mkdirSync(dirname(path), { recursive: true });
			writeFileSync(path, Buffer.from(text, "latin1"));
		}
		const forced = (tree.forced ?? []).flatMap((f) => [`-${f.kind}`, f.name]);
		const words = [...(tree.flags ?? []), ...forced, "-w", "-M", "-MF", ".out", tree.source ?? "m.c"];
		script += `cd ${quoted(folders[i]!)} && { ${compiler} ${words.map(quoted).join(" ")} >.err 2>&1; echo $? >.status; }\n`;
	}
	const run = spawnSync("sh", ["-s"], { input: script, encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
	if (run.status !== 0) throw new Error(`the oracle failed: ${run.stderr}`);
	return trees.map((tree, i) => {
		const folder = folders[i]!;
		const fine = readFileSync(join(folder, ".status"), "utf8").trim() === "0";
		const list = fine ? prerequisites(readFileSync(join(folder, ".out"), "utf8")) : undefined;
		return { tree, folder, compiler: list, answer: scanTree(tree, folder, compiler, scanner) };
	});
}

function scanTree(tree: Tree, folder: string, compiler: string, scanner: Scanner): ScanAnswer {
	const source = tree.source ?? "m.c";
	const setup = setupOf({
		compiler,
		language: languageOf(source),
		flags: tree.flags ?? [],
		cwd: folder,
		...(tree.forced === undefined ? {} : { forced: tree.forced }),
	});
	return scanner.scan(setup, { name: source }, folder);
}
