/*
 * gg-look.node: looks at files for gg's own process. A build asks a hundred times a command whether a header is as it was;
 * through Node's fs each question makes an object with four dates and takes five times as long as the system call.
 *
 * Node-API functions are declared here, so that the headers of Node.js need not be installed: their form is frozen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_ref__ *napi_ref;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
enum { OK = 0, FLOAT64_ARRAY = 8 };

extern int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
extern int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
extern int napi_get_value_bool(napi_env, napi_value, bool *);
extern int napi_create_int32(napi_env, int, napi_value *);
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

/* look(path, follow): a kind; the numbers are left in `fields`. */
static napi_value look(napi_env env, napi_callback_info info) {
	size_t count = 2, length;
	napi_value args[2], answer;
	double *fields;
	bool follow;
	/* One byte more than the kernel takes: a longer path is cut, and refused as too long all the same. */
	char path[PATH_MAX + 2];
	struct stat st;
	int kind = UNKNOWN;
	if (napi_get_cb_info(env, info, &count, args, NULL, (void **)&fields) == OK && count == 2 &&
		napi_get_value_string_utf8(env, args[0], path, sizeof path, &length) == OK &&
		napi_get_value_bool(env, args[1], &follow) == OK && __builtin_strlen(path) == length) {
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

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
	napi_value buffer, fields, function;
	napi_ref kept;
	void *data;
	if (napi_create_arraybuffer(env, FIELDS * sizeof(double), &data, &buffer) != OK ||
		napi_create_typedarray(env, FLOAT64_ARRAY, FIELDS, buffer, 0, &fields) != OK ||
		napi_create_reference(env, buffer, 1, &kept) != OK ||
		napi_create_function(env, "look", sizeof "look" - 1, look, data, &function) != OK ||
		napi_set_named_property(env, exports, "fields", fields) != OK ||
		napi_set_named_property(env, exports, "look", function) != OK)
		return NULL;
	return exports;
}
