import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { type Ran, testCli } from "../rig/cli.js";

const hashOf = (text: string): ObjectHash => hashBytes(Buffer.from(text));
const built = (name: string): string => fileURLToPath(new URL(`../../../dist/gg-${name}-static`, import.meta.url));

describe("the tools that are one file each", () => {
	const cli = testCli();
	beforeEach(() => {
		cli.gg(["init"]);
		for (const name of ["hash", "create-thunk", "execute"]) {
			// As an object in the store: no suffix, no neighbours.
			copyFileSync(built(name), cli.at(`V${name}`));
			chmodSync(cli.at(`V${name}`), 0o500);
		}
		writeFileSync(cli.at("f"), "hello\n");
	});
	const alone = (name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Ran => {
		const PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;
		const done = spawnSync(cli.at(`V${name}`), args, { cwd: cli.path, env: { PATH, ...env }, encoding: "utf8" });
		return { status: done.status, signal: done.signal, out: done.stdout, err: done.stderr };
	};

	it("say what their namesakes say", () => {
		assert.deepEqual(alone("hash", ["f"]), { status: 0, signal: null, out: `${hashOf("hello\n")}\n`, err: "" });
		const H = hashOf("hello\n");
		const args = ["-e", H, "-o", "out", H, "prog"];
		assert.deepEqual(alone("create-thunk", args), cli.gg(["create-thunk", ...args]));
		const bad = ["hash", "create-thunk", "execute"].map((name) => alone(name, ["--none"]));
		const same = ["hash", "create-thunk", "execute"].map((name) => cli.gg([name, "--none"]));
		assert.deepEqual(bad, same);
	});

	it("need neither PATH nor HOME where a shell finds node by itself", function () {
		if (!["/usr/local/bin", "/usr/bin", "/bin"].some((folder) => existsSync(`${folder}/node`))) this.skip();
		const done = spawnSync("/usr/bin/env", ["-i", cli.at("Vhash"), "f"], { cwd: cli.path, encoding: "utf8" });
		assert.deepEqual([done.stdout, done.stderr], [`${hashOf("hello\n")}\n`, ""]);
	});

	it("work in a folder whose files are modules of either kind", () => {
		for (const type of ["module", "commonjs"]) {
			writeFileSync(cli.at("package.json"), JSON.stringify({ type }));
			assert.equal(alone("hash", ["f"]).out, `${hashOf("hello\n")}\n`, type);
		}
	});

	it("execute a thunk in the original's form", () => {
		writeFileSync(cli.at("script"), "#!/bin/sh\necho said; echo warned >&2; /bin/cat $1 > out; umask >> out\n");
		chmodSync(cli.at("script"), 0o755);
		const [program, value] = [cli.collect("script"), cli.collect("f")];
		const thunk = cli.create("-e", program, "-v", value, "-o", "out", "--", program, "prog", `@{GGHASH:${value}}`);
		assert.deepEqual(alone("execute", [thunk]), { status: 0, signal: null, out: "said\n", err: "warned\n" });
		const to = readFileSync(cli.at(`.gg/reductions/${thunk}`), "utf8");
		assert.equal(readFileSync(cli.at(`.gg/blobs/${to}`), "utf8"), "hello\n0022\n");
	});

	it("end a thunk that is late, with what it started, and tell how one failed", () => {
		const thunkOf = (text: string, ...options: readonly string[]): ObjectHash => {
			writeFileSync(cli.at("script"), `#!/bin/sh\n${text}\n`);
			chmodSync(cli.at("script"), 0o755);
			const program = cli.collect("script");
			return cli.create(...options, "-e", program, "-o", "out", "--", program, "prog");
		};
		const late = thunkOf("/bin/sleep 1000 & echo $! >&2; wait", "-T", "300");
		const ended = alone("execute", [late]);
		assert.equal(ended.status, 5);
		assert.match(ended.err, /did not end within 300 ms/);
		const failed = thunkOf("kill -9 $$");
		const killed = `gg-execute: thunk ${failed} (prog) was killed by signal 9\n`;
		assert.deepEqual(alone("execute", [failed]), { status: 5, signal: null, out: "", err: killed });
	});

	it("say that a build's thunk is not for them", () => {
		writeFileSync(cli.at("Makefile"), "f.o: f.c ; cc -c f.c\n");
		writeFileSync(cli.at("f.c"), "int f;\n");
		assert.equal(cli.gg(["infer", "make"]).status, 0);
		const thunk = readFileSync(cli.at("f.o"), "utf8").split("\n")[1]!;
		const refused = alone("execute", [thunk]);
		assert.equal(
			refused.err,
			`gg-execute: the thunk is one of a build in ${cli.path}, which gg-execute-static cannot run\n` +
				"    `gg execute` can, where gg is installed\n",
		);
		assert.equal(refused.status, 3);
	});
});
