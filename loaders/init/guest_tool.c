/* VMware's own program for what a guest says to its host, run once for each word. */
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define RPC_MS 10000

static void become_tool(const char *command, int out)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(out, STDOUT_FILENO);
	execlp("vmware-rpctool", "vmware-rpctool", command, (char *)NULL);
	execlp("vmtoolsd", "vmtoolsd", "--cmd", command, (char *)NULL);
	_exit(127);
}

/* Collects the output for `limit_ms`, or without a limit where that is negative; the exit status, or -1. */
static int run(const char *command, char *answer, size_t size, int64_t limit_ms)
{
	int ends[2], status = -1;
	size_t length = 0;
	if (pipe(ends) != 0)
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		become_tool(command, ends[1]);
	}
	close(ends[1]);
	int64_t until = limit_ms < 0 ? -1 : clock_ms() + limit_ms;
	while (pid > 0) {
		char rest[512];
		struct pollfd fd = {ends[0], POLLIN, 0};
		if (poll(&fd, 1, clock_timeout(until, clock_ms())) <= 0) {
			if (errno == EINTR)
				continue;
			kill(pid, SIGKILL);
			break;
		}
		bool room = answer != NULL && length + 1 < size;
		ssize_t got = room ? read(ends[0], answer + length, size - 1 - length) : read(ends[0], rest, sizeof rest);
		if (got <= 0)
			break;
		if (room)
			length += (size_t)got;
	}
	close(ends[0]);
	if (answer != NULL) {
		answer[length] = '\0';
		while (length > 0 && (answer[length - 1] == '\n' || answer[length - 1] == '\r'))
			answer[--length] = '\0';
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 ? status : -1;
}

bool guest_rpc(const char *command, char *answer, size_t size)
{
	return run(command, answer, size, RPC_MS) == 0;
}

bool guest_get(const char *key, char *value, size_t size)
{
	char command[128];
	snprintf(command, sizeof command, "info-get " KEY_PREFIX "%s", key);
	return guest_rpc(command, value, size);
}

bool guest_set(const char *key, const char *value)
{
	static char command[VALUE_BYTES + 64];
	snprintf(command, sizeof command, "info-set " KEY_PREFIX "%s %s", key, value);
	return guest_rpc(command, NULL, 0);
}

bool guest_freeze(void)
{
	return run("instantclone.freeze", NULL, 0, -1) == 0;
}
