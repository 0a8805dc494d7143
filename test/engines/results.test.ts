/** Results of thunks in a storage backend: what is asked of it, and what is believed. */
import { strict as assert } from "node:assert";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packRecord, readRecord } from "../../src/engines/record.js";
import { storageResults } from "../../src/engines/results.js";
import type { Execution } from "../../src/executor/types.js";
import { packBlobs } from "../../src/storage/block.js";
import { folderStorage } from "../../src/storage/folder.js";
import type { Storage } from "../../src/storage/types.js";
import { type LocalStore, openLocalStore } from "../../src/store/local.js";
import { encodeResult } from "../../src/thunk/codec.js";
import { hashBytes, type ObjectHash } from "../../src/thunk/hash.js";
import { EMPTY_THUNK, type Thunk } from "../../src/thunk/types.js";
import { UserError } from "../../src/util/result.js";

const PROGRAM = hashBytes(Buffer.from("cc"));
const HASH = hashBytes(Buffer.from("##GGTHUNK##a"));
const THUNK: Thunk = {
	...EMPTY_THUNK,
	functionHash: PROGRAM,
	args: ["cc", "-c", "a.c"],
	executables: [{ hash: PROGRAM, name: "/usr/bin/cc" }],
	cwd: "/src",
	outputs: ["output", "depfile"],
	outputPaths: [
		{ tag: "output", path: "/src/a.o", optional: false },
		{ tag: "depfile", path: "/src/a.d", optional: false },
	],
};
const SMALL = Buffer.from("a.o: a.c\n");
const LARGE = Buffer.alloc(2_000_000, "object");

function finished(hashes: readonly ObjectHash[]): Execution & { readonly kind: "finished" } {
	const outputs = hashes.map((hash, i) => ({ tag: THUNK.outputs[i]!, hash, mode: 0o644 }));
	const nothing = Buffer.alloc(0);
	const result = { status: 0, signal: 0, stdout: nothing, stderr: Buffer.from("warning\n"), outputs, wall: 1 };
	return { kind: "finished", result, undeclared: [] };
}

describe("results in a storage backend", () => {
	let folder = "";
	const stores: LocalStore[] = [];
	beforeEach(() => {
		folder = realpathSync(mkdtempSync(join(tmpdir(), "gg-results-")));
	});
	afterEach(() => {
		for (const store of stores.splice(0)) store.close();
		rmSync(folder, { recursive: true, force: true });
	});

	/** A machine with a store of its own, and what it says of the backend. */
	function machine(name: string, storage: Storage) {
		const store = openLocalStore(join(folder, name));
		stores.push(store);
		const said: string[] = [];
		const troubled = ({ message }: { readonly message: string }): void => void said.push(message);
		const options = { storage, objects: store.objects, access: "read-write" as const, name: "the store", troubled };
		return { store, said, results: storageResults(options) };
	}

	it("take one look and one write where the outputs are small, and one look by whoever comes later", async () => {
		const [one, other] = [folderStorage(join(folder, "shared")), folderStorage(join(folder, "shared"))];
		const first = machine("first", one);
		const outputs = [Buffer.from("object"), SMALL].map((bytes) => first.store.objects.put(bytes));
		assert.equal(await first.results.lookup(HASH, THUNK), undefined);
		first.results.keep(HASH, THUNK, finished(outputs));
		await first.results.close();
		assert.deepEqual(one.requests, { gets: 1, puts: 1 });
		assert.deepEqual(readdirSync(join(folder, "shared")), ["results"]);
		const second = machine("second", other);
		const found = await second.results.lookup(HASH, THUNK);
		assert.deepEqual(other.requests, { gets: 1, puts: 0 });
		assert.deepEqual(found?.kind === "finished" && found.result, finished(outputs).result);
		assert.ok(second.store.objects.get(outputs[1]!)!.equals(SMALL));
	});

	it("are sent as another machine has packed them, beside what it has not", async () => {
		const storage = folderStorage(join(folder, "shared"));
		const first = machine("first", storage);
		const object = Buffer.alloc(1000, "object");
		// Only what it has not packed is read here.
		const outputs = [hashBytes(object), first.store.objects.put(SMALL)];
		const packed = { block: packBlobs([object]), holds: new Set([outputs[0]!]) };
		first.results.keep(HASH, THUNK, { ...finished(outputs), packed });
		await first.results.close();
		assert.deepEqual(readdirSync(join(folder, "shared")), ["results"]);
		const second = machine("second", storage);
		assert.equal((await second.results.lookup(HASH, THUNK))?.kind, "finished");
		for (const [i, bytes] of [object, SMALL].entries()) assert.ok(second.store.objects.get(outputs[i]!)?.equals(bytes));
	});

	it("keep large outputs beside them, each once", async () => {
		const storage = folderStorage(join(folder, "shared"));
		const first = machine("first", storage);
		const outputs = [LARGE, SMALL].map((bytes) => first.store.objects.put(bytes));
		first.results.keep(HASH, THUNK, finished(outputs));
		await first.results.close();
		assert.deepEqual(readdirSync(join(folder, "shared")).sort(), [outputs[0]!, "results"].sort());
		const second = machine("second", storage);
		assert.equal((await second.results.lookup(HASH, THUNK))?.kind, "finished");
		assert.ok(second.store.objects.get(outputs[0]!)!.equals(LARGE));
		rmSync(join(folder, "shared", outputs[0]!));
		assert.equal(await machine("third", storage).results.lookup(HASH, THUNK), undefined);
	});

	it("are still found where nothing more is taken", async () => {
		const storage = folderStorage(join(folder, "shared"));
		const first = machine("first", storage);
		const outputs = [SMALL, SMALL].map((bytes) => first.store.objects.put(bytes));
		first.results.keep(HASH, THUNK, finished(outputs));
		await first.results.close();
		const full: Storage = {
			...storage,
			putRecord: async () => {
				throw new UserError({ reason: "storage", message: "it is full" });
			},
			close: async () => {},
		};
		const second = machine("second", full);
		second.results.keep(hashBytes(Buffer.from("##GGTHUNK##b")), THUNK, finished(outputs));
		await second.results.close();
		assert.deepEqual(second.said, ["it is full"]);
		assert.equal((await second.results.lookup(HASH, THUNK))?.kind, "finished");
	});
});

describe("a record", () => {
	const { result } = finished([hashBytes(LARGE), hashBytes(SMALL)]);
	const ours = generateKeyPairSync("ed25519");

	it("is what was packed, if it is of that thunk", async () => {
		const record = await packRecord(HASH, { result, objects: [SMALL] }, undefined);
		assert.deepEqual(readRecord(HASH, THUNK, record, undefined), { result, objects: [SMALL] });
		const other = { ...THUNK, outputs: ["output"] };
		assert.equal(readRecord(HASH, other, record, undefined), undefined);
	});

	it("may be the result alone", () => {
		const record = Buffer.concat([Buffer.alloc(64), encodeResult(result)]);
		assert.deepEqual(readRecord(HASH, THUNK, record, undefined), { result, objects: [] });
	});

	it("counts only whole, and signed by the right hand where that is asked", async () => {
		const signed = await packRecord(HASH, { result, objects: [SMALL] }, ours.privateKey);
		assert.deepEqual(readRecord(HASH, THUNK, signed, ours.publicKey)?.result, result);
		for (let cut = 0; cut < signed.length; cut += 7)
			assert.equal(readRecord(HASH, THUNK, signed.subarray(0, cut), undefined), undefined, `${cut}`);
		const unsigned = await packRecord(HASH, { result, objects: [] }, undefined);
		assert.equal(readRecord(HASH, THUNK, unsigned, ours.publicKey), undefined);
		const elsewhere = hashBytes(Buffer.from("##GGTHUNK##b"));
		assert.equal(readRecord(elsewhere, THUNK, signed, ours.publicKey), undefined);
		const theirs = generateKeyPairSync("ed25519");
		assert.equal(readRecord(HASH, THUNK, signed, theirs.publicKey), undefined);
	});
});
