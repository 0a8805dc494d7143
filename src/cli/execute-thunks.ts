import { saveResult } from "../executor/results.js";
import type { Executor } from "../executor/types.js";
import { openStorage } from "../storage/open.js";
import type { Storage } from "../storage/types.js";
import { dropValues } from "../store/clean.js";
import type { LocalStore } from "../store/local.js";
import { standingThunks } from "../store/placeholders.js";
import { isObjectHash, isThunkHash, type ObjectHash } from "../thunk/hash.js";
import type { Thunk, ThunkResult } from "../thunk/types.js";
import { type Failure, UserError } from "../util/result.js";
import { readThunk } from "./find-thunk.js";
import { parse } from "./parse.js";
import { give, openProjectStore, tellFailure, usageError } from "./project.js";
import type { Io, Run } from "./types.js";

/** What the exit status says, as in the original. */
export const JOB_STATUS = {
	success: 0,
	operationalFailure: 3,
	fetchDependenciesFailure: 4,
	executionFailure: 5,
	uploadOutputFailure: 6,
} as const;

const SPEC = {
	name: "execute",
	usage:
		"gg execute [options] THUNK-HASH…\n\nRuns thunks whose inputs are all there. Exit status: 0 done, 3 not even tried, 4 inputs could not be\nfetched, 5 the thunk failed, 6 outputs could not be sent.",
	options: {
		"get-dependencies": { alias: "g", type: "boolean", describe: "fetch missing inputs from the storage backend" },
		"put-output": { alias: "p", type: "boolean", describe: "send outputs to the storage backend" },
		cleanup: {
			alias: "C",
			type: "boolean",
			describe: "first remove values that neither these thunks nor unfinished ones need",
		},
		timelog: { alias: "T", type: "boolean", describe: "print how long each step took" },
	},
} as const;

class StepFailure extends Error {
	readonly status: number;
	constructor(status: number, message: string) {
		super(message);
		this.status = status;
	}
}

/** Where `gg execute` runs thunks. */
export interface Site {
	readonly store: LocalStore;
	/** Or why such a thunk cannot be run there. */
	executorFor(thunk: Thunk): Executor | Failure;
	close(): Promise<void>;
}

/** `gg execute`, at a site that is opened once there is something to run. */
export const executeWith =
	(openSite: (ggDir: string, io: Io) => Site): Run =>
	async (args, io) => {
		try {
			return await executeAll(openSite, args, io);
		} catch (error) {
			if (error instanceof StepFailure) {
				tellFailure("execute", { reason: "step", message: error.message }, io);
				return error.status;
			}
			if (!(error instanceof UserError)) throw error;
			tellFailure("execute", error.failure, io);
			return JOB_STATUS.operationalFailure;
		}
	};

async function executeAll(openSite: (ggDir: string, io: Io) => Site, args: readonly string[], io: Io): Promise<number> {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return JOB_STATUS.success;
	const { flags, rest } = parsed;
	if (rest.length === 0) throw usageError("execute", "no thunk was given");
	const project = openProjectStore(io);
	const remote = flags["get-dependencies"] === true || flags["put-output"] === true;
	const storage = remote ? give(await openStorage(io.env)) : undefined;
	try {
		return await executeJobs(openSite, { rest, flags, storage, project }, io);
	} finally {
		await storage?.close();
	}
}

interface Asked {
	readonly rest: readonly string[];
	readonly flags: {
		readonly [name in "cleanup" | "get-dependencies" | "put-output" | "timelog"]?: boolean | undefined;
	};
	readonly storage: Storage | undefined;
	readonly project: ReturnType<typeof openProjectStore>;
}

async function executeJobs(
	openSite: (ggDir: string, io: Io) => Site,
	{ rest, flags, storage, project: { ggDir, store: found } }: Asked,
	io: Io,
): Promise<number> {
	const jobs = rest.map((name) => ({ hash: toThunkHash(name), clock: new Clock() }));
	const thunks = jobs.map(({ hash, clock }) => {
		const thunk = readThunk(hash, found);
		clock.point("read_thunk");
		return thunk;
	});
	if (flags.cleanup === true) {
		const asked = jobs.map(({ hash }) => hash);
		dropValues(found, asked, standingThunks(ggDir));
	}
	const site = openSite(ggDir, io);
	try {
		for (const [i, { hash, clock }] of jobs.entries()) {
			const thunk = thunks[i]!;
			clock.point("do_cleanup");
			if (storage !== undefined && flags["get-dependencies"] === true) await fetchInputs(storage, site.store, thunk);
			clock.point("get_dependencies");
			const result = await execute(site, hash, thunk);
			clock.point("execute");
			if (storage !== undefined && flags["put-output"] === true) await sendOutputs(storage, site.store, result);
			clock.point("upload_output");
			if (flags.timelog === true) io.out(`${clock.text()}\n`);
		}
	} finally {
		await site.close();
	}
	return JOB_STATUS.success;
}

function toThunkHash(name: string): ObjectHash {
	if (isObjectHash(name) && isThunkHash(name)) return name;
	throw new UserError({
		reason: "not-a-thunk",
		message: `${name} is not the hash of a thunk`,
		hint: "it begins with T and has 52 letters; a placeholder's second line is one",
	});
}

async function execute(site: Site, hash: ObjectHash, thunk: Thunk): Promise<ThunkResult> {
	const open = thunk.thunks[0];
	if (open !== undefined) {
		throw new UserError({
			reason: "needs-thunks",
			message: `thunk ${hash} needs ${thunk.thunks.length} other thunks, among them ${open.hash}`,
			hint: "`gg force` runs those first",
		});
	}
	const executor = site.executorFor(thunk);
	if ("reason" in executor) throw new UserError(executor);
	const execution = await executor.execute(hash, thunk);
	if (execution.kind === "impossible") {
		const { message, hint } = execution.failure;
		throw new StepFailure(JOB_STATUS.executionFailure, hint === undefined ? message : `${message}\n    ${hint}`);
	}
	const { result } = execution;
	process.stdout.write(result.stdout);
	process.stderr.write(result.stderr);
	if (result.status !== 0) {
		const how = result.signal === 0 ? `ended with status ${result.status}` : `was killed by signal ${result.signal}`;
		throw new StepFailure(JOB_STATUS.executionFailure, `thunk ${hash} (${thunk.args[0]}) ${how}`);
	}
	saveResult(site.store, hash, thunk, result);
	return result;
}

async function fetchInputs(storage: Storage, { objects }: LocalStore, thunk: Thunk): Promise<void> {
	const items = [...thunk.values, ...thunk.trees, ...thunk.executables].filter((item) => !objects.has(item.hash));
	for (const { hash } of items) {
		const bytes = await storage.get(hash).catch((error: unknown) => {
			throw new StepFailure(JOB_STATUS.fetchDependenciesFailure, `cannot fetch ${hash}: ${messageOf(error)}`);
		});
		if (bytes === undefined) {
			throw new StepFailure(JOB_STATUS.fetchDependenciesFailure, `${hash} is not in the storage backend`);
		}
		objects.put(bytes);
	}
}

async function sendOutputs(storage: Storage, store: LocalStore, result: ThunkResult): Promise<void> {
	for (const { hash } of result.outputs) {
		const file = store.objects.file(hash);
		if (file === undefined)
			throw new StepFailure(JOB_STATUS.uploadOutputFailure, `${hash} is not in the store any more`);
		await storage.put(hash, file).catch((error: unknown) => {
			throw new StepFailure(JOB_STATUS.uploadOutputFailure, `cannot send ${hash}: ${messageOf(error)}`);
		});
	}
}

function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/** The original's timing log: the start in milliseconds since the epoch, then how long each step took. */
class Clock {
	readonly #lines = [String(Date.now())];
	#last = performance.now();

	point(step: string): void {
		const now = performance.now();
		this.#lines.push(`${step} ${Math.round(now - this.#last)}`);
		this.#last = now;
	}

	text(): string {
		return this.#lines.join("\n");
	}
}
