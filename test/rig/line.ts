import { createConnection, createServer, type Socket } from "node:net";

/** A way to a server that is as long as a cable across a country, and can be cut. */
export interface Line {
	/** `host:port`. */
	readonly target: string;
	/** What is sent from now on arrives when the line is whole again, as TCP has it. */
	cut(): void;
	mend(): void;
	close(): void;
}

/** One way, in milliseconds: a round trip takes 40. */
const DELAY = 20;
/** One piece of a hundred is lost, and comes after TCP's shortest time for sending again. */
const LOSS = 0.01;
const AGAIN = 200;

/** In the place of `tc netem delay 20ms loss 1%` on both ends, which not every kernel has. */
export async function openLine(port: number): Promise<Line> {
	const sockets = new Set<Socket>();
	const held: (() => void)[] = [];
	let whole = true;
	let count = 0;
	const carry = (from: Socket, to: Socket): void => {
		// Nothing overtakes: what follows a lost piece waits for it, and whichever timer ends first, the oldest is next.
		let free = 0;
		const waiting: (() => void)[] = [];
		const later = (then: () => void): void => {
			count += 1;
			const now = performance.now();
			free = Math.max(free, now + DELAY + (count % Math.round(1 / LOSS) === 0 ? AGAIN : 0));
			waiting.push(then);
			setTimeout(() => {
				const next = waiting.shift()!;
				if (whole) next();
				else held.push(next);
			}, free - now);
		};
		from.on("data", (data) => later(() => void to.write(data)));
		from.on("end", () => later(() => void to.end()));
		from.on("error", () => to.destroy());
	};
	const server = createServer((near) => {
		const far = createConnection(port, "127.0.0.1");
		for (const socket of [near, far]) sockets.add(socket);
		carry(near, far);
		carry(far, near);
	});
	const target = await new Promise<string>((resolve) => {
		server.listen(0, "127.0.0.1", () => resolve(`127.0.0.1:${(server.address() as { port: number }).port}`));
	});
	return {
		target,
		cut() {
			whole = false;
		},
		mend() {
			whole = true;
			for (const then of held.splice(0)) then();
		},
		close() {
			server.close();
			for (const socket of sockets) socket.destroy();
		},
	};
}
