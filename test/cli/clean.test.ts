import { strict as assert } from "node:assert";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { beginWork } from "../../src/store/at-work.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { testCli } from "../rig/cli.js";

const DAY = 86400;
const USAGE = "    `gg clean --help` shows how it is called\n";

describe("gg clean", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	const blob = (hash: string): string => cli.at(`.gg/blobs/${hash}`);
	/** Makes everything in the store that was not used since look as if it was last used so many days ago. */
	const age = (days: number, ...hashes: readonly string[]): void => {
		const time = Date.now() / 1000 - days * DAY;
		for (const folder of ["blobs", "reductions"]) {
			for (const name of readdirSync(cli.at(`.gg/${folder}`))) {
				if (hashes.length === 0 || hashes.some((hash) => name.startsWith(hash))) {
					utimesSync(cli.at(`.gg/${folder}/${name}`), time, time);
				}
			}
		}
		utimesSync(cli.at(".gg/pack"), time, time);
	};
	const program = (): ObjectHash => {
		writeFileSync(cli.at("script"), '#!/bin/sh\necho "$1" > out\n');
		chmodSync(cli.at("script"), 0o755);
		return cli.collect("script");
	};
	/** A thunk with a placeholder, forced. */
	const forced = (word: string): { thunk: ObjectHash; output: ObjectHash } => {
		const p = program();
		const thunk = cli.create("-e", p, "-o", "out", "-C", word, p, "prog", word);
		const ran = cli.gg(["force", word]);
		assert.equal(ran.status, 0, ran.err);
		return { thunk, output: hashBytes(Buffer.from(`${word}\n`)) };
	};

	it("removes what was not used for so long, and what only that needed", () => {
		const old = forced("old");
		age(40);
		const young = forced("young");
		const out = cli.good("clean", "--older-than", "30d");
		// The old thunk, its output and its result; the program is needed by the young one.
		assert.match(out, /^removed 1 result and 3 objects \(0\.0 MiB\); 4 objects \(0\.0 MiB\) stay$/);
		for (const hash of [old.thunk, old.output]) assert.equal(existsSync(blob(hash)), false);
		for (const hash of [young.thunk, young.output]) assert.equal(existsSync(blob(hash)), true);
		assert.deepEqual(readdirSync(cli.at(".gg/reductions")), [young.thunk]);
		assert.equal(
			cli.good("clean", "--older-than", "30d"),
			"removed 0 results and 0 objects (0.0 MiB); 4 objects (0.0 MiB) stay",
		);
	});

	it("leaves what was removed to be made again", () => {
		const p = program();
		const { thunk } = forced("word");
		assert.match(cli.good("clean", "--all"), /^removed 1 result and \d+ objects/);
		program();
		assert.equal(cli.create("-e", p, "-o", "out", "-C", "word", p, "prog", "word"), thunk);
		assert.equal(cli.gg(["force", "word"]).status, 0);
	});

	it("leaves alone what placeholders need, and what those need in turn", () => {
		const p = program();
		writeFileSync(cli.at("v"), "value\n");
		const value = cli.collect("v");
		const low = cli.create("-v", value, "-e", p, "-o", "out", p, "prog", "low");
		mkdirSync(cli.at("sub"));
		cli.create("-t", low, "-e", p, "-o", "out", "-C", "sub/moved", p, "prog", "top");
		writeFileSync(cli.at("w"), "alone\n");
		const alone = cli.collect("w");
		assert.equal(cli.good("clean", "--all"), "removed 0 results and 1 object (0.0 MiB); 4 objects (0.0 MiB) stay");
		assert.equal(existsSync(blob(alone)), false);
		assert.equal(existsSync(blob(value)), true);
		const ran = cli.gg(["force", "sub/moved"]);
		assert.equal(ran.status, 0, ran.err);
	});

	it("keeps to a size by removing the least recently used first", () => {
		const size = 300 << 10;
		const hashes = [1, 2, 3].map((n) => {
			writeFileSync(cli.at(`f${n}`), Buffer.alloc(size, n));
			return cli.collect(`f${n}`);
		});
		writeFileSync(cli.at(".gg/pack"), "ggpack1\n");
		age(3, hashes[1]!);
		age(2, hashes[0]!);
		age(1, hashes[2]!);
		assert.equal(
			cli.good("clean", "--max-size", "1M"),
			"removed 0 results and 0 objects (0.0 MiB); 3 objects (0.9 MiB) stay",
		);
		assert.equal(
			cli.good("clean", "--max-size", "700K"),
			"removed 0 results and 1 object (0.3 MiB); 2 objects (0.6 MiB) stay",
		);
		assert.deepEqual(
			hashes.map((h) => existsSync(blob(h))),
			[true, false, true],
		);
		assert.equal(
			cli.good("clean", "--max-size", "0.3M"),
			"removed 0 results and 1 object (0.3 MiB); 1 object (0.3 MiB) stay",
		);
		assert.deepEqual(
			hashes.map((h) => existsSync(blob(h))),
			[false, false, true],
		);
	});

	it("only counts when asked to", () => {
		const { output } = forced("word");
		const out = cli.good("clean", "-n", "--all");
		assert.equal(out, "would remove 1 result and 4 objects (0.0 MiB); 0 objects (0.0 MiB) would stay");
		assert.equal(existsSync(blob(output)), true);
		assert.equal(cli.good("clean", "--all"), "removed 1 result and 4 objects (0.0 MiB); 0 objects (0.0 MiB) stay");
	});

	it("removes what killed processes left behind, and not what others work in", () => {
		const old = Date.now() / 1000 - 2 * 3600;
		const strays = ["blobs/x.gg-1-abcd-1", "reductions/y.gg-1-abcd-1"].map((name) => cli.at(`.gg/${name}`));
		for (const stray of strays) {
			writeFileSync(stray, "");
			utimesSync(stray, old, old);
		}
		const fresh = cli.at(".gg/blobs/z.gg-1-abcd-1");
		writeFileSync(fresh, "");
		// No process has a number that large.
		for (const name of ["run-4194305-1", "thunk-4194305-2", `thunk-${process.pid}-1`, "other"])
			mkdirSync(cli.at(`.gg/tmp/${name}`));
		cli.good("clean", "--older-than", "30d");
		for (const stray of strays) assert.equal(existsSync(stray), false);
		assert.equal(existsSync(fresh), true);
		assert.deepEqual(readdirSync(cli.at(".gg/tmp")).sort(), ["other", `thunk-${process.pid}-1`].sort());
	});

	it("removes nothing while another gg is at work there, and says so; one that was killed is not", () => {
		const end = beginWork(cli.at(".gg"));
		const file = `work-${process.pid}`;
		try {
			const message = `gg-clean: gg is at work in ${cli.at(".gg")} (process ${process.pid})\n    clean when it has ended\n`;
			assert.equal(cli.bad("clean", "--all"), message);
			cli.good("clean", "--all", "-n");
			// A process that had the number of this one, and the number of none.
			writeFileSync(cli.at(`.gg/tmp/${file}`), "1");
			writeFileSync(cli.at(".gg/tmp/work-4194305"), "1");
			cli.good("clean", "--all");
			assert.deepEqual(readdirSync(cli.at(".gg/tmp")), []);
		} finally {
			end();
		}
	});

	it("says what is wrong", () => {
		const say = (...args: string[]): string => cli.bad("clean", ...args).replace(/^gg-clean: /, "");
		assert.equal(say(), `say what to remove: --older-than 30d, --max-size 5G or --all\n${USAGE}`);
		assert.equal(say("--older-than", "30"), `--older-than takes a time such as 30d or 12h, not "30"\n${USAGE}`);
		assert.equal(say("--max-size", "lots"), `--max-size takes a size such as 5G or 300M, not "lots"\n${USAGE}`);
		assert.equal(say("--all", "x"), `"x" is no option\n${USAGE}`);
		assert.equal(say("--everything"), "there is no option everything\n    `gg clean --help` lists the options\n");
		rmSync(cli.at(".gg"), { recursive: true });
		assert.match(say("--all"), /^no \.gg folder in /);
	});
});
