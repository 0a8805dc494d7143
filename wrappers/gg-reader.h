/*
 * What gg-supervise does about a process that is about to open a file: if that is a placeholder, the call waits until the
 * session has put the real file there.
 */
#ifndef GG_READER_H
#define GG_READER_H

#include "gg-target.h"

#include <linux/openat2.h>

/* No placeholder is longer (src/thunk/placeholder.ts). */
#define PLACEHOLDER_MAX 256

/* Is there a placeholder at this path (links followed)? Other files are told by their size. */
static inline bool stands_a_placeholder(const char *path) {
	static const char *const starts[] = { "#!/usr/bin/env gg-force-and-run\n", "OUTPUT_FORMAT(\"elf64-x86-64\")/*\n" };
	char text[64];
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 32 || st.st_size > PLACEHOLDER_MAX)
		return false;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = gg_read(fd, text, sizeof text);
	close(fd);
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (n >= (ssize_t)strlen(starts[i]) && memcmp(text, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

/* Which argument of a call is a path, and to which folder's descriptor it is relative. */
struct named {
	int path;
	int folder; /* AT_FDCWD too */
	bool within; /* an absolute path begins at that folder */
	bool asks_size;
	bool overwrites; /* nothing but mode and links of what is there will stay */
};

/* False when what is there does not matter to the call: it opens a new file, or none. */
static inline bool names_content(const struct seccomp_notif *n, struct named *is) {
	const __u64 *args = n->data.args;
	uint64_t flags = 0;
	*is = (struct named){ .path = 1, .folder = (int)args[0] };
	switch (n->data.nr) {
	case SYS_openat:
		flags = args[2];
		break;
	case SYS_openat2: {
		struct open_how how;
		struct iovec here = { &how, sizeof how }, there = { (void *)(uintptr_t)args[2], sizeof how };
		if (process_vm_readv((pid_t)n->pid, &here, 1, &there, 1, 0) != sizeof how)
			return false;
		flags = how.flags;
		is->within = (how.resolve & RESOLVE_IN_ROOT) != 0;
		break;
	}
#ifdef SYS_open
	case SYS_open:
		*is = (struct named){ .path = 0, .folder = AT_FDCWD };
		flags = args[1];
		break;
#endif
	case SYS_truncate:
		*is = (struct named){ .path = 0, .folder = AT_FDCWD };
		is->overwrites = args[1] == 0;
		break;
	case SYS_execve:
		*is = (struct named){ .path = 0, .folder = AT_FDCWD };
		break;
	case SYS_newfstatat:
	case SYS_statx:
		is->asks_size = true;
		break;
#ifdef SYS_stat
	case SYS_stat:
	case SYS_lstat:
		*is = (struct named){ .path = 0, .folder = AT_FDCWD, .asks_size = true };
		break;
#endif
	case SYS_execveat:
		break;
	default:
		return false;
	}
	is->overwrites |= (flags & O_TRUNC) != 0;
	/* What is opened for its path only may be measured, and opened again below /proc/self/fd. */
	return !(flags & O_DIRECTORY) && !((flags & O_CREAT) && (flags & O_EXCL));
}

static inline bool is_one_of(const char *name, const char *const *list) {
	while (*list && strcmp(name, *list) != 0)
		list++;
	return *list != NULL;
}

/*
 * The name that a program goes by. One file may be many programs, and then goes by the name that it is called:
 * `stat`, or `busybox stat`.
 */
static inline bool called_name(pid_t tid, const char *exe, char name[PATH_MAX]) {
	static const char *const many[] = { "busybox", "coreutils", "toybox", NULL };
	char words[PATH_MAX];
	const char *slash = strrchr(exe, '/');
	strcpy(name, slash ? slash + 1 : exe);
	if (!is_one_of(name, many))
		return true;
	snprintf(words, sizeof words, "/proc/%d/cmdline", (int)tid);
	int fd = open(words, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : gg_read(fd, words, sizeof words - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	words[n] = 0;
	slash = strrchr(words, '/');
	strcpy(name, slash ? slash + 1 : words);
	if (is_one_of(name, many))
		strcpy(name, words + strlen(words) + (strlen(words) < (size_t)n));
	return true;
}

/*
 * Programs that ask for a file's times, kind or being there, and make nothing of its size: to force for them would be to
 * defer nothing. What they read, they open. touch opens for writing and writes nothing.
 */
static inline bool makes_nothing_of_it(const char *name, const struct named *is) {
	static const char *const sizes[] = { "make", "gmake", "remake", "ninja", "ninja-build", "samu", "sh", "ash", "bash",
		"dash", "hush", "ksh", "ksh93", "mksh", "yash", "zsh", "[", "test", "chmod", "ln", "mkdir", "mv", "rm", "rmdir", "touch",
		NULL };
	static const char *const contents[] = { "touch", NULL };
	return is_one_of(name, is->asks_size ? sizes : contents);
}

/* The path through which this program reaches what the process means; false when there is none. */
static inline bool path_from_here(pid_t tid, const struct named *is, const char *path, char result[PATH_MAX]) {
	static const char *const own[] = { "/proc/self/", "/proc/thread-self/" };
	int n;
	if (*path == 0)
		return false;
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strncmp(path, own[i], strlen(own[i])) == 0)
			return (size_t)snprintf(result, PATH_MAX, "/proc/%d/%s", (int)tid, path + strlen(own[i])) < PATH_MAX;
	if (*path == '/' && !is->within)
		n = snprintf(result, PATH_MAX, "/proc/%d/root%s", (int)tid, path);
	else if (is->folder == AT_FDCWD)
		n = snprintf(result, PATH_MAX, "/proc/%d/cwd/%s", (int)tid, path);
	else
		n = snprintf(result, PATH_MAX, "/proc/%d/fd/%d/%s", (int)tid, is->folder, path);
	return n > 0 && n < PATH_MAX;
}

#endif
