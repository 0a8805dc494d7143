import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { buffer } from "node:stream/consumers";
import { openLine } from "./line.js";

describe("a long line", () => {
	for (const isCut of [false, true])
		it(`brings all that is sent, in order${isCut ? ", also what was held while it was cut" : ""}`, async () => {
			const server = createServer({ allowHalfOpen: true });
			server.listen(0, "127.0.0.1");
			await once(server, "listening");
			const line = await openLine((server.address() as { port: number }).port);
			try {
				const client = createConnection(Number(line.target.split(":")[1]), "127.0.0.1");
				const [far] = await once(server, "connection");
				const came = buffer(far);
				const sent: Buffer[] = [];
				for (let i = 0; i < 600; i++) {
					if (isCut && i === 200) line.cut();
					if (isCut && i === 400) line.mend();
					const piece = Buffer.from(`${i} `.repeat(300));
					sent.push(piece);
					client.write(piece);
					// It is the line's own timers that are tried: pieces come at many fractions of a millisecond.
					if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
				}
				client.end();
				assert.ok(Buffer.concat(sent).equals(await came));
			} finally {
				line.close();
				server.close();
			}
		});
});
