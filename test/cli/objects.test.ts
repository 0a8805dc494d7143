import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { STORAGE_FORMS } from "../../src/storage/open.js";
import { testCli } from "../rig/cli.js";

const H = "VWJG1tSLV3whtD_CxEPvZ0hu0_HFjrzTQgoai6Eb2vgM00000006";
const E = "V47DEQpj8HBSa._TImW.5JCeuQeRkm5NMpJWZG3hSuFU00000000";

describe("gg init", () => {
	const cli = testCli();

	it("makes a .gg folder here, and says where", () => {
		const ran = cli.gg(["init"]);
		assert.deepEqual(ran, { status: 0, signal: null, out: "", err: `Initialized gg directory at: ${cli.at(".gg")}\n` });
		assert.equal(existsSync(cli.at(".gg/blobs")), true);
	});

	it("makes the folder that is named, whatever GG_DIR says", () => {
		const ran = cli.gg(["init", "a/b"], { env: { GG_DIR: cli.at("other") } });
		assert.equal(ran.err, `Initialized gg directory at: ${cli.at("a/b")}\n`);
		assert.deepEqual(readdirSync(cli.path), ["a"]);
	});

	it("may be done again, and loses nothing", () => {
		cli.gg(["init"]);
		writeFileSync(cli.at("f"), "hello\n");
		cli.collect("f");
		assert.equal(cli.gg(["init"]).status, 0);
		assert.equal(existsSync(cli.at(`.gg/blobs/${H}`)), true);
	});

	it("takes one folder", () => {
		assert.equal(
			cli.bad("init", "a", "b"),
			"gg-init: one folder, not 2\n    `gg init --help` shows how it is called\n",
		);
	});

	it("shows its use", () => {
		assert.equal(
			cli.good("init", "--help"),
			"gg init [FOLDER]\n\nMakes a .gg folder here, or FOLDER as one. GG_DIR is not looked at.\n\nOptions:\n  -h, --help  show this                                                                    [boolean]",
		);
	});
});

describe("gg hash", () => {
	const cli = testCli();

	it("prints the name of a file's content, without a .gg folder", () => {
		writeFileSync(cli.at("f"), "hello\n");
		writeFileSync(cli.at("-e"), "");
		assert.equal(cli.good("hash", "f"), H);
		assert.equal(cli.good("hash-static", "f"), H);
		assert.equal(cli.good("hash", "--", "-e"), E);
		writeFileSync(cli.at("t"), "##GGTHUNK##");
		assert.equal(cli.good("hash", "t")[0], "T");
		assert.equal(existsSync(cli.at(".gg")), false);
	});

	it("says what is wrong", () => {
		mkdirSync(cli.at("d"));
		const usage = "    `gg hash --help` shows how it is called\n";
		assert.equal(cli.bad("hash"), `gg-hash: one file, not 0\n${usage}`);
		assert.equal(cli.bad("hash", "a", "b"), `gg-hash: one file, not 2\n${usage}`);
		assert.equal(cli.bad("hash", "none"), "gg-hash: cannot read none: it does not exist\n");
		assert.equal(cli.bad("hash", "d"), "gg-hash: cannot read d: it is a folder\n");
		assert.equal(cli.bad("hash", "-x"), "gg-hash: there is no option x\n    `gg hash --help` lists the options\n");
		assert.equal(
			cli.bad("hash", "--no-x", "f"),
			"gg-hash: there is no option no-x\n    `gg hash --help` lists the options\n",
		);
	});
});

describe("gg collect", () => {
	const cli = testCli();

	it("puts files into the store, one hash a line", () => {
		cli.gg(["init"]);
		writeFileSync(cli.at("h"), "hello\n");
		writeFileSync(cli.at("e"), "");
		assert.equal(cli.good("collect", "h", "e"), `${H}\n${E}`);
		assert.equal(readFileSync(cli.at(`.gg/blobs/${H}`), "utf8"), "hello\n");
		assert.equal(statSync(cli.at(`.gg/blobs/${H}`)).mode & 0o777, 0o400);
	});

	it("keeps programs executable", () => {
		cli.gg(["init"]);
		writeFileSync(cli.at("h"), "hello\n");
		cli.collect("h");
		chmodSync(cli.at("h"), 0o755);
		assert.equal(cli.good("collect", "h"), H);
		assert.equal(statSync(cli.at(`.gg/blobs/${H}`)).mode & 0o777, 0o500);
	});

	it("says what is wrong", () => {
		const hint =
			"    run `gg init` in the folder where the build starts, or `gg build COMMAND` which does so by itself\n";
		assert.equal(cli.bad("collect", "h"), `gg-collect: no .gg folder in ${cli.path} or any folder above it\n${hint}`);
		cli.gg(["init"]);
		assert.equal(cli.bad("collect"), "gg-collect: no file was given\n    `gg collect --help` shows how it is called\n");
		assert.equal(cli.bad("collect", "none"), "gg-collect: cannot read none: it does not exist\n");
		const ran = cli.gg(["collect", "h"], { env: { GG_DIR: "x" } });
		assert.equal(
			ran.err,
			'gg-collect: GG_DIR is "x", which is not an absolute path\n    set GG_DIR to an absolute path, or unset it\n',
		);
	});
});

describe("gg put and get", () => {
	const cli = testCli();
	const env = () => ({ GG_STORAGE_URI: `file://${cli.at("shared")}` });

	it("carry objects from one store to another", () => {
		mkdirSync(cli.at("a"));
		mkdirSync(cli.at("b"));
		for (const name of ["a", "b"]) cli.gg(["init"], { cwd: cli.at(name) });
		writeFileSync(cli.at("a/f"), "hello\n");
		const put = cli.gg(["put", "f"], { cwd: cli.at("a"), env: env() });
		assert.deepEqual([put.status, put.out, put.err], [0, "", `PUT f -> ${H}\n`]);
		const get = cli.gg(["get", H], { cwd: cli.at("b"), env: env() });
		const target = cli.at(`b/.gg/blobs/${H}`);
		assert.deepEqual([get.status, get.out, get.err], [0, "", `GET ${H} -> ${target}\n`]);
		assert.equal(readFileSync(target, "utf8"), "hello\n");
	});

	it("read the files' names from standard input if none is given", () => {
		writeFileSync(cli.at("f"), "hello\n");
		writeFileSync(cli.at("e e"), "");
		const ran = cli.gg(["put"], { input: "f\ne e\n", env: env() });
		assert.equal(ran.err, `PUT f -> ${H}\nPUT e e -> ${E}\n`);
		assert.deepEqual(readdirSync(cli.at("shared")).sort(), [E, H].sort());
	});

	it("send what was cut short again, and take nothing that is not what its name says", () => {
		cli.gg(["init"]);
		mkdirSync(cli.at("shared"));
		writeFileSync(cli.at("f"), "hello\n");
		writeFileSync(join(cli.at("shared"), H), "hellO\n");
		assert.equal(
			cli.gg(["get", H], { env: env() }).err,
			`gg-get: ${H} is not in the storage backend\n    send it there with \`gg put FILE\`, and check GG_STORAGE_URI\n`,
		);
		writeFileSync(join(cli.at("shared"), H), "hel");
		cli.gg(["put", "f"], { env: env() });
		assert.equal(cli.gg(["get", H], { env: env() }).status, 0);
	});

	it("say what is wrong", () => {
		cli.gg(["init"]);
		const exists = `${STORAGE_FORMS}\n`;
		assert.equal(
			cli.bad("get", H),
			`gg-get: GG_STORAGE_URI is not set, so there is no storage backend\n    set it to ${exists}`,
		);
		const say = (uri: string, ...args: string[]): string => {
			const ran = cli.gg(args, { env: { GG_STORAGE_URI: uri } });
			assert.deepEqual([ran.status, ran.out], [1, ""]);
			return ran.err;
		};
		assert.equal(
			say("ftp://key:secret@bucket/", "put", "f"),
			`gg-put: GG_STORAGE_URI names a backend that gg cannot use (ftp:)\n    what exists: ${exists}`,
		);
		assert.equal(say("folder", "get", H), `gg-get: GG_STORAGE_URI is not a URI\n    what exists: ${exists}`);
		assert.equal(
			say("file://host/x", "get", H),
			`gg-get: GG_STORAGE_URI names a backend that gg cannot use (file:)\n    what exists: ${exists}`,
		);
		const good = `file://${cli.at("shared")}`;
		assert.equal(say(good, "get"), "gg-get: no hash was given\n    `gg get --help` shows how it is called\n");
		assert.equal(
			say(good, "get", "../x"),
			"gg-get: ../x is not a hash\n    a hash has 52 letters and begins with V or T\n",
		);
		assert.equal(say(good, "put", "none"), "gg-put: cannot read none: it does not exist\n");
		rmSync(cli.at(".gg"), { recursive: true });
		assert.match(say(good, "get", H), /^gg-get: no \.gg folder in /);
	});
});
