import { strict as assert } from "node:assert";
import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { openChannel } from "../../../src/engines/reapi/channel.js";
import { METHODS } from "../../../src/reapi/messages.js";
import { AT_ONCE } from "../../rig/remote.js";

describe("a channel", () => {
	it("lets a server that is far away send megabytes before it is heard from", async () => {
		const server = createServer();
		const session = new Promise<ServerHttp2Session>((resolve) => server.once("session", resolve));
		const windows = new Promise<[stream: number | undefined, all: number | undefined]>((resolve) =>
			server.once("stream", (stream) => {
				const { remoteSettings, state } = stream.session!;
				resolve([remoteSettings.initialWindowSize, state.remoteWindowSize]);
				stream.close();
			}),
		);
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const channel = openChannel({
			target: `127.0.0.1:${(server.address() as AddressInfo).port}`,
			toolVersion: "test",
			invocation: "test",
			retries: AT_ONCE,
		});
		try {
			channel.unary(METHODS.getCapabilities, { instanceName: "" }).catch(() => undefined);
			const [stream, all] = await windows;
			assert.ok(stream! >= 8 << 20, `${stream} bytes of a call`);
			assert.ok(all! >= 8 << 20, `${all} bytes of all calls`);
		} finally {
			channel.close();
			(await session).destroy();
			server.close();
		}
	});
});
