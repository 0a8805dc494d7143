import type { Store } from "../store/types.js";
import { type ObjectHash, sizeOfHash } from "../thunk/hash.js";
import type { Thunk } from "../thunk/types.js";
import { findThunk, readThunk } from "./find-thunk.js";
import { parse } from "./parse.js";
import { openProjectStore, usageError } from "./project.js";
import type { Io, Run } from "./types.js";

const SPEC = {
	name: "thunksummary",
	usage:
		"gg thunksummary THUNK\n\nPrints the tree of what a thunk needs, by the first letters of the hashes, and what it comes to in all.\nA thunk that several need is printed in full once.",
	options: {},
} as const;

interface Frame {
	readonly hash: ObjectHash;
	readonly thunk: Thunk;
	readonly indent: number;
	next: number;
}

/** What lies below a thunk, itself included. */
interface Totals {
	readonly thunks: ReadonlySet<ObjectHash>;
	readonly files: ReadonlySet<ObjectHash>;
}

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const [name, ...more] = parsed.rest;
	if (name === undefined || more.length > 0) throw usageError("thunksummary", `one thunk, not ${parsed.rest.length}`);
	const { hash, thunk } = findThunk(name, io);
	if (hash === undefined) throw usageError("thunksummary", "a thunk's hash or a placeholder, not a thunk file");
	const { store } = openProjectStore(io);
	print(hash, thunk, store, io);
	return 0;
};

/** Without recursion: chains of thunks may be longer than the stack is deep. */
function print(hash: ObjectHash, thunk: Thunk, store: Store, io: Io): void {
	const thunks = new Map([[hash, thunk]]);
	const read = (at: ObjectHash): Thunk => {
		const known = thunks.get(at) ?? readThunk(at, store);
		thunks.set(at, known);
		return known;
	};
	const printed = new Set<ObjectHash>();
	const frames: Frame[] = [];
	const enter = (at: ObjectHash, t: Thunk, indent: number): void => {
		printed.add(at);
		io.out(`${" ".repeat(indent)}${short(at)}\n`);
		for (const value of t.values) io.out(`${" ".repeat(indent + 1)}${short(value.hash)}\n`);
		frames.push({ hash: at, thunk: t, indent, next: 0 });
	};
	enter(hash, thunk, 0);
	for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
		const need = frame.thunk.thunks[frame.next];
		frame.next += 1;
		if (need === undefined) {
			frames.pop();
			io.out(`${" ".repeat(frame.indent)}${short(frame.hash)} ${describe(totalsOf(frame.hash, read))}\n`);
		} else if (printed.has(need.hash)) {
			io.out(`${" ".repeat(frame.indent + 1)}${short(need.hash)} (as above)\n`);
		} else enter(need.hash, read(need.hash), frame.indent + 1);
	}
}

function totalsOf(hash: ObjectHash, read: (hash: ObjectHash) => Thunk): Totals {
	const thunks = new Set([hash]);
	const files = new Set<ObjectHash>();
	const open = [read(hash)];
	for (let at = open.pop(); at !== undefined; at = open.pop()) {
		for (const value of at.values) files.add(value.hash);
		for (const need of at.thunks) {
			if (thunks.has(need.hash)) continue;
			thunks.add(need.hash);
			open.push(read(need.hash));
		}
	}
	return { thunks, files };
}

function describe({ thunks, files }: Totals): string {
	let size = 0;
	for (const file of files) size += sizeOfHash(file);
	const plural = thunks.size > 1 ? "s" : "";
	return `uses ${thunks.size} thunk${plural} and ${files.size} files totaling ${Math.floor(size / 1048576)} MiB`;
}

function short(hash: ObjectHash): string {
	return hash.slice(0, 5);
}
