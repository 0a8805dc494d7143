import { strict as assert } from "node:assert";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileFacts, systemPredicate } from "../../src/store/filefacts.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { formatPlaceholder } from "../../src/thunk/placeholder.js";
import { testFolder } from "../rig/folder.js";

const hashOf = (text: string): ObjectHash => hashBytes(Buffer.from(text));

describe("facts of files", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const make = (isSystem: (path: string) => boolean = () => false): FileFacts =>
		new FileFacts({ projectIndex: at("index/project"), userIndex: at("index/user"), isSystem });
	const index = (): string => readFileSync(at("index/project"), "utf8");

	it("are hash, size and whether it can be run", () => {
		writeFileSync(at("f"), "text");
		const fact = make().get(at("f"))!;
		assert.deepEqual([fact.hash, fact.size, fact.executable, fact.placeholder], [hashOf("text"), 4, false, undefined]);
		chmodSync(at("f"), 0o755);
		assert.equal(make().get(at("f"))!.executable, true);
	});

	it("are of the file that a link leads to", () => {
		writeFileSync(at("f"), "text");
		symlinkSync("f", at("l"));
		assert.equal(make().get(at("l"))?.hash, hashOf("text"));
	});

	it("are none for what is not a readable regular file", () => {
		symlinkSync("loop", at("loop"));
		writeFileSync(at("f"), "");
		const facts = make();
		for (const name of ["none", ".", "loop", "f/below"]) assert.equal(facts.get(at(name)), undefined, name);
	});

	it("are none for a file that may not be read", function () {
		if (process.getuid?.() === 0) this.skip();
		writeFileSync(at("f"), "text");
		chmodSync(at("f"), 0);
		assert.equal(make().get(at("f")), undefined);
	});

	it("follow every change: content, mode, another file, none", () => {
		const facts = make();
		writeFileSync(at("f"), "one");
		assert.equal(facts.get(at("f"))?.hash, hashOf("one"));
		writeFileSync(at("f"), "three");
		assert.equal(facts.get(at("f"))?.hash, hashOf("three"));
		chmodSync(at("f"), 0o700);
		assert.equal(facts.get(at("f"))?.executable, true);
		rmSync(at("f"));
		assert.equal(facts.get(at("f")), undefined);
		writeFileSync(at("f"), "four");
		assert.equal(facts.get(at("f"))?.hash, hashOf("four"));
	});

	it("that another thread has found out count as long as the file is as it was then", () => {
		writeFileSync(at("f"), "one");
		utimesSync(at("f"), 1000, 1000);
		const [facts, others] = [make(), make()];
		const found = { ...others.get(at("f"))!, hash: hashOf("as told"), readAt: Date.now() + 60_000 };
		facts.adopt(at("f"), found);
		assert.equal(facts.get(at("f"))?.hash, hashOf("as told"));
		facts.adopt(at("f"), { ...found, hash: hashOf("older"), readAt: 1 });
		assert.equal(facts.get(at("f"))?.hash, hashOf("as told"));
		writeFileSync(at("f"), "others");
		assert.equal(facts.get(at("f"))?.hash, hashOf("others"));
		facts.flush();
		assert.ok(index().includes(hashOf("others")));
	});

	it("see a change of equal length in the same tick of the clock, from the kept index too", () => {
		const times = new Date(1000);
		for (let i = 0; i < 50; i++) {
			const facts = make();
			writeFileSync(at("f"), `a${i % 10}`);
			utimesSync(at("f"), times, times);
			facts.get(at("f"));
			facts.flush();
			writeFileSync(at("f"), `b${i % 10}`);
			utimesSync(at("f"), times, times);
			assert.equal(facts.get(at("f"))?.hash, hashOf(`b${i % 10}`));
			assert.equal(make().get(at("f"))?.hash, hashOf(`b${i % 10}`));
		}
	});

	/** Makes the index say that everything was read long after it was written. */
	const settle = (): void => {
		const lines = index().trimEnd().split("\n");
		const late = lines.slice(1).map((line) => {
			const row = JSON.parse(line) as unknown[];
			return JSON.stringify([...row.slice(0, 8), Date.now() + 60_000]);
		});
		writeFileSync(at("index/project"), `${[lines[0], ...late].join("\n")}\n`);
	};
	/** Puts another hash into the index: who believes the index gives that one. */
	const forge = (hash: string): void => {
		writeFileSync(at("index/project"), index().replaceAll(/"V[^"]{51}"/g, `"${hash}"`));
	};

	it("are kept between processes", () => {
		writeFileSync(at("f"), "text");
		const facts = make();
		facts.get(at("f"));
		facts.flush();
		settle();
		const forged = hashOf("forged");
		forge(forged);
		assert.equal(make().get(at("f"))?.hash, forged);
		writeFileSync(at("f"), "text!");
		assert.equal(make().get(at("f"))?.hash, hashOf("text!"));
	});

	it("are not believed when read too soon after the last change", () => {
		writeFileSync(at("f"), "text");
		const facts = make();
		facts.get(at("f"));
		facts.flush();
		const { ctimeMs } = statSync(at("f"));
		const lines = index().trimEnd().split("\n");
		const row = JSON.parse(lines[1]!) as unknown[];
		row[1] = hashOf("forged");
		row[8] = ctimeMs + 5;
		writeFileSync(at("index/project"), `${lines[0]}\n${JSON.stringify(row)}\n`);
		assert.equal(make().get(at("f"))?.hash, hashOf("text"));
	});

	it("of another version, cut short or damaged are dropped, and nothing is lost but time", () => {
		writeFileSync(at("f"), "text");
		const facts = make();
		facts.get(at("f"));
		facts.flush();
		settle();
		forge(hashOf("forged"));
		const good = index();
		for (const bad of [
			"",
			"ggfacts0\n",
			good.replace(/^ggfacts\d+/, "ggfacts999"),
			"\0\0\0",
			good.slice(0, good.length - 20),
		]) {
			writeFileSync(at("index/project"), bad);
			assert.equal(make().get(at("f"))?.hash, hashOf("text"), JSON.stringify(bad.slice(0, 30)));
		}
		const header = good.slice(0, good.indexOf("\n"));
		for (const line of ["null", "5", '"x"', "[]", "{}", `["${at("f")}",5,0,4,0,0,0,0,0]`]) {
			writeFileSync(at("index/project"), `${header}\n${line}\n`);
			assert.equal(make().get(at("f"))?.hash, hashOf("text"), line);
		}
	});

	it("that cannot be written are no error", () => {
		writeFileSync(at("index"), "a file where a folder should be");
		writeFileSync(at("f"), "text");
		const facts = make();
		assert.equal(facts.get(at("f"))?.hash, hashOf("text"));
		facts.flush();
	});

	/** Two mebibytes that begin as a program does. */
	const program = (fill: string): Buffer => Buffer.concat([Buffer.from("\x7fELF"), Buffer.alloc(2 << 20, fill)]);

	it("of large programs can be found ahead, and are what they would be", async () => {
		const [one, two] = [program("1"), program("2")];
		writeFileSync(at("p"), one, { mode: 0o755 });
		writeFileSync(at("q"), two, { mode: 0o644 });
		const facts = make();
		await facts.readAhead([at("p"), at("none"), at("q"), folder.path]);
		facts.flush();
		assert.deepEqual(
			["p", "q"].filter((name) => index().includes(at(name))),
			["p", "q"],
		);
		rmSync(at("index"), { recursive: true });
		for (const [name, content] of [
			["p", one],
			["q", two],
		] as const) {
			const { readAt: _, ...ahead } = facts.get(at(name))!;
			const { readAt: __, ...fact } = make().get(at(name))!;
			assert.deepEqual(ahead, fact);
			assert.equal(ahead.hash, hashBytes(content));
		}
	});

	it("of text and of small files are not found ahead: their words are looked for", async () => {
		writeFileSync(at("text"), `${" ".repeat(2 << 20)}__TIME__`);
		writeFileSync(at("small"), "\x7fELF");
		const facts = make();
		await facts.readAhead([at("text"), at("small")]);
		assert.equal(facts.get(at("text"))?.namesTime, true);
		facts.flush();
		assert.equal(index().includes(at("small")), false);
	});

	it("found ahead are not those of what came meanwhile", async () => {
		const times = new Date(1000);
		for (let i = 0; i < 5; i++) {
			const facts = make();
			writeFileSync(at("p"), program("1"));
			utimesSync(at("p"), times, times);
			const ahead = facts.readAhead([at("p")]);
			writeFileSync(at("p"), program("2"));
			utimesSync(at("p"), times, times);
			await ahead;
			assert.equal(facts.get(at("p"))?.hash, hashBytes(program("2")));
		}
	});

	it("of the system go into the user's index and are looked at once", () => {
		mkdirSync(at("sys"));
		writeFileSync(at("sys/h"), "one");
		writeFileSync(at("f"), "mine");
		const facts = make((path) => path.startsWith(at("sys/")));
		assert.equal(facts.get(at("sys/h"))?.hash, hashOf("one"));
		facts.get(at("f"));
		writeFileSync(at("sys/h"), "three");
		assert.equal(facts.get(at("sys/h"))?.hash, hashOf("one"));
		facts.flush();
		assert.equal(readFileSync(at("index/user"), "utf8").includes(at("sys/h")), true);
		assert.equal(readFileSync(at("index/user"), "utf8").includes(at("f")), false);
		assert.equal(index().includes(at("sys/h")), false);
	});

	it("tell placeholders, which no index keeps", () => {
		const hash = `T${hashOf("x").slice(1)}` as ObjectHash;
		writeFileSync(at("x.o"), formatPlaceholder("x.o", { hash, tag: "two" }).content);
		const facts = make();
		assert.deepEqual(facts.get(at("x.o"))?.placeholder, { hash, tag: "two" });
		facts.flush();
		assert.equal(index().includes("x.o"), false);
		writeFileSync(at("x.o"), "real");
		assert.equal(facts.get(at("x.o"))?.placeholder, undefined);
	});

	it("tell the names of times and of files for the assembler, across the borders of what is read at once", () => {
		const facts = make();
		const chunk = 1 << 20;
		for (const [name, word, key] of [
			["a", "__TIMESTAMP__", "namesTime"],
			["b", "__DATE__", "namesTime"],
			["c", "__TIME__", "namesTime"],
			["d", ".incbin ", "namesAssemblerFile"],
			["e", ".include ", "namesAssemblerFile"],
			["f", ".INCLUDE ", "namesAssemblerFile"],
			["g", " INCBIN ", "namesAssemblerFile"],
			["h", "# pragma  once ", "namesOnce"],
			["i", "#import ", "namesImport"],
		] as const) {
			for (let shift = 0; shift <= word.length; shift += 3) {
				writeFileSync(at(name), " ".repeat(chunk - shift) + word + " ".repeat(10));
				const fact = facts.get(at(name))!;
				assert.equal(fact[key], true, `${word} at -${shift}`);
				const named = [fact.namesTime, fact.namesAssemblerFile, fact.namesOnce, fact.namesImport];
				assert.equal(named.filter(Boolean).length, 1, word);
			}
		}
		writeFileSync(at("f"), "__DATES__ .included TIME once #imports pragma once incbins");
		const fact = facts.get(at("f"))!;
		assert.deepEqual(
			[fact.namesTime, fact.namesAssemblerFile, fact.namesOnce, fact.namesImport],
			[false, false, false, false],
		);
	});

	it("tell the name of a time at the end of a source of 10 MB, and one that a spliced line divides", () => {
		const facts = make();
		writeFileSync(at("a"), `${"// text\n".repeat(10 << 17)}char *t = __TIME__;\n`);
		assert.equal(facts.get(at("a"))!.namesTime, true);
		writeFileSync(at("b"), "char *t = __TI\\\nME__;\n");
		assert.equal(facts.get(at("b"))!.namesTime, true);
	});

	it("keep from one session to the next what a file names", () => {
		writeFileSync(at("a"), "#pragma once\n#import <x>\n.incbin\n");
		const first = make();
		const fact = first.get(at("a"))!;
		first.flush();
		const { namesOnce, namesImport, namesAssemblerFile, namesTime } = make().get(at("a"))!;
		assert.deepEqual([namesOnce, namesImport, namesAssemblerFile, namesTime], [true, true, true, false]);
		assert.equal(fact.namesOnce, true);
	});
});

describe("system folders", () => {
	it("are those in which nothing is built, unless the project lies in one", () => {
		const usual = systemPredicate("/home/me/project");
		assert.equal(usual("/usr/include/stdio.h"), true);
		assert.equal(usual("/usr/lib/gcc/x/cc1"), true);
		assert.equal(usual("/usr/local/include/x.h"), false);
		assert.equal(usual("/home/me/project/usr/include/x.h"), false);
		assert.equal(usual("/usr/x86_64-w64-mingw32/lib/libm.a"), true);
		assert.equal(usual("/usr/my-project/src/a.c"), false);
		assert.equal(systemPredicate("/usr/a-b/lib/project")("/usr/a-b/lib/project/a.c"), false);
		assert.equal(usual("/opt/other/include/x.h"), false);
		const inside = systemPredicate("/usr/share/project");
		assert.equal(inside("/usr/share/project/x.h"), false);
		assert.equal(inside("/usr/include/stdio.h"), true);
	});
});
