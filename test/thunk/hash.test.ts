import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
	hashBytes,
	hashFile,
	hashToHex,
	isObjectHash,
	isThunkHash,
	MAX_OBJECT_SIZE,
	nameOf,
	sizeOfHash,
	startsAsThunk,
} from "../../src/thunk/hash.js";
import { testFolder } from "../rig/folder.js";

const HELLO = "VWJG1tSLV3whtD_CxEPvZ0hu0_HFjrzTQgoai6Eb2vgM00000006";
const EMPTY = "V47DEQpj8HBSa._TImW.5JCeuQeRkm5NMpJWZG3hSuFU00000000";

describe("names of objects", () => {
	const folder = testFolder();

	it("are those of the original gg", () => {
		assert.equal(hashBytes(Buffer.from("hello\n")), HELLO);
		assert.equal(hashBytes(Buffer.alloc(0)), EMPTY);
	});

	it("hold the SHA-256 and the length", () => {
		const hash = hashBytes(Buffer.from("hello\n"));
		assert.equal(hashToHex(hash), createHash("sha256").update("hello\n").digest("hex"));
		assert.equal(sizeOfHash(hash), 6);
		assert.equal(sizeOfHash(hashBytes(Buffer.alloc(0))), 0);
	});

	it("begin with T exactly for content that begins with ##GGTHUNK##", () => {
		assert.equal(hashBytes(Buffer.from("##GGTHUNK##"))[0], "T");
		assert.equal(hashBytes(Buffer.from("##GGTHUNK##more"))[0], "T");
		assert.equal(hashBytes(Buffer.from("##GGTHUNK#"))[0], "V");
		assert.equal(hashBytes(Buffer.from(" ##GGTHUNK##"))[0], "V");
		assert.equal(isThunkHash(hashBytes(Buffer.from("##GGTHUNK##"))), true);
		assert.equal(isThunkHash(hashBytes(Buffer.from("x"))), false);
		assert.equal(startsAsThunk(Buffer.from("##GGTHUNK#")), false);
	});

	it("of files are those of their bytes, below, at and beyond the size of one reading", () => {
		const path = join(folder.path, "f");
		for (const size of [0, 1, 10, 11, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20]) {
			const bytes = Buffer.alloc(size, "a");
			writeFileSync(path, bytes);
			assert.equal(hashFile(path), hashBytes(bytes), `${size} bytes`);
		}
		writeFileSync(path, "##GGTHUNK##x");
		assert.equal(hashFile(path), hashBytes(Buffer.from("##GGTHUNK##x")));
	});

	it("of files show each chunk, with its place", () => {
		const path = join(folder.path, "f");
		const bytes = Buffer.alloc((2 << 20) + 5, "ab");
		writeFileSync(path, bytes);
		const seen: Buffer[] = [];
		let expectedAt = 0;
		hashFile(path, (chunk, at) => {
			assert.equal(at, expectedAt);
			expectedAt += chunk.length;
			seen.push(Buffer.from(chunk));
		});
		assert.equal(Buffer.concat(seen).equals(bytes), true);
	});

	it("of files that cannot be read are an error", () => {
		assert.throws(() => hashFile(join(folder.path, "none")), { code: "ENOENT" });
		assert.throws(() => hashFile(folder.path), { code: "EISDIR" });
	});

	it("are recognised by every character", () => {
		assert.equal(isObjectHash(HELLO), true);
		for (const text of [
			"",
			HELLO.slice(1),
			`${HELLO}0`,
			HELLO.replace("V", "X"),
			HELLO.replace("V", "v"),
			HELLO.replace("_", "-"),
			HELLO.replace("_", "/"),
			`${HELLO.slice(0, 51)}G`,
			`${HELLO.slice(0, 51)}A`,
			`${HELLO.slice(0, 51)}\n`,
			`../${HELLO.slice(3)}`,
		]) {
			assert.equal(isObjectHash(text), false, JSON.stringify(text));
		}
	});

	it("are refused for objects whose length has more than eight digits", () => {
		const digest = createHash("sha256").digest();
		assert.equal(sizeOfHash(nameOf(digest, MAX_OBJECT_SIZE, false)), MAX_OBJECT_SIZE);
		assert.throws(() => nameOf(digest, MAX_OBJECT_SIZE + 1, false), {
			message: "Internal error: an object of 4294967296 bytes has no name",
		});
	});
});
