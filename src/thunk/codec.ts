import protobuf from "protobufjs/minimal.js";
import { err, type Failure, ok, type Result } from "../util/result.js";
import { hashBytes, isObjectHash, type ObjectHash, startsAsThunk, THUNK_MAGIC } from "./hash.js";
import {
	EMPTY_THUNK,
	type Item,
	type Link,
	type Output,
	type OutputPath,
	type Thunk,
	type ThunkItem,
	type ThunkResult,
	type TreeEntry,
} from "./types.js";

/**
 * The one canonical encoding: fields in number order, defaults left out, `function` always there, items of values,
 * thunks and executables sorted by hash (stable), the rest in the order given.
 */
const { Writer, Reader } = protobuf;

export function encodeItem(item: Item): string {
	return item.name === "" ? item.hash : `${item.hash}=${item.name}`;
}

export function encodeThunkItem(item: ThunkItem): string {
	const base = item.tag === "" ? item.hash : `${item.hash}#${item.tag}`;
	return item.name === "" ? base : `${base}=${item.name}`;
}

function byHash<T extends Item>(items: readonly T[]): T[] {
	return [...items].sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
}

export function encodeThunk(thunk: Thunk): Buffer {
	const w = Writer.create();
	w.uint32(10).fork().uint32(10).string(thunk.functionHash);
	for (const arg of thunk.args) w.uint32(18).string(arg);
	for (const envar of thunk.envars) w.uint32(26).string(envar);
	w.ldelim();
	for (const item of byHash(thunk.values)) w.uint32(18).string(encodeItem(item));
	for (const item of byHash(thunk.thunks)) w.uint32(26).string(encodeThunkItem(item));
	for (const item of byHash(thunk.executables)) w.uint32(34).string(encodeItem(item));
	for (const output of thunk.outputs) w.uint32(42).string(output);
	if (thunk.timeout !== 0) w.uint32(48).uint32(thunk.timeout);
	for (const link of thunk.links) {
		w.uint32(58).fork();
		if (link.name !== "") w.uint32(10).string(link.name);
		w.uint32(18).string(link.target).ldelim();
	}
	if (thunk.outputDir !== "") w.uint32(66).string(thunk.outputDir);
	if (thunk.cwd !== "") w.uint32(130).string(thunk.cwd);
	for (const item of thunk.trees) w.uint32(138).string(encodeItem(item));
	for (const output of thunk.outputPaths) {
		w.uint32(146).fork().uint32(10).string(output.tag).uint32(18).string(output.path);
		if (output.optional) w.uint32(24).bool(true);
		w.ldelim();
	}
	// 0 is a legal umask and must differ from the default, so it is stored plus one.
	if (thunk.umask !== 0o22) w.uint32(152).uint32(thunk.umask + 1);
	if (thunk.capture) w.uint32(160).bool(true);
	for (const path of thunk.inout) w.uint32(170).string(path);
	return Buffer.concat([THUNK_MAGIC, w.finish()]);
}

export type MalformedThunk = Failure<"malformed-thunk">;

function malformed(what: string): { readonly ok: false; readonly error: MalformedThunk } {
	return err({
		reason: "malformed-thunk",
		message: `not a valid thunk: ${what}`,
		hint: "the file was cut short or altered; infer the build again",
	});
}

class Malformed extends Error {}

function toHash(text: string): ObjectHash {
	if (!isObjectHash(text)) throw new Malformed(`${JSON.stringify(text.slice(0, 80))} is not a hash`);
	return text;
}

/** Splits `hash[#tag][=name]`. */
export function parseItem(text: string): ThunkItem {
	const equals = text.indexOf("=");
	const left = equals < 0 ? text : text.slice(0, equals);
	const mark = left.indexOf("#");
	return {
		hash: toHash(mark < 0 ? left : left.slice(0, mark)),
		tag: mark < 0 ? "" : left.slice(mark + 1),
		name: equals < 0 ? "" : text.slice(equals + 1),
	};
}

function plainItem(text: string): Item {
	const { hash, name } = parseItem(text);
	return { hash, name };
}

/** Reads a thunk file. Field order and unknown fields are tolerated, as protobuf demands; hashes are checked. */
export function decodeThunk(bytes: Uint8Array): Result<Thunk, MalformedThunk> {
	if (!startsAsThunk(bytes)) return malformed("it does not begin with ##GGTHUNK##");
	try {
		const thunk = readThunk(bytes.subarray(THUNK_MAGIC.length));
		if (thunk.outputs.length === 0 && thunk.outputDir === "" && !thunk.capture) return malformed("it has no output");
		if (thunk.args.length === 0) return malformed("it has no argument");
		return ok(thunk);
	} catch (error) {
		// protobufjs throws RangeError or Error for anything cut short.
		return malformed(error instanceof Error ? error.message : String(error));
	}
}

function readThunk(bytes: Uint8Array): Thunk {
	const r = Reader.create(bytes);
	const t = {
		...EMPTY_THUNK,
		functionHash: "" as ObjectHash,
		args: [] as string[],
		envars: [] as string[],
		values: [] as Item[],
		thunks: [] as ThunkItem[],
		executables: [] as Item[],
		outputs: [] as string[],
		timeout: 0,
		links: [] as Link[],
		outputDir: "",
		cwd: "",
		trees: [] as Item[],
		outputPaths: [] as OutputPath[],
		umask: 0o22 as number,
		capture: false as boolean,
		inout: [] as string[],
	};
	while (r.pos < r.len) {
		const key = r.uint32();
		switch (key) {
			case 10:
				readFunction(r, t);
				break;
			case 18:
				t.values.push(plainItem(r.string()));
				break;
			case 26:
				t.thunks.push(parseItem(r.string()));
				break;
			case 34:
				t.executables.push(plainItem(r.string()));
				break;
			case 42:
				t.outputs.push(r.string());
				break;
			case 48:
				t.timeout = r.uint32();
				break;
			case 58:
				t.links.push(readLink(r));
				break;
			case 66:
				t.outputDir = r.string();
				break;
			case 130:
				t.cwd = r.string();
				break;
			case 138:
				t.trees.push(plainItem(r.string()));
				break;
			case 146:
				t.outputPaths.push(readOutputPath(r));
				break;
			case 152:
				t.umask = (r.uint32() - 1) & 0o777;
				break;
			case 160:
				t.capture = r.bool();
				break;
			case 170:
				t.inout.push(r.string());
				break;
			default:
				r.skipType(key & 7);
		}
	}
	if (t.functionHash === "") throw new Malformed("it has no function");
	return t;
}

function readFunction(
	r: protobuf.Reader,
	t: { functionHash: ObjectHash; readonly args: string[]; readonly envars: string[] },
): void {
	const end = r.uint32() + r.pos;
	if (end > r.len) throw new Malformed("it ends early");
	while (r.pos < end) {
		const key = r.uint32();
		if (key === 10) t.functionHash = toHash(r.string());
		else if (key === 18) t.args.push(r.string());
		else if (key === 26) t.envars.push(r.string());
		else r.skipType(key & 7);
	}
}

function readLink(r: protobuf.Reader): Link {
	const end = r.uint32() + r.pos;
	if (end > r.len) throw new Malformed("it ends early");
	let name = "";
	let target = "";
	while (r.pos < end) {
		const key = r.uint32();
		if (key === 10) name = r.string();
		else if (key === 18) target = r.string();
		else r.skipType(key & 7);
	}
	return { name, target: toHash(target) };
}

function readOutputPath(r: protobuf.Reader): OutputPath {
	const end = r.uint32() + r.pos;
	if (end > r.len) throw new Malformed("it ends early");
	let tag = "";
	let path = "";
	let optional = false;
	while (r.pos < end) {
		const key = r.uint32();
		if (key === 10) tag = r.string();
		else if (key === 18) path = r.string();
		else if (key === 24) optional = r.bool();
		else r.skipType(key & 7);
	}
	return { tag, path, optional };
}

export function hashOfThunk(thunk: Thunk): ObjectHash {
	return hashBytes(encodeThunk(thunk));
}

const TREE_MAGIC = "ggtree1\n";

const KINDS = { "-": "file", x: "executable", l: "link", d: "directory" } as const;
const LETTERS = { file: "-", executable: "x", link: "l", directory: "d" } as const;

/** A Tree object: a version line, then hash, letter of the kind and name, NUL-terminated, sorted by the name's bytes. */
export function encodeTree(entries: readonly TreeEntry[]): Buffer {
	// By bytes, which is the order of UTF-16 too up to its surrogates.
	const plain = entries.every((e) => !/[\ud800-\uffff]/.test(e.name));
	const sorted = [...entries].sort(plain ? byUnits : byBytes);
	return Buffer.from(TREE_MAGIC + sorted.map((e) => `${e.hash}${LETTERS[e.kind]}${e.name}\0`).join(""));
}

const byUnits = (a: TreeEntry, b: TreeEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
const byBytes = (a: TreeEntry, b: TreeEntry): number => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));

/** True for a name that stays below its directory. */
export function isInside(name: string): boolean {
	return name !== "" && !name.startsWith("/") && !name.split("/").includes("..");
}

export function decodeTree(bytes: Buffer): TreeEntry[] | undefined {
	const text = bytes.toString("utf8");
	if (!text.startsWith(TREE_MAGIC)) return undefined;
	const entries: TreeEntry[] = [];
	let at = TREE_MAGIC.length;
	while (at < text.length) {
		const end = text.indexOf("\0", at);
		if (end < 0) return undefined;
		const hash = text.slice(at, at + 52);
		const name = text.slice(at + 53, end);
		const kind = KINDS[text[at + 52] as keyof typeof KINDS];
		if (!isObjectHash(hash) || !isInside(name) || kind === undefined) return undefined;
		entries.push({ hash, name, kind });
		at = end + 1;
	}
	return entries;
}

const RESULT_MAGIC = Buffer.from("ggresult1\n");

export function encodeResult(result: ThunkResult): Buffer {
	const w = Writer.create();
	if (result.status !== 0) w.uint32(8).uint32(result.status);
	if (result.signal !== 0) w.uint32(16).uint32(result.signal);
	if (result.stdout.length > 0) w.uint32(26).bytes(result.stdout);
	if (result.stderr.length > 0) w.uint32(34).bytes(result.stderr);
	for (const { tag, hash, mode, rank } of result.outputs) {
		w.uint32(42).fork().uint32(10).string(tag).uint32(18).string(hash).uint32(24).uint32(mode);
		if (rank !== undefined) w.uint32(32).uint32(rank);
		w.ldelim();
	}
	if (result.wall !== 0) w.uint32(48).uint64(result.wall);
	return Buffer.concat([RESULT_MAGIC, w.finish()]);
}

export function decodeResult(bytes: Buffer): ThunkResult | undefined {
	if (!RESULT_MAGIC.equals(bytes.subarray(0, RESULT_MAGIC.length))) return undefined;
	try {
		const r = Reader.create(bytes.subarray(RESULT_MAGIC.length));
		const outputs: Output[] = [];
		let status = 0;
		let signal = 0;
		let stdout: Uint8Array = Buffer.alloc(0);
		let stderr: Uint8Array = Buffer.alloc(0);
		let wall = 0;
		while (r.pos < r.len) {
			const key = r.uint32();
			if (key === 8) status = r.uint32();
			else if (key === 16) signal = r.uint32();
			else if (key === 26) stdout = r.bytes();
			else if (key === 34) stderr = r.bytes();
			else if (key === 48) wall = Number(r.uint64());
			else if (key === 42) {
				const end = r.uint32() + r.pos;
				let tag = "";
				let hash = "";
				let mode = 0o644;
				let rank = 0;
				while (r.pos < end) {
					const inner = r.uint32();
					if (inner === 10) tag = r.string();
					else if (inner === 18) hash = r.string();
					else if (inner === 24) mode = r.uint32() & 0o7777;
					else if (inner === 32) rank = r.uint32();
					else r.skipType(inner & 7);
				}
				outputs.push({ tag, hash: toHash(hash), mode, ...(rank > 0 ? { rank } : {}) });
			} else r.skipType(key & 7);
		}
		return { status, signal, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr), outputs, wall };
	} catch {
		return undefined;
	}
}
