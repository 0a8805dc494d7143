/** One run of the preprocessor over one source: what it opens, in which order. */

import { unquoted } from "../models/line-markers.js";
import { type Assignments, type Effect, isWorthRecording, keep, Recorder, use } from "./effects.js";
import { evaluate } from "./expression.js";
import { type Token, token } from "./lex.js";
import type { Found, LookFor, Lookup } from "./lookup.js";
import { Expansion, type MacroHost } from "./macros.js";
import { checkMakers } from "./makers.js";
import { meaning } from "./pragma.js";
import type { Definitions, Op, PragmaMaker, Program, Verdict } from "./program.js";
import * as program from "./program.js";
import { Refusal } from "./refusal.js";
import { type Macro, POISONED, type Sym, type Symbols } from "./symbols.js";
import {
	FEATURE_TESTS,
	type FeatureTest,
	type OpenedFile,
	type ScanAnswer,
	type ScanFile,
	type ScanFiles,
	type ScanSetup,
} from "./types.js";

/** gcc's -fmax-include-depth and clang's limit. */
const DEEPEST_INCLUDE = 200;
/** Directives of one walk: a header that includes itself twice 200 deep never ends. */
const MOST_STEPS = 20_000_000;
/** Files of one walk, read again counted again. */
const MOST_READ = 300_000;
/** A verdict that rests on more than this is found anew each time. */
const MOST_GROUNDS = 40;
const MOST_VERDICTS = 6;

/** What a compiler may define for a target, and among these what `#pragma GCC target` leaves alone. */
const OF_TARGET = /^__[A-Z0-9_]+__$/;
const NOT_OF_TARGET = /^__(?:OPTIMIZE|NO_INLINE|LP64|ILP32|GNUC\w*|STDC\w*|VERSION|CHAR_\w+|SIZEOF_\w+|DISABLE_\w+)__$/;

const BUILTIN_OF_TARGET = /^__builtin_(?:aarch64|altivec|arm|ia32|loongarch|neon|riscv|s390|sve|vec|vsx)/;

/** gcc's intrinsics test for the target under such pragmas all the time, but never to include something. */
const COMPILERS_OWN = /\/gcc\/[^/]+\/[0-9.]+\/include\//;

const FEATURES: ReadonlySet<string> = new Set(FEATURE_TESTS);
export const BUILTINS = [
	"__BASE_FILE__",
	"__COUNTER__",
	"__DATE__",
	"__FILE__",
	"__INCLUDE_LEVEL__",
	"__LINE__",
	"__TIME__",
	"__TIMESTAMP__",
	"_Pragma",
] as const;
/** Not to be defined or undefined where the compiler has them. */
const FIXED = /^(?:__has_.*|__is_identifier|_Pragma|__COUNTER__|__LINE__|__INCLUDE_LEVEL__)$/;

/** What a walk takes from the scanner that outlives it. */
export interface WalkResources {
	readonly setup: ScanSetup;
	readonly symbols: Symbols;
	/** Macros before the first line. */
	readonly predefined: ReadonlyMap<Sym, Macro>;
	readonly makers: readonly PragmaMaker[];
	readonly files: ScanFiles;
	readonly lookup: Lookup;
	/** Above that of every earlier walk. */
	readonly epoch: number;
	programOf(file: ScanFile): Program;
}

interface Frame {
	readonly found: Found;
	readonly program: Program;
	system: boolean;
	/** #line was seen. */
	renumbered: boolean;
}

export class Walk implements MacroHost {
	readonly dialect: ScanSetup["dialect"];
	readonly symbols: Symbols;
	readonly assembler: boolean;
	readonly flavour: "gcc" | "clang";
	skipping = 0;
	readonly #r: WalkResources;
	readonly #lookup: Lookup;
	readonly #frames: Frame[] = [];
	readonly #opened: OpenedFile[] = [];
	readonly #pushed = new Map<Sym, (Macro | undefined)[]>();
	readonly #questions = new Map<string, { test: FeatureTest; argument: string }>();
	readonly #makers: PragmaMaker[];
	readonly #read = new Map<Program, ScanFile>();
	#source = "";
	readonly #listed = new Set<string>();
	/** Files that only messages show. */
	readonly #shown = new Set<string>();
	#onceSeen = false;
	/** Of UTF-8, at the start of a file. */
	#markSeen = false;
	#namesTime = false;
	#steps = 0;
	#reads = 0;
	#op: Op | undefined;
	/** `#pragma GCC target` or `optimize` is in force, under so many push_options, and which of them. */
	#targeted = 0;
	#optimised = false;
	/** Builtins that such a pragma brought stay. */
	#everTargeted = false;
	/** Of the header at hand, if what it comes to may be kept. */
	#recorder: Recorder | undefined;
	/** Of effects that were kept. */
	kept = 0;
	/** What the #if at hand rests on; undefined: on more than macros. */
	#grounds: Map<Sym, Macro | undefined> | undefined;
	#asked = false;

	constructor(resources: WalkResources) {
		this.#r = resources;
		this.flavour = resources.setup.flavour;
		this.dialect = resources.setup.dialect;
		this.symbols = resources.symbols;
		this.assembler = resources.setup.language === "assembler";
		this.#lookup = resources.lookup;
		this.#lookup.begin(resources.epoch);
		this.#makers = [...resources.makers];
	}

	run(source: string): ScanAnswer {
		this.#source = source;
		try {
			this.#walk(source);
			checkMakers(this.#makers, this.#read);
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			if (this.#questions.size > 0) return this.#ask();
			const frame = this.#frames.at(-1);
			const where = error.where ?? `${frame?.found.path ?? source}:${this.#op?.line ?? 0}`;
			return { kind: "refused", reason: error.reason, where, what: error.what.slice(0, 200) };
		}
		if (this.#questions.size > 0) return this.#ask();
		const present = new Set(this.#shown);
		for (const f of this.#lookup.all) {
			if (f.file !== undefined && !f.state.stacked) present.add(this.#lookup.absolute(f.path));
		}
		const { absent, folders, links } = this.#lookup;
		return { kind: "scanned", files: this.#opened, absent, folders, links, present, namesTime: this.#namesTime };
	}

	#ask(): ScanAnswer {
		return { kind: "ask", questions: [...this.#questions.values()] };
	}

	/** The source is opened and listed first, but what the command line names is read before its first line. */
	#walk(source: string): void {
		const { setup } = this.#r;
		const main = this.#lookup.find(this.#lookup.search(source, this.#lookup.noSearch), "source");
		const frame = this.#stack(main, false);
		if (frame === undefined) throw new Refusal("missing-header", source);
		for (const f of setup.forced) if (f.kind === "imacros") this.#commandLine(f.name);
		for (const name of setup.implicit) this.#implicit(name);
		for (const f of setup.forced) if (f.kind === "include") this.#commandLine(f.name);
		this.#execute(frame);
	}

	#commandLine(name: string): void {
		if (this.flavour === "clang") this.#clangPrecompiled(name);
		const start = name.startsWith("/")
			? this.#lookup.noSearch
			: this.#lookup.besides(this.flavour === "clang" ? "" : "./", false);
		this.#enter(this.#lookup.find(this.#lookup.search(name, start), "header"), name);
	}

	/** clang takes NAME.pch or NAME.gch in the place of -include NAME. */
	#clangPrecompiled(name: string): void {
		for (const ending of [".pch", ".gch"]) {
			const path = this.#lookup.absolute(name + ending);
			if (this.#r.files.open(path) !== "absent") throw new Refusal("precompiled", path);
			this.#lookup.absent.add(path);
		}
	}

	#implicit(name: string): void {
		const start = this.#lookup.bracket;
		if (start === undefined) return;
		const found = this.#lookup.find(this.#lookup.search(name, start), "implicit");
		if (found.file !== undefined) this.#enter(found, name);
	}

	#enter(found: Found, name: string, isImport = false): void {
		if (found.file === undefined) throw new Refusal("missing-header", name);
		if (!isImport && this.#replay(found)) return;
		const frame = this.#stack(found, isImport);
		if (frame === undefined) return;
		// One that includes nothing is walked about as fast as it is looked up.
		if (!frame.program.isLeaf && isWorthRecording(found.effects) && this.#mayKeep()) this.#record(frame);
		else this.#execute(frame);
		this.#frames.pop();
	}

	/** Neither the order of files, as for #pragma once and precompiled headers, nor the target counts so far. */
	#mayKeep(): boolean {
		return this.flavour === "gcc" && !this.#onceSeen && !this.#everTargeted && !this.#lookup.precompiledPossible;
	}

	/** Keeps what the file comes to. */
	#record(frame: Frame): void {
		const { found, system } = frame;
		const above = this.#recorder;
		const { symbols } = this;
		const since = symbols.now++;
		const recorder = new Recorder(symbols.now, { above, depth: this.#frames.length, since });
		const before = this.#steps;
		this.#recorder = recorder;
		recorder.enter(found, system);
		this.#execute(frame);
		this.#recorder = above;
		recorder.steps = this.#steps - before;
		above?.merge(recorder);
		if (recorder.impure || this.#questions.size > 0) {
			found.effects.tries++;
			return;
		}
		const effect = recorder.effect(system, this.#compiler, this.symbols.specials, this.#frames.length - 1);
		this.kept += effect.weight;
		keep(found.effects, effect);
	}

	/** Does at once what reading the file came to in an earlier walk, if it meets it in the same state. */
	#replay(found: Found): boolean {
		const { known } = found.effects;
		if (known.length === 0 || !this.#mayKeep()) return false;
		const system = this.#isSystem(found);
		if (found.state.stacked) {
			const { guard } = this.#r.programOf(found.file!);
			if (guard !== undefined && this.#current(guard) !== undefined) return false;
		}
		const at = known.findIndex((effect) => effect.system === system && this.#holdsNow(effect));
		if (at < 0) return false;
		const effect = known[at]!;
		use(found.effects, at);
		const { entered, asSystem, assigned } = effect;
		this.#recorder?.replayed(effect, this.#frames.length);
		for (let i = 0; i < entered.length; i++) {
			const inner = entered[i]!;
			if (!inner.state.stacked) this.#begins(inner, this.#r.programOf(inner.file!), asSystem[i]!);
		}
		for (const one of assigned) this.#assign(one);
		this.#steps += effect.steps;
		this.#reads += effect.reads;
		this.#checkBounds();
		return true;
	}

	#holdsNow(effect: Effect): boolean {
		if (effect.specials !== this.symbols.specials) return false;
		if (effect.asked !== undefined && effect.asked !== this.#compiler) return false;
		if (this.#frames.length + effect.depth > DEEPEST_INCLUDE) return false;
		const { read, macros, besides, wanted, searches, found } = effect;
		for (let i = 0; i < read.length; i++) if (this.#current(read[i]!) !== macros[i]) return false;
		for (let i = 0; i < besides.length; i++) {
			const dir = besides[i]!;
			const current = this.#lookup.current(dir);
			if (current === undefined ? dir.system !== wanted[i] : current !== dir) return false;
		}
		// From here on it is what the walk itself would do, up to where that finds something else.
		for (let i = 0; i < searches.length; i++) {
			const search = searches[i]!;
			if (search.start.kind === "beside") this.#lookup.take(search.start);
			if (this.#lookup.find(search, "header") !== found[i]) return false;
		}
		return true;
	}

	/** Without a note of it. */
	#assign({ syms, macros }: Assignments): void {
		const { epoch } = this.#r;
		const { now } = this.symbols;
		for (let i = 0; i < syms.length; i++) {
			const sym = syms[i]!;
			sym.epoch = epoch;
			sym.macro = macros[i];
			sym.assignedAt = now;
		}
	}

	/** Carries out a file of definitions at once. */
	#defineAll(definitions: Definitions): void {
		const { guard, syms } = definitions;
		if (guard !== undefined && this.#value(guard) !== undefined) return;
		this.#assign(definitions);
		this.#recorder?.assign([definitions]);
		this.#steps += syms.length;
		this.#checkBounds();
	}

	#isSystem(found: Found): boolean {
		const below = this.#frames.at(-1);
		return below !== undefined && found.dir !== undefined && (below.system || found.dir.system);
	}

	/** Begins to read the file, unless it was read and is to be read once. */
	#stack(found: Found, isImport: boolean): Frame | undefined {
		const system = this.#isSystem(found);
		// It lists what it skips, too: a file that it knows may have another name here.
		if (this.flavour === "clang" && found.file !== undefined) this.#list(found, system);
		if (found.state.once) return undefined;
		if (isImport) {
			this.#foreign();
			found.state.once = true;
			this.#onceSeen = true;
			if (found.state.stacked) return undefined;
		}
		const file = found.file;
		if (file === undefined) return undefined;
		const code = this.#r.programOf(file);
		if (code.isMarked) this.#markSeen = true;
		this.#recorder?.enter(found, system);
		if (found.state.stacked && code.guard !== undefined && this.#value(code.guard) !== undefined) return undefined;
		if (this.#onceSeen && this.#readUnderAnotherName(found, isImport)) return undefined;
		this.#reads++;
		this.#begins(found, code, system);
		this.#checkBounds();
		const frame = { found, program: code, system, renumbered: false };
		this.#frames.push(frame);
		const recorder = this.#recorder;
		if (recorder !== undefined) {
			recorder.reads++;
			recorder.depth = Math.max(recorder.depth, this.#frames.length);
		}
		if (code.problem !== undefined) {
			throw new Refusal(code.problem.reason, code.problem.what, `${found.path}:${code.problem.line}`);
		}
		return frame;
	}

	/** Is read, perhaps again. */
	#begins(found: Found, code: Program, system: boolean): void {
		if (this.flavour === "gcc" && !found.state.stacked) this.#list(found, system);
		found.state.stacked = true;
		if (code.namesTime) this.#namesTime = true;
		if (code.isMarked) this.#markSeen = true;
		if (code.makers.length > 0 && !this.#read.has(code)) this.#makers.push(...code.makers);
		this.#read.set(code, found.file!);
	}

	#checkBounds(): void {
		if (this.#reads > MOST_READ) throw new Refusal("macro-limit", "too many files");
		if (this.#steps > MOST_STEPS) throw new Refusal("macro-limit", "too many directives");
	}

	/** What the file at hand does rests on more than is noted of it, or changes more. */
	#foreign(): void {
		if (this.#recorder !== undefined) this.#recorder.impure = true;
	}

	/** clang lists each name once, gcc each of its file objects. */
	#list(found: Found, system: boolean): void {
		const which = system ? 1 : 0;
		found.listed[which] ??= { name: withoutDots(found.path), path: this.#lookup.absolute(found.path), system };
		const file = found.listed[which];
		if (this.flavour === "clang") {
			if (this.#listed.has(file.name)) return;
			this.#listed.add(file.name);
		}
		this.#opened.push(file);
	}

	#readUnderAnotherName(found: Found, isImport: boolean): boolean {
		const { file } = found;
		if (this.flavour === "clang") {
			// Here it is the inode that counts: two names of one are the same file, if no link is hard.
			const twin = (f: Found): boolean => f.file?.identity === file!.identity && f.file.seconds === file!.seconds;
			if (this.#lookup.all.some((f) => f.state !== found.state && f.state.once && twin(f))) {
				throw new Refusal("pragma", `once, and a second ${found.path}`);
			}
			return false;
		}
		for (const f of this.#lookup.all) {
			if (f === found || !(isImport || f.state.once) || f.file === undefined) continue;
			if (f.file.identity === file!.identity) {
				if (f.file.seconds === file!.seconds) return true;
			} else if (this.#markSeen && this.#differsByMark(f.file, file!)) {
				throw new Refusal("pragma", `once, and a second ${found.path} but for its mark of UTF-8`);
			}
		}
		return false;
	}

	/** To gcc two files are the same then. */
	#differsByMark(a: ScanFile, b: ScanFile): boolean {
		const [one, other] = [this.#r.programOf(a), this.#r.programOf(b)];
		return one.isMarked !== other.isMarked && one.size === other.size && a.seconds === b.seconds;
	}

	#execute(frame: Frame): void {
		const { ops, definitions } = frame.program;
		if (definitions !== undefined && this.#targeted === 0 && !definitions.hasSpecial(this.symbols.specials)) {
			this.#defineAll(definitions);
			return;
		}
		for (let i = 0; i < ops.length; i++) {
			const op = ops[i]!;
			switch (op.kind) {
				case program.DEFINE:
					this.#define(op);
					break;
				case program.IFDEF:
				case program.IFNDEF:
				case program.IF: {
					const next = this.#branch(ops, i);
					this.#steps += next - i;
					i = next;
					break;
				}
				case program.ELIF:
				case program.ELIFDEF:
				case program.ELIFNDEF:
				case program.ELSE:
					i = op.end;
					break;
				case program.ENDIF:
					break;
				default:
					this.#op = op;
					this.#other(op, frame);
			}
			if (++this.#steps > MOST_STEPS) {
				this.#op = op;
				throw new Refusal("macro-limit", "too many directives");
			}
		}
	}

	/** The index of the directive that opens the group that is taken, or of the #endif. */
	#branch(ops: readonly Op[], from: number): number {
		let i = from;
		for (;;) {
			const op = ops[i]!;
			if (op.kind === program.ELSE || op.kind === program.ENDIF || this.#holds(op)) return i;
			i = op.next;
		}
	}

	#holds(op: Op): boolean {
		if (op.reason !== undefined) {
			this.#op = op;
			throw new Refusal(op.reason, op.text);
		}
		switch (op.kind) {
			case program.IFDEF:
			case program.ELIFDEF:
				return this.#defined(op);
			case program.IFNDEF:
			case program.ELIFNDEF:
				return !this.#defined(op);
		}
		const known = op.verdicts?.find((v) => this.#stands(v));
		if (known !== undefined) return known.value;
		return this.#evaluate(op);
	}

	#defined(op: Op): boolean {
		const macro = this.#value(op.sym!);
		if (macro === POISONED || this.#targeted > 0) {
			this.#op = op;
			if (macro === POISONED) throw new Refusal("pragma", `${op.sym!.name} is poisoned`);
			this.#notOfTarget(op.sym!, macro);
		}
		return macro !== undefined;
	}

	#stands(verdict: Verdict): boolean {
		const { syms, macros, asked } = verdict;
		if (this.#targeted > 0 || (asked !== undefined && asked !== this.#compiler)) return false;
		for (let i = 0; i < syms.length; i++) if (this.#current(syms[i]!) !== macros[i]) return false;
		const recorder = this.#recorder;
		if (recorder !== undefined) {
			if (asked !== undefined) recorder.asked = true;
			for (let i = 0; i < syms.length; i++) recorder.read(syms[i]!, macros[i]);
		}
		return true;
	}

	#evaluate(op: Op): boolean {
		this.#op = op;
		const grounds = new Map<Sym, Macro | undefined>();
		this.#grounds = grounds;
		this.#asked = false;
		const tokens = new Expansion(this, op.text, false);
		try {
			const value = evaluate(tokens, this as WalkExpression);
			if (this.#grounds !== undefined && grounds.size <= MOST_GROUNDS && this.#questions.size === 0) {
				op.verdicts ??= [];
				if (op.verdicts.length >= MOST_VERDICTS) op.verdicts.shift();
				const asked = this.#asked ? this.#compiler : undefined;
				op.verdicts.push({ value, syms: [...grounds.keys()], macros: [...grounds.values()], asked });
			}
			return value;
		} finally {
			this.#grounds = undefined;
			tokens.abandon();
		}
	}

	/** MacroHost: a macro that reaches a directive. */
	lookup(sym: Sym): Macro | undefined {
		const macro = this.#value(sym);
		this.#grounds?.set(sym, macro);
		if (this.#targeted > 0) this.#notOfTarget(sym, macro);
		return macro;
	}

	isDefined(sym: Sym): boolean {
		const macro = this.lookup(sym);
		if (macro === POISONED) throw new Refusal("pragma", `${sym.name} is poisoned`);
		return macro !== undefined;
	}

	get unsignedChar(): boolean {
		return this.lookup(this.symbols.get("__CHAR_UNSIGNED__")) !== undefined;
	}

	get unsignedWideChar(): boolean {
		return this.lookup(this.symbols.get("__WCHAR_UNSIGNED__")) !== undefined;
	}

	/** What the name stands for; what follows rests on it. */
	#value(sym: Sym): Macro | undefined {
		const macro = this.#current(sym);
		this.#recorder?.read(sym, macro);
		return macro;
	}

	#current(sym: Sym): Macro | undefined {
		if (sym.epoch !== this.#r.epoch) {
			sym.epoch = this.#r.epoch;
			sym.macro = this.#r.predefined.get(sym);
		}
		return sym.macro;
	}

	#set(sym: Sym, macro: Macro | undefined): void {
		sym.epoch = this.#r.epoch;
		sym.macro = macro;
		sym.assignedAt = this.symbols.now;
		this.#recorder?.set(sym, macro);
	}

	/** What it stood for before it is defined or undefined: that counts only of names that may be the preprocessor's own. */
	#former(sym: Sym): Macro | undefined {
		return sym.special ? this.#value(sym) : this.#current(sym);
	}

	/** Whose answers to feature tests count. */
	get #compiler(): object {
		return this.#r.setup.compiler ?? this.#r.setup;
	}

	/** After `#pragma GCC target` the macros of the machine's extensions are others, in the compiler but not in its scan. */
	#notOfTarget(sym: Sym, macro: Macro | undefined): void {
		if (!OF_TARGET.test(sym.name) || (!this.#optimised && NOT_OF_TARGET.test(sym.name))) return;
		if (macro !== undefined && this.#r.predefined.get(sym) !== macro) return;
		const { path, dir } = this.#frames.at(-1)!.found;
		if (dir?.system === true && COMPILERS_OWN.test(path)) return;
		throw new Refusal("target", `${sym.name} under #pragma GCC target or optimize`);
	}

	#define(op: Op): void {
		const sym = op.sym;
		if (op.reason !== undefined || sym === undefined) {
			this.#op = op;
			throw new Refusal(op.reason ?? "bad-directive", `#define ${op.text}`);
		}
		const old = this.#former(sym);
		if (old?.builtin === true) this.#redefined(op, sym, old);
		this.#set(sym, op.macro);
	}

	#redefined(op: Op, sym: Sym, old: Macro): void {
		this.#op = op;
		if (old === POISONED) throw new Refusal("pragma", `${sym.name} is poisoned`);
		if (FIXED.test(sym.name)) throw new Refusal("bad-directive", `a macro ${sym.name}`);
	}

	#other(op: Op, frame: Frame): void {
		switch (op.kind) {
			case program.UNDEF: {
				if (op.reason !== undefined) throw new Refusal(op.reason, `#undef ${op.text}`);
				const old = this.#former(op.sym!);
				if (old?.builtin === true) this.#redefined(op, op.sym!, old);
				this.#set(op.sym!, undefined);
				break;
			}
			case program.INCLUDE:
			case program.INCLUDE_NEXT:
			case program.IMPORT:
				this.#include(op, frame);
				this.#op = op;
				break;
			case program.PRAGMA:
				this.#pragma(op, frame);
				break;
			case program.LINE:
				frame.renumbered = true;
				this.#showsLinesOf(op);
				break;
			default:
				throw new Refusal(op.reason ?? "bad-directive", op.text);
		}
	}

	#include(op: Op, frame: Frame): void {
		let name = op.header;
		let { angled } = op;
		if (name === undefined) ({ name, angled } = this.#computedHeader(op));
		if (name === "") throw new Refusal("bad-directive", `#include ${op.text}`);
		if (this.#frames.length >= DEEPEST_INCLUDE) throw new Refusal("include-depth", name);
		const next = op.kind === program.INCLUDE_NEXT && this.#frames.length > 1;
		const found = this.#find(name, angled, frame, next, "header");
		if (found?.file === undefined) throw new Refusal("missing-header", name);
		this.#enter(found, name, op.kind === program.IMPORT);
	}

	/** gcc's messages show the lines of the file that #line names; clang has them from the file that it reads. */
	#showsLinesOf(op: Op): void {
		if (this.flavour === "clang") return;
		let quoted = /^[0-9]*\s*(?:"((?:[^"\\]|\\.)*)")?$/.exec(op.text)?.[1];
		if (quoted === undefined && !/^[0-9]+$/.test(op.text)) {
			const tokens = new Expansion(this, op.text, false);
			try {
				for (let t = tokens.next(); t.type !== "end"; t = tokens.next())
					if (t.type === "string") quoted = t.text.slice(1, -1);
			} finally {
				tokens.abandon();
			}
		}
		const name = quoted === undefined ? undefined : unquoted(quoted);
		if (name === undefined) return;
		this.#foreign();
		const path = this.#lookup.absolute(name);
		const found = this.#r.files.open(path);
		if (found === "absent") this.#lookup.absent.add(path);
		else if (found !== "folder") this.#shown.add(path);
	}

	#find(bytes: string, angled: boolean, frame: Frame, next: boolean, what: LookFor): Found | undefined {
		const name = decoded(bytes);
		// clang takes the backslash of other systems for a slash.
		if (this.flavour === "clang" && name.includes("\\")) throw new Refusal("unsupported-character", name);
		const start = this.#lookup.start(name, angled, frame.found, frame.system, next);
		if (start === undefined) return undefined;
		const search = this.#lookup.search(name, start);
		const found = this.#lookup.find(search, what);
		const recorder = this.#recorder;
		if (recorder !== undefined) {
			if (start.kind === "beside") recorder.beside(start, frame.system);
			recorder.search(search);
		}
		return found;
	}

	/** #include of what macros come to. */
	#computedHeader(op: Op): { name: string; angled: boolean } {
		const tokens = new Expansion(this, op.text, true);
		try {
			const first = tokens.next();
			const header = headerName(first, tokens, this.flavour === "clang");
			if (header === undefined) throw new Refusal("bad-directive", `#include ${op.text}`);
			return header;
		} finally {
			tokens.abandon();
		}
	}

	#pragma(op: Op, frame: Frame): void {
		const said = meaning(op.text, this.flavour);
		switch (said.kind) {
			case "inert":
				this.#targetPragma(op.text);
				break;
			case "once":
				this.#foreign();
				frame.found.state.once = true;
				this.#onceSeen = true;
				break;
			case "system-header":
				if (this.#frames.length > 1) frame.system = true;
				break;
			case "push-macro": {
				this.#foreign();
				const sym = this.symbols.get(said.name);
				const macro = this.#value(sym);
				if (macro?.builtin === true) throw new Refusal("pragma", op.text);
				const stack = this.#pushed.get(sym);
				if (stack === undefined) this.#pushed.set(sym, [macro]);
				else stack.push(macro);
				break;
			}
			case "pop-macro": {
				this.#foreign();
				const sym = this.symbols.get(said.name);
				const stack = this.#pushed.get(sym);
				if (stack === undefined || stack.length === 0) break;
				if (this.#value(sym)?.builtin === true) throw new Refusal("pragma", op.text);
				this.#set(sym, stack.pop());
				break;
			}
			case "poison":
				if (this.flavour === "clang") throw new Refusal("pragma", op.text);
				for (const name of said.names) {
					const sym = this.symbols.get(name);
					this.symbols.makeSpecial(sym);
					this.#set(sym, POISONED);
				}
				break;
			case "refused":
				throw new Refusal("pragma", op.text);
		}
	}

	/** Macros of the target change under `GCC target` and `GCC optimize`, up to the pop that undoes it. */
	#targetPragma(text: string): void {
		const word = /^\s*GCC\s+(target|optimize|push_options|pop_options|reset_options)\b/.exec(text)?.[1];
		if (word === undefined || this.flavour === "clang") return;
		this.#foreign();
		if (word === "target" || word === "optimize") {
			if (this.#targeted === 0) this.#targeted = 1;
			this.#everTargeted = true;
			if (word === "optimize") this.#optimised = true;
		} else if (word === "push_options") {
			if (this.#targeted > 0) this.#targeted++;
		} else if (word === "pop_options") {
			if (this.#targeted > 0) this.#targeted--;
		}
	}

	/** MacroHost. */
	builtin(sym: Sym, from: Expansion): Token {
		const { name } = sym;
		if (name === "__has_include" || name === "__has_include_next") {
			this.#grounds = undefined;
			return number(this.#hasInclude(from, name === "__has_include_next") ? 1 : 0);
		}
		if (name === "__building_module") return number(this.#buildingModule(from));
		if (FEATURES.has(name)) return number(this.#feature(name as FeatureTest, from));
		const frame = this.#frames.at(-1)!;
		this.#grounds = undefined;
		if (name === "__LINE__" && this.#op?.spread === false && !frame.renumbered) return number(this.#op.line);
		if (name === "__INCLUDE_LEVEL__" || name === "__BASE_FILE__") this.#foreign();
		if (name === "__INCLUDE_LEVEL__") return number(this.#frames.length - 1);
		if (!this.#r.setup.mapsFileNames) {
			if (name === "__FILE__" && !frame.renumbered) return fileString(frame.found.path);
			if (name === "__BASE_FILE__") return fileString(this.#source);
		}
		throw new Refusal(name === "__has_embed" ? "embed" : "expression", name);
	}

	#hasInclude(from: Expansion, next: boolean): boolean {
		from.header = true;
		const open = from.next();
		if (open.text !== "(") throw new Refusal("expression", "__has_include without a parenthesis");
		from.header = true;
		const first = from.next();
		from.header = false;
		const header = headerName(first, from, this.flavour === "clang");
		if (header === undefined || header.name === "") throw new Refusal("expression", "__has_include of something else");
		if (from.next().text !== ")") throw new Refusal("expression", "__has_include without its end");
		if (this.skipping > 0 && this.flavour === "gcc") return false;
		const after = next && this.#frames.length > 1;
		const frame = this.#frames.at(-1)!;
		const found = this.#find(header.name, header.angled, frame, after, "has-include");
		if (found?.file === undefined) return false;
		if (this.flavour === "clang") this.#list(found, frame.system || found.dir?.system === true);
		return true;
	}

	/** Setups with modules are not ours, so it is none. */
	#buildingModule(from: Expansion): number {
		const texts = [from.next(), from.next(), from.next()].map((t) => t.text);
		if (texts[0] !== "(" || texts[2] !== ")") throw new Refusal("expression", `__building_module ${texts.join("")}`);
		return 0;
	}

	#feature(test: FeatureTest, from: Expansion): number {
		this.#asked = true;
		if (this.#recorder !== undefined) this.#recorder.asked = true;
		// clang takes the operand as it stands, gcc expands it.
		const verbatim = this.flavour === "clang" ? 1 : 0;
		from.preventExpansion += verbatim;
		let argument = "";
		if (from.next().text !== "(") throw new Refusal("expression", `${test} without a parenthesis`);
		for (let depth = 0; ; ) {
			const t = from.next();
			if (t.type === "end") throw new Refusal("expression", `${test} without its end`);
			if (t.text === "(") depth++;
			else if (t.text === ")" && depth-- === 0) break;
			argument += t.text;
		}
		from.preventExpansion -= verbatim;
		if (this.#everTargeted && test === "__has_builtin" && BUILTIN_OF_TARGET.test(argument)) {
			throw new Refusal("target", `${argument} after #pragma GCC target`);
		}
		const answer = this.#r.setup.feature(test, argument);
		if (answer === undefined) this.#questions.set(`${test} ${argument}`, { test, argument });
		return answer ?? 0;
	}
}

interface WalkExpression {
	isDefined(sym: Sym): boolean;
	readonly unsignedChar: boolean;
	readonly unsignedWideChar: boolean;
	readonly flavour: "gcc" | "clang";
	skipping: number;
}

const number = (n: number): Token => token("number", String(n), false);
const fileString = (path: string): Token =>
	token("string", `"${Buffer.from(path).toString("latin1").replace(/[\\"]/g, "\\$&")}"`, false);

/** As gcc's depfiles leave out the current folder. */
function withoutDots(path: string): string {
	if (!path.startsWith("./")) return path;
	return path.replace(/^(?:\.\/+)+/, "");
}

/** A name's bytes as a path. */
function decoded(bytes: string): string {
	if (!/[\x80-\xff\0]/.test(bytes)) return bytes;
	const text = Buffer.from(bytes, "latin1").toString();
	if (bytes.includes("\0") || Buffer.from(text).toString("latin1") !== bytes) {
		throw new Refusal("unsupported-character", text);
	}
	return text;
}

/** "…", <…>, or the spelling of what stands between `<` and `>`. */
function headerName(first: Token, tokens: Expansion, isClang: boolean): { name: string; angled: boolean } | undefined {
	const { text } = first;
	if (first.type === "string" && text[0] === '"') return { name: text.slice(1, -1), angled: false };
	if (first.type === "header") return { name: text.slice(1, -1), angled: true };
	if (text !== "<" || first.type !== "punctuator") return undefined;
	let name = "";
	for (;;) {
		const t = tokens.next();
		if (t.type === "end") return undefined;
		if (t.text === ">" && t.type === "punctuator") return { name, angled: true };
		if (t.space) {
			// clang counts the blanks before a macro's name in, gcc those of its body.
			if (isClang) throw new Refusal("bad-directive", "blanks in a computed header's name");
			name += " ";
		}
		name += t.text;
	}
}
