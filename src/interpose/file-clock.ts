import { closeSync, fchmodSync, fstatSync, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** The longest tick of the clock that file times come from (100 Hz), and some more. */
const TICK_MS = 12;

/**
 * The clock that file times come from. It is behind the one of Date.now() by up to a tick, and in a network folder it is the
 * server's: only the time of a file itself tells whether another one is older.
 */
export class FileClock {
	#fd: number | undefined;

	/** `folder`: on the file system that the build works in. */
	constructor(folder: string) {
		const path = join(folder, `clock-${process.pid}`);
		try {
			this.#fd = openSync(path, "w", 0o600);
			unlinkSync(path);
		} catch {
			// Then a guess on the safe side is all that there is.
		}
	}

	/** Milliseconds; what is changed after this call gets a time that is not less. */
	now(): number {
		if (this.#fd === undefined) return Date.now() - TICK_MS;
		fchmodSync(this.#fd, 0o600);
		return fstatSync(this.#fd).ctimeMs;
	}

	close(): void {
		if (this.#fd !== undefined) closeSync(this.#fd);
		this.#fd = undefined;
	}
}
