/*
 * What gg-supervise does to a process that waits at a notification: reads its memory, asks /proc about it, and has its
 * execve begin again with another path.
 */
#ifndef GG_TARGET_H
#define GG_TARGET_H

#include "gg-wire.h"

#include <elf.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

/* What a system call ends with inside the kernel that is to begin again, whatever handlers there are. */
#define RESTART_NO_INTR 513

#if defined(__x86_64__)
#define GG_ARCH AUDIT_ARCH_X86_64
#define GG_COMPAT_ARCH AUDIT_ARCH_I386
#define GG_RED_ZONE 128
#elif defined(__aarch64__)
#define GG_ARCH AUDIT_ARCH_AARCH64
#define GG_RED_ZONE 0
#endif

/* ---- memory ---- */

/* Reads a string of at most PATH_MAX bytes, its NUL included; false when it cannot be read or is longer. */
static inline bool target_string(pid_t tid, uint64_t address, char text[PATH_MAX]) {
	size_t have = 0;
	while (have < PATH_MAX) {
		/* To the end of the page: what lies behind it may not be mapped. */
		size_t len = 4096 - (size_t)((address + have) & 4095);
		if (len > PATH_MAX - have)
			len = PATH_MAX - have;
		struct iovec here = { text + have, len }, there = { (void *)(uintptr_t)(address + have), len };
		ssize_t n = process_vm_readv(tid, &here, 1, &there, 1, 0);
		if (n <= 0)
			return false;
		if (memchr(text + have, 0, (size_t)n))
			return true;
		have += (size_t)n;
	}
	return false;
}

/* ---- /proc ---- */

/* What the link /proc/PID/NAME says. */
static inline bool target_link(pid_t pid, const char *name, char text[PATH_MAX]) {
	char link[64];
	snprintf(link, sizeof link, "/proc/%d/%s", (int)pid, name);
	ssize_t n = readlink(link, text, PATH_MAX - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	return true;
}

/* Of /proc/PID/stat: the parent, and when it started, which with the pid names the process for good. */
struct lineage {
	pid_t parent; /* 0: not known */
	uint64_t since;
};

static inline struct lineage target_lineage(pid_t pid) {
	struct lineage l = { 0 };
	char text[1024];
	snprintf(text, sizeof text, "/proc/%d/stat", (int)pid);
	int fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return l;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	/* The second field is the name in parentheses, and may hold anything; the third is one letter. */
	char *at = strrchr(text, ')');
	if (!at || !at[1] || !at[2])
		return l;
	at += 4;
	l.parent = (pid_t)atoi(at);
	for (int field = 4; field < 22 && at; field++)
		if ((at = strchr(at, ' ')))
			at++;
	l.since = at ? strtoull(at, NULL, 10) : 0;
	return l;
}

/* Does the same path from the root of all lead to the same file? */
static inline bool target_has_our_mounts(pid_t tid) {
	char theirs[PATH_MAX], ours[PATH_MAX];
	return target_link(tid, "ns/mnt", theirs) && target_link(getpid(), "ns/mnt", ours) && strcmp(theirs, ours) == 0;
}

/* Does a path mean the same file for this process as for us, and may it go where we may? */
static inline bool target_shares_our_view(pid_t tid) {
	char path[64];
	struct stat own, root, process;
	snprintf(path, sizeof path, "/proc/%d/root", (int)tid);
	if (stat("/", &own) < 0 || stat(path, &root) < 0 || own.st_dev != root.st_dev || own.st_ino != root.st_ino)
		return false;
	snprintf(path, sizeof path, "/proc/%d", (int)tid);
	return stat(path, &process) == 0 && process.st_uid == geteuid() && target_has_our_mounts(tid);
}

/* ---- another path ---- */

/* Takes no status away: if it is killed instead, that is for whoever reaps it, who may have to hand it on. */
static inline bool wait_until_stopped(pid_t tid) {
	siginfo_t info = { 0 };
	while (waitid(P_PID, (id_t)tid, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0)
		if (errno != EINTR)
			return false;
	return info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED;
}

/* Attaches to a thread and detaches again: false where that is refused (Yama, a container, another tracer). */
static inline bool target_can_be_traced(pid_t tid) {
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return false;
	bool stopped = ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) == 0 && wait_until_stopped(tid);
	return ptrace(PTRACE_DETACH, tid, NULL, NULL) == 0 && stopped;
}

#if defined(__x86_64__) || defined(__aarch64__)
/*
 * With the thread stopped on its way out of the call: puts the string below its stack, and its address into `argument`;
 * without a string, the address `as_it_was`. Returns that address, 0 when it cannot. `compat`: the call was one of a 32-bit program.
 */
static inline uint64_t put_path(pid_t tid, bool compat, int argument, const char *text, uint64_t as_it_was) {
#if defined(__x86_64__)
	struct user_regs_struct regs;
	/* Not GETREGSET: that has another form for a 32-bit program. */
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
		return 0;
	unsigned long long *slot = argument == 0 ? &regs.rdi : &regs.rsi;
	if (compat)
		slot = argument == 0 ? &regs.rbx : &regs.rcx;
	uint64_t stack = regs.rsp;
	long long result = compat ? (int)regs.rax : (long long)regs.rax;
	/* It ended with one of the codes that begin a call again; else it is not where we think. */
	if (result > -512 || result < -516)
		return 0;
#else
	(void)compat;
	struct user_pt_regs regs;
	struct iovec all = { &regs, sizeof regs };
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &all) < 0)
		return 0;
	unsigned long long *slot = &regs.regs[argument];
	uint64_t stack = regs.sp;
#endif
	size_t len = text ? strlen(text) + 1 : 0;
	uint64_t at = text ? (stack - GG_RED_ZONE - len) & ~(uint64_t)15 : as_it_was;
	if (compat && at >> 32) /* a 64-bit program that makes calls as 32-bit ones do */
		return 0;
	struct iovec here = { (void *)(uintptr_t)text, len }, there = { (void *)(uintptr_t)at, len };
	if (text && process_vm_writev(tid, &here, 1, &there, 1, 0) != (ssize_t)len)
		return 0;
	*slot = at;
#if defined(__x86_64__)
	return ptrace(PTRACE_SETREGS, tid, NULL, &regs) < 0 ? 0 : at;
#else
	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &all) < 0 ? 0 : at;
#endif
}

enum moved { MOVED, UNMOVED, REFUSED, GONE };

/* Does the thread still wait for the answer? Else its number may be another's by now. */
static inline bool is_waiting(int listener, uint64_t id) {
	int saved = errno;
	bool waits = ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
	errno = saved;
	return waits;
}

/*
 * Has a notified execve begin again with another path, whose address it sets; without one, at the address `*at`. UNMOVED: the notification comes again as it
 * was. REFUSED: nothing was done, and the caller is to answer this one. GONE: it was killed meanwhile.
 *
 * Nothing that the program can see is written to: below the stack (and its red zone) nobody keeps anything. The path
 * itself must stay: argv[0] is often the same bytes, and after vfork the memory is the parent's, too.
 */
static inline enum moved restart_with(int listener, const struct seccomp_notif *n, int argument, const char *text,
	uint64_t *at) {
	pid_t tid = (pid_t)n->pid;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return is_waiting(listener, n->id) ? REFUSED : GONE;
	/* From here on the number is this thread's. Linux before 5.19 takes the notification away at the interrupt. */
	bool is_it = is_waiting(listener, n->id);
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
		return GONE;
	/*
	 * It sleeps where only a fatal signal wakes it. This answer does, and what was asked for above stops it on its way out:
	 * the kernel never shows this code to a program that has a signal, or a stop, pending.
	 */
	struct seccomp_notif_resp again = { .id = n->id, .error = -RESTART_NO_INTR };
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &again);
	bool stopped = wait_until_stopped(tid);
	*at = stopped && is_it ? put_path(tid, n->data.arch != GG_ARCH, argument, text, *at) : 0;
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return *at ? MOVED : stopped && is_it ? UNMOVED : GONE;
}
#endif

/* ---- 32-bit programs ---- */

#if defined(GG_COMPAT_ARCH)
/* Numbers of the calls that 32-bit programs make (asm/unistd_32.h), and the calls of ours that take the same arguments. */
static const struct {
	int nr, ours;
	bool opens; /* asked about only where placeholders are looked for */
} compat_calls[] = {
	{ 11, SYS_execve, false },   { 358, SYS_execveat, false }, { 5, SYS_open, true },    { 295, SYS_openat, true },
	{ 437, SYS_openat2, true },  { 92, SYS_truncate, true },   { 193, SYS_truncate, true }, { 106, SYS_stat, true },
	{ 107, SYS_lstat, true },    { 195, SYS_stat, true },      { 196, SYS_lstat, true }, { 300, SYS_newfstatat, true },
	{ 383, SYS_statx, true },
};
#define COMPAT_CALLS (sizeof compat_calls / sizeof *compat_calls)
#define COMPAT_TRUNCATE64 193

/* A notification of a 32-bit program's call, as though it were one of ours. Its `arch` still tells. */
static inline void as_ours(struct seccomp_notif *n) {
	if (n->data.arch != GG_COMPAT_ARCH)
		return;
	if (n->data.nr == COMPAT_TRUNCATE64) /* a length in two halves */
		n->data.args[1] |= n->data.args[2] << 32;
	for (size_t i = 0; i < COMPAT_CALLS; i++)
		if (n->data.nr == compat_calls[i].nr) {
			n->data.nr = compat_calls[i].ours;
			return;
		}
}
#else
static inline void as_ours(struct seccomp_notif *n) { (void)n; }
#endif

/* ---- the filter ---- */

#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n)) /* its low half: both machines are little-endian */
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define ASK BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
#define NONE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_CALL(nr, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, skip)
/* Asks about a call of this number unless its flags say that the content that is there does not matter. */
#define ASK_UNLESS(nr, argument, flags)                          \
	IF_CALL(nr, 4), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(argument)), \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1), ALLOW, ASK

/* Neither about one that opens no content, nor about one that makes a file where there is none. */
#define ASK_ABOUT_OPEN(nr, argument)                                                                     \
	IF_CALL(nr, 7), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(argument)),                              \
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECTORY, 0, 1), ALLOW,                                  \
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_CREAT | O_EXCL),                                           \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_CREAT | O_EXCL, 0, 1), ALLOW, ASK

/*
 * Installs the filter in this thread and returns its listener; -1 with errno set. Descendants inherit it. `reading`: it
 * asks about what is opened, too.
 */
static inline int install_filter(bool reading) {
#if defined(__x86_64__) || defined(__aarch64__)
	struct sock_filter starts[] = {
		LOAD(nr), IF_CALL(SYS_execve, 1), ASK, IF_CALL(SYS_execveat, 1), ASK,
	};
	struct sock_filter opens[] = {
		ASK_ABOUT_OPEN(SYS_openat, 2),
#ifdef SYS_open
		ASK_ABOUT_OPEN(SYS_open, 1),
#endif
		IF_CALL(SYS_openat2, 1), ASK,
		IF_CALL(SYS_truncate, 1), ASK,
		ASK_UNLESS(SYS_newfstatat, 3, AT_EMPTY_PATH),
		ASK_UNLESS(SYS_statx, 2, AT_EMPTY_PATH),
#ifdef SYS_stat
		IF_CALL(SYS_stat, 1), ASK,
		IF_CALL(SYS_lstat, 1), ASK,
#endif
		/* It would open files without a call. Programs do without where a kernel or a container has none. */
		IF_CALL(SYS_io_uring_setup, 1), NONE,
	};
	size_t count_starts = sizeof starts / sizeof *starts, count_opens = reading ? sizeof opens / sizeof *opens : 0;
	struct sock_filter program[128], *end = program;
	*end++ = (struct sock_filter)LOAD(arch);
	*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GG_ARCH, 0, (unsigned char)(count_starts + count_opens + 1));
	memcpy(end, starts, sizeof starts);
	end += count_starts;
	memcpy(end, opens, count_opens * sizeof *opens);
	end += count_opens;
	*end++ = (struct sock_filter)ALLOW;
#if defined(GG_COMPAT_ARCH)
	*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GG_COMPAT_ARCH, 1, 0);
	*end++ = (struct sock_filter)ALLOW;
	*end++ = (struct sock_filter)LOAD(nr);
	for (size_t i = 0; i < COMPAT_CALLS; i++)
		if (reading || !compat_calls[i].opens) {
			*end++ = (struct sock_filter)IF_CALL((unsigned)compat_calls[i].nr, 1);
			*end++ = (struct sock_filter)ASK;
		}
	if (reading) {
		*end++ = (struct sock_filter)IF_CALL(SYS_io_uring_setup, 1); /* one of the numbers that all machines share */
		*end++ = (struct sock_filter)NONE;
	}
#endif
	*end++ = (struct sock_filter)ALLOW;
	struct sock_fprog filter = { .len = (unsigned short)(end - program), .filter = program };
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &filter);
	if (fd < 0 && errno == EINVAL) /* Linux before 5.19: a signal may interrupt the wait, and the call begins again */
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
	return gg_above_stdio((int)fd);
#else
	(void)reading;
	errno = ENOSYS;
	return -1;
#endif
}

#endif
