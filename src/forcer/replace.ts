import type { Item, Thunk } from "../thunk/types.js";
import type { Forced, ForceFailure } from "./types.js";

const PLACEHOLDER = /@\{GGHASH:([A-Za-z0-9_.]+(?:#[^/}]+)?)\}/g;

/**
 * Replaces each thunk that this one needs by the value it came to: in its items and in the text of its arguments.
 * `needs` goes with `thunk.thunks`.
 */
export function replaceThunks(thunk: Thunk, needs: readonly Forced[]): Thunk | ForceFailure {
	if (thunk.thunks.length === 0) return thunk;
	const values: Item[] = [...thunk.values];
	const byHash = new Map<string, Forced>();
	for (const [i, item] of thunk.thunks.entries()) {
		const need = needs[i]!;
		const to = need.outputs.get(item.tag);
		if (to === undefined) {
			return {
				reason: "no-such-output",
				message: `thunk ${item.hash} has no output ${JSON.stringify(item.tag)}`,
				hint: "correct the thunk that asks for it",
			};
		}
		values.push({ hash: to, name: item.name });
		byHash.set(item.hash, need);
	}
	const rewrite = (text: string): string => {
		if (!text.includes("@{GGHASH:")) return text;
		return text.replace(PLACEHOLDER, (whole, name: string) => {
			const mark = name.indexOf("#");
			const need = byHash.get(mark < 0 ? name : name.slice(0, mark));
			const to = need?.outputs.get(mark < 0 ? "" : name.slice(mark + 1));
			return to === undefined ? whole : `@{GGHASH:${to}}`;
		});
	};
	// The order that describe() gives, so that the same command comes to the same thunk by either way.
	if (thunk.cwd !== "") values.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
	return { ...thunk, values, thunks: [], args: thunk.args.map(rewrite), envars: thunk.envars.map(rewrite) };
}
