/*
 * gg-runner: runs one command on a worker of the Remote Execution API that has no gg (PROTOCOL.md).
 *
 * It lies in the input root as gg/runner, beside root/, which holds every input at its own absolute path. Where the
 * worker allows it, root/ becomes the root of a namespace, so that the command sees the names that it sees at home and
 * records them. Outputs are copied to out/0, out/1, ...: a worker refuses outputs that are inputs too. Where there is no
 * namespace the runner says so and ends with 240, or, for kinds of command that give the same bytes so, runs it below
 * root/ with gg-view.so, which shows it the names of home (--relocate). A thunk in the original's form names no files of the machine: it runs in
 * work/, beside blobs/, with the worker's own files around it, and the folder is found at HERE.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_RUN 240
#define MAGIC "gg-runner: "
/* Where a thunk in the original's form finds the action's folder, whatever the worker calls that. */
#define HERE "/tmp/gg-thunk"

struct list {
	char **items;
	size_t count, room;
};

static struct {
	const char *cwd, *exec, *way, *folder, *out_folder;
	bool classic;  /* in the original's form */
	bool relocate; /* a kind of command that is known to give the same bytes below another folder */
	bool silent; /* relocated, it may print nothing: its messages are in a language whose files are not there */
	mode_t umask;
	rlim_t memory, file_size, processes; /* 0: no limit */
	struct list env, out, inout, bind, at, argv;
} job;
static char base[PATH_MAX], root[PATH_MAX + 8];

static _Noreturn void not_run(const char *format, ...) {
	va_list ap;
	va_start(ap, format);
	fputs(MAGIC, stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(NOT_RUN);
}

static void add(struct list *l, char *item) {
	if (l->count + 1 >= l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->items = realloc(l->items, l->room * sizeof *l->items);
		if (!l->items)
			not_run("out of memory");
	}
	l->items[l->count++] = item;
	l->items[l->count] = NULL;
}

static void parse(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		if (strcmp(name, "--relocate") == 0) {
			job.relocate = true;
			continue;
		}
		if (strcmp(name, "--silent") == 0) {
			job.silent = true;
			continue;
		}
		if (strcmp(name, "--") == 0) {
			while (++i < argc)
				add(&job.argv, argv[i]);
			break;
		}
		if (++i >= argc)
			not_run("%s wants a value", name);
		char *value = argv[i];
		if (strcmp(name, "--cwd") == 0)
			job.cwd = value;
		else if (strcmp(name, "--exec") == 0)
			job.exec = value;
		else if (strcmp(name, "--way") == 0)
			job.way = value;
		else if (strcmp(name, "--umask") == 0)
			job.umask = (mode_t)strtoul(value, NULL, 8);
		else if (strcmp(name, "--env") == 0)
			add(&job.env, value);
		else if (strcmp(name, "--out") == 0)
			add(&job.out, value);
		else if (strcmp(name, "--out-folder") == 0)
			job.out_folder = value;
		else if (strcmp(name, "--inout") == 0)
			add(&job.inout, value);
		else if (strcmp(name, "--bind") == 0)
			add(&job.bind, value);
		else if (strcmp(name, "--at") == 0)
			add(&job.at, value);
		else if (strcmp(name, "--folder") == 0)
			job.folder = value;
		else if (strcmp(name, "--memory") == 0)
			job.memory = strtoull(value, NULL, 10);
		else if (strcmp(name, "--file-size") == 0)
			job.file_size = strtoull(value, NULL, 10);
		else if (strcmp(name, "--processes") == 0)
			job.processes = strtoull(value, NULL, 10);
		else
			not_run("unknown option %s", name);
	}
	if (!job.cwd || !job.exec || !job.way || job.argv.count == 0)
		not_run("--cwd, --exec, --way and a command are needed");
	job.classic = strcmp(job.way, "classic") == 0;
	if (job.env.count == 0) {
		add(&job.env, NULL);
		job.env.count = 0;
	}
}

/* ---- files ---- */

static bool make_folders(const char *path, bool with_last) {
	char copy[PATH_MAX];
	if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy)
		return errno = ENAMETOOLONG, false;
	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			return false;
		*at = '/';
	}
	return !with_last || mkdir(copy, 0777) == 0 || errno == EEXIST;
}

static bool copy_bytes(int from, int to) {
	static char buffer[1 << 17];
	for (ssize_t n; (n = read(from, buffer, sizeof buffer)) != 0;) {
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return false;
		}
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(to, buffer + done, (size_t)(n - done));
			if (w < 0 && errno != EINTR)
				return false;
			done += w > 0 ? w : 0;
		}
	}
	return true;
}

/* Makes the links that gg/links names: pairs of a path below root/ and a target. */
static void make_links(void) {
	int fd = open("gg/links", O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		not_run("gg/links: %s", strerror(errno));
	size_t len = (size_t)st.st_size, at = 0;
	char *text = calloc(len + 1, 1), path[2 * PATH_MAX];
	for (ssize_t n; text && at < len && (n = read(fd, text + at, len - at)) > 0;)
		at += (size_t)n;
	close(fd);
	if (!text || at < len)
		not_run("gg/links cannot be read");
	for (size_t i = 0; i < len;) {
		const char *name = text + i, *target = name + strlen(name) + 1;
		if (target >= text + len)
			not_run("gg/links is cut short");
		i += strlen(name) + strlen(target) + 2;
		snprintf(path, sizeof path, "%s/%s", root, name);
		if (!make_folders(path, false) || (symlink(target, path) < 0 && errno != EEXIST))
			not_run("link %s: %s", name, strerror(errno));
	}
	free(text);
}

/* A worker may have linked the input from its store: what is rewritten in place must be a file of its own. */
static void make_private(const char *path) {
	char from[2 * PATH_MAX], to[2 * PATH_MAX + 8];
	snprintf(from, sizeof from, "%s%s", root, path);
	snprintf(to, sizeof to, "%s.gg-own", from);
	struct stat st;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return; /* it is made, not rewritten */
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool good = out >= 0 && fstat(in, &st) == 0 && copy_bytes(in, out) && fchmod(out, (st.st_mode & 0777) | 0200) == 0;
	close(in);
	if (out >= 0 && close(out) < 0)
		good = false;
	if (!good || rename(to, from) < 0)
		not_run("cannot copy %s: %s", path, strerror(errno));
}

/* `path` as the caller's root has it. A missing output is for the client to judge; anything but a plain file is none. */
static int take_file(const char *path, int out_folder, const char *name) {
	/* A function in the original's form may make a link to what it was given. */
	int in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (job.classic ? 0 : O_NOFOLLOW));
	struct stat st;
	if (in < 0 || fstat(in, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (in >= 0)
			close(in);
		return 0;
	}
	int out = openat(out_folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = out >= 0 && copy_bytes(in, out) && fchmod(out, (st.st_mode & 0777) | 0400) == 0;
	int error = errno;
	close(in);
	if (out >= 0 && close(out) < 0)
		error = errno, good = false;
	return good ? 0 : error;
}

/* All in the order of --out, then the files of --out-folder. What went wrong is said; false if something did. */
static bool take_outputs(int out_folder) {
	for (size_t i = 0; i < job.out.count; i++) {
		char name[32];
		snprintf(name, sizeof name, "%zu", i);
		int error = take_file(job.out.items[i], out_folder, name);
		if (error) {
			fprintf(stderr, MAGIC "cannot copy %s: %s\n", job.out.items[i], strerror(error));
			return false;
		}
	}
	DIR *dir = job.out_folder ? opendir(job.out_folder) : NULL;
	if (!dir)
		return true; /* one that is not there is for the client to judge */
	if (mkdirat(out_folder, "folder", 0777) < 0 && errno != EEXIST)
		return false;
	int to = openat(out_folder, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = to >= 0;
	for (struct dirent *e; good && (e = readdir(dir));) {
		char path[PATH_MAX];
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", job.out_folder, e->d_name);
		struct stat st;
		int error = take_file(path, to, e->d_name);
		good = !error && fstatat(to, e->d_name, &st, 0) == 0;
		if (!good)
			fprintf(stderr, MAGIC "%s holds %s, which is no file that can be copied\n", job.out_folder, e->d_name);
	}
	closedir(dir);
	return good;
}

static int exit_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

static int wait_for(pid_t pid) {
	int status = 0;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return NOT_RUN;
	return exit_code(status);
}

/* ---- the namespace ---- */

/*
 * Tells the runner what went wrong, and ends; `kind` is N where there is no namespace, X where the command cannot start.
 * Silence and the end of the pipe mean that the command runs.
 */
static _Noreturn void fail(int pipe, char kind, const char *what) {
	char text[256];
	int n = snprintf(text, sizeof text, "%c%s: %s", kind, what, strerror(errno));
	if (n > (int)sizeof text - 1)
		n = (int)sizeof text - 1;
	if (write(pipe, text, (size_t)n) < 0)
		_exit(NOT_RUN - 1);
	_exit(NOT_RUN);
}

static bool write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return good;
}

static bool map_user(uid_t uid, gid_t gid) {
	char text[64];
	if (!write_file("/proc/self/setgroups", "deny") && errno != ENOENT)
		return false;
	snprintf(text, sizeof text, "%u %u 1", uid, uid);
	if (!write_file("/proc/self/uid_map", text))
		return false;
	snprintf(text, sizeof text, "%u %u 1", gid, gid);
	return write_file("/proc/self/gid_map", text);
}

static bool enter_namespaces(void) {
	uid_t uid = getuid();
	gid_t gid = getgid();
	const int apart = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
	if (geteuid() == 0 && unshare(apart) == 0)
		return true;
	return unshare(CLONE_NEWUSER | apart) == 0 && map_user(uid, gid);
}

static void bind_device(const char *name) {
	char from[64], to[PATH_MAX + 64];
	snprintf(from, sizeof from, "/dev/%s", name);
	snprintf(to, sizeof to, "%s/dev/%s", root, name);
	int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	/* One that is not there is missed by the few that want it, and they say so. */
	(void)!mount(from, to, NULL, MS_BIND, NULL);
}

static void link_in_dev(const char *target, const char *name) {
	char to[PATH_MAX + 64];
	snprintf(to, sizeof to, "%s/dev/%s", root, name);
	(void)!symlink(target, to);
}

struct mount_settings {
	uint64_t set, clear, propagation, userns;
};

static bool make_read_only(void) {
	struct mount_settings m = { .set = 1 /* MOUNT_ATTR_RDONLY */ };
	return syscall(442 /* mount_setattr */, -1, "/", 0x8000 /* AT_RECURSIVE */, &m, sizeof m) == 0;
}

static bool make_writable(const char *path) {
	struct mount_settings m = { .clear = 1 };
	return syscall(442, -1, path, 0, &m, sizeof m) == 0;
}

/* The worker's files read-only, a /tmp of its own, and in that the action's folder at HERE. */
static void build_view(int pipe) {
	char path[PATH_MAX + 64], here[PATH_MAX + 96];
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail(pipe, 'N', "make mounts private");
	snprintf(path, sizeof path, "%s/tmp", base);
	snprintf(here, sizeof here, "%s%s", path, strrchr(HERE, '/'));
	if ((mkdir(path, 0777) < 0 && errno != EEXIST) || mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
		fail(pipe, 'N', "mount a folder for temporary files");
	if (mkdir(here, 0755) < 0 || mount(base, here, NULL, MS_BIND | MS_REC, NULL) < 0)
		fail(pipe, 'N', "bind the action's folder");
	if (mount(path, "/tmp", NULL, MS_BIND | MS_REC, NULL) < 0)
		fail(pipe, 'N', "bind /tmp");
	if (!make_read_only() || !make_writable("/tmp") || !make_writable(HERE))
		fail(pipe, 'N', "mount read-only");
	(void)!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void build_root(int pipe) {
	char path[PATH_MAX + 64];
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail(pipe, 'N', "make mounts private");
	/* With what a gg worker has mounted in it. */
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) < 0)
		fail(pipe, 'N', "bind the root");
	snprintf(path, sizeof path, "%s/proc", root);
	(void)!mkdir(path, 0755);
	if (mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		/* Refused where the worker's own /proc is partly covered. clang finds itself by /proc/self/exe. */
		(void)!mount("/proc", path, NULL, MS_BIND | MS_REC, NULL);
	static const char *const devices[] = { "null", "zero", "full", "random", "urandom" };
	snprintf(path, sizeof path, "%s/dev", root);
	(void)!mkdir(path, 0755);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		bind_device(devices[i]);
	link_in_dev("/proc/self/fd", "fd");
	link_in_dev("/proc/self/fd/0", "stdin");
	link_in_dev("/proc/self/fd/1", "stdout");
	link_in_dev("/proc/self/fd/2", "stderr");
	snprintf(path, sizeof path, "%s/tmp", root);
	(void)!mkdir(path, 0777);
}

/* Process 1 of the namespace: what the command leaves behind ends with it. */
static _Noreturn void be_first(int pipe, int out_folder) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (job.classic)
		build_view(pipe);
	else {
		build_root(pipe);
		if (chroot(root) < 0 || chdir("/") < 0)
			fail(pipe, 'N', "chroot");
	}
	pid_t pid = fork();
	if (pid < 0)
		fail(pipe, 'X', "fork");
	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			fail(pipe, 'X', "no new privileges");
		if (chdir(job.cwd) < 0)
			fail(pipe, 'X', job.cwd);
		umask(job.umask);
		execve(job.exec, job.argv.items, job.env.items);
		fail(pipe, 'X', job.exec);
	}
	close(pipe);
	int code = wait_for(pid);
	_exit(code == 0 && !take_outputs(out_folder) ? NOT_RUN : code);
}

/* The command's status, or -1 with `why` where there can be no namespace. */
static int in_namespace(int out_folder, char why[256]) {
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		not_run("pipe: %s", strerror(errno));
	pid_t guardian = fork();
	if (guardian < 0)
		not_run("fork: %s", strerror(errno));
	if (guardian == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!enter_namespaces())
			fail(ends[1], 'N', "namespaces");
		pid_t first = fork();
		if (first < 0)
			fail(ends[1], 'N', "fork");
		if (first == 0)
			be_first(ends[1], out_folder);
		close(ends[1]);
		_exit(wait_for(first));
	}
	close(ends[1]);
	size_t len = 0;
	for (ssize_t n; len < 255 && (n = read(ends[0], why + len, 255 - len)) != 0;)
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			break;
	why[len] = 0;
	close(ends[0]);
	int code = wait_for(guardian);
	if (len > 0 && why[0] == 'X')
		not_run("cannot start the command: %s", why + 1);
	return len > 0 ? -1 : code;
}

/* ---- relocated: no namespace, the same names by gg-view.so ---- */

static const char loader[] = "/lib64/ld-linux-x86-64.so.2";
static char private_folder[] = "/tmp/gg-XXXXXX", own_loader[sizeof private_folder + 2];

static void remove_private_folder(void) {
	unlink(own_loader);
	rmdir(private_folder);
}

/* A program of the toolchain is started by the toolchain's own loader: the worker's may be older than its libraries. */
static void set_loader(const char *path) {
	union {
		char bytes[4096];
		Elf64_Ehdr header;
	} start;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, start.bytes, sizeof start.bytes);
	off_t at = 0;
	if (n >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(start.bytes, ELFMAG, SELFMAG) == 0 &&
	    start.header.e_ident[EI_CLASS] == ELFCLASS64 && start.header.e_phentsize == sizeof(Elf64_Phdr)) {
		for (size_t i = 0; i < start.header.e_phnum; i++) {
			size_t where = start.header.e_phoff + i * sizeof(Elf64_Phdr);
			Elf64_Phdr header;
			char name[sizeof loader];
			if (where + sizeof header > (size_t)n)
				break;
			memcpy(&header, start.bytes + where, sizeof header);
			if (header.p_type == PT_INTERP && header.p_filesz == sizeof loader &&
			    pread(fd, name, sizeof name, (off_t)header.p_offset) == (ssize_t)sizeof name &&
			    memcmp(name, loader, sizeof name) == 0)
				at = (off_t)header.p_offset;
		}
	}
	if (fd >= 0)
		close(fd);
	if (at == 0)
		return;
	char text[sizeof loader] = "";
	strcpy(text, own_loader);
	make_private(path + strlen(root));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, text, sizeof text, at) != (ssize_t)sizeof text || close(fd) < 0)
		not_run("%s: %s", path, strerror(errno));
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw) {
	(void)ftw;
	if (type == FTW_F && (st->st_mode & 0111))
		set_loader(path);
	return 0;
}

static bool holds(const char *path, const char *text) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0)
		return false;
	bool found = true; /* what cannot be looked at is not trusted */
	if (fstat(fd, &st) == 0) {
		void *bytes = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
		if (bytes != MAP_FAILED)
			found = bytes && memmem(bytes, (size_t)st.st_size, text, strlen(text));
		if (bytes && bytes != MAP_FAILED)
			munmap(bytes, (size_t)st.st_size);
	}
	close(fd);
	return found;
}

/* Only a success is believed, and only if nothing that came of it names this folder. */
static void check(const char *path) {
	if (holds(path, base) || holds(path, private_folder))
		not_run("relocated, the command names the worker's folder");
}

static void replay(const char *path, int to) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !copy_bytes(fd, to))
		not_run("%s: %s", path, strerror(errno));
	close(fd);
}

static _Noreturn void run_relocated(void) {
	static const char *const libraries[] = { "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64",
						 "/usr/lib", "/lib" };
	static char text[8][3 * PATH_MAX], path[2 * PATH_MAX];
	struct list env = { 0 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < job.env.count; i++)
		if (strncmp(job.env.items[i], "TMPDIR=", 7) != 0)
			add(&env, job.env.items[i]);
	size_t n = (size_t)sprintf(text[0], "LD_LIBRARY_PATH=");
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
		n += (size_t)snprintf(text[0] + n, sizeof text[0] - n, "%s%s%s", i ? ":" : "", root, libraries[i]);
	if (n >= sizeof text[0])
		_exit(NOT_RUN);
	snprintf(text[1], sizeof text[1], "LD_PRELOAD=%s/gg/view.so", base);
	snprintf(text[2], sizeof text[2], "GG_ROOT=%s", base);
	snprintf(text[3], sizeof text[3], "TMPDIR=%s/tmp", base);
	for (size_t i = 0; i < 4; i++)
		add(&env, text[i]);
	int out = open("gg-stdout", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	int error = open("gg-stderr", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	/* Where the disk becomes full the command's word for that must still find its room. */
	(void)!fallocate(out, FALLOC_FL_KEEP_SIZE, 0, 64 << 10);
	(void)!fallocate(error, FALLOC_FL_KEEP_SIZE, 0, 64 << 10);
	snprintf(path, sizeof path, "%s%s", root, job.cwd);
	if (out < 0 || error < 0 || chdir(path) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0)
		_exit(NOT_RUN);
	umask(job.umask);
	snprintf(path, sizeof path, "%s%s", root, job.exec);
	execve(path, job.argv.items, env.items);
	_exit(NOT_RUN);
}

static int relocated(int out_folder) {
	char path[2 * PATH_MAX], target[2 * PATH_MAX];
	if (strpbrk(base, " :;\t\n"))
		not_run("relocated, the worker's folder %s has a name that LD_PRELOAD cannot hold", base);
	/* A name that nobody else can have made: what is started through it is ours. */
	if (!mkdtemp(private_folder))
		not_run("%s: %s", private_folder, strerror(errno));
	sprintf(own_loader, "%s/l", private_folder);
	atexit(remove_private_folder);
	snprintf(target, sizeof target, "%s%s", root, loader);
	if (access(target, X_OK) < 0 || symlink(target, own_loader) < 0)
		not_run("the toolchain's loader cannot be used: %s", strerror(errno));
	if (mkdir("tmp", 0700) < 0 && errno != EEXIST)
		not_run("tmp: %s", strerror(errno));
	nftw(root, visit, 16, FTW_PHYS);
	pid_t pid = fork();
	if (pid < 0)
		not_run("fork: %s", strerror(errno));
	if (pid == 0)
		run_relocated();
	int code = wait_for(pid);
	if (code != 0)
		not_run("relocated, the command ends with %d", code);
	struct stat said;
	if (job.silent && (stat("gg-stderr", &said) < 0 || said.st_size > 0))
		not_run("relocated, the command has messages, whose language is not known there");
	check("gg-stdout");
	check("gg-stderr");
	for (size_t i = 0; i < job.out.count; i++) {
		char name[32];
		snprintf(path, sizeof path, "%s%s", root, job.out.items[i]);
		snprintf(name, sizeof name, "%zu", i);
		check(path);
		int error = take_file(path, out_folder, name);
		if (error)
			not_run("cannot copy %s: %s", job.out.items[i], strerror(error));
	}
	replay("gg-stdout", 1);
	replay("gg-stderr", 2);
	return 0;
}

/* ---- on a gg worker: the worker's own files, read-only but for the action's folder ---- */

static void limit(int which, rlim_t most) {
	if (most > 0)
		(void)!setrlimit((__rlimit_resource_t)which, &(struct rlimit){ most, most });
}

#ifndef CAP_SETFCAP
#define CAP_SETFCAP 31
#endif

/*
 * Root's action must not be able to make the machine's files writable again. What is left is what the kernel wants of a root
 * that maps itself into a user namespace: the action may be a gg-runner.
 */
static void drop_privileges(int pipe) {
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(pipe, 'X', "no new privileges");
	for (int capability = 0; geteuid() == 0 && prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		if (capability != CAP_SETFCAP && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EPERM)
			fail(pipe, 'X', "drop privileges");
}

static _Noreturn void run_command(int pipe) {
	limit(RLIMIT_AS, job.memory);
	limit(RLIMIT_FSIZE, job.file_size);
	limit(RLIMIT_NPROC, job.processes);
	limit(RLIMIT_CORE, 1);
	drop_privileges(pipe);
	if (chdir(job.cwd) < 0)
		fail(pipe, 'X', job.cwd);
	umask(job.umask);
	environ = job.env.items;
	execvpe(job.exec, job.argv.items, job.env.items);
	fail(pipe, 'X', job.exec);
}

static _Noreturn void be_first_here(int pipe) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail(pipe, 'N', "make mounts private");
	/* A mount of its own, so that it stays writable. */
	if (mount(job.folder, job.folder, NULL, MS_BIND | MS_REC, NULL) < 0)
		fail(pipe, 'N', "bind the folder");
	/* Large programs are not copied; they belong to the worker's store, and stay read-only. */
	for (size_t i = 0; i < job.bind.count; i++)
		if (mount(job.bind.items[i], job.at.items[i], NULL, MS_BIND, NULL) < 0)
			fail(pipe, 'N', job.at.items[i]);
	if (!make_read_only() || !make_writable(job.folder))
		fail(pipe, 'N', "mount read-only");
	(void)!mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	pid_t pid = fork();
	if (pid < 0)
		fail(pipe, 'X', "fork");
	if (pid == 0)
		run_command(pipe);
	close(pipe);
	_exit(wait_for(pid));
}

static void copy_bound(void) {
	for (size_t i = 0; i < job.bind.count; i++) {
		int in = open(job.bind.items[i], O_RDONLY | O_CLOEXEC);
		int out = open(job.at.items[i], O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (in < 0 || out < 0 || !copy_bytes(in, out) || close(out) < 0)
			not_run("%s: %s", job.at.items[i], strerror(errno));
		close(in);
	}
}

/* As in_namespace, without a root of its own. Where there can be none the command runs in its folder and no more. */
static int on_this_machine(void) {
	for (int apart = 1; apart >= 0; apart--) {
		int ends[2];
		char why[256] = "";
		if (pipe2(ends, O_CLOEXEC) < 0)
			not_run("pipe: %s", strerror(errno));
		pid_t guardian = fork();
		if (guardian < 0)
			not_run("fork: %s", strerror(errno));
		if (guardian == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (!apart) {
				copy_bound();
				run_command(ends[1]);
			}
			if (!enter_namespaces())
				fail(ends[1], 'N', "namespaces");
			pid_t first = fork();
			if (first < 0)
				fail(ends[1], 'N', "fork");
			if (first == 0)
				be_first_here(ends[1]);
			close(ends[1]);
			_exit(wait_for(first));
		}
		close(ends[1]);
		ssize_t n = read(ends[0], why, sizeof why - 1);
		close(ends[0]);
		int code = wait_for(guardian);
		if (n <= 0)
			return code;
		if (why[0] == 'X')
			not_run("cannot start the command: %s", why + 1);
	}
	not_run("the command cannot be started");
}

/* ---- main ---- */

int main(int argc, char **argv) {
	umask(022);
	parse(argc, argv);
	if (strcmp(job.way, "host") == 0) {
		if (!job.folder || job.bind.count != job.at.count)
			not_run("--folder is needed, and --at for each --bind");
		return on_this_machine();
	}
	if (!getcwd(base, sizeof base))
		not_run("getcwd: %s", strerror(errno));
	snprintf(root, sizeof root, "%s/%s", base, job.classic ? "work" : "root");
	if ((mkdir("out", 0777) < 0 && errno != EEXIST) || (job.classic && mkdir("work", 0777) < 0 && errno != EEXIST))
		not_run("out: %s", strerror(errno));
	int out_folder = open("out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out_folder < 0)
		not_run("out: %s", strerror(errno));
	make_links();
	for (size_t i = 0; !job.classic && i < job.out.count; i++) {
		char path[2 * PATH_MAX];
		snprintf(path, sizeof path, "%s%s", root, job.out.items[i]);
		if (!make_folders(path, false))
			not_run("%s: %s", job.out.items[i], strerror(errno));
	}
	for (size_t i = 0; i < job.inout.count; i++)
		make_private(job.inout.items[i]);
	char why[256];
	int code = in_namespace(out_folder, why);
	if (code < 0 && job.relocate)
		return relocated(out_folder);
	if (code < 0)
		not_run("this worker allows no namespace (%s)", why + 1);
	return code;
}
