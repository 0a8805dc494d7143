import { err, type Failure, ok, type Result } from "../util/result.js";

export interface S3Place {
	readonly bucket: string;
	/** Before each key; ends in `/` unless empty. */
	readonly prefix: string;
	/** Empty: as the environment or the profile says. */
	readonly region: string;
	/** Of a service that is not Amazon's; empty for Amazon's own. */
	readonly endpoint: string;
	/** Undefined: found by the SDK (environment, profile, single sign-on, the machine's role). */
	readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

export const S3_FORM = "s3://[KEY:SECRET@]BUCKET[/PREFIX]/?region=REGION[&endpoint=URL]";

/** Reads a URI of the original's form, with a prefix and an endpoint beyond it. Messages never repeat a secret. */
export function parseS3(uri: string): Result<S3Place, Failure<"bad-storage-uri">> {
	const bad = (message: string) => err({ reason: "bad-storage-uri" as const, message, hint: `the form is ${S3_FORM}` });
	let url: URL;
	try {
		url = new URL(uri);
	} catch {
		return bad("the URI of the S3 bucket cannot be read: a / or @ in a key or secret is written %2F or %40");
	}
	const bucket = url.hostname;
	if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return bad(`"${bucket}" is no name of a bucket`);
	const unknown = [...url.searchParams.keys()].find((name) => name !== "region" && name !== "endpoint");
	if (unknown !== undefined) return bad(`an S3 bucket has no setting "${unknown}"`);
	const endpoint = url.searchParams.get("endpoint") ?? "";
	if (endpoint !== "" && !/^https?:\/\/[^/@\s]+\/?$/.test(endpoint)) return bad(`the endpoint is no URL of a server`);
	if ((url.username === "") !== (url.password === "")) return bad("of key and secret only one is given");
	const words = url.pathname.split("/").filter((word) => word !== "");
	try {
		return ok({
			bucket,
			prefix: words.map((word) => `${decodeURIComponent(word)}/`).join(""),
			region: url.searchParams.get("region") ?? "",
			endpoint,
			credentials:
				url.username === ""
					? undefined
					: { accessKeyId: decodeURIComponent(url.username), secretAccessKey: decodeURIComponent(url.password) },
		});
	} catch {
		return bad("a % in the URI is not followed by two hexadecimal digits");
	}
}
