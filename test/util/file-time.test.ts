import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadFileTimes, setFileTime } from "../../src/util/file-time.js";

describe("a file's time of modification", () => {
	let folder = "";
	const at = (name: string): string => join(folder, name);
	const mtime = (name: string): bigint => lstatSync(at(name), { bigint: true }).mtimeNs;
	const times = Array.from({ length: 100 }, (_, i) => 1795343546583265180n + BigInt(i) * 1001n);
	before(() => {
		folder = mkdtempSync(join(tmpdir(), "gg-time-"));
		writeFileSync(at("x"), "");
	});
	after(() => rmSync(folder, { recursive: true }));

	it("is set to the microsecond by Node.js itself, and never to an earlier one", () => {
		loadFileTimes(at("no addon"));
		for (const ns of times) {
			setFileTime(at("x"), ns);
			assert.equal(mtime("x"), ns - (ns % 1000n));
		}
	});

	it("is set to the nanosecond by the addon, for a link the link's own", () => {
		const source = fileURLToPath(new URL("../../../wrappers/gg-time.c", import.meta.url));
		execFileSync("cc", ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", source, "-o", at("gg-time.node")]);
		loadFileTimes(at("gg-time.node"));
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
