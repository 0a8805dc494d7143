import { fileURLToPath } from "node:url";
import { err, type Failure, ok, type Result } from "../util/result.js";
import { folderStorage } from "./folder.js";
import { parseRedis, REDIS_FORM } from "./redis-uri.js";
import { parseS3, S3_FORM } from "./s3-uri.js";
import type { Storage } from "./types.js";

export type StorageFailure = Failure<"no-storage-uri" | "no-such-storage" | "bad-storage-uri">;

/** For a hint. */
export const STORAGE_FORMS = `file:///FOLDER, a folder that all machines see; ${S3_FORM}; ${REDIS_FORM}`;

/** The storage backend that GG_STORAGE_URI names. Rejects with a UserError where it cannot be reached. */
export async function openStorage(env: NodeJS.ProcessEnv): Promise<Result<Storage, StorageFailure>> {
	const uri = env["GG_STORAGE_URI"] ?? "";
	if (uri !== "") return openStorageAt(uri, "GG_STORAGE_URI");
	return err({
		reason: "no-storage-uri",
		message: "GG_STORAGE_URI is not set, so there is no storage backend",
		hint: `set it to ${STORAGE_FORMS}`,
	});
}

/** The storage backend at a URI; `name` is how the user gave it. */
export async function openStorageAt(uri: string, name: string): Promise<Result<Storage, StorageFailure>> {
	const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(uri)?.[1]?.toLowerCase() ?? "";
	switch (scheme) {
		case "s3": {
			const place = parseS3(uri);
			return place.ok ? ok((await import("./s3.js")).s3Storage(place.value)) : place;
		}
		case "redis":
		case "rediss": {
			const place = parseRedis(uri);
			return place.ok ? ok(await (await import("./redis.js")).redisStorage(place.value)) : place;
		}
		case "file":
			try {
				return ok(folderStorage(fileURLToPath(uri)));
			} catch {
				break; // It names a host.
			}
		default:
	}
	// The URI itself may hold a password and is not repeated.
	const what = scheme === "" ? `${name} is not a URI` : `${name} names a backend that gg cannot use (${scheme}:)`;
	return err({ reason: "no-such-storage", message: what, hint: `what exists: ${STORAGE_FORMS}` });
}

/** How a backend is called where people read it: without user, password and settings. Empty for what is no URI. */
export function storageName(uri: string): string {
	if (!URL.canParse(uri)) return "";
	const url = new URL(uri);
	return `${url.protocol}//${url.host}${url.pathname}`;
}
