/* Between PID 1 and a task of DMTCP's: a parent that is not PID 1, and that ends as the task does. */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_like(int status)
{
	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	int number = WTERMSIG(status);
	sigset_t all;
	/* The task has left its core, where it was to: not a second one. */
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	signal(number, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	raise(number);
	_exit(128 + number);
}

int keeper_stand(int report)
{
	pid_t task = fork();
	if (task <= 0)
		return task;
	close(report);
	prctl(PR_SET_NAME, KEEPER_NAME, 0, 0, 0);
	/* Signals for the task come to its whole group: none is meant for this process. */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	int status;
	while (waitpid(task, &status, 0) < 0)
		if (errno != EINTR)
			_exit(EXIT_SETUP);
	end_like(status);
	return 0;
}
