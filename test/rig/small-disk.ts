/**
 * node small-disk.js FOLDER STORE BLOCK…: fetches blocks onto the small file system at FOLDER, where other blobs are, and says how
 * each ended. A process of its own, because only such a one can see a file system that others do not.
 */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fetchBlock } from "../../src/lambda/fetch.js";
import { folderStorage } from "../../src/storage/folder.js";
import type { ObjectHash } from "../../src/thunk/hash.js";
import { Disk } from "../../src/worker/disk.js";

export interface Ended {
	/** Bytes of each blob that is there and right; or the system's word. */
	readonly came: readonly number[] | string;
	/** Of the blobs that were there before. */
	readonly old: number;
	/** Names that are left of what was not finished. */
	readonly halves: number;
}

const [folder = "", store = "", ...names] = process.argv.slice(2);
const disk = new Disk(folder, 0, false);
const old = Array.from({ length: 12 }, () => disk.add(randomBytes(1 << 20)));
for (const name of names) {
	const pins = disk.pins();
	let came: Ended["came"];
	try {
		const blobs = await fetchBlock(folderStorage(store), name as ObjectHash, disk, pins, () => {});
		came = (blobs ?? []).map((digest) => disk.get(digest)?.length ?? -1);
	} catch (error) {
		came = String((error as NodeJS.ErrnoException).code);
	}
	const left = old.filter((digest) => disk.has(digest)).length;
	const halves = readdirSync(join(disk.folder, "tmp")).length;
	console.log(JSON.stringify({ came, old: left, halves } satisfies Ended));
	pins.end();
}
