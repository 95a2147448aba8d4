/* `portlayer-init limits-library FILE`: writes the library that is preloaded into CRIU (preload/limits.c), which this binary carries. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "init.h"

__asm__(".section .rodata\n"
	"limits_library: .incbin \"" LIMITS_LIBRARY "\"\n"
	"limits_library_end:\n"
	".previous\n");
extern const char limits_library[] __attribute__((visibility("hidden"))), limits_library_end[] __attribute__((visibility("hidden")));

int limits_library_command(int argc, char **argv)
{
	char aside[4200];
	if (argc != 2 || strlen(argv[1]) > 4096) {
		fputs("usage: portlayer-init limits-library FILE\n", stderr);
		return EXIT_USAGE;
	}
	snprintf(aside, sizeof aside, "%s.%d", argv[1], getpid());
	size_t size = (size_t)(limits_library_end - limits_library);
	int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool written = fd >= 0 && write(fd, limits_library, size) == (ssize_t)size && close(fd) == 0 && rename(aside, argv[1]) == 0;
	if (written)
		return 0;
	fprintf(stderr, "portlayer-init limits-library: %s: %s\n", argv[1], strerror(errno));
	unlink(aside);
	return EXIT_SETUP;
}
