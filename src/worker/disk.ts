import { createHash, randomBytes } from "node:crypto";
import {
	chmodSync,
	closeSync,
	constants,
	copyFileSync,
	existsSync,
	openSync,
	readdirSync,
	readFileSync,
	realpathSync,
	renameSync,
	unlinkSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Digest } from "../reapi/messages.js";
import { errorCode, makeFolders, removeQuietly } from "../util/files.js";
import { ActionCache } from "./action-cache.js";
import { EMPTY_HASH, hashOfFile, sha256 } from "./digest.js";
import { removeTree } from "./remove.js";
import { filesByUse, noteUse } from "./used-files.js";

/** Smaller files are copied: a copy costs no more than a mount. */
const MOUNT_FROM = 256 << 10;
/** Which part of the limit results may take beside the blobs. */
const RESULTS = 1 / 16;

interface Entry {
	readonly size: number;
	/** There is a second, executable copy beside it. */
	copied: boolean;
	/** Its bytes are known to be right: what an earlier worker wrote is read once before it is used. */
	sound: boolean;
	/** Of the last use; grows. */
	turn: number;
}

/** A blob that is being received. */
export interface Incoming {
	readonly size: number;
	write(data: Buffer): void;
	/** Keeps it if it is what the digest says. */
	finish(): boolean;
	drop(): void;
}

/** Blobs that may not go until it ends. */
export interface Pins {
	add(hashes: Iterable<string>): void;
	end(): void;
}

/**
 * The blobs of a worker, and the results of its actions: files under their hash, written by another name and renamed.
 * Least recently used ones go when the limit is passed, but none that is pinned.
 */
export class Disk {
	readonly folder: string;
	readonly results: ActionCache;
	readonly #limit: number;
	readonly #mounts: boolean;
	readonly #entries = new Map<string, Entry>();
	readonly #pins = new Map<string, number>();
	#turn = 0;
	#size = 0;

	/**
	 * `limit` in bytes; 0: none. What an earlier worker left half-written is removed: no other may be at work there. Without
	 * `mounts` all is copied that an action uses.
	 */
	constructor(folder: string, limit: number, mounts = true) {
		this.#mounts = mounts;
		this.#limit = limit;
		makeFolders(folder, 0o700);
		// Where an output lies is compared by real paths.
		this.folder = realpathSync(folder);
		removeTree(join(this.folder, "tmp"));
		for (const name of ["cas", "tmp"]) makeFolders(join(this.folder, name), 0o700);
		for (const prefix of readdirSync(join(this.folder, "cas")))
			for (const name of readdirSync(join(this.folder, "cas", prefix)))
				if (name.endsWith(".x")) removeQuietly(join(this.folder, "cas", prefix, name));
		for (const { hash, size } of filesByUse(join(this.folder, "cas"))) this.#add(hash, size, false);
		this.results = new ActionCache(join(this.folder, "ac"), limit * RESULTS, () => this.temporary());
	}

	get size(): number {
		return this.#size;
	}

	get count(): number {
		return this.#entries.size;
	}

	path(hash: string): string {
		return join(this.folder, "cas", hash.slice(0, 2), hash);
	}

	has({ hash, sizeBytes }: Digest): boolean {
		if (sizeBytes === 0 && hash === EMPTY_HASH) return true;
		const entry = this.#entries.get(hash);
		if (entry === undefined || entry.size !== sizeBytes) return false;
		this.#use(hash, entry);
		return true;
	}

	/** Undefined when it is not there; a file that was damaged is removed. */
	get(digest: Digest): Buffer | undefined {
		if (digest.sizeBytes === 0 && digest.hash === EMPTY_HASH) return Buffer.alloc(0);
		if (!this.has(digest)) return undefined;
		let bytes: Buffer;
		try {
			bytes = readFileSync(this.path(digest.hash));
		} catch {
			this.drop(digest.hash);
			return undefined;
		}
		if (bytes.length === digest.sizeBytes && sha256(bytes) === digest.hash) return bytes;
		this.drop(digest.hash);
		return undefined;
	}

	/** The file, for whoever reads it in pieces. */
	file(digest: Digest): string | undefined {
		return this.has(digest) && this.#isSound(digest.hash) ? this.path(digest.hash) : undefined;
	}

	/** Reads what an earlier worker wrote, once; a machine that lost its power may have kept the name and not the bytes. */
	#isSound(hash: string): boolean {
		const entry = this.#entries.get(hash);
		if (entry === undefined) return false;
		if (entry.sound) return existsSync(this.path(hash));
		entry.sound = hashOfFile(this.path(hash)) === hash;
		if (!entry.sound) this.drop(hash);
		return entry.sound;
	}

	/** False when the bytes are not what the digest says. */
	put(digest: Digest, bytes: Buffer): boolean {
		if (bytes.length !== digest.sizeBytes || sha256(bytes) !== digest.hash) return false;
		if (!this.has(digest)) this.#write(digest, bytes);
		return true;
	}

	/** Keeps bytes of our own. With `pins` they are pinned before anything makes room: where all else is, they would go. */
	add(bytes: Buffer, pins?: Pins): Digest {
		const digest = { hash: sha256(bytes), sizeBytes: bytes.length };
		if (this.has(digest)) pins?.add([digest.hash]);
		else this.#write(digest, bytes, pins);
		return digest;
	}

	/** `pins`: as of `add`. */
	receive(digest: Digest, pins?: Pins): Incoming {
		const nameless = this.#receive(pins);
		return {
			get size() {
				return nameless.size;
			},
			write: nameless.write,
			finish: () => nameless.finish(digest) !== undefined,
			drop: nameless.drop,
		};
	}

	/** A blob whose digest is known when all of it is there. */
	receiveNameless(pins?: Pins): { write(data: Buffer): void; finish(): Digest; drop(): void } {
		const nameless = this.#receive(pins);
		return { write: nameless.write, finish: () => nameless.finish()!, drop: nameless.drop };
	}

	#receive(pins?: Pins) {
		const path = this.temporary();
		const fd = openSync(path, "wx", 0o600);
		const hash = createHash("sha256");
		let size = 0;
		let open = true;
		const close = (): void => {
			if (open) closeSync(fd);
			open = false;
		};
		return {
			get size() {
				return size;
			},
			write: (data: Buffer): void => {
				for (let at = 0; at < data.length; )
					at += this.#withRoom(data.length - at, () => writeSync(fd, data, at, data.length - at, size + at));
				hash.update(data);
				size += data.length;
			},
			/** Undefined when it is not what it should be. */
			finish: (wanted?: Digest): Digest | undefined => {
				close();
				const digest = { hash: hash.digest("hex"), sizeBytes: size };
				if (wanted !== undefined && (size !== wanted.sizeBytes || digest.hash !== wanted.hash)) {
					removeQuietly(path);
					return undefined;
				}
				this.#keep(digest, path, pins);
				return digest;
			},
			drop: (): void => {
				close();
				removeQuietly(path);
			},
		};
	}

	/** Where the file system is full before the limit is reached, what was not used for longest makes room. */
	#withRoom<T>(bytes: number, write: () => T): T {
		for (;;) {
			try {
				return write();
			} catch (error) {
				const before = this.#size;
				if (/^(?:ENOSPC|EDQUOT)$/.test(errorCode(error)))
					this.shrink(Math.max(0, before - Math.max(bytes, before / 8)));
				if (this.#size === before) throw error;
			}
		}
	}

	/** A name in a folder of the same file system. */
	temporary(): string {
		return join(this.folder, "tmp", randomBytes(8).toString("hex"));
	}

	/**
	 * Puts a blob at `path` with permission to execute or without. For a large program that is an empty file: the answer
	 * names the file of the store that is to be mounted there.
	 */
	place(digest: Digest, path: string, executable: boolean): "copied" | "absent" | { readonly mount: string } {
		if (digest.sizeBytes === 0 && digest.hash === EMPTY_HASH) {
			writeFileSync(path, "", { flag: "wx", mode: executable ? 0o755 : 0o644 });
			return "copied";
		}
		if (!this.has(digest) || !this.#isSound(digest.hash)) return "absent";
		const from = this.path(digest.hash);
		try {
			if (this.#mounts && digest.sizeBytes >= MOUNT_FROM && executable) {
				const mount = this.#executable(digest.hash);
				writeFileSync(path, "", { flag: "wx", mode: 0o755 });
				return { mount };
			}
			copyFileSync(from, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
			chmodSync(path, executable ? 0o755 : 0o644);
			return "copied";
		} catch (error) {
			if (errorCode(error) !== "ENOENT" || existsSync(from)) throw error;
			this.drop(digest.hash);
			return "absent";
		}
	}

	/** Large programs exist a second time, executable, to be mounted. */
	#executable(hash: string): string {
		const path = `${this.path(hash)}.x`;
		if (!existsSync(path)) {
			const temporary = this.temporary();
			copyFileSync(this.path(hash), temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
			chmodSync(temporary, 0o555);
			renameSync(temporary, path);
			const entry = this.#entries.get(hash);
			if (entry !== undefined && !entry.copied) {
				entry.copied = true;
				// Room for it is made when the action ends: until then it may need anything that is here.
				this.#size += entry.size;
			}
		}
		return path;
	}

	pins(): Pins {
		const pinned = new Set<string>();
		return {
			add: (hashes) => {
				for (const hash of hashes) {
					if (pinned.has(hash)) continue;
					pinned.add(hash);
					this.#pins.set(hash, (this.#pins.get(hash) ?? 0) + 1);
				}
			},
			end: () => {
				for (const hash of pinned) {
					const left = (this.#pins.get(hash) ?? 1) - 1;
					if (left === 0) this.#pins.delete(hash);
					else this.#pins.set(hash, left);
				}
				pinned.clear();
				this.#evict();
			},
		};
	}

	/** Removes what was not used for longest until no more than `bytes` are left, but nothing that is pinned. */
	shrink(bytes: number): void {
		for (const hash of this.#entries.keys()) {
			if (this.#size <= bytes) break;
			if (!this.#pins.has(hash)) this.drop(hash);
		}
	}

	drop(hash: string): void {
		const entry = this.#entries.get(hash);
		if (entry === undefined) return;
		this.#entries.delete(hash);
		this.#size -= spaceOf(entry);
		removeQuietly(this.path(hash));
		removeQuietly(`${this.path(hash)}.x`);
	}

	#write(digest: Digest, bytes: Buffer, pins?: Pins): void {
		const path = this.temporary();
		this.#withRoom(bytes.length, () => {
			try {
				writeFileSync(path, bytes, { flag: "wx", mode: 0o400 });
			} catch (error) {
				removeQuietly(path);
				throw error;
			}
		});
		this.#keep(digest, path, pins);
	}

	#keep({ hash, sizeBytes }: Digest, temporary: string, pins?: Pins): void {
		const path = this.path(hash);
		try {
			chmodSync(temporary, 0o444);
			makeFolders(join(this.folder, "cas", hash.slice(0, 2)), 0o700);
			renameSync(temporary, path);
		} catch (error) {
			try {
				unlinkSync(temporary);
			} catch {
				// The first error says what is wrong.
			}
			throw error;
		}
		this.#add(hash, sizeBytes, true);
		pins?.add([hash]);
		this.#evict();
	}

	#add(hash: string, size: number, sound: boolean): void {
		const known = this.#entries.get(hash);
		if (known !== undefined) this.#size -= spaceOf(known);
		this.#entries.delete(hash);
		const entry = { size, copied: known?.copied ?? false, sound, turn: ++this.#turn };
		this.#entries.set(hash, entry);
		this.#size += spaceOf(entry);
	}

	/** The map is in the order of use; the file's time tells the next worker. */
	#use(hash: string, entry: Entry): void {
		if (this.#turn - entry.turn < this.#entries.size / 8) return;
		this.#entries.delete(hash);
		entry.turn = ++this.#turn;
		this.#entries.set(hash, entry);
		noteUse(this.path(hash));
	}

	#evict(): void {
		if (this.#limit > 0 && this.#size > this.#limit) this.shrink(this.#limit * 0.9);
	}
}

/** Bytes on the disk, for a limit that means what it says. */
function spaceOf(entry: Entry): number {
	return entry.copied ? 2 * entry.size : entry.size;
}
