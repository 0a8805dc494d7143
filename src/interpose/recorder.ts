import { lstatSync, readFileSync } from "node:fs";
import { loadResult, saveResult } from "../executor/results.js";
import type { Trace } from "../executor/trace.js";
import { inWrittenOrder, noteOrder } from "../executor/written-order.js";
import { asksEnvironment } from "../models/nasm-includes.js";
import type { FileProbe, ThunkPlan } from "../models/types.js";
import type { Sink } from "../report/events.js";
import { DepCache } from "../store/depcache.js";
import type { FileFact, FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import type { Placeholders } from "../store/placeholders.js";
import { describeErrno } from "../store/project.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { Output, Thunk, ThunkResult } from "../thunk/types.js";
import { isThere, linksTo } from "../util/paths.js";
import type { Case } from "./case.js";
import { absolute, type Described, describe, relevantEnv } from "./describe.js";
import { refusalOf } from "./generic-trace.js";
import { KeptInputs } from "./kept-inputs.js";
import { type Found, groupAbsent, Lookup } from "./lookup.js";
import { onceTwins } from "./once-twins.js";
import type { RanReport } from "./protocol.js";
import type { DiscoveredInputs, WrittenDepfile } from "./scan.js";

export interface RecorderOptions {
	readonly ggDir: string;
	readonly store: Store & { readonly objects: LocalObjects };
	readonly facts: FileFacts;
	readonly placeholders: Placeholders;
	readonly probe: FileProbe;
	readonly sink: Sink;
	readonly mode: "infer" | "build";
}

/** What was known of a command's files before it ran. */
export interface KnownBefore {
	/** Content of the files that it rewrites in place. */
	readonly before: ReadonlyMap<string, ObjectHash>;
	/** Content of the files that it names. */
	readonly early: ReadonlyMap<string, ObjectHash>;
	/** By the clock that file times come from. */
	readonly startedAt: number;
	/** Folders that it listed, where the record may depend on that; and where folders led to. */
	readonly listed: Readonly<Record<string, string>>;
}

export interface NotKept {
	readonly reason: string;
	readonly detail: string;
}

/** The tool opens and truncates this output, so a file that stands there keeps its mode; compilers and linkers make objects anew. */
function isTruncated(plan: ThunkPlan, tag: string): boolean {
	const output = plan.outputs.find((planned) => planned.tag === tag);
	return output !== undefined && (tag === "depfile" || plan.stage === "preprocess" || output.truncated === true);
}

const MODEL_VERSION = "4";
/** clang looks here for compilers of the system; what one of them is used for is recorded as read or absent. */
const TOOLCHAINS = "/opt";
const DEPFILE_PACKED = 256 << 10;

/** Turns commands into thunks, remembers what they came to, and puts that into the tree again. */
export class Recorder {
	readonly #o: RecorderOptions;
	readonly #lookup: Lookup;
	readonly #depcache: DepCache;
	readonly #systemFolders = new Map<string, boolean>();
	readonly #kept: KeptInputs;
	#warnedStore = false;

	constructor(options: RecorderOptions) {
		this.#o = options;
		this.#lookup = new Lookup(options.facts, options.store);
		this.#depcache = new DepCache(options.ggDir);
		this.#kept = new KeptInputs({ ...options, entries: (tree) => this.#lookup.entries(tree) });
	}

	/** Writes what is remembered of the commands. */
	close(): void {
		this.#depcache.close();
		try {
			this.#kept.close();
		} catch (error) {
			this.warnStore(error);
		}
	}

	/** Keeps the inputs of a thunk that an earlier gg has described, as `describe` does. False: one is not what it was. */
	keepInputs({ thunk }: Found): boolean {
		return this.#kept.keepOf(thunk);
	}

	/** An earlier thunk of the same command whose inputs are as they were. */
	find(c: Case): Found | undefined {
		return this.#lookup.find(this.#depcache.get(keyOf(c)), c.toolchain.tree);
	}

	/** Describes a command that has not run, by the inputs that were found for it. The thunk itself is the caller's to keep. */
	describe(c: Case, inputs: DiscoveredInputs): Described | NotKept {
		const described = this.#describe(c, inputs);
		if ("reason" in described) return described;
		const entry = {
			thunk: described.hash,
			absent: this.#group(inputs.absent),
			...this.#listed([...inputs.listed, ...described.listed]),
			...this.#writtenDepfile(c, inputs.depfiles),
			...(inputs.basis === undefined ? {} : { basis: inputs.basis }),
		};
		this.#depcache.put(keyOf(c), entry);
		return described;
	}

	/**
	 * Describes a command anew that was described before, if its files have changed since in nothing that decides which files
	 * they are: `isSame` as of Lookup.findLike. Undefined: they are to be found anew.
	 */
	describeAgain(
		c: Case,
		isSame: (basis: string, was: ObjectHash, path: string, now: FileFact) => boolean,
	): (Described & { readonly depfiles: readonly WrittenDepfile[] }) | undefined {
		if (c.plan.discovery.kind !== "include") return undefined;
		const was = this.#lookup.findLike(this.#depcache.get(keyOf(c)), c.toolchain.tree, isSame);
		if (was === undefined) return undefined;
		const { entry, thunk, looked, links } = was;
		const depfiles = this.depfilesOf(c, { hash: entry.thunk, thunk, depfile: entry.depfile });
		if (depfiles === undefined) return undefined;
		const described = this.#describe(c, { reads: new Set(looked.keys()), looked, links });
		if ("reason" in described) return undefined;
		const listed = { ...entry.listed, ...this.#listed(described.listed).listed };
		const same = { ...entry, thunk: described.hash, ...(Object.keys(listed).length === 0 ? {} : { listed }) };
		this.#depcache.put(keyOf(c), same);
		return { ...described, depfiles };
	}

	#describe(
		c: Case,
		inputs: Pick<DiscoveredInputs, "reads" | "looked" | "links">,
	): (Described & { readonly listed: readonly (readonly [string, string])[] }) | NotKept {
		// One look at each file: what is described is what was scanned.
		const looked = new Map(inputs.looked);
		const get = (path: string): FileFact | undefined => {
			const known = looked.get(path);
			if (known !== undefined) return known;
			const fact = this.#o.facts.get(path);
			if (fact !== undefined) looked.set(path, fact);
			return fact;
		};
		const { objects } = this.#o.store;
		const { reads, links } = inputs;
		const description = { ...descriptionOf(c), reads, links, before: new Map(), sideOutputs: [] };
		const facts = { get, isSystem: (path: string) => this.#o.facts.isSystem(path) };
		const described = describe(description, facts, objects, true);
		if ("reason" in described) return described;
		const twins = onceTwins(looked, c.toolchain.files);
		if ("reason" in twins) return twins;
		const changed = this.#kept.keep(described.thunk, looked, c.toolchain.files);
		if (changed !== undefined) return { reason: "changed-meanwhile", detail: changed };
		return { ...described, listed: twins.listed };
	}

	/** The dependency file that the description of a command has just written, if there is one and no other. */
	#writtenDepfile(c: Case, [written, ...more]: readonly WrittenDepfile[]): { readonly depfile?: ObjectHash } {
		const [planned, ...others] = c.plan.outputs.filter((p) => p.role === "depfile");
		if (written === undefined || planned === undefined || more.length + others.length > 0) return {};
		const { path, bytes } = written;
		if (absolute(c.request.cwd, planned.path) !== path || bytes.length >= DEPFILE_PACKED) return {};
		return { depfile: this.#o.store.objects.putPacked(bytes) };
	}

	/** What has to be as it was, besides contents and absences. The system's folders lead where they led. */
	#listed(listed: Iterable<readonly [string, string]>): { readonly listed?: Record<string, string> } {
		const kept = [...listed].filter(([path, was]) => !was.startsWith("/") || !this.#o.facts.isSystem(path));
		return kept.length === 0 ? {} : { listed: Object.fromEntries(kept) };
	}

	/** Absences by folder. Whether a folder of the system is there is looked at once. */
	#group(absent: Iterable<string>): Record<string, string[]> {
		const own = new Map<string, boolean>();
		return groupAbsent(absent, isTemporary, (folder) => {
			const known = this.#o.facts.isSystem(`${folder}/`) ? this.#systemFolders : own;
			let there = known.get(folder);
			if (there === undefined) {
				there = isThere(folder);
				known.set(folder, there);
			}
			return there;
		});
	}

	/** The depfiles of an earlier run, which make sees at once; undefined if they are not known. */
	depfilesOf(c: Case, { hash, thunk, depfile: written }: Found): WrittenDepfile[] | undefined {
		const depfiles = c.plan.outputs.filter((p) => p.role === "depfile");
		if (depfiles.length === 0) return [];
		const { objects } = this.#o.store;
		const only = depfiles.length === 1 ? thunk.outputPaths.find((p) => p.tag === depfiles[0]!.tag) : undefined;
		if (written !== undefined && only !== undefined) {
			const bytes = objects.packed(written);
			return bytes === undefined ? undefined : [{ path: only.path, bytes, mode: undefined }];
		}
		const result = loadResult(this.#o.store, hash);
		const found: WrittenDepfile[] = [];
		for (const depfile of depfiles) {
			const object = result?.outputs.find((r) => r.tag === depfile.tag);
			const output = thunk.outputPaths.find((p) => p.tag === depfile.tag);
			const bytes = object === undefined ? undefined : objects.get(object.hash);
			if (object === undefined || output === undefined || bytes === undefined) return undefined;
			found.push({ path: output.path, bytes, mode: object.mode });
		}
		return found;
	}

	/** Keeps what a command came to that ran here under observation; else the reason why it cannot be kept. */
	keep(c: Case, report: RanReport, seen: Trace, known: KnownBefore): { readonly hash: ObjectHash } | NotKept {
		const { before, early, startedAt } = known;
		if (report.status !== 0) return { reason: "failed", detail: `status ${report.status}` };
		if (report.truncated) return { reason: "long-output", detail: "it printed more than 16 MiB" };
		if (!seen.complete) return { reason: "trace-incomplete", detail: [...seen.programs].join(" ") };
		const cwd = c.request.cwd;
		const planned = new Set(c.plan.outputs.map((p) => absolute(cwd, p.path)));
		const writes = [...seen.writes].filter(
			(p) => !planned.has(p) && !isTemporary(p) && this.#o.facts.get(p) !== undefined,
		);
		// What is described is what was compared: one look at each file.
		const looked = new Map<string, FileFact>();
		const listed = Object.entries(known.listed);
		const facts = {
			get: (path: string) => looked.get(path) ?? this.#o.facts.get(path),
			isSystem: (path: string) => this.#o.facts.isSystem(path),
		};
		for (const path of seen.reads) {
			if (c.toolchain.files.has(path) || isVolatile(path) || seen.writes.has(path)) continue;
			const fact = this.#o.facts.get(path);
			if (fact === undefined) {
				// A folder in the place of a header: compilers go on looking.
				if (this.#o.probe.isDirectory(path) && !(path in known.listed)) listed.push([path, "folder"]);
				continue;
			}
			const recent = Math.max(fact.mtimeMs, fact.ctimeMs) >= startedAt;
			if (recent && early.get(path) !== fact.hash) return { reason: "changed-meanwhile", detail: path };
			// nasm and yasm; GNU's has no such thing.
			if (c.plan.family === "as" && c.plan.discovery.kind !== "none") {
				const asks = asksEnvironment(this.#o.probe.readText(path) ?? "");
				if (asks !== undefined) return { reason: "environment", detail: `${path} has ${asks}` };
			}
			looked.set(path, fact);
		}
		for (const path of seen.refused) listed.push([path, refusalOf(path)]);
		for (const path of seen.rewritten) {
			if (!before.has(path) && !planned.has(path)) return { reason: "rewritten", detail: path };
		}
		for (const path of seen.listings) {
			if (path !== TOOLCHAINS && !this.#o.facts.isSystem(`${path}/`)) return { reason: "listing", detail: path };
		}
		const twins = onceTwins(looked, c.toolchain.files);
		if ("reason" in twins) return twins;
		const links = c.plan.family === "cc" ? linksTo(new Set(looked.keys()), seen.looked) : new Map<string, string>();
		try {
			const described = describe(
				{ ...descriptionOf(c), reads: looked.keys(), links, before, sideOutputs: writes },
				facts,
				this.#o.store.objects,
				false,
			);
			if ("reason" in described) return described;
			if (described.thunk.thunks.length > 0) return { reason: "placeholder", detail: described.thunk.thunks[0]!.name };
			const outputs: (Output & { readonly mtimeNs: bigint })[] = [];
			for (const output of described.thunk.outputPaths) {
				this.#forget(output.path);
				const state = lookAt(output.path);
				if (state === undefined) {
					if (output.optional) continue;
					return { reason: "no-output", detail: output.path };
				}
				if (!state.regular) return { reason: "unsupported-output", detail: output.path };
				const small = output.tag === "depfile" && state.size < DEPFILE_PACKED;
				const hash = small
					? this.#o.store.objects.putPacked(readFileSync(output.path))
					: this.#o.store.objects.putFile(output.path);
				// That of a file which stood there is none of the result's.
				const mode = isTruncated(c.plan, output.tag) ? 0o666 & ~c.request.umask : state.mode;
				outputs.push({ tag: output.tag, hash, mode, mtimeNs: state.mtimeNs });
			}
			const result: ThunkResult = {
				status: 0,
				signal: 0,
				stdout: report.stdout,
				stderr: report.stderr,
				outputs: noteOrder(outputs),
				wall: report.wall,
			};
			this.#o.store.objects.put(described.bytes);
			saveResult(this.#o.store, described.hash, described.thunk, result);
			this.#depcache.put(keyOf(c), {
				thunk: described.hash,
				absent: this.#group(seen.absent),
				...this.#listed([...listed, ...twins.listed]),
			});
			return { hash: described.hash };
		} catch (error) {
			this.warnStore(error);
			return { reason: "store", detail: describeErrno(error) };
		}
	}

	/** Says once that the store cannot be written. */
	warnStore(error: unknown): void {
		if (this.#warnedStore) return;
		this.#warnedStore = true;
		const message = `results cannot be kept in ${this.#o.ggDir}: ${describeErrno(error)}`;
		this.#o.sink({ kind: "warning", failure: { reason: "store", message, hint: "the build goes on without" } });
	}

	/** Puts an earlier result into the tree. False when the store lost it meanwhile. */
	deliver(c: Case, thunk: Thunk, result: ThunkResult): boolean {
		for (const output of inWrittenOrder(result.outputs)) {
			const where = thunk.outputPaths.find((p) => p.tag === output.tag);
			if (where === undefined) return false;
			const keeps = isTruncated(c.plan, output.tag) || c.plan.stage === "generate" || c.plan.inout.length > 0;
			const mode = (keeps ? lookAt(where.path)?.mode : undefined) ?? output.mode;
			if (!this.#o.store.objects.copyOut(output.hash, where.path, mode)) return false;
			this.#forget(where.path);
		}
		return true;
	}

	#forget(path: string): void {
		if (this.#o.placeholders.size > 0) this.#o.placeholders.forget(path);
	}
}

const keys = new WeakMap<Case, string>();

/** All that is known of a command before it is looked into. */
function keyOf(c: Case): string {
	let key = keys.get(c);
	if (key === undefined) {
		key = newKey(c);
		keys.set(c, key);
	}
	return key;
}

function newKey({ request, plan, argv, toolchain }: Case): string {
	return DepCache.key([
		MODEL_VERSION,
		request.cwd,
		String(request.umask),
		// `ar r` onto an archive that is there is another command than `ar r` that makes one.
		plan.inout.join("\0"),
		toolchain.driver,
		toolchain.tree,
		...argv,
		"",
		...relevantEnv(plan, request.env),
	]);
}

function descriptionOf({ request, plan, argv, toolchain }: Case) {
	return { plan, argv, cwd: request.cwd, env: request.env, umask: request.umask, toolchain };
}

/** A link is looked at itself. */
function lookAt(path: string): { regular: boolean; mode: number; size: number; mtimeNs: bigint } | undefined {
	const s = isThere(path) ? lstatSync(path, { bigint: true }) : undefined;
	if (s === undefined) return undefined;
	return { regular: s.isFile(), mode: Number(s.mode) & 0o7777, size: Number(s.size), mtimeNs: s.mtimeNs };
}

function isTemporary(path: string): boolean {
	return /^\/(?:tmp|var\/tmp|dev\/shm)\/(?:(?:cc|lto)[A-Za-z0-9]{6}|tmp[A-Za-z0-9_]{6,8})(?:\.[A-Za-z0-9_.-]+)?$/.test(
		path,
	);
}

const VOLATILE =
	/^\/(?:etc\/|usr\/share\/(?:locale|zoneinfo)|(?:usr\/)?lib(?:32|64|exec)?\/(?:[^/]+\/)?(?:locale|gconv)\/)/;

/** Read by the C library or the locale system of any program; no part of what a tool makes. A project may have folders of
 * such names, too. */
function isVolatile(path: string): boolean {
	return VOLATILE.test(path);
}
