import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { assertAllWays, assertAsPlain, DEFERRING, GG, projects } from "../rig/project.js";
import { isThere } from "../rig/rows.js";

const FUNCTION = "int f(void) { return N; }\n";

/** Programs that gg knows nothing of meet what was deferred. */
describe("whoever reads what was deferred gets the real content", () => {
	const project = projects();

	it("programs, static ones, redirections, a folder that is packed, $(shell …), a program and its library", async () => {
		const p = project({
			Makefile: `
.PHONY: all
all: 1.cat 2.cmp 3.static 4.redirected 5.packed 6.shell prog.out 8.included 9.sum
%.o: f.c ; cc -DN=$* -c -o $@ $<
1.cat: 1.o ; cat 1.o > $@
2.cmp: 2.o ; cmp 2.o f.c > $@ || true
3.static: 3.o copy ; ./copy 3.o $@
copy: copy.c ; cc -static -o $@ $<
4.redirected: 4.o ; while read -r line; do echo x; done < 4.o > $@
5.packed: d/5.o ; tar --sort=name --mtime=@0 -cf $@ d
d/5.o: f.c ; mkdir -p d && cc -DN=5 -c -o $@ $<
6.shell: 6.o ; echo '$(shell sha256sum < 6.o; stat -c %s 6.o)' '$(shell stat -c %s 6.o)' > $@
libf.so: f.c ; cc -DN=7 -shared -fPIC -o $@ $<
prog: main.c libf.so ; cc -o $@ main.c ./libf.so
prog.out: prog ; LD_LIBRARY_PATH=. ./prog > $@ && LD_LIBRARY_PATH=. sh -c ./prog >> $@
8.included: 8.o ; perl -ne 'print length' 8.o > $@
9.sum: 9.o ; openssl dgst -r -sha256 9.o > $@
`,
			"f.c": FUNCTION,
			"main.c": '#include <stdio.h>\nint f(void);\nint main(void) { return printf("%d\\n", f()) < 0; }\n',
			"copy.c": `
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int count, char **name) {
	struct stat st;
	/* The size is asked for first. */
	if (count != 3 || stat(name[1], &st)) return 1;
	int in = open(name[1], O_RDONLY), out = open(name[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	void *bytes = mmap(0, st.st_size, PROT_READ, MAP_PRIVATE, in, 0);
	return write(out, bytes, st.st_size) != st.st_size;
}
`,
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("by whatever call it asks: through a descriptor, in another root, without a call at all, in another's name", async () => {
		const p = project({
			Makefile: `
.PHONY: all
all: path.out own.out within.out root.out ring.out test.out many.out
%.o: f.c ; cc -DN=1 -c -o $@ $<
test.out: test.o ; ./test size test.o > $@
many.out: many.o ; ../many/stat size many.o > $@
%.out: %.o ; ./ask $* $< > $@
`,
			"f.c": FUNCTION,
			"ask.c": ASK,
		});
		// A program that goes by many names does what the one it is called by says.
		fs.mkdirSync(path.join(p.folder, "many"));
		const prepared = "cc -o ask ask.c && cp ask test && cp ask ../many/busybox && ln -sf busybox ../many/stat";
		await p.sh(prepared);
		const made = await p.run(["make"]);
		assert.equal(made.status, 0, made.stderr);
		const plain = p.aside();
		await p.sh(prepared);
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.deepEqual(
			p.differences(plain).filter((line) => /\.out/.test(line)),
			[],
		);
	});

	it("in a container of the build, where its path is another one", async function () {
		if (!fs.existsSync("/usr/bin/bwrap")) this.skip();
		const p = project({
			Makefile: `
.PHONY: all
all: folder.out file.out sealed.out
%.o: f.c ; cc -DN=1 -c -o $@ $<
folder.out: folder.o ; bwrap --dev-bind / / --bind $(CURDIR) /mnt cat /mnt/folder.o | cksum > $@
file.out: file.o ; bwrap --dev-bind / / --tmpfs /mnt --bind file.o /mnt/x cat /mnt/x | cksum > $@
sealed.out: sealed.o ; bwrap --ro-bind / / --tmpfs /mnt --ro-bind $(CURDIR) /mnt --chdir /mnt cat sealed.o | cksum > $@
`,
			"f.c": FUNCTION,
		});
		const made = await p.run(["make"]);
		if (made.status !== 0) this.skip();
		const plain = p.aside();
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.equal((await p.gg(["force"])).status, 0);
		p.assertSameTree(plain);
	});

	it("also the last of more than a thousand that wait at once", async () => {
		const p = project({
			Makefile: "all: slow.o ; ./readers slow.o\nslow.o: slow.c ; cc -O2 -c -o $@ $<\n",
			"slow.c": slowSource(),
			"readers.c": `
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **argv) {
	int status, failed = 0;
	for (int i = 0; i < 1100; i++) {
		if (fork() != 0) continue;
		char c;
		int fd = open(argv[1], O_RDONLY);
		_exit(fd < 0 ? 2 : read(fd, &c, 1) != 1 || c != 0x7f);
	}
	while (wait(&status) > 0) failed |= status;
	return WEXITSTATUS(failed);
}
`,
		});
		await p.run(["gcc", "-o", "readers", "readers.c"]);
		const ended = await p.gg(["infer", "make"]);
		assert.equal(ended.status, 0, ended.stderr);
	});

	it("also a process that the build has left behind, when the build command has ended", async () => {
		const p = project({
			Makefile: "slow.o: slow.c ; $(CC) -O2 -c slow.c\n",
			"slow.c": slowSource(),
			// It ends when the other waits for the file, or is through: who comes later is not waited for.
			"build.sh":
				"make\n(exec < slow.o; cksum > sum) &\nuntil test -e sum || grep -q seccomp /proc/$!/wchan; do :; done\n",
		});
		for (const by of [[...DEFERRING], ["infer"]]) {
			p.fresh();
			const ended = await p.gg([...by, "sh", "build.sh"]);
			assert.equal(ended.status, 0, ended.stderr);
			await p.quiet();
			await p.sh("cksum < slow.o > real");
			assert.equal(p.read("sum"), p.read("real"));
			assert.deepEqual(p.placeholders(), []);
		}
	});

	it("through a file system that a program of the build serves, which opens files itself meanwhile", async function () {
		const p = project({
			Makefile:
				"all: sum plain\nsum: a.o ; ./serve mnt a.o cksum mnt/f > $@\nplain: ; ./serve mnt f.c cksum mnt/f > $@\na.o: f.c ; $(CC) -DN=1 -c -o $@ f.c\n",
			"f.c": FUNCTION,
			"serve.c": SERVE,
			"mnt/keep": "",
		});
		const prepared = "gcc -Wall -Werror -o serve serve.c";
		await p.sh(prepared);
		if ((await p.run(["make"])).status !== 0) this.skip();
		const plain = p.aside();
		for (const by of [["infer"], DEFERRING]) {
			p.fresh();
			await p.sh(prepared);
			const ended = await p.gg([...by, "timeout", "60", "make"]);
			assert.equal(ended.status, 0, ended.stderr);
			assert.equal((await p.gg(["force"])).status, 0);
			p.assertSameTree(plain, ["serve"]);
		}
	});

	it("where the build has closed the folder to new files", async function () {
		if (process.getuid!() !== 0 || !fs.existsSync("/usr/bin/setpriv")) this.skip();
		const p = project({
			Makefile:
				"all: closed/a.o ; cat $< > copy\nclosed/a.o: f.c ; cc -DN=1 -c -o a.o $< && mv a.o $@ && chmod a-w closed\n",
			"f.c": FUNCTION,
			"closed/empty": "",
		});
		const cache = path.join(p.folder, "cache");
		fs.mkdirSync(cache);
		fs.chmodSync(p.folder, 0o755);
		for (const name of [p.tree, p.path("closed"), cache, path.join(p.folder, "tmp"), path.join(p.folder, "home")])
			fs.chownSync(name, 65534, 65534);
		const user = [
			"setpriv",
			"--reuid=65534",
			"--regid=65534",
			"--clear-groups",
			"--inh-caps=-all",
			"--bounding-set=-all",
		];
		const ended = await p.run([...user, GG, "infer", "make"], { env: { GG_CACHE_DIR: cache } });
		assert.equal(ended.status, 0, ended.stderr);
		assert.equal(p.read("copy").slice(1, 4), "ELF");
		assert.equal(p.read("closed/a.o"), p.read("copy"));
	});

	it("because nothing is deferred by a build where nobody can be made to wait, and gg says so", async () => {
		const p = project({
			Makefile: "all: a.o ; perl -e 'print -s \"a.o\"' > size\na.o: f.c ; cc -DN=1 -c -o $@ $<\n",
			"f.c": FUNCTION,
		});
		await p.run(["make"]);
		const plain = p.aside();
		const built = await p.gg([...DEFERRING, "make"], { env: { GG_SUPERVISOR: "0" } });
		p.assertSameTree(plain);
		assert.equal(
			built.stderr,
			"gg: nothing is deferred, and nothing runs on servers, for what programs read cannot be watched: " +
				"GG_SUPERVISOR or GG_MODELPATH asks for that (`gg explain` says what ran here)\n" +
				"gg: 0 from the store, 1 compiled, linked or archived, 0 run as they are\n",
		);
	});

	it("what is changed in place is changed as make's own, and what follows sees it", async () => {
		const p = project({
			Makefile: `
.PHONY: all
all: 1.done 2.done 3.done 4.done 5.done
%.o: f.c ; cc -g -DN=$* -c -o $@ $<
1.done: 1.o ; echo more >> 1.o && cp 1.o $@
2.done: 2.o ; perl -e 'open(F, "+<", "2.o"); seek(F, 8, 0); print F "XX"; close F' && ln 2.o $@
3.done: 3.o ; truncate -s 100 3.o && mv 3.o $@
4.done: 4.o ; objcopy --only-keep-debug 4.o 4.debug && strip -g 4.o && objcopy --add-gnu-debuglink=4.debug 4.o $@
5.done: 5.o ; : > 5.o && cp 5.o $@
`,
			"f.c": FUNCTION,
		});
		await assertAllWays(p, { steps: [["make"]] });
	});

	it("what patchelf changes in place is changed as make's own: what links, runs or copies it sees that", async function () {
		if (!isThere("patchelf")) this.skip();
		const p = project({
			Makefile: `
.PHONY: all
all: prog.out copied.so names
libf.so: f.c ; cc -DN=7 -shared -fPIC -Wl,-soname,old.so -o $@ $< && patchelf --set-soname libf.so.1 $@
libf.so.1: libf.so ; cp libf.so $@
prog: main.c libf.so ; cc -o $@ main.c ./libf.so && patchelf --set-rpath '$$ORIGIN' $@
prog.out: prog libf.so.1 ; ./prog > $@
copied.so: libf.so ; cp libf.so $@ && patchelf --add-needed libm.so.6 $@
names: prog libf.so ; patchelf --print-needed --print-rpath prog > $@ && patchelf --print-soname libf.so >> $@
`,
			"f.c": FUNCTION,
			"main.c": '#include <stdio.h>\nint f(void);\nint main(void) { return printf("%d\\n", f()) < 0; }\n',
		});
		await assertAllWays(p, { steps: [["make"]] });
		assert.match(p.read("names"), /^libf\.so\.1$/m);
	});

	it("a question for times or being there makes nothing real, nor does a move, a link or a removal", async () => {
		const p = project({
			Makefile: `
.PHONY: all
all: a.o b.o c.o d
%.tmp: f.c ; cc -DN=1 -c -o $@ $<
a.o: a.tmp ; test -s a.tmp && test -f a.tmp -a ! f.c -nt a.tmp && mv -f a.tmp a.o
b.o: b.tmp ; [ -s b.tmp ] && ln -sf b.tmp b.o && touch -h b.o && touch b.tmp
c.o: c.tmp ; ln c.tmp c.o && rm -f c.tmp && chmod 644 c.o
d: d.tmp ; rm d.tmp && echo gone > d
`,
			"f.c": FUNCTION,
		});
		await p.run(["make"]);
		const plain = p.aside();
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.status, 0, inferred.stderr);
		assert.deepEqual(p.placeholders().sort(), ["a.o", "b.tmp", "c.o"]);
		await p.gg(["force"]);
		p.assertSameTree(plain);
	});

	it("it waits for just what it needs, and other commands go on meanwhile", async () => {
		const p = project({
			// The reader is started first and waits for a compile that takes seconds; the other recipe ends long before.
			Makefile: `
.PHONY: all
all: slow.sum quick
slow.sum: slow.o ; cksum < slow.o > $@ && test -e quick && echo after >> $@
quick: slow.o ; cc -c -o other.o f.c && touch quick
slow.o: slow.c ; cc -O2 -c -o $@ $<
never.o: f.c ; cc -c -o $@ $<
`,
			"f.c": "int N;\n",
			"slow.c": slowSource(),
		});
		const ended = await p.gg(["infer", "make", "-j2"]);
		assert.equal(ended.status, 0, ended.stderr);
		assert.match(p.read("slow.sum"), /after/);
		assert.deepEqual(p.placeholders(), ["other.o"]);
	});

	it("what cannot be made is an error for its reader, and the compiler's message is shown", async () => {
		const p = project({
			Makefile: "all: bad.o ; cat bad.o > copy\nbad.o: bad.c ; cc -c $<\n",
			"bad.c": "int x = y;\n",
		});
		const inferred = await p.gg(["infer", "make"]);
		assert.equal(inferred.status, 2);
		assert.match(inferred.stderr, /bad\.c:1:9: error/);
		assert.match(inferred.stderr, /cat: bad\.o: Input\/output error/);
		// A build runs again without deferring, as after any such failure.
		p.fresh();
		await p.run(["make"]);
		const plain = p.aside();
		const built = await p.gg([...DEFERRING, "make"]);
		assert.equal(built.status, 2);
		p.assertSameTree(plain, ["copy"]);
	});

	it("a gg that is killed while a reader waits ends with it", async () => {
		const p = project({
			Makefile: "all: slow.o ; echo waiting ; cat slow.o > copy\nslow.o: slow.c ; cc -O2 -c $<\n",
			"slow.c": slowSource(),
		});
		const started = p.start(["sh", "-c", 'exec "$0" infer make', GG]);
		await started.said("waiting\n");
		started.process.kill("SIGKILL");
		await started.ended;
		await p.quiet();
		assert.deepEqual(p.placeholders(), []);
	});

	it("a build without anything deferred looks at no opened file", async () => {
		const p = project({ "a.c": FUNCTION });
		const seen = await p.gg([
			"build",
			"sh",
			"-c",
			"cat a.c; grep -c . /proc/$PPID/cmdline; tr '\\0' '\\n' < /proc/$PPID/cmdline",
		]);
		assert.match(seen.stdout, /^-$/m);
		await assertAsPlain(p, { steps: [["cat", "a.c"]] });
	});
});

/** `ask WAY FILE` prints how large a file is and how it begins. */
const ASK = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
/* As programs do: the plain call where there is no ring. */
static int open_by_ring(const char *path) {
	struct io_uring_params p = { 0 };
	int ring = syscall(SYS_io_uring_setup, 4, &p);
	if (ring < 0) return open(path, O_RDONLY);
	char *queue = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *entry = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	*entry = (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)path };
	*(unsigned *)(queue + p.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) < 0) return -1;
	return ((struct io_uring_cqe *)(queue + p.cq_off.cqes))->res;
}
int main(int count, char **argv) {
	char name[300], start[8];
	const char *path = argv[2];
	struct stat st;
	int fd = -1;
	switch (argv[1][0] + argv[1][1]) {
	case 'p' + 'a':
		fd = open(path, O_PATH);
		sprintf(name, "/proc/self/fd/%d", fd);
		if (fstat(fd, &st) == 0) fd = open(name, O_RDONLY);
		break;
	case 'o' + 'w':
		if (chdir("..") == 0 && sprintf(name, "/proc/self/cwd/tree/%s", path)) fd = open(name, O_RDONLY);
		break;
	case 'w' + 'i':
		sprintf(name, "/%s", path);
		fd = syscall(SYS_openat2, open(".", O_PATH), name,
			&(struct open_how){ .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT }, sizeof(struct open_how));
		break;
	case 'r' + 'o':
		sprintf(name, "/%s", path);
		/* Only root may; others need not be asked. */
		fd = open(chroot(".") == 0 ? name : path, O_RDONLY);
		break;
	case 'r' + 'i':
		fd = open_by_ring(path);
		break;
	default:
		if (stat(path, &st) || printf("%ld ", (long)st.st_size) < 0) return 1;
		fd = open(path, O_RDONLY);
	}
	if (fd < 0 || fstat(fd, &st) || read(fd, start, 8) != 8) return 1;
	return printf("%ld %.3s\\n", (long)st.st_size, start + 1) < 0;
}
`;

/** `serve FOLDER FILE COMMAND…`: runs a command while FILE can be read as FOLDER/f, and is opened for each question about it. */
const SERVE = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <errno.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static char in[1 << 18], out[1 << 18];
static void answer(int device, const char *file) {
	struct fuse_in_header *h = (void *)in;
	struct fuse_out_header *o = (void *)out;
	void *body = out + sizeof *o;
	struct fuse_attr attr = { .ino = h->nodeid, .mode = S_IFDIR | 0755, .nlink = 2 };
	size_t size = 0;
	struct stat st;
	memset(out, 0, sizeof *o + 256);
	if (h->opcode == FUSE_LOOKUP || h->nodeid == 2) {
		int fd = open(file, O_RDONLY);
		if (fd < 0 || fstat(fd, &st) < 0) return;
		attr = (struct fuse_attr){ .ino = 2, .mode = S_IFREG | 0644, .nlink = 1, .size = st.st_size };
		struct fuse_read_in *r = (void *)(h + 1);
		ssize_t n = h->opcode == FUSE_READ ? pread(fd, body, r->size, r->offset) : 0;
		size = n > 0 ? n : 0;
		close(fd);
	}
	switch (h->opcode) {
	case FUSE_INIT:
		*(struct fuse_init_out *)body = (struct fuse_init_out){ .major = 7, .minor = 31, .max_write = 4096 };
		size = sizeof(struct fuse_init_out);
		break;
	case FUSE_LOOKUP:
		*(struct fuse_entry_out *)body = (struct fuse_entry_out){ .nodeid = 2, .attr = attr };
		size = sizeof(struct fuse_entry_out);
		if (strcmp((char *)(h + 1), "f") != 0) o->error = -ENOENT, size = 0;
		break;
	case FUSE_GETATTR:
		*(struct fuse_attr_out *)body = (struct fuse_attr_out){ .attr = attr };
		size = sizeof(struct fuse_attr_out);
		break;
	case FUSE_OPEN:
		size = sizeof(struct fuse_open_out);
		break;
	case FUSE_READ:
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		o->error = -ENOSYS;
	}
	o->unique = h->unique;
	o->len = sizeof *o + size;
	if (write(device, out, o->len) < 0) perror("write");
}
int main(int argc, char **argv) {
	char options[100];
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC), status = 1;
	sprintf(options, "fd=%d,rootmode=40000,user_id=%d,group_id=%d", device, getuid(), getgid());
	/* Nobody else sees it, so it is gone with these processes. */
	if (device < 0 || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("f", argv[1], "fuse", MS_NOSUID | MS_NODEV, options)) return 2;
	pid_t server = fork();
	if (server == 0) {
		while (read(device, in, sizeof in) > 0 || errno == EINTR) answer(device, argv[2]);
		_exit(0);
	}
	pid_t command = fork();
	if (command == 0) { execvp(argv[3], argv + 3); _exit(3); }
	waitpid(command, &status, 0);
	kill(server, SIGKILL);
	return status != 0;
}
`;

/** Takes the compiler a few seconds. */
function slowSource(): string {
	const line = (i: number): string =>
		`int f${i}(int x) { int y = x; for (int i = 0; i < x; i++) { y = y * ${i} + i ^ (y >> 3); if (y & 64) y -= x; else y += ${i}; } return y; }`;
	const count = 300;
	const lines = Array.from({ length: count }, (_, i) => line(i));
	return lines.join("\n");
}
