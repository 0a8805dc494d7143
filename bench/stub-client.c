/*
 * The least that a build tool's stand-in can do and make still goes on: tells a server what it was called with, waits for
 * a byte, and leaves an empty file where the tool would have left its outputs. $GG_STUB names the server's socket.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

extern char **environ;

static char message[1 << 21];
static size_t length;

static void add(const char *text) {
	size_t size = strlen(text) + 1;
	if (length + size > sizeof message)
		exit(125);
	memcpy(message + length, text, size);
	length += size;
}

static void ask(void) {
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("GG_STUB");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (path == NULL || strlen(path) >= sizeof address.sun_path)
		exit(124);
	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		exit(123);
	for (size_t sent = 0; sent < length;) {
		ssize_t count = write(fd, message + sent, length - sent);
		if (count <= 0)
			exit(122);
		sent += (size_t)count;
	}
	char answer;
	if (read(fd, &answer, 1) != 1)
		exit(121);
}

static void make(const char *path, mode_t mode) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	if (fd < 0)
		exit(1);
	close(fd);
}

/* The object that a compile without -o leaves in the current folder. */
static void make_object(const char *source) {
	char path[4096];
	const char *name = strrchr(source, '/');
	snprintf(path, sizeof path, "%s", name == NULL ? source : name + 1);
	char *dot = strrchr(path, '.');
	if (dot == NULL || dot + 2 >= path + sizeof path)
		return;
	strcpy(dot, ".o");
	make(path, 0666);
}

int main(int argc, char **argv) {
	char folder[4096];
	static char empty[] = "";
	length = 4; /* the length itself */
	add(getcwd(folder, sizeof folder) == NULL ? empty : folder);
	for (int i = 0; i < argc; i++)
		add(argv[i]);
	for (char **line = environ; *line != NULL; line++)
		add(*line);
	unsigned size = (unsigned)(length - 4);
	memcpy(message, &size, 4);
	ask();

	const char *base = strrchr(argv[0], '/');
	base = base == NULL ? argv[0] : base + 1;
	const char *output = NULL, *source = NULL;
	int compiles = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-o") == 0 && i + 1 < argc)
			output = argv[++i];
		else if (strcmp(argv[i], "-MF") == 0 && i + 1 < argc)
			make(argv[++i], 0666);
		else if (strcmp(argv[i], "-MT") == 0 || strcmp(argv[i], "-MQ") == 0)
			i++;
		else if (strcmp(argv[i], "-c") == 0)
			compiles = 1;
		else if (argv[i][0] != '-')
			source = argv[i];
	}
	if (strcmp(base, "ar") == 0) {
		if (argc > 2)
			make(argv[2], 0666);
	} else if (output != NULL)
		make(output, compiles ? 0666 : 0777);
	else if (compiles && source != NULL)
		make_object(source);
	return 0;
}
