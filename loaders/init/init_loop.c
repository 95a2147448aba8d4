/* The life of PID 1: reap, forward, take askers in, talk to the monitor. One poll(), nothing blocks. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process_tree.h"

#define FREEZE_PASSES 100

/* From outside the container: no visible pid, or, where there is no pid namespace, the process that started us. */
static bool from_outside(const struct init *init, const struct signalfd_siginfo *info)
{
	return info->ssi_pid == 0 || (!init->alone && (pid_t)info->ssi_pid == init->parent);
}

static void stop_one(pid_t pid, char state, void *context)
{
	if (strchr("TtZX", state) == NULL) {
		kill(pid, SIGSTOP);
		++*(int *)context;
	}
}

static void continue_one(pid_t pid, char state, void *context)
{
	(void)state;
	(void)context;
	kill(pid, SIGCONT);
}

static void freeze(const struct init *init, bool stop)
{
	if (init->alone) {
		kill(-1, stop ? SIGSTOP : SIGCONT);
		return;
	}
	if (!stop) {
		process_tree_visit(getpid(), continue_one, NULL);
		return;
	}
	/* Again until nothing new shows up: what is not stopped yet may have forked. */
	for (int pass = 0, stopped = 1; stopped > 0 && pass < FREEZE_PASSES; pass++) {
		stopped = 0;
		process_tree_visit(getpid(), stop_one, &stopped);
	}
}

/* A helper of the task's that must outlive it has not: what the task ends with will say nothing of that. */
static void note_companion(struct init *init, const siginfo_t *ended)
{
	char path[64], name[32] = "";
	if (init->options.companion == NULL || init->task_ended || (ended->si_code == CLD_EXITED && ended->si_status == 0))
		return;
	snprintf(path, sizeof path, "/proc/%d/comm", ended->si_pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, name, sizeof name - 1) < 0)
		name[0] = '\0';
	if (fd >= 0)
		close(fd);
	if (strncmp(name, init->options.companion, strlen(init->options.companion)) != 0)
		return;
	name[strcspn(name, "\n")] = '\0';
	snprintf(init->lost, sizeof init->lost, "%s %s %d while the task ran, and took it with it", name,
		 ended->si_code == CLD_EXITED ? "ended with code" : "was ended by signal", ended->si_status);
}

static void reap(struct init *init)
{
	siginfo_t ended = {0};
	int status;
	/* Looked at first, while its name can still be read. */
	while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0) {
		note_companion(init, &ended);
		pid_t pid = waitpid(ended.si_pid, &status, WNOHANG);
		ended.si_pid = 0;
		if (pid <= 0)
			continue;
		if (pid == init->task) {
			init->task_ended = true;
			init->task_status = status;
		} else if (status != 0) {
			init->orphan_status = status;
		}
	}
}

static void take_signal(struct init *init, const struct signalfd_siginfo *info, int64_t now)
{
	int number = (int)info->ssi_signo;
	if (number == SIGCHLD)
		reap(init);
	else if (number == SIGNAL_ASK)
		ask_signal(init, info, now);
	else if (!from_outside(init, info))
		return; /* the protection that the kernel gives PID 1, against its own tasks */
	else if (number == SIGNAL_DOORBELL)
		init->doorbell = true;
	else if (number == SIGNAL_FREEZE)
		freeze(init, info->ssi_int == 1);
	else if (number != SIGNAL_ANSWER && !init->task_ended && kill(-init->task, number) != 0)
		kill(init->task, number);
}

static bool over(const struct init *init)
{
	if (!init->task_ended)
		return false;
	if (!init->options.wait_all)
		return true;
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

/* Before the trigger is told: whoever acts on it finds the file as it is at that moment. */
static void note_askers(struct init *init)
{
	char text[sizeof init->askers_text];
	if (init->options.askers_file == NULL)
		return;
	askers_list(&init->askers, text, sizeof text);
	if (strcmp(text, init->askers_text) == 0)
		return;
	int fd = open(init->options.askers_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		strcpy(init->askers_text, text);
	if (fd >= 0)
		close(fd);
}

void init_loop(struct init *init)
{
	while (!over(init)) {
		int64_t now = clock_ms();
		note_askers(init);
		conversation_step(init, now);
		int64_t next = clock_earlier(askers_expire(&init->askers, now), conversation_next(init));

		struct pollfd fds[3 + ASKER_PLACES];
		fds[0] = (struct pollfd){init->signals, POLLIN, 0};
		fds[1] = (struct pollfd){init->listener, POLLIN, 0};
		fds[2] = (struct pollfd){init->relay.fd, init->relay.state == RELAY_SENDING ? POLLOUT : POLLIN, 0};
		for (size_t i = 0; i < ASKER_PLACES; i++) {
			const struct asker *asker = &init->askers.table[i];
			bool socket = asker->kind == ASKER_SOCKET_READING || asker->kind == ASKER_SOCKET_WAITING;
			fds[3 + i] = (struct pollfd){socket ? asker->fd : -1, POLLIN, 0};
		}
		if (poll(fds, 3 + ASKER_PLACES, clock_timeout(next, now)) <= 0)
			continue;

		now = clock_ms();
		for (size_t i = 0; i < ASKER_PLACES; i++)
			if (fds[3 + i].revents != 0)
				ask_socket_ready(init, &init->askers.table[i], now);
		if (fds[1].revents != 0)
			ask_socket_accept(init, now);
		struct signalfd_siginfo info;
		if (fds[0].revents != 0)
			while (read(init->signals, &info, sizeof info) == sizeof info)
				take_signal(init, &info, now);
	}
}
