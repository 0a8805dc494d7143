import { fileURLToPath } from "node:url";
import { err, type Failure, ok, type Result } from "../util/result.js";
import { folderStorage } from "./folder.js";
import type { Storage } from "./types.js";

export type StorageFailure = Failure<"no-storage-uri" | "no-such-storage">;

const EXISTING = "file:///FOLDER, a folder that all machines see";

/** The storage backend that GG_STORAGE_URI names. */
export function openStorage(env: NodeJS.ProcessEnv): Result<Storage, StorageFailure> {
	const uri = env["GG_STORAGE_URI"] ?? "";
	if (uri === "") {
		return err({
			reason: "no-storage-uri",
			message: "GG_STORAGE_URI is not set, so there is no storage backend",
			hint: `set it to ${EXISTING}`,
		});
	}
	let scheme = "";
	try {
		const url = new URL(uri);
		scheme = url.protocol.slice(0, -1);
		if (scheme === "file") return ok(folderStorage(fileURLToPath(url)));
	} catch {
		// Not a URI, or a file URI with a host: said below.
	}
	// The URI itself may hold a password and is not repeated.
	const what =
		scheme === "" ? "GG_STORAGE_URI is not a URI" : `GG_STORAGE_URI names a backend that gg cannot use (${scheme}:)`;
	return err({ reason: "no-such-storage", message: what, hint: `what exists: ${EXISTING}` });
}
