/* `portlayer-init monitor`: starts the monitor and its command, and is its loop. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "kernel.h"
#include "protocol.h"

#define DRAIN_MS 200      /* for output still in the pipes when every process has ended */
#define FAREWELL_MS 1000  /* for the service to take the last lines */

/* All of the monitor's memory. */
static struct monitor the_monitor;

static void remove_traces(struct monitor *monitor)
{
	unlinkat(monitor->directory, "control.sock", 0);
	unlinkat(monitor->directory, "relay/relay.sock", 0);
	unlinkat(monitor->directory, "monitor.pid", 0);
}

static bool write_pid(int directory)
{
	char text[24];
	int length = snprintf(text, sizeof text, "%d\n", getpid());
	int fd = openat(directory, "monitor.pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool written = fd >= 0 && write(fd, text, (size_t)length) == length;
	if (fd >= 0)
		close(fd);
	return written;
}

/* Leaves the starter's session and files, so that nothing of the service's end reaches this process. */
static bool detach(int keep_a, int keep_b)
{
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_SET_NAME, "portlayer-mon", 0, 0, 0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	int low = keep_a < keep_b ? keep_a : keep_b, high = keep_a < keep_b ? keep_b : keep_a;
	syscall(SYS_close_range, 3, low - 1, 0);
	if (high > low + 1)
		syscall(SYS_close_range, low + 1, high - 1, 0);
	syscall(SYS_close_range, high + 1, ~0U, 0);
	return null >= 0 && chdir("/") == 0;
}

static bool set_up(struct monitor *monitor, const struct monitor_options *options, char **argv, char *why, size_t why_size)
{
	const char *what = NULL;
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	monitor->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);

	if (monitor->signals < 0)
		what = "cannot make a signalfd";
	else if (!log_open(&monitor->log, monitor->directory, options->log_max_bytes, options->log_files))
		what = "cannot open the log";
	else if (options->log_copy != NULL && !log_copy_to(&monitor->log, options->log_copy))
		what = "cannot open the copy of the log";
	else if (!exit_reserve(monitor))
		what = "cannot write exit.tmp";
	else if (!control_open(monitor))
		what = "cannot listen on control.sock";
	else if (!relay_open(monitor))
		what = "cannot listen on relay/relay.sock";
	else if (!write_pid(monitor->directory))
		what = "cannot write monitor.pid";
	if (what != NULL) {
		snprintf(why, why_size, "%s in %.200s: %s", what, monitor->directory_path, strerror(errno));
		return false;
	}
	return child_start(monitor, argv, options->cgroups, options->cgroup_count, why, why_size);
}

static int64_t next_moment(struct monitor *monitor, int64_t idle)
{
	int64_t next = clock_earlier(idle, monitor->ring_again);
	if (monitor->relay.fd >= 0)
		next = clock_earlier(next, monitor->relay.deadline);
	if (monitor->killing)
		next = clock_earlier(next, monitor->kill_again);
	if (monitor->freeze != FREEZE_NONE)
		next = clock_earlier(next, monitor->freeze_again);
	return clock_earlier(next, monitor->drain_until);
}

/* True when the container is over and its output is in. */
static bool over(struct monitor *monitor, int64_t now)
{
	if (!monitor->command_ended)
		return false;
	if (monitor->drain_until < 0) {
		if (child_left() && monitor->killing)
			return false;
		monitor->killing = false;
		monitor->drain_until = now + DRAIN_MS;
	}
	return now >= monitor->drain_until || (monitor->log.streams[0].fd < 0 && monitor->log.streams[1].fd < 0);
}

static void loop(struct monitor *monitor)
{
	enum { SIGNALS, OUT, ERR, CONTROL_LISTENER, CONTROL, RELAY_LISTENER, RELAY, COUNT };
	for (int64_t now = clock_ms(); !over(monitor, now); now = clock_ms()) {
		relay_deadline(monitor, now);
		child_tick(monitor, now);
		int64_t next = next_moment(monitor, log_idle(&monitor->log, now));

		struct relay_link *relay = &monitor->relay;
		struct control_link *control = &monitor->control;
		struct pollfd fds[COUNT] = {
			[SIGNALS] = {monitor->signals, POLLIN, 0},
			[OUT] = {monitor->log.streams[0].fd, POLLIN, 0},
			[ERR] = {monitor->log.streams[1].fd, POLLIN, 0},
			[CONTROL_LISTENER] = {control->listener, POLLIN, 0},
			[CONTROL] = {control->fd, control->out_length > 0 ? POLLIN | POLLOUT : POLLIN, 0},
			[RELAY_LISTENER] = {relay->fd < 0 ? relay->listener : -1, POLLIN, 0},
			[RELAY] = {relay->fd, relay->phase == RELAY_REPLYING ? POLLOUT : POLLIN, 0},
		};
		if (poll(fds, COUNT, clock_timeout(next, now)) <= 0)
			continue;

		if (fds[SIGNALS].revents != 0) {
			struct signalfd_siginfo info;
			while (read(monitor->signals, &info, sizeof info) == sizeof info)
				;
			child_reap(monitor, clock_ms());
		}
		for (int i = 0; i < 2; i++)
			if (fds[OUT + i].revents != 0)
				log_read(&monitor->log, &monitor->log.streams[i]);
		if (fds[CONTROL].revents & POLLOUT)
			control_write(monitor);
		if (control->fd >= 0 && (fds[CONTROL].revents & ~POLLOUT) != 0)
			control_read(monitor);
		if (fds[CONTROL_LISTENER].revents != 0)
			control_accept(monitor);
		if (relay->fd >= 0 && fds[RELAY].revents != 0)
			relay_ready(monitor);
		if (fds[RELAY_LISTENER].revents != 0)
			relay_accept(monitor);
	}
}

/* Gives the service a moment to read its last lines. */
static void farewell(struct monitor *monitor)
{
	int64_t until = clock_ms() + FAREWELL_MS;
	while (monitor->control.fd >= 0 && monitor->control.out_length > 0 && clock_ms() < until) {
		struct pollfd fd = {monitor->control.fd, POLLOUT, 0};
		poll(&fd, 1, clock_timeout(until, clock_ms()));
		control_write(monitor);
	}
}

static int run(struct monitor *monitor, const struct monitor_options *options, char **argv, int starter)
{
	char why[512] = "cannot detach";
	if (!detach(monitor->directory, starter) || !set_up(monitor, options, argv, why, sizeof why)) {
		ssize_t ignored = write(starter, why, strlen(why));
		(void)ignored;
		remove_traces(monitor);
		unlinkat(monitor->directory, "exit.tmp", 0);
		if (monitor->log.fd >= 0 && monitor->log.size == 0)
			unlinkat(monitor->directory, "log", 0);
		return 1;
	}
	ssize_t told = write(starter, "+", 1);
	(void)told;
	close(starter);
	loop(monitor);
	log_finish(&monitor->log);
	exit_report(monitor);
	farewell(monitor);
	remove_traces(monitor);
	return 0;
}

int monitor_command(int argc, char **argv)
{
	struct monitor_options options;
	const char *problem = monitor_options_parse(argc, argv, &options);
	if (problem != NULL) {
		fprintf(stderr,
			"portlayer-init monitor: %s\n"
			"usage: portlayer-init monitor --dir DIR [--log-max-bytes N] [--log-files N] [--cgroup DIR]... [--memory-group DIR] [--pid-file F] -- COMMAND...\n",
			problem);
		return EXIT_USAGE;
	}

	struct monitor *monitor = &the_monitor;
	*monitor = (struct monitor){.init_handle = -1, .state = "starting", .ring_again = -1, .ring_pause_ms = 1000,
				    .drain_until = -1, .log.fd = -1, .control = {.listener = -1, .fd = -1},
				    .relay = {.listener = -1, .fd = -1}};
	char resolved[4096];
	int starter[2];
	if (realpath(options.directory, resolved) == NULL ||
	    (monitor->directory = open(resolved, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || pipe2(starter, O_CLOEXEC) != 0) {
		fprintf(stderr, "portlayer-init monitor: cannot use the directory %s: %s\n", options.directory, strerror(errno));
		return 1;
	}
	memcpy(monitor->directory_path, resolved, sizeof resolved);
	monitor->pid_file = options.pid_file;
	for (size_t i = 0; i < options.cgroup_count; i++)
		monitor->memory_groups[monitor->memory_group_count++] = options.cgroups[i];
	if (options.memory_group != NULL)
		monitor->memory_groups[monitor->memory_group_count++] = options.memory_group;
	/* A group outlives its container's runs, and so does its count. */
	monitor->oom_kills_before = exit_oom_kills(monitor);

	pid_t pid = fork();
	if (pid < 0) {
		fprintf(stderr, "portlayer-init monitor: cannot fork: %s\n", strerror(errno));
		return 1;
	}
	if (pid == 0)
		_exit(run(monitor, &options, argv + optind, starter[1]));
	close(starter[1]);
	/* `+` means that the monitor listens and the command was executed; anything else is why not. */
	char why[512];
	ssize_t got;
	do
		got = read(starter[0], why, sizeof why - 1);
	while (got < 0 && errno == EINTR);
	if (got == 1 && why[0] == '+')
		return 0;
	if (got <= 0)
		got = snprintf(why, sizeof why, "the monitor ended before it was ready");
	why[got] = '\0';
	fprintf(stderr, "portlayer-init monitor: %s\n", why);
	waitpid(pid, NULL, 0);
	return 1;
}
