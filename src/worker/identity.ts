import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, writeFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { makeFolders } from "../util/files.js";
import { UserError } from "../util/result.js";

export interface Identity {
	readonly cert: string;
	readonly key: string;
	readonly tokenFile: string;
}

/** Makes a certificate for this machine's names and a token, each in a file of the user's own. */
export function makeIdentity(folder: string): Identity {
	const identity = { cert: join(folder, "cert.pem"), key: join(folder, "key.pem"), tokenFile: join(folder, "token") };
	makeFolders(folder, 0o700);
	const names = ["DNS:localhost", `DNS:${hostname()}`];
	for (const addresses of Object.values(networkInterfaces()))
		for (const { address } of addresses ?? []) if (!address.includes("%")) names.push(`IP:${address}`);
	const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "825"];
	args.push("-subj", `/CN=gg worker ${hostname()}`, "-addext", `subjectAltName=${[...new Set(names)].join(",")}`);
	const { status, stderr, error } = spawnSync("openssl", [...args, "-keyout", identity.key, "-out", identity.cert], {
		encoding: "utf8",
	});
	if (error !== undefined || status !== 0) {
		throw new UserError({
			reason: "no-openssl",
			message:
				error === undefined
					? `openssl cannot make a certificate: ${stderr.trim().split("\n").at(-1)}`
					: "openssl is needed to make a certificate",
			hint: "install openssl, or bring your own: --cert FILE --key FILE --token-file FILE",
		});
	}
	chmodSync(identity.key, 0o600);
	writeFileSync(identity.tokenFile, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600 });
	return identity;
}
