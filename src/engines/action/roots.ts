import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import type { Digest } from "../../reapi/messages.js";
import type { ObjectStore } from "../../store/types.js";
import { decodeTree } from "../../thunk/codec.js";
import { hashBytes, hashFile, type ObjectHash, sizeOfHash } from "../../thunk/hash.js";
import type { Item, Thunk } from "../../thunk/types.js";
import { FILE, lookAt, looked, MODE, SIZE } from "../../util/look.js";
import { Twins } from "../twins.js";
import { blobPath } from "./action.js";
import type { Blob } from "./blob.js";
import { digestOfObject, Folder, FolderEditor, type InputFile } from "./merkle.js";

/** What the engine asks about files of this machine. */
export interface Files {
	get(path: string): { readonly hash: ObjectHash; readonly executable: boolean } | undefined;
	isSystem(path: string): boolean;
}

export interface InputRootsOptions {
	readonly files: Files;
	readonly objects: ObjectStore;
	/** Permission bits of what thunks made, by hash. */
	readonly modes: ReadonlyMap<ObjectHash, number>;
	/** Path of the runner's program. */
	readonly runner: string;
	/** gg-view.so, for workers that allow no namespace. */
	readonly view: string;
}

/** The Tree object that a thunk names is not in the store. */
export class TreeMissing extends Error {
	readonly item: Item;
	constructor(item: Item) {
		super(`the list of files of ${item.name} (${item.hash}) is not in the store`);
		this.item = item;
	}
}

/** A root with trees in place, and the roots that come of it by one tree more. */
interface Base {
	readonly folder: Folder;
	readonly next: Map<string, Base>;
}

/**
 * Makes the input roots of thunks: `gg/runner`, `gg/links`, and below `root/` every input at its own path. What many thunks share (the
 * toolchain, the system's headers) is put together, encoded and hashed once.
 */
export class InputRoots {
	readonly #o: InputRootsOptions;
	readonly #start: Base = { folder: new Folder({}), next: new Map() };
	readonly #trees = new Map<ObjectHash, Folder | undefined>();
	/** Where on this machine each object was named to be. */
	readonly #origins = new Map<ObjectHash, string>();
	readonly #shared = new Set<ObjectHash>();
	readonly #runner: InputFile;
	readonly #view: InputFile;
	/** `gg/` by the text of its list of links. */
	readonly #tools = new Map<string, Folder>();
	readonly #lists = new Map<ObjectHash, Buffer>();
	readonly #twins: Twins;
	#round = 1;

	constructor(options: InputRootsOptions) {
		this.#o = options;
		this.#twins = new Twins(options.objects);
		const hash = hashFile(options.runner);
		this.#origins.set(hash, options.runner);
		this.#runner = { hash, executable: true };
		const view = hashFile(options.view);
		this.#origins.set(view, options.view);
		this.#view = { hash: view, executable: false };
		for (const own of [hash, view]) this.#shared.add(own);
	}

	build(thunk: Thunk, own: ObjectHash): Folder {
		return thunk.cwd === "" ? this.#classic(thunk, own) : this.#named(thunk);
	}

	/** All that a thunk in the original's form names, itself too, as `blobs/HASH`; its links are the runner's to make. */
	#classic(thunk: Thunk, own: ObjectHash): Folder {
		const blobs = new Folder({});
		const executable = new Set([thunk.functionHash, ...thunk.executables.map((e) => e.hash)]);
		const items = [...thunk.values.map((v) => v.hash), ...thunk.links.map((l) => l.target), own];
		for (const hash of [...executable, ...items]) blobs.files.set(hash, { hash, executable: executable.has(hash) });
		const root = new Folder({});
		root.folders.set("gg", this.#toolsWith(thunk.links.map((l) => [l.name, blobPath(l.target)] as const)));
		root.folders.set("blobs", blobs);
		return root;
	}

	#named(thunk: Thunk): Folder {
		const inner = new FolderEditor(this.#withTrees(thunk.trees));
		for (const { name, hash } of thunk.values) {
			if (!name.startsWith("/")) continue;
			if (!this.#origins.has(hash)) this.#origins.set(hash, name);
			inner.file(name, { hash, executable: this.#isExecutable(name, hash) });
		}
		inner.folder(thunk.cwd);
		for (const path of searchFolders(thunk)) inner.folder(path);
		const root = new Folder({});
		root.folders.set("gg", this.#toolsWith(inner.root.allLinks));
		root.folders.set("root", inner.root);
		return root;
	}

	/**
	 * How long a thunk will take in comparison to others, as far as its sources say: the bytes of all that are no headers, times their
	 * number, for a source that is included (a template) is so more than once, as a rule.
	 */
	weigh(thunk: Thunk): number {
		let bytes = 0;
		let count = 0;
		const add = (name: string, hash: ObjectHash): void => {
			if (!SOURCE.test(name)) return;
			bytes += sizeOfHash(hash);
			count += 1;
		};
		for (const { name, hash } of thunk.values) add(name, hash);
		for (const item of thunk.trees) {
			if (item.name === "/" || this.#o.files.isSystem(`${item.name}/`)) continue;
			try {
				for (const [name, { hash }] of this.#folderOf(item).files) add(name, hash);
			} catch {
				// What is wrong with it is said by whoever has to send it.
			}
		}
		return bytes * count;
	}

	/** See Twins. */
	twin(thunk: Thunk): string | undefined {
		return this.#twins.of(thunk);
	}

	/** The folder of the runner and of the links that it is to make, as pairs of path and target, NUL-terminated. */
	#toolsWith(all: readonly (readonly [path: string, target: string])[]): Folder {
		const links = all.map(([path, target]) => `${path}\0${target}\0`).sort();
		const text = links.join("");
		let tools = this.#tools.get(text);
		if (tools === undefined) {
			tools = new Folder({});
			tools.files.set("runner", this.#runner);
			tools.files.set("view.so", this.#view);
			const list = Buffer.from(text);
			const hash = hashBytes(list);
			this.#lists.set(hash, list);
			tools.files.set("links", { hash, executable: false });
			this.#tools.set(text, tools);
		}
		return tools;
	}

	/**
	 * All of a root that the server is not known to have, and how to note that it has; with `all`, what it has as well. `has`:
	 * what is left out, for that it is there is known otherwise.
	 */
	unsent(
		root: Folder,
		{ all = false, has = () => false }: { readonly all?: boolean; readonly has?: (hash: string) => boolean } = {},
	): { readonly blobs: Blob[]; readonly done: () => void } {
		const blobs = new Map<string, Blob>();
		const walked: Folder[] = [];
		const stack = [root];
		for (let folder = stack.pop(); folder !== undefined; folder = stack.pop()) {
			if (folder.sent === this.#round && !all) continue;
			walked.push(folder);
			const { digest, bytes } = folder;
			if (!has(digest.hash)) blobs.set(digest.hash, { digest, read: () => bytes });
			for (const { hash } of folder.files.values()) {
				const file = digestOfObject(hash);
				if (!has(file.hash) && !blobs.has(file.hash)) blobs.set(file.hash, this.#blob(hash, file));
			}
			stack.push(...folder.folders.values());
		}
		const round = this.#round;
		return {
			blobs: [...blobs.values()],
			done: () => {
				for (const folder of walked) folder.sent = round;
			},
		};
	}

	/** The server has lost something: nothing is taken to be there any more. */
	forget(): void {
		this.#round += 1;
	}

	#blob(hash: ObjectHash, digest: Digest): Blob {
		return { digest, isShared: this.#shared.has(hash), read: () => this.#read(hash) };
	}

	#read(hash: ObjectHash): Buffer | undefined {
		const list = this.#lists.get(hash);
		if (list !== undefined) return list;
		const path = this.#origins.get(hash);
		if (path !== undefined) {
			try {
				const bytes = readFileSync(path);
				if (hashBytes(bytes) === hash) return bytes;
			} catch {
				// Gone, or replaced by a placeholder: the store may have it.
			}
		}
		return this.#o.objects.get(hash);
	}

	#isExecutable(path: string, hash: ObjectHash): boolean {
		const made = this.#o.modes.get(hash);
		// What a thunk has made is not read again for one bit: its size says whether that is what stands there.
		if (made !== undefined) {
			const stands = lookAt(path, true) === FILE && looked[SIZE] === sizeOfHash(hash);
			return ((stands ? looked[MODE]! : made) & 0o100) !== 0;
		}
		const fact = this.#o.files.get(path);
		return fact?.hash === hash && fact.executable;
	}

	/** The system's trees first: those are what many thunks have in common. */
	#withTrees(trees: readonly Item[]): Folder {
		let base = this.#start;
		const own: Item[] = [];
		for (const item of trees) {
			if (item.name !== "/" && !this.#o.files.isSystem(`${item.name}/`)) {
				own.push(item);
				continue;
			}
			const key = `${item.hash}${item.name}`;
			let next = base.next.get(key);
			if (next === undefined) {
				next = { folder: this.#graft(base.folder, item), next: new Map() };
				base.next.set(key, next);
			}
			base = next;
		}
		return own.reduce((folder, item) => this.#graft(folder, item), base.folder);
	}

	#graft(base: Folder, item: Item): Folder {
		const editor = new FolderEditor(base);
		if (item.name === "/") this.#addTo(editor, item);
		else editor.graft(item.name, this.#folderOf(item));
		return editor.root;
	}

	/** A Tree as a folder by itself. */
	#folderOf(item: Item): Folder {
		const known = this.#trees.get(item.hash);
		if (known !== undefined) return known;
		const editor = new FolderEditor();
		this.#addTo(editor, item);
		this.#trees.set(item.hash, editor.root);
		return editor.root;
	}

	#addTo(editor: FolderEditor, item: Item): void {
		const bytes = this.#o.objects.get(item.hash);
		const entries = bytes === undefined ? undefined : decodeTree(bytes);
		if (entries === undefined) throw new TreeMissing(item);
		// Links first: files and folders may be named through them.
		for (const e of entries) {
			if (e.kind !== "link") continue;
			const target = this.#o.objects.get(e.hash);
			if (target === undefined) throw new TreeMissing(item);
			editor.link(`/${e.name}`, target.toString());
		}
		for (const e of entries) {
			if (e.kind === "directory") editor.folder(`/${e.name}`);
			else if (e.kind !== "link") {
				if (!this.#origins.has(e.hash)) this.#origins.set(e.hash, posix.join(item.name, e.name));
				if (item.name === "/") this.#shared.add(e.hash);
				editor.file(`/${e.name}`, { hash: e.hash, executable: e.kind === "executable" });
			}
		}
	}
}

const SOURCE = /\.(?:c|cc|cp|cpp|cxx|c\+\+|C|i|ii|s|S|asm|nasm)$/;

/** Folders that only have to be there: `-Ia -Ia/../b` wants `a`, which may hold nothing that is read. */
function searchFolders(thunk: Thunk): string[] {
	const found: string[] = [];
	for (const arg of thunk.args) {
		const dir = /^-(?:I|L|isystem|iquote|idirafter|B)(.+)$/.exec(arg)?.[1];
		if (dir === undefined) continue;
		const path = posix.resolve(thunk.cwd, dir);
		if (existsSync(path)) found.push(path);
	}
	return found;
}
