/** A service that answers what a test says, for what no service at hand refuses. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface Answer {
	readonly status: number;
	readonly body: string;
	readonly headers?: Readonly<Record<string, string>>;
}

/** Listens while `use` runs; the answer to the request `n`, from 0. */
export async function answering(
	answer: (n: number, request: IncomingMessage) => Answer,
	use: (endpoint: string) => Promise<void>,
): Promise<void> {
	let count = 0;
	const server = createServer((request, response) => {
		const { status, body, headers } = answer(count++, request);
		request.resume();
		response.writeHead(status, headers ?? {});
		response.end(request.method === "HEAD" ? undefined : body);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	try {
		await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
	} finally {
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	}
}
