import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chownSync, existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GG, testCli } from "../rig/cli.js";

const cli = testCli();

function start(cache: string): string {
	const ran = cli.gg(["help"], { env: { GG_CACHE_DIR: cache } });
	assert.deepEqual([ran.status, ran.err], [0, ""]);
	return ran.out;
}

function codeFiles(cache: string): string[] {
	return readdirSync(join(cache, "code")).map((name) => join(cache, "code", name));
}

function isWhole(path: string): boolean {
	const bytes = readFileSync(path);
	return createHash("sha256").update(bytes.subarray(32)).digest().equals(bytes.subarray(0, 32));
}

describe("starting gg", () => {
	it("keeps its compiled code, and makes it anew where a byte of it is altered or the end is missing", () => {
		const cache = cli.at("cache");
		const help = start(cache);
		const [file, ...others] = codeFiles(cache);
		assert.ok(file !== undefined && isWhole(file));
		assert.deepEqual(others, []);
		const good = readFileSync(file);
		const altered = Buffer.from(good);
		altered[good.length >> 1]! ^= 0xff;
		for (const damaged of [altered, good.subarray(0, good.length >> 1), Buffer.alloc(0)]) {
			writeFileSync(file, damaged);
			assert.equal(start(cache), help);
			assert.ok(isWhole(file));
		}
	});

	it("takes the code that was kept by a run which V8 was told to optimise sooner", () => {
		const cache = cli.at("cache");
		writeFileSync(cli.at("f.c"), '#include "f.h"\nint f;\n');
		writeFileSync(cli.at("f.h"), "");
		writeFileSync(cli.at("Makefile"), "f.o: f.c\n\tgcc -c f.c\n");
		const infer = (): void => {
			const ran = cli.gg(["infer", "make"], { env: { GG_CACHE_DIR: cache } });
			assert.equal(ran.status, 0, ran.err);
		};
		infer();
		const [file] = codeFiles(cache);
		const kept = statSync(file!).ino;
		infer();
		assert.equal(statSync(file!).ino, kept, "it was made anew");
	});

	it("keeps the compiled code of a library that a command loads, and takes it under the flags that a build comes to", async () => {
		const cache = cli.at("cache");
		writeFileSync(cli.at("Makefile"), "all:\n");
		const env = { GG_CACHE_DIR: cache, AWS_ACCESS_KEY_ID: "k", AWS_SECRET_ACCESS_KEY: "s" };
		const engine = "lambda=us-east-1?endpoint=http://127.0.0.1:9";
		const build = (): string => {
			const ran = cli.gg(["build", "--store", `file://${cli.at("store")}`, "--engine", engine, "make"], { env });
			assert.equal(ran.status, 1);
			return ran.err.replace(/^gg: first use: .*\n/gm, "");
		};
		const said = build();
		assert.match(said, /cannot be reached or fails \(ECONNREFUSED\)/);
		const chunk = codeFiles(cache).find((file) => /\/chunk-lambda-[0-9a-f]{16}-v[^/]*$/.test(file));
		assert.ok(chunk !== undefined && isWhole(chunk));
		const kept = statSync(chunk).ino;
		assert.equal(build(), said);
		assert.equal(statSync(chunk).ino, kept, "it was made anew");
		const altered = readFileSync(chunk);
		altered[altered.length >> 1]! ^= 0xff;
		writeFileSync(chunk, altered);
		assert.equal(build(), said);
		assert.ok(isWhole(chunk));
	});

	it("goes on in silence when whoever reads what it says is gone", () => {
		const script = `mkfifo gone; { { read _ < gone; "$0" help; echo "status $?" >&3; } 2>&1 | { exec <&-; echo > gone; }; } 3>&1`;
		const env = { PATH: process.env["PATH"], HOME: cli.path, GG_CACHE_DIR: cli.at("cache") };
		const ran = spawnSync("sh", ["-c", script, GG], { cwd: cli.path, encoding: "utf8", env });
		assert.deepEqual([ran.stdout, ran.stderr], ["status 0\n", ""]);
	});

	it("takes no code that V8 refuses", () => {
		const cache = cli.at("cache");
		const help = start(cache);
		const [file] = codeFiles(cache);
		const junk = Buffer.from("not code at all");
		writeFileSync(file!, Buffer.concat([createHash("sha256").update(junk).digest(), junk]));
		assert.equal(start(cache), help);
		assert.ok(readFileSync(file!).length > 1000);
	});

	it("removes the code of versions that are long gone", () => {
		const cache = cli.at("cache");
		start(cache);
		const [file] = codeFiles(cache);
		const old = join(cache, "code", "0123456789abcdef-v20.19.0-x64-build");
		writeFileSync(old, "old");
		utimesSync(old, 1, 1);
		writeFileSync(file!, "");
		start(cache);
		assert.deepEqual(codeFiles(cache), [file]);
	});

	it("works where nothing can be kept", () => {
		writeFileSync(cli.at("file"), "");
		assert.match(start(cli.at("file/cache")), /usage: gg COMMAND/);
	});

	it("neither runs nor keeps code in a folder that need not be the user's own: the working directory, where HOME is empty", () => {
		const env = { GG_CACHE_DIR: "", XDG_CACHE_HOME: "", HOME: "" };
		const ran = cli.gg(["help"], { env });
		assert.deepEqual([ran.status, ran.err], [0, ""]);
		assert.equal(existsSync(cli.at(".cache")), false);
	});

	it("takes no code of another user", function () {
		if (process.geteuid?.() !== 0) this.skip();
		const cache = cli.at("cache");
		start(cache);
		const [file] = codeFiles(cache);
		chownSync(file!, 65534, 65534);
		start(cache);
		assert.equal(statSync(file!).uid, 0);
	});
});
