import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ObjectHash } from "../../src/thunk/hash.js";

/** The launcher, called by its path as a user calls it. */
export const GG = fileURLToPath(new URL("../../../gg", import.meta.url));

/** What the first use of a checkout, or of a cache, says before anything else. */
const SETUP = /^(?:gg: first use: building gg \.\.\.\ngg: ready\n)?(?:gg: first use: compiling the wrappers \.\.\.\n)?/;
let cache: string | undefined;
/** One cache for a whole run, so that the native programs are compiled once. */
function cacheFolder(): string {
	if (cache === undefined) {
		const made = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-cache-")));
		cache = made;
		process.once("exit", () => rmSync(made, { recursive: true, force: true }));
	}
	return cache;
}

export interface Ran {
	readonly status: number | null;
	readonly signal: string | null;
	readonly out: string;
	readonly err: string;
}

export interface Cli {
	/** The folder that commands run in. */
	readonly path: string;
	at(name: string): string;
	gg(args: readonly string[], more?: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string }): Ran;
	/** What it prints when all is well: asserts that, and takes the line's end off. */
	good(...args: readonly string[]): string;
	/** What it says when it is not: asserts that nothing else was printed. */
	bad(...args: readonly string[]): string;
	/** Puts a file into the store. */
	collect(name: string): ObjectHash;
	/** A thunk in the original's form; its hash. */
	create(...args: readonly string[]): ObjectHash;
}

/** A private folder for each test, and the real binary run in it with an environment of its own. */
export function testCli(): Cli {
	const state = { path: "" };
	beforeEach(() => {
		state.path = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-")));
	});
	afterEach(() => {
		rmSync(state.path, { recursive: true, force: true });
	});
	const gg: Cli["gg"] = (args, more = {}) => {
		const env = { PATH: process.env["PATH"], HOME: state.path, GG_CACHE_DIR: cacheFolder(), LC_ALL: "C", ...more.env };
		const { cwd = state.path, input = "" } = more;
		const { status, signal, stdout, stderr } = spawnSync(GG, args, { cwd, env, input, encoding: "utf8" });
		return { status, signal, out: stdout, err: stderr.replace(SETUP, "") };
	};
	const good: Cli["good"] = (...args) => {
		const ran = gg(args);
		assert.deepEqual([ran.status, ran.err], [0, ""], args.join(" "));
		return ran.out.replace(/\n$/, "");
	};
	return {
		get path() {
			return state.path;
		},
		at: (name) => join(state.path, name),
		gg,
		good,
		bad(...args) {
			const ran = gg(args);
			assert.deepEqual([ran.status, ran.out], [1, ""], args.join(" "));
			return ran.err;
		},
		collect: (name) => good("collect", name) as ObjectHash,
		create(...args) {
			const ran = gg(["create-thunk", ...args]);
			assert.deepEqual([ran.status, ran.out], [0, ""], ran.err);
			return ran.err.trimEnd() as ObjectHash;
		},
	};
}
