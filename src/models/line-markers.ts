/** `# 12 "name" flags`, `#line 12 "name"`. */
const MARKER = /^[ \t]*#[ \t]*(?:line[ \t]+)?\d+[ \t]+"((?:[^"\\\n]|\\.)*)"/gm;

/** As libcpp writes a name into a marker: a backslash before what it is to mean, or before three octal digits. */
const ESCAPE = /\\(?:([0-7]{3})|([\s\S]))/g;

/**
 * Names of the sources that a text's line markers and #line directives say its lines come from, but for those that stand for
 * no file (`<built-in>`, and the folder of the preprocessor, which ends in a slash). gcc opens them to show the lines that its
 * messages are about. `text` has one character for each byte.
 */
export function namesInMarkers(text: string): Set<string> {
	const names = new Set<string>();
	const known = new Set<string>();
	for (const [, quoted] of text.matchAll(MARKER)) {
		if (quoted === undefined || known.has(quoted)) continue;
		known.add(quoted);
		const name = unquoted(quoted);
		if (name !== undefined) names.add(name);
	}
	return names;
}

/** The name that stands between a marker's quotes; undefined if it stands for no file. */
export function unquoted(quoted: string): string | undefined {
	if (quoted === "" || quoted.startsWith("<") || quoted.endsWith("/")) return undefined;
	const bytes = quoted.replace(ESCAPE, (_, octal: string | undefined, other: string) =>
		octal === undefined ? other : String.fromCharCode(Number.parseInt(octal, 8) & 0xff),
	);
	return Buffer.from(bytes, "latin1").toString();
}
