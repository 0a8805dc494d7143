/*
 * A tool whose work was recorded: waits as long as it took and leaves what it left. Beside its folder, `table/` has
 * a file for each command, with milliseconds and the name of a file with the output's bytes: `c/SOURCE` for what distccd
 * compiles, known by the name that the preprocessor left in it, and `l/TOOL:OUTPUT` for what runs here; `/` is `%` in both.
 * Whatever is not there is run by the next tool of the name on PATH.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[PATH_MAX]; /* this program's */
static const char *base;

/* The next tool of the name on PATH after this one's folder. */
static _Noreturn void run_real(char **argv) {
	char *path = strdup(getenv("PATH") == NULL ? "/usr/bin:/bin" : getenv("PATH"));
	int passed = 0;
	for (char *dir = strtok(path, ":"); dir != NULL; dir = strtok(NULL, ":")) {
		char file[PATH_MAX];
		if (strcmp(dir, folder) == 0) {
			passed = 1;
			continue;
		}
		snprintf(file, sizeof file, "%s/%s", dir, base);
		if (passed && access(file, X_OK) == 0) {
			/* gcc looks for its other programs beside what it was called. */
			argv[0] = file;
			execv(file, argv);
		}
	}
	fprintf(stderr, "sleeping-compiler: no %s after %s on PATH\n", base, folder);
	exit(127);
}

static void encode(char *name) {
	for (; *name != '\0'; name++)
		if (*name == '/')
			*name = '%';
}

/* Answers 0 when the table has no such command. */
static int replay(const char *kind, const char *key, const char *output, mode_t mode) {
	char name[PATH_MAX], entry[2 * PATH_MAX], line[PATH_MAX];
	snprintf(name, sizeof name, "%s", key);
	encode(name);
	snprintf(entry, sizeof entry, "%s/../table/%s/%s", folder, kind, name);
	FILE *file = fopen(entry, "r");
	double ms;
	if (file == NULL)
		return 0;
	if (fscanf(file, "%lf %4000s", &ms, line) != 2)
		exit(125);
	fclose(file);
	struct timespec left = { (time_t)(ms / 1000), (long)((ms - 1000.0 * (time_t)(ms / 1000)) * 1e6) };
	while (nanosleep(&left, &left) != 0)
		;
	snprintf(entry, sizeof entry, "%s/../table/blobs/%s", folder, line);
	int from = open(entry, O_RDONLY), to = open(output, O_WRONLY | O_CREAT | O_TRUNC, mode);
	if (from < 0 || to < 0) {
		perror(from < 0 ? entry : output);
		exit(1);
	}
	static char buffer[1 << 16];
	for (ssize_t count; (count = read(from, buffer, sizeof buffer)) > 0;)
		if (write(to, buffer, (size_t)count) != count)
			exit(1);
	return 1;
}

int main(int argc, char **argv) {
	ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
	if (length <= 0)
		return 125;
	base = strrchr(argv[0], '/');
	base = base == NULL ? argv[0] : base + 1;
	*strrchr(folder, '/') = '\0';
	const char *output = NULL, *source = NULL;
	int compiles = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-E") == 0 || strcmp(argv[i], "-M") == 0)
			run_real(argv);
		else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
			output = argv[++i];
		else if (strcmp(argv[i], "-c") == 0)
			compiles = 1;
		else if (argv[i][0] != '-')
			source = argv[i];
	}
	if (strcmp(base, "ar") == 0)
		output = argc > 2 ? argv[2] : NULL;
	else if (output == NULL)
		output = source;
	const char *dot = source == NULL ? NULL : strrchr(source, '.');
	if (compiles && dot != NULL && (strcmp(dot, ".i") == 0 || strcmp(dot, ".ii") == 0)) {
		char line[PATH_MAX], key[PATH_MAX];
		FILE *file = fopen(source, "r");
		if (file == NULL || fgets(line, sizeof line, file) == NULL || sscanf(line, "# %*d \"%[^\"]\"", key) != 1) {
			fprintf(stderr, "sleeping-compiler: %s does not say what it was\n", source);
			return 1;
		}
		if (replay("c", key, output, 0666))
			return 0;
		fprintf(stderr, "sleeping-compiler: the compile of %s was not recorded\n", key);
		return 1;
	}
	if (output != NULL) {
		char cwd[PATH_MAX], key[3 * PATH_MAX];
		if (output[0] == '/')
			snprintf(key, sizeof key, "%s:%s", base, output);
		else
			snprintf(key, sizeof key, "%s:%s/%s", base, getcwd(cwd, sizeof cwd), output);
		if (replay("l", key, output, compiles || strcmp(base, "ar") == 0 || strcmp(base, "nasm") == 0 ? 0666 : 0777))
			return 0;
	}
	run_real(argv);
}
