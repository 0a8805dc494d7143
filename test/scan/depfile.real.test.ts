import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DepfileTarget, encodeDepfile } from "../../src/scan/depfile.js";
import { testFolder } from "../rig/folder.js";

const NAMES = [
	"plain.h",
	"two words.h",
	"tab\there.h",
	"back\\slash.h",
	"back\\ space.h",
	"two\\\\ space.h",
	"end\\.h",
	"a#b.h",
	"a\\#b.h",
	"$dollar$$.h",
	"co:lon.h",
	"semi;per%cent.h",
	"star*[x]?.h",
	"ünïcode-日本語.h",
	"./dotted.h",
	".//.//twice.h",
	"sub/./inner.h",
	"sub/../up.h",
	"(paren)=&|.h",
	"~tilde.h",
	...Array.from({ length: 40 }, (_, i) => `${"n".repeat(3 + ((i * 7) % 61))}${i}.h`),
];
const TARGETS: readonly (readonly DepfileTarget[])[] = [
	[{ name: "a.o", quoted: true }],
	[{ name: "./a.o", quoted: false }],
	[{ name: ".//./a b.o", quoted: true }],
	[
		{ name: "$(q)", quoted: true },
		{ name: "$(t)", quoted: false },
		{ name: "r #", quoted: true },
		{ name: "u #", quoted: false },
		{ name: "v", quoted: false },
	],
	Array.from({ length: 20 }, (_, i) => ({ name: `target-${"t".repeat(i)}`, quoted: i % 3 > 0 })),
];

/** A source that includes `names`, each made. */
function write(folder: string, source: string, names: readonly string[]): void {
	mkdirSync(join(folder, "sub"));
	mkdirSync(join(folder, "src dir"));
	for (const name of names) writeFileSync(join(folder, name), "");
	// Quotes look beside the source first, where nothing is.
	writeFileSync(join(folder, source), names.map((name) => `#include "${name}"\n`).join(""));
}

function asked(folder: string, words: readonly string[]): string {
	const [compiler, ...args] = words;
	const end = spawnSync(compiler!, [...args, "-MF", "out.d", "-c", "-o", "/dev/null", "-w"], { cwd: folder });
	assert.equal(end.status, 0, end.stderr.toString());
	return readFileSync(join(folder, "out.d"), "utf8");
}

for (const flavour of ["gcc", "clang"] as const)
	describe(`a depfile as ${flavour} writes it`, () => {
		const folder = testFolder();
		const targetWords = (targets: readonly DepfileTarget[]): string[] =>
			targets.flatMap(({ name, quoted }) => [quoted ? "-MQ" : "-MT", name]);
		const flags = flavour === "gcc" ? ["-fno-working-directory", "-nostdinc"] : [];

		it("escapes and breaks lines by the name of every file", () => {
			write(folder.path, "main.c", NAMES);
			for (const targets of TARGETS)
				for (const phony of [false, true]) {
					const words = [flavour, ...flags, "-MD", ...(phony ? ["-MP"] : []), ...targetWords(targets), "main.c"];
					const ours = encodeDepfile({ flavour, targets, files: ["main.c", ...NAMES], phony });
					assert.equal(ours, asked(folder.path, words));
				}
		});

		it("is right for every column at which a name can end", () => {
			const names = Array.from({ length: 100 }, (_, i) => `h${i}.h`);
			write(folder.path, "main.c", names);
			for (let length = 1; length < 82; length += 3) {
				const targets = [{ name: "t".repeat(length), quoted: true }];
				const ours = encodeDepfile({ flavour, targets, files: ["main.c", ...names], phony: false });
				assert.equal(ours, asked(folder.path, [flavour, ...flags, "-MD", ...targetWords(targets), "main.c"]));
			}
		});

		if (flavour === "gcc")
			it("takes the source's basename for a target where none is given", () => {
				for (const source of ["main.c", "src dir/a.b$ c.c", "./src dir/../x.cc"]) {
					const end = spawnSync("sh", ["-c", 'rm -rf ./* && mkdir "src dir" && : > "$1"', "sh", source], {
						cwd: folder.path,
					});
					assert.equal(end.status, 0);
					const words = ["-nostdinc", "-E", "-MMD", "-MF", "out.d", source];
					assert.equal(spawnSync("gcc", words, { cwd: folder.path }).status, 0);
					const ours = encodeDepfile({ flavour, targets: [], files: [source], phony: false });
					assert.equal(ours, readFileSync(join(folder.path, "out.d"), "utf8"));
				}
			});
	});
