/*
 * What CRIU runs at its steps (`action-script`), by the name `criu-step`; everything it needs is in the environment.
 *
 * Before a dump it freezes the container, when CRIU is about to begin and no sooner: runc and CRIU take some 40 ms to
 * get there, and CRIU's own freeze would wait 100 ms more, and thaw in the end. After a restore, before anything that
 * was restored executes, it gives the copy its host name: nothing inside has the right to. Where a step fails, CRIU does.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "freezer.h"
#include "init.h"

static const char *value(const char *name)
{
	const char *text = getenv(name);
	return text != NULL ? text : "";
}

/* FREEZER is the container's group, MARK a file that says to the service: frozen; MARK.blockers what was in the way. */
static int freeze(void)
{
	const char *mark = value("PORTLAYER_MARK");
	char path[4200];
	if (*mark == '\0')
		return 0;
	snprintf(path, sizeof path, "%s.blockers", mark);
	FILE *report = fopen(path, "we");
	if (report == NULL)
		return EXIT_SETUP;
	bool frozen = freezer_freeze(value("PORTLAYER_FREEZER"), strtoll(value("PORTLAYER_QUIESCE_MS"), NULL, 10), report);
	fclose(report);
	if (!frozen)
		return EXIT_SETUP;
	int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return EXIT_SETUP;
	close(fd);
	return 0;
}

static int name_host(void)
{
	const char *name = value("PORTLAYER_HOSTNAME"), *init = value("CRTOOLS_INIT_PID");
	char path[64];
	if (*name == '\0')
		return 0;
	snprintf(path, sizeof path, "/proc/%.10s/ns/uts", init);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && setns(fd, CLONE_NEWUTS) == 0 && sethostname(name, strlen(name)) == 0)
		return 0;
	fprintf(stderr, "criu-step: cannot name the host of process %.10s: %s\n", init, strerror(errno));
	return EXIT_SETUP;
}

int criu_step_command(int argc, char **argv)
{
	(void)argc, (void)argv;
	const char *step = value("CRTOOLS_SCRIPT_ACTION");
	if (strcmp(step, "pre-dump") == 0)
		return freeze();
	return strcmp(step, "post-restore") == 0 ? name_host() : 0;
}
