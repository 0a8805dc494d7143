export interface DepfileTarget {
	readonly name: string;
	/** -MQ, and what the compiler takes by itself: characters that make would misread are escaped. */
	readonly quoted: boolean;
}

export interface DepfileContent {
	readonly flavour: "gcc" | "clang";
	/** In the order of the command; empty only if `source` is to give the name. */
	readonly targets: readonly DepfileTarget[];
	/** Names as the compiler spells them, the source first. */
	readonly files: readonly string[];
	/** -MP */
	readonly phony: boolean;
}

/** The bytes of a depfile, as gcc 10 and newer (libcpp's mkdeps.cc) and clang 14 (DependencyFile.cpp) write them. */
export function encodeDepfile(content: DepfileContent): string {
	return content.flavour === "gcc" ? gccDepfile(content) : clangDepfile(content);
}

function gccDepfile({ targets, files, phony }: DepfileContent): string {
	const names = files.map((file) => makeEscape(withoutDot(file)));
	const given = targets.length > 0 ? targets : [{ name: defaultTarget(files[0]!), quoted: true }];
	let text = "";
	let column = 0;
	const write = (name: string): void => {
		const size = Buffer.byteLength(name);
		if (column > 0) {
			if (column + size > 72) {
				text += " \\\n";
				column = 0;
			}
			text += " ";
			column += 1;
		}
		text += name;
		column += size;
	};
	for (const name of gccTargets(given)) write(name);
	text += ":";
	column += 1;
	for (const name of names) write(name);
	text += "\n";
	if (phony) for (const name of names.slice(1)) text += `${name}:\n`;
	return text;
}

/** The driver passes on all of -MQ before those of -MT; of these, each takes the place of the first of the others, which
 * goes to the end. */
function gccTargets(targets: readonly DepfileTarget[]): string[] {
	const names: string[] = [];
	let unquoted = 0;
	for (const target of [...targets.filter((t) => t.quoted), ...targets.filter((t) => !t.quoted)]) {
		let name = withoutDot(target.name);
		if (!target.quoted) {
			const first = names[unquoted];
			if (first !== undefined) {
				names[unquoted] = name;
				name = first;
			}
			unquoted += 1;
		}
		names.push(name);
	}
	return names.map((name, i) => (i < unquoted ? name : makeEscape(name)));
}

function withoutDot(name: string): string {
	return name.replace(/^(?:\.\/+)+/, "");
}

/** The source's basename with .o */
function defaultTarget(source: string): string {
	const base = source.slice(source.lastIndexOf("/") + 1);
	const dot = base.lastIndexOf(".");
	return `${dot < 0 ? base : base.slice(0, dot)}.o`;
}

/** For make: backslashes only before white space, `#` and `$`. */
function makeEscape(name: string): string {
	if (!/[ \t#$]/.test(name)) return name;
	return name.replace(/(\\*)([ \t])|#|\$/g, (all: string, slashes: string | undefined, space: string | undefined) =>
		space !== undefined ? `${slashes}${slashes}\\${space}` : all === "#" ? "\\#" : "$$",
	);
}

function clangDepfile({ targets, files, phony }: DepfileContent): string {
	const names = files.map((file) => withoutDot(file));
	let text = "";
	let columns = 0;
	for (const target of targets) {
		const name = target.quoted ? makeEscape(target.name) : target.name;
		const size = Buffer.byteLength(name);
		if (columns === 0) columns += size;
		else if (columns + size + 2 > 75) {
			columns = size + 2;
			text += " \\\n  ";
		} else {
			columns += size + 1;
			text += " ";
		}
		text += name;
	}
	text += ":";
	columns += 1;
	const seen = new Set<string>();
	for (const name of names) {
		if (seen.has(name)) continue;
		seen.add(name);
		const size = Buffer.byteLength(name);
		if (columns + size + 3 > 75) {
			text += " \\\n ";
			columns = 2;
		}
		text += ` ${clangEscape(name)}`;
		columns += size + 1;
	}
	text += "\n";
	if (phony) for (const name of [...seen].slice(1)) text += `\n${clangEscape(name)}:\n`;
	return text;
}

/** A backslash is another slash to it, and tabs stay as they are. */
function clangEscape(name: string): string {
	return /[ #$\\]/.test(name) ? name.replaceAll("\\", "/").replace(/[ #]/g, "\\$&").replaceAll("$", "$$$$") : name;
}
