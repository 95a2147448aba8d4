/* `portlayer-init peek ROOT PATH`: a small file of a container, as it is inside: for a host that follows none of its links. */
#include "peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "kernel.h"
#include "protocol.h"

#define PEEK_BYTES (64 << 10)

int peek_open(const char *root, const char *path, int flags)
{
	struct kernel_open_how how = {
		.flags = (uint64_t)flags,
		.resolve = KERNEL_RESOLVE_IN_ROOT | KERNEL_RESOLVE_NO_SYMLINKS | KERNEL_RESOLVE_NO_MAGICLINKS,
	};
	int at = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -1;
	int fd = (int)syscall(SYS_openat2, at, path, &how, sizeof how);
	int kept = errno;
	close(at);
	errno = kept;
	return fd;
}

int peek_command(int argc, char **argv)
{
	static char text[PEEK_BYTES];
	struct stat about;
	if (argc != 3) {
		fputs("usage: portlayer-init peek ROOT PATH\n", stderr);
		return EXIT_USAGE;
	}
	int fd = peek_open(argv[1], argv[2], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
		fprintf(stderr, "portlayer-init peek: %s: %s\n", argv[2], fd < 0 ? strerror(errno) : "no regular file");
		return 1;
	}
	ssize_t got = read(fd, text, sizeof text);
	return got < 0 || fwrite(text, 1, (size_t)got, stdout) != (size_t)got;
}
