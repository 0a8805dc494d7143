/** A shared folder as storage, into which others write, too. */
import { strict as assert } from "node:assert";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { folderStorage } from "../../src/storage/folder.js";
import { hashBytes } from "../../src/thunk/hash.js";
import { testFolder } from "../rig/folder.js";

describe("a shared folder as storage", () => {
	const folder = testFolder();

	it("puts an object in the place of another of its length", async () => {
		const storage = folderStorage(folder.path);
		const [bytes, path] = [Buffer.from("right"), join(folder.path, "file")];
		const hash = hashBytes(bytes);
		writeFileSync(path, bytes);
		for (const put of [() => storage.putBytes(hash, bytes), () => storage.put(hash, path)]) {
			await put();
			chmodSync(join(folder.path, hash), 0o644);
			writeFileSync(join(folder.path, hash), "wrong");
			assert.equal(await storage.get(hash), undefined);
			await put();
			assert.deepEqual(await storage.get(hash), bytes);
		}
	});
});
