/** Many independent thunks that do next to nothing: what gg itself costs per thunk. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inTurns, type Measured, median } from "./measure.js";
import { BenchError, GG, must, quote } from "./run.js";
import type { SpeedOptions } from "./speed-builds.js";
import { BENCH_DIR } from "./workspace.js";

const PROGRAM = `
#include <stdio.h>
int main(int argc, char **argv) {
	FILE *out = argc == 3 ? fopen(argv[2], "w") : 0;
	return out == 0 || fputs(argv[1], out) == EOF || fclose(out) == EOF;
}
`;

/** Name of an object: letter, SHA-256 in base64url with `.` for `-`, length in hexadecimal. */
function objectName(letter: "V" | "T", bytes: Buffer): string {
	const digest = createHash("sha256").update(bytes).digest("base64url").replaceAll("-", ".");
	return `${letter}${digest}${bytes.length.toString(16).padStart(8, "0")}`;
}

/** A length-delimited protobuf field; none of ours needs a length of more than two bytes. */
function field(number: number, content: string | Buffer): Buffer {
	const bytes = Buffer.from(content);
	const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
	return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
}

/** `PROGRAM number out` as a thunk file. */
function thunkFile(program: string, number: number): Buffer {
	const words = ["tiny", String(number), "out"];
	const call = Buffer.concat([field(1, program), ...words.map((word) => field(2, word))]);
	return Buffer.concat([Buffer.from("##GGTHUNK##"), field(1, call), field(4, program), field(5, "out")]);
}

/** A folder with a store that holds `count` thunks, and a placeholder for each. */
function prepare(folder: string, program: Buffer, count: number): void {
	rmSync(folder, { recursive: true, force: true });
	const blobs = join(folder, ".gg/blobs");
	mkdirSync(blobs, { recursive: true });
	mkdirSync(join(folder, ".gg/reductions"));
	const programName = objectName("V", program);
	writeFileSync(join(blobs, programName), program);
	chmodSync(join(blobs, programName), 0o500);
	const names: string[] = [];
	for (let number = 0; number < count; number++) {
		const thunk = thunkFile(programName, number);
		const name = objectName("T", thunk);
		writeFileSync(join(blobs, name), thunk, { mode: 0o400 });
		writeFileSync(join(folder, `t${number}`), `#!/usr/bin/env gg-force-and-run\n${name}\n`, { mode: 0o755 });
		names.push(`t${number}\n`);
	}
	writeFileSync(join(folder, "list"), names.join(""));
}

export async function tiny(options: SpeedOptions & { readonly count: number }): Promise<Measured> {
	const { runs, jobs, count } = options;
	mkdirSync(BENCH_DIR, { recursive: true });
	const root = mkdtempSync(join(BENCH_DIR, "tiny-"));
	try {
		writeFileSync(join(root, "tiny.c"), PROGRAM);
		await must("gcc -Os -static -s -o tiny tiny.c", { cwd: root });
		const program = readFileSync(join(root, "tiny"));
		const folder = join(root, "work");
		const env = { GG_CACHE_DIR: join(root, "gg-cache") };
		const pairs = await inTurns(
			runs,
			async () => {
				rmSync(env.GG_CACHE_DIR, { recursive: true, force: true });
				prepare(folder, program, count);
				await must(`${quote(GG)} build true`, { cwd: folder, env });
				const { seconds } = await must(`${quote(GG)} force -j ${jobs} @list`, { cwd: folder, env });
				checkResults(folder, count);
				return seconds;
			},
			async () => {
				prepare(folder, program, count);
				const line = `seq 0 ${count - 1} | xargs -P${jobs} -I@ ../tiny @ t@`;
				const { seconds } = await must(line, { cwd: folder });
				checkResults(folder, count);
				return seconds;
			},
		);
		const rate = count / median(pairs.map(({ ours }) => ours));
		return {
			what: `gg force -j ${jobs} of ${count} tiny thunks`,
			peer: `xargs -P${jobs} with the same program`,
			pairs,
			unit: "s",
			note: `${Math.round(rate)} thunks/s`,
		};
	} finally {
		rmSync(root, { recursive: true, force: true });
	}
}

function checkResults(folder: string, count: number): void {
	for (let number = 0; number < count; number++) {
		const text = readFileSync(join(folder, `t${number}`), "utf8");
		if (text !== String(number)) throw new BenchError(`t${number} came out as ${JSON.stringify(text.slice(0, 80))}`);
	}
}
