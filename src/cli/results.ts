import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { storageResults } from "../engines/results.js";
import type { Access, ResultStore } from "../engines/stored.js";
import { openStorageAt, storageName } from "../storage/open.js";
import { UserError } from "../util/result.js";
import { defaultAccess } from "./access.js";
import { give } from "./project.js";
import type { RemoteParts } from "./remote.js";

const SERVER = "reapi=";

/** The store that `--store` names; undefined, and said, where it cannot be reached. */
export async function openResults(text: string, parts: RemoteParts): Promise<ResultStore | undefined> {
	if (text.startsWith(SERVER)) return (await import("./remote.js")).openStore(text.slice(SERVER.length), parts);
	const { uri, access } = takeAccess(text);
	try {
		const storage = give(await openStorageAt(uri, "--store"));
		const told = new Set<string>();
		return storageResults({
			storage,
			objects: parts.store.objects,
			access: access ?? defaultAccess(parts.env),
			...keys(parts.env),
			name: storageName(uri),
			troubled({ message, hint }) {
				if (told.has(message)) return;
				told.add(message);
				parts.say(`the store is left alone for a while: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`);
			},
		});
	} catch (error) {
		if (!(error instanceof UserError) || error.failure.reason !== "storage") throw error;
		const { message, hint } = error.failure;
		parts.say(`no store is used: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`);
		return undefined;
	}
}

/** Takes `access=` out of the settings: it is not the backend's. */
export function takeAccess(text: string): { readonly uri: string; readonly access: Access | undefined } {
	const match = /([?&])access=([^&#]*)(&?)/.exec(text);
	if (match === null) return { uri: text, access: undefined };
	const [whole, before, access, after] = match;
	if (access !== "read-only" && access !== "read-write")
		throw new UserError({
			reason: "bad-storage-uri",
			message: `access=${access} is neither read-only nor read-write`,
		});
	const uri = text.slice(0, match.index) + (after === "" ? "" : before) + text.slice(match.index + whole.length);
	return { uri, access };
}

/** Who signs can also check what others of the same key have signed. */
function keys(env: NodeJS.ProcessEnv): { signs?: KeyObject; verifies?: KeyObject } {
	const signs = key("GG_STORE_SIGN_KEY", createPrivateKey, env);
	const verifies = key("GG_STORE_VERIFY_KEY", createPublicKey, env) ?? (signs && createPublicKey(signs));
	return { ...(signs === undefined ? {} : { signs }), ...(verifies === undefined ? {} : { verifies }) };
}

function key(name: string, read: (pem: Buffer) => KeyObject, env: NodeJS.ProcessEnv): KeyObject | undefined {
	const path = env[name] ?? "";
	if (path === "") return undefined;
	let found: KeyObject | undefined;
	try {
		found = read(readFileSync(path));
	} catch {
		// Said below, without a word of what is in it.
	}
	if (found?.asymmetricKeyType === "ed25519") return found;
	throw new UserError({
		reason: "bad-key",
		message: `${name} names ${path}, which holds no Ed25519 key in PEM form`,
		hint: "openssl genpkey -algorithm ed25519 makes one; openssl pkey -pubout its public half",
	});
}
