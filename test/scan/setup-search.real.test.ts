import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseAnswer, QUESTIONS } from "../../src/scan/setup-answer.js";
import { type FolderState, searchPath } from "../../src/scan/setup-search.js";
import { testFolder } from "../rig/folder.js";

const WORDS = [
	"-I a -I b -I c",
	"-I a -I a/ -I ./a -I link -I b",
	"-I missing -I a -isystem gone -I b",
	"-I a -isystem a",
	"-isystem a -I a -I b",
	"-isystem a -isystem b -isystem a",
	"-I b -isystem a -isystem b -idirafter a -idirafter c",
	"-iquote a -I b -iquote b",
	"-iquote a -iquote b -I b -I a",
	"-iquote a -I a",
	"-iquote a -isystem a -I b",
	"-iquote b -iquote a -iquote link -I a",
	"-iquote a -iquote missing -I a",
	"-iquote missing -iquote a -I a -I missing",
	"-I a -I b -isystem b",
	"-I b -I a -isystem a -I c",
	"-I/usr/include -I a",
	"-isystem /usr/include -I a",
	"-idirafter /usr/include -idirafter a",
	"-idirafter a -isystem a",
	"-I /usr/local/include -iquote /usr/include -I a",
	"-iquote a -iquote b -isystem b -idirafter b",
	"-I a -iquote a -iquote link -I link",
];

function look(path: string): FolderState {
	const s = statSync(path, { throwIfNoEntry: false });
	if (s === undefined) return { kind: "absent" };
	return s.isDirectory() ? { kind: "folder", identity: `${s.dev}:${s.ino}` } : { kind: "other" };
}

for (const flavour of ["gcc", "clang"] as const)
	describe(`the include path as ${flavour} makes it`, () => {
		const folder = testFolder();
		const run = (words: string) => {
			writeFileSync(join(folder.path, "q.c"), QUESTIONS);
			const args = [...words.split(" ").filter(Boolean), "-E", "-dD", "-v", "-w", "-x", "c", "q.c"];
			return spawnSync(flavour, args, { cwd: folder.path, encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
		};
		it("has no folder twice, and none that is missing", () => {
			for (const name of ["a", "b", "c"]) mkdirSync(join(folder.path, name));
			symlinkSync("a", join(folder.path, "link"));
			const plain = run("");
			const answer = parseAnswer(plain.stdout, plain.stderr, "c");
			if ("unclear" in answer) assert.fail(answer.unclear);
			assert.equal(answer.flavour, flavour);
			for (const words of WORDS) {
				const given = { "-iquote": [], "-I": [], "-isystem": [], "-idirafter": [] } as Record<string, string[]>;
				const parts = words.replace("-I/", "-I /").split(" ");
				for (let i = 0; i < parts.length; i += 2) given[parts[i]!]!.push(parts[i + 1]!);
				const search = searchPath(
					{
						flavour,
						quote: given["-iquote"]!,
						bracket: given["-I"]!,
						system: given["-isystem"]!,
						own: answer.own,
						after: given["-idirafter"]!,
					},
					(path) => look(resolve(folder.path, path)),
				);
				if (flavour === "clang" && words.includes("link")) {
					assert.ok("trouble" in search, "its name for a folder depends on what it met before");
					continue;
				}
				if ("trouble" in search) assert.fail(search.trouble);
				const lines = run(words).stderr.split("\n");
				const quote = lines.indexOf('#include "..." search starts here:');
				const bracket = lines.indexOf("#include <...> search starts here:");
				const end = lines.indexOf("End of search list.");
				const listed = (from: number, to: number) => lines.slice(from + 1, to).map((line) => line.slice(1));
				const quoted = search.quoteDirs.map((d) => d.path);
				assert.deepEqual(quoted, listed(quote, bracket), words);
				const rest = search.bracketDirs.map((d) => d.path);
				assert.deepEqual(rest, listed(bracket, end), words);
			}
		});

		it("is not understood where a folder of it is a file", () => {
			writeFileSync(join(folder.path, "file"), "");
			const none = { flavour, quote: [], system: [], own: [], after: [] };
			const search = searchPath({ ...none, bracket: ["file"] }, (path) => look(resolve(folder.path, path)));
			assert.deepEqual(search, { trouble: "file is no folder" });
		});
	});
