import { lstatSync } from "node:fs";
import type { Forced } from "../forcer/forcer.js";
import type { LocalStore } from "../store/local.js";
import { type Placeholders, readPlaceholder } from "../store/placeholders.js";
import { decodeThunk } from "../thunk/codec.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Placeholder } from "../thunk/placeholder.js";
import type { Thunk } from "../thunk/types.js";
import { setFileTime } from "../util/file-time.js";
import { errorCode, isAbsence, overwriteFile } from "../util/files.js";
import { Limiter } from "../util/limiter.js";
import type { Standing } from "../util/take-place.js";

/** Puts what thunks came to where their placeholders stand. */
export interface Placing {
	/** All outputs of a thunk, while this thread does something else. */
	all(hash: ObjectHash, thunk: Thunk, forced: Forced): Promise<void>;
	/** Replaces one file that is a placeholder; false if it is none. */
	at(path: string, forced: Forced, tag: string): boolean;
}

/** What an output needs to take its placeholder's place. */
interface Place {
	readonly hash: ObjectHash;
	readonly path: string;
	readonly mode: number;
	/** Names of the file that stands there. */
	readonly nlink: bigint;
	readonly standing: Standing;
}

/** Files that are copied at a time: as many as the thread pool has threads. */
const COPIES = 4;

export function placing(store: LocalStore, placeholders: Placeholders): Placing {
	const copies = new Limiter(COPIES);

	/** Where an output is to be put; false where it cannot be, true where that there is nothing was all there was to do. */
	const find = (path: string, placeholder: Placeholder, forced: Forced, tag: string): Place | boolean => {
		const hash = forced.outputs.get(tag);
		// A side output that the tool left out, this time.
		if (hash === undefined && tag !== "") {
			placeholders.remove(path);
			return true;
		}
		if (hash === undefined) return false;
		const there = lstatSync(path, { bigint: true, throwIfNoEntry: false });
		if (there === undefined) return false;
		const { mtimeNs, mode: bits, nlink } = there;
		const here = Number(bits) & 0o7777;
		const made = forced.result.outputs;
		const own = (tag === "" ? made[0] : made.find((o) => o.tag === tag))?.mode ?? 0o644;
		// A placeholder of ours has the mode that its output will have, unless the build gave it another one since.
		const mode = own !== here && isOurs(store, placeholder.hash) ? here : own;
		const is = (at: string): boolean => readPlaceholder(at)?.hash === placeholder.hash;
		return { hash, path, mode, nlink, standing: { mtimeNs, mode: bits, is } };
	};
	const allAt = async (path: string, placeholder: Placeholder, forced: Forced): Promise<void> => {
		const place = find(path, placeholder, forced, placeholder.tag);
		if (typeof place === "boolean") return;
		const { hash, mode, standing } = place;
		const copied =
			place.nlink === 1n &&
			(await refusedIsNone(() => copies.run(() => store.objects.copyOutAside(hash, path, mode, standing))));
		if (copied || putInto(store, place)) placeholders.forget(path);
	};
	return {
		async all(hash, thunk, forced) {
			for (const { path } of thunk.outputPaths) {
				const placeholder = readPlaceholder(path);
				if (placeholder?.hash === hash) await allAt(path, placeholder, forced);
			}
		},
		at(path, forced, tag) {
			const placeholder = readPlaceholder(path);
			if (placeholder === undefined) return false;
			const place = find(path, placeholder, forced, tag);
			if (typeof place === "boolean") return place;
			if (!putAt(store, place)) return false;
			placeholders.forget(path);
			return true;
		},
	};
}

/** A new file in the place of the one that is there, or else new content for it; false when the store does not have it. */
function putAt(store: LocalStore, place: Place): boolean {
	const { hash, path, mode, nlink, standing } = place;
	// Further names of it stay names of the same file: what is changed in place is changed under all of them.
	if (nlink === 1n) {
		try {
			if (store.objects.copyOut(hash, path, mode, standing)) return true;
		} catch (error) {
			if (!isRefused(error)) throw error;
		}
		// It may have been given another name meanwhile.
	}
	return putInto(store, place);
}

async function refusedIsNone(copy: () => Promise<boolean>): Promise<boolean> {
	try {
		return await copy();
	} catch (error) {
		if (!isRefused(error)) throw error;
		return false;
	}
}

/** The build has closed its folder, or it is mounted by itself. */
function isRefused(error: unknown): boolean {
	return /^(?:EACCES|EBUSY|EPERM|EROFS)$/.test(errorCode(error));
}

function putInto(store: LocalStore, { hash, path, mode, standing }: Place): boolean {
	const bytes = store.objects.get(hash);
	if (bytes === undefined || !standing.is(path)) return false;
	overwriteFile(path, bytes, mode);
	try {
		setFileTime(path, standing.mtimeNs);
	} catch (error) {
		// The recipe went on, and removed it.
		if (!isAbsence(error)) throw error;
	}
	return true;
}

/** A thunk in the original's form says nothing of modes. */
function isOurs(store: LocalStore, hash: ObjectHash): boolean {
	const bytes = store.objects.get(hash);
	const decoded = bytes === undefined ? undefined : decodeThunk(bytes);
	return decoded?.ok === true && decoded.value.cwd !== "";
}
