/* From the init to the task: a session of its own, its user, its directory, and fork()'s way of telling what went wrong. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(int pipe_end, const char *what, const char *which)
{
	struct setup_failure failure = {.number = errno};
	snprintf(failure.text, sizeof failure.text, "%s %.160s: %s", what, which, strerror(errno));
	/* `what` is a constant of this program: its address means the same to the parent. */
	failure.what = what;
	ssize_t ignored = write(pipe_end, &failure, sizeof failure);
	(void)ignored;
	_exit(EXIT_SETUP);
}

static void report_lack(int pipe_end, const char *why)
{
	struct setup_failure failure = {.what = "exec", .number = ENOEXEC};
	snprintf(failure.text, sizeof failure.text, "%s", why);
	ssize_t ignored = write(pipe_end, &failure, sizeof failure);
	(void)ignored;
	_exit(EXIT_SETUP);
}

static void become_task(const struct init_options *options, int pipe_end, pid_t init)
{
	char number[24];
	setsid();
	if (options->env_prefix != NULL)
		environment_take(options->env_prefix);
	snprintf(number, sizeof number, "%d", init);
	setenv("PORTLAYER_INIT_PID", number, 1);
	if (options->socket != NULL)
		setenv("PORTLAYER_SOCKET", options->socket, 1);
	const char *problem = credentials_take(options);
	if (problem != NULL)
		report(pipe_end, "user", problem);
	/* As the task's user: where that one may not go, the task is not put. */
	if (options->cwd != NULL && chdir(options->cwd) != 0)
		report(pipe_end, "chdir", options->cwd);
	for (int signal_number = 1; signal_number <= 64; signal_number++)
		signal(signal_number, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	char why[200];
	if (!task_needs_met(&options->needs, why, sizeof why))
		report_lack(pipe_end, why);
	if (options->keeper && keeper_stand(pipe_end) != 0)
		report(pipe_end, "fork", "for the task");
	execvp(options->argv[0], options->argv);
	report(pipe_end, "exec", options->argv[0]);
}

pid_t task_start(const struct init_options *options, struct setup_failure *failure)
{
	int ends[2];
	pid_t init = getpid(), task = -1;
	bool piped = pipe2(ends, O_CLOEXEC) == 0;
	if (piped)
		task = fork();
	if (task < 0) {
		*failure = (struct setup_failure){.what = "fork", .number = errno};
		snprintf(failure->text, sizeof failure->text, "fork: %s", strerror(errno));
		return -1;
	}
	if (task == 0)
		become_task(options, ends[1], init);
	close(ends[1]);
	/* Ends with the close-on-exec of the other end: nothing to read means that the task runs. */
	ssize_t got;
	do
		got = read(ends[0], failure, sizeof *failure);
	while (got < 0 && errno == EINTR);
	close(ends[0]);
	if (got != sizeof *failure)
		return task;
	waitpid(task, NULL, 0);
	return -1;
}
