import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { STORAGE_FORMS } from "../../src/storage/open.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { testCli } from "../rig/cli.js";

const hashOf = (text: string): ObjectHash => hashBytes(Buffer.from(text));

describe("gg execute", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	/** Puts a shell script into the store. */
	const script = (text: string): ObjectHash => {
		writeFileSync(cli.at("script"), `#!/bin/sh\n${text}\n`);
		chmodSync(cli.at("script"), 0o755);
		return cli.collect("script");
	};
	/** A thunk that runs `text`, with options of create-thunk. */
	const thunk = (
		text: string,
		options: readonly string[] = ["-o", "out"],
		args: readonly string[] = [],
	): ObjectHash => {
		const program = script(text);
		return cli.create(...options, "-e", program, "--", program, "prog", ...args);
	};
	const reduction = (name: string): string => readFileSync(cli.at(`.gg/reductions/${name}`), "utf8");
	const run = (...args: string[]) => cli.gg(["execute", ...args]);
	const clean = (): void => assert.deepEqual(readdirSync(cli.at(".gg/tmp")), []);

	it("runs a thunk, keeps its outputs and says nothing", () => {
		const hash = thunk("echo one > out; echo two > second", ["-o", "out", "-o", "second"]);
		assert.deepEqual(run(hash), { status: 0, signal: null, out: "", err: "" });
		assert.equal(reduction(hash), hashOf("one\n"));
		assert.equal(reduction(`${hash}#second`), hashOf("two\n"));
		assert.equal(readFileSync(cli.at(`.gg/blobs/${hashOf("two\n")}`), "utf8"), "two\n");
		clean();
	});

	it("passes on what the thunk prints", () => {
		const ran = run(thunk("echo said; echo warned >&2; : > out"));
		assert.deepEqual([ran.status, ran.out, ran.err], [0, "said\n", "warned\n"]);
	});

	it("gives arguments and environment with paths for placeholders, and nothing else", () => {
		writeFileSync(cli.at("v"), "value\n");
		const value = cli.collect("v");
		const program = script('echo "$@" > out; /usr/bin/env | /usr/bin/sort >> out');
		const place = `@{GGHASH:${value}}`;
		const hash = cli.create(
			...["-v", value, "-e", program, "-o", "out", "-E", `IN=${place}`, "-E", "A=1"],
			...["--", program, "prog", `-i${place},${place}`, `@{GGHASH:${value}#tag}`, "@{GGHASH:"],
		);
		assert.equal(run(hash).status, 0);
		const blob = cli.at(`.gg/blobs/${value}`);
		const lines = readFileSync(cli.at(`.gg/blobs/${reduction(hash)}`), "utf8")
			.trimEnd()
			.split("\n");
		assert.equal(lines[0], `-i${blob},${blob} ${blob} @{GGHASH:`);
		const shellsOwn = /^(PWD|OLDPWD|SHLVL|_)=/;
		assert.deepEqual(
			lines.slice(1).filter((line) => !shellsOwn.test(line)),
			[
				"A=1",
				`IN=${blob}`,
				`__GG_DIR__=${cli.at(".gg/blobs")}`,
				"__GG_ENABLED__=1",
				`__GG_THUNK_PATH__=${cli.at(`.gg/blobs/${hash}`)}`,
			].sort(),
		);
	});

	it("tells the thunk of GG_VERBOSE", () => {
		const hash = thunk('echo "$__GG_VERBOSE__" > out');
		assert.equal(cli.gg(["execute", hash], { env: { GG_VERBOSE: "1" } }).status, 0);
		assert.equal(reduction(hash), hashOf("1\n"));
	});

	it("makes links in a folder that was empty, and removes all afterwards", () => {
		writeFileSync(cli.at("v"), "value\n");
		const value = cli.collect("v");
		const list =
			"/usr/bin/find . -mindepth 1 | /usr/bin/sort > /dev/stdout; /bin/cat d/l > out; : > left; /bin/mkdir x; : > x/y";
		const hash = thunk(list, ["-o", "out", "-v", value, "-L", `d/l=${value}`, "-L", `l=${value}`]);
		const ran = run(hash);
		assert.deepEqual([ran.status, ran.out, ran.err], [0, "./d\n./d/l\n./l\n", ""]);
		assert.equal(reduction(hash), value);
		clean();
	});

	it("takes every file of an output folder under its own name, thunks too", () => {
		const text = "/bin/mkdir d; echo a > d/a; printf '##GGTHUNK##' > d/t; : > out";
		const hash = thunk(text, ["-o", "out", "--output-dir", "d"]);
		assert.equal(run(hash).status, 0);
		assert.equal(reduction(`${hash}#a`), hashOf("a\n"));
		assert.equal(reduction(`${hash}#t`), hashOf("##GGTHUNK##"));
		clean();
	});

	it("keeps the permissions of outputs for who forces them", () => {
		const hash = thunk("echo '#!/bin/sh' > out; /bin/chmod 755 out", ["-o", "out", "-C", "p"]);
		const ran = cli.gg(["force", "p"]);
		assert.equal(ran.status, 0, ran.err);
		assert.equal(readFileSync(cli.at("p"), "utf8"), "#!/bin/sh\n");
		assert.equal(reduction(hash), hashOf("#!/bin/sh\n"));
	});

	it("takes several thunks, and stops at the first that fails", () => {
		const [good, bad, later] = [thunk(": > out"), thunk("exit 3"), thunk("echo later > out")];
		assert.equal(run(good, bad, later).status, 5);
		assert.equal(existsSync(cli.at(`.gg/reductions/${good}`)), true);
		assert.equal(existsSync(cli.at(`.gg/reductions/${later}`)), false);
	});

	it("ends with 5 when the thunk fails, and says how", () => {
		const say = (hash: string): string => {
			const ran = run(hash);
			assert.deepEqual([ran.status, ran.out], [5, ""]);
			assert.equal(existsSync(cli.at(`.gg/reductions/${hash}`)), false);
			clean();
			return ran.err.replaceAll(hash, "HASH");
		};
		assert.equal(say(thunk("echo oops >&2; exit 3")), "oops\ngg-execute: thunk HASH (prog) ended with status 3\n");
		assert.equal(say(thunk("kill -9 $$")), "gg-execute: thunk HASH (prog) was killed by signal 9\n");
		const missing = 'gg-execute: thunk HASH ended with status 0, but its output "out"';
		assert.equal(say(thunk(":")), `${missing} is missing\n`);
		assert.equal(say(thunk("echo one >&2; echo two >&2")), `${missing} is missing\n    its last words: two\n`);
		assert.equal(say(thunk("/bin/mkdir out")), `${missing} is not a regular file\n`);
		assert.equal(say(thunk("/bin/ln -s out out")), `${missing} is missing\n`);
		const folder = 'gg-execute: thunk HASH ended with status 0, but its output "d"';
		const withFolder = ["-o", "out", "--output-dir", "d"];
		assert.equal(say(thunk(": > out", withFolder)), `${folder} is missing\n`);
		assert.equal(say(thunk(": > out; : > d", withFolder)), `${folder} is not a folder\n`);
		assert.equal(
			say(thunk(": > out; /bin/mkdir d d/e", withFolder)),
			`${folder} holds "e", which is not a regular file\n`,
		);
		assert.equal(
			say(thunk("while :; do :; done", ["-o", "out", "-T", "50"])),
			"gg-execute: thunk HASH (prog) did not end within 50 ms\n    its own timeout says so; make it with a longer one\n",
		);
	});

	it("ends with 5 when the program cannot be started or an input is missing", () => {
		writeFileSync(cli.at("v"), "no program\n");
		const value = cli.collect("v");
		const noProgram = cli.create("-e", value, "-o", "out", value, "prog");
		assert.equal(
			run(noProgram).err,
			`gg-execute: cannot start the program of thunk ${noProgram}: exec, errno 8\n    its function must be a program of this machine, or a script whose interpreter is installed\n`,
		);
		const hash = thunk(": > out", ["-o", "out", "-v", value]);
		rmSync(cli.at(`.gg/blobs/${value}`), { force: true });
		const ran = run(hash);
		assert.deepEqual(
			[ran.status, ran.err],
			[
				5,
				`gg-execute: thunk ${hash} needs ${value}, which is not in the store\n    put it there with \`gg collect FILE\`, or fetch it with \`gg get HASH\`\n`,
			],
		);
	});

	it("ends with 3 when it does not come to running the thunk", () => {
		const say = (...args: string[]): string => {
			const ran = run(...args);
			assert.deepEqual([ran.status, ran.out], [3, ""]);
			return ran.err;
		};
		const gone = `T${"A".repeat(43)}0000000b`;
		assert.equal(say(), "gg-execute: no thunk was given\n    `gg execute --help` shows how it is called\n");
		assert.equal(say("-x", gone), "gg-execute: there is no option x\n    `gg execute --help` lists the options\n");
		assert.equal(
			say(gone),
			`gg-execute: thunk ${gone} is not in the store\n    it was cleaned away, damaged, or made with another .gg folder\n`,
		);
		assert.equal(
			say("../x"),
			"gg-execute: ../x is not the hash of a thunk\n    it begins with T and has 52 letters; a placeholder's second line is one\n",
		);
		const exists = `    set it to ${STORAGE_FORMS}\n`;
		assert.equal(say("-g", gone), `gg-execute: GG_STORAGE_URI is not set, so there is no storage backend\n${exists}`);
		assert.equal(say("-p", gone), `gg-execute: GG_STORAGE_URI is not set, so there is no storage backend\n${exists}`);
		const low = thunk(": > out");
		const top = thunk(": > out", ["-o", "out", "-t", low]);
		assert.equal(
			say(top),
			`gg-execute: thunk ${top} needs 1 other thunks, among them ${low}\n    \`gg force\` runs those first\n`,
		);
	});

	it("fetches inputs and sends outputs", () => {
		const env = { GG_STORAGE_URI: `file://${cli.at("shared")}` };
		writeFileSync(cli.at("v"), "value\n");
		const value = cli.collect("v");
		const hash = thunk(
			`/bin/cat "$1" > out; echo more > two`,
			["-o", "out", "-o", "two", "-v", value],
			[`@{GGHASH:${value}}`],
		);
		const program = cli.good("hash", "script");
		cli.gg(["put", "v", "script"], { env });
		rmSync(cli.at(`.gg/blobs/${value}`), { force: true });
		rmSync(cli.at(`.gg/blobs/${program}`), { force: true });
		const ran = cli.gg(["execute", "-gp", hash], { env });
		assert.deepEqual([ran.status, ran.err], [0, ""]);
		assert.equal(readFileSync(cli.at(`shared/${hashOf("more\n")}`), "utf8"), "more\n");
		assert.equal(reduction(hash), value);
	});

	it("ends with 4 when inputs cannot be fetched, with 6 when outputs cannot be sent", () => {
		const gone = hashOf("gone");
		const hash = thunk(": > out", ["-o", "out", "-v", gone]);
		mkdirSync(cli.at("shared"));
		const ran = cli.gg(["execute", "-g", hash], { env: { GG_STORAGE_URI: `file://${cli.at("shared")}` } });
		assert.deepEqual([ran.status, ran.err], [4, `gg-execute: ${gone} is not in the storage backend\n`]);
		writeFileSync(cli.at("file"), "");
		const send = cli.gg(["execute", "-p", thunk("echo x > out")], {
			env: { GG_STORAGE_URI: `file://${cli.at("file")}` },
		});
		assert.equal(send.status, 6);
		assert.match(send.err, new RegExp(`^gg-execute: cannot send ${hashOf("x\n")}: `));
	});

	it("-C removes values of what is done first, and thunks never", () => {
		const value = (text: string): ObjectHash => {
			writeFileSync(cli.at("v"), text);
			return cli.collect("v");
		};
		const [lone, used, waiting] = [value("lone"), value("used"), value("waiting")];
		const done = thunk("echo done > out", ["-o", "out", "-v", used]);
		assert.equal(run(done).status, 0);
		thunk(": > out; echo another", ["-o", "out", "-v", waiting, "-t", done]);
		const asked = thunk(": > out");
		assert.equal(run("-C", asked).status, 0);
		const kept = (hash: ObjectHash): boolean => existsSync(cli.at(`.gg/blobs/${hash}`));
		assert.deepEqual([lone, used].map(kept), [false, false], "nobody needs these");
		assert.deepEqual([waiting, hashOf("done\n")].map(kept), [true, true], "a thunk that was not run needs these");
		assert.equal(kept(done), true);
	});

	it("-C keeps what a placeholder stands for", () => {
		const done = thunk("echo done > out", ["-o", "out", "-C", "p"]);
		assert.equal(run(done).status, 0);
		assert.equal(run("-C", thunk(": > out")).status, 0);
		assert.equal(existsSync(cli.at(`.gg/blobs/${hashOf("done\n")}`)), true);
	});

	it("tells how long each step took", () => {
		const ran = run("-T", thunk(": > out"));
		assert.match(
			ran.out,
			/^\d{13}\nread_thunk \d+\ndo_cleanup \d+\nget_dependencies \d+\nexecute \d+\nupload_output \d+\n$/,
		);
	});

	it("leaves the folder of a thunk that failed when GG_LEAVE_CRASHED_THUNKS is set", () => {
		const hash = thunk("echo half > out; exit 1");
		const ran = cli.gg(["execute", hash], { env: { GG_LEAVE_CRASHED_THUNKS: "1" } });
		const [name] = readdirSync(cli.at(".gg/tmp"));
		const folder = cli.at(`.gg/tmp/${name}`);
		assert.equal(
			ran.err,
			`gg: the folder of thunk ${hash} is kept: ${folder}\ngg-execute: thunk ${hash} (prog) ended with status 1\n`,
		);
		assert.equal(readFileSync(`${folder}/out`, "utf8"), "half\n");
	});
});
