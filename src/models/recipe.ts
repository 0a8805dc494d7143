import path from "node:path";
import { parseShell, type ShellCommand, type ShellPipeline, type ShellScript } from "./shell-parse.js";

/** Whether anything but the build tool itself can tell how a command ended. */
export type Observation =
	| { readonly observed: false; readonly reason: "build-tool" | "status-passed-on" }
	| { readonly observed: true; readonly reason: ObservedReason };

export type ObservedReason =
	| "unknown-parent" // neither a build tool nor a shell
	| "script" // a shell that reads a file, or its input
	| "unclear" // shell text that we do not understand, or that changes what a failure does
	| "not-found" // the tool's name is not in the text
	| "condition" // if, while, until
	| "negated" // !
	| "pipe"
	| "background"
	| "alternative" // cmd || something else
	| "followed" // cmd; something else, without set -e
	| "loop" // the next round goes on
	| "substitution"; // $( )

/** The program that started the command: /proc/PID/exe and its argv. */
export interface ParentProcess {
	readonly exe: string;
	readonly argv: readonly string[];
}

const BUILD_TOOLS = new Set(["make", "gmake", "gnumake", "remake", "ninja", "ninja-build", "samu"]);
const SHELLS = new Set(["ash", "bash", "busybox", "dash", "ksh", "ksh93", "mksh", "sh", "yash", "zsh"]);

/**
 * True if the exit status of `tool`, started by `parent`, is seen by something other than make or ninja. Any doubt means
 * yes: then the command is waited for, which costs time but is never wrong.
 *
 * @param grandparent asked for where the parent only passes the status on
 */
export function isObserved(
	parent: ParentProcess,
	tool: string,
	grandparent: () => ParentProcess | undefined = () => undefined,
): Observation {
	const program = path.posix.basename(parent.exe.replace(/ \(deleted\)$/, ""));
	if (BUILD_TOOLS.has(program)) return { observed: false, reason: "build-tool" };
	// Runs the lines of a file until one fails, and ends as that did.
	if (parent.argv[1] === "-E" && parent.argv[2] === "cmake_link_script" && /^cmake\d*$/.test(program)) {
		const starter = grandparent();
		if (starter === undefined) return { observed: true, reason: "unknown-parent" };
		return isObserved(starter, path.posix.basename(parent.argv[0] ?? ""));
	}
	if (!SHELLS.has(program)) return { observed: true, reason: "unknown-parent" };
	if (program === "busybox" && !/(^|\/)a?sh$/.test(parent.argv[0] ?? ""))
		return { observed: true, reason: "unknown-parent" };
	const shell = shellText(parent.argv);
	if (shell === undefined) return { observed: true, reason: "script" };
	const script = parseShell(shell.text);
	if (script === undefined) return { observed: true, reason: "unclear" };
	const sites = new Sites(tool);
	sites.script(script, { fails: PASSED_ON, exits: PASSED_ON, errexit: shell.errexit, suppressed: false });
	return sites.verdict();
}

/** What `-c TEXT` says; undefined if the shell reads a script instead. */
function shellText(argv: readonly string[]): { text: string; errexit: boolean } | undefined {
	let errexit = false;
	let command = false;
	for (let i = 1; i < argv.length; i++) {
		const word = argv[i]!;
		if (word === "--") continue;
		if (/^--(posix|norc|noprofile)$/.test(word)) continue;
		if (!/^[-+][A-Za-z]+$/.test(word)) return command ? { text: word, errexit } : undefined;
		if (/[is]/.test(word)) return undefined;
		command ||= word.includes("c");
		if (word.includes("e")) errexit = word.startsWith("-");
		if (word.endsWith("o")) {
			const option = argv[++i];
			if (option === "errexit") errexit = word.startsWith("-");
		}
	}
	return undefined;
}

/** What a failure comes to: nothing that anybody but the build tool sees, or who sees it. */
type Outcome = "passed-on" | ObservedReason;

interface Context {
	/** The script's last command has failed. */
	readonly fails: () => Outcome;
	/** The shell, or the subshell that this is in, exits with a failure. */
	readonly exits: () => Outcome;
	readonly errexit: boolean;
	/** Within a condition or before `&&`, where set -e does nothing. */
	readonly suppressed: boolean;
}

const PASSED_ON = (): Outcome => "passed-on";

/** Programs that never become another program by exec, so that a child of the shell with our tool's name is not theirs. */
const INERT = new Set(
	(
		": [ ar as awk basename cat cd chmod cmp comm cp cut date diff dirname echo egrep expr false fgrep gawk grep head " +
		"install ld ln ls mkdir mv nm objcopy objdump paste printf pwd ranlib readlink realpath rm rmdir sed sleep sort " +
		"strip tail tee test touch tr true umask uname uniq wc export unset shift set exit"
	).split(" "),
);
const CHANGES_EVERYTHING = new Set(["trap", "eval", ".", "source", "alias", "return", "break", "continue"]);

/** Walks a script and notes what a failure at each place where our command may stand comes to. */
class Sites {
	readonly #tool: string;
	readonly #outcomes: Outcome[] = [];
	#found = false;
	constructor(tool: string) {
		this.#tool = tool;
	}

	/** Other programs may become our tool by exec (env, ccache, a script), so they count as places where it may stand. */
	verdict(): Observation {
		const bad = this.#outcomes.find((outcome) => outcome !== "passed-on");
		if (bad !== undefined) return { observed: true, reason: bad };
		return this.#found ? { observed: false, reason: "status-passed-on" } : { observed: true, reason: "not-found" };
	}

	script(script: ShellScript, context: Context): void {
		let errexit = context.errexit;
		for (const [i, { pipelines, operators, background }] of script.entries()) {
			for (const [j, pipeline] of pipelines.entries()) {
				const fails = (): Outcome => {
					let skipped = false;
					for (let k = j + 1; k < pipelines.length; k++) {
						if (operators[k - 1] === "&&") skipped = true;
						else return exitsWithFailure(pipelines[k]!) ? context.exits() : "alternative";
					}
					if (background) return "background";
					if (errexit && !skipped && !context.suppressed) return context.exits();
					return i === script.length - 1 ? context.fails() : "followed";
				};
				const suppressed = context.suppressed || j < pipelines.length - 1;
				this.#pipeline(pipeline, { ...context, fails, errexit, suppressed, ...(background ? inBackground : {}) });
				errexit = errexitAfter(pipeline, j, errexit);
			}
		}
	}

	#pipeline({ negated, commands }: ShellPipeline, context: Context): void {
		const reason = negated ? "negated" : commands.length > 1 ? "pipe" : undefined;
		const inner = reason === undefined ? context : always(reason);
		for (const command of commands) this.#command(command, inner);
	}

	#command(command: ShellCommand, context: Context): void {
		for (const script of command.substitutions) this.script(script, always("substitution"));
		switch (command.kind) {
			case "simple":
				this.#simple(command.words, context);
				break;
			case "group":
				this.script(command.body, command.subshell ? { ...context, exits: context.fails } : context);
				break;
			case "if":
				for (const script of command.conditions) this.script(script, always("condition"));
				for (const script of command.bodies) this.script(script, context);
				break;
			case "loop":
				this.script(command.condition, always("condition"));
				this.script(command.body, { ...context, fails: () => "loop" });
				break;
			default:
				command satisfies never;
		}
	}

	#simple(words: Extract<ShellCommand, { kind: "simple" }>["words"], context: Context): void {
		const start = words.findIndex((word) => !/^[A-Za-z_]\w*\+?=/.test(word.text));
		const [name, ...args] = start === -1 ? [] : words.slice(start);
		if (name === undefined) return;
		const isTool = (text: string) => path.posix.basename(text) === this.#tool;
		const literal = !name.expands && isTool(name.text);
		const undoes = name.text === "set" && args.some((arg) => arg.text.startsWith("+"));
		if (undoes || CHANGES_EVERYTHING.has(name.text)) this.#outcomes.push("unclear");
		else if (literal || !INERT.has(path.posix.basename(name.text)) || name.expands) {
			this.#found ||= literal || args.some((arg) => isTool(arg.text));
			this.#outcomes.push(context.fails());
		}
	}
}

const inBackground = { exits: (): Outcome => "background" };

function always(reason: ObservedReason): Context {
	return { fails: () => reason, exits: () => reason, errexit: false, suppressed: true };
}

/** `exit`, `exit $?` and `exit 1` hand a failure on. */
function exitsWithFailure({ negated, commands }: ShellPipeline): boolean {
	const command = commands[0]!;
	if (negated || commands.length !== 1 || command.kind !== "simple") return false;
	const [name, status, ...more] = command.words;
	if (name?.text !== "exit" || more.length > 0) return false;
	return status === undefined || status.text === "$?" || /^[1-9]\d{0,1}$/.test(status.text);
}

/** Whether set -e holds after a pipeline; where it stands behind && or || it may not have run. */
function errexitAfter({ commands }: ShellPipeline, position: number, before: boolean): boolean {
	const command = commands[0]!;
	if (commands.length !== 1 || command.kind !== "simple" || command.words[0]?.text !== "set") return before;
	const args = command.words.slice(1).map((word) => word.text);
	const on = args.some((arg, i) => /^-[a-z]*e/.test(arg) || (arg === "errexit" && args[i - 1] === "-o"));
	return on && position === 0 ? true : before;
}
