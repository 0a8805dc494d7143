import { strict as assert } from "node:assert";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Folder } from "../../../src/engines/action/merkle.js";
import { InputRoots } from "../../../src/engines/action/roots.js";
import { memoryStore } from "../../../src/store/memory.js";
import { encodeTree } from "../../../src/thunk/codec.js";
import { hashBytes, hashToHex, type ObjectHash } from "../../../src/thunk/hash.js";
import { EMPTY_THUNK } from "../../../src/thunk/types.js";
import { testFolder } from "../../rig/folder.js";

describe("the input root of a thunk", () => {
	const folder = testFolder();

	/** Whether the file at `path` may be executed in the root of a thunk that names it. */
	function mayRun(path: string, hash: ObjectHash, modes: ReadonlyMap<ObjectHash, number>): boolean | undefined {
		const runner = join(folder.path, "runner");
		writeFileSync(runner, "runner");
		const files = {
			get: () => assert.fail("what a thunk made is not to be read"),
			isSystem: () => false,
		};
		const roots = new InputRoots({ files, objects: memoryStore().objects, modes, runner, view: runner });
		const thunk = { ...EMPTY_THUNK, functionHash: hash, cwd: folder.path, values: [{ hash, name: path }] };
		const names = `root${path}`.split("/");
		const name = names.pop()!;
		let at: Folder | undefined = roots.build(thunk, hash);
		for (const part of names) at = at?.folders.get(part);
		return at?.files.get(name)?.executable;
	}

	it("takes what thunks made for what they made it, without reading it, here or still on its way", () => {
		const path = join(folder.path, "program");
		const hash = hashBytes(Buffer.from("a program"));
		assert.equal(mayRun(path, hash, new Map([[hash, 0o755]])), true);
		assert.equal(mayRun(path, hash, new Map([[hash, 0o644]])), false);
		// A placeholder, which is as long as a placeholder is.
		writeFileSync(path, "not yet");
		assert.equal(mayRun(path, hash, new Map([[hash, 0o755]])), true);
		// The build gave it another mode since.
		writeFileSync(path, "a program");
		chmodSync(path, 0o755);
		assert.equal(mayRun(path, hash, new Map([[hash, 0o644]])), true);
	});

	it("has nothing to send of what the server is known to have, and all of it once that is forgotten", () => {
		const inputs = new InputRoots({
			files: { get: () => undefined, isSystem: () => false },
			objects: memoryStore().objects,
			modes: new Map(),
			runner: process.execPath,
			view: process.execPath,
		});
		const hash = hashBytes(Buffer.from("x"));
		const root = inputs.build(
			{ ...EMPTY_THUNK, functionHash: hash, cwd: "/p", values: [{ hash, name: "/p/x" }] },
			hash,
		);
		const names = (has?: (name: string) => boolean): string[] =>
			inputs.unsent(root, has === undefined ? {} : { has }).blobs.map((blob) => blob.digest.hash);
		const file = hashToHex(hash);
		const all = names();
		assert.ok(all.includes(file));
		assert.deepEqual(
			names((name) => name === file),
			all.filter((name) => name !== file),
		);
		inputs.unsent(root, { has: () => true }).done();
		assert.deepEqual(names(), []);
		inputs.forget();
		assert.deepEqual(names(), all);
	});

	it("weighs more the more there is to compile: headers and the system do not count, sources that are included do so for more than once", () => {
		const { objects } = memoryStore();
		const inputs = new InputRoots({
			files: { get: () => undefined, isSystem: (path) => path.startsWith("/usr/") },
			objects,
			modes: new Map(),
			runner: process.execPath,
			view: process.execPath,
		});
		const put = (size: number): ObjectHash => objects.put(Buffer.alloc(size, "x"));
		const tree = (name: string, entries: Readonly<Record<string, number>>) => ({
			name,
			hash: objects.put(
				encodeTree(
					Object.entries(entries).map(([entry, size]) => ({ name: entry, hash: put(size), kind: "file" as const })),
				),
			),
		});
		const weigh = (source: number, trees: readonly { name: string; hash: ObjectHash }[]): number =>
			inputs.weigh({
				...EMPTY_THUNK,
				functionHash: put(1),
				cwd: "/p",
				values: [{ hash: put(source), name: "/p/a.c" }],
				trees,
			});
		assert.equal(weigh(10, []), 10);
		assert.equal(weigh(10, [tree("/p", { "a.h": 1000 }), tree("/usr/include", { "b.c": 1000 })]), 10);
		assert.equal(weigh(10, [tree("/p", { "a.h": 1000, "a_template.c": 20 })]), 60);
		// What is wrong with a list is said when it is sent.
		assert.equal(weigh(10, [{ name: "/p", hash: put(7) }]), 10);
	});
});
