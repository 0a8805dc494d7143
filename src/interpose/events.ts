import type { CommandEvent } from "../report/events.js";
import type { Case } from "./case.js";
import { absolute } from "./describe.js";
import type { ShimRequest } from "./protocol.js";

/** What of an event the command itself says. */
function eventOf({
	request,
	plan,
	argv,
}: Case): Pick<CommandEvent, "kind" | "tool" | "argv" | "cwd" | "outputs" | "description"> {
	const outputs = plan.outputs.map((o) => absolute(request.cwd, o.path));
	const described = plan.description === undefined ? {} : { description: plan.description };
	return { kind: "command", tool: request.tool, argv, cwd: request.cwd, outputs, ...described };
}

/** What became of a command that has a model. */
export function commandEvent(
	c: Case,
	how: CommandEvent["how"],
	more: Partial<Pick<CommandEvent, "reason" | "detail" | "thunk" | "status">>,
): CommandEvent {
	const ms = performance.now() - c.started;
	return { ...eventOf(c), how, reason: "", detail: "", thunk: "", status: 0, ms, ...more };
}

/** A command that ran here without a thunk. `started`: by performance.now(). */
export function localEvent(request: ShimRequest, started: number, reason: string, detail: string): CommandEvent {
	const { tool, argv, cwd } = request;
	const ms = performance.now() - started;
	const outputs = namedOutput(request);
	return { kind: "command", tool, argv, cwd, outputs, how: "local", reason, detail, thunk: "", status: 0, ms };
}

/** What a command without a model says that it writes: enough for `gg explain` to find it. */
function namedOutput(request: ShimRequest): string[] {
	const flag = request.argv.lastIndexOf("-o");
	const path = flag < 0 ? undefined : request.argv[flag + 1];
	return path === undefined ? [] : [absolute(request.cwd, path)];
}
