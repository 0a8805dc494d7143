/** One run of the preprocessor over one source: what it opens, in which order. */

import { buildingModule, fileString, number } from "./builtins.js";
import { Definitions, isPoisoned } from "./definitions.js";
import { type ExpressionHost, evaluate } from "./expression.js";
import { featureOperand, isFeatureTest, Questions } from "./feature-tests.js";
import { computedHeader, decoded, type HeaderName, hasIncludeOperand, nameInLine } from "./file-names.js";
import { forcedHeaders } from "./forced.js";
import { type Frame, IncludeStack } from "./include-stack.js";
import type { Token } from "./lex.js";
import { type Candidates, type Found, type LookFor, Lookup } from "./lookup.js";
import { Expansion, type MacroHost } from "./macros.js";
import { checkMakers } from "./makers.js";
import { meaning } from "./pragma.js";
import type { Op, PragmaMaker, Program, Verdict } from "./program.js";
import * as program from "./program.js";
import { Refusal } from "./refusal.js";
import { type Macro, POISONED, type Sym, type Symbols } from "./symbols.js";
import { TargetOptions } from "./target-options.js";
import type { FeatureTest, RestsOn, ScanAnswer, ScanFile, ScanFiles, ScanSetup } from "./types.js";
import { Grounds } from "./verdicts.js";

/** Directives of one walk: a header that includes itself twice 200 deep never ends. */
const MOST_STEPS = 20_000_000;

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

export class Walk implements ExpressionHost, MacroHost {
	readonly dialect: ScanSetup["dialect"];
	readonly symbols: Symbols;
	readonly assembler: boolean;
	readonly flavour: "gcc" | "clang";
	skipping = 0;
	readonly #r: WalkResources;
	readonly #macros: Definitions;
	readonly #lookup: Lookup;
	readonly #stack: IncludeStack;
	readonly #target = new TargetOptions();
	readonly #questions: Questions;
	#source = "";
	/** Files that only messages show. */
	readonly #shown = new Set<string>();
	/** A condition asked for the number of its line. */
	#namesLine = false;
	#steps = 0;
	#op: Op | undefined;
	/** What the #if at hand rests on; undefined: on more than macros. */
	#grounds: Grounds | undefined;

	constructor(resources: WalkResources, cwd: string) {
		this.#r = resources;
		this.flavour = resources.setup.flavour;
		this.dialect = resources.setup.dialect;
		this.symbols = resources.symbols;
		this.assembler = resources.setup.language === "assembler";
		this.#macros = new Definitions(resources.predefined, resources.epoch);
		this.#lookup = new Lookup(resources.setup, cwd, resources.files, resources.candidates);
		this.#questions = new Questions(resources.setup);
		this.#stack = new IncludeStack({
			flavour: this.flavour,
			lookup: this.#lookup,
			programOf: resources.programOf,
			isMacro: (sym) => this.#macros.of(sym) !== undefined,
		});
	}

	run(source: string): ScanAnswer {
		this.#source = source;
		let restsOn: RestsOn;
		try {
			this.#walk(source);
			restsOn = this.#checkMakers();
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			if (this.#questions.isPending) return this.#questions.ask();
			const frame = this.#stack.top;
			const where = error.where ?? `${frame?.found.path ?? source}:${this.#op?.line ?? 0}`;
			return { kind: "refused", reason: error.reason, where, what: error.what.slice(0, 200) };
		}
		if (this.#questions.isPending) return this.#questions.ask();
		const present = new Set(this.#shown);
		for (const f of this.#lookup.all) {
			if (f.file !== undefined && f.state.stacked === 0) present.add(this.#lookup.absolute(f.path));
		}
		if (this.#namesLine || this.#stack.once.markSeen) restsOn = "text";
		const { absent, folders, links } = this.#lookup;
		const { opened, namesTime } = this.#stack;
		return { kind: "scanned", files: opened, absent, folders, links, present, namesTime, restsOn };
	}

	#checkMakers(): RestsOn {
		const { read } = this.#stack;
		return checkMakers([...this.#r.makers, ...[...read.keys()].flatMap((code) => code.makers)], read);
	}

	/** The source is opened and listed first, but what the command line names is read before its first line. */
	#walk(source: string): void {
		const { setup, files } = this.#r;
		const main = this.#lookup.find(source, this.#lookup.noSearch, "source");
		const frame = this.#stack.enter(main, false);
		if (frame === undefined) throw new Refusal("missing-header", source);
		for (const [found, name] of forcedHeaders(setup, this.#lookup, files)) this.#read(found, name);
		this.#execute(frame);
	}

	#read(found: Found, name: string, isImport = false): void {
		if (found.file === undefined) throw new Refusal("missing-header", name);
		const frame = this.#stack.enter(found, isImport);
		if (frame === undefined) return;
		this.#execute(frame);
		this.#stack.leave();
	}

	#execute(frame: Frame): void {
		const { ops } = frame.program;
		for (let i = 0; i < ops.length; i++) {
			const op = ops[i]!;
			switch (op.kind) {
				case program.DEFINE:
					this.#op = op;
					this.#macros.define(op);
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
		const macro = this.#macros.of(op.sym!);
		if (macro === POISONED || this.#target.depth > 0) {
			this.#op = op;
			if (macro === POISONED) throw isPoisoned(op.sym!);
			this.#notOfTarget(op.sym!, macro);
		}
		return macro !== undefined;
	}

	#stands(verdict: Verdict): boolean {
		const { syms, macros } = verdict;
		if (this.#target.depth > 0 || (verdict.asked !== undefined && verdict.asked !== this.#r.setup)) return false;
		for (let i = 0; i < syms.length; i++) if (this.#macros.of(syms[i]!) !== macros[i]) return false;
		return true;
	}

	#evaluate(op: Op): boolean {
		this.#op = op;
		this.#grounds = new Grounds();
		const tokens = new Expansion(this, op.text, false);
		try {
			const value = evaluate(tokens, this);
			if (!this.#questions.isPending) this.#grounds?.keep(value, op, this.#r.setup);
			return value;
		} finally {
			this.#grounds = undefined;
			tokens.abandon();
		}
	}

	/** MacroHost: a macro that reaches a directive. */
	lookup(sym: Sym): Macro | undefined {
		const macro = this.#macros.of(sym);
		this.#grounds?.add(sym, macro);
		if (this.#target.depth > 0) this.#notOfTarget(sym, macro);
		return macro;
	}

	isDefined(sym: Sym): boolean {
		const macro = this.lookup(sym);
		if (macro === POISONED) throw isPoisoned(sym);
		return macro !== undefined;
	}

	get unsignedChar(): boolean {
		return this.lookup(this.symbols.get("__CHAR_UNSIGNED__")) !== undefined;
	}

	get unsignedWideChar(): boolean {
		return this.lookup(this.symbols.get("__WCHAR_UNSIGNED__")) !== undefined;
	}

	/** While `#pragma GCC target` is in force. */
	#notOfTarget(sym: Sym, macro: Macro | undefined): void {
		if (macro !== undefined && !this.#macros.isPredefined(sym, macro)) return;
		if (!this.#target.mayChange(sym.name, this.#stack.top!.found)) return;
		throw new Refusal("target", `${sym.name} under #pragma GCC target or optimize`);
	}

	#other(op: Op, frame: Frame): void {
		switch (op.kind) {
			case program.UNDEF:
				this.#macros.undefine(op);
				break;
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
		const { flavour } = this;
		const header =
			op.header === undefined ? computedHeader(this, op.text, flavour) : { name: op.header, angled: op.angled };
		const { name } = header;
		if (name === "") throw new Refusal("bad-directive", `#include ${op.text}`);
		if (this.#stack.isTooDeep) throw new Refusal("include-depth", name);
		const next = op.kind === program.INCLUDE_NEXT && this.#stack.depth > 1;
		const found = this.#find(header, frame, next, "header");
		if (found?.file === undefined) throw new Refusal("missing-header", name);
		this.#read(found, name, op.kind === program.IMPORT);
	}

	/** gcc's messages show the lines of the file that #line names; clang has them from the file that it reads. */
	#showsLinesOf(op: Op): void {
		if (this.flavour === "clang") return;
		const name = nameInLine(this, op.text);
		if (name === undefined) return;
		const path = this.#lookup.absolute(name);
		const found = this.#r.files.open(path);
		if (found === "absent") this.#lookup.absent.add(path);
		else if (found !== "folder") this.#shown.add(path);
	}

	#find(header: HeaderName, frame: Frame, next: boolean, what: LookFor): Found | undefined {
		const name = decoded(header.name);
		// clang takes the backslash of other systems for a slash.
		if (this.flavour === "clang" && name.includes("\\")) throw new Refusal("unsupported-character", name);
		const start = this.#lookup.start(name, header.angled, frame.found, frame.system, next);
		return start === undefined ? undefined : this.#lookup.find(name, start, what);
	}

	#pragma(op: Op, frame: Frame): void {
		const said = meaning(op.text, this.flavour);
		switch (said.kind) {
			case "inert":
				if (this.flavour === "gcc") this.#target.pragma(op.text);
				break;
			case "once":
				this.#stack.once.mark(frame.found);
				break;
			case "system-header":
				if (this.#stack.depth > 1) frame.system = true;
				break;
			case "push-macro":
				this.#macros.push(this.symbols.get(said.name), op.text);
				break;
			case "pop-macro":
				this.#macros.pop(this.symbols.get(said.name), op.text);
				break;
			case "poison":
				if (this.flavour === "clang") throw new Refusal("pragma", op.text);
				for (const name of said.names) this.#macros.poison(this.symbols.get(name));
				break;
			case "refused":
				throw new Refusal("pragma", op.text);
		}
	}

	/** MacroHost. */
	builtin(sym: Sym, from: Expansion): Token {
		const { name } = sym;
		if (name === "__has_include" || name === "__has_include_next") {
			this.#grounds = undefined;
			return number(this.#hasInclude(from, name === "__has_include_next") ? 1 : 0);
		}
		if (name === "__building_module") return buildingModule(from);
		if (isFeatureTest(name)) return number(this.#feature(name, from));
		const frame = this.#stack.top!;
		this.#grounds = undefined;
		if (name === "__LINE__") this.#namesLine = true;
		if (name === "__LINE__" && this.#op?.spread === false && !frame.renumbered) return number(this.#op.line);
		if (name === "__INCLUDE_LEVEL__") return number(this.#stack.depth - 1);
		if (!this.#r.setup.mapsFileNames) {
			if (name === "__FILE__" && !frame.renumbered) return fileString(frame.found.path);
			if (name === "__BASE_FILE__") return fileString(this.#source);
		}
		throw new Refusal(name === "__has_embed" ? "embed" : "expression", name);
	}

	#hasInclude(from: Expansion, next: boolean): boolean {
		const header = hasIncludeOperand(from, this.flavour);
		if (this.skipping > 0 && this.flavour === "gcc") return false;
		const after = next && this.#stack.depth > 1;
		const frame = this.#stack.top!;
		const found = this.#find(header, frame, after, "has-include");
		if (found?.file === undefined) return false;
		if (this.flavour === "clang") this.#stack.list(found, frame.system || found.dir?.system === true);
		return true;
	}

	#feature(test: FeatureTest, from: Expansion): number {
		if (this.#grounds !== undefined) this.#grounds.asked = true;
		const argument = featureOperand(test, from, this.flavour);
		if (test === "__has_builtin") this.#target.checkBuiltin(argument);
		return this.#questions.value(test, argument);
	}
}
