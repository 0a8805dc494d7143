import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { linkStep, parseDriverTrace } from "../../src/models/driver-trace.js";
import { type LinkFlavour, type LinkInputs, resolveLink } from "../../src/models/link.js";
import { closeOverLinks } from "../../src/models/path-walk.js";
import { discoverToolchain, type Toolchain } from "../../src/models/toolchain.js";
import { run, systemProbe } from "./system-probe.js";

const PROBE = systemProbe();
const ENV = new Map(
	Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
);

interface Sources {
	readonly [name: string]: string;
}

const SOURCES: Sources = {
	"hello.c": '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n',
	"hello.cc": '#include <iostream>\nint main() { std::cout << "hello\\n"; }\n',
	"lib.c": "int answer(void) { return 42; }\n",
	"deep.c": "int deep(void) { return 1; }\n",
	"middle.c": "int deep(void);\nint middle(void) { return deep(); }\n",
	"useMiddle.c": "int middle(void);\nint main(void) { return middle(); }\n",
	"useAnswer.c": "int answer(void);\nint main(void) { return answer(); }\n",
	"zlib.c": "#include <zlib.h>\nint main(void) { return zlibVersion() == 0; }\n",
	"exports.map": "{ global: answer; local: *; };\n",
	"list.dyn": "{ answer; };\n",
	"libscripted.so": "/* a script */ INPUT(-lanswer AS_NEEDED(libm.so.6))\n",
	"objects.rsp": "hello.o -o 'with response'\n",
};

/** Commands that make the inputs; their order matters. */
const PREPARE: readonly (readonly string[])[] = [
	["gcc", "-c", "hello.c", "lib.c", "deep.c", "middle.c", "useMiddle.c", "useAnswer.c", "-fPIC"],
	["g++", "-c", "hello.cc", "-o", "hello++.o"],
	["gcc", "-c", "-flto", "hello.c", "-o", "lto.o"],
	["gcc", "-shared", "lib.o", "-o", "libanswer.so"],
	["ar", "rc", "libstaticanswer.a", "lib.o"],
	["ar", "rcT", "libthin.a", "lib.o"],
	["gcc", "-shared", "deep.o", "-o", "hidden/libdeep.so", "-Wl,-soname,libdeep.so"],
	["gcc", "-shared", "middle.o", "-o", "libmiddle.so", "-Lhidden", "-ldeep"],
];

interface Case {
	readonly title: string;
	readonly argv: readonly string[];
	readonly flavour?: LinkFlavour;
	/** Skipped if one of these is not installed: files in the folders of libraries. */
	readonly wants?: readonly string[];
}

const HELLO = ["hello.o", "-o", "out"];
const CASES: readonly Case[] = [
	{ title: "a C program", argv: ["gcc", ...HELLO] },
	{ title: "a C program from its source", argv: ["gcc", "hello.c", "-o", "out"] },
	{ title: "a C++ program", argv: ["g++", "hello++.o", "-o", "out"] },
	{
		title: "libraries of all kinds",
		argv: ["g++", "hello++.o", "-o", "out", "-lz", "-lncurses", "-lprotobuf", "-lssl", "-lcrypto", "-pthread"],
		wants: ["libz.so", "libncurses.so", "libprotobuf.so", "libssl.so"],
	},
	{
		title: "libraries that count whether used or not",
		argv: ["g++", "hello++.o", "-o", "out", "-Wl,--no-as-needed", "-lncurses", "-lprotobuf", "-lssl", "-lm"],
		wants: ["libncurses.so", "libprotobuf.so", "libssl.so"],
	},
	{ title: "--as-needed", argv: ["gcc", ...HELLO, "-Wl,--as-needed", "-lm", "-lz"], wants: ["libz.so"] },
	{ title: "-static", argv: ["gcc", "-static", ...HELLO, "-lm"], wants: ["libc.a"] },
	{ title: "-static-pie", argv: ["gcc", "-static-pie", ...HELLO], wants: ["libc.a"] },
	{
		title: "-static-libgcc and -static-libstdc++",
		argv: ["g++", "-static-libgcc", "-static-libstdc++", "hello++.o", "-o", "out"],
	},
	{ title: "-shared", argv: ["gcc", "-shared", "lib.o", "-o", "out.so", "-lm"] },
	{
		title: "-shared with unresolved symbols reported",
		argv: ["gcc", "-shared", "lib.o", "-o", "out.so", "-Wl,--no-allow-shlib-undefined", "-Wl,--no-as-needed", "-lz"],
		wants: ["libz.so"],
	},
	{
		title: "a version script and a dynamic list",
		argv: [
			"gcc",
			"-shared",
			"lib.o",
			"-o",
			"out.so",
			"-Wl,--version-script=exports.map",
			"-Wl,--dynamic-list=list.dyn",
		],
	},
	{ title: "-r", argv: ["gcc", "-r", "hello.o", "lib.o", "-o", "out.o"] },
	{ title: "-nostdlib", argv: ["gcc", "-nostdlib", "-shared", "lib.o", "-o", "out.so"] },
	{ title: "link-time optimisation", argv: ["gcc", "-flto", "lto.o", "-o", "out"] },
	{ title: "link-time optimisation in parallel", argv: ["gcc", "-flto=2", "lto.o", "-o", "out"] },
	{ title: "no link-time optimisation", argv: ["gcc", "-fno-lto", ...HELLO] },
	{ title: "a sanitizer", argv: ["gcc", "-fsanitize=address,undefined", ...HELLO] },
	{
		title: "OpenMP, coverage and a linker's map",
		argv: ["gcc", "-fopenmp", "--coverage", "-Wl,-Map,out.map", ...HELLO],
	},
	{
		title: "a library of the build",
		argv: ["gcc", "useAnswer.o", "-o", "out", "-L.", "-lanswer", "-Wl,-rpath,$ORIGIN"],
	},
	{
		title: "-Bstatic and back",
		argv: ["gcc", "useAnswer.o", "-o", "out", "-L.", "-Wl,-Bstatic", "-lstaticanswer", "-Wl,-Bdynamic"],
	},
	{ title: "-l:name", argv: ["gcc", "useAnswer.o", "-o", "out", "-L.", "-l:libstaticanswer.a"] },
	{ title: "a thin archive", argv: ["gcc", "useAnswer.o", "-o", "out", "libthin.a"] },
	{ title: "a library that is a script", argv: ["gcc", "useAnswer.o", "-o", "out", "-L.", "-lscripted"] },
	{
		title: "a library needed by a library, by -rpath-link",
		argv: ["gcc", "useMiddle.o", "-o", "out", "-L.", "-lmiddle", "-Wl,-rpath-link,hidden"],
	},
	{
		title: "a library needed by a library, by -rpath",
		argv: ["gcc", "useMiddle.o", "-o", "out", "-L.", "-lmiddle", "-Wl,-rpath,hidden"],
	},
	{ title: "--just-symbols", argv: ["gcc", ...HELLO, "-Wl,--just-symbols=lib.o"] },
	{
		title: "gold",
		argv: ["g++", "-fuse-ld=gold", "hello++.o", "-o", "out", "-lz"],
		flavour: "gold",
		wants: ["libz.so"],
	},
	{ title: "gold, -static", argv: ["gcc", "-fuse-ld=gold", "-static", ...HELLO, "-lm"], flavour: "gold" },
	{ title: "clang", argv: ["clang", ...HELLO, "-lz"], wants: ["libz.so"] },
	{ title: "clang++", argv: ["clang++", "hello++.o", "-o", "out"] },
	{
		title: "clang and lld",
		argv: ["clang", "-fuse-ld=lld", ...HELLO, "-lz", "-lm"],
		flavour: "lld",
		wants: ["libz.so"],
	},
	{
		title: "clang and lld, a library that is a script",
		argv: ["clang", "-fuse-ld=lld", "useAnswer.o", "-o", "out", "-L.", "-lscripted"],
		flavour: "lld",
	},
];

/** What only exists while the driver runs. */
const TEMPORARY = /^\/tmp\/cc|\.res$|^\/tmp\/hello-|\.ltrans/;

function installed(tool: string): boolean {
	return (process.env.PATH ?? "").split(":").some((dir) => fs.existsSync(`${dir}/${tool}`));
}

describe("links, compared with the linkers themselves", function () {
	this.timeout(60_000);
	let dir = "";
	let toolchain: Toolchain | undefined;
	const extras: string[] = [];

	before(async function () {
		if (!["gcc", "g++", "ar", "ld"].every(installed)) this.skip();
		dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "link-real-")));
		fs.mkdirSync(path.join(dir, "hidden"));
		for (const [name, text] of Object.entries(SOURCES)) fs.writeFileSync(path.join(dir, name), text);
		for (const argv of PREPARE) {
			const made = await run(argv, { cwd: dir });
			assert.equal(made.status, 0, made.stderr);
		}
		toolchain = await discoverToolchain({ tool: "gcc", cwd: dir, env: ENV }, PROBE);
	});
	after(() => {
		if (dir !== "") fs.rmSync(dir, { recursive: true });
		if (process.env.GG_TEST_EXTRAS !== undefined) for (const line of extras) console.log(line);
	});

	async function resolve(argv: readonly string[], flavour: LinkFlavour): Promise<LinkInputs> {
		const trace = parseDriverTrace((await run([...argv, "-###"], { cwd: dir })).stderr);
		const step = linkStep(trace);
		assert.ok(step !== undefined, "no link step");
		const searchDirs = flavour === "bfd" ? (toolchain?.searchDirs ?? []) : [];
		return resolveLink({ ...step, cwd: dir, env: ENV, flavour, searchDirs }, PROBE);
	}

	/** lld shortens names in its list. */
	function absolute(name: string): string {
		return path.resolve(dir, name);
	}

	for (const { title, argv, flavour = "bfd", wants = [] } of CASES) {
		it(`lists every file of ${title}`, async function () {
			const libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
			const there = (name: string): boolean => libraries.some((folder) => fs.existsSync(`${folder}/${name}`));
			const linker = argv.find((arg) => arg.startsWith("-fuse-ld="))?.replace("-fuse-ld=", "ld.") ?? "ld";
			if (!installed(argv[0]!) || !installed(linker) || !wants.every(there)) this.skip();

			const resolved = await resolve(argv, flavour);
			const linked = await run([...argv, "-Wl,--dependency-file=deps", "-Wl,-t", "-Wl,--verbose"], { cwd: dir });
			assert.equal(linked.status, 0, linked.stderr);
			const text = fs.readFileSync(path.join(dir, "deps"), "utf8").replace(/\\\n/g, " ");
			const listed = text.split("\n")[0]!.split(/\s+/).slice(1);
			const succeeded = [...linked.stdout.matchAll(/^attempt to open (.*) succeeded$/gm)].map((match) => match[1]!);
			const failed = [...linked.stdout.matchAll(/^attempt to open (.*) failed$/gm)].map((match) => match[1]!);
			const read = [...listed, ...succeeded].filter((name) => name !== "").map(absolute);
			const files = new Set(resolved.files.map(absolute));
			const missing = [...new Set(read)].filter((name) => !files.has(name) && !TEMPORARY.test(name));
			assert.deepEqual(missing, []);
			assert.deepEqual(resolved.unknown, []);
			assert.deepEqual(resolved.pending, []);
			// What --verbose tries and does not find is what must stay absent.
			const absent = new Set(resolved.absent.map(absolute));
			assert.deepEqual(
				[...new Set(failed.map(absolute))].filter((name) => !absent.has(name)),
				[],
			);
			const more = resolved.files.filter((name) => !read.includes(absolute(name)));
			extras.push(`${title}: ${read.length} read, ${more.length} more: ${more.join(" ")}`);
		});
	}

	it("tells a trace's response file, which is gone, from one that can be read", async () => {
		const trace = parseDriverTrace((await run(["gcc", "@objects.rsp", "-###"], { cwd: dir })).stderr);
		const step = linkStep(trace);
		const gone = step?.argv.some((arg) => arg.startsWith("@"));
		const inputs = await resolve(["gcc", "@objects.rsp"], "bfd");
		assert.equal(inputs.unknown.length > 0, gone);
	});
});

describe("a root that holds only what discovery lists", function () {
	this.timeout(60_000);
	let dir = "";
	before(async function () {
		if (!["bwrap", "gcc", "g++", "ar"].every(installed)) this.skip();
		const works = await run(["bwrap", "--ro-bind", "/", "/", "true"]);
		if (works.status !== 0) this.skip();
		dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "root-")));
		for (const [name, text] of Object.entries(SOURCES)) fs.writeFileSync(path.join(dir, name), text);
	});
	after(() => {
		if (dir !== "") fs.rmSync(dir, { recursive: true });
	});

	/** Runs argv natively, then again where nothing but the listed files is, and compares the output. */
	async function same(argv: readonly string[], output: string, more: readonly string[]): Promise<void> {
		const native = await run(argv, { cwd: dir });
		assert.equal(native.status, 0, native.stderr);
		const expected = fs.readFileSync(path.join(dir, output));
		fs.rmSync(path.join(dir, output));
		const toolchain = await discoverToolchain({ tool: argv[0]!, cwd: dir, env: ENV }, PROBE);
		assert.ok(toolchain !== undefined);
		assert.deepEqual(toolchain.unknown, []);
		const inputs = closeOverLinks(more, PROBE);
		const links = [...toolchain.links, ...inputs.links];
		const unique = new Map(links.map((link) => [link.path, link.target]));
		const directories = new Set([...toolchain.directories, ...inputs.directories]);
		const files = new Set([...toolchain.files, ...inputs.files]);
		const root = [
			...["--unshare-all", "--die-with-parent", "--tmpfs", "/tmp", "--dev", "/dev"],
			...[...unique].sort().flatMap(([link, target]) => ["--symlink", target, link]),
			...[...directories].flatMap((directory) => ["--dir", directory]),
			...[...files].flatMap((file) => ["--ro-bind", file, file]),
			...["--bind", dir, dir, "--chdir", dir],
		];
		const inside = await run(["bwrap", ...root, toolchain.driver.path, ...argv.slice(1)]);
		assert.equal(inside.status, 0, inside.stderr);
		assert.equal(inside.stderr, native.stderr);
		assert.ok(fs.readFileSync(path.join(dir, output)).equals(expected), `${output} differs`);
	}

	async function headers(argv: readonly string[]): Promise<string[]> {
		const rule = (await run([...argv, "-M"], { cwd: dir })).stdout.replace(/\\\n/g, " ");
		const names = rule.slice(rule.indexOf(":") + 1).split(/\s+/);
		return names.filter((name) => name.startsWith("/"));
	}

	async function linked(argv: readonly string[]): Promise<readonly string[]> {
		const step = linkStep(parseDriverTrace((await run([...argv, "-###"], { cwd: dir })).stderr));
		const toolchain = await discoverToolchain({ tool: argv[0]!, cwd: dir, env: ENV }, PROBE);
		assert.ok(step !== undefined && toolchain !== undefined);
		const { searchDirs } = toolchain;
		const inputs = resolveLink({ ...step, cwd: dir, env: ENV, flavour: "bfd", searchDirs }, PROBE);
		assert.deepEqual(inputs.unknown, []);
		return inputs.files;
	}

	for (const [driver, source] of [
		["gcc", "hello.c"],
		["g++", "hello.cc"],
		["clang", "hello.c"],
		["clang++", "hello.cc"],
	] as const) {
		it(`gives ${driver}'s object and program byte for byte`, async function () {
			if (!installed(driver)) this.skip();
			await same([driver, "-g", "-O2", "-c", source, "-o", "a.o"], "a.o", await headers([driver, "-O2", source]));
			const link = [driver, "a.o", "-o", "program"];
			await same(link, "program", await linked(link));
		});
	}

	it("gives a program of link-time optimisation byte for byte", async () => {
		await same(
			["gcc", "-flto", "-O2", "-c", "hello.c", "-o", "b.o", "-frandom-seed=1"],
			"b.o",
			await headers(["gcc", "-O2", "hello.c"]),
		);
		const link = ["gcc", "-flto=1", "-O2", "-frandom-seed=1", "b.o", "-o", "program", "-Wl,--build-id=none", "-s"];
		await same(link, "program", await linked(link));
	});

	it("gives an archive, a stripped object and a plain link byte for byte", async () => {
		assert.equal((await run(["gcc", "-g", "-c", "lib.c", "-o", "c.o"], { cwd: dir })).status, 0);
		await same(["ar", "rcD", "out.a", "c.o"], "out.a", []);
		await same(["strip", "-g", "c.o", "-o", "stripped.o"], "stripped.o", []);
		await same(["ld", "-r", "c.o", "-o", "linked.o"], "linked.o", []);
	});
});
