/** One run of the preprocessor over one source: what it opens, in which order. */

import { unquoted } from "../models/line-markers.js";
import { evaluate } from "./expression.js";
import { type Token, token } from "./lex.js";
import { type Candidates, type Found, type LookFor, Lookup } from "./lookup.js";
import { Expansion, type MacroHost } from "./macros.js";
import { checkMakers } from "./makers.js";
import { meaning } from "./pragma.js";
import type { Op, PragmaMaker, Program, Verdict } from "./program.js";
import * as program from "./program.js";
import { Refusal } from "./refusal.js";
import { type Macro, POISONED, type Sym, type Symbols } from "./symbols.js";
import {
	FEATURE_TESTS,
	type FeatureTest,
	type OpenedFile,
	type RestsOn,
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
	readonly candidates: Candidates;
	/** Different from that of every earlier walk. */
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
	/** A condition asked for the number of its line. */
	#namesLine = false;
	#steps = 0;
	#reads = 0;
	#op: Op | undefined;
	/** `#pragma GCC target` or `optimize` is in force, under so many push_options, and which of them. */
	#targeted = 0;
	#optimised = false;
	/** Builtins that such a pragma brought stay. */
	#everTargeted = false;
	/** What the #if at hand rests on; undefined: on more than macros. */
	#grounds: Map<Sym, Macro | undefined> | undefined;
	#asked = false;

	constructor(resources: WalkResources, cwd: string) {
		this.#r = resources;
		this.flavour = resources.setup.flavour;
		this.dialect = resources.setup.dialect;
		this.symbols = resources.symbols;
		this.assembler = resources.setup.language === "assembler";
		this.#lookup = new Lookup(resources.setup, cwd, resources.files, resources.candidates);
		this.#makers = [...resources.makers];
	}

	run(source: string): ScanAnswer {
		this.#source = source;
		let restsOn: RestsOn;
		try {
			this.#walk(source);
			restsOn = checkMakers(this.#makers, this.#read);
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
			if (f.file !== undefined && f.state.stacked === 0) present.add(this.#lookup.absolute(f.path));
		}
		if (this.#namesLine || this.#markSeen) restsOn = "text";
		const { absent, folders, links } = this.#lookup;
		const namesTime = this.#namesTime;
		return { kind: "scanned", files: this.#opened, absent, folders, links, present, namesTime, restsOn };
	}

	#ask(): ScanAnswer {
		return { kind: "ask", questions: [...this.#questions.values()] };
	}

	/** The source is opened and listed first, but what the command line names is read before its first line. */
	#walk(source: string): void {
		const { setup } = this.#r;
		const main = this.#lookup.find(source, this.#lookup.noSearch, "source");
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
		this.#enter(this.#lookup.find(name, start, "header"), name);
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
		const found = this.#lookup.find(name, start, "implicit");
		if (found.file !== undefined) this.#enter(found, name);
	}

	#enter(found: Found, name: string, isImport = false): void {
		if (found.file === undefined) throw new Refusal("missing-header", name);
		const frame = this.#stack(found, isImport);
		if (frame === undefined) return;
		this.#execute(frame);
		this.#frames.pop();
	}

	/** Begins to read the file, unless it was read and is to be read once. */
	#stack(found: Found, isImport: boolean): Frame | undefined {
		const below = this.#frames.at(-1);
		const system = below !== undefined && found.dir !== undefined && (below.system || found.dir.system);
		// It lists what it skips, too: a file that it knows may have another name here.
		if (this.flavour === "clang" && found.file !== undefined) this.#list(found, system);
		if (found.state.once) return undefined;
		if (isImport) {
			found.state.once = true;
			this.#onceSeen = true;
			if (found.state.stacked > 0) return undefined;
		}
		const file = found.file;
		if (file === undefined) return undefined;
		const code = this.#r.programOf(file);
		if (code.isMarked) this.#markSeen = true;
		if (found.state.stacked > 0 && code.guard !== undefined && this.#value(code.guard) !== undefined) return undefined;
		if (this.#onceSeen && this.#readUnderAnotherName(found, isImport)) return undefined;
		if (this.flavour === "gcc" && found.state.stacked === 0) this.#list(found, system);
		if (++this.#reads > MOST_READ) throw new Refusal("macro-limit", "too many files");
		if (code.namesTime) this.#namesTime = true;
		if (code.makers.length > 0 && !this.#read.has(code)) this.#makers.push(...code.makers);
		this.#read.set(code, file);
		found.state.stacked++;
		const frame = { found, program: code, system, renumbered: false };
		this.#frames.push(frame);
		if (code.problem !== undefined) {
			throw new Refusal(code.problem.reason, code.problem.what, `${found.path}:${code.problem.line}`);
		}
		return frame;
	}

	/** clang lists each name once, gcc each of its file objects. */
	#list(found: Found, system: boolean): void {
		const name = withoutDots(found.path);
		if (this.flavour === "clang") {
			if (this.#listed.has(name)) return;
			this.#listed.add(name);
		}
		this.#opened.push({ name, path: this.#lookup.absolute(found.path), system });
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
		const { ops } = frame.program;
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
		const { syms, macros } = verdict;
		if (this.#targeted > 0 || (verdict.asked !== undefined && verdict.asked !== this.#r.setup)) return false;
		for (let i = 0; i < syms.length; i++) if (this.#value(syms[i]!) !== macros[i]) return false;
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
				const asked = this.#asked ? this.#r.setup : undefined;
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

	#value(sym: Sym): Macro | undefined {
		if (sym.epoch !== this.#r.epoch) {
			sym.epoch = this.#r.epoch;
			sym.macro = this.#r.predefined.get(sym);
		}
		return sym.macro;
	}

	#set(sym: Sym, macro: Macro | undefined): void {
		sym.epoch = this.#r.epoch;
		sym.macro = macro;
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
		const old = this.#value(sym);
		if (old?.builtin === true) this.#redefined(op, sym, old);
		sym.macro = op.macro;
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
				const old = this.#value(op.sym!);
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
		return start === undefined ? undefined : this.#lookup.find(name, start, what);
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
				frame.found.state.once = true;
				this.#onceSeen = true;
				break;
			case "system-header":
				if (this.#frames.length > 1) frame.system = true;
				break;
			case "push-macro": {
				const sym = this.symbols.get(said.name);
				const macro = this.#value(sym);
				if (macro?.builtin === true) throw new Refusal("pragma", op.text);
				const stack = this.#pushed.get(sym);
				if (stack === undefined) this.#pushed.set(sym, [macro]);
				else stack.push(macro);
				break;
			}
			case "pop-macro": {
				const sym = this.symbols.get(said.name);
				const stack = this.#pushed.get(sym);
				if (stack === undefined || stack.length === 0) break;
				if (this.#value(sym)?.builtin === true) throw new Refusal("pragma", op.text);
				this.#set(sym, stack.pop());
				break;
			}
			case "poison":
				if (this.flavour === "clang") throw new Refusal("pragma", op.text);
				for (const name of said.names) this.#set(this.symbols.get(name), POISONED);
				break;
			case "refused":
				throw new Refusal("pragma", op.text);
		}
	}

	/** Macros of the target change under `GCC target` and `GCC optimize`, up to the pop that undoes it. */
	#targetPragma(text: string): void {
		const word = /^\s*GCC\s+(target|optimize|push_options|pop_options|reset_options)\b/.exec(text)?.[1];
		if (word === undefined || this.flavour === "clang") return;
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
		if (name === "__LINE__") this.#namesLine = true;
		if (name === "__LINE__" && this.#op?.spread === false && !frame.renumbered) return number(this.#op.line);
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
