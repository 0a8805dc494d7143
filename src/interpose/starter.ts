import { statSync } from "node:fs";
import type { Case } from "./case.js";
import { absolute } from "./describe.js";
import type { ExecChange, ShimRequest } from "./protocol.js";
import { isScript, type ToolPaths } from "./tools.js";

/** How the tool that a command means is started. */
export class Starter {
	readonly #tools: ToolPaths;
	readonly #scripts = new Map<string, boolean>();

	constructor(tools: ToolPaths) {
		this.#tools = tools;
	}

	/** What the shim would do without a session. */
	plain(request: ShimRequest): ExecChange {
		const path = this.#tools.withoutWrappers(request.env.get("PATH") ?? "");
		const real = this.real(request, path) ?? request.tool;
		return {
			path: this.startedBy(request, real),
			argv: [this.calledAs(request, real), ...request.rawArgv.slice(1)],
			setenv: request.env.has("PATH") ? [`PATH=${path}`] : [],
			unsetenv: ["GG_SESSION"],
		};
	}

	/** The tool that is meant: exactly the one that was asked for by its path, unless a launcher stands there. */
	real(request: ShimRequest, path: string): string | undefined {
		const { asked, tool, cwd } = request;
		return asked !== "" && this.#tools.isReal(asked) ? asked : this.#tools.find(tool, path, cwd);
	}

	/** argv[0] as the caller has it; a wrapper's path gives way to the tool's. */
	calledAs(request: ShimRequest, real: string): string {
		const called = request.argv[0] ?? request.tool;
		return called.includes("/") && request.asked !== real ? real : called;
	}

	/** The path to start the tool by: a script's `$0` is as the caller has named it, not as it was found to be. */
	startedBy({ argv, cwd }: ShimRequest, real: string): string {
		const called = argv[0] ?? "";
		if (!called.includes("/") || called === real || !this.isScript(real)) return real;
		const named = statSync(absolute(cwd, called), { throwIfNoEntry: false });
		const meant = statSync(real, { throwIfNoEntry: false });
		return named !== undefined && named.ino === meant?.ino && named.dev === meant.dev ? called : real;
	}

	/** A script whose `$0` a thunk could not give it: only where it is called there is that link. */
	isNamedThroughLink({ plan, request, real }: Case): boolean {
		if (plan.family !== "generic") return false;
		const path = this.startedBy(request, real);
		return path !== real && absolute(request.cwd, path) !== real;
	}

	isScript(path: string): boolean {
		let known = this.#scripts.get(path);
		if (known === undefined) {
			known = isScript(path);
			this.#scripts.set(path, known);
		}
		return known;
	}
}
