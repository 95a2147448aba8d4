/* From the bridge to QEMU: descriptors, user, what it may do, and that it ends with us. */
#include "machine_host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel.h"

#define CAPABILITY_SYS_PTRACE 19

const char *machine_options_parse(int argc, char **argv, struct machine_options *options)
{
	*options = (struct machine_options){.uid = -1, .gid = -1};
	int at = 1;
	for (; at < argc && strcmp(argv[at], "--") != 0; at += 2) {
		const char *name = argv[at], *value = at + 1 < argc ? argv[at + 1] : NULL;
		if (value == NULL)
			return "an option lacks its value";
		if (strcmp(name, "--relay") == 0)
			options->relay = value;
		else if (strcmp(name, "--orders") == 0)
			options->orders = value;
		else if (strcmp(name, "--errors") == 0)
			options->errors = value;
		else if (strcmp(name, "--resume") == 0)
			options->resume = value;
		else if (strcmp(name, "--incoming") == 0)
			options->incoming = value;
		else if (strcmp(name, "--uid") == 0)
			options->uid = atoll(value);
		else if (strcmp(name, "--gid") == 0)
			options->gid = atoll(value);
		else if (strcmp(name, "--console") == 0)
			options->console = value;
		else if (strcmp(name, "--own") == 0)
			options->own = value;
		else if (strcmp(name, "--hide") == 0)
			options->hide = value;
		else if (strcmp(name, "--show") == 0 && options->shown < SHOWN_MAX)
			options->show[options->shown++] = value;
		else if (strcmp(name, "--memory") == 0)
			options->memory = value;
		else if (strcmp(name, "--memory-at") == 0)
			options->memory_at = value;
		else if (strcmp(name, "--snapshots") == 0)
			options->snapshots = strcmp(value, "capability") == 0;
		else
			return "unknown option";
	}
	options->argv = argv + at + 1;
	if (options->relay == NULL || options->orders == NULL || options->errors == NULL || options->console == NULL)
		return "--relay, --orders, --errors and --console are required";
	return at + 1 < argc ? NULL : "no command given after --";
}

/* Everything is given up but, where asked, the one capability, which the kernel then keeps over the exec. */
static bool become_user(const struct machine_options *options)
{
	gid_t gid = (gid_t)options->gid;
	uid_t uid = (uid_t)options->uid;
	if (options->uid < 0)
		return true;
	if (options->snapshots)
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		return false;
	if (options->snapshots) {
		struct kernel_capability_header header = {KERNEL_CAPABILITY_VERSION_3, 0};
		struct kernel_capability_data data[2] = {{0}};
		data[0].effective = data[0].permitted = data[0].inheritable = 1U << CAPABILITY_SYS_PTRACE;
		if (syscall(SYS_capset, &header, data) != 0 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAPABILITY_SYS_PTRACE, 0, 0) != 0)
			return false;
	}
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static void become_qemu(const struct machine_options *options, const int ports[3], pid_t parent)
{
	sigset_t none;
	/* Clear of the numbers they are to get. */
	int high[3], null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		high[i] = fcntl(ports[i], F_DUPFD, 20);
	int errors = open(options->errors, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
	errors = errors >= 0 ? fcntl(errors, F_DUPFD, 20) : null;
	int incoming = options->incoming != NULL ? open(options->incoming, O_RDONLY) : -1;
	if (options->incoming != NULL && incoming < 0) {
		dprintf(errors, "portlayer-init: %s: %s\n", options->incoming, strerror(errno));
		_exit(126);
	}
	incoming = incoming >= 0 ? fcntl(incoming, F_DUPFD, 20) : -1;
	int console = open(options->console, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
	if (console >= 0 && options->uid >= 0 && fchown(console, (uid_t)options->uid, (gid_t)options->gid) != 0)
		dprintf(errors, "portlayer-init: %s: %s\n", options->console, strerror(errno));
	console = console >= 0 ? fcntl(console, F_DUPFD, 20) : null;
	dup2(null, STDIN_FILENO);
	dup2(errors, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	dup2(high[0], FD_CONTROL);
	dup2(high[1], FD_STDOUT);
	dup2(high[2], FD_STDERR);
	dup2(incoming >= 0 ? incoming : null, FD_INCOMING);
	dup2(console, FD_CONSOLE);
	syscall(SYS_close_range, FD_CONSOLE + 1, ~0U, 0);
	for (int number = 1; number <= 64; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (options->uid >= 0 && ((options->own != NULL && !machine_own(options->own, options->uid, options->gid)) ||
				  !machine_jail(options) || !become_user(options))) {
		fprintf(stderr, "portlayer-init: cannot become user %lld: %s\n", options->uid, strerror(errno));
		_exit(126);
	}
	/* After the change of user, which would undo it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* In a pid namespace of its own it sees no parent. */
	if (options->uid < 0 && getppid() != parent)
		_exit(126);
	execvp(options->argv[0], options->argv);
	fprintf(stderr, "portlayer-init: %s: %s\n", options->argv[0], strerror(errno));
	_exit(127);
}

pid_t machine_start(const struct machine_options *options, const int ports[3])
{
	pid_t parent = getpid();
	int ours = options->uid >= 0 ? open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC) : -1;
	if (options->uid >= 0 && (ours < 0 || unshare(CLONE_NEWPID) != 0))
		return -1;
	pid_t pid = fork();
	if (pid == 0)
		become_qemu(options, ports, parent);
	/* What we start later is not to be within reach of QEMU, which may keep the right to trace its namespace. */
	if (ours >= 0 && setns(ours, CLONE_NEWPID) != 0)
		kill(pid, SIGKILL);
	if (ours >= 0)
		close(ours);
	return pid;
}
