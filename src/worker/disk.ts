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
	renameSync,
	rmSync,
	unlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Digest } from "../reapi/messages.js";
import { errorCode, makeFolders, removeQuietly, statIfThere } from "../util/files.js";

/** What a client sent as a digest is none, or is too large to be one of ours. */
export function isDigest(digest: Digest | null | undefined): digest is Digest {
	return (
		digest !== null &&
		digest !== undefined &&
		/^[0-9a-f]{64}$/.test(digest.hash) &&
		Number.isSafeInteger(digest.sizeBytes) &&
		digest.sizeBytes >= 0
	);
}

export const EMPTY_HASH = createHash("sha256").digest("hex");

interface Entry {
	readonly size: number;
	/** There is a second, executable copy beside it. */
	copied: boolean;
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

/**
 * The blobs of a worker, and the results of its actions: files under their hash, written by another name and renamed.
 * Least recently used ones go when the limit is passed, but none that is pinned.
 */
export class Disk {
	readonly folder: string;
	readonly #limit: number;
	readonly #mounts: boolean;
	readonly #entries = new Map<string, Entry>();
	readonly #pins = new Map<string, number>();
	#turn = 0;
	#size = 0;

	/**
	 * `limit` in bytes; 0: none. What an earlier worker left half-written is removed. Without `mounts` all is copied that
	 * an action uses.
	 */
	constructor(folder: string, limit: number, mounts = true) {
		this.folder = folder;
		this.#mounts = mounts;
		this.#limit = limit;
		rmSync(join(folder, "tmp"), { recursive: true, force: true });
		for (const name of ["cas", "ac", "tmp"]) makeFolders(join(folder, name), 0o700);
		const found: { hash: string; size: number; used: number; copied: boolean }[] = [];
		for (const prefix of readdirSync(join(folder, "cas"))) {
			for (const hash of readdirSync(join(folder, "cas", prefix))) {
				const path = join(folder, "cas", prefix, hash);
				const s = statIfThere(path);
				if (s === undefined || !/^[0-9a-f]{64}$/.test(hash)) continue;
				found.push({ hash, size: s.size, used: s.mtimeMs, copied: existsSync(`${path}.x`) });
			}
		}
		found.sort((a, b) => a.used - b.used);
		for (const { hash, size, copied } of found) this.#add(hash, size, copied);
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

	/** The file, for whoever reads it in pieces or links it; not checked. */
	file(digest: Digest): string | undefined {
		return this.has(digest) && existsSync(this.path(digest.hash)) ? this.path(digest.hash) : undefined;
	}

	/** False when the bytes are not what the digest says. */
	put(digest: Digest, bytes: Buffer): boolean {
		if (bytes.length !== digest.sizeBytes || sha256(bytes) !== digest.hash) return false;
		if (!this.has(digest)) this.#write(digest, bytes);
		return true;
	}

	/** Keeps bytes of our own. */
	add(bytes: Buffer): Digest {
		const digest = { hash: sha256(bytes), sizeBytes: bytes.length };
		if (!this.has(digest)) this.#write(digest, bytes);
		return digest;
	}

	receive(digest: Digest): Incoming {
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
			write(data) {
				writeFileSync(fd, data);
				hash.update(data);
				size += data.length;
			},
			finish: () => {
				close();
				if (size !== digest.sizeBytes || hash.digest("hex") !== digest.hash) {
					removeQuietly(path);
					return false;
				}
				this.#keep(digest, path);
				return true;
			},
			drop() {
				close();
				removeQuietly(path);
			},
		};
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
		if (!this.has(digest)) return "absent";
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

	pin(hashes: Iterable<string>): () => void {
		const pinned = [...hashes];
		for (const hash of pinned) this.#pins.set(hash, (this.#pins.get(hash) ?? 0) + 1);
		return () => {
			for (const hash of pinned) {
				const left = (this.#pins.get(hash) ?? 1) - 1;
				if (left === 0) this.#pins.delete(hash);
				else this.#pins.set(hash, left);
			}
			this.#evict();
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

	getResult(hash: string): Buffer | undefined {
		try {
			return readFileSync(join(this.folder, "ac", hash));
		} catch {
			return undefined;
		}
	}

	putResult(hash: string, bytes: Buffer): void {
		const temporary = this.temporary();
		writeFileSync(temporary, bytes, { flag: "wx", mode: 0o600 });
		renameSync(temporary, join(this.folder, "ac", hash));
	}

	dropResult(hash: string): void {
		removeQuietly(join(this.folder, "ac", hash));
	}

	#write(digest: Digest, bytes: Buffer): void {
		const path = this.temporary();
		try {
			writeFileSync(path, bytes, { flag: "wx", mode: 0o400 });
		} catch (error) {
			removeQuietly(path);
			throw error;
		}
		this.#keep(digest, path);
	}

	#keep({ hash, sizeBytes }: Digest, temporary: string): void {
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
		this.#add(hash, sizeBytes);
		this.#evict();
	}

	#add(hash: string, size: number, copied = this.#entries.get(hash)?.copied ?? false): void {
		const known = this.#entries.get(hash);
		if (known !== undefined) this.#size -= spaceOf(known);
		this.#entries.delete(hash);
		const entry = { size, copied, turn: ++this.#turn };
		this.#entries.set(hash, entry);
		this.#size += spaceOf(entry);
	}

	/** The map is in the order of use; the file's time tells the next worker. */
	#use(hash: string, entry: Entry): void {
		if (this.#turn - entry.turn < this.#entries.size / 8) return;
		this.#entries.delete(hash);
		entry.turn = ++this.#turn;
		this.#entries.set(hash, entry);
		try {
			const now = new Date();
			utimesSync(this.path(hash), now, now);
		} catch {
			// Found out when it is read.
		}
	}

	#evict(): void {
		if (this.#limit > 0 && this.#size > this.#limit) this.shrink(this.#limit * 0.9);
	}
}

/** Bytes on the disk, for a limit that means what it says. */
function spaceOf(entry: Entry): number {
	return entry.copied ? 2 * entry.size : entry.size;
}

/** Smaller files are copied: a copy costs no more than a mount. */
const MOUNT_FROM = 256 << 10;

function sha256(bytes: Uint8Array): string {
	return createHash("sha256").update(bytes).digest("hex");
}
