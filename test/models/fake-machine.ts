import type { FileKind } from "../../src/models/ld-so.js";
import type { CommandOutput, ToolchainProbe } from "../../src/models/toolchain.js";

export interface MemoryFiles {
	/** Files by absolute path; their directories exist with them. */
	readonly files?: Readonly<Record<string, string | Uint8Array>>;
	readonly links?: Readonly<Record<string, string>>;
	readonly directories?: readonly string[];
	/** Standard output by command line, words joined by spaces; all else has status 127. */
	readonly commands?: Readonly<Record<string, string>>;
}

/** A machine that exists only in this object. Links are followed everywhere, as the kernel does. */
export function memoryProbe({ files = {}, links = {}, directories = [], commands = {} }: MemoryFiles): ToolchainProbe {
	const nodes = new Map<string, FileKind>([["/", "directory"]]);
	const addDirectories = (path: string): void => {
		for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) nodes.set(at, "directory");
	};
	const parent = (path: string): string => path.slice(0, path.lastIndexOf("/"));
	for (const path of directories) addDirectories(path);
	for (const path of [...Object.keys(files), ...Object.keys(links)]) addDirectories(parent(path));
	for (const path of Object.keys(files)) nodes.set(path, "file");

	const physical = (path: string, keepLast = false): string => {
		let at: string[] = [];
		const rest = path.split("/").reverse();
		for (let part = rest.pop(), hops = 0; part !== undefined; part = rest.pop()) {
			if (part === "" || part === ".") continue;
			if (part === "..") {
				at = at.slice(0, -1);
				continue;
			}
			const target = links[`/${[...at, part].join("/")}`];
			if (target === undefined || (keepLast && rest.length === 0)) at.push(part);
			else if (++hops > 40) return "/loop";
			else {
				if (target.startsWith("/")) at = [];
				rest.push(...target.split("/").reverse());
			}
		}
		return `/${at.join("/")}`;
	};
	return {
		stat: (path) => nodes.get(physical(path)),
		readlink: (path) => links[physical(path, true)],
		readdir: (path) => {
			const dir = physical(path);
			if (nodes.get(dir) !== "directory") return undefined;
			const all = [...nodes.keys(), ...Object.keys(links)].filter((name) => name !== "/");
			return all.filter((name) => (parent(name) || "/") === dir).map((name) => name.slice(name.lastIndexOf("/") + 1));
		},
		read: (path, offset, length) => {
			const content = files[physical(path)];
			return content === undefined ? undefined : Buffer.from(content as string).subarray(offset, offset + length);
		},
		run: async (argv): Promise<CommandOutput> => {
			const stdout = commands[argv.join(" ")];
			return { status: stdout === undefined ? 127 : 0, stdout: stdout ?? "", stderr: "" };
		},
	};
}

export interface FakeElf {
	readonly bits?: 32 | 64;
	readonly endian?: "little" | "big";
	readonly machine?: number;
	readonly type?: number;
	readonly interp?: string;
	readonly soname?: string;
	readonly needed?: readonly string[];
	readonly rpath?: string;
	readonly runpath?: string;
}

const STRTAB = 5;
const STRSZ = 10;

/** The smallest file that says what is asked: header, program headers, interpreter, dynamic section, strings. */
export function fakeElf(elf: FakeElf = {}): Buffer {
	const { bits = 64, endian = "little", machine = 62, type = 3, interp, soname, needed = [], rpath, runpath } = elf;
	const size = bits / 8;
	const strings: string[] = [""];
	const index = (text: string): number => {
		strings.push(text);
		return Buffer.byteLength(strings.slice(0, -1).join("\0")) + 1;
	};
	const tags: [number, number][] = needed.map((name) => [1, index(name)]);
	for (const [tag, text] of [
		[14, soname],
		[15, rpath],
		[29, runpath],
	] as const) {
		if (text !== undefined) tags.push([tag, index(text)]);
	}
	const table = Buffer.from(`${strings.join("\0")}\0`);
	const headerSize = bits === 64 ? 64 : 52;
	const entrySize = bits === 64 ? 56 : 32;
	const program = Buffer.from(interp === undefined ? "" : `${interp}\0`);
	const interpAt = headerSize + 3 * entrySize;
	const dynamicAt = interpAt + program.length;
	const dynamicSize = (tags.length + 3) * size * 2;
	const tableAt = dynamicAt + dynamicSize;
	// Loaded elsewhere than at 0: an address is no offset.
	const base = 0x10000;
	tags.push([STRTAB, base + tableAt], [STRSZ, table.length], [0, 0]);

	const bytes = Buffer.alloc(tableAt + table.length);
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	const little = endian === "little";
	const put = (at: number, value: number, width: number): void => {
		if (width === 2) view.setUint16(at, value, little);
		else if (width === 4) view.setUint32(at, value, little);
		else view.setBigUint64(at, BigInt(value), little);
	};
	bytes.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, little ? 1 : 2, 1]);
	put(16, type, 2);
	put(18, machine, 2);
	put(bits === 64 ? 32 : 28, headerSize, size);
	put(bits === 64 ? 54 : 42, entrySize, 2);
	put(bits === 64 ? 56 : 44, 3, 2);
	const segment = (slot: number, kind: number, at: number, length: number): void => {
		const header = headerSize + slot * entrySize;
		put(header, kind, 4);
		put(header + (bits === 64 ? 8 : 4), at, size);
		put(header + (bits === 64 ? 16 : 8), base + at, size);
		put(header + (bits === 64 ? 32 : 16), length, size);
	};
	segment(0, 1, 0, bytes.length);
	if (type !== 1) segment(1, 2, dynamicAt, dynamicSize);
	if (interp !== undefined) segment(2, 3, interpAt, program.length);
	bytes.set(program, interpAt);
	for (const [slot, [tag, value]] of tags.entries()) {
		put(dynamicAt + slot * size * 2, tag, size);
		put(dynamicAt + slot * size * 2 + size, value, size);
	}
	bytes.set(table, tableAt);
	return bytes;
}

export interface FakeMember {
	readonly name: string;
	readonly content: Uint8Array;
}

/** An archive in ar's format; a thin one names its members and holds none. */
export function fakeArchive(members: readonly FakeMember[], kind: "normal" | "thin" = "normal"): Buffer {
	const header = (name: string, size: number): Buffer =>
		Buffer.from(`${name.padEnd(16)}${"0".padEnd(12)}0     0     644     ${String(size).padEnd(10)}\`\n`);
	const names = members.map(({ name }) => `${name}/\n`).join("");
	const parts = [
		Buffer.from(kind === "thin" ? "!<thin>\n" : "!<arch>\n"),
		header("//", names.length),
		Buffer.from(names),
	];
	if (names.length % 2 === 1) parts.push(Buffer.from("\n"));
	let at = 0;
	for (const { name, content } of members) {
		parts.push(header(`/${at}`, content.length));
		at += name.length + 2;
		if (kind === "normal") parts.push(Buffer.from(content), Buffer.from(content.length % 2 === 1 ? "\n" : ""));
	}
	return Buffer.concat(parts);
}
