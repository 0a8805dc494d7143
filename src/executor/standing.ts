import { dirname } from "node:path";
import { CTIME_MS, FILE, INO, LINK, lookAt, looked, SIZE } from "../util/look.js";

/**
 * What each name stands for: equal to an earlier answer while neither the file nor a link on the way to it was replaced or written
 * to, even by what it was before.
 */
export function standingAt(paths: readonly string[]): string[] {
	const folders = new Map<string, string>();
	const way = (folder: string): string => {
		if (folder === "/" || folder === ".") return "";
		let links = folders.get(folder);
		if (links === undefined) {
			links = way(dirname(folder));
			if (lookAt(folder, false) === LINK) links += `${lastLooked()};`;
			folders.set(folder, links);
		}
		return links;
	};
	return paths.map((path) => {
		const links = way(dirname(path));
		const kind = lookAt(path, false);
		if (kind !== LINK) return `${links}${kind === FILE ? lastLooked() : ""}`;
		const link = lastLooked();
		return `${links}${link};${lookAt(path, true) === FILE ? lastLooked() : ""}`;
	});
}

const lastLooked = (): string => `${looked[INO]} ${looked[CTIME_MS]} ${looked[SIZE]}`;
