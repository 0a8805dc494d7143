import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { assertAllWays, assertAsPlain, counts, GG, HERE, type Project, projects } from "../rig/project.js";
import { isThere } from "../rig/rows.js";

const MAIN = "int main(void) { return 0; }\n";

/** Everything in the tree that names a folder of gg's. */
function tracesOfGg(p: Project): string[] {
	const found: string[] = [];
	const look = (folder: string): void => {
		for (const entry of fs.readdirSync(p.path(folder), { withFileTypes: true })) {
			const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
			if (entry.isDirectory()) {
				if (entry.name !== ".gg") look(name);
			} else if (entry.isFile() && /gg-by-path|\/wrappers\/|gg-supervise/.test(p.read(name))) found.push(name);
		}
	};
	look("");
	return found;
}

describe("a tool that is started by its path", () => {
	const project = projects();

	it("is caught in a makefile, in whatever way it is named", async () => {
		const p = project({
			Makefile: `
prog: a.o b.o c.o d.o libe.a ; /usr/bin/gcc -o $@ a.o b.o c.o d.o libe.a
a.o: a.c ; /usr/bin/cc -c $<
b.o: b.c ; /usr/bin/$$(readlink /usr/bin/gcc) -c $< && test -s $@
c.o: c.c ; cd sub && ../$$(realpath --relative-to=. /usr/bin/gcc) -c ../c.c -o ../$@
d.o: d.c ; PATH=/bin /bin/sh -c '/usr/bin/../bin/cc -c $<'
libe.a: e.o ; /usr/bin/ar rcs $@ e.o
e.o: e.s ; /usr/bin/as -o $@ e.s
clean: ; rm -f prog *.o *.a
`,
			"a.c": MAIN,
			"b.c": "int b;\n",
			"c.c": "int c;\n",
			"d.c": "int d;\n",
			"e.s": ".data\n",
			"sub/empty": "",
		});
		await assertAllWays(p, { steps: [["make"]] });
		p.fresh();
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 0, made: 7, local: 0 });
		await p.run(["make", "clean"]);
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 7, made: 0, local: 0 });
	});

	it("is caught however it is started: vfork, posix_spawn, a thread, a static program, one with a sanitizer, env -i", async () => {
		const p = project({
			Makefile: `
all: forks static asan cleared
forks: start ; ./start vfork f1.o && ./start spawn f2.o && ./start thread f3.o && ./start at f4.o && touch $@
static: start-static ; ./start-static vfork s1.o && ./start-static thread s2.o && touch $@
asan: start-asan ; ./start-asan vfork a1.o && ./start-asan spawn a2.o && ./start-asan thread a3.o && touch $@
cleared: ; env -i /usr/bin/cc -c x.c -o c1.o && touch $@
start: start.c ; cc -pthread -o $@ $<
start-static: start.c ; cc -static -pthread -o $@ $<
start-asan: start.c ; cc -fsanitize=address -pthread -o $@ $<
`,
			"x.c": "int x;\n",
			"start.c": `
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static char **args;
static int vforked(void) {
	int status;
	char **argv = args;
	/* A constant must not change, nor must what the parent reads of it afterwards. */
	pid_t pid = vfork();
	if (pid == 0) { execv(argv[0], argv); _exit(9); }
	waitpid(pid, &status, 0);
	return status != 0 || strcmp(argv[0], "/usr/bin/cc") != 0;
}
static void *threaded(void *result) { *(int *)result = vforked(); return NULL; }
int main(int argc, char **given) {
	if (argc != 3) return 8;
	char *argv[] = { "/usr/bin/cc", "-c", "x.c", "-o", given[2], NULL };
	int status = 1;
	args = argv;
	pthread_t thread;
	pid_t pid;
	switch (given[1][0]) {
	case 'v': return vforked();
	case 's':
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ)) return 7;
		waitpid(pid, &status, 0);
		return status != 0;
	case 't':
		if (pthread_create(&thread, NULL, threaded, &status) || pthread_join(thread, NULL)) return 6;
		return status;
	default:
		execveat(open("/usr", O_PATH), "bin/cc", argv, environ, 0);
		return 5;
	}
}
`,
		});
		await assertAsPlain(p, { steps: [["make"]], by: HERE });
		for (const name of ["f1", "f2", "f3", "f4", "s1", "s2", "a1", "a2", "a3", "c1"]) fs.unlinkSync(p.path(`${name}.o`));
		for (const name of ["forks", "static", "asan", "cleared"]) fs.unlinkSync(p.path(name));
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 10, made: 0, local: 0 });
	});

	it("is caught, and placeholders are read, by 32-bit programs, static ones too", async function () {
		if (!isThere("/usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a")) this.skip();
		const p = project({
			Makefile: `
all: caught read
caught: start start-static
	./start v v.o && ./start e e.o && ./start a a.o && ./start-static v sv.o && ./start-static e se.o && touch $@
read: start start-static o.o
	./start o o.o > $@ && ./start s o.o >> $@ && ./start-static o o.o >> $@ && ./start t o.o && cksum < o.o >> $@
start: start.c ; cc -m32 -o $@ $<
start-static: start.c ; cc -m32 -static -o $@ $<
o.o: x.c ; cc -g -c x.c -o $@
`,
			"x.c": "int x;\n",
			"start.c": `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static int vforked(char **argv) {
	int status;
	pid_t pid = vfork();
	if (pid == 0) { execv(argv[0], argv); _exit(9); }
	waitpid(pid, &status, 0);
	return status != 0 || strcmp(argv[0], "/usr/bin/cc") != 0;
}
int main(int argc, char **given) {
	struct stat st;
	char head[5] = "", *argv[] = { "/usr/bin/cc", "-c", "x.c", "-o", given[2], NULL };
	switch (given[1][0]) {
	case 'v': return vforked(argv);
	case 'e': execv(argv[0], argv); return 8;
	case 'a': execveat(open("/usr", O_PATH), "bin/cc", argv, environ, 0); return 7;
	case 'o': read(open(given[2], O_RDONLY), head, 4); return printf("%s\\n", head + 1) < 0;
	case 's': return stat(given[2], &st) || printf("%ld\\n", (long)st.st_size) < 0;
	default: return truncate(given[2], 100);
	}
}
`,
		});
		await assertAllWays(p, { steps: [["make"]] });
		p.fresh();
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 0, made: 8, local: 0 });
		await p.sh("rm *.o caught");
		assert.deepEqual(counts(await p.gg([...HERE, "make"])), { stored: 6, made: 0, local: 0 });
		p.fresh();
		const inferred = await p.gg(["infer", "make", "o.o", "start"]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.deepEqual(p.placeholders(), ["o.o", "start"]);
	});

	it("is the very one that was asked for, however many start at the same time", async () => {
		const p = project({
			"opt/gcc": "#!/bin/sh\necho mine\n",
			"burst.c": `
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **argv) {
	int gate[2], status, failed = pipe(gate);
	for (int i = 0; i < 200; i++) {
		if (fork() != 0) continue;
		char c;
		close(gate[1]);
		if (read(gate[0], &c, 1) == 0) execv(argv[1], argv + 1);
		_exit(1);
	}
	close(gate[0]);
	close(gate[1]);
	while (wait(&status) > 0) failed |= status;
	return failed;
}
`,
		});
		await p.run(["gcc", "-o", "burst", "burst.c"]);
		const ended = await p.gg([...HERE, "./burst", p.path("opt/gcc")]);
		assert.equal(ended.stdout, "mine\n".repeat(200));
		assert.deepEqual(counts(ended), { stored: 0, made: 0, local: 200 });
	});

	it("starts, caught or not, also where signals interrupt its caller faster than it can be caught", async () => {
		const p = project({
			"storm.c": `
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile char last;
/* Takes the place on the stack where a path was put. */
static void on_alarm(int signal) {
	volatile char much[600];
	memset((void *)much, signal, sizeof much);
	last = much[599];
}
int main(void) {
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct itimerval often = { { 0, 30 }, { 0, 30 } };
		sigaction(SIGALRM, &(struct sigaction){ .sa_handler = on_alarm, .sa_flags = SA_RESTART }, NULL);
		setitimer(ITIMER_REAL, &often, NULL);
		execl("/usr/bin/cc", "cc", "--version", (char *)0);
		_exit(1);
	}
	alarm(20);
	/* The timer goes on, and ends what has no handler. */
	return waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGALRM;
}
`,
		});
		await p.run(["gcc", "-o", "storm", "storm.c"]);
		const ended = await p.gg([...HERE, "./storm"]);
		assert.equal(ended.status, 0, ended.stderr);
	});

	it("is caught by a path that climbs above the root, and nothing is made outside of the session's folder for it", async () => {
		const p = project({ "x.c": "int x;\n" });
		const tool = `/${"../".repeat(12)}usr/bin/cc`;
		// Of another depth: a folder of that name does not exist at the root.
		const ended = await p.gg([
			...HERE,
			"sh",
			"-c",
			`${tool} -c x.c && find "\${GG_SESSION%/s}/.." -path '*usr/bin/cc' -printf '%P\n'`,
		]);
		assert.match(ended.stdout, /^gg-[^/]*\/gg-by-path\/usr\/bin\/cc\n$/);
		assert.deepEqual(counts(ended), { stored: 0, made: 1, local: 0 });
	});

	it("that is a script, like the build command, knows the path that it was called by", async () => {
		const say = '#!/bin/sh\necho "$0" >> names\n';
		const p = project({ "tools/my-gcc": say, configure: say, "no-interpreter": "echo $0 >> names\n" });
		await p.run(["ln", "-s", "tools", "linked"]);
		fs.chmodSync(p.path("no-interpreter"), 0o755);
		const commands = [
			["./configure"],
			["tools/../configure"],
			["sh", "-c", "tools/my-gcc; linked/my-gcc; ./linked/../tools/my-gcc; PATH=$PWD/tools:$PATH; my-gcc"],
			["linked/my-gcc"],
		];
		for (const command of commands) await p.run(command);
		await p.run(["env", "./no-interpreter"]);
		const plain = p.read("names");
		fs.unlinkSync(p.path("names"));
		for (const command of [...commands, ["./no-interpreter"]]) {
			const ended = await p.gg([...HERE, ...command]);
			assert.equal(ended.status, 0, ended.stderr);
		}
		assert.equal(p.read("names"), plain);
	});

	it("sees its own name, and what it starts is left alone", async () => {
		const p = project({
			Makefile: `
out: ; (exec -a strange-name /usr/bin/gcc -### -c x.c) 2>$@ ; /usr/bin/gcc -v x.c -o x 2>>$@; which cc >>$@ ; command -v ar >>$@ ; echo $$PATH >>$@
`,
			"x.c": MAIN,
		});
		// Names of temporary files differ from run to run.
		const steps = [["sh", "-c", "make SHELL=/bin/bash && sed -i -E 's,/tmp/[^ ]*|/[^ ]*/tmp/cc[^ ]*,T,g' out"]];
		await assertAsPlain(p, { steps, by: HERE });
	});

	it("is caught in a tree that CMake configured without gg, and gg leaves no trace in one that it configures", async () => {
		for (const generator of ["Unix Makefiles", "Ninja"]) {
			const p = project({
				"CMakeLists.txt": `
cmake_minimum_required(VERSION 3.10)
project(P C CXX)
include(CheckCCompilerFlag)
check_c_compiler_flag(-Wno-such-flag HAS_NO_SUCH_FLAG)
check_c_compiler_flag(-Wall HAS_WALL)
add_library(l STATIC l.c)
add_executable(prog main.cpp)
target_link_libraries(prog l)
`,
				"l.c": "int l(void) { return 0; }\n",
				"main.cpp": 'extern "C" int l(); int main() { return l(); }\n',
			});
			const configure = ["cmake", "-G", generator, "-S", ".", "-B", "out"];
			await p.run(configure);
			const built = await p.gg([...HERE, "cmake", "--build", "out"]);
			assert.deepEqual(counts(built), { stored: 0, made: 5, local: 0 }, built.stderr);
			const plain = p.aside();
			const configured = await p.gg(["build", ...configure]);
			assert.equal(configured.status, 0, configured.stderr);
			assert.deepEqual(tracesOfGg(p), []);
			await p.run(["cmake", "--build", "out"]);
			// CMake notes when and in which order its checks ran, ninja when each command did.
			const noted =
				/CMakeOutput\.log|CMakeError\.log|CMakeConfigureLog|\.ninja_log|\.ninja_deps|CompilerIdC|_CompilerId|\.bin$/;
			assert.deepEqual(
				p.differences(plain).filter((line) => !noted.test(line)),
				[],
			);
		}
	});

	it("is one that the build made itself: that is no tool of gg's, wherever it was put", async () => {
		const p = project({
			Makefile: `
out: ar gcc s.o ; ./ar > $@ && $(CURDIR)/gcc >> $@
%: x.c ; cc -o $@ $<
s.o: ; mkdir -p ../tmp/made && cp /usr/bin/as ../tmp/made/as && PATH=$(abspath ../tmp/made):$$PATH as /dev/null -o $@
`,
			"x.c": "#include <stdio.h>\nint main(int c, char **v) { puts(v[0] + c - 1); return 0; }\n",
		});
		const [ended] = await assertAsPlain(p, { steps: [["make"]], by: HERE });
		assert.deepEqual(counts(ended!), { stored: 0, made: 2, local: 0 });
	});

	it("is left alone where GG_SUPERVISOR says so, or a filter is refused: then PATH has the wrappers", async () => {
		const p = project({
			Makefile: "all: a.o b.o ; echo $$PATH\na.o: a.c ; /usr/bin/cc -c a.c\nb.o: a.c ; cc -c a.c -o b.o\n",
			"a.c": "int a;\n",
		});
		await p.run(["make"]);
		const plain = p.aside();
		const off = await p.gg([...HERE, "--explain", "make"], { env: { GG_SUPERVISOR: "0" } });
		p.assertSameTree(plain);
		assert.match(off.stdout, /\/wrappers\//);
		assert.match(off.stderr, /^gg: tools are caught by their names on PATH only: GG_SUPERVISOR/m);
		assert.match((await p.gg(["explain"])).stdout, /^tools were caught by their names on PATH only: GG_SUPERVISOR/m);
		p.fresh();
		// A process tree can have one supervisor; a gg that knows of the one around it leaves everything to that.
		const nested = await p.gg([
			...HERE,
			"sh",
			"-c",
			'unset GG_SESSION; GG_DIR=$PWD/.gg-two "$0" build --explain make',
			GG,
		]);
		p.assertSameTree(plain, [".gg-two"]);
		assert.match(nested.stdout, /\/wrappers\//);
		assert.match(nested.stderr, /PATH only: seccomp is refused here/);
	});

	it("ends the build as it would end alone: status, signal, and a server that it left running stays", async () => {
		const p = project({ "x.c": "int x;\n" });
		for (const text of ["exit 7", "kill -9 $$", "kill -TERM $$", "exec /usr/bin/cc -c none.c"]) {
			const plain = await p.sh(text);
			const ended = await p.gg([...HERE, "sh", "-c", text]);
			assert.deepEqual(
				[ended.status, ended.signal],
				[plain.status ?? 128 + { SIGKILL: 9, SIGTERM: 15 }[plain.signal as string]!, null],
				text,
			);
		}
		fs.mkdirSync(p.path("pipe"));
		const server =
			"mkfifo pipe/in pipe/out; (read go <pipe/in; /usr/bin/cc -c x.c; echo $? >pipe/out) >/dev/null 2>&1 </dev/null &";
		assert.equal((await p.gg([...HERE, "sh", "-c", `${server} exit 3`])).status, 3);
		const answer = await p.sh("echo go >pipe/in; read status <pipe/out; echo $status");
		assert.equal(answer.stdout, "0\n");
		assert.ok(p.exists("x.o"));
		await p.quiet();
	});

	it("ends a build as killed that is killed at whatever moment of starting a tool", async () => {
		const p = project({
			"die.c": `
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
	pid_t build = getpid();
	if (fork() == 0) {
		for (volatile int i = argc > 1 ? atoi(argv[1]) * 1000 : 0; i > 0; i--) {}
		kill(build, SIGKILL);
		_exit(0);
	}
	execl("/usr/bin/cc", "cc", "-E", "-", (char *)0);
}
`,
		});
		await p.run(["gcc", "-O0", "-o", "die", "die.c"]);
		for (let pause = 0; pause < 200; pause += 10) {
			const ended = await p.gg([...HERE, "./die", String(pause)]);
			assert.equal(ended.status, 137, `${pause}: ${ended.stderr}`);
		}
	});

	it("is caught behind gg-cc, with or without a supervisor, and runs behind it without a session", async () => {
		const launcher = path.join(path.dirname(GG), "gg-cc");
		const p = project({
			Makefile: `
all: a.o b.o c.o d
a.o: x.c ; $(L) /usr/bin/cc -c x.c -o $@
b.o: x.c ; $(L) cc -c x.c -o $@
c.o: x.c ; cd sub && $(L) ../cc-link -c ../x.c -o ../$@
d: ; $(L) printf '%s|' 'a b' "" > $@
`,
			"x.c": "int x;\n",
			"sub/empty": "",
		});
		const prepared = ["sh", "-c", `ln -s /usr/bin/cc cc-link && make L=${launcher}`];
		const plain = await p.run(prepared);
		assert.equal(plain.status, 0, plain.stderr);
		const aside = p.aside();
		for (const env of [{}, { GG_SUPERVISOR: "0" }]) {
			p.fresh();
			const ended = await p.gg([...HERE, ...prepared], { env });
			assert.equal(ended.stdout, plain.stdout);
			p.assertSameTree(aside);
			assert.equal(counts(ended).made, 2, ended.stderr);
		}
		assert.equal((await p.run([launcher])).stderr, "gg-cc: no command was given; for example: gg-cc gcc -c x.c\n");
		assert.equal((await p.run([launcher, "/usr/bin/cc", "-c", "none.c"])).status, 1);
	});

	it("is caught under gg without the word build, if no command of gg's has the program's name", async () => {
		const p = project({
			Makefile: "a.o: a.c ; /usr/bin/cc -c a.c\n",
			configure: "#!/bin/sh\n/usr/bin/cc -c a.c -o conftest.o && echo yes\n",
			"a.c": "int a;\n",
			clean: "#!/bin/sh\necho mine\n",
		});
		assert.deepEqual(counts(await p.gg(["make"])), { stored: 0, made: 1, local: 0 });
		const configured = await p.gg(["./configure"]);
		assert.equal(configured.stdout, "yes\n");
		assert.deepEqual(counts(configured), { stored: 0, made: 1, local: 0 });
		assert.equal((await p.gg(["./clean"])).stdout, "mine\n");
		assert.doesNotMatch((await p.gg(["clean", "-n"])).stdout, /mine/);
		const unknown = await p.gg(["mkae"]);
		assert.deepEqual(
			[unknown.status, unknown.stderr],
			[1, 'gg: there is no command "mkae"\n    `gg help` lists them\n'],
		);
	});

	it("is left alone, and named, where a tracer already has its process", async function () {
		if (!fs.existsSync("/usr/bin/strace")) this.skip();
		const p = project({ Makefile: "a.o: a.c ; /usr/bin/cc -c a.c\n", "a.c": "int a;\n" });
		await p.run(["make"]);
		const plain = p.aside();
		const ended = await p.gg([...HERE, "strace", "-f", "-o", "/dev/null", "make"]);
		p.assertSameTree(plain);
		assert.equal(ended.status, 0);
		assert.match(ended.stderr, /^gg: \/usr\/bin\/cc could not be caught \(Operation not permitted\): .*tracer/m);
	});

	it("is caught for an ordinary user, whose programs then gain no privileges", async function () {
		if (process.getuid!() !== 0 || !fs.existsSync("/usr/bin/setpriv")) this.skip();
		const p = project({
			Makefile: "a.o: a.c ; /usr/bin/cc -c a.c ; grep NoNewPrivs /proc/self/status\n",
			"a.c": "int a;\n",
		});
		const cache = path.join(p.folder, "cache");
		fs.mkdirSync(cache);
		fs.chmodSync(p.folder, 0o755);
		for (const folder of [p.tree, cache, path.join(p.folder, "tmp"), path.join(p.folder, "home")])
			fs.chmodSync(folder, 0o777);
		const user = [
			"setpriv",
			"--reuid=65534",
			"--regid=65534",
			"--clear-groups",
			"--inh-caps=-all",
			"--bounding-set=-all",
		];
		const ended = await p.run([...user, GG, "build", "make"], { env: { GG_CACHE_DIR: cache } });
		assert.equal(ended.status, 0, ended.stderr);
		assert.deepEqual(counts(ended), { stored: 0, made: 1, local: 0 });
		assert.match(ended.stdout, /NoNewPrivs:\t1/);
	});

	it("cannot start any more when the supervisor is killed: the build fails, and says why", async () => {
		const p = project({});
		// The build command's parent is the supervisor.
		const ended = await p.gg([...HERE, "sh", "-c", "kill -9 $PPID; /bin/true; echo status $?; exit 3"]);
		assert.equal(ended.status, 126);
		// Not at the start of a line: the shell has begun its own message by then.
		assert.match(ended.stderr, /gg: the supervisor of the build was killed/);
		await p.quiet();
	});
});
