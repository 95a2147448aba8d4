/*
 * `portlayer-init enter`: one more command in a running container, with what its task has and no more. Nothing of the
 * container's environment, files or programs has a say before the command itself is executed.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"

#define CGROUPS_MAX 32

struct entrance {
	const char *target; /* pid of the container's init */
	const char *cgroups[CGROUPS_MAX];
	size_t cgroup_count;
	struct init_options options; /* of which `enter` knows cwd, uid, gid, drop_capabilities, env_prefix */
};

/* The user namespace first: it gives the rights to the others. */
static const struct {
	const char *name;
	int kind;
} kinds[] = {
	{"user", CLONE_NEWUSER}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
	{"net", CLONE_NEWNET},   {"pid", CLONE_NEWPID}, {"mnt", CLONE_NEWNS},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const char *parse(int argc, char **argv, struct entrance *entrance)
{
	struct init_options *options = &entrance->options;
	int at = 1;
	*entrance = (struct entrance){.options = {.uid = -1, .gid = -1}};
	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		const char *name = argv[at];
		if (strcmp(name, "--drop-capabilities") == 0) {
			options->drop_capabilities = true;
			continue;
		}
		if (++at >= argc)
			return "an option without its value";
		char *end = "";
		if (strcmp(name, "--target") == 0)
			entrance->target = argv[at], strtoul(argv[at], &end, 10);
		else if (strcmp(name, "--uid") == 0)
			options->uid = (long long)strtoul(argv[at], &end, 10);
		else if (strcmp(name, "--gid") == 0)
			options->gid = (long long)strtoul(argv[at], &end, 10);
		else if (strcmp(name, "--cwd") == 0)
			options->cwd = argv[at];
		else if (strcmp(name, "--env-prefix") == 0)
			options->env_prefix = argv[at];
		else if (strcmp(name, "--cgroup") == 0 && entrance->cgroup_count < CGROUPS_MAX)
			entrance->cgroups[entrance->cgroup_count++] = argv[at];
		else
			return "unknown option, or too many --cgroup";
		if (*end != '\0' || argv[at][0] == '\0')
			return "a number is needed";
	}
	options->argv = argv + at + 1;
	if (entrance->target == NULL || strlen(entrance->target) > 10)
		return "--target takes the pid of the container's init";
	return at + 1 < argc ? NULL : "no command given after --";
}

static void complain(const char *what, const char *which)
{
	fprintf(stderr, "portlayer-init enter: %s %s: %s\n", what, which, strerror(errno));
}

/* Before anything else, so that a pause reaches the command. */
static bool join_cgroups(const struct entrance *entrance)
{
	for (size_t i = 0; i < entrance->cgroup_count; i++) {
		char path[4200];
		snprintf(path, sizeof path, "%s/cgroup.procs", entrance->cgroups[i]);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		bool joined = fd >= 0 && write(fd, "0", 1) == 1;
		if (!joined)
			complain("cannot join the cgroup", entrance->cgroups[i]);
		if (fd >= 0)
			close(fd);
		if (!joined)
			return false;
	}
	return true;
}

/* All are opened before the first is entered: afterwards the host's /proc is out of sight. -1 where both share it. */
static bool open_namespaces(const struct entrance *entrance, int fds[KINDS], int *root)
{
	char path[64], own[64];
	for (size_t i = 0; i < KINDS; i++) {
		struct stat theirs, ours;
		snprintf(path, sizeof path, "/proc/%.10s/ns/%s", entrance->target, kinds[i].name);
		snprintf(own, sizeof own, "/proc/self/ns/%s", kinds[i].name);
		fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0 || fstat(fds[i], &theirs) != 0) {
			complain("cannot open", path);
			return false;
		}
		if (stat(own, &ours) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
			close(fds[i]);
			fds[i] = -1;
		}
	}
	snprintf(path, sizeof path, "/proc/%.10s/root", entrance->target);
	*root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*root < 0)
		complain("cannot open", path);
	return *root >= 0;
}

static bool go_in(const struct entrance *entrance)
{
	int fds[KINDS], root;
	if (!open_namespaces(entrance, fds, &root))
		return false;
	for (size_t i = 0; i < KINDS; i++) {
		if (fds[i] >= 0 && setns(fds[i], kinds[i].kind) != 0) {
			complain("cannot enter the namespace", kinds[i].name);
			return false;
		}
	}
	if (fchdir(root) != 0 || chroot(".") != 0 || chdir("/") != 0) {
		complain("cannot enter the root of", entrance->target);
		return false;
	}
	return true;
}

/* In the child, which is in the pid namespace too. */
static void become_command(const struct init_options *options, const int parent[2])
{
	const char *problem = credentials_take(options);
	if (problem != NULL)
		complain("exec", problem);
	else if (options->cwd != NULL && chdir(options->cwd) != 0)
		complain("chdir", options->cwd);
	else {
		char byte;
		if (options->env_prefix != NULL)
			environment_take(options->env_prefix);
		/* After the change of user, which clears it. The parent may have died before: then the pipe has ended. */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		close(parent[1]);
		fcntl(parent[0], F_SETFL, O_NONBLOCK);
		if (read(parent[0], &byte, 1) == 0)
			_exit(EXIT_SETUP);
		execvp(options->argv[0], options->argv);
		int kept = errno;
		complain("exec", options->argv[0]);
		_exit(kept == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
	}
	_exit(EXIT_SETUP);
}

int enter_command(int argc, char **argv)
{
	static struct entrance entrance;
	int parent[2], status;
	const char *problem = parse(argc, argv, &entrance);
	if (problem != NULL) {
		fprintf(stderr,
			"portlayer-init enter: %s\nusage: portlayer-init enter --target PID [--cgroup DIR]... [--cwd D] [--uid N] "
			"[--gid N] [--drop-capabilities] [--env-prefix P] -- COMMAND...\n",
			problem);
		return EXIT_USAGE;
	}
	prctl(PR_SET_NAME, "portlayer-enter", 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (pipe2(parent, O_CLOEXEC) != 0 || !join_cgroups(&entrance) || !go_in(&entrance))
		return EXIT_SETUP;
	pid_t child = fork();
	if (child == 0)
		become_command(&entrance.options, parent);
	if (child < 0) {
		complain("cannot fork in", "the container");
		return EXIT_SETUP;
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_SETUP;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
