import { strict as assert } from "node:assert";
import { CODE, delayBefore, isTransient, RemoteError, type RetryPolicy, withRetries } from "../../src/reapi/errors.js";
import { RETRY_INFO } from "../../src/reapi/messages.js";

function policy(random = 0): RetryPolicy & { slept: number[] } {
	const slept: number[] = [];
	return { attempts: 4, first: 100, most: 1000, random: () => random, sleep: async (ms) => void slept.push(ms), slept };
}

const unavailable = new RemoteError(CODE.UNAVAILABLE, "try later");

describe("retries", () => {
	it("are made for what may pass, with delays that double, and end", async () => {
		const p = policy();
		let calls = 0;
		const failing = withRetries(p, async () => {
			calls += 1;
			throw unavailable;
		});
		await assert.rejects(failing, /try later/);
		assert.equal(calls, 4);
		assert.deepEqual(p.slept, [50, 100, 200]);
	});

	it("lie somewhere between half and all of the step", () => {
		assert.equal(delayBefore(1, undefined, policy(0)), 50);
		assert.equal(delayBefore(1, undefined, policy(0.999)) > 99, true);
		assert.equal(delayBefore(10, undefined, policy(0)), 500);
	});

	it("wait as long as the server asks", async () => {
		const p = policy();
		const value = RETRY_INFO.encode({ retryDelay: { seconds: 7, nanos: 0 } });
		const error = new RemoteError(CODE.RESOURCE_EXHAUSTED, "full", "", [
			{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value },
		]);
		let calls = 0;
		const answer = await withRetries(p, async () => {
			calls += 1;
			if (calls === 1) throw error;
			return "good";
		});
		assert.equal(answer, "good");
		assert.deepEqual(p.slept, [7000]);
	});

	it("are not made where the server asks to wait longer than anybody wants to", async () => {
		const p = { ...policy(), within: 5_000 };
		const after = (seconds: number): RemoteError =>
			new RemoteError(CODE.UNAVAILABLE, "come back later", "", [
				{
					typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
					value: RETRY_INFO.encode({ retryDelay: { seconds, nanos: 0 } }),
				},
			]);
		let calls = 0;
		const failing = withRetries(p, async () => {
			calls += 1;
			throw after(calls === 1 ? 3 : 30);
		});
		await assert.rejects(failing, /come back later/);
		assert.equal(calls, 2);
		assert.deepEqual(p.slept, [3000]);
	});

	it("are not made for what will not pass", async () => {
		for (const code of [
			CODE.INVALID_ARGUMENT,
			CODE.UNAUTHENTICATED,
			CODE.PERMISSION_DENIED,
			CODE.NOT_FOUND,
			CODE.DEADLINE_EXCEEDED,
		]) {
			assert.equal(isTransient(new RemoteError(code, "")), false);
		}
		let calls = 0;
		const failing = withRetries(policy(), async () => {
			calls += 1;
			throw new RemoteError(CODE.UNAUTHENTICATED, "no");
		});
		await assert.rejects(failing);
		assert.equal(calls, 1);
	});
});

describe("an error of a server", () => {
	it("names the blobs that are missing, through its message and back", () => {
		const hash = "ab".repeat(32);
		const error = RemoteError.of(RemoteError.lacking([`blobs/${hash}/5`]).status, "");
		assert.deepEqual(error.missing, [hash]);
		assert.equal(error.code, CODE.FAILED_PRECONDITION);
	});

	it("is read though its details are broken", () => {
		const broken = { typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value: Buffer.from([0xff, 0xff]) };
		assert.equal(new RemoteError(CODE.UNAVAILABLE, "x", "", [broken]).retryAfter, undefined);
	});
});
