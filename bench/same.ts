/** node build/bench/same.js PROJECT...|FOLDER: does gg leave the tree that plain make leaves? Exit 1 if it does not. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
	compileReferenceWorker,
	hasReferenceWorker,
	type Server,
	startGgWorker,
	startReferenceWorker,
} from "../test/rig/servers.js";
import { type RemoteBuilds, startJailedLambda, startServerless } from "./lambda-servers.js";
import { PROJECTS, projectNamed, versionOf } from "./projects.js";
import { BenchError, mainOf, requireGg } from "./run.js";
import {
	buildControls,
	type Controls,
	chooseEdit,
	KEPT_TREES,
	MODES,
	type Mode,
	runMode,
	SERVER_MODES,
	STORE_MODES,
	type Subject,
	type Verdict,
} from "./same-modes.js";
import { FAULTS, type StoreBuilds, startStore } from "./store-servers.js";
import { type Origin, open, remove } from "./workspace.js";

const USAGE = `usage: same.js PROJECT... [--modes M,M...] [--jobs N] [--keep] [--all] [--table] [--server WHICH] [--store redis|s3 [--fault F]...]
       same.js FOLDER --build 'make -j2' [--configure SHELL] [--clean SHELL] [--edit FILE] [--ignore NAME]...

PROJECT: ${PROJECTS.map(({ name }) => name).join(", ")};
         "shown" stands for those of the README's table, each in its modes
M:       ${MODES.join(", ")} (all of them unless told),
         with --server: ${SERVER_MODES.join(", ")}, on what is started for it: worker (gg's), reference (Bazel's), lambda, serverless;
         with --store: a first user, and a second one with nothing but the store. --fault F: one more to whom that happens
F:       ${FAULTS.join(", ")}, all

A folder is copied, never changed, and configured in the copy, because build files may hold its path. --edit names the
source, relative to the folder, that is changed; without it one is chosen of which an object is made. --keep leaves the
trees in the cache folder even when all are the same; --all prints every difference. --table ends with the rows of a table.
`;

interface Request {
	readonly name: string;
	readonly origin: Origin;
	readonly build: string;
	readonly clean: string;
	readonly edit: string | undefined;
	readonly modes: readonly Mode[];
	/** What the project stands for, and its version; empty for a folder. */
	readonly shows: string;
	readonly version: string;
}

interface Flags {
	readonly modes?: string;
	readonly server?: string;
	readonly store?: string;
	readonly fault?: readonly string[];
	readonly build?: string;
	readonly configure?: string;
	readonly clean?: string;
	readonly edit?: string;
}

function requestOf(subject: string, jobs: number, flags: Flags): Request {
	if (PROJECTS.some(({ name }) => name === subject)) {
		const project = projectNamed(subject);
		return {
			name: project.name,
			origin: { kind: "package", ...project, configure: flags.configure ?? project.configure },
			build: flags.build ?? project.build(jobs),
			clean: flags.clean ?? project.clean,
			edit: flags.edit ?? project.edit,
			modes: modesOf(flags.modes, usualModes(flags) ?? project.shown?.modes ?? MODES),
			shows: project.shown?.features ?? "",
			version: versionOf(project),
		};
	}
	const folder = resolve(subject);
	if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
		throw new BenchError(`${subject} is neither a project nor a folder\n${USAGE}`);
	}
	const id = createHash("sha256").update(folder).digest("hex").slice(0, 8);
	return {
		name: `${basename(folder)}-${id}`,
		origin: { kind: "folder", folder, configure: flags.configure ?? ":" },
		build: flags.build ?? `make -j${jobs}`,
		clean: flags.clean ?? "make clean",
		edit: flags.edit,
		modes: modesOf(flags.modes, usualModes(flags) ?? MODES),
		shows: "",
		version: "",
	};
}

function usualModes({ server, store, fault = [] }: Flags): readonly Mode[] | undefined {
	if (server !== undefined) return SERVER_MODES;
	if (store === undefined) return undefined;
	const known = fault.flatMap((word) => (word === "all" ? FAULTS : FAULTS.filter((name) => name === word)));
	if (known.length < fault.length) throw new BenchError(`--fault takes ${FAULTS.join(", ")} or all`);
	return ["first-user", "second-user", ...known.map((name) => `store-${name}` as const)];
}

function modesOf(list: string | undefined, usual: readonly Mode[]): readonly Mode[] {
	if (list === undefined) return usual;
	const all = [...MODES, ...SERVER_MODES, ...STORE_MODES];
	return list.split(",").map((word) => {
		const mode = all.find((known) => known === word);
		if (mode === undefined) throw new BenchError(`no mode is called ${word}: there are ${all.join(", ")}`);
		return mode;
	});
}

/** Where `--server` builds. */
async function serverFor(kind: string | undefined, folder: string): Promise<RemoteBuilds | undefined> {
	switch (kind) {
		case undefined:
			return undefined;
		case "worker":
			return byReapi(await startGgWorker(folder, process.env));
		case "reference":
			if (!hasReferenceWorker()) throw new BenchError("the RemoteWorker needs Debian's bazel-bootstrap and a JDK");
			compileReferenceWorker(folder);
			return byReapi(await startReferenceWorker(folder));
		case "lambda":
			return startJailedLambda(folder);
		case "serverless":
			return startServerless(folder);
		default:
			throw new BenchError("--server takes worker, reference, lambda or serverless");
	}
}

function byReapi(server: Server): RemoteBuilds {
	return {
		options: `--on-remote-failure=fail --engine reapi=grpc://${server.target}`,
		env: {},
		stop: async () => server.stop(),
	};
}

function print(verdict: Verdict, limit: number): void {
	const result = verdict.problems.length === 0 ? "same" : "DIFFERS";
	const [note = "", ...notes] = verdict.notes;
	console.log(`${verdict.mode.padEnd(13)} ${result.padEnd(8)} ${verdict.seconds.toFixed(1).padStart(7)} s  ${note}`);
	for (const more of notes) console.log(`${" ".repeat(34)}${more}`);
	for (const problem of verdict.problems.slice(0, limit)) console.log(`    ${problem}`);
	const rest = verdict.problems.length - limit;
	if (rest > 0) console.log(`    and ${rest} more (--all)`);
}

interface Compared {
	readonly row: string;
	readonly differ: number;
}

async function compare(request: Request, options: Options): Promise<Compared> {
	const { modes } = request;
	const { jobs, ignore, server, store } = options;
	const workspace = await open(request.name, request.origin);
	try {
		const subject: Subject = { ...request, workspace, jobs, ignore: [".gg", ...ignore], server, store };
		const controls = await buildControls(subject);
		const edit = request.edit ?? chooseEdit(subject);
		console.log(`${request.name}: ${request.build}, in ${workspace.src}`);
		print({ ...controls.verdict, problems: [] }, 0);
		const verdicts: Verdict[] = [];
		for (const mode of modes) {
			const verdict = await runMode(mode, { ...subject, edit }, controls);
			print(verdict, options.all ? Number.POSITIVE_INFINITY : 20);
			verdicts.push(verdict);
		}
		const differ = verdicts.filter(({ problems }) => problems.length > 0).length;
		console.log(`${verdicts.length - differ} same, ${differ} differ`);
		if (differ > 0) console.log(`trees: ${workspace.root}`);
		else if (!options.keep) for (const tree of KEPT_TREES) remove(workspace, tree);
		return { row: rowOf(request, controls, verdicts), differ };
	} finally {
		workspace.close();
	}
}

/** Why two plain builds differ in a file, where that is known. */
function reasonOf(path: string): string {
	if (/^\.ninja_(?:log|deps)$/.test(basename(path))) return " (when each command ended)";
	return "";
}

/** A row of the README's table: what it is, files, files written, how it was compared, and what came of it. */
function rowOf(request: Request, controls: Controls, verdicts: readonly Verdict[]): string {
	const wrong = verdicts.filter(({ problems }) => problems.length > 0);
	const unstable = [...controls.unstable].map((path) => `\`${path}\`${reasonOf(path)}`);
	const aside = unstable.length === 0 ? "" : `; two plain builds differ in ${unstable.join(", ")}`;
	const result = wrong.length === 0 ? `same${aside}` : wrong.map(({ mode }) => `${mode} differs`).join(", ");
	const modes = verdicts.map(({ mode }) => mode).join(", ");
	const { files, written } = controls;
	return `| ${[`${request.name} ${request.version}`.trim(), request.shows, files, written, modes, result].join(" | ")} |`;
}

interface Options {
	readonly jobs: number;
	readonly ignore: readonly string[];
	readonly keep: boolean;
	readonly all: boolean;
	readonly server: RemoteBuilds | undefined;
	readonly store: StoreBuilds | undefined;
}

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			modes: { type: "string" },
			jobs: { type: "string", default: "2" },
			build: { type: "string" },
			configure: { type: "string" },
			clean: { type: "string" },
			edit: { type: "string" },
			ignore: { type: "string", multiple: true, default: [] },
			keep: { type: "boolean", default: false },
			all: { type: "boolean", default: false },
			server: { type: "string" },
			store: { type: "string" },
			fault: { type: "string", multiple: true, default: [] },
			table: { type: "boolean", default: false },
		},
	});
	const shown = PROJECTS.filter((project) => project.shown !== undefined).map(({ name }) => name);
	const names = positionals.flatMap((name) => (name === "shown" ? shown : [name]));
	if (names.length === 0 || (names.length > 1 && (values.build ?? values.configure ?? values.edit) !== undefined)) {
		process.stderr.write(USAGE);
		return 2;
	}
	requireGg();
	const folder = mkdtempSync(join(tmpdir(), "gg-bench-server-"));
	let server: RemoteBuilds | undefined;
	let store: StoreBuilds | undefined;
	try {
		server = await serverFor(values.server, folder);
		if (values.store !== undefined) store = await startStore(values.store, folder);
		const options = { ...values, jobs: Number(values.jobs), server, store };
		const requests = names.map((name) => requestOf(name, options.jobs, values));
		const compared: Compared[] = [];
		for (const request of requests) compared.push(await compare(request, options));
		if (values.table) for (const { row } of compared) console.log(row);
		const differ = compared.filter((one) => one.differ > 0).length;
		if (compared.length > 1) console.log(`${compared.length} projects, ${differ} of them differ`);
		return differ === 0 ? 0 : 1;
	} finally {
		await server?.stop();
		await store?.stop();
		rmSync(folder, { recursive: true, force: true });
	}
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
