import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DiskFiles } from "../../src/interpose/scan-files.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { hashBytes } from "../../src/thunk/hash.js";
import { formatPlaceholder } from "../../src/thunk/placeholder.js";
import { testFolder } from "../rig/folder.js";

describe("files for the include scanner", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const make = (isSystem: (path: string) => boolean = () => false): DiskFiles =>
		new DiskFiles(new FileFacts({ projectIndex: at("index/p"), userIndex: at("index/u"), isSystem }));
	const text = (files: DiskFiles, name: string): string => {
		const file = files.open(at(name));
		return typeof file === "string" ? file : Buffer.from(file.content).toString();
	};
	/** So that no time stamp is too young to be believed. */
	const age = (name: string): void => utimesSync(at(name), 1e9, 1e9);

	it("have the content and its name, also when asked again", () => {
		writeFileSync(at("a.h"), "one");
		const files = make();
		const file = files.open(at("a.h"));
		if (typeof file === "string") assert.fail(file);
		assert.equal(file.identity, hashBytes(Buffer.from("one")));
		assert.deepEqual([file.content, file.content].map(String), ["one", "one"]);
	});

	it("have their own content, whatever was looked at between the look and the reading", () => {
		writeFileSync(at("a.h"), "one");
		writeFileSync(at("b.h"), "two");
		const files = make();
		const [a, b] = [files.open(at("a.h")), files.open(at("b.h"))];
		if (typeof a === "string" || typeof b === "string") assert.fail("both are there");
		assert.deepEqual([a.content, b.content].map(String), ["one", "two"]);
	});

	it("have all of their content if they grow while they are looked at", () => {
		class Growing extends FileFacts {
			override get(path: string, onRead?: (content: Buffer) => void) {
				return super.get(path, (content) => onRead?.(content.subarray(0, 3)));
			}
		}
		writeFileSync(at("a.h"), "onetwo");
		const facts = new Growing({ projectIndex: at("index/p"), userIndex: at("index/u"), isSystem: () => false });
		assert.equal(text(new DiskFiles(facts), "a.h"), "onetwo");
	});

	it("have the second in which they were modified, also just before it ends", () => {
		const seconds = ["1970-01-02 00:00:00.999999999", "2020-01-01 00:00:00", "2020-01-01 00:00:00.999999999"].map(
			(time) => {
				writeFileSync(at("a.h"), time);
				execFileSync("touch", ["-d", `${time} UTC`, at("a.h")]);
				const file = make().open(at("a.h"));
				return typeof file === "string" ? file : file.seconds;
			},
		);
		assert.deepEqual(seconds, [86_400, 1_577_836_800, 1_577_836_800]);
	});

	it("have facts of this command's look at them, and of no earlier one", () => {
		writeFileSync(at("a.h"), "one");
		const files = make();
		assert.equal(files.fact(at("a.h")), undefined);
		assert.equal(text(files, "a.h"), "one");
		assert.equal(files.fact(at("a.h"))?.hash, hashBytes(Buffer.from("one")));
		chmodSync(at("a.h"), 0o755);
		files.begin();
		assert.equal(files.fact(at("a.h")), undefined);
		files.open(at("a.h"));
		assert.equal(files.fact(at("a.h"))?.executable, true);
	});

	it("are found and missed in a folder of 100,000", () => {
		mkdirSync(at("many"));
		execFileSync("sh", ["-c", "seq -f h%.0f.h 100000 | xargs touch"], { cwd: at("many") });
		age("many");
		const files = make();
		for (let command = 0; command < 20; command++) {
			files.begin();
			for (let i = 0; i < 500; i++) assert.equal(files.open(at(`many/none${i}.h`)), "absent");
			assert.equal(text(files, `many/h${5000 * command + 1}.h`), "");
		}
		writeFileSync(at("many/none1.h"), "now");
		files.begin();
		assert.equal(text(files, "many/none1.h"), "now");
	}).timeout(120_000);

	it("follow every change from one command to the next", () => {
		const files = make();
		for (const content of ["one", "two", "three"]) {
			writeFileSync(at("a.h"), content);
			files.begin();
			assert.equal(text(files, "a.h"), content);
		}
		rmSync(at("a.h"));
		files.begin();
		assert.equal(text(files, "a.h"), "absent");
	});

	it("are not read as what they no longer are", () => {
		writeFileSync(at("a.h"), "one");
		const files = make();
		const file = files.open(at("a.h"));
		if (typeof file === "string") assert.fail(file);
		assert.equal(String(file.content), "one");
		writeFileSync(at("a.h"), "two");
		assert.throws(() => file.content, /a\.h/);
	});

	it("see a header that appears in a folder that was listed, at whatever moment", () => {
		mkdirSync(at("inc"));
		age("inc");
		const files = make();
		for (let i = 0; i < 60; i++) assert.equal(text(files, `inc/none${i}.h`), "absent");
		for (let i = 0; i < 60; i++) {
			files.begin();
			assert.equal(text(files, `inc/new${i}.h`), "absent");
			writeFileSync(at(`inc/new${i}.h`), "here");
			files.begin();
			assert.equal(text(files, `inc/new${i}.h`), "here");
			for (let j = 0; j < 60; j++) assert.equal(text(files, `inc/none${j}.h`), "absent");
		}
	});

	it("see a folder that appears, and one that takes the place of another", () => {
		const files = make();
		assert.equal(text(files, "inc/a.h"), "absent");
		mkdirSync(at("inc"));
		writeFileSync(at("inc/a.h"), "first");
		files.begin();
		assert.equal(text(files, "inc/a.h"), "first");
		mkdirSync(at("other"));
		symlinkSync("inc", at("link"));
		files.begin();
		for (let i = 0; i < 60; i++) assert.equal(text(files, `link/none${i}.h`), "absent");
		writeFileSync(at("other/none1.h"), "other");
		rmSync(at("link"));
		symlinkSync("other", at("link"));
		files.begin();
		assert.equal(text(files, "link/none1.h"), "other");
	});

	it("are absent where a folder or nothing stands, and refused where something else does", () => {
		mkdirSync(at("d"));
		writeFileSync(at("f"), "");
		symlinkSync("nowhere", at("dangling"));
		execFileSync("mkfifo", [at("fifo")]);
		const hash = hashBytes(Buffer.from("##GGTHUNK##"));
		writeFileSync(at("placeholder.h"), formatPlaceholder("placeholder.h", { hash, tag: "" }).content);
		const files = make();
		const names = ["d", "f/below", "f/below/it", "dangling", "none/a.h", "fifo", "placeholder.h", "dangling/x"];
		const expected = ["folder", "absent", "absent", "absent", "absent", "refused", "refused", "absent"];
		assert.deepEqual(
			names.map((name) => files.open(at(name))),
			expected,
		);
	});

	it("look at the system's files and folders once", () => {
		mkdirSync(at("sys"));
		writeFileSync(at("sys/a.h"), "one");
		const files = make((path) => path.startsWith(at("sys/")));
		assert.deepEqual([text(files, "sys/a.h"), text(files, "sys/b.h")], ["one", "absent"]);
		const first = files.open(at("sys/a.h"));
		writeFileSync(at("sys/a.h"), "two");
		writeFileSync(at("sys/b.h"), "two");
		files.begin();
		assert.equal(files.open(at("sys/a.h")), first);
		assert.equal(text(files, "sys/b.h"), "absent");
	});

	it("know folders by what they are, and what is none", () => {
		mkdirSync(at("d"));
		symlinkSync("d", at("l"));
		writeFileSync(at("f"), "");
		const files = make();
		assert.equal(files.folder(at("d")).kind, "folder");
		assert.deepEqual(files.folder(at("l")), files.folder(at("d")));
		const kinds = ["none", "none/below", "f", "f/below"].map((name) => files.folder(at(name)).kind);
		assert.deepEqual(kinds, ["absent", "absent", "other", "other"]);
	});
});
