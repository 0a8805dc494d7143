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
import { encodeTree } from "../../src/thunk/codec.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk, type ThunkResult } from "../../src/thunk/types.js";
import { loadAddon } from "../../src/util/addon.js";
import { testFolder } from "../rig/folder.js";
import { testNatives } from "../rig/spawner.js";

const HELLO = Buffer.from("hello\n");
const H = hashBytes(HELLO);

describe("objects of a .gg folder", () => {
	const natives = testNatives();
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

	it("are named by what was copied, when a file is no longer what its caller knew", () => {
		const { objects } = open();
		const source = join(folder.path, "source");
		writeFileSync(source, "other\n");
		const hash = objects.putFile(source, H);
		assert.notEqual(hash, H);
		assert.equal(objects.has(H), false);
		assert.equal(objects.get(hash)?.toString(), "other\n");
		assert.deepEqual(readdirSync(objects.folder), [hash]);
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

	it("come and go while this thread does something else, and leave nothing behind where they cannot", async () => {
		const { objects } = open();
		await objects.putAside(HELLO, H);
		assert.deepEqual(objects.get(H), HELLO);
		assert.equal(statSync(objects.path(H)).mode & 0o7777, 0o400);
		const target = join(folder.path, "aside");
		writeFileSync(target, "promise");
		const { mtimeNs, mode } = statSync(target, { bigint: true });
		const is = (path: string): boolean => readFileSync(path, "utf8") === "promise";
		assert.equal(await objects.copyOutAside(H, target, 0o755, { mtimeNs, mode, is }), true);
		assert.deepEqual(readFileSync(target), HELLO);
		assert.equal(statSync(target).mode & 0o7777, 0o755);
		// Something else stands there by now.
		assert.equal(await objects.copyOutAside(H, target, 0o755, { mtimeNs, mode, is }), false);
		rmSync(objects.folder, { recursive: true });
		assert.equal(await open().objects.copyOutAside(H, target, 0o755, { mtimeNs, mode, is }), false);
		rmSync(objects.folder, { recursive: true });
		await assert.rejects(objects.putAside(Buffer.from("x"), hashBytes(Buffer.from("x"))), /ENOENT/);
		assert.deepEqual(readdirSync(folder.path).sort(), [".gg", "aside"]);
	});

	it("replace files that are removed in the end, large ones and those in the pack", async () => {
		loadAddon(natives.files);
		const store = open();
		const { objects } = store;
		objects.put(HELLO);
		const packed = objects.putPacked(Buffer.from("x.o: x.c\n"));
		assert.deepEqual(readdirSync(objects.folder), [H]);
		for (const [name, hash] of [
			["x.o", H],
			["x.d", packed],
		] as const) {
			const target = join(folder.path, name);
			writeFileSync(target, "promise");
			const { mtimeNs, mode } = statSync(target, { bigint: true });
			const is = (path: string): boolean => readFileSync(path, "utf8") === "promise";
			assert.equal(await objects.copyOutAside(hash, target, 0o644, { mtimeNs, mode, is }), true);
		}
		const replaced = readdirSync(objects.folder).filter((name) => name !== H);
		assert.deepEqual(
			replaced.map((name) => readFileSync(join(objects.folder, name), "utf8")),
			["promise", "promise"],
		);
		store.close();
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

	it("put back nothing that was removed meanwhile, nor its folder", () => {
		const { objects } = open();
		const hash = objects.put(Buffer.from("a value"));
		const small = objects.put(Buffer.from("##GGTHUNK##packed"));
		for (const [name, of] of [
			["gone/a", hash],
			["b", hash],
			["gone/c", small],
		] as const)
			assert.equal(
				objects.copyOut(of, join(folder.path, name), 0o644, { mtimeNs: 0n, mode: 0n, is: () => false }),
				false,
			);
		assert.deepEqual(
			readdirSync(folder.path).filter((name) => /^(?:gone|b)/.test(name)),
			[],
		);
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

	it("that only gg reads have no file of their own, until a program is to read them", () => {
		const { objects, close } = open();
		const tree = encodeTree([{ name: "a", hash: H, kind: "file" }]);
		const hash = objects.put(tree);
		assert.equal(objects.has(hash), true);
		assert.equal(existsSync(objects.path(hash)), false);
		assert.deepEqual(objects.get(hash), tree);
		assert.deepEqual(objects.packed(hash), tree);
		close();
		const next = open();
		assert.deepEqual(next.objects.get(hash), tree);
		assert.equal(next.objects.copyOut(hash, join(folder.path, "t"), 0o644), true);
		assert.deepEqual(readFileSync(join(folder.path, "t")), tree);
		assert.equal(next.objects.file(hash), next.objects.path(hash));
		assert.deepEqual(readFileSync(next.objects.path(hash)), tree);
		assert.equal(next.objects.file(H), undefined);
	});

	it("in a damaged pack are a miss, and are written anew", () => {
		const first = open();
		const tree = encodeTree([{ name: "a", hash: H, kind: "file" }]);
		const hash = first.objects.put(tree);
		first.close();
		const pack = join(folder.path, ".gg/pack");
		const bytes = readFileSync(pack);
		bytes[bytes.length - 3]! ^= 0xff;
		writeFileSync(pack, bytes);
		const second = open();
		assert.equal(second.objects.get(hash), undefined);
		assert.equal(second.objects.put(tree), hash);
		second.close();
		assert.deepEqual(open().objects.get(hash), tree);
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
		for (const text of [
			"",
			H.slice(1),
			`${H}\n`,
			`${H}${H}`,
			"../../../../../../../../../../../../../../../etc/passwd0",
		]) {
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

	it("is a miss when the pack it lies in is cut anywhere, and comes back when it is saved again", () => {
		const { store, result } = make();
		store.close();
		const pack = join(folder.path, ".gg/pack");
		const bytes = readFileSync(pack);
		for (let length = 0; length < bytes.length; length++) {
			writeFileSync(pack, bytes.subarray(0, length));
			const cut = openLocalStore(join(folder.path, ".gg"));
			assert.equal(loadResult(cut, T), undefined, `cut at ${length}`);
			saveResult(cut, T, thunk, result);
			cut.close();
			const next = openLocalStore(join(folder.path, ".gg"));
			assert.deepEqual(loadResult(next, T), result, `cut at ${length} and saved again`);
			next.close();
		}
		rmSync(pack);
		assert.equal(loadResult(openLocalStore(join(folder.path, ".gg")), T), undefined);
	});

	it("is a miss when nothing is kept", () => {
		assert.equal(loadResult(memoryStore(), T), undefined);
	});
});
