/** Translation phases 1 and 2: one newline for each end of line, trigraphs, spliced lines. */

const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const QUESTION = 0x3f;

/** Third character of a trigraph, and what it stands for. */
const TRIGRAPHS = new Map(
	["=#", "/\\", "'^", "([", ")]", "!|", "<{", ">}", "-~"].map((t) => [t.charCodeAt(0), t.charCodeAt(1)]),
);

export interface Cleaned {
	readonly bytes: Buffer;
	/** Offsets in `bytes` at which a line was spliced: the line numbers go on by one there. Ascending. */
	readonly splices: readonly number[];
	/** Offsets at which a splice or a trigraph was undone; raw strings would have them back. Ascending. */
	readonly edits: readonly number[];
	/** The file begins with the mark of UTF-8, which is left out. */
	readonly isMarked: boolean;
	/** Where a NUL stands between a backslash and the end of its line: gcc takes it for a blank, clang does not. */
	readonly unclear: number | undefined;
}

const NONE: readonly number[] = [];

export function clean(content: Uint8Array, trigraphs: boolean): Cleaned {
	let bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
	const isMarked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
	if (isMarked) bytes = bytes.subarray(3);
	if (!needsCleaning(bytes, trigraphs)) return { bytes, splices: NONE, edits: NONE, isMarked, unclear: undefined };
	return { ...rewrite(bytes, trigraphs), isMarked };
}

function needsCleaning(bytes: Buffer, trigraphs: boolean): boolean {
	if (bytes.indexOf(RETURN) >= 0) return true;
	if (trigraphs && bytes.indexOf("??") >= 0) return true;
	for (let at = bytes.indexOf(BACKSLASH); at >= 0; at = bytes.indexOf(BACKSLASH, at + 1)) {
		if (endOfSplice(bytes, at + 1) >= 0) return true;
	}
	return false;
}

/** Where the next line begins if there are only blanks before it (gcc and clang take those in their stride), else -1. */
function endOfSplice(bytes: Buffer, from: number): number {
	let i = from;
	for (;;) {
		const c = bytes[i];
		if (c === NEWLINE) return i + 1;
		if (c === RETURN) return bytes[i + 1] === NEWLINE ? i + 2 : i + 1;
		if (c !== 0x20 && c !== 0x09 && c !== 0x0b && c !== 0x0c && c !== 0) return -1;
		i++;
	}
}

function rewrite(bytes: Buffer, trigraphs: boolean): Omit<Cleaned, "isMarked"> {
	const out = Buffer.allocUnsafe(bytes.length);
	const splices: number[] = [];
	const edits: number[] = [];
	let unclear: number | undefined;
	let o = 0;
	for (let i = 0; i < bytes.length; ) {
		let c = bytes[i]!;
		let length = 1;
		if (c === QUESTION && trigraphs && bytes[i + 1] === QUESTION) {
			const stands = TRIGRAPHS.get(bytes[i + 2] ?? 0);
			if (stands !== undefined) {
				c = stands;
				length = 3;
				edits.push(o);
			}
		}
		if (c === BACKSLASH) {
			const next = endOfSplice(bytes, i + length);
			if (next >= 0) {
				if (bytes.subarray(i, next).includes(0)) unclear ??= o;
				splices.push(o);
				edits.push(o);
				i = next;
				continue;
			}
		} else if (c === RETURN) {
			if (bytes[i + 1] === NEWLINE) length = 2;
			c = NEWLINE;
		}
		out[o++] = c;
		i += length;
	}
	return { bytes: out.subarray(0, o), splices, edits, unclear };
}
