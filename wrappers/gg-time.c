/*
 * A file's time of modification in nanoseconds: Node.js cuts it to microseconds, and make compares all of it. What takes a
 * placeholder's place would be older than what was written in the same tick of the clock.
 *
 * An addon for Node.js by Node-API, whose binary interface is stable; its headers need not be installed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

/* Each returns 0 when it has done what it should. */
extern int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
extern int napi_get_value_string_utf8(napi_env, napi_value, char *, size_t, size_t *);
extern int napi_get_value_bigint_int64(napi_env, napi_value, int64_t *, bool *);
extern int napi_get_boolean(napi_env, bool, napi_value *);
extern int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);

/* (path: string, ns: bigint) => boolean */
static napi_value set_time(napi_env env, napi_callback_info info) {
	napi_value args[2], result = NULL;
	size_t count = 2, len = 0;
	char path[PATH_MAX + 1];
	int64_t ns = 0;
	bool whole = false;
	bool known = napi_get_cb_info(env, info, &count, args, NULL, NULL) == 0 && count == 2 &&
		napi_get_value_string_utf8(env, args[0], path, sizeof path, &len) == 0 && len < PATH_MAX &&
		napi_get_value_bigint_int64(env, args[1], &ns, &whole) == 0 && whole && ns >= 0;
	struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { ns / 1000000000, ns % 1000000000 } };
	bool done = known && utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0;
	napi_get_boolean(env, done, &result);
	return result;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports);
napi_value napi_register_module_v1(napi_env env, napi_value exports) {
	napi_value function;
	return napi_create_function(env, "setTime", 7, set_time, NULL, &function) == 0 ? function : exports;
}
