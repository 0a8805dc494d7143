import { lexShell, type ShellToken, type ShellWord } from "./shell-lex.js";

/** A shell script as a tree: and-or lists of pipelines of commands. */
export type ShellScript = readonly ShellList[];

export interface ShellList {
	readonly pipelines: readonly ShellPipeline[];
	/** The operator before each pipeline but the first. */
	readonly operators: readonly ("&&" | "||")[];
	readonly background: boolean;
}

export interface ShellPipeline {
	readonly negated: boolean;
	readonly commands: readonly ShellCommand[];
}

export type ShellCommand = {
	/** Scripts in its `$( )` and backquotes, redirections included. */
	readonly substitutions: readonly ShellScript[];
} & (
	| { readonly kind: "simple"; readonly words: readonly ShellWord[] }
	| { readonly kind: "group"; readonly subshell: boolean; readonly body: ShellScript }
	| { readonly kind: "if"; readonly conditions: readonly ShellScript[]; readonly bodies: readonly ShellScript[] }
	| { readonly kind: "loop"; readonly condition: ShellScript; readonly body: ShellScript }
);

/** The tree of a command text, or undefined if it holds what we do not understand (case, functions, here-documents). */
export function parseShell(text: string): ShellScript | undefined {
	const tokens = lexShell(text);
	if (tokens === undefined) return undefined;
	try {
		const parser = new Parser(tokens);
		const script = parser.script([]);
		return parser.done ? script : undefined;
	} catch (error) {
		if (error instanceof NotUnderstood) return undefined;
		throw error;
	}
}

class NotUnderstood extends Error {}

const REDIRECTIONS = new Set([">", ">>", "<", ">&", "<&", ">|", "<>", "&>", "&>>"]);
const REFUSED = new Set(["case", "esac", "function", "select", "coproc", "[[", "time"]);

class Parser {
	readonly #tokens: readonly ShellToken[];
	#at = 0;
	constructor(tokens: readonly ShellToken[]) {
		this.#tokens = tokens;
	}

	get done(): boolean {
		return this.#at >= this.#tokens.length;
	}

	/** Lists up to one of the reserved words or `)` in `ends`, which is not taken. */
	script(ends: readonly string[]): ShellScript {
		const lists: ShellList[] = [];
		for (;;) {
			while (this.#takeOperator(";", "\n") !== undefined);
			if (this.done || ends.some((end) => this.#isNext(end))) return lists;
			const list = this.#list();
			const background = this.#takeOperator("&") !== undefined;
			lists.push({ ...list, background });
			if (background || this.done || ends.some((end) => this.#isNext(end))) continue;
			if (this.#takeOperator(";", "\n") === undefined) throw new NotUnderstood();
		}
	}

	#list(): Omit<ShellList, "background"> {
		const pipelines = [this.#pipeline()];
		const operators: ("&&" | "||")[] = [];
		for (;;) {
			const operator = this.#takeOperator("&&", "||");
			if (operator === undefined) return { pipelines, operators };
			while (this.#takeOperator("\n") !== undefined);
			operators.push(operator as "&&" | "||");
			pipelines.push(this.#pipeline());
		}
	}

	#pipeline(): ShellPipeline {
		const negated = this.#takeWord("!");
		const commands = [this.#command()];
		while (this.#takeOperator("|", "|&") !== undefined) {
			while (this.#takeOperator("\n") !== undefined);
			commands.push(this.#command());
		}
		return { negated, commands };
	}

	#command(): ShellCommand {
		if (this.#takeOperator("(") !== undefined) {
			const body = this.script([")"]);
			if (this.#takeOperator(")") === undefined) throw new NotUnderstood();
			return { kind: "group", subshell: true, body, substitutions: this.#redirections() };
		}
		if (this.#takeWord("{")) {
			const body = this.script(["}"]);
			this.#expectWord("}");
			return { kind: "group", subshell: false, body, substitutions: this.#redirections() };
		}
		if (this.#takeWord("if")) return this.#if();
		if (this.#takeWord("while") || this.#takeWord("until")) return this.#loop(this.script(["do"]), []);
		if (this.#takeWord("for")) return this.#for();
		return this.#simple();
	}

	#if(): ShellCommand {
		const conditions: ShellScript[] = [];
		const bodies: ShellScript[] = [];
		do {
			conditions.push(this.script(["then"]));
			this.#expectWord("then");
			bodies.push(this.script(["elif", "else", "fi"]));
		} while (this.#takeWord("elif"));
		if (this.#takeWord("else")) bodies.push(this.script(["fi"]));
		this.#expectWord("fi");
		return { kind: "if", conditions, bodies, substitutions: this.#redirections() };
	}

	#for(): ShellCommand {
		const substitutions: ShellScript[] = [];
		while (!this.#isNext("do")) {
			const token = this.#tokens[this.#at++];
			if (token === undefined) throw new NotUnderstood();
			if (token.kind === "word") substitutions.push(...scriptsOf(token));
			else if (token.text !== ";" && token.text !== "\n") throw new NotUnderstood();
		}
		return this.#loop([], substitutions);
	}

	#loop(condition: ShellScript, substitutions: readonly ShellScript[]): ShellCommand {
		this.#expectWord("do");
		const body = this.script(["done"]);
		this.#expectWord("done");
		return { kind: "loop", condition, body, substitutions: [...substitutions, ...this.#redirections()] };
	}

	#simple(): ShellCommand {
		const words: ShellWord[] = [];
		const substitutions: ShellScript[] = [];
		for (;;) {
			const token = this.#tokens[this.#at];
			if (token === undefined) break;
			if (token.kind === "operator") {
				if (!REDIRECTIONS.has(token.text)) break;
				// The digit before `2>` is a word of its own to the lexer, and of no consequence.
				substitutions.push(...this.#redirections());
				continue;
			}
			if (words.length === 0 && !token.quoted && REFUSED.has(token.text)) throw new NotUnderstood();
			this.#at++;
			words.push(token);
			substitutions.push(...scriptsOf(token));
		}
		// A parenthesis here defines a function; nothing at all is a reserved word out of place.
		if (this.#isNext("(") || (words.length === 0 && substitutions.length === 0)) throw new NotUnderstood();
		return { kind: "simple", words, substitutions };
	}

	#redirections(): ShellScript[] {
		const substitutions: ShellScript[] = [];
		for (;;) {
			const operator = this.#takeOperator(...REDIRECTIONS);
			if (operator === undefined) return substitutions;
			const target = this.#tokens[this.#at++];
			if (target?.kind !== "word") throw new NotUnderstood();
			substitutions.push(...scriptsOf(target));
		}
	}

	#isNext(text: string): boolean {
		const token = this.#tokens[this.#at];
		return token?.text === text && !(token.kind === "word" && token.quoted);
	}

	#takeWord(text: string): boolean {
		const isNext = this.#tokens[this.#at]?.kind === "word" && this.#isNext(text);
		if (isNext) this.#at++;
		return isNext;
	}

	#expectWord(text: string): void {
		if (!this.#takeWord(text)) throw new NotUnderstood();
	}

	#takeOperator(...texts: string[]): string | undefined {
		const token = this.#tokens[this.#at];
		if (token?.kind !== "operator" || !texts.includes(token.text)) return undefined;
		this.#at++;
		return token.text;
	}
}

function scriptsOf(word: ShellWord): ShellScript[] {
	return word.substitutions.map((text) => {
		const script = parseShell(text);
		if (script === undefined) throw new NotUnderstood();
		return script;
	});
}
