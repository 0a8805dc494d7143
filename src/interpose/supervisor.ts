import { symlinkSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import type { Sink } from "../report/events.js";
import { errorCode } from "../util/files.js";
import type { SpawnRequest } from "../util/spawner.js";
import type { SupervisorMessage } from "./protocol.js";
import { toolWords } from "./tools.js";

export interface SupervisorOptions {
	/** The compiled gg-supervise. */
	readonly program: string;
	readonly shim: string;
	/** The session's, in which its socket is called `s`. */
	readonly folder: string;
	/** Goes first on PATH where programs cannot be caught by their paths. */
	readonly wrappers: string;
	/** The project. */
	readonly tree: string;
	/** Names of tools that the project describes itself. */
	readonly described: readonly string[];
	/** A placeholder may stand somewhere, so whoever opens one waits until it is real. */
	readonly reading: boolean;
	/** What is said where a placeholder may stand, and whoever reads it cannot be held. */
	readonly unheld: { readonly message: string; readonly hint: string };
	/** Makes the placeholder at this path real; false: it cannot be made. Never rejects. */
	readonly makeReal: (path: string) => Promise<boolean>;
	/** Catch by PATH only. */
	readonly off: boolean;
	readonly sink: Sink;
}

/** The build command under gg-supervise (wrappers/PROTOCOL.md), which catches tools by the paths that are really started. */
export class Supervisor {
	readonly #o: SupervisorOptions;
	#warned = false;
	#watching = false;

	constructor(options: SupervisorOptions) {
		this.#o = options;
	}

	/** Whoever reads a placeholder waits. */
	get holdsReaders(): boolean {
		return this.#watching && this.#o.reading;
	}

	/** How to start a build command; `path` is the user's PATH. */
	command(program: string, argv: readonly string[], env: readonly string[], path: string, cwd: string): SpawnRequest {
		const { folder, shim, wrappers, tree, reading, off } = this.#o;
		const common = { cwd, stdio: "foreground" } as const;
		if (off) {
			makeLauncher(folder, shim);
			this.#tellUnsupervised("GG_SUPERVISOR or GG_MODELPATH asks for that");
			return { ...common, path: program, argv, env: [...env, `PATH=${wrappers}:${path}`] };
		}
		const own = [
			"gg-supervise",
			folder,
			shim,
			wrappers,
			tree,
			toolWords(reading, this.#o.described),
			reading ? "opens" : "-",
			program,
		];
		return { ...common, path: this.#o.program, argv: [...own, ...argv], env: [...env, `PATH=${path}`] };
	}

	#tellUnsupervised(why: string): void {
		this.#o.sink({ kind: "unsupervised", why });
		if (!this.#o.reading) return;
		const { message, hint } = this.#o.unheld;
		this.#o.sink({ kind: "warning", failure: { reason: "unsupervised", message: `${message}: ${why}`, hint } });
	}

	hear(message: SupervisorMessage, answer: (errno: number) => void): void {
		if (message.kind === "read") {
			this.#o.makeReal(message.path).then((made) => answer(made ? 0 : constants.errno.EIO));
		} else if (message.kind === "supervisor") {
			this.#watching = message.refused === "";
			if (!this.#watching) this.#tellUnsupervised(`${message.refused} is refused here (${message.why})`);
		} else if (!this.#warned) {
			this.#warned = true;
			const text = `${message.path} could not be caught (${message.why}): gg keeps nothing of it`;
			const hint = "a debugger or tracer around the build, or a container without ptrace, is the usual cause";
			this.#o.sink({ kind: "warning", failure: { reason: "uncaught-compiler", message: text, hint } });
		}
	}
}

/** Where programs are caught on PATH only, the script gg-cc finds its native twin beside the session's socket. */
function makeLauncher(folder: string, shim: string): void {
	try {
		symlinkSync(shim, join(folder, "gg-cc"));
	} catch (error) {
		// The second run of a build.
		if (errorCode(error) !== "EEXIST") throw error;
	}
}
