import { err, ok, type Result } from "../util/result.js";

/** Bytes [offset, offset + length) of a file, fewer at its end; undefined if it cannot be read. Paths are absolute. */
export type ReadAt = (path: string, offset: number, length: number) => Uint8Array | undefined;

/** What linking and loading need to know of an ELF file. Source of every number: the System V gABI and <elf.h>. */
export interface ElfInfo {
	readonly bits: 32 | 64;
	readonly endian: "little" | "big";
	/** e_machine, e.g. 62 for x86-64, 183 for AArch64. */
	readonly machine: number;
	/** e_type: 1 relocatable, 2 executable, 3 shared object or PIE, 4 core. */
	readonly type: number;
	readonly flags: number;
	readonly interp: string | undefined;
	readonly soname: string | undefined;
	readonly needed: readonly string[];
	readonly rpath: string | undefined;
	readonly runpath: string | undefined;
}

/** `malformed`: has the magic, but its tables lead outside the file or beyond the bounds below. */
export type ElfError = "not-elf" | "malformed";

// No linker makes larger ones; a file that claims to is refused rather than read.
const MAX_PROGRAM_HEADERS = 4096;
const MAX_DYNAMIC_BYTES = 1 << 20;
const MAX_NEEDED = 8192;
const MAX_STRING = 4096;

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

interface Layout {
	readonly bits: 32 | 64;
	readonly little: boolean;
}

interface Segment {
	readonly type: number;
	readonly offset: number;
	readonly address: number;
	readonly size: number;
}

class Malformed extends Error {}

/** Reads at most the headers, the dynamic section and the strings it names; never the whole file. */
export function readElf(path: string, read: ReadAt): Result<ElfInfo, ElfError> {
	const head = read(path, 0, 64);
	if (head === undefined || !hasElfMagic(head)) return err("not-elf");
	try {
		return ok(parse(head, (offset, length) => exactly(read(path, offset, length), length)));
	} catch (error) {
		if (error instanceof Malformed) return err("malformed");
		throw error;
	}
}

/** The same for a file, or a member of an archive, that is in memory. */
export function parseElf(bytes: Uint8Array): Result<ElfInfo, ElfError> {
	return readElf("", (_path, offset, length) => bytes.subarray(offset, offset + length));
}

export function hasElfMagic(head: Uint8Array): boolean {
	return head[0] === 0x7f && head[1] === 0x45 && head[2] === 0x4c && head[3] === 0x46;
}

/** Whether objects of the two can be in one link, as far as the header says. */
export function sameTarget(
	a: Pick<ElfInfo, "bits" | "endian" | "machine">,
	b: Pick<ElfInfo, "bits" | "endian" | "machine">,
): boolean {
	return a.bits === b.bits && a.endian === b.endian && a.machine === b.machine;
}

type Range = (offset: number, length: number) => DataView;

function parse(head: Uint8Array, range: Range): ElfInfo {
	const layout = layoutOf(head);
	const wide = layout.bits === 64;
	const header = exactly(head, wide ? 64 : 52);
	const u16 = (at: number): number => header.getUint16(at, layout.little);
	const segments = readSegments(layout, range, {
		offset: word(header, wide ? 32 : 28, layout),
		entrySize: u16(wide ? 54 : 42),
		count: u16(wide ? 56 : 44),
	});
	const interp = segments.find((segment) => segment.type === PT_INTERP);
	return {
		bits: layout.bits,
		endian: layout.little ? "little" : "big",
		machine: u16(18),
		type: u16(16),
		flags: header.getUint32(wide ? 48 : 36, layout.little),
		interp: interp === undefined ? undefined : readInterp(interp, range),
		...readDynamic(layout, range, segments),
	};
}

function layoutOf(head: Uint8Array): Layout {
	if ((head[4] !== 1 && head[4] !== 2) || (head[5] !== 1 && head[5] !== 2)) throw new Malformed();
	return { bits: head[4] === 2 ? 64 : 32, little: head[5] === 1 };
}

interface TableLocation {
	readonly offset: number;
	readonly entrySize: number;
	readonly count: number;
}

function readSegments(layout: Layout, range: Range, table: TableLocation): Segment[] {
	if (table.count === 0 || table.offset === 0) return [];
	const wide = layout.bits === 64;
	const minimum = wide ? 56 : 32;
	if (table.count > MAX_PROGRAM_HEADERS || table.entrySize < minimum || table.entrySize > 256) throw new Malformed();
	const view = range(table.offset, table.count * table.entrySize);
	return Array.from({ length: table.count }, (_unused, index) => {
		const at = index * table.entrySize;
		return {
			type: view.getUint32(at, layout.little),
			offset: word(view, at + (wide ? 8 : 4), layout),
			address: word(view, at + (wide ? 16 : 8), layout),
			size: word(view, at + (wide ? 32 : 16), layout),
		};
	});
}

function readInterp(segment: Segment, range: Range): string {
	if (segment.size === 0 || segment.size > MAX_STRING) throw new Malformed();
	return Buffer.from(untilNul(range(segment.offset, segment.size)), "latin1").toString("utf8");
}

type Dynamic = Pick<ElfInfo, "soname" | "needed" | "rpath" | "runpath">;

function readDynamic(layout: Layout, range: Range, segments: readonly Segment[]): Dynamic {
	const segment = segments.find((candidate) => candidate.type === PT_DYNAMIC);
	const nothing: Dynamic = { soname: undefined, needed: [], rpath: undefined, runpath: undefined };
	// Files of separate debug information keep the segment but have no bytes in it.
	if (segment === undefined || segment.size === 0) return nothing;
	if (segment.size > MAX_DYNAMIC_BYTES) throw new Malformed();
	const step = layout.bits / 4;
	const view = range(segment.offset, segment.size - (segment.size % step));
	const first = new Map<number, number>();
	const needed: number[] = [];
	for (let at = 0; at < view.byteLength; at += step) {
		const tag = word(view, at, layout);
		if (tag === DT_NULL) break;
		const value = word(view, at + step / 2, layout);
		if (tag === DT_NEEDED) needed.push(value);
		else if (!first.has(tag)) first.set(tag, value);
	}
	if (needed.length > MAX_NEEDED) throw new Malformed();
	const address = first.get(DT_STRTAB);
	if (address === undefined) return nothing;
	const start = fileOffset(address, segments);
	const size = first.get(DT_STRSZ);
	if (size === undefined) throw new Malformed();
	const text = (index: number): string => readString({ start, size }, index, range);
	const optional = (tag: number): string | undefined => {
		const index = first.get(tag);
		return index === undefined ? undefined : text(index);
	};
	return {
		soname: optional(DT_SONAME),
		needed: needed.map(text),
		rpath: optional(DT_RPATH),
		runpath: optional(DT_RUNPATH),
	};
}

function fileOffset(address: number, segments: readonly Segment[]): number {
	for (const segment of segments) {
		if (segment.type !== PT_LOAD) continue;
		if (address >= segment.address && address - segment.address < segment.size) {
			return segment.offset + (address - segment.address);
		}
	}
	throw new Malformed();
}

function readString(table: { readonly start: number; readonly size: number }, index: number, range: Range): string {
	if (index >= table.size) throw new Malformed();
	// Names are short: a second, longer read is rare.
	for (const length of [64, 512, MAX_STRING]) {
		const wanted = Math.min(length, table.size - index);
		const text = untilNul(range(table.start + index, wanted));
		if (text.length < wanted) return Buffer.from(text, "latin1").toString("utf8");
		if (wanted < length) break;
	}
	throw new Malformed();
}

function untilNul(view: DataView): string {
	const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
	const end = bytes.indexOf(0);
	return bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
}

/** An address-sized unsigned number; one beyond 2^53 lies outside any file. */
function word(view: DataView, at: number, layout: Layout): number {
	if (layout.bits === 32) return view.getUint32(at, layout.little);
	const value = view.getBigUint64(at, layout.little);
	return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
}

function exactly(bytes: Uint8Array | undefined, length: number): DataView {
	if (bytes === undefined || bytes.length < length) throw new Malformed();
	return new DataView(bytes.buffer, bytes.byteOffset, length);
}
