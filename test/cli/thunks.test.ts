import { strict as assert } from "node:assert";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { ObjectHash } from "../../src/thunk/hash.js";
import { testCli } from "../rig/cli.js";

const H = "VWJG1tSLV3whtD_CxEPvZ0hu0_HFjrzTQgoai6Eb2vgM00000006";
const E = "V47DEQpj8HBSa._TImW.5JCeuQeRkm5NMpJWZG3hSuFU00000000";
const TH = `T${H.slice(1)}`;
const SMALL = "TSokWE4QGnZ9m3zwmfcSLK3_SqNW9s058ye1.GGbAtQU00000084";

describe("gg create-thunk", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	it("makes the original's thunks, and prints their hashes on standard error", () => {
		assert.equal(cli.create("-e", H, "-o", "out", H, "prog"), SMALL);
		assert.equal(existsSync(cli.at(`.gg/blobs/${SMALL}`)), true);
		const large = ["-E", "A=1", "-E", "B=2", "-v", `${H}=z`, "-v", `${E}=x`, "-v", `${H}=a`, "-t", `${TH}=dep`];
		large.push("-e", H, "-e", `${E}=exe`, "-o", "out", "-o", "two", "-T", "500", "-L", `b=${H}`, "-L", `a=${E}`);
		const expected = "TTuPAHelhJhG6FgkbXw1MIgijvPeJqykieishHefJFq800000269";
		assert.equal(cli.create(...large, "--", H, "prog", `@{GGHASH:${H}}`), expected);
		assert.equal(
			cli.create("--output-dir", "d", "-e", H, "-o", "out", H, "prog"),
			"T7ep5MCMy7tgjwA254d4BE6C1EFZFHO1yndk4BE9zNK400000087",
		);
	});

	it("takes options in every form that getopt takes, among the arguments too", () => {
		for (const args of [
			["--executable", H, "--output", "out", H, "prog"],
			[`--executable=${H}`, "--output=out", H, "prog"],
			[`-e${H}`, "-oout", H, "prog"],
			[H, "-e", H, "prog", "-o", "out"],
			["-o", "out", "-e", H, "--", H, "prog"],
			["-T", "0", "-e", H, "-o", "out", H, "prog"],
		]) {
			assert.equal(cli.create(...args), SMALL, args.join(" "));
		}
		assert.equal(cli.gg(["create-thunk-static", "-e", H, "-o", "out", H, "prog"]).err, `${SMALL}\n`);
	});

	it("leaves arguments as they are: numbers, quotes, dashes, the empty one", () => {
		const args = ["007", "1e3", "", '"quoted"', "'a b'", "-x", "--", "a=b", "true"];
		const hash = cli.create("-e", H, "-o", "out", "-E", "X=007", "--", H, "prog", ...args);
		const json = JSON.parse(cli.good("describe", hash)) as { function: { args: string[]; envars: string[] } };
		assert.deepEqual(json.function, { hash: H, args: ["prog", ...args], envars: ["X=007"] });
	});

	it("writes a placeholder, in the form that its name asks for", () => {
		cli.create("-e", H, "-o", "out", "-C", "prog", H, "prog");
		assert.equal(readFileSync(cli.at("prog"), "utf8"), `#!/usr/bin/env gg-force-and-run\n${SMALL}\n`);
		assert.equal(statSync(cli.at("prog")).mode & 0o777, 0o755);
		cli.create("-e", H, "-o", "out", "-C", "x.o", H, "prog");
		assert.equal(readFileSync(cli.at("x.o"), "utf8").split("\n*/")[0], `OUTPUT_FORMAT("elf64-x86-64")/*\n${SMALL}`);
		assert.equal(statSync(cli.at("x.o")).mode & 0o777, 0o600);
	});

	it("writes the thunk to a file alone, without a .gg folder", () => {
		const env = { GG_DIR: "not/absolute" };
		const ran = cli.gg(["create-thunk", "--output-path", "t", "-e", H, "-o", "out", H, "prog"], { env });
		assert.deepEqual([ran.status, ran.err], [0, `${SMALL}\n`]);
		assert.equal(cli.good("hash", "t"), SMALL);
		assert.equal(existsSync(cli.at(`.gg/blobs/${SMALL}`)), false);
	});

	it("says what is wrong", () => {
		const say = (...args: string[]): string => cli.bad("create-thunk", ...args).replace(/^gg-create-thunk: /, "");
		const hint = "\n    a hash is printed by `gg hash FILE` and `gg collect FILE`\n";
		const rest = ["-e", H, "-o", "out", H, "prog"];
		assert.equal(say(), "no function hash was given\n    `gg create-thunk --help` shows how it is called\n");
		assert.equal(say("-o"), "-o needs a value\n    `gg create-thunk --help` lists the options\n");
		assert.equal(say("-d", "x", ...rest), "there is no option d\n    `gg create-thunk --help` lists the options\n");
		assert.equal(say("prog"), `the function is not a hash: "prog"${hint}`);
		assert.equal(say("-v", "a=b", ...rest), `--value is not a hash: "a"${hint}`);
		assert.equal(say("-e", H.slice(1), ...rest), `--executable is not a hash: ${JSON.stringify(H.slice(1))}${hint}`);
		assert.equal(say("-t", "x", ...rest), `--thunk is not a hash: "x"${hint}`);
		assert.equal(
			say("-t", `${H}=x`, ...rest),
			`--thunk names a value: ${H}\n    what is no thunk is given with --value\n`,
		);
		assert.equal(say("-L", "x", ...rest), '--link has no target: "x"\n    it is written NAME=HASH\n');
		assert.equal(say("-L", "x=y", ...rest), `the target of --link is not a hash: "y"${hint}`);
		const leaves = "leaves the folder the thunk runs in";
		const relative = "\n    give a relative name without `..`\n";
		assert.equal(say("-L", `../x=${H}`, ...rest), `--link ${leaves}: "../x"${relative}`);
		assert.equal(say("-o", "/x", ...rest), `--output ${leaves}: "/x"${relative}`);
		assert.equal(say("--output-dir", "..", ...rest), `--output-dir ${leaves}: ".."${relative}`);
		for (const bad of ["x", "-1", "1.5", "99999999999", ""]) {
			const text = `--timeout is not a number of milliseconds: ${JSON.stringify(bad)}\n    for example: --timeout 5000\n`;
			assert.equal(say(`--timeout=${bad}`, ...rest), text);
		}
		assert.equal(
			say("-e", H, "-o", "out", H),
			"the thunk has no argument\n    the first argument is the name that the program is run by\n",
		);
		assert.equal(say("-e", H, H, "prog"), "the thunk has no output\n    name what it writes with --output\n");
		assert.equal(
			say("-o", "out", H, "prog"),
			"the thunk has no executable\n    name the function's hash with --executable\n",
		);
	});

	it("shows its use", () => {
		const help = cli.good("create-thunk", "--help");
		for (const letter of ["E", "v", "t", "e", "o", "C", "T", "L"])
			assert.match(help, new RegExp(`^  -${letter}, --`, "m"));
		assert.match(help, /^ {6}--output-dir /m);
	});
});

describe("gg describe", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	const JSON_TEXT = `{
 "function": {
  "hash": "${H}",
  "args": [
   "prog"
  ],
  "envars": []
 },
 "values": [
  "${E}=x"
 ],
 "thunks": [
  "${TH}#two=dep"
 ],
 "executables": [
  "${H}"
 ],
 "outputs": [
  "out"
 ],
 "links": [
  {
   "name": "l",
   "target": "${H}"
  }
 ],
 "outputDir": "",
 "timeout": 7,
 "cwd": "",
 "trees": [],
 "outputPaths": [],
 "umask": "0022",
 "capture": false,
 "inout": []
}`;
	const make = (...more: string[]): ObjectHash =>
		cli.create(
			"-v",
			`${E}=x`,
			"-t",
			`${TH}#two=dep`,
			"-e",
			H,
			"-o",
			"out",
			"-T",
			"7",
			"-L",
			`l=${H}`,
			...more,
			H,
			"prog",
		);

	it("prints all fields in the original's order, then ours, however the thunk is named", () => {
		const hash = make("-C", "x.o");
		make("--output-path", "t");
		for (const name of [hash, hash.slice(0, 3), "x.o", "t"]) assert.equal(cli.good("describe", name), JSON_TEXT, name);
	});

	it("prints one hash of all executables", () => {
		const hash = cli.create("-e", H, "-e", `${E}=exe`, "-o", "out", H, "prog");
		// SHA-256 of both names, in the order of the names.
		assert.equal(cli.good("describe", "-e", hash), "kB2iXJPrREDD6o3BwRSCz41Y9LqeH5EXs-K7o8YSS2Q");
		assert.equal(cli.good("describe", "--executable-hash", hash), cli.good("describe", hash, "-e"));
	});

	it("prints environment and arguments in one line", () => {
		const hash = cli.create("-E", "A=1", "-e", H, "-o", "out", "--", H, "prog", "-x");
		assert.equal(cli.good("describe", "-c", hash), "A=1 prog -x");
	});

	it("says what is wrong", () => {
		const say = (...args: string[]): string => cli.bad("describe", ...args).replace(/^gg-describe: /, "");
		writeFileSync(cli.at("f"), "text");
		writeFileSync(cli.at("cut"), "##GGTHUNK##");
		assert.equal(say(), "one thunk, not 0\n    `gg describe --help` shows how it is called\n");
		assert.equal(say("a", "b"), "one thunk, not 2\n    `gg describe --help` shows how it is called\n");
		assert.equal(
			say("f"),
			"f is neither a thunk nor a placeholder\n    it may be built already; what happened to it is shown by `gg explain`\n",
		);
		assert.equal(
			say("none"),
			"none is neither a file nor the hash of a thunk in the store, or its beginning\n    a placeholder's second line is its thunk's hash\n",
		);
		assert.equal(say(H), `${H} is a value, not a thunk\n    a thunk's hash begins with T\n`);
		assert.equal(
			say(TH),
			`thunk ${TH} is not in the store\n    it was cleaned away, damaged, or made with another .gg folder\n`,
		);
		const malformed =
			"not a valid thunk: it has no function\n    the file was cut short or altered; infer the build again\n";
		assert.equal(say("cut"), malformed);
		const hash = make();
		chmodSync(cli.at(`.gg/blobs/${hash}`), 0o600);
		writeFileSync(cli.at(`.gg/blobs/${hash}`), "damaged");
		assert.equal(
			say(hash),
			`thunk ${hash} is not in the store\n    it was cleaned away, damaged, or made with another .gg folder\n`,
		);
	});

	it("wants more letters where several thunks begin alike", () => {
		const hashes: string[] = [];
		const alike = (): string | undefined => hashes.map((h) => h.slice(0, 3)).find((p, i, all) => all.indexOf(p) !== i);
		// Of 4096 beginnings of three letters, a hundred thunks need not share one: names are written by hand instead.
		hashes.push(make());
		const twin = `${hashes[0]!.slice(0, 5)}${"A".repeat(39)}00000084`;
		writeFileSync(cli.at(`.gg/blobs/${twin}`), "");
		hashes.push(twin);
		assert.equal(
			cli.bad("describe", alike()!),
			`gg-describe: 2 thunks begin with ${alike()}\n    give more letters of the hash\n`,
		);
		assert.equal(cli.good("describe", hashes[0]!.slice(0, 12)), JSON_TEXT);
	});
});

describe("gg thunksummary", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	it("prints the tree of what a thunk needs, and its sum", () => {
		writeFileSync(cli.at("big"), Buffer.alloc(3 << 20));
		const big = cli.collect("big");
		const low = cli.create("-v", H, "-v", big, "-e", H, "-o", "out", H, "low");
		const mid = cli.create("-t", low, "-v", H, "-e", H, "-o", "out", H, "mid");
		const top = cli.create("-t", mid, "-t", low, "-e", H, "-o", "out", "-C", "p", H, "top");
		const [l, m, t, v, b] = [low, mid, top, H, big].map((hash) => hash.slice(0, 5));
		const values = [H, big].sort().map((hash) => (hash === H ? v : b));
		const lowTree = (indent: string): string[] => [
			`${indent}${l}`,
			...values.map((x) => `${indent} ${x}`),
			`${indent}${l} uses 1 thunk and 2 files totaling 3 MiB`,
		];
		const midFirst = [
			` ${m}`,
			`  ${v}`,
			...lowTree("  "),
			` ${m} uses 2 thunks and 2 files totaling 3 MiB`,
			` ${l} (as above)`,
		];
		const lowFirst = [
			...lowTree(" "),
			` ${m}`,
			`  ${v}`,
			`  ${l} (as above)`,
			` ${m} uses 2 thunks and 2 files totaling 3 MiB`,
		];
		const expected = [`${t}`, ...(mid < low ? midFirst : lowFirst), `${t} uses 3 thunks and 2 files totaling 3 MiB`];
		assert.equal(cli.good("thunksummary", top), expected.join("\n"));
		assert.equal(cli.good("thunksummary", "p"), expected.join("\n"));
	});

	it("says what is wrong", () => {
		const use = "    `gg thunksummary --help` shows how it is called\n";
		assert.equal(cli.bad("thunksummary"), `gg-thunksummary: one thunk, not 0\n${use}`);
		const top = cli.create("-t", TH, "-e", H, "-o", "out", H, "top");
		const ran = cli.gg(["thunksummary", top]);
		assert.deepEqual(
			[ran.status, ran.err],
			[
				1,
				`gg-thunksummary: thunk ${TH} is not in the store\n    it was cleaned away, damaged, or made with another .gg folder\n`,
			],
		);
	});
});
