/*
 * `portlayer-init leash`: how a command is begun over SSH. It says where its outputs begin, for a login shell may say
 * things of its own before, and its pid, so that it can be killed, asks the kernel to be killed when the session that began it ends, and becomes the command, with no
 * more environment than it was given.
 *
 *   leash [-C DIRECTORY] [NAME=VALUE ...] -- COMMAND [ARGUMENT ...]
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "commands.h"
#include "protocol.h"

int leash_command(int argc, char **argv)
{
	pid_t session = getppid();
	int at = 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != session)
		return 137;
	/* After whatever the login shell's start had to say. */
	dprintf(STDOUT_FILENO, "\nportlayer-leash\n");
	dprintf(STDERR_FILENO, "\nportlayer-leash %d\n", (int)getpid());
	const char *directory = NULL;
	if (at + 1 < argc && strcmp(argv[at], "-C") == 0) {
		directory = argv[at + 1];
		at += 2;
	}
	const char *path = getenv("PATH");
	char *kept = path != NULL ? strdup(path) : NULL;
	clearenv();
	setenv("PATH", kept != NULL ? kept : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	for (; at < argc && strcmp(argv[at], "--") != 0; at++)
		if (strchr(argv[at], '=') == NULL || putenv(argv[at]) != 0)
			return EXIT_USAGE;
	if (at + 1 >= argc)
		return EXIT_USAGE;
	if (directory != NULL && chdir(directory) != 0) {
		fprintf(stderr, "%s: %s\n", directory, strerror(errno));
		return 127;
	}
	execvp(argv[at + 1], argv + at + 1);
	fprintf(stderr, "%s: %s\n", argv[at + 1], strerror(errno));
	return 127;
}
