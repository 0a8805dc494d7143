import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { type Channel, openChannel } from "../../src/engines/reapi/channel.js";
import { nativePrograms, nativeRunner } from "../../src/interpose/native.js";
import type { RetryPolicy } from "../../src/reapi/errors.js";
import { type Spawner, startSpawner } from "../../src/util/spawner.js";
import { Disk } from "../../src/worker/disk.js";
import type { WorkerLimits } from "../../src/worker/run.js";
import { startWorker, type Worker, type WorkerOptions } from "../../src/worker/server.js";
import { makeServices, type ServicesOptions } from "../../src/worker/services.js";

export interface TestWorker {
	readonly worker: Worker;
	readonly disk: Disk;
	readonly folder: string;
	readonly channel: Channel;
	readonly target: string;
	readonly options: WorkerOptions;
}

/** Retries at once, so that no test waits. */
export const AT_ONCE: RetryPolicy = { attempts: 4, first: 1, most: 1, random: () => 0, sleep: async () => undefined };

const LIMITS: WorkerLimits = { timeMs: 60_000, memoryBytes: 0, outputBytes: 64 << 20, processes: 0 };

let natives: { readonly spawner: string; readonly runner: string; readonly view: string } | undefined;
let cache: string | undefined;

/** The native programs, compiled once a run. */
export function nativesForTests(): { readonly spawner: string; readonly runner: string; readonly view: string } {
	if (natives === undefined) {
		const folder = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-natives-")));
		cache = folder;
		process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
		const made = nativePrograms(cache, process.env, () => undefined);
		const runner = nativeRunner(cache, process.env, () => undefined);
		if (!made.ok || !runner.ok) throw new Error("the native programs do not compile");
		natives = { spawner: made.value.spawner, view: made.value.view, runner: runner.value };
	}
	return natives;
}

/** Workers in this process, each with a folder of its own, gone after the test. */
export function testWorkers(): (more?: Partial<WorkerOptions> & { maxCache?: number }) => Promise<TestWorker> {
	const ends: (() => void | Promise<void>)[] = [];
	let spawner: Spawner | undefined;
	afterEach(async () => {
		for (const end of ends.splice(0).reverse()) await end();
		await spawner?.close();
		spawner = undefined;
	});
	return async (more = {}) => {
		const programs = nativesForTests();
		spawner ??= startSpawner(programs.spawner);
		const folder = realpathSync(mkdtempSync(join(tmpdir(), "gg-test-worker-")));
		ends.push(() => rmSync(folder, { recursive: true, force: true }));
		const disk = new Disk(folder, more.maxCache ?? 0);
		const options: WorkerOptions = {
			host: "127.0.0.1",
			port: 0,
			jobs: 2,
			disk,
			spawner,
			runner: programs.runner,
			path: process.env["PATH"] ?? "/usr/bin:/bin",
			name: "test",
			acceptResults: false,
			token: "",
			tls: undefined,
			limits: LIMITS,
			...more,
		};
		const worker = await startWorker(options);
		const target = `127.0.0.1:${worker.port}`;
		const channel = openChannel({ target, toolVersion: "test", invocation: "test", retries: AT_ONCE, callMs: 20_000 });
		ends.push(() => worker.close());
		ends.push(() => channel.close());
		return { worker, disk, folder, channel, target, options };
	};
}

export type Handler = UntypedServiceImplementation[string];

/**
 * A server whose handlers are those of a worker but for the given ones, which may fall back on the worker's: what a client
 * meets when a server lies, breaks off or is no such server.
 */
export async function startFaulty(
	options: ServicesOptions,
	change: (handlers: Record<string, Handler>) => void,
): Promise<{ readonly target: string; close(): void }> {
	const services = makeServices(options);
	const handlers = { ...services.handlers };
	change(handlers);
	const server = new Server();
	server.addService(services.definition, handlers);
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
			error === null ? resolve(bound) : reject(error),
		);
	});
	return { target: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}
