/* How the container ended: the file `exit`, and the EXIT line for a service that is there. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

static long long oom_kills_in(const char *path)
{
	char text[4096];
	long long kills;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	const char *found = strstr(text, "oom_kill ");
	return found != NULL && sscanf(found, "oom_kill %lld", &kills) == 1 ? kills : 0;
}

long long exit_oom_kills(const struct monitor *monitor)
{
	/* Version 2 and version 1, each with its own file; most groups have neither. */
	static const char *const counters[] = {"memory.events", "memory.oom_control"};
	long long kills = 0;
	char path[4200];
	for (size_t i = 0; i < monitor->memory_group_count; i++) {
		for (size_t j = 0; j < 2; j++) {
			snprintf(path, sizeof path, "%s/%s", monitor->memory_groups[i], counters[j]);
			kills += oom_kills_in(path);
		}
	}
	return kills;
}

/*
 * unshare(1) (seen in util-linux 2.38) ends with 1 when its child was killed by SIGKILL: it cannot die of that itself.
 * An init that ends in order says EXITED or FAILED; one that said neither did not end by itself.
 */
static bool init_vanished(const struct monitor *monitor)
{
	return monitor->init > 0 && monitor->init != monitor->command && !monitor->exit_reported &&
	       monitor->failure[0] == '\0' && WIFEXITED(monitor->status) && WEXITSTATUS(monitor->status) == 1;
}

static void end_of(const struct monitor *monitor, long long *code, long long *signal)
{
	if (monitor->killed) {
		/*
		 * KILL may find the task just ended, and what the command then ends with says little: unshare(1)
		 * ends with 1 when its child was killed.
		 */
		*code = monitor->exit_reported ? monitor->reported_code : 128 + SIGKILL;
		*signal = monitor->exit_reported ? monitor->reported_signal : SIGKILL;
		return;
	}
	if (WIFSIGNALED(monitor->status)) {
		*signal = WTERMSIG(monitor->status);
		*code = 128 + *signal;
		return;
	}
	if (init_vanished(monitor)) {
		*code = 128 + SIGKILL;
		*signal = SIGKILL;
		return;
	}
	*code = WEXITSTATUS(monitor->status);
	*signal = 0;
	/* The init knows whether 137 was a signal or a number; believed only where it agrees with what was seen. */
	if (monitor->exit_reported && monitor->reported_code == *code)
		*signal = monitor->reported_signal;
}

static void compose(const struct monitor *monitor, struct line_writer *line)
{
	long long code, signal;
	end_of(monitor, &code, &signal);
	line_begin(line, "EXIT");
	line_add_number(line, "code", code);
	line_add_number(line, "signal", signal);
	line_add_number(line, "at-ms", clock_wall_ms());
	line_add(line, "failure", monitor->failure);
	if (code == 128 + SIGKILL && !monitor->killed && exit_oom_kills(monitor) > monitor->oom_kills_before)
		line_add_number(line, "oom", 1);
	line_end(line, LINE_BYTES);
}

bool exit_reserve(struct monitor *monitor)
{
	static const char room[LINE_BYTES] = {' '};
	unlinkat(monitor->directory, "exit", 0);
	int fd = openat(monitor->directory, "exit.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool reserved = fd >= 0 && write(fd, room, sizeof room) == sizeof room;
	if (fd >= 0)
		close(fd);
	return reserved;
}

void exit_report(struct monitor *monitor)
{
	struct line_writer line;
	compose(monitor, &line);
	int fd = openat(monitor->directory, "exit.tmp", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		bool written = write(fd, line.text, line.length) == (ssize_t)line.length &&
			       ftruncate(fd, (off_t)line.length) == 0 && fsync(fd) == 0;
		close(fd);
		if (written)
			renameat(monitor->directory, "exit.tmp", monitor->directory, "exit");
		else
			unlinkat(monitor->directory, "exit.tmp", 0);
		fsync(monitor->directory);
	}
	monitor->state = "exited";
	control_send(monitor, line.text, line.length);
}
