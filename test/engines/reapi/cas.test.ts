/** Large blobs over a line that breaks. */
import { strict as assert } from "node:assert";
import type { ServerReadableStream, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { digestOf } from "../../../src/engines/action/merkle.js";
import { type Cas, openCas } from "../../../src/engines/reapi/cas.js";
import { openChannel } from "../../../src/engines/reapi/channel.js";
import { CODE } from "../../../src/reapi/errors.js";
import { type Digest, METHODS } from "../../../src/reapi/messages.js";
import { AT_ONCE, type Handler, nativesForTests, startFaulty, testWorkers } from "../../rig/remote.js";

const BYTES = Buffer.alloc(5 << 20, "0123456789");
const PART = 1 << 20;
const BROKEN = Object.assign(new Error("broken"), { code: CODE.UNAVAILABLE, details: "broken" });

interface Piece {
	readonly resourceName: string;
	readonly writeOffset: number;
	readonly finishWrite: boolean;
	readonly data: Buffer;
}

describe("a large blob whose transfer breaks off", () => {
	const worker = testWorkers();
	const ends: (() => void)[] = [];
	before(() => void nativesForTests());
	afterEach(() => {
		for (const end of ends.splice(0)) end();
	});

	async function faulty(change: (handlers: Record<string, Handler>) => void): Promise<Cas> {
		const w = await worker();
		w.disk.add(BYTES);
		const server = await startFaulty(w.options, change);
		const channel = openChannel({ target: server.target, toolVersion: "test", invocation: "test", retries: AT_ONCE });
		ends.push(
			() => server.close(),
			() => channel.close(),
		);
		return openCas({ channel, instance: "", maxBatchBytes: 0 });
	}

	it("is sent from where the server has it", async () => {
		const received: Buffer[] = [];
		const names: string[] = [];
		const cas = await faulty((handlers) => {
			handlers[METHODS.findMissingBlobs.path] = (call: { request: { blobDigests: unknown } }, answer: Answer) =>
				answer(null, { missingBlobDigests: call.request.blobDigests });
			handlers[METHODS.queryWriteStatus.path] = (_: unknown, answer: Answer) =>
				answer(null, { committedSize: Buffer.concat(received).length, complete: false });
			handlers[METHODS.write.path] = (call: ServerReadableStream<Piece, unknown>, answer: Answer) => {
				const first = received.length === 0;
				let size = Buffer.concat(received).length;
				let over = false;
				call.on("data", (piece: Piece) => {
					if (over) return;
					if (piece.resourceName !== "") names.push(piece.resourceName);
					assert.equal(piece.writeOffset, size);
					received.push(piece.data);
					size += piece.data.length;
					over = piece.finishWrite || (first && size >= PART);
					if (over) answer(piece.finishWrite ? null : BROKEN, { committedSize: size });
				});
			};
		});
		await cas.ensure([{ digest: digestOf(BYTES), read: () => BYTES }]);
		assert.ok(Buffer.concat(received).equals(BYTES));
		assert.equal(names.length, 2);
		assert.equal(names[0], names[1], "a second attempt names the same upload");
	});

	it("is fetched from where it broke off", async () => {
		const offsets: number[] = [];
		const cas = await faulty((handlers) => {
			handlers[METHODS.read.path] = (call: ServerWritableStream<{ readOffset: number }, { data: Buffer }>) => {
				const { readOffset } = call.request;
				offsets.push(readOffset);
				if (offsets.length > 1) {
					call.write({ data: BYTES.subarray(readOffset) });
					call.end();
				} else call.write({ data: BYTES.subarray(0, PART) }, () => void call.emit("error", BROKEN));
			};
		});
		assert.ok((await cas.fetch(digestOf(BYTES))).equals(BYTES));
		assert.deepEqual(offsets, [0, PART]);
	});

	it("is given up when the server sends more than there is", async () => {
		const cas = await faulty((handlers) => {
			handlers[METHODS.read.path] = (call: ServerWritableStream<unknown, { data: Buffer }>) => {
				const more = (): void => {
					while (!call.cancelled && call.write({ data: BYTES.subarray(0, PART) }));
					if (!call.cancelled) call.once("drain", more);
				};
				more();
			};
		});
		await assert.rejects(cas.fetch(digestOf(BYTES)), /other bytes than those of sha256/);
	});
});

type Answer = sendUnaryData<unknown>;

describe("blobs of all sizes", () => {
	const worker = testWorkers();

	it("go and come in batches within the server's limit, and by themselves where they are larger than that", async () => {
		const w = await worker();
		const limit = 1000;
		const sizes: number[] = [];
		const streams: string[] = [];
		const unary: typeof w.channel.unary = (method, request, limits) => {
			const { requests, digests } = request as {
				requests?: readonly { data: Buffer }[];
				digests?: readonly Digest[];
			};
			if (method.path === METHODS.batchUpdateBlobs.path) sizes.push(sum(requests!.map(({ data }) => data.length)));
			if (method.path === METHODS.batchReadBlobs.path) sizes.push(sum(digests!.map(({ sizeBytes }) => sizeBytes)));
			return w.channel.unary(method, request, limits);
		};
		const send: typeof w.channel.send = (method, messages, limits) => {
			streams.push(method.path);
			return w.channel.send(method, messages, limits);
		};
		const receive: typeof w.channel.receive = (method, request, each, limits) => {
			streams.push(method.path);
			return w.channel.receive(method, request, each, limits);
		};
		const cas = openCas({
			channel: { ...w.channel, unary, send, receive },
			instance: "",
			maxBatchBytes: limit,
		});
		const blobs = [300, 300, 300, 300, 300, 899, 901, 1000, 1001, 5000].map((size, i) =>
			Buffer.alloc(size, `blob ${i}`),
		);
		await cas.ensure(blobs.map((bytes) => ({ digest: digestOf(bytes), read: () => bytes })));
		const came = await Promise.all(blobs.map((bytes) => cas.fetch(digestOf(bytes))));
		assert.deepEqual(came, blobs);
		assert.ok(
			sizes.every((size) => size <= limit),
			sizes.join(),
		);
		// Two and two fit with what is said of each.
		assert.equal(sizes.length, 2 * 4);
		assert.equal(streams.filter((path) => path === METHODS.write.path).length, 4);
		assert.equal(streams.filter((path) => path === METHODS.read.path).length, 4);
	});
});

function sum(sizes: readonly number[]): number {
	return sizes.reduce((all, size) => all + size, 0);
}
