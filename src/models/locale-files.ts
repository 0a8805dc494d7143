import { dirname, type SystemProbe } from "./ld-so.js";

/** Message catalogues of compilers and binutils, by their text domains. */
const DOMAINS = /^(gcc|cpplib|bfd|binutils|gas|gold|gprof|ld|libc|opcodes|clang)(-[\d.]+)?\.mo$/;

/**
 * The files by which the C library and gettext set up the environment's locale, for tools that call setlocale(): quotes in
 * gcc's messages and their language depend on it. Candidates, not all of which exist; none in the C locale.
 */
export function localeFiles(
	env: ReadonlyMap<string, string>,
	libraries: Iterable<string>,
	probe: Pick<SystemProbe, "readdir">,
): string[] {
	const value = (category: string): string => env.get("LC_ALL") || env.get(category) || env.get("LANG") || "C";
	const messages = value("LC_MESSAGES");
	const names = [...new Set([value("LC_CTYPE"), messages])].filter((name) => name !== "C" && name !== "POSIX");
	if (names.length === 0) return [];
	const archives = ["/usr/lib/locale/locale-archive", "/usr/share/locale/locale.alias"];
	const folders = names.flatMap(spellings).flatMap((name) => allFiles(`/usr/lib/locale/${name}`, 2, probe));
	const languages = [...(env.get("LANGUAGE") ?? "").split(":"), messages].filter((name) => /^[a-z]/i.test(name));
	const catalogues = languages.flatMap(spellings).flatMap((name) => {
		const dir = `/usr/share/locale/${name}/LC_MESSAGES`;
		return (probe.readdir(dir) ?? []).filter((file) => DOMAINS.test(file)).map((file) => `${dir}/${file}`);
	});
	return [...new Set([...archives, ...folders, ...catalogues, ...conversions(names, libraries, probe)])];
}

/** de_AT.UTF-8@euro → itself, de_AT.utf8@euro, de_AT, de (the C library's order, roughly). */
function spellings(name: string): string[] {
	const [, language, territory = "", codeset, modifier = ""] =
		/^([^_.@]+)(_[^.@]+)?(?:\.([^@]+))?(@.+)?$/.exec(name) ?? [];
	if (language === undefined || name.includes("/")) return [];
	const normal = codeset?.toLowerCase().replace(/[^a-z0-9]/g, "");
	const codesets = codeset === undefined ? [""] : [`.${codeset}`, `.${normal}`, ""];
	const places = territory === "" ? [language] : [language + territory, language];
	return [...new Set(places.flatMap((place) => codesets.flatMap((set) => [place + set + modifier, place + set])))];
}

function allFiles(dir: string, depth: number, probe: Pick<SystemProbe, "readdir">): string[] {
	if (depth < 0) return [];
	return [...(probe.readdir(dir) ?? [])].sort().flatMap((name) => {
		const path = `${dir}/${name}`;
		return probe.readdir(path) === undefined ? [path] : allFiles(path, depth - 1, probe);
	});
}

/** The table of character sets lies beside libc; its modules are needed only for what is not UTF-8. */
function conversions(
	names: readonly string[],
	libraries: Iterable<string>,
	probe: Pick<SystemProbe, "readdir">,
): string[] {
	const dirs = [...libraries].filter((path) => /\/libc\.so\.\d+$/.test(path)).map((path) => `${dirname(path)}/gconv`);
	const modules = names.every((name) => /utf-?8/i.test(name)) ? /^gconv-modules/ : /./;
	return dirs.flatMap((dir) =>
		(probe.readdir(dir) ?? [])
			.filter((name) => modules.test(name) && name !== "gconv-modules.d")
			.map((name) => `${dir}/${name}`),
	);
}
