/* `portlayer-init answer VALUE PID...`: fork()'s answer to askers by signal whom no init knows: those in a copy that DMTCP brought back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "protocol.h"

int answer_command(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: portlayer-init answer VALUE PID...\n", stderr);
		return EXIT_USAGE;
	}
	int code = 0;
	for (int i = 2; i < argc; i++) {
		pid_t pid = (pid_t)atoi(argv[i]);
		if (pid > 1 && sigqueue(pid, SIGNAL_ANSWER, (union sigval){.sival_int = atoi(argv[1])}) == 0)
			continue;
		fprintf(stderr, "portlayer-init answer: %s: %s\n", argv[i], pid > 1 ? strerror(errno) : "no pid of a task");
		code = 1;
	}
	return code;
}
