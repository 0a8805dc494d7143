import { posix } from "node:path";
import { ACTION, COMMAND, type Digest, type Duration, type Platform } from "../../reapi/messages.js";
import type { Thunk } from "../../thunk/types.js";
import type { Blob } from "./cas.js";
import type { Endpoint } from "./endpoint.js";
import { digestOf } from "./merkle.js";
import { RUNNER } from "./roots.js";

/** A thunk as a server knows it. */
export interface RemoteAction {
	readonly digest: Digest;
	/** The Action and its Command, beside the input root. */
	readonly blobs: readonly Blob[];
}

export interface ActionSettings {
	readonly platform: Endpoint["platform"];
	/** Milliseconds, for thunks that name no limit; 0 is none. */
	readonly timeoutMs: number;
}

/** Where the thunk's output `i` is found after the action, relative to the input root. */
export function outputName(i: number): string {
	return `out/${i}`;
}

/**
 * The Action of a thunk whose inputs are `root`. The runner is given all by arguments, the environment too: what a worker
 * adds to that does not reach the command. Both forms of outputs and of the platform are there, for servers old and new.
 */
export function makeAction(thunk: Thunk, root: Digest, settings: ActionSettings): RemoteAction {
	const outputs = thunk.outputPaths.map((_, i) => outputName(i)).sort();
	const platform: { platform?: Platform } =
		settings.platform.length > 0 ? { platform: { properties: settings.platform } } : {};
	const command = COMMAND.encode({
		arguments: [RUNNER, ...runnerArguments(thunk)],
		outputFiles: outputs,
		outputPaths: outputs,
		...platform,
	});
	const commandDigest = digestOf(command);
	const limit = thunk.timeout > 0 ? thunk.timeout : settings.timeoutMs;
	const action = ACTION.encode({
		commandDigest,
		inputRootDigest: root,
		...(limit > 0 ? { timeout: duration(limit) } : {}),
		...platform,
	});
	const digest = digestOf(action);
	return {
		digest,
		blobs: [
			{ digest, read: () => action },
			{ digest: commandDigest, read: () => command },
		],
	};
}

function runnerArguments(thunk: Thunk): string[] {
	const args = ["--way", "namespace", "--cwd", thunk.cwd, "--exec", thunk.executables[0]!.name];
	args.push("--umask", thunk.umask.toString(8));
	for (const line of environmentOf(thunk)) args.push("--env", line);
	for (const { path } of thunk.outputPaths) args.push("--out", posix.normalize(path));
	for (const path of thunk.inout) args.push("--inout", path);
	return [...args, "--", ...thunk.args];
}

function environmentOf(thunk: Thunk): string[] {
	return [...thunk.envars, "HOME=/", "TMPDIR=/tmp"];
}

function duration(ms: number): Duration {
	return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

/** All that a server must have before it is asked to run the action. */
export function allBlobs(action: RemoteAction, inputs: readonly Blob[]): Blob[] {
	return [...action.blobs, ...inputs];
}
