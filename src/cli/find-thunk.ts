import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import type { LocalObjects } from "../store/local.js";
import type { Store } from "../store/types.js";
import { decodeThunk } from "../thunk/codec.js";
import { isObjectHash, isThunkHash, type ObjectHash, startsAsThunk } from "../thunk/hash.js";
import { parsePlaceholder } from "../thunk/placeholder.js";
import type { Thunk } from "../thunk/types.js";
import { readIfThere } from "../util/files.js";
import { UserError } from "../util/result.js";
import { give, openProjectStore } from "./project.js";
import type { Io } from "./types.js";

export interface FoundThunk {
	readonly hash: ObjectHash | undefined;
	readonly thunk: Thunk;
}

/** The thunk that a user names: a thunk file, a placeholder, its hash, or the beginning of its hash. */
export function findThunk(name: string, io: Io): FoundThunk {
	const whole = isObjectHash(name) ? undefined : readFile(name, io);
	if (whole !== undefined && startsAsThunk(whole)) return { hash: undefined, thunk: give(decodeThunk(whole)) };
	const placeholder = whole === undefined ? undefined : parsePlaceholder(whole);
	if (whole !== undefined && placeholder === undefined) {
		throw new UserError({
			reason: "not-a-thunk",
			message: `${name} is neither a thunk nor a placeholder`,
			hint: "it may be built already; what happened to it is shown by `gg explain`",
		});
	}
	const { store } = openProjectStore(io);
	const hash = placeholder?.hash ?? (isObjectHash(name) ? name : completeHash(name, store));
	return { hash, thunk: readThunk(hash, store) };
}

export function readThunk(hash: ObjectHash, store: Store): Thunk {
	if (!isThunkHash(hash)) {
		throw new UserError({
			reason: "not-a-thunk",
			message: `${hash} is a value, not a thunk`,
			hint: "a thunk's hash begins with T",
		});
	}
	const bytes = store.objects.get(hash);
	if (bytes === undefined) {
		throw new UserError({
			reason: "thunk-missing",
			message: `thunk ${hash} is not in the store`,
			hint: "it was cleaned away, damaged, or made with another .gg folder",
		});
	}
	return give(decodeThunk(bytes));
}

function readFile(name: string, io: Io): Buffer | undefined {
	try {
		return readIfThere(resolve(io.cwd, name));
	} catch {
		return undefined;
	}
}

function completeHash(name: string, store: Store & { readonly objects: LocalObjects }): ObjectHash {
	// Short beginnings are names of files that are not there, more often than not.
	const matches = /^T[A-Za-z0-9_.]{2,}$/.test(name)
		? readdirSync(store.objects.folder).filter((entry) => entry.startsWith(name) && isObjectHash(entry))
		: [];
	if (matches.length === 1) return matches[0] as ObjectHash;
	throw new UserError({
		reason: matches.length === 0 ? "thunk-missing" : "ambiguous",
		message:
			matches.length === 0
				? `${name} is neither a file nor the hash of a thunk in the store, or its beginning`
				: `${matches.length} thunks begin with ${name}`,
		hint: matches.length === 0 ? "a placeholder's second line is its thunk's hash" : "give more letters of the hash",
	});
}
