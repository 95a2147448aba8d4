/*
 * `portlayer-init stage`: set-up operations in a mount namespace of its own, then a command in it. What it mounts is
 * seen by that command and its children only, and is gone with them, however they end: nothing is left to sweep.
 * With --wait-all it stays until all that the command started has ended, and ends with the command's own code.
 */
#include "init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "process_tree.h"

/* So long may what the command left behind take to end by itself, when the command has ended, and while it goes on. */
#define LEFT_BEHIND_MS 60000
#define ORPHAN_MS 500
#define LOOK_EVERY_MS 100

static int stage_fail(const struct init_options *options, struct setup_failure *failure, int code)
{
	struct identity nobody;
	struct line_writer line;
	static struct line reply;
	fprintf(stderr, "portlayer-init stage: %s\n", failure->text);
	if (options->relay_early == NULL)
		return code;
	identity_draw(&nobody, NULL);
	line_begin(&line, "FAILED");
	line_add_number(&line, "v", 1);
	line_add(&line, "inc", nobody.incarnation);
	line_add(&line, "what", failure->what);
	line_add_number(&line, "errno", failure->number);
	line_add(&line, "text", failure->text);
	line_end(&line, GUEST_BYTES);
	relay_say(options->relay_early, &line, &reply);
	return code;
}

/* True where this process has children beside the command; with `end`, these are killed. */
static bool has_orphans(pid_t command, bool end)
{
	char path[64];
	int pid;
	bool found = false;
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	FILE *children = fopen(path, "re");
	while (children != NULL && fscanf(children, "%d", &pid) == 1) {
		if (pid == command)
			continue;
		found = true;
		if (end)
			kill(pid, SIGKILL);
	}
	if (children != NULL)
		fclose(children);
	return found;
}

/*
 * Waits for the command and for all that it left behind. A CRIU whose runc was killed goes on alone, has to let go of
 * what it holds, and is given its time. What a CRIU that was killed leaves is of no use: it keeps the socket open on
 * which runc would wait for ever.
 */
static int wait_for_all(pid_t command)
{
	int status = 0, result = EXIT_SETUP;
	int64_t until = -1, orphaned = -1;
	sigset_t children;
	struct timespec look = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	for (;;) {
		pid_t pid = waitpid(-1, &status, WNOHANG);
		int64_t now = clock_ms();
		if (pid < 0 && errno == ECHILD)
			return result;
		if (pid == command) {
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			until = now + LEFT_BEHIND_MS;
		}
		if (pid != 0)
			continue;
		if (until >= 0 && now >= until)
			process_tree_kill(getpid());
		if (until < 0 && has_orphans(command, orphaned >= 0 && now >= orphaned + ORPHAN_MS))
			orphaned = orphaned < 0 ? now : orphaned;
		else
			orphaned = -1;
		sigtimedwait(&children, NULL, &look);
	}
}

int stage_command(int argc, char **argv)
{
	static struct init_options options;
	struct setup_failure failure;
	const char *problem = init_options_parse(argc, argv, &options);
	if (problem != NULL) {
		fprintf(stderr, "portlayer-init stage: %s\nusage: portlayer-init stage [--relay-early P] [--wait-all] [--netns FILE [--quick-loopback] | --loopback-up] [set-up operations] -- COMMAND...\n", problem);
		return EXIT_USAGE;
	}
	/* Before: its mount is to outlive this mount namespace. */
	const char *could_not = options.netns != NULL ? netns_make(options.netns, options.quick_loopback) : NULL;
	if (could_not != NULL) {
		failure = (struct setup_failure){.what = "network", .number = errno};
		snprintf(failure.text, sizeof failure.text, "cannot %s %.120s: %s", could_not, options.netns, strerror(errno));
		return stage_fail(&options, &failure, EXIT_SETUP);
	}
	if (options.loopback_up && !loopback_raise()) {
		failure = (struct setup_failure){.what = "network", .number = errno};
		snprintf(failure.text, sizeof failure.text, "raise the loopback: %s", strerror(errno));
		return stage_fail(&options, &failure, EXIT_SETUP);
	}
	if (unshare(CLONE_NEWNS) != 0) {
		failure = (struct setup_failure){.what = "mount", .number = errno};
		snprintf(failure.text, sizeof failure.text, "a mount namespace: %s", strerror(errno));
		return stage_fail(&options, &failure, EXIT_SETUP);
	}
	if (!setup_run(&options, &failure))
		return stage_fail(&options, &failure, EXIT_SETUP);
	if (options.wait_all) {
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		signal(SIGCHLD, SIG_DFL);
		sigset_t children, before;
		sigemptyset(&children);
		sigaddset(&children, SIGCHLD);
		sigprocmask(SIG_BLOCK, &children, &before);
		pid_t command = fork();
		if (command > 0)
			return wait_for_all(command);
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	execvp(options.argv[0], options.argv);
	failure = (struct setup_failure){.what = "exec", .number = errno};
	snprintf(failure.text, sizeof failure.text, "exec %.160s: %s", options.argv[0], strerror(errno));
	return stage_fail(&options, &failure, errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}
