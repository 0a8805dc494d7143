import { strict as assert } from "node:assert";
import { Collision, digestOf, digestOfObject, type Folder, FolderEditor } from "../../../src/engines/action/merkle.js";
import { DIRECTORY } from "../../../src/reapi/messages.js";
import { hashBytes } from "../../../src/thunk/hash.js";

const file = (text: string, executable = false) => ({ hash: hashBytes(Buffer.from(text)), executable });

function paths(folder: Folder, at = ""): string[] {
	return [
		...[...folder.files.keys()].map((n) => `${at}${n}`),
		...[...folder.links].map(([n, target]) => `${at}${n} -> ${target}`),
		...[...folder.folders].flatMap(([n, child]) => paths(child, `${at}${n}/`)),
	].sort();
}

describe("a folder of an input root", () => {
	it("is encoded as protobuf encodes it, sorted by bytes", () => {
		const e = new FolderEditor();
		for (const name of ["z", "a", "é", "\u{1F600}", "\uFFFD", "B"]) e.file(`/${name}`, file(name, name === "a"));
		e.file("/dir/x", file("x"));
		const decoded = DIRECTORY.decode(e.root.bytes);
		const names = decoded.files.map((f) => f.name);
		assert.deepEqual(
			names,
			[...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
		);
		assert.deepEqual(decoded.files[1], { name: "a", digest: digestOf(Buffer.from("a")), isExecutable: true });
		const slim = {
			files: decoded.files.map(({ name, digest, isExecutable }) => ({
				name,
				digest: digest!,
				...(isExecutable ? { isExecutable } : {}),
			})),
			directories: decoded.directories,
			symlinks: [],
		};
		assert.ok(DIRECTORY.encode(slim).equals(e.root.bytes), "defaults are left out, fields in order");
	});

	it("has the digest of nothing when it is empty", () => {
		assert.deepEqual(new FolderEditor().root.digest, digestOf(Buffer.alloc(0)));
	});

	it("is the same whatever order it was made in", () => {
		const a = new FolderEditor();
		const b = new FolderEditor();
		a.file("/x/1", file("1"));
		a.file("/y/2", file("2"));
		b.file("/y/2", file("2"));
		b.file("/x/1", file("1"));
		assert.deepEqual(a.root.digest, b.root.digest);
	});

	it("is shared and never changed by what is made of it", () => {
		const base = new FolderEditor();
		base.file("/usr/include/a.h", file("a"));
		base.file("/usr/lib/b", file("b"));
		const before = base.root.digest;
		const next = new FolderEditor(base.root);
		next.file("/usr/include/c.h", file("c"));
		assert.deepEqual(base.root.digest, before);
		assert.deepEqual(paths(base.root), ["usr/include/a.h", "usr/lib/b"]);
		assert.deepEqual(paths(next.root), ["usr/include/a.h", "usr/include/c.h", "usr/lib/b"]);
		const lib = (f: Folder): Folder | undefined => f.folders.get("usr")?.folders.get("lib");
		assert.equal(lib(next.root), lib(base.root), "what did not change is the same object");
	});

	it("is merged with another that wants the same place", () => {
		const base = new FolderEditor();
		base.file("/usr/include/a.h", file("a"));
		const more = new FolderEditor();
		more.file("/b.h", file("b"));
		const next = new FolderEditor(base.root);
		next.graft("/usr/include", more.root);
		next.graft("/usr/share", more.root);
		assert.deepEqual(paths(next.root), ["usr/include/a.h", "usr/include/b.h", "usr/share/b.h"]);
		assert.deepEqual(paths(more.root), ["b.h"]);
	});

	it("is found through links, as the command will find it", () => {
		const e = new FolderEditor();
		e.link("/lib", "usr/lib");
		e.link("/bin/cc", "/etc/alternatives/cc");
		e.file("/lib/x.so", file("x"));
		e.folder("/lib/deep");
		e.file("/bin/cc", file("cc"));
		assert.deepEqual(paths(e.root), [
			"bin/cc -> ../etc/alternatives/cc",
			"etc/alternatives/cc",
			"lib -> usr/lib",
			"usr/lib/x.so",
		]);
		assert.deepEqual([...e.root.allLinks].sort(), [
			["bin/cc", "../etc/alternatives/cc"],
			["lib", "usr/lib"],
		]);
	});

	it("has no link that leads out of the root", () => {
		const e = new FolderEditor();
		e.link("/a/b", "../../../../etc/x");
		assert.deepEqual(paths(e.root), ["a/b -> ../etc/x"]);
	});

	it("cannot be a file too, and a circle of links is none", () => {
		const e = new FolderEditor();
		e.file("/a", file("a"));
		assert.throws(() => e.file("/a/b", file("b")), Collision);
		assert.throws(() => e.folder("/a"), Collision);
		e.folder("/d");
		assert.throws(() => e.file("/d", file("d")), Collision);
		e.link("/l", "m");
		e.link("/m", "l");
		assert.throws(() => e.folder("/l/x"), Collision);
	});
});

describe("digestOfObject", () => {
	it("is the SHA-256 and size that the name holds", () => {
		const bytes = Buffer.from("some bytes");
		assert.deepEqual(digestOfObject(hashBytes(bytes)), digestOf(bytes));
	});
});
