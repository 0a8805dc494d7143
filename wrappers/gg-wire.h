/*
 * What gg's native programs share: building and reading frames (PROTOCOL.md), and the few system calls that need care.
 *
 * Nothing that comes from a socket is trusted: every read is checked against the end of the frame, and one bad length
 * makes the reader `bad` for good, so that callers check once, at the end. A writer that runs out of memory turns
 * `failed` in the same way.
 */
#ifndef GG_WIRE_H
#define GG_WIRE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* No honest frame is larger: two captured streams, or an environment at the kernel's limit, and room to spare. */
#define GG_MAX_FRAME (256u << 20)
/* How much of each of a command's streams is kept. */
#define GG_MAX_KEPT ((size_t)16 << 20)

/* ---- messages and small helpers ---- */

static inline uint64_t gg_now_us(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* A descriptor that somebody else made non-blocking (a terminal shared with Node, say) is waited for. */
static inline bool gg_wait_for(int fd, short events) {
	struct pollfd p = { .fd = fd, .events = events };
	return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

/* Writes all of it; false with errno set otherwise. */
static inline bool gg_write_all(int fd, const void *data, size_t len) {
	const char *at = data;
	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n >= 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (!gg_wait_for(fd, POLLOUT))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* As gg_write_all, to a socket whose other end may be gone: EPIPE instead of a signal. */
static inline bool gg_send_all(int fd, const void *data, size_t len) {
	const char *at = data;
	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
		if (n >= 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (!gg_wait_for(fd, POLLOUT))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* read(2) that waits where it must and is not interrupted. */
static inline ssize_t gg_read(int fd, void *to, size_t len) {
	for (;;) {
		ssize_t n = read(fd, to, len);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n;
		if (errno == EAGAIN && !gg_wait_for(fd, POLLIN))
			return -1;
	}
}

/* One sentence on stderr, in one write, so that it does not mix with what others print. errno survives. */
__attribute__((format(printf, 1, 2))) static inline void gg_say(const char *format, ...) {
	int saved = errno;
	char line[8192] = "gg: ";
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line + 4, sizeof line - 5, format, args);
	va_end(args);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof line - 5 ? (size_t)n : sizeof line - 6;
	line[4 + len] = '\n';
	gg_write_all(2, line, len + 5);
	errno = saved;
}

/*
 * Descriptors 0-2 may be closed when a program starts, and a descriptor of ours in their place would be taken for the
 * tool's input or output. Takes a descriptor (or -1, kept with its errno) and returns one above 2, close-on-exec.
 */
static inline int gg_above_stdio(int fd) {
	if (fd < 0 || fd > 2)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	int saved = errno;
	close(fd);
	errno = saved;
	return moved;
}

/*
 * A socket's address holds 107 bytes. A longer path is reached through a descriptor of its folder.
 * -1 when nobody answers.
 */
static inline int gg_connect(const char *path) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int folder = -1;
	if (strlen(path) < sizeof address.sun_path) {
		strcpy(address.sun_path, path);
	} else {
		const char *slash = strrchr(path, '/');
		char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
		if (!parent)
			return -1;
		folder = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
		free(parent);
		int n = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder, slash + 1);
		if (folder < 0 || n < 0 || (size_t)n >= sizeof address.sun_path) {
			if (folder >= 0)
				close(folder);
			return -1;
		}
	}
	int fd = gg_above_stdio(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		close(fd);
		fd = -1;
	}
	if (folder >= 0)
		close(folder);
	return fd;
}

/*
 * Starts `child` (which must end in exec or _exit) in this address space, as vfork does, and returns its pid once it
 * has; -1 when it could not be started. Copying no page tables is what makes it fast, and a failed exec can be told by
 * writing to memory. A stack of its own keeps the caller's frame intact.
 */
static inline pid_t gg_vfork(int (*child)(void *), void *arg) {
	static char stack[256 << 10] __attribute__((aligned(64)));
	return clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
}

/* ---- writing frames ---- */

struct gg_out {
	unsigned char *data;
	size_t len, cap;
	bool heap; /* `data` is ours to realloc and free; else it is the caller's array */
	bool failed;
};

static inline unsigned char *gg_grow(struct gg_out *o, size_t more) {
	if (o->failed)
		return NULL;
	if (more > o->cap - o->len) {
		size_t cap = o->cap < 4096 ? 4096 : o->cap;
		while (more > cap - o->len) {
			if (cap > GG_MAX_FRAME) {
				o->failed = true;
				return NULL;
			}
			cap *= 2;
		}
		unsigned char *bigger = realloc(o->heap ? o->data : NULL, cap);
		if (!bigger) {
			o->failed = true;
			return NULL;
		}
		if (!o->heap && o->len)
			memcpy(bigger, o->data, o->len);
		o->data = bigger;
		o->cap = cap;
		o->heap = true;
	}
	unsigned char *at = o->data + o->len;
	o->len += more;
	return at;
}

static inline void gg_store(unsigned char *at, uint64_t value, size_t bytes) {
	for (size_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static inline void gg_put(struct gg_out *o, uint64_t value, size_t bytes) {
	unsigned char *at = gg_grow(o, bytes);
	if (at)
		gg_store(at, value, bytes);
}

static inline void gg_put_u8(struct gg_out *o, uint8_t v) { gg_put(o, v, 1); }
static inline void gg_put_u32(struct gg_out *o, uint32_t v) { gg_put(o, v, 4); }
static inline void gg_put_u64(struct gg_out *o, uint64_t v) { gg_put(o, v, 8); }

static inline void gg_put_bytes(struct gg_out *o, const void *bytes, size_t len) {
	if (len > GG_MAX_FRAME) {
		o->failed = true;
		return;
	}
	gg_put_u32(o, (uint32_t)len);
	unsigned char *at = gg_grow(o, len);
	if (at && len)
		memcpy(at, bytes, len);
}

static inline void gg_put_str(struct gg_out *o, const char *s) { gg_put_bytes(o, s, strlen(s)); }

static inline void gg_put_strs(struct gg_out *o, char *const *list) {
	size_t mark = o->len;
	uint32_t count = 0;
	gg_put_u32(o, 0);
	for (; list && list[count]; count++)
		gg_put_str(o, list[count]);
	if (!o->failed)
		gg_store(o->data + mark, count, 4);
}

/* Opens a frame; the mark goes to gg_end_frame, which fills in the length. */
static inline size_t gg_begin_frame(struct gg_out *o) {
	size_t mark = o->len;
	gg_put_u32(o, 0);
	return mark;
}

static inline void gg_end_frame(struct gg_out *o, size_t mark) {
	if (!o->failed)
		gg_store(o->data + mark, o->len - mark - 4, 4);
}

/* ---- reading frames ---- */

struct gg_in {
	unsigned char *at, *end;
	bool bad;
};

static inline uint64_t gg_load(const unsigned char *at, size_t bytes) {
	uint64_t value = 0;
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

static inline uint64_t gg_get(struct gg_in *in, size_t bytes) {
	if (in->bad || (size_t)(in->end - in->at) < bytes) {
		in->bad = true;
		return 0;
	}
	in->at += bytes;
	return gg_load(in->at - bytes, bytes);
}

static inline uint8_t gg_get_u8(struct gg_in *in) { return (uint8_t)gg_get(in, 1); }
static inline uint32_t gg_get_u32(struct gg_in *in) { return (uint32_t)gg_get(in, 4); }

/* A str as it lies in the frame. */
static inline unsigned char *gg_get_bytes(struct gg_in *in, size_t *len) {
	*len = gg_get_u32(in);
	if (in->bad || (size_t)(in->end - in->at) < *len) {
		in->bad = true;
		*len = 0;
		return in->end;
	}
	in->at += *len;
	return in->at - *len;
}

/*
 * A str as a C string, never NULL. Nothing is copied elsewhere: the bytes move onto their own length, which makes room
 * for the final NUL. A NUL inside cannot come from a name or an argument, and is refused.
 */
static inline char *gg_get_cstr(struct gg_in *in) {
	static char nothing[1];
	size_t len;
	unsigned char *bytes = gg_get_bytes(in, &len);
	if (in->bad || memchr(bytes, 0, len)) {
		in->bad = true;
		nothing[0] = 0;
		return nothing;
	}
	char *string = (char *)bytes - 4;
	memmove(string, bytes, len);
	string[len] = 0;
	return string;
}

/* strs as a NULL-terminated array that the caller frees (strings stay in the frame); NULL when bad. */
static inline char **gg_get_strs(struct gg_in *in, size_t *count) {
	size_t n = gg_get_u32(in);
	if (in->bad || n > (size_t)(in->end - in->at) / 4) {
		in->bad = true;
		return NULL;
	}
	char **list = malloc((n + 1) * sizeof *list);
	if (!list) {
		in->bad = true;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		list[i] = gg_get_cstr(in);
	list[n] = NULL;
	if (count)
		*count = n;
	if (!in->bad)
		return list;
	free(list);
	return NULL;
}

#endif
