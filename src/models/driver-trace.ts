/**
 * What `gcc -###` and `clang -###` print on standard error: the commands that a driver would run, one a line, each behind
 * one space, with words quoted by `"` where they hold more than letters, digits and `_-./`. Within quotes `\` guards
 * `"`, `\` and `$`; a newline in a word stands as it is.
 */
export interface DriverTrace {
	readonly commands: readonly (readonly string[])[];
	/** Specs files beyond the built-in ones ("Reading specs from …"). */
	readonly specs: readonly string[];
	/** The driver's own lists, in order: where it looks for programs and for start files and libraries. */
	readonly compilerPath: readonly string[];
	readonly libraryPath: readonly string[];
}

export function parseDriverTrace(stderr: string): DriverTrace {
	const commands: string[][] = [];
	const specs: string[] = [];
	let compilerPath: string[] = [];
	let libraryPath: string[] = [];
	for (let at = 0; at < stderr.length; ) {
		if (stderr[at] === " " && stderr[at + 1] !== " " && !stderr.startsWith(" (in-process)", at)) {
			const { words, next } = readCommand(stderr, at);
			if (words.length > 0) commands.push(words);
			at = next;
			continue;
		}
		const end = stderr.indexOf("\n", at);
		const line = stderr.slice(at, end < 0 ? stderr.length : end);
		at = end < 0 ? stderr.length : end + 1;
		const [, key, value] = /^(Reading specs from |COMPILER_PATH=|LIBRARY_PATH=)(.*)$/.exec(line) ?? [];
		if (key === undefined || value === undefined) continue;
		if (key === "COMPILER_PATH=") compilerPath = value.split(":");
		else if (key === "LIBRARY_PATH=") libraryPath = value.split(":");
		else specs.push(value);
	}
	return { commands, specs, compilerPath, libraryPath };
}

function readCommand(text: string, from: number): { readonly words: string[]; readonly next: number } {
	const words: string[] = [];
	let word: string | undefined;
	let quoted = false;
	let at = from;
	for (; at < text.length; at++) {
		const char = text[at]!;
		if (quoted) {
			if (char === '"') quoted = false;
			else if (char === "\\" && /["\\$]/.test(text[at + 1] ?? "")) word += text[++at]!;
			else word += char;
		} else if (char === '"') {
			quoted = true;
			word ??= "";
		} else if (char === " " || char === "\n") {
			if (word !== undefined) words.push(word);
			word = undefined;
			if (char === "\n") break;
		} else word = (word ?? "") + char;
	}
	if (word !== undefined) words.push(word);
	return { words, next: at + 1 };
}

export interface LinkStep {
	readonly argv: readonly string[];
	/** Files that the commands before it make, as it names them: they exist only while the driver runs. */
	readonly temporaries: ReadonlySet<string>;
}

/** The command that links, the last one if there is any; argv[0] is collect2 or a linker. */
export function linkStep(trace: DriverTrace): LinkStep | undefined {
	const argv = trace.commands.at(-1);
	if (argv === undefined || !isLinker(argv[0]!)) return undefined;
	const temporaries = new Set<string>();
	for (const command of trace.commands.slice(0, -1)) {
		const flag = command.lastIndexOf("-o");
		const output = flag < 0 ? undefined : command[flag + 1];
		if (output !== undefined) temporaries.add(output);
	}
	return { argv, temporaries };
}

function isLinker(program: string): boolean {
	return /(^|[/-])(collect2|real-ld|collect-ld|ld|ld\.[a-z0-9.-]+|mold|lld|ld64\.lld)(-[0-9.]+)?$/.test(program);
}
