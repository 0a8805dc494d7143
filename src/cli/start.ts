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

/** Where the compiled code is kept: a file for each command, for each uses other functions. Undefined where there is no
 * folder of the user's own: what others can write to must not be run. */
function codeFile(): string | undefined {
	const { env } = process;
	const named = env["GG_CACHE_DIR"];
	const home = env["XDG_CACHE_HOME"]?.startsWith("/") ? env["XDG_CACHE_HOME"] : join(env["HOME"] ?? "", ".cache");
	const cache = named !== undefined && named !== "" ? named : join(home, "gg");
	if (!cache.startsWith("/")) return undefined;
	const folder = join(cache, "code");
	const called = env["GG_CALLED_AS"] ?? "";
	const command = called.startsWith("gg-") ? called.slice(3) : (process.argv[2] ?? "");
	const name = /^[a-z-]{1,20}$/.test(command) ? command : "gg";
	return join(folder, `${BUNDLE}-${process.version}-${process.arch}-${name}`);
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

optimiseLater();

const filename = join(__dirname, `main-${BUNDLE}.js`);
const file = codeFile();
const cachedData = file === undefined ? undefined : readCode(file);
const script = new Script(readFileSync(filename, "latin1"), {
	filename,
	...(cachedData === undefined ? {} : { cachedData }),
});
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
script.runInThisContext()(require, __filename);
