import { strict as assert } from "node:assert";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { receiveFile } from "../../src/store/incoming.js";
import type { ObjectHash } from "../../src/thunk/hash.js";
import { testFolder } from "../rig/folder.js";

describe("an object that comes piece by piece", () => {
	const folder = testFolder();
	const name = "object" as ObjectHash;
	const at = (file: string): string => join(folder.path, file);

	it("is written in order, while whoever sends has to wait only when much is waiting to be written", async () => {
		const incoming = receiveFile(at("incoming"), 0o400, at);
		const pieces = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i} `));
		assert.ok(pieces.every((piece) => incoming.write(piece) === undefined));
		const large = Buffer.alloc(9 << 20, "x");
		const full = incoming.write(large);
		assert.ok(full instanceof Promise);
		await full;
		incoming.write(Buffer.from("end"));
		await incoming.keep(name);
		assert.deepEqual(readdirSync(folder.path), [name]);
		assert.ok(readFileSync(at(name)).equals(Buffer.concat([...pieces, large, Buffer.from("end")])));
		assert.equal(statSync(at(name)).mode & 0o777, 0o400);
	});

	it("leaves nothing where it is dropped, is there already, or cannot be written", async () => {
		const dropped = receiveFile(at("incoming"), 0o400, at);
		dropped.write(Buffer.alloc(1 << 20));
		await dropped.drop();
		const known = receiveFile(at("incoming"), 0o400, () => undefined);
		known.write(Buffer.alloc(1 << 20));
		await known.keep(name);
		const refused = receiveFile(at("absent/incoming"), 0o400, at);
		refused.write(Buffer.alloc(1 << 20));
		await assert.rejects(refused.keep(name), /ENOENT/);
		const full = receiveFile("/dev/full/x", 0o400, at);
		full.write(Buffer.alloc(1 << 20));
		await full.drop();
		const elsewhere = receiveFile(at("incoming"), 0o400, () => at("absent/object"));
		elsewhere.write(Buffer.alloc(1));
		await assert.rejects(elsewhere.keep(name), /ENOENT/);
		assert.deepEqual(readdirSync(folder.path), []);
	});
});
