/** The pieces of an ELF file or an archive, for saying where two of them differ. */

const ARCHIVE_MAGIC = "!<arch>\n";
const MEMBER_HEADER = 60;

/**
 * Names of the sections (ELF) or members (archive, with their sections) whose bytes or presence differ.
 * Empty when the files are of neither kind, or differ only outside any part (headers, padding).
 */
export function differingParts(a: Buffer, b: Buffer): string[] {
	const split = isArchive(a) && isArchive(b) ? archiveMembers : isElf64(a) && isElf64(b) ? elfSections : undefined;
	if (split === undefined) return [];
	const left = split(a);
	const right = split(b);
	const differing: string[] = [];
	for (const name of new Set([...left.keys(), ...right.keys()])) {
		const before = left.get(name);
		const after = right.get(name);
		if (before === undefined || after === undefined) {
			differing.push(`${name} ${before === undefined ? "added" : "gone"}`);
		} else if (!before.equals(after)) {
			differing.push(...within(name, before, after));
		}
	}
	if (differing.length === 0 && [...left.keys()].join("\n") !== [...right.keys()].join("\n")) return ["order of parts"];
	return differing;
}

function within(name: string, before: Buffer, after: Buffer): string[] {
	const inner = isElf64(before) && isElf64(after) ? differingParts(before, after) : [];
	return inner.length === 0 ? [name] : inner.map((section) => `${name}:${section}`);
}

const isArchive = (bytes: Buffer): boolean => bytes.toString("latin1", 0, 8) === ARCHIVE_MAGIC;

/** 64-bit and little-endian, which is every host that gg runs on. */
const isElf64 = (bytes: Buffer): boolean =>
	bytes.length >= 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;

/** GNU format; a name that occurs twice is told apart by its count. The header (times, owners, mode) is a part too. */
function archiveMembers(bytes: Buffer): Map<string, Buffer> {
	const members = new Map<string, Buffer>();
	let longNames = "";
	let at = ARCHIVE_MAGIC.length;
	while (at + MEMBER_HEADER <= bytes.length) {
		const header = bytes.toString("latin1", at, at + MEMBER_HEADER);
		const size = Number.parseInt(header.slice(48, 58), 10);
		if (!Number.isSafeInteger(size)) break;
		const content = bytes.subarray(at + MEMBER_HEADER, at + MEMBER_HEADER + size);
		const raw = header.slice(0, 16).trimEnd();
		let name = raw.endsWith("/") && raw.length > 1 ? raw.slice(0, -1) : raw;
		if (raw === "/") name = "symbol index";
		else if (raw === "//") {
			name = "long names";
			longNames = content.toString("latin1");
		} else if (/^\/\d+$/.test(raw)) {
			const start = Number(raw.slice(1));
			name = longNames.slice(start, longNames.indexOf("/\n", start));
		}
		const unique = distinct(name, members);
		members.set(unique, content);
		members.set(`header of ${unique}`, bytes.subarray(at, at + MEMBER_HEADER));
		at += MEMBER_HEADER + size + (size % 2);
	}
	return members;
}

function elfSections(bytes: Buffer): Map<string, Buffer> {
	const sections = new Map<string, Buffer>();
	const table = Number(bytes.readBigUInt64LE(40));
	const entrySize = bytes.readUInt16LE(58);
	const count = bytes.readUInt16LE(60);
	if (entrySize < 64 || table + count * entrySize > bytes.length) return sections;
	const SHT_NOBITS = 8;
	const header = (index: number): { name: number; content: Buffer } => {
		const at = table + index * entrySize;
		const start = Number(bytes.readBigUInt64LE(at + 24));
		const size = bytes.readUInt32LE(at + 4) === SHT_NOBITS ? 0 : Number(bytes.readBigUInt64LE(at + 32));
		return { name: bytes.readUInt32LE(at), content: bytes.subarray(start, start + size) };
	};
	const nameTable = bytes.readUInt16LE(62);
	if (nameTable >= count) return sections;
	const names = header(nameTable).content;
	for (let index = 1; index < count; index++) {
		const { name, content } = header(index);
		const end = names.indexOf(0, name);
		sections.set(distinct(names.toString("latin1", name, end < 0 ? names.length : end), sections), content);
	}
	return sections;
}

function distinct(name: string, taken: ReadonlyMap<string, unknown>): string {
	if (!taken.has(name)) return name;
	let count = 2;
	while (taken.has(`${name} #${count}`)) count++;
	return `${name} #${count}`;
}
