import { posix } from "node:path";
import { startPath } from "../../executor/start-path.js";
import { ACTION, COMMAND, type Digest, type Duration, type Platform } from "../../reapi/messages.js";
import type { ObjectHash } from "../../thunk/hash.js";
import type { Thunk } from "../../thunk/types.js";
import type { Blob } from "./blob.js";
import { digestOf } from "./merkle.js";
import { hasLocale, isRelocatable } from "./relocatable.js";

/** The runner's program in every input root. */
const RUNNER = "gg/runner";

/** A thunk as a server knows it. */
export interface RemoteAction {
	readonly digest: Digest;
	/** The Action and its Command, beside the input root. */
	readonly blobs: readonly Blob[];
}

export interface ActionSettings {
	readonly platform: readonly { readonly name: string; readonly value: string }[];
	/** Milliseconds, for thunks that name no limit; 0 is none. */
	readonly timeoutMs: number;
}

/** Where the thunk's output `i` is found after the action, relative to the input root. */
export function outputName(i: number): string {
	return `out/${i}`;
}

/** Where the files of a thunk's output folder are found. */
export const OUTPUT_FOLDER = "out/folder";

/** Where a thunk in the original's form finds the action's folder: HERE in gg-runner.c. */
const HERE = "/tmp/gg-thunk";

export interface NamedOutput {
	readonly tag: string;
	readonly path: string;
	readonly optional: boolean;
}

/** A thunk in the original's form writes to its own folder, by the outputs' names. */
export function outputsOf(thunk: Thunk): readonly NamedOutput[] {
	if (thunk.cwd !== "") return thunk.outputPaths;
	return thunk.outputs.map((tag) => ({ tag, path: `${HERE}/work/${tag}`, optional: false }));
}

/**
 * The Action of a thunk whose inputs are `root`. The runner is given all by arguments, the environment too: what a worker
 * adds to that does not reach the command. Both forms of outputs and of the platform are there, for servers old and new.
 */
export function makeAction(hash: ObjectHash, thunk: Thunk, root: Digest, settings: ActionSettings): RemoteAction {
	const outputs = outputsOf(thunk)
		.map((_, i) => outputName(i))
		.sort();
	const folders = thunk.outputDir === "" ? [] : [OUTPUT_FOLDER];
	const platform: { platform?: Platform } =
		settings.platform.length > 0 ? { platform: { properties: settings.platform } } : {};
	const command = COMMAND.encode({
		arguments: [RUNNER, ...(thunk.cwd === "" ? classicArguments(hash, thunk) : runnerArguments(thunk))],
		outputFiles: outputs,
		...(folders.length > 0 ? { outputDirectories: folders } : {}),
		outputPaths: [...outputs, ...folders],
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
	// What is relocated is started below another root.
	const relocatable = isRelocatable(thunk);
	const program = relocatable ? thunk.executables[0]!.name : startPath(thunk);
	const args = ["--way", "namespace", "--cwd", thunk.cwd, "--exec", program];
	args.push("--umask", thunk.umask.toString(8));
	for (const line of environmentOf(thunk)) args.push("--env", line);
	for (const { path } of thunk.outputPaths) args.push("--out", posix.normalize(path));
	for (const path of thunk.inout) args.push("--inout", path);
	if (relocatable) args.push("--relocate", ...(hasLocale(thunk) ? ["--silent"] : []));
	return [...args, "--", ...thunk.args];
}

const PLACEHOLDER = /@\{GGHASH:([A-Za-z0-9_.]+)(?:#[^/}]+)?\}/g;

/** The function in the folder `work`, with all that the thunk names in `blobs`. */
function classicArguments(hash: ObjectHash, thunk: Thunk): string[] {
	const resolve = (text: string): string => text.replace(PLACEHOLDER, (_, of: string) => `${HERE}/blobs/${of}`);
	const args = ["--way", "classic", "--cwd", `${HERE}/work`, "--exec", `${HERE}/blobs/${thunk.functionHash}`];
	args.push("--umask", thunk.umask.toString(8));
	for (const line of thunk.envars) args.push("--env", resolve(line));
	args.push("--env", `__GG_THUNK_PATH__=${HERE}/blobs/${hash}`);
	args.push("--env", `__GG_DIR__=${HERE}/blobs`, "--env", "__GG_ENABLED__=1");
	for (const { path } of outputsOf(thunk)) args.push("--out", path);
	if (thunk.outputDir !== "") args.push("--out-folder", `${HERE}/work/${thunk.outputDir}`);
	return [...args, "--", ...thunk.args.map(resolve)];
}

/** Where a link of a thunk in the original's form leads. */
export function blobPath(hash: ObjectHash): string {
	return `${HERE}/blobs/${hash}`;
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
