/** Little-endian frames of the native programs (wrappers/PROTOCOL.md): a u32 length, then the payload. */

export class FrameWriter {
	#buffer = Buffer.allocUnsafe(1024);
	#at = 4;

	#room(count: number): void {
		if (this.#at + count <= this.#buffer.length) return;
		const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + count));
		this.#buffer.copy(larger, 0, 0, this.#at);
		this.#buffer = larger;
	}

	u8(value: number): this {
		this.#room(1);
		this.#buffer[this.#at] = value;
		this.#at += 1;
		return this;
	}

	u32(value: number): this {
		this.#room(4);
		this.#buffer.writeUInt32LE(value, this.#at);
		this.#at += 4;
		return this;
	}

	str(value: string | Uint8Array): this {
		const bytes = typeof value === "string" ? Buffer.from(value) : value;
		this.u32(bytes.length);
		this.#room(bytes.length);
		this.#buffer.set(bytes, this.#at);
		this.#at += bytes.length;
		return this;
	}

	strs(values: readonly (string | Uint8Array)[]): this {
		this.u32(values.length);
		for (const value of values) this.str(value);
		return this;
	}

	finish(): Buffer {
		this.#buffer.writeUInt32LE(this.#at - 4, 0);
		return this.#buffer.subarray(0, this.#at);
	}
}

/** Reads one payload; throws RangeError when it ends early. */
export class FrameReader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(payload: Buffer) {
		this.#bytes = payload;
	}

	u8(): number {
		const value = this.#bytes.readUInt8(this.#at);
		this.#at += 1;
		return value;
	}

	u32(): number {
		const value = this.#bytes.readUInt32LE(this.#at);
		this.#at += 4;
		return value;
	}

	/** Exact up to 2^53. */
	u64(): number {
		const low = this.u32();
		return this.u32() * 0x1_0000_0000 + low;
	}

	/** For identities (device and inode numbers), which may use all 64 bits. */
	u64Text(): string {
		const value = this.#bytes.readBigUInt64LE(this.#at);
		this.#at += 8;
		return value.toString(16);
	}

	bytes(): Buffer {
		const length = this.u32();
		if (this.#at + length > this.#bytes.length) throw new RangeError("frame ends early");
		const value = this.#bytes.subarray(this.#at, this.#at + length);
		this.#at += length;
		return value;
	}

	/** A list as it stands in the frame, for `new FrameReader(raw).list()`. */
	rawList(): Buffer {
		const start = this.#at;
		for (let left = this.u32(); left > 0; left--) {
			const length = this.u32();
			this.#at += length;
			if (this.#at > this.#bytes.length) throw new RangeError("frame ends early");
		}
		return this.#bytes.subarray(start, this.#at);
	}

	list(): Buffer[] {
		const count = this.u32();
		if (count > this.#bytes.length) throw new RangeError("frame ends early");
		const values: Buffer[] = [];
		for (let i = 0; i < count; i++) values.push(this.bytes());
		return values;
	}
}

/** Cuts a stream into payloads. `limit` bounds one frame: a peer that claims more is broken. */
export class FrameSplitter {
	#pending: Buffer[] = [];
	#size = 0;
	readonly #limit: number;

	constructor(limit: number) {
		this.#limit = limit;
	}

	push(chunk: Buffer): Buffer[] {
		this.#pending.push(chunk);
		this.#size += chunk.length;
		const frames: Buffer[] = [];
		while (this.#size >= 4) {
			const first = this.#pending[0]!;
			if (first.length < 4) this.#join();
			const length = this.#pending[0]!.readUInt32LE(0);
			if (length > this.#limit) throw new RangeError(`a frame of ${length} bytes`);
			if (this.#size < 4 + length) break;
			if (this.#pending[0]!.length < 4 + length) this.#join();
			const whole = this.#pending[0]!;
			frames.push(whole.subarray(4, 4 + length));
			const rest = whole.subarray(4 + length);
			this.#size -= 4 + length;
			if (rest.length > 0) this.#pending[0] = rest;
			else this.#pending.shift();
		}
		return frames;
	}

	#join(): void {
		this.#pending = [Buffer.concat(this.#pending)];
	}
}
