/** What a pragma means to the preprocessor. */

export type PragmaMeaning =
	| { readonly kind: "inert" }
	| { readonly kind: "once" }
	| { readonly kind: "system-header" }
	| { readonly kind: "push-macro" | "pop-macro"; readonly name: string }
	| { readonly kind: "poison"; readonly names: readonly string[] }
	/** It can change macros or read files in ways that we do not follow, or it is an error. */
	| { readonly kind: "refused" };

const INERT: PragmaMeaning = { kind: "inert" };
const REFUSED: PragmaMeaning = { kind: "refused" };

/** Words after `GCC` (and `clang`) that change macros, read files or stop the compile. */
const REFUSED_OF_GCC = new Set(["dependency", "error", "pch_preprocess"]);
const REFUSED_OF_CLANG = new Set(["dependency", "error", "module", "__debug", "include_instead"]);
const REFUSED_WORDS = new Set(["include_alias", "hdrstop"]);

/** What makes a word longer than our patterns take it for. */
const WORD_GOES_ON = /^[$\\\x80-\uffff]/;

/** `text` is what follows `#pragma`. */
export function meaning(text: string, flavour: "gcc" | "clang"): PragmaMeaning {
	const [, first = "", rest = ""] = /^\s*([A-Za-z_]\w*)(.*)$/s.exec(text) ?? [];
	if (WORD_GOES_ON.test(rest)) return REFUSED;
	// gcc has no pragmas of that name.
	if (first === "clang" && flavour === "gcc") return INERT;
	if (first === "once") return { kind: "once" };
	if (first === "push_macro" || first === "pop_macro") {
		const name = /^\s*\(\s*"([A-Za-z_]\w*)"\s*\)\s*$/.exec(rest)?.[1];
		if (name === undefined) return REFUSED;
		return { kind: first === "push_macro" ? "push-macro" : "pop-macro", name };
	}
	if (REFUSED_WORDS.has(first)) return REFUSED;
	if (first !== "GCC" && first !== "clang") return INERT;
	const [, second = "", tail = ""] = /^\s*([A-Za-z_]\w*)(.*)$/s.exec(rest) ?? [];
	if (WORD_GOES_ON.test(tail)) return REFUSED;
	if (second === "system_header") return { kind: "system-header" };
	if (second === "poison") {
		const names = tail.split(/\s+/).filter((n) => n !== "");
		return names.every((n) => /^[A-Za-z_]\w*$/.test(n)) ? { kind: "poison", names } : REFUSED;
	}
	return (first === "GCC" ? REFUSED_OF_GCC : REFUSED_OF_CLANG).has(second) ? REFUSED : INERT;
}

/** The text of `("…")` at the start, as _Pragma understands it; undefined if there is anything else. */
export function literalPragma(text: string): string | undefined {
	const literal = /^\s*\(\s*L?"((?:[^"\\\n]|\\.)*)"\s*\)/.exec(text)?.[1];
	return literal?.replace(/\\(["\\])/g, "$1");
}

/** To either compiler. */
export function isInert(pragma: string): boolean {
	return meaning(pragma, "gcc").kind === "inert" && meaning(pragma, "clang").kind === "inert";
}
