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

int netns_command(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: portlayer-init netns PATH\n", stderr);
		return EXIT_USAGE;
	}
	const char *what = "create";
	int fd = open(argv[1], O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool made = fd >= 0;
	if (made) {
		close(fd);
		what = "unshare the network for";
		made = unshare(CLONE_NEWNET) == 0;
	}
	if (made) {
		what = "raise the loopback of";
		made = loopback_raise();
	}
	if (made) {
		what = "mount";
		made = mount("/proc/self/ns/net", argv[1], NULL, MS_BIND, NULL) == 0;
	}
	if (!made)
		fprintf(stderr, "portlayer-init netns: cannot %s %s: %s\n", what, argv[1], strerror(errno));
	return made ? 0 : EXIT_SETUP;
}
