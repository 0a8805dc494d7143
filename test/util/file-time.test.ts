import assert from "node:assert/strict";
import { lstatSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { addon, loadAddon } from "../../src/util/addon.js";
import { setFileTime } from "../../src/util/file-time.js";
import { testFolder } from "../rig/folder.js";
import { testNatives } from "../rig/spawner.js";

describe("a file's time of modification", () => {
	const natives = testNatives();
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);
	const mtime = (name: string): bigint => lstatSync(at(name), { bigint: true }).mtimeNs;
	const times = Array.from({ length: 100 }, (_, i) => 1795343546583265180n + BigInt(i) * 1001n);
	beforeEach(() => writeFileSync(at("x"), ""));

	it("is set to the microsecond without the addon, and never to an earlier one", () => {
		for (const ns of times) {
			setFileTime(at("x"), ns, { setTime: () => false });
			assert.equal(mtime("x") / 1000n, ns / 1000n);
		}
	});

	it("is set to the nanosecond by the addon, for a link the link's own", () => {
		loadAddon(at("no addon"));
		loadAddon(natives.files);
		assert.ok(addon !== undefined);
		symlinkSync("x", at("link"));
		const before = mtime("x");
		for (const name of ["link", "x"]) {
			for (const ns of times) {
				setFileTime(at(name), ns);
				assert.equal(mtime(name), ns);
			}
			if (name === "link") assert.equal(mtime("x"), before);
		}
		assert.throws(() => setFileTime(at("none"), 1n), /ENOENT/);
	});
});
