import { type Dirent, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats } from "node:fs";
import { join, posix, relative } from "node:path";
import { CODE, RemoteError } from "../reapi/errors.js";
import {
	type ActionResult,
	type Command,
	DIRECTORY,
	type Digest,
	type Directory,
	type OutputDirectory,
	type OutputFile,
	type OutputSymlink,
	TREE,
} from "../reapi/messages.js";
import { errorCode } from "../util/files.js";
import type { Disk, Pins } from "./disk.js";
import { isInsidePath, staysInside } from "./inputs.js";

export interface Limits {
	/** Bytes of one output file. */
	readonly outputBytes: number;
}

export interface OutputOptions {
	readonly disk: Disk;
	/** One output's room is not to be made by another's end. */
	readonly pins: Pins;
	readonly limits: Limits;
}

type Outputs = Pick<ActionResult, "outputFiles" | "outputSymlinks"> & { outputDirectories: readonly OutputDirectory[] };

/** The names that a command says it writes; throws for one that leaves the working directory. */
export function outputPaths(command: Command): { path: string; kind: "file" | "folder" | "any" }[] {
	const named: { path: string; kind: "file" | "folder" | "any" }[] =
		(command.outputPaths ?? []).length > 0
			? command.outputPaths!.map((path) => ({ path, kind: "any" }))
			: [
					...(command.outputFiles ?? []).map((path) => ({ path, kind: "file" as const })),
					...(command.outputDirectories ?? []).map((path) => ({ path, kind: "folder" as const })),
				];
	for (const { path } of named) {
		if (!isInsidePath(path))
			throw new RemoteError(CODE.INVALID_ARGUMENT, `the output ${JSON.stringify(path.slice(0, 200))} is not allowed`);
	}
	return named;
}

/** Keeps what a command has written, and pins it. Nothing outside `root` is read, whatever links the command has made. */
export function collectOutputs(
	{ disk, pins, limits }: OutputOptions,
	root: string,
	cwd: string,
	command: Command,
): Outputs {
	const add = (bytes: Buffer): Digest => disk.add(bytes, pins);
	const outputFiles: OutputFile[] = [];
	const outputSymlinks: OutputSymlink[] = [];
	const outputDirectories: OutputDirectory[] = [];
	for (const { path, kind } of outputPaths(command)) {
		const file = join(cwd, path);
		const s = lookInside(root, file);
		if (s === undefined) continue;
		if (s.isSymbolicLink()) {
			const target = readlinkSync(file);
			if (!staysInside(relative(root, join(file, "..")), target)) throw escaping(path);
			outputSymlinks.push({ path, target });
		} else if (s.isDirectory() && kind !== "file") {
			outputDirectories.push({ path, treeDigest: add(TREE.encode(treeOf(add, root, file, limits))) });
		} else if (s.isFile() && kind !== "folder") {
			outputFiles.push({ path, digest: add(readOutput(file, s, limits)), ...executable(s) });
		}
	}
	return { outputFiles, outputSymlinks, outputDirectories };
}

function executable(s: Stats): { isExecutable?: true } {
	return (s.mode & 0o100) === 0 ? {} : { isExecutable: true };
}

function readOutput(file: string, s: Stats, limits: Limits): Buffer {
	if (s.size > limits.outputBytes)
		throw new RemoteError(CODE.OUT_OF_RANGE, `an output has ${s.size} bytes; this worker takes ${limits.outputBytes}`);
	return readFileSync(file);
}

/** Undefined when it is not there; throws when a link among its folders leads out. */
function lookInside(root: string, file: string): Stats | undefined {
	try {
		const folder = realpathSync(join(file, ".."));
		if (folder !== root && !folder.startsWith(`${root}/`)) throw escaping(relative(root, file));
		return lstatSync(file, { throwIfNoEntry: false });
	} catch (error) {
		const code = errorCode(error);
		if (code === "ENOENT" || code === "ENOTDIR") return undefined;
		throw error;
	}
}

function treeOf(
	add: (bytes: Buffer) => Digest,
	root: string,
	folder: string,
	limits: Limits,
): { root: Directory; children: Directory[] } {
	const children: Directory[] = [];
	const walk = (at: string): Directory => {
		const entries = readdirSync(at, { withFileTypes: true }).sort(byName);
		const directory = {
			files: entries
				.filter((e) => e.isFile())
				.map((e) => {
					const s = lstatSync(join(at, e.name));
					return { name: e.name, digest: add(readOutput(join(at, e.name), s, limits)), ...executable(s) };
				}),
			directories: entries
				.filter((e) => e.isDirectory())
				.map((e) => {
					const child = walk(join(at, e.name));
					children.push(child);
					return { name: e.name, digest: add(DIRECTORY.encode(child)) };
				}),
			symlinks: entries
				.filter((e) => e.isSymbolicLink())
				.map((e) => {
					const target = readlinkSync(join(at, e.name));
					if (!staysInside(relative(root, at), target)) throw escaping(posix.join(relative(root, at), e.name));
					return { name: e.name, target };
				}),
		};
		return directory;
	};
	return { root: walk(folder), children };
}

function byName(a: Dirent, b: Dirent): number {
	return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

function escaping(path: string): RemoteError {
	return new RemoteError(CODE.INVALID_ARGUMENT, `the output ${path} leads out of the action's folder`);
}
