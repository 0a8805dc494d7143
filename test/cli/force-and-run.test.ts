import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { GG, testCli } from "../rig/cli.js";

describe("gg force-and-run", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	/** A placeholder for a shell script. */
	const placeholder = (text: string, name = "prog"): void => {
		writeFileSync(cli.at("maker"), `#!/bin/sh\n/bin/cat > out <<'END'\n#!/bin/sh\n${text}\nEND\n/bin/chmod 755 out\n`);
		chmodSync(cli.at("maker"), 0o755);
		const maker = cli.collect("maker");
		cli.create("-e", maker, "-o", "out", "-C", name, maker, "maker");
	};

	it("forces a placeholder and becomes the program: output, arguments, status", () => {
		placeholder('echo "$@"; echo warned >&2; exit 7');
		const ran = cli.gg(["force-and-run", "prog", "-x", "--help", "a b"]);
		assert.deepEqual([ran.status, ran.out, ran.err], [7, "-x --help a b\n", "warned\n"]);
		assert.equal(readFileSync(cli.at("prog"), "utf8").startsWith("#!/bin/sh\n"), true);
	});

	it("runs what is no placeholder as it is, outside of any project too", () => {
		writeFileSync(cli.at("p"), "#!/bin/sh\nread line; echo got $line\n");
		chmodSync(cli.at("p"), 0o755);
		const ran = cli.gg(["force-and-run", "./p"], { input: "input\n", env: { GG_DIR: "bad" } });
		assert.deepEqual([ran.status, ran.out, ran.err], [0, "got input\n", ""]);
	});

	it("dies of the signal that the program died of", () => {
		placeholder("kill -TERM $$");
		const ran = cli.gg(["force-and-run", "prog"]);
		assert.deepEqual([ran.status, ran.signal], [null, "SIGTERM"]);
	});

	it("passes signals on", async () => {
		writeFileSync(
			cli.at("p"),
			"#!/bin/sh\ntrap 'echo caught; exit 5' TERM\necho ready\nwhile :; do sleep 0.01; done\n",
		);
		chmodSync(cli.at("p"), 0o755);
		const child = spawn(GG, ["force-and-run", "./p"], { cwd: cli.path, stdio: ["ignore", "pipe", "inherit"] });
		let out = "";
		child.stdout.on("data", (chunk: Buffer) => {
			out += chunk.toString();
			if (out === "ready\n") child.kill("SIGTERM");
		});
		const [code] = (await once(child, "close")) as [number];
		assert.deepEqual([code, out], [5, "ready\ncaught\n"]);
	});

	it("runs nothing when forcing fails", () => {
		writeFileSync(cli.at("maker"), "#!/bin/sh\nexit 3\n");
		chmodSync(cli.at("maker"), 0o755);
		const maker = cli.collect("maker");
		const hash = cli.create("-e", maker, "-o", "out", "-C", "prog", maker, "maker");
		const ran = cli.gg(["force-and-run", "prog"]);
		assert.deepEqual([ran.status, ran.out], [1, ""]);
		assert.match(ran.err, /ended with status 3/);
		assert.equal(readFileSync(cli.at("prog"), "utf8").includes(hash), true);
	});

	it("says what is wrong", () => {
		writeFileSync(cli.at("f"), "no program");
		assert.equal(
			cli.bad("force-and-run"),
			"gg-force-and-run: no file was given\n    `gg force-and-run --help` shows how it is called\n",
		);
		assert.equal(cli.bad("force-and-run", "none"), "gg-force-and-run: cannot run none: it does not exist\n");
		assert.equal(cli.bad("force-and-run", "f"), "gg-force-and-run: cannot run f: permission denied\n");
	});

	it("shows its use", () => {
		assert.match(cli.good("force-and-run", "--help"), /^gg force-and-run FILE \[ARG…\]\n/);
	});
});
