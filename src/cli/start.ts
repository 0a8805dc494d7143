import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { Script } from "node:vm";
import { removeQuietly, writeFileAtomic } from "../util/files.js";
import { optimiseLater } from "../util/optimise.js";

/**
 * The first file that is loaded: it starts the bundle beside it, by the code that V8 made of it at an earlier start. Compiling
 * that anew takes longer than all else that a build with nothing to do asks for. Bundled alone, as CommonJS.
 */

/** Names the content of the bundle, `main-BUNDLE.js`; put here when it is made. */
declare const BUNDLE: string;

/** Code of earlier versions that was made so long ago is removed. */
const KEPT_MS = 14 * 24 * 3600_000;
const DIGEST_LENGTH = 32;

/** Large libraries in files of their own, named by their content, that few commands need (scripts/bundle.mjs). */
const CHUNK = /^\.\/(chunk-[a-z0-9]+-[0-9a-f]{16})\.js$/;

/** Where compiled code is kept. Undefined where there is no folder of the user's own: what others can write to must not be run. */
function codeFile(name: string): string | undefined {
	const { env } = process;
	const named = env["GG_CACHE_DIR"];
	const home = env["XDG_CACHE_HOME"]?.startsWith("/") ? env["XDG_CACHE_HOME"] : join(env["HOME"] ?? "", ".cache");
	const cache = named !== undefined && named !== "" ? named : join(home, "gg");
	if (!cache.startsWith("/")) return undefined;
	return join(cache, "code", name);
}

/** For each command there is a file: each uses other functions. */
function mainCode(): string | undefined {
	const called = process.env["GG_CALLED_AS"] ?? "";
	const command = called.startsWith("gg-") ? called.slice(3) : (process.argv[2] ?? "");
	const name = /^[a-z-]{1,20}$/.test(command) ? command : "gg";
	return codeFile(`${BUNDLE}-${process.version}-${process.arch}-${name}`);
}

/** V8 checks the version and the flags of what it is given, but not every byte. Others' code is not taken. */
function readCode(file: string): Buffer | undefined {
	try {
		if (statSync(file).uid !== process.geteuid?.()) return undefined;
		const bytes = readFileSync(file);
		const code = bytes.subarray(DIGEST_LENGTH);
		return digestOf(code).equals(bytes.subarray(0, DIGEST_LENGTH)) ? code : undefined;
	} catch {
		return undefined;
	}
}

function digestOf(code: Buffer): Buffer {
	return createHash("sha256").update(code).digest();
}

function writeCode(file: string, code: Buffer): void {
	try {
		writeFileAtomic(file, Buffer.concat([digestOf(code), code]), 0o600);
		for (const name of readdirSync(dirname(file))) {
			const old = join(dirname(file), name);
			if (Date.now() - statSync(old).mtimeMs > KEPT_MS) removeQuietly(old);
		}
	} catch {
		// A cache that cannot be written is none.
	}
}

/** What the text in `filename` is worth; `file` is where its code is kept. */
function evaluate(filename: string, text: string, file: string | undefined): unknown {
	const cachedData = file === undefined ? undefined : readCode(file);
	const script = new Script(text, { filename, ...(cachedData === undefined ? {} : { cachedData }) });
	// At the end the functions that were used are compiled, too.
	if (file !== undefined && (cachedData === undefined || script.cachedDataRejected === true)) {
		process.once("exit", () => {
			// What shows the options is as large as all else, and hardly ever used.
			if (process.argv.includes("--help")) return;
			// V8 takes code only under the flags that it was kept under: those of the start, and not what the run came to.
			optimiseLater();
			writeCode(file, script.createCachedData());
		});
	}
	return script.runInThisContext();
}

interface Chunk {
	exports: unknown;
}
const chunks = new Map<string, Chunk>();

/** As `require`, but chunks come by the code that was kept, which takes half of the time. */
function requireWithCode(id: string): unknown {
	const name = CHUNK.exec(id)?.[1];
	if (name === undefined) return require(id);
	let chunk = chunks.get(name);
	if (chunk === undefined) {
		chunk = { exports: {} };
		chunks.set(name, chunk);
		const filename = join(__dirname, `${name}.js`);
		// On the line where it began: what an error says of its place holds.
		const text = `(function(exports,require,module){${readFileSync(filename, "latin1")}\n})`;
		const file = codeFile(`${name}-${process.version}-${process.arch}`);
		(evaluate(filename, text, file) as (...args: unknown[]) => void)(chunk.exports, require, chunk);
	}
	return chunk.exports;
}

optimiseLater();

const filename = join(__dirname, `main-${BUNDLE}.js`);
const main = evaluate(filename, readFileSync(filename, "latin1"), mainCode()) as (...args: unknown[]) => void;
main(requireWithCode, __filename);
