import { DEFAULT_FUNCTION, parseLambda } from "../engines/lambda/address.js";
import { PRICES } from "../engines/lambda/cost.js";
import { type LambdaEngine, type LambdaOptions, openLambda } from "../engines/lambda/engine.js";
import { lambdaInvoker } from "../engines/lambda/invoker.js";
import { openStorageAt, storageName } from "../storage/open.js";
import type { Requests } from "../storage/types.js";
import { UserError } from "../util/result.js";
import type { EngineChoice } from "./options.js";
import { give } from "./project.js";
import { inputsOf, type RemoteParts } from "./remote.js";
import { takeAccess } from "./results.js";

/** The engine that runs thunks on AWS Lambda, and the storage backend that it shares with the function. */
export async function openLambdaEngine(
	choice: EngineChoice,
	store: string,
	parts: RemoteParts & Pick<LambdaOptions, "near">,
	/** What the store is asked beside the engine. */
	beside: () => Readonly<Requests> | undefined,
): Promise<LambdaEngine & { soFar(): string; abandon(): void; close(): Promise<void> }> {
	const address = give(parseLambda(choice.argument));
	if (store === "" || store.startsWith("reapi="))
		throw new UserError({
			reason: "no-storage-uri",
			message: "the engine lambda needs a storage backend, through which files get to the function",
			hint: "set GG_STORAGE_URI, or give --store, with an S3 bucket or a Redis server that the function reaches as well",
		});
	const { uri } = takeAccess(store);
	const storage = give(await openStorageAt(uri, "--store"));
	try {
		const engine = await openLambda({
			name: `AWS Lambda${address.name === DEFAULT_FUNCTION ? "" : ` ${address.name}`}`,
			jobs: choice.jobs,
			invoker: lambdaInvoker(address, choice.jobs),
			storage,
			storageName: storageName(uri),
			near: parts.near,
			...inputsOf(parts),
			now: () => performance.now(),
			after: (ms, then) => void setTimeout(then, ms),
			random: Math.random,
			others: () => new Promise((resolve) => void setImmediate(resolve)),
		});
		return {
			...engine,
			soFar: () => `about $${engine.spent(beside()).dollars.toFixed(4)}`,
			abandon: () => engine.close(),
			async close() {
				engine.close();
				await storage.close();
				parts.say(`${summary(engine, beside())}\n`);
			},
		};
	} catch (error) {
		await storage.close();
		throw error;
	}
}

function summary(engine: LambdaEngine, beside: Readonly<Requests> | undefined): string {
	const { usage, dollars, timings } = engine.spent(beside);
	const requests = usage.puts + usage.gets;
	const seconds = (phase: "fetch" | "stage" | "run" | "outputs"): string =>
		`${phase} ${(timings[phase] / 1000).toFixed(1)} s`;
	const bytes = timings.fetchedBytes + timings.knownBytes;
	const warm = bytes === 0 ? 0 : Math.round((100 * timings.knownBytes) / bytes);
	return (
		`AWS Lambda: ${usage.invocations} invocations (${timings.cold} cold), ${(usage.billedMs / 1000).toFixed(1)} s billed, ` +
		`${requests} storage requests; about $${dollars.toFixed(4)} (prices of ${PRICES.asOf})\n` +
		`    in the function: ${(["fetch", "stage", "run", "outputs"] as const).map(seconds).join(", ")}; ${warm} % of its inputs were there already`
	);
}
