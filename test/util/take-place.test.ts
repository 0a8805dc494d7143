import { strict as assert } from "node:assert";
import { chmodSync, existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { addon, type FilesAddon, loadAddon } from "../../src/util/addon.js";
import { setFileTime } from "../../src/util/file-time.js";
import { type Standing, takePlace } from "../../src/util/take-place.js";
import { testFolder } from "../rig/folder.js";
import { testNatives } from "../rig/spawner.js";

describe("a file that takes another's place", () => {
	const natives = testNatives();
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const text = (name: string): string => readFileSync(at(name), "utf8");
	const is = (path: string): boolean => existsSync(path) && readFileSync(path, "utf8") === "promise";
	let standing: Standing;
	beforeEach(() => {
		loadAddon(natives.files);
		writeFileSync(at("x"), "promise");
		writeFileSync(at("new"), "content");
		const { mtimeNs, mode } = statSync(at("x"), { bigint: true });
		standing = { mtimeNs, mode, is };
	});
	const take = (by?: Pick<FilesAddon, "exchange">): boolean => takePlace(at("new"), at("x"), standing, by);
	/** What the build does in the last moment before the two are exchanged. */
	const after = (change: () => void): Pick<FilesAddon, "exchange"> => {
		let first = true;
		return {
			exchange(a, b) {
				if (first) change();
				first = false;
				return addon?.exchange(a, b) ?? constants.errno.ENOSYS;
			},
		};
	};

	it("has its name then", () => {
		assert.equal(take(), true);
		assert.equal(text("x"), "content");
	});

	it("does not where it was removed, in the last moment too", () => {
		assert.equal(take(after(() => rmSync(at("x")))), false);
		assert.equal(existsSync(at("x")), false);
		assert.equal(take(), false);
		assert.equal(existsSync(at("x")), false);
	});

	it("does not where another has taken it, in the last moment too", () => {
		const other = (): void => {
			writeFileSync(at("y"), "the recipe's own");
			renameSync(at("y"), at("x"));
		};
		assert.equal(take(after(other)), false);
		assert.equal(text("x"), "the recipe's own");
		assert.equal(take(), false);
		assert.equal(text("x"), "the recipe's own");
	});

	it("does not where the other was given a further name, which would stay the other's", () => {
		assert.equal(take(after(() => linkSync(at("x"), at("y")))), false);
		assert.deepEqual([text("x"), text("y"), statSync(at("x")).nlink], ["promise", "promise", 2]);
	});

	it("has the mode and the time that it was given in the last moment", () => {
		const change = (): void => {
			chmodSync(at("x"), 0o750);
			setFileTime(at("x"), 1_600_000_000_123_456_789n);
		};
		assert.equal(take(after(change)), true);
		const { mode, mtimeNs } = statSync(at("x"), { bigint: true });
		assert.deepEqual([text("x"), Number(mode) & 0o777, mtimeNs], ["content", 0o750, 1_600_000_000_123_456_789n]);
	});

	it("is renamed to it where two files cannot be exchanged", () => {
		const { EINVAL, ENOSYS } = constants.errno;
		for (const error of [EINVAL, ENOSYS]) {
			writeFileSync(at("new"), "content");
			writeFileSync(at("x"), "promise");
			assert.equal(take({ exchange: () => error }), true);
			assert.equal(text("x"), "content");
		}
		rmSync(at("x"));
		writeFileSync(at("new"), "content");
		assert.equal(take({ exchange: () => EINVAL }), false);
		assert.equal(existsSync(at("x")), false);
	});
});
