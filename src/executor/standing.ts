import { dirname } from "node:path";
import { CTIME_MS, FILE, FOLDER, INO, LINK, lookAt, looked, MTIME_MS, SIZE } from "../util/look.js";

/**
 * What each name stands for: equal to an earlier answer while neither the file nor a link or folder on the way to it was replaced, nor
 * the file written to, even by what it was before. Of a folder that was renamed the time of change is later than that of what lies
 * in it, until something else is made there. `cwd` and what lies above it is not looked at for that.
 */
export function standingAt(paths: readonly string[], cwd: string): string[] {
	const folders = new Map<string, string>();
	const way = (folder: string): string => {
		if (folder === "/" || folder === ".") return "";
		let links = folders.get(folder);
		if (links === undefined) {
			links = way(dirname(folder));
			const kind = lookAt(folder, false);
			if (kind === LINK) links += `${lastLooked()};`;
			else if (kind === FOLDER && !`${cwd}/`.startsWith(`${folder}/`)) links += `${ownOfFolder()};`;
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

const ownOfFolder = (): string => `${looked[INO]} ${looked[CTIME_MS]! > looked[MTIME_MS]! ? looked[CTIME_MS] : ""}`;
