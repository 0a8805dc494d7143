import { createServer, type Server, type Socket } from "node:net";
import { FrameSplitter } from "../util/wire.js";
import {
	decodeMessage,
	encodeReadReply,
	encodeReply,
	type PlacedFile,
	type RanReport,
	type ShimReply,
	type ShimRequest,
	type SupervisorMessage,
} from "./protocol.js";

/** One command that waits for its answer. */
export interface ShimConnection {
	readonly request: ShimRequest;
	/** Sends the last answer. */
	finish(reply: ShimReply): void;
	/** Has the shim write files and end well; false if it could not, and waits for another answer. */
	place(files: readonly PlacedFile[]): Promise<boolean>;
	/** Has the shim run the command, and waits; undefined when the shim vanished meanwhile. */
	run(reply: ShimReply & { kind: "run" }): Promise<RanReport | undefined>;
}

export interface ShimServer {
	/** Stops listening and resolves when every open connection has ended. */
	close(): Promise<void>;
}

/** Commands with response files aside, no frame of a real command comes near this. */
const FRAME_LIMIT = 256 << 20;

export interface ShimHandlers {
	/** Must answer each connection once. */
	onCommand(connection: ShimConnection): void;
	/** `answer` is for `read`: 0, or the errno that the program gets. */
	onSupervisor(message: SupervisorMessage, answer: (errno: number) => void): void;
}

/** Listens on a Unix socket; its folder must be private to the user. */
export function listenForShims(socketPath: string, handlers: ShimHandlers): Promise<ShimServer> {
	const open = new Set<Socket>();
	const server: Server = createServer((socket) => {
		open.add(socket);
		socket.on("close", () => open.delete(socket));
		serve(socket, handlers);
	});
	return new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen({ path: socketPath, backlog: 4096 }, () => {
			server.off("error", reject);
			resolve({
				close: () =>
					new Promise((done) => {
						server.close(() => done());
						for (const socket of open) socket.destroy();
					}),
			});
		});
	});
}

function serve(socket: Socket, handlers: ShimHandlers): void {
	const splitter = new FrameSplitter(FRAME_LIMIT);
	let onRan: ((report: RanReport | undefined) => void) | undefined;
	let onPlaced: ((placed: boolean) => void) | undefined;
	socket.on("error", () => socket.destroy());
	socket.on("close", () => {
		onRan?.(undefined);
		onPlaced?.(true);
	});
	socket.on("data", (chunk: Buffer) => {
		try {
			for (const payload of splitter.push(chunk)) {
				const message = decodeMessage(payload);
				if (message.kind === "ran") {
					const resolve = onRan;
					onRan = undefined;
					resolve?.(message.report);
				} else if (message.kind === "not-placed") {
					const resolve = onPlaced;
					onPlaced = undefined;
					resolve?.(false);
				} else if (message.kind === "ping") {
					socket.write(encodeReadReply(0, 0));
				} else if (message.kind !== "command") {
					handlers.onSupervisor(message, (errno) => {
						if (message.kind === "read" && !socket.destroyed) socket.write(encodeReadReply(message.ticket, errno));
					});
				} else {
					handlers.onCommand({
						request: message.request,
						finish: (reply) => void socket.end(encodeReply(reply)),
						place: (files) =>
							new Promise((resolve) => {
								if (socket.destroyed) return resolve(true);
								onPlaced = resolve;
								socket.write(encodeReply({ kind: "place", files }));
							}),
						run: (reply) =>
							new Promise((resolve) => {
								if (socket.destroyed) return resolve(undefined);
								onRan = resolve;
								socket.write(encodeReply(reply));
							}),
					});
				}
			}
		} catch {
			// Not a shim, or a broken one: without an answer it runs the real tool.
			socket.destroy();
		}
	});
}
