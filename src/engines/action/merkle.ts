import { hash as hashOf } from "node:crypto";
import { posix } from "node:path";
import protobuf from "protobufjs/minimal.js";
import { asBuffer, type Digest } from "../../reapi/messages.js";
import { hashToHex, type ObjectHash, sizeOfHash } from "../../thunk/hash.js";

/** A file of an input root. */
export interface InputFile {
	readonly hash: ObjectHash;
	readonly executable: boolean;
}

/**
 * A folder of an input root. Folders are shared between roots and never changed once they are: an editor copies those on
 * its way. Digest and bytes are made once.
 */
export class Folder {
	readonly files: Map<string, InputFile>;
	readonly folders: Map<string, Folder>;
	readonly links: Map<string, string>;
	/** Whoever may still change it. */
	readonly owner: object;
	/** The last round (see `InputRoots`) in which the server had this folder and all below it. */
	sent = 0;
	#bytes: Buffer | undefined;
	#digest: Digest | undefined;
	#allLinks: readonly (readonly [path: string, target: string])[] | undefined;

	constructor(owner: object, like?: Folder) {
		this.owner = owner;
		this.files = new Map(like?.files);
		this.folders = new Map(like?.folders);
		this.links = new Map(like?.links);
	}

	/**
	 * The canonical Directory message: each list sorted by the bytes of its names, defaults left out. Links are not in it:
	 * not every server makes them (Bazel's reference worker does not), and some refuse them. The runner makes them.
	 */
	get bytes(): Buffer {
		this.#bytes ??= encode(this);
		return this.#bytes;
	}

	/** Every link in it and below it, by its path from here. */
	get allLinks(): readonly (readonly [path: string, target: string])[] {
		if (this.#allLinks === undefined) {
			const found: (readonly [string, string])[] = [...this.links];
			for (const [name, child] of this.folders)
				for (const [path, target] of child.allLinks) found.push([`${name}/${path}`, target]);
			this.#allLinks = found;
		}
		return this.#allLinks;
	}

	get digest(): Digest {
		this.#digest ??= digestOf(this.bytes);
		return this.#digest;
	}
}

export function digestOf(bytes: Uint8Array): Digest {
	return { hash: hashOf("sha256", bytes, "hex"), sizeBytes: bytes.length };
}

const digests = new Map<ObjectHash, Digest>();

export function digestOfObject(hash: ObjectHash): Digest {
	let digest = digests.get(hash);
	if (digest === undefined) {
		digest = { hash: hashToHex(hash), sizeBytes: sizeOfHash(hash) };
		digests.set(hash, digest);
	}
	return digest;
}

const { Writer } = protobuf;

function encode(folder: Folder): Buffer {
	const w = Writer.create();
	for (const [name, { hash, executable }] of sorted(folder.files)) {
		w.uint32(10).fork().uint32(10).string(name);
		writeDigest(w, digestOfObject(hash));
		if (executable) w.uint32(32).bool(true);
		w.ldelim();
	}
	for (const [name, child] of sorted(folder.folders)) {
		w.uint32(18).fork().uint32(10).string(name);
		writeDigest(w, child.digest);
		w.ldelim();
	}
	return asBuffer(w.finish());
}

function writeDigest(w: protobuf.Writer, digest: Digest): void {
	w.uint32(18).fork().uint32(10).string(digest.hash);
	if (digest.sizeBytes > 0) w.uint32(16).int64(digest.sizeBytes);
	w.ldelim();
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
	return [...map].sort(([a], [b]) => compareBytes(a, b));
}

const SURROGATE = /[\ud800-\udfff]/;

/** The order of the names' bytes. Code units order as bytes do but for names beyond the BMP. */
export function compareBytes(a: string, b: string): number {
	if (a === b) return 0;
	if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
	return a < b ? -1 : 1;
}

/** Two inputs want the same name. */
export class Collision extends Error {}

/** Makes a new root out of an old one, sharing every folder in which nothing changes. */
export class FolderEditor {
	readonly #owner = {};
	root: Folder;

	constructor(base?: Folder) {
		this.root = new Folder(this.#owner, base);
	}

	/** The folder at an absolute path, made where it is missing, ours to change; links on the way are followed. */
	folder(path: string): Folder {
		return this.#walk(path, 0).folder;
	}

	file(path: string, file: InputFile): void {
		const folder = this.folder(posix.dirname(path));
		const name = posix.basename(path);
		if (folder.folders.has(name)) throw new Collision(path);
		// A file named through a link to it is the file that the link leads to.
		const target = folder.links.get(name);
		if (target !== undefined) {
			this.file(posix.resolve(this.#walk(posix.dirname(path), 0).at, target), file);
			return;
		}
		folder.files.set(name, file);
	}

	/** `target` as the link has it; one that leads from the root is written relative: the root may lie anywhere. */
	link(path: string, target: string): void {
		const { folder, at } = this.#walk(posix.dirname(path), 0);
		const name = posix.basename(path);
		if (folder.folders.has(name) || folder.files.has(name)) return;
		folder.links.set(name, inside(at, target));
	}

	/** Puts all that `from` holds into the folder at `path`; where that is empty, it is shared as it is. */
	graft(path: string, from: Folder): void {
		const { at } = this.#walk(posix.dirname(path), 0);
		const parent = this.folder(at);
		const name = posix.basename(path);
		if (name !== "" && !parent.folders.has(name) && !parent.links.has(name) && !parent.files.has(name)) {
			parent.folders.set(name, from);
			return;
		}
		this.#merge(this.folder(path), from);
	}

	#merge(into: Folder, from: Folder): void {
		for (const [name, file] of from.files) into.files.set(name, file);
		for (const [name, target] of from.links) if (!into.files.has(name)) into.links.set(name, target);
		for (const [name, child] of from.folders) {
			const there = into.folders.get(name);
			if (there === undefined) into.folders.set(name, child);
			else if (there !== child) this.#merge(this.#own(into, name, there), child);
		}
	}

	#own(parent: Folder, name: string, child: Folder): Folder {
		if (child.owner === this.#owner) return child;
		const copy = new Folder(this.#owner, child);
		parent.folders.set(name, copy);
		return copy;
	}

	#walk(path: string, depth: number): { folder: Folder; at: string } {
		if (depth > 40) throw new Collision(path);
		let folder = this.root;
		let at = "/";
		const parts = path.split("/").filter((part) => part !== "");
		for (const [i, part] of parts.entries()) {
			if (folder.files.has(part)) throw new Collision(path);
			const target = folder.links.get(part);
			if (target !== undefined) {
				const rest = parts.slice(i + 1).join("/");
				return this.#walk(posix.join(posix.resolve(at, target), rest), depth + 1);
			}
			const child = folder.folders.get(part);
			if (child === undefined) {
				const made = new Folder(this.#owner);
				folder.folders.set(part, made);
				folder = made;
			} else folder = this.#own(folder, part, child);
			at = posix.join(at, part);
		}
		return { folder, at };
	}
}

/** A link's target that does not lead out of the root, wherever that is put. */
function inside(folder: string, target: string): string {
	const up = target.split("/").filter((part) => part === "..").length;
	const depth = folder.split("/").filter((part) => part !== "").length;
	if (!target.startsWith("/") && up <= depth) return target;
	return posix.relative(folder, posix.resolve(folder, target)) || ".";
}
