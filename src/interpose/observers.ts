import { fstatSync, statSync } from "node:fs";
import { isObserved } from "../models/recipe.js";
import type { ThunkPlan } from "../models/types.js";
import type { ShimRequest } from "./protocol.js";

/** Tells whether anything but make's own terminal can see how a command ended. */
export class Observers {
	readonly #nullDevice = identityOf(() => statSync("/dev/null", { bigint: true }));
	/** gg's own output, which the build inherits. */
	readonly output = identityOfFd(1);
	readonly error = identityOfFd(2);
	readonly #input = identityOfFd(0);

	/** Something other than gg's own input, a terminal or nothing stands on the command's standard input. */
	feeds({ fds: [input] }: ShimRequest): boolean {
		return input.open && !input.isatty && input.id !== this.#input && input.id !== this.#nullDevice;
	}

	sees(request: ShimRequest, plan: ThunkPlan): boolean {
		const [, out, error] = request.fds;
		if (ignoresErrors(request.env.get("MAKEFLAGS"))) return true;
		// Somebody reads what it says.
		if (out.open && out.id !== this.output && out.id !== this.#nullDevice) return true;
		if (error.open && error.id !== this.error && error.id !== this.#nullDevice) return true;
		const seen = isObserved({ exe: request.parentExe, argv: request.parentArgv }, request.tool);
		// `(ranlib x || true)` is an old custom; on an archive that was just made there is nothing for it to fail at.
		const harmless = plan.family === "ranlib" && (seen.reason === "alternative" || seen.reason === "unclear");
		return seen.observed && !harmless;
	}
}

/** `make -i`: every recipe's status is looked at, shown and put aside. The first word holds the flags of one letter. */
export function ignoresErrors(makeflags: string | undefined): boolean {
	return /^[A-Za-z]*i[A-Za-z]*(?:\s|$)/.test(makeflags ?? "");
}

/** N of `-jN` in MAKEFLAGS; a bare -j is no bound; 1 without, and for builders that say nothing it is not known. */
export function buildParallelism(makeflags: string | undefined): number {
	if (makeflags === undefined) return Number.POSITIVE_INFINITY;
	const match = /(?:^|\s)-j\s*([0-9]*)/.exec(makeflags);
	if (match === null) return /jobserver/.test(makeflags) ? Number.POSITIVE_INFINITY : 1;
	return match[1] === "" ? Number.POSITIVE_INFINITY : Number(match[1]);
}

function identityOfFd(fd: number): string {
	return identityOf(() => fstatSync(fd, { bigint: true }));
}

function identityOf(stat: () => { dev: bigint; ino: bigint }): string {
	try {
		const s = stat();
		return `${s.dev.toString(16)}:${s.ino.toString(16)}`;
	} catch {
		return "closed";
	}
}
