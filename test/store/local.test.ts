import { strict as assert } from "node:assert";
import {
	chmodSync,
	existsSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { loadResult, saveResult } from "../../src/executor/results.js";
import { openLocalStore } from "../../src/store/local.js";
import { memoryStore } from "../../src/store/memory.js";
import { RESULT_TAG } from "../../src/store/types.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk, type ThunkResult } from "../../src/thunk/types.js";
import { testFolder } from "../rig/folder.js";

const HELLO = Buffer.from("hello\n");
const H = hashBytes(HELLO);

describe("objects of a .gg folder", () => {
	const folder = testFolder();
	const open = () => openLocalStore(join(folder.path, ".gg"));

	it("come back, and lie under their names, not to be written", () => {
		const { objects } = open();
		assert.equal(objects.has(H), false);
		assert.equal(objects.get(H), undefined);
		assert.equal(objects.put(HELLO), H);
		assert.equal(objects.has(H), true);
		assert.deepEqual(objects.get(H), HELLO);
		assert.deepEqual(readFileSync(join(folder.path, ".gg/blobs", H)), HELLO);
		assert.equal(statSync(objects.path(H)).mode & 0o7777, 0o400);
	});

	it("are copies: what happens to the files they came from and go to does not reach them", () => {
		const { objects } = open();
		const source = join(folder.path, "source");
		const target = join(folder.path, "target");
		writeFileSync(source, HELLO);
		assert.equal(objects.putFile(source), H);
		writeFileSync(source, "other\n");
		assert.equal(objects.copyOut(H, target, 0o644), true);
		writeFileSync(target, "other\n");
		chmodSync(target, 0o777);
		assert.deepEqual(objects.get(H), HELLO);
		assert.equal(statSync(objects.path(H)).mode & 0o7777, 0o400);
		assert.equal(statSync(objects.path(H)).nlink, 1);
	});

	it("are not written twice", () => {
		const { objects } = open();
		objects.put(HELLO);
		const { ino } = statSync(objects.path(H));
		objects.put(HELLO);
		open().objects.put(HELLO);
		assert.equal(statSync(objects.path(H)).ino, ino);
		assert.deepEqual(readdirSync(objects.folder), [H]);
	});

	it("go out with the mode asked for, in the place of what is there, into folders that are made", () => {
		const { objects } = open();
		objects.put(HELLO);
		const target = join(folder.path, "a/b/target");
		for (const mode of [0o644, 0o755, 0o400, 0o600]) {
			assert.equal(objects.copyOut(H, target, mode), true);
			assert.equal(statSync(target).mode & 0o7777, mode);
			assert.deepEqual(readFileSync(target), HELLO);
		}
		assert.deepEqual(readdirSync(join(folder.path, "a/b")), ["target"]);
	});

	it("that were cut short are not there, and are written anew", () => {
		const { objects } = open();
		objects.put(HELLO);
		chmodSync(objects.path(H), 0o600);
		truncateSync(objects.path(H), 3);
		const target = join(folder.path, "target");
		assert.equal(objects.has(H), false);
		assert.equal(objects.get(H), undefined);
		assert.equal(objects.copyOut(H, target, 0o644), false);
		assert.equal(existsSync(target), false);
		const another = open().objects;
		another.put(HELLO);
		assert.deepEqual(another.get(H), HELLO);
	});

	it("that were altered are not given out by get", () => {
		const { objects } = open();
		objects.put(HELLO);
		chmodSync(objects.path(H), 0o600);
		writeFileSync(objects.path(H), "hellO\n");
		assert.equal(objects.get(H), undefined);
	});

	it("that were removed are a miss for the process that wrote them too", () => {
		const { objects } = open();
		objects.put(HELLO);
		rmSync(objects.path(H));
		assert.equal(objects.has(H), false);
		assert.equal(objects.get(H), undefined);
		assert.equal(objects.copyOut(H, join(folder.path, "t"), 0o644), false);
	});

	it("tell by their first bytes what they are", () => {
		const { objects } = open();
		objects.put(HELLO);
		assert.equal(objects.startsWith(H, "hell"), true);
		assert.equal(objects.startsWith(H, "help"), false);
		assert.equal(objects.startsWith(H, "hello\nand more"), false);
		assert.equal(objects.startsWith(hashBytes(Buffer.from("none")), ""), false);
	});

	it("that cannot be written leave nothing behind", () => {
		const { objects } = open();
		assert.throws(() => objects.putFile(join(folder.path, "none")), { code: "ENOENT" });
		assert.throws(() => objects.putFile(join(folder.path, "none"), H), { code: "ENOENT" });
		assert.deepEqual(readdirSync(objects.folder), []);
	});
});

describe("reductions of a .gg folder", () => {
	const folder = testFolder();
	const T = `T${H.slice(1)}` as ObjectHash;
	const file = (name: string): string => join(folder.path, ".gg/reductions", name);

	it("are files that hold the 52 characters of a name, as the original gg's", () => {
		const { reductions } = openLocalStore(join(folder.path, ".gg"));
		reductions.put(T, "", H);
		reductions.put(T, "two", H);
		assert.equal(readFileSync(file(T), "latin1"), H);
		assert.equal(readFileSync(file(`${T}#two`), "latin1"), H);
		assert.equal(statSync(file(T)).mode & 0o7777, 0o600);
		assert.equal(reductions.get(T, ""), H);
		assert.equal(reductions.get(T, "two"), H);
		assert.equal(reductions.get(T, "three"), undefined);
	});

	it("are replaced whole", () => {
		const { reductions } = openLocalStore(join(folder.path, ".gg"));
		const other = hashBytes(Buffer.alloc(0));
		reductions.put(T, "", H);
		reductions.put(T, "", other);
		assert.equal(reductions.get(T, ""), other);
		assert.deepEqual(readdirSync(join(folder.path, ".gg/reductions")), [T]);
	});

	it("that hold anything else are a miss", () => {
		const { reductions } = openLocalStore(join(folder.path, ".gg"));
		for (const text of ["", H.slice(1), `${H}\n`, `${H}${H}`, "../../../../../../../../../../../../../../../etc/passwd0"]) {
			writeFileSync(file(T), text);
			assert.equal(reductions.get(T, ""), undefined, JSON.stringify(text));
		}
	});

	it("never leave their folder", () => {
		const { reductions } = openLocalStore(join(folder.path, ".gg"));
		assert.equal(reductions.get(T, "/../../x"), undefined);
		assert.equal(reductions.get(T, "a\0b"), undefined);
		assert.throws(() => reductions.put(T, "a/b", H), { message: "Internal error: tag a/b" });
	});
});

describe("a kept result", () => {
	const T = `T${H.slice(1)}` as ObjectHash;
	const thunk: Thunk = { ...EMPTY_THUNK, functionHash: H, args: ["a"], outputs: ["out", "two"] };
	const folder = testFolder();
	const make = () => {
		const store = openLocalStore(join(folder.path, ".gg"));
		const two = store.objects.put(Buffer.from("two"));
		store.objects.put(HELLO);
		const result: ThunkResult = {
			status: 0,
			signal: 0,
			stdout: Buffer.from("said"),
			stderr: Buffer.alloc(0),
			outputs: [
				{ tag: "out", hash: H, mode: 0o755 },
				{ tag: "two", hash: two, mode: 0o644 },
			],
			wall: 5,
		};
		saveResult(store, T, thunk, result);
		return { store, result, two };
	};

	it("comes back, and its outputs are reductions that the original gg understands", () => {
		const { store, result, two } = make();
		assert.deepEqual(loadResult(store, T), result);
		assert.equal(store.reductions.get(T, ""), H);
		assert.equal(store.reductions.get(T, "two"), two);
	});

	it("is a miss when an output is gone or cut short", () => {
		const { store, two } = make();
		rmSync(store.objects.path(two));
		assert.equal(loadResult(store, T), undefined);
		const again = make();
		chmodSync(again.store.objects.path(H), 0o600);
		truncateSync(again.store.objects.path(H), 1);
		assert.equal(loadResult(again.store, T), undefined);
	});

	it("is a miss when the result itself is gone, cut short or altered", () => {
		const { store } = make();
		const name = store.reductions.get(T, RESULT_TAG)!;
		const path = store.objects.path(name);
		const bytes = readFileSync(path);
		chmodSync(path, 0o600);
		for (let length = 0; length < bytes.length; length++) {
			writeFileSync(path, bytes.subarray(0, length));
			assert.equal(loadResult(store, T), undefined);
		}
		rmSync(path);
		assert.equal(loadResult(store, T), undefined);
	});

	it("is a miss when nothing is kept", () => {
		assert.equal(loadResult(memoryStore(), T), undefined);
	});
});
