/**
 * The real projects that gg is measured on. `node build/bench/projects.js [--list] [--jobs N] [NAME]...` fetches and
 * configures them and times one plain build of each.
 */
import { parseArgs } from "node:util";
import { BenchError, mainOf, must } from "./run.js";
import { fresh, open, type Workspace } from "./workspace.js";

export interface Project {
	readonly name: string;
	/** Name of the Debian source package. */
	readonly source: string;
	/** `patched`: as Debian builds it. `original`: the authors' archive alone. */
	readonly unpack: "patched" | "original";
	/** Shell; run once, in the folder where all builds take place. */
	readonly configure: string;
	readonly build: (jobs: number) => string;
	readonly clean: string;
	/** The file that gets a function more, or a syntax error. */
	readonly edit: string;
	/** Programs without which configure fails, and the Debian package of each. */
	readonly needs: Readonly<Record<string, string>>;
}

const reduced = [
	"./configure --disable-doc --disable-autodetect --disable-everything --disable-x86asm",
	"--enable-decoder=mpeg2video,mp3,pcm_s16le --enable-encoder=mpeg2video,pcm_s16le,wrapped_avframe",
	"--enable-demuxer=mpegps,mp3,wav --enable-muxer=wav,null,mpeg2video --enable-parser=mpegvideo,mpegaudio",
	"--enable-protocol=file,pipe",
].join(" ");

export const PROJECTS: readonly Project[] = [
	{
		name: "zlib",
		source: "zlib",
		unpack: "patched",
		configure: "./configure --static",
		build: (jobs) => `make -j${jobs} libz.a`,
		clean: "make clean",
		edit: "inflate.c",
		needs: {},
	},
	{
		name: "lua",
		source: "lua5.4",
		unpack: "original",
		configure: ":",
		build: (jobs) => `make -j${jobs} linux`,
		clean: "make clean",
		edit: "src/lvm.c",
		needs: {},
	},
	{
		name: "mosh",
		source: "mosh",
		unpack: "patched",
		configure: "./autogen.sh && ./configure",
		build: (jobs) => `make -j${jobs}`,
		clean: "make clean",
		edit: "src/statesync/user.cc",
		needs: {
			autoreconf: "autoconf automake libtool",
			protoc: "protobuf-compiler libprotobuf-dev",
			pkgconf: "pkg-config",
		},
	},
	{
		name: "ffmpeg-reduced",
		source: "ffmpeg",
		unpack: "patched",
		configure: reduced,
		build: (jobs) => `make -j${jobs}`,
		clean: "make clean",
		edit: "libavutil/mathematics.c",
		needs: {},
	},
	{
		name: "ffmpeg",
		source: "ffmpeg",
		unpack: "patched",
		configure: "./configure --disable-doc --disable-autodetect",
		build: (jobs) => `make -j${jobs}`,
		clean: "make clean",
		edit: "libavutil/mathematics.c",
		needs: { nasm: "nasm" },
	},
];

export function projectNamed(name: string): Project {
	const project = PROJECTS.find((known) => known.name === name);
	if (project === undefined) {
		throw new BenchError(`no project is called ${name}: there are ${PROJECTS.map((known) => known.name).join(", ")}`);
	}
	return project;
}

/** The workspace of a project with its configured tree, fetched and configured if this is the first time. */
export function openProject(project: Project): Promise<Workspace> {
	return open(project.name, { kind: "package", ...project });
}

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: { jobs: { type: "string", default: "2" }, list: { type: "boolean", default: false } },
	});
	if (values.list) {
		for (const { name } of PROJECTS) console.log(name);
		return 0;
	}
	const names = positionals.length > 0 ? positionals : ["zlib", "lua", "mosh", "ffmpeg-reduced"];
	for (const project of names.map(projectNamed)) {
		const workspace = await openProject(project);
		try {
			await fresh(workspace);
			const build = project.build(Number(values.jobs));
			const { seconds } = await must(build, { cwd: workspace.src });
			console.log(`${project.name.padEnd(16)} ${seconds.toFixed(1).padStart(7)} s  ${build}  ${workspace.configured}`);
		} finally {
			workspace.close();
		}
	}
	return 0;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
