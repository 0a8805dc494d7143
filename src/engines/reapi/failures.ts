import type { ExecutionFailure } from "../../executor/types.js";
import { CODE, nameOfCode, RemoteError } from "../../reapi/errors.js";
import { UserError } from "../../util/result.js";
import { BlobGone } from "../action/blob.js";
import { Collision } from "../action/merkle.js";
import { TreeMissing } from "../action/roots.js";
import { connectionProblem } from "./connection.js";
import type { Endpoint } from "./endpoint.js";

/** What a user is told: the server, its status and message, and what to do. Throws what is no failure of a server's. */
export function failureOf(endpoint: Endpoint, error: unknown): ExecutionFailure {
	if (error instanceof RemoteError) {
		const unconnected = error.code === CODE.UNAVAILABLE && UNCONNECTED.test(error.message);
		const problem = unconnected ? connectionProblem(error.message, endpoint.tls !== undefined) : undefined;
		if (problem !== undefined)
			return { reason: "remote", message: `${endpoint.target}: ${problem.message}`, hint: problem.hint };
		const call = error.method === "" ? "" : ` (${error.method.slice(error.method.lastIndexOf("/") + 1)})`;
		const said = wordsOf(error);
		return {
			reason: "remote",
			message: `${endpoint.target}: ${nameOfCode(error.code)}: ${said}${call}`,
			...hintOf(error),
		};
	}
	if (error instanceof BlobGone || error instanceof TreeMissing) {
		return { reason: "input-changed", message: error.message, hint: "infer the build again: gg infer make" };
	}
	// Certificates and tokens may go while gg is at work.
	if (error instanceof UserError) return { ...error.failure, reason: "remote" };
	if (error instanceof Collision)
		return {
			reason: "remote",
			message: `${error.message} is a file and a folder at once, which no input root can hold`,
		};
	throw error;
}

/** How grpc-js begins where there is no connection at all. */
const UNCONNECTED = /^(?:No connection established|Name resolution failed)/;
const LONGEST = 500;

/** What the server said, fit for a terminal; what is grpc-js's own is said in our words. */
function wordsOf({ code, message }: RemoteError): string {
	const overdue = code === CODE.DEADLINE_EXCEEDED ? /^Deadline exceeded after ([\d.]+)s/.exec(message) : null;
	if (overdue !== null) return `no answer within ${Math.max(1, Math.round(Number(overdue[1])))} s`;
	const plain = message.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
	return plain.length > LONGEST ? `${plain.slice(0, LONGEST)} …` : plain;
}

function hintOf(error: RemoteError): { readonly hint?: string } {
	switch (error.code) {
		case CODE.UNAUTHENTICATED:
			return {
				hint: "name a file with a valid token: token-file=FILE in the endpoint, GG_REAPI_TOKEN_FILE, or GG_REAPI_TOKEN",
			};
		case CODE.PERMISSION_DENIED:
			return { hint: "the token is known and may not do this: ask for one that may execute" };
		case CODE.FAILED_PRECONDITION:
			if (error.missing.length === 0) return {};
			return { hint: "it loses what it is sent: give its cache more room (gg worker --max-cache SIZE)" };
		case CODE.UNAVAILABLE:
			return {
				hint: "check that the server is up, and that its address, grpc:// or grpcs://, and certificate are right",
			};
		case CODE.DEADLINE_EXCEEDED:
			return {
				hint: "the server, or the way to it, is stuck or too slow: look at it, or give it longer (deadline=SECONDS)",
			};
		default:
			return {};
	}
}

/** The reason that is given where nobody answers. */
export const UNREACHABLE = "unreachable-server";

/** For a server that does not even say what it can do. */
export function unreachable(endpoint: Endpoint, error: RemoteError) {
	const failure = failureOf(endpoint, error);
	// An answer in another language may look like a message of any length.
	if (error.code === CODE.UNIMPLEMENTED || /^Received message larger than max/.test(error.message))
		return {
			reason: "unusable-server",
			message: `the server ${endpoint.target} is no server of the Remote Execution API`,
		};
	const unreached = error.code === CODE.UNAVAILABLE || error.code === CODE.DEADLINE_EXCEEDED;
	return {
		...failure,
		...(unreached ? { reason: UNREACHABLE } : {}),
		message: `cannot use the server ${failure.message}`,
	};
}
