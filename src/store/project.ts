import { accessSync, constants, existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { getSystemErrorMap } from "node:util";
import { errorCode, makeFolders, writeFileAtomic } from "../util/files.js";
import { err, type Failure, ok, type Result } from "../util/result.js";

/** The `.gg` folder: where it is, which version it has. */
export type ProjectFailure = Failure<"no-project" | "relative-gg-dir" | "project-version" | "project-unreadable">;

const VERSION = "1";
const FOLDER = ".gg";

/** GG_DIR (absolute; made if missing), else the nearest `.gg` upwards from `cwd`. */
export function findProject(cwd: string, env: NodeJS.ProcessEnv): Result<string, ProjectFailure> {
	const named = env["GG_DIR"];
	if (named !== undefined && named !== "") {
		if (!named.startsWith("/")) {
			return err({
				reason: "relative-gg-dir",
				message: `GG_DIR is ${JSON.stringify(named)}, which is not an absolute path`,
				hint: "set GG_DIR to an absolute path, or unset it",
			});
		}
		return openProject(named);
	}
	for (let at = cwd; ; at = dirname(at)) {
		const candidate = join(at, FOLDER);
		if (existsSync(candidate)) return openProject(candidate);
		if (at === dirname(at)) break;
	}
	return err({
		reason: "no-project",
		message: `no .gg folder in ${cwd} or any folder above it`,
		hint: "run `gg init` in the folder where the build starts, or `gg build COMMAND` which does so by itself",
	});
}

/** Makes the folder if need be and checks that it is ours to use. */
export function openProject(path: string): Result<string, ProjectFailure> {
	const versionFile = join(path, "version");
	try {
		if (!existsSync(versionFile)) {
			makeFolder(path);
			for (const folder of ["blobs", "reductions", "depcache", "tmp"]) makeFolders(join(path, folder));
			// Keeps the folder out of `git status` without a line in the user's own .gitignore.
			if (!existsSync(join(path, ".gitignore"))) writeFileAtomic(join(path, ".gitignore"), "*\n");
			writeFileAtomic(versionFile, `${VERSION}\n`);
		} else {
			const version = readFileSync(versionFile, "utf8").trim();
			if (version !== VERSION) {
				return err({
					reason: "project-version",
					message: `${path} was made by another version of gg (its format is ${JSON.stringify(version.slice(0, 20))}, this gg reads ${VERSION})`,
					hint: `use that version, or remove the folder to start anew: rm -rf ${path}`,
				});
			}
		}
		accessSync(path, constants.R_OK | constants.X_OK);
		accessSync(join(path, "blobs"), constants.R_OK | constants.X_OK);
		return ok(realpathSync(path));
	} catch (error) {
		return err({
			reason: "project-unreadable",
			message: `cannot use ${path}: ${describeErrno(error)}`,
			hint: "check its owner and permissions, or name another folder with GG_DIR",
		});
	}
}

/** Not by `recursive` at once: on a read-only file system that says ENOENT, and for a file in its place EEXIST. */
function makeFolder(path: string): void {
	try {
		mkdirSync(path);
	} catch (error) {
		if (errorCode(error) === "ENOENT") makeFolders(path);
		else if (errorCode(error) !== "EEXIST") throw error;
	}
}

/** The words for an errno of the system, given as a positive number. */
export function describeErrnoNumber(errno: number): string {
	const [code, text] = getSystemErrorMap().get(-errno) ?? ["", `errno ${errno}`];
	return describeErrno(Object.assign(new Error(text), { code }));
}

export function describeErrno(error: unknown): string {
	switch (errorCode(error)) {
		case "EACCES":
		case "EPERM":
			return "permission denied";
		case "EROFS":
			return "the file system is read-only";
		case "ENOSPC":
			return "the disk is full";
		case "EDQUOT":
			return "the disk quota is used up";
		case "ENOENT":
			return "it does not exist";
		case "EISDIR":
			return "it is a folder";
		case "ENOTDIR":
			return "part of the path is not a folder";
		case "ELOOP":
			return "a loop of symbolic links";
		default:
			return error instanceof Error ? error.message : String(error);
	}
}
