import type { FileFact } from "../store/filefacts.js";
import { realPath } from "../util/paths.js";
import type { NotKept } from "./recorder.js";

/**
 * Two headers of one content of which `#pragma once` or #import may leave one out: gcc then goes by their modification
 * times, clang by their inodes, and neither is part of a thunk. Where both names lead to one file, it is enough that they
 * go on doing so.
 */
export function onceTwins(
	looked: ReadonlyMap<string, FileFact>,
	toolchain: ReadonlySet<string>,
): { readonly listed: readonly (readonly [string, string])[] } | NotKept {
	const first = new Map<string, string>();
	let importing: boolean | undefined;
	const listed: (readonly [string, string])[] = [];
	for (const [path, fact] of looked) {
		if (fact.size === 0 || fact.placeholder !== undefined || toolchain.has(path)) continue;
		const other = first.get(fact.hash);
		if (other === undefined) {
			first.set(fact.hash, path);
			continue;
		}
		importing ??= [...looked.values()].some((f) => f.namesImport);
		if (!importing && !fact.namesOnce) continue;
		const real = realPath(path);
		if (real === "" || real !== realPath(other)) return { reason: "once-twins", detail: `${other} and ${path}` };
		listed.push([other, real], [path, real]);
	}
	return { listed };
}
