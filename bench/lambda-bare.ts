/** node lambda-bare.js ENDPOINT N: N calls of the SDK's Invoke at once, and nothing else; the peer of `lambda.js sleep`. */
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const [endpoint = "", count = "1"] = process.argv.slice(2);
const agent = { maxSockets: Number(count), keepAlive: true };
const client = new LambdaClient({
	endpoint,
	maxAttempts: 1,
	requestHandler: { httpAgent: agent, httpsAgent: agent },
});
const Payload = Buffer.from(JSON.stringify({ action: "bare", blobs: "", blocks: [] }));
const calls = Array.from({ length: Number(count) }, () =>
	client.send(new InvokeCommand({ FunctionName: "gg-lambda-function", Payload })),
);
await Promise.all(calls);
