import { useLook } from "./look.js";

/** What wrappers/gg-files.c does to files. */
export interface FilesAddon {
	/** Numbers of the last look, as src/util/look.ts has them. */
	readonly fields: Float64Array;
	look(path: string, follow: boolean): number;
	/** Sets a time of modification, a link's own; false when it could not. */
	setTime(path: string, ns: bigint): boolean;
	/** Each gets the other's name, in one step; an errno, 0 when it is done. */
	exchange(a: string, b: string): number;
	/** As in src/util/look.ts; undefined when it could not. */
	changedBelow(root: string, sinceMs: number): string[] | undefined;
}

/** The addon; undefined before it is loaded, and with a Node.js that loads none. */
export let addon: FilesAddon | undefined;

/** From here on files are looked at, dated and exchanged by the compiled addon at `path`, where it can be loaded. */
export function loadAddon(path: string): void {
	if (addon !== undefined) return;
	const module: { exports: Partial<FilesAddon> } = { exports: {} };
	try {
		process.dlopen(module, path);
	} catch {
		// A Node.js that loads no addons, or of another C library.
		return;
	}
	if (module.exports.fields === undefined) return;
	addon = module.exports as FilesAddon;
	useLook(addon.look, addon.fields, addon.changedBelow);
}
