import { fstatSync, statSync } from "node:fs";
import { isObserved, type ParentProcess } from "../models/recipe.js";
import type { ThunkPlan } from "../models/types.js";
import { type Ninja, ninjaOf } from "./ninja.js";
import { parentOf, processOf } from "./processes.js";
import type { FdIdentity, ShimRequest } from "./protocol.js";

/** Where what a command prints ends: in gg's own output, nowhere, or with somebody who may make something of it. */
type Stream = "shown" | "discarded" | "read";

interface Streams {
	readonly stdout: Stream;
	readonly stderr: Stream;
}

/** Tells whether anything but make's own terminal can see how a command ended. */
export class Observers {
	readonly #ninjas = new WeakMap<ShimRequest, Ninja | undefined>();
	readonly #nullDevice = identityOf(() => statSync("/dev/null", { bigint: true }));
	/** gg's own output, which the build inherits. */
	readonly #output = identityOfFd(1);
	readonly #error = identityOfFd(2);
	readonly #input = identityOfFd(0);

	/** Something other than gg's own input, a terminal or nothing stands on the command's standard input. */
	feeds({ fds: [input] }: ShimRequest): boolean {
		return input.open && !input.isatty && input.id !== this.#input && input.id !== this.#nullDevice;
	}

	sees(request: ShimRequest, plan: ThunkPlan): boolean {
		if (ignoresErrors(request.env.get("MAKEFLAGS"))) return true;
		const { stdout, stderr } = this.streams(request);
		if (stdout === "read" || stderr === "read") return true;
		const grandparent = (): ParentProcess | undefined => {
			const pid = parentOf(request.ppid);
			return pid === undefined ? undefined : processOf(pid);
		};
		const seen = isObserved({ exe: request.parentExe, argv: request.parentArgv }, request.tool, grandparent);
		// `(ranlib x || true)` is an old custom; on an archive that was just made there is nothing for it to fail at.
		const harmless = plan.family === "ranlib" && (seen.reason === "alternative" || seen.reason === "unclear");
		return seen.observed && !harmless;
	}

	streams(request: ShimRequest): Streams {
		const [, out, error] = request.fds;
		return { stdout: this.#stream(request, out, this.#output), stderr: this.#stream(request, error, this.#error) };
	}

	/** How many commands the build starts at once; infinity where it sets no bound, or does not say. */
	parallelism(request: ShimRequest): number {
		return this.#ninja(request)?.parallelism ?? buildParallelism(request.env.get("MAKEFLAGS"));
	}

	isNinja(request: ShimRequest): boolean {
		return this.#ninja(request) !== undefined;
	}

	#stream(request: ShimRequest, fd: FdIdentity, own: string): Stream {
		if (!fd.open || fd.id === this.#nullDevice) return "discarded";
		if (fd.id === own) return "shown";
		// What a command prints ninja only passes on, both streams to its own output.
		const ninja = this.#ninja(request);
		if (ninja === undefined || !ninja.reads(fd)) return "read";
		if (ninja.output === this.#output) return "shown";
		return ninja.output === "closed" || ninja.output === this.#nullDevice ? "discarded" : "read";
	}

	#ninja(request: ShimRequest): Ninja | undefined {
		if (!this.#ninjas.has(request)) this.#ninjas.set(request, ninjaOf(request));
		return this.#ninjas.get(request);
	}
}

/** `make -i`: every recipe's status is looked at, shown and put aside. The first word holds the flags of one letter. */
export function ignoresErrors(makeflags: string | undefined): boolean {
	return /^[A-Za-z]*i[A-Za-z]*(?:\s|$)/.test(makeflags ?? "");
}

/** N of `-jN` in MAKEFLAGS; a bare -j is no bound; 1 without, and for builders that say nothing it is not known. */
function buildParallelism(makeflags: string | undefined): number {
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
