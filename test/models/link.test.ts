import assert from "node:assert/strict";
import { linkStep, parseDriverTrace } from "../../src/models/driver-trace.js";
import { type LinkFlavour, type LinkInputs, type LinkRequest, resolveLink } from "../../src/models/link.js";
import { LINK_FLAGS, readLinkWords } from "../../src/models/link-flags.js";
import { fakeArchive, fakeElf, type MemoryFiles, memoryProbe } from "./fake-machine.js";

const OBJECT = fakeElf({ type: 1 });
const shared = (soname: string, ...needed: string[]): Buffer => fakeElf({ soname, needed });
const archive = fakeArchive([{ name: "a.o", content: OBJECT }]);
const PLACEHOLDER = `OUTPUT_FORMAT("elf64-x86-64")/*\nT${"0".repeat(43)}00000000\n*/\nINPUT("gg-placeholder-that-was-not-forced")\n`;

interface LinkOptions extends MemoryFiles {
	readonly env?: Readonly<Record<string, string>>;
	readonly flavour?: LinkFlavour;
	readonly more?: Partial<LinkRequest>;
}

function link(args: string, { env = {}, flavour = "bfd", more = {}, ...machine }: LinkOptions): LinkInputs {
	const request: LinkRequest = {
		argv: ["ld", "-m", "elf_x86_64", ...args.split(" ")],
		cwd: "/work",
		env: new Map(Object.entries(env)),
		flavour,
		searchDirs: [],
		...more,
	};
	return resolveLink(request, memoryProbe(machine));
}

describe("the flags of linkers", () => {
	it("stand in order, each once", () => {
		const names = LINK_FLAGS.flatMap((row) => row.names);
		assert.equal(new Set(names).size, names.length);
		for (const row of LINK_FLAGS) assert.deepEqual(row.names, [...row.names].sort());
		const keys = LINK_FLAGS.map((row) => `${row.effect} ${row.value}`);
		assert.deepEqual(keys, [...keys].sort());
	});

	for (const [args, words] of [
		["-L/a -L /b --library-path=/c", ["library-dir /a", "library-dir /b", "library-dir /c"]],
		["-lz -l z --library z", ["library z", "library z", "library z"]],
		["-rpath /x --rpath=/y -rpath-link=/z", ["rpath /x", "rpath /y", "rpath-link /z"]],
		[
			"-Tx.ld -T x.ld --script=x.ld -Ttext=0x10 -Ttext 0x10",
			["script x.ld", "script x.ld", "script x.ld", "nothing 0x10", "nothing 0x10"],
		],
		["-o out -z now -znow -O1", ["nothing out", "nothing now", "nothing now", "nothing 1"]],
		["--build-id --build-id=sha1 a.o", ["nothing ", "nothing sha1", "file a.o"]],
		["-L=/lib", ["library-dir =/lib"]],
		["--no-such-flag=x -shared", ["unlisted --no-such-flag=x", "shared "]],
	] as const) {
		it(`are cut from ${args}`, () => {
			assert.deepEqual(
				readLinkWords(args.split(" ")).map(({ effect, value }) => `${effect} ${value}`),
				words,
			);
		});
	}
});

describe("the files of a link", () => {
	it("are objects as named, and libraries directory by directory, shared before static", () => {
		const files = { "/work/a.o": OBJECT, "/one/libx.a": archive, "/two/libx.so": shared("libx.so") };
		assert.deepEqual(link("a.o missing.o -L/one -L/two -lx", { files }), {
			files: ["/work/a.o", "/one/libx.a"],
			absent: ["/work/missing.o", "/one/libx.so"],
			unknown: [],
			pending: [],
		});
	});

	it("are looked for in every -L, even one that comes later", () => {
		assert.deepEqual(link("-lx -Lsub", { files: { "/work/sub/libx.so": shared("x") } }).files, ["/work/sub/libx.so"]);
	});

	it("leave shared libraries alone under -Bstatic, until --pop-state", () => {
		const files = { "/l/libx.so": shared("x"), "/l/libx.a": archive };
		assert.deepEqual(link("-L/l -Bstatic -lx", { files }).files, ["/l/libx.a"]);
		assert.deepEqual(link("-L/l --push-state -Bstatic --pop-state -lx", { files }).files, ["/l/libx.so"]);
		assert.deepEqual(link("-L/l -r -lx", { files }).files, ["/l/libx.a"]);
	});

	it("have exact names after -l:", () => {
		assert.deepEqual(link("-L/l -l:x.bin", { files: { "/l/x.bin": OBJECT } }).files, ["/l/x.bin"]);
	});

	it("skip libraries for another machine, having read them", () => {
		const files = {
			"/i386/libx.so": fakeElf({ bits: 32, machine: 3 }),
			"/i386/libx.a": fakeArchive([{ name: "a.o", content: fakeElf({ type: 1, bits: 32, machine: 3 }) }]),
			"/script/libx.so": "OUTPUT_FORMAT(elf32-i386) GROUP(/nowhere.so)",
			"/good/libx.so": shared("x"),
		};
		assert.deepEqual(link("-L/i386 -L/script -L/good -lx", { files }), {
			files: ["/i386/libx.so", "/i386/libx.a", "/script/libx.so", "/good/libx.so"],
			absent: ["/script/libx.a"],
			unknown: [],
			pending: [],
		});
	});

	it("follow linker scripts in place of libraries", () => {
		const files = {
			"/l/libn.so": "INPUT(libn.so.6 AS_NEEDED(-lt)) SEARCH_DIR(/late)",
			"/l/libn.so.6": shared("libn.so.6"),
			"/late/libt.a": archive,
		};
		assert.deepEqual(link("-L/l -ln", { files }), {
			files: ["/l/libn.so", "/l/libn.so.6", "/late/libt.a"],
			absent: ["/l/libt.so", "/l/libt.a", "/late/libt.so"],
			unknown: [],
			pending: [],
		});
	});

	it("say so where two versions of ld differ", () => {
		const files = { "/l/libn.so": "INPUT(x.o)", "/l/x.o": OBJECT, "/work/x.o": OBJECT };
		assert.deepEqual(link("-L/l -ln", { files }).unknown, [
			"linker script /l/libn.so: x.o is both beside it and in the working directory",
		]);
	});

	it("put the sysroot where = is, and before absolute names in its scripts", () => {
		const files = { "/root/usr/lib/libc.so": "GROUP(/lib/libc.so.6)", "/root/lib/libc.so.6": shared("libc.so.6") };
		assert.deepEqual(link("--sysroot=/root -L=/usr/lib -lc", { files }).files, Object.keys(files));
		assert.deepEqual(
			link("--sysroot=/root -lc", { files, more: { searchDirs: ["=/usr/lib"] } }).files,
			Object.keys(files),
		);
		assert.deepEqual(link("-nostdlib --sysroot=/root -lc", { files, more: { searchDirs: ["=/usr/lib"] } }).files, []);
	});

	it("include scripts and lists of the command line, found in -L as well", () => {
		const files = {
			"/work/main.ld": "INCLUDE part.ld\nSECTIONS { .text : { start.o(.text) *(.text) } }",
			"/l/part.ld": "SEARCH_DIR(/more)",
			"/more/libx.a": archive,
			"/work/start.o": OBJECT,
			"/work/v.map": "{ local: *; };",
			"/l/d.list": "{ f; };",
			"/work/o.txt": "f",
			"/work/syms.o": OBJECT,
		};
		const args =
			"-T main.ld -L/l --version-script v.map --dynamic-list=d.list --retain-symbols-file o.txt -R syms.o -lx";
		const inputs = link(args, { files, more: { searchDirs: ["/default"] } });
		assert.deepEqual([...inputs.files].sort(), Object.keys(files).sort());
		assert.deepEqual(inputs.unknown, []);
		assert.ok(!inputs.absent.some((name) => name.startsWith("/default/")), "-T takes the built-in directories away");
	});

	it("are the members of thin archives too", () => {
		const inner = fakeArchive([{ name: "deep.o", content: OBJECT }], "thin");
		const files = {
			"/work/libt.a": fakeArchive(
				[
					{ name: "sub/x.o", content: OBJECT },
					{ name: "sub/inner.a", content: inner },
				],
				"thin",
			),
			"/work/sub/x.o": OBJECT,
			"/work/sub/inner.a": inner,
			"/work/sub/deep.o": OBJECT,
		};
		assert.deepEqual(link("libt.a", { files }).files, Object.keys(files));
	});

	it("come out of response files", () => {
		const files = { "/work/a.o": OBJECT, "/work/r": "a.o '-l:b c.o' -L/l", "/l/b c.o": OBJECT };
		assert.deepEqual(link("@r", { files }).files, ["/work/r", "/work/a.o", "/l/b c.o"]);
		assert.deepEqual(link("@gone", { files }).unknown, ["response file gone cannot be read"]);
	});

	it("do not look into -b binary", () => {
		const files = { "/work/logo.so": "INPUT(x.o)", "/work/x.o": OBJECT };
		assert.deepEqual(link("-b binary logo.so", { files }).files, ["/work/logo.so"]);
	});

	it("leave out what the driver makes on the way", () => {
		const inputs = link("/tmp/cc1.o", { more: { temporaries: new Set(["/tmp/cc1.o"]) } });
		assert.deepEqual(inputs, { files: [], absent: [], unknown: [], pending: [] });
	});

	it("take the plugin and what it passes through, last", () => {
		const files = { "/p/plugin.so": shared("p"), "/p/wrapper": "x", "/l/libc.a": archive, "/work/a.o": OBJECT };
		const args =
			"-plugin /p/plugin.so -plugin-opt=/p/wrapper -plugin-opt=-fresolution=/tmp/x.res -plugin-opt=-pass-through=-lc -static -L/l a.o";
		assert.deepEqual(link(args, { files }).files, ["/p/plugin.so", "/p/wrapper", "/work/a.o", "/l/libc.a"]);
	});
});

describe("placeholders in a link", () => {
	it("need no content where they are objects and archives", () => {
		const files = { "/work/a.o": PLACEHOLDER, "/work/libx.a": PLACEHOLDER };
		const inputs = link("a.o -L. -lx", { files });
		assert.deepEqual(inputs.files, ["/work/a.o", "/work/./libx.a"]);
		assert.deepEqual([inputs.pending, inputs.unknown], [[], []]);
	});

	it("are pending where they are shared libraries", () => {
		assert.deepEqual(link("-L. -lx", { files: { "/work/libx.so": PLACEHOLDER } }).pending, ["/work/./libx.so"]);
		const files = { "/work/libx.so": shared("libx.so", "liby.so"), "/work/liby.so": PLACEHOLDER };
		assert.deepEqual(link("libx.so -rpath-link .", { files }).pending, ["/work/./liby.so"]);
	});
});

describe("libraries that libraries need", () => {
	const files = {
		"/l/liba.so": shared("liba.so.1", "libb.so.1"),
		"/near/libb.so.1": shared("libb.so.1", "libc.so.6"),
		"/far/libb.so.1": shared("libb.so.1", "libc.so.6"),
		"/far/libc.so.6": shared("libc.so.6"),
		"/etc/ld.so.conf": "/far\n",
	};

	it("are found by -rpath-link, -rpath, the environment and /etc/ld.so.conf, never by -L", () => {
		const expected = (dir: string, conf: boolean): string[] => [
			"/l/liba.so",
			...(conf ? ["/etc/ld.so.conf"] : []),
			`${dir}/libb.so.1`,
			...(conf ? [] : ["/etc/ld.so.conf"]),
			"/far/libc.so.6",
		];
		assert.deepEqual(link("-L/l -la -rpath-link /near", { files }).files, expected("/near", false));
		assert.deepEqual(link("-L/l -la -rpath /near", { files }).files, expected("/near", false));
		assert.deepEqual(link("-L/l -la", { files, env: { LD_RUN_PATH: "/near" } }).files, expected("/near", false));
		assert.deepEqual(link("-L/l -la", { files, env: { LD_LIBRARY_PATH: "/near" } }).files, expected("/near", false));
		assert.deepEqual(link("-L/l -L/near -la", { files }).files, expected("/far", true));
	});

	it("are found by the RUNPATH of the library itself", () => {
		const own = {
			"/l/liba.so": fakeElf({ needed: ["libb.so"], runpath: "$ORIGIN/deep" }),
			"/l/deep/libb.so": shared("libb.so", "libc.so.6"),
		};
		assert.ok(link("/l/liba.so", { files: own }).files.includes("/l/deep/libb.so"));
	});

	it("are not looked for by -shared, -r, gold and lld", () => {
		assert.deepEqual(link("-shared -L/l -la -rpath-link /near", { files }).files, ["/l/liba.so"]);
		assert.deepEqual(link("-L/l -la -rpath-link /near", { files, flavour: "gold" }).files, ["/l/liba.so"]);
		assert.deepEqual(link("-L/l -la -rpath-link /near", { files, flavour: "lld" }).files, ["/l/liba.so"]);
		assert.ok(
			link("-shared --no-allow-shlib-undefined -L/l -la -rpath-link /near", { files }).files.includes(
				"/near/libb.so.1",
			),
		);
	});

	it("are tried everywhere if they have no libc, and passed over if they want another version", () => {
		const bare = {
			"/l/liba.so": shared("liba.so", "libb.so"),
			"/one/libb.so": shared("libb.so"),
			"/two/libb.so": shared("libb.so", "libz.so.9", "libc.so.6"),
			"/l/libz.so": shared("libz.so.1"),
		};
		const found = link("/l/liba.so /l/libz.so -rpath-link /one:/two", { files: bare });
		assert.deepEqual(found.files, ["/l/liba.so", "/l/libz.so", "/one/libb.so", "/two/libb.so"]);
	});

	it("are those on the command line where they are there", () => {
		const inputs = link("/l/liba.so /near/libb.so.1 /far/libc.so.6", { files });
		assert.deepEqual([inputs.files.length, inputs.absent], [3, []]);
	});
});

describe("what a link cannot tell", () => {
	for (const [title, args, options, unknown] of [
		["an unlisted flag", "--frobnicate", {}, ["linker option --frobnicate"]],
		["an MRI script", "-c script.mri", {}, ["linker option script.mri"]],
		["an unknown emulation", "-m elf_vax", {}, ["emulation elf_vax"]],
		["GNUTARGET", "x.o", { env: { GNUTARGET: "binary" } }, ["GNUTARGET is set"]],
		[
			"a script that is none",
			"x.txt",
			{ files: { "/work/x.txt": "hello" } },
			["linker script /work/x.txt: unexpected hello"],
		],
		[
			"a file of no known format",
			"x",
			{ files: { "/work/x": "\0\0" } },
			["/work/x: neither object, archive nor linker script"],
		],
		["a damaged archive", "x.a", { files: { "/work/x.a": "!<arch>\njunk" } }, ["/work/x.a: damaged archive"]],
		["gold's own directories", "-lx", { flavour: "gold" as const }, ["-lx is left to gold's own directories"]],
		[
			"gold's way with libraries that do not fit",
			"-L/l -L/m -lx",
			{ flavour: "gold" as const, files: { "/l/libx.so": fakeElf({ machine: 3 }), "/m/libx.so": shared("x") } },
			["/l/libx.so does not fit when searching for -lx"],
		],
	] as const) {
		it(`is ${title}`, () => {
			assert.deepEqual(link(args, options).unknown, unknown);
		});
	}

	it("is a script that includes itself", () => {
		assert.deepEqual(link("x.ld", { files: { "/work/x.ld": "INCLUDE x.ld" } }).unknown, [
			"linker script /work/x.ld: too many scripts",
		]);
	});
});

describe("a driver's trace", () => {
	it("of gcc gives the commands word by word", () => {
		const trace = parseDriverTrace(`Using built-in specs.
Reading specs from /opt/my.specs
COLLECT_GCC=gcc
COMPILER_PATH=/p/:/q/
LIBRARY_PATH=/l/
COLLECT_GCC_OPTIONS='-o' 'a b'
 /usr/lib/gcc/cc1 -quiet a.c "-D" "X=\\"1\\"" -o /tmp/cc1.s
COLLECT_GCC_OPTIONS='-o' 'a b'
 as --64 -o /tmp/cc2.o /tmp/cc1.s
 /usr/lib/gcc/collect2 -o "a b" /tmp/cc2.o "" "two
lines" "\\$x\\\\"
`);
		assert.deepEqual(trace.commands[0], ["/usr/lib/gcc/cc1", "-quiet", "a.c", "-D", 'X="1"', "-o", "/tmp/cc1.s"]);
		assert.deepEqual(
			[trace.specs, trace.compilerPath, trace.libraryPath],
			[["/opt/my.specs"], ["/p/", "/q/"], ["/l/"]],
		);
		assert.deepEqual(linkStep(trace), {
			argv: ["/usr/lib/gcc/collect2", "-o", "a b", "/tmp/cc2.o", "", "two\nlines", "$x\\"],
			temporaries: new Set(["/tmp/cc1.s", "/tmp/cc2.o"]),
		});
	});

	it("of clang gives them too", () => {
		const trace = parseDriverTrace(`Debian clang version 14.0.6
Target: x86_64-pc-linux-gnu
 (in-process)
 "/usr/lib/llvm-14/bin/clang" "-cc1" "-o" "/tmp/h-1.o" "-x" "c" "h.c"
 "/usr/bin/ld.lld" "-o" "a.out" "/tmp/h-1.o"
`);
		assert.equal(trace.commands.length, 2);
		assert.deepEqual(linkStep(trace)?.argv, ["/usr/bin/ld.lld", "-o", "a.out", "/tmp/h-1.o"]);
	});

	it("that does not link has no link step", () => {
		assert.equal(linkStep(parseDriverTrace(" /usr/lib/gcc/cc1 a.c\n as -o a.o\n")), undefined);
		assert.equal(linkStep(parseDriverTrace("")), undefined);
	});
});
