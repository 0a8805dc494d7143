import { PLACEHOLDER_MAX, parsePlaceholder } from "../thunk/placeholder.js";
import { type ElfInfo, hasElfMagic, parseElf, readElf } from "./elf.js";
import { dirname, type ReadOnlyProbe, readText } from "./ld-so.js";
import { type LinkerScript, MAX_SCRIPT_BYTES, parseLinkerScript } from "./ldscript.js";

/** What a linker takes a file for. */
export type LinkFile =
	| { readonly kind: "absent" }
	| { readonly kind: "elf"; readonly elf: ElfInfo }
	/** `elf` is its first object, undefined if it is empty or begins with another format. */
	| { readonly kind: "archive"; readonly elf: ElfInfo | undefined; readonly thinMembers: readonly string[] }
	| { readonly kind: "script"; readonly script: LinkerScript }
	/** Stands for a thunk's output that is not here yet. */
	| { readonly kind: "placeholder" }
	/** LLVM bitcode: an object of any target. */
	| { readonly kind: "bitcode" }
	| { readonly kind: "unknown"; readonly reason: string };

export function inspectLinkFile(path: string, probe: ReadOnlyProbe): LinkFile {
	if (probe.stat(path) !== "file") return { kind: "absent" };
	const head = probe.read(path, 0, PLACEHOLDER_MAX);
	if (head === undefined) return { kind: "absent" };
	if (parsePlaceholder(head) !== undefined) return { kind: "placeholder" };
	if (hasElfMagic(head)) {
		const elf = readElf(path, probe.read);
		return elf.ok ? { kind: "elf", elf: elf.value } : { kind: "unknown", reason: `${path}: damaged ELF file` };
	}
	const magic = Buffer.from(head.subarray(0, 8)).toString("latin1");
	if (magic === "!<arch>\n" || magic === "!<thin>\n") return inspectArchive(path, magic === "!<thin>\n", probe);
	if (magic.startsWith("BC\xc0\xde") || magic.startsWith("\xde\xc0\x17\x0b")) return { kind: "bitcode" };
	const text = head.includes(0) ? undefined : readText(probe, path, MAX_SCRIPT_BYTES);
	if (text === undefined) return { kind: "unknown", reason: `${path}: neither object, archive nor linker script` };
	return { kind: "script", script: parseLinkerScript(text) };
}

const HEADER = 60;
/** ld refuses archives nested deeper than this long before. */
const MAX_MEMBERS = 1 << 20;

function inspectArchive(path: string, thin: boolean, probe: ReadOnlyProbe): LinkFile {
	const members: string[] = [];
	let names = "";
	for (let at = 8, count = 0; count < MAX_MEMBERS; count++) {
		const header = Buffer.from(probe.read(path, at, HEADER) ?? []);
		if (header.length === 0) break;
		const size = Number.parseInt(header.toString("latin1", 48, 58), 10);
		if (header.length < HEADER || header.toString("latin1", 58) !== "`\n" || !(size >= 0)) {
			return { kind: "unknown", reason: `${path}: damaged archive` };
		}
		const name = header.toString("latin1", 0, 16).trimEnd();
		const index = name === "/" || name === "/SYM64/" || name === "//";
		if (name === "//") names = Buffer.from(probe.read(path, at + HEADER, size) ?? []).toString("utf8");
		if (!index && !thin)
			return { kind: "archive", elf: memberElf({ path, at: at + HEADER, size, name }, probe), thinMembers: [] };
		if (!index) members.push(thinMemberPath(path, memberName(name, names)));
		// Members of a thin archive are elsewhere; its tables are not.
		at += HEADER + (index || !thin ? size + (size % 2) : 0);
	}
	const first = members[0] === undefined ? undefined : readElf(members[0], probe.read);
	return { kind: "archive", elf: first?.ok ? first.value : undefined, thinMembers: members };
}

/** `/12` is the text at 12 in the table of long names; `/12:345` is a member, at 345, of the archive so named. */
function memberName(field: string, names: string): string {
	const long = /^\/(\d+)/.exec(field);
	const name = long === null ? field : names.slice(Number(long[1])).split("\n")[0]!;
	return name.replace(/\/$/, "");
}

function thinMemberPath(archive: string, name: string): string {
	return name.startsWith("/") ? name : `${dirname(archive)}/${name}`;
}

interface Member {
	readonly path: string;
	readonly at: number;
	readonly size: number;
	/** `#1/20`: BSD's long name, the first 20 bytes of the member. */
	readonly name: string;
}

function memberElf({ path, at, size, name }: Member, probe: ReadOnlyProbe): ElfInfo | undefined {
	const skip = Number(/^#1\/(\d+)$/.exec(name)?.[1] ?? 0);
	const head = probe.read(path, at + skip, Math.min(Math.max(size - skip, 0), 4096));
	const elf = head === undefined ? undefined : parseElf(head);
	return elf?.ok ? elf.value : undefined;
}

/** Emulations of GNU ld (`-m`, also lld's) and what their objects look like; `format` is the name OUTPUT_FORMAT uses. */
export interface LinkTarget extends Pick<ElfInfo, "bits" | "endian" | "machine"> {
	readonly format: string | undefined;
}

const little = (machine: number, bits: 32 | 64, format: string): LinkTarget => ({
	machine,
	bits,
	endian: "little",
	format,
});
const big = (machine: number, bits: 32 | 64, format: string): LinkTarget => ({ machine, bits, endian: "big", format });

const EMULATIONS: ReadonlyMap<string, LinkTarget> = new Map([
	["aarch64elf", little(183, 64, "elf64-littleaarch64")],
	["aarch64linux", little(183, 64, "elf64-littleaarch64")],
	["aarch64linuxb", big(183, 64, "elf64-bigaarch64")],
	["armelf", little(40, 32, "elf32-littlearm")],
	["armelf_linux_eabi", little(40, 32, "elf32-littlearm")],
	["armelfb_linux_eabi", big(40, 32, "elf32-bigarm")],
	["elf32_x86_64", little(62, 32, "elf32-x86-64")],
	["elf32btsmip", big(8, 32, "elf32-tradbigmips")],
	["elf32lriscv", little(243, 32, "elf32-littleriscv")],
	["elf32lriscv_ilp32", little(243, 32, "elf32-littleriscv")],
	["elf32ltsmip", little(8, 32, "elf32-tradlittlemips")],
	["elf32ppclinux", big(20, 32, "elf32-powerpc")],
	["elf64_s390", big(22, 64, "elf64-s390")],
	["elf64btsmip", big(8, 64, "elf64-tradbigmips")],
	["elf64loongarch", little(258, 64, "elf64-loongarch")],
	["elf64lppc", little(21, 64, "elf64-powerpcle")],
	["elf64lriscv", little(243, 64, "elf64-littleriscv")],
	["elf64ltsmip", little(8, 64, "elf64-tradlittlemips")],
	["elf64ppc", big(21, 64, "elf64-powerpc")],
	["elf_i386", little(3, 32, "elf32-i386")],
	["elf_x86_64", little(62, 64, "elf64-x86-64")],
]);

export function emulationTarget(name: string): LinkTarget | undefined {
	return EMULATIONS.get(name);
}
