import assert from "node:assert/strict";
import { loadedFiles, readLdSoConf } from "../../src/models/ld-so.js";
import { localeFiles } from "../../src/models/locale-files.js";
import { closeOverLinks, walkPath } from "../../src/models/path-walk.js";
import { discoverToolchain } from "../../src/models/toolchain.js";
import {
	driverQueries,
	includedSpecs,
	parseDriverDirs,
	parseSearchDirs,
	toolFamily,
} from "../../src/models/toolchain-queries.js";
import { fakeElf, memoryProbe } from "./fake-machine.js";

const LOADER = "/lib64/ld-linux-x86-64.so.2";
const program = (...needed: string[]): Buffer => fakeElf({ type: 2, interp: LOADER, needed: [...needed, "libc.so.6"] });
const libc = fakeElf({ soname: "libc.so.6", needed: [] });

describe("toolchain queries", () => {
	it("tell tools apart by what --version says", () => {
		for (const [tool, version, family] of [
			["gcc", "gcc (Debian 12.2.0-14) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.\n", "gcc"],
			[
				"x86_64-linux-gnu-g++-12",
				"x86_64-linux-gnu-g++-12 12\nCopyright (C) 2022 Free Software Foundation, Inc.\n",
				"gcc",
			],
			["cc", "Debian clang version 14.0.6\nTarget: x86_64\n", "clang"],
			["ld", "GNU ld (GNU Binutils) 2.40\n", "gnu-ld"],
			["ld", "GNU gold (GNU Binutils 2.40) 1.16\n", "gold"],
			["ld", "Debian LLD 14.0.6 (compatible with GNU linkers)\n", "lld"],
			["ar", "GNU ar (GNU Binutils for Debian) 2.40\n", "binutils"],
			["as", "GNU assembler (GNU Binutils for Debian) 2.40\n", "binutils"],
			["llvm-ar", "LLVM (http://llvm.org/):\n  LLVM version 14.0.6\n", "llvm"],
			["gcc", "nonsense", "other"],
		] as const) {
			assert.equal(toolFamily(tool, version), family, version);
		}
	});

	it("are put as flags of the driver", () => {
		const flags = driverQueries("gcc", ["ld", "ld.gold"]).map(({ args }) => args.join(" "));
		assert.deepEqual(flags, [
			"-dumpmachine",
			"-print-search-dirs",
			"-dumpspecs",
			...["as", "cc1", "cc1plus", "collect2", "lto-wrapper", "lto1", "ld", "ld.gold"].map(
				(name) => `-print-prog-name=${name}`,
			),
			"-print-file-name=liblto_plugin.so",
			"-print-file-name=specs",
		]);
		assert.ok(driverQueries("clang", ["ld"]).some(({ args }) => args[0] === "-print-resource-dir"));
	});

	it("have answers that are lists", () => {
		assert.deepEqual(parseDriverDirs("install: /i/\nprograms: =/p/:/q/\nlibraries: =/l/:\n"), {
			install: "/i/",
			programs: ["/p/", "/q/"],
			libraries: ["/l/"],
		});
		assert.deepEqual(includedSpecs("%{fopenmp:%:include(libgomp.spec)%(x)} %:include(a.spec)"), [
			"a.spec",
			"libgomp.spec",
		]);
		assert.deepEqual(parseSearchDirs('SEARCH_DIR("=/a"); SEARCH_DIR("/b");\nSECTIONS {}'), ["=/a", "/b"]);
	});
});

describe("paths", () => {
	const probe = memoryProbe({
		files: { "/usr/lib/real.so": "x" },
		links: { "/lib": "usr/lib", "/usr/lib/a.so": "b.so", "/usr/lib/b.so": "/lib/real.so", "/loop": "/loop" },
	});

	it("are followed link by link", () => {
		assert.deepEqual(walkPath("/lib/./a.so", probe), {
			physical: "/usr/lib/real.so",
			kind: "file",
			links: [
				{ path: "/lib", target: "usr/lib" },
				{ path: "/usr/lib/a.so", target: "b.so" },
				{ path: "/usr/lib/b.so", target: "/lib/real.so" },
				{ path: "/lib", target: "usr/lib" },
			],
			directories: [],
		});
	});

	it("need the directories that .. leaves", () => {
		const closed = closeOverLinks(["/lib/../lib/real.so"], probe);
		assert.deepEqual(closed.files, ["/usr/lib/real.so"]);
		assert.deepEqual(closed.directories, ["/usr/lib"]);
	});

	it("that lead in circles lead nowhere", () => {
		assert.equal(walkPath("/loop", probe).physical, undefined);
	});
});

describe("what the loader opens", () => {
	it("is found by RUNPATH, LD_LIBRARY_PATH, configuration and defaults, in that order of need", () => {
		const probe = memoryProbe({
			files: {
				"/opt/bin/tool": fakeElf({
					type: 2,
					interp: LOADER,
					runpath: "$ORIGIN/../lib",
					needed: ["libown.so", "libenv.so", "libconf.so", "libnone.so"],
				}),
				"/opt/lib/libown.so": fakeElf({ needed: ["libc.so.6"] }),
				"/env/libenv.so": fakeElf({}),
				"/conf/libconf.so": fakeElf({ bits: 32, machine: 3 }),
				"/conf2/libconf.so": fakeElf({}),
				"/lib/x86_64-linux-gnu/libc.so.6": libc,
				"/etc/ld.so.conf": "include conf.d/*.conf\n",
				"/etc/conf.d/b.conf": "/conf2/\n",
				"/etc/conf.d/a.conf": "# first\n/conf\n",
			},
		});
		const conf = readLdSoConf(probe);
		assert.deepEqual(conf, {
			dirs: ["/conf", "/conf2"],
			files: ["/etc/ld.so.conf", "/etc/conf.d/a.conf", "/etc/conf.d/b.conf"],
			absent: [],
		});
		const loaded = loadedFiles({ program: "/opt/bin/tool", libraryPath: "/env", confDirs: conf.dirs }, probe);
		assert.equal(loaded.interp, LOADER);
		assert.deepEqual(loaded.libraries, [
			"/opt/bin/../lib/libown.so",
			"/env/libenv.so",
			"/conf2/libconf.so",
			"/lib/x86_64-linux-gnu/libc.so.6",
		]);
		assert.deepEqual(loaded.missing, ["libnone.so needed by /opt/bin/tool"]);
		// A RUNPATH is not passed on to what a library needs; files that do not fit are not absent.
		assert.ok(!loaded.absent.includes("/opt/bin/../lib/libc.so.6"));
		assert.ok(!loaded.absent.includes("/conf/libconf.so"));
	});

	it("inherits RPATH, and takes variants for newer processors along", () => {
		const probe = memoryProbe({
			files: {
				"/t/bin/tool": fakeElf({ type: 2, interp: LOADER, rpath: "$ORIGIN/../lib", needed: ["liba.so"] }),
				"/t/lib/liba.so": fakeElf({ needed: ["libb.so"] }),
				"/t/lib/libb.so": fakeElf({}),
				"/t/lib/glibc-hwcaps/x86-64-v3/libb.so": fakeElf({}),
			},
		});
		const loaded = loadedFiles({ program: "/t/bin/tool", libraryPath: undefined, confDirs: [] }, probe);
		assert.deepEqual(loaded.libraries, [
			"/t/bin/../lib/liba.so",
			"/t/bin/../lib/glibc-hwcaps/x86-64-v3/libb.so",
			"/t/bin/../lib/libb.so",
		]);
	});
});

describe("locale files", () => {
	const probe = memoryProbe({
		files: {
			"/usr/lib/locale/C.utf8/LC_CTYPE": "x",
			"/usr/lib/locale/C.utf8/LC_MESSAGES/SYS_LC_MESSAGES": "x",
			"/usr/share/locale/de/LC_MESSAGES/gcc-12.mo": "x",
			"/usr/share/locale/de/LC_MESSAGES/vim.mo": "x",
			"/lib/gconv/gconv-modules.cache": "x",
			"/lib/gconv/ISO8859-1.so": "x",
		},
	});

	it("are none in the C locale", () => {
		assert.deepEqual(
			localeFiles(
				new Map([
					["LANG", "de_DE.UTF-8"],
					["LC_ALL", "C"],
				]),
				[],
				probe,
			),
			[],
		);
		assert.deepEqual(localeFiles(new Map(), [], probe), []);
	});

	it("are found by the names the C library tries", () => {
		assert.deepEqual(localeFiles(new Map([["LANG", "C.UTF-8"]]), ["/lib/libc.so.6"], probe), [
			"/usr/lib/locale/locale-archive",
			"/usr/share/locale/locale.alias",
			"/usr/lib/locale/C.utf8/LC_CTYPE",
			"/usr/lib/locale/C.utf8/LC_MESSAGES/SYS_LC_MESSAGES",
			"/lib/gconv/gconv-modules.cache",
		]);
		const german = localeFiles(new Map([["LANG", "de_DE.ISO-8859-1"]]), ["/lib/libc.so.6"], probe);
		assert.ok(german.includes("/usr/share/locale/de/LC_MESSAGES/gcc-12.mo"));
		assert.ok(!german.includes("/usr/share/locale/de/LC_MESSAGES/vim.mo"));
		assert.ok(german.includes("/lib/gconv/ISO8859-1.so"));
	});
});

const MACHINE = {
	files: {
		"/usr/bin/gcc-12": program(),
		"/usr/bin/as-real": program("libbfd.so"),
		"/usr/bin/ld.bfd": program(),
		"/usr/bin/ar-real": program(),
		"/usr/lib/gcc/12/cc1": program("libgmp.so.10"),
		"/usr/lib/gcc/12/liblto_plugin.so": fakeElf({ needed: ["libz.so.1"] }),
		"/usr/lib/gcc/12/libgomp.spec": "*link_gomp: -lgomp\n",
		"/usr/lib/bfd-plugins/libdep.so": fakeElf({ needed: ["libz.so.1"] }),
		"/usr/lib/libbfd.so": fakeElf({}),
		"/usr/lib/libgmp.so.10.1": fakeElf({}),
		"/usr/lib/libz.so.1": fakeElf({}),
		"/usr/lib/libc.so.6": libc,
		"/usr/lib/ld.so": fakeElf({}),
		"/etc/ld.so.cache": "cache",
		"/opt/wrap/sh-gcc": "#!/bin/sh\nexec gcc\n",
	},
	links: {
		"/lib": "usr/lib",
		"/lib64": "usr/lib",
		"/usr/lib/ld-linux-x86-64.so.2": "ld.so",
		"/usr/lib/libgmp.so.10": "libgmp.so.10.1",
		"/usr/bin/gcc": "gcc-12",
		"/usr/bin/as": "as-real",
		"/usr/bin/ld": "ld.bfd",
		"/usr/bin/ar": "ar-real",
	},
	directories: ["/usr/local/bin"],
	commands: {
		"/usr/bin/gcc --version": "gcc (X) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.\n",
		"/usr/bin/gcc -dumpmachine": "x86_64-linux-gnu\n",
		"/usr/bin/gcc -print-search-dirs":
			"install: /usr/lib/gcc/12/\nprograms: =/nowhere/\nlibraries: =/usr/lib/gcc/12/../../:/lib/\n",
		"/usr/bin/gcc -dumpspecs": "%:include(libgomp.spec)\n",
		"/usr/bin/gcc -print-prog-name=cc1": "/usr/lib/gcc/12/cc1\n",
		"/usr/bin/gcc -print-prog-name=cc1plus": "cc1plus\n",
		"/usr/bin/gcc -print-prog-name=as": "as\n",
		"/usr/bin/gcc -print-prog-name=ld": "ld\n",
		"/usr/bin/gcc -print-file-name=liblto_plugin.so": "/usr/lib/gcc/12/liblto_plugin.so\n",
		"/usr/bin/gcc -print-file-name=specs": "specs\n",
		"/usr/bin/gcc -print-file-name=libgomp.spec": "/usr/lib/gcc/12/libgomp.spec\n",
		"/usr/bin/ld --version": "GNU ld (GNU Binutils) 2.40\n",
		"/usr/bin/ld --verbose": 'SEARCH_DIR("=/usr/lib");\n',
		"/usr/bin/ar --version": "GNU ar (GNU Binutils) 2.40\n",
	},
};

describe("toolchain discovery", () => {
	const env = new Map([["PATH", "/usr/local/bin:/usr/bin"]]);

	it("lists all that a compiler driver needs to run", async () => {
		const toolchain = await discoverToolchain({ tool: "gcc", cwd: "/", env }, memoryProbe(MACHINE));
		assert.ok(toolchain !== undefined);
		assert.deepEqual(toolchain.driver, { name: "gcc", path: "/usr/bin/gcc", resolved: "/usr/bin/gcc-12" });
		assert.deepEqual(
			[toolchain.family, toolchain.target, toolchain.version],
			["gcc", "x86_64-linux-gnu", "gcc (X) 12.2.0"],
		);
		assert.deepEqual(
			toolchain.programs.map(({ name, resolved }) => `${name} ${resolved}`),
			["gcc /usr/bin/gcc-12", "as /usr/bin/as-real", "cc1 /usr/lib/gcc/12/cc1", "ld /usr/bin/ld.bfd"],
		);
		assert.deepEqual(toolchain.loaders, [LOADER]);
		assert.deepEqual(toolchain.libraries, [
			"/lib64/libbfd.so",
			"/lib64/libc.so.6",
			"/lib64/libgmp.so.10",
			"/lib64/libz.so.1",
		]);
		assert.deepEqual(toolchain.extra, ["/usr/lib/gcc/12/libgomp.spec", "/usr/lib/gcc/12/liblto_plugin.so"]);
		assert.deepEqual(toolchain.searchDirs, ["=/usr/lib"]);
		assert.deepEqual(toolchain.unknown, []);
		assert.ok(toolchain.files.includes("/usr/lib/libgmp.so.10.1") && toolchain.files.includes("/usr/lib/ld.so"));
		assert.ok(
			toolchain.links.some(({ path, target }) => path === "/usr/lib/libgmp.so.10" && target === "libgmp.so.10.1"),
		);
		assert.ok(toolchain.links.some(({ path }) => path === "/lib64"));
		assert.ok(toolchain.directories.includes("/usr/lib/gcc/12"));
		assert.ok(toolchain.absent.includes("/usr/local/bin/gcc"), "a gcc that appeared there would be taken");
	});

	it("has the loader's cache as a part only where nothing else leads to a library", async () => {
		const usual = await discoverToolchain({ tool: "ar", cwd: "/", env }, memoryProbe(MACHINE));
		assert.deepEqual(usual?.watched, ["/etc/ld.so.cache"]);
		assert.ok(!usual?.files.includes("/etc/ld.so.cache"));
		const files = {
			...MACHINE.files,
			"/etc/ld.so.conf": "/usr/lib\n/opt/lib\n",
			"/usr/bin/ar-real": program("libopt.so"),
			"/opt/lib/libopt.so": fakeElf({}),
		};
		const configured = await discoverToolchain({ tool: "ar", cwd: "/", env }, memoryProbe({ ...MACHINE, files }));
		assert.deepEqual(configured?.watched, []);
		assert.ok(configured?.files.includes("/etc/ld.so.cache"));
	});

	it("takes the plugins of the machine that it works for", async () => {
		const files = {
			...MACHINE.files,
			"/usr/bin/x-w64-mingw32-ar": program(),
			"/usr/x-w64-mingw32/lib/bfd-plugins/libdep.so": fakeElf({}),
		};
		const commands = { "/usr/bin/x-w64-mingw32-ar --version": "GNU ar (GNU Binutils) 2.40\n" };
		const machine = memoryProbe({ ...MACHINE, files, commands });
		const toolchain = await discoverToolchain({ tool: "x-w64-mingw32-ar", cwd: "/", env }, machine);
		assert.ok(toolchain?.files.includes("/usr/x-w64-mingw32/lib/bfd-plugins/libdep.so"), `${toolchain?.files}`);
	});

	it("takes BFD's plugins along with ar", async () => {
		const toolchain = await discoverToolchain({ tool: "ar", cwd: "/", env }, memoryProbe(MACHINE));
		assert.equal(toolchain?.family, "binutils");
		assert.deepEqual(toolchain?.extra, ["/usr/bin/../lib/bfd-plugins/libdep.so"]);
		assert.ok(toolchain?.libraries.includes("/lib64/libz.so.1"));
	});

	it("says that a script may run anything", async () => {
		const toolchain = await discoverToolchain({ tool: "/opt/wrap/sh-gcc", cwd: "/", env }, memoryProbe(MACHINE));
		assert.deepEqual(toolchain?.unknown, ["/opt/wrap/sh-gcc is a script"]);
	});

	it("finds nothing where there is nothing", async () => {
		assert.equal(await discoverToolchain({ tool: "tcc", cwd: "/", env }, memoryProbe(MACHINE)), undefined);
	});
});
