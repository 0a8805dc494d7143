import { strict as assert } from "node:assert";
import { chmodSync, linkSync, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadAddon } from "../../src/util/addon.js";
import {
	ABSENT,
	CTIME_MS,
	changedBelow,
	changedBelowByNode,
	DEV,
	FILE,
	FOLDER,
	INO,
	LINK,
	lookAt,
	lookByNode,
	looked,
	MODE,
	MTIME_MS,
	OTHER,
	SIZE,
	stands,
	UNKNOWN,
} from "../../src/util/look.js";
import { testFolder } from "../rig/folder.js";
import { testNatives } from "../rig/spawner.js";

describe("a look at a path", () => {
	const natives = testNatives();
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);

	beforeEach(() => {
		loadAddon(natives.files);
		writeFileSync(at("file"), "some text");
		utimesSync(at("file"), 1_600_000_000.123456, 1_600_000_000.123457);
		linkSync(at("file"), at("hard"));
		mkdirSync(at("folder"));
		symlinkSync("file", at("link"));
		symlinkSync("nowhere", at("dangling"));
		chmodSync(at("file"), 0o4711);
		writeFileSync(at("n\u00e4me \u2603"), "");
	});

	it("tells what stands there, behind links or not", () => {
		const kinds: [string, number, number][] = [
			["file", FILE, FILE],
			["hard", FILE, FILE],
			["folder", FOLDER, FOLDER],
			["link", FILE, LINK],
			["dangling", ABSENT, LINK],
			["absent", ABSENT, ABSENT],
			["file/below", UNKNOWN, UNKNOWN],
			["n\u00e4me \u2603", FILE, FILE],
			["file\0", UNKNOWN, UNKNOWN],
			["x".repeat(300), UNKNOWN, UNKNOWN],
			["x/".repeat(3000), UNKNOWN, UNKNOWN],
		];
		for (const [name, behind, itself] of kinds) {
			assert.deepEqual([lookAt(at(name), true), lookAt(at(name), false)], [behind, itself], name.slice(0, 20));
			assert.deepEqual([lookByNode(at(name), true), lookByNode(at(name), false)], [behind, itself], name.slice(0, 20));
		}
		assert.equal(lookAt("/dev/null", true), OTHER);
		assert.deepEqual(
			["dangling", "absent", "file/below"].map((name) => stands(at(name))),
			[true, false, false],
		);
	});

	it("leaves the numbers that Node gives, to the last digit", () => {
		for (const path of [at("file"), at("folder"), "/dev/null", "/usr/bin/env", "/proc/self/stat"]) {
			const s = statSync(path);
			lookAt(path, true);
			const ours = [DEV, INO, SIZE, MTIME_MS, CTIME_MS, MODE].map((field) => looked[field]);
			assert.deepEqual(ours.slice(0, 3), [s.dev, s.ino, s.size], path);
			assert.equal(ours[5], s.mode, path);
			if (!path.startsWith("/proc")) assert.deepEqual(ours.slice(3, 5), [s.mtimeMs, s.ctimeMs], path);
		}
	});

	it("finds the files of a tree that changed since, in one order, natively or not", () => {
		for (const path of ["folder/.git", "folder/.gg", "folder/sub", "folder/zub"]) mkdirSync(at(path));
		for (const path of [".git/x", ".gg/x", "sub/\u2603", "sub/B", "sub/a", "zub/.hidden"])
			writeFileSync(at(`folder/${path}`), "");
		symlinkSync("sub", at("folder/tolink"));
		symlinkSync("sub/B", at("folder/filelink"));
		const all = changedBelow(at("folder"), Number.NEGATIVE_INFINITY);
		assert.deepEqual(
			all,
			["zub/.hidden", "sub/B", "sub/a", "sub/\u2603"].map((name) => at(`folder/${name}`)),
		);
		assert.deepEqual(changedBelowByNode(at("folder"), Number.NEGATIVE_INFINITY), all);
		lookAt(at("folder/sub/a"), false);
		const since = looked[CTIME_MS]!;
		for (const search of [changedBelow, changedBelowByNode]) {
			assert.ok(search(at("folder"), since).includes(at("folder/sub/a")));
			assert.deepEqual(search(at("folder"), since + 60_000), []);
			assert.deepEqual(search(at("nowhere"), 0), []);
		}
	});

	it("is taken by the addon, which every Node.js can load", () => {
		const { look } = addonOf(natives.files);
		assert.equal(look(at("file"), true), FILE);
		assert.equal(look(at("absent"), true), ABSENT);
	});
});

function addonOf(path: string): { readonly look: (path: string, follow: boolean) => number } {
	const module: { exports: { look?: (path: string, follow: boolean) => number } } = { exports: {} };
	process.dlopen(module, path);
	assert.ok(module.exports.look);
	return { look: module.exports.look };
}
