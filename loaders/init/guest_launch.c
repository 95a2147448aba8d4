/* From the host's word to a running task: the monitor, and below it the init in a pid namespace of its own. */
#include "guest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mounts.h"

/* In place; the length, or -1 where it is no base64. */
static ssize_t unbase64(char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t out = 0;
	uint32_t bits = 0;
	int count = 0;
	for (const char *at = text; *at != '\0' && *at != '='; at++) {
		const char *found = strchr(digits, *at);
		if (found == NULL)
			return -1;
		bits = bits << 6 | (uint32_t)(found - digits);
		if ((count += 6) >= 8) {
			count -= 8;
			text[out++] = (char)(bits >> count & 255);
		}
	}
	return (ssize_t)out;
}

static int start(char **argv, char **environment)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		execve(argv[0], argv, environment);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

const char *guest_launch(const struct guest_options *options, char *launch)
{
	static char self[4096];
	ssize_t length = unbase64(launch), name = readlink("/proc/self/exe", self, sizeof self - 1);
	if (length < 2 || name <= 0)
		return "the launch key holds no base64";
	size_t strings = 0;
	launch[length] = '\0';
	for (ssize_t i = 0; i < length; i++)
		strings += launch[i] == '\0';
	long count = strtol(launch, NULL, 10);
	if (launch[length - 1] != '\0' || count < 0 || (size_t)count + 2 > strings)
		return "the launch key holds no command";
	make_directories(GUEST_MONITOR "/relay", 0700);
	make_directories(GUEST_RUN "/bin", 0755);
	make_directories(options->state, 0755);
	chmod(GUEST_MONITOR, 0700);
	unlink(GUEST_MONITOR "/exit");
	if (!copy_file(self, GUEST_RUN "/bin/checkpoint"))
		return "the guest tool cannot be put into " GUEST_RUN "/bin";
	const char *const fixed[] = {
		self, "monitor", "--dir", GUEST_MONITOR, "--log-max-bytes", "65536", "--log-files", "1", "--log-copy", options->log,
		"--", "/usr/bin/unshare", "--pid", "--mount", "--ipc", "--fork", "--kill-child", self,
	};
	size_t heads = sizeof fixed / sizeof fixed[0];
	char **argv = calloc(heads + strings + 1, sizeof *argv), **environment = calloc((size_t)count + 3, sizeof *environment);
	if (argv == NULL || environment == NULL)
		return "no memory";
	for (size_t i = 0; i < heads; i++)
		argv[i] = (char *)fixed[i];
	char *text = launch + strlen(launch) + 1;
	for (size_t i = 0; i + 1 < strings; i++, text += strlen(text) + 1) {
		if (i < (size_t)count)
			environment[i] = text;
		else
			argv[heads + i - (size_t)count] = text;
	}
	static char state[4200];
	snprintf(state, sizeof state, "PORTLAYER_STATE=%s", options->state);
	environment[count] = state;
	return start(argv, environment) == 0 ? NULL : "the monitor could not be started (see the console)";
}
