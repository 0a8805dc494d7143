/*
 * gg-supervise: runs the build command, and sees every program that its processes start.
 *
 * A seccomp filter stops each execve of the build's process tree until this program has looked at the path. If it names a
 * compiler or another tool that gg knows, the shim starts in its place; anything else goes on untouched. So a tool is
 * caught however it is named, by whatever kind of program, and PATH stays as the user has it. Where the kernel, a
 * container or another supervisor refuses the filter, the wrappers go first on PATH instead, and the session is told.
 *
 * Where placeholders may stand it also sees what is opened, and holds whoever reads one until the session has made it real.
 *
 *   gg-supervise FOLDER SHIM WRAPPERS TREE WORDS OPENS PROGRAM ARGV0 ARG...
 *
 * Two processes: the one that was started waits for the build command's end and ends likewise. Its child starts the build
 * command, is the subreaper of all that comes of it, and serves as long as any of that lives: a notification that nobody
 * answers fails.
 *
 * To look at a file may take as long as some process of the build wants: behind a file system or a page of memory may be a
 * server that opens files itself, and waits for us to be let. So a look is made without the lock, and where one lasts, another
 * thread goes on in the place of the one that looks, which answers what it is at when it comes back, and then no more.
 */
#define _GNU_SOURCE
#include "gg-wire.h"

#include "gg-reader.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#define FORCE_AND_RUN "gg-force-and-run"
#define LINKS "/gg-by-path"

enum { FRAME_SUPERVISOR = 3, FRAME_UNCAUGHT = 4, FRAME_READ = 5, FRAME_PING = 7 };
enum { STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

/* What it was started with. */
static struct {
	const char *folder;   /* of the session: its socket `s` lies there */
	const char *shim;
	const char *wrappers; /* goes first on PATH where there is no filter; may be empty */
	const char *tree;     /* the project */
	char **words;         /* what a tool's name ends with */
	bool reading;         /* a placeholder may stand somewhere */
	const char *program;
	char **argv;
	int signals, status_pipe;
} with;

static int listener = -1, session = -1;
static pid_t build;
static bool build_has_ended;
static struct timespec started;
static char links[PATH_MAX]; /* FOLDER/gg-by-path/usr/bin/cc is the shim for /usr/bin/cc */

/* ---- looking at files ---- */

/* Guards all that follows; held but while waiting for something to do, and while looking at files. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned serving;               /* the thread that takes notifications, by number */
static _Thread_local unsigned thread;  /* this thread's */
static unsigned long looks;            /* odd: the thread that serves looks at a file */
enum { LOOK_MS = 200 };                /* how long before another one takes its place: no disk makes one wait so often */

static void begin_look(void) {
	looks += thread == serving;
	pthread_mutex_unlock(&lock);
}

static void end_look(void) {
	pthread_mutex_lock(&lock);
	looks += thread == serving;
}

/* ---- what the session is told ---- */

/* A session that is gone is noticed where its answers are awaited. */
static void send_frame(struct gg_out *o) {
	if (session >= 0 && (o->failed || !gg_send_all(session, o->data, o->len)))
		shutdown(session, SHUT_RDWR);
	free(o->data);
}

static void tell(uint8_t kind, const char *a, const char *b) {
	struct gg_out o = { 0 };
	size_t mark = gg_begin_frame(&o);
	gg_put_u8(&o, kind);
	gg_put_str(&o, a);
	gg_put_str(&o, b);
	gg_end_frame(&o, mark);
	send_frame(&o);
}

/* ---- which programs are caught ---- */

/* `-12`, `-12.2`: a version at the end of a name does not count. */
static size_t length_without_version(const char *name) {
	size_t len = strlen(name), at = len;
	while (at > 0 && ((name[at - 1] >= '0' && name[at - 1] <= '9') || name[at - 1] == '.'))
		at--;
	return at < len && at > 1 && name[at - 1] == '-' ? at - 1 : len;
}

/* A tool that the project describes itself, !WORD: wherever it lies, and even if the build has just made it. */
static bool is_described(const char *name) {
	for (char **w = with.words; *w; w++)
		if (**w == '!' && strcmp(name, *w + 1) == 0)
			return true;
	return false;
}

/* WORD or PREFIX-WORD, with or without a version, or the rest of =WORD or !WORD. `exact`: there is no prefix. */
static bool is_tool(const char *name, bool *exact) {
	static const char *const launchers[] = { "ccache-", "distcc-", "icecc-", "sccache-", "colorgcc-" };
	size_t len = length_without_version(name);
	for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
		if (strncmp(name, launchers[i], strlen(launchers[i])) == 0)
			return false;
	for (char **w = with.words; *w; w++) {
		if (**w == '=' || **w == '!') {
			if (strcmp(name, *w + 1) == 0)
				return *exact = true;
			continue;
		}
		size_t n = strlen(*w);
		if (n > len || strncmp(name + len - n, *w, n) != 0)
			continue;
		*exact = n == len;
		if (*exact || (len > n + 1 && name[len - n - 1] == '-'))
			return true;
	}
	return false;
}

static const char *base_name(const char *path) {
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Processes that a shim became or started: the tools themselves, by whatever name their executable goes. */
static struct known_tool {
	pid_t pid;
	uint64_t since;
} known_tools[256];

static bool is_script(const char *path) {
	char start[2] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool is = fd >= 0 && gg_read(fd, start, 2) == 2 && start[0] == '#' && start[1] == '!';
	if (fd >= 0)
		close(fd);
	return is;
}

/*
 * Is it started by a tool? What a compiler starts is part of its work. A shim starts the tool itself, but the children of one
 * that is a script are tools again. Another gg's spawner starts what that gg has to say about.
 */
static bool is_inside_a_tool(pid_t tid, bool script) {
	static size_t next;
	char exe[PATH_MAX];
	bool exact;
	pid_t self = getpid();
	for (pid_t pid = tid; pid > 1 && pid != self;) {
		struct lineage l = target_lineage(pid);
		for (size_t i = 0; i < sizeof known_tools / sizeof *known_tools; i++)
			if (known_tools[i].pid == pid && known_tools[i].since == l.since)
				return true;
		const char *name = target_link(pid, "exe", exe) ? base_name(exe) : "";
		if (strcmp(name, "gg-shim") == 0) {
			if (pid == tid && !script)
				known_tools[next++ % (sizeof known_tools / sizeof *known_tools)] = (struct known_tool){ pid, l.since };
			return true;
		}
		if (is_tool(name, &exact) || strcmp(name, "gg-spawner") == 0)
			return true;
		pid = l.parent;
	}
	return false;
}

/* Does it lie in a folder of the user's PATH? */
static bool is_on_path(const char *path) {
	const char *folders = getenv("PATH");
	size_t len = (size_t)(base_name(path) - path) - 1;
	for (const char *at = folders; at && *at; at += strcspn(at, ":"), at += *at == ':')
		if (strcspn(at, ":") == len && strncmp(at, path, len) == 0)
			return true;
	return false;
}

/* What the build itself has made is no part of the toolchain, wherever it was put: it may be made anew. */
static bool was_made_now(const struct stat *st) {
	return st->st_ctim.tv_sec > started.tv_sec ||
		(st->st_ctim.tv_sec == started.tv_sec && st->st_ctim.tv_nsec >= started.tv_nsec);
}

/* A tool within the project may be something else of the same name, unless it is on PATH or named like a compiler. */
static bool belongs_to_the_project(const char *path, bool exact) {
	size_t n = strlen(with.tree);
	const char *name = base_name(path);
	return strncmp(path, with.tree, n) == 0 && path[n] == '/' && !is_on_path(path) && exact &&
		strncmp(name, "gcc", 3) != 0 && strncmp(name, "g++", 3) != 0 && strncmp(name, "clang", 5) != 0;
}

/* The path as the process means it, absolute and without `..`. False: it is to be left alone. */
static bool absolute_path(pid_t tid, int folder, const char *path, char result[PATH_MAX]) {
	/* Below a folder of ours `..` would lead out of it. */
	if (*path == '/' && !strstr(path, "/../"))
		return strlen(path) < PATH_MAX && strcpy(result, path);
	char where[32] = "root", joined[2 * PATH_MAX];
	if (*path != '/' && folder == AT_FDCWD)
		strcpy(where, "cwd");
	else if (*path != '/')
		snprintf(where, sizeof where, "fd/%d", folder);
	if (!target_link(tid, where, result))
		return false;
	/* `..` after a link goes elsewhere than the text says. */
	int n = snprintf(joined, sizeof joined, "%s/%.*s", result, (int)(base_name(path) - path), path);
	if (n < 0 || (size_t)n >= sizeof joined || !realpath(joined, result))
		return false;
	size_t len = strlen(result);
	return (size_t)snprintf(result + len, PATH_MAX - len, "/%s", base_name(path)) < PATH_MAX - len;
}

/* Makes FOLDER/gg-by-path/PATH a link to the shim. */
static bool make_link(const char *path, char link[PATH_MAX]) {
	if ((size_t)snprintf(link, PATH_MAX, "%s%s", links, path) >= PATH_MAX)
		return false;
	if (symlink(with.shim, link) == 0 || errno == EEXIST)
		return true;
	for (char *at = link + strlen(with.folder) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		bool made = mkdir(link, 0700) == 0 || errno == EEXIST;
		*at = '/';
		if (!made)
			return false;
	}
	return symlink(with.shim, link) == 0 || errno == EEXIST;
}

/* ---- notifications ---- */

/* A table with twice the places, the new ones zero; false when there is no memory, and it stays as it is. */
static bool grow(void **table, size_t *places, size_t size) {
	size_t more = *places ? 2 * *places : 64;
	char *bigger = realloc(*table, more * size);
	if (!bigger)
		return false;
	memset(bigger + *places * size, 0, (more - *places) * size);
	*table = bigger;
	*places = more;
	return true;
}

/* Threads whose call was told to begin again: what they asked for, what they are to start, and where that was put. */
static struct moving {
	pid_t tid; /* 0: a free place */
	uint64_t original, at;
	char *link; /* NULL: it is to go on as it was */
	unsigned tries;
} *moving;
static size_t movings;

static struct moving *find_moving(pid_t tid) {
	for (size_t i = 0; i < movings; i++)
		if (moving[i].tid == tid)
			return &moving[i];
	return NULL;
}

/* The place for a thread that is about to begin again; NULL when there is no memory. */
static struct moving *place_for(pid_t tid, const char *link) {
	struct moving *m = find_moving(tid);
	char *copy = link ? strdup(link) : NULL;
	if (!m)
		m = find_moving(0);
	if (!m && grow((void **)&moving, &movings, sizeof *moving))
		m = find_moving(0);
	if (!m || (link && !copy)) {
		free(copy);
		return NULL;
	}
	free(m->link);
	*m = (struct moving){ .tid = tid, .link = copy, .tries = m->tid == tid ? m->tries + 1 : 1 };
	return m;
}

static void forget_moving(struct moving *m) {
	free(m->link);
	*m = (struct moving){ 0 };
}

/*
 * A call has begun again. True: it goes on as it is. Else `address` and `path` are what was asked for at first, since a
 * signal handler has run on the stack meanwhile and another path has come; or the thread asks for something else.
 */
static bool has_arrived(struct moving *m, uint64_t *address, char path[PATH_MAX]) {
	if (!m->link)
		return *address == m->original;
	if (*address != m->at || strcmp(path, m->link) == 0)
		return *address == m->at;
	*address = m->original;
	return !target_string(m->tid, m->original, path);
}

/* The link to start for this path; false when it is to be started itself. */
static bool chosen_link(pid_t tid, int folder, const char *path, char link[PATH_MAX]) {
	char full[PATH_MAX];
	struct stat st;
	bool exact;
	const char *name = base_name(path);
	if (strcmp(name, FORCE_AND_RUN) == 0) /* a placeholder that is started: it need not be on PATH */
		return make_link("/" FORCE_AND_RUN, link);
	if (!is_tool(name, &exact))
		return false;
	begin_look();
	bool starts = absolute_path(tid, folder, path, full) && stat(full, &st) == 0 && S_ISREG(st.st_mode) &&
		access(full, X_OK) == 0, script = starts && is_script(full);
	end_look();
	if (!starts || (!is_described(name) && (was_made_now(&st) || belongs_to_the_project(full, exact))))
		return false;
	return !is_inside_a_tool(tid, script) && target_shares_our_view(tid) && make_link(full, link);
}

/* True when the call begins again, and this notification is answered. */
static bool redirect(const struct seccomp_notif *n) {
	bool at_folder = n->data.nr == SYS_execveat;
	int argument = at_folder ? 1 : 0, folder = at_folder ? (int)n->data.args[0] : AT_FDCWD;
	uint64_t address = n->data.args[argument];
	pid_t tid = (pid_t)n->pid;
	char path[PATH_MAX], link[PATH_MAX];
	if (build_has_ended || (at_folder && n->data.args[4] != 0))
		return false;
	begin_look();
	bool readable = target_string(tid, address, path);
	end_look();
	if (!readable)
		return false;
	struct moving *m = find_moving(tid);
	if (m && has_arrived(m, &address, path)) {
		forget_moving(m);
		return false;
	}
	bool was_moved = address != n->data.args[argument];
	if (m && !was_moved)
		forget_moving(m);
	/* One that is interrupted always just then would never start. */
	bool is_late = m && m->tries == 16;
	if (is_late)
		tell(FRAME_UNCAUGHT, path, "signals interrupt it again and again");
	bool moves = !is_late && chosen_link(tid, folder, path, link);
	if ((!moves && !was_moved) || !(m = place_for(tid, moves ? link : NULL)))
		return false;
	m->original = m->at = address;
	switch (restart_with(listener, n, argument, m->link, &m->at)) {
	case MOVED:
		return true;
	case UNMOVED:
		free(m->link);
		m->link = NULL;
		tell(FRAME_UNCAUGHT, path, "its memory cannot be written to");
		return true;
	case GONE:
		forget_moving(m);
		return true;
	case REFUSED:
		tell(FRAME_UNCAUGHT, path, strerror(errno));
		forget_moving(m);
	}
	return false;
}

/* error 0: the call goes on. */
static void reply(uint64_t id, int error) {
	struct seccomp_notif_resp r = { .id = id, .error = -error, .flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE };
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r); /* it may have been killed meanwhile */
}

/* Calls that wait for the session; a free place has id 0. */
static struct held {
	uint64_t id;
	uint32_t ticket;
	bool overwrites;
	char *path; /* from here */
} *held;
static size_t holds;

/*
 * The real file is there (error 0), or there is none to be had. Then to read the placeholder's text in its place would be
 * the worst of all; who overwrites it loses no more than the mode.
 */
static void release(struct held *h, int error) {
	reply(h->id, h->overwrites ? 0 : error);
	free(h->path);
	*h = (struct held){ 0 };
}

/* A program of the project may have the name of one that we know, and do something else. */
static bool is_of_the_project(pid_t tid, const char *exe) {
	char path[64];
	struct stat st;
	size_t n = strlen(with.tree);
	snprintf(path, sizeof path, "/proc/%d/exe", (int)tid);
	return (strncmp(exe, with.tree, n) == 0 && exe[n] == '/') || stat(path, &st) < 0 || was_made_now(&st);
}

/* Programs that do not care whether it is a placeholder. */
static bool is_indifferent(pid_t tid, const struct named *is) {
	char exe[PATH_MAX], name[PATH_MAX];
	return target_link(tid, "exe", exe) && called_name(tid, exe, name) && makes_nothing_of_it(name, is) &&
		!is_of_the_project(tid, exe);
}

/* What a call takes the content of: a placeholder? Then `here` is a path to it for us, and `real` for the session. */
static bool takes_placeholder(const struct seccomp_notif *n, struct named *is, char here[PATH_MAX], char real[PATH_MAX]) {
	char path[PATH_MAX];
	pid_t tid = (pid_t)n->pid;
	if (!names_content(n, is) || !target_string(tid, n->data.args[is->path], path) ||
		!path_from_here(tid, is, path, here) || !stands_a_placeholder(here) || is_indifferent(tid, is))
		return false;
	/* Elsewhere a path of ours leads to another file. */
	if (!target_has_our_mounts(tid))
		return strcpy(real, here);
	return realpath(here, real);
}

/* Holds a call that takes the content of a placeholder, and asks the session for the real file. */
static bool hold(const struct seccomp_notif *n) {
	char here[PATH_MAX], real[PATH_MAX];
	struct named is;
	/* What stands when the session has ended is for `gg force`. */
	if (build_has_ended && session < 0)
		return false;
	begin_look();
	bool takes = takes_placeholder(n, &is, here, real);
	end_look();
	if (!takes)
		return false;
	static uint32_t tickets;
	struct held call = { .id = n->id, .ticket = ++tickets, .overwrites = is.overwrites, .path = strdup(here) };
	size_t at = 0;
	while (at < holds && held[at].id)
		at++;
	if (session < 0 || !call.path || (at == holds && !grow((void **)&held, &holds, sizeof *held))) {
		release(&call, EIO);
		return true;
	}
	held[at] = call;
	struct gg_out o = { 0 };
	size_t mark = gg_begin_frame(&o);
	gg_put_u8(&o, FRAME_READ);
	gg_put_u32(&o, call.ticket);
	gg_put_str(&o, real);
	gg_end_frame(&o, mark);
	send_frame(&o);
	return true;
}

/* It may have put the files there and gone before it could say so. */
static void lose_session(void) {
	close(session);
	session = -1;
	for (size_t i = 0; i < holds; i++) {
		if (!held[i].id)
			continue;
		char path[PATH_MAX];
		strcpy(path, held[i].path);
		begin_look();
		bool stands = stands_a_placeholder(path);
		end_look();
		if (held[i].id)
			release(&held[i], stands ? EIO : 0);
	}
}

/* Turns of LOOK_MS since it said something, while calls are held; after how many it is asked to, and given up. */
static unsigned silence;
enum { PING_TURNS = 25, SILENT_TURNS = 150 };

/* What the session answers: { u32 9, u8 kind, u32 ticket, u32 errno }. */
static void hear(void) {
	static unsigned char frame[13];
	static size_t have;
	ssize_t n = recv(session, frame + have, sizeof frame - have, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose_session();
		return;
	}
	have += (size_t)n;
	if (have < sizeof frame)
		return;
	have = 0;
	silence = 0;
	for (size_t i = 0; i < holds; i++)
		if (held[i].id && held[i].ticket == gg_load(frame + 5, 4))
			release(&held[i], (int)gg_load(frame + 9, 4));
}

/* A session that looks at a file which a held process serves would wait for ever, and that process with it. */
static void listen_for_life(void) {
	size_t at = 0;
	while (at < holds && !held[at].id)
		at++;
	if (at == holds)
		silence = 0;
	else if (++silence > SILENT_TURNS) {
		for (; at < holds; at++)
			if (held[at].id)
				release(&held[at], EIO);
	} else if (silence % PING_TURNS == 0)
		tell(FRAME_PING, "", "");
}

/* False when nobody calls. */
static bool answer(void) {
	struct seccomp_notif n = { 0 };
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return false; /* interrupted or killed meanwhile */
	as_ours(&n);
	bool starts = n.data.nr == SYS_execve || n.data.nr == SYS_execveat;
	if (!(starts && redirect(&n)) && !(with.reading && hold(&n)))
		reply(n.id, 0);
	return true;
}

/* ---- the build command ---- */

/* PATH with the wrappers first, where programs cannot be caught otherwise. */
static void put_wrappers_on_path(void) {
	const char *path = getenv("PATH");
	char *text = malloc(strlen(with.wrappers) + (path ? strlen(path) : 0) + 2);
	if (!text)
		return;
	sprintf(text, "%s%s%s", with.wrappers, path ? ":" : "", path ? path : "");
	setenv("PATH", text, 1);
	char launcher[PATH_MAX];
	if ((size_t)snprintf(launcher, sizeof launcher, "%s/gg-cc", with.folder) < sizeof launcher &&
		symlink(with.shim, launcher) < 0 && errno != EEXIST)
		gg_say("cannot make %s: %s", launcher, strerror(errno));
}

/* As execvp does. */
static void become_shell(void) {
	size_t count = 0;
	while (with.argv[count])
		count++;
	char **shell = calloc(count + 2, sizeof *shell);
	if (!shell)
		return;
	shell[0] = "/bin/sh";
	shell[1] = (char *)with.program;
	for (size_t i = 1; i < count; i++)
		shell[i + 1] = with.argv[i];
	execv(shell[0], shell);
	errno = ENOEXEC;
}

/* In the build command's process. Says 0, or why there is no filter, and hands its listener over; then becomes the command. */
static _Noreturn void become_build(int channel, const sigset_t *mask, int status_pipe) {
	char go;
	if (gg_read(channel, &go, 1) != 1)
		_exit(STATUS_CANNOT_RUN);
	int error = go ? 0 : EPERM, fd = -1;
	if (!error && (fd = install_filter(with.reading)) < 0 && errno == EACCES) {
		/* An ordinary user may have a filter only where no program that is started gains privileges. */
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		fd = install_filter(with.reading);
	}
	if (!error && fd < 0)
		error = errno;
	char space[CMSG_SPACE(sizeof fd)] = { 0 };
	struct iovec bytes = { &error, sizeof error };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1 };
	if (fd >= 0) {
		m.msg_control = space;
		m.msg_controllen = sizeof space;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	if (sendmsg(channel, &m, 0) < 0)
		_exit(STATUS_CANNOT_RUN);
	close(channel);
	if (fd >= 0)
		close(fd);
	else
		put_wrappers_on_path();
	sigprocmask(SIG_SETMASK, mask, NULL);
	execv(with.program, with.argv);
	if (errno == ENOEXEC) /* a script that names no interpreter, which a shell would start */
		become_shell();
	int failed[2] = { 0, errno };
	gg_write_all(status_pipe, failed, sizeof failed);
	_exit(failed[1] == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

static int receive_listener(int channel, int *error) {
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec bytes = { error, sizeof *error };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
	int fd = -1;
	*error = ECHILD;
	if (recvmsg(channel, &m, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return gg_above_stdio(fd);
}

static void start_build(const sigset_t *mask, int status_pipe) {
	int channel[2], error;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		_exit(STATUS_CANNOT_RUN);
	int ours = gg_above_stdio(channel[0]), theirs = gg_above_stdio(channel[1]);
	clock_gettime(CLOCK_REALTIME_COARSE, &started);
	build = fork();
	if (build < 0)
		_exit(STATUS_CANNOT_RUN);
	if (build == 0) {
		close(ours);
		become_build(theirs, mask, status_pipe);
	}
	close(theirs);
	char go = session >= 0 && target_can_be_traced(build);
	gg_write_all(ours, &go, 1);
	listener = receive_listener(ours, &error);
	close(ours);
	if (listener >= 0) {
		/* The two take turns, so the woken one had better run here. */
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
		tell(FRAME_SUPERVISOR, "", "");
	} else {
		tell(FRAME_SUPERVISOR, go ? "seccomp" : "ptrace", strerror(error));
	}
}

/* Those who go on and ask again must not keep the build from ending. */
enum { MOST_ASKED = 4096 };

/* Reaps what has ended; the build command's status goes to the process that waits for it. False when nobody is left. */
static bool reap(int *status_pipe) {
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		/* Its pid may be another's later. */
		if (pid != build || build_has_ended)
			continue;
		/* Who asked before it ended is waited for. */
		for (int i = 0; i < MOST_ASKED && poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 0) > 0; i++)
			if (!answer())
				break;
		build_has_ended = true;
		int ended[2] = { status, 0 };
		gg_write_all(*status_pipe, ended, sizeof ended);
		close(*status_pipe);
		/* Whoever reads what the build wrote must not wait for us. */
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; fd <= 2 && null >= 0; fd++)
			dup2(null, fd);
	}
	return pid >= 0;
}

/* Does what there is to do, until another thread has taken the place of this one. */
static void serve(void) {
	while (thread == serving) {
		struct pollfd ready[3] = { { .fd = listener, .events = POLLIN }, { .fd = with.signals, .events = POLLIN },
			{ .fd = session, .events = POLLIN } };
		pthread_mutex_unlock(&lock);
		int some = poll(ready, 3, -1);
		pthread_mutex_lock(&lock);
		if (some < 0)
			continue;
		if (ready[2].revents)
			hear();
		if (ready[1].revents) {
			struct signalfd_siginfo info;
			if (read(with.signals, &info, sizeof info) != sizeof info)
				continue;
			if (info.ssi_signo != SIGCHLD && !build_has_ended)
				kill(build, (int)info.ssi_signo);
			if (!reap(&with.status_pipe))
				_exit(0);
		}
		if (ready[0].revents & POLLIN) {
			answer();
		} else if (ready[0].revents) { /* no process has the filter any more */
			close(listener);
			listener = -1;
		}
	}
	pthread_mutex_unlock(&lock);
}

static void watch(void);

/* Takes the place of the thread that serves once that looks at a file for too long; there is no such look without a session. */
static void *stand_by(void *unused) {
	unsigned long seen = 0;
	(void)unused;
	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000 }, NULL);
		pthread_mutex_lock(&lock);
		if (build_has_ended && session < 0 && looks % 2 == 0)
			break;
		listen_for_life();
		if (looks % 2 == 1 && looks == seen) {
			thread = ++serving;
			looks++;
			watch();
			serve();
			return NULL;
		}
		seen = looks;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Without memory for another thread all is done by this one. */
static void watch(void) {
	pthread_t other;
	if (pthread_create(&other, NULL, stand_by, NULL) == 0)
		pthread_detach(other);
}

static _Noreturn void supervise(const sigset_t *mask, int signals, int status_pipe) {
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	char path[PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/s", with.folder) < sizeof path)
		session = gg_connect(path);
	start_build(mask, status_pipe);
	with.signals = signals;
	with.status_pipe = status_pipe;
	pthread_mutex_lock(&lock);
	watch();
	serve();
	for (;;) /* other threads go on, and this process is known by this one */
		pause();
}

/* ---- the process that was started ---- */

static _Noreturn void end_as(int status) {
	if (WIFSIGNALED(status)) {
		sigset_t only;
		sigemptyset(&only);
		sigaddset(&only, WTERMSIG(status));
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
		sigprocmask(SIG_UNBLOCK, &only, NULL);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static _Noreturn void wait_for_end(pid_t supervisor, int status_pipe, int signals) {
	for (;;) {
		struct pollfd ready[2] = { { .fd = status_pipe, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
		if (poll(ready, 2, -1) < 0)
			continue;
		if (ready[0].revents) {
			int ended[2];
			if (gg_read(status_pipe, ended, sizeof ended) != (ssize_t)sizeof ended) {
				gg_say("the supervisor of the build was killed, and no program of the build can start any more");
				_exit(STATUS_CANNOT_RUN);
			}
			if (ended[1] == 0)
				end_as(ended[0]);
			gg_say("cannot start %s: %s", with.program, strerror(ended[1]));
			_exit(1);
		}
		struct signalfd_siginfo info;
		if (ready[1].revents && read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD)
			kill(supervisor, (int)info.ssi_signo);
	}
}

static char **split(char *text) {
	size_t count = 1;
	for (char *at = text; *at; at++)
		count += *at == ',';
	char **list = calloc(count + 1, sizeof *list);
	for (size_t i = 0; list && i < count; i++)
		list[i] = strsep(&text, ",");
	return list;
}

int main(int argc, char **argv) {
	if (argc < 9) {
		gg_say("gg-supervise is started by gg");
		return 2;
	}
	with.folder = argv[1];
	with.shim = argv[2];
	with.wrappers = argv[3];
	with.tree = argv[4];
	with.words = split(argv[5]);
	with.reading = strcmp(argv[6], "opens") == 0;
	with.program = argv[7];
	with.argv = argv + 8;
	int ends[2];
	if (!with.words || (size_t)snprintf(links, sizeof links, "%s" LINKS, with.folder) >= sizeof links ||
		pipe2(ends, O_CLOEXEC) < 0) {
		gg_say("cannot supervise the build: %s", strerror(errno));
		return STATUS_CANNOT_RUN;
	}
	int from = gg_above_stdio(ends[0]), to = gg_above_stdio(ends[1]);
	/* What the terminal sends reaches the build by itself, and what it makes of it decides. */
	sigset_t ours, mask;
	sigemptyset(&ours);
	static const int taken[] = { SIGCHLD, SIGTERM, SIGHUP };
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		sigaddset(&ours, taken[i]);
	sigset_t blocked = ours;
	static const int not_ours[] = { SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM };
	for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
		sigaddset(&blocked, not_ours[i]);
	sigprocmask(SIG_BLOCK, &blocked, &mask);
	signal(SIGCHLD, SIG_DFL);
	int signals = gg_above_stdio(signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK));
	pid_t supervisor = fork();
	if (supervisor < 0 || signals < 0) {
		gg_say("cannot supervise the build: %s", strerror(errno));
		return STATUS_CANNOT_RUN;
	}
	if (supervisor == 0) {
		close(from);
		supervise(&mask, signals, to);
	}
	close(to);
	wait_for_end(supervisor, from, signals);
}
