/** The ways of building that must all leave the tree of a plain build, and how each is judged. */
import { appendFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readJournal } from "../src/report/journal.js";
import { unreachable } from "../src/util/unreachable.js";
import { compareTimeOrder, compareTrees, describeDifference, findPlaceholders, scanTree } from "../test/rig/trees.js";
import { describeTimeOrder } from "./compare-trees.js";
import type { RemoteBuilds } from "./lambda-servers.js";
import { BenchError, GG, must, quote, type Ran, run, underGg } from "./run.js";
import { FAULTS, type Fault, type StoreBuilds } from "./store-servers.js";
import { fresh, keep, remove, type Workspace } from "./workspace.js";

export const MODES = ["build", "infer-force", "sandbox", "warm", "edited", "syntax-error"] as const;
/** With `--server`: all on a server, and then by another machine that has the same server and nothing else. */
export const SERVER_MODES = ["remote", "second-machine"] as const;
/** With `--store`: a user who finds it empty, one who comes later and has nothing else, and one to whom each fault happens. */
export const STORE_MODES = ["first-user", "second-user", ...FAULTS.map((fault) => `store-${fault}` as const)] as const;
export type Mode = (typeof MODES)[number] | (typeof SERVER_MODES)[number] | (typeof STORE_MODES)[number];

export interface Subject {
	readonly workspace: Workspace;
	readonly build: string;
	readonly clean: string;
	/** The source to change, relative to the tree. */
	readonly edit: string | undefined;
	readonly jobs: number;
	readonly ignore: readonly string[];
	/** Where the modes of `--server` build. */
	readonly server: RemoteBuilds | undefined;
	/** Of the modes of `--store`. */
	readonly store: StoreBuilds | undefined;
}

export interface Verdict {
	readonly mode: Mode | "plain, twice";
	/** What gg took. */
	readonly seconds: number;
	/** Whatever a plain build does not do; none means the same. */
	readonly problems: readonly string[];
	readonly notes: readonly string[];
}

export interface Controls {
	/** Paths on which two plain builds disagree: nobody can be expected to reproduce them. */
	readonly unstable: ReadonlySet<string>;
	/** In the tree, and those of them that the build wrote. */
	readonly files: number;
	readonly written: number;
	readonly idle: Idle | undefined;
	readonly verdict: Verdict;
}

/** What make, or ninja, thinks of a finished tree. */
interface Idle {
	/** Exit status of `make -q`: not always 0, recursive makefiles have goals that are never up to date. 0 for ninja. */
	readonly status: number;
	/** Commands that `make -n` or `ninja -n` would run, sorted. */
	readonly commands: readonly string[];
}

export const KEPT_TREES = [
	"plain",
	"plain-again",
	"plain-warm",
	"plain-edited",
	"plain-broken",
	...[...MODES, ...SERVER_MODES, ...STORE_MODES].map((mode) => `gg-${mode}`),
	"gg-cache",
	"src",
];

const ADDITION = `
/* Added by a test of gg. */
int gg_bench_added(int number);
int gg_bench_added(int number) { return number + 1; }
`;
const MISTAKE = "\nint gg_bench_mistake( { return }\n";

export async function buildControls(subject: Subject): Promise<Controls> {
	const { workspace, build, ignore } = subject;
	remove(workspace, "gg-build");
	const seconds: number[] = [];
	let idle: Idle | undefined;
	for (const name of ["plain", "plain-again"]) {
		await fresh(workspace);
		seconds.push((await must(build, { cwd: workspace.src })).seconds);
		idle = await idleOf(subject);
		keep(workspace, name);
	}
	const differences = compareTrees(tree(subject, "plain"), tree(subject, "plain-again"), ignore);
	const before = scanTree(workspace.configured, ignore);
	const files = [...scanTree(tree(subject, "plain"), ignore)].filter(([, { type }]) => type === "file");
	const written = files.filter(([path, { mtimeNs }]) => before.get(path)?.mtimeNs !== mtimeNs).length;
	const notes = [
		`${files.length} files, ${written} of them written by the build`,
		...differences.map((difference) => `set aside: ${describeDifference(difference)}`),
	];
	return {
		unstable: new Set(differences.map(({ path }) => path)),
		files: files.length,
		written,
		idle,
		verdict: { mode: "plain, twice", seconds: Math.min(...seconds), problems: [], notes },
	};
}

/** A command that had to succeed and did not is a problem of this mode alone. */
export async function runMode(mode: Mode, subject: Subject, controls: Controls): Promise<Verdict> {
	try {
		return await judgeMode(mode, subject, controls);
	} catch (error) {
		if (!(error instanceof BenchError)) throw error;
		return { mode, seconds: 0, problems: error.message.split("\n"), notes: [] };
	}
}

function judgeMode(mode: Mode, subject: Subject, controls: Controls): Promise<Verdict> {
	switch (mode) {
		case "build":
			return whole(mode, subject, controls, () => gg(subject, "build"));
		case "sandbox":
			return whole(mode, subject, controls, () => gg(subject, "build --sandbox"));
		case "infer-force":
			return whole(mode, subject, controls, () => inferAndForce(subject));
		case "warm":
			return again(mode, subject, controls, async () => {
				await must(subject.clean, { cwd: subject.workspace.src });
			});
		case "edited":
			return again(mode, subject, controls, () => append(subject, ADDITION));
		case "syntax-error":
			return syntaxError(subject, controls);
		case "remote":
			return whole(mode, subject, controls, () => onServer(subject));
		case "second-machine":
			return secondMachine(subject, controls);
		case "first-user":
			return byStore(mode, subject, controls);
		case "second-user":
			return byStore(mode, subject, controls, nothingRan);
		case "store-off":
		case "store-full":
		case "store-emptied":
		case "store-evicting":
		case "store-slow":
			return byStore(mode, subject, controls);
		default:
			return unreachable(mode);
	}
}

const tree = (subject: Subject, name: string): string => join(subject.workspace.root, name);

const environment = (subject: Subject): { cwd: string; env: Record<string, string> } => ({
	cwd: subject.workspace.src,
	env: { GG_CACHE_DIR: subject.workspace.ggCache },
});

const gg = (subject: Subject, words: string): Promise<Ran> => run(underGg(words, subject.build), environment(subject));

function onServer(subject: Subject): Promise<Ran> {
	const { server, jobs } = subject;
	if (server === undefined) throw new BenchError("these modes need --server");
	const { cwd, env } = environment(subject);
	const words = `build --jobs ${jobs} ${server.options}`;
	return run(underGg(words, subject.build), { cwd, env: { ...env, ...server.env } });
}

/** Its .gg and its cache are empty: all must come from the server, and nothing may be compiled, there or here. */
async function secondMachine(subject: Subject, controls: Controls): Promise<Verdict> {
	remove(subject.workspace, "gg-cache");
	const verdict = await whole("second-machine", subject, controls, () => onServer(subject));
	return { ...verdict, problems: [...verdict.problems, ...nothingRan(tree(subject, "gg-second-machine"))] };
}

/** What was run although a server, or a store, has it. */
function nothingRan(built: string): string[] {
	return readJournal(join(built, ".gg"))
		.filter(
			(e) =>
				(e.kind === "thunk" && e.how === "ran") ||
				// A file that is rewritten in its place is no matter for a server.
				(e.kind === "command" && /^(?:ran|unrecorded)$/.test(e.how) && !/(?:strip|ranlib)$/.test(e.tool)),
		)
		.map(
			(e) =>
				`was run: ${"tool" in e ? `${e.tool} ` : ""}${"outputs" in e ? e.outputs[0] : ""} (${"how" in e ? e.how : ""})`,
		);
}

/** A user with an empty .gg and an empty cache, and a store that was filled by another, or is being filled. */
async function byStore(
	mode: (typeof STORE_MODES)[number],
	subject: Subject,
	controls: Controls,
	more: (built: string) => string[] = () => [],
): Promise<Verdict> {
	const { store, workspace } = subject;
	if (store === undefined) throw new BenchError("these modes need --store");
	const fault = mode.startsWith("store-") ? (mode.slice("store-".length) as Fault) : undefined;
	remove(workspace, "gg-cache");
	if (mode === "first-user" || fault === "full") await store.empty();
	const { cwd, env } = environment(subject);
	let said = "";
	const verdict = await whole(mode, subject, controls, async () => {
		await store.begin(fault, Math.floor(asked(subject) / 2));
		const ran = await run(underGg(`build --store ${quote(store.uri)}`, subject.build), { cwd, env });
		said = ran.stderr;
		return ran;
	});
	if (mode === "first-user" || mode === "second-user") requests.set(subject.workspace.root, store.asked);
	const problems = [...verdict.problems, ...more(tree(subject, `gg-${mode}`))];
	if (fault !== undefined && !store.hasFailed) problems.push("the fault has not come");
	if (said.includes(store.secret)) problems.push("the password was said");
	const words = said.split("\n").filter((line) => /^gg: (?:the store|no store|nothing is sent)/.test(line));
	return { ...verdict, problems, notes: [...verdict.notes, ...words, `asked of the store: ${store.told()}`] };
}

/** How often the store was asked by the build before, by workspace: in the middle of that is where a fault comes. */
const requests = new Map<string, number>();
const asked = ({ workspace }: Subject): number => requests.get(workspace.root) ?? 0;

/** The cache stays: it holds gg's own programs and what the compilers are, and nothing of what was built. */
async function init(subject: Subject): Promise<void> {
	await fresh(subject.workspace);
	await must(`${quote(GG)} init`, environment(subject));
}

async function inferAndForce(subject: Subject): Promise<Ran> {
	const { workspace, jobs, ignore } = subject;
	const inferred = await gg(subject, "infer");
	const placeholders = findPlaceholders(workspace.src, ignore);
	if (inferred.status !== 0) return inferred;
	const list = join(workspace.root, "placeholders");
	writeFileSync(list, placeholders.map((path) => `${path}\n`).join(""));
	const forced = await run(`${quote(GG)} force -j ${jobs} @${quote(list)}`, environment(subject));
	const count = `${placeholders.length} placeholders, inferred in ${inferred.seconds.toFixed(1)} s`;
	return { ...forced, seconds: inferred.seconds + forced.seconds, stderr: `${forced.stderr}\n${count}` };
}

/** A build of a fresh copy. */
async function whole(mode: Mode, subject: Subject, controls: Controls, build: () => Promise<Ran>): Promise<Verdict> {
	await init(subject);
	const ran = await build();
	return judge({ mode, subject, controls, ran, expected: "plain" });
}

/** A second build, of a tree that was built and then changed; both by make alone and by gg. */
async function again(mode: Mode, subject: Subject, controls: Controls, change: () => Promise<void>): Promise<Verdict> {
	const { workspace, build, ignore } = subject;
	await fresh(workspace, "plain");
	await change();
	await must(build, { cwd: workspace.src });
	const idle = await idleOf(subject);
	keep(workspace, `plain-${mode}`);
	const changed = compareTrees(tree(subject, "plain"), tree(subject, `plain-${mode}`), ignore).length;
	if (mode === "edited" && changed < 2) {
		throw new BenchError(`changing ${subject.edit} changes no file of the build: name another by --edit`);
	}
	await ensureBuilt(subject);
	await fresh(workspace, "gg-build");
	await change();
	const ran = await gg(subject, "build");
	return judge({ mode, subject, controls: { ...controls, idle }, ran, expected: `plain-${mode}` });
}

/** `gg-build` is there when its own mode ran before. */
async function ensureBuilt(subject: Subject): Promise<void> {
	if (scanOrEmpty(tree(subject, "gg-build")) > 0) return;
	await init(subject);
	await must(underGg("build", subject.build), environment(subject));
	keep(subject.workspace, "gg-build");
}

function scanOrEmpty(root: string): number {
	try {
		return scanTree(root).size;
	} catch {
		return 0;
	}
}

async function append(subject: Subject, text: string): Promise<void> {
	if (subject.edit === undefined) throw new BenchError("no source is known to be compiled: name one by --edit");
	appendFileSync(join(subject.workspace.src, subject.edit), text);
}

async function judge(run: {
	readonly mode: Mode;
	readonly subject: Subject;
	readonly controls: Controls;
	readonly ran: Ran;
	readonly expected: string;
}): Promise<Verdict> {
	const { mode, subject, controls, ran, expected } = run;
	const { workspace, ignore } = subject;
	const problems: string[] = [];
	if (ran.status !== 0) problems.push(`exit status ${ran.status}`, ...ran.stderr.trim().split("\n").slice(-5));
	else problems.push(...idleProblems(await idleOf(subject), controls.idle));
	const actual = keep(workspace, `gg-${mode}`);
	for (const path of findPlaceholders(actual, ignore)) problems.push(`${path}: still a placeholder`);
	for (const difference of compareTrees(tree(subject, expected), actual, ignore)) {
		if (!controls.unstable.has(difference.path)) problems.push(describeDifference(difference));
	}
	const notes = [summaryOf(ran)];
	if (expected === "plain") {
		const plain = ["plain", "plain-again"].map((name) => tree(subject, name));
		notes.push(...describeTimeOrder(compareTimeOrder({ controls: plain, actual, ignore, worst: 5 })));
	}
	return { mode, seconds: ran.seconds, problems, notes };
}

/** gg's last line about itself, which counts what really ran; empty when it said nothing. */
function summaryOf({ stderr }: Ran): string {
	return (
		stderr
			.split("\n")
			.filter((line) => /^(gg\b|\d+ placeholders)/.test(line))
			.at(-1) ?? ""
	);
}

async function idleOf({ build, workspace }: Subject): Promise<Idle | undefined> {
	const first = IDLE_COMMAND.exec(build)?.[0];
	if (first === undefined) return undefined;
	const ask = (flag: string): Promise<Ran> => run(`${first} ${flag}`, { cwd: workspace.src });
	const { stdout } = await ask("-n");
	const { status } = /(^|\s)ninja\s/.test(first) ? { status: 0 } : await ask("-q");
	return { status, commands: stdout.split("\n").sort() };
}

/** The build's own first command of make or ninja, and the folder that it is run in. */
const IDLE_COMMAND = /^(cd [^;&|<>()$`\n]+ && )?(make|ninja)( [^;&|<>()$`\n]*)?/;

function idleProblems(actual: Idle | undefined, expected: Idle | undefined): string[] {
	if (actual === undefined || expected === undefined) return [];
	const known = new Set(expected.commands);
	const more = actual.commands.filter((line) => !known.has(line));
	return [
		...(actual.status === expected.status
			? []
			: [`make -q afterwards: exit status ${actual.status} instead of ${expected.status}`]),
		...more.map((line) => `make would run afterwards: ${line}`),
	];
}

/**
 * After a mistake gg may have made more than make (commands after the failed one) or less (it had not come that far), but
 * what is there must be what a plain build makes, and the compiler's words and the exit status must be make's.
 */
async function syntaxError(subject: Subject, controls: Controls): Promise<Verdict> {
	const { workspace, build, ignore } = subject;
	await fresh(workspace);
	await append(subject, MISTAKE);
	const plain = await run(build, { cwd: workspace.src });
	if (plain.status === 0)
		throw new BenchError(`a mistake in ${subject.edit} does not stop the build: name another by --edit`);
	const broken = keep(workspace, "plain-broken");
	await init(subject);
	await append(subject, MISTAKE);
	const ran = await gg(subject, "build");
	const actual = keep(workspace, "gg-syntax-error");
	const problems: string[] = [];
	if (ran.status !== plain.status) problems.push(`exit status ${ran.status} instead of ${plain.status}`);
	const expectedWords = diagnosticsOf(plain, subject.edit ?? "");
	const actualWords = diagnosticsOf(ran, subject.edit ?? "");
	problems.push(...expectedWords.filter((line) => !actualWords.includes(line)).map((line) => `not said: ${line}`));
	problems.push(...actualWords.filter((line) => !expectedWords.includes(line)).map((line) => `said: ${line}`));
	for (const path of findPlaceholders(actual, ignore)) problems.push(`${path}: still a placeholder`);
	const unlikeWhole = new Set(compareTrees(tree(subject, "plain"), actual, ignore).map(({ path }) => path));
	const differences = compareTrees(broken, actual, ignore);
	for (const difference of differences) {
		const { reason, path } = difference;
		if (reason === "missing" || !unlikeWhole.has(path) || controls.unstable.has(path)) continue;
		problems.push(describeDifference(difference));
	}
	const notes = [summaryOf(ran)];
	const missing = differences.filter(({ reason }) => reason === "missing").length;
	if (missing > 0) notes.push(`${missing} files that make had made by then are not there`);
	const stops = (text: Ran): string[] => `${text.stdout}\n${text.stderr}`.match(/^make.*\*\*\*.*$/gm) ?? [];
	for (const line of stops(plain)) if (!stops(ran).includes(line)) notes.push(`not said: ${line}`);
	return { mode: "syntax-error", seconds: ran.seconds, problems, notes };
}

/** The compiler's lines about one source: `file:line:…` and the quotations below it. Each once; builds may interleave. */
function diagnosticsOf(ran: Ran, source: string): string[] {
	const name = basename(source);
	const lines = ran.stderr.split("\n");
	const found = new Set<string>();
	let about = false;
	for (const line of lines) {
		const place = /^(.*?):(?:\d+:)* (?:error|warning|note|In |At )/.exec(line);
		if (place !== null) about = basename(place[1] ?? "") === name;
		else if (!/^\s*\d*\s+\|/.test(line)) about = false;
		if (about) found.add(line);
	}
	return [...found];
}

/** A source of which the plain build made an object. */
export function chooseEdit(subject: Subject): string | undefined {
	const before = scanTree(subject.workspace.configured, subject.ignore);
	const after = [...scanTree(tree(subject, "plain"), subject.ignore)];
	const objects = new Set<string>();
	for (const [path, { mtimeNs }] of after) {
		if (path.endsWith(".o") && before.get(path)?.mtimeNs !== mtimeNs) objects.add(basename(path));
	}
	return after
		.map(([path]) => path)
		.find((path) => {
			const [, stem, suffix] = /([^/]+)\.(c|cc|cpp|cxx)$/.exec(path) ?? [];
			return before.has(path) && (objects.has(`${stem}.o`) || objects.has(`${stem}.${suffix}.o`));
		});
}
