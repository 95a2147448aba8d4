/* `portlayer-init init`: sets the container up, starts the task, is PID 1 to it, and ends with it. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "kernel.h"
#include "process_tree.h"
#include "unix_socket.h"

/* All of the init's memory. */
static struct init the_init;

static void begin_line(struct line_writer *line, const char *word)
{
	line_begin(line, word);
	line_add_number(line, "v", 1);
	line_add(line, "inc", the_init.identity.incarnation);
}

/* Tells whoever can be told that there will be no container; the exit code. */
static int fail(const struct setup_failure *failure, int code)
{
	struct line_writer line;
	static struct line reply;
	const struct init_options *options = &the_init.options;
	fprintf(stderr, "portlayer-init: %s\n", failure->text);
	begin_line(&line, "FAILED");
	line_add(&line, "what", failure->what);
	line_add_number(&line, "errno", failure->number);
	line_add(&line, "text", failure->text);
	line_end(&line, GUEST_BYTES);
	/* Before the pivot the relay is where the host has it. */
	if (options->relay == NULL || !relay_say(options->relay, &line, &reply))
		if (options->relay_early != NULL)
			relay_say(options->relay_early, &line, &reply);
	return code;
}

static int fail_as(const char *what, const char *which)
{
	struct setup_failure failure = {.what = what, .number = errno};
	snprintf(failure.text, sizeof failure.text, "%s %.160s: %s", what, which, strerror(errno));
	return fail(&failure, EXIT_SETUP);
}

static bool say_hello(void)
{
	struct line_writer line;
	static struct line reply;
	begin_line(&line, "HELLO");
	line_add_number(&line, "pid", getpid());
	line_end(&line, GUEST_BYTES);
	errno = 0;
	if (!relay_say(the_init.relay.path, &line, &reply))
		return false;
	errno = EPROTO;
	return strcmp(reply.word, "OK") == 0;
}

static void say_exited(int code, int signal_number)
{
	struct line_writer line;
	static struct line reply;
	begin_line(&line, "EXITED");
	line_add_number(&line, "code", code);
	line_add_number(&line, "signal", signal_number);
	line_end(&line, GUEST_BYTES);
	relay_say(the_init.relay.path, &line, &reply);
}

/* Where no pid namespace ends with us, what the task left behind is ended by hand. */
static void end_descendants(void)
{
	for (int pass = 0; pass < 500 && process_tree_kill(getpid()) > 0; pass++) {
		poll(NULL, 0, 2);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static int finish(void)
{
	int status = the_init.task_status;
	/*
	 * With --wait-all the first child may have been only the starter of the task (dmtcp_restart forks and
	 * ends with 0); then what went wrong, or said X, is what the last other one ended with.
	 */
	if (the_init.options.wait_all && status == 0)
		status = the_init.orphan_status;
	int signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	int code = WIFSIGNALED(status) ? 128 + signal_number : WEXITSTATUS(status);
	if (the_init.relay.fd >= 0)
		close(the_init.relay.fd);
	/* The task has ended before it could be said that it started. */
	if (the_init.relay.path != NULL && the_init.say_started) {
		struct line_writer line;
		static struct line reply;
		begin_line(&line, "STARTED");
		line_add_number(&line, "pid", the_init.task);
		line_end(&line, GUEST_BYTES);
		relay_say(the_init.relay.path, &line, &reply);
	}
	if (!the_init.alone)
		end_descendants();
	if (the_init.relay.path != NULL && the_init.lost[0] != '\0') {
		struct line_writer line;
		static struct line reply;
		begin_line(&line, "FAILED");
		line_add(&line, "what", "companion");
		line_add_number(&line, "errno", 0);
		line_add(&line, "text", the_init.lost);
		line_end(&line, GUEST_BYTES);
		relay_say(the_init.relay.path, &line, &reply);
	}
	if (the_init.relay.path != NULL)
		say_exited(code, signal_number);
	if (the_init.listener >= 0)
		unlink(the_init.options.socket);
	return code;
}

static bool take_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* A starter that ignored SIGCHLD would leave us no statuses. */
	signal(SIGCHLD, SIG_DFL);
	the_init.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return the_init.signals >= 0;
}

int init_command(int argc, char **argv)
{
	const char *problem = init_options_parse(argc, argv, &the_init.options);
	const struct init_options *options = &the_init.options;
	struct setup_failure failure;
	if (problem != NULL) {
		fprintf(stderr, "portlayer-init init: %s\nusage: portlayer-init init [options] -- COMMAND...\n", problem);
		return EXIT_USAGE;
	}
	/* No file of the outside stays open: CRIU could not find it again. */
	syscall(SYS_close_range, 3, ~0U, 0);
	the_init.alone = getpid() == 1;
	the_init.parent = getppid();
	the_init.relay = (struct relay){.path = options->relay, .fd = -1};
	the_init.first_try = the_init.next_try = -1;
	the_init.listener = -1;
	identity_draw(&the_init.identity, NULL);
	prctl(PR_SET_NAME, "portlayer-init", 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	setsid();

	if (!take_signals())
		return fail_as("signalfd", "for all signals");
	if (options->hostname != NULL && sethostname(options->hostname, strlen(options->hostname)) != 0)
		return fail_as("hostname", options->hostname);
	if (options->loopback_up && !loopback_raise())
		return fail_as("loopback", "lo");
	if (!setup_run(options, &failure))
		return fail(&failure, EXIT_SETUP);
	if (chdir("/") != 0)
		return fail_as("chdir", "/");
	if (the_init.alone) {
		/* Standard input as this container's own /dev/null; the one that was inherited is a file of the outside. */
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0)
			dup2(null, STDIN_FILENO);
		close(null);
	}
	if (options->socket != NULL && (the_init.listener = unix_listen(options->socket, 0666, 64)) < 0)
		return fail_as("socket", options->socket);
	if (options->relay != NULL && !say_hello())
		return fail_as("relay", options->relay);

	the_init.task = task_start(options, &failure);
	if (the_init.task < 0) {
		int code = strcmp(failure.what, "exec") != 0 ? EXIT_SETUP : failure.number == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
		return fail(&failure, code);
	}
	the_init.say_started = options->relay != NULL;
	init_loop(&the_init);
	return finish();
}
