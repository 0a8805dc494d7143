/** The scanner: minimised files and prepared setups, kept from scan to scan. */

import { createHash } from "node:crypto";
import { BUILTINS } from "./builtins.js";
import { Candidates } from "./lookup.js";
import { isHeedful } from "./makers.js";
import { minimise } from "./minimise.js";
import type { PragmaMaker, Program } from "./program.js";
import * as program from "./program.js";
import { Macro, type Sym, Symbols } from "./symbols.js";
import type { Reading, RefusalReason, ScanAnswer, ScanFile, ScanFiles, ScanSetup } from "./types.js";
import { Walk } from "./walk.js";

/** Text of directives kept, in characters; and names. Beyond, all is forgotten at once. */
const HEAVIEST = 256 << 20;
const MOST_NAMES = 4_000_000;

interface Prepared {
	readonly predefined: ReadonlyMap<Sym, Macro>;
	readonly makers: readonly PragmaMaker[];
	readonly programs: Map<string, Program>;
}

/** A macro of the command line is not understood. */
interface NotPrepared {
	readonly reason: RefusalReason;
	readonly what: string;
}

/** Scans one source after another; nothing in it waits. */
export class Scanner {
	readonly #files: ScanFiles;
	#symbols = new Symbols();
	#setups = new WeakMap<ScanSetup, Prepared>();
	/** By what of the dialect changes how a file is read. */
	#programs = new Map<string, Map<string, Program>>();
	/** Equal definitions of different setups are the same macro, so that what rests on them stands for all. */
	#definitions = new Map<string, Macro>();
	#candidates = new Candidates();
	#weight = 0;
	#epoch = 0;

	constructor(files: ScanFiles) {
		this.#files = files;
	}

	/** `source.name` as the command line has it. */
	scan(setup: ScanSetup, source: { readonly name: string }, cwd: string): ScanAnswer {
		if (this.#weight > HEAVIEST || this.#symbols.size + this.#candidates.size > MOST_NAMES) this.#forget();
		const prepared = this.#prepare(setup);
		if ("reason" in prepared)
			return { kind: "refused", reason: prepared.reason, where: "<command-line>", what: prepared.what };
		const walk = new Walk(
			{
				setup,
				symbols: this.#symbols,
				predefined: prepared.predefined,
				makers: prepared.makers,
				files: this.#files,
				candidates: this.#candidates,
				epoch: ++this.#epoch,
				programOf: (file) => this.#program(file, setup, prepared.programs),
			},
			cwd,
		);
		return walk.run(source.name);
	}

	/** Names the directives of a file: in a scan that rests on these, another file of the same name would do as well. */
	directivesOf(file: ScanFile, reading: Reading): string {
		return digestOf(this.#program(file, reading, this.#programsOf(reading).programs));
	}

	/** The words of a pragma that the preprocessor heeds stand in it. */
	isHeedful(file: ScanFile, reading: Reading): boolean {
		return isHeedful(this.#program(file, reading, this.#programsOf(reading).programs), file);
	}

	#forget(): void {
		this.#symbols = new Symbols();
		this.#setups = new WeakMap();
		this.#programs = new Map();
		this.#definitions = new Map();
		this.#candidates = new Candidates();
		this.#weight = 0;
	}

	#program(file: ScanFile, setup: Reading, programs: Map<string, Program>): Program {
		let code = programs.get(file.identity);
		if (code === undefined) {
			code = minimise(file.content, setup.language, setup.dialect, this.#symbols);
			programs.set(file.identity, code);
			this.#weight += code.weight;
		}
		return code;
	}

	#prepare(setup: ScanSetup): Prepared | NotPrepared {
		let prepared = this.#setups.get(setup);
		if (prepared !== undefined) return prepared;
		const { key, programs } = this.#programsOf(setup);
		const predefined = this.#predefine(setup, key);
		if ("reason" in predefined) return predefined;
		prepared = { ...predefined, programs };
		this.#setups.set(setup, prepared);
		return prepared;
	}

	#programsOf(reading: Reading): { readonly key: string; readonly programs: Map<string, Program> } {
		const key = keyOfReading(reading);
		let programs = this.#programs.get(key);
		if (programs === undefined) {
			programs = new Map();
			this.#programs.set(key, programs);
		}
		return { key, programs };
	}

	#predefine(setup: ScanSetup, key: string): Omit<Prepared, "programs"> | NotPrepared {
		const predefined = new Map<Sym, Macro>();
		for (const name of BUILTINS)
			predefined.set(this.#symbols.get(name), this.#definition(`${key}${name} builtin`, "", true));
		for (const name of setup.knows)
			predefined.set(this.#symbols.get(name), this.#definition(`${key}${name} builtin`, "", true));
		const text = Buffer.from(setup.predefines, "latin1");
		const code = minimise(text, setup.language, setup.dialect, this.#symbols);
		if (code.problem !== undefined) return code.problem;
		for (const op of code.ops) {
			if (op.reason !== undefined) return { reason: op.reason, what: op.text };
			if (op.sym === undefined) continue;
			if (op.kind === program.UNDEF) predefined.delete(op.sym);
			else if (op.kind === program.DEFINE) {
				predefined.set(op.sym, this.#definition(`${key}#${op.text}`, op.macro!.text, false));
			}
		}
		return { predefined, makers: code.makers };
	}

	#definition(key: string, text: string, builtin: boolean): Macro {
		let macro = this.#definitions.get(key);
		if (macro === undefined) {
			macro = new Macro(text, builtin);
			this.#definitions.set(key, macro);
		}
		return macro;
	}
}

const keys = new WeakMap<Reading, string>();

/** Equal for readings that are. */
export function keyOfReading(reading: Reading): string {
	let key = keys.get(reading);
	if (key === undefined) {
		const { language, dialect } = reading;
		key = JSON.stringify([language, Object.entries(dialect).sort(([a], [b]) => (a < b ? -1 : 1))]);
		keys.set(reading, key);
	}
	return key;
}

const digests = new WeakMap<Program, string>();

/** All of a program that a walk looks at, but for the numbers of lines. */
function digestOf(code: Program): string {
	let digest = digests.get(code);
	if (digest === undefined) {
		const ops = code.ops.map((op) => [
			op.kind,
			op.text,
			op.sym?.name,
			op.macro?.text,
			op.header,
			op.angled,
			op.reason,
			op.next,
			op.end,
		]);
		const { guard, problem, namesTime, makers, isMarked } = code;
		const all = [ops, guard?.name, problem?.reason, problem?.what, namesTime, makers, isMarked];
		digest = createHash("sha256").update(JSON.stringify(all)).digest("base64url");
		digests.set(code, digest);
	}
	return digest;
}

/** The identity of a file's content. */
export function identityOf(content: Uint8Array): string {
	return createHash("sha1").update(content).digest("base64");
}
