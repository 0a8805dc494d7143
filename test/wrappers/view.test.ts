import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
	accessSync,
	constants,
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	realpathSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, delimiter, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/*
 * gg-view.so under real tools, and under small programs that make one kind of call each where the tools would only do so
 * by chance. Every test works in an own folder of one temporary folder.
 */

type Records = { letter: string; path: string }[];
type Options = { cwd?: string; env?: Record<string, string>; status?: number };

const source = findSource();
let root: string;
let library: string;
let serial = 0;

function findSource(): string {
	// Compiled tests run from build/test/wrappers, others in place.
	for (const up of ["../..", "../../.."]) {
		const candidate = fileURLToPath(new URL(`${up}/wrappers/gg-view.c`, import.meta.url));
		if (existsSync(candidate)) return candidate;
	}
	throw new Error("wrappers/gg-view.c is not where it should be");
}

function installed(tool: string): boolean {
	return (process.env.PATH ?? "").split(delimiter).some((folder) => {
		try {
			accessSync(join(folder, tool), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

function run(command: string, args: string[], { cwd = root, env = {}, status = 0 }: Options = {}): string {
	const done = spawnSync(command, args, {
		cwd,
		env: { ...process.env, LC_ALL: "C", ...env },
		encoding: "utf8",
		maxBuffer: 1 << 26,
	});
	if (done.error) throw done.error;
	assert.equal(done.status, status, `${command} ${args.join(" ")}: ${done.signal ?? ""}\n${done.stdout}${done.stderr}`);
	return done.stdout;
}

function parse(trace: string): Records {
	if (!existsSync(trace)) return [];
	const text = readFileSync(trace, "utf8");
	assert.ok(text.endsWith("\0"), "the trace ends within a record");
	const records = text
		.slice(0, -1)
		.split("\0")
		.map((record) => ({ letter: record.charAt(0), path: record.slice(1) }));
	const versions = records.filter(({ letter }) => letter === "V");
	for (const { path } of versions) assert.equal(path, "ggtrace1");
	assert.equal(versions.length, records.filter(({ letter }) => letter === "H").length, "each process says it once");
	const named = records.filter(({ letter }) => letter !== "V");
	for (const { letter, path } of named) {
		assert.match(letter, /^[HXRrSsWCUMNDKPL]$/);
		assert.ok(path.startsWith("/"), `not absolute: ${letter}${path}`);
	}
	return named;
}

function preloaded(files: { trace?: string; view?: string }): Record<string, string> {
	return {
		LD_PRELOAD: library,
		...(files.trace && { GG_TRACE: files.trace }),
		...(files.view && { GG_VIEW: files.view }),
	};
}

function traced(command: string, args: string[], options: Options & { view?: string } = {}): Records {
	const trace = join(root, `trace-${++serial}`);
	const { view } = options;
	run(command, args, { ...options, env: { ...options.env, ...preloaded(view ? { trace, view } : { trace }) } });
	return parse(trace);
}

function makeView(entries: Record<string, string>): string {
	const file = join(root, `view-${++serial}`);
	const strings = Object.entries(entries).flatMap(([path, target]) => [`${path}\0`, `${target}\0`]);
	writeFileSync(file, `ggview1\n${strings.join("")}`);
	return file;
}

function viewed(view: string, command: string, args: string[], options: Options = {}): string {
	return run(command, args, { ...options, env: { ...options.env, ...preloaded({ view }) } });
}

function has(records: Records, letter: string, path: string): boolean {
	return records.some((record) => record.letter === letter && normalize(record.path) === path);
}

function assertHas(records: Records, letters: string, path: string): void {
	const seen = records.filter((record) => normalize(record.path) === path).map((record) => record.letter);
	for (const letter of letters) assert.ok(seen.includes(letter), `no ${letter} among "${seen.join("")}" for ${path}`);
}

function names(records: Records, letter: string): string[] {
	return records.filter((record) => record.letter === letter).map((record) => basename(record.path));
}

/** Records below a folder, as `letter name`. */
function below(records: Records, folder: string): string[] {
	return records
		.filter(({ path }) => path.startsWith(`${folder}/`))
		.map(({ letter, path }) => `${letter} ${path.slice(folder.length + 1)}`);
}

function folder(files: Record<string, string> = {}): string {
	const path = join(root, `case-${++serial}`);
	mkdirSync(path);
	put(path, files);
	return path;
}

function put(path: string, files: Record<string, string>): void {
	for (const [name, content] of Object.entries(files)) {
		mkdirSync(join(path, name, ".."), { recursive: true });
		writeFileSync(join(path, name), content);
	}
}

/** Compiles a small C program in a folder of its own. */
function probe(code: string, ...flags: string[]): string {
	const path = folder({ "probe.c": `#define _GNU_SOURCE\n${headers}${code}` });
	run("gcc", ["-O1", "-w", "-o", "probe", "probe.c", ...flags], { cwd: path });
	return join(path, "probe");
}

const headers = `
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>
extern char **environ;
#define MUST(x) do { if (!(x)) { fprintf(stderr, "line %d: %s: %m\\n", __LINE__, #x); exit(9); } } while (0)
`;

const hello = `#include <stdio.h>
#include "h.h"
int twice(int x) { return 2 * x; }
int main(void) { printf("%d\\n", twice(H)); return 0; }
`;

describe("gg-view.so", function () {
	this.timeout(120_000);

	before(() => {
		root = realpathSync(mkdtempSync(join(tmpdir(), "gg-view-")));
		library = join(root, "gg-view.so");
		const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", source];
		run("gcc", [...flags, "-ldl", "-o", library]);
		if (installed("clang")) run("clang", [...flags, "-ldl", "-o", join(root, "by-clang.so")]);
	});

	after(() => {
		rmSync(root, { recursive: true, force: true });
	});

	describe("trace", () => {
		it("shows what a compilation reads, misses and writes", () => {
			const dir = folder({ "a.c": hello, "second/h.h": "#define H 3\n", "first/x.h": "" });
			const records = traced("gcc", ["-g", "-O2", "-c", "-Ifirst", "-Isecond", "a.c"], { cwd: dir });
			assertHas(records, "R", join(dir, "a.c"));
			assertHas(records, "R", join(dir, "second/h.h"));
			assertHas(records, "r", join(dir, "h.h"));
			assertHas(records, "r", join(dir, "first/h.h"));
			assertHas(records, "S", join(dir, "first"));
			assertHas(records, "R", "/usr/include/stdio.h");
			assertHas(records, "r", join(dir, "first/stdio.h"));
			assertHas(records, "r", join(dir, "second/stdio.h"));
			assertHas(records, "C", join(dir, "a.o"));
			const started = names(records, "H");
			assert.equal(started.length, 3, started.join(" "));
			assert.equal(started[1], "cc1");
			assert.match(started[2]!, /as$/);
			for (const tool of ["cc1", "as"]) {
				const exec = records.findIndex((r) => r.letter === "X" && basename(r.path) === tool);
				const start = records.findIndex((r) => r.letter === "H" && basename(r.path).endsWith(tool));
				assert.ok(exec >= 0 && exec < start, `${tool}: X at ${exec}, H at ${start}`);
			}
			const assembly = records.find((r) => r.letter === "C" && r.path.endsWith(".s"));
			assert.ok(assembly, "the driver makes a temporary");
			assertHas(records, "WRU", assembly.path);
		});

		it("tells an output that was there from one that was not", () => {
			const dir = folder({ "a.c": "int a;\n" });
			const first = traced("gcc", ["-c", "a.c"], { cwd: dir });
			assert.ok(has(first, "C", join(dir, "a.o")) && !has(first, "W", join(dir, "a.o")));
			// as unlinks what it replaces.
			writeFileSync(join(dir, "a.i"), "old");
			const second = traced("gcc", ["-E", "a.c", "-o", "a.i"], { cwd: dir });
			assert.ok(has(second, "W", join(dir, "a.i")) && !has(second, "C", join(dir, "a.i")));
		});

		for (const linker of ["bfd", "gold", "lld"]) {
			it(`shows what a link by ${linker} reads and misses`, function () {
				if (!installed(`ld.${linker}`)) this.skip();
				const dir = folder({
					"a.c": "int f(void); int main(void) { return f(); }\n",
					"f.c": "int f(void) { return 0; }\n",
					"empty/x": "",
				});
				run("gcc", ["-c", "a.c", "f.c"], { cwd: dir });
				mkdirSync(join(dir, "lib"));
				run("ar", ["rc", "lib/libf.a", "f.o"], { cwd: dir });
				const link = [`-fuse-ld=${linker}`, "a.o", "-Lempty", "-Llib", "-lf", "-o", "a"];
				const records = traced("gcc", link, { cwd: dir });
				assertHas(records, "R", join(dir, "a.o"));
				assertHas(records, "R", join(dir, "lib/libf.a"));
				if (linker === "gold") {
					// It lists the folders and opens only what is there.
					for (const name of ["empty", "lib"]) assertHas(records, "D", join(dir, name));
				} else {
					assertHas(records, "r", join(dir, "empty/libf.so"));
					assertHas(records, "r", join(dir, "empty/libf.a"));
					assertHas(records, "r", join(dir, "lib/libf.so"));
				}
				const read = names(records, "R");
				for (const name of ["crt1.o", "crti.o", "libc.so", "libc.so.6"])
					assert.ok(read.includes(name) || read.includes(`S${name}`), `${name} among ${read.join(" ")}`);
				const written = records.filter(({ letter }) => "CN".includes(letter)).map(({ path }) => path);
				assert.ok(written.includes(join(dir, "a")), written.join(" "));
				assert.ok(names(records, "H").some((name) => name === "collect2"));
				assert.ok(names(records, "H").some((name) => /ld|gold/.test(name)));
				run(join(dir, "a"), []);
			});
		}

		it("shows ar, ranlib, nm, objcopy and strip", () => {
			const dir = folder({ "f.c": "int f(void) { return 0; }\n" });
			run("gcc", ["-g", "-c", "f.c"], { cwd: dir });
			const made = traced("ar", ["rc", "libf.a", "f.o"], { cwd: dir });
			assertHas(made, "R", join(dir, "f.o"));
			assert.ok(made.some(({ letter, path }) => "CN".includes(letter) && path === join(dir, "libf.a")));
			const again = traced("ar", ["r", "libf.a", "f.o"], { cwd: dir });
			assertHas(again, "R", join(dir, "libf.a"));
			assertHas(traced("ranlib", ["libf.a"], { cwd: dir }), "R", join(dir, "libf.a"));
			assertHas(traced("nm", ["libf.a"], { cwd: dir }), "R", join(dir, "libf.a"));
			const copied = traced("objcopy", ["f.o", "g.o"], { cwd: dir });
			assertHas(copied, "R", join(dir, "f.o"));
			assertHas(copied, "C", join(dir, "g.o"));
			const stripped = traced("strip", ["-g", "f.o"], { cwd: dir });
			assertHas(stripped, "R", join(dir, "f.o"));
			assert.ok(stripped.some(({ letter, path }) => "WN".includes(letter) && path === join(dir, "f.o")));
		});

		it("shows clang", function () {
			if (!installed("clang")) this.skip();
			const dir = folder({ "a.c": hello, "second/h.h": "#define H 3\n", "first/x.h": "" });
			const records = traced("clang", ["-g", "-O2", "-c", "-Ifirst", "-Isecond", "a.c"], { cwd: dir });
			assertHas(records, "R", join(dir, "a.c"));
			assertHas(records, "R", join(dir, "second/h.h"));
			assert.ok(has(records, "r", join(dir, "first/h.h")) || has(records, "s", join(dir, "first/h.h")));
			assert.ok(has(records, "C", join(dir, "a.o")) || has(records, "N", join(dir, "a.o")));
			const linked = traced("clang", ["a.o", "-o", "a", ...(installed("ld.lld") ? ["-fuse-ld=lld"] : [])], {
				cwd: dir,
			});
			assertHas(linked, "R", join(dir, "a.o"));
			assert.equal(run(join(dir, "a"), []), "6\n");
		});

		it("shows .incbin", () => {
			const dir = folder({
				"a.c": '__asm__(".section .rodata\\n.global b\\nb: .incbin \\"data.bin\\"\\n.text");\n',
				"data/data.bin": "x",
			});
			const records = traced("gcc", ["-c", "-Wa,-Iempty,-Idata", "a.c"], { cwd: dir });
			assertHas(records, "R", join(dir, "data/data.bin"));
			assertHas(records, "r", join(dir, "data.bin"));
		});

		it("shows what a link with LTO runs", () => {
			const dir = folder({
				"a.c": "int f(void); int main(void) { return f(); }\n",
				"f.c": "int f(void) { return 0; }\n",
			});
			const args = ["-flto", "-O2", "-c", "a.c", "f.c"];
			run("gcc", args, { cwd: dir });
			const records = traced("gcc", ["-flto", "-O2", "a.o", "f.o", "-o", "a"], { cwd: dir });
			for (const tool of ["collect2", "lto-wrapper", "lto1"]) assert.ok(names(records, "H").includes(tool), tool);
			assertHas(records, "R", join(dir, "f.o"));
			run(join(dir, "a"), []);
		});

		it("shows python", function () {
			if (!installed("python3")) this.skip();
			const dir = folder({
				"gen.py": [
					"import os, subprocess, sys",
					'text = open("in.txt").read()',
					'with open("out.tmp", "w") as f: f.write(text.upper())',
					'os.replace("out.tmp", "out.txt")',
					'sorted(os.listdir("."))',
					'print(os.path.exists("nowhere"), os.path.realpath("in.txt"))',
					'subprocess.check_call(["true"])',
				].join("\n"),
				"in.txt": "abc",
			});
			const records = traced("python3", ["-S", "-B", "gen.py"], { cwd: dir });
			assertHas(records, "R", join(dir, "in.txt"));
			assertHas(records, "CM", join(dir, "out.tmp"));
			assertHas(records, "N", join(dir, "out.txt"));
			assertHas(records, "s", join(dir, "nowhere"));
			assert.ok(records.some(({ letter, path }) => letter === "D" && normalize(path).replace(/\/$/, "") === dir));
			assert.ok(names(records, "X").includes("true"));
			assert.equal(readFileSync(join(dir, "out.txt"), "utf8"), "ABC");
		});

		it("leaves objects as they are without it", function () {
			this.timeout(240_000);
			const dir = folder({
				"a.c": hello,
				"h.h": "#define H 3\n",
				"b.cc":
					'#include <map>\n#include <string>\nint b() { std::map<std::string, int> m{{"x", 1}}; return m["x"]; }\n',
			});
			for (const [compiler, file] of [
				["gcc", "a.c"],
				["g++", "b.cc"],
			] as const) {
				const args = ["-g", "-O2", "-c", file, "-o", "x.o"];
				run(compiler, args, { cwd: dir });
				const plain = readFileSync(join(dir, "x.o"));
				const records = traced(compiler, args, { cwd: dir });
				assertHas(records, "R", join(dir, file));
				assert.ok(plain.equals(readFileSync(join(dir, "x.o"))), `${compiler}: the object differs`);
			}
		});

		it("does not reach a static program, and does not hinder it", function () {
			const dir = folder({
				"s.c": '#include <stdio.h>\nint main(void) { puts(fopen("s.c", "r") ? "open" : "no"); }\n',
			});
			const made = spawnSync("gcc", ["-static", "s.c", "-o", "s"], { cwd: dir });
			if (made.status !== 0) this.skip();
			const trace = join(dir, "trace");
			assert.equal(run(join(dir, "s"), [], { cwd: dir, env: preloaded({ trace }) }), "open\n");
			assert.ok(!existsSync(trace));
			assertHas(traced("sh", ["-c", "./s; :"], { cwd: dir }), "X", join(dir, "s"));
		});

		it("has a letter for every call", () => {
			const program = probe(`
int main(int argc, char **argv) {
	char buf[4096]; struct stat st; struct utimbuf ub = {0}; int fd; FILE *f; DIR *d;
	MUST(chdir(argv[1]) == 0);
	int at = open("sub", O_RDONLY | O_DIRECTORY); MUST(at >= 0);
	MUST((fd = open("new", O_CREAT | O_WRONLY, 0640)) >= 0); close(fd);
	MUST(stat("new", &st) == 0 && (st.st_mode & 0777) == 0640);
	MUST((fd = open("new", O_RDWR)) >= 0); close(fd);
	MUST((fd = open("new", O_WRONLY | O_TRUNC)) >= 0); close(fd);
	MUST((fd = open("new", O_RDONLY)) >= 0); close(fd);
	MUST((fd = openat(at, "new2", O_CREAT | O_EXCL | O_RDWR, 0600)) >= 0); close(fd);
	MUST((fd = openat(at, "../new", O_RDONLY)) >= 0); close(fd);
	MUST((fd = creat("made", 0600)) >= 0); close(fd);
	MUST(open("none", O_RDONLY) < 0 && errno == ENOENT);
	MUST(open("new/none", O_RDONLY) < 0 && errno == ENOTDIR);
	MUST((f = fopen("stream", "w")) && fclose(f) == 0);
	MUST((f = fopen("stream", "re")) && fclose(f) == 0);
	MUST((f = fopen("stream", "r+")) && fclose(f) == 0);
	MUST((f = fopen("stream", "a")));
	MUST((f = freopen(NULL, "a", f)));
	MUST((f = freopen("stream2", "w+", f)) && fclose(f) == 0);
	MUST(!fopen("none", "r") && errno == ENOENT);
	MUST(lstat("new", &st) == 0);
	MUST(fstatat(at, "new2", &st, 0) == 0);
	MUST(fstatat(at, "", &st, AT_EMPTY_PATH) == 0);
	MUST(stat("none", &st) < 0 && access("none", R_OK) < 0 && access("new", R_OK) == 0);
	MUST(faccessat(at, "new2", R_OK, 0) == 0 && euidaccess("new", R_OK) == 0);
	struct statx sx; MUST(statx(at, "new2", 0, STATX_ALL, &sx) == 0);
	MUST((d = opendir("sub")) && closedir(d) == 0);
	MUST(symlink("new", "soft") == 0 && link("new", "hard") == 0);
	MUST(symlinkat("new2", at, "soft") == 0 && linkat(at, "new2", at, "hard", 0) == 0);
	MUST(readlink("soft", buf, sizeof buf) == 3 && readlinkat(at, "soft", buf, sizeof buf) == 4);
	MUST(rename("hard", "hard2") == 0 && renameat(at, "hard", at, "hard2") == 0);
	MUST(renameat2(at, "hard2", at, "hard", 0) == 0);
	MUST(mkdir("dir", 0700) == 0 && mkdirat(at, "dir", 0700) == 0 && rmdir("dir") == 0);
	MUST(unlinkat(at, "dir", AT_REMOVEDIR) == 0 && unlink("hard2") == 0 && remove("soft") == 0);
	MUST(chmod("new", 0600) == 0 && fchmodat(at, "new2", 0600, 0) == 0 && chown("new", -1, -1) == 0);
	MUST(utime("new", &ub) == 0 && utimes("new", NULL) == 0 && utimensat(at, "new2", NULL, 0) == 0);
	MUST(truncate("new", 5) == 0);
	MUST(futimens(at, NULL) == 0 && utimensat(at, "", NULL, AT_EMPTY_PATH) == 0);
	char t[] = "tmpXXXXXX"; MUST((fd = mkstemp(t)) >= 0); unlink(t);
	char u[] = "tmpXXXXXX.o"; MUST((fd = mkostemps(u, 2, O_CLOEXEC)) >= 0); unlink(u);
	MUST(realpath("new", buf) == buf && (f = (FILE *)realpath("./new", NULL)) && !strcmp((char *)f, buf));
	puts(t), puts(u);
	return 0;
}
`);
			const dir = folder({ "sub/x": "" });
			const trace = join(root, "letters");
			const [t, u] = run(program, [dir], { env: preloaded({ trace }) }).split("\n");
			const expected = `
				D sub, C new, S new, R new, W new, W new, R new, C sub/new2, R sub/../new, C made, r none, r new/none,
				C stream, R stream, R stream, W stream, W stream, C stream2, r none,
				S new, S sub/new2, s none, r none, S new, S sub/new2, S new, S sub/new2, D sub,
				N soft, R new, N hard, N sub/soft, R sub/new2, N sub/hard, L soft, L sub/soft,
				M hard, N hard2, M sub/hard, N sub/hard2, M sub/hard2, N sub/hard,
				K dir, K sub/dir, U dir, U sub/dir, U hard2, U soft,
				P new, P sub/new2, P new, P new, P new, P sub/new2, P new, C ${t}, U ${t}, C ${u}, U ${u}, S new, S ./new`;
			assert.deepEqual(
				below(parse(trace), dir),
				expected.split(",").map((record) => record.trim()),
			);
			// What programs call that were built against an older libc or with fortification.
			const old = probe(`
extern int __xstat(int, const char *, struct stat *), __lxstat(int, const char *, struct stat *);
extern int __fxstatat(int, int, const char *, struct stat *, int);
extern int __open_2(const char *, int), __openat64_2(int, const char *, int);
extern char *__realpath_chk(const char *, char *, size_t);
extern ssize_t __readlink_chk(const char *, char *, size_t, size_t);
#ifdef __x86_64__
#define V 1
#else
#define V 0
#endif
int main(int argc, char **argv) {
	struct stat st, other; char buf[4096];
	MUST(chdir(argv[1]) == 0);
	MUST(stat("x", &other) == 0);
	MUST(__xstat(V, "x", &st) == 0 && st.st_ino == other.st_ino && st.st_size == 3);
	MUST(__lxstat(V, "none", &st) < 0 && errno == ENOENT);
	MUST(__fxstatat(V, AT_FDCWD, "x", &st, 0) == 0 && st.st_mtim.tv_nsec == other.st_mtim.tv_nsec);
	MUST(__open_2("x", O_RDONLY) >= 0 && __openat64_2(AT_FDCWD, "x", O_RDONLY) >= 0);
	MUST(__realpath_chk("x", buf, sizeof buf) && __readlink_chk("x", buf, 9, sizeof buf) < 0 && errno == EINVAL);
	return 0;
}
`);
			const place = folder({ x: "abc" });
			assert.deepEqual(below(traced(old, [place]), place), "S x,S x,s none,S x,R x,R x,S x,S x".split(","));
		});

		it("leaves errno and results alone", () => {
			const program = probe(`
int main(int argc, char **argv) {
	struct stat st; char buf[4096]; int fd; FILE *f;
	errno = 77;
	MUST((fd = open("new", O_CREAT | O_RDWR, 0600)) >= 0 && errno == 77); close(fd);
	MUST(stat("new", &st) == 0 && errno == 77);
	MUST(access("new", R_OK) == 0 && errno == 77);
	MUST((f = fopen("new", "w")) && errno == 77); fclose(f);
	MUST(rename("new", "newer") == 0 && errno == 77);
	MUST(realpath("newer", buf)); errno = 77;
	MUST(unlink("newer") == 0 && errno == 77);
	MUST(mkdir("d", 0700) == 0 && rmdir("d") == 0 && errno == 77);
	MUST(unlink("newer") < 0 && errno == ENOENT);
	MUST(open("/", O_WRONLY) < 0 && errno == EISDIR);
	MUST(open("", O_RDONLY) < 0 && errno == ENOENT);
	MUST(open((char *)NULL, O_RDONLY) < 0 && errno == EFAULT);
	MUST(stat((char *)NULL, &st) < 0 && errno == EFAULT);
	if (argc == 1) {
		char *bad = (char *)16;
		MUST(open(bad, O_RDONLY) < 0 && errno == EFAULT);
		MUST(stat(bad, &st) < 0 && errno == EFAULT);
		MUST(unlink(bad) < 0 && errno == EFAULT && access(bad, 0) < 0 && errno == EFAULT);
		MUST(readlink(bad, buf, 9) < 0 && errno == EFAULT);
		MUST(execv(bad, (char *[]){"x", 0}) < 0 && errno == EFAULT);
	}
	MUST(openat(-5, "x", O_RDONLY) < 0 && errno == EBADF);
	MUST(!realpath(NULL, buf) && errno == EINVAL);
	MUST(!fopen("x", "q") && errno == EINVAL);
	MUST(readlink("/", buf, 9) < 0 && errno == EINVAL);
	MUST(execl("/nowhere/x", "x", (char *)0) < 0 && errno == ENOENT);
	MUST(execl("/tmp", "x", (char *)0) < 0 && errno == EACCES);
	MUST(execlp("no-such-program", "x", (char *)0) < 0 && errno == ENOENT);
	pid_t pid;
	MUST(posix_spawn(&pid, "/nowhere/x", 0, 0, argv, environ) == ENOENT);
	memset(buf, 'x', 4095); buf[4095] = 0;
	MUST(open(buf, O_RDONLY) < 0 && errno == ENAMETOOLONG);
	return 0;
}
`);
			const view = makeView({ [join(root, "nothing")]: join(root, "else") });
			for (const env of [
				{},
				preloaded({ trace: join(root, "errno") }),
				preloaded({ trace: "/nowhere/trace", view: "/nowhere/view" }),
			])
				run(program, [], { cwd: folder(), env });
			// A view has to read the names that it is given, so addresses that hold none are beyond it.
			run(program, ["valid"], { cwd: folder(), env: preloaded({ trace: join(root, "errno"), view }) });
		});

		it("writes every record once, whatever way a process begins and ends", () => {
			const program = probe(`
int main(int argc, char **argv) {
	int status; pid_t pid; char *args[] = {argv[0], "child", 0};
	if (argc > 2) { access("leaf", F_OK); _exit(0); }
	if (argc > 1 && !strcmp(argv[1], "child")) { access("child", F_OK); return 0; }
	access("before", F_OK);
	if (!(pid = fork())) { access("forked", F_OK); exit(0); }
	MUST(waitpid(pid, &status, 0) == pid && !status);
	access("pending", F_OK);
	if (!(pid = fork())) { access("forked _exit", F_OK); _exit(0); }
	MUST(waitpid(pid, &status, 0) == pid && !status);
	if (!(pid = vfork())) { access("vforked", F_OK); execv(argv[0], args); _exit(1); }
	MUST(waitpid(pid, &status, 0) == pid && !status);
	if (!(pid = vfork())) { execl("/nowhere/x", "x", (char *)0); _exit(0); }
	MUST(waitpid(pid, &status, 0) == pid && !status);
	if (!(pid = vfork())) { execle(argv[0], argv[0], "a", "b", (char *)0, environ); _exit(1); }
	MUST(waitpid(pid, &status, 0) == pid && !status);
	if (!(pid = vfork())) { execlp("probe", "renamed", "child", (char *)0); _exit(1); }
	MUST(waitpid(pid, &status, 0) == pid && !status);
	MUST(posix_spawn(&pid, argv[0], 0, 0, args, environ) == 0);
	MUST(waitpid(pid, &status, 0) == pid && !status);
	MUST(posix_spawnp(&pid, "probe", 0, 0, args, environ) == 0);
	MUST(waitpid(pid, &status, 0) == pid && !status);
	MUST(system("exit 3") == 3 << 8);
	access("last", F_OK);
	if (argc > 1) quick_exit(0);
	execvp("probe", args);
	return 1;
}
`);
			const dir = folder();
			const PATH = `/nowhere:${join(program, "..")}:${process.env.PATH}`;
			const records = traced(program, [], { cwd: dir, env: { PATH } });
			assert.deepEqual(
				// The shell looks at its cwd.
				below(records, dir).filter((record) => record !== "S ."),
				"r before,r forked,r pending,r forked _exit,r vforked,r child,r leaf,r child,r child,r child,r last,r child".split(
					",",
				),
			);
			const own = records.filter(({ path }) => path === program).map(({ letter }) => letter);
			assert.equal(own.join(""), "HXHXHXHXHXHXH");
			assertHas(records, "r", "/nowhere/x");
			assertHas(records, "r", "/nowhere/probe");
			const quick = traced(program, ["quick"], { cwd: dir, env: { PATH } });
			assert.equal(below(quick, dir).at(-1), "r last");
		});

		it("keeps the records of threads apart and in order", () => {
			const program = probe(
				`
static void *work(void *at) {
	char name[32];
	for (int i = 0; i < 3000; i++) { sprintf(name, "t%ld-%d", (long)at, i); MUST(access(name, F_OK) < 0 && errno == ENOENT); }
	return 0;
}
int main(void) {
	pthread_t t[8];
	for (long i = 0; i < 8; i++) MUST(!pthread_create(&t[i], 0, work, (void *)i));
	for (int i = 0; i < 50; i++) { pid_t p = fork(); if (!p) { access("forked", F_OK); _exit(0); } MUST(waitpid(p, 0, 0) == p); }
	for (long i = 0; i < 8; i++) pthread_join(t[i], 0);
	return 0;
}
`,
				"-pthread",
			);
			const dir = folder();
			const seen = below(traced(program, [], { cwd: dir }), dir);
			assert.equal(seen.filter((record) => record === "r forked").length, 50);
			for (let thread = 0; thread < 8; thread++)
				assert.deepEqual(
					seen.filter((record) => record.startsWith(`r t${thread}-`)),
					Array.from({ length: 3000 }, (_, i) => `r t${thread}-${i}`),
				);
			assert.equal(seen.length, 8 * 3000 + 50);
		});

		it("can be called from a signal handler at any moment", () => {
			const program = probe(`
static volatile int signals;
static void handler(int s) { int saved = errno; access("handler", F_OK); signals++; errno = saved; }
int main(void) {
	struct itimerval every = {{0, 100}, {0, 100}}, never = {0};
	long calls = 0;
	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &every, 0);
	for (; signals < 300; calls++) MUST(access("main", F_OK) < 0 && errno == ENOENT);
	setitimer(ITIMER_REAL, &never, 0);
	printf("%d %ld", signals, calls);
	return 0;
}
`);
			const dir = folder();
			const trace = join(dir, "trace");
			const [signals, calls] = run(program, [], { cwd: dir, env: preloaded({ trace }) })
				.split(" ")
				.map(Number);
			const seen = below(parse(trace), dir);
			assert.equal(seen.filter((record) => record === "r handler").length, signals);
			assert.equal(seen.filter((record) => record === "r main").length, calls);
		});

		it("does without its files", () => {
			const dir = folder({ "a.c": "int a;\n", "bad view": "something else" });
			run("gcc", ["-c", "a.c"], { cwd: dir, env: preloaded({ trace: "/nowhere/t", view: "/nowhere/v" }) });
			run("gcc", ["-c", "a.c"], { cwd: dir, env: preloaded({ view: join(dir, "bad view") }) });
			run("gcc", ["-c", "a.c"], { cwd: dir, env: { LD_PRELOAD: library, GG_TRACE: "relative", GG_VIEW: "" } });
			assert.ok(!existsSync(join(dir, "relative")));
		});
	});

	describe("view", () => {
		const contents = {
			"src/a.c": '#include "../inc/h.h"\n#include <g.h>\nint f(void) { return H + G; }\n',
			"inc/h.h": "/* moved */\n\n#define H 40\nstatic inline int unused(void) { return H; }\n",
			"inc/g.h": "#define G 2\n",
		};
		const others = { "src/a.c": "#error", "inc/h.h": "#error", "inc/g.h": "#error" };

		function overlay(dir: string, files: Record<string, string>): string {
			const entries: Record<string, string> = {};
			for (const [name, content] of Object.entries(files)) {
				const target = join(folder({ blob: content }), "blob");
				entries[join(dir, name)] = target;
			}
			return makeView(entries);
		}

		for (const compiler of ["gcc", "clang"]) {
			for (const there of [true, false]) {
				it(`gives ${compiler} what is not in place (${there ? "other files are" : "nothing is"})`, function () {
					if (!installed(compiler)) this.skip();
					const dir = folder(there ? others : { "src/x": "", "inc/x": "" });
					const args = ["-g3", "-O2", "-c", "-Iinc", "src/a.c", "-MD", "-o", "a.o"];
					viewed(overlay(dir, contents), compiler, args, { cwd: dir });
					const object = readFileSync(join(dir, "a.o"));
					const dependencies = readFileSync(join(dir, "a.d"), "utf8");
					put(dir, contents);
					run(compiler, args, { cwd: dir });
					assert.equal(dependencies, readFileSync(join(dir, "a.d"), "utf8"));
					assert.ok(object.equals(readFileSync(join(dir, "a.o"))), "the object differs");
				});
			}
		}

		it("is traced under the original names", () => {
			const dir = folder(others);
			const view = overlay(dir, contents);
			const records = traced("gcc", ["-c", "-Iinc", "src/a.c", "-o", "a.o"], { cwd: dir, view });
			for (const name of Object.keys(contents)) assertHas(records, "R", join(dir, name));
			assert.ok(!records.some(({ path }) => path.endsWith("/blob")));
		});

		it("leaves the named path of a redirected output untouched", () => {
			const dir = folder({ "a.c": "int a;\n", "a.o": "old", "out/x": "" });
			const target = join(dir, "out/target");
			const view = makeView({ [join(dir, "a.o")]: target });
			const records = traced("gcc", ["-c", "a.c", "-o", "./x/../a.o"], { cwd: dir, view });
			assert.equal(readFileSync(join(dir, "a.o"), "utf8"), "old");
			const written = records.filter(
				({ letter, path }) => "CW".includes(letter) && normalize(path) === join(dir, "a.o"),
			);
			assert.equal(written.map(({ letter }) => letter).join(""), "C");
			run("gcc", ["-c", "a.c", "-o", "plain.o"], { cwd: dir });
			assert.ok(readFileSync(target).equals(readFileSync(join(dir, "plain.o"))));
		});

		it("takes an empty target for an absent file", () => {
			const dir = folder({
				"a.c": '#if __has_include("h.h")\n#error\n#endif\n#if !__has_include("g.h")\n#error\n#endif\n',
				"h.h": "",
				"g.h": "",
			});
			const view = makeView({ [join(dir, "h.h")]: "" });
			for (const compiler of ["gcc", "clang"].filter(installed)) {
				const records = traced(compiler, ["-c", "a.c"], { cwd: dir, view });
				assert.ok(has(records, "r", join(dir, "h.h")) || has(records, "s", join(dir, "h.h")));
				run(compiler, ["-c", "a.c"], { cwd: dir, status: 1 });
			}
		});

		it("serves ar, strip, objcopy and the linkers", () => {
			const dir = folder({
				"m.c": "int f(void); int main(void) { return f() - 5; }\n",
				"f.c": "int f(void) { return 5; }\n",
			});
			run("gcc", ["-g", "-c", "m.c", "f.c"], { cwd: dir });
			const store = folder();
			for (const name of ["m.o", "f.o"]) {
				copyFileSync(join(dir, name), join(store, name));
				writeFileSync(join(dir, name), "placeholder");
			}
			const redirected = ["m.o", "f.o", "libf.a", "a", "g.o"];
			const view = makeView(Object.fromEntries(redirected.map((name) => [join(dir, name), join(store, name)])));
			viewed(view, "ar", ["rc", "libf.a", "f.o"], { cwd: dir });
			viewed(view, "ar", ["r", "libf.a", "f.o"], { cwd: dir });
			// For gold, which lists the folder.
			writeFileSync(join(dir, "libf.a"), "placeholder");
			viewed(view, "ranlib", ["libf.a"], { cwd: dir });
			assert.equal(run("ar", ["t", "libf.a"], { cwd: store }), "f.o\n");
			viewed(view, "objcopy", ["f.o", "g.o"], { cwd: dir });
			const size = statSync(join(store, "m.o")).size;
			viewed(view, "strip", ["-g", "m.o"], { cwd: dir });
			assert.ok(statSync(join(store, "m.o")).size < size, "stripped in the store");
			for (const linker of ["bfd", "gold", "lld"].filter((name) => installed(`ld.${name}`))) {
				rmSync(join(store, "a"), { force: true });
				viewed(view, "gcc", [`-fuse-ld=${linker}`, "m.o", "-L.", "-lf", "-o", "a"], { cwd: dir });
				run(join(store, "a"), []);
			}
			assert.deepEqual(readdirSync(dir).sort(), ["f.c", "f.o", "libf.a", "m.c", "m.o"]);
			assert.equal(readFileSync(join(dir, "m.o"), "utf8"), "placeholder");
			assert.deepEqual(readdirSync(store).sort(), [...redirected].sort());
		});

		it("redirects each kind of call", () => {
			const program = probe(`
static char buf[4096];
static char *content(FILE *f) { size_t n; MUST(f); n = fread(buf, 1, sizeof buf - 1, f); buf[n] = 0; fclose(f); return buf; }
int main(int argc, char **argv) {
	struct stat st, target; int fd; char *p, name[4096], link[64]; FILE *f;
	MUST(chdir(argv[1]) == 0);
	int at = open("sub", O_RDONLY | O_DIRECTORY); MUST(at >= 0);
	MUST(!strcmp(content(fopen("v", "r")), "seen"));
	MUST(!strcmp(content(fopen("./sub/..//v", "r")), "seen"));
	MUST(!strcmp(content(freopen("v", "r", fopen("plain", "r"))), "seen"));
	MUST(!strcmp(content(fdopen(openat(at, "../v", O_RDONLY), "r")), "seen"));
	MUST(stat(argv[2], &target) == 0);
	MUST(stat("v", &st) == 0 && st.st_ino == target.st_ino);
	MUST(fstatat(at, "../v", &st, 0) == 0 && st.st_ino == target.st_ino);
	MUST(lstat("v", &st) == 0 && st.st_ino == target.st_ino && access("v", R_OK) == 0);
	errno = 5;
	MUST(realpath("v", name) == name && errno == 5);
	MUST(strlen(name) > 2 && !strcmp(name + strlen(name) - 2, "/v") && !strncmp(name, argv[1], strlen(argv[1])));
	MUST((p = realpath("sub/../v", NULL)) && !strcmp(p, name) && (p = canonicalize_file_name("v")) && !strcmp(p, name));
	MUST(readlink("v", buf, sizeof buf) < 0 && errno == EINVAL);
	MUST((fd = open("v", O_RDONLY)) >= 0);
	sprintf(link, "/proc/self/fd/%d", fd);
	memset(buf, 0, sizeof buf);
	MUST(readlink(link, buf, sizeof buf) == strlen(name) && !strcmp(buf, name));
	memset(buf, 0, sizeof buf);
	MUST(readlink(link, buf, 3) == 3 && !strncmp(buf, name, 3) && !buf[3]);
	MUST(realpath(link, buf) && !strcmp(buf, name));
	close(fd);
	MUST(open("plain", O_RDONLY) == fd && readlink(link, buf, sizeof buf) > 0 && strstr(buf, "/plain"));
	errno = 0;
	MUST(open("gone", O_RDONLY) < 0 && errno == ENOENT);
	errno = 0;
	MUST(stat("gone", &st) < 0 && errno == ENOENT && !fopen("gone", "r") && !opendir("gone") && !realpath("gone", buf));
	MUST(!freopen("gone", "r", fopen("plain", "r")) && errno == ENOENT);
	MUST(unlink("gone") < 0 && errno == ENOENT);
	MUST(rename("made", "v") == 0);
	MUST(!strcmp(content(fopen("v", "r")), "made") && !strcmp(content(fopen(argv[2], "r")), "made"));
	MUST(chmod("v", 0400) == 0 && stat(argv[2], &st) == 0 && (st.st_mode & 0777) == 0400);
	MUST(rename("v", "back") == 0 && access("v", F_OK) < 0 && access(argv[2], F_OK) < 0 && access("back", F_OK) == 0);
	MUST((fd = open("v", O_CREAT | O_EXCL | O_WRONLY, 0600)) >= 0 && stat(argv[2], &st) == 0 && st.st_size == 0);
	MUST(unlink("v") == 0 && access(argv[2], F_OK) < 0);
	MUST(realpath("v", buf) == NULL && errno == ENOENT);
	return 0;
}
`);
			const dir = folder({ v: "on disk", plain: "", made: "made", gone: "here", "sub/x": "", store: "seen" });
			const target = join(dir, "store");
			const view = makeView({ [join(dir, "v")]: target, [join(dir, "gone")]: "" });
			viewed(view, program, [dir, target]);
			assert.equal(readFileSync(join(dir, "v"), "utf8"), "on disk");
			assert.equal(readFileSync(join(dir, "gone"), "utf8"), "here");
			assert.equal(readFileSync(join(dir, "back"), "utf8"), "made");
		});

		it("starts the target of a redirected program under the name it was given", () => {
			const program = probe(`
int main(int argc, char **argv) {
	char exe[4096] = ""; int status; pid_t pid; char *args[] = {"shown", "x", 0};
	if (argc > 1) { MUST(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0); printf("%s %s %s\\n", argv[0], argv[1], exe); return 0; }
	if (!(pid = vfork())) { execv("./tool", args); _exit(9); }
	waitpid(pid, &status, 0); MUST(!status);
	if (!(pid = vfork())) { execvp("tool", args); _exit(9); }
	waitpid(pid, &status, 0); MUST(!status);
	MUST(posix_spawn(&pid, "./tool", 0, 0, args, environ) == 0);
	waitpid(pid, &status, 0); MUST(!status);
	MUST(posix_spawnp(&pid, "tool", 0, 0, args, environ) == 0);
	waitpid(pid, &status, 0); MUST(!status);
	MUST(posix_spawnp(&pid, "hidden", 0, 0, args, environ) == ENOENT);
	execlp("tool", "shown", "x", (char *)0);
	return 1;
}
`);
			const dir = folder({ hidden: "" });
			copyFileSync(program, join(dir, "blob"));
			run("chmod", ["755", "blob", "hidden"], { cwd: dir });
			const view = makeView({ [join(dir, "tool")]: join(dir, "blob"), [join(dir, "hidden")]: "" });
			const env = { PATH: `${dir}:${process.env.PATH}` };
			const shown = `shown x ${join(dir, "tool")}\n`;
			assert.equal(viewed(view, program, [], { cwd: dir, env }), shown.repeat(5));
			const records = traced(program, [], { cwd: dir, env, view });
			const seen = records.filter(({ path }) => normalize(path) === join(dir, "tool")).map(({ letter }) => letter);
			assert.equal(seen.filter((letter) => "XH".includes(letter)).join(""), "XHXHXHXHXH");
			assert.ok(!has(records, "H", join(dir, "blob")));
		});

		it("is found in a large table", () => {
			const dir = folder({ target: "T" });
			const entries: Record<string, string> = {};
			for (let i = 0; i < 20_000; i++) entries[`/virtual/${i % 97}/file-${i}`] = i % 3 ? join(dir, "target") : "";
			const program = probe(`
int main(void) {
	char name[64]; struct stat st;
	for (int i = 0; i < 20000; i++) {
		sprintf(name, "/virtual/%d/file-%d", i % 97, i);
		MUST((access(name, R_OK) == 0) == (i % 3 != 0));
		sprintf(name, "/virtual/%d/file-%d", i % 97, i + 20000);
		MUST(stat(name, &st) < 0 && errno == ENOENT);
	}
	return 0;
}
`);
			viewed(makeView(entries), program, []);
			viewed(makeView({}), program, [], { status: 9 });
		});
	});

	describe("with GG_ROOT", () => {
		const inRoot = (place: string): Record<string, string> => ({ ...preloaded({}), GG_ROOT: place });

		it("answers each kind of call with what is below that root, and leaves nothing beside it", () => {
			const program = probe(`
#include <dlfcn.h>
static char name[4096];
static char *template(const char *folder, const char *rest) { sprintf(name, "%s/%s", folder, rest); return name; }
int main(int argc, char **argv) {
	char *dir = argv[1], at[4096], *p; DIR *d; struct dirent *e; int fd, seen = 0;
	MUST((fd = open(template(dir, "file"), O_RDONLY)) >= 0 && read(fd, at, 99) == 5 && !strncmp(at, "below", 5));
	MUST(d = opendir(dir));
	while ((e = readdir(d))) seen |= !strcmp(e->d_name, "file") ? 1 : !strcmp(e->d_name, "beside") ? 2 : 0;
	MUST(seen == 1);
	MUST((fd = mkstemp(template(dir, "stXXXXXX"))) >= 0 && !strncmp(name, dir, strlen(dir)) && write(fd, "x", 1) == 1);
	MUST(access(name, R_OK) == 0 && unlink(name) == 0);
	MUST((fd = mkstemps(template(dir, "stXXXXXX.o"), 2)) >= 0 && !strcmp(name + strlen(name) - 2, ".o"));
	MUST(mkdtemp(template(dir, "tdXXXXXX")) == name && !strncmp(name, dir, strlen(dir)) && access(name, X_OK) == 0);
	void *plugin = dlopen(template(dir, "plugin.so"), RTLD_NOW);
	MUST(plugin && !strcmp(*(const char **)dlsym(plugin, "text"), "below"));
	return 0;
}
`);
			const dir = folder({ file: "here", beside: "" });
			const place = folder({ [`root${dir}/file`]: "below" });
			const compile = (path: string, text: string): void => {
				put(path, { "plugin.c": `const char *text = "${text}";\n` });
				run("gcc", ["-shared", "-fPIC", "-o", "plugin.so", "plugin.c"], { cwd: path });
			};
			compile(dir, "here");
			compile(join(place, "root", dir), "below");
			run(program, [dir], { env: inRoot(place) });
			assert.deepEqual(readdirSync(dir).sort(), ["beside", "file", "plugin.c", "plugin.so"]);
		});

		it("looks for a library by the caller's own path all the same", () => {
			const dir = folder({ "lib/lib.c": 'const char *text = "found";\n' });
			run("gcc", ["-shared", "-fPIC", "-o", "lib/libggtest.so", "lib/lib.c"], { cwd: dir });
			const program = probe(
				`
#include <dlfcn.h>
int main(void) {
	void *library = dlopen("libggtest.so", RTLD_NOW);
	MUST(library && !strcmp(*(const char **)dlsym(library, "text"), "found"));
	return 0;
}
`,
				`-Wl,-rpath,${join(dir, "lib")}`,
			);
			run(program, []);
			run(program, [], { env: preloaded({}) });
			run(program, [], { env: inRoot(folder()) });
		});
	});
});
