/** A file reduced to its directives. */

import type { Macro, Sym } from "./symbols.js";
import type { RefusalReason } from "./types.js";

export const DEFINE = 0;
export const UNDEF = 1;
export const IFDEF = 2;
export const IFNDEF = 3;
export const IF = 4;
export const ELIF = 5;
export const ELIFDEF = 6;
export const ELIFNDEF = 7;
export const ELSE = 8;
export const ENDIF = 9;
export const INCLUDE = 10;
export const INCLUDE_NEXT = 11;
export const IMPORT = 12;
export const PRAGMA = 13;
/** #line and linemarkers: what __LINE__ and __FILE__ say is no longer known. */
export const LINE = 14;
/** Refused as soon as it is reached. */
export const REFUSED = 15;

/** What an #if came to, and the macros on which that rested. */
export interface Verdict {
	readonly value: boolean;
	readonly syms: readonly Sym[];
	readonly macros: readonly (Macro | undefined)[];
	/** Whose answers to __has_attribute and its kin went into it. */
	readonly asked: object | undefined;
}

export class Op {
	readonly kind: number;
	readonly line: number;
	/** What follows the directive's name, comments replaced by blanks, trimmed. */
	readonly text: string;
	/** #define, #undef, #ifdef … */
	sym: Sym | undefined = undefined;
	macro: Macro | undefined = undefined;
	/** #include with a plain name: the name, undefined if macros must say it. */
	header: string | undefined = undefined;
	angled = false;
	reason: RefusalReason | undefined = undefined;
	/** A directive on several lines: which of them __LINE__ names is not for us to say. */
	readonly spread: boolean;
	/** Of a conditional: the index of its next #elif, #else or #endif, and of its #endif. */
	next = -1;
	end = -1;
	verdicts: Verdict[] | undefined = undefined;

	constructor(kind: number, line: number, text: string, spread: boolean) {
		this.kind = kind;
		this.line = line;
		this.text = text;
		this.spread = spread;
	}
}

/** A macro whose body makes a pragma of its arguments (`_Pragma(#x)`): what it may do is seen where it is used. */
export interface PragmaMaker {
	readonly name: string;
	readonly body: string;
}

export interface Program {
	readonly ops: readonly Op[];
	/** `#ifndef X` or `#if !defined X` around all there is: nothing to do while X is a macro. */
	readonly guard: Sym | undefined;
	/** The compiler reports an error wherever it reads this file, or we cannot read it. */
	readonly problem: { readonly reason: RefusalReason; readonly line: number; readonly what: string } | undefined;
	/** __DATE__, __TIME__ or __TIMESTAMP__ stands in it. */
	readonly namesTime: boolean;
	/** `_Pragma` with anything but a literal in a macro's body. */
	readonly makers: readonly PragmaMaker[];
	/** A word of a pragma that the preprocessor heeds stands in it. */
	readonly mayHeed: boolean;
	/** The file begins with the mark of UTF-8; its size without. */
	readonly isMarked: boolean;
	readonly size: number;
	/** For the bound of the cache. */
	readonly weight: number;
}

/** Notes the problem of a file that is being read; the first one counts. */
export type Fail = (reason: RefusalReason, line: number, what: string) => void;
