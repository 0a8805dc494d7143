import { chmodSync, constants, copyFileSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashBytes, hashFile, isObjectHash, type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import {
	copyFileAside,
	copyFileAtomic,
	errorCode,
	isAbsence,
	makeFolders,
	readIfThere,
	removeQuietly,
	temporaryName,
	writeFileAside,
	writeFileAtomic,
} from "../util/files.js";
import { FILE, lookAt, looked, SIZE } from "../util/look.js";
import type { Standing } from "../util/take-place.js";
import { receiveFile } from "./incoming.js";
import { Meanwhile } from "./meanwhile.js";
import { Pack } from "./pack.js";
import { type Incoming, type ObjectStore, RESULT_TAG, type ReductionStore, type Store } from "./types.js";

const MODE = 0o400;
/** Objects that only gg reads, and that a build makes thousands of: these go into a pack. */
const PACKED = [Buffer.from("ggtree1\n"), Buffer.from("ggresult1\n")];

function isPacked(bytes: Uint8Array): boolean {
	return PACKED.some((magic) => bytes.length >= magic.length && magic.equals(bytes.subarray(0, magic.length)));
}

/**
 * `blobs/<hash>` of a `.gg` folder. Files are written under another name and renamed, never changed afterwards, and are
 * never linked into a tree, so nothing that is done there can alter them.
 */
export class LocalObjects implements ObjectStore {
	readonly folder: string;
	readonly #seen = new Set<ObjectHash>();
	readonly #pack: Pack;
	/** What may be needed until this process ends, and the file for that. */
	#meanwhile: Meanwhile | undefined;
	#meanwhileFile: (() => string) | undefined;
	/** Files that others have replaced. */
	readonly #replaced: string[] = [];

	constructor(ggDir: string, pack: Pack) {
		this.folder = join(ggDir, "blobs");
		this.#pack = pack;
	}

	path(hash: ObjectHash): string {
		return join(this.folder, hash);
	}

	has(hash: ObjectHash): boolean {
		// The size is part of the name: a file cut short by a full disk or a crash is not there.
		return this.#isFile(hash) || this.#pack.has(hash);
	}

	#isFile(hash: ObjectHash): boolean {
		return lookAt(this.path(hash), true) === FILE && looked[SIZE] === sizeOfHash(hash);
	}

	get(hash: ObjectHash): Buffer | undefined {
		// What is known to be in the pack is not looked for elsewhere first, unless its record is damaged.
		const packed = this.#pack.isKnown(hash) ? this.#pack.get(hash) : undefined;
		if (packed !== undefined && hashBytes(packed) === hash) return packed;
		const bytes = readIfThere(this.path(hash)) ?? this.#pack.get(hash) ?? this.#meanwhile?.get(hash);
		return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
	}

	/** Path of an object as a file of its own, for programs other than gg; undefined when it is not there. */
	file(hash: ObjectHash): string | undefined {
		const path = this.path(hash);
		if (this.#isFile(hash)) return path;
		const packed = this.packed(hash);
		if (packed === undefined) return undefined;
		writeFileAtomic(path, packed, MODE);
		return path;
	}

	/** An object that has no file of its own. */
	packed(hash: ObjectHash): Buffer | undefined {
		const bytes = this.#inPack(hash) ?? this.#meanwhile?.get(hash);
		return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
	}

	#inPack(hash: ObjectHash): Buffer | undefined {
		const bytes = this.#pack.get(hash);
		return bytes !== undefined && hashBytes(bytes) === hash ? bytes : undefined;
	}

	/** Where `putMeanwhile` keeps its bytes: a file of this process, which the caller removes after `endMeanwhile`. */
	meanwhileIn(file: () => string): void {
		this.#meanwhileFile = file;
	}

	/**
	 * Keeps bytes that this process alone may need: `get`, `file` and `packed` find them, and `has`, on which others build, does not.
	 * Without a place for them they are kept as any others.
	 */
	putMeanwhile(bytes: Buffer, hash: ObjectHash): void {
		if (this.#meanwhileFile === undefined) this.putPacked(bytes, hash);
		else {
			this.#meanwhile ??= new Meanwhile(this.#meanwhileFile());
			this.#meanwhile.put(hash, bytes);
		}
	}

	/** Gives up what was kept meanwhile. */
	endMeanwhile(): void {
		this.#meanwhile?.close();
		this.#meanwhile = undefined;
	}

	put(bytes: Uint8Array, known?: ObjectHash): ObjectHash {
		const hash = known ?? hashBytes(bytes);
		if (isPacked(bytes)) {
			// Read once and not only looked up: a damaged record must not keep a good one out.
			if (!this.#seen.has(hash) && this.#inPack(hash) === undefined) this.#pack.put(hash, bytes);
			this.#seen.add(hash);
		} else if (!this.#present(hash)) {
			writeFileAtomic(this.path(hash), bytes, MODE);
			this.#seen.add(hash);
		}
		return hash;
	}

	async putAside(bytes: Uint8Array, known: ObjectHash): Promise<void> {
		if (isPacked(bytes)) this.put(bytes, known);
		else if (!this.#present(known)) {
			await writeFileAside(this.path(known), bytes, MODE);
			this.#seen.add(known);
		}
	}

	receive(): Incoming {
		return receiveFile(join(this.folder, "incoming"), MODE, (hash) => {
			if (this.#present(hash)) return undefined;
			this.#seen.add(hash);
			return this.path(hash);
		});
	}

	/** What somebody else has to write so that this object is there; undefined if it is. */
	prepare(hash: ObjectHash, bytes: Uint8Array): { path: string; bytes: Uint8Array; mode: number } | undefined {
		return this.#present(hash) ? undefined : { path: this.path(hash), bytes, mode: MODE };
	}

	putFile(path: string, known?: ObjectHash): ObjectHash {
		if (known !== undefined && this.#present(known)) return known;
		// The copy is hashed and not the file, which somebody may write to meanwhile.
		const temporary = temporaryName(join(this.folder, "incoming"));
		try {
			copyFileSync(path, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
			const hash = hashFile(temporary);
			if (!this.#present(hash)) {
				chmodSync(temporary, MODE);
				renameSync(temporary, this.path(hash));
				this.#seen.add(hash);
			} else removeQuietly(temporary);
			return hash;
		} catch (error) {
			removeQuietly(temporary);
			throw error;
		}
	}

	/** Keeps what only gg reads again, a depfile say, without a file of its own. */
	putPacked(bytes: Buffer, known?: ObjectHash): ObjectHash {
		const hash = known ?? hashBytes(bytes);
		if (this.#inPack(hash) === undefined) this.#pack.put(hash, bytes);
		return hash;
	}

	copyOut(hash: ObjectHash, path: string, mode: number, standing?: Standing): boolean {
		const packed = this.packed(hash);
		const aside = standing === undefined ? undefined : this.#aside();
		if (packed !== undefined) return writeFileAtomic(path, packed, mode, standing, aside);
		if (!this.has(hash)) return false;
		try {
			return copyFileAtomic(this.path(hash), path, mode, standing, aside);
		} catch (error) {
			// Lost to a cleaner between the two calls: a miss. A missing target folder stays an error.
			if (isAbsence(error) && !this.has(hash)) return false;
			throw error;
		}
	}

	/** As `copyOut`, while this thread does something else. */
	async copyOutAside(hash: ObjectHash, path: string, mode: number, standing: Standing): Promise<boolean> {
		if (this.packed(hash) !== undefined || !this.has(hash)) return this.copyOut(hash, path, mode, standing);
		try {
			return await copyFileAside(this.path(hash), path, mode, standing, this.#aside());
		} catch (error) {
			if (isAbsence(error) && !this.has(hash)) return false;
			throw error;
		}
	}

	/**
	 * Where a file goes that is replaced. They are removed in the end: ext4 looks at each file that was removed in the last minutes before it
	 * makes a new one, and to remove one that was written a moment ago may take milliseconds.
	 */
	#aside(): string {
		const path = temporaryName(join(this.folder, "outgoing"));
		this.#replaced.push(path);
		return path;
	}

	/** Removes what was replaced. */
	close(): void {
		for (const path of this.#replaced.splice(0)) removeQuietly(path);
	}

	#present(hash: ObjectHash): boolean {
		if (this.#seen.has(hash)) return true;
		const there = this.has(hash);
		if (there) this.#seen.add(hash);
		return there;
	}
}

/** `reductions/<thunk>` and `reductions/<thunk>#<tag>`, each holding exactly the 52 characters of a name. */
export class LocalReductions implements ReductionStore {
	readonly folder: string;
	readonly #pack: Pack;

	constructor(ggDir: string, pack: Pack) {
		this.folder = join(ggDir, "reductions");
		this.#pack = pack;
	}

	#path(thunk: ObjectHash, tag: string): string {
		return join(this.folder, tag === "" ? thunk : `${thunk}#${tag}`);
	}

	get(thunk: ObjectHash, tag: string): ObjectHash | undefined {
		if (tag.includes("/") || tag.includes("\0")) return undefined;
		if (tag === RESULT_TAG) {
			const packed = this.#pack.get(`${thunk}#${tag}`)?.toString("latin1");
			return packed !== undefined && isObjectHash(packed) ? packed : undefined;
		}
		let text: string;
		try {
			text = readFileSync(this.#path(thunk, tag), "latin1");
		} catch (error) {
			if (isAbsence(error)) return undefined;
			throw error;
		}
		return isObjectHash(text) ? text : undefined;
	}

	put(thunk: ObjectHash, tag: string, to: ObjectHash): void {
		if (tag.includes("/") || tag.includes("\0")) throw new Error(`Internal error: tag ${tag}`);
		if (tag === RESULT_TAG) this.#pack.put(`${thunk}#${tag}`, Buffer.from(to));
		else this.#write(this.#path(thunk, tag), to);
	}

	/** A new one is written as it is: one that a crash cut short is none. */
	#write(path: string, to: ObjectHash): void {
		try {
			writeFileSync(path, to, { flag: "wx", mode: 0o600 });
		} catch (error) {
			// It is there, or its folder is not.
			if (!/^(?:EEXIST|ENOENT)$/.test(errorCode(error))) {
				removeQuietly(path);
				throw error;
			}
			writeFileAtomic(path, to, 0o600);
		}
	}
}

export interface LocalStore extends Store {
	readonly objects: LocalObjects;
	/** Small objects and results that have no file of their own. */
	readonly pack: Pack;
	/** Writes what waits in memory. */
	close(): void;
}

export function openLocalStore(ggDir: string): LocalStore {
	makeFolders(join(ggDir, "blobs"));
	makeFolders(join(ggDir, "reductions"));
	// An unreadable folder is found here, by name, and not at the first miss.
	statSync(join(ggDir, "blobs"));
	const pack = new Pack(join(ggDir, "pack"));
	const objects = new LocalObjects(ggDir, pack);
	const close = (): void => {
		objects.close();
		pack.close();
	};
	return { objects, reductions: new LocalReductions(ggDir, pack), pack, close };
}
