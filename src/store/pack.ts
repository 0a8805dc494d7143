import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolders, removeQuietly, temporaryName, writeFileAtomic } from "../util/files.js";

/**
 * An append-only file of small records by key, later ones replacing earlier ones. A build makes thousands of small objects
 * that only gg reads (lists of headers, results); a file for each would cost more than all else it does.
 *
 * Layout: the line `ggpack1`, then records: 4 bytes of magic, u32 length of the key, u32 length of the value, key, value,
 * 4 bytes that end it. Records are written with O_APPEND, several whole ones at a time, so several processes may append at
 * once. A record that a crash or a full disk cut short is skipped by looking for the next magic; callers check what they
 * read (values are named by hash, or are hashes).
 */
const HEADER = Buffer.from("ggpack1\n");
const MAGIC = Buffer.from([0x01, 0x47, 0x47, 0x50]);
/** Ends every record: one that was cut short, and claims bytes of those that were appended since, does not have it there. */
const TAIL = Buffer.from([0x02, 0x50, 0x47, 0x47]);
const HEAD = 12;
/** Records wait in memory until this many bytes are together: what a crash loses is a cache. */
const BATCH = 256 << 10;

interface Place {
	readonly at: number;
	readonly length: number;
}

export class Pack {
	readonly #path: string;
	readonly #index = new Map<string, Place>();
	/** Records that are not written yet, by key. */
	readonly #values = new Map<string, Buffer>();
	#pending: Buffer[] = [];
	#pendingSize = 0;
	#fd = -1;
	#readTo = 0;

	constructor(path: string) {
		this.#path = path;
	}

	/** It was there when the file was last read; false says nothing. */
	isKnown(key: string): boolean {
		return this.#index.has(key) || this.#values.has(key);
	}

	has(key: string): boolean {
		if (this.#index.has(key) || this.#values.has(key)) return true;
		this.#catchUp();
		return this.#index.has(key);
	}

	get(key: string): Buffer | undefined {
		const known = this.#values.get(key);
		if (known !== undefined) return known;
		if (!this.#index.has(key)) this.#catchUp();
		const place = this.#index.get(key);
		if (place === undefined) return undefined;
		const value = Buffer.alloc(place.length);
		return readSync(this.#fd, value, 0, place.length, place.at) === place.length ? value : undefined;
	}

	put(key: string, value: Uint8Array): void {
		const name = Buffer.from(key);
		const record = Buffer.allocUnsafe(HEAD + name.length + value.length + TAIL.length);
		MAGIC.copy(record, 0);
		record.writeUInt32LE(name.length, 4);
		record.writeUInt32LE(value.length, 8);
		name.copy(record, HEAD);
		record.set(value, HEAD + name.length);
		TAIL.copy(record, record.length - TAIL.length);
		this.#values.set(key, record.subarray(HEAD + name.length, record.length - TAIL.length));
		this.#pending.push(record);
		this.#pendingSize += record.length;
		if (this.#pendingSize >= BATCH) this.flush();
	}

	/** Writes what waits. Throws what the file system throws; the records are lost then. */
	flush(): void {
		if (this.#pendingSize === 0) return;
		const records = Buffer.concat(this.#pending);
		this.#pending = [];
		this.#pendingSize = 0;
		this.#values.clear();
		this.#leaveIfReplaced();
		this.#open();
		if (!this.#isOurs()) {
			// Of another version, or cut within its first line: nothing in it can be read.
			this.#leave();
			writeFileAtomic(this.#path, HEADER, 0o600);
			this.#open();
		}
		let written = 0;
		try {
			written = writeSync(this.#fd, records);
		} catch (error) {
			// A call by descriptor does not say which file.
			throw error instanceof Error ? Object.assign(error, { path: this.#path }) : error;
		}
		if (written !== records.length)
			throw Object.assign(new Error("the disk is full"), { code: "ENOSPC", path: this.#path });
	}

	keys(): IterableIterator<string> {
		this.flush();
		this.#catchUp();
		return this.#index.keys();
	}

	/** Length of a value that has been written. */
	sizeOf(key: string): number | undefined {
		return this.#index.get(key)?.length;
	}

	/**
	 * Rewrites the file with the records that `keep` wants. Other processes read on in the file that they have open; they
	 * find the new one when they next write, and what they wrote meanwhile is taken over.
	 */
	compact(keep: (key: string) => boolean): void {
		const taken = new Set<string>();
		const temporary = temporaryName(this.#path);
		const next = new Pack(temporary);
		try {
			const take = (wanted: (key: string) => boolean): void => {
				for (const key of this.keys()) {
					if (taken.has(key)) continue;
					taken.add(key);
					const value = wanted(key) ? this.get(key) : undefined;
					if (value !== undefined) next.put(key, value);
				}
				next.flush();
			};
			take(keep);
			if (this.#fd < 0) return;
			next.#open();
			renameSync(temporary, this.#path);
			take(() => true);
		} finally {
			next.close();
			this.close();
			removeQuietly(temporary);
		}
	}

	close(): void {
		this.flush();
		this.#leave();
	}

	#open(): void {
		if (this.#fd >= 0) return;
		makeFolders(dirname(this.#path));
		this.#fd = openSync(this.#path, "a+", 0o600);
		if (fstatSync(this.#fd).size === 0) writeSync(this.#fd, HEADER);
	}

	#leaveIfReplaced(): void {
		if (this.#fd < 0) return;
		const there = statSync(this.#path, { throwIfNoEntry: false });
		const open = fstatSync(this.#fd);
		if (there?.ino !== open.ino || there.dev !== open.dev) this.#leave();
	}

	#leave(): void {
		if (this.#fd >= 0) closeSync(this.#fd);
		this.#fd = -1;
		this.#index.clear();
		this.#readTo = 0;
	}

	#isOurs(): boolean {
		if (this.#readTo > 0 && this.#index.size > 0) return true;
		const head = Buffer.alloc(HEADER.length);
		return readSync(this.#fd, head, 0, head.length, 0) === head.length && head.equals(HEADER);
	}

	/** Reads what has been appended since the last look, by this process or another. */
	#catchUp(): void {
		if (this.#fd < 0) {
			if (statSync(this.#path, { throwIfNoEntry: false }) === undefined) return;
			this.#open();
		}
		const size = fstatSync(this.#fd).size;
		if (size <= this.#readTo) return;
		const bytes = Buffer.allocUnsafe(size - this.#readTo);
		const count = readSync(this.#fd, bytes, 0, bytes.length, this.#readTo);
		let at = 0;
		if (this.#readTo === 0) {
			if (!HEADER.equals(bytes.subarray(0, HEADER.length))) {
				this.#readTo = size;
				return;
			}
			at = HEADER.length;
		}
		while (at + HEAD <= count) {
			const start = bytes.indexOf(MAGIC, at);
			if (start < 0 || start + HEAD > count) break;
			const keyLength = bytes.readUInt32LE(start + 4);
			const valueLength = bytes.readUInt32LE(start + 8);
			const end = start + HEAD + keyLength + valueLength;
			if (end + TAIL.length > count || bytes.compare(TAIL, 0, TAIL.length, end, end + TAIL.length) !== 0) {
				// Cut short, or still being written: look behind this magic for a whole record, else wait for more.
				if (bytes.indexOf(MAGIC, start + 1) < 0) break;
				at = start + 1;
				continue;
			}
			const key = bytes.toString("utf8", start + HEAD, start + HEAD + keyLength);
			this.#index.set(key, { at: this.#readTo + end - valueLength, length: valueLength });
			at = end + TAIL.length;
		}
		this.#readTo += at;
	}
}
