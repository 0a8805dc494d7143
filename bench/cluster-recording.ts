/** What the commands of a build came to on a worker, and how long each took: what `cluster.js` replays. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../src/reapi/messages.js";
import { packBlobs } from "../src/storage/block.js";
import { BENCH_DIR } from "./workspace.js";

const VERSION = 1;

export interface RecordedOutput {
	/** As the Command names it. */
	readonly path: string;
	/** Where the build has it; the project's folder is `@`. */
	readonly file: string;
	readonly hash: string;
	readonly size: number;
	readonly executable: boolean;
}

export interface Recorded {
	readonly version: number;
	readonly key: string;
	/** The command's own words; the project's folder is `@`. */
	readonly args: readonly string[];
	readonly cwd: string;
	/** Milliseconds of a processor, or of the clock where that is less. */
	readonly ms: number;
	readonly exitCode: number;
	/** Base64. */
	readonly stdout: string;
	readonly stderr: string;
	readonly outputs: readonly RecordedOutput[];
	/** Keys of those whose outputs it read. */
	readonly needs: readonly string[];
}

export interface Called {
	readonly key: string;
	readonly args: readonly string[];
	readonly cwd: string;
	/** Where the outputs are put in the end, in their order. */
	readonly files: readonly string[];
}

/**
 * What a Command of gg's is known by wherever the project lies: the runner's arguments but for the environment. Undefined
 * for one that is not of the form that is recorded.
 */
export function calledBy(command: Command, src: string): Called | undefined {
	const words = command.arguments.map((word) => word.replaceAll(src, "@"));
	const end = words.indexOf("--");
	if (end < 0) return undefined;
	const named = (name: string): string[] => words.slice(0, end).filter((_, i) => words[i - 1] === name);
	const files = named("--out");
	const [cwd = ""] = named("--cwd");
	const args = words.slice(end + 1);
	const key = createHash("sha256")
		.update(JSON.stringify([named("--exec"), cwd, files, named("--inout"), args]))
		.digest("hex");
	return { key, args, cwd, files };
}

/** One project's recording: `actions/KEY.json`, and the outputs by their hash in `blobs`. */
export class Recording {
	readonly folder: string;
	readonly actions = new Map<string, Recorded>();

	constructor(project: string) {
		this.folder = join(BENCH_DIR, "recorded", project);
		for (const name of ["actions", "blobs"]) mkdirSync(join(this.folder, name), { recursive: true });
		for (const name of readdirSync(join(this.folder, "actions"))) {
			if (!name.endsWith(".json")) continue;
			const recorded = JSON.parse(readFileSync(join(this.folder, "actions", name), "utf8")) as Recorded;
			if (recorded.version === VERSION) this.actions.set(recorded.key, recorded);
		}
	}

	/** Makes, where they are missing, the blocks of the outputs that `packed` names. */
	pack(): void {
		mkdirSync(join(this.folder, "packed"), { recursive: true });
		const there = new Set(readdirSync(join(this.folder, "packed")));
		const hashes = [...this.actions.values()].flatMap(({ outputs }) => outputs.map(({ hash }) => hash));
		for (const hash of new Set(hashes)) {
			if (there.has(hash)) continue;
			const path = this.packed(hash);
			writeFileSync(`${path}.new`, packBlobs([readFileSync(this.blob(hash))]));
			renameSync(`${path}.new`, path);
		}
	}

	/** The block of an output, as AWS Lambda's function answers with it. */
	packed(hash: string): string {
		return join(this.folder, "packed", hash);
	}

	/** True when a whole build was recorded. */
	get isComplete(): boolean {
		return existsSync(join(this.folder, "complete"));
	}

	complete(): void {
		writeFileSync(join(this.folder, "complete"), "");
	}

	clear(): void {
		rmSync(this.folder, { recursive: true, force: true });
		for (const name of ["actions", "blobs"]) mkdirSync(join(this.folder, name), { recursive: true });
		this.actions.clear();
	}

	blob(hash: string): string {
		return join(this.folder, "blobs", hash);
	}

	add(recorded: Omit<Recorded, "version">, bytesOf: (output: RecordedOutput) => Buffer): void {
		for (const output of recorded.outputs) {
			if (!existsSync(this.blob(output.hash))) replace(this.blob(output.hash), bytesOf(output));
		}
		const whole: Recorded = { version: VERSION, ...recorded };
		replace(join(this.folder, "actions", `${recorded.key}.json`), Buffer.from(JSON.stringify(whole)));
		this.actions.set(recorded.key, whole);
	}
}

function replace(path: string, bytes: Buffer): void {
	writeFileSync(`${path}.new`, bytes);
	renameSync(`${path}.new`, path);
}

export interface Bounds {
	readonly count: number;
	/** Seconds. */
	readonly total: number;
	readonly criticalPath: number;
	readonly longest: number;
}

/** What no cluster can do in less; `capMs` is the most that one command takes. */
export function boundsOf(actions: readonly Recorded[], capMs: number): Bounds {
	const byKey = new Map(actions.map((action) => [action.key, action]));
	const ends = new Map<string, number>();
	const took = (action: Recorded): number => Math.min(action.ms, capMs) / 1000;
	const endOf = (action: Recorded): number => {
		const known = ends.get(action.key);
		if (known !== undefined) return known;
		// What needs itself is not followed.
		ends.set(action.key, 0);
		const needed = action.needs.flatMap((key) => byKey.get(key) ?? []);
		const end = Math.max(0, ...needed.map(endOf)) + took(action);
		ends.set(action.key, end);
		return end;
	};
	return {
		count: actions.length,
		total: actions.reduce((sum, action) => sum + took(action), 0),
		criticalPath: Math.max(0, ...actions.map(endOf)),
		longest: Math.max(0, ...actions.map(took)),
	};
}
