import assert from "node:assert/strict";
import { assertAllWays, assertAsPlain, DEFERRING, projects } from "../rig/project.js";

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
		const started = p.start(["sh", "-c", 'exec "$0" infer make', (await import("../rig/project.js")).GG]);
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

/** Takes the compiler a few seconds. */
function slowSource(): string {
	const line = (i: number): string =>
		`int f${i}(int x) { int y = x; for (int i = 0; i < x; i++) { y = y * ${i} + i ^ (y >> 3); if (y & 64) y -= x; else y += ${i}; } return y; }`;
	const count = 300;
	const lines = Array.from({ length: count }, (_, i) => line(i));
	return lines.join("\n");
}
