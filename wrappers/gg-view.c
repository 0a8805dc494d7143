/*
 * gg-view.so: loaded by LD_PRELOAD into the tools of a build (compilers, assemblers, linkers, archivers, interpreters).
 *
 * GG_TRACE=FILE  appends what the process asks of the file system to FILE, as NUL-terminated records.
 * GG_TRACE_LISTS=1: with the names in each folder that it lists.
 * GG_VIEW=FILE   answers the names listed in FILE with other files, or with "no such file".
 * GG_ROOT=DIR    answers every absolute name with what stands below DIR/root, as a chroot would (on workers that allow none).
 *
 * The letters of the trace, the format of the view and the calls covered are in PROTOCOL.md. What callers may rely on:
 *
 *  - With neither variable set, every call goes straight through.
 *  - Results, errno and the order of calls are those of the program alone (but for what the view redirects): everything
 *    the library does for itself is a raw system call that does not touch errno, and what cannot be done is left undone.
 *  - No interposed call allocates memory, except where the interposed function itself returns allocated memory.
 *  - Calls are safe in a vfork child, in a signal handler, in several threads at once, and before the constructor ran.
 *
 * Not seen: raw system calls, statically linked programs, and what libc opens by itself (locale, iconv, ld.so).
 *
 * Build: cc -std=gnu11 -O2 -shared -fPIC -o gg-view.so gg-view.c   (add -ldl where glibc is older than 2.34)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

/* Then off_t, struct stat and friends are the same type under their plain and their 64 names. */
_Static_assert(sizeof(long) == 8, "64-bit only");

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/*
 * The interposed functions have names of their own in C and get the name of libc's as their symbol, because the headers
 * declare libc's with attributes (nonnull, fortify, redirects) under which a definition is miscompiled or refused.
 */
#define INTERPOSE(symbol, ret, name, args) \
	__attribute__((visibility("default"), used)) ret name args __asm__(symbol); \
	ret name args
#define SAME(symbol, as, ret, name, args) \
	__attribute__((visibility("default"), used, alias(as))) ret name args __asm__(symbol)

/* ---------------------------------------------------------------------------------------------- raw system calls */

/* Result or -errno; errno itself is left alone. */
#if defined(__x86_64__)
static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}
#elif defined(__aarch64__)
static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
static inline long raw6(long n, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long r = syscall(n, a, b, c, d, e, f);
	if (r == -1)
		r = -errno;
	errno = saved;
	return r;
}
#endif
#define RAW_(n, a, b, c, d, e, f, ...) raw6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW(n, ...) RAW_(SYS_##n, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* As libc reports it. */
static long result(long r)
{
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

static int gone(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

static int exists(int dirfd, const char *path)
{
	return RAW(faccessat, dirfd, path, F_OK) == 0;
}

/* ------------------------------------------------------------------------------------------- the next definitions */

/* libc may lack the symbol (NULL then); `version` is for those whose oldest version RTLD_NEXT would find instead. */
#define REALS(X) \
	X(open, 0, int, (const char *, int, ...)) \
	X(openat, 0, int, (int, const char *, int, ...)) \
	X(__open_2, 0, int, (const char *, int)) \
	X(__openat_2, 0, int, (int, const char *, int)) \
	X(fopen, 0, FILE *, (const char *, const char *)) \
	X(freopen, 0, FILE *, (const char *, const char *, FILE *)) \
	X(stat, 0, int, (const char *, struct stat *)) \
	X(lstat, 0, int, (const char *, struct stat *)) \
	X(fstatat, 0, int, (int, const char *, struct stat *, int)) \
	X(__xstat, 0, int, (int, const char *, struct stat *)) \
	X(__lxstat, 0, int, (int, const char *, struct stat *)) \
	X(__fxstatat, "GLIBC_2.4", int, (int, int, const char *, struct stat *, int)) \
	X(statx, 0, int, (int, const char *, int, unsigned, void *)) \
	X(access, 0, int, (const char *, int)) \
	X(faccessat, 0, int, (int, const char *, int, int)) \
	X(euidaccess, 0, int, (const char *, int)) \
	X(opendir, 0, DIR *, (const char *)) \
	X(scandir, 0, int, (const char *, struct dirent ***, int (*)(const struct dirent *), \
		int (*)(const struct dirent **, const struct dirent **))) \
	X(scandirat, 0, int, (int, const char *, struct dirent ***, int (*)(const struct dirent *), \
		int (*)(const struct dirent **, const struct dirent **))) \
	X(glob, "GLIBC_2.27", int, (const char *, int, int (*)(const char *, int), glob_t *)) \
	X(ftw, 0, int, (const char *, __ftw_func_t, int)) \
	X(nftw, "GLIBC_2.3.3", int, (const char *, __nftw_func_t, int, int)) \
	X(fts_open, 0, FTS *, (char *const *, int, int (*)(const FTSENT **, const FTSENT **))) \
	X(dlopen, 0, void *, (const char *, int)) \
	X(readlink, 0, ssize_t, (const char *, char *, size_t)) \
	X(readlinkat, 0, ssize_t, (int, const char *, char *, size_t)) \
	X(__readlink_chk, 0, ssize_t, (const char *, char *, size_t, size_t)) \
	X(__readlinkat_chk, 0, ssize_t, (int, const char *, char *, size_t, size_t)) \
	X(realpath, "GLIBC_2.3", char *, (const char *, char *)) \
	X(__realpath_chk, 0, char *, (const char *, char *, size_t)) \
	X(getcwd, 0, char *, (char *, size_t)) \
	X(__getcwd_chk, 0, char *, (char *, size_t, size_t)) \
	X(unlink, 0, int, (const char *)) \
	X(unlinkat, 0, int, (int, const char *, int)) \
	X(remove, 0, int, (const char *)) \
	X(rename, 0, int, (const char *, const char *)) \
	X(renameat, 0, int, (int, const char *, int, const char *)) \
	X(renameat2, 0, int, (int, const char *, int, const char *, unsigned)) \
	X(link, 0, int, (const char *, const char *)) \
	X(linkat, 0, int, (int, const char *, int, const char *, int)) \
	X(symlink, 0, int, (const char *, const char *)) \
	X(symlinkat, 0, int, (const char *, int, const char *)) \
	X(mkdir, 0, int, (const char *, mode_t)) \
	X(mkdirat, 0, int, (int, const char *, mode_t)) \
	X(rmdir, 0, int, (const char *)) \
	X(chmod, 0, int, (const char *, mode_t)) \
	X(lchmod, 0, int, (const char *, mode_t)) \
	X(fchmodat, 0, int, (int, const char *, mode_t, int)) \
	X(chown, 0, int, (const char *, uid_t, gid_t)) \
	X(lchown, 0, int, (const char *, uid_t, gid_t)) \
	X(fchownat, 0, int, (int, const char *, uid_t, gid_t, int)) \
	X(utime, 0, int, (const char *, const struct utimbuf *)) \
	X(utimes, 0, int, (const char *, const struct timeval *)) \
	X(lutimes, 0, int, (const char *, const struct timeval *)) \
	X(futimesat, 0, int, (int, const char *, const struct timeval *)) \
	X(utimensat, 0, int, (int, const char *, const struct timespec *, int)) \
	X(truncate, 0, int, (const char *, off_t)) \
	X(execve, 0, int, (const char *, char *const *, char *const *)) \
	X(execvpe, 0, int, (const char *, char *const *, char *const *)) \
	X(fexecve, 0, int, (int, char *const *, char *const *)) \
	X(execveat, 0, int, (int, const char *, char *const *, char *const *, int)) \
	X(posix_spawn, "GLIBC_2.15", int, (pid_t *, const char *, const posix_spawn_file_actions_t *, \
		const posix_spawnattr_t *, char *const *, char *const *)) \
	X(posix_spawnp, "GLIBC_2.15", int, (pid_t *, const char *, const posix_spawn_file_actions_t *, \
		const posix_spawnattr_t *, char *const *, char *const *)) \
	X(posix_spawn_file_actions_addopen, 0, int, (posix_spawn_file_actions_t *, int, const char *, int, mode_t)) \
	X(fork, 0, pid_t, (void)) \
	X(system, 0, int, (const char *)) \
	X(popen, 0, FILE *, (const char *, const char *)) \
	X(mkstemp, 0, int, (char *)) \
	X(mkostemp, 0, int, (char *, int)) \
	X(mkstemps, 0, int, (char *, int)) \
	X(mkostemps, 0, int, (char *, int, int)) \
	X(mkdtemp, 0, char *, (char *)) \
	X(quick_exit, "GLIBC_2.24", void, (int)) \
	X(abort, 0, void, (void))

#define MEMBER(name, version, ret, args) ret(*name) args;
static struct reals {
	REALS(MEMBER)
} real;

#define WHERE(name, version, ret, args) { #name, version, offsetof(struct reals, name) },
static const struct {
	const char *name, *version;
	size_t at;
} wanted[] = { REALS(WHERE) };

static void find_reals(void)
{
	int saved = errno;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		void *found = wanted[i].version ? dlvsym(RTLD_NEXT, wanted[i].name, wanted[i].version) : NULL;
		if (!found)
			found = dlsym(RTLD_NEXT, wanted[i].name);
		__atomic_store_n((void **)((char *)&real + wanted[i].at), found, __ATOMIC_RELEASE);
	}
	/* A symbol that is missing here must not be what the program's next dlerror() is about. */
	dlerror();
	errno = saved;
}

/*
 * CALL: the next definition, or the system call where there is none (yet): another library's constructor, or a malloc
 * that reads a file, may come before ours, and dlsym could call back into that malloc.
 * NEED: for functions that are more than a system call.
 */
#define CALL(name, raw, ...) (LIKELY(real.name) ? real.name(__VA_ARGS__) : (__typeof__(real.name(__VA_ARGS__)))result(raw))
#define NEED(name) (LIKELY(real.name) || (find_reals(), real.name))

/* -------------------------------------------------------------------------------------------------------- the view */

struct entry {
	uint32_t hash, name, length, target; /* name and target: offsets in view.text */
};

static struct {
	const char *text;
	struct entry *entries;
	uint32_t count, mask;
	uint32_t *slots; /* index of an entry + 1, 0: free */
} view;

/* Where an open descriptor came from (index of an entry + 1): names read back from /proc must be the original ones. */
static uint32_t opened_as[1024];

static uint32_t hash(const char *s, size_t n)
{
	uint64_t h = n * 0x9e3779b97f4a7c15u, w;
	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&w, s, 8);
		h = (h ^ w) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	w = 0;
	memcpy(&w, s, n);
	h = (h ^ w) * 0xff51afd7ed558ccdu;
	return (uint32_t)(h >> 32);
}

/* An entry of this name, else where it would go. */
static uint32_t *slot(const char *name, size_t length, uint32_t h)
{
	uint32_t i = h & view.mask;
	while (view.slots[i]) {
		const struct entry *e = &view.entries[view.slots[i] - 1];
		if (e->hash == h && e->length == length && !memcmp(view.text + e->name, name, length))
			break;
		i = (i + 1) & view.mask;
	}
	return &view.slots[i];
}

static void *pages(size_t size)
{
	long r = RAW(mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return r < 0 && r > -4096 ? NULL : (void *)r;
}

/* Copies the file rather than mapping it: a mapping would change, or fault, with the file. */
static int load_view(const char *file)
{
	static const char magic[] = "ggview1\n";
	struct stat st;
	size_t got = 0, start = sizeof magic - 1;
	uint32_t strings = 0;
	char *text = NULL;
	long fd = RAW(openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (RAW(newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 && st.st_size >= (off_t)start && st.st_size < INT32_MAX)
		text = pages((size_t)st.st_size + 1); /* and a NUL */
	while (text && got < (size_t)st.st_size) {
		long r = RAW(read, fd, text + got, (size_t)st.st_size - got);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		got += (size_t)r;
	}
	RAW(close, fd);
	if (!text || got < start || memcmp(text, magic, start))
		return 0;
	for (const char *p = text + start, *end = text + got; p < end && (p = memchr(p, 0, (size_t)(end - p))); p++)
		strings++;
	view.text = text;
	view.count = strings / 2;
	uint32_t slots = 16;
	while (slots < view.count * 2)
		slots *= 2;
	view.mask = slots - 1;
	view.entries = pages(view.count * sizeof(struct entry) + slots * sizeof(uint32_t));
	if (!view.entries)
		return 0;
	view.slots = (uint32_t *)(view.entries + view.count);
	const char *p = text + start;
	for (uint32_t i = 0; i < view.count; i++) {
		struct entry *e = &view.entries[i];
		e->name = (uint32_t)(p - text);
		e->length = (uint32_t)strlen(p);
		e->hash = hash(p, e->length);
		p += e->length + 1;
		e->target = (uint32_t)(p - text);
		p += strlen(p) + 1;
		uint32_t *at = slot(text + e->name, e->length, e->hash);
		if (!*at)
			*at = i + 1;
	}
	return 1;
}

/* The cwd or the directory of a descriptor, absolute, not terminated; its length, 0 when there is no telling. */
static size_t folder(int dirfd, char out[PATH_MAX])
{
	long r;
	if (dirfd == AT_FDCWD) {
		r = RAW(getcwd, out, PATH_MAX);
		r = r > 0 ? r - 1 : 0;
	} else {
		char link[32] = "/proc/self/fd/", digits[12];
		size_t n = 14, d = 0;
		if (dirfd < 0)
			return 0;
		for (unsigned v = (unsigned)dirfd; !d || v; v /= 10)
			digits[d++] = (char)('0' + v % 10);
		while (d)
			link[n++] = digits[--d];
		link[n] = 0;
		r = RAW(readlinkat, AT_FDCWD, link, out, PATH_MAX);
	}
	return r > 0 && out[0] == '/' ? (size_t)r : 0;
}

/* Absolute and lexically normal, terminated; its length, 0 when it does not fit or is unknown. */
static size_t normal(int dirfd, const char *path, char out[PATH_MAX])
{
	size_t n = 0;
	if (*path != '/') {
		n = folder(dirfd, out);
		if (!n || n >= PATH_MAX)
			return 0;
		if (n == 1)
			n = 0; /* the root */
	}
	while (*path) {
		const char *end = strchrnul(path, '/');
		size_t c = (size_t)(end - path);
		if (c == 2 && path[0] == '.' && path[1] == '.') {
			while (n && out[--n] != '/')
				;
		} else if (c && !(c == 1 && path[0] == '.')) {
			if (n + c + 2 > PATH_MAX)
				return 0;
			out[n++] = '/';
			memcpy(out + n, path, c);
			n += c;
		}
		path = *end ? end + 1 : end;
	}
	if (!n)
		out[n++] = '/';
	out[n] = 0;
	return n;
}

static uint32_t view_of(int dirfd, const char *path)
{
	char name[PATH_MAX];
	size_t n = normal(dirfd, path, name);
	return n ? *slot(name, n, hash(name, n)) : 0;
}

#define TARGET(hit) (view.text + view.entries[(hit) - 1].target)
#define NAME(hit) (view.text + view.entries[(hit) - 1].name)

/* The original name of this program's executable: it may have been started as a target. */
static uint32_t view_of_target(const char *target)
{
	for (uint32_t i = 0; i < view.count; i++)
		if (!strcmp(view.text + view.entries[i].target, target))
			return i + 1;
	return 0;
}

/* ------------------------------------------------------------------------------------------------------- the trace */

enum { RECORD_MAX = 2 * PATH_MAX + 8, BUFFER = 64 * 1024 };

/*
 * Shared with vfork children, who run in our memory and write our records out before their exec; emptied by the kernel
 * in the children of fork, who must not write them a second time and may find the lock held by a thread they lack.
 */
static struct shared {
	uintptr_t owner;
	size_t used;
	char records[BUFFER];
} *shared;

/* The first record of every process. */
static const char trace_version[] = "Vggtrace1";
static char trace_file[PATH_MAX];
static int ended; /* the exit handlers run: whoever comes now writes at once */

static void append(const char *p, size_t n)
{
	long fd = n ? RAW(openat, AT_FDCWD, trace_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666) : -1;
	if (fd < 0)
		return;
	while (n) {
		long r = RAW(write, fd, p, n);
		if (r == -EINTR)
			continue;
		if (r <= 0)
			break;
		p += r;
		n -= (size_t)r;
	}
	RAW(close, fd);
}

/*
 * Fails only when this very thread holds it: we are in a signal handler, and write past the buffer. A vfork child counts
 * as the thread that made it, which is halted meanwhile. A holder that has not let go after a million turns is taken for
 * dead (a vfork child that was killed at it).
 */
static int lock(void)
{
	uintptr_t self = (uintptr_t)&errno;
	for (int i = 0; i < 1000000; i++) {
		uintptr_t owner = 0;
		if (LIKELY(__atomic_compare_exchange_n(&shared->owner, &owner, self, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
			return 1;
		if (owner == self)
			return 0;
		RAW(sched_yield, 0);
	}
	__atomic_store_n(&shared->owner, self, __ATOMIC_RELEASE);
	return 1;
}

static void unlock(void)
{
	__atomic_store_n(&shared->owner, 0, __ATOMIC_RELEASE);
}

static void flush(void)
{
	if (!shared || !shared->used || !lock())
		return;
	append(shared->records, shared->used);
	shared->used = 0;
	unlock();
}

/* What a call was given and what it is made with. hit: index of the view's entry + 1, or 0. */
struct name {
	const char *path, *use;
	int dirfd;
	uint32_t hit;
	char room[PATH_MAX]; /* of `use` below GG_ROOT; not touched otherwise */
};

/* GG_ROOT, the length of that, and of it with /root. */
static char base[PATH_MAX];
static size_t base_length, root_length;

static int is_below(const char *path, const char *folder, size_t length)
{
	return !strncmp(path, folder, length) && (!path[length] || path[length] == '/');
}

/* Where GG_ROOT has an absolute name; its own files, devices and processes are where they are. */
static void into_root(struct name *n)
{
	size_t length = strlen(n->path);
	if (*n->path != '/' || is_below(n->path, base, base_length) || is_below(n->path, "/dev", 4) ||
	    is_below(n->path, "/proc", 5) || root_length + length >= sizeof n->room)
		return;
	memcpy(n->room, base, root_length);
	memcpy(n->room + root_length, n->path, length + 1);
	n->use = n->room;
}

/* The name without GG_ROOT, in place; its length. */
static size_t out_of_root(char *path, size_t length)
{
	if (!base_length || length < root_length || memcmp(path, base, root_length) ||
	    (length > root_length && path[root_length] != '/'))
		return length;
	length -= root_length;
	memmove(path, path + root_length, length);
	if (!length)
		path[length++] = '/';
	path[length] = 0;
	return length;
}

static size_t compose(char out[RECORD_MAX], char letter, const struct name *n)
{
	size_t used = 1, length = strnlen(n->path, PATH_MAX);
	out[0] = letter;
	if (n->path[0] != '/') {
		used += folder(n->dirfd, out + 1);
		if (used == 1)
			return 0;
		if (out[used - 1] != '/')
			out[used++] = '/';
	}
	memcpy(out + used, n->path, length);
	used += length;
	out[used++] = 0;
	return used;
}

/* Only after the call, and only where the outcome proves that the path can be read. b may be NULL. */
static void note2(char letter, const struct name *a, char second, const struct name *b)
{
	if (!shared)
		return;
	if (UNLIKELY(!lock())) {
		char one[RECORD_MAX];
		append(one, compose(one, letter, a));
		if (b)
			append(one, compose(one, second, b));
		return;
	}
	if (shared->used + 2 * RECORD_MAX > BUFFER) {
		append(shared->records, shared->used);
		shared->used = 0;
	}
	shared->used += compose(shared->records + shared->used, letter, a);
	if (b)
		shared->used += compose(shared->records + shared->used, second, b);
	if (UNLIKELY(ended)) {
		append(shared->records, shared->used);
		shared->used = 0;
	}
	unlock();
}

static void note(char letter, const struct name *n)
{
	note2(letter, n, 0, NULL);
}

static void note_path(char letter, const char *path)
{
	note(letter, &(struct name){ .path = path, .use = path, .dirfd = AT_FDCWD });
}

static int lists; /* GG_TRACE_LISTS: the names in a folder count as they are now, and may be others when all is done */

/* As getdents64(2) has it. */
struct folder_entry {
	uint64_t inode, next;
	unsigned short length;
	unsigned char type;
	char name[];
};

static void note_names(const struct name *n)
{
	char path[PATH_MAX], entries[8192] __attribute__((aligned(8)));
	size_t used = *n->path == '/' ? 0 : folder(n->dirfd, path), length = strlen(n->path);
	if ((*n->path != '/' && !used) || used + length + 3 > sizeof path)
		return;
	if (used)
		path[used++] = '/';
	memcpy(path + used, n->path, length);
	used += length;
	path[used++] = '/';
	path[used] = 0;
	long got, fd = RAW(openat, n->dirfd, n->use, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	note_path('E', path);
	while ((got = RAW(getdents64, fd, entries, sizeof entries)) > 0)
		for (long at = 0; at < got;) {
			const struct folder_entry *e = (const void *)(entries + at);
			at += e->length;
			if (!strcmp(e->name, ".") || !strcmp(e->name, "..") || used + strlen(e->name) >= sizeof path)
				continue;
			strcpy(path + used, e->name);
			note_path('E', path);
		}
	RAW(close, fd);
}

static void note_folder(const struct name *n)
{
	note('D', n);
	if (UNLIKELY(lists))
		note_names(n);
}

/* --------------------------------------------------------------------------------------------------------- startup */

static int stage; /* 0: not begun, 1: a thread is at it, 2: done */
static int on;    /* there is something to do at all */

extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *);

static void forked(void)
{
	if (shared) {
		shared->owner = 0;
		shared->used = 0;
	}
}

/* Everything that needs no other function of libc; the first call interposed may come before the constructor. */
static void start(void)
{
	int begun = 0, any = 0;
	char exe[PATH_MAX];
	if (!environ || !__atomic_compare_exchange_n(&stage, &begun, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return;
	const char *trace = NULL, *table = NULL, *under = NULL;
	for (char **e = environ; *e; e++) {
		if ((*e)[0] != 'G' || (*e)[1] != 'G' || (*e)[2] != '_')
			continue;
		if (!strncmp(*e, "GG_TRACE=/", 10))
			trace = *e + 9;
		else if (!strncmp(*e, "GG_TRACE_LISTS=", 15))
			lists = 1;
		else if (!strncmp(*e, "GG_VIEW=/", 9))
			table = *e + 8;
		else if (!strncmp(*e, "GG_ROOT=/", 9))
			under = *e + 8;
	}
	if (table && load_view(table))
		any = 1;
	else
		view.text = NULL, view.count = 0;
	if (under && strlen(under) < sizeof base - sizeof "/root") {
		strcpy(base, under);
		base_length = strlen(base);
		strcpy(base + base_length, "/root");
		root_length = base_length + 5;
		any = 1;
	}
	if (trace && strlen(trace) < sizeof trace_file) {
		strcpy(trace_file, trace); /* the program may overwrite its environment */
		struct shared *s = pages(sizeof *s);
		if (s) {
			if (RAW(madvise, s, sizeof *s, MADV_WIPEONFORK) != 0)
				__register_atfork(NULL, NULL, forked, NULL);
			shared = s;
			any = 1;
			memcpy(s->records, trace_version, s->used = sizeof trace_version);
			long r = RAW(readlinkat, AT_FDCWD, "/proc/self/exe", exe, sizeof exe - 1);
			if (r > 0) {
				exe[r] = 0;
				uint32_t hit = view_of_target(exe);
				note_path('H', hit ? NAME(hit) : exe);
			}
		}
	}
	on = any;
	__atomic_store_n(&stage, 2, __ATOMIC_RELEASE);
}

static inline int active(void)
{
	if (UNLIKELY(__atomic_load_n(&stage, __ATOMIC_ACQUIRE) != 2))
		start();
	return on;
}

__attribute__((constructor)) static void begin(void)
{
	active();
	find_reals();
}

__attribute__((destructor)) static void end(void)
{
	ended = 1;
	flush();
}

/*
 * Fills *n; the call is to be made with n->use (which is absolute when n->hit). 1: the view says there is no such file;
 * that is noted with the letter given.
 */
static int look(struct name *n, int dirfd, const char *path, char absent)
{
	n->path = n->use = path;
	n->dirfd = dirfd;
	n->hit = 0;
	/* A pointer that the kernel would refuse is looked at only where there is something to redirect. */
	if (!active() || !(base_length || view.text) || !path || !*path)
		return 0;
	if (UNLIKELY(base_length))
		return into_root(n), 0;
	n->hit = view_of(dirfd, path);
	if (LIKELY(!n->hit))
		return 0;
	n->use = TARGET(n->hit);
	if (*n->use)
		return 0;
	note(absent, n);
	return 1;
}

static int absent(void)
{
	errno = ENOENT;
	return -1;
}

/* -------------------------------------------------------------------------------------------------------- opening */

static int makes_file(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

/* W and C differ in what was there before; asked only where the call might create. */
static int before(const struct name *n, int flags)
{
	return shared && (flags & O_CREAT) && n->path ? exists(n->dirfd, n->use) : 1;
}

static void opened(const struct name *n, int flags, int existed, int fd)
{
	if (n->hit && fd >= 0 && fd < (int)(sizeof opened_as / sizeof *opened_as))
		opened_as[fd] = n->hit;
	if (!shared)
		return;
	if (fd < 0) {
		if ((gone(errno) || errno == EACCES) && *n->path)
			note(errno == EACCES ? 'A' : 'r', n);
	} else if (flags & O_PATH) {
		note(flags & O_DIRECTORY ? 'D' : 'S', n);
	} else if ((flags & O_TMPFILE) == O_TMPFILE) {
		/* a file without a name */
	} else if (flags & O_DIRECTORY) {
		note_folder(n);
	} else if (!existed) {
		note('C', n);
	} else if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC)) {
		note('R', n);
	} else if ((flags & O_ACCMODE) == O_RDWR && !(flags & O_TRUNC)) {
		note2('R', n, 'W', n); /* updated: what was there counts */
	} else {
		note('W', n);
	}
}

static int open_with(int at, int dirfd, const char *path, int flags, mode_t mode)
{
	struct name n;
	if (look(&n, dirfd, path, 'r'))
		return absent();
	if (flags & O_DIRECTORY && !base_length) {
		n.use = path;
		n.hit = 0;
	}
	int existed = before(&n, flags);
	int fd = at ? CALL(openat, RAW(openat, dirfd, n.use, flags, mode), dirfd, n.use, flags, mode)
		    : CALL(open, RAW(openat, AT_FDCWD, n.use, flags, mode), n.use, flags, mode);
	if (on)
		opened(&n, flags, existed, fd);
	return fd;
}

#define MODE_OF(flags, last) \
	mode_t mode = 0; \
	if (makes_file(flags)) { \
		va_list list; \
		va_start(list, last); \
		mode = va_arg(list, mode_t); \
		va_end(list); \
	}

INTERPOSE("open", int, v_open, (const char *path, int flags, ...))
{
	MODE_OF(flags, flags)
	return open_with(0, AT_FDCWD, path, flags, mode);
}
SAME("open64", "open", int, v_open64, (const char *, int, ...));
SAME("__open", "open", int, v___open, (const char *, int, ...));
SAME("__open64", "open", int, v___open64, (const char *, int, ...));

INTERPOSE("openat", int, v_openat, (int dirfd, const char *path, int flags, ...))
{
	MODE_OF(flags, flags)
	return open_with(1, dirfd, path, flags, mode);
}
SAME("openat64", "openat", int, v_openat64, (int, const char *, int, ...));

/* The checked forms are for calls without a mode, and end the program where one is needed. */
INTERPOSE("__open_2", int, v_open_2, (const char *path, int flags))
{
	if (makes_file(flags) && NEED(__open_2))
		return real.__open_2(path, flags);
	return open_with(0, AT_FDCWD, path, flags, 0);
}
SAME("__open64_2", "__open_2", int, v_open64_2, (const char *, int));

INTERPOSE("__openat_2", int, v_openat_2, (int dirfd, const char *path, int flags))
{
	if (makes_file(flags) && NEED(__openat_2))
		return real.__openat_2(dirfd, path, flags);
	return open_with(1, dirfd, path, flags, 0);
}
SAME("__openat64_2", "__openat_2", int, v_openat64_2, (int, const char *, int));

INTERPOSE("creat", int, v_creat, (const char *path, mode_t mode))
{
	return open_with(0, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
SAME("creat64", "creat", int, v_creat64, (const char *, mode_t));

/* Flags that open(2) is given for a mode of fopen(3). */
static int stream_flags(const char *mode)
{
	int flags = *mode == 'r' ? 0 : *mode == 'w' ? O_CREAT | O_TRUNC : O_CREAT | O_APPEND;
	int access = *mode == 'r' ? O_RDONLY : O_WRONLY;
	for (const char *p = mode; *p && *p != ','; p++)
		if (*p == '+')
			access = O_RDWR;
	return flags | access;
}

INTERPOSE("fopen", FILE *, v_fopen, (const char *path, const char *mode))
{
	struct name n;
	if (!NEED(fopen))
		return errno = ENOSYS, NULL;
	if (look(&n, AT_FDCWD, path, 'r'))
		return absent(), NULL;
	if (!on)
		return real.fopen(path, mode);
	int flags = stream_flags(mode), existed = before(&n, flags);
	FILE *f = real.fopen(n.use, mode);
	opened(&n, flags, existed, f ? fileno(f) : -1);
	return f;
}
SAME("fopen64", "fopen", FILE *, v_fopen64, (const char *, const char *));

INTERPOSE("freopen", FILE *, v_freopen, (const char *path, const char *mode, FILE *stream))
{
	struct name n;
	if (!NEED(freopen))
		return errno = ENOSYS, NULL;
	if (!path || !active())
		return real.freopen(path, mode, stream);
	/* The stream is closed even where the open fails, so an absent file is left to a name that cannot exist. */
	if (look(&n, AT_FDCWD, path, 'r'))
		return real.freopen("", "r", stream);
	int flags = stream_flags(mode), existed = before(&n, flags);
	FILE *f = real.freopen(n.use, mode, stream);
	opened(&n, flags, existed, f ? fileno(f) : -1);
	return f;
}
SAME("freopen64", "freopen", FILE *, v_freopen64, (const char *, const char *, FILE *));

/* A view is of files: a folder keeps its place, but can be absent. */
INTERPOSE("opendir", DIR *, v_opendir, (const char *path))
{
	struct name n;
	if (!NEED(opendir))
		return errno = ENOSYS, NULL;
	if (look(&n, AT_FDCWD, path, 'r'))
		return absent(), NULL;
	DIR *d = real.opendir(base_length ? n.use : path);
	if (shared && d)
		note_folder(&n);
	else if (shared && (gone(errno) || errno == EACCES) && *path)
		note(errno == EACCES ? 'A' : 'r', &n);
	return d;
}

static __attribute__((noinline)) void *dlopen_below(const char *path, int flags)
{
	struct name n;
	look(&n, AT_FDCWD, path, 'r');
	return real.dlopen(n.use, flags);
}

/* A linker's plugin. The second call is a jump: where a plain name is looked for depends on who calls. */
INTERPOSE("dlopen", void *, v_dlopen, (const char *path, int flags))
{
	if (!NEED(dlopen))
		return NULL;
	if (UNLIKELY(base_length) && path && *path == '/')
		return dlopen_below(path, flags);
	return real.dlopen(path, flags);
}

/* The template below GG_ROOT, in `room`, or as it is. */
static char *template_below(char room[PATH_MAX], char *template)
{
	struct name n;
	if (!active() || !base_length || !template)
		return template;
	look(&n, AT_FDCWD, template, 'r');
	return n.use == n.room ? strcpy(room, n.room) : template;
}

/* libc opens the folder by itself. */
#define SCANS(symbol, args, at, call) \
	INTERPOSE(symbol, int, v_##call, args) \
	{ \
		struct name n; \
		if (!NEED(call)) \
			return errno = ENOSYS, -1; \
		if (look(&n, at, path, 'r')) \
			return absent(); \
		int r = call##_call; \
		if (shared && r >= 0) \
			note_folder(&n); \
		else if (shared && (gone(errno) || errno == EACCES) && *path) \
			note(errno == EACCES ? 'A' : 'r', &n); \
		return r; \
	}
typedef int choice(const struct dirent *);
typedef int order(const struct dirent **, const struct dirent **);
#define scandir_call real.scandir(path, names, chosen, ordered)
SCANS("scandir", (const char *path, struct dirent ***names, choice *chosen, order *ordered), AT_FDCWD, scandir)
SAME("scandir64", "scandir", int, v_scandir64, (const char *, struct dirent ***, choice *, order *));
#define scandirat_call real.scandirat(dirfd, path, names, chosen, ordered)
SCANS("scandirat", (int dirfd, const char *path, struct dirent ***names, choice *chosen, order *ordered), dirfd, scandirat)
SAME("scandirat64", "scandirat", int, v_scandirat64, (int, const char *, struct dirent ***, choice *, order *));

static void close_folder(void *d)
{
	closedir(d);
}

int v_stat(const char *, struct stat *) __asm__("stat");
int v_lstat(const char *, struct stat *) __asm__("lstat");

/* It asks by calls that can be given to it: ours. */
INTERPOSE("glob", int, v_glob, (const char *pattern, int flags, int (*failed)(const char *, int), glob_t *found))
{
	if (!NEED(glob))
		return errno = ENOSYS, GLOB_ABORTED;
	if (!active() || !shared || (flags & GLOB_ALTDIRFUNC))
		return real.glob(pattern, flags, failed, found);
	found->gl_opendir = (void *(*)(const char *))v_opendir;
	found->gl_readdir = (struct dirent * (*)(void *))readdir;
	found->gl_closedir = close_folder;
	found->gl_stat = v_stat;
	found->gl_lstat = v_lstat;
	int r = real.glob(pattern, flags | GLOB_ALTDIRFUNC, failed, found);
	found->gl_flags &= ~GLOB_ALTDIRFUNC;
	return r;
}
SAME("glob64", "glob", int, v_glob64, (const char *, int, int (*)(const char *, int), glob_t *));

/* What a walk through folders by libc itself meets cannot be seen: the records say that they are not all. */
static void walks(void)
{
	if (active() && shared)
		note_path('V', "/a walk of libc");
}

INTERPOSE("ftw", int, v_ftw, (const char *path, __ftw_func_t each, int fds))
{
	walks();
	return NEED(ftw) ? real.ftw(path, each, fds) : (int)result(-ENOSYS);
}
SAME("ftw64", "ftw", int, v_ftw64, (const char *, __ftw_func_t, int));

INTERPOSE("nftw", int, v_nftw, (const char *path, __nftw_func_t each, int fds, int flags))
{
	walks();
	return NEED(nftw) ? real.nftw(path, each, fds, flags) : (int)result(-ENOSYS);
}
SAME("nftw64", "nftw", int, v_nftw64, (const char *, __nftw_func_t, int, int));

INTERPOSE("fts_open", FTS *, v_fts_open,
	  (char *const *paths, int options, int (*compare)(const FTSENT **, const FTSENT **)))
{
	walks();
	return NEED(fts_open) ? real.fts_open(paths, options, compare) : (FTS *)result(-ENOSYS);
}

/* mkstemp and its kin: the name is what the call made of its template. */
#define TEMPORARY(name, args, ...) \
	INTERPOSE(#name, int, v_##name, args) \
	{ \
		if (!NEED(name)) \
			return errno = ENOSYS, -1; \
		char room[PATH_MAX], *given = template; \
		template = template_below(room, given); \
		int fd = real.name(__VA_ARGS__); \
		if (template != given) \
			memcpy(given, template + root_length, strlen(given)); \
		if (fd >= 0 && active()) \
			note_path('C', given); \
		return fd; \
	}
TEMPORARY(mkstemp, (char *template), template)
TEMPORARY(mkostemp, (char *template, int flags), template, flags)
TEMPORARY(mkstemps, (char *template, int suffix), template, suffix)
TEMPORARY(mkostemps, (char *template, int suffix, int flags), template, suffix, flags)
SAME("mkstemp64", "mkstemp", int, v_mkstemp64, (char *));
SAME("mkostemp64", "mkostemp", int, v_mkostemp64, (char *, int));
SAME("mkstemps64", "mkstemps", int, v_mkstemps64, (char *, int));
SAME("mkostemps64", "mkostemps", int, v_mkostemps64, (char *, int, int));

INTERPOSE("mkdtemp", char *, v_mkdtemp, (char *template))
{
	if (!NEED(mkdtemp))
		return errno = ENOSYS, NULL;
	char room[PATH_MAX], *below = template_below(room, template);
	char *made = real.mkdtemp(below);
	if (below != template)
		memcpy(template, below + root_length, strlen(template));
	if (made && active())
		note_path('K', template);
	return made ? template : NULL;
}

/* --------------------------------------------------------------------------------------------------------- asking */

static int asked(const struct name *n, int r, char no)
{
	/* With any other outcome the name may be one that cannot be read. */
	if (shared && (r == 0 || gone(errno) || errno == EACCES) && n->path && *n->path)
		note(r == 0 ? 'S' : errno == EACCES ? 'A' : no, n);
	return r;
}

#define ASKS(symbol, args, dirfd, path, no, call) \
	INTERPOSE(symbol, int, v_##call, args) \
	{ \
		struct name n; \
		if (look(&n, dirfd, path, no)) \
			return absent(); \
		return asked(&n, call##_call, no); \
	}

#define stat_call CALL(stat, RAW(newfstatat, AT_FDCWD, n.use, st, 0), n.use, st)
ASKS("stat", (const char *path, struct stat *st), AT_FDCWD, path, 's', stat)
SAME("stat64", "stat", int, v_stat64, (const char *, struct stat *));

#define lstat_call CALL(lstat, RAW(newfstatat, AT_FDCWD, n.use, st, AT_SYMLINK_NOFOLLOW), n.use, st)
ASKS("lstat", (const char *path, struct stat *st), AT_FDCWD, path, 's', lstat)
SAME("lstat64", "lstat", int, v_lstat64, (const char *, struct stat *));

#define fstatat_call CALL(fstatat, RAW(newfstatat, dirfd, n.use, st, flags), dirfd, n.use, st, flags)
ASKS("fstatat", (int dirfd, const char *path, struct stat *st, int flags), dirfd, path, 's', fstatat)
SAME("fstatat64", "fstatat", int, v_fstatat64, (int, const char *, struct stat *, int));

/* What programs call that were linked against glibc before 2.33. */
#define xstat_call CALL(__xstat, RAW(newfstatat, AT_FDCWD, n.use, st, 0), version, n.use, st)
ASKS("__xstat", (int version, const char *path, struct stat *st), AT_FDCWD, path, 's', xstat)
SAME("__xstat64", "__xstat", int, v_xstat64, (int, const char *, struct stat *));

#define lxstat_call CALL(__lxstat, RAW(newfstatat, AT_FDCWD, n.use, st, AT_SYMLINK_NOFOLLOW), version, n.use, st)
ASKS("__lxstat", (int version, const char *path, struct stat *st), AT_FDCWD, path, 's', lxstat)
SAME("__lxstat64", "__lxstat", int, v_lxstat64, (int, const char *, struct stat *));

#define fxstatat_call CALL(__fxstatat, RAW(newfstatat, dirfd, n.use, st, flags), version, dirfd, n.use, st, flags)
ASKS("__fxstatat", (int version, int dirfd, const char *path, struct stat *st, int flags), dirfd, path, 's', fxstatat)
SAME("__fxstatat64", "__fxstatat", int, v_fxstatat64, (int, int, const char *, struct stat *, int));

#ifdef SYS_statx
#define statx_call CALL(statx, RAW(statx, dirfd, n.use, flags, mask, st), dirfd, n.use, flags, mask, st)
#else
#define statx_call CALL(statx, -ENOSYS, dirfd, n.use, flags, mask, st)
#endif
ASKS("statx", (int dirfd, const char *path, int flags, unsigned mask, void *st), dirfd, path, 's', statx)

#define access_call CALL(access, RAW(faccessat, AT_FDCWD, n.use, mode), n.use, mode)
ASKS("access", (const char *path, int mode), AT_FDCWD, path, 'r', access)

#define faccessat_call \
	CALL(faccessat, flags ? -ENOSYS : RAW(faccessat, dirfd, n.use, mode), dirfd, n.use, mode, flags)
ASKS("faccessat", (int dirfd, const char *path, int mode, int flags), dirfd, path, 'r', faccessat)

#define euidaccess_call CALL(euidaccess, RAW(faccessat, AT_FDCWD, n.use, mode), n.use, mode)
ASKS("euidaccess", (const char *path, int mode), AT_FDCWD, path, 'r', euidaccess)
SAME("eaccess", "euidaccess", int, v_eaccess, (const char *, int));

/* --------------------------------------------------------------------------------------------------- names of names */

/*
 * The original name behind a link of /proc to a target: the file this process opened as that descriptor, or its
 * executable. 0 when the link is to something else.
 */
static uint32_t behind(const char *path)
{
	char link[PATH_MAX];
	if (strncmp(path, "/proc/", 6))
		return 0;
	long r = RAW(readlinkat, AT_FDCWD, path, link, sizeof link - 1);
	if (r <= 0)
		return 0;
	link[r] = 0;
	if (!strncmp(path + 6, "self/fd/", 8)) {
		unsigned long fd = 0;
		const char *p = path + 14;
		while (*p >= '0' && *p <= '9' && fd < 100000)
			fd = fd * 10 + (unsigned long)(*p++ - '0');
		uint32_t hit = *p || fd >= sizeof opened_as / sizeof *opened_as ? 0 : opened_as[fd];
		return hit && !strcmp(TARGET(hit), link) ? hit : 0;
	}
	size_t n = strlen(path);
	return n > 4 && !strcmp(path + n - 4, "/exe") ? view_of_target(link) : 0;
}

/* Never redirected, but a file that is only in the view is still there, and no link. */
static ssize_t readlink_with(int at, int dirfd, const char *path, char *buffer, size_t size)
{
	struct name n;
	if (look(&n, dirfd, path, 's'))
		return absent();
	if (on && view.text && path && *path == '/') {
		uint32_t hit = behind(path);
		if (hit) {
			size_t length = view.entries[hit - 1].length;
			length = length < size ? length : size;
			memcpy(buffer, NAME(hit), length);
			note('L', &n);
			return (ssize_t)length;
		}
	}
	if (base_length) {
		char link[PATH_MAX];
		long length = RAW(readlinkat, dirfd, n.use, link, sizeof link - 1);
		if (length < 0)
			return result(length);
		link[length] = 0;
		size_t left = out_of_root(link, (size_t)length);
		memcpy(buffer, link, left = left < size ? left : size);
		return (ssize_t)left;
	}
	ssize_t r = at ? CALL(readlinkat, RAW(readlinkat, dirfd, path, buffer, size), dirfd, path, buffer, size)
		       : CALL(readlink, RAW(readlinkat, AT_FDCWD, path, buffer, size), path, buffer, size);
	if (r < 0 && n.hit && gone(errno) && exists(AT_FDCWD, n.use))
		errno = EINVAL;
	/* EINVAL: it is there, and no link. */
	if (shared && size && (r >= 0 || gone(errno) || errno == EINVAL) && *path)
		note(r >= 0 ? 'L' : errno == EINVAL ? 'S' : 's', &n);
	return r;
}

INTERPOSE("readlink", ssize_t, v_readlink, (const char *path, char *buffer, size_t size))
{
	return readlink_with(0, AT_FDCWD, path, buffer, size);
}

INTERPOSE("readlinkat", ssize_t, v_readlinkat, (int dirfd, const char *path, char *buffer, size_t size))
{
	return readlink_with(1, dirfd, path, buffer, size);
}

INTERPOSE("__readlink_chk", ssize_t, v_readlink_chk, (const char *path, char *buffer, size_t size, size_t room))
{
	if (size > room && NEED(__readlink_chk))
		return real.__readlink_chk(path, buffer, size, room);
	return readlink_with(0, AT_FDCWD, path, buffer, size);
}

INTERPOSE("__readlinkat_chk", ssize_t, v_readlinkat_chk,
	  (int dirfd, const char *path, char *buffer, size_t size, size_t room))
{
	if (size > room && NEED(__readlinkat_chk))
		return real.__readlinkat_chk(dirfd, path, buffer, size, room);
	return readlink_with(1, dirfd, path, buffer, size);
}

/* As realpath(3) hands it out: into `resolved`, or allocated where that is NULL. */
static char *hand_out(const char *answer, char *resolved)
{
	return resolved ? strcpy(resolved, answer) : strdup(answer);
}

/* A redirected file is where its name says: in its folder, links of the folder resolved if there is one. */
static char *realpath_in_view(uint32_t hit, char *resolved)
{
	char answer[PATH_MAX], parent[PATH_MAX];
	int saved = errno;
	const char *name = NAME(hit), *base = strrchr(name, '/');
	if (!exists(AT_FDCWD, TARGET(hit)))
		return absent(), NULL;
	if (base == name)
		return hand_out(name, resolved);
	memcpy(parent, name, (size_t)(base - name));
	parent[base - name] = 0;
	if (!real.realpath(parent, answer) || strlen(answer) + strlen(base) >= sizeof answer)
		return errno = saved, hand_out(name, resolved);
	errno = saved;
	return hand_out(strcat(answer, answer[1] ? base : base + 1), resolved);
}

static char *realpath_with(const char *path, char *resolved)
{
	struct name n;
	if (!NEED(realpath))
		return errno = ENOSYS, NULL;
	if (look(&n, AT_FDCWD, path, 's'))
		return absent(), NULL;
	if (!on || !path || !*path)
		return real.realpath(path, resolved);
	if (base_length) {
		char answer[PATH_MAX];
		if (!real.realpath(n.use, answer))
			return NULL;
		out_of_root(answer, strlen(answer));
		return hand_out(answer, resolved);
	}
	uint32_t hit = n.hit || !view.text ? 0 : behind(path);
	char *r = n.hit	 ? realpath_in_view(n.hit, resolved)
		  : hit	 ? hand_out(NAME(hit), resolved)
			 : real.realpath(path, resolved);
	if (shared && r)
		note('S', &n);
	else if (shared && gone(errno))
		note('s', &n);
	return r;
}

INTERPOSE("getcwd", char *, v_getcwd, (char *buffer, size_t size))
{
	if (!NEED(getcwd))
		return errno = ENOSYS, NULL;
	active();
	char *r = real.getcwd(buffer, size);
	if (r && base_length)
		out_of_root(r, strlen(r));
	return r;
}

INTERPOSE("__getcwd_chk", char *, v_getcwd_chk, (char *buffer, size_t size, size_t room))
{
	if (size > room && NEED(__getcwd_chk))
		return real.__getcwd_chk(buffer, size, room);
	return v_getcwd(buffer, size);
}

INTERPOSE("realpath", char *, v_realpath, (const char *path, char *resolved))
{
	return realpath_with(path, resolved);
}

INTERPOSE("__realpath_chk", char *, v_realpath_chk, (const char *path, char *resolved, size_t room))
{
	if (room < PATH_MAX && NEED(__realpath_chk))
		return real.__realpath_chk(path, resolved, room);
	return realpath_with(path, resolved);
}

INTERPOSE("canonicalize_file_name", char *, v_canonicalize, (const char *path))
{
	return realpath_with(path, NULL);
}

/* ------------------------------------------------------------------------------------------------- changing by name */

/* One name, one letter, noted when the call succeeded. */
#define CHANGES(letter, symbol, args, dirfd, path, call) \
	INTERPOSE(symbol, int, v_##call, args) \
	{ \
		struct name n; \
		if (look(&n, dirfd, path, 's')) \
			return absent(); \
		int r = call##_call; \
		if (shared && r == 0 && path && *path) \
			note(letter, &n); \
		return r; \
	}

#define unlink_call CALL(unlink, RAW(unlinkat, AT_FDCWD, n.use, 0), n.use)
CHANGES('U', "unlink", (const char *path), AT_FDCWD, path, unlink)
#define unlinkat_call CALL(unlinkat, RAW(unlinkat, dirfd, n.use, flags), dirfd, n.use, flags)
CHANGES('U', "unlinkat", (int dirfd, const char *path, int flags), dirfd, path, unlinkat)
#define rmdir_call CALL(rmdir, RAW(unlinkat, AT_FDCWD, n.use, AT_REMOVEDIR), n.use)
CHANGES('U', "rmdir", (const char *path), AT_FDCWD, path, rmdir)
#define remove_call (NEED(remove) ? real.remove(n.use) : (int)result(-ENOSYS))
CHANGES('U', "remove", (const char *path), AT_FDCWD, path, remove)

#define mkdir_call CALL(mkdir, RAW(mkdirat, AT_FDCWD, n.use, mode), n.use, mode)
CHANGES('K', "mkdir", (const char *path, mode_t mode), AT_FDCWD, path, mkdir)
#define mkdirat_call CALL(mkdirat, RAW(mkdirat, dirfd, n.use, mode), dirfd, n.use, mode)
CHANGES('K', "mkdirat", (int dirfd, const char *path, mode_t mode), dirfd, path, mkdirat)

#define symlink_call CALL(symlink, RAW(symlinkat, to, AT_FDCWD, n.use), to, n.use)
CHANGES('N', "symlink", (const char *to, const char *path), AT_FDCWD, path, symlink)
#define symlinkat_call CALL(symlinkat, RAW(symlinkat, to, dirfd, n.use), to, dirfd, n.use)
CHANGES('N', "symlinkat", (const char *to, int dirfd, const char *path), dirfd, path, symlinkat)

#define chmod_call CALL(chmod, RAW(fchmodat, AT_FDCWD, n.use, mode), n.use, mode)
CHANGES('P', "chmod", (const char *path, mode_t mode), AT_FDCWD, path, chmod)
#define lchmod_call (NEED(lchmod) ? real.lchmod(n.use, mode) : (int)result(-ENOSYS))
CHANGES('P', "lchmod", (const char *path, mode_t mode), AT_FDCWD, path, lchmod)
#define fchmodat_call \
	CALL(fchmodat, flags ? -ENOSYS : RAW(fchmodat, dirfd, n.use, mode), dirfd, n.use, mode, flags)
CHANGES('P', "fchmodat", (int dirfd, const char *path, mode_t mode, int flags), dirfd, path, fchmodat)
#define chown_call CALL(chown, RAW(fchownat, AT_FDCWD, n.use, uid, gid, 0), n.use, uid, gid)
CHANGES('P', "chown", (const char *path, uid_t uid, gid_t gid), AT_FDCWD, path, chown)
#define lchown_call CALL(lchown, RAW(fchownat, AT_FDCWD, n.use, uid, gid, AT_SYMLINK_NOFOLLOW), n.use, uid, gid)
CHANGES('P', "lchown", (const char *path, uid_t uid, gid_t gid), AT_FDCWD, path, lchown)
#define fchownat_call CALL(fchownat, RAW(fchownat, dirfd, n.use, uid, gid, flags), dirfd, n.use, uid, gid, flags)
CHANGES('P', "fchownat", (int dirfd, const char *path, uid_t uid, gid_t gid, int flags), dirfd, path, fchownat)
#define utime_call (NEED(utime) ? real.utime(n.use, times) : (int)result(-ENOSYS))
CHANGES('P', "utime", (const char *path, const struct utimbuf *times), AT_FDCWD, path, utime)
#define utimes_call (NEED(utimes) ? real.utimes(n.use, times) : (int)result(-ENOSYS))
CHANGES('P', "utimes", (const char *path, const struct timeval *times), AT_FDCWD, path, utimes)
#define lutimes_call (NEED(lutimes) ? real.lutimes(n.use, times) : (int)result(-ENOSYS))
CHANGES('P', "lutimes", (const char *path, const struct timeval *times), AT_FDCWD, path, lutimes)
#define futimesat_call (NEED(futimesat) ? real.futimesat(dirfd, n.use, times) : (int)result(-ENOSYS))
CHANGES('P', "futimesat", (int dirfd, const char *path, const struct timeval *times), dirfd, path, futimesat)
#define utimensat_call CALL(utimensat, RAW(utimensat, dirfd, n.use, times, flags), dirfd, n.use, times, flags)
CHANGES('P', "utimensat", (int dirfd, const char *path, const struct timespec *times, int flags), dirfd, path, utimensat)
#define truncate_call CALL(truncate, RAW(truncate, n.use, length), n.use, length)
CHANGES('P', "truncate", (const char *path, off_t length), AT_FDCWD, path, truncate)
SAME("truncate64", "truncate", int, v_truncate64, (const char *, off_t));

/* Two names. A link's old name is read, as far as what comes after is concerned. */
#define MOVES(first, symbol, args, fromfd, from, tofd, to, call) \
	INTERPOSE(symbol, int, v_##call, args) \
	{ \
		struct name a, b; \
		if (look(&a, fromfd, from, 's') || look(&b, tofd, to, 's')) \
			return absent(); \
		int r = call##_call; \
		if (shared && r == 0 && *from && *to) \
			note2(first, &a, 'N', &b); \
		return r; \
	}

#ifdef SYS_renameat
#define RENAME(fromfd, tofd) RAW(renameat, fromfd, a.use, tofd, b.use)
#else
#define RENAME(fromfd, tofd) RAW(renameat2, fromfd, a.use, tofd, b.use, 0)
#endif
#define rename_call CALL(rename, RENAME(AT_FDCWD, AT_FDCWD), a.use, b.use)
MOVES('M', "rename", (const char *from, const char *to), AT_FDCWD, from, AT_FDCWD, to, rename)
#define renameat_call CALL(renameat, RENAME(fromfd, tofd), fromfd, a.use, tofd, b.use)
MOVES('M', "renameat", (int fromfd, const char *from, int tofd, const char *to), fromfd, from, tofd, to, renameat)
#define renameat2_call \
	CALL(renameat2, RAW(renameat2, fromfd, a.use, tofd, b.use, flags), fromfd, a.use, tofd, b.use, flags)
MOVES('M', "renameat2", (int fromfd, const char *from, int tofd, const char *to, unsigned flags), fromfd, from, tofd, to,
      renameat2)
#define link_call CALL(link, RAW(linkat, AT_FDCWD, a.use, AT_FDCWD, b.use, 0), a.use, b.use)
MOVES('R', "link", (const char *from, const char *to), AT_FDCWD, from, AT_FDCWD, to, link)
#define linkat_call \
	CALL(linkat, RAW(linkat, fromfd, a.use, tofd, b.use, flags), fromfd, a.use, tofd, b.use, flags)
MOVES('R', "linkat", (int fromfd, const char *from, int tofd, const char *to, int flags), fromfd, from, tofd, to, linkat)

/* -------------------------------------------------------------------------------------------------------- programs */

static int runnable(const char *path)
{
	struct stat st;
	long r = RAW(newfstatat, AT_FDCWD, path, &st, 0);
	if (r == 0 && !S_ISREG(st.st_mode))
		return -EACCES;
	return r ? (int)r : (int)RAW(faccessat, AT_FDCWD, path, X_OK);
}

static char letter_of(int r)
{
	return r == 0 ? 'X' : r == -EACCES ? 'A' : 'r';
}

/* Where `path` cannot be executed, the trace says so only if it is not there, or may not be. */
static void starts(const struct name *n)
{
	if (shared) {
		int r = runnable(n->use);
		if ((r == 0 || gone(-r) || r == -EACCES) && *n->path)
			note(letter_of(r), n);
	}
	flush();
}

/*
 * The program that execvp would find on PATH. *file becomes what to call it with (unchanged where the view plays no
 * part); `full` is room for it. 1: the view hides the only one there is.
 */
static int search(const char **file, char full[PATH_MAX])
{
	struct name n;
	if (!active() || !*file || !**file) {
		flush();
		return 0;
	}
	if (strchr(*file, '/')) {
		int hidden = look(&n, AT_FDCWD, *file, 'r');
		if (hidden)
			flush();
		else
			starts(&n);
		*file = n.use == n.room ? strcpy(full, n.room) : n.use;
		return hidden;
	}
	const char *path = getenv("PATH");
	size_t length = strlen(*file);
	int viewed = 0;
	for (const char *p = path ? path : "/bin:/usr/bin", *end; p; p = *end ? end + 1 : NULL) {
		end = strchrnul(p, ':');
		size_t d = (size_t)(end - p);
		if (d + length + 3 > PATH_MAX)
			continue;
		/* An empty element is the cwd, and a name with a slash is not searched for a second time. */
		if (!d) {
			p = ".";
			d = 1;
		}
		memcpy(full, p, d);
		full[d++] = '/';
		memcpy(full + d, *file, length + 1);
		if (look(&n, AT_FDCWD, full, 'r')) {
			viewed = 1;
			continue;
		}
		viewed |= n.hit != 0;
		int r = runnable(n.use);
		if (r == 0) {
			note('X', &n);
			flush();
			if (n.use == n.room)
				*file = strcpy(full, n.room);
			else if (viewed)
				*file = n.use;
			return 0;
		}
		if (gone(-r) || r == -EACCES)
			note(letter_of(r), &n);
	}
	flush();
	return viewed;
}

static int exec_with(const char *path, char *const *argv, char *const *envp)
{
	struct name n;
	int hidden = look(&n, AT_FDCWD, path, 'r');
	if (hidden)
		return flush(), absent();
	starts(&n);
	return CALL(execve, RAW(execve, n.use, argv, envp), n.use, argv, envp);
}

static int exec_search(const char *file, char *const *argv, char *const *envp)
{
	char full[PATH_MAX];
	if (!NEED(execvpe))
		return errno = ENOSYS, -1;
	if (search(&file, full))
		return absent();
	return real.execvpe(file, argv, envp);
}

INTERPOSE("execve", int, v_execve, (const char *path, char *const *argv, char *const *envp))
{
	return exec_with(path, argv, envp);
}
INTERPOSE("execv", int, v_execv, (const char *path, char *const *argv))
{
	return exec_with(path, argv, environ);
}
INTERPOSE("execvpe", int, v_execvpe, (const char *file, char *const *argv, char *const *envp))
{
	return exec_search(file, argv, envp);
}
INTERPOSE("execvp", int, v_execvp, (const char *file, char *const *argv))
{
	return exec_search(file, argv, environ);
}

/* The arguments as an array on the stack: this may be a vfork child. `list` is left behind the NULL. */
#define ARRAY_OF(argv, first, list) \
	size_t count = 1; \
	va_list list, counting; \
	va_start(list, first); \
	va_copy(counting, list); \
	if (first) \
		while (va_arg(counting, char *)) \
			count++; \
	va_end(counting); \
	char *argv[count + 1]; \
	argv[0] = (char *)first; \
	argv[count] = NULL; \
	if (first) \
		for (size_t i = 1; i <= count; i++) \
			argv[i] = va_arg(list, char *);

INTERPOSE("execl", int, v_execl, (const char *path, const char *first, ...))
{
	ARRAY_OF(argv, first, list)
	va_end(list);
	return exec_with(path, argv, environ);
}
INTERPOSE("execlp", int, v_execlp, (const char *file, const char *first, ...))
{
	ARRAY_OF(argv, first, list)
	va_end(list);
	return exec_search(file, argv, environ);
}
INTERPOSE("execle", int, v_execle, (const char *path, const char *first, ...))
{
	ARRAY_OF(argv, first, list)
	char *const *envp = va_arg(list, char *const *);
	va_end(list);
	return exec_with(path, argv, envp);
}

INTERPOSE("fexecve", int, v_fexecve, (int fd, char *const *argv, char *const *envp))
{
	char path[PATH_MAX];
	size_t n = active() && shared ? folder(fd, path) : 0;
	if (n && n < sizeof path) {
		path[n] = 0;
		note_path('X', path);
	}
	flush();
	return NEED(fexecve) ? real.fexecve(fd, argv, envp) : (int)result(-ENOSYS);
}

INTERPOSE("execveat", int, v_execveat, (int dirfd, const char *path, char *const *argv, char *const *envp, int flags))
{
	struct name n;
	if (look(&n, dirfd, path, 'r'))
		return flush(), absent();
	if (shared && path) {
		int r = (int)RAW(faccessat, dirfd, n.use, X_OK);
		if ((r == 0 || gone(-r) || r == -EACCES) && *path)
			note(letter_of(r), &n);
	}
	flush();
#ifdef SYS_execveat
	return CALL(execveat, RAW(execveat, dirfd, n.use, argv, envp, flags), dirfd, n.use, argv, envp, flags);
#else
	return CALL(execveat, -ENOSYS, dirfd, n.use, argv, envp, flags);
#endif
}

/* libc execs in a child that shares our memory, by a call of its own: all that is to be said is said before. */
INTERPOSE("posix_spawn", int, v_posix_spawn,
	  (pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
	   char *const *argv, char *const *envp))
{
	struct name n;
	if (!NEED(posix_spawn))
		return ENOSYS;
	if (look(&n, AT_FDCWD, path, 'r'))
		return flush(), ENOENT;
	starts(&n);
	return real.posix_spawn(pid, n.use, actions, attributes, argv, envp);
}

INTERPOSE("posix_spawnp", int, v_posix_spawnp,
	  (pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
	   char *const *argv, char *const *envp))
{
	char full[PATH_MAX];
	if (!NEED(posix_spawnp))
		return ENOSYS;
	if (search(&file, full))
		return ENOENT;
	return real.posix_spawnp(pid, file, actions, attributes, argv, envp);
}

/* The child opens it inside libc, so this is the place. A target outlives the list (old versions keep the pointer). */
INTERPOSE("posix_spawn_file_actions_addopen", int, v_addopen,
	  (posix_spawn_file_actions_t *actions, int fd, const char *path, int flags, mode_t mode))
{
	struct name n;
	if (!NEED(posix_spawn_file_actions_addopen))
		return ENOSYS;
	/* An absent one must still fail in the child: no file has an empty name. */
	int hidden = look(&n, AT_FDCWD, path, 'r');
	if (flags & O_DIRECTORY && !hidden && !base_length)
		n.use = path;
	if (shared && !hidden && *path) {
		int existed = exists(AT_FDCWD, n.use);
		if (existed || (flags & O_CREAT))
			opened(&n, flags, existed, INT_MAX);
		else
			note('r', &n);
	}
	return real.posix_spawn_file_actions_addopen(actions, fd, n.use, flags, mode);
}

/* Ours come before the child's. */
INTERPOSE("fork", pid_t, v_fork, (void))
{
	if (!NEED(fork))
		return errno = ENOSYS, -1;
	flush();
	return real.fork();
}

static void starts_shell(void)
{
	if (active() && shared)
		note_path('X', "/bin/sh");
	flush();
}

INTERPOSE("system", int, v_system, (const char *command))
{
	if (!NEED(system))
		return errno = ENOSYS, -1;
	starts_shell();
	return real.system(command);
}

INTERPOSE("popen", FILE *, v_popen, (const char *command, const char *mode))
{
	if (!NEED(popen))
		return errno = ENOSYS, NULL;
	starts_shell();
	return real.popen(command, mode);
}

/* ------------------------------------------------------------------------------------------------ ends without exit */

INTERPOSE("_exit", __attribute__((noreturn)) void, v_exit, (int status))
{
	flush();
	for (;;)
		RAW(exit_group, status);
}
SAME("_Exit", "_exit", __attribute__((noreturn)) void, v_Exit, (int));

INTERPOSE("quick_exit", void, v_quick_exit, (int status))
{
	end(); /* its handlers come now; libc ends with an _exit of its own */
	if (NEED(quick_exit))
		real.quick_exit(status);
	v_exit(status);
}

INTERPOSE("abort", void, v_abort, (void))
{
	flush();
	if (NEED(abort))
		real.abort();
	__builtin_trap();
}
