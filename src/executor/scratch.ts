import { readdirSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { makeFolders } from "../util/files.js";

/** Counted for the process, so that no folder that is kept is met again. */
let made = 0;

/**
 * Folders to run thunks in. One that a run leaves empty serves the next: making and removing a folder costs a file system
 * more than running a small program in it.
 */
export class ScratchFolders {
	readonly #base: string;
	readonly #spare: string[] = [];

	/** `base` is `.gg/tmp`; the names are of this process alone. */
	constructor(base: string) {
		this.#base = base;
	}

	take(): string {
		const spare = this.#spare.pop();
		if (spare !== undefined) return spare;
		made += 1;
		const folder = join(this.#base, `run-${process.pid}-${made}`);
		// Left by a process that was killed and had the same number.
		rmSync(folder, { recursive: true, force: true });
		makeFolders(folder);
		return folder;
	}

	/** Empties the folder and keeps it for the next run. */
	release(folder: string): void {
		try {
			for (const entry of readdirSync(folder, { withFileTypes: true })) {
				const path = join(folder, entry.name);
				if (entry.isDirectory()) rmSync(path, { recursive: true, force: true });
				else unlinkSync(path);
			}
			this.#spare.push(folder);
		} catch {
			// A folder that the program made unwritable: `gg clean` tries again.
		}
	}

	close(): void {
		for (const folder of this.#spare.splice(0)) {
			try {
				rmdirSync(folder);
			} catch {
				// `gg clean` tries again.
			}
		}
	}
}
