/** The README says what the code does: no option, command, variable or reason is missing, and none is made up. */
import { strict as assert } from "node:assert";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RUN_OPTIONS } from "../../src/cli/options.js";
import { LOCAL_REASONS } from "../../src/models/types.js";

const ROOT = join(import.meta.dirname, "../../..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** From a heading of the second level to the next. */
function section(title: string): string {
	const start = README.indexOf(`\n## ${title}\n`);
	assert.notEqual(start, -1, `README has no section ${title}`);
	const end = README.indexOf("\n## ", start + 1);
	return README.slice(start, end < 0 ? undefined : end);
}

/** What stands in backquotes in the first cell of each row of a section's tables. */
function firstCells(title: string): string[] {
	const rows = [...section(title).matchAll(/^\| ([^|]*)\|/gm)];
	return rows.flatMap((row) => [...row[1]!.matchAll(/`([^`]+)`/g)].map((m) => m[1]!));
}

function sources(folder: string, suffix: RegExp): string {
	const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).filter((n) => suffix.test(n));
	return names.map((name) => readFileSync(join(ROOT, folder, name), "utf8")).join("\n");
}

function unique(words: Iterable<string>): string[] {
	return [...new Set(words)].sort();
}

/** Subcommands, from the table in gg.ts: to import it is to run it. */
function subcommands(): string[] {
	const text = readFileSync(join(ROOT, "src/cli/gg.ts"), "utf8");
	return [...text.matchAll(/^\t"?([a-z-]+)"?: \{\s+about:/gm)].map((m) => m[1]!);
}

/** Long options that `gg COMMAND --help` lists. */
function listedOptions(command: string): string[] {
	const gg = join(ROOT, "build/src/cli/gg.js");
	const { status, stdout } = spawnSync(process.execPath, [gg, command, "--help"], { encoding: "utf8" });
	assert.equal(status, 0, `gg ${command} --help`);
	const rows = stdout.split("\n").filter((line) => /^ +-/.test(line));
	return rows.flatMap((line) => [...line.split(/ {2,}(?=\w)/)[0]!.matchAll(/--[a-z-]+/g)].map((m) => m[0]));
}

describe("the README", () => {
	it("has a row for each subcommand, and no other", () => {
		const rows = firstCells("Usage").map((cell) => cell.split(" ")[1]!);
		assert.ok(subcommands().length > 10);
		assert.deepEqual(unique(rows), unique(subcommands()));
	});

	it("names every option that build, infer and force share", () => {
		const options = section("Options");
		for (const [name, option] of Object.entries(RUN_OPTIONS)) {
			const aliases = "alias" in option ? [option.alias].flat() : [];
			for (const word of [name, ...aliases]) {
				const flag = word.length === 1 ? `-${word}` : `--${word}`;
				assert.match(options, new RegExp(`\`${flag}[\` ]`), flag);
			}
		}
	});

	it("names the options that each subcommand lists, and no other", function () {
		this.timeout(60000);
		const listed = subcommands().flatMap(listedOptions);
		const hidden = ["--no-status", "--no-download"];
		const documented = [...section("Options").matchAll(/^\|.*$/gm)].flatMap((row) => [
			...row[0].matchAll(/`(--[a-z-]+)/g),
		]);
		const ofTools = ["--version"];
		assert.deepEqual(
			unique(documented.map((m) => m[1]!)).filter((flag) => !ofTools.includes(flag)),
			unique([...listed, ...hidden]),
		);
	});

	it("has a row for each variable that is read or set, and no other", () => {
		const c = sources("wrappers", /\.[ch]$/);
		const macros = new Set([...c.matchAll(/^#\s*(?:define|ifndef)\s+(GG_\w+)/gm)].map((m) => m[1]!));
		const found = [...`${c}\n${sources("src", /\.ts$/)}`.matchAll(/\bGG_[A-Z_]+\b/g)].map((m) => m[0]);
		const documented = firstCells("Environment variables").filter((cell) => cell.startsWith("GG_"));
		assert.deepEqual(unique(documented), unique(found.filter((name) => !macros.has(name))));
	});

	it("explains each reason for which a command runs as it is", () => {
		const documented = firstCells("What gg says");
		for (const reason of LOCAL_REASONS) assert.ok(documented.includes(reason), reason);
	});

	it("explains each reason that the session notes, and none that nobody gives", () => {
		const session =
			sources("src/interpose", /^(?:session|recorder|describe|once-twins|scan|scan-tally|supervisor)\.ts$/) +
			sources("src/cli", /^recheck\.ts$/);
		const given = [
			...session.matchAll(/reason: "([a-z-]+)"/g),
			...session.matchAll(/\blocal\("([a-z-]+)"/g),
			...session.matchAll(/tellLocal\([^"\n]*"([a-z-]+)"/g),
			...session.matchAll(/runHere\([^"\n]*"([a-z-]+)"/g),
			...session.matchAll(/#watched\.run\([^"\n]*"([a-z-]+)"/g),
		].map((m) => m[1]!);
		// The unions of what describing and scanning may answer.
		for (const union of session.matchAll(/readonly reason: ("[a-z-]+"(?: \| "[a-z-]+")+)/g)) {
			given.push(...[...union[1]!.matchAll(/"([a-z-]+)"/g)].map((m) => m[1]!));
		}
		const documented = firstCells("What gg says");
		assert.ok(given.length > 10);
		assert.deepEqual(unique(documented), unique([...given, ...LOCAL_REASONS]));
	});

	it("keeps its quick start at two commands", () => {
		const [, block] = /```sh\n([\s\S]*?)```/.exec(section("Quick start"))!;
		assert.deepEqual(block!.trim().split("\n"), ["/path/to/gg/gg build make -j8", "npm test"]);
	});

	it("links to files that are there", () => {
		const names = new Set(readdirSync(ROOT, { recursive: false, encoding: "utf8" }));
		for (const [, target] of README.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
			const [first, ...rest] = target!.split("/");
			assert.ok(names.has(first!), target);
			if (rest.length > 0) assert.ok(readFileSync(join(ROOT, target!)).length > 0, target);
		}
	});
});
