/* The processes below the monitor: the command, the init among them, and whatever they left behind. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "kernel.h"
#include "process_tree.h"
#include "protocol.h"

#define PID_LARGEST 4194304 /* the kernel's PID_MAX_LIMIT on 64 bits */
#define KILL_EVERY_MS 10
#define KILL_FOR_MS 5000
#define FREEZE_LOOK_MS 2
#define FREEZE_FOR_MS 5000
#define FREEZE_NUDGE_EVERY_MS 50
#define RING_PAUSE_MAX_MS 64000

struct start_failure {
	char what[200];
	int number;
};

static void fail(int pipe_end, const char *what, const char *which)
{
	struct start_failure failure = {.number = errno};
	snprintf(failure.what, sizeof failure.what, "%s %s", what, which);
	ssize_t ignored = write(pipe_end, &failure, sizeof failure);
	(void)ignored;
	_exit(EXIT_NOT_FOUND);
}

/* Between fork and exec: into the cgroups, then as if a shell had started it. */
static void become_command(char **argv, char *const *cgroups, size_t cgroup_count, const int outputs[2], int report)
{
	for (size_t i = 0; i < cgroup_count; i++) {
		char path[4200];
		snprintf(path, sizeof path, "%s/cgroup.procs", cgroups[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			fail(report, "cannot join the cgroup", cgroups[i]);
		close(fd);
	}
	dup2(outputs[0], STDOUT_FILENO);
	dup2(outputs[1], STDERR_FILENO);
	for (int number = 1; number <= 64; number++)
		signal(number, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	fail(report, "cannot execute", argv[0]);
}

bool child_start(struct monitor *monitor, char **argv, char *const *cgroups, size_t cgroup_count, char *why, size_t why_size)
{
	int out[2], err[2], report[2];
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 || pipe2(report, O_CLOEXEC) != 0) {
		snprintf(why, why_size, "cannot make pipes: %s", strerror(errno));
		return false;
	}
	monitor->command = fork();
	if (monitor->command < 0) {
		snprintf(why, why_size, "cannot fork: %s", strerror(errno));
		return false;
	}
	if (monitor->command == 0)
		become_command(argv, cgroups, cgroup_count, (int[]){out[1], err[1]}, report[1]);
	close(out[1]);
	close(err[1]);
	close(report[1]);

	struct start_failure failure;
	ssize_t got;
	do
		got = read(report[0], &failure, sizeof failure);
	while (got < 0 && errno == EINTR);
	close(report[0]);
	if (got == sizeof failure) {
		waitpid(monitor->command, NULL, 0);
		snprintf(why, why_size, "%s: %s", failure.what, strerror(failure.number));
		return false;
	}
	/* Only this side: the other ends belong to the task, which expects pipes that block. */
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	monitor->log.streams[0] = (struct log_stream){.fd = out[0], .name = "stdout", .waiting_since = -1};
	monitor->log.streams[1] = (struct log_stream){.fd = err[0], .name = "stderr", .waiting_since = -1};
	return true;
}

void child_init_is(struct monitor *monitor, pid_t pid)
{
	if (monitor->init_handle >= 0)
		close(monitor->init_handle);
	monitor->init = pid;
	/* A handle cannot come to mean another process, as a number can. Kernels before 5.3 have none. */
	monitor->init_handle = (int)syscall(SYS_pidfd_open, pid, 0);
}

bool child_signal(struct monitor *monitor, int number, const int *value)
{
	if (monitor->init <= 0) {
		errno = ESRCH;
		return false;
	}
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
	info.si_pid = getpid();
	info.si_uid = getuid();
	if (value != NULL)
		info.si_value.sival_int = *value;
	if (monitor->init_handle >= 0) {
		if (syscall(SYS_pidfd_send_signal, monitor->init_handle, number, value != NULL ? &info : NULL, 0) == 0)
			return true;
		if (errno != ENOSYS)
			return false;
	}
	return (value != NULL ? sigqueue(monitor->init, number, info.si_value) : kill(monitor->init, number)) == 0;
}

void child_ring(struct monitor *monitor, int64_t now)
{
	int nothing = 0;
	child_signal(monitor, SIGNAL_DOORBELL, &nothing);
	monitor->ring_again = now + monitor->ring_pause_ms;
	if (monitor->ring_pause_ms < RING_PAUSE_MAX_MS)
		monitor->ring_pause_ms *= 2;
}

static void kill_all(struct monitor *monitor)
{
	/* In a pid namespace the init takes everything with it, however fast that forks. */
	if (!monitor->command_ended)
		child_signal(monitor, SIGKILL, NULL);
	process_tree_kill(getpid());
}

void child_kill(struct monitor *monitor, int64_t now)
{
	if (!monitor->command_ended)
		monitor->killed = true;
	kill_all(monitor);
	monitor->killing = true;
	monitor->kill_again = now + KILL_EVERY_MS;
	monitor->kill_until = now + KILL_FOR_MS;
}

void child_freeze(struct monitor *monitor, enum freeze_wish wish, int64_t now)
{
	int value = wish == FREEZE_STOP;
	if (!child_signal(monitor, SIGNAL_FREEZE, &value)) {
		control_error(monitor, monitor->init == 0 ? "no-init" : strerror(errno));
		return;
	}
	monitor->freeze = wish;
	monitor->freeze_again = now;
	monitor->freeze_until = now + FREEZE_FOR_MS;
	monitor->freeze_nudge = now + FREEZE_NUDGE_EVERY_MS;
	monitor->freeze_nudged = false;
}

/*
 * A child of vfork(2) that was stopped before it executed something keeps its parent waiting in the kernel, where no
 * stop reaches it. So what will not stop is continued for a moment, and stopped again.
 */
static void freeze_nudge(struct monitor *monitor, int64_t now)
{
	int value = monitor->freeze_nudged;
	if (!monitor->freeze_nudged && now < monitor->freeze_nudge)
		return;
	if (!child_signal(monitor, SIGNAL_FREEZE, &value))
		return;
	monitor->freeze_nudged = !monitor->freeze_nudged;
	monitor->freeze_nudge = now + FREEZE_NUDGE_EVERY_MS;
}

/* The init acts on the signal when it is scheduled; OK is said when it is seen in /proc to have happened. */
static void freeze_look(struct monitor *monitor, int64_t now)
{
	int running = process_tree_running(monitor->init);
	bool done = monitor->freeze == FREEZE_STOP ? running == 0 && !monitor->freeze_nudged : running > 0;
	/* A tree that had nothing to continue, or whose tasks stopped themselves, is as thawed as can be. */
	if (!done && now >= monitor->freeze_until && monitor->freeze == FREEZE_CONTINUE)
		done = true;
	if (done) {
		control_send(monitor, "OK\n", 3);
		monitor->freeze = FREEZE_NONE;
	} else if (now >= monitor->freeze_until) {
		control_error(monitor, "freeze-timeout");
		monitor->freeze = FREEZE_NONE;
	} else {
		if (monitor->freeze == FREEZE_STOP)
			freeze_nudge(monitor, now);
		monitor->freeze_again = now + FREEZE_LOOK_MS;
	}
}

static pid_t read_pid(const char *path)
{
	char text[24], *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	long pid = strtol(text, &end, 10);
	return end != text && pid > 1 && pid <= PID_LARGEST ? (pid_t)pid : 0;
}

/* The command has done its part: the process it started, our child by adoption, is the container from now on. */
static bool hand_over(struct monitor *monitor, int *status)
{
	pid_t pid = monitor->pid_file != NULL ? read_pid(monitor->pid_file) : 0;
	monitor->pid_file = NULL;
	if (pid == 0 || !WIFEXITED(*status) || WEXITSTATUS(*status) != 0 || monitor->killed)
		return false;
	monitor->command = pid;
	for (size_t i = 0; i < REAPED_KEPT; i++) {
		if (monitor->reaped[i].pid == pid) {
			*status = monitor->reaped[i].status;
			return false;
		}
	}
	/* Whoever said HELLO before may have been a task of an image that runs already. */
	if (monitor->init != pid)
		child_init_is(monitor, pid);
	monitor->state = "running";
	control_say_monitor(monitor);
	if (monitor->answer_count > 0)
		child_ring(monitor, clock_ms());
	return true;
}

void child_reap(struct monitor *monitor, int64_t now)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != monitor->command) {
			monitor->reaped[monitor->reaped_next++ % REAPED_KEPT] = (struct reaped){pid, status};
			continue;
		}
		if (hand_over(monitor, &status))
			continue;
		monitor->command_ended = true;
		monitor->status = status;
		/* What the command left behind has no one to report to, and would hold the log open. */
		child_kill(monitor, now);
	}
}

bool child_left(void)
{
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void child_tick(struct monitor *monitor, int64_t now)
{
	if (monitor->killing && now >= monitor->kill_again) {
		kill_all(monitor);
		monitor->kill_again = now + KILL_EVERY_MS;
		if (now >= monitor->kill_until)
			monitor->killing = false;
	}
	if (monitor->freeze != FREEZE_NONE && now >= monitor->freeze_again)
		freeze_look(monitor, now);
	if (monitor->ring_again >= 0 && now >= monitor->ring_again)
		child_ring(monitor, now);
}
