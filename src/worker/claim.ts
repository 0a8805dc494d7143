import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { errorCode } from "../util/files.js";
import { UserError } from "../util/result.js";

/**
 * Makes this process the only worker of a folder, until it ends in whatever way: a worker that starts removes what it takes
 * for the rest of an earlier one. Answers how to give the folder back; throws a UserError when somebody else has it.
 */
export function claimFolder(folder: string): Promise<() => void> {
	// An abstract name: the kernel forgets it with the process.
	const name = `\0gg-worker-${createHash("sha256").update(folder).digest("hex")}`;
	const server = createServer((socket) => void socket.destroy());
	return new Promise((resolve, reject) => {
		server.once("error", (error) => {
			const taken = errorCode(error) === "EADDRINUSE";
			const message = `another gg worker is at work in ${folder}`;
			reject(taken ? new UserError({ reason: "claimed", message, hint: "give this one its own: --cache DIR" }) : error);
		});
		server.listen(name, () => {
			server.unref();
			resolve(() => void server.close());
		});
	});
}
