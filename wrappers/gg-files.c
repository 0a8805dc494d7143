/*
 * gg-files.node: what gg's own process does to files and Node's fs cannot, or not fast enough. A build asks a hundred times a
 * command whether a header is as it was; through fs each question makes an object with four dates and takes five times as
 * long as the system call. fs sets times to the microsecond, and make compares all of them. And it has no rename that leaves
 * alone what is not there any more. At the end of a build all files of the tree are looked at.
 *
 * Node-API functions are declared here, so that the headers of Node.js need not be installed: their form is frozen.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_ref__ *napi_ref;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
enum { OK = 0, FLOAT64_ARRAY = 8 };

extern int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
extern int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
extern int napi_get_value_bool(napi_env, napi_value, bool *);
extern int napi_get_value_bigint_int64(napi_env, napi_value, int64_t *, bool *);
extern int napi_get_boolean(napi_env, bool, napi_value *);
extern int napi_get_value_double(napi_env, napi_value, double *);
extern int napi_create_int32(napi_env, int, napi_value *);
extern int napi_create_string_utf8(napi_env, const char *, size_t, napi_value *);
extern int napi_create_array(napi_env, napi_value *);
extern int napi_set_element(napi_env, napi_value, unsigned, napi_value);
extern int napi_create_arraybuffer(napi_env, size_t, void **, napi_value *);
extern int napi_create_typedarray(napi_env, int, size_t, napi_value, size_t, napi_value *);
extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
extern int napi_create_reference(napi_env, napi_value, unsigned, napi_ref *);
extern int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

/* As in src/util/look.ts. */
enum { ABSENT, FILE_THERE, FOLDER_THERE, LINK_THERE, OTHER_THERE, UNKNOWN };
enum { DEV, INO, SIZE, MTIME, CTIME, MODE, FIELDS };

static int kind_of(mode_t mode) {
	return S_ISREG(mode) ? FILE_THERE : S_ISDIR(mode) ? FOLDER_THERE : S_ISLNK(mode) ? LINK_THERE : OTHER_THERE;
}

/* Milliseconds as Node.js computes them: what is compared with an earlier answer of its own must be the same number. */
static double milliseconds(struct timespec t) { return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1000000; }

/* One byte more than the kernel takes: a longer path is cut, and refused as too long all the same. */
typedef char path_text[PATH_MAX + 2];

/* False for a path that no file can have. */
static bool take_path(napi_env env, napi_value value, path_text path) {
	size_t length;
	return napi_get_value_string_utf8(env, value, path, sizeof(path_text), &length) == OK && strlen(path) == length;
}

/* look(path, follow): a kind; the numbers are left in `fields`. */
static napi_value look(napi_env env, napi_callback_info info) {
	size_t count = 2;
	napi_value args[2], answer;
	double *fields;
	bool follow;
	path_text path;
	struct stat st;
	int kind = UNKNOWN;
	if (napi_get_cb_info(env, info, &count, args, NULL, (void **)&fields) == OK && count == 2 &&
		take_path(env, args[0], path) && napi_get_value_bool(env, args[1], &follow) == OK) {
		if ((follow ? stat(path, &st) : lstat(path, &st)) == 0) {
			kind = kind_of(st.st_mode);
			fields[DEV] = (double)st.st_dev;
			fields[INO] = (double)st.st_ino;
			fields[SIZE] = (double)st.st_size;
			fields[MTIME] = milliseconds(st.st_mtim);
			fields[CTIME] = milliseconds(st.st_ctim);
			fields[MODE] = (double)st.st_mode;
		} else if (errno == ENOENT)
			kind = ABSENT;
	}
	return napi_create_int32(env, kind, &answer) == OK ? answer : NULL;
}

/* setTime(path, ns): a file's time of modification, a link's own; whether it could. */
static napi_value set_time(napi_env env, napi_callback_info info) {
	size_t count = 2;
	napi_value args[2], answer;
	path_text path;
	int64_t ns = 0;
	bool whole = false;
	bool known = napi_get_cb_info(env, info, &count, args, NULL, NULL) == OK && count == 2 &&
		take_path(env, args[0], path) && napi_get_value_bigint_int64(env, args[1], &ns, &whole) == OK && whole && ns >= 0;
	struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { ns / 1000000000, ns % 1000000000 } };
	bool done = known && utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0;
	return napi_get_boolean(env, done, &answer) == OK ? answer : NULL;
}

/* exchange(a, b): each gets the other's name, in one step; an errno. By number: old C libraries have no function for it. */
static napi_value exchange(napi_env env, napi_callback_info info) {
	enum { EXCHANGE = 2 };
	size_t count = 2;
	napi_value args[2], answer;
	path_text a, b;
	int error = EINVAL;
	if (napi_get_cb_info(env, info, &count, args, NULL, NULL) == OK && count == 2 && take_path(env, args[0], a) &&
		take_path(env, args[1], b))
		error = syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, EXCHANGE) == 0 ? 0 : errno;
	return napi_create_int32(env, error, &answer) == OK ? answer : NULL;
}

/* ---- a whole tree ---- */

/* Paths of folders that are still to be gone through; what they hold is freed as they are taken. */
struct folders {
	char **paths;
	size_t count, places;
};

static bool push(struct folders *f, char *path) {
	if (f->count == f->places) {
		size_t places = f->places ? 2 * f->places : 64;
		char **more = realloc(f->paths, places * sizeof *more);
		if (!more)
			return false;
		f->paths = more;
		f->places = places;
	}
	f->paths[f->count++] = path;
	return true;
}

/* Not by the user's locale: everywhere the same. */
static int by_bytes(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static bool is_walked(const char *name) {
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, ".gg") != 0 && strcmp(name, ".git") != 0;
}

/* One name of a folder: noted if it is a file that changed. False: no memory. */
static bool take(napi_env env, int at, const char *folder, const struct dirent *entry, double since, struct folders *left,
	napi_value found, unsigned *count) {
	struct stat st;
	napi_value text;
	char *path = NULL;
	bool folders = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
	if ((!folders && entry->d_type != DT_REG) || (folders && !is_walked(entry->d_name)))
		return true;
	if (entry->d_type != DT_DIR && fstatat(at, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return true;
	bool is_folder = entry->d_type == DT_DIR || S_ISDIR(st.st_mode);
	if (!is_folder && (!S_ISREG(st.st_mode) || milliseconds(st.st_ctim) < since))
		return true;
	int length = asprintf(&path, "%s/%s", folder, entry->d_name);
	if (length < 0)
		return false;
	if (is_folder) {
		if (push(left, path))
			return true;
		free(path);
		return false;
	}
	bool noted = napi_create_string_utf8(env, path, (size_t)length, &text) == OK &&
		napi_set_element(env, found, (*count)++, text) == OK;
	free(path);
	return noted;
}

/* changedBelow(root, since): paths of the regular files that changed (ctime) since then; null without memory. Folders that
 * cannot be read are passed over, and those called .gg and .git. */
static napi_value changed_below(napi_env env, napi_callback_info info) {
	size_t count = 2;
	napi_value args[2], found;
	double since;
	path_text root;
	struct folders left = { 0 };
	unsigned noted = 0;
	char *first;
	if (napi_get_cb_info(env, info, &count, args, NULL, NULL) != OK || count != 2 ||
		!take_path(env, args[0], root) || napi_get_value_double(env, args[1], &since) != OK ||
		napi_create_array(env, &found) != OK || !(first = strdup(root)))
		return NULL;
	bool complete = push(&left, first);
	while (complete && left.count > 0) {
		char *folder = left.paths[--left.count];
		struct dirent **names;
		int n = scandir(folder, &names, NULL, by_bytes), at = n < 0 ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		for (int i = 0; i < n; i++) {
			complete = complete && (at < 0 || take(env, at, folder, names[i], since, &left, found, &noted));
			free(names[i]);
		}
		if (n >= 0)
			free(names);
		if (at >= 0)
			close(at);
		free(folder);
	}
	while (left.count > 0)
		free(left.paths[--left.count]);
	free(left.paths);
	return complete ? found : NULL;
}

/* ---- what is exported ---- */

static bool add(napi_env env, napi_value exports, const char *name, napi_callback call, void *data) {
	napi_value function;
	return napi_create_function(env, name, strlen(name), call, data, &function) == OK &&
		napi_set_named_property(env, exports, name, function) == OK;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
	napi_value buffer, fields;
	napi_ref kept;
	void *data;
	if (napi_create_arraybuffer(env, FIELDS * sizeof(double), &data, &buffer) != OK ||
		napi_create_typedarray(env, FLOAT64_ARRAY, FIELDS, buffer, 0, &fields) != OK ||
		napi_create_reference(env, buffer, 1, &kept) != OK ||
		napi_set_named_property(env, exports, "fields", fields) != OK || !add(env, exports, "look", look, data) ||
		!add(env, exports, "setTime", set_time, NULL) || !add(env, exports, "exchange", exchange, NULL) ||
		!add(env, exports, "changedBelow", changed_below, NULL))
		return NULL;
	return exports;
}
