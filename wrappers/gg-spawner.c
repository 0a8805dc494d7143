/*
 * gg-spawner: starts every command that gg runs, and reports how each ended.
 *
 * A large process forks slowly, and a process that was killed cannot clean up after itself; so gg forks this one and
 * nothing else. Requests come in and replies go out on descriptor 3 (PROTOCOL.md). It is a subreaper: whatever a command
 * leaves behind becomes its child, and when gg dies it ends all of them and removes the placeholders that gg had not
 * yet made real.
 *
 * One thread, one epoll loop. An ordinary command is started as vfork does, which costs the loop well under a
 * millisecond. One that asks for a root of its own gets a guardian process first (see "sandbox"), which does the slow
 * work of building it.
 */
#define _GNU_SOURCE
#include "gg-wire.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <linux/capability.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { OP_SPAWN = 1, OP_KILL = 2, OP_JOURNAL = 3, OP_BYE = 4, OP_FOLDER = 5 };
enum { REPLY_STARTED = 1, REPLY_FAILED = 2, REPLY_EXITED = 3 };
enum { FOREGROUND = 1, CAPTURE = 2, CAPTURE_TOGETHER = 4 };

/* How long a process may take to end by itself after gg was killed, and to disappear after SIGKILL. */
#define GRACE_US 2000000
#define DISAPPEAR_US 10000000
/* How often the memory of captured streams is given back beyond what is kept of them. */
#define TRIM_US 250000
/* Captures up to this size travel inside the reply; larger ones go from their memfd as the socket has room. */
#define INLINE_CAPTURE 65536

struct child {
	struct child *next; /* in its bucket of `children` */
	uint32_t id;
	pid_t pid;
	uint8_t flags;
	bool started, timed_out;
	int out, err;       /* memfds, -1: not captured */
	int guardian;       /* socket to its guardian, -1: it has none */
	uint64_t since, deadline; /* microseconds, deadline 0: none */
	bool has_status;    /* the guardian told how the command ended */
	uint32_t status;
	int error;          /* the guardian failed: errno and at what */
	char *what;
};

/* What waits for room in the socket: bytes, then a part of a file. */
struct pending {
	struct pending *next;
	struct gg_out bytes;
	size_t sent;
	int fd; /* -1: none */
	off_t at, end;
};

#define BUCKETS 256
static struct child *children[BUCKETS];
static size_t child_count, deadline_count, capture_count;

static struct pending *first_pending, *last_pending;
static char *journal, *own_folder;
static int gg_socket, events, signals, null_fd;
static sigset_t original_mask;

static void *need(void *memory) {
	if (!memory) {
		gg_say("the spawner is out of memory");
		_exit(2);
	}
	return memory;
}

static void close_if_open(int *fd) {
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- replies ---- */

/* The bytes to append a reply to. */
static struct gg_out *reply(void) {
	if (!last_pending || last_pending->fd >= 0 || last_pending->bytes.len > INLINE_CAPTURE) {
		struct pending *p = need(calloc(1, sizeof *p));
		p->fd = -1;
		if (last_pending)
			last_pending->next = p;
		else
			first_pending = p;
		last_pending = p;
	}
	return &last_pending->bytes;
}

static void reply_failed(uint32_t id, int error, const char *what) {
	struct gg_out *o = reply();
	size_t mark = gg_begin_frame(o);
	gg_put_u8(o, REPLY_FAILED);
	gg_put_u32(o, id);
	gg_put_u32(o, (uint32_t)error);
	gg_put_str(o, what);
	gg_end_frame(o, mark);
}

static void reply_started(struct child *c) {
	if (c->started)
		return;
	c->started = true;
	struct gg_out *o = reply();
	size_t mark = gg_begin_frame(o);
	gg_put_u8(o, REPLY_STARTED);
	gg_put_u32(o, c->id);
	gg_put_u32(o, (uint32_t)c->pid);
	gg_end_frame(o, mark);
}

static uint64_t microseconds(struct timeval t) { return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec; }

static size_t captured_size(int fd, bool *truncated) {
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	if ((size_t)st.st_size <= GG_MAX_KEPT)
		return (size_t)st.st_size;
	*truncated = true;
	return GG_MAX_KEPT;
}

/* Appends one captured stream and takes its memfd. */
static void reply_capture(int *fd, size_t size) {
	struct gg_out *o = reply();
	gg_put_u32(o, (uint32_t)size);
	if (size > INLINE_CAPTURE) {
		last_pending->fd = *fd;
		last_pending->end = (off_t)size;
		*fd = -1;
		return;
	}
	unsigned char *to = gg_grow(o, size);
	for (size_t done = 0; to && done < size;) {
		ssize_t n = pread(*fd, to + done, size - done, (off_t)done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR) { /* somebody else has truncated it: the length is promised */
			memset(to + done, 0, size - done);
			break;
		}
	}
	close_if_open(fd);
}

static void reply_exited(struct child *c, uint32_t status, const struct rusage *usage) {
	bool truncated = false;
	size_t out_size = captured_size(c->out, &truncated), err_size = captured_size(c->err, &truncated);
	struct gg_out *o = reply();
	/* The frame may end in a later piece of the queue, so its length is computed. */
	gg_put_u32(o, (uint32_t)(1 + 4 + 4 + 1 + 3 * 8 + 4 + 1 + 4 + out_size + 4 + err_size));
	gg_put_u8(o, REPLY_EXITED);
	gg_put_u32(o, c->id);
	gg_put_u32(o, status);
	gg_put_u8(o, c->timed_out);
	gg_put_u64(o, gg_now_us() - c->since);
	gg_put_u64(o, microseconds(usage->ru_utime));
	gg_put_u64(o, microseconds(usage->ru_stime));
	gg_put_u32(o, (uint32_t)usage->ru_maxrss);
	gg_put_u8(o, truncated);
	reply_capture(&c->out, out_size);
	reply_capture(&c->err, err_size);
}

/* Sends what the socket takes. False when gg is gone. */
static bool flush_replies(void) {
	static bool waiting;
	while (first_pending) {
		struct pending *p = first_pending;
		need(p->bytes.failed ? NULL : p);
		ssize_t n = 0;
		if (p->sent < p->bytes.len) {
			n = send(gg_socket, p->bytes.data + p->sent, p->bytes.len - p->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n > 0)
				p->sent += (size_t)n;
		} else if (p->fd >= 0 && p->at < p->end) {
			/* Piece by piece: what the spawner once held in memory would count as every later child's peak. */
			static char piece[32768];
			size_t len = (size_t)(p->end - p->at) < sizeof piece ? (size_t)(p->end - p->at) : sizeof piece;
			ssize_t got = pread(p->fd, piece, len, p->at);
			if (got < (ssize_t)len)
				memset(piece + (got < 0 ? 0 : got), 0, len - (size_t)(got < 0 ? 0 : got));
			n = send(gg_socket, piece, len, MSG_NOSIGNAL | MSG_DONTWAIT);
			if (n > 0)
				p->at += n;
		} else {
			first_pending = p->next;
			if (!first_pending)
				last_pending = NULL;
			close_if_open(&p->fd);
			free(p->bytes.data);
			free(p);
			continue;
		}
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno != EINTR)
			return false;
	}
	if (waiting != (first_pending != NULL)) {
		waiting = !waiting;
		struct epoll_event e = { .events = EPOLLIN | (waiting ? EPOLLOUT : 0), .data.ptr = &gg_socket };
		epoll_ctl(events, EPOLL_CTL_MOD, gg_socket, &e);
	}
	return true;
}

/* ---- starting a program ---- */

struct program {
	const char *path;
	char **argv, **env;
	const char *cwd;
	const char *root; /* where to chroot first, NULL: nowhere */
	mode_t umask;
	bool own_group;
	int in, out, err; /* -1: as they are */
	int error;        /* set by the child when it could not become the program */
	const char *what;
};

/* What root inside a sandbox may still do: what a build does to its own files. */
static bool harmless_capability(int capability) {
	switch (capability) {
	case CAP_CHOWN:
	case CAP_DAC_OVERRIDE:
	case CAP_DAC_READ_SEARCH:
	case CAP_FOWNER:
	case CAP_FSETID:
	case CAP_KILL:
	case CAP_SETGID:
	case CAP_SETUID:
		return true;
	default:
		return false;
	}
}

static const char *enter_root(const char *root) {
	if (chroot(root) < 0 || chdir("/") < 0)
		return "namespace: chroot";
	/* Everything else that root may do would let it leave again. Exec takes away what an ordinary user had. */
	for (int capability = 0; capability < 64; capability++)
		if (!harmless_capability(capability) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
			return "namespace: drop capabilities";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "namespace: no new privileges";
	return NULL;
}

/* Runs in the caller's memory (gg_vfork). No handlers are installed anywhere here, so only the mask is put back. */
static int start_program(void *arg) {
	struct program *p = arg;
	p->what = "stdio";
	if (p->own_group)
		setpgid(0, 0);
	if ((p->in >= 0 && dup2(p->in, 0) < 0) || (p->out >= 0 && dup2(p->out, 1) < 0) || (p->err >= 0 && dup2(p->err, 2) < 0))
		goto failed;
	if (p->root && (p->what = enter_root(p->root)))
		goto failed;
	p->what = "cwd";
	if (*p->cwd && chdir(p->cwd) < 0)
		goto failed;
	umask(p->umask);
	sigprocmask(SIG_SETMASK, &original_mask, NULL);
	p->what = "exec";
	execve(p->path, p->argv, p->env);
failed:
	p->error = errno;
	_exit(127);
}

/* The child's pid once it runs the program; -1 with error and what set. */
static pid_t start(struct program *p) {
	p->error = 0;
	pid_t pid = gg_vfork(start_program, p);
	if (pid < 0) {
		p->error = errno;
		p->what = "fork";
		return -1;
	}
	if (!p->error)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}

/*
 * ---- sandbox ----
 *
 * A guardian is process 1 of a new pid namespace. It sees the file system as it is outside, builds the command's root
 * in a tmpfs that only its mount namespace has, starts the command inside, and when that has ended takes the outputs
 * out. With it everything in the sandbox ends. The command is not process 1 itself, because process 1 cannot die of an
 * ordinary signal, its own abort() included. The guardian tells the spawner about each step with one packet.
 */

enum { TELL_STARTED = 1, TELL_ENDED = 2, TELL_FAILED = 3 };

struct tell {
	uint8_t kind;
	uint32_t value; /* wait status, or errno */
	char what[PATH_MAX + 64];
};

struct sandbox {
	struct program program;
	char **steps; /* triples, see PROTOCOL.md */
	size_t count;
	bool foreground, new_user;
	uid_t uid;
	gid_t gid;
	int spawner; /* socket */
};

static void tell(const struct sandbox *s, int kind, uint32_t value, const char *what, const char *path) {
	struct tell t = { .kind = (uint8_t)kind, .value = value };
	snprintf(t.what, sizeof t.what, "%s%s%s", what, *path ? " " : "", path);
	while (send(s->spawner, &t, offsetof(struct tell, what) + strlen(t.what) + 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* Tells errno and ends, and with the guardian whatever it had started. */
static _Noreturn void give_up(const struct sandbox *s, const char *what, const char *path) {
	char text[64];
	snprintf(text, sizeof text, "namespace: %s", what);
	tell(s, TELL_FAILED, (uint32_t)errno, text, path);
	_exit(1);
}

enum { MAKE_PARENTS = 1, FOLLOW_LAST = 2 };

/*
 * Where, seen from outside, the path `path` of the sandbox lies. Links are followed as the command will see them:
 * an absolute one starts again at `root`, and .. does not lead above it. The last component need not exist.
 */
static bool place(const char *root, const char *path, int how, char result[PATH_MAX]) {
	char rest[2 * PATH_MAX], target[PATH_MAX];
	size_t root_len = strlen(root), len = root_len;
	int links = 0;
	if (root_len >= PATH_MAX || strlen(path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(result, root);
	strcpy(rest, path);
	for (char *at = rest;;) {
		at += strspn(at, "/");
		size_t n = strcspn(at, "/");
		if (n == 0)
			return true;
		bool last = at[n + strspn(at + n, "/")] == 0;
		char *name = at;
		at += n;
		if (n == 1 && name[0] == '.')
			continue;
		if (n == 2 && name[0] == '.' && name[1] == '.') {
			while (len > root_len && result[--len] != '/')
				;
			result[len] = 0;
			continue;
		}
		if (len + n + 2 > PATH_MAX) {
			errno = ENAMETOOLONG;
			return false;
		}
		size_t folder_len = len;
		result[len++] = '/';
		memcpy(result + len, name, n);
		len += n;
		result[len] = 0;
		struct stat st;
		if (lstat(result, &st) < 0) {
			if (errno != ENOENT)
				return false;
			if (last)
				return true;
			if (!(how & MAKE_PARENTS) || mkdir(result, 0755) < 0)
				return false;
		} else if (S_ISLNK(st.st_mode) && (!last || (how & FOLLOW_LAST))) {
			ssize_t target_len = readlink(result, target, sizeof target);
			if (target_len < 0)
				return false;
			size_t rest_len = strlen(at);
			if (++links > 40 || (size_t)target_len + rest_len >= sizeof rest) {
				errno = links > 40 ? ELOOP : ENAMETOOLONG;
				return false;
			}
			len = target[0] == '/' ? root_len : folder_len;
			result[len] = 0;
			memmove(rest + target_len, at, rest_len + 1);
			memcpy(rest, target, (size_t)target_len);
			at = rest;
		}
	}
}

/* place() for something to be put there; neighbours, which are the rule, share the walk to their folder. */
static bool place_new(const char *root, const char *path, char result[PATH_MAX]) {
	static char folder[PATH_MAX], folder_outside[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	if (n == 0 || n >= sizeof folder || strcmp(slash, "/..") == 0 || strcmp(slash, "/.") == 0 || !slash[1])
		return place(root, path, MAKE_PARENTS | FOLLOW_LAST, result);
	if (strncmp(folder, path, n) != 0 || folder[n] != 0) {
		folder[0] = 0;
		char name[PATH_MAX];
		memcpy(name, path, n);
		name[n] = 0;
		if (!place(root, name, MAKE_PARENTS | FOLLOW_LAST, folder_outside))
			return false;
		if (mkdir(folder_outside, 0755) < 0 && errno != EEXIST)
			return false;
		strcpy(folder, name);
	}
	if ((size_t)snprintf(result, PATH_MAX, "%s%s", folder_outside, slash) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	struct stat st;
	if (lstat(result, &st) == 0 && S_ISLNK(st.st_mode))
		return place(root, path, MAKE_PARENTS | FOLLOW_LAST, result);
	return true;
}

/* Copies a regular file to a new one with the same mode, and the same times if asked. */
static bool copy_file(const char *from, const char *to, bool keep_times) {
	static char buffer[131072];
	struct stat st;
	int in = gg_above_stdio(open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK)), out = -1;
	if (in < 0 || fstat(in, &st) < 0)
		goto failed;
	/* A fresh file: the old one may be a hard link to something that must stay as it is. */
	if (unlink(to) < 0 && errno != ENOENT)
		goto failed;
	out = gg_above_stdio(open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	if (out < 0)
		goto failed;
	for (ssize_t n; (n = gg_read(in, buffer, sizeof buffer)) != 0;)
		if (n < 0 || !gg_write_all(out, buffer, (size_t)n))
			goto failed;
	if (fchmod(out, st.st_mode & 07777) < 0)
		goto failed;
	if (keep_times && futimens(out, (struct timespec[2]){ st.st_atim, st.st_mtim }) < 0)
		goto failed;
	close(in);
	if (close(out) == 0)
		return true;
	out = in = -1;
failed:;
	int saved = errno;
	close_if_open(&in);
	close_if_open(&out);
	errno = saved;
	return false;
}

/*
 * Copies a file, a link, or a folder with all that is in it (other kinds are left out). `without`, when given, is a
 * NULL-terminated list of names at the top that are left out. Goes on after a failure; false, errno of the last one.
 */
static bool copy_tree(const char *from, const char *to, bool keep_times, const char *const *without) {
	struct stat st;
	if (lstat(from, &st) < 0)
		return false;
	if (S_ISREG(st.st_mode))
		return copy_file(from, to, keep_times);
	if (S_ISLNK(st.st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlink(from, target, sizeof target - 1);
		if (n < 0)
			return false;
		target[n] = 0;
		unlink(to);
		return symlink(target, to) == 0;
	}
	if (!S_ISDIR(st.st_mode))
		return true;
	if (mkdir(to, 0700) < 0 && errno != EEXIST)
		return false;
	DIR *folder = opendir(from);
	if (!folder)
		return false;
	int error = 0;
	for (struct dirent *e; (e = readdir(folder));) {
		bool skip = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
		for (const char *const *w = without; w && *w && !skip; w++)
			skip = strcmp(e->d_name, *w) == 0;
		if (skip)
			continue;
		char *from_here = NULL, *to_here = NULL;
		if (asprintf(&from_here, "%s/%s", from, e->d_name) < 0 || asprintf(&to_here, "%s/%s", to, e->d_name) < 0)
			error = ENOMEM;
		else if (!copy_tree(from_here, to_here, keep_times, NULL))
			error = errno;
		free(from_here);
		free(to_here);
	}
	closedir(folder);
	if (chmod(to, st.st_mode & 07777) < 0)
		error = errno;
	if (keep_times)
		utimensat(AT_FDCWD, to, (struct timespec[2]){ st.st_atim, st.st_mtim }, 0);
	errno = error;
	return error == 0;
}

/* Something to mount upon, of the same kind as what is mounted. */
static bool make_mount_point(const char *at, bool folder) {
	if (folder)
		return mkdir(at, 0755) == 0 || errno == EEXIST;
	int fd = open(at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno == EEXIST;
	close(fd);
	return true;
}

/* Everything mounted there becomes read-only; what was forbidden there outside (nosuid, nodev) stays forbidden. */
static bool make_read_only(const char *at) {
	struct { uint64_t set, clear, propagation, userns; } change = { .set = 1 /* MOUNT_ATTR_RDONLY */ };
	const long mount_setattr_number = 442; /* on every architecture; older headers do not know it */
	if (syscall(mount_setattr_number, AT_FDCWD, at, 0x8000 /* AT_RECURSIVE */, &change, sizeof change) == 0)
		return true;
	if (errno != ENOSYS && errno != EPERM)
		return false;
	struct statvfs fs; /* Linux before 5.12: a remount must repeat the flags that are there */
	if (statvfs(at, &fs) < 0)
		return false;
	unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
	flags |= (fs.f_flag & ST_NOSUID ? MS_NOSUID : 0) | (fs.f_flag & ST_NODEV ? MS_NODEV : 0) |
	         (fs.f_flag & ST_NOEXEC ? MS_NOEXEC : 0) | (fs.f_flag & ST_NOATIME ? MS_NOATIME : 0) |
	         (fs.f_flag & ST_NODIRATIME ? MS_NODIRATIME : 0) | (fs.f_flag & ST_RELATIME ? MS_RELATIME : 0);
	return mount(NULL, at, NULL, flags, NULL) == 0;
}

static void bind_mount(const struct sandbox *s, const char *source, const char *path, bool writable) {
	char at[PATH_MAX];
	struct stat st;
	if (stat(source, &st) < 0)
		give_up(s, "bind", source);
	if (!place_new(s->program.root, path, at) || !make_mount_point(at, S_ISDIR(st.st_mode)))
		give_up(s, "create", path);
	if (mount(source, at, NULL, MS_BIND | MS_REC, NULL) < 0)
		give_up(s, "mount", path);
	if (!writable && !make_read_only(at))
		give_up(s, "make read-only", path);
}

/* A folder of the sandbox, made if it is not there. */
static void folder(const struct sandbox *s, const char *path, mode_t mode) {
	char at[PATH_MAX];
	if (!place_new(s->program.root, path, at) || (mkdir(at, mode) < 0 && errno != EEXIST))
		give_up(s, "create", path);
}

static void link_to(const struct sandbox *s, const char *target, const char *path) {
	char at[PATH_MAX];
	if (!place(s->program.root, path, MAKE_PARENTS, at) || symlink(target, at) < 0)
		give_up(s, "link", path);
}

static void devices(const struct sandbox *s) {
	static const char *const nodes[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };
	folder(s, "/dev", 0755);
	for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
		bind_mount(s, nodes[i], nodes[i], true);
	link_to(s, "/proc/self/fd", "/dev/fd");
	link_to(s, "/proc/self/fd/0", "/dev/stdin");
	link_to(s, "/proc/self/fd/1", "/dev/stdout");
	link_to(s, "/proc/self/fd/2", "/dev/stderr");
	folder(s, "/dev/shm", 01777);
}

static void write_id_map(const struct sandbox *s, const char *file, const char *text) {
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	/* Linux before 3.19 has no setgroups file, and needs none. */
	if ((fd < 0 && errno != ENOENT) || (fd >= 0 && write(fd, text, strlen(text)) < 0))
		give_up(s, "map ids in", file);
	if (fd >= 0)
		close(fd);
}

static void build_root(struct sandbox *s) {
	char at[PATH_MAX], text[64];
	if (s->new_user) {
		write_id_map(s, "/proc/self/setgroups", "deny");
		snprintf(text, sizeof text, "%u %u 1", s->uid, s->uid);
		write_id_map(s, "/proc/self/uid_map", text);
		snprintf(text, sizeof text, "%u %u 1", s->gid, s->gid);
		write_id_map(s, "/proc/self/gid_map", text);
	}
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) < 0)
		give_up(s, "unshare", "");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up(s, "make private", "/");
	umask(0);
	for (size_t i = 0; i < s->count; i += 3) {
		const char *kind = s->steps[i], *a = s->steps[i + 1], *b = s->steps[i + 2];
		if (strcmp(kind, "root") == 0) {
			if (mount("tmpfs", a, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
				give_up(s, "mount", a);
			s->program.root = a;
		} else if (!s->program.root) {
			errno = EINVAL;
			give_up(s, "no root before", kind);
		} else if (strcmp(kind, "dir") == 0) {
			folder(s, a, 0755);
		} else if (strcmp(kind, "bind") == 0 || strcmp(kind, "rw") == 0) {
			bind_mount(s, a, b, kind[0] == 'r');
		} else if (strcmp(kind, "copy") == 0) {
			if (!place_new(s->program.root, b, at) || !copy_tree(a, at, true, NULL))
				give_up(s, "copy", b);
		} else if (strcmp(kind, "link") == 0) {
			link_to(s, a, b);
		} else if (strcmp(kind, "dev") == 0) {
			devices(s);
		} else if (strcmp(kind, "proc") == 0) {
			folder(s, "/proc", 0755);
			if (!place(s->program.root, "/proc", FOLLOW_LAST, at) ||
			    mount("proc", at, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
				give_up(s, "mount", "/proc");
		} else if (strcmp(kind, "tmp") == 0) {
			folder(s, "/tmp", 01777);
		} else if (strcmp(kind, "out") != 0 && strcmp(kind, "keep") != 0) {
			errno = EINVAL;
			give_up(s, "unknown step", kind);
		}
	}
}

static void take_outputs(const struct sandbox *s, bool failed) {
	static const char *const not_files[] = { "proc", "dev", NULL };
	char at[PATH_MAX];
	for (size_t i = 0; i < s->count; i += 3) {
		const char *kind = s->steps[i], *a = s->steps[i + 1], *b = s->steps[i + 2];
		struct stat st;
		if (strcmp(kind, "out") == 0) {
			if (!place(s->program.root, a, FOLLOW_LAST, at) || lstat(at, &st) < 0) {
				if (errno == ENOENT || errno == ENOTDIR)
					continue;
				give_up(s, "out", a);
			}
			if (!copy_tree(at, b, false, NULL))
				give_up(s, "out", a);
		} else if (strcmp(kind, "keep") == 0 && failed && !copy_tree(s->program.root, a, true, not_files)) {
			/* What the command had to say matters more than this. */
			gg_say("cannot keep a copy of a failed command's files in %s: %s", a, strerror(errno));
		}
	}
}

static pid_t guarded_pid;

static void on_guardian_signal(int sig, siginfo_t *info, void *context) {
	(void)context;
	int saved = errno;
	if (info->si_code <= 0 && guarded_pid > 0)
		kill(guarded_pid, sig);
	errno = saved;
}

/* A guardian in gg's process group is the one that KILL reaches; one with a group of its own shares it. */
static void forward_signals(void) {
	static const int forwarded[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_sigaction = on_guardian_signal, .sa_flags = SA_SIGINFO };
	sigset_t mask;
	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) {
		sigaction(forwarded[i], &action, NULL);
		sigaddset(&mask, forwarded[i]);
	}
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

static void close_all_but(int keep) {
	const long close_range_number = 436;
	if ((keep == 3 || syscall(close_range_number, 3, keep - 1, 0) == 0) &&
	    syscall(close_range_number, keep + 1, ~0u, 0) == 0)
		return;
	DIR *fds = opendir("/proc/self/fd"); /* Linux before 5.9 */
	if (!fds)
		return;
	for (struct dirent *e; (e = readdir(fds));) {
		int fd = atoi(e->d_name);
		if (fd > 2 && fd != keep && fd != dirfd(fds))
			close(fd);
	}
	closedir(fds);
}

static _Noreturn void guard(struct sandbox *s) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct program *p = &s->program;
	if (p->own_group)
		setpgid(0, 0);
	if ((p->in >= 0 && dup2(p->in, 0) < 0) || (p->out >= 0 && dup2(p->out, 1) < 0) || (p->err >= 0 && dup2(p->err, 2) < 0))
		give_up(s, "stdio", "");
	p->in = p->out = p->err = -1;
	p->own_group = false;
	close_all_but(s->spawner);
	/* The spawner's end is closed only if it died before the first line took effect. */
	char byte;
	if (recv(s->spawner, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		_exit(1);

	build_root(s);
	pid_t pid = start(p);
	if (pid < 0) {
		tell(s, TELL_FAILED, (uint32_t)p->error, p->what, "");
		_exit(1);
	}
	tell(s, TELL_STARTED, 0, "", "");
	guarded_pid = pid;
	if (s->foreground)
		forward_signals();
	int status = 0;
	for (pid_t ended; (ended = wait(&status)) != pid;)
		if (ended < 0 && errno != EINTR) {
			errno = ECHILD;
			give_up(s, "wait", "");
		}
	guarded_pid = 0;
	/* Nothing may change the outputs any more while they are copied. */
	kill(-1, SIGKILL);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	take_outputs(s, status != 0);
	tell(s, TELL_ENDED, (uint32_t)status, "", "");
	_exit(0);
}

/* As start(), with a guardian whose socket is left in *told; what becomes of it is told there. */
static pid_t start_sandboxed(struct sandbox *s, int *told) {
	int ends[2];
	if (s->count % 3 != 0) {
		s->program.error = EINVAL;
		s->program.what = "namespace: incomplete step";
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		s->program.error = errno;
		s->program.what = "socketpair";
		return -1;
	}
	*told = gg_above_stdio(ends[0]);
	s->spawner = gg_above_stdio(ends[1]);
	s->uid = geteuid();
	s->gid = getegid();
	s->new_user = s->uid != 0;
	pid_t pid = -1;
	if (*told < 0 || s->spawner < 0) {
		s->program.what = "socketpair";
	} else {
		s->program.what = "namespace: create";
		pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | (s->new_user ? CLONE_NEWUSER : 0) | SIGCHLD, 0, 0, 0, 0);
		if (pid < 0 && errno == EPERM && !s->new_user) { /* root in a container is an ordinary user here */
			s->new_user = true;
			pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
		}
	}
	if (pid == 0)
		guard(s);
	if (pid < 0)
		s->program.error = errno;
	else if (s->program.own_group)
		setpgid(pid, pid); /* the guardian does it too: whoever is first, KILL finds the group */
	close_if_open(&s->spawner);
	if (pid < 0)
		close_if_open(told);
	return pid;
}

/* ---- children ---- */

static struct child *find_by_id(uint32_t id) {
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct child *c = children[i]; c; c = c->next)
			if (c->id == id)
				return c;
	return NULL;
}

static void signal_child(const struct child *c, int sig) {
	kill(c->flags & FOREGROUND ? c->pid : -c->pid, sig);
}

/* A guardian that was forked meanwhile may have a copy, and epoll would go on reporting it: so it is told. */
static void forget_guardian(struct child *c) {
	if (c->guardian >= 0)
		epoll_ctl(events, EPOLL_CTL_DEL, c->guardian, NULL);
	close_if_open(&c->guardian);
}

static void free_child(struct child *c) {
	if (c->out != c->err)
		close_if_open(&c->out);
	close_if_open(&c->err);
	forget_guardian(c);
	free(c->what);
	free(c);
}

/* Takes what the guardian has told so far. */
static void listen_to_guardian(struct child *c) {
	while (c->guardian >= 0) {
		struct tell t;
		ssize_t n = recv(c->guardian, &t, sizeof t, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= (ssize_t)offsetof(struct tell, what)) {
			forget_guardian(c); /* it has ended; SIGCHLD says how */
			return;
		}
		((char *)&t)[(size_t)n < sizeof t ? (size_t)n : sizeof t - 1] = 0;
		if (t.kind == TELL_STARTED) {
			reply_started(c);
		} else if (t.kind == TELL_ENDED) {
			c->has_status = true;
			c->status = t.value;
		} else if (t.kind == TELL_FAILED && !c->what) {
			c->error = (int)t.value;
			c->what = need(strdup(t.what));
		}
	}
}

static int open_capture(const char *name) {
	int fd = gg_above_stdio(memfd_create(name, MFD_CLOEXEC));
	/* Appending, so that a program which opens /dev/stderr anew and truncates it leaves no hole behind. */
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_APPEND);
	return fd;
}

/* SPAWN, after its op. False when the frame is malformed. */
static bool spawn(struct gg_in *in) {
	struct sandbox s = { 0 };
	struct program *p = &s.program;
	uint32_t id = gg_get_u32(in);
	uint8_t flags = gg_get_u8(in);
	p->path = gg_get_cstr(in);
	p->argv = gg_get_strs(in, NULL);
	p->env = gg_get_strs(in, NULL);
	p->cwd = gg_get_cstr(in);
	uint32_t timeout_ms = gg_get_u32(in);
	p->umask = gg_get_u32(in) & 0777;
	s.steps = gg_get_strs(in, &s.count);
	bool whole = !in->bad && in->at == in->end;
	if (!whole)
		goto done;

	struct child *c = need(calloc(1, sizeof *c));
	*c = (struct child){ .id = id, .flags = flags, .out = -1, .err = -1, .guardian = -1 };
	s.foreground = flags & FOREGROUND;
	p->own_group = !s.foreground;
	p->in = s.foreground ? -1 : null_fd;
	p->out = p->err = s.foreground ? -1 : null_fd;
	if (flags & (CAPTURE | CAPTURE_TOGETHER)) {
		p->err = c->err = open_capture("stderr");
		p->out = flags & CAPTURE_TOGETHER ? c->err : (c->out = open_capture("stdout"));
		if (p->err < 0 || p->out < 0) {
			reply_failed(id, errno, "capture");
			free_child(c);
			goto done;
		}
	}
	c->since = gg_now_us();
	c->pid = s.count ? start_sandboxed(&s, &c->guardian) : start(p);
	if (c->pid < 0) {
		reply_failed(id, p->error, p->what);
		free_child(c);
		goto done;
	}
	if (timeout_ms) {
		c->deadline = c->since + (uint64_t)timeout_ms * 1000;
		deadline_count++;
	}
	capture_count += c->err >= 0;
	child_count++;
	struct child **bucket = &children[(unsigned)c->pid % BUCKETS];
	c->next = *bucket;
	*bucket = c;
	if (c->guardian >= 0) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		epoll_ctl(events, EPOLL_CTL_ADD, c->guardian, &e);
	} else {
		reply_started(c);
	}
done:
	free(p->argv);
	free(p->env);
	free(s.steps);
	return whole;
}

static void report_end(struct child *c, int wait_status, const struct rusage *usage) {
	listen_to_guardian(c);
	deadline_count -= c->deadline != 0;
	capture_count -= c->err >= 0;
	child_count--;
	if (c->what) {
		reply_failed(c->id, c->error, c->what);
	} else {
		reply_started(c); /* a guardian may have been killed before the command had begun */
		reply_exited(c, c->has_status ? c->status : (uint32_t)wait_status, usage);
	}
	free_child(c);
}

/* Reaps whatever has ended, orphans of commands included. */
static void reap(void) {
	struct rusage usage;
	int status;
	for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;)
		for (struct child **at = &children[(unsigned)pid % BUCKETS]; *at; at = &(*at)->next) {
			struct child *c = *at;
			if (c->pid != pid)
				continue;
			*at = c->next;
			report_end(c, status, &usage);
			break;
		}
}

/* Kills what is overdue; returns how long to sleep until the next is, in milliseconds, -1: for ever. */
static int enforce_deadlines(void) {
	uint64_t now, next = UINT64_MAX;
	if (!deadline_count)
		return -1;
	now = gg_now_us();
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct child *c = children[i]; c; c = c->next) {
			if (!c->deadline || c->timed_out)
				continue;
			if (c->deadline <= now) {
				c->timed_out = true;
				signal_child(c, SIGKILL);
			} else if (c->deadline < next) {
				next = c->deadline;
			}
		}
	if (next == UINT64_MAX)
		return -1;
	uint64_t ms = (next - now + 999) / 1000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* A command that writes without end must not fill the memory with what nobody will read. */
static int trim_captures(void) {
	static uint64_t last;
	if (!capture_count)
		return -1;
	uint64_t now = gg_now_us();
	if (now - last < TRIM_US)
		return (int)((TRIM_US - (now - last)) / 1000) + 1;
	last = now;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct child *c = children[i]; c; c = c->next)
			for (int k = 0; k < 2; k++) {
				bool large = false;
				int fd = k ? c->err : c->out;
				captured_size(fd, &large);
				if (large)
					fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, GG_MAX_KEPT, (off_t)1 << 50);
			}
	return TRIM_US / 1000;
}

/* ---- the end ---- */

struct pids {
	pid_t *list;
	size_t count, cap;
};

static void add_pid(struct pids *p, pid_t pid) {
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->list = need(realloc(p->list, p->cap * sizeof *p->list));
	}
	p->list[p->count++] = pid;
}

/* Adds the children of every thread of a process. One that has just ended has none. */
static void add_children(struct pids *p, pid_t parent) {
	char path[PATH_MAX];
	snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
	DIR *tasks = opendir(path);
	if (!tasks)
		return;
	for (struct dirent *e; (e = readdir(tasks));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)parent, e->d_name);
		FILE *f = fopen(path, "re");
		int pid;
		while (f && fscanf(f, "%d", &pid) == 1)
			add_pid(p, pid);
		if (f)
			fclose(f);
	}
	closedir(tasks);
}

static bool contains(const struct pids *p, pid_t pid) {
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i] == pid)
			return true;
	return false;
}

/*
 * gg-supervise serves what the build left running (a compiler server, a daemon), as long as that lives; by then nobody
 * waits for it any more.
 */
static bool outlives_the_build(pid_t pid) {
	char path[64], name[32] = "";
	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	FILE *f = fopen(path, "re");
	bool is = f && fgets(name, sizeof name, f) && strcmp(name, "gg-supervise\n") == 0;
	if (f)
		fclose(f);
	for (size_t i = 0; i < BUCKETS && is; i++)
		for (struct child *c = children[i]; c; c = c->next)
			is &= c->pid != pid;
	return is;
}

/* Every descendant there is now, but for what may outlive the build when `sparing`. */
static struct pids descendants(bool sparing) {
	struct pids p = { 0 };
	add_children(&p, getpid());
	for (size_t i = 0; i < p.count && sparing;)
		if (outlives_the_build(p.list[i]))
			p.list[i] = p.list[--p.count];
		else
			i++;
	for (size_t i = 0; i < p.count; i++)
		add_children(&p, p.list[i]);
	/* Without CONFIG_PROC_CHILDREN at least those that were started here are known. */
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct child *c = children[i]; c; c = c->next)
			if (!contains(&p, c->pid))
				add_pid(&p, c->pid);
	return p;
}

/*
 * Ends every descendant: by SIGTERM first if gently, by SIGKILL what is left after the grace. Between a look and the
 * signal a process may fork, so there is another look until one finds nobody. Each gets one SIGTERM: a second could
 * interrupt what it does to end well.
 */
static void end_descendants(bool gently, bool sparing) {
	uint64_t begun = gg_now_us();
	struct pids asked = { 0 };
	for (;;) {
		reap();
		struct pids left = descendants(sparing);
		uint64_t spent = gg_now_us() - begun;
		bool killing = !gently || spent >= GRACE_US;
		for (size_t i = 0; i < left.count; i++) {
			if (killing) {
				kill(left.list[i], SIGKILL);
			} else if (!contains(&asked, left.list[i])) {
				kill(left.list[i], SIGTERM);
				add_pid(&asked, left.list[i]);
			}
		}
		free(left.list);
		if (left.count == 0)
			break;
		if (spent >= GRACE_US + DISAPPEAR_US) {
			gg_say("some processes could not be killed");
			break;
		}
		struct signalfd_siginfo info[8];
		struct pollfd p = { .fd = signals, .events = POLLIN };
		if (poll(&p, 1, 10) > 0 && read(signals, info, sizeof info) < 0)
			continue;
	}
	free(asked.list);
}

static bool is_placeholder(const char *path) {
	static const char *const starts[] = { "#!/usr/bin/env gg-force-and-run", "OUTPUT_FORMAT(\"elf64-x86-64\")/*" };
	char text[64];
	struct stat st;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? gg_read(fd, text, sizeof text) : -1;
	close(fd);
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (n >= (ssize_t)strlen(starts[i]) && memcmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static int by_path_then_age(const void *a, const void *b) {
	const char *const x = *(const char *const *)a, *const y = *(const char *const *)b;
	int order = strcmp(x + 2, y + 2);
	return order ? order : x < y ? -1 : x > y;
}

/*
 * Unlinks the placeholders that gg had written and not made real. A record that was cut short by gg's death is not
 * believed: its placeholder had not been written, or the file's own first line tells.
 */
static void clean_up_placeholders(void) {
	if (!journal)
		return;
	struct gg_out text = { 0 };
	int fd = open(journal, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			gg_say("cannot read %s to remove what was left unfinished: %s", journal, strerror(errno));
		return;
	}
	for (;;) {
		size_t mark = text.len;
		unsigned char *at = gg_grow(&text, 65536);
		ssize_t n = at ? gg_read(fd, at, 65536) : 0;
		text.len = mark + (n > 0 ? (size_t)n : 0);
		if (n <= 0)
			break;
	}
	close(fd);
	static const char version[] = "ggplaceholders1";
	if (text.len < sizeof version || memcmp(text.data, version, sizeof version) != 0) {
		if (text.len > 0)
			gg_say("%s is of another version, so what was left unfinished stays", journal);
		free(text.data);
		return;
	}

	/* Of the records of one path the last one counts. */
	size_t count = 0;
	for (size_t i = 0; i < text.len; i++)
		count += text.data[i] == 0;
	const char **records = need(malloc((count + 1) * sizeof *records));
	count = 0;
	for (size_t at = 0; at < text.len;) {
		size_t n = strnlen((char *)text.data + at, text.len - at);
		const char *record = (char *)text.data + at;
		if (at + n < text.len && n > 3 && record[1] == ' ' && record[2] == '/')
			records[count++] = record;
		at += n + 1;
	}
	qsort(records, count, sizeof *records, by_path_then_age);
	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count || strcmp(records[i] + 2, records[i + 1] + 2) != 0;
		if (last && records[i][0] == 'P' && is_placeholder(records[i] + 2) && unlink(records[i] + 2) < 0)
			gg_say("cannot remove the placeholder %s: %s", records[i] + 2, strerror(errno));
	}
	free(records);
	free(text.data);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
	(void)st, (void)kind, (void)at;
	if (remove(path) < 0 && errno != ENOENT)
		gg_say("cannot remove %s: %s", path, strerror(errno));
	return 0;
}

/* gg's own folder: its socket, and gg-supervise's links. */
static void clean_up_folder(void) {
	if (own_folder)
		nftw(own_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- requests ---- */

enum verdict { GO_ON, BYE, BROKEN, GONE };

static enum verdict remember(char **where, const char *path, const struct gg_in *in) {
	if (in->bad)
		return BROKEN;
	free(*where);
	*where = need(strdup(path));
	return GO_ON;
}

static enum verdict obey(struct gg_in *in) {
	switch (gg_get_u8(in)) {
	case OP_SPAWN:
		return spawn(in) ? GO_ON : BROKEN;
	case OP_KILL: {
		uint32_t id = gg_get_u32(in), sig = gg_get_u32(in);
		if (in->bad || sig == 0 || sig > (uint32_t)SIGRTMAX)
			return BROKEN;
		struct child *c = find_by_id(id);
		if (c) /* else it ended while the request was under way */
			signal_child(c, (int)sig);
		return GO_ON;
	}
	case OP_JOURNAL:
		return remember(&journal, gg_get_cstr(in), in);
	case OP_FOLDER:
		return remember(&own_folder, gg_get_cstr(in), in);
	case OP_BYE:
		return BYE;
	default:
		return BROKEN;
	}
}

/* Requests as they arrive; a frame may come in many pieces, and many in one. */
struct input {
	unsigned char *data;
	size_t at, len, cap;
};

enum fed { FED, NOTHING_YET, CLOSED };

static enum fed feed(struct input *in) {
	if (in->at == in->len) {
		in->at = in->len = 0;
		if (in->cap > 1 << 20) { /* what one large request needed would count as every later child's peak */
			free(in->data);
			*in = (struct input){ 0 };
		}
	}
	if (in->at > 0 && in->cap - in->len < 4096) {
		memmove(in->data, in->data + in->at, in->len - in->at);
		in->len -= in->at;
		in->at = 0;
	}
	if (in->cap - in->len < 4096) {
		in->cap = in->cap ? in->cap * 2 : 65536;
		in->data = need(realloc(in->data, in->cap));
	}
	ssize_t n = recv(gg_socket, in->data + in->len, in->cap - in->len, MSG_DONTWAIT);
	if (n > 0) {
		in->len += (size_t)n;
		return FED;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? NOTHING_YET : CLOSED;
}

/* The next whole frame, or false. *too_long when there can be none. */
static bool next_frame(struct input *in, struct gg_in *frame, bool *too_long) {
	*too_long = false;
	if (in->len - in->at < 4)
		return false;
	size_t len = gg_load(in->data + in->at, 4);
	*too_long = len > GG_MAX_FRAME;
	if (*too_long || in->len - in->at - 4 < len)
		return false;
	unsigned char *at = in->data + in->at + 4;
	*frame = (struct gg_in){ .at = at, .end = at + len };
	in->at += 4 + len;
	return true;
}

static int earlier(int a, int b) { return a < 0 ? b : b < 0 || a < b ? a : b; }

static enum verdict serve(void) {
	struct input in = { 0 };
	bool closed = false;
	for (;;) {
		/* A few at a time, so that ends are reported while a long queue is started. */
		bool more = false, too_long = false;
		struct gg_in frame;
		for (int i = 0; i < 16 && (more = next_frame(&in, &frame, &too_long)); i++) {
			enum verdict v = obey(&frame);
			if (v != GO_ON)
				return v;
		}
		if (too_long)
			return BROKEN;
		if (!flush_replies() || (closed && !more))
			return GONE;
		int timeout = earlier(enforce_deadlines(), trim_captures());
		struct epoll_event ready[64];
		int n = epoll_wait(events, ready, 64, more ? 0 : timeout);
		bool ended = false;
		for (int i = 0; i < n; i++) {
			if (ready[i].data.ptr == &gg_socket)
				closed |= (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && feed(&in) == CLOSED;
			else if (ready[i].data.ptr == &signals)
				ended = true;
			else
				listen_to_guardian(ready[i].data.ptr);
		}
		if (ended) { /* last: it frees children, which the events above may point to */
			struct signalfd_siginfo info[16];
			while (read(signals, info, sizeof info) > 0)
				;
			reap();
		}
	}
}

static bool watch(int fd, void *what) {
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };
	return fd >= 0 && epoll_ctl(events, EPOLL_CTL_ADD, fd, &e) == 0;
}

int main(void) {
	gg_socket = 3;
	if (fcntl(gg_socket, F_SETFD, FD_CLOEXEC) < 0) {
		gg_say("gg-spawner is started by gg, with a socket as descriptor 3");
		return 2;
	}
	/* A terminal sends its signals to the whole group; what is to be done about them is for gg to decide. */
	sigset_t blocked, chld;
	sigemptyset(&blocked);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	static const int not_ours[] = { SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
		sigaddset(&blocked, not_ours[i]);
	sigprocmask(SIG_BLOCK, &blocked, &original_mask);
	signal(SIGCHLD, SIG_DFL);

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	null_fd = gg_above_stdio(open("/dev/null", O_RDWR | O_CLOEXEC));
	events = gg_above_stdio(epoll_create1(EPOLL_CLOEXEC));
	signals = gg_above_stdio(signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK));
	if (null_fd < 0 || events < 0 || !watch(signals, &signals) || !watch(gg_socket, &gg_socket)) {
		gg_say("the spawner cannot begin: %s", strerror(errno));
		return 2;
	}
	enum verdict v = serve();
	if (v == BROKEN)
		gg_say("the spawner got a request that it cannot understand, and ends everything");
	close(gg_socket);
	end_descendants(v != BYE, v == BYE);
	if (v == BYE)
		return 0;
	clean_up_placeholders();
	clean_up_folder();
	return 1;
}
