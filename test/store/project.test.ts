import { strict as assert } from "node:assert";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { findProject, openProject, type ProjectFailure } from "../../src/store/project.js";
import type { Result } from "../../src/util/result.js";
import { testFolder } from "../rig/folder.js";

/** The failure's literal and whole text. */
function bad(result: Result<string, ProjectFailure>): string {
	assert.ok(!result.ok);
	return `${result.error.reason}: ${result.error.message} (${result.error.hint})`;
}

describe("the .gg folder", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);

	it("is the nearest one upwards", () => {
		mkdirSync(at("a/b/c"), { recursive: true });
		mkdirSync(at(".gg"));
		assert.deepEqual(findProject(at("a/b/c"), {}), { ok: true, value: at(".gg") });
		mkdirSync(at("a/.gg"));
		assert.deepEqual(findProject(at("a/b/c"), {}), { ok: true, value: at("a/.gg") });
		assert.deepEqual(findProject(at("a"), {}), { ok: true, value: at("a/.gg") });
		assert.deepEqual(findProject(folder.path, {}), { ok: true, value: at(".gg") });
	});

	it("is the one that GG_DIR names, made if need be and without links in its path", () => {
		mkdirSync(at(".gg"));
		assert.deepEqual(findProject(folder.path, { GG_DIR: at("x/y") }), { ok: true, value: at("x/y") });
		assert.equal(existsSync(at("x/y/blobs")), true);
		symlinkSync("x", at("l"));
		assert.deepEqual(findProject(folder.path, { GG_DIR: at("l/y") }), { ok: true, value: at("x/y") });
		assert.deepEqual(findProject(folder.path, { GG_DIR: "" }), { ok: true, value: at(".gg") });
	});

	it("has a version, and is kept out of git", () => {
		openProject(at(".gg"));
		assert.equal(readFileSync(at(".gg/version"), "utf8"), "1\n");
		assert.equal(readFileSync(at(".gg/.gitignore"), "utf8"), "*\n");
		assert.deepEqual(readdirSync(at(".gg")).sort(), [
			".gitignore",
			"blobs",
			"depcache",
			"reductions",
			"tmp",
			"version",
		]);
	});

	it("of the original gg is taken over as it is", () => {
		mkdirSync(at(".gg/blobs"), { recursive: true });
		writeFileSync(at(".gg/blobs/x"), "kept");
		assert.equal(openProject(at(".gg")).ok, true);
		assert.equal(readFileSync(at(".gg/blobs/x"), "utf8"), "kept");
	});

	it("that is not there is said with what to do", () => {
		// No folder above a temporary one is a project, where this test makes sense at all.
		assert.equal(
			bad(findProject(folder.path, {})),
			`no-project: no .gg folder in ${folder.path} or any folder above it (run \`gg init\` in the folder where the build starts, or \`gg build COMMAND\` which does so by itself)`,
		);
	});

	it("by a relative GG_DIR is refused", () => {
		assert.equal(
			bad(findProject(folder.path, { GG_DIR: "x/.gg" })),
			'relative-gg-dir: GG_DIR is "x/.gg", which is not an absolute path (set GG_DIR to an absolute path, or unset it)',
		);
	});

	it("of another version is refused and left alone", () => {
		openProject(at(".gg"));
		writeFileSync(at(".gg/version"), "2\n");
		assert.equal(
			bad(findProject(folder.path, {})),
			`project-version: ${at(".gg")} was made by another version of gg (its format is "2", this gg reads 1) (use that version, or remove the folder to start anew: rm -rf ${at(".gg")})`,
		);
		assert.equal(readFileSync(at(".gg/version"), "utf8"), "2\n");
	});

	it("that is a file is refused", () => {
		writeFileSync(at(".gg"), "");
		assert.match(
			bad(findProject(folder.path, {})),
			/^project-unreadable: cannot use .*\.gg: .* \(check its owner and permissions, or name another folder with GG_DIR\)$/,
		);
	});

	it("that lacks its blobs is refused", () => {
		openProject(at(".gg"));
		rmSync(at(".gg/blobs"), { recursive: true });
		assert.match(bad(findProject(folder.path, {})), /^project-unreadable: /);
	});

	it("that may not be read or written is refused", function () {
		if (process.getuid?.() === 0) this.skip();
		openProject(at(".gg"));
		chmodSync(at(".gg/blobs"), 0);
		const text = `project-unreadable: cannot use ${at(".gg")}: permission denied (check its owner and permissions, or name another folder with GG_DIR)`;
		assert.equal(bad(findProject(folder.path, {})), text);
		chmodSync(at(".gg/blobs"), 0o700);
		mkdirSync(at("locked"), { mode: 0o500 });
		assert.equal(
			bad(findProject(folder.path, { GG_DIR: at("locked/.gg") })),
			text.replace(at(".gg"), at("locked/.gg")),
		);
	});
});
