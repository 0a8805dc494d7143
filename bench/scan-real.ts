/** Our include scanner against the compiler's -M on the compile lines of a real build (`make -n` text), one by one. */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { Scanner } from "../src/scan/scanner.js";
import type { ScanAnswer, ScanLanguage, ScanSetup } from "../src/scan/types.js";
import { DiskFiles, prerequisites, setupOf } from "../test/rig/scan.js";

interface Compile {
	readonly compiler: string;
	readonly flags: string[];
	readonly source: string;
	readonly language: ScanLanguage;
	readonly cwd: string;
}

const [, , root, commands, oracleFile] = process.argv;
if (root === undefined || commands === undefined) {
	process.stderr.write("usage: scan-real.js FOLDER MAKE-N-TEXT [ORACLE-CACHE]\n");
	process.exit(2);
}

const compiles: Compile[] = [];
const folders = [root];
for (const line of readFileSync(commands, "utf8").replaceAll("\\\n", " ").split("\n")) {
	const enter = /^make(?:\[\d+\])?: Entering directory '(.*)'$/.exec(line)?.[1];
	if (enter !== undefined) folders.push(enter);
	if (/^make(?:\[\d+\])?: Leaving/.test(line)) folders.pop();
	const c = parse(line, folders.at(-1)!);
	if (c !== undefined) compiles.push(c);
}

function parse(line: string, cwd: string): Compile | undefined {
	const command = line
		.split(/;|&&/)
		.find((p) => /(?:^|\s)(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+)\s/.test(p) && /\s-c\s/.test(p));
	if (command === undefined) return undefined;
	const raw = execFileSync(
		"sh",
		["-c", `for a in ${command.trim().replaceAll("`", "'")}; do printf '%s\\0' "$a"; done`],
		{ cwd, encoding: "utf8" },
	);
	const words = raw.split("\0").slice(0, -1);
	const compiler = words[0]!;
	const flags: string[] = [];
	let source: string | undefined;
	for (let i = 1; i < words.length; i++) {
		const w = words[i]!;
		if (w === "-o" || w === "-MF" || w === "-MT" || w === "-MQ") i++;
		else if (w === "-c" || /^-M/.test(w)) continue;
		else if (/\.(?:c|cc|cpp|cxx|S)$/.test(w) && !w.startsWith("-")) source = w;
		else flags.push(w);
	}
	if (source === undefined) return undefined;
	const ext = posix.extname(source);
	const language = ext === ".S" ? "assembler" : ext === ".c" && !compiler.endsWith("++") ? "c" : "c++";
	return { compiler, flags, source, language, cwd };
}

const oracle: Record<string, string[] | null> =
	oracleFile !== undefined && existsSync(oracleFile) ? JSON.parse(readFileSync(oracleFile, "utf8")) : {};
function compilerSays(c: Compile): string[] | null {
	const key = JSON.stringify([c.cwd, c.source, c.flags]);
	let answer = oracle[key];
	if (answer === undefined) {
		const run = spawnSync(c.compiler, [...c.flags, "-M", c.source], {
			cwd: c.cwd,
			encoding: "utf8",
			maxBuffer: 1 << 28,
		});
		answer = run.status === 0 ? prerequisites(run.stdout) : null;
		oracle[key] = answer;
	}
	return answer;
}

const setups = new Map<string, ScanSetup>();
function setupFor(c: Compile): ScanSetup {
	const key = JSON.stringify([c.cwd, c.flags, c.language]);
	let setup = setups.get(key);
	if (setup === undefined) {
		setup = setupOf({ compiler: c.compiler, language: c.language, flags: c.flags, cwd: c.cwd });
		setups.set(key, setup);
	}
	return setup;
}

const scanner = new Scanner(new DiskFiles());
const refusals = new Map<string, number>();
let differences = 0;
let files = 0;
const cold = process.hrtime.bigint();
for (const c of compiles) setupFor(c);
console.log(`${compiles.length} compiles, ${setups.size} setups in ${Number(process.hrtime.bigint() - cold) / 1e6} ms`);

const firstTimes: number[] = [];
const answers: ScanAnswer[] = compiles.map((c) => {
	const start = process.hrtime.bigint();
	const answer = scanner.scan(setupFor(c), { name: c.source }, c.cwd);
	firstTimes.push(Number(process.hrtime.bigint() - start) / 1e6);
	return answer;
});
for (const [i, c] of compiles.entries()) {
	const answer = answers[i]!;
	const expected = compilerSays(c);
	if (answer.kind === "scanned") {
		files += answer.files.length;
		const names = answer.files.map((f) => f.name);
		if (expected === null || names.join("\n") !== expected.join("\n")) {
			differences++;
			const at = expected === null ? -1 : names.findIndex((n, k) => n !== expected[k]);
			console.log(
				`DIFFERENT ${c.source}: at ${at}: ours ${names[at] ?? "(end)"} (${names.length}), theirs ${expected?.[at === -1 ? names.length : at]} (${expected?.length})`,
			);
		}
	} else {
		const what =
			answer.kind === "refused"
				? `${answer.reason}: ${answer.where}: ${answer.what}`
				: `ask ${JSON.stringify(answer.questions)}`;
		refusals.set(what, (refusals.get(what) ?? 0) + 1);
	}
}
for (const [what, n] of refusals) console.log(`refused ${n} times: ${what}`);
if (oracleFile !== undefined) writeFileSync(oracleFile, JSON.stringify(oracle));

const sum = (a: readonly number[]): number => a.reduce((x, y) => x + y, 0);
const median = (a: readonly number[]): number => [...a].sort((x, y) => x - y)[a.length >> 1] ?? 0;
const rounds = 5;
const warm: number[] = compiles.map(() => Number.POSITIVE_INFINITY);
for (let r = 0; r < rounds; r++) {
	for (const [i, c] of compiles.entries()) {
		const setup = setupFor(c);
		const start = process.hrtime.bigint();
		scanner.scan(setup, { name: c.source }, c.cwd);
		warm[i] = Math.min(warm[i]!, Number(process.hrtime.bigint() - start) / 1e6);
	}
}
const slowest = [...warm.keys()].sort((a, b) => warm[b]! - warm[a]!).slice(0, 3);
for (const i of slowest) {
	const a = answers[i]!;
	console.log(
		`slowest: ${warm[i]!.toFixed(2)} ms ${compiles[i]!.source}, ${a.kind === "scanned" ? a.files.length : 0} files, ${a.kind === "scanned" ? a.absent.size : 0} absent`,
	);
}
console.log(
	`${compiles.length} sources, ${differences} differences, ${sum([...refusals.values()])} refusals, ${(files / compiles.length).toFixed(0)} files a source; ` +
		`first pass ${sum(firstTimes).toFixed(0)} ms; warm: median ${median(warm).toFixed(2)} ms, most ${Math.max(...warm).toFixed(2)} ms, all ${sum(warm).toFixed(0)} ms (${join(root)})`,
);
