import { strict as assert } from "node:assert";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeWrapperFolder, wrappersFor } from "../../src/interpose/tools.js";

describe("wrappers for a PATH", () => {
	let folder: string;
	beforeEach(() => {
		folder = mkdtempSync(join(tmpdir(), "gg-tools-"));
		mkdirSync(join(folder, "bin"));
		writeFileSync(join(folder, "shim"), "");
	});
	afterEach(() => rmSync(folder, { recursive: true, force: true }));

	const tool = (name: string): void => {
		writeFileSync(join(folder, "bin", name), "#!/bin/sh\n");
		chmodSync(join(folder, "bin", name), 0o755);
	};
	const wrappers = (): string =>
		wrappersFor(join(folder, "cache"), join(folder, "shim"), `${join(folder, "bin")}:/absent`, new Set());
	const known = (): string => join(folder, "cache", "wrappers", "known");
	/** Nothing is remembered of a folder that has just changed. */
	const remembered = (): void => {
		for (const end = Date.now() + 10_000; !existsSync(known()) && Date.now() < end; ) wrappers();
		assert.ok(existsSync(known()));
	};

	it("are remembered as long as its folders stay as they are", () => {
		tool("gcc");
		remembered();
		const other = makeWrapperFolder(join(folder, "cache"), join(folder, "shim"), ["ar"]);
		const record = JSON.parse(readFileSync(known(), "utf8"));
		writeFileSync(known(), JSON.stringify({ ...record, wrappers: other }));
		assert.equal(wrappers(), other, "the listing was read again");
		tool("gcc-99");
		assert.deepEqual(readdirSync(wrappers()).sort(), ["gcc", "gcc-99", "gg-force-and-run"]);
		rmSync(join(folder, "bin", "gcc"));
		assert.deepEqual(readdirSync(wrappers()).sort(), ["gcc-99", "gg-force-and-run"]);
	});

	it("are made anew when they were removed", () => {
		tool("ar");
		remembered();
		rmSync(wrappers(), { recursive: true });
		assert.deepEqual(readdirSync(wrappers()).sort(), ["ar", "gg-force-and-run"]);
	});

	it("do without a memory that cannot be read", () => {
		tool("ar");
		const first = wrappers();
		for (const text of ["", "{", '{"v":0}', '{"v":1}', "null"]) {
			writeFileSync(known(), text);
			assert.equal(wrappers(), first, text);
		}
	});
});
