/** __has_attribute and its kin: what their operands are, which the compiler has answered, and which it is to be asked. */

import type { Expansion } from "./macros.js";
import { Refusal } from "./refusal.js";
import { FEATURE_TESTS, type FeatureTest, type ScanAnswer, type ScanSetup } from "./types.js";

const NAMES: ReadonlySet<string> = new Set(FEATURE_TESTS);

export const isFeatureTest = (name: string): name is FeatureTest => NAMES.has(name);

/** What one walk would ask the compiler. */
export class Questions {
	readonly #setup: ScanSetup;
	readonly #unanswered = new Map<string, { test: FeatureTest; argument: string }>();

	constructor(setup: ScanSetup) {
		this.#setup = setup;
	}

	/** Something was answered with 0 until the compiler has said it: nothing that followed is to be relied on. */
	get isPending(): boolean {
		return this.#unanswered.size > 0;
	}

	value(test: FeatureTest, argument: string): number {
		const answer = this.#setup.feature(test, argument);
		if (answer === undefined) this.#unanswered.set(`${test} ${argument}`, { test, argument });
		return answer ?? 0;
	}

	ask(): ScanAnswer {
		return { kind: "ask", questions: [...this.#unanswered.values()] };
	}
}

/** What stands between the test's parentheses. */
export function featureOperand(test: FeatureTest, from: Expansion, flavour: "gcc" | "clang"): string {
	// clang takes the operand as it stands, gcc expands it.
	const verbatim = flavour === "clang" ? 1 : 0;
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
	return argument;
}
