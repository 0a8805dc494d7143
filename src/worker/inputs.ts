import { mkdirSync, symlinkSync } from "node:fs";
import { join, posix } from "node:path";
import { CODE, RemoteError } from "../reapi/errors.js";
import { DIRECTORY, type Digest, type Directory } from "../reapi/messages.js";
import { isDigest } from "./digest.js";
import type { Disk } from "./disk.js";

/** A program of the store that is to be mounted in an action's folder. */
export interface Mounted {
	readonly from: string;
	readonly at: string;
}

export interface Staged {
	readonly mounts: readonly Mounted[];
	/** Hashes of all that was used. */
	readonly used: readonly string[];
}

/** More than any build has; a client that sends more means harm or is broken. */
const MOST_NODES = 500_000;
const DEEPEST = 200;

/** Puts an input root into an empty folder. Throws a RemoteError: with the blobs that are missing, or for a tree that is not sound. */
export function stageInputs(disk: Disk, root: Digest, folder: string): Staged {
	const mounts: Mounted[] = [];
	const used: string[] = [];
	const missing: Digest[] = [];
	const known = new Map<string, Directory>();
	let nodes = 0;

	const directory = (digest: Digest): Directory | undefined => {
		let found = known.get(digest.hash);
		if (found !== undefined) return found;
		const bytes = disk.get(digest);
		if (bytes === undefined) {
			missing.push(digest);
			return undefined;
		}
		try {
			found = DIRECTORY.decode(bytes);
		} catch {
			throw invalid(`the blob ${digest.hash} is no Directory`);
		}
		known.set(digest.hash, found);
		used.push(digest.hash);
		return found;
	};
	const walk = (digest: Digest, at: string, inside: string, depth: number): void => {
		if (depth > DEEPEST) throw invalid("the input root is too deep");
		const found = directory(digest);
		if (found === undefined) return;
		const names = new Set<string>();
		const take = (name: string): string => {
			nodes += 1;
			if (nodes > MOST_NODES) throw invalid("the input root has too many files");
			if (!isName(name)) throw invalid(`the name ${JSON.stringify(name.slice(0, 80))} is not allowed in an input root`);
			if (names.has(name)) throw invalid(`the name ${JSON.stringify(name)} is twice in one folder`);
			names.add(name);
			return join(at, name);
		};
		for (const file of found.files) {
			const path = take(file.name);
			if (!isDigest(file.digest)) throw invalid(`the file ${file.name} has no sound digest`);
			used.push(file.digest.hash);
			const how = disk.place(file.digest, path, file.isExecutable === true);
			if (how === "absent") missing.push(file.digest);
			else if (how !== "copied") mounts.push({ from: how.mount, at: path });
		}
		for (const child of found.directories) {
			const path = take(child.name);
			if (!isDigest(child.digest)) throw invalid(`the folder ${child.name} has no sound digest`);
			mkdirSync(path, { mode: 0o755 });
			walk(child.digest, path, posix.join(inside, child.name), depth + 1);
		}
		for (const link of found.symlinks) {
			const path = take(link.name);
			if (!staysInside(inside, link.target)) throw invalid(`the link ${link.name} leads out of the input root`);
			symlinkSync(link.target, path);
		}
	};
	walk(root, folder, "", 0);
	if (missing.length > 0) throw missingBlobs(missing);
	return { mounts, used };
}

/** A plain name of one component. */
export function isName(name: string): boolean {
	return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
}

/** True for a link in `folder` (relative to the root) whose target, taken by its text, stays below the root. */
export function staysInside(folder: string, target: string): boolean {
	if (target === "" || target.startsWith("/") || target.includes("\0")) return false;
	let depth = folder.split("/").filter((part) => part !== "").length;
	for (const part of target.split("/")) {
		if (part === "..") depth -= 1;
		else if (part !== "" && part !== ".") depth += 1;
		if (depth < 0) return false;
	}
	return true;
}

/** A relative path that stays below its folder, and is written in its shortest form. */
export function isInsidePath(path: string): boolean {
	return path !== "" && path.split("/").every(isName);
}

function invalid(message: string): RemoteError {
	return new RemoteError(CODE.INVALID_ARGUMENT, message);
}

/** FAILED_PRECONDITION, with a violation for each blob, as the API wants it. */
export function missingBlobs(missing: readonly Digest[]): RemoteError {
	return RemoteError.lacking(missing.map((d) => `blobs/${d.hash}/${d.sizeBytes}`));
}
