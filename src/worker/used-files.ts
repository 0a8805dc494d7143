import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { statIfThere } from "../util/files.js";

/** A file's time tells the next worker when it was used last. */
export function noteUse(path: string): void {
	try {
		const now = new Date();
		utimesSync(path, now, now);
	} catch {
		// Found out when it is read.
	}
}

/** What an earlier worker has left, the least recently used first. */
export function filesByUse(folder: string): { readonly hash: string; readonly size: number }[] {
	const found: { hash: string; size: number; used: number }[] = [];
	for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
		if (!/^[0-9a-f]{64}$/.test(entry.name)) continue;
		const s = statIfThere(join(entry.parentPath, entry.name));
		if (s?.isFile() === true) found.push({ hash: entry.name, size: s.size, used: s.mtimeMs });
	}
	return found.sort((a, b) => a.used - b.used);
}
