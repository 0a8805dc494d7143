/**
 * The real projects that gg is measured on. `node build/bench/projects.js [--list] [--jobs N] [NAME]...` fetches and
 * configures them and times one plain build of each.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BenchError, mainOf, must } from "./run.js";
import type { Mode } from "./same-modes.js";
import { BENCH_DIR, fresh, open, type Workspace } from "./workspace.js";

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
	/** Of the projects in the README's table of compared trees: what each stands for, and how it is compared. */
	readonly shown?: { readonly features: string; readonly modes: readonly Mode[] };
}

const reduced = [
	"./configure --disable-doc --disable-autodetect --disable-everything --disable-x86asm",
	"--enable-decoder=mpeg2video,mp3,pcm_s16le --enable-encoder=mpeg2video,pcm_s16le,wrapped_avframe",
	"--enable-demuxer=mpegps,mp3,wav --enable-muxer=wav,null,mpeg2video --enable-parser=mpegvideo,mpegaudio",
	"--enable-protocol=file,pipe",
].join(" ");

/** Enough of it for its own build system to do all it can: two stages of links, maps, scripts that write headers. */
const busybox = [
	"make allnoconfig",
	'for o in CAT LS ECHO ASH SED GREP AWK TAR GZIP WC HEAD TAIL SORT CP MV RM MKDIR TEST PRINTF SHA256SUM VI; do sed -i "s/# CONFIG_$o is not set/CONFIG_$o=y/" .config; done',
	"yes '' | make oldconfig",
].join(" && ");

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
		name: "busybox",
		source: "busybox",
		unpack: "patched",
		configure: busybox,
		build: (jobs) => `make -j${jobs} busybox_unstripped busybox`,
		clean: "make clean",
		edit: "coreutils/cat.c",
		needs: {},
	},
	{
		name: "nettle",
		source: "nettle",
		unpack: "patched",
		configure: "./configure --disable-public-key --disable-documentation CFLAGS=-g",
		build: (jobs) => `make -j${jobs}`,
		clean: "make clean",
		edit: "sha256.c",
		needs: {},
	},
	{
		name: "jsoncpp",
		source: "libjsoncpp",
		unpack: "patched",
		configure:
			"mkdir 'build dir' && cd 'build dir' && cmake -DCMAKE_BUILD_TYPE=Debug -DJSONCPP_WITH_POST_BUILD_UNITTEST=OFF ..",
		build: (jobs) => `make -j${jobs} -C "build dir"`,
		clean: "make -C 'build dir' clean",
		edit: "src/lib_json/json_value.cpp",
		needs: { cmake: "cmake" },
		shown: {
			features: "CMake and make, a folder with a space",
			modes: ["build", "infer-force"],
		},
	},
	{
		name: "leveldb",
		source: "leveldb",
		unpack: "patched",
		configure:
			"mkdir out && cd out && cmake -G Ninja -DCMAKE_NINJA_FORCE_RESPONSE_FILE=ON -DLEVELDB_BUILD_TESTS=OFF -DLEVELDB_BUILD_BENCHMARKS=OFF -DBUILD_SHARED_LIBS=ON -DCMAKE_CXX_STANDARD=17 ..",
		build: (jobs) => `ninja -C out -j${jobs}`,
		clean: "ninja -C out clean",
		edit: "db/db_impl.cc",
		needs: { cmake: "cmake", ninja: "ninja-build" },
		shown: {
			features: "CMake and Ninja, response files, a shared C++ library",
			modes: ["build", "infer-force", "warm"],
		},
	},
	{
		name: "fmt",
		source: "fmtlib",
		unpack: "patched",
		configure: "mkdir out && cd out && cmake -DFMT_DOC=OFF -DFMT_TEST=OFF -DCMAKE_BUILD_TYPE=Debug ..",
		build: (jobs) => `make -C out -j${jobs}`,
		clean: "make -C out clean",
		edit: "src/format.cc",
		needs: { cmake: "cmake" },
		shown: {
			features: "CMake and make; C++ templates",
			modes: ["build", "infer-force", "warm"],
		},
	},
	{
		name: "tcc",
		source: "tcc",
		unpack: "patched",
		configure: "mkdir real && ln -s real out && cd out && ../configure",
		build: (jobs) => `cd out && make -j${jobs}`,
		clean: "cd out && make clean",
		edit: "tccpp.c",
		needs: {},
		shown: {
			features: "VPATH through a symbolic link; a compiler that then compiles its own library",
			modes: ["build", "sandbox", "edited", "syntax-error"],
		},
	},
	{
		name: "dash",
		source: "dash",
		unpack: "patched",
		configure: "autoreconf -fi && mkdir out && cd out && ../configure",
		build: (jobs) => `make -C out -j${jobs}`,
		clean: "make -C out clean",
		edit: "src/eval.c",
		needs: { autoreconf: "autoconf automake" },
		shown: {
			features: "automake, out of tree, recursive make, generators built and run",
			modes: ["build", "infer-force", "sandbox", "warm", "syntax-error"],
		},
	},
	{
		name: "fribidi",
		source: "fribidi",
		unpack: "patched",
		configure: "meson setup -Ddocs=false out",
		build: (jobs) => `ninja -C out -j${jobs}`,
		clean: "ninja -C out clean",
		edit: "lib/fribidi-bidi.c",
		needs: { meson: "meson", ninja: "ninja-build" },
		shown: {
			features: "Meson and Ninja; generators built and run, generated headers",
			modes: ["build", "infer-force", "sandbox", "warm", "edited"],
		},
	},
	{
		name: "lz4",
		source: "lz4",
		unpack: "patched",
		configure: ":",
		build: (jobs) => `make -j${jobs} CFLAGS=-g && make install CFLAGS=-g DESTDIR=$PWD/installed PREFIX=/usr`,
		clean: "make clean && rm -rf installed",
		edit: "lib/lz4frame.c",
		needs: {},
		shown: {
			features: "static and shared libraries, `make install`",
			modes: ["build", "infer-force"],
		},
	},
	{
		name: "xz",
		source: "xz-utils",
		unpack: "patched",
		configure:
			"./autogen.sh --no-po4a --no-doxygen 2>/dev/null || autoreconf -fi; ./configure --disable-nls --disable-doc CFLAGS='-O1 -g'",
		build: (jobs) => `make -j${jobs}`,
		clean: "make clean",
		edit: "src/liblzma/lz/lz_encoder.c",
		needs: { autoreconf: "autoconf automake libtool autopoint" },
	},
	{
		name: "flex",
		source: "flex",
		unpack: "patched",
		configure: "autoreconf -fi && ./configure --disable-nls",
		build: (jobs) => `make -j${jobs} -C src`,
		clean: "make -C src clean",
		edit: "src/dfa.c",
		needs: { m4: "m4" },
	},
	{
		name: "libyaml",
		source: "libyaml",
		unpack: "patched",
		configure: "autoreconf -fi && mkdir out && cd out && ../configure CFLAGS=-g",
		build: (jobs) => `make -C out -j${jobs} && make -C out check && make -C out install DESTDIR=$PWD/installed`,
		clean: "make -C out clean && rm -rf installed",
		edit: "src/scanner.c",
		needs: { autoreconf: "autoconf automake libtool" },
	},
	{
		name: "seabios",
		source: "seabios",
		unpack: "patched",
		configure: ":",
		// Without it the version is the time and the name of the machine.
		build: (jobs) => `make -j${jobs} EXTRAVERSION=-1`,
		clean: "make clean",
		edit: "src/cdrom.c",
		needs: { python3: "python3" },
		shown: {
			features: "kbuild, `ld -r`; 16-bit code by `-m32`, `objcopy`, linker scripts that Python writes from `objdump`",
			modes: ["build"],
		},
	},
	{
		name: "bzip2",
		source: "bzip2",
		unpack: "patched",
		configure: ":",
		build: (jobs) => `make -j${jobs} CFLAGS="-Wall -O2 -flto -frandom-seed=1" && make check`,
		clean: "make clean",
		edit: "compress.c",
		needs: {},
		shown: {
			features: "`-flto`, `make check`",
			modes: ["build", "infer-force", "sandbox"],
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

/** Upstream's version, by the source package that was fetched; empty where none is there. */
export function versionOf({ source }: Project): string {
	const download = join(BENCH_DIR, "download", source);
	const names = existsSync(download) ? readdirSync(download) : [];
	const [, version = ""] = /^[^_]+_(.+)\.dsc$/.exec(names.find((name) => name.endsWith(".dsc")) ?? "") ?? [];
	return version.replace(/-[^-]*$/, "").replace(/[+.](ds|dfsg|git).*$/, "");
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
