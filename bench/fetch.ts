/** Gets a Debian source package into the cache folder without touching the system's own package lists. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { BenchError, must, quote, run } from "./run.js";

/** The system's own sources of packages, in either of apt's formats, turned into sources of source packages. */
export function sourceEntries(text: string): string {
	return text.replace(/^Types:.*$/gm, "Types: deb-src").replace(/^deb(-src)?(?=[ \t])/gm, "deb-src");
}

/** Unpacks into `target`, which must not exist yet. `cache` holds the downloads of all packages. */
export async function fetchSource(
	request: { readonly source: string; readonly unpack: "patched" | "original" },
	cache: string,
	target: string,
): Promise<void> {
	const download = join(cache, "download", request.source);
	const description = (): string | undefined =>
		existsSync(download) ? readdirSync(download).find((name) => name.endsWith(".dsc")) : undefined;
	if (description() === undefined) await downloadSource(request.source, cache, download);
	const dsc = description();
	if (dsc === undefined) throw new BenchError(`${download} holds no .dsc file: remove the folder and try again`);
	const unpacking = `${target}.unpacking`;
	rmSync(unpacking, { recursive: true, force: true });
	if (request.unpack === "patched") {
		await must(`dpkg-source --no-copy --no-check -x ${quote(dsc)} ${quote(unpacking)}`, { cwd: download });
	} else {
		const archive = readdirSync(download).find((name) => /\.orig\.tar\.\w+$/.test(name));
		if (archive === undefined) throw new BenchError(`${download} holds no original archive`);
		mkdirSync(unpacking);
		await must(`tar xf ${quote(archive)} -C ${quote(unpacking)} --strip-components=1`, { cwd: download });
	}
	renameSync(unpacking, target);
}

async function downloadSource(source: string, cache: string, download: string): Promise<void> {
	for (const [program, name] of [
		["apt-get", "apt"],
		["dpkg-source", "dpkg-dev"],
	]) {
		if ((await run(`command -v ${program}`, { cwd: cache })).status !== 0) {
			throw new BenchError(
				`fetching ${source} needs ${program} (Debian package ${name}). Elsewhere, put its .dsc file and archives into ${download}.`,
			);
		}
	}
	const options = await privateLists(cache);
	const partial = `${download}.partial`;
	rmSync(partial, { recursive: true, force: true });
	mkdirSync(partial, { recursive: true });
	await must(`apt-get -q ${options} source --download-only ${quote(source)}`, { cwd: partial });
	renameSync(partial, download);
}

/** @returns options for apt-get that make it use lists of source packages kept in `cache` */
async function privateLists(cache: string): Promise<string> {
	const apt = join(cache, "apt");
	const parts = join(apt, "parts");
	const lists = join(apt, "lists");
	const settings = {
		"Dir::Etc::sourcelist": "/dev/null",
		"Dir::Etc::sourceparts": parts,
		"Dir::State::lists": lists,
		"Dir::Cache": join(apt, "cache"),
		// Its own user may not read a folder in somebody's home.
		"APT::Sandbox::User": "root",
	};
	const options = Object.entries(settings)
		.map(([name, value]) => `-o ${quote(`${name}=${value}`)}`)
		.join(" ");
	if (existsSync(join(apt, "complete"))) return options;
	for (const folder of [parts, join(lists, "partial"), join(apt, "cache/archives/partial")]) {
		mkdirSync(folder, { recursive: true });
	}
	const folder = "/etc/apt/sources.list.d";
	const system = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
	for (const file of ["/etc/apt/sources.list", ...system]) {
		if (!/\.(list|sources)$/.test(file) || !existsSync(file)) continue;
		writeFileSync(join(parts, basename(file)), sourceEntries(readFileSync(file, "utf8")));
	}
	await must(`apt-get -q ${options} update`, { cwd: apt });
	writeFileSync(join(apt, "complete"), "");
	return options;
}
