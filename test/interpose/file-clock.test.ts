import assert from "node:assert/strict";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileClock } from "../../src/interpose/file-clock.js";
import { testFolder } from "../rig/folder.js";

describe("the clock of files", () => {
	const folder = testFolder();

	it("gives no time that is later than that of a file written afterwards", () => {
		const clock = new FileClock(folder.path);
		for (let i = 0; i < 500; i++) {
			const now = clock.now();
			const file = join(folder.path, `f${i % 7}`);
			writeFileSync(file, String(i));
			assert.ok(statSync(file).mtimeMs >= now);
			assert.ok(statSync(file).ctimeMs >= now);
		}
		clock.close();
	});

	it("is past the time of a file as soon as it has ticked", () => {
		const clock = new FileClock(folder.path);
		const file = join(folder.path, "f");
		writeFileSync(file, "");
		const { mtimeMs } = statSync(file);
		const limit = Date.now() + 10_000;
		while (clock.now() <= mtimeMs) assert.ok(Date.now() < limit, "it stands still");
		clock.close();
	});

	it("guesses on the safe side without a folder that it can write to, and leaves no file", () => {
		const missing = new FileClock(join(folder.path, "missing"));
		assert.ok(missing.now() < Date.now());
		missing.close();
		new FileClock(folder.path).close();
		assert.deepEqual(readdirSync(folder.path), []);
	});
});
