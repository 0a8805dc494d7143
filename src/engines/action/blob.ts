import { hash as hashOf } from "node:crypto";
import { CODE, RemoteError } from "../../reapi/errors.js";
import type { Digest } from "../../reapi/messages.js";

/** Something to be sent, read only when the server lacks it. */
export interface Blob {
	readonly digest: Digest;
	/** Of the toolchain, or gg's own: what many thunks have in common. */
	readonly isShared?: boolean;
	/** Undefined when it is no longer what the digest says. */
	read(): Buffer | undefined;
}

/** A blob that was to be sent is gone or has changed. */
export class BlobGone extends Error {
	readonly digest: Digest;
	constructor(digest: Digest) {
		super(`an input (sha256 ${digest.hash}) has changed or is gone`);
		this.digest = digest;
	}
}

/** Throws for one that can no longer be read. */
export function bytesOf(blob: Blob): Buffer {
	const data = blob.read();
	if (data === undefined) throw new BlobGone(blob.digest);
	return data;
}

/** Takes bytes as they come; with a promise, which never rejects, whoever brings them is to wait. */
export type Take = (bytes: Buffer) => Promise<void> | undefined;

/** Where outputs are fetched from. */
export interface Outputs {
	/** The bytes, checked against the digest; `given` are those that an answer held already. */
	fetch(digest: Digest, given?: Buffer): Promise<Buffer>;
	/** Hands them on in order, as they come; resolves when they were all there, and those of the digest. */
	stream?(digest: Digest, take: Take): Promise<void>;
}

/** Throws for bytes that are not those of the digest. */
export function check(data: Buffer, digest: Digest): Buffer {
	if (data.length === digest.sizeBytes && hashOf("sha256", data, "hex") === digest.hash) return data;
	throw lied(digest);
}

/** What is said of whoever sends them. */
export function lied(digest: Digest): RemoteError {
	return new RemoteError(CODE.DATA_LOSS, `the server sent other bytes than those of sha256 ${digest.hash}`);
}
