import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { join } from "node:path";
import { unreachable } from "../../src/util/unreachable.js";
import { differingParts } from "./parts.js";

export type EntryType = "file" | "directory" | "symlink" | "other";

export interface Entry {
	readonly type: EntryType;
	/** Permission bits, set-id and sticky bits included. */
	readonly mode: number;
	readonly size: number;
	readonly mtimeNs: bigint;
	/** What a symlink says; empty for everything else. */
	readonly target: string;
}

/** By path relative to the root, in byte order. */
export type Tree = ReadonlyMap<string, Entry>;

export type Difference =
	| { readonly reason: "missing"; readonly path: string }
	| { readonly reason: "extra"; readonly path: string }
	| { readonly reason: "type"; readonly path: string; readonly expected: EntryType; readonly actual: EntryType }
	| { readonly reason: "mode"; readonly path: string; readonly expected: number; readonly actual: number }
	| { readonly reason: "target"; readonly path: string; readonly expected: string; readonly actual: string }
	| {
			readonly reason: "bytes";
			readonly path: string;
			readonly expectedSize: number;
			readonly actualSize: number;
			/** Of the first byte that differs; the shorter length when one file is the beginning of the other. */
			readonly offset: number;
			/** Sections of an ELF file, members of an archive; empty where the format is neither or is broken. */
			readonly parts: readonly string[];
	  };

/** `earlier` was written well before `later` in every control build, and after it in the tree under test. */
export interface Inversion {
	readonly earlier: string;
	readonly later: string;
	/** How much too late `earlier` is, in milliseconds. */
	readonly byMs: number;
}

export interface TimeOrder {
	/** Pairs that all control builds order the same way. */
	readonly pairs: number;
	readonly inverted: number;
	/** The worst of them, worst first; at most `worst` many. */
	readonly worst: readonly Inversion[];
	/** Files that no control build wrote, and whose time differs in the tree under test all the same. */
	readonly touched: readonly string[];
}

const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** @param ignore base names, or paths relative to the root; what is below them is left out as well. */
export function scanTree(root: string, ignore: readonly string[] = [".gg"]): Tree {
	const found: [string, Entry][] = [];
	const visit = (folder: string): void => {
		for (const name of readdirSync(join(root, folder))) {
			const path = folder === "" ? name : `${folder}/${name}`;
			if (ignore.includes(name) || ignore.includes(path)) continue;
			const entry = readEntry(join(root, path));
			found.push([path, entry]);
			if (entry.type === "directory") visit(path);
		}
	};
	visit("");
	return new Map(found.sort(([a], [b]) => compareBytes(a, b)));
}

function readEntry(path: string): Entry {
	const stat = lstatSync(path, { bigint: true });
	const type = stat.isFile() ? "file" : stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "other";
	return {
		type,
		mode: Number(stat.mode & 0o7777n),
		size: Number(stat.size),
		mtimeNs: stat.mtimeNs,
		target: type === "symlink" ? readlinkSync(path) : "",
	};
}

/** What `actual` has otherwise than `expected`: presence, type, mode, symlink target and bytes, but not times. */
export function compareTrees(expectedRoot: string, actualRoot: string, ignore?: readonly string[]): Difference[] {
	const expected = scanTree(expectedRoot, ignore);
	const actual = scanTree(actualRoot, ignore);
	const paths = [...new Set([...expected.keys(), ...actual.keys()])].sort(compareBytes);
	return paths.flatMap((path): Difference[] => {
		const a = expected.get(path);
		const b = actual.get(path);
		if (a === undefined) return [{ reason: "extra", path }];
		if (b === undefined) return [{ reason: "missing", path }];
		if (a.type !== b.type) return [{ reason: "type", path, expected: a.type, actual: b.type }];
		if (a.type === "symlink") {
			return a.target === b.target ? [] : [{ reason: "target", path, expected: a.target, actual: b.target }];
		}
		const found: Difference[] = [];
		if (a.mode !== b.mode) found.push({ reason: "mode", path, expected: a.mode, actual: b.mode });
		if (a.type === "file") found.push(...compareFiles(path, join(expectedRoot, path), join(actualRoot, path)));
		return found;
	});
}

function compareFiles(path: string, expectedFile: string, actualFile: string): Difference[] {
	const expected = readFileSync(expectedFile);
	const actual = readFileSync(actualFile);
	if (expected.equals(actual)) return [];
	const common = Math.min(expected.length, actual.length);
	let offset = 0;
	while (offset < common && expected[offset] === actual[offset]) offset++;
	return [
		{
			reason: "bytes",
			path,
			expectedSize: expected.length,
			actualSize: actual.length,
			offset,
			parts: differingParts(expected, actual),
		},
	];
}

/** One line for people. */
export function describeDifference(difference: Difference): string {
	const { path } = difference;
	switch (difference.reason) {
		case "missing":
			return `${path}: missing`;
		case "extra":
			return `${path}: should not be there`;
		case "type":
			return `${path}: ${difference.actual} instead of ${difference.expected}`;
		case "mode":
			return `${path}: mode ${octal(difference.actual)} instead of ${octal(difference.expected)}`;
		case "target":
			return `${path}: links to ${difference.actual} instead of ${difference.expected}`;
		case "bytes": {
			const { expectedSize, actualSize, offset, parts } = difference;
			const sizes = expectedSize === actualSize ? "" : `, ${actualSize} bytes instead of ${expectedSize}`;
			return `${path}: differs from byte ${offset}${sizes}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
		}
		default:
			return unreachable(difference);
	}
}

const octal = (mode: number): string => mode.toString(8).padStart(4, "0");

/**
 * Judges the order of modification times, on which make's later decisions rest. A parallel build finishes its commands in
 * no fixed order, so a pair of files counts only if every control build wrote the one more than `marginMs` before the other.
 * That still holds for many pairs that merely stand far apart in the makefile: an inversion is a hint where to look, and
 * `make -q` is the judge.
 */
export function compareTimeOrder(options: {
	/** At least two plain builds that began from the same copy: a file with one time in all of them was not written. */
	readonly controls: readonly string[];
	readonly actual: string;
	readonly ignore?: readonly string[];
	readonly marginMs?: number;
	readonly worst?: number;
}): TimeOrder {
	const margin = (options.marginMs ?? 50) * 1e6;
	const keep = options.worst ?? 20;
	const controls = options.controls.map((root) => scanTree(root, options.ignore));
	const actual = scanTree(options.actual, options.ignore);
	const touched: string[] = [];
	const written: { path: string; times: number[]; time: number }[] = [];
	// Distances from any one moment of that day are small enough for exact numbers; nanoseconds since 1970 are not.
	const origin = [...actual.values()][0]?.mtimeNs ?? 0n;
	for (const [path, entry] of actual) {
		const before = controls.map((tree) => tree.get(path));
		if (entry.type !== "file" || !before.every((control) => control?.type === "file")) continue;
		const times = before.map((control) => control?.mtimeNs ?? 0n);
		if (times.some((time) => time !== times[0])) {
			written.push({ path, times: times.map((t) => Number(t - origin)), time: Number(entry.mtimeNs - origin) });
		} else if (entry.mtimeNs !== times[0]) touched.push(path);
	}
	let pairs = 0;
	let inverted = 0;
	let worst: Inversion[] = [];
	for (const a of written) {
		for (const b of written) {
			if (!a.times.every((time, control) => (b.times[control] ?? time) - time > margin)) continue;
			pairs++;
			if (a.time <= b.time) continue;
			inverted++;
			worst.push({ earlier: a.path, later: b.path, byMs: (a.time - b.time) / 1e6 });
			if (worst.length > 1000 + keep) worst = worstFirst(worst).slice(0, keep);
		}
	}
	return { pairs, inverted, worst: worstFirst(worst).slice(0, keep), touched };
}

const worstFirst = (list: Inversion[]): Inversion[] => list.sort((a, b) => b.byMs - a.byMs);

const PLACEHOLDER_STARTS = ["#!/usr/bin/env gg-force-and-run\n", 'OUTPUT_FORMAT("elf64-x86-64")/*\n'];

/** Files that still hold a placeholder instead of what they stand for. */
export function findPlaceholders(root: string, ignore?: readonly string[]): string[] {
	const found: string[] = [];
	for (const [path, entry] of scanTree(root, ignore)) {
		if (entry.type !== "file" || entry.size > 4096 || entry.size < 32) continue;
		const start = Buffer.alloc(64);
		const fd = openSync(join(root, path), "r");
		const length = readSync(fd, start);
		closeSync(fd);
		const text = start.toString("latin1", 0, length);
		if (PLACEHOLDER_STARTS.some((known) => text.startsWith(known))) found.push(path);
	}
	return found;
}
