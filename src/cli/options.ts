import { availableParallelism } from "node:os";
import { STORAGE_FORMS } from "../storage/open.js";
import { UserError } from "../util/result.js";

/** Options that force, build and infer share. */
export interface RunOptions {
	readonly engines: readonly EngineChoice[];
	/** False where neither the command line nor the environment names an engine: gg.json may. */
	readonly enginesGiven: boolean;
	readonly fallbacks: readonly EngineChoice[];
	readonly sandbox: boolean;
	readonly keep: boolean;
	readonly keepGoing: boolean;
	readonly dryRun: boolean;
	readonly explain: boolean;
	readonly status: boolean;
	readonly download: (typeof DOWNLOADS)[number];
	/** Seconds; 0 is none. */
	readonly timeout: number;
	/** What is asked before anything runs here: `reapi=ENDPOINT` or the URI of a storage backend; empty: nothing. */
	readonly store: string;
	readonly onRemoteFailure: (typeof ON_REMOTE_FAILURE)[number];
	/** True when the user gave --jobs. */
	readonly jobsGiven: boolean;
	/** Compare gg's scan of includes with the compiler's. */
	readonly verifyDeps: boolean;
	/** The part of finished thunks that is computed again and compared, from 0 to 1. */
	readonly recheck: number;
	readonly rest: readonly string[];
}

export interface EngineChoice {
	readonly name: string;
	readonly argument: string;
	readonly jobs: number;
}

/** Engines that exist. */
export const ENGINES = ["local", "reapi", "remote", "lambda"] as const;
/** What to do with a thunk that a server could not run. */
export const ON_REMOTE_FAILURE = ["local", "fail", "race"] as const;

/** Which results `gg force` puts in place, and fetches from a server for that. */
export const DOWNLOADS = ["all", "targets", "none"] as const;

export const RUN_OPTIONS = {
	jobs: {
		alias: "j",
		type: "number",
		array: true,
		describe: "thunks at once on the engine named after it (default: the number of cores)",
	},
	engine: {
		alias: "e",
		type: "string",
		array: true,
		describe: `where thunks run, NAME[=ARGS]; one of: ${ENGINES.join(", ")}`,
	},
	"fallback-engine": { type: "string", array: true, describe: "where thunks run that no engine takes" },
	"on-remote-failure": {
		choices: ON_REMOTE_FAILURE,
		default: "local",
		describe: "what a server could not run: run it here, end with its error, or also run here what is late",
	},
	store: {
		type: "string",
		describe: "where results are looked up before anything runs here, and kept: reapi=ENDPOINT, or as GG_STORAGE_URI",
	},
	sandbox: {
		alias: ["S", "sandboxed"],
		type: "boolean",
		default: false,
		describe: "run thunks in a namespace that holds only what they declare",
	},
	keep: { type: "boolean", default: false, describe: "leave the folder of a thunk that failed, and name it" },
	"keep-going": {
		alias: "k",
		type: "boolean",
		default: false,
		describe: "go on with what does not need the thunk that failed",
	},
	"dry-run": { alias: "n", type: "boolean", default: false, describe: "show what would run, and run nothing" },
	explain: { type: "boolean", default: false, describe: "say for each command why it ran or did not" },
	status: { type: "boolean", default: true, describe: "the line of progress on a terminal (-s: none)" },
	"no-status": { alias: "s", type: "boolean", hidden: true },
	download: {
		type: "string",
		default: "all",
		describe: "results that are put in place, and fetched for that: all, targets (those named alone) or none (also -d)",
	},
	"no-download": { alias: "d", type: "boolean", hidden: true },
	timeout: { alias: "T", type: "string", describe: "seconds that one thunk may take (0: no limit)" },
	recheck: {
		type: "number",
		default: 0,
		describe: "compute this part of the finished thunks (0 to 1) here once more, and fail if the bytes differ",
	},
	"verify-deps": {
		type: "boolean",
		default: false,
		describe: "compare gg's scan of includes with the compiler's own, and fail if they differ",
	},
} as const;

/** Flags that take a word of their own, to find where the options end and the build command begins. */
const WITH_VALUE = new Set([
	"-j",
	"--jobs",
	"--download",
	"-e",
	"--engine",
	"--fallback-engine",
	"--on-remote-failure",
	"--recheck",
	"--store",
	"-T",
	"--timeout",
]);

/**
 * Splits `[options] CMD…` at the first word that is no option; for `force` (`all`), targets and options may mix, as with
 * getopt. Order matters: --jobs belongs to the engine that follows it.
 */
export async function parseRunOptions(
	name: string,
	usage: string,
	args: readonly string[],
	env: NodeJS.ProcessEnv,
	mixed: boolean,
): Promise<RunOptions | "help"> {
	const head: string[] = [];
	const rest: string[] = [];
	for (let i = 0; i < args.length; i++) {
		const arg = args[i]!;
		if (arg === "--") {
			rest.push(...args.slice(i + 1));
			break;
		}
		if (!arg.startsWith("-") || arg === "-") {
			if (!mixed) {
				rest.push(...args.slice(i));
				break;
			}
			rest.push(arg);
			continue;
		}
		head.push(arg);
		if (WITH_VALUE.has(arg) && i + 1 < args.length) head.push(args[++i]!);
	}
	const engines: EngineChoice[] = [];
	const fallbacks: EngineChoice[] = [];
	let jobs: number | undefined;
	let jobsGiven = false;
	const rebuilt: string[] = [];
	for (let i = 0; i < head.length; i++) {
		const match = /^(--jobs|-j|--engine|-e|--fallback-engine)(?:=?(.*))$/s.exec(head[i]!);
		if (match === null) {
			rebuilt.push(head[i]!);
			continue;
		}
		const value = match[2] !== "" ? match[2]! : (head[++i] ?? "");
		if (match[1] === "--jobs" || match[1] === "-j") {
			jobs = positive(value, "--jobs");
			jobsGiven = true;
		} else {
			const list = match[1] === "--fallback-engine" ? fallbacks : engines;
			list.push(engineChoice(value, jobs ?? availableParallelism()));
			jobs = undefined;
		}
	}
	// After the last engine: meant for it.
	if (jobs !== undefined && engines.length > 0) engines[engines.length - 1] = { ...engines.at(-1)!, jobs };
	const enginesGiven = engines.length > 0 || env["GG_FORCE_DEFAULT_ENGINE"] !== undefined;
	if (engines.length === 0)
		engines.push(engineChoice(env["GG_FORCE_DEFAULT_ENGINE"] ?? "local", jobs ?? availableParallelism()));
	// yargs takes as long to load as all else that a build with nothing to do needs.
	const p = rebuilt.length === 0 ? {} : await parseFlags(name, usage, rebuilt);
	if (p["help"] === true) return "help";
	return {
		engines,
		enginesGiven,
		fallbacks,
		sandbox: p["sandbox"] === true || (env["GG_SANDBOXED"] ?? "") !== "",
		keep: p["keep"] === true || (env["GG_LEAVE_CRASHED_THUNKS"] ?? "") !== "",
		keepGoing: p["keepGoing"] === true,
		dryRun: p["dryRun"] === true,
		explain: p["explain"] === true,
		status:
			p["status"] !== false && p["noStatus"] !== true && p["s"] !== true && (env["GG_FORCE_NO_STATUS"] ?? "") === "",
		download: p["noDownload"] === true || p["d"] === true ? "none" : downloadOf(p["download"]),
		timeout:
			p["timeout"] === undefined
				? seconds(env["GG_FORCE_TIMEOUT"] ?? "0", "GG_FORCE_TIMEOUT")
				: seconds(p["timeout"], "--timeout"),
		onRemoteFailure: ON_REMOTE_FAILURE.find((policy) => policy === p["onRemoteFailure"]) ?? "local",
		store: storeOf(p["store"], env),
		jobsGiven,
		verifyDeps: p["verifyDeps"] === true,
		recheck: rate(p["recheck"]),
		rest,
	};
}

async function runParser(name: string, usage: string, args: readonly string[]) {
	const { default: yargs } = await import("yargs");
	return yargs(args)
		.scriptName(`gg ${name}`)
		.usage(usage)
		.options(RUN_OPTIONS)
		.version(false)
		.help(false)
		.option("help", { alias: "h", type: "boolean", describe: "show this" });
}

async function parseFlags(name: string, usage: string, args: readonly string[]): Promise<Record<string, unknown>> {
	const parser = (await runParser(name, usage, args))
		.strict()
		.exitProcess(false)
		.parserConfiguration({ "boolean-negation": true, "strip-dashed": true })
		.fail((message, error) => {
			if (error !== undefined && error !== null) throw error;
			throw new UserError({
				reason: "usage",
				message: message.split("\n")[0] ?? message,
				hint: `\`gg ${name} --help\` lists the options`,
			});
		});
	return parser.parseSync() as Record<string, unknown>;
}

export async function runOptionsHelp(name: string, usage: string): Promise<string> {
	return `${await (await runParser(name, usage, [])).getHelp()}\n`;
}

/** The engines of the project's gg.json, where nobody has named others. */
export function withEngines(options: RunOptions, engines: readonly string[]): RunOptions {
	if (options.enginesGiven || engines.length === 0) return options;
	const { jobs } = options.engines[0]!;
	return { ...options, engines: engines.map((text) => engineChoice(text, jobs)) };
}

function positive(text: string, what: string): number {
	const n = Number(text);
	if (!Number.isInteger(n) || n < 1) {
		throw new UserError({
			reason: "usage",
			message: `${what} takes a whole number from 1 up, not ${JSON.stringify(text)}`,
		});
	}
	return n;
}

function seconds(value: unknown, what: string): number {
	const n = value === "" ? 0 : Number(value);
	if (n >= 0 && Number.isFinite(n)) return n;
	throw new UserError({
		reason: "usage",
		message: `${what} takes a number of seconds, not ${JSON.stringify(value)}`,
	});
}

function downloadOf(value: unknown): RunOptions["download"] {
	if (value === undefined || value === "" || value === true) return "all";
	if (value === false) return "none";
	const known = DOWNLOADS.find((word) => word === value);
	if (known !== undefined) return known;
	throw new UserError({
		reason: "usage",
		message: `--download takes ${DOWNLOADS.join(", ")}, not ${JSON.stringify(value)}`,
	});
}

function storeOf(value: unknown, env: NodeJS.ProcessEnv): string {
	const text = value ?? env["GG_STORAGE_URI"] ?? "";
	if (typeof text === "string" && /^(?:$|reapi=|[a-z][a-z0-9+.-]*:)/i.test(text)) return text;
	throw new UserError({
		reason: "usage",
		message: `${value === undefined ? "GG_STORAGE_URI" : "--store"} takes reapi=ENDPOINT or the URI of a storage backend`,
		hint: `for example: --store reapi=grpcs://cache.example.org/main?token-file=/etc/gg/token; what exists: ${STORAGE_FORMS}`,
	});
}

function rate(value: unknown): number {
	const n = value === undefined ? 0 : Number(value);
	if (n >= 0 && n <= 1) return n;
	throw new UserError({
		reason: "usage",
		message: "--recheck takes a number from 0 to 1",
		hint: "for example --recheck=0.1 for a tenth of the thunks, --recheck=1 for all",
	});
}

function engineChoice(text: string, jobs: number): EngineChoice {
	const equals = text.indexOf("=");
	const name = equals < 0 ? text : text.slice(0, equals);
	if (!(ENGINES as readonly string[]).includes(name)) {
		throw new UserError({
			reason: "no-such-engine",
			message: `there is no engine ${JSON.stringify(name)}`,
			hint: `engines that exist: ${ENGINES.join(", ")}`,
		});
	}
	return { name, argument: equals < 0 ? "" : text.slice(equals + 1), jobs };
}
