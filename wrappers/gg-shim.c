/*
 * gg-shim: stands under the name of a build tool, asks gg's session what is to become of this command, and does it.
 *
 * It must not be noticed: same exit status, same bytes on stdout and stderr, same descriptors in the tool's hands. When
 * there is no session, or the session cannot be understood, the real tool runs in its place. The frames are described
 * in PROTOCOL.md. A build starts thousands of these, so the way to the session's answer costs one small static program
 * and about twenty system calls.
 */
#define _GNU_SOURCE
#include "gg-wire.h"

#include <limits.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#define MAGIC 0x31534747u
#define FORCE_AND_RUN "gg-force-and-run"
#define PLACEHOLDER "#!/usr/bin/env " FORCE_AND_RUN
/* A folder beside the session's socket: below it gg-supervise names the tool in whose place this program was started. */
#define BY_PATH "/gg-by-path"
/* Called so, it stands in for the command in its arguments. */
#define LAUNCHER "gg-cc"

enum { FRAME_COMMAND = 1, FRAME_RAN = 2, FRAME_NOT_PLACED = 6 };
enum { ANSWER_EXIT = 1, ANSWER_EXEC = 2, ANSWER_RUN = 3, ANSWER_PLACE = 4 };

/* The same codes as a shell: found but not runnable, and not found. */
enum { STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

extern char **environ;

/* ---- ending and becoming other programs ---- */

/* Ends as a process with this wait status did, so that whoever waits for us sees what he would have seen. */
static _Noreturn void end_as(int status) {
	if (!WIFSIGNALED(status))
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	int sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); /* a core of the shim would replace the tool's own */
	signal(sig, SIG_DFL);
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	_exit(128 + sig);
}

/* execve, and as execvp does, the shell for a script that names no interpreter. Returns only on failure. */
static void become(const char *path, char **argv, char **env) {
	execve(path, argv, env);
	if (errno != ENOEXEC)
		return;
	size_t count = 0;
	while (argv[count])
		count++;
	char **shell = malloc((count + 3) * sizeof *shell);
	if (!shell)
		return;
	shell[0] = "sh";
	shell[1] = (char *)path;
	for (size_t i = 1; i < count; i++)
		shell[i + 1] = argv[i];
	shell[count > 1 ? count + 1 : 2] = NULL;
	execve("/bin/sh", shell, env);
	free(shell);
	errno = ENOEXEC;
}

static int failed_exec_status(int error) {
	return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN;
}

static _Noreturn void become_or_end(const char *path, char **argv, char **env) {
	become(path, argv, env);
	int status = failed_exec_status(errno);
	gg_say("cannot run %s: %s", path, strerror(errno));
	_exit(status);
}

/* ---- without a session ---- */

static bool same_file(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Runs the first executable on PATH under our name that is not this program. The folders where the name leads back
 * here leave PATH: else a tool that starts another by name would come through the wrappers again.
 */
static _Noreturn void run_real_tool(const char *tool, char **argv) {
	struct stat self = { 0 };
	if (stat("/proc/self/exe", &self) < 0) {
		const char *started_as = (const char *)getauxval(AT_EXECFN);
		if (!started_as || stat(started_as, &self) < 0) {
			gg_say("cannot tell the real %s from its wrapper: %s", tool, strerror(errno));
			_exit(STATUS_CANNOT_RUN);
		}
	}

	char **slot = NULL;
	for (char **e = environ; *e && !slot; e++)
		if (strncmp(*e, "PATH=", 5) == 0)
			slot = e;
	const char *path = slot ? *slot + 5 : "/bin:/usr/bin";

	char *kept = malloc(strlen(path) + sizeof "PATH=");
	char *candidate = malloc(strlen(path) + strlen(tool) + 4);
	char *found = NULL;
	if (!kept || !candidate) {
		gg_say("no memory to run %s", tool);
		_exit(STATUS_CANNOT_RUN);
	}
	char *end = stpcpy(kept, "PATH=");
	const char *separator = "";
	for (const char *at = path;;) {
		size_t len = strcspn(at, ":");
		/* An empty element means the current folder. */
		sprintf(candidate, "%.*s/%s", len ? (int)len : 1, len ? at : ".", tool);
		struct stat there;
		bool exists = stat(candidate, &there) == 0;
		if (!exists || !same_file(&there, &self)) {
			end = stpcpy(end, separator);
			memcpy(end, at, len);
			end += len;
			*end = 0;
			separator = ":";
			if (!found && exists && S_ISREG(there.st_mode) && access(candidate, X_OK) == 0)
				found = strdup(candidate);
		}
		if (!at[len])
			break;
		at += len + 1;
	}
	if (!found) {
		gg_say("%s: command not found (only gg's wrapper of that name is on PATH)", tool);
		_exit(STATUS_NOT_FOUND);
	}
	if (slot)
		*slot = kept;
	argv[0] = found;
	become_or_end(found, argv, environ);
}

struct force {
	const char *gg;
	char **argv;
	int error;
};

static int start_force(void *arg) {
	struct force *f = arg;
	execvp(f->gg, f->argv);
	f->error = errno;
	_exit(STATUS_NOT_FOUND);
}

/* A placeholder that a shell script started: `gg force FILE`, then what has become of FILE, with its arguments. */
static _Noreturn void force_and_run(char **argv) {
	char *file = argv[1];
	if (!file || !*file) {
		gg_say(FORCE_AND_RUN " needs the name of the file to force and run");
		_exit(2);
	}
	const char *gg = getenv("GG_COMMAND");
	if (!gg || !*gg)
		gg = "gg";
	char *force_argv[] = { (char *)gg, "force", file, NULL };
	struct force f = { .gg = gg, .argv = force_argv };
	pid_t pid = gg_vfork(start_force, &f);
	if (pid < 0) {
		gg_say("cannot start %s: %s", gg, strerror(errno));
		_exit(STATUS_CANNOT_RUN);
	}
	int status;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) /* SIGCHLD ignored: there is no status to be had, what counts is the file */
			break;
	if (f.error) {
		gg_say("cannot run %s to force %s: %s", gg, file, strerror(f.error));
		_exit(failed_exec_status(f.error));
	}
	if (status != 0)
		end_as(status);

	/* If it is still a placeholder, the kernel would bring it straight back here, for ever. */
	char start[sizeof PLACEHOLDER - 1];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (gg_read(fd, start, sizeof start) == (ssize_t)sizeof start && memcmp(start, PLACEHOLDER, sizeof start) == 0) {
			gg_say("%s is still a placeholder after %s force", file, gg);
			_exit(STATUS_CANNOT_RUN);
		}
		close(fd);
	}
	become_or_end(file, argv + 1, environ);
}

static _Noreturn void run_without_session(const char *tool, const char *asked, char **argv) {
	if (strcmp(tool, FORCE_AND_RUN) == 0)
		force_and_run(argv);
	if (asked && *asked)
		become_or_end(asked, argv, environ);
	run_real_tool(tool, argv);
}

/* ---- asking the session ---- */

static void put_descriptor(struct gg_out *o, int fd) {
	struct stat st = { 0 };
	struct termios settings;
	bool is_open = fstat(fd, &st) == 0;
	gg_put_u8(o, is_open);
	gg_put_u8(o, is_open && S_ISCHR(st.st_mode) && tcgetattr(fd, &settings) == 0);
	gg_put_u64(o, is_open ? st.st_dev : 0);
	gg_put_u64(o, is_open ? st.st_ino : 0);
	gg_put_u32(o, is_open ? st.st_mode : 0);
	gg_put_u64(o, is_open ? st.st_rdev : 0);
}

/* The parent's command line, as the kernel keeps it: each argument with its final NUL. Empty when refused. */
static void put_parent_argv(struct gg_out *o, pid_t parent) {
	size_t mark = o->len;
	uint32_t count = 0;
	gg_put_u32(o, 0);
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)parent);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	static char first[4096];
	char *text = first;
	size_t len = 0, cap = sizeof first;
	for (ssize_t n; (n = gg_read(fd, text + len, cap - len)) > 0;) {
		len += (size_t)n;
		if (len < cap)
			continue;
		char *bigger = realloc(text == first ? NULL : text, cap * 4);
		if (!bigger)
			break;
		if (text == first)
			memcpy(bigger, first, len);
		text = bigger;
		cap *= 4;
	}
	close(fd);
	for (size_t at = 0; at < len; count++) {
		size_t n = strnlen(text + at, len - at);
		gg_put_bytes(o, text + at, n);
		at += n + 1;
	}
	if (text != first)
		free(text);
	if (!o->failed)
		gg_store(o->data + mark, count, 4);
}

static void put_command(struct gg_out *o, const char *tool, const char *asked, char **argv) {
	size_t mark = gg_begin_frame(o);
	pid_t parent = getppid();
	mode_t mask = umask(0);
	umask(mask);
	gg_put_u32(o, MAGIC);
	gg_put_u8(o, FRAME_COMMAND);
	gg_put_u32(o, (uint32_t)getpid());
	gg_put_u32(o, (uint32_t)parent);
	gg_put_u32(o, mask);
	for (int fd = 0; fd <= 2; fd++)
		put_descriptor(o, fd);
	gg_put_str(o, tool);
	char path[PATH_MAX];
	gg_put_str(o, getcwd(path, sizeof path) ? path : "");
	char link[64];
	snprintf(link, sizeof link, "/proc/%d/exe", (int)parent);
	ssize_t n = readlink(link, path, sizeof path);
	gg_put_bytes(o, path, n > 0 ? (size_t)n : 0);
	put_parent_argv(o, parent);
	gg_put_strs(o, argv);
	gg_put_strs(o, environ);
	gg_put_str(o, asked ? asked : "");
	gg_end_frame(o, mark);
}

enum received { RECEIVED, GONE, MALFORMED };

/*
 * Waits for one frame and leaves `in` on its payload. The session says nothing that was not asked for, so what is read
 * ends with the frame.
 */
static enum received receive(int fd, struct gg_in *in) {
	static unsigned char first[8192];
	unsigned char *buffer = first;
	size_t have = 0, want = 4, cap = sizeof first;
	while (have < want || want == 4) {
		ssize_t n = gg_read(fd, buffer + have, cap - have);
		if (n <= 0)
			return GONE;
		have += (size_t)n;
		if (want == 4 && have >= 4) {
			size_t len = gg_load(buffer, 4);
			if (len == 0 || len > GG_MAX_FRAME)
				return MALFORMED;
			want = len + 4;
			if (want > cap) {
				buffer = malloc(want);
				if (!buffer)
					return MALFORMED;
				memcpy(buffer, first, have);
				cap = want;
			}
		}
	}
	if (have > want)
		return MALFORMED;
	*in = (struct gg_in){ .at = buffer + 4, .end = buffer + want };
	return RECEIVED;
}

/* ---- doing what it says ---- */

/* Nobody hears what goes to a closed descriptor, and a tool that wrote there would not have failed for it either. */
static void write_out(int fd, const char *name, const unsigned char *bytes, size_t len) {
	if (len > 0 && !gg_write_all(fd, bytes, len) && errno != EBADF && errno != EPIPE)
		gg_say("cannot write to %s: %s", name, strerror(errno));
}

/* EXIT, after its kind. Returns false when malformed. */
static bool obey_exit(struct gg_in *in) {
	uint32_t status = gg_get_u32(in), sig = gg_get_u32(in);
	size_t out_len, err_len;
	unsigned char *out = gg_get_bytes(in, &out_len), *err = gg_get_bytes(in, &err_len);
	if (in->bad || in->at != in->end || sig > (uint32_t)SIGRTMAX)
		return false;
	write_out(1, "standard output", out, out_len);
	write_out(2, "standard error", err, err_len);
	end_as(sig ? (int)sig : (int)(status & 0xff) << 8);
}

/* Puts a file at `path` whole or not at all, by another name beside it. Returns 0, or errno. */
static int place(const char *path, mode_t mode, const unsigned char *bytes, size_t len) {
	char other[PATH_MAX];
	if ((size_t)snprintf(other, sizeof other, "%s.gg-%d-0-0", path, (int)getpid()) >= sizeof other)
		return ENAMETOOLONG;
	int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return errno;
	mode_t mask = umask(0);
	umask(mask);
	bool done = gg_write_all(fd, bytes, len) && ((mode & mask) == 0 || fchmod(fd, mode) == 0);
	int error = done ? 0 : errno;
	if (close(fd) < 0 && !error)
		error = errno;
	if (!error && rename(other, path) < 0)
		error = errno;
	if (error)
		unlink(other);
	return error;
}

/* PLACE, after its kind: ends with status 0 when all files are there, else says which is not. Returns false when malformed. */
static bool obey_place(int session, struct gg_in *in) {
	char *path = NULL;
	int error = 0;
	for (uint32_t left = gg_get_u32(in); left > 0 && !error; left--) {
		path = gg_get_cstr(in);
		mode_t mode = gg_get_u32(in) & 07777;
		size_t len;
		unsigned char *bytes = gg_get_bytes(in, &len);
		if (in->bad)
			return false;
		error = place(path, mode, bytes, len);
	}
	if (!error && (in->bad || in->at != in->end))
		return false;
	if (!error)
		_exit(0);
	struct gg_out o = { 0 };
	size_t mark = gg_begin_frame(&o);
	gg_put_u8(&o, FRAME_NOT_PLACED);
	gg_put_u32(&o, (uint32_t)error);
	gg_put_str(&o, path);
	gg_end_frame(&o, mark);
	bool sent = !o.failed && gg_send_all(session, o.data, o.len);
	free(o.data);
	return sent;
}

struct program {
	char *path;
	char **argv, **env;
};

static size_t name_length(const char *variable) { return strcspn(variable, "="); }

static bool same_name(const char *variable, const char *name, size_t len) {
	return strncmp(variable, name, len) == 0 && (variable[len] == '=' || variable[len] == 0);
}

/* The environment with the session's changes: a variable keeps its place, a new one comes last. NULL: no memory. */
static char **changed_environment(char **set, size_t set_count, char **unset) {
	size_t count = 0;
	while (environ[count])
		count++;
	char **env = malloc((count + set_count + 1) * sizeof *env);
	bool *used = calloc(set_count + 1, sizeof *used);
	if (!env || !used)
		return NULL;
	size_t n = 0;
	for (char **e = environ; *e; e++) {
		size_t len = name_length(*e);
		bool drop = false;
		for (char **u = unset; *u && !drop; u++)
			drop = same_name(*e, *u, strlen(*u));
		char *value = *e;
		for (size_t i = 0; i < set_count && !drop; i++) {
			if (!same_name(set[i], *e, len))
				continue;
			value = set[i];
			drop = used[i];
			used[i] = true;
			break;
		}
		if (!drop)
			env[n++] = value;
	}
	for (size_t i = 0; i < set_count; i++)
		if (!used[i])
			env[n++] = set[i];
	env[n] = NULL;
	free(used);
	return env;
}

/* The fields that EXEC and RUN share. */
static bool get_program(struct gg_in *in, struct program *p) {
	size_t set_count = 0;
	p->path = gg_get_cstr(in);
	p->argv = gg_get_strs(in, NULL);
	char **set = gg_get_strs(in, &set_count);
	char **unset = gg_get_strs(in, NULL);
	if (in->bad)
		return false;
	for (size_t i = 0; i < set_count; i++)
		if (!strchr(set[i], '='))
			return false;
	p->env = changed_environment(set, set_count, unset);
	return p->env != NULL;
}

/* ---- RUN: the tool as a child ---- */

/* One of the child's streams on its way to one of our descriptors. */
struct stream {
	int to;   /* ours */
	int from; /* pipe or pseudo-terminal; -1 once it has ended, or when this stream is not captured */
	unsigned char *kept;
	size_t len, cap;
	bool is_terminal, truncated;
};

struct launch {
	struct program *program;
	int out, err; /* the child's ends, -1: inherit */
	sigset_t mask;
	bool ignores_sigchld;
	pid_t parent;
	int error;
};

static volatile sig_atomic_t child_pid, child_changed, window_changed;

/*
 * A signal that a process sent to us was meant for the tool. One from the terminal (si_code > 0) goes to the whole
 * process group, and has reached the child without us.
 */
static void on_signal(int sig, siginfo_t *info, void *context) {
	(void)context;
	int saved = errno;
	if (sig == SIGCHLD)
		child_changed = 1;
	else if (sig == SIGWINCH)
		window_changed = 1;
	else if (info->si_code <= 0 && child_pid > 0)
		kill(child_pid, sig);
	errno = saved;
}

static const int forwarded[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCHLD };
enum { FORWARDED = sizeof forwarded / sizeof *forwarded, CHLD = FORWARDED - 1 };

static int start_child(void *arg) {
	struct launch *l = arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != l->parent) /* killed before the line above took effect */
		_exit(STATUS_CANNOT_RUN);
	if ((l->out >= 0 && dup2(l->out, 1) < 0) || (l->err >= 0 && dup2(l->err, 2) < 0)) {
		l->error = errno;
		_exit(STATUS_CANNOT_RUN);
	}
	if (l->ignores_sigchld)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, &l->mask, NULL);
	become(l->program->path, l->program->argv, l->program->env);
	l->error = errno;
	_exit(failed_exec_status(errno));
}

static void copy_window_size(int from, int to) {
	struct winsize size;
	if (ioctl(from, TIOCGWINSZ, &size) == 0)
		ioctl(to, TIOCSWINSZ, &size);
}

/*
 * A pseudo-terminal that looks like the terminal `like` to the child but leaves its bytes alone: our own write to the
 * real one turns \n into \r\n. Returns the child's end, -1 when there is none to be had.
 */
static int open_terminal(int like, int *ours) {
	struct termios settings;
	int master = gg_above_stdio(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)), slave = -1, unlocked = 0;
	if (master < 0)
		return -1;
	if (ioctl(master, TIOCSPTLCK, &unlocked) == 0) {
		slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (slave < 0) { /* Linux before 4.13 */
			char name[64];
			int number;
			if (ioctl(master, TIOCGPTN, &number) == 0) {
				snprintf(name, sizeof name, "/dev/pts/%d", number);
				slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
			}
		}
		slave = gg_above_stdio(slave);
	}
	if (slave < 0 || tcgetattr(like, &settings) < 0) {
		if (slave >= 0)
			close(slave);
		close(master);
		return -1;
	}
	settings.c_oflag &= ~(tcflag_t)OPOST;
	settings.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(slave, TCSANOW, &settings);
	copy_window_size(like, master);
	*ours = master;
	return slave;
}

/* Puts a pipe or a pseudo-terminal between the child and our descriptor `to`. Returns the child's end, or -1. */
static int capture(struct stream *s, int to) {
	s->to = to;
	if (isatty(to)) {
		int end = open_terminal(to, &s->from);
		if (end >= 0) {
			s->is_terminal = true;
			return end;
		}
	}
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	s->from = gg_above_stdio(ends[0]);
	int end = gg_above_stdio(ends[1]);
	if (s->from >= 0 && end >= 0)
		return end;
	if (s->from >= 0)
		close(s->from);
	s->from = -1;
	return -1;
}

/*
 * Do 1 and 2 lead to the same place, so that the order of what is written matters? Two descriptions of one regular
 * file have a position each and overwrite each other; anything else is one stream however it was opened.
 */
static bool share_a_file(void) {
	struct stat a, b;
	if (fstat(1, &a) < 0 || fstat(2, &b) < 0 || !same_file(&a, &b))
		return false;
	if (!S_ISREG(a.st_mode))
		return true;
	long order = syscall(SYS_kcmp, getpid(), getpid(), 0 /* KCMP_FILE */, 1, 2);
	return order <= 0; /* 0: the same; -1: this kernel does not tell */
}

static void keep(struct stream *s, const unsigned char *bytes, size_t len) {
	if (s->truncated || len == 0)
		return;
	if (len > GG_MAX_KEPT - s->len) {
		len = GG_MAX_KEPT - s->len;
		s->truncated = true;
	}
	if (len > s->cap - s->len) {
		size_t cap = s->cap ? s->cap : 16384;
		while (len > cap - s->len)
			cap *= 2;
		unsigned char *bigger = realloc(s->kept, cap);
		if (!bigger) {
			s->truncated = true;
			return;
		}
		s->kept = bigger;
		s->cap = cap;
	}
	memcpy(s->kept + s->len, bytes, len);
	s->len += len;
}

/* Passes on what there is to read now. Returns how much, 0 when the stream has ended. */
static size_t pass_on(struct stream *s, bool keeping) {
	static unsigned char buffer[65536];
	ssize_t n = read(s->from, buffer, sizeof buffer);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n > 0) { /* else end of file, which a pseudo-terminal reports as EIO */
		if (keeping)
			keep(s, buffer, (size_t)n);
		if (gg_write_all(s->to, buffer, (size_t)n))
			return (size_t)n;
		/* Whoever read our output is gone: now the child learns it at its next write, as it would have without us. */
		if (errno != EPIPE)
			gg_say("cannot pass on the output of a command: %s", strerror(errno));
	}
	close(s->from);
	s->from = -1;
	return 0;
}

/* poll over the streams that are still open, passing on once each; false when nothing was ready. */
static bool pump_once(struct stream *streams, const struct timespec *timeout, const sigset_t *mask, bool keeping) {
	struct pollfd ready[2] = { { .fd = streams[0].from, .events = POLLIN }, { .fd = streams[1].from, .events = POLLIN } };
	if (ppoll(ready, 2, timeout, mask) <= 0)
		return false;
	for (int i = 0; i < 2; i++)
		if (ready[i].revents)
			pass_on(&streams[i], keeping);
	return true;
}

static bool has_ended(pid_t pid, int options) {
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | options) == 0 && info.si_pid == pid;
}

/* Passes output on until the child has ended and all that it wrote has been passed on. */
static void pump(struct stream *streams, pid_t pid, const sigset_t *mask) {
	sigset_t sleeping = *mask;
	sigdelset(&sleeping, SIGCHLD);
	for (;;) {
		/* SIGCHLD arrives inside ppoll only, so a child that ends before it is not missed. */
		pump_once(streams, NULL, &sleeping, true);
		if (window_changed) {
			window_changed = 0;
			for (int i = 0; i < 2; i++)
				if (streams[i].is_terminal && streams[i].from >= 0)
					copy_window_size(streams[i].to, streams[i].from);
		}
		if (child_changed) {
			child_changed = 0;
			if (has_ended(pid, WNOHANG))
				break;
		}
	}
	/* The child's bytes are in the pipe already; a process that it left behind may go on writing for ever. */
	for (int i = 0; i < 2; i++)
		for (size_t left = 1 << 20; streams[i].from >= 0 && left > 0;) {
			struct pollfd ready = { .fd = streams[i].from, .events = POLLIN };
			if (poll(&ready, 1, 0) <= 0)
				break;
			size_t n = pass_on(&streams[i], true);
			left -= n < left ? n : left;
		}
}

/*
 * When a process that the child left behind still holds its output (a server that the first command starts), somebody
 * must go on passing it on, though make does not wait for it. What it writes belongs to no command any more.
 */
static void leave_a_pump(struct stream *streams, int session, const sigset_t *mask) {
	if (streams[0].from < 0 && streams[1].from < 0)
		return;
	if (fork() == 0) {
		/* What it need not hold would keep a reader waiting for an end of file. */
		close(session);
		close(0);
		for (int i = 0; i < 2; i++)
			if (streams[i].from < 0)
				close(streams[i].to);
		sigprocmask(SIG_SETMASK, mask, NULL);
		while (streams[0].from >= 0 || streams[1].from >= 0)
			pump_once(streams, NULL, mask, false);
		_exit(0);
	}
	for (int i = 0; i < 2; i++)
		if (streams[i].from >= 0)
			close(streams[i].from);
}

static uint64_t microseconds(struct timeval t) { return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec; }

struct result {
	int status;
	uint64_t wall;
	struct rusage usage;
};

static void send_ran(int session, const struct result *r, const struct stream *out, const struct stream *err) {
	struct gg_out o = { 0 };
	size_t mark = gg_begin_frame(&o);
	gg_put_u8(&o, FRAME_RAN);
	gg_put_u32(&o, (uint32_t)r->status);
	gg_put_u64(&o, r->wall);
	gg_put_u64(&o, microseconds(r->usage.ru_utime));
	gg_put_u64(&o, microseconds(r->usage.ru_stime));
	gg_put_u32(&o, (uint32_t)r->usage.ru_maxrss);
	gg_put_u8(&o, out->truncated || err->truncated);
	gg_put_bytes(&o, out->kept, out->len);
	gg_put_bytes(&o, err->kept, err->len);
	gg_end_frame(&o, mark);
	/* A session that misses the report has gone away, and then the answer below does not come either. */
	if (!o.failed)
		gg_send_all(session, o.data, o.len);
	else
		shutdown(session, SHUT_RDWR);
	free(o.data);
}

static _Noreturn void obey_run(int session, const char *tool, struct program *program, bool capturing) {
	struct stream streams[2] = { { .to = 1, .from = -1 }, { .to = 2, .from = -1 } };
	struct launch l = { .program = program, .out = -1, .err = -1, .parent = getpid() };
	if (capturing) {
		bool open1 = fcntl(1, F_GETFD) >= 0, open2 = fcntl(2, F_GETFD) >= 0, shared = open1 && open2 && share_a_file();
		if (open1 && !shared)
			l.out = capture(&streams[0], 1);
		if (open2)
			l.err = capture(&streams[1], 2);
		if (shared)
			l.out = l.err;
		if ((open1 && l.out < 0) || (open2 && l.err < 0))
			gg_say("cannot capture the output of %s: %s", program->path, strerror(errno));
		streams[0].truncated = open1 && l.out < 0;
		streams[1].truncated = open2 && l.err < 0;
	}

	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &l.mask);
	struct sigaction before[FORWARDED], handler = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NOCLDSTOP };
	sigfillset(&handler.sa_mask);
	/* An ignored SIGCHLD would let the kernel throw the status away. The child gets it back as it was. */
	sigaction(SIGCHLD, &handler, &before[CHLD]);
	l.ignores_sigchld = before[CHLD].sa_handler == SIG_IGN;

	struct sigaction before_pipe;
	struct result r = { 0 };
	uint64_t started = gg_now_us();
	pid_t pid = gg_vfork(start_child, &l);
	if (pid < 0)
		l.error = errno;
	if (l.out >= 0)
		close(l.out);
	if (l.err >= 0 && l.err != l.out)
		close(l.err);

	if (pid > 0) {
		child_pid = pid;
		for (int i = 0; i < CHLD; i++) {
			sigaction(forwarded[i], NULL, &before[i]);
			if (before[i].sa_handler != SIG_IGN) /* nohup, or a background job: the child ignores it as well */
				sigaction(forwarded[i], &handler, NULL);
		}
		struct sigaction ignore = { .sa_handler = SIG_IGN };
		sigaction(SIGPIPE, &ignore, &before_pipe);
		sigset_t working = l.mask;
		if (capturing) {
			sigaddset(&working, SIGCHLD);
			sigprocmask(SIG_SETMASK, &working, NULL);
			pump(streams, pid, &working);
		} else {
			sigprocmask(SIG_SETMASK, &working, NULL);
			while (!has_ended(pid, 0) && errno == EINTR)
				;
		}
		/* Its pid is free for others once it is reaped: no signal may be forwarded from here on. */
		sigprocmask(SIG_SETMASK, &all, NULL);
		child_pid = 0;
		while (wait4(pid, &r.status, 0, &r.usage) < 0 && errno == EINTR)
			;
	}
	r.wall = gg_now_us() - started;
	if (l.error) {
		char text[PATH_MAX + 128];
		int n = snprintf(text, sizeof text, "gg: cannot run %s: %s\n", program->path, strerror(l.error));
		size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
		gg_write_all(2, text, len);
		keep(&streams[1], (unsigned char *)text, capturing ? len : 0);
		r.status = failed_exec_status(l.error) << 8;
	}
	if (pid > 0) {
		for (int i = 0; i < CHLD; i++)
			sigaction(forwarded[i], &before[i], NULL);
		sigaction(SIGPIPE, &before_pipe, NULL);
	}
	leave_a_pump(streams, session, &l.mask);
	sigprocmask(SIG_SETMASK, &l.mask, NULL);

	send_ran(session, &r, &streams[0], &streams[1]);
	struct gg_in in;
	enum received got = receive(session, &in); /* over the frame that `program` lies in */
	if (got == MALFORMED || (got == RECEIVED && (gg_get_u8(&in) != ANSWER_EXIT || !obey_exit(&in))))
		gg_say("the session's answer for %s cannot be understood; ending as the command did", tool);
	end_as(r.status);
}

/*
 * The program that was to be started, when gg-supervise started this one in its place: argv[0] is then the caller's own,
 * and says nothing. The session is the one that the supervisor belongs to, whatever the environment.
 */
static const char *asked_for(char **session) {
	const char *started_as = (const char *)getauxval(AT_EXECFN);
	const char *at = started_as ? strstr(started_as, BY_PATH "/") : NULL;
	char *socket = at ? malloc((size_t)(at - started_as) + sizeof "/s") : NULL;
	if (!socket)
		return NULL;
	memcpy(socket, started_as, (size_t)(at - started_as));
	strcpy(socket + (at - started_as), "/s");
	*session = socket;
	return at + strlen(BY_PATH);
}

static const char *base_name(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* A launcher's command: its path from the root on, empty when it is to be looked for on PATH. */
static const char *absolute(const char *path) {
	char cwd[PATH_MAX], *joined = NULL;
	if (*path == '/' || !strchr(path, '/'))
		return *path == '/' ? path : "";
	return getcwd(cwd, sizeof cwd) && asprintf(&joined, "%s/%s", cwd, path) > 0 ? joined : path;
}

int main(int argc, char **argv) {
	if (argc < 1) {
		gg_say("started without a name, so there is no tool to stand in for");
		return STATUS_NOT_FOUND;
	}
	char *path = getenv("GG_SESSION");
	const char *asked = asked_for(&path);
	if (!asked && argc > 1 && strcmp(base_name(argv[0]), LAUNCHER) == 0)
		asked = absolute(*++argv);
	const char *tool = base_name(asked && *asked ? asked : argv[0]);
	int session = path && *path ? gg_connect(path) : -1;
	if (session < 0)
		run_without_session(tool, asked, argv);

	static unsigned char space[65536];
	struct gg_out command = { .data = space, .cap = sizeof space };
	put_command(&command, tool, asked, argv);
	if (command.failed || !gg_send_all(session, command.data, command.len)) {
		close(session);
		run_without_session(tool, asked, argv);
	}
	if (command.heap)
		free(command.data);

	struct gg_in in;
	struct program program;
answer:
	switch (receive(session, &in)) {
	case GONE:
		close(session);
		run_without_session(tool, asked, argv);
	case MALFORMED:
		break;
	case RECEIVED:
		switch (gg_get_u8(&in)) {
		case ANSWER_PLACE:
			if (obey_place(session, &in))
				goto answer;
			break;
		case ANSWER_EXIT:
			obey_exit(&in);
			break;
		case ANSWER_EXEC:
			if (!get_program(&in, &program) || in.at != in.end)
				break;
			close(session);
			become_or_end(program.path, program.argv, program.env);
		case ANSWER_RUN: {
			bool capturing = get_program(&in, &program) && gg_get_u8(&in) == 1;
			if (in.bad || in.at != in.end)
				break;
			obey_run(session, tool, &program, capturing);
		}
		}
	}
	gg_say("the session's answer for %s cannot be understood; the real tool runs instead", tool);
	close(session);
	run_without_session(tool, asked, argv);
}
