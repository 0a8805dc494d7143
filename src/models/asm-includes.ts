import path from "node:path";
import type { FileProbe } from "./types.js";

export type AsmIncludes =
	| { readonly kind: "files"; readonly files: readonly string[] }
	/** A name that is not a literal string. */
	| { readonly kind: "unclear"; readonly detail: string };

const DIRECTIVE = /(?:^|[\s;:])\.(include|incbin)\b[ \t]*("(?:[^"\\\n]|\\[^\n0-7xX])*")?/gim;

/** The files that `.include` and `.incbin` in an assembler source name, themselves searched too. gas looks in the
 * working directory, then in each -I directory; every one that exists counts, as the order differs between versions. */
export function asmIncludes(options: {
	readonly source: string;
	readonly dirs: readonly string[];
	readonly cwd: string;
	readonly probe: FileProbe;
}): AsmIncludes {
	const { source, dirs, cwd, probe } = options;
	const files = new Set<string>();
	const queue = [source];
	for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
		const text = probe.readText(path.posix.resolve(cwd, file)) ?? "";
		for (const [line, directive, quoted] of text.matchAll(DIRECTIVE)) {
			if (quoted === undefined) return { kind: "unclear", detail: `${file}: ${line.trim()}` };
			const name = quoted.slice(1, -1).replace(/\\(.)/g, "$1");
			const candidates = path.posix.isAbsolute(name) ? [name] : ["", ...dirs].map((dir) => path.posix.join(dir, name));
			for (const candidate of candidates) {
				if (files.has(candidate) || !probe.exists(path.posix.resolve(cwd, candidate))) continue;
				files.add(candidate);
				if (directive!.toLowerCase() === "include") queue.push(candidate);
			}
		}
	}
	return { kind: "files", files: [...files] };
}
