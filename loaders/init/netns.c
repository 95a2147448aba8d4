/* `portlayer-init netns PATH`: a new network namespace with its loopback up, kept by a mount on the file PATH. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "init.h"

bool loopback_raise(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool raised = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	if (fd >= 0)
		close(fd);
	return raised;
}

const char *netns_make(const char *path, bool quick)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return "create the file of";
	close(fd);
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || unshare(CLONE_NEWNET) != 0)
		return "unshare the network for";
	const char *problem = NULL;
	if (!loopback_raise())
		problem = "raise the loopback of";
	else if (quick && !loopback_quicken())
		problem = "set the routes of";
	else if (mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL) != 0)
		problem = "mount";
	int kept = errno;
	if (setns(own, CLONE_NEWNET) != 0 && problem == NULL)
		return "come back from";
	close(own);
	errno = kept;
	return problem;
}

int netns_command(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: portlayer-init netns PATH\n", stderr);
		return EXIT_USAGE;
	}
	const char *problem = netns_make(argv[1], false);
	if (problem != NULL)
		fprintf(stderr, "portlayer-init netns: cannot %s %s: %s\n", problem, argv[1], strerror(errno));
	return problem == NULL ? 0 : EXIT_SETUP;
}
